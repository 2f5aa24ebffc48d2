"""The textbook's rules for one product whose demand does not change: order quantity, newsvendor, (s, S), (s, Q).

They are oracles of the general rules (:mod:`.cover`, :mod:`.policies`) where both apply, and what those fall back to
for the size of orders.

Sources: Harris (1913), How many parts to make at once; Arrow, Harris, Marschak (1951), Optimal inventory policy; Zheng
and Federgruen (1991), Finding optimal (s, S) policies is about as simple as evaluating a single policy, Operations
Research 39, 654-665; Federgruen and Zheng (1992), An efficient algorithm for computing an optimal (r, Q) policy,
Operations Research 40, 808-813.

Example:
    >>> from scipy.stats import poisson
    >>> chance = poisson(6).pmf(range(60))
    >>> newsvendor(chance, margin=4, loss=1)
    8
    >>> s_s(period_costs(chance, holding=1, margin=4, low=-40, high=60), chance, order_cost=5, low=-40)[:2]
    (4, 10)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from windvane.errors import InputError


def eoq(order_cost: float, holding: float, demand: float) -> float:
    """Units per order that make ordering and holding cheapest: sqrt(2 K D / h).

    Args:
        order_cost: money per order, >= 0.
        holding: money per unit and period, > 0.
        demand: units per period, >= 0.
    """
    if holding <= 0 or order_cost < 0 or demand < 0:
        raise InputError(f"order cost {order_cost}, holding {holding}, demand {demand}.", "Give holding above 0.")
    return float(np.sqrt(2 * order_cost * demand / holding))


def newsvendor(chance: np.ndarray, margin: float, loss: float) -> int:
    """Smallest stock S with P(demand <= S) >= margin / (margin + loss).

    Args:
        chance: probability of a demand of 0, 1, 2, ... units; adds up to 1.
        margin: money lost per unit that is missing.
        loss: money lost per unit that is left over.
    """
    chance = _checked(chance)
    if margin < 0 or loss < 0 or margin + loss <= 0:
        raise InputError(f"margin {margin} and loss {loss} say nothing.", "Give numbers from 0, one of them above.")
    return int(np.searchsorted(np.cumsum(chance), margin / (margin + loss) - 1e-12))


def period_costs(chance: np.ndarray, holding: float, margin: float, low: int, high: int) -> np.ndarray:
    """Expected cost of a period that begins with y = low, ..., high units: holding what is left, margin of the rest.

    Below 0 are units owed from before (backorders).
    """
    chance = _checked(chance)
    left = np.arange(low, high + 1)[:, None] - np.arange(len(chance))[None, :]
    found: np.ndarray = (np.where(left > 0, holding * left, -margin * left) * chance[None, :]).sum(axis=1)
    return found


def s_s(costs: np.ndarray, chance: np.ndarray, order_cost: float, low: int) -> tuple[int, int, float]:
    """Best (s, S): at s or below, order up to S; demand not met is owed, orders arrive at once.

    Args:
        costs: expected cost of a period that begins with y units, y = low, low + 1, ...; falls, then rises.
        chance: probability of a demand of 0, 1, 2, ... units in a period.
        order_cost: money per order.
        low: first y, far below where it is cheapest.

    Returns:
        s, S and the cost per period.

    Raises:
        InputError: the costs do not reach far enough.
    """
    s, top, cost = _s_s(np.asarray(costs, np.float64), _checked(chance), float(order_cost))
    if s < 0 or top >= len(costs) - 1:
        raise InputError(f"the best (s, S) lies outside of {low} .. {low + len(costs) - 1}.", "Give costs farther out.")
    return int(s + low), int(top + low), float(cost)


def s_q(costs: np.ndarray, order_cost: float, demand: float, low: int) -> tuple[int, int, float]:
    """Best (s, Q): whenever s is reached, order Q; demand comes unit by unit, and what is not met is owed.

    Args:
        costs: expected cost per period while the position is y, y = low, low + 1, ...
        order_cost: money per order.
        demand: units per period.
        low: first y.

    Returns:
        s, Q and the cost per period.
    """
    costs = np.asarray(costs, np.float64)
    first = last = int(costs.argmin())
    total, best = order_cost * demand + costs[first], np.inf
    while True:
        cost = total / (last - first + 1)
        below = costs[first - 1] if first > 0 else np.inf
        above = costs[last + 1] if last + 1 < len(costs) else np.inf
        if min(below, above) >= cost:
            best = cost
            break
        first, last = (first - 1, last) if below <= above else (first, last + 1)
        total += min(below, above)
    if first == 0 or last == len(costs) - 1:
        raise InputError(f"the best (s, Q) lies outside of {low} .. {low + len(costs) - 1}.", "Give costs farther out.")
    return first - 1 + low, last - first + 1, float(best)


def _checked(chance: np.ndarray) -> np.ndarray:
    chance = np.asarray(chance, np.float64)
    if chance.ndim != 1 or not (chance >= 0).all() or abs(chance.sum() - 1) > 1e-6:
        raise InputError("chances are below 0 or do not add up to 1.", "Give one per number of units.", column="chance")
    return chance


@njit(cache=True, nogil=True)
def _cost(costs, renewals, order_cost, s, top):  # type: ignore[no-untyped-def]
    """Cost per period of (s, top), by the renewals of demand."""
    total, length = order_cost, 0.0
    for j in range(top - s):
        total += renewals[j] * costs[top - j]
        length += renewals[j]
    return total / length


@njit(cache=True, nogil=True)
def _s_s(costs, chance, order_cost):  # type: ignore[no-untyped-def]
    """Positions of s and S in ``costs``, and the cost; s = -1 where the costs begin too late."""
    size = costs.shape[0]
    renewals = np.zeros(size)
    renewals[0] = 1 / (1 - chance[0])
    for j in range(1, size):
        for units in range(1, min(j, chance.shape[0] - 1) + 1):
            renewals[j] += chance[units] * renewals[j - units]
        renewals[j] /= 1 - chance[0]
    top = int(np.argmin(costs))
    s = top
    while True:
        s -= 1
        if s < 0:
            return -1, top, 0.0
        if _cost(costs, renewals, order_cost, s, top) <= costs[s]:
            break
    best, tried = _cost(costs, renewals, order_cost, s, top), top + 1
    while tried < size and costs[tried] <= best:
        cost = _cost(costs, renewals, order_cost, s, tried)
        if cost < best:
            best, top = cost, tried
            while best <= costs[s + 1]:
                s += 1
                best = _cost(costs, renewals, order_cost, s, top)
        tried += 1
    return s, top, best
