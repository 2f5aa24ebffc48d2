"""Re-pricing rules: what a shop may do with its prices from day to day, and what of it is allowed.

A rule looks at the morning of a day and proposes prices. What it proposes passes through the rules that hold for every
price (:class:`windvane.decisions.pricing.Rules`: never below cost, margins, the largest change, price points, bounds by
the competitor's price) and through the least time between two changes. Every customer pays the same.

Rules are tried by :func:`windvane.decisions.pricing.simulate` before they are used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from windvane.decisions.pricing.rules import Rules, limits
from windvane.errors import InputError

_TINY = 1e-6
_CENT = 0.01


@dataclass(frozen=True, eq=False)
class State:
    """The morning of a day; arrays are float64 [products, futures], or broadcast to that.

    Attributes:
        day: number of the day, from 0.
        price: regular price of the day before.
        today: regular price before the first day.
        competitor: the competitor's price of the day before; NaN = there is none.
        stock: units on hand; NaN = not told.
        ahead: units expected a day from now on, at the plan.
        recent: units sold a day over the last seven.
        cost: unit cost; NaN = unknown.
        since: days since the price last changed.
    """

    day: int
    price: np.ndarray
    today: np.ndarray
    competitor: np.ndarray
    stock: np.ndarray
    ahead: np.ndarray
    recent: np.ndarray
    cost: np.ndarray
    since: np.ndarray

    @property
    def cover(self) -> np.ndarray:
        """Days that the stock lasts at what is expected; NaN where stock is not told."""
        return self.stock / np.maximum(self.ahead, _TINY)


class Rule(Protocol):
    """What proposes prices."""

    def propose(self, state: State) -> np.ndarray:
        """Prices that broadcast to [products, futures]; the price itself, or NaN, where it is to stay."""
        ...


@dataclass(frozen=True)
class Keep:
    """Every price stays.

    Example:
        >>> float(Keep().propose(morning(price=10.0))[0, 0])
        10.0
    """

    def propose(self, state: State) -> np.ndarray:
        """The prices themselves."""
        return state.price


@dataclass(frozen=True)
class Follow:
    """Follow the competitor where the own price leaves a band round theirs.

    Attributes:
        offset: where to go, as a share above (below 0: below) their price.
        index: least and largest share of their price that is left as it is; None = always go there.

    Example:
        >>> float(Follow(-0.02).propose(morning(price=10.0, competitor=9.0))[0, 0])
        8.82
    """

    offset: float = 0.0
    index: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.offset > -1:
            raise InputError(f"the offset is {self.offset}.", "Give a share above -1.", column="offset")
        if self.index is not None and not 0 < self.index[0] <= self.index[1]:
            raise InputError(f"the index is {self.index}.", "Give the lower bound first.", column="index")

    def propose(self, state: State) -> np.ndarray:
        """Their price and the offset; the own price within the band, and where they have none."""
        target = state.competitor * (1 + self.offset)
        stay = np.isnan(target)
        if self.index is not None:
            ratio = state.price / state.competitor
            stay |= (ratio >= self.index[0] - _TINY) & (ratio <= self.index[1] + _TINY)
        return np.where(stay, state.price, target)


@dataclass(frozen=True)
class Cover:
    """Lower prices of what lies too long, raise those of what runs out too soon.

    Attributes:
        most: days of cover above which the price falls.
        least: days of cover below which it rises.
        down: share by which it falls.
        up: share by which it rises.

    Example:
        >>> Cover(most=60, least=10).propose(morning(price=10.0, stock=[[700.0], [50.0]], ahead=10.0)).ravel()
        array([ 9.5, 10.5])
    """

    most: float = 60.0
    least: float = 14.0
    down: float = 0.05
    up: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most:
            raise InputError(f"cover from {self.least} to {self.most} days.", "Give least <= most.", column="cover")
        if not (0 <= self.down < 1 and self.up >= 0):
            raise InputError(f"down {self.down} and up {self.up}.", "Give shares from 0.", column="down")

    def propose(self, state: State) -> np.ndarray:
        """A lower, the same or a higher price."""
        cover = state.cover
        return state.price * np.where(cover > self.most, 1 - self.down, np.where(cover < self.least, 1 + self.up, 1.0))


@dataclass(frozen=True)
class StepDown:
    """Lower prices step by step at the end of a season, while there is stock.

    Attributes:
        first: day of the first step, from 0.
        every: days from step to step.
        step: share by which the price falls at each.
        most: share below the first price at which it stops.

    Example:
        >>> float(StepDown(step=0.2).propose(morning(price=10.0))[0, 0])
        8.0
    """

    first: int = 0
    every: int = 7
    step: float = 0.1
    most: float = 0.5

    def __post_init__(self) -> None:
        if self.first < 0 or self.every < 1 or not 0 < self.step < 1 or not 0 < self.most < 1:
            raise InputError(
                f"steps of {self.step} every {self.every} days from day {self.first}, {self.most} at most.",
                "Give days from 0 and shares between 0 and 1.", column="step",
            )  # fmt: skip

    def propose(self, state: State) -> np.ndarray:
        """A step lower on the days of the steps."""
        if state.day < self.first or (state.day - self.first) % self.every:
            return state.price
        lower = np.maximum(state.price * (1 - self.step), state.today * (1 - self.most))
        return np.where(np.nan_to_num(state.stock, nan=1.0) > 0, np.minimum(lower, state.price), state.price)


@dataclass(frozen=True, eq=False)
class Planned:
    """Prices of a plan, such as those of :func:`windvane.decisions.pricing.propose`.

    Attributes:
        price: float64 [products]; NaN = stays.

    Example:
        >>> float(Planned(np.array([9.5])).propose(morning(price=10.0))[0, 0])
        9.5
    """

    price: np.ndarray

    def propose(self, state: State) -> np.ndarray:
        """The prices of the plan."""
        return np.where(np.isnan(self.price[:, None]), state.price, self.price[:, None])


@dataclass(frozen=True, eq=False)
class Guard:
    """What every change of a price must keep.

    Attributes:
        rules: bounds of prices; the largest change is that of one change. The competitor's price of the day takes the
            place of the one given there.
        gap: least days from one change to the next.
        least: smaller changes, as a share of the price, are not made.
    """

    rules: Rules = field(default_factory=Rules)
    gap: int = 7
    least: float = 0.0

    def __post_init__(self) -> None:
        if self.gap < 1 or not self.least >= 0:
            raise InputError(
                f"{self.gap} days between changes of at least {self.least}.", "Give days from 1 and a share from 0.",
                column="gap",
            )  # fmt: skip

    def allowed(self, proposed: np.ndarray, state: State) -> tuple[np.ndarray, np.ndarray]:
        """What becomes of proposed prices.

        Args:
            proposed: prices that broadcast to [products, futures].
            state: the morning.

        Returns:
            Prices, float64 [products, futures]: the nearest that is allowed, and the one of the day before where
            none is, where the cost is unknown or the last change too recent. And where a bound moved the proposal or
            stood in its way, bool of the same shape.

        Example:
            >>> price, bound = Guard(Rules(change=0.1)).allowed(np.array([[8.0]]), morning(price=10.0, cost=5.0))
            >>> float(price[0, 0]), bool(bound[0, 0])
            (9.0, True)
        """
        shape = np.broadcast_shapes(np.shape(proposed), state.price.shape)
        price = np.broadcast_to(state.price, shape).copy()
        wanted, cost = np.broadcast_to(proposed, shape), np.broadcast_to(state.cost, shape)
        moves = np.isfinite(wanted) & (np.abs(wanted - price) > np.maximum(self.least * price, _CENT / 2))
        moves &= np.isfinite(cost) & (np.broadcast_to(state.since, shape) >= self.gap)
        bound = np.zeros(shape, bool)
        at = np.nonzero(moves)
        if not len(at[0]):
            return price, bound
        rivals = np.broadcast_to(state.competitor, shape)[at]
        given: dict[str, Any] = {
            name: _rows(getattr(self.rules, name), at[0]) for name in ("lowest", "highest", "change", "margin")
        }
        some = limits(replace(self.rules, competitor=rivals, **given), price[at], cost[at])
        inside = np.clip(wanted[at], some.low, np.maximum(some.high, some.low))
        found = pointed(inside, some.low, some.high, self.rules.endings)
        # From below cost, the largest change may lead to nothing that is allowed.
        nothing = np.isnan(found)
        bound[at] = nothing | (np.abs(inside - wanted[at]) > _CENT / 2)
        price[at] = np.where(nothing, price[at], found)
        return price, bound


def pointed(price: np.ndarray, low: np.ndarray, high: np.ndarray, endings: tuple[float, ...]) -> np.ndarray:
    """The nearest price point between bounds; NaN where there is none.

    Args:
        price: float64 [n].
        low: least price allowed.
        high: largest price allowed.
        endings: what prices end in, see :class:`windvane.decisions.pricing.Rules`; empty = whole cents.

    Example:
        >>> pointed(np.array([9.2, 9.2]), np.array([8.0, 9.1]), np.array([12.0, 9.3]), (0.99,))
        array([8.99,  nan])
    """
    if endings:
        whole = np.floor(price)[:, None] + np.arange(-1, 2)[None, :]
        tries = (whole[:, :, None] + np.array(sorted(set(endings)))).reshape(len(price), -1)
    else:
        cents = np.round(price / _CENT)[:, None] + np.arange(-1, 2)[None, :]
        tries = cents * _CENT
    fits = (tries >= low[:, None] - _TINY) & (tries <= high[:, None] + _TINY) & (tries > 0)
    far = np.where(fits, np.abs(tries - price[:, None]), np.inf)
    best = far.argmin(axis=1)
    return np.where(fits.any(axis=1), np.round(tries[np.arange(len(price)), best], 2), np.nan)


def morning(
    price: float | np.ndarray, cost: float = 0.0, competitor: float = np.nan, stock: object = np.nan,
    ahead: float = 1.0, day: int = 0,
) -> State:  # fmt: skip
    """A morning made by hand, to look at what a rule does: the price has not changed for long.

    Args:
        price: regular price, one or [products, futures].
        cost: unit cost.
        competitor: their price.
        stock: units on hand, one or [products, futures].
        ahead: units expected a day.
        day: number of the day.

    Example:
        >>> float(morning(price=10.0, stock=30.0, ahead=2.0).cover[0, 0])
        15.0
    """
    at = (np.atleast_2d(np.asarray(values, np.float64)) for values in (price, stock))
    one, units = np.broadcast_arrays(*at)
    same = np.ones_like(one)
    return State(
        day=day,
        price=one,
        today=one,
        competitor=competitor * same,
        stock=units,
        ahead=ahead * same,
        recent=ahead * same,
        cost=cost * same,
        since=1e6 * same,
    )


def _rows(values: float | np.ndarray | None, rows: np.ndarray) -> float | np.ndarray | None:
    """Those of some products, where there is one for each."""
    return values[rows] if isinstance(values, np.ndarray) and values.ndim else values
