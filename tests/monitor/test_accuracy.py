"""Earlier forecasts against what came, and whether data keep coming."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from windvane import schema
from windvane.clock import CLOCK
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.monitor import accuracy, data_health
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
FIRST = 20_000


def make_panel(sales, keys=None):
    sales = np.asarray(sales, np.float32)
    keys = keys or [f"s{i}" for i in range(len(sales))]
    freq = Freq("1d")
    frame = pl.DataFrame({"sku": keys, "location": ["all"] * len(keys)})
    counts = bool((sales == np.round(sales)).all())
    return Panel(frame, sales, freq.dates(np.arange(FIRST, FIRST + sales.shape[1])), freq, counts=counts)


def forecasts(panel, quantiles, levels):
    quantiles = np.asarray(quantiles, np.float32)
    middle = quantiles[:, :, list(levels).index(0.5)]
    dates = panel.future_dates(quantiles.shape[1])
    return Forecast(panel.keys, panel.cutoff, dates, middle, quantiles, levels, panel.identity).frame()


def test_errors_by_hand():
    before = make_panel(np.ones((2, 5)))
    now = make_panel([[1] * 5 + [4, 0], [1] * 5 + [2, 10]])
    previous = forecasts(before, np.full((2, 3, 3), 3.0), (0.1, 0.5, 0.9))
    found = accuracy(previous, "r1", now)
    assert dict(found.schema) == dict(schema.DERIVED["accuracy"].types)
    rows = {row["node"]: row for row in found.iter_rows(named=True)}
    assert rows["series"]["periods"] == 2
    assert rows["series"]["series"] == 2
    assert rows["series"]["wape"] == pytest.approx((1 + 3 + 1 + 7) / 16)
    assert rows["series"]["bias"] == pytest.approx((12 - 16) / 16)
    assert rows["total"]["wape"] == pytest.approx((abs(6 - 6) + abs(6 - 10)) / 16)
    assert rows["total"]["run"] == "r1"


def test_true_count_quantiles_cover_four_in_five():
    rng = np.random.default_rng(1)
    levels = tuple(schema.QUANTILE_LEVELS)
    for rate in (0.2, 1.0, 30.0):
        draws = np.sort(rng.poisson(rate, 200_000))
        true = draws[(np.array(levels) * len(draws)).astype(int)]
        panel = make_panel(np.ones((300, 2)))
        later = make_panel(np.concatenate([np.ones((300, 2)), rng.poisson(rate, (300, 14))], axis=1))
        previous = forecasts(panel, np.broadcast_to(true, (300, 14, len(levels))), levels)
        found = accuracy(previous, "r", later).filter(pl.col("node") == "series")
        assert found["coverage80"].item() == pytest.approx(0.8, abs=0.06), rate


def test_nothing_closed_since_gives_no_rows():
    panel = make_panel(np.ones((2, 5)))
    previous = forecasts(panel, np.ones((2, 3, 3)), (0.1, 0.5, 0.9))
    assert accuracy(previous, "r", panel).height == 0
    others = make_panel(np.ones((2, 9)), ["x", "y"])
    assert accuracy(previous, "r", others).height == 0


def orders(days, per_day):
    rows = [
        {"order_id": f"{d}-{i}", "line": 1, "ordered_at": at, "sku": "a", "location": "all", "units": 1.0}
        | {"kind": "sale", "known_at": at}
        for d in days
        for i in range(per_day(d))
        for at in [datetime(2026, 1, 1) + timedelta(days=d)]
    ]
    types = schema.RAW["orders"].types
    frame = pl.DataFrame([{column: row.get(column) for column in types} for row in rows], schema=types)
    return lambda name: frame.lazy()


def test_late_orders_and_a_sudden_drop_are_found():
    closed = date(2026, 1, 1) + timedelta(days=69)
    usual = orders(range(70), lambda d: 10)
    dropped = orders(range(70), lambda d: 10 if d < 63 else 3)
    assert data_health(usual, closed, closed).height == 0
    late = data_health(usual, closed, closed + timedelta(days=9))
    assert late.select("check", "count").rows() == [("orders_late", 9)]
    assert dict(late.schema) == dict(schema.DERIVED["findings"].types)
    fewer = data_health(dropped, closed, closed)
    assert fewer.select("check", "severity", "count", "total").rows() == [("orders_dropped", "error", 21, 70)]
    young = orders(range(40, 70), lambda d: 10 if d < 63 else 3)
    assert data_health(young, closed, closed).height == 0


def test_freshness_is_judged_on_the_clock_where_no_day_is_given():
    closed = date(2026, 1, 1) + timedelta(days=69)
    CLOCK.hold(datetime.fromisoformat("2026-03-31T00:00:00+00:00"))
    try:
        found = data_health(orders(range(70), lambda d: 10), closed)
    finally:
        CLOCK.hold(None)
    assert found.select("check", "count").rows() == [("orders_late", (date(2026, 3, 31) - closed).days)]
