"""Seasons of single series: found where years agree, not where a series only grows, and carried into the forecast."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.freq import Freq
from windvane.models.registry import model
from windvane.models.structured import seasons
from windvane.models.structured.model import Structured
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
DAYS = 840


def shop(days: int = DAYS, seed: int = 1, unit: str = "1d") -> tuple[Panel, np.ndarray]:
    """Twelve seasonal goods (a bell round a day of the year), 28 that sell all year, half of these growing fast."""
    rng = np.random.default_rng(seed)
    step = 1 if unit == "1d" else 7
    at = np.arange(0, days, step)
    level = rng.uniform(2, 8, 40) * step
    mean = np.repeat(level[:, None], len(at), axis=1)
    peak = np.linspace(20, 350, 12)
    angle = 2 * np.pi * (at[None, :] - peak[:, None]) / 365.25
    mean[:12] *= np.exp(3.0 * (np.cos(angle) - 1) + 1)
    mean[26:] *= np.exp(0.8 * (at / 365.25 - 1))[None, :]
    freq = Freq(unit, 0)
    numbers = np.arange(len(at)) + freq.numbers(pl.Series([date(2024, 1, 4)]))[0]
    panel = Panel(
        keys=pl.DataFrame({"sku": [f"s{k:02d}" for k in range(40)]}),
        sales=rng.poisson(mean).astype(np.float32),
        dates=freq.dates(numbers),
        freq=freq,
    )
    return panel, mean


@pytest.mark.parametrize("unit", ["1d", "1w"])
def test_seasonal_goods_are_found_and_growth_is_no_season(unit):
    panel, _ = shop(unit=unit)
    table = seasons.learn(panel, np.ones(panel.shape, np.float32))
    found = (table.values != 0).any(axis=1)
    assert found[:12].all()
    assert not found[12:].any()


def test_less_than_two_years_tell_nothing():
    panel, _ = shop(days=600)
    assert seasons.learn(panel, np.ones(panel.shape, np.float32)) is None
    month = Panel(
        panel.keys,
        panel.sales[:, :48],
        pl.date_range(date(2020, 1, 1), date(2023, 12, 1), "1mo", eager=True),
        Freq("1mo"),
    )
    assert seasons.learn(month, np.ones(month.shape, np.float32)) is None


def test_a_profile_is_that_of_the_days_it_stands_for():
    panel, mean = shop(seed=2)
    table = seasons.learn(panel, np.ones(panel.shape, np.float32))
    values = seasons.values(table, panel, panel.shape[1] + 40)
    assert values.shape == (40, DAYS + 40)
    truth = np.log(mean[:12] / mean[:12].mean(axis=1, keepdims=True))
    high = truth > -1
    assert np.abs(values[:12, :DAYS] - truth)[high].mean() < 0.25
    # A series that is not in the table has no season.
    other = Panel(pl.DataFrame({"sku": ["new"]}), panel.sales[:1], panel.dates, panel.freq)
    assert (seasons.values(table, other, DAYS) == 0).all()


def test_the_forecast_rises_before_the_season_does():
    panel, mean = shop(days=DAYS + 28, seed=3)
    past = Panel(panel.keys, np.ascontiguousarray(panel.sales[:, :DAYS]), panel.dates[:DAYS], panel.freq)
    fitted = Structured().fit(past, 28, np.random.default_rng(0))
    assert fitted.response.seasons is not None
    ahead = fitted.means(past, np.array([DAYS - 1]), 28)[:, 0].sum(axis=1)
    truth = mean[:, DAYS:].sum(axis=1)
    wape = np.abs(ahead - truth)[:12].sum() / truth[:12].sum()
    last = past.sales[:, -28:].sum(axis=1)
    assert wape < 0.25
    assert wape < 0.5 * np.abs(last - truth)[:12].sum() / truth[:12].sum()
    np.testing.assert_allclose(ahead[12:26].sum() / truth[12:26].sum(), 1, atol=0.1)


def test_rows_agree_with_means_and_nothing_later_is_seen():
    panel, _ = shop(seed=4)
    fitted = Structured().fit(panel, 14, np.random.default_rng(0))
    origins = np.array([500, 700])
    means = fitted.means(panel, origins, 14)
    series, origin, step = (a.ravel() for a in np.meshgrid(np.arange(40), origins, np.arange(1, 15), indexing="ij"))
    rows = fitted.rows(panel, series, origin, step)
    np.testing.assert_allclose(rows, means.ravel(), rtol=1e-6)
    changed = panel.sales.copy()
    changed[:, 701:] *= 5
    later = Panel(panel.keys, changed, panel.dates, panel.freq)
    np.testing.assert_array_equal(fitted.means(later, origins, 14), means)


def test_it_comes_back_from_a_folder(tmp_path):
    from windvane.models.saving import load

    panel, _ = shop(seed=5)
    fitted = model("structured", (0.1, 0.5, 0.9)).fit(panel, 14, np.random.default_rng(0))
    fitted.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(panel).mean, fitted.predict(panel).mean)
