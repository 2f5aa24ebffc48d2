"""Elasticities and prices on simulated shops whose truth is known.

    python benchmarks/pricing.py [--products 400] [--seeds 1 2 3] [--out FOLDER]

In these shops a part of the products answers to prices in other shapes than the estimator assumes (exponential, linear,
logit), regular prices follow the season, promotions come with features and pull demand forward, and every second
product is a substitute or a complement of its neighbour. From two years of history, elasticities are learned
and the regular prices of the next four weeks are set, within a largest change and to prices that end in .99 or .49.

Beside ours stands what is usual: the slope of the logarithm of weekly units on the logarithm of the mean price, product
by product (log-log OLS), fed to the same optimiser. The oracle tries every pair of prices of two neighbours with the
true demand, under the same rules. Regret is the profit missed of the oracle's gain and of its profit.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from windvane import __version__
from windvane.decisions.pricing import Demand, Rules, limits, propose
from windvane.decisions.pricing.rules import points
from windvane.decisions.response import PriceResponse, learn
from windvane.outlook.produce import forecast
from windvane.panel import Panel
from windvane.sim import Settings
from windvane.sim.counterfactual import World, expected
from windvane.sim.play import play
from windvane.sim.response import SHAPES, log_response

PAST, AHEAD = 730, 28
RULES = Rules(change=0.2, margin=0.05, endings=(0.49, 0.99))
_TRIES = 41


@dataclass(frozen=True)
class Result:
    """What one way to learn and price came to on one shop.

    Attributes:
        name: of the way.
        error: mean absolute error of elasticities at today's price, by group of products.
        bias: mean error, all products.
        profit: true profit of the prices it set, over all products and days.
        seconds: to learn, and to price.
    """

    name: str
    error: dict[str, float]
    bias: float
    profit: float
    seconds: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Shop:
    """One shop as the pricing sees it, and its truth.

    Attributes:
        panel: two years of sales.
        world: the truth.
        row: row of the world for every series, int64 [series].
        demand: what is priced, by a forecast.
        truth: elasticity at today's price, float64 [series].
        rivals: pairs of neighbours, int64 [series].
    """

    panel: Panel
    world: World
    row: np.ndarray
    demand: Demand
    truth: np.ndarray
    rivals: np.ndarray

    @classmethod
    def of(cls, products: int, seed: int, preset: str) -> Shop:
        """Make one; only products on sale through the weeks to be priced."""
        settings = Settings(products=products, days=PAST + AHEAD, shapes=0.6, rivals=0.4, pull_forward=0.3, follows=0.3)
        world = World.of(settings, seed)
        whole = play(settings, seed, PAST).panel
        number = np.array([int(sku[1:]) for sku in whole.keys["sku"]])
        last = PAST + AHEAD - 1
        sold = np.flatnonzero(world.made.end[number] >= last)
        panel, row = whole.take(sold), number[sold]
        made = world.made
        today = world.planned.regular[row, PAST]
        told = forecast(panel, AHEAD, preset)
        demand = Demand(
            keys=panel.keys,
            product=np.arange(len(row)),
            units=told.mean.astype(np.float64),
            price=world.planned.paid[row, PAST : PAST + AHEAD],
            today=today,
            cost=made.cost[row].astype(np.float64),
        )
        step = 1e-4
        e, shape, ratio = made.elasticity[row], made.shape[row], today / made.price[row]
        slope = (log_response(e, shape, ratio * (1 + step)) - log_response(e, shape, ratio * (1 - step))) / (2 * step)
        return cls(panel, world, row, demand, slope, row // 2)

    def profit(self, price: np.ndarray) -> float:
        """True profit over the weeks to be priced at regular prices [series]; promotions keep their depth."""
        return float(self._money(price).sum())

    def _money(self, price: np.ndarray) -> np.ndarray:
        paid = self.world.planned.paid.copy()
        days = slice(PAST, PAST + AHEAD)
        paid[self.row, days] *= (price / self.demand.today)[:, None]
        units = expected(self.world, paid)[self.row, :, days].sum(axis=1)
        return ((paid[self.row, days] - self.demand.cost[:, None]) * units).sum(axis=1)


def ols(shop: Shop) -> PriceResponse:
    """Log-log least squares on weeks, product by product; the mean of all where a price never varied."""
    weeks = PAST // 7
    sales = shop.panel.sales[:, -weeks * 7 :].reshape(-1, weeks, 7)
    price = shop.panel.known["price"].values[:, PAST - weeks * 7 : PAST].reshape(-1, weeks, 7).mean(axis=2)
    units = sales.sum(axis=2)
    own = np.full(len(units), np.nan)
    for s in range(len(units)):
        good = units[s] > 0
        x, y = np.log(price[s, good]), np.log(units[s, good])
        if good.sum() > 3 and x.std() > 0.01:
            own[s] = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    own = np.where(np.isnan(own), np.nanmean(own), own)
    zero = np.zeros(len(own))
    return PriceResponse(
        keys=shop.panel.keys, reference=shop.demand.today, own=own, own_error=zero, cross=zero, cross_error=zero,
        power=0.0, lowest=zero, highest=zero, varied=zero > 0, effects={}, rivals=np.full(len(own), -1),
        member=np.zeros(0, np.int64), pairs=np.zeros((len(own), 0)),
    )  # fmt: skip


def best(shop: Shop) -> float:
    """Profit of an oracle that tries every pair of allowed prices of two neighbours with the true demand."""
    made, row, demand = shop.world.made, shop.row, shop.demand
    bound = limits(RULES, demand.today, demand.cost)
    price = demand.today.copy()
    days = slice(PAST, PAST + AHEAD)
    units = expected(shop.world)[row, :, days].sum(axis=1)
    first = made.price[row]
    at = {int(number): s for s, number in enumerate(row)}
    tries, change, money = [], [], []
    for s in range(len(row)):
        found = points(bound.low[s], bound.high[s], RULES.endings, _TRIES) if s not in bound.conflicts else []
        tries.append(np.array(found if len(found) else [demand.today[s]]))
        paid = demand.price[s][None, :] * (tries[s] / demand.today[s])[:, None]
        e, shape = made.elasticity[row[s]], made.shape[row[s]]
        change.append(
            log_response(e, shape, paid / first[s]) - log_response(e, shape, demand.price[s][None, :] / first[s])
        )
        money.append((paid - demand.cost[s]) * units[s][None, :] * np.exp(change[s]))
    for number, s in at.items():
        other = at.get(number ^ 1)
        if other is None:
            price[s] = tries[s][money[s].sum(axis=1).argmax()]
        elif number < number ^ 1:
            rival = made.rival[row[s]]
            total = np.einsum("at,bt->ab", money[s], np.exp(-rival * change[other]))
            total += np.einsum("bt,at->ab", money[other], np.exp(-rival * change[s]))
            a, b = np.unravel_index(total.argmax(), total.shape)
            price[s], price[other] = tries[s][a], tries[other][b]
    return shop.profit(price)


def run(
    products: int, seed: int, preset: str, say: Callable[[str], object]
) -> tuple[list[Result], float, float, dict[str, float]]:
    """Results, profit of the oracle, profit of today's prices, and the mean true elasticity's spread by group."""
    shop = Shop.of(products, seed, preset)
    level = np.nanmean(shop.panel.sales, axis=1)
    shape = shop.world.made.shape[shop.row]
    groups = {"all": level >= 0, "two a day or more": level >= 2, "less than one a day": level < 1}
    groups |= {name: shape == k for k, name in enumerate(SHAPES)}
    out = []

    def ours(rivals: bool) -> Callable[[], PriceResponse]:
        return lambda: learn(shop.panel, rivals=shop.rivals if rivals else None).response

    for name, way in (
        ("ours", ours(True)),
        ("ours, without neighbours", ours(False)),
        ("log-log OLS", lambda: ols(shop)),
    ):
        begin = time.perf_counter()
        found = way()
        learned = time.perf_counter()
        plan = propose(shop.demand, found, RULES)
        end = time.perf_counter()
        moved = np.log(shop.demand.today / found.reference)
        at_today = found.own * np.exp(found.power * moved)
        off = at_today - shop.truth
        out.append(
            Result(
                name,
                {group: float(np.abs(off[which]).mean()) for group, which in groups.items() if which.any()},
                float(off.mean()),
                shop.profit(plan.price),
                (learned - begin, end - learned),
            )
        )
        if name == "ours":
            error = found.own_error * np.exp(found.power * moved)
            cover = [float((np.abs(off) < z * error).mean()) for z in (1.2816, 1.96)]
            clash = np.isin(np.arange(len(plan.price)), list(plan.limits.conflicts))
            below = ((plan.price < shop.demand.cost) & ~clash).sum()
            above = (np.abs(plan.price / shop.demand.today - 1) > RULES.change + 1e-6).sum()
            say(
                f"seed {seed}: 80 % intervals of elasticities cover {cover[0]:.3f}, 95 % {cover[1]:.3f}; "
                f"power {found.power:.2f}; {below} prices below cost, {above} beyond the largest change; rules leave "
                f"no price for {clash.sum()} of {len(clash)} products, which keep today's"
            )
    spread = {group: float(np.abs(shop.truth - shop.truth.mean())[which].mean()) for group, which in groups.items()}
    return out, best(shop), shop.profit(shop.demand.today), spread


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--preset", default="fast", help="forecast that prices are set on")
    parser.add_argument("--out", type=Path, help="folder for pricing.md")
    options = parser.parse_args(arguments)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        print(text, flush=True)

    every = []
    for seed in options.seeds:
        every.append(run(options.products, seed, options.preset, say))
        say(f"seed {seed}: profit of the oracle {every[-1][1]:.0f}, at today's prices {every[-1][2]:.0f}")
    command = shlex.join(["python", "benchmarks/pricing.py", *(sys.argv[1:] if arguments is None else arguments)])
    text = page(every, options, command) + "\n".join(["", "As printed:", "", *(f"    {line}" for line in said), ""])
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "pricing.md").write_text(text, encoding="utf-8")


def page(
    every: list[tuple[list[Result], float, float, dict[str, float]]], options: argparse.Namespace, command: str
) -> str:
    """The results as Markdown."""
    groups = list(every[0][0][0].error)
    names = [one.name for one in every[0][0]]
    lines = [
        "# Elasticities and prices on simulated shops", "",
        f"{len(every)} shops of {options.products} products, two years of past, four weeks priced. "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, windvane {__version__}.",
        "", f"    {command}", "", "Mean absolute error of elasticities at today's price (mean over shops); the last "
        "row is the error of one true mean for all:", "",
        "| learned by | " + " | ".join(groups) + " | bias |", "|---|" + "---:|" * (len(groups) + 1),
    ]  # fmt: skip
    for k, name in enumerate(names):
        error = [np.mean([shop[0][k].error[g] for shop in every]) for g in groups]
        bias = np.mean([shop[0][k].bias for shop in every])
        lines.append(f"| {name} | " + " | ".join(f"{e:.3f}" for e in error) + f" | {bias:+.3f} |")
    lines.append("| the true mean | " + " | ".join(f"{np.mean([s[3][g] for s in every]):.3f}" for g in groups) + " | |")
    lines += [
        "", "True profit of the prices set, beside the oracle's under the same rules:", "",
        "| priced by | regret, share of the oracle's profit | lowest to highest | share of the oracle's gain | "
        "seconds to learn | seconds to price |", "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    rows = [(name, [s[0][k].profit for s in every], [s[0][k].seconds for s in every]) for k, name in enumerate(names)]
    rows.append(("today's prices", [s[2] for s in every], [(0.0, 0.0)] * len(every)))
    for name, profit, seconds in rows:
        regret = [1 - p / s[1] for p, s in zip(profit, every, strict=True)]
        gain = [(p - s[2]) / (s[1] - s[2]) for p, s in zip(profit, every, strict=True)]
        took = np.mean(seconds, axis=0)
        lines.append(
            f"| {name} | {np.mean(regret):.4f} | {min(regret):.4f} to {max(regret):.4f} | {np.mean(gain):.3f} "
            f"| {took[0]:.1f} | {took[1]:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
