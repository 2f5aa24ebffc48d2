"""Policies: rules that turn a forecast and a stock position into orders.

Each sees what the shop knows in the morning of a review and proposes units to order; limits of the supplier (packs,
smallest and largest orders) are the same for all of them (:meth:`windvane.decisions.terms.Terms.orders`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Protocol

import numpy as np

from windvane.decisions.cover import Cover, cover
from windvane.decisions.terms import Terms
from windvane.forecasts import Forecast


class Seen:
    """What a shop knows in the morning of a review.

    Attributes:
        sold: sales so far, float32 [series, periods], NaN where unknown.
        on_hand: units on the shelf, float64 [series].
        on_order: units ordered and not yet received, float64 [series].
    """

    def __init__(
        self, sold: np.ndarray, on_hand: np.ndarray, on_order: np.ndarray, look: Callable[[], Forecast]
    ) -> None:
        self.sold, self.on_hand, self.on_order = sold, on_hand, on_order
        self._look = look

    @property
    def position(self) -> np.ndarray:
        """Units on hand and on order, float64 [series]."""
        position: np.ndarray = self.on_hand + self.on_order
        return position

    @cached_property
    def forecast(self) -> Forecast:
        """The forecast of this morning; made when it is first asked for."""
        return self._look()


class Policy(Protocol):
    """What orders."""

    @property
    def name(self) -> str:
        """Its name in ledgers."""
        ...

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """Units to order now, float64 [series], as the terms allow."""
        ...


@dataclass(frozen=True)
class OrderUpTo:
    """(R, S): at every review, fill up to the stock that lasts until the order after the next one with a given chance.

    Attributes:
        service: that chance.
        name: its name.
    """

    service: float = 0.95
    name: str = "order up to"

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`Policy`."""
        found = cover(seen.forecast, terms, seen.position, self.service)
        return terms.orders(found.target - seen.position)


@dataclass(frozen=True)
class LeastCost:
    """(R, s, S) by money: fill up to the stock at which holding, lost margin and spoilage are expected to cost least.

    Where an order costs something, it lasts as many reviews as make ordering and holding cheapest (economic order
    quantity), and is placed once the position has fallen to what the next review needs.

    Source: Harris (1913), How many parts to make at once; Silver, Pyke, Thomas (2017), chapters 4 and 6.

    Attributes:
        name: its name.
    """

    name: str = "least cost"

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`Policy`."""
        found = cover(seen.forecast, terms, seen.position, 0.95)
        gap = np.where(seen.position < found.least_cost, found.least_cost + extra(found, terms) - seen.position, 0.0)
        return terms.orders(gap)


@dataclass(frozen=True)
class MinMax:
    """(R, s, S): once the position has fallen below what the next review needs, fill up for several reviews.

    s is the stock that lasts until the order after the next one with a given chance, S is s and what the economic
    order quantity lasts beyond a review (:func:`extra`). With a review every period it is (s, S).

    Attributes:
        service: that chance.
        name: its name.
    """

    service: float = 0.95
    name: str = "min max"

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`Policy`."""
        found = cover(seen.forecast, terms, seen.position, self.service)
        top = found.target + extra(found, terms)
        return terms.orders(np.where(seen.position < found.target, top - seen.position, 0.0))


@dataclass(frozen=True)
class ReorderPoint:
    """(R, s, nQ): once the position has fallen below what the next review needs, order whole multiples of one quantity.

    The quantity is the economic order quantity, and at least what a review sells. With a review every period it is
    (s, Q).

    Attributes:
        service: chance that s lasts until the order after the next one.
        name: its name.
    """

    service: float = 0.95
    name: str = "reorder point"

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`Policy`."""
        found = cover(seen.forecast, terms, seen.position, self.service)
        quantity = np.maximum(np.ceil(found.per_period * terms.review + extra(found, terms)), 1.0)
        many = np.ceil(np.maximum(found.target - seen.position, 0.0) / quantity - 1e-9)
        return terms.orders(many * quantity)


def extra(found: Cover, terms: Terms) -> np.ndarray:
    """Units that are ordered beyond the next review because orders cost money, float64 [series]; within shelf life."""
    rates = terms.rates
    held = np.maximum(rates.holding, 1e-12)
    periods = np.sqrt(2 * rates.order_cost / (held * np.maximum(found.per_period, 1e-9)))
    whole = np.maximum(np.round(periods / terms.review), 1) * terms.review
    whole = np.minimum(whole, np.maximum(terms.shelf_life, terms.review))
    units: np.ndarray = np.where(found.per_period > 0, (whole - terms.review) * found.per_period, 0.0)
    return units


@dataclass(frozen=True)
class MovingAverage:
    """Usual practice: mean and standard deviation of recent sales, and a safety stock as if demand were normal.

    Attributes:
        service: chance of lasting that the safety stock aims at.
        window: periods that are recent.
        name: its name.
    """

    service: float = 0.95
    window: int = 28
    name: str = "moving average"

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`Policy`."""
        recent = seen.sold[:, -self.window :].astype(np.float64)
        known = ~np.isnan(recent)
        count = known.sum(axis=1)
        mean = np.where(known, recent, 0).sum(axis=1) / np.maximum(count, 1)
        off = np.where(known, recent - mean[:, None], 0)
        spread = np.sqrt((off**2).sum(axis=1) / np.maximum(count - 1, 1))
        periods = terms.leads.mean(axis=1) + terms.review
        safety = NormalDist().inv_cdf(self.service) * spread * np.sqrt(periods)
        return terms.orders(np.ceil(mean * periods + safety) - seen.position)
