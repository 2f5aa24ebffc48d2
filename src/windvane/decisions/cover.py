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
    longest = int(terms.leads.max(initial=0)) + terms.review
    reach = max(longest, int(min(terms.shelf_life.min(initial=0), longest)))
    many = int(np.ceil(service * paths - 1e-4)) - 1

    def part(drawn: tuple[np.ndarray, np.ndarray]) -> None:
        rows, sample = drawn
        money = np.column_stack([getattr(terms.rates, n)[rows] for n in ("holding", "margin", "unit_cost")])
        sums = _sums(sample, min(repeat, forecast.horizon), reach)
        shelf = np.minimum(terms.shelf_life[rows], reach + 1)
        found = np.zeros((len(rows), 6))
        now = position[rows].astype(np.float64)
        _look(sums, terms.leads[rows], shelf, money, now, (terms.review, many, forecast.counts), found)
        found[:, 5] = forecast.mean[rows].mean(axis=1)
        for k, values in enumerate((out.target, out.least_cost, out.risk, out.short, out.demand, out.per_period)):
            values[rows] = found[:, k]

    map_parts(part, forecast.paths(paths, _PART))
    return out


def _sums(sample: np.ndarray, repeat: int, reach: int) -> np.ndarray:
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
    first, until = np.zeros(paths), np.zeros(paths)
    for s in range(series):
        late, short, total = 0, 0.0, 0.0
        for p in range(paths):
            lead = leads[s, p % leads.shape[1]]
            first[p], until[p] = sums[s, p, lead], sums[s, p, lead + review]
            late += until[p] > position[s] + 1e-4
            short += max(until[p] - position[s], 0.0) - max(first[p] - position[s], 0.0)
            total += until[p]
        ordered = np.sort(until)
        found[s, 0] = np.ceil(ordered[many] * 1000 - 1e-4) / 1000
        found[s, 2], found[s, 3], found[s, 4] = late / paths, short / paths, total / paths
        best, at, before = np.inf, 0.0, -1.0
        for c in range(_BELOW + paths):
            if c < _BELOW:
                level = ordered[0] * c / _BELOW
                level = np.floor(level) if whole else level
            else:
                level = ordered[c - _BELOW]
            if level == before:
                continue
            before = level
            cost = 0.0
            for p in range(paths):
                lead = leads[s, p % leads.shape[1]]
                for d in range(lead + 1, lead + review + 1):
                    cost += money[s, 0] * max(level - sums[s, p, d], 0.0)
                cost += money[s, 1] * max(until[p] - max(level, first[p]), 0.0)
                if shelf[s] <= reach:
                    # What the next periods of its life do not ask for spoils.
                    gone = sums[s, p, min(lead + shelf[s], reach)]
                    cost += money[s, 2] * max(level - gone, 0.0)
            if cost < best:
                best, at = cost, level
        found[s, 1] = at
