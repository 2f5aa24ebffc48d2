"""Selling off what ends: prices of the coming periods that earn most of the stock at hand, never rising again.

Backward over periods and units of stock left (dynamic programming): what a price earns now is the price times the units
expected to sell, and what is left sells later at that price or a lower one. Demand of a period is negative binomial
round its mean; what is left at the end brings its salvage value. The cost of the stock is spent and counts no more,
but prices below it may be forbidden.

Source: Gallego and van Ryzin (1994), Optimal dynamic pricing of inventories with stochastic demand over finite
horizons, Management Science 40, 999-1020 (of which this is the version in discrete periods and prices).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from windvane.errors import InputError

_LEVELS = 200


@dataclass(frozen=True, eq=False)
class Markdown:
    """What to do with one product's stock.

    Attributes:
        prices: prices tried, descending, float64 [n].
        best: column of the best price, int64 [periods, units of stock + 1, price before]: what to ask in a period,
            given the stock left and the price of the period before.
        expected: money expected from now on, at the whole stock and the highest price before.
        first: price of the first period.
        unit: units of stock that count as one, 1 unless stock is large.
    """

    prices: np.ndarray
    best: np.ndarray
    expected: float
    first: float
    unit: float

    def price(self, period: int, stock: float, before: float) -> float:
        """Price to ask in a period (from 0), given the stock left and the price of the period before."""
        at = int(np.flatnonzero(self.prices <= before + 1e-9)[0])
        left = min(int(np.ceil(stock / self.unit - 1e-9)), self.best.shape[1] - 1)
        return float(self.prices[self.best[period, left, at]])


def markdown(
    demand: np.ndarray, stock: int, prices: np.ndarray, salvage: float = 0.0, size: float = np.inf
) -> Markdown:
    """Best prices of every period for whatever stock is left by then.

    Args:
        demand: expected demand of every period at every price, float64 [periods, prices].
        stock: units at hand.
        prices: prices that may be asked, descending.
        salvage: what a unit left at the end brings.
        size: of the negative binomial: variance = mean + mean^2 / size; infinite = Poisson.

    Raises:
        InputError: prices do not descend, or demand has another shape or is below 0.

    Example:
        >>> plan = markdown(np.array([[1.0, 4.0], [1.0, 4.0]]), 6, np.array([10.0, 7.0]))
        >>> plan.first
        7.0
    """
    demand, prices = np.asarray(demand, np.float64), np.asarray(prices, np.float64)
    if prices.ndim != 1 or (np.diff(prices) >= 0).any() or not len(prices):
        raise InputError("prices do not descend.", "Give them from the highest to the lowest.", column="price")
    if demand.ndim != 2 or demand.shape[1] != len(prices) or not (demand >= 0).all():
        raise InputError(
            f"demand has the shape {demand.shape}, or is below 0.", "Give one number from 0 per period and price."
        )
    if stock < 0:
        raise InputError(f"the stock is {stock}.", "Give units from 0.", column="stock")
    unit = max(stock / _LEVELS, 1.0)
    count = int(np.ceil(stock / unit - 1e-9))
    spread = 0.0 if np.isinf(size) else 1 / size
    best = np.zeros((len(demand), count + 1, len(prices)), np.int64)
    value = _backward(demand / unit, prices * unit, salvage * unit, spread, unit, best)
    return Markdown(prices, best, float(value[count, 0]), float(prices[best[0, count, 0]]), unit)


@njit(cache=True, nogil=True)
def _chances(mean, spread, unit, chance):  # type: ignore[no-untyped-def]
    """Write the chances of 0, 1, ... units of demand; the last holds the rest. ``mean`` in units of stock."""
    chance[:] = 0.0
    last = chance.shape[0] - 1
    if mean <= 0.0:
        chance[0] = 1.0
        return
    # Variance of a count in larger units: that of single units, by the unit.
    variance = mean / unit + spread * mean * mean
    if variance > mean * (1.0 + 1e-9):
        size = mean * mean / (variance - mean)
        step = mean / (mean + size)
        now = np.exp(size * np.log(size / (size + mean)))
    else:
        size, step, now = -1.0, mean, np.exp(-mean)
    total = 0.0
    for k in range(last):
        chance[k] = now
        total += now
        now = now * step * (size + k) / (k + 1) if size > 0 else now * mean / (k + 1)
    chance[last] = max(1.0 - total, 0.0)


@njit(cache=True, nogil=True)
def _backward(demand, prices, salvage, spread, unit, best):  # type: ignore[no-untyped-def]
    periods, tries = demand.shape
    levels = best.shape[1]
    later = np.zeros((levels, tries))
    for left in range(levels):
        later[left, :] = salvage * left
    chance = np.zeros(levels)
    earned = np.zeros((levels, tries))
    for t in range(periods - 1, -1, -1):
        for c in range(tries):
            _chances(demand[t, c], spread, unit, chance)
            for left in range(levels):
                value, within = 0.0, 0.0
                for k in range(left):
                    value += chance[k] * (prices[c] * k + later[left - k, c])
                    within += chance[k]
                earned[left, c] = value + (1.0 - within) * (prices[c] * left + later[0, c])
        for left in range(levels):
            # From the lowest price upwards: at a price before, that price and all lower ones are allowed.
            top = tries - 1
            for c in range(tries - 1, -1, -1):
                if earned[left, c] >= earned[left, top] - 1e-12:
                    top = c
                best[t, left, c] = top
        now = np.zeros((levels, tries))
        for left in range(levels):
            for c in range(tries):
                now[left, c] = earned[left, best[t, left, c]]
        later = now
    return later
