"""Policies and forecasts in money, on simulated shops whose truth is known.

    python benchmarks/money.py [--products 2000] [--days 182] [--seeds 1 2 3] [--presets fast] [--out FOLDER]

Every shop has two years behind it. From then on each policy orders once a week, lives with what it ordered, and sees
only what it sold; all of them meet the same demand and the same lead times. Compared are usual practice (moving average
and a normal safety stock), an order-up-to level at a service target, and the least expected cost, the latter two on
the forecasts of each preset and on those of an oracle that knows the distribution of every coming day, and of one that
even sees how the weather that products share will turn; and, where
``--peer-python`` (or WINDVANE_PEER_PYTHON) names a Python that has it, stockcast's order-up-to level on the same
forecasts. What a simulated shop says of forecasts holds for simulated shops; that a policy makes the best of its
forecast holds anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windvane import __version__
from windvane.decisions.cover import cover
from windvane.decisions.policies import LeastCost, MovingAverage, OrderUpTo, Policy, Seen
from windvane.decisions.simulate import Look, simulate
from windvane.decisions.terms import Terms
from windvane.forecasts import Forecast
from windvane.ledger import COSTS, Ledger
from windvane.outlook.produce import PRESETS, forecast
from windvane.panel import Panel
from windvane.sim import Settings
from windvane.sim.play import Play, play

PAST = 730
ORACLE, SEER, USUAL = "oracle", "oracle, weather too", "none"
_LEVELS = (0.8, 0.95)


@dataclass(frozen=True)
class Stockcast:
    """Order up to the level that stockcast computes from each day's mean and standard deviation of the forecast.

    Attributes:
        service: chance that the level aims at.
        python: a Python that has stockcast.
        name: its name.
    """

    service: float
    python: str
    name: str = "stockcast (R, S)"

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`windvane.decisions.policies.Policy`."""
        forecast = seen.forecast
        mean, std = np.zeros((2, *forecast.mean.shape))
        for rows, paths in forecast.paths(200):
            mean[rows], std[rows] = paths.mean(axis=1), paths.std(axis=1)
        series, steps = mean.shape
        days = pl.DataFrame(
            {
                "unique_id": np.repeat(np.arange(series), steps),
                "date": pl.concat([forecast.dates] * series),
                "mean": mean.ravel(),
                "std": std.ravel(),
            }
        )
        leads = np.round(terms.leads.mean(axis=1)).astype(int).tolist()
        with tempfile.TemporaryDirectory() as folder:
            days.write_csv(Path(folder) / "days.csv")
            task = {"leads": leads, "review": terms.review, "service": self.service}
            (Path(folder) / "task.json").write_text(json.dumps(task))
            script = Path(__file__).parent / "peers" / "stockcast_targets.py"
            subprocess.run([self.python, str(script), folder], check=True, capture_output=True)
            levels = np.load(Path(folder) / "targets.npy")
        return terms.orders(np.ceil(levels) - seen.position)


def with_stockcast(pythons: str) -> str | None:
    """The first of some Pythons that has stockcast."""
    tried = (p for p in pythons.split(os.pathsep) if p)
    test = ["-c", "import stockcast"]
    return next((p for p in tried if not subprocess.run([p, *test], capture_output=True, check=False).returncode), None)


@dataclass(frozen=True)
class Row:
    """What one policy on one forecast came to on one shop.

    Attributes:
        seed: of the shop.
        policy: name of the policy.
        forecast: preset, "oracle", or "none".
        costs: money by kind.
        days: series times days.
        fill: share of units asked for that were there.
        served: share of reviews after which nothing was lost until the next one's order arrived.
        promised: mean chance of that by the forecast, given what lay there and was ordered; NaN where nobody asked.
        turnover: cost of what was sold over cost of what lay in stock.
        seconds: of the play.
    """

    seed: int
    policy: str
    forecast: str
    costs: dict[str, float]
    days: int
    fill: float
    served: float
    promised: float
    turnover: float
    seconds: float

    @property
    def cost(self) -> float:
        """All of it."""
        return sum(self.costs.values())


def forecasts(shop: Play, preset: str, horizon: int, made: dict[int, Forecast]) -> Look:
    """Forecasts of a preset; those made from what a policy sold are its own, the first is shared."""

    def look(panel: Panel) -> Forecast:
        found = made.get(panel.shape[1]) if panel.stockouts is None else None
        if found is None:
            found = forecast(panel, horizon, preset)
        made.setdefault(panel.shape[1], found)
        return found

    return shop.forecaster(look)


class Promised:
    """A policy, and the chances of lasting that its forecasts gave to what it ordered.

    Whole units, and stock beyond the level from before, make the chance higher than the target.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy, self.name, self.chances = policy, policy.name, list[float]()

    def propose(self, seen: Seen, terms: Terms) -> np.ndarray:
        """See :class:`windvane.decisions.policies.Policy`."""
        units = self.policy.propose(seen, terms)
        after = cover(seen.forecast, terms, seen.position + units, 0.95)
        self.chances.append(float(1 - after.risk.mean()))
        return units


def judge(seed: int, name: str, policy: Policy, shop: Play, look: Look) -> Row:
    """Play and sum up."""
    begin = time.perf_counter()
    asked = Promised(policy) if isinstance(policy, OrderUpTo) else None
    ledger = simulate(asked or policy, shop.stage, shop.terms, look)
    return Row(
        seed=seed,
        policy=policy.name,
        forecast=name,
        costs={kind: float(values.sum()) for kind, values in ledger.costs().items()},
        days=ledger.demand.size,
        fill=ledger.fill_rate(),
        served=served(ledger, shop),
        promised=float(np.mean(asked.chances)) if asked else float("nan"),
        turnover=ledger.turnover(),
        seconds=time.perf_counter() - begin,
    )


def served(ledger: Ledger, shop: Play) -> float:
    """Share of reviews whose order, and what was there before it, lasted until the next one's arrived."""
    review, waits = shop.terms.review, shop.stage.waits[:, shop.stage.begin :]
    series, days = ledger.demand.shape
    lost = np.cumsum(np.pad(ledger.lost.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    good = count = 0
    every = np.arange(series)
    for day in range(0, days - review, review):
        first, last = day + waits[:, day], day + review + waits[:, day + review]
        inside = (last <= days) & (first < last)
        none = lost[every, np.minimum(last, days)] - lost[every, np.minimum(first, days)] < 1e-6
        good, count = good + int((none & inside).sum()), count + int(inside.sum())
    return good / count if count else float("nan")


def coverage(shop: Play, look: Look, horizon: int, seed: int) -> dict[tuple[str, int], tuple[float, ...]]:
    """Coverage of sums over 7 and 28 days by randomised PIT, for products and categories, each eighth week."""
    rng = np.random.default_rng(seed)
    begin, demand = shop.stage.begin, shop.stage.demand
    category = np.unique(shop.panel.static["category"].to_numpy(), return_inverse=True)[1]
    pit: dict[tuple[str, int], list[np.ndarray]] = {}
    for morning in range(begin, demand.shape[1] - 27, 56):
        found = look(morning, demand[:, :morning], np.zeros((len(demand), morning), bool))
        for width in (7, 28):
            paths, sold = found.totals(200, width), demand[:, morning : morning + width].sum(axis=1, dtype=float)
            groups = np.zeros((category.max() + 1, paths.shape[1])), np.zeros(category.max() + 1)
            np.add.at(groups[0], category, paths)
            np.add.at(groups[1], category, sold)
            for what, (many, one) in {"products": (paths, sold), "categories": groups}.items():
                below, same = (many < one[:, None]).mean(axis=1), (many == one[:, None]).mean(axis=1)
                pit.setdefault((what, width), []).append(below + rng.random(len(one)) * same)
    return {
        key: tuple(float((np.abs(np.concatenate(values) - 0.5) < level / 2).mean()) for level in _LEVELS)
        for key, values in pit.items()
    }


def run(
    settings: Settings, seed: int, presets: list[str], policies: list[Policy], say: Callable[[str], object]
) -> list[Row]:
    """Every policy on every forecast, on one shop; prints coverage as it goes."""
    shop = play(settings, seed, PAST)
    horizon = max(int(shop.terms.leads.max()) + shop.terms.review, 28)
    rows = [judge(seed, USUAL, policies[0], shop, shop.oracle(1))]
    for name in [*presets, ORACLE, SEER]:
        made: dict[int, Forecast] = {}
        oracle = name in (ORACLE, SEER)
        look = shop.oracle(horizon, foreseen=name == SEER) if oracle else forecasts(shop, name, horizon, made)
        rows += [judge(seed, name, policy, shop, look) for policy in policies[1:]]
        for (what, width), (low, high) in coverage(shop, look, horizon, seed).items():
            say(f"seed {seed}, {name}: {what}, {width} days: 80 % interval {low:.3f}, 95 % {high:.3f}")
    for row in rows:
        say(line(row))
    return rows


def kept(
    options: argparse.Namespace, settings: Settings, seed: int, policies: list[Policy]
) -> tuple[list[Row], list[str]]:
    """Rows of one shop and what was said of it: played, or found where an earlier run has kept it."""
    what = (options.products, options.days, options.service, seed, *options.presets, *(p.name for p in policies))
    file = options.keep and options.keep / ("_".join(map(str, what)).replace(" ", "-") + ".json")
    if file and file.exists():
        held = json.loads(file.read_text(encoding="utf-8"))
        for text in held["said"]:
            print(text)
        return [Row(**row) for row in held["rows"]], held["said"]
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        print(text, flush=True)

    rows = run(settings, seed, options.presets, policies, say)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"rows": [asdict(row) for row in rows], "said": said}), encoding="utf-8")
    return rows, said


def line(row: Row) -> str:
    """One row in one line."""
    parts = ", ".join(f"{kind} {row.costs[kind] / row.days:.4f}" for kind in COSTS)
    return (
        f"seed {row.seed}, {row.policy} on {row.forecast}: {row.cost / row.days:.4f} a product and day ({parts}), "
        f"fill rate {row.fill:.4f}, served {row.served:.4f}, promised {row.promised:.4f}, {row.seconds:.0f} s"
    )


def page(rows: list[Row], head: list[str], said: list[str]) -> str:
    """The results as Markdown: means over the shops, and the spread of what each costs beside the oracle."""
    seeds = sorted({row.seed for row in rows})
    best = {row.seed: row.cost for row in rows if row.forecast == ORACLE and row.policy == LeastCost().name}
    usual = {row.seed: row.cost for row in rows if row.forecast == USUAL}
    lines = [
        *head, "",
        "| policy | forecast | money per product and day | " + " | ".join(k.replace("_", " ") for k in COSTS)
        + " | times the oracle | lowest to highest | times usual practice | fill rate | served | promised | turnover |",
        "|---|---|---:|" + "---:|" * (len(COSTS) + 7),
    ]  # fmt: skip
    for policy, name in dict.fromkeys((row.policy, row.forecast) for row in rows):
        some = [row for row in rows if (row.policy, row.forecast) == (policy, name)]
        ratio = [row.cost / best[row.seed] for row in some]
        means = [np.mean([row.costs[kind] / row.days for row in some]) for kind in COSTS]
        lines.append(
            f"| {policy} | {name} | {np.mean([r.cost / r.days for r in some]):.4f} | "
            + " | ".join(f"{value:.4f}" for value in means)
            + f" | {np.mean(ratio):.2f} | {min(ratio):.2f} to {max(ratio):.2f} "
            f"| {np.mean([r.cost / usual[r.seed] for r in some]):.2f} | {np.mean([r.fill for r in some]):.4f} "
            f"| {np.mean([r.served for r in some]):.4f} | {np.mean([r.promised for r in some]):.4f} "
            f"| {np.mean([r.turnover for r in some]):.1f} |"
        )
    return (
        "\n".join([*lines, "", f"Shops: {', '.join(map(str, seeds))}. As printed:", "", *(f"    {s}" for s in said)])
        + "\n"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=2000)
    parser.add_argument("--days", type=int, default=182, help="days of the play, at least 35")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=["fast"])
    parser.add_argument("--service", type=float, default=0.95)
    parser.add_argument("--peer-python", default=os.environ.get("WINDVANE_PEER_PYTHON", ""), help="with stockcast")
    parser.add_argument("--keep", type=Path, help="folder where played shops are kept, and found by later runs")
    parser.add_argument("--out", type=Path, help="folder for money.md")
    options = parser.parse_args(arguments)
    if options.days < 35:
        parser.error("--days: give at least 35, so that a month can be scored after the first week.")
    settings = Settings(products=options.products, days=PAST + options.days)
    policies: list[Policy] = [MovingAverage(options.service), OrderUpTo(options.service), LeastCost()]
    if python := with_stockcast(options.peer_python):
        policies.append(Stockcast(options.service, python))
    told = [kept(options, settings, seed, policies) for seed in options.seeds]
    rows, said = [row for found, _ in told for row in found], [text for _, texts in told for text in texts]
    command = shlex.join(["python", "benchmarks/money.py", *(sys.argv[1:] if arguments is None else arguments)])
    head = [
        "# Policies in money", "",
        f"{options.products:,} simulated products, two years of past and {options.days} days of play, "
        f"reviews every week, service target {options.service:.0%}. {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, windvane {__version__}.", "", f"    {command}",
    ]  # fmt: skip
    text = page(rows, head, said)
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "money.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
