"""Coherence at scale and on M5: what each method costs, and what it brings over bottom-up.

    python benchmarks/coherence.py [--m5] [--out benchmarks/results]

Without ``--m5``: 50,000 made-up series (5,000 products in ten stores of three states, seven departments, three
categories) on twelve levels, a horizon of 28 and a backtest of six origins; each method in a process of its own,
seconds and peak memory. With ``--m5``: base forecasts of all 42,840 nodes of M5, the series by one model and what
stands above them by another, at six origins; every method learns from the three origins before each, and is scored by
WRMSSE.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.sets import m5
from windvane.clock import CLOCK
from windvane.models.coherence.align import Align
from windvane.models.coherence.choose import choose
from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.method import Method
from windvane.models.coherence.mint import MinT
from windvane.models.coherence.past import Past
from windvane.models.coherence.proportions import BottomUp, TopDown
from windvane.models.registry import point_model
from windvane.panel import Panel
from windvane.store.meter import Budget, Stage

METHODS: tuple[Method, ...] = (
    BottomUp(),
    TopDown(),
    TopDown(("location",)),
    TopDown(("location", "category_2")),
    Align(),
    MinT("structural"),
    MinT("variance"),
    MinT("shrunk"),
)
LEVELS = [
    (), ("region",), ("location",), ("category_1",), ("category_2",), ("region", "category_1"),
    ("region", "category_2"), ("location", "category_1"), ("location", "category_2"), ("sku",), ("sku", "region"),
]  # fmt: skip
_STATES = ("CA", "CA", "CA", "CA", "TX", "TX", "TX", "WI", "WI", "WI")
_PAST = 3
PAIRS = (("seasonal_es", "seasonal_es"), ("seasonal_es", "structured"), ("structured", "seasonal_es"))
"""Models of the series and of the aggregates."""


def made_up(items: int) -> tuple[Hierarchy, float, np.ndarray, Past]:
    """Hierarchy, seconds to build it, base forecasts and past of series of like size and noise as M5's."""
    rng = np.random.default_rng(1)
    stores, horizon, origins = len(_STATES), 28, 6
    series = items * stores
    department = np.sort(rng.integers(0, 7, items))
    keys = pl.DataFrame({"sku": np.repeat(np.arange(items), stores), "location": np.tile(np.arange(stores), items)})
    static = pl.DataFrame(
        {
            "category_2": np.repeat(department, stores),
            "category_1": np.repeat(department // 3, stores),
            "region": list(_STATES) * items,
        }
    )
    begin = CLOCK.seconds()
    tree = Hierarchy.of_columns(keys, static, LEVELS)
    seconds = CLOCK.seconds() - begin
    level = rng.gamma(0.6, 2.0, series) * (rng.random(series) > 0.1)
    week = 1 + 0.3 * np.sin(np.arange(horizon) / 7 * 2 * np.pi)
    mean = level[:, None, None] * week * np.exp(rng.normal(0, 0.1, (1, origins, 1)))
    forecasts = tree.sums(level[:, None, None] * week * np.exp(rng.normal(0, 0.3, (series, origins, 1))))
    above = tree.nodes - series
    forecasts[:above] = tree.sums(level[:, None, None] * week)[:above] * np.exp(
        rng.normal(0, 0.05, (above, origins, 1))
    )
    past = Past.of(tree, forecasts.astype(np.float32), rng.poisson(mean).astype(np.float32))
    return tree, seconds, past.forecasts[:, -1], past


def cost(index: int) -> tuple[float, Budget, Budget]:
    """Seconds to build the hierarchy, and what the data at rest and the method took."""
    method = METHODS[index]
    small = made_up(20)
    method.bottom(small[0], small[2], small[3])
    tree, seconds, base, past = made_up(5000)
    with Stage("rest") as rest:
        pass
    with Stage(method.name) as stage:
        tree.sums(method.bottom(tree, base, past))
    assert rest.budget is not None
    assert stage.budget is not None
    return seconds, rest.budget, stage.budget


def scale() -> list[str]:
    """The page's rows on cost."""
    lines = ["| method | seconds | CPU-seconds | peak MB | before it began |", "| --- | --- | --- | --- | --- |"]
    built = []
    for index in range(len(METHODS)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, rest, taken = pool.apply(cost, (index,))
        built.append(seconds)
        figures = f"{taken.seconds:.2f} | {taken.cpu_seconds:.2f} | {taken.peak_mb:,.0f} | {rest.peak_mb:,.0f}"
        lines.append(f"| {taken.stage} | {figures} |")
        print(lines[-1], flush=True)
    return [f"The hierarchy itself is built in {np.median(built):.2f} s (median of {len(built)}).", "", *lines]


@cache
def base_forecasts(cutoff: date, series: str, aggregates: str) -> tuple[Hierarchy, np.ndarray]:
    """M5's hierarchy and forecasts of all its nodes, float32 [nodes, 28].

    A model for aggregates that takes covariates needs those of series: its forecasts of aggregates are sums.
    """
    panel = m5.load(cutoff)
    tree = Hierarchy.of(panel, LEVELS)
    above = tree.sums(np.nan_to_num(panel.sales))[: tree.nodes - tree.series].astype(np.float32)
    names = pl.DataFrame({"node": [str(i) for i in range(len(above))]})
    of_series = of_m5(cutoff, series)
    if point_model(aggregates).capabilities.known:
        of_aggregates = tree.sums(of_m5(cutoff, aggregates))[: len(above)]
    else:
        of_aggregates = means(Panel(names, above, panel.dates, panel.freq), aggregates)
    return tree, np.concatenate([of_aggregates, of_series]).astype(np.float32)


@cache
def of_m5(cutoff: date, name: str) -> np.ndarray:
    """Forecasts of M5's series by a model, float32 [series, 28]."""
    return means(m5.load(cutoff), name)


def means(panel: Panel, name: str) -> np.ndarray:
    """Forecasts of a model fitted on a panel, at its end, float32 [rows, 28]."""
    fitted = point_model(name).fit(panel, m5.HORIZON, np.random.default_rng(1))
    return fitted.means(panel, np.array([panel.shape[1] - 1]), m5.HORIZON)[:, 0]


def on_m5(series: str, aggregates: str) -> list[str]:
    """The page's rows on M5."""
    ahead = timedelta(days=m5.HORIZON)
    cutoffs = [m5.SIX[0] - ahead * i for i in range(_PAST, 0, -1)] + list(m5.SIX)
    made = [base_forecasts(cutoff, series, aggregates) for cutoff in cutoffs]
    tree, base = made[0][0], np.stack([each[1] for each in made], axis=1)
    sales = np.stack([np.asarray(m5.actuals(cutoff)) for cutoff in cutoffs], axis=1)
    past = Past.of(tree, base, sales)
    scale, weight = m5.scale_and_weight(m5.SIX[0])
    scores: dict[str, list[float]] = {method.name: [] for method in METHODS}
    scores["chosen"] = []
    picked, seconds = [], dict.fromkeys(scores, 0.0)
    for at, cutoff in enumerate(m5.SIX, start=_PAST):
        known = past.only(range(at - _PAST, at))
        for method in METHODS:
            begin = CLOCK.seconds()
            made_of = method.bottom(tree, base[:, at], known)
            seconds[method.name] += CLOCK.seconds() - begin
            scores[method.name].append(float(m5.score_means(made_of, cutoff)["wrmsse"]))  # type: ignore[arg-type]
        begin = CLOCK.seconds()
        choice = choose(tree, known, weight=weight / np.sqrt(scale)).method
        seconds["chosen"] += CLOCK.seconds() - begin
        picked.append(choice.name)
        scores["chosen"].append(scores[choice.name][-1])
        print(cutoff, {name: round(values[-1], 4) for name, values in scores.items()}, choice.name, flush=True)
    plain = np.array(scores["bottom_up"])
    lines = [
        f"### Series by {series}, aggregates by {aggregates}", "",
        "| method | mean | against bottom-up | " + " | ".join(str(c) for c in m5.SIX) + " | seconds |",
        "| --- | --- | --- |" + " --- |" * (len(m5.SIX) + 1),
    ]  # fmt: skip
    for name, values in scores.items():
        cells = " | ".join(f"{v:.3f}" for v in values)
        change = np.mean(values) / plain.mean() - 1
        lines.append(
            f"| {name} | {np.mean(values):.4f} | {change:+.1%} | {cells} | {seconds[name] / len(m5.SIX):.1f} |"
        )
    return [*lines, "", f"Chosen, origin by origin: {', '.join(picked)}.", ""]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--m5", action="store_true", help="the second part instead of the first")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    parts = [on_m5(*pair) for pair in PAIRS] if given.m5 else [scale()]
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    lines = [
        f"# {'What coherence brings on M5' if given.m5 else 'What coherence costs'}", "",
        f"`python benchmarks/coherence.py{' --m5' if given.m5 else ''}` on {os.cpu_count()} processors "
        f"({platform.machine()}), WINDVANE_THREADS={os.environ.get('WINDVANE_THREADS', '')}, Python "
        f"{platform.python_version()}, {versions}. Seconds are of a machine that others used too.", "",
        *(line for part in parts for line in part),
    ]  # fmt: skip
    page = "\n".join(lines).rstrip() + "\n"
    print(page)
    if given.out is not None:
        (given.out / ("coherence_m5.md" if given.m5 else "coherence.md")).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
