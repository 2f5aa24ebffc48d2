"""Folds of a backtest see the sales as they were known by then: returns, payments and late rows still ahead."""

from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
from made_up_shop import day, moment, order, table

from windvane import schema
from windvane.clean import build
from windvane.clean.known_then import KnownThen, with_sales_of, worth_it
from windvane.clock import CLOCK
from windvane.config import parse
from windvane.sim import Settings, simulate

pytestmark = pytest.mark.tiny
LIVELY = Settings(
    products=30, days=150, start=date(2024, 7, 10), language="zh", locations=2, rate=2.0, presale=0.5, returns=0.2,
    late=0.1, corrected=0.05, stock_given=0.5, launches=0.4, deposits_lost=0.4,
)  # fmt: skip


def reader_at(tables):
    def read(name, known_by=None):
        frame = tables.get(name, schema.RAW[name].empty()).lazy()
        if known_by is not None:
            frame = frame.filter(pl.col("known_at").dt.date() <= known_by)
        key = schema.RAW[name].key
        return frame.sort("known_at", maintain_order=True).unique(key, keep="last", maintain_order=True)

    return read


def known_then(tables, freq="1d", **settings):
    config = parse({"shop": {"country": "CN"}, "clean": {"freq": freq, **settings}, "forecast": {"horizon": 7}})
    cleaned = build(reader_at(tables), config)
    return cleaned, KnownThen(reader_at(tables), config, cleaned.panel, CLOCK.now()), config


@pytest.mark.parametrize("freq", ["1d", "1w", "1mo"])
def test_sales_are_those_of_a_run_made_then(freq):
    tables, _ = simulate(LIVELY, 5).collect()
    cleaned, panel_at, config = known_then(tables, freq, returns="sale_date")
    assert worth_it(cleaned, freq)
    panel, changed = cleaned.panel, 0
    for column in range(panel.shape[1] // 2, panel.shape[1] - 1, max(panel.shape[1] // 5, 1)):
        cutoff = panel.dates[column]
        then, cut = panel_at(cutoff), panel.as_of(cutoff)
        assert then.keys.equals(cut.keys)
        assert then.dates.equals(cut.dates)
        assert then.known.keys() == cut.known.keys()
        for name, known in then.known.items():
            np.testing.assert_array_equal(known.values, cut.known[name].values)
            assert known.since is cut.known[name].since
        end = panel.freq.last_day(cutoff)
        straight = build(partial(reader_at(tables), known_by=end), config, end).panel
        assert straight.cutoff == cutoff
        both = then.keys.with_row_index("a").join(straight.keys.with_row_index("b"), on=["sku", "location"])
        a, b = both["a"].to_numpy(), both["b"].to_numpy()
        assert len(a) > 20
        width = straight.shape[1]
        np.testing.assert_array_equal(then.sales[a, -width:], straight.sales[b])
        changed += int((np.nan_to_num(then.sales) != np.nan_to_num(cut.sales)).sum())
        # Looking further back from there goes on from what was known there.
        earlier = then.as_of(panel.dates[column - 1]).sales
        known = ~np.isnan(earlier) & ~np.isnan(then.sales[:, :-1])
        assert known.sum() > 20
        np.testing.assert_array_equal(earlier[known], then.sales[:, :-1][known])
    assert changed > 10
    np.testing.assert_array_equal(panel_at(panel.cutoff).sales, panel.sales)


def test_a_return_still_to_come_has_not_been_taken_away():
    orders = [order(d, 4, hour=h) for d in range(40) for h in (9, 20)]
    back = order(30, 3, kind="return", hour=10) | {"return_of": orders[40]["order_id"]}  # sold on day 20
    tables = {"orders": table("orders", [*orders, back])}
    cleaned, panel_at, _ = known_then(tables, returns="sale_date", stockouts="off")
    assert cleaned.panel.sales[0, 20] == 5
    assert cleaned.panel.as_of(day(25)).sales[0, 20] == 5
    assert panel_at(day(29)).sales[0, 20] == panel_at(day(25)).sales[0, 20] == 8
    assert panel_at(day(30)).sales[0, 20] == 5


def test_stock_outs_keep_the_moment_from_which_they_were_known():
    orders = [order(d, 4, hour=h) for d in range(60) for h in (9, 20) if not 30 <= d < 36]
    stock = [
        {
            "sku": "a",
            "location": "all",
            "date": day(d),
            "on_hand": 0.0,
            "in_stock_share": 0.0,
            "known_at": moment(38, 1),
        }
        for d in range(30, 36)
    ]
    late = order(10, 5, hour=12) | {"known_at": moment(50, 1)}
    tables = {"orders": table("orders", [*orders, late]), "stock": table("stock", stock)}
    _, panel_at, _ = known_then(tables, stockouts="told")
    assert panel_at(day(40)).sales[0, 10] == 8
    assert np.isnan(panel_at(day(40)).sales[0, 30:36]).all()
    assert panel_at(day(37)).sales[0, 30:36].tolist() == [0.0] * 6
    assert panel_at(day(40)).as_of(day(37)).sales[0, 30:36].tolist() == [0.0] * 6
    assert panel_at(day(55)).sales[0, 10] == 13


def test_folds_are_cleaned_anew_only_where_it_matters():
    plain = {"orders": table("orders", [order(d, 4, hour=h) for d in range(40) for h in (9, 20)])}
    cleaned, _, _ = known_then(plain)
    assert cleaned.revised == 0
    assert not worth_it(cleaned, "1d")
    late = [order(5, 1, hour=12) | {"known_at": moment(9)}]
    cleaned, _, _ = known_then({"orders": pl.concat([plain["orders"], table("orders", late)])})
    assert cleaned.revised == pytest.approx(1 / 81)
    assert worth_it(cleaned, "1d")
    assert not worth_it(cleaned, "1h")


def test_series_and_periods_that_the_other_panel_lacks_stay_as_they_were():
    many = {"orders": table("orders", [order(d, 1 + s, sku=f"s{s}") for d in range(30) for s in range(3)])}
    few = {"orders": table("orders", [order(d, 9, sku="s1") for d in range(10, 20)])}
    cut, then = (known_then(tables, stockouts="off")[0].panel for tables in (many, few))
    mixed = with_sales_of(cut, then)
    expected = cut.sales.copy()
    expected[1, 10:20] = 9
    np.testing.assert_array_equal(mixed.sales, expected)
    assert cut.sales[1, 15] == 2
    away = {"orders": table("orders", [order(d, 9, sku="other") for d in range(10)])}
    assert with_sales_of(cut, known_then(away)[0].panel) is cut
    assert mixed.dates[-1] == day(0) + timedelta(days=29)
