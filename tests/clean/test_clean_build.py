"""The clean panel of made-up shops."""

from datetime import UTC, date, datetime, time

import numpy as np
import polars as pl
import pytest
from made_up_shop import day, moment, order, reader
from polars.testing import assert_frame_equal

from windvane import schema
from windvane.clean import build
from windvane.config import parse
from windvane.errors import InputError
from windvane.panel import ACTIVE, ENDED, PRELAUNCH

pytestmark = pytest.mark.tiny
CONFIG = parse({})


def cleaned(tables, settings=None, **more):
    return build(reader(tables), parse({"clean": settings or {}}), **{"horizon": 7, **more})


def checks(result):
    return set(result.findings["check"])


def test_absent_days_are_zero_after_launch_and_unknown_before():
    result = cleaned({"orders": [order(0, 1), order(3, 2), order(2, 5, "b")]})
    np.testing.assert_array_equal(result.panel.sales, np.array([[1, 0, 0, 2], [np.nan, np.nan, 5, 0]], np.float32))
    assert result.panel.state.tolist() == [[ACTIVE] * 4, [PRELAUNCH] * 2 + [ACTIVE] * 2]
    assert result.panel.keys.rows() == [("a", "all"), ("b", "all")]
    assert result.panel.counts
    frame = result.frame
    assert frame.columns == schema.DERIVED["panel"].names
    assert dict(frame.schema) == dict(schema.DERIVED["panel"].types)
    assert frame.filter(pl.col("sku") == "b")["date"].to_list() == [day(2), day(3)]
    assert_frame_equal(pl.concat(list(result.frames(1))), frame)


def test_launch_comes_from_products_or_prices_where_they_tell_of_an_earlier_one():
    tables = {
        "orders": [order(0, 1), order(5, 2, "b"), order(5, 2, "c")],
        "products": [{"sku": "b", "launched_on": day(2), "known_at": moment(0)}],
        "prices": [{"sku": "c", "location": "all", "valid_from": day(4), "price": 3.0, "known_at": moment(0)}],
    }
    result = cleaned(tables)
    assert result.panel.launch.tolist() == [0, 2, 4]


def test_returns_reduce_their_day_or_are_dropped():
    orders = [order(0, 5), order(1, 3), order(1, -5, kind="return"), order(2, 1)]
    net = cleaned({"orders": orders})
    assert net.raw_sales[0].tolist() == [5, -2, 1]
    assert net.panel.sales[0].tolist() == [5, 0, 1]
    assert net.revenue[0].tolist() == [10, -4, 2]
    row = net.cleaning.row(0, named=True)
    assert (row["date"], row["rule"], row["before"], row["after"]) == (day(1), "net return", -2.0, 0.0)
    dropped = cleaned({"orders": orders}, {"returns": "drop"})
    assert dropped.panel.sales[0].tolist() == [5, 3, 1]
    assert dropped.revenue[0].tolist() == [10, 6, 2]


def test_a_return_before_the_first_sale_is_told_and_left_out():
    result = cleaned({"orders": [order(0, 1, "b"), order(1, -3, kind="return"), order(2, 4)]})
    assert np.isnan(result.panel.sales[0, :2]).all()
    assert result.cleaning["rule"].to_list() == ["return before launch"]
    assert "returned_before_first_sale" in checks(result)


def test_other_kinds_are_no_demand_and_reported():
    more = [order(0, 9, kind=kind) for kind in ("gift", "suspected fake")]
    result = cleaned({"orders": [order(0, 1), *more]})
    assert result.panel.sales[0].tolist() == [1]
    assert {"not_demand_gift", "not_demand_suspected_fake"} <= checks(result)


def test_the_last_day_is_open_if_its_orders_stop_early():
    orders = [order(d, 1, hour=h) for d in range(10) for h in (9, 20)]
    still_open = cleaned({"orders": [*orders, order(10, 7, hour=11)]})
    assert still_open.closed == day(9)
    assert "open_period_left_out" in checks(still_open)
    over = cleaned({"orders": [*orders, order(10, 7, hour=19.5)]})
    assert over.closed == day(10)
    assert "open_period_left_out" not in checks(over)
    without_times = cleaned({"orders": [order(d, 1) for d in range(11)]})
    assert without_times.closed == day(10)


@pytest.mark.parametrize(("freq", "last"), [("1d", date), ("1h", datetime)])
def test_a_day_that_is_named_as_the_last_is_over_however_early_its_orders_stop(freq, last):
    orders = [order(d, 1, hour=h) for d in range(10) for h in (9, 20)]
    quiet, after = [*orders, order(10, 7, hour=11)], [order(d, 3, hour=20) for d in (11, 12)]
    for found in (quiet, [*quiet, *after]):
        over = cleaned({"orders": found}, {"freq": freq}, as_of=day(10))
        assert over.closed == day(10)
        assert over.panel.cutoff == (day(10) if last is date else moment(10, 23))
        assert np.nansum(over.panel.sales) == 20 + 7
        assert {"day_ends_early"} == checks(over) & {"day_ends_early", "open_period_left_out"}
    late_enough = cleaned({"orders": [*orders, order(10, 7, hour=19.5)]}, as_of=day(10))
    assert late_enough.closed == day(10)
    assert "day_ends_early" not in checks(late_enough)


def test_a_day_is_not_over_before_its_end_and_a_day_without_orders_is_not_known_to_be_one():
    orders = [order(d, 1, hour=h) for d in range(10) for h in (9, 20)]
    orders.append(order(10, 7, hour=11))
    noon, midnight = (datetime.combine(day(d), time(h), UTC) for d, h in ((10, 12), (11, 0)))
    assert cleaned({"orders": orders}, as_of=day(10), now=noon).closed == day(9)
    assert cleaned({"orders": orders}, as_of=day(10), now=midnight).closed == day(10)
    # Nothing on the eleventh: a day without sales, or orders still to come? Nobody has said that the tenth is whole.
    assert cleaned({"orders": orders}, as_of=day(11)).closed == day(9)
    weeks = cleaned({"orders": orders}, {"freq": "1w"}, as_of=day(10))
    assert weeks.closed == day(10)
    assert weeks.panel.sales[0].tolist() == [12 + 7]


def test_weeks_end_on_the_last_closed_day_and_the_first_partial_one_is_left_out():
    result = cleaned({"orders": [order(d, d) for d in range(1, 18)]}, {"freq": "1w"})
    assert result.panel.dates.to_list() == [day(4), day(11)]
    assert result.panel.sales[0].tolist() == [sum(range(4, 11)), sum(range(11, 18))]
    assert result.closed == day(17)
    assert result.panel.freq.date(result.panel.first) == day(4)
    assert "first_week_left_out" in checks(result)
    # A month past the horizon is told, for the run-up to a festival there.
    assert result.panel.known["holiday"].values.shape == (1, 2 + 7 + 4)


def test_a_series_ends_after_long_unusual_silence_or_when_products_say_so():
    often = [order(d, 1, "often") for d in range(60)]
    tables = {
        "orders": [*often, *(order(d, 1, "rare") for d in (0, 59)), *(order(d, 1, "gone") for d in range(160))]
        + [order(d, 1, "on") for d in range(160)],
        "products": [{"sku": "gone", "ended_on": day(149), "known_at": moment(0)}],
    }
    tables["orders"] = [row for row in tables["orders"] if row["sku"] != "gone" or row["ordered_at"] < moment(140)]
    result = cleaned(tables)
    state = dict(zip(result.panel.keys["sku"], result.panel.state, strict=True))
    assert (state["often"][:60] == ACTIVE).all()
    assert (state["often"][60:] == ENDED).all()
    assert (state["rare"] == ACTIVE).all()
    assert (state["gone"][:150] == ACTIVE).all()
    assert (state["gone"][150:] == ENDED).all()
    assert (state["on"] == ACTIVE).all()
    assert not np.isnan(result.panel.sales).any()


def test_price_paid_is_averaged_and_carried_forward_but_not_back():
    orders = [
        order(0, 1, "b"),
        order(1, 1, unit_price=None),
        order(2, 1, unit_price=4.0),
        order(2, 3, unit_price=2.0),
        order(3, 1, unit_price=0.0),
    ]
    result = cleaned({"orders": orders})
    np.testing.assert_array_equal(result.panel.past["price"][0], np.array([np.nan, np.nan, 2.5, 2.5], np.float32))
    assert {"no_price", "zero_price"} <= checks(result)


def test_discounts_become_a_share():
    result = cleaned({"orders": [order(0, 2, unit_price=3.0, discount=2.0), order(1, 1)]})
    assert result.panel.past["discount"][0].tolist() == [0.25, 0.0]
    assert "discount" not in cleaned({"orders": [order(0, 2)]}).panel.past


def test_stock_tells_the_share_in_stock():
    stock = [
        {"sku": "a", "location": "all", "date": day(0), "on_hand": 0.0, "known_at": moment(0)},
        {"sku": "a", "location": "all", "date": day(1), "on_hand": 4.0, "known_at": moment(1)},
        {"sku": "a", "location": "all", "date": day(2), "on_hand": 4.0, "in_stock_share": 0.5, "known_at": moment(2)},
    ]
    orders = [order(d, 1) for d in range(4)]
    result = cleaned({"orders": orders, "stock": stock})
    np.testing.assert_array_equal(result.panel.in_stock[0], np.array([0, 1, 0.5, np.nan], np.float32))
    assert cleaned({"orders": orders}).panel.in_stock is None


def test_statics_and_hierarchy_come_from_the_category_path():
    products = [
        {"sku": s, "title": s.upper(), "category": c, "known_at": moment(0)}
        for s, c in (("a", "F > F1 > x"), ("b", "F > F2 > y"), ("c", "G > G1"), ("d", "G > G1"), ("e", None))
    ]
    result = cleaned({"orders": [order(0, 1, s) for s in "abcde"], "products": products})
    assert result.panel.static["category_1"].to_list() == ["F", "F", "G", "G", ""]
    assert result.panel.static["category_2"].to_list() == ["F > F1", "F > F2", "G > G1", "G > G1", ""]
    assert result.panel.hierarchy == ("category_1", "category_2")
    assert result.products.columns == ["sku", "title", "category"]
    assert {"no_category", "no_unit_cost"} <= checks(result)


def test_series_are_selected_by_activity_and_revenue_and_the_rest_is_told():
    orders = [order(d, 10 - i, sku) for i, sku in enumerate("abc") for d in range(5)] + [order(0, 99, "once")]
    result = cleaned({"orders": orders}, {"min_active_periods": 2, "max_series": 2})
    assert result.panel.keys["sku"].to_list() == ["a", "b"]
    told = {row["check"]: row for row in result.findings.iter_rows(named=True)}
    assert told["sold_too_rarely"]["count"] == 1
    assert told["beyond_max_series"]["count"] == 1
    revenue = 2 * (50 + 45 + 40 + 99)
    assert f"{2 * 40 / revenue:.1%}" in told["beyond_max_series"]["remedy"]


def test_orders_dated_in_the_future_are_left_out():
    far = datetime(2999, 1, 1)
    result = cleaned({"orders": [order(0, 1), order(0, 5, ordered_at=far, known_at=far)]})
    assert result.closed == day(0)
    assert "orders_in_the_future" in checks(result)


def test_no_orders_is_an_error_that_names_the_table():
    with pytest.raises(InputError, match="orders") as error:
        cleaned({})
    assert error.value.table == "orders"
    with pytest.raises(InputError, match="less than one closed week"):
        cleaned({"orders": [order(0, 1)]}, {"freq": "1w"})


def test_missing_tables_are_told_once_each():
    found = cleaned({"orders": [order(0, 1)]}).findings
    told = found.filter(pl.col("check") == "no_table")["table"].to_list()
    assert sorted(told) == ["prices", "products", "promotions", "stock", "supply"]
    assert found.columns == schema.DERIVED["findings"].names


def test_as_of_ends_the_panel_on_that_day():
    result = cleaned({"orders": [order(d, 1) for d in range(10)]}, as_of=date(2026, 1, 4))
    assert result.panel.cutoff == day(3)
    late = order(2, 50, known_at=moment(5))
    assert cleaned({"orders": [*(order(d, 1) for d in range(10)), late]}, as_of=day(3)).panel.sales[0].sum() == 4
