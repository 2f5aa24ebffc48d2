"""What policies order, against enumeration over the paths and against published formulas."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.decisions.cover import PATHS, cover
from windvane.decisions.policies import LeastCost, MinMax, MovingAverage, OrderUpTo, ReorderPoint, Seen, extra
from windvane.decisions.terms import KEEPS, Terms
from windvane.forecasts import Forecast, identity_of
from windvane.ledger import Rates

pytestmark = pytest.mark.tiny
POLICIES = (OrderUpTo(), LeastCost(), MovingAverage(), MinMax(), ReorderPoint())
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def forecast(series=6, steps=14, seed=1, scale=3.0):
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.gamma(1.5, scale, (series, steps, len(LEVELS))), axis=2).round().astype(np.float32)
    keys = pl.DataFrame({"sku": [f"s{i}" for i in range(series)]})
    days = pl.date_range(date(2026, 1, 2), date.fromordinal(date(2026, 1, 1).toordinal() + steps), eager=True)
    mean = quantiles.mean(axis=2)
    return Forecast(keys, date(2026, 1, 1), days, mean, quantiles, LEVELS, identity_of(keys), counts=True)


def terms(series=6, lead=3, review=4, margin=2.0, unit_cost=3.0, holding=0.05, order_cost=0.0, life=None):
    rates = Rates(*(np.full(series, float(v)) for v in (margin, unit_cost, holding, order_cost)))
    plain = Terms.plain(rates, lead, review)
    return plain if life is None else Terms(**{**vars(plain), "shelf_life": np.full(series, life)})


def seen(found, on_hand=0.0, on_order=0.0, sold=None):
    series = len(found.mean)
    past = np.zeros((series, 28), np.float32) if sold is None else sold
    return Seen(past, np.full(series, on_hand), np.full(series, on_order), lambda: found)


def sums(found, reach):
    (_, sample), *rest = found.paths(PATHS, 10_000)
    assert not rest
    days = [h if h < found.horizon else found.horizon - 7 + (h - found.horizon) % 7 for h in range(reach)]
    return np.concatenate(
        [np.zeros((*sample.shape[:2], 1)), np.cumsum(sample[:, :, days], axis=2, dtype=float)], axis=2
    )


@pytest.mark.parametrize("lead", [0, 3, 15])
def test_an_order_up_to_level_lasts_as_often_as_it_promises(lead):
    found, given = forecast(), terms(lead=lead)
    units = OrderUpTo(service=0.9).propose(seen(found, on_hand=5, on_order=4), given)
    until = sums(found, lead + 4)[:, :, lead + 4]
    for s in range(6):
        if units[s] > 0:
            assert (until[s] <= units[s] + 9).mean() >= 0.9
            assert (until[s] <= units[s] + 8).mean() < 0.9
        else:
            assert (until[s] <= 9).mean() >= 0.9


@pytest.mark.parametrize("life", [None, 2, 6])
@pytest.mark.parametrize("margin", [0.02, 0.5, 20.0])
def test_the_least_cost_is_the_least_over_all_levels(margin, life):
    found, given, lead, review = forecast(seed=4), terms(margin=margin, life=life), 3, 4
    total = sums(found, lead + review)
    level = cover(found, given, np.zeros(6), 0.9).least_cost

    def cost(s, stock):
        first, until = total[s, :, lead], total[s, :, lead + review]
        held = sum(np.maximum(stock - total[s, :, d], 0).mean() for d in range(lead + 1, lead + review + 1))
        lost = np.maximum(until - np.maximum(stock, first), 0).mean()
        spoilt = 0.0 if life is None else np.maximum(stock - total[s, :, min(lead + life, lead + review)], 0).mean()
        return 0.05 * held + margin * lost + 3.0 * spoilt

    for s in range(6):
        best = min(cost(s, stock) for stock in range(int(total[s].max()) + 2))
        assert cost(s, level[s]) <= best * 1.02 + 1e-9


def test_one_period_is_the_newsvendor():
    """Critical ratio margin / (margin + holding): Arrow, Harris and Marschak (1951)."""
    found = forecast(series=40, steps=1, seed=9, scale=20.0)
    given = terms(series=40, lead=0, review=1, margin=3.0, holding=1.0)
    level = cover(found, given, np.zeros(40), 0.5).least_cost
    demand = sums(found, 1)[:, :, 1]
    below = (demand < level[:, None]).mean(axis=1)
    within = (demand <= level[:, None]).mean(axis=1)
    assert (below <= 0.75 + 0.02).all()
    assert (within >= 0.75 - 0.02).all()


def test_orders_that_cost_something_last_as_long_as_the_economic_order_quantity():
    """Demand 10 a day, 50 per order, 0.1 per unit and day: sqrt(2 x 50 x 10 / 0.1) = 100 units, ten days."""
    found = forecast()
    look = cover(found, terms(), np.zeros(6), 0.9)
    look.per_period[:] = 10.0
    given = terms(order_cost=50.0, holding=0.1, review=1)
    assert extra(look, given).tolist() == [90.0] * 6
    assert extra(look, terms(order_cost=50.0, holding=0.1, review=4)).tolist() == [(8 - 4) * 10.0] * 6
    assert extra(look, terms(order_cost=50.0, holding=0.1, review=1, life=3)).tolist() == [20.0] * 6
    look.per_period[:] = 0.0
    assert extra(look, given).tolist() == [0.0] * 6


def test_min_max_and_reorder_point_wait_and_then_order_for_long():
    found, given = forecast(), terms(order_cost=40.0)
    level = cover(found, given, np.zeros(6), 0.95).target
    top = level + extra(cover(found, given, np.zeros(6), 0.95), given)
    assert (top > level + 5).all()
    for policy in (MinMax(), ReorderPoint()):
        assert (policy.propose(Seen(np.zeros((6, 28)), level, np.zeros(6), lambda: found), given) == 0).all()
    below = Seen(np.zeros((6, 28)), level - 1, np.zeros(6), lambda: found)
    np.testing.assert_allclose(MinMax().propose(below, given), np.ceil(top - level + 1 - 1e-4))
    units = ReorderPoint().propose(below, given)
    far = ReorderPoint().propose(seen(found), given)
    np.testing.assert_allclose(far / units, np.round(far / units), atol=1e-9)
    assert (far >= level).all()
    # Nothing is gained by waiting where orders are free: min max is order up to.
    free = terms()
    np.testing.assert_array_equal(MinMax().propose(seen(found), free), OrderUpTo().propose(seen(found), free))


def test_usual_practice_is_mean_and_normal_safety_stock():
    sold = np.tile(np.array([2.0, 4.0], np.float32), 20)[None, :]
    given = terms(series=1, lead=2, review=7)
    units = MovingAverage(service=0.975, window=28).propose(seen(forecast(series=1), 0, 0, sold), given)
    spread = np.sqrt(28 / 27)
    assert units.tolist() == [np.ceil(3 * 9 + 1.959964 * spread * 3)]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_every_policy_keeps_to_packs_and_bounds(policy):
    found, plain = forecast(), terms()
    sold = np.full((6, 28), 4, np.float32)
    limits = {"pack": np.full(6, 6.0), "moq": np.full(6, 20.0), "capacity": np.full(6, 31.0)}
    units = policy.propose(seen(found, 0, 0, sold), Terms(**{**vars(plain), **limits}))
    assert set(units.tolist()) <= {0.0, 24.0, 30.0}
    assert (units > 0).any()
    none = Terms(**{**vars(plain), **limits, "capacity": np.full(6, 19.0)})
    assert (policy.propose(seen(found, 0, 0, sold), none) == 0).all()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_every_policy_orders_no_more_where_more_is_there(policy):
    found, given, sold = forecast(), terms(), np.full((6, 28), 4, np.float32)
    before = policy.propose(seen(found, 0, 0, sold), given)
    for have in (1, 5, 40, 10_000):
        units = policy.propose(seen(found, have, 0, sold), given)
        assert (units <= before).all()
        assert np.array_equal(units, policy.propose(seen(found, 0, have, sold), given))
        before = units
    assert (before == 0).all()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_every_policy_orders_nothing_for_what_nobody_wants(policy):
    found = forecast()
    nothing = Forecast(**{**vars(found), "mean": found.mean * 0, "quantiles": found.quantiles * 0})
    assert (policy.propose(seen(nothing), terms(order_cost=9.0)) == 0).all()


def test_the_lead_times_of_paths_are_those_of_the_terms():
    found, rates = forecast(), terms().rates
    apart = cover(found, Terms.plain(rates, np.tile([1, 9], (6, 1)), 2), np.zeros(6), 0.95).demand
    total = sums(found, 11)
    leads = np.where(np.arange(PATHS) % 2 == 0, 1, 9)
    wanted = total[:, np.arange(PATHS), leads + 2].mean(axis=1)
    np.testing.assert_allclose(apart, wanted)
    assert KEEPS > 10_000
