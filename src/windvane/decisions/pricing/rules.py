"""What prices are allowed: bounds, the largest change, margins, the competitor's price, price points; never below cost.

Every rule on one price is a lower or an upper bound. Where they leave no price, the two that contradict one another
(one lower, one upper bound) are the smallest set that does; where a price would be allowed but no price point lies
between the bounds, the price points are the third.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from windvane.errors import InputError

_CENT = 0.01
_TINY = 1e-6


@dataclass(frozen=True)
class Rules:
    """Rules of a price plan; per product where arrays, float64 [products], NaN = no such rule.

    Attributes:
        lowest: least price.
        highest: largest price.
        change: largest change from today's price, as a share of it; infinite = any. One for all, or per product.
        margin: least margin, as a share of the price; prices below cost are never allowed, whatever this says. One for
            all, or per product.
        endings: what prices end in, as parts of 1, such as 0.99 (9.99, 10.99) or 0.9 (9.9 元); empty = any cent.
        competitor: the competitor's price.
        index: least and largest price as a share of the competitor's.
    """

    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    change: float | np.ndarray = 0.2
    margin: float | np.ndarray = 0.0
    endings: tuple[float, ...] = ()
    competitor: np.ndarray | None = None
    index: tuple[float, float] = (0.0, np.inf)

    def __post_init__(self) -> None:
        if not np.all(np.asarray(self.change) >= 0):
            raise InputError(f"the largest change is {self.change}.", "Give a share from 0.", column="change")
        if not np.all((np.asarray(self.margin) >= 0) & (np.asarray(self.margin) < 1)):
            raise InputError(f"the least margin is {self.margin}.", "Give a share from 0 to below 1.", column="margin")
        wrong = [end for end in self.endings if not 0 <= end < 1]
        if wrong:
            raise InputError(f"the ending {wrong[0]} is no part of 1.", "Write x.99 as 0.99.", column="endings")
        if not 0 <= self.index[0] <= self.index[1]:
            raise InputError(f"the competitor index is {self.index}.", "Give the lower bound first.", column="index")


@dataclass(frozen=True, eq=False)
class Limits:
    """What rules come to, per product.

    Attributes:
        low: least price allowed, float64 [products].
        high: largest price allowed.
        low_rule: which rule sets it, by name.
        high_rule: which rule sets it.
        conflicts: per product in which no price is allowed: its row, and the smallest set of rules that contradict
            one another, each in words with its price.
    """

    low: np.ndarray
    high: np.ndarray
    low_rule: list[str]
    high_rule: list[str]
    conflicts: dict[int, tuple[str, ...]] = field(default_factory=dict)


def limits(rules: Rules, today: np.ndarray, cost: np.ndarray) -> Limits:
    """Bounds of every product.

    Args:
        rules: the rules.
        today: today's prices, float64 [products], NaN = unknown.
        cost: unit costs, float64 [products]; NaN = unknown, which allows no change, since none can be judged.
    """
    count = len(today)
    blank = np.full(count, np.nan)
    rival = blank if rules.competitor is None else rules.competitor
    margin, change = np.broadcast_to(rules.margin, count), np.broadcast_to(rules.change, count)
    lower = {
        "cost": cost,
        "margin": np.where(margin > 0, cost / (1 - margin), np.nan),
        "lowest": blank if rules.lowest is None else rules.lowest,
        "change": np.maximum(today * (1 - change), _CENT),
        "competitor": rival * rules.index[0] if rules.index[0] > 0 else blank,
    }
    upper = {
        "highest": blank if rules.highest is None else rules.highest,
        "change": np.where(np.isfinite(change), today * (1 + change), np.nan),
        "competitor": rival * rules.index[1] if np.isfinite(rules.index[1]) else blank,
    }
    below, above = np.stack(list(lower.values())), np.stack(list(upper.values()))
    at_low = np.where(np.isnan(below), -np.inf, below).argmax(axis=0)
    at_high = np.where(np.isnan(above), np.inf, above).argmin(axis=0)
    every = np.arange(count)
    low, high = np.nan_to_num(below[at_low, every], nan=_CENT), np.nan_to_num(above[at_high, every], nan=np.inf)
    names = list(lower), list(upper)
    low_rule, high_rule = [names[0][k] for k in at_low], [names[1][k] for k in at_high]
    conflicts: dict[int, tuple[str, ...]] = {}
    for row in np.flatnonzero(low > high + _TINY):
        conflicts[int(row)] = (
            f"{low_rule[row]}: at least {low[row]:.2f}", f"{high_rule[row]}: at most {high[row]:.2f}",
        )  # fmt: skip
    return Limits(low, high, low_rule, high_rule, conflicts)


def points(low: float, high: float, endings: tuple[float, ...], most: int) -> np.ndarray:
    """Prices allowed between two bounds, ascending, float64; thinned out evenly to ``most`` of them.

    Args:
        low: least price.
        high: largest price, finite.
        endings: see :class:`Rules`.
        most: how many to keep; the lowest and the highest always are.
    """
    if endings:
        whole = np.arange(np.floor(low), np.floor(high) + 1)
        found = np.sort((whole[:, None] + np.array(sorted(set(endings)))[None, :]).ravel())
        found = found[(found >= low - _TINY) & (found <= high + _TINY) & (found > 0)]
    else:
        first, last = int(np.ceil(low / _CENT - _TINY)), int(np.floor(high / _CENT + _TINY))
        if last < first:
            return np.empty(0)
        step = max((last - first) // max(most - 1, 1), 1)
        found = np.unique([*range(max(first, 1), last + 1, step), last]) * _CENT
    if len(found) > most:
        found = found[np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))]
    return np.round(found, 2)
