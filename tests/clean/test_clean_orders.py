"""The rules on single order lines: duplicates, presales, fakes, bulk orders, returns to the date of sale."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from made_up_shop import day, moment, order, reader

from windvane.clean import build
from windvane.config import parse

pytestmark = pytest.mark.tiny

BASKET = (("a", 1.0), ("b", 2.0), ("c", 1.0))


def cleaned(orders, settings=None, **more):
    tables = {"orders": orders, **more.pop("tables", {})}
    return build(reader(tables), parse({"clean": settings or {}}), **{"horizon": 7, **more})


def sales(result, sku="a"):
    row = result.panel.keys["sku"].to_list().index(sku)
    return result.raw_sales[row].tolist()


def rule(result, name):
    return result.cleaning.filter(pl.col("rule") == name)


def basket(number, name, hour, lines=BASKET, first=1, customer="x"):
    return [
        order(number, units, sku, hour, order_id=name, line=first + i, customer=customer)
        for i, (sku, units) in enumerate(lines)
    ]


# --- duplicates -----------------------------------------------------------------------------------------------------


def test_an_order_written_twice_line_by_line_counts_once():
    result = cleaned(basket(0, "o1", 9) + basket(0, "o1", 9, first=4) + basket(1, "o2", 9))
    assert [sales(result, sku) for sku in "abc"] == [[1, 1], [2, 2], [1, 1]]
    told = rule(result, "duplicate order").row(1, named=True)
    assert (told["sku"], told["date"], told["before"], told["after"]) == ("b", day(0), 4.0, 2.0)
    assert "o1 is there 2 times" in told["why"]
    assert "orders_twice" in set(result.findings["check"])


def test_equal_lines_within_an_order_stay():
    twice = [("a", 1.0), ("a", 1.0), ("b", 2.0)]
    pair = [("a", 1.0), ("a", 1.0)]
    result = cleaned(basket(0, "o1", 9, twice) + basket(0, "o2", 12, pair) + basket(1, "o3", 9))
    assert sales(result)[0] == 4
    assert not rule(result, "duplicate order").height


@pytest.mark.parametrize(("do", "expected"), [("drop", 1.0), ("flag", 2.0), ("keep", 2.0)])
def test_the_same_basket_again_within_seconds_is_a_double_click(do, expected):
    result = cleaned(basket(0, "o1", 9) + basket(0, "o2", 9 + 20 / 3600), {"duplicates": do})
    assert sales(result) == [expected]
    told = rule(result, "duplicate order")
    assert told.height == (0 if do == "keep" else 3)
    if do != "keep":
        assert told.row(0, named=True)["after"] == expected
        assert "o2 repeats order o1 of the same customer after 20 seconds" in told["why"][0]


def test_another_customer_another_basket_or_a_later_hour_is_no_duplicate():
    later = basket(0, "o2", 10)
    other = basket(0, "o3", 9 + 1 / 60, customer="y")
    more = basket(0, "o4", 9 + 1 / 60, (("a", 1.0), ("b", 3.0), ("c", 1.0)))
    result = cleaned(basket(0, "o1", 9) + later + other + more)
    assert sales(result) == [4]


def test_dates_without_a_time_say_nothing_of_double_clicks():
    assert sales(cleaned(basket(0, "o1", 0) + basket(0, "o2", 0))) == [2]


def test_a_part_of_an_order_again_at_the_same_moment_under_another_number_is_a_copy():
    part = [order(0, 2.0, "b", 9, order_id="o1-again", line=1, customer="x")]
    result = cleaned(basket(0, "o1", 9) + part)
    assert sales(result, "b") == [2]
    assert "o1-again holds at the same moment only what order o1 does" in rule(result, "duplicate order")["why"][0]


# --- presale --------------------------------------------------------------------------------------------------------


def presale(name, deposit, final=None, units=2.0):
    lines = [order(deposit, units, order_id=name, line=1, kind="presale deposit", unit_price=0.5, hour=8)]
    if final is not None:
        lines.append(order(final, units, order_id=name, line=2, unit_price=3.5, hour=8))
    return lines


def test_a_presale_counts_once_on_the_day_of_the_deposit_at_the_whole_price():
    result = cleaned([order(0, 1), *presale("p", 2, 11), order(11, 1, hour=8)])
    assert sales(result) == [1, 0, 2] + [0] * 8 + [1]
    assert result.revenue[0, 2] == 8
    assert result.price[0, 2] == 4
    told = rule(result, "presale")
    assert told.select("date", "before", "after").rows() == [(day(2), 0.0, 2.0), (day(11), 3.0, 1.0)]
    assert "paid on 2026-01-12, wanted on 2026-01-03" in told["why"][0]


def test_an_unpaid_deposit_counts_until_it_lapses():
    orders = [order(0, 1), *presale("open", 30), *presale("lapsed", 2), order(35, 1)]
    result = cleaned(orders, {"presale_days": 10})
    assert sales(result)[2] == 0
    assert sales(result)[30] == 2
    why = dict(rule(result, "presale").select("date", "why").rows())
    assert "not paid within 10 days" in why[day(2)]
    assert "not yet paid" in why[day(30)]
    found = result.findings.filter(pl.col("check") == "presale_moved").row(0, named=True)
    assert "0% of the deposits older than 10 days were paid" in found["example"]


def test_before_the_final_payment_is_known_the_deposit_already_counts():
    orders = [order(0, 1), *presale("p", 2, 11), *(order(d, 1) for d in range(1, 15))]
    assert sales(cleaned(orders, as_of=day(5)))[2] == 3
    assert sales(cleaned(orders))[2] == 3


# --- fakes ----------------------------------------------------------------------------------------------------------


def steady(days=60, skus="abcd", seed=3):
    """Customers who come back, with baskets of several products."""
    rng = np.random.default_rng(seed)
    return [
        order(d, float(rng.integers(1, 3)), sku, 9 + i, order_id=f"{d}-{i}", line=ord(sku), customer=f"c{(d + i) % 40}")
        for d in range(days)
        for i in range(4)
        for sku in skus
        if rng.uniform() < 0.6
    ]


def burst(number, count, customers, sku="a", **more):
    return [
        order(number, 1.0, sku, 1 + i / 60, order_id=f"f{number}-{i}", customer=f"{customers}{i}", **more)
        for i in range(count)
    ]


@pytest.mark.parametrize("ring", [1, 3, 30])
def test_a_burst_of_single_units_is_suspected(ring):
    fakes = [{**line, "customer": f"new{i % ring}"} for i, line in enumerate(burst(50, 30, "new"))]
    flagged = cleaned(steady() + fakes)
    told = rule(flagged, "suspected fake")
    assert told["date"].to_list() == [day(50)]
    assert told["before"][0] == told["after"][0] == sales(flagged)[50]
    dropped = cleaned(steady() + fakes, {"fakes": "drop"})
    assert sales(dropped) == sales(cleaned(steady()))
    assert rule(dropped, "suspected fake")["after"][0] == told["after"][0] - 30
    assert not rule(cleaned(steady() + fakes, {"fakes": "keep"}), "suspected fake").height


def test_an_honest_rush_is_not_suspected():
    regulars = [{**line, "customer": f"c{i}"} for i, line in enumerate(burst(50, 30, "c"))]
    # Several units or several products in an order: people who want the goods.
    couples = [{**line, "units": 2.0} for line in burst(50, 30, "new")]
    baskets = [{**line, "sku": sku, "line": i} for line in burst(50, 30, "new") for i, sku in enumerate("abcd")]
    for rush in (regulars, couples, baskets):
        assert not rule(cleaned(steady() + rush), "suspected fake").height


def test_a_burst_in_a_promotion_or_a_festival_is_not_suspected():
    promotion = {"promotion": "p", "sku": "a", "location": "all", "starts_on": day(50), "ends_on": day(50)}
    told = {"promotions": [{**promotion, "kind": "coupon", "known_at": moment(40)}]}
    assert not rule(cleaned(steady() + burst(50, 30, "new"), tables=told), "suspected fake").height
    festival = [line for sku in "abcd" for line in burst(50, 30, f"{sku}-new", sku)]
    festival = [{**line, "order_id": f"{line['sku']}{line['order_id']}"} for line in festival]
    assert not rule(cleaned(steady() + festival), "suspected fake").height


def test_one_customer_again_and_again_is_suspected_even_without_a_burst():
    many = [order(50, 1.0, "a", 1 + i, order_id=f"m{i}", customer="c1") for i in range(4)]
    told = rule(cleaned(steady() + many), "suspected fake")
    assert told["date"].to_list() == [day(50)]
    assert "one customer ordered a single unit of it 4 times" in told["why"][0]
    assert not rule(cleaned(steady() + many[:3]), "suspected fake").height


def test_without_customers_nobody_is_suspected():
    nameless = [{**line, "customer": None} for line in steady() + burst(50, 30, "new")]
    assert not rule(cleaned(nameless), "suspected fake").height


# --- bulk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("do", "left"), [("flag", 60.0), ("cap", None), ("drop", 0.0)])
def test_a_line_far_beyond_its_past_is_bulk(do, left):
    plain = sales(cleaned(steady()))[50]
    result = cleaned([*steady(), order(50, 60.0, "a", 23, customer="firm")], {"bulk": do})
    told = rule(result, "bulk order").row(0, named=True)
    assert (told["date"], told["before"]) == (day(50), plain + 60)
    assert told["after"] == sales(result)[50]
    if left is None:
        assert 2 < sales(result)[50] - plain < 30
    else:
        assert sales(result)[50] == plain + left


def test_sizes_seen_before_and_returning_customers_are_no_bulk():
    first = order(40, 60.0, "a", 23, customer="firm")
    seen = cleaned([*steady(), first, order(50, 60.0, "a", 23, customer="other")])
    assert rule(seen, "bulk order")["date"].to_list() == [day(40)]
    again = cleaned([*steady(), first, order(50, 110.0, "a", 23, customer="firm")])
    assert rule(again, "bulk order")["date"].to_list() == [day(40)]


def test_a_shop_of_wholesalers_is_not_flagged_wholesale():
    rng = np.random.default_rng(5)
    orders = [
        order(d, float(np.ceil(rng.lognormal(3, 1.5))), "a", 9 + i, order_id=f"{d}-{i}", customer=f"c{i}{d % 20}")
        for d in range(100)
        for i in range(4)
    ]
    assert rule(cleaned(orders), "bulk order").height <= 2


# --- returns --------------------------------------------------------------------------------------------------------


def returned(number, units, name="r", **more):
    return order(number, -units, kind="return", order_id=name, hour=8, **more)


RETURNED = [
    order(0, 3, order_id="o0", customer="x"), order(1, 1, order_id="o1", customer="x"),
    order(2, 5, order_id="o2", customer="y"), order(4, 1, order_id="o4", customer="z"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "day_of_sale"),
    [
        (returned(4, 2, customer="y", return_of="o0"), 0),  # the order that it names
        (returned(4, 2, customer="x"), 0),  # the same customer's latest sale of at least two
        (returned(4, 1, customer="x"), 1),  # of at least one
        (returned(4, 2), 2),  # anybody's latest sale of at least two
        (returned(4, 9), 4),  # nobody bought that many: it stays where it is
    ],
)
def test_a_return_goes_to_its_sale(line, day_of_sale):
    sold = [3.0, 1.0, 5.0, 0.0, 1.0]
    result = cleaned([*RETURNED, line], {"returns": "sale_date"})
    expected = list(sold)
    expected[day_of_sale] += line["units"]
    assert sales(result) == expected
    assert rule(result, "return to sale date").height == (0 if day_of_sale == 4 else 2)
    stays = list(sold)
    stays[4] += line["units"]
    for name in ("return_date", "net"):
        assert sales(cleaned([*RETURNED, line], {"returns": name})) == stays
    assert sales(cleaned([*RETURNED, line], {"returns": "drop"})) == sold


def test_what_is_returned_once_is_not_returned_again():
    result = cleaned([*RETURNED, returned(3, 3, "r1"), returned(4, 3, "r2")], {"returns": "sale_date"})
    assert sales(result) == [0, 1, 2, 0, 1]
    told = rule(result, "return to sale date").filter(pl.col("date") == day(0)).row(0, named=True)
    assert (told["before"], told["after"]) == (3.0, 0.0)
    assert "order r2" in told["why"]


def test_a_return_not_yet_known_moves_nothing():
    late = returned(3, 2, customer="x", known_at=moment(9))
    orders = [*RETURNED, late, *(order(d, 1, "b") for d in range(12))]
    assert sales(cleaned(orders, {"returns": "sale_date"}, as_of=day(4))) == [3, 1, 5, 0, 1]
    assert sales(cleaned(orders, {"returns": "sale_date"}, as_of=day(10)))[:5] == [1, 1, 5, 0, 1]


# --- together -------------------------------------------------------------------------------------------------------


def test_rules_follow_one_another_and_their_changes_add_up():
    orders = steady() + basket(50, "o1", 9.5) + basket(50, "o1", 9.5, first=4) + burst(50, 30, "new")
    orders += [order(50, 60.0, "a", 23, customer="firm"), returned(55, 60, customer="firm"), *presale("p", 50, 57)]
    settings = {"fakes": "drop", "bulk": "drop", "returns": "sale_date", "outlier_factor": 99.0, "stockouts": "off"}
    result = cleaned(orders, settings)
    plain = cleaned(orders, {"duplicates": "keep", "fakes": "keep", "bulk": "keep", "stockouts": "off"})
    told = result.cleaning.filter((pl.col("sku") == "a") & (pl.col("date") == day(50)))
    assert set(told["rule"]) == {"duplicate order", "suspected fake", "bulk order", "presale"}
    # What came back of a bulk order that is left out anyway is left out with it.
    back = rule(result, "return to sale date").filter(pl.col("sku") == "a")
    assert back.select("date", pl.col("after") - pl.col("before")).rows() == [(day(55), 60.0)]
    assert told["after"].sum() - told["before"].sum() == sales(result)[50] - sum(
        line["units"] for line in orders if line["sku"] == "a" and line["ordered_at"].date() == day(50)
        and line["kind"] == "sale"
    )  # fmt: skip
    assert sum(sales(plain)) > sum(sales(result))


def test_nothing_of_the_rules_changes_where_there_is_nothing_to_find():
    result = cleaned(steady())
    assert result.cleaning.filter(pl.col("rule").is_in(["duplicate order", "suspected fake", "presale"])).height == 0
    first, second = cleaned(steady()), cleaned(list(reversed(steady())))
    np.testing.assert_array_equal(first.panel.sales, second.panel.sales)
    assert first.closed == second.closed == day(59)
    assert first.panel.dates[0] == day(59) - timedelta(days=59)
