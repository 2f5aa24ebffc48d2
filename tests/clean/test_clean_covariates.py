"""Plans on the calendar: what is known, and since when."""

import numpy as np
import polars as pl
import pytest
from made_up_shop import day, moment, order, reader

from windvane.clean import build
from windvane.config import parse

pytestmark = pytest.mark.tiny


def panel(tables, freq="1d", horizon=7, **more):
    return build(reader(tables), parse({"clean": {"freq": freq}}), horizon=horizon, **more).panel


def promotion(name, start, end, told, **more):
    row = {"promotion": name, "sku": "a", "location": "all", "starts_on": day(start), "ends_on": day(end)}
    return row | {"kind": "Price cut", "known_at": moment(told)} | more


ORDERS = [order(d, 1, sku) for sku in "ab" for d in range(20)]


def test_a_promotion_is_known_from_its_announcement_and_its_absence_from_the_usual_lead():
    rows = [promotion("p", 5, 6, 2, depth=0.2), promotion("q", 22, 23, 19, placement=0.5, depth=0.1)]
    known = panel({"orders": ORDERS, "promotions": rows}).known["promo_price_cut"]
    assert known.policy == "unknown"
    expected = np.zeros(27, np.float32)
    expected[5:7], expected[22:24] = 0.2, 0.5
    np.testing.assert_array_equal(known.values[0], expected)
    np.testing.assert_array_equal(known.values[1], np.zeros(27))
    # Both were told 3 days ahead.
    steps = np.arange(1, 8)
    np.testing.assert_array_equal(known.at(1, steps)[0], [0, 0, 0] + [np.nan] * 4)
    at_telling = known.at(2, steps)[0]
    np.testing.assert_array_equal(at_telling[:4], np.array([0, 0, 0.2, 0.2], np.float32))
    assert np.isnan(at_telling[4:]).all()
    np.testing.assert_array_equal(known.at(19, steps)[0][:4], np.array([0, 0, 0.5, 0.5], np.float32))


def test_the_latest_word_on_a_promotion_counts():
    rows = [promotion("p", 5, 9, 1, depth=0.2), promotion("p", 5, 6, 3, depth=0.2), promotion("p", 5, 6, 4, depth=0.2)]
    known = panel({"orders": ORDERS, "promotions": rows}).known["promo_price_cut"]
    assert np.flatnonzero(known.values[0]).tolist() == [5, 6]
    assert known.since[0, 5] == 3


def test_overlapping_promotions_of_a_kind_count_once_at_their_strongest():
    rows = [promotion("p", 3, 8, 0, depth=0.1), promotion("q", 5, 6, 1, depth=0.3, location="all")]
    known = panel({"orders": ORDERS, "promotions": rows}).known["promo_price_cut"]
    np.testing.assert_allclose(known.values[0, 3:9], [0.1, 0.1, 0.3, 0.3, 0.1, 0.1])
    assert known.since[0, 3:9].tolist() == [0, 0, 1, 1, 0, 0]


def test_a_plan_that_stopped_being_kept_is_unknown_and_told():
    orders = [order(d, 1) for d in range(120)]
    result = build(reader({"orders": orders, "promotions": [promotion("p", 5, 6, 2)]}), parse({}), horizon=7)
    values = result.panel.known["promo_price_cut"].values[0]
    assert np.isnan(values[6 + 3 :]).all()
    assert "plan_out_of_date" in result.findings["check"].to_list()


def test_weekly_promotions_are_shares_of_the_week():
    orders = [order(d, 1) for d in range(21)]
    values = panel({"orders": orders, "promotions": [promotion("p", 7, 8, 0)]}, "1w", 2).known["promo_price_cut"].values
    np.testing.assert_allclose(values[0], [0, 2 / 7, 0, 0, 0], rtol=1e-6)


def price(start, amount, told, end=None, location="all"):
    row = {"sku": "a", "location": location, "valid_from": day(start), "price": amount, "known_at": moment(told)}
    return row | {"valid_to": None if end is None else day(end)}


def test_planned_prices_are_known_in_advance_and_return_after_a_reduction():
    rows = [price(0, 5.0, -10), price(8, 4.0, 4, end=9), price(22, 6.0, 18)]
    result = panel({"orders": ORDERS, "prices": rows})
    known = result.known["price"]
    assert "price" not in result.past
    assert known.values[0].tolist() == [5.0] * 8 + [4.0] * 2 + [5.0] * 12 + [6.0] * 5
    assert np.isnan(known.values[1]).all()
    assert np.isnan(known.at(3, np.arange(1, 7))[0][4:]).all()
    assert known.at(19, np.arange(1, 5))[0].tolist() == [5.0, 5.0, 6.0, 6.0]


def test_prices_told_on_the_day_are_hindsight():
    result = panel({"orders": ORDERS, "prices": [price(0, 5.0, 0), price(8, 4.0, 8)]})
    assert "price" not in result.known
    assert result.past["price"][0].tolist() == [5.0] * 8 + [4.0] * 12


def test_a_price_of_the_location_goes_before_one_for_all():
    orders = [order(d, 1, location=place) for d in range(5) for place in ("n", "s")]
    known = panel({"orders": orders, "prices": [price(0, 5.0, -9), price(0, 7.0, -9, location="s")]}).known["price"]
    assert known.values[:, 0].tolist() == [5.0, 7.0]


def test_holidays_follow_the_country_of_the_location():
    orders = [order(d, 1, location=place) for d in range(40) for place in ("uk", "us")]
    places = [
        {"location": name, "region": "r", "country": code, "kind": "store", "known_at": moment(0)}
        for name, code in (("uk", "GB"), ("us", "US"))
    ]
    result = panel({"orders": orders, "locations": places})
    names = [result.levels["holiday"][int(code)] for code in result.known["holiday"].values[:, 18]]
    assert names[0] == ""
    assert "Martin Luther King" in names[1]
    assert all("(" not in name for name in result.levels["holiday"])


def signal(name, number, value, told, **scope):
    row = {"name": name, "sku": "", "location": "", "region": "", "date": day(number), "value": value}
    return row | {"known_at": moment(told)} | scope


def test_planned_signals_are_known_by_region_and_late_ones_enter_when_they_come():
    orders = [order(d, 1, location=place) for d in range(20) for place in ("n", "s")]
    places = [
        {"location": name, "region": name.upper(), "country": "US", "kind": "store", "known_at": moment(0)}
        for name in "ns"
    ]
    rows = [signal("snap", d, float(d % 2), -30, region="N") for d in range(27)]
    rows += [signal("search", d, 10.0 + d, d + 2) for d in range(20)]
    result = panel({"orders": orders, "locations": places, "signals": rows})
    snap = result.known["signal_snap"]
    assert snap.values[0].tolist() == [float(d % 2) for d in range(27)]
    assert np.isnan(snap.values[1]).all()
    search = result.past["signal_search"]
    assert np.isnan(search[0, :2]).all()
    assert search[0, 2:].tolist() == [10.0 + d for d in range(18)]


def test_event_signals_join_the_holidays():
    rows = [signal("event_Big_Sale", 15, 1.0, -60)]
    result = panel({"orders": ORDERS, "signals": rows})
    assert result.levels["holiday"][int(result.known["holiday"].values[0, 15])] == "Big Sale"
    assert not [name for name in result.known if name.startswith("signal")]


def test_too_many_kinds_are_left_out_and_told():
    rows = [promotion(f"p{i}{j}", i, i, 0, kind=f"k{i:02d}") for i in range(14) for j in range(1 + (i != 3))]
    result = build(reader({"orders": ORDERS, "promotions": rows}), parse({}), horizon=7)
    kinds = [name for name in result.panel.known if name.startswith("promo_")]
    assert len(kinds) == 12
    assert "promo_k03" not in kinds
    assert result.findings.filter(pl.col("check") == "too_many_covariates")["count"].item() == 2
