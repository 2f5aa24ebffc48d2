"""The play of a policy against a shop written with lists of units, one by one."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.decisions.policies import MovingAverage
from windvane.decisions.simulate import Stage, simulate
from windvane.decisions.terms import KEEPS, Terms
from windvane.errors import InputError
from windvane.ledger import Rates

pytestmark = pytest.mark.tiny


class Scripted:
    """Orders what it is told, review by review."""

    name = "scripted"

    def __init__(self, orders):
        self.orders, self.seen = [np.asarray(o, float) for o in orders], []

    def propose(self, seen, terms):
        self.seen.append((seen.sold.copy(), seen.on_hand.copy(), seen.on_order.copy()))
        return self.orders[len(self.seen) - 1]


def never(*_):
    raise AssertionError("no forecast was asked for")


def stage(demand, begin=1, on_hand=None, waits=0):
    demand = np.asarray(demand, np.float32)
    series, periods = demand.shape
    return Stage(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(series)]}),
        dates=pl.date_range(
            date(2026, 1, 1), eager=True, end=date.fromordinal(date(2026, 1, 1).toordinal() + periods - 1)
        ),
        demand=demand,
        begin=begin,
        on_hand=np.zeros(series) if on_hand is None else np.asarray(on_hand, float),
        waits=np.broadcast_to(np.asarray(waits), demand.shape),
    )


def rates(series, margin=2.0, unit_cost=3.0, holding=0.1, order_cost=5.0):
    return Rates(*(np.full(series, v) for v in (margin, unit_cost, holding, order_cost)))


def by_hand(demand, begin, on_hand, waits, orders, review, life):
    """The same shop, one unit of one series after another; returns sold, received, wasted, on hand by period."""
    shelf, coming = [0] * int(on_hand), {}  # ages of units
    told = []
    for t in range(begin, len(demand)):
        if (t - begin) % review == 0:
            units = orders[(t - begin) // review]
            if units:
                coming[t + waits[t]] = coming.get(t + waits[t], 0) + units
        arrived = coming.pop(t, 0)
        shelf += [0] * arrived
        shelf.sort()
        sold = min(demand[t], len(shelf))
        shelf = shelf[: len(shelf) - sold]
        wasted = sum(1 for age in shelf if life and age + 1 >= life)
        shelf = [age + 1 for age in shelf if not (life and age + 1 >= life)]
        told.append((sold, arrived, wasted, len(shelf)))
    return told


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_play_is_that_of_a_shop_of_single_units(data):
    series = data.draw(st.integers(1, 3))
    periods, review = data.draw(st.integers(3, 14)), data.draw(st.integers(1, 4))
    begin = data.draw(st.integers(1, periods - 1))
    whole = st.integers(0, 6)
    demand = [[data.draw(whole) for _ in range(periods)] for _ in range(series)]
    waits = [[data.draw(st.integers(0, 4)) for _ in range(periods)] for _ in range(series)]
    on_hand = [data.draw(whole) for _ in range(series)]
    lives = [data.draw(st.sampled_from([0, 1, 2, 5])) for _ in range(series)]
    reviews = len(range(begin, periods, review))
    orders = [[data.draw(whole) for _ in range(series)] for _ in range(reviews)]
    terms = Terms.plain(rates(series), 0, review)
    terms = Terms(**{**vars(terms), "shelf_life": np.array([life or KEEPS for life in lives])})
    ledger = simulate(Scripted(orders), stage(demand, begin, on_hand, np.array(waits)), terms, never)
    for s in range(series):
        own = [o[s] for o in orders]
        told = np.array(by_hand(demand[s], begin, on_hand[s], waits[s], own, review, lives[s]))
        found = [getattr(ledger, name)[s] for name in ("sold", "received", "wasted", "on_hand")]
        np.testing.assert_array_equal(np.stack(found, axis=1), told)
        assert ledger.ordered[s, ::review].tolist() == own
    costs = ledger.costs()
    assert costs["holding"].sum() == pytest.approx(ledger.on_hand.sum() * 0.1)
    assert costs["lost_margin"].sum() == pytest.approx((ledger.demand - ledger.sold).sum() * 2)
    assert costs["waste"].sum() == pytest.approx(ledger.wasted.sum() * 3)
    assert costs["ordering"].sum() == 5 * sum(u > 0 for o in orders for u in o)
    assert ledger.frame()["cost"].sum() == pytest.approx(ledger.cost())
    days = ledger.days()
    assert days.height == ledger.demand.size
    parts = days.select(pl.sum("holding", "ordering", "lost_margin", "waste")).row(0)
    assert sum(parts) == pytest.approx(ledger.cost())


def test_a_policy_sees_sales_stock_and_orders_of_the_evening_before_and_nothing_later():
    demand = [[4, 4, 4, 9, 1, 2]]
    policy = Scripted([[5], [7], [0], [0]])
    simulate(policy, stage(demand, begin=2, on_hand=[6], waits=2), Terms.plain(rates(1), 2, 1), never)
    sold = [seen[0][0].tolist() for seen in policy.seen]
    # 6 on hand: 4 sold, then 2 of 9; the 5 arrive in period 4, of which 1 and 2 are sold.
    assert sold == [[4, 4], [4, 4, 4], [4, 4, 4, 2], [4, 4, 4, 2, 1]]
    assert [float(seen[1][0]) for seen in policy.seen] == [6, 2, 0, 4]
    assert [float(seen[2][0]) for seen in policy.seen] == [0, 5, 12, 7]


def test_usual_practice_needs_no_forecast():
    demand = np.full((1, 60), 3.0)
    ledger = simulate(
        MovingAverage(), stage(demand, begin=30, on_hand=[3], waits=0), Terms.plain(rates(1), 0, 1), never
    )
    assert ledger.fill_rate() == 1.0
    assert ledger.on_hand.sum() == 0
    assert ledger.turnover() != ledger.turnover()


def test_what_cannot_be_played_is_refused_by_name():
    terms = Terms.plain(rates(1), 0, 1)
    with pytest.raises(InputError, match="series 0 is unknown or below 0"):
        stage([[1, np.nan, 2]])
    with pytest.raises(InputError, match="begins at period 3 of 3"):
        stage([[1, 2, 3]], begin=3)
    with pytest.raises(InputError, match="on_hand"):
        stage([[1, 2, 3]], on_hand=[-1])
    with pytest.raises(InputError, match="lead times"):
        stage([[1, 2, 3]], waits=-1)
    with pytest.raises(InputError, match="policy 'scripted'"):
        simulate(Scripted([[-1]] * 2), stage([[1, 2, 3]]), terms, never)
    with pytest.raises(InputError, match="margin of series 0 is -1"):
        rates(1, margin=-1.0)
    with pytest.raises(InputError, match="order_multiple of series 0 is 0"):
        Terms(**{**vars(terms), "pack": np.zeros(1)})
    with pytest.raises(InputError, match="lead_time of series 0"):
        Terms.plain(rates(1), -1, 1)
    with pytest.raises(InputError, match="review is 0"):
        Terms.plain(rates(1), 0, 0)
