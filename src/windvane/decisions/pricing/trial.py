"""Trying re-pricing rules before they are used: what each would earn over many futures, beside keeping the prices.

A future is a joint path of demand at today's plan (the published forecast), a draw of the elasticities within their
errors, and a path of the competitors' prices. Every rule meets the same futures (common random numbers), so that the
difference to keeping the prices is far surer than either. Where nothing is changed, nothing is multiplied: demand is
the forecast's own, path by path. What competitors do by themselves is part of that forecast already; only their answer
to a cut of ours changes demand besides.

What is assumed and not learned: whether, when and how far competitors answer, what that does to demand
(:class:`Reaction`), and how far the elasticities of products err alike.

Source: Law (2015), Simulation Modeling and Analysis, chapter 11 (common random numbers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from windvane.decisions.pricing.market import Market
from windvane.decisions.pricing.plan import linked
from windvane.decisions.pricing.repricing import Guard, Keep, Rule, State
from windvane.decisions.response import PriceResponse
from windvane.decisions.response.answer import powered
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.grouping import sum_by

KEEP = "keep"
_FARTHEST = 4.0  # logs of answers
_RECENT = 7


@dataclass(frozen=True)
class Reaction:
    """How competitors answer when our price falls below what it was before the first day. Assumed, not learned.

    Attributes:
        chance: that a competitor answers at all.
        match: share of our cut that they follow, on the scale of logarithms.
        delay: days until they do.
        cross: elasticity of our demand to their price, from 0.
    """

    chance: float = 0.0
    match: float = 1.0
    delay: int = 2
    cross: float = 0.5

    def __post_init__(self) -> None:
        if not (0 <= self.chance <= 1 and self.match >= 0 and self.delay >= 1 and self.cross >= 0):
            raise InputError(
                f"the reaction is {self}.", "Give a chance from 0 to 1, a match and a cross elasticity from 0, and a "
                "delay from 1 day.", column="chance",
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scene:
    """What is priced, and what is known of it.

    Attributes:
        forecast: demand at the plan of today [series, horizon], one period a day.
        response: how demand answers to prices, of the same series in the same order.
        product: number of the product of every series, int64 [series]; all series of a product have one price.
        plan: price of the plan, float64 [series, horizon], above 0; promotions keep their depth whatever a rule does.
        today: today's regular price, float64 [products].
        cost: unit cost, float64 [products]; NaN = unknown, which leaves the price alone.
        stock: units on hand, float64 [series]; None = as many as are asked for.
        arrivals: units that arrive in the morning, float64 [series, horizon]; None = none.
        salvage: what a unit left at the end is worth, float64 [products]; None = its cost.
        market: where competitors' prices go; None = there are none.
        rival: row of ``market`` for every product, int64 [products], -1 = no competitor; None = row by row.
        since: days since the price last changed, float64 [products]; None = long ago.
        noise: variance of a day's demand beside that of counts, relative to its squared mean, for the plan of a test
            (:attr:`windvane.decisions.response.Fit.noise`).
    """

    forecast: Forecast
    response: PriceResponse
    product: np.ndarray
    plan: np.ndarray
    today: np.ndarray
    cost: np.ndarray
    stock: np.ndarray | None = None
    arrivals: np.ndarray | None = None
    salvage: np.ndarray | None = None
    market: Market | None = None
    rival: np.ndarray | None = None
    since: np.ndarray | None = None
    noise: float = 0.2

    def __post_init__(self) -> None:
        series, products = len(self.product), len(self.today)
        horizon = self.forecast.horizon
        needed = {
            "forecast": (self.forecast.mean, (series, horizon)), "response": (self.response.own, (series,)),
            "plan": (self.plan, (series, horizon)), "cost": (self.cost, (products,)),
            "stock": (self.stock, (series,)), "arrivals": (self.arrivals, (series, horizon)),
            "salvage": (self.salvage, (products,)), "since": (self.since, (products,)),
            "rival": (self.rival, (products,)),
        }  # fmt: skip
        for name, (values, shape) in needed.items():
            if values is not None and values.shape != shape:
                raise InputError(f"{name} has the shape {values.shape}, not {shape}.", "Correct it.", column=name)
        for name in ("plan", "today"):
            _refuse(~(getattr(self, name) > 0), name, "is not above 0", "Give prices.")
        for name in ("stock", "arrivals"):
            if getattr(self, name) is not None:
                _refuse(~(getattr(self, name) >= 0), name, "is not a number from 0", "Give units from 0.")
        if series and (self.product.min() < 0 or self.product.max() >= products):
            raise InputError("a product has no price of today.", "Number products from 0.", column="product")
        if self.market is None:
            return
        if self.market.forecast.horizon < horizon:
            raise InputError(
                f"competitors' prices are forecast for {self.market.forecast.horizon} periods, demand for {horizon}.",
                "Forecast them as far.", column="market",
            )  # fmt: skip
        rows = len(self.market.last)
        if self.rival is None and rows != products:
            raise InputError(
                f"{rows} competitors' prices for {products} products.", "Say which belongs to which.", column="rival"
            )
        if self.rival is not None and (self.rival >= rows).any():
            raise InputError("a rival has no row in the market.", "Give rows from 0, or -1.", column="rival")


@dataclass(frozen=True, eq=False)
class Settings:
    """How rules are tried.

    Attributes:
        guard: what every change must keep.
        reaction: how competitors answer.
        futures: how many are drawn.
        level: of the intervals.
        shared: how far the elasticities of products err alike: the correlation of their errors.
        worse: chance of earning less than by keeping the prices up to which a rule may be used without a test.
        seed: of the draws.
        language: "en" or "zh", of the sentences.
    """

    guard: Guard = field(default_factory=Guard)
    reaction: Reaction = field(default_factory=Reaction)
    futures: int = 200
    level: float = 0.8
    shared: float = 0.5
    worse: float = 0.1
    seed: int = 1
    language: str = "en"

    def __post_init__(self) -> None:
        if self.futures < 2 or not (0 < self.level < 1 and 0 <= self.shared <= 1 and 0 <= self.worse < 0.5):
            raise InputError(
                f"{self.futures} futures, level {self.level}, shared {self.shared}, worse {self.worse}.",
                "Give two futures at least, and shares.", column="futures",
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Played:
    """What one rule came to in every future, float64.

    Attributes:
        demand: units asked for [series, futures].
        money: revenue less the cost of what was sold, and less what stock left over lost of its cost
            [products, futures].
        revenue: [products, futures].
        units: sold [products, futures].
        lost: asked for and not there [products, futures].
        leftover: units left at the end [products, futures]; 0 where stock is not told.
        changes: changes of the price [products, futures].
        bound: share of days on which a bound moved what the rule wanted [products, futures].
        first: prices of the first day [products, futures].
        moved: mean over days of the logarithm of price over today's [products, futures].
    """

    demand: np.ndarray
    money: np.ndarray
    revenue: np.ndarray
    units: np.ndarray
    lost: np.ndarray
    leftover: np.ndarray
    changes: np.ndarray
    bound: np.ndarray
    first: np.ndarray
    moved: np.ndarray


@dataclass(frozen=True, eq=False)
class _Futures:
    """What every rule meets.

    Attributes:
        demand: at the plan, float32 [series, futures, horizon].
        own: elasticities, float64 [series, futures]; 0 where nothing is known.
        rival: competitors' prices without an answer, float64 [products, futures, 1 + horizon], the last one observed
            first; NaN = none.
        answers: whether the competitor answers, bool [products, futures].
        beside: what the logarithm of a product's price does to that of every series' demand, sparse
            [series, products].
        frozen: products whose answer to prices is not known, bool [products].
    """

    demand: np.ndarray
    own: np.ndarray
    rival: np.ndarray
    answers: np.ndarray
    beside: csr_matrix
    frozen: np.ndarray


def play_all(rules: Mapping[str, Rule], scene: Scene, settings: Settings) -> dict[str, Played]:
    """Play every rule, and keeping the prices first, over the same futures.

    Args:
        rules: by name; ``keep`` is always there.
        scene: what is priced.
        settings: how.
    """
    futures = _drawn(scene, settings)
    every = {KEEP: Keep()} | {name: rule for name, rule in rules.items() if name != KEEP}
    return {name: _play(rule, scene, settings, futures) for name, rule in every.items()}


def _drawn(scene: Scene, settings: Settings) -> _Futures:
    """Draw the futures."""
    from scipy.special import ndtri

    n, response, products = settings.futures, scene.response, len(scene.today)
    rng = np.random.default_rng(settings.seed)
    series, horizon = scene.forecast.mean.shape
    demand = np.empty((series, n, horizon), np.float32)
    for rows, drawn in scene.forecast.paths(n):
        demand[rows] = drawn
    # Spread evenly: few futures miss no side.
    alike = rng.permutation(ndtri((np.arange(n) + 0.5) / n))
    alone = rng.standard_normal((series, n))
    known = np.isfinite(response.own) & np.isfinite(response.own_error) & (response.reference > 0)
    error = np.where(known, response.own_error, 0.0)[:, None]
    own = np.where(known, response.own, 0.0)[:, None] + error * (
        np.sqrt(settings.shared) * alike[None, :] + np.sqrt(1 - settings.shared) * alone
    )
    own = np.where(response.own[:, None] <= 0, np.minimum(own, 0.0), own)
    rival = np.full((products, n, horizon + 1), np.nan)
    if scene.market is not None:
        row = np.arange(products) if scene.rival is None else scene.rival
        there = np.flatnonzero(row >= 0)
        paths = np.concatenate([drawn for _, drawn in scene.market.forecast.take(row[there]).paths(n)])
        rival[there] = np.concatenate([
            np.broadcast_to(scene.market.last[row[there]][:, None, None], (len(there), n, 1)), paths[:, :, :horizon],
        ], axis=2)  # fmt: skip
    answers = rng.random((products, n)) < settings.reaction.chance
    who, whose, size = linked(response, scene.product)
    beside = csr_matrix((size, (who, whose)), shape=(series, products))
    frozen = np.bincount(scene.product, ~known, products) > 0
    return _Futures(demand, own, rival, answers, beside, frozen)


def _play(rule: Rule, scene: Scene, settings: Settings, futures: _Futures) -> Played:
    """Play one rule day by day."""
    n, products, horizon = settings.futures, len(scene.today), scene.forecast.horizon
    shape = (products, n)
    today = np.broadcast_to(scene.today[:, None], shape)
    cost, unit_cost = np.where(futures.frozen, np.nan, scene.cost)[:, None], np.nan_to_num(scene.cost)[:, None]
    price = today.copy()
    since = np.full(shape, np.inf) if scene.since is None else np.repeat(scene.since[:, None].astype(float), n, axis=1)
    shelf = None if scene.stock is None else np.repeat(scene.stock[:, None].astype(np.float64), n, axis=1)
    asked = np.zeros(futures.demand.shape[:2])
    total = {name: np.zeros(shape) for name in ("money", "revenue", "units", "lost", "changes", "bound", "moved")}
    relative = [np.zeros(shape)]
    lately: list[np.ndarray] = []
    ahead = sum_by(scene.product, scene.forecast.mean.astype(np.float64), products)
    for day in range(horizon):
        if shelf is not None and scene.arrivals is not None:
            shelf += scene.arrivals[:, day, None]
        rate = np.broadcast_to(ahead[:, day:].mean(axis=1)[:, None], shape)
        state = State(
            day=day,
            price=price,
            today=today,
            competitor=futures.rival[:, :, day] * np.exp(_answer(settings.reaction, futures, relative, day - 1)),
            stock=np.full(shape, np.nan) if shelf is None else sum_by(scene.product, shelf, products),
            ahead=rate,
            recent=np.mean(lately, axis=0) if lately else rate,
            cost=cost,
            since=since,
        )
        new, bound = settings.guard.allowed(rule.propose(state), state)
        moved = new != price
        since, price = np.where(moved, 1.0, since + 1), new
        relative.append(np.log(price / today))
        answer = settings.reaction.cross * _answer(settings.reaction, futures, relative, day)
        want = futures.demand[:, :, day] * _factor(scene, futures, day, relative[-1], answer)
        sold = want if shelf is None else np.minimum(want, shelf)
        shelf = None if shelf is None else shelf - sold
        asked += want
        paid = scene.plan[:, day, None] * (price / today)[scene.product]
        units, revenue = sum_by(scene.product, sold, products), sum_by(scene.product, sold * paid, products)
        lately = [*lately[1 - _RECENT :], units]
        of_day = {
            "money": revenue - unit_cost * units, "revenue": revenue, "units": units, "changes": moved,
            "lost": sum_by(scene.product, want - sold, products), "bound": bound / horizon,
            "moved": relative[-1] / horizon,
        }  # fmt: skip
        for name, values in of_day.items():
            total[name] += values
    leftover = np.zeros(shape) if shelf is None else sum_by(scene.product, shelf, products)
    if scene.salvage is not None:
        total["money"] -= (unit_cost - scene.salvage[:, None]) * leftover
    return Played(demand=asked, leftover=leftover, first=np.exp(relative[1]) * today, **total)


def _answer(reaction: Reaction, futures: _Futures, relative: list[np.ndarray], day: int) -> np.ndarray:
    """Logarithm of what competitors' answers make of their prices on a day; ``relative`` begins the day before."""
    then = max(day + 1 - reaction.delay, 0)
    return np.where(futures.answers, reaction.match * np.minimum(relative[min(then, len(relative) - 1)], 0.0), 0.0)


def _factor(scene: Scene, futures: _Futures, day: int, relative: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """What changed prices make of demand, [series, futures]; exactly 1 where none changed."""
    response, product = scene.response, scene.product
    base = np.where(response.reference > 0, response.reference, scene.today[product])
    before = np.log(scene.plan[:, day] / base)[:, None]
    own = powered(before + relative[product], response.power) - powered(before, response.power)
    rivals = np.where(np.isnan(futures.rival[:, :, 0]), 0.0, answer)
    total = futures.own * own + futures.beside @ relative + rivals[product]
    return np.exp(np.clip(total, -_FARTHEST, _FARTHEST))


def _refuse(wrong: np.ndarray, name: str, fault: str, remedy: str) -> None:
    """Raise for the first row in which something is wrong."""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    if len(rows):
        raise InputError(f"{name} of row {rows[0]} {fault}.", remedy, column=name, row=int(rows[0]))
