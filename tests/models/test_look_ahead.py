"""Nothing that became known after the origin changes a forecast made at it: every model, every preset, end to end.

The contract's tests look at fitted models; here all of it is repeated, fitting, calibration and choice included, on a
panel as it stood and on one whose later cells are all different.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from made_up_panels import panel_of

import windvane as wv
from windvane.forecasts import Forecast
from windvane.futures import NEVER, Known
from windvane.models import registry
from windvane.outlook.produce import PRESETS
from windvane.panel import Panel

HORIZON = 7
SERIES, TIME = 24, 130
EVERY_PRESET = [pytest.param(p, marks=[pytest.mark.slow] if PRESETS[p].folds > 3 else []) for p in PRESETS]
WORDS = ("", "flash", "coupon")


def later(rng: np.random.Generator, shape: tuple[int, int], lead: int, late: float = 0.1) -> np.ndarray:
    """Moments: ``lead`` periods before, now and then long after."""
    since = np.broadcast_to(np.arange(shape[1]) - lead, shape).copy()
    since[rng.random(shape) < late] += 40
    return since.astype(np.int32)


def ragged(seed: int) -> Panel:
    """A panel with everything: late launches, gaps, stock-outs told late, plans announced at different moments."""
    rng = np.random.default_rng(seed)
    shape, width = (SERIES, TIME + 2 * HORIZON), TIME
    sales = rng.poisson(np.exp(rng.uniform(-1, 2.5, (SERIES, 1))), (SERIES, TIME)).astype(np.float32)
    sales[rng.random(sales.shape) < 0.03] = np.nan
    for row in range(0, SERIES, 3):
        sales[row, : int(rng.integers(5, TIME - 5))] = np.nan if row % 2 else 0.0
    promo = (rng.random(shape) < 0.1).astype(np.float32)
    words = np.where(rng.random(shape) < 0.1, rng.integers(1, 3, shape), 0).astype(np.float32)
    price = np.exp(rng.normal(2, 0.3, shape)).astype(np.float32)
    shared = np.broadcast_to(rng.random((1, shape[1])) < 0.08, shape).astype(np.float32)
    known = {
        "promo": Known(promo, later(rng, shape, 4), "unknown"),
        "word": Known(words, later(rng, shape, 0), "forecast", 7, text=True),
        "price": Known(price, later(rng, shape, 0), "last", 7),
        "event": Known(shared, np.broadcast_to(later(rng, (1, shape[1]), 10), shape), "unknown"),
        "sure": Known((rng.random(shape) < 0.1).astype(np.float32)),
    }
    panel = replace(
        panel_of(sales),
        known=known,
        levels={"word": WORDS},
        past={"views": rng.normal(50, 9, (SERIES, TIME)).astype(np.float32)},
        static=pl.DataFrame({"category": [f"c{i % 3}" for i in range(SERIES)]}),
        hierarchy=("category",),
    )
    empty = np.where(rng.random((SERIES, width)) < 0.08, np.arange(width) + rng.integers(0, 15), NEVER)
    return panel.with_stockouts(empty.astype(np.int32))


def otherwise(panel: Panel, origin: int, seed: int) -> Panel:
    """The panel with all that became known after a column replaced."""
    rng = np.random.default_rng(seed)
    after = np.arange(panel.shape[1]) > origin
    told = panel.stockouts
    assert told is not None
    sold = np.where(after, rng.poisson(40, panel.shape), told.sold).astype(np.float32)
    known = {}
    for name, now in panel.known.items():
        hidden = np.arange(now.values.shape[1])[None, :] > origin + HORIZON if now.since is None else now.since > origin
        other = {
            "word": rng.integers(0, 3, now.values.shape),
            "price": np.exp(rng.normal(-3, 2, now.values.shape)),
        }.get(name, rng.random(now.values.shape) < 0.7)
        values = np.where(hidden, other, now.values).astype(np.float32)
        since = now.since
        if since is not None:
            moved = rng.integers(origin + 1, origin + 30, since.shape)
            since = np.where(hidden, moved, since).astype(np.int32)
        known[name] = replace(now, values=values, since=since)
    views = np.where(after, rng.normal(900, 90, panel.shape), panel.past["views"]).astype(np.float32)
    bare = replace(
        panel, sales=sold, stockouts=None, state=np.empty((0, 0), np.int8), known=known, past={"views": views}
    )
    empty = np.where(rng.random(panel.shape) < 0.2, rng.integers(origin + 1, panel.shape[1], panel.shape), NEVER)
    return bare.with_stockouts(np.where(told.since <= origin, told.since, empty))


def same(left: Forecast, right: Forecast) -> None:
    np.testing.assert_array_equal(left.mean, right.mean)
    np.testing.assert_array_equal(left.quantiles, right.quantiles)
    np.testing.assert_array_equal(next(left.paths(40))[1], next(right.paths(40))[1])
    assert left.assumed == right.assumed


@pytest.mark.tiny
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_as_of_a_date_two_pasts_that_agree_so_far_are_one(seed):
    panel, origin = ragged(seed), 90
    changed = otherwise(panel, origin, seed)
    assert (changed.sales[:, origin + 1 :] != panel.sales[:, origin + 1 :]).mean() > 0.5
    left, right = (p.as_of(p.dates[origin]) for p in (panel, changed))
    np.testing.assert_array_equal(left.sales, right.sales)
    np.testing.assert_array_equal(left.state, right.state)
    steps = np.arange(-origin, HORIZON + 1)
    for name, known in left.known.items():
        assert (known.values != right.known[name].values).any(), "nothing was changed"
        np.testing.assert_array_equal(known.at(origin, steps), right.known[name].at(origin, steps))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", registry.MODELS)
def test_no_model_sees_what_came_later(name, seed):
    panel, origin = ragged(seed), 90 + seed
    forecasts = []
    for each in (panel, otherwise(panel, origin, seed)):
        then = each.as_of(each.dates[origin])
        forecasts.append(registry.model(name).fit(then, HORIZON, np.random.default_rng(1)).predict(then))
    same(*forecasts)


@pytest.mark.parametrize("preset", EVERY_PRESET)
def test_no_preset_sees_what_came_later(preset):
    panel, origin = ragged(5), 100
    forecasts = []
    for each in (panel, otherwise(panel, origin, 5)):
        then = each.as_of(each.dates[origin])
        forecasts.append(wv.forecast(then, HORIZON, preset))
    same(*forecasts)
