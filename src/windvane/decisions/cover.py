"""Demand over the time that an order must last, from sample paths, and the stock that costs least over it.

Beyond the horizon the paths' last periods repeat. Compiled, part by part of the series, so that paths are never held
for all of them at once.

Source of the cost: Silver, Pyke, Thomas (2017), Inventory and Production Management in Supply Chains, chapters 6 and 9
(periodic review, order up to a level); expectations are means over the paths in place of a formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from windvane.decisions.terms import Terms
from windvane.engine import map_parts
from windvane.forecasts import Forecast

PATHS = 200
_PART = 256
_BELOW = 32  # levels tried below the smallest sum of a path


@dataclass(frozen=True, eq=False)
class Cover:
    """What stock would have to be there.

    Attributes:
        target: smallest stock that lasts with the chance of ``service``, float64 [series].
        least_cost: stock at which holding, lost margin and spoilage over the time between two arrivals are least.
        risk: chance that the stock at hand and on order does not last until the order after the next one arrives.
        short: units that ordering nothing now is expected to lose by then.
        demand: expected demand until then.
        per_period: expected demand per period.
    """

    target: np.ndarray
    least_cost: np.ndarray
    risk: np.ndarray
    short: np.ndarray
    demand: np.ndarray
    per_period: np.ndarray


def cover(
    forecast: Forecast, terms: Terms, position: np.ndarray, service: float, repeat: int = 7, paths: int = PATHS
) -> Cover:
    """Look at the time until the order after the next one arrives.

    Args:
        forecast: of the series of the terms, in their order.
        terms: lead times, review, money.
        position: units on hand and on order, [series].
        service: chance that the target aims at.
        repeat: how many of the last periods of the horizon repeat beyond it.
        paths: number of sample paths.
    """
    series = len(position)
    out = Cover(*(np.zeros(series) for _ in range(6)))
    reach = int(terms.leads.max(initial=0)) + terms.review
    many = int(np.ceil(service * paths - 1e-4)) - 1

    def part(drawn: tuple[np.ndarray, np.ndarray]) -> None:
        rows, sample = drawn
        money = np.column_stack([getattr(terms.rates, n)[rows] for n in ("holding", "margin", "unit_cost")])
        sums = summed(sample, min(repeat, forecast.horizon), reach)
        shelf = np.minimum(terms.shelf_life[rows], reach + 1)
        found = np.zeros((len(rows), 6))
        now = position[rows].astype(np.float64)
        _look(sums, terms.leads[rows], shelf, money, now, (terms.review, many, forecast.counts), found)
        found[:, 5] = forecast.mean[rows].mean(axis=1)
        for k, values in enumerate((out.target, out.least_cost, out.risk, out.short, out.demand, out.per_period)):
            values[rows] = found[:, k]

    map_parts(part, forecast.paths(paths, _PART))
    return out


def summed(sample: np.ndarray, repeat: int, reach: int) -> np.ndarray:
    """Cumulative demand after 0, 1, ... reach periods, float64 [rows, paths, reach + 1]."""
    horizon = sample.shape[2]
    at = np.arange(reach)
    at = np.where(at < horizon, at, horizon - repeat + (at - horizon) % repeat)
    sums = np.zeros((*sample.shape[:2], reach + 1))
    np.cumsum(sample[:, :, at], axis=2, dtype=np.float64, out=sums[:, :, 1:])
    return sums


@njit(cache=True, nogil=True)
def _look(sums, leads, shelf, money, position, how, found):  # type: ignore[no-untyped-def]
    """Write :class:`Cover` of every series into ``found`` float64 [series, 6]; the last column is left.

    ``sums`` float64 [series, paths, reach + 1]: cumulative demand; ``shelf`` int64 [series]: shelf life, beyond the
    reach where nothing spoils; ``money`` float64 [series, 3]: holding, margin, unit cost; ``how``: review, rank of the
    target among the paths, whether units are whole.
    """
    review, many, whole = how
    series, paths, reach = sums.shape[0], sums.shape[1], sums.shape[2] - 1
    # What the cost of a stock S is made of are means of max(S - X, 0), X the demand until each evening between the two
    # arrivals, until the first of them, and over the shelf life; levels rise, so that sorted X are gone through once.
    values = np.zeros((review + 2, paths))
    passed, below = np.zeros(review + 2, np.int64), np.zeros(review + 2)
    first, until, gone = review, review - 1, review + 1
    for s in range(series):
        late, short = 0, 0.0
        for p in range(paths):
            lead = leads[s, p % leads.shape[1]]
            for d in range(review):
                values[d, p] = sums[s, p, lead + d + 1]
            values[first, p], values[gone, p] = sums[s, p, lead], sums[s, p, min(lead + shelf[s], reach)]
            late += values[until, p] > position[s] + 1e-4
            short += max(values[until, p] - position[s], 0.0) - max(values[first, p] - position[s], 0.0)
        found[s, 2], found[s, 3], found[s, 4] = late / paths, short / paths, values[until].mean()
        spoils = shelf[s] <= reach
        for k in range(review + 2):
            values[k].sort()
        found[s, 0] = np.ceil(values[until, many] * 1000 - 1e-4) / 1000
        passed[:], below[:] = 0, 0.0
        best, before = np.inf, -1.0
        for c in range(_BELOW + paths):
            if c < _BELOW:
                level = values[until, 0] * c / _BELOW
                level = np.floor(level) if whole else level
            else:
                level = values[until, c - _BELOW]
            if level == before:
                continue
            before = level
            for k in range(review + 2):
                while passed[k] < paths and values[k, passed[k]] < level:
                    below[k] += values[k, passed[k]]
                    passed[k] += 1
            cost = 0.0
            for k in range(review):
                cost += money[s, 0] * (passed[k] * level - below[k])
            # Lost by then, less what was lost before the order came; but for what no stock changes.
            cost += money[s, 1] * (passed[until] * level - below[until] - passed[first] * level + below[first])
            if spoils:
                cost += money[s, 2] * (passed[gone] * level - below[gone])
            if cost < best - 1e-9:
                best, found[s, 1] = cost, level
