"""Sales are not demand: days known to be out of stock are no evidence of low demand, in any model or preset."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_panels import panel_of

import windvane as wv
from windvane.models import registry
from windvane.outlook.produce import PRESETS
from windvane.panel import NEVER, Panel

HORIZON = 14
EVERY_PRESET = [pytest.param(p, marks=[pytest.mark.slow] if PRESETS[p].folds > 3 else []) for p in PRESETS]
_WEEK = np.array([0.8, 0.8, 0.9, 1.0, 1.1, 1.4, 1.0])


class Shelves:
    """Sales under stock-outs, and the truth.

    Attributes:
        sold: units sold [series, time].
        out: days cut short or lost, known as such, bool [series, time].
        demand: expected units [series, time + horizon].
        wanted: units wanted [series, time].
    """

    def __init__(self, seed: int, series: int = 300, time: int = 240) -> None:
        self.rng = np.random.default_rng(seed)
        self.level = np.exp(self.rng.uniform(np.log(0.3), np.log(12), series))[:, None]
        self.demand = self.level * _WEEK[np.arange(time + HORIZON) % 7][None, :]
        self.wanted = self.rng.poisson(self.demand[:, :time])
        self.sold, self.out = self.wanted.astype(np.float32), np.zeros(self.wanted.shape, bool)

    def panel(self, told: str) -> Panel:
        """The panel: stock-outs "unknown" to the shop (sales are taken as they are), "masked", or "told"."""
        if told == "masked":
            return panel_of(np.where(self.out, np.nan, self.sold))
        panel = panel_of(self.sold)
        moment = np.broadcast_to(np.arange(panel.shape[1]), panel.shape)
        return panel if told == "unknown" else panel.with_stockouts(np.where(self.out, moment, NEVER).astype(np.int32))

    def bias(self, mean: np.ndarray) -> float:
        return float(mean.sum(dtype=np.float64) / self.demand[:, -HORIZON:].sum() - 1)


def by_chance(seed: int, series: int = 300) -> Shelves:
    """A fifth of the days out of stock, up to two thirds of each lost, whatever the demand."""
    shop = Shelves(seed, series)
    for row in shop.out:
        t = 0
        while t < len(row):
            t += int(shop.rng.geometric(0.083))
            length = int(shop.rng.integers(1, 6))
            row[t : t + length] = True
            t += length
    part = shop.rng.uniform(0.3, 1, shop.out.shape)
    shop.sold = np.where(shop.out, shop.rng.binomial(shop.wanted, part), shop.wanted).astype(np.float32)
    return shop


def run_dry(seed: int) -> Shelves:
    """Shelves filled up once a week to what a week usually sells: good weeks run dry."""
    shop = Shelves(seed)
    full = np.ceil(7 * shop.level[:, 0])
    day, left = shop.rng.integers(0, 7, len(full)), full.copy()
    for t in range(shop.wanted.shape[1]):
        left = np.where((t + day) % 7 == 0, full, left)
        shop.sold[:, t] = np.minimum(shop.wanted[:, t], left)
        left = left - shop.sold[:, t]
        shop.out[:, t] = left <= 0
    return shop


def model_bias(shop: Shelves, name: str, told: str) -> float:
    panel = shop.panel(told)
    point = registry.point_model(name).fit(panel, HORIZON, np.random.default_rng(1))
    return shop.bias(point.means(panel, np.array([panel.shape[1] - 1]), HORIZON))


LEVEL_MODELS = ("moving_average", "ses", "seasonal_es", "structured", "boosted", "blend")
"""Models whose mean over many series leaves little to chance."""


@pytest.mark.parametrize("name", LEVEL_MODELS)
def test_stockouts_that_are_known_do_not_lower_a_forecast(name):
    shop = by_chance(4)
    lost = shop.sold.sum() / shop.wanted.sum() - 1
    assert 0.15 < shop.out.mean() < 0.25
    assert lost == pytest.approx(-0.07, abs=0.01)
    assert model_bias(shop, name, "unknown") == pytest.approx(-0.07, abs=0.02)
    assert abs(model_bias(shop, name, "told")) < 0.02


@pytest.mark.parametrize("preset", EVERY_PRESET)
def test_stockouts_that_are_known_do_not_lower_a_presets_forecast(preset):
    shop = by_chance(4, 200)
    naive = shop.bias(wv.forecast(shop.panel("unknown"), HORIZON, preset).mean)
    found = wv.forecast(shop.panel("masked"), HORIZON, preset)
    assert -0.09 < naive < -0.035
    assert abs(shop.bias(found.mean)) < 0.02
    totals = found.totals(100).sum(axis=0)
    assert shop.bias(totals.mean(keepdims=True)) == pytest.approx(0, abs=0.03)


def test_where_good_weeks_run_dry_leaving_out_days_takes_away_half_of_the_bias():
    """Days that run dry were good days: what is left is a little too low, and that is how far masking gets."""
    shop = run_dry(2)
    naive, masked = (model_bias(shop, "structured", told) for told in ("unknown", "told"))
    assert naive == pytest.approx(-0.065, abs=0.015)
    assert 0.3 * naive > masked > 0.65 * naive


@pytest.mark.parametrize("name", LEVEL_MODELS)
def test_what_was_sold_on_days_out_of_stock_does_not_matter(name):
    shop = by_chance(6)
    before = shop.panel("told")
    # A sale stays a sale: it says that the series is on offer.
    other = 1 + shop.rng.poisson(3, shop.out.shape)
    shop.sold = np.where(shop.out & (shop.sold > 0), other, shop.sold).astype(np.float32)
    after = shop.panel("told")
    at = np.array([before.shape[1] - 1])
    first, second = (
        registry.point_model(name).fit(p, HORIZON, np.random.default_rng(1)).means(p, at, HORIZON)
        for p in (before, after)
    )
    np.testing.assert_array_equal(first, second)
