"""Prices that earn most: one price per product, for every customer, under the shop's rules.

The published forecast is demand at the plan of today. A price plan multiplies it by the response to what it changes
(:class:`windvane.decisions.response.PriceResponse`); where nothing changes, nothing is multiplied. Elasticities are
unsure: what a price is expected to earn is a mean over what the elasticity may be. Products beside one another are
priced one after the other until no price changes any more, each by what it earns and what it does to the others; then
two at a time, where few products touch one another.

Promotions that are planned keep their depth: a plan moves the regular price, and with it the price in promotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl
from numba import njit

from windvane.decisions.pricing.rules import Limits, Rules, limits, points
from windvane.decisions.response import PriceResponse
from windvane.engine import map_parts
from windvane.errors import InputError
from windvane.grouping import sum_by

_MOST = 41
_SWEEPS = 6
_NODES = 5
_PART = 256
_GAIN = 1e-9
_LINKS = 8  # series that a price may touch for it to be tried together with a neighbour's

Target = Literal["profit", "revenue"]


@dataclass(frozen=True, eq=False)
class Demand:
    """What is priced: products, their series and what is expected of them at the plan of today.

    Attributes:
        keys: key columns, one row per series.
        product: number of the product of every series, int64 [series], 0 .. products - 1.
        units: expected demand at the plan, float64 [series, periods].
        price: price of the plan, float64 [series, periods], above 0.
        today: today's regular price, float64 [products].
        cost: unit cost, float64 [products]; NaN = unknown.
    """

    keys: pl.DataFrame
    product: np.ndarray
    units: np.ndarray
    price: np.ndarray
    today: np.ndarray
    cost: np.ndarray

    def __post_init__(self) -> None:
        for name, values in (("price", self.price), ("today", self.today)):
            wrong = np.flatnonzero(~(values > 0).reshape(len(values), -1).all(axis=1))
            if len(wrong):
                raise InputError(f"{name} of row {wrong[0]} is not above 0.", "Give prices.", column=name)


@dataclass(frozen=True, eq=False)
class PricePlan:
    """Proposed prices, float64 [products] each; units and money over all periods, expected.

    Attributes:
        price: proposed price; today's where nothing is to be gained or allowed.
        units: units at today's plan.
        new_units: units at the proposed prices of all products.
        earned: profit or revenue at today's plan.
        new_earned: at the proposed prices of all products.
        limits: what was allowed.
        today: today's prices.
    """

    price: np.ndarray
    units: np.ndarray
    new_units: np.ndarray
    earned: np.ndarray
    new_earned: np.ndarray
    limits: Limits
    today: np.ndarray

    def frame(self) -> pl.DataFrame:
        """One row per product: price_now, price, units, money, change, the rule it stands at, and conflicting rules."""
        low, high = self.limits.low, self.limits.high
        at_low, at_high = self.price <= low + 0.01, self.price >= high - 0.01
        rules = zip(at_low, self.limits.low_rule, at_high, self.limits.high_rule, strict=True)
        bound = [low_rule if a else high_rule if b else None for a, low_rule, b, high_rule in rules]
        moved = np.abs(self.price - self.today) > 1e-9
        clash = [" / ".join(self.limits.conflicts[k]) if k in self.limits.conflicts else None for k in range(len(low))]
        return pl.DataFrame(
            {
                "price_now": self.today,
                "price": self.price,
                "units": self.units,
                "new_units": self.new_units,
                "earned": self.earned,
                "new_earned": self.new_earned,
                "bound": pl.Series([b if m else None for b, m in zip(bound, moved, strict=True)], dtype=pl.String),
                "conflict": pl.Series(clash, dtype=pl.String),
            }
        )


def propose(demand: Demand, response: PriceResponse, rules: Rules, target: Target = "profit") -> PricePlan:
    """Prices that are expected to earn most.

    Args:
        demand: what is expected at today's plan.
        response: how demand answers to prices, of the same series in the same order.
        rules: what is allowed.
        target: what to earn: profit (price less cost, times units) or revenue.

    Returns:
        A price for every product. Products whose rules contradict one another, whose cost is unknown or of whose
        price nothing is known keep today's.
    """
    series, products = len(demand.product), len(demand.today)
    bound = limits(rules, demand.today, demand.cost)
    tries = np.full((products, _MOST), np.nan)
    fixed = np.isnan(demand.cost)
    for row in range(products):
        if row in bound.conflicts or fixed[row]:
            continue
        high = bound.high[row] if np.isfinite(bound.high[row]) else max(demand.today[row], bound.low[row]) * 2
        found = points(bound.low[row], high, rules.endings, _MOST)
        if len(found):
            tries[row, : len(found)] = found
        else:
            bound.conflicts[row] = (
                f"{bound.low_rule[row]}: at least {bound.low[row]:.2f}",
                f"{bound.high_rule[row]}: at most {high:.2f}",
                f"endings: none of {', '.join(f'{e:.2f}' for e in rules.endings) or 'whole cents'} lies between",
            )
    cost = np.nan_to_num(demand.cost) if target == "profit" else np.zeros(products)
    own = _nodes(response)
    usable = np.isfinite(response.reference) & np.isfinite(own).all(axis=1)
    base = np.where(usable, response.reference, demand.today[demand.product])
    own = np.where(usable[:, None], own, 0.0)
    # Units and money of every product at every price that is tried, while the others stay as they are.
    units = np.zeros((series, _MOST + 1))
    paid = np.zeros((series, _MOST + 1))
    every = np.column_stack([demand.today, tries])

    def part(rows: slice) -> None:
        where = (
            demand.units[rows],
            demand.price[rows],
            every[demand.product[rows]],
            demand.today[demand.product[rows]],
        )
        _tried(*where, base[rows], own[rows], response.power, units[rows], paid[rows])

    map_parts(part, [slice(a, min(a + _PART, series)) for a in range(0, series, _PART)])
    links = linked(response, demand.product)
    choice = _ascend(demand, links, every, (units, paid), cost)
    moved = np.log(every[np.arange(products), choice] / demand.today)
    factor = np.exp(_cross(links, moved, series))
    at = choice[demand.product]
    each = np.arange(series)
    margin = paid - cost[demand.product][:, None] * units

    def by_product(values: np.ndarray) -> np.ndarray:
        return np.bincount(demand.product, values, products)

    return PricePlan(
        price=every[np.arange(products), choice],
        units=by_product(units[:, 0]),
        new_units=by_product(units[each, at] * factor),
        earned=by_product(margin[:, 0]),
        new_earned=by_product(margin[each, at] * factor),
        limits=bound,
        today=demand.today,
    )


def _nodes(response: PriceResponse) -> np.ndarray:
    """Elasticities that are as likely as one another, float64 [series, nodes]; none rises where the mean falls."""
    from scipy.special import ndtri

    at = ndtri((np.arange(_NODES) + 0.5) / _NODES)
    at = at / at.std()
    found = response.own[:, None] + response.own_error[:, None] * at[None, :]
    return np.where(response.own[:, None] <= 0, np.minimum(found, 0.0), found)


@njit(cache=True, nogil=True)
def _tried(units, price, tries, today, base, own, power, sold, paid):  # type: ignore[no-untyped-def]
    """Units and money of every series at every price tried; ``sold`` and ``paid`` float64 [series, tries]."""
    periods, nodes = units.shape[1], own.shape[1]
    for s in range(units.shape[0]):
        for c in range(tries.shape[1]):
            ratio = tries[s, c] / today[s]
            if np.isnan(ratio):
                continue
            before, step, factor = -1.0, 0.0, 1.0
            for t in range(periods):
                now = price[s, t]
                if now != before:
                    before = now
                    a, b = np.log(now / base[s]), np.log(now * ratio / base[s])
                    step = b - a if abs(power) < 1e-6 else (np.exp(power * b) - np.exp(power * a)) / power
                    factor = 0.0
                    for k in range(nodes):
                        factor += np.exp(own[s, k] * step)
                    factor /= nodes
                sold[s, c] += units[s, t] * factor
                paid[s, c] += units[s, t] * factor * now * ratio


def linked(response: PriceResponse, product: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who answers to whose price: series, product whose price it answers to, and elasticity to that price alone."""
    beside = response.rivals
    order = np.argsort(beside, kind="stable")
    order = order[beside[order] >= 0]
    bounds = np.flatnonzero(np.diff(beside[order], prepend=-1, append=-1))
    who, whose, size = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for first, last in pairwise(bounds.tolist()):
        some = order[first:last]
        one, other = (side.ravel() for side in np.meshgrid(some, some, indexing="ij"))
        apart = product[one] != product[other]
        one, other = one[apart], other[apart]
        who.append(one)
        whose.append(product[other])
        several = len(response.member) > 0
        each = response.cross[one] / max(len(some) - 1, 1)
        size.append(response.pairs[one, response.member[other]] if several else each)
    return np.concatenate(who), np.concatenate(whose), np.concatenate(size)


def _cross(links: tuple[np.ndarray, np.ndarray, np.ndarray], moved: np.ndarray, series: int) -> np.ndarray:
    """Logarithm of what the changed prices of its rivals do to every series; ``moved`` float64 [products]."""
    who, whose, size = links
    return np.bincount(who, size * moved[whose], series)


def _ascend(
    demand: Demand,
    links: tuple[np.ndarray, np.ndarray, np.ndarray],
    every: np.ndarray,
    tried: tuple[np.ndarray, np.ndarray],
    cost: np.ndarray,
) -> np.ndarray:
    """Column of the price of every product, int64 [products]; 0 = today's."""
    products = len(demand.today)
    units, paid = tried
    earned = paid - cost[demand.product][:, None] * units
    allowed = ~np.isnan(every)
    allowed[:, 0] = ~allowed[:, 1:].any(axis=1) | (np.abs(every[:, 1:] - every[:, :1]) < 1e-9).any(axis=1)
    money = sum_by(demand.product, earned, products)
    choice: np.ndarray = np.where(allowed, money, -np.inf).argmax(axis=1)
    who, whose, size = links
    if not len(who):
        return choice
    moved = np.log(np.where(allowed, every, demand.today[:, None]) / demand.today[:, None])
    order = np.argsort(demand.product, kind="stable")
    own = np.searchsorted(demand.product[order], np.arange(products + 1))
    by_cause = np.argsort(whose, kind="stable")
    cause = np.searchsorted(whose[by_cause], np.arange(products + 1))
    where = (order, own, who[by_cause], size[by_cause], cause, demand.product.astype(np.int64))
    shift = _cross(links, moved[np.arange(products), choice], len(demand.product))
    _sweeps(earned, allowed, moved, where, shift, choice)
    return choice


@njit(cache=True, nogil=True)
def _sweeps(earned, allowed, moved, where, shift, choice):  # type: ignore[no-untyped-def]
    """Best price of each product given the others', again and again until none changes.

    ``shift`` float64 [series]: logarithm of what the prices of rivals do to each series; kept up to date.
    """
    order, own, who, size, cause, product = where
    for _ in range(_SWEEPS):
        changed = False
        for p in range(own.shape[0] - 1):
            now = choice[p]
            best, gain = now, -np.inf
            for c in range(allowed.shape[1]):
                if not allowed[p, c]:
                    continue
                value, step = 0.0, moved[p, c] - moved[p, now]
                for i in range(own[p], own[p + 1]):
                    s = order[i]
                    value += earned[s, c] * np.exp(shift[s])
                for i in range(cause[p], cause[p + 1]):
                    s = who[i]
                    value += earned[s, choice[product[s]]] * np.exp(shift[s] + size[i] * step)
                if value > gain + _GAIN:
                    best, gain = c, value
            if best != now:
                changed = True
                step = moved[p, best] - moved[p, now]
                for i in range(cause[p], cause[p + 1]):
                    shift[who[i]] += size[i] * step
                choice[p] = best
        if not changed and not _pairs(earned, allowed, moved, where, shift, choice):
            break


@njit(cache=True, nogil=True)
def _pairs(earned, allowed, moved, where, shift, choice):  # type: ignore[no-untyped-def]
    """Best prices of two neighbours at once, where single steps lead no farther; whether any changed."""
    order, own, who, size, cause, product = where
    changed = False
    for p in range(own.shape[0] - 1):
        if cause[p + 1] - cause[p] > _LINKS:
            continue
        for i in range(cause[p], cause[p + 1]):
            q = product[who[i]]
            if q <= p or cause[q + 1] - cause[q] > _LINKS or (i > cause[p] and product[who[i - 1]] == q):
                continue
            # Series that either price touches, and how: own ones first, then those of others.
            count, touched = 0, np.empty(2 * _LINKS + own[p + 1] - own[p] + own[q + 1] - own[q], np.int64)
            for j in range(own[p], own[p + 1]):
                touched[count] = order[j]
                count += 1
            for j in range(own[q], own[q + 1]):
                touched[count] = order[j]
                count += 1
            first = count
            for k in range(2):
                c = p if k == 0 else q
                for j in range(cause[c], cause[c + 1]):
                    s, known = who[j], product[who[j]] == p or product[who[j]] == q
                    for m in range(first, count):
                        known = known or touched[m] == s
                    if not known:
                        touched[count] = s
                        count += 1
            weight = np.zeros((count, 2))
            for k in range(2):
                c = p if k == 0 else q
                for j in range(cause[c], cause[c + 1]):
                    for m in range(count):
                        if touched[m] == who[j]:
                            weight[m, k] += size[j]
            now = choice[p], choice[q]
            best, gain = now, -np.inf
            for a in range(allowed.shape[1]):
                if not allowed[p, a]:
                    continue
                for b in range(allowed.shape[1]):
                    if not allowed[q, b]:
                        continue
                    up, other = moved[p, a] - moved[p, now[0]], moved[q, b] - moved[q, now[1]]
                    value = 0.0
                    for m in range(count):
                        s = touched[m]
                        at = a if product[s] == p else b if product[s] == q else choice[product[s]]
                        value += earned[s, at] * np.exp(shift[s] + weight[m, 0] * up + weight[m, 1] * other)
                    if value > gain * (1 + 1e-12) + _GAIN or gain == -np.inf:
                        best, gain = (a, b), value
            if best != now:
                up, other = moved[p, best[0]] - moved[p, now[0]], moved[q, best[1]] - moved[q, now[1]]
                for m in range(count):
                    shift[touched[m]] += weight[m, 0] * up + weight[m, 1] * other
                choice[p], choice[q] = best
                changed = True
    return changed
