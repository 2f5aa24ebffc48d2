"""Orders that share limits: the best of all combinations as an oracle, and limits that hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.decisions import joint
from windvane.decisions.cover import cover
from windvane.decisions.joint import Limits, choose, costs_at, pick
from windvane.decisions.policies import LeastCost, Seen
from windvane.decisions.terms import Terms
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.ledger import Rates

pytestmark = pytest.mark.tiny


def problem(seed: int, series: int = 5, sizes: int = 3, suppliers: int = 2):
    rng = np.random.default_rng(seed)
    units = np.concatenate([np.zeros((series, 1)), np.sort(rng.integers(1, 20, (series, sizes)), axis=1)], axis=1)
    steps = -np.sort(-rng.uniform(-1, 6, (series, sizes)), axis=1)
    saving = np.concatenate([np.zeros((series, 1)), np.cumsum(steps, axis=1)], axis=1)
    cost = rng.uniform(1, 5, series)
    limits = Limits(
        np.arange(series) % suppliers,
        budget=float(rng.uniform(20, 150)),
        smallest=rng.choice([0.0, 20.0, 60.0], suppliers),
        largest=rng.choice([100.0, np.inf], suppliers),
        delivery=rng.choice([0.0, 4.0], suppliers),
    )
    return units.astype(float), saving, cost, limits


def worth(units, saving, cost, limits, choice):
    """Saving of a choice, -inf where a limit is broken."""
    every = np.arange(len(units))
    value = units[every, choice] * cost
    by = np.bincount(limits.supplier, value, len(limits.smallest))
    used = by > 1e-9
    if (
        value.sum() > limits.budget + 1e-6
        or (used & ((by < limits.smallest - 1e-6) | (by > limits.largest + 1e-6))).any()
    ):
        return -np.inf
    return float(saving[every, choice].sum() - limits.delivery[used].sum())


@settings(max_examples=40)
@given(st.integers(0, 100_000))
def test_small_problems_are_solved_to_the_best(seed):
    units, saving, cost, limits = problem(seed)
    best = max(worth(units, saving, cost, limits, np.array(c)) for c in product(range(4), repeat=5))
    found = pick(units, saving, units * cost[:, None], limits)
    assert found.exact
    assert found.saved == pytest.approx(best, abs=1e-6)
    choice = np.array([np.flatnonzero(units[s] == found.units[s])[0] for s in range(5)])
    assert found.value.sum() <= limits.budget + 1e-6
    assert worth(units, saving, cost, limits, choice) > -np.inf


@settings(max_examples=40)
@given(st.integers(0, 100_000))
def test_large_problems_keep_the_limits_and_know_a_bound(seed):
    units, saving, cost, limits = problem(seed)
    best = max(worth(units, saving, cost, limits, np.array(c)) for c in product(range(4), repeat=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint, "_EXACT", 0)
        found = pick(units, saving, units * cost[:, None], limits)
    assert not found.exact
    assert found.bound >= best - 1e-6
    assert 0 <= found.saved <= best + 1e-6
    by = np.bincount(limits.supplier, found.value, 2)
    assert found.value.sum() <= limits.budget + 1e-6
    assert ((by <= 1e-6) | ((by >= limits.smallest - 1e-6) & (by <= limits.largest + 1e-6))).all()


def test_on_many_series_the_heuristic_is_close_to_its_bound():
    units, saving, cost, limits = problem(3, series=2000, sizes=6, suppliers=20)
    limits = Limits(limits.supplier, budget=30_000.0, smallest=np.full(20, 500.0), delivery=np.full(20, 20.0))
    found = pick(units, saving, units * cost[:, None], limits)
    assert not found.exact
    assert found.saved >= 0.995 * found.bound
    assert found.value.sum() <= 30_000
    assert found.price > 0


def shop(series: int = 12) -> tuple[Forecast, Terms]:
    rng = np.random.default_rng(2)
    rate = rng.uniform(0.5, 6, series)
    quantiles = np.sort(rng.poisson(rate[:, None, None], (series, 21, 19)), axis=2).astype(np.float32)
    forecast = Forecast(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(series)]}),
        cutoff=pl.Series(["2026-01-01"]).str.to_date()[0],
        dates=pl.date_range(pl.date(2026, 1, 2), pl.date(2026, 1, 22), eager=True),
        mean=quantiles.mean(axis=2),
        quantiles=quantiles,
        levels=tuple(k / 20 for k in range(1, 20)),
        identity=np.arange(series, dtype=np.uint64),
        counts=True,
    )
    full = np.ones(series)
    return forecast, Terms.plain(Rates(full * 3, full * 5, full * 0.05, full * 0), np.array([[2, 3, 5]] * series), 7)


def test_costs_are_those_that_the_least_cost_policy_minimises():
    forecast, terms = shop()
    found = cover(forecast, terms, np.zeros(12), 0.95)
    levels = found.least_cost[:, None] + np.arange(-6, 7)[None, :]
    cost = costs_at(forecast, terms, levels)
    assert (cost[:, 6] <= cost.min(axis=1) + 1e-6).all()


def test_without_limits_the_policys_orders_stand():
    forecast, terms = shop()
    wanted = LeastCost().propose(Seen(np.zeros((12, 5)), np.zeros(12), np.zeros(12), lambda: forecast), terms)
    found = choose(forecast, terms, np.zeros(12), wanted, Limits(np.zeros(12, np.int64)))
    np.testing.assert_allclose(found.units, wanted)
    assert found.price == 0
    half = choose(forecast, terms, np.zeros(12), wanted, Limits(np.zeros(12, np.int64), budget=wanted.sum() * 5 / 2))
    assert half.value.sum() <= wanted.sum() * 5 / 2
    assert 0 < half.saved < found.saved
    assert half.price > 0


def test_what_gets_no_order_is_told_with_its_limits():
    units, saving = np.array([[0.0, 4.0], [0.0, 5.0]]), np.array([[0.0, 3.0], [0.0, 9.0]])
    limits = Limits(np.array([0, 1]), smallest=np.array([100.0, 0.0]), delivery=np.array([0.0, 2.0]))
    found = pick(units, saving, 2 * units, limits)
    np.testing.assert_array_equal(found.units, [0, 5])
    assert found.saved == pytest.approx(7)
    assert found.left_out == {0: ("smallest order 100, worth ordering 8",)}


def test_limits_that_contradict_one_another_are_named():
    with pytest.raises(InputError, match=r"supplier 1: the smallest order \(50\) is above the largest \(40\)"):
        Limits(np.array([0, 1]), smallest=np.array([0.0, 50.0]), largest=np.array([10.0, 40.0])).full()
    with pytest.raises(InputError, match="budget"):
        Limits(np.array([0]), budget=-1.0).full()
    with pytest.raises(InputError, match="2 numbers for 1"):
        Limits(np.array([0]), smallest=np.array([0.0, 1.0])).full()
