"""The textbook's rules against trying every policy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from windvane.decisions.classic import newsvendor, period_costs, s_q, s_s
from windvane.errors import InputError

pytestmark = pytest.mark.tiny
LOW, HIGH = -60, 60


def law(mean: float) -> np.ndarray:
    chance = poisson(mean).pmf(np.arange(40))
    return chance / chance.sum()


def long_run(chance: np.ndarray, costs: np.ndarray, order_cost: float, s: int, top: int) -> float:
    """Cost per period of (s, S) by the stationary distribution of its Markov chain over positions after ordering."""
    states = np.arange(s + 1, top + 1)
    move = np.zeros((len(states), len(states)))
    ordering = np.zeros(len(states))
    for i, y in enumerate(states):
        for units, p in enumerate(chance):
            after = y - units
            if after <= s:
                move[i, -1] += p
                ordering[i] += p
            else:
                move[i, after - s - 1] += p
    system = np.vstack([move.T - np.eye(len(states)), np.ones(len(states))])
    share = np.linalg.lstsq(system, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    return float(share @ (costs[states - LOW] + order_cost * ordering))


@settings(max_examples=15)
@given(st.floats(0.5, 6), st.floats(0.2, 2), st.floats(2, 10), st.floats(0.5, 20))
def test_s_s_is_the_cheapest_of_all(mean, holding, margin, order_cost):
    chance = law(mean)
    costs = period_costs(chance, holding, margin, LOW, HIGH)
    s, top, cost = s_s(costs, chance, order_cost, LOW)
    assert cost == pytest.approx(long_run(chance, costs, order_cost, s, top), rel=1e-6)
    for other in range(s - 3, s + 4):
        for up_to in range(max(top - 3, other + 1), top + 4):
            assert cost <= long_run(chance, costs, order_cost, other, up_to) + 1e-7


@given(st.floats(0.5, 8), st.floats(0.0, 5), st.floats(0.1, 5))
def test_newsvendor_is_the_cheapest_of_all(mean, margin, loss):
    chance = law(mean)
    stock, units = newsvendor(chance, margin, loss), np.arange(len(chance))

    def cost(level: int) -> float:
        return float((chance * (margin * np.maximum(units - level, 0) + loss * np.maximum(level - units, 0))).sum())

    assert cost(stock) <= min(cost(level) for level in range(len(chance))) + 1e-9


@given(st.floats(0.5, 6), st.floats(0.5, 30))
def test_s_q_is_the_cheapest_of_all(mean, order_cost):
    costs = period_costs(law(mean), 1.0, 5.0, LOW, HIGH)
    s, size, cost = s_q(costs, order_cost, mean, LOW)
    for low in range(s - 4, s + 5):
        for units in range(1, size + 6):
            some = costs[low + 1 - LOW : low + 1 + units - LOW]
            assert cost <= (order_cost * mean + some.sum()) / units + 1e-9


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="add up"):
        newsvendor(np.array([0.5, 0.4]), 1, 1)
    with pytest.raises(InputError, match="margin"):
        newsvendor(np.array([1.0]), 0, 0)
    chance = law(5)
    with pytest.raises(InputError, match="outside"):
        s_s(period_costs(chance, 1, 5, 4, 8), chance, 50.0, 4)
