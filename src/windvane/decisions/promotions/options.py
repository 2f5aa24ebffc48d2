"""Every promotion that products might have over the horizon, scored at once: dates, lengths, depths, kinds, placements.

A promotion lifts demand by its price cut (the product's own elasticity) and by what its kind and placement did in the
past. Of the units in addition, a share would have been bought later and a share is taken from products beside it; both
lose the margin that they would have earned. What is left, less its cost, is the gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product as every

import numpy as np
import polars as pl

from windvane.decisions.offer import Offer
from windvane.decisions.promotions.score import schedule
from windvane.decisions.response import PriceResponse
from windvane.forecasts import Forecast
from windvane.grouping import sum_by


@dataclass(frozen=True)
class Mechanic:
    """A way to promote.

    Attributes:
        kind: its name; "" = a lower price and nothing else.
        placement: how strongly it is placed; NaN = not said.
        lift: what it does to the logarithm of demand, price cut apart.
        cost: money per day and location.
        assumed: whether the cost is assumed to be 0, since nothing is known of it.
    """

    kind: str
    placement: float
    lift: float
    cost: float
    assumed: bool


@dataclass(frozen=True, eq=False)
class Field:
    """What promotions are scored on.

    Attributes:
        here: what is on offer.
        response: of its series.
        group: number of the group of neighbours of every series, int64 [series], -1 = none.
        free: where a promotion may run, bool [products, horizon].
        floor: lowest price allowed, float64 [products]; NaN = unknown cost, and nothing can be promoted.
        stock: units at hand and coming until ``lead``, float64 [products].
        lead: periods before which nothing ordered today is there, int64 [products].
        pull_forward: share of the units in addition that would have been bought later.
        taken: share of them that products beside it will lack.
        days: days per period.
    """

    here: Offer
    response: PriceResponse
    group: np.ndarray
    free: np.ndarray
    floor: np.ndarray
    stock: np.ndarray
    lead: np.ndarray
    pull_forward: float
    taken: float
    days: float

    def answer(self, mechanic: Mechanic, depth: float) -> dict[str, np.ndarray]:
        """What every period of a promotion brings, float64 [products, horizon] each.

        Args:
            mechanic: the way to promote.
            depth: share of the price that is cut.

        Returns:
            units (without it), new_units, later, taken, earned (without it), new_earned (later and taken paid, its
            cost not).
        """
        here = self.here
        lift = np.exp(self.moved(depth) + mechanic.lift)
        more = np.maximum(here.units * (lift - 1), 0.0)
        found = {
            "units": here.units,
            "new_units": here.units * lift,
            "later": more * self.pull_forward,
            "taken": more * self.taken,
            "earned": here.units * self._margin,
            "new_earned": here.units * self.earned(lift, depth),
        }
        return {name: sum_by(here.product, values, len(here.skus)) for name, values in found.items()}

    def moved(self, depth: float) -> np.ndarray:
        """What a price cut does to the logarithm of demand, float64 [series, horizon]."""
        price = self.here.price
        return self.response.log_answer(price * (1 - depth)) - self.response.log_answer(price)

    def earned(self, lift: np.ndarray, depth: float, row: int | slice = slice(None)) -> np.ndarray:
        """Margin per unit that would sell without a promotion; units later and taken are paid.

        Args:
            lift: factor on demand, float64 [..., horizon].
            depth: share of the price that is cut.
            row: series, where not all.
        """
        more = np.maximum(lift - 1, 0.0)
        margin, cut = self._margin[row], self.here.price[row] * depth
        beside = np.maximum(self._beside[row], 0.0)
        return lift * (margin - cut) - more * (self.pull_forward * margin + self.taken * beside)

    def gains(self, forecast: Forecast, best: Best, product: int, off: float, paths: int = 400) -> np.ndarray:
        """What a promotion may earn, over sample paths of demand and what is unsure of its lift, float64 [paths].

        Args:
            forecast: of the same series.
            best: the promotion.
            product: number of the product.
            off: standard deviation of the logarithm of what promotions do beyond what is foretold.
            paths: how many.
        """
        rows = np.flatnonzero(self.here.product == product)
        span = slice(int(best.first[product]), int(best.first[product]) + best.length)
        odd = np.random.default_rng(forecast.seed + product).standard_normal((paths, 2))
        response, price = self.response.take(rows), self.here.price[rows]
        moved = response.log_answer(price * (1 - best.depth)) - response.log_answer(price)
        # An elasticity off by so much moves the answer by that share of it.
        error = response.own_error / np.minimum(response.own, -1e-6)
        total = np.full(paths, -float(best.cost[product]))
        for part, drawn in forecast.take(self.here.rows[rows]).paths(paths):
            for k, demand in zip(part, drawn, strict=True):
                lift = np.exp(moved[k] * (1 + error[k] * odd[:, :1]) + best.mechanic.lift + off * odd[:, 1:])
                gain = demand * (self.earned(lift, best.depth, int(rows[k])) - self._margin[rows[k]])
                total += gain[:, span].sum(axis=1)
        return total

    def allowed(self, depth: float, length: int, more: np.ndarray) -> np.ndarray:
        """First periods at which a promotion of so many periods may begin, bool [products, horizon - length + 1].

        Args:
            depth: share of the price that is cut.
            length: periods.
            more: units in addition of every period, float64 [products, horizon].
        """
        here = self.here
        count = len(here.skus)
        # The lowest price among locations counts.
        lowest = np.full((count, here.price.shape[1]), np.inf)
        np.minimum.at(lowest, here.product, here.price * (1 - depth))
        good = self.free & (lowest >= self.floor[:, None] - 1e-9)
        whole = windows(good.astype(float), length) > length - 0.5
        ends = np.arange(length, good.shape[1] + 1)
        asked = np.cumsum(sum_by(here.product, here.units, count), axis=1)[:, length - 1 :] + windows(more, length)
        dry = (ends[None, :] <= self.lead[:, None]) & (asked > self.stock[:, None] + 1e-9)
        return whole & ~dry

    @cached_property
    def _margin(self) -> np.ndarray:
        """Margin per unit at today's plan, float64 [series, horizon]."""
        return self.here.price - np.nan_to_num(self.here.cost)[self.here.product][:, None]

    @cached_property
    def _beside(self) -> np.ndarray:
        """Mean margin of every series' group, float64 [series, 1]; of all where there is no group."""
        here = self.here
        weight = here.weight
        margin = here.price.mean(axis=1) - here.cost[here.product]
        known = ~np.isnan(margin)
        usual = float((margin * weight)[known].sum() / weight[known].sum()) if known.any() else 0.0
        group = self.group
        inside = known & (group >= 0)
        if not inside.any():
            return np.full((len(group), 1), usual)
        size = int(group.max()) + 1
        total = np.bincount(group[inside], (margin * weight)[inside], size)
        by = np.bincount(group[inside], weight[inside], size)
        found = np.where(by > 0, total / np.maximum(by, 1e-300), usual)
        return np.where(group >= 0, found[np.maximum(group, 0)], usual)[:, None]


@dataclass(frozen=True, eq=False)
class Best:
    """The best beginning of every product for one way to promote.

    Attributes:
        mechanic: the way to promote.
        depth: share of the price that is cut.
        length: periods.
        first: first step of the horizon, from 0, int64 [products].
        gain: money to gain, -inf where none is allowed, float64 [products].
        cost: money that it costs, float64 [products].
    """

    mechanic: Mechanic
    depth: float
    length: int
    first: np.ndarray
    gain: np.ndarray
    cost: np.ndarray


def options(field: Field, ways: list[Mechanic], depths: Sequence[float], lengths: Sequence[int]) -> list[Best]:
    """The best beginning of every way to promote, by product.

    Args:
        field: what is scored on.
        ways: ways to promote.
        depths: shares of the price to cut.
        lengths: periods.
    """
    here, out = field.here, []
    places = np.bincount(here.product, minlength=len(here.skus)).astype(float)
    for way, depth in every(ways, depths):
        brings = field.answer(way, depth)
        more, gain = brings["new_units"] - brings["units"], brings["new_earned"] - brings["earned"]
        for length in (n for n in lengths if n <= gain.shape[1]):
            cost = way.cost * length * field.days * places
            whole = np.where(field.allowed(depth, length, more), windows(gain, length) - cost[:, None], -np.inf)
            first = whole.argmax(axis=1)
            out.append(Best(way, depth, length, first, whole[np.arange(len(first)), first], cost))
    return out


def choose(found: list[Best], products: int, budget: float = np.inf, least: float = 0.0) -> np.ndarray:
    """Which option every product gets, so that gains add up to the most, int64 [products]; -1 = none.

    Args:
        found: options.
        products: number of products.
        budget: money for all of them together.
        least: gain that is worth a promotion.
    """
    out = np.full(products, -1)
    rows = []
    gain, cost = (np.array([getattr(o, name) for o in found]).reshape(-1, products) for name in ("gain", "cost"))
    for p in range(products):
        # From the cheapest on, what costs more must earn more.
        best = max(least, 0.0)
        for k in np.lexsort((-gain[:, p], cost[:, p])):
            if gain[k, p] > best and cost[k, p] <= budget:
                rows.append((p, int(k), float(gain[k, p]), float(cost[k, p]), False))
                best = gain[k, p]
    scored = pl.DataFrame(rows, schema=["product", "option", "margin", "cost", "below_cost"], orient="row")
    if scored.height:
        run = schedule(scored, ["product"], budget)
        out[run["product"].to_numpy()] = run["option"].to_numpy()
    return out


def windows(values: np.ndarray, length: int) -> np.ndarray:
    """Sums over ``length`` columns from each column on, float64 [rows, columns - length + 1]."""
    running = np.pad(values.cumsum(axis=1), ((0, 0), (1, 0)))
    found: np.ndarray = running[:, length:] - running[:, :-length]
    return found
