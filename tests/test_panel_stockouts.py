"""Cells out of stock: unknown to whoever asks from the moment that was known, sales as they were before."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from windvane.backtest.run import judge
from windvane.models import registry
from windvane.models.wrappers.calibrate import means_as_made
from windvane.models.wrappers.distribution import idle
from windvane.panel import NEVER, Panel

pytestmark = pytest.mark.tiny
START = date(2026, 1, 1)


def panel_of(sales):
    series, time = sales.shape
    rows = [
        {"sku": f"s{s:02d}", "date": START + timedelta(days=t), "sales": float(sales[s, t])}
        for s in range(series)
        for t in range(time)
    ]
    return Panel.from_frame(pl.DataFrame(rows), keys=["sku"], date="date", sales="sales", freq="1d")


def emptied(rng, series=10, time=120):
    """A panel with a run of zeros in every series, recognised when sales resumed."""
    sales = rng.poisson(4, (series, time)).astype(np.float32)
    sales[:, 0] = 1
    since = np.full(sales.shape, NEVER, np.int32)
    for s in range(series):
        first = 30 + 7 * s
        sales[s, first : first + 9] = 0
        since[s, first : first + 9] = first + 9
    return panel_of(sales), since


def test_a_stock_out_is_unknown_once_it_was_recognised():
    plain, since = emptied(np.random.default_rng(1))
    panel = plain.with_stockouts(since)
    assert np.isnan(panel.sales).sum() == 90
    for t in (29, 30, 38, 39, 60, 119):
        then = panel.as_of(panel.dates[t])
        expected = np.where(since[:, : t + 1] <= t, np.nan, plain.sales[:, : t + 1])
        np.testing.assert_array_equal(then.sales, expected)
        # Looking back twice is looking back once.
        np.testing.assert_array_equal(then.as_of(then.dates[20]).sales, plain.sales[:, :21])
        assert panel.revised_after(t) == bool(((since[:, : t + 1] > t) & (since[:, : t + 1] != NEVER)).any())
    assert plain.with_stockouts(np.full(plain.shape, NEVER)) is plain
    assert not plain.revised_after(50)


def test_parts_of_a_panel_keep_their_stock_outs():
    plain, since = emptied(np.random.default_rng(2))
    panel = plain.with_stockouts(since)
    rows = np.array([7, 2])
    np.testing.assert_array_equal(
        panel.take(rows).as_of(panel.dates[50]).sales, panel.as_of(panel.dates[50]).sales[rows]
    )
    state = panel.state.copy()
    state[:, :20] = 0
    late = replace(panel, state=state)
    for rows, part in late.parts(4):
        assert part.shape[1] == 100
        np.testing.assert_array_equal(part.sales, panel.sales[rows, 20:])
        np.testing.assert_array_equal(part.as_of(panel.dates[60]).sales, panel.as_of(panel.dates[60]).sales[rows, 20:])


@pytest.mark.parametrize("name", ["seasonal_es", "tsb", "moving_average", "naive", "boosted", "blend"])
def test_forecasts_of_the_past_are_those_made_then(name):
    plain, since = emptied(np.random.default_rng(3))
    panel = plain.with_stockouts(since)
    point = registry.point_model(name).fit(panel, 7, np.random.default_rng(4))
    origins = np.array([28, 33, 60, 100, 118])
    together = means_as_made(point, panel, origins, 7)
    for i, origin in enumerate(origins):
        then = panel.as_of(panel.dates[int(origin)])
        np.testing.assert_array_equal(together[:, i], point.means(then, origins[i : i + 1], 7)[:, 0])


@pytest.mark.parametrize("name", list(registry.MODELS))
def test_models_do_not_learn_that_an_empty_shelf_is_no_demand(name):
    rng = np.random.default_rng(5)
    sales = rng.poisson(6, (12, 150)).astype(np.float32)
    since = np.full(sales.shape, NEVER, np.int32)
    sales[:, -14:], since[:, -14:] = 0, 149
    plain = panel_of(sales)
    panel = plain.with_stockouts(since)
    mean = registry.model(name).fit(panel, 7, np.random.default_rng(6)).predict(panel).mean.mean()
    assert mean == pytest.approx(6, rel=0.2)
    if name in ("croston", "sba"):
        return  # they only learn at a sale
    # What follows two weeks of nothing, a model of the next day has hardly seen.
    share = 0.9 if "chained" in name else 0.8
    assert registry.model(name).fit(plain, 7, np.random.default_rng(6)).predict(plain).mean.mean() < share * mean


def test_an_empty_shelf_is_not_scored_and_does_not_make_a_series_idle():
    plain, since = emptied(np.random.default_rng(7))
    panel = plain.with_stockouts(since)
    cut = 95
    past = panel.as_of(panel.dates[cut])
    forecast = registry.model("ses").fit(past, 14, np.random.default_rng(8)).predict(past)
    losses = judge(forecast, panel, cut, 1)
    np.testing.assert_array_equal(losses.known, since[:, cut + 1 : cut + 15] == NEVER)
    assert (~losses.known).sum() > 5
    at = np.array([38])
    assert idle(plain, at)[0, 0]
    assert not idle(panel, at)[0, 0]
