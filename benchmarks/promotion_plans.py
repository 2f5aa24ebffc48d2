"""Promotions proposed on simulated shops, in the money that they would truly have earned.

    python benchmarks/promotion_plans.py [--products 600] [--seeds 1 2 3] [--out benchmarks/results]

Every shop has two years behind it, with promotions of four kinds, substitutes and complements, and a fifth of every
promotion's extra units bought in advance. Its promotion plan for four weeks is made from its tables alone, and what
each promotion would bring is looked up in the simulator: demand with and without it, what neighbours lack, what is
missing afterwards. Beside it stand the usual practice (a fifth off and a display for whatever sells best, next week,
until the same money is spent), and somebody who knows the law of demand and chooses among the same promotions.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windvane import __version__
from windvane.config import Config, parse
from windvane.decisions.offer import Offer, neighbours, offer
from windvane.decisions.pricing.shop import answers
from windvane.decisions.promotions.options import Best, Field, Mechanic, choose, options
from windvane.decisions.promotions.shop import promotion_plan
from windvane.outlook.produce import forecast
from windvane.panel import Panel
from windvane.schema import TABLES
from windvane.sim import Settings
from windvane.sim.counterfactual import World, expected
from windvane.sim.plans import promotion_table, sku_names
from windvane.sim.play import play
from windvane.sim.response import AFTER, log_response
from windvane.sim.words import words

PAST, HORIZON = 730, 28
PULL = 0.2
_FADES = 0.8 ** np.arange(AFTER)


@dataclass(frozen=True, eq=False)
class Truth:
    """What promotions truly do on a shop.

    Attributes:
        world: the shop.
        mean: demand without further promotions, float64 [products of the shop, days].
    """

    world: World
    mean: np.ndarray

    def gain(self, number: int, first: int, length: int, way: tuple[str, float, float], cost: float) -> float:
        """Money that a promotion would truly earn.

        Args:
            number: of the product.
            first: day of the shop's calendar on which it begins.
            length: days.
            way: kind, placement, depth.
            cost: its own cost.
        """
        world, made = self.world, self.world.made
        kind, placement, depth = way
        feature = dict(words(world.settings.language).promotions)[kind]
        days = np.arange(first, first + length)
        price, unit = world.planned.regular[number, days], made.cost[number]
        ratio = price / made.price[number]
        e, shape = made.elasticity[number], made.shape[number]
        answer = log_response(e, shape, ratio * (1 - depth)) - log_response(e, shape, ratio)
        # Features vary from promotion to promotion by a lognormal of deviation 0.2.
        lift = np.exp(answer) * (1 + feature * np.exp(0.02) * placement)
        units = self.mean[number, days]
        won = float((units * lift * (price * (1 - depth) - unit) - units * (price - unit)).sum())
        extra = max(float(lift.mean()) - 1, 0.0) * length
        missing = np.minimum(PULL * extra * _FADES / _FADES.sum(), 0.8)
        after = np.arange(first + length, min(first + length + AFTER, self.mean.shape[1]))
        later = self.mean[number, after] * missing[: len(after)] * (world.planned.regular[number, after] - unit)
        other, beside = number ^ 1, 0.0
        if other < len(self.mean):
            left = lift ** -made.rival[other]
            margin = world.planned.regular[other, days] - made.cost[other]
            beside = float((self.mean[other, days] * (left - 1) * margin).sum())
        return won - float(later.sum()) + beside - cost


class Known(Field):
    """A field whose answers are the true ones (pull-forward and neighbours in the mean, as the plan has them)."""

    truth: Truth
    numbers: np.ndarray
    first: int

    def answer(self, mechanic: Mechanic, depth: float) -> dict[str, np.ndarray]:
        """See :meth:`windvane.decisions.promotions.options.Field.answer`."""
        world, rows = self.truth.world, self.numbers
        made = world.made
        days = slice(self.first, self.first + HORIZON)
        price, units = world.planned.regular[rows, days], self.truth.mean[rows, days]
        ratio, e, shape = price / made.price[rows, None], made.elasticity[rows, None], made.shape[rows, None]
        feature = dict(words(world.settings.language).promotions)[mechanic.kind]
        answer = log_response(e, shape, ratio * (1 - depth)) - log_response(e, shape, ratio)
        lift = np.exp(answer) * (1 + feature * np.exp(0.02) * mechanic.placement)
        margin = price - made.cost[rows, None]
        more = np.maximum(units * (lift - 1), 0.0)
        other = np.where((rows ^ 1) < len(made), rows ^ 1, rows)
        beside = world.planned.regular[other, days] - made.cost[other, None]
        lost = self.truth.mean[other, days] * (1 - lift ** -made.rival[other, None]) * beside
        lost = np.where((other != rows)[:, None], lost, 0.0)
        earned = units * lift * (price * (1 - depth) - made.cost[rows, None]) - more * PULL * margin - lost
        zero = np.zeros_like(more)
        return {
            "units": units, "new_units": units * lift, "later": more * PULL, "taken": zero,
            "earned": units * margin, "new_earned": earned,
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What a plan came to on one shop."""

    seed: int
    plan: str
    budget: float
    promotions: int
    cost: float
    foretold: float
    true: float
    covered: float
    losing: float
    seconds: float


def one_shop(products: int, seed: int, share: float) -> list[Row]:
    """Plans for one shop.

    Args:
        products: how many.
        seed: of the shop.
        share: budget per product, in money.
    """
    settings = Settings(
        products=products, days=PAST + HORIZON + AFTER, rate=2.0, rivals=0.3, pull_forward=PULL, shapes=0.3
    )
    stage = play(settings, seed, PAST)
    world = World.of(settings, seed)
    truth = Truth(world, expected(world)[:, 0])
    panel = stage.panel
    ahead = forecast(panel, HORIZON, "fast")
    told = promotion_table(settings, world.made, world.planned, world.shared)
    when = pl.lit(settings.start).cast(pl.Datetime("us")) + pl.duration(days=PAST)
    tables = {
        "products": pl.DataFrame({"sku": sku_names(world.made.number), "unit_cost": world.made.cost}),
        "promotions": told.filter(pl.col("known_at") < when),
    }

    def read(name: str) -> pl.LazyFrame:
        empty = pl.DataFrame(schema=TABLES[name].types)
        return pl.concat([empty, tables[name]], how="diagonal_relaxed").lazy() if name in tables else empty.lazy()

    budget = share * products
    config = parse({"promotions": {"budget": budget}})
    orders = pl.DataFrame({"sku": panel.keys["sku"], "on_hand": 1e9, "on_order": 0.0, "lead_time": 7.0})
    begin = time.perf_counter()
    plan, _ = promotion_plan(ahead, panel, read, config, orders, answers(panel, config))
    seconds = time.perf_counter() - begin
    here = offer(ahead, panel, read, config)
    assert here is not None
    out = [_ours(seed, budget, plan, truth, seconds)]
    ways, field = _ways(told.filter(pl.col("known_at") < when)), _known(here, panel, truth, config)
    out.append(_usual(seed, budget, field, ways))
    found = options(field, ways, config.promotions.depths, [7])
    return [*out, _chosen(seed, budget, field, found)]


def _ours(seed: int, budget: float, plan: pl.DataFrame, truth: Truth, seconds: float) -> Row:
    run = plan.filter(pl.col("promotion").is_not_null())
    start = truth.world.settings.start
    gains = np.array(
        [
            truth.gain(
                int(row["sku"][1:]), (row["starts_on"] - start).days, (row["ends_on"] - row["starts_on"]).days + 1,
                (row["kind"], row["placement"], row["depth"]), row["cost"],
            )
            for row in run.iter_rows(named=True)
        ]
    )  # fmt: skip
    inside = (run["gain_low"].to_numpy() <= gains) & (gains <= run["gain_high"].to_numpy())
    sums = float(run["cost"].sum()), float(run["gain"].sum())
    lost = float((gains < 0).mean()) if len(gains) else 0.0
    return Row(seed, "proposed", budget, run.height, *sums, float(gains.sum()), float(inside.mean()), lost, seconds)


def _ways(told: pl.DataFrame) -> list[Mechanic]:
    """Every kind at three placements, at what the shop has paid a day."""
    days = (told["ends_on"] - told["starts_on"]).dt.total_days() + 1
    a_day = float((told["budget"] / days / told["placement"]).median() or 0.0)  # type: ignore[arg-type]
    kinds = told["kind"].unique().sort()
    return [Mechanic(kind, p, 0.0, a_day * p, False) for kind in kinds for p in (0.4, 0.6, 0.9)]


def _known(here: Offer, panel: Panel, truth: Truth, config: Config) -> Known:
    count = len(here.skus)
    response = answers(panel, config)
    assert response is not None
    numbers = np.array([int(sku[1:]) for sku in here.skus])
    kind = panel.known["promotion"].values
    gap = int(config.promotions.gap)
    near = kind[here.rows, PAST - gap : PAST + HORIZON + gap] > 0
    free = np.ones((count, HORIZON), bool)
    for step in range(HORIZON):
        free[:, step] = ~near[:, step : step + 2 * gap + 1].any(axis=1)
    field = Known(
        here, response.take(here.rows), neighbours(panel)[here.rows], free, here.cost, np.full(count, np.inf),
        np.zeros(count, np.int64), 0.0, 0.0, 1.0,
    )  # fmt: skip
    for name, value in (("truth", truth), ("numbers", numbers), ("first", PAST)):
        object.__setattr__(field, name, value)
    return field


def _usual(seed: int, budget: float, field: Known, ways: list[Mechanic]) -> Row:
    """A fifth off and a display for whatever sells best, next week."""
    way = next(w for w in ways if w.kind == "display" and w.placement == 0.6)
    here, cost = field.here, way.cost * 7
    sold = np.bincount(here.product, (here.units * here.price)[:, :7].sum(axis=1))
    gains, spent = [], 0.0
    for p in np.argsort(-sold):
        if spent + cost > budget:
            break
        if not field.free[p, :7].all():
            continue
        spent += cost
        gains.append(field.truth.gain(int(field.numbers[p]), PAST, 7, ("display", 0.6, 0.2), cost))
    lost = float((np.array(gains) < 0).mean())
    return Row(seed, "usual practice", budget, len(gains), spent, np.nan, sum(gains), np.nan, lost, 0.0)


def _chosen(seed: int, budget: float, field: Known, found: list[Best]) -> Row:
    """What somebody who knows the law of demand chooses."""
    chosen = choose(found, len(field.here.skus), budget)
    gains, spent = [], 0.0
    for p in np.flatnonzero(chosen >= 0):
        best = found[chosen[p]]
        way = best.mechanic.kind, best.mechanic.placement, best.depth
        gains.append(field.truth.gain(int(field.numbers[p]), PAST + int(best.first[p]), 7, way, float(best.cost[p])))
        spent += float(best.cost[p])
    lost = float((np.array(gains) < 0).mean())
    return Row(seed, "oracle", budget, len(gains), spent, np.nan, sum(gains), np.nan, lost, 0.0)


def page(rows: list[Row], head: list[str]) -> str:
    """The page as text."""
    names = ["proposed", "usual practice", "oracle"]
    titles = (
        *("plan", "promotions", "cost", "gain foretold", "true gain", "of the oracle's", "lowest to highest"),
        *("promotions that lose", "true gain inside the 80 % interval", "seconds"),
    )
    lines = [*head, "", f"| {' | '.join(titles)} |", "|---|" + "---:|" * (len(titles) - 1)]
    best = {row.seed: row.true for row in rows if row.plan == "oracle"}
    for name in names:
        some = [row for row in rows if row.plan == name]
        share = [row.true / best[row.seed] for row in some]
        mean = {f: float(np.mean([getattr(r, f) for r in some])) for f in Row.__dataclass_fields__ if f != "plan"}
        lines.append(
            f"| {name} | {mean['promotions']:.0f} | {mean['cost']:,.0f} | {mean['foretold']:,.0f} "
            f"| {mean['true']:,.0f} "
            f"| {sum(r.true for r in some) / sum(best.values()):.2f} | {min(share):.2f} to {max(share):.2f} "
            f"| {mean['losing']:.0%} | {mean['covered']:.2f} | {mean['seconds']:.1f} |"
        )
    lines += ["", *(f"    {row}" for row in rows)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--budget", type=float, default=10.0, help="money per product of the shop")
    parser.add_argument("--out", type=Path, help="folder for promotion_plans.md")
    options = parser.parse_args(arguments)
    rows = [row for seed in options.seeds for row in one_shop(options.products, seed, options.budget)]
    command = shlex.join(
        ["python", "benchmarks/promotion_plans.py", *(sys.argv[1:] if arguments is None else arguments)]
    )
    head = [
        "# Promotion plans in money", "",
        f"{options.products:,} simulated products, two years of past, a plan for {HORIZON} days, {options.budget:g} of "
        f"money per product to spend. {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, windvane {__version__}. "
        f"Money is the mean over shops {', '.join(map(str, options.seeds))}.", "",
        f"    {command}",
    ]  # fmt: skip
    text = page(rows, head)
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "promotion_plans.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
