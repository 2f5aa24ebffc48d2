"""What a backtest's folds hide if they merely cut the panel, though later returns, late rows or payments changed it.

On simulated shops every fold is made twice: cut from the run's panel, and with sales cleaned anew as of its cutoff.

    python benchmarks/folds.py [--products 120] [--seeds 1 2] [--out benchmarks/results]

Written per shop and model: weighted quantile loss and bias on the reported folds, both ways, against what was left in
the end; by how much the last four weeks' units differ; and the seconds of the backtest.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from windvane.backtest.folds import Fold, folds
from windvane.backtest.run import Replay
from windvane.clean import build
from windvane.clean.known_then import KnownThen
from windvane.clock import CLOCK
from windvane.config import Config, parse
from windvane.models import registry
from windvane.panel import Panel
from windvane.schema import RAW
from windvane.sim import Settings, simulate

MODELS = ("moving_average", "seasonal_es", "tsb", "boosted")
QUIET = {"days": 300, "rate": 1.5, "returns": 0.0, "presale": 0.0, "late": 0.0, "corrected": 0.0}
SHOPS: dict[str, dict[str, object]] = {
    "15 % of lines return": {"returns": 0.15},
    "5 % of lines return": {"returns": 0.05},
    "5 % of lines are recorded late": {"late": 0.05},
    "10 % of products sold in advance": {"presale": 0.1, "language": "zh", "start": date(2024, 2, 1)},
}
_RECENT = 28


@dataclass(frozen=True, eq=False)
class Shop:
    """A simulated shop's tables, as far as they were known at the end of a day."""

    tables: dict[str, pl.DataFrame]

    def read(self, name: str, known_by: date | None = None) -> pl.LazyFrame:
        """The latest row per key of those known by a day."""
        frame = self.tables.get(name, RAW[name].empty()).lazy()
        if known_by is not None:
            frame = frame.filter(pl.col("known_at").dt.date() <= known_by)
        return frame.sort("known_at", maintain_order=True).unique(RAW[name].key, keep="last", maintain_order=True)


def judged(
    panel: Panel, plan: list[Fold], config: Config, known: KnownThen | None
) -> tuple[dict[str, tuple[float, float]], float]:
    """Weighted quantile loss and bias of every model on the reported folds, and seconds."""
    begin = CLOCK.seconds()
    models = [registry.model(name, config.forecast.quantile_levels) for name in MODELS]
    sums = {name: np.zeros(3) for name in MODELS}
    for fold in Replay(panel, models, config.forecast.horizon, config.forecast.seed, known).run(plan):
        if fold.fold.use == "report":
            for name, each in fold.models.items():
                seen, losses = each.losses.known, each.losses
                quantile = losses.quantile.reshape(*seen.shape, -1).mean(axis=2)
                sums[name] += [2 * quantile[seen].sum(), losses.error[seen].sum(), losses.sales[seen].sum()]
    return {name: (loss / sold, error / sold) for name, (loss, error, sold) in sums.items()}, CLOCK.seconds() - begin


def measure(name: str, products: int, seed: int) -> list[str]:
    """Rows of the page for one shop."""
    shop = Shop(simulate(Settings(products=products, **{**QUIET, **SHOPS[name]}), seed).collect()[0])  # type: ignore[arg-type]
    config = parse({"shop": {"country": "CN"}, "clean": {"returns": "sale_date"}, "forecast": {"horizon": 14}})
    panel = build(shop.read, config).panel
    plan = folds(panel, config.forecast.horizon, 2, 4)
    known = KnownThen(shop.read, config, panel, CLOCK.now())
    ratio = []
    for fold in plan:
        cutoff = panel.dates[fold.cutoff]
        then, cut = (float(np.nansum(at(cutoff).sales[:, -_RECENT:])) for at in (known, panel.as_of))
        ratio.append(then / cut - 1)
    (cut_scores, cut_seconds), (then_scores, then_seconds) = (
        judged(panel, plan, config, None), judged(panel, plan, config, known)
    )  # fmt: skip
    rows = []
    for model in MODELS:
        (loss, bias), (loss_then, bias_then) = cut_scores[model], then_scores[model]
        rows.append(
            f"| {name}, seed {seed} | {model} | {np.mean(ratio):+.2%} | {loss:.4f} | {loss_then:.4f} | "
            f"{loss_then / loss - 1:+.2%} | {bias:+.3f} | {bias_then:+.3f} | {bias_then - bias:+.3f} | "
            f"{cut_seconds:.0f} | {then_seconds:.0f} |"
        )
    return rows


def main() -> None:
    """Measure every shop and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=120)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = [
        "# Folds cut from the panel, and folds as known then", "",
        f"Simulated shops of {given.products} products and {QUIET['days']} days, returns booked to the sale; four "
        "reported folds of 14 days, cut from the panel or with sales cleaned anew as known then. Units are those of "
        "the last four weeks before a cutoff, as known then against cut.", "",
        "| shop | model | units | loss, cut | loss, then | by | bias, cut | bias, then | by | s, cut | s, then |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for seed in given.seeds:
        for name in SHOPS:
            lines += measure(name, given.products, seed)
            print("\n".join(lines[-len(MODELS) :]), flush=True)
    if given.out is not None:
        (given.out / "folds.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
