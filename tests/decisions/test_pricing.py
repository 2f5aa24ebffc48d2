"""Prices: rules that hold whatever comes, optima that are known, and the best of all combinations as an oracle."""

from __future__ import annotations

from itertools import product as every

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.decisions.pricing import Demand, Rules, limits, propose
from windvane.decisions.pricing.rules import points
from windvane.decisions.response import PriceResponse
from windvane.errors import InputError

pytestmark = pytest.mark.tiny
FREE = Rules(change=np.inf)


def response(own, error=0.0, power=0.0, rivals=None, cross=None, reference=10.0) -> PriceResponse:
    own = np.asarray(own, float)
    count, zero = len(own), np.zeros(len(own))
    return PriceResponse(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(count)]}),
        reference=np.full(count, reference),
        own=own,
        own_error=np.full(count, error),
        cross=zero if cross is None else np.asarray(cross, float),
        cross_error=zero,
        power=power,
        lowest=zero,
        highest=zero,
        varied=zero == 0,
        effects={},
        rivals=np.full(count, -1) if rivals is None else np.asarray(rivals),
        member=np.zeros(0, np.int64),
        pairs=np.zeros((count, 0)),
    )


def demand(count, cost, units=10.0, price=10.0, product=None) -> Demand:
    product = np.arange(count) if product is None else np.asarray(product)
    products = int(product.max()) + 1
    return Demand(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in product], "row": range(count)}),
        product=product,
        units=np.full((count, 4), float(units)),
        price=np.full((count, 4), float(price)),
        today=np.full(products, float(price)),
        cost=np.broadcast_to(np.asarray(cost, float), (products,)).copy(),
    )


@pytest.mark.parametrize("elasticity", [-1.5, -2.0, -3.0])
def test_constant_elasticity_has_its_textbook_price(elasticity):
    plan = propose(
        demand(1, 6.0), response([elasticity]), Rules(lowest=np.array([6.0]), highest=np.array([20.0]), change=np.inf)
    )
    assert plan.price[0] == pytest.approx(6 * elasticity / (1 + elasticity), abs=0.4)


@pytest.mark.parametrize("elasticity", [-1.5, -2.0, -3.0])
def test_exponential_demand_has_its_textbook_price(elasticity):
    # price - cost = reference / -elasticity at the reference
    plan = propose(
        demand(1, 6.0),
        response([elasticity], power=1.0),
        Rules(lowest=np.array([6.0]), highest=np.array([20.0]), change=np.inf),
    )
    assert plan.price[0] == pytest.approx(6 + 10 / -elasticity, abs=0.4)


def test_revenue_is_another_aim_than_profit():
    found, rules = response([-0.5, -2.0]), Rules(change=0.2)
    plan = propose(demand(2, 6.0), found, rules, "revenue")
    np.testing.assert_allclose(plan.price, [12.0, 8.0])
    assert (plan.new_earned > plan.earned).all()
    assert (propose(demand(2, 6.0), found, rules).price == 12.0).all()


def test_where_nothing_changes_the_plan_is_the_forecast():
    plan = propose(demand(3, 6.0), response([-1.5] * 3, error=0.5), Rules(change=0.0))
    np.testing.assert_array_equal(plan.price, plan.today)
    np.testing.assert_allclose(plan.new_units, plan.units, rtol=1e-12)
    np.testing.assert_allclose(plan.units, 40.0)
    np.testing.assert_allclose(plan.new_earned, 160.0)
    assert plan.frame()["bound"].null_count() == 3


def test_promotions_keep_their_depth():
    one = demand(1, 4.0)
    promoted = one.price.copy()
    promoted[0, 1] = 8.0
    plan = propose(
        Demand(one.keys, one.product, one.units, promoted, one.today, one.cost), response([-1.0]), Rules(change=0.1)
    )
    assert plan.price[0] == pytest.approx(11.0)
    units = 10 * 1.1**-1.0
    assert plan.new_units[0] == pytest.approx(4 * units)
    assert plan.new_earned[0] == pytest.approx(3 * units * (11 - 4) + units * (8.8 - 4))


def test_one_price_for_all_locations():
    plan = propose(demand(4, 6.0, product=[0, 0, 1, 1]), response([-3.0, -1.2, -2.0, -2.0]), Rules(change=0.5))
    assert plan.price.shape == (2,)
    tries = points(6.0, 15.0, (), 41)
    money = [sum(10 * 4 * (p / 10) ** e * (p - 6) for e in (-3.0, -1.2)) for p in tries]
    assert plan.price[0] == tries[int(np.argmax(money))]


@given(st.integers(0, 10_000))
def test_neighbours_are_priced_as_well_as_by_trying_all(seed):
    rng = np.random.default_rng(seed)
    found = response(-rng.uniform(1.2, 3, 4), rivals=[0, 0, 1, 1], cross=rng.uniform(-0.6, 1.2, 4))
    one, rules = demand(4, rng.uniform(4, 8, 4)), Rules(change=0.3, endings=(0.5,))
    plan = propose(one, found, rules)
    tries = np.array([7.5, 8.5, 9.5, 10.5, 11.5, 12.5])
    cost = one.cost
    for a, b in ((0, 1), (2, 3)):
        best = -np.inf
        for p, q in every(tries, tries):
            if p < cost[a] or q < cost[b]:
                continue
            units = [40 * (x / 10) ** found.own[k] * (y / 10) ** found.cross[k] for k, x, y in ((a, p, q), (b, q, p))]
            best = max(best, (p - cost[a]) * units[0] + (q - cost[b]) * units[1])
        assert plan.new_earned[a] + plan.new_earned[b] >= best * (1 - 1e-9)
        assert plan.new_earned[a] + plan.new_earned[b] <= best * (1 + 1e-9)


@given(
    st.floats(0.5, 40),
    st.floats(0.1, 60),
    st.floats(0, 0.5),
    st.floats(0, 0.6),
    st.sampled_from([(), (0.99,), (0.9, 0.5)]),
    st.floats(-4, 0),
)
def test_rules_hold_whatever_the_rest(today, cost, change, margin, endings, elasticity):
    rules = Rules(change=change, margin=margin, endings=endings)
    one = demand(1, cost, price=today)
    plan = propose(one, response([elasticity], error=0.4, reference=today), rules)
    price = plan.price[0]
    if plan.limits.conflicts:
        assert price == today
        return
    assert price >= cost - 1e-6
    assert price * (1 - margin) >= cost - 0.011
    assert abs(price - today) <= change * today + 0.011
    if endings:
        assert any(abs(price % 1 - end) < 1e-6 or abs(price % 1 - end - 1) < 1e-6 for end in endings)


def test_contradicting_rules_are_named_and_nothing_is_dropped():
    rules = Rules(lowest=np.array([np.nan, 15.0, np.nan]), change=0.2, margin=0.5, endings=(0.99,))
    plan = propose(demand(3, [6.0, 4.0, 5.9]), response([-2.0] * 3), rules)
    assert plan.limits.conflicts[1] == ("lowest: at least 15.00", "change: at most 12.00")
    assert [rule.split(":")[0] for rule in plan.limits.conflicts[0]] == ["margin", "change", "endings"]
    np.testing.assert_allclose(plan.price, [10.0, 10.0, 11.99])
    assert plan.frame().height == 3
    assert plan.frame()["conflict"][1] == "lowest: at least 15.00 / change: at most 12.00"


def test_no_price_point_between_the_bounds_is_a_conflict_of_three():
    plan = propose(demand(1, 1.0), response([-2.0]), Rules(change=0.01, endings=(0.5,)))
    assert plan.price[0] == 10.0
    low, high, endings = plan.limits.conflicts[0]
    assert low == "change: at least 9.90"
    assert high == "change: at most 10.10"
    assert "0.50" in endings


def test_an_unknown_cost_keeps_todays_price():
    plan = propose(demand(2, [np.nan, 6.0]), response([-1.1, -1.1]), Rules(change=0.2))
    np.testing.assert_allclose(plan.price, [10.0, 12.0])


def test_the_competitors_index_binds():
    rules = Rules(change=0.5, competitor=np.array([10.0, np.nan]), index=(0.9, 1.05))
    found = limits(rules, np.array([10.0, 10.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(found.high, [10.5, 15.0])
    assert found.high_rule == ["competitor", "change"]
    assert found.low_rule == ["competitor", "change"]


def test_unsure_elasticities_make_prices_no_bolder_than_their_mean_where_demand_is_convex():
    sure, unsure = (propose(demand(1, 6.0), response([-2.0], error=e), Rules(change=0.6)).price[0] for e in (0.0, 0.8))
    assert unsure != sure


@pytest.mark.parametrize(("text", "change"), [("change", -0.1), ("margin", 0.2)])
def test_rules_that_make_no_sense_are_refused(text, change):
    with pytest.raises(InputError, match=text):
        Rules(change=change, margin=1.2 if text == "margin" else 0.0)
    with pytest.raises(InputError, match="ending"):
        Rules(endings=(1.99,))
    with pytest.raises(InputError, match="above 0"):
        demand(1, 6.0, price=0.0)
