"""Prices of fresh goods, judged by a doubly robust estimate on days that the optimiser did not see.

    python benchmarks/fresh_prices.py [--out FOLDER]

``fresh_market_zh`` (a Chinese supermarket): elasticities are learned from list prices up to 2022-06-30. A policy then
asks, for each product and day after that, the list price that earns most by them, within 5 or 10 % of the product's
usual price of the four weeks before; the evening's markdowns and what they bring are left as they were. What that would
have earned is estimated from the later days alone, on which the market asked prices of its own:

    mean of  m(x, policy's price) + weight x (profit - m(x, price asked))

m is expected profit by boosted trees, weight the kernel of the distance between the two prices over the density of the
price asked given x; both are fitted on other weeks than they are used on (cross-fitting), and neither knows the
optimiser. The estimate is right if one of the two is (Kallus and Zhou 2018, Policy evaluation and optimization with
continuous treatments). Beside it stand the usual price kept, a constant markup, the policy on elasticities by log-log
least squares, and, as a check of the estimate, the market's own prices, whose profit is known.

Only days on which a product was sold are known, and count. Intervals are a bootstrap of weeks.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from windvane import __version__
from windvane.decisions.response import learn
from windvane.panel import Panel

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.sets.places import folder

SPLIT = date(2022, 7, 1)
CHANGES, BAND, MOST = (0.05, 0.1), 0.03, 20.0
"""Farthest from the usual price; width of the kernel on log prices; largest weight."""
FOLDS, RECENT, FEW = 5, 28, 30
_X = ("log_usual", "log_recent", "log_cost", "log_same", "weekday", "month", "category")


def days() -> pl.DataFrame:
    """A row per product and day sold, with what was known before it; sorted by product and date."""
    rows = pl.read_parquet(folder("fresh_market_zh") / "sku_daily.parquet")
    rows = rows.filter((pl.col("qty_kg") > 0) & (pl.col("list_price") > 0) & (pl.col("wholesale_price") > 0))
    rows = rows.sort("sku_id", "date").with_columns(
        (pl.col("wholesale_price") / (1 - pl.col("loss_pct") / 100)).alias("cost"),
    )
    before = {"period": f"{RECENT}d", "offset": f"-{RECENT}d", "closed": "left", "group_by": "sku_id"}
    past = rows.rolling("date", **before).agg(
        pl.col("list_price").median().alias("usual"), pl.col("qty_kg").mean().alias("recent"), pl.len().alias("seen")
    )
    rows = rows.hstack(past.drop("sku_id", "date"))
    return rows.with_columns(
        (pl.col("revenue") - pl.col("cost") * pl.col("qty_kg")).alias("profit"),
        pl.col("qty_kg").shift(1).over("sku_id").fill_null(0).alias("same"),
        pl.col("date").dt.weekday().alias("weekday"),
        pl.col("date").dt.month().alias("month"),
        (pl.col("date") - pl.date(2020, 1, 6)).dt.total_days().floordiv(7).alias("week"),
    )


def elasticities(past: pl.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    """Ours and those of log-log least squares by product, from the days before the split; absent = too few days."""
    frame = past.select(
        "sku_id", "date", "category", pl.col("qty_kg").alias("sales"), pl.col("list_price").alias("price")
    )
    panel = Panel.from_frame(
        frame,
        keys=["sku_id"],
        date="date",
        sales="sales",
        freq="1d",
        past=["price"],
        static=["category"],
        absent="unknown",
    )
    found = learn(panel).response
    ours = {sku: float(own) for sku, own in zip(panel.keys["sku_id"], found.own, strict=True) if np.isfinite(own)}
    plain = {}
    for (sku,), part in past.group_by("sku_id"):
        x, y = np.log(part["list_price"].to_numpy()), np.log(part["qty_kg"].to_numpy())
        if len(x) >= FEW and x.std() > 0.02:
            plain[str(sku)] = float(np.polyfit(x, y, 1)[0])
    return ours, plain


def best(usual: np.ndarray, cost: np.ndarray, own: np.ndarray, change: float) -> np.ndarray:
    """List price that earns most within the bounds at constant elasticity, on a grid of 41."""
    grid = usual[:, None] * np.linspace(1 - change, 1 + change, 41)[None, :]
    earned = (grid - cost[:, None]) * (grid / usual[:, None]) ** own[:, None]
    return grid[np.arange(len(usual)), earned.argmax(axis=1)]


def policies(
    rows: pl.DataFrame, ours: dict[str, float], plain: dict[str, float], past: pl.DataFrame
) -> dict[str, np.ndarray]:
    """Log of the price asked over the usual one, by policy, float64 [rows]."""
    usual, cost = rows["usual"].to_numpy(), rows["cost"].to_numpy()
    own = rows["sku_id"].replace_strict(ours, default=float(np.median(list(ours.values())))).to_numpy()
    flat = rows["sku_id"].replace_strict(plain, default=float(np.median(list(plain.values())))).to_numpy()
    markup = dict(past.group_by("category").agg((pl.col("list_price") / pl.col("cost")).median()).iter_rows())
    fixed = cost * rows["category"].replace_strict(markup, default=1.5).to_numpy()
    took = np.log(rows["list_price"].to_numpy() / usual)
    out = {"the market's own (a check)": took, "usual price kept": np.zeros(len(usual))}
    for change in CHANGES:
        bound = np.clip(fixed, usual * (1 - change), usual * (1 + change))
        within = f", within {change:.0%}"
        out["ours" + within] = np.log(best(usual, cost, own, change) / usual)
        out["log-log least squares" + within] = np.log(best(usual, cost, flat, change) / usual)
        out["constant markup" + within] = np.log(bound / usual)
    return out


def doubly_robust(rows: pl.DataFrame, asked: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Estimated profit of every row under every policy, and the share of rows that weigh in."""
    import lightgbm as lgb

    x = np.column_stack([rows[name].to_numpy().astype(np.float64) for name in _X])
    took = np.log(rows["list_price"].to_numpy() / rows["usual"].to_numpy())
    profit, week = rows["profit"].to_numpy(), rows["week"].to_numpy()
    # Blocks of four weeks: neighbouring weeks share what is not in x.
    fold = (week // 4) % FOLDS
    size = np.maximum(rows["recent"].to_numpy() * rows["usual"].to_numpy(), 1.0)
    plain = {
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": 40,
        "verbose": -1,
        "seed": 1,
        "num_threads": 1,
    }
    out = {name: np.zeros(len(rows)) for name in asked}
    used = dict.fromkeys(asked, 0.0)
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        both = np.column_stack([x, took])
        # Profit over its usual size, so that large products do not rule the trees.
        model = lgb.train(plain, lgb.Dataset(both[train], profit[train] / size[train]), 200)
        price = lgb.train(plain, lgb.Dataset(x[train], took[train]), 150)
        off = took[train] - price.predict(x[train])
        spread = np.maximum(np.std(off), 1e-3)
        grid = np.linspace(-6, 6, 601)
        # Density of what is left, by kernel; heavy at 0, where prices stay.
        hist = np.histogram(off / spread, bins=np.append(grid - 0.01, grid[-1] + 0.01))[0].astype(float)
        width = BAND / spread / 0.02
        kernel = np.exp(-0.5 * (np.arange(-60, 61) / max(width, 1.0)) ** 2)
        density = np.convolve(hist, kernel / kernel.sum(), "same") / max(hist.sum(), 1) / (0.02 * spread)
        here = (took[test] - price.predict(x[test])) / spread
        given = np.maximum(np.interp(here, grid, density), 1e-3)
        seen = model.predict(both[test]) * size[test]
        for name, wanted in asked.items():
            at = model.predict(np.column_stack([x[test], wanted[test]])) * size[test]
            near = np.exp(-0.5 * ((took[test] - wanted[test]) / BAND) ** 2) / (BAND * np.sqrt(2 * np.pi))
            weight = np.minimum(near / given, MOST)
            weight /= max(weight.mean(), 1e-9)
            out[name][test] = at + weight * (profit[test] - seen)
            used[name] += float(weight.sum() ** 2 / max((weight**2).sum(), 1e-9)) / len(rows)
    return out, used


def page(rows: pl.DataFrame, found: dict[str, np.ndarray], asked: dict[str, np.ndarray], told: list[str]) -> str:
    """The results as Markdown."""
    (values, used), profit, week = found, rows["profit"].to_numpy(), rows["week"].to_numpy()
    weeks, at = np.unique(week, return_inverse=True)
    pick = np.random.default_rng(3).integers(0, len(weeks), (2000, len(weeks)))
    base = np.bincount(at, profit)
    lines = [
        *told, "",
        "| policy | mean price to the usual | profit | against the market's own | 95 % interval | effective rows |",
        "|---|---:|---:|---:|---:|---:|",
        f"| as it was | | {profit.sum():,.0f} | | | |",
    ]  # fmt: skip
    for name, each in values.items():
        gain = np.bincount(at, each) - base
        low, high = np.quantile(gain[pick].sum(axis=1) / base[pick].sum(axis=1), [0.025, 0.975])
        moved = np.exp(asked[name].mean()) - 1
        lines.append(
            f"| {name} | {moved:+.1%} | {each.sum():,.0f} | {gain.sum() / base.sum():+.1%} | {low:+.1%} to {high:+.1%} "
            f"| {used[name]:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for fresh_prices.md")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    rows = days()
    past = rows.filter(pl.col("date") < SPLIT)
    later = rows.filter((pl.col("date") >= SPLIT) & (pl.col("seen") >= 5))
    later = later.with_columns(
        pl.col("usual").log().alias("log_usual"), (pl.col("recent") + 0.1).log().alias("log_recent"),
        (pl.col("cost") / pl.col("usual")).log().alias("log_cost"), (pl.col("same") + 0.1).log().alias("log_same"),
        pl.col("category").rank("dense").alias("category_code"), pl.col("category"),
    )  # fmt: skip
    ours, plain = elasticities(past)
    asked = policies(later, ours, plain, past)
    told_rows = later.with_columns(pl.col("category_code").alias("category"))
    found = doubly_robust(told_rows, asked)
    command = shlex.join(["python", "benchmarks/fresh_prices.py", *(sys.argv[1:] if arguments is None else arguments)])
    wrong = float(np.mean(np.array(list(plain.values())) > 0))
    told = [
        "# Prices of fresh goods, doubly robust", "",
        f"Learned before {SPLIT} on {past.height:,} product-days, judged on {later.height:,} after it. Elasticities: "
        f"median {np.median(list(ours.values())):.2f} (ours), {np.median(list(plain.values())):.2f} (log-log least "
        f"squares, {wrong:.0%} above 0). {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, windvane {__version__}; {time.perf_counter() - begin:.0f} s.",
        "", f"    {command}",
    ]  # fmt: skip
    text = page(told_rows, found, asked, told)
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "fresh_prices.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
