"""How well stock-outs are inferred from sales alone.

On a generated shop with known truth, and on real shops with stock-outs planted into them.

    python benchmarks/stockouts.py [--data generated simulated m5 fresh_market_zh] [--out benchmarks/results]

For every threshold alpha: bias of the estimated demand, share of the days out of stock that were found, false alarms.
Thresholds are compared on one half of the series and the chosen one reported on the other. The simulated shop is drawn
anew with several seeds, and the bias of each is shown. Real shops are read from the folder named by WINDVANE_DATA; they
have real stock-outs of their own, which here count as false alarms.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from windvane.clean import availability, build, lost
from windvane.clean.stockouts import Rule, infer
from windvane.clock import CLOCK
from windvane.config import Clean, parse
from windvane.panel import NEVER
from windvane.sim import Settings, simulate

ALPHAS = (0.01, 0.003, 0.001, 0.0001)
OTHERS: tuple[dict[str, float], ...] = (
    {"stockout_series": 0.2}, {"stockout_share": 0.1}, {"rate": 0.25}, {"rate": 2.0}, {"intermittent": 0.5},
    {"dispersion": 1.0}, {"seasonal": 0.4}, {"locations": 3}, {"products": 60},
)  # fmt: skip
"""Changes of the simulated shop's settings."""
LENGTHS = (3, 5, 7, 10, 14, 21)
CLASSES = (0.0, 0.2, 0.5, 1.0, 3.0, 10.0, np.inf)


@dataclass(frozen=True, eq=False)
class Shop:
    """Sales as an inference sees them, and the truth.

    Attributes:
        sales: units [series, time].
        launch: first column on sale [series].
        groups: group codes [levels, series].
        promoted: bool [series, time].
        truth: what would have sold with stock [series, time].
        out: share of every period out of stock [series, time].
        touched: series with hidden stock-outs, bool [series].
        planted: series, first column and length of every run, int64 [runs, 3].
    """

    sales: np.ndarray
    launch: np.ndarray
    groups: np.ndarray
    promoted: np.ndarray
    truth: np.ndarray
    out: np.ndarray
    touched: np.ndarray
    planted: np.ndarray


def generated(seed: int, hidden: float = 0.2, series: int = 1500, time: int = 420) -> Shop:
    """A shop with weekdays, seasons by category, drifting rates, promotions, overdispersion, and stock-outs.

    Stock-outs of 1 to 21 days come every 15 to 70 days in a share ``hidden`` of the series; they begin and end in the
    course of a day.
    """
    rng = np.random.default_rng(seed)
    category = rng.integers(0, 8, series)
    t = np.arange(time)
    week = np.array([0.8, 0.8, 0.9, 1.0, 1.2, 1.3, 1.0])[t % 7] * np.exp(rng.normal(0, 0.08, time))
    season = 1 + 0.3 * np.sin(2 * np.pi * (t / 364 + rng.uniform(size=(8, 1))))
    drift = np.exp(0.5 * np.cumsum(rng.normal(0, 0.02, (series, time)), axis=1))
    promoted = rng.uniform(size=(series, time)) < 0.03
    mean = np.exp(rng.normal(0.0, 1.2, series))[:, None] * week * season[category] * drift * np.where(promoted, 2.5, 1)
    size = rng.choice([0.7, 1.5, 5.0, 50.0], series)[:, None]
    truth = rng.poisson(rng.gamma(size, mean / size))
    out, planted = np.zeros((series, time)), []
    touched = rng.uniform(size=series) < hidden
    for s in np.flatnonzero(touched):
        begin = int(rng.integers(30, 70))
        while begin < time - 1:
            length = int(rng.integers(1, 22))
            out[s, begin] = rng.uniform()
            out[s, begin + 1 : begin + 1 + length] = 1
            if begin + 1 + length < time:
                out[s, begin + 1 + length] = rng.uniform(0, 0.5)
                planted.append((s, begin + 1, length))
            begin += length + int(rng.integers(15, 70))
    sales = rng.binomial(truth, 1 - out).astype(np.float32)
    groups = np.stack([np.zeros(series), category]).astype(np.int32)
    launch = np.zeros(series, np.int32)
    return Shop(sales, launch, groups, promoted, truth, out, touched, np.array(planted).reshape(-1, 3))


def simulated(seed: int, products: int = 400, days: int = 500, changed: Mapping[str, float] | None = None) -> Shop:
    """The simulated shop of :mod:`windvane.sim`, its stock withheld, brought through the whole of cleaning.

    Four in ten planners order too late, so that their series are out of stock on a fifth of the days; ``changed``
    settings make another shop of it.
    """
    plain = ("bulk", "returns", "gifts", "duplicates", "repeats", "late", "corrected", "presale", "fakes", "reviews")
    settings = Settings(products=products, days=days, stock_given=0.0, events=0.0, **dict.fromkeys(plain, 0.0))
    settings = replace(settings, **(changed or {}))  # type: ignore[arg-type]
    tables, truth = simulate(settings, seed).collect()
    config = parse({"clean": {"stockouts": "off"}})
    cleaned = build(lambda name: tables[name].lazy(), config)
    panel = cleaned.panel
    rows = panel.keys.with_row_index("series").join(truth.series, on=["sku", "location"], maintain_order="left")
    columns = pl.DataFrame({"date": panel.dates}).with_row_index("column")
    cells = truth.demand.join(rows, on=["sku", "location"]).join(columns, on="date")
    at = (cells["series"].to_numpy(), cells["column"].to_numpy())
    wanted, out = np.zeros(panel.shape), np.zeros(panel.shape)
    wanted[at], out[at] = cells["demand"].to_numpy(), 1 - cells["in_stock"].to_numpy()
    wanted, out = (np.where(np.isnan(panel.sales), 0, part) for part in (wanted, out))
    promoted = np.zeros(panel.shape, bool)
    for name, known in panel.known.items():
        if name.startswith("promo_"):
            promoted |= known.values[:, : panel.shape[1]] > 0
    edges = np.diff(np.pad((out >= 1).astype(np.int8), ((0, 0), (1, 1))), axis=1)
    first, last = np.argwhere(edges > 0), np.argwhere(edges < 0)
    planted = np.column_stack([first, last[:, 1] - first[:, 1]])
    groups = availability.groups(panel.keys, panel.static)
    touched = rows["late_planner"].to_numpy()
    return Shop(panel.sales, panel.launch, groups, promoted, wanted, out, touched, planted)


def plant(sales: np.ndarray, groups: np.ndarray, seed: int) -> Shop:
    """Put stock-outs into half of real series: whole days, where there were sales before and within."""
    rng = np.random.default_rng(seed)
    series, time = sales.shape
    launch = np.where((sales > 0).any(1), (sales > 0).argmax(1), time - 1).astype(np.int32)
    sold, out, planted = sales.copy(), np.zeros(sales.shape), []
    touched = rng.uniform(size=series) < 0.5
    for s in np.flatnonzero(touched):
        begin = int(launch[s]) + 60
        for length in rng.permutation(LENGTHS)[:3].tolist():
            begin += int(rng.integers(5, 40))
            run = slice(begin, begin + length)
            if begin + length + 1 >= time or not sales[s, begin - 28 : begin].any() or not sales[s, run].any():
                continue
            sold[s, run], out[s, run] = 0, 1
            planted.append((s, begin, length))
            begin += length + 30
    promoted = np.zeros(sales.shape, bool)
    return Shop(sold, launch, groups, promoted, sales, out, touched, np.array(planted).reshape(-1, 3))


def m5(seed: int) -> Shop:
    """The item-store series of three M5 stores, one per state."""
    folder = Path(os.environ["WINDVANE_DATA"]) / "m5"
    about = pl.read_parquet(folder / "series.parquet").select("unique_id", "store_id", "dept_id")
    rows = pl.read_parquet(folder / "sales.parquet").with_columns(pl.col("unique_id").cast(pl.String))
    rows = rows.filter(pl.col("unique_id").str.slice(-4).is_in(["CA_1", "TX_1", "WI_1"]))
    wide = rows.sort("unique_id", "ds")
    time = wide["ds"].n_unique()
    keys = wide["unique_id"].unique(maintain_order=True)
    start, column = wide["ds"].min(), (wide["ds"] - wide["ds"].min()).dt.total_days().to_numpy()
    assert isinstance(start, date)
    sales = np.zeros((len(keys), time), np.float32)
    row = wide["unique_id"].rle_id().to_numpy()
    sales[row, column] = wide["y"].to_numpy()
    info = pl.DataFrame({"unique_id": keys}).join(about, on="unique_id", how="left", maintain_order="left")
    both = info["store_id"] + info["dept_id"]
    codes = [c.rank("dense").to_numpy() - 1 for c in (info["store_id"], info["dept_id"], both)]
    return plant(sales, np.stack([np.zeros(len(keys)), *codes]).astype(np.int32), seed)


def fresh_market_zh(seed: int) -> Shop:
    """Fresh items of a Chinese supermarket, in kilos."""
    rows = pl.read_parquet(Path(os.environ["WINDVANE_DATA"]) / "fresh_market_zh" / "sku_daily.parquet")
    rows = rows.group_by("sku_id", "category", "date").agg(pl.col("qty_kg").sum().clip(0)).sort("sku_id", "date")
    column = (rows["date"] - rows["date"].min()).dt.total_days().to_numpy()
    row = rows["sku_id"].rle_id().to_numpy()
    sales = np.zeros((int(row.max()) + 1, int(column.max()) + 1), np.float32)
    sales[row, column] = rows["qty_kg"].to_numpy()
    category = rows.group_by("sku_id", maintain_order=True).agg(pl.col("category").first())["category"]
    codes = category.rank("dense").to_numpy() - 1
    return plant(sales, np.stack([np.zeros(len(codes)), codes]).astype(np.int32), seed)


@dataclass(frozen=True)
class Figures:
    """What an inference did on some series: see the columns of the report."""

    naive: float
    bias: float
    naive_whole: float
    whole: float
    found: float
    runs: float
    false: float
    extra: float
    by_class: dict[tuple[int, int], tuple[int, float]]


def inferred(shop: Shop, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Cells found out of stock, bool, and estimated demand; both [series, time]."""
    rule = Rule.of("1d", alpha)
    found = infer(shop.sales, shop.launch, shop.groups, shop.promoted, rule)
    flagged = found.since != NEVER
    looked_back = lost.estimate(shop.sales, found.due, rule, np.ones(len(shop.sales), bool))
    return flagged, lost.demand(shop.sales, looked_back, flagged & (shop.sales > 0), np.ones(flagged.shape, bool))


def measure(shop: Shop, flagged: np.ndarray, estimate: np.ndarray, rows: np.ndarray) -> Figures:
    """Count on some series (bool [series])."""
    touched, clear = rows & shop.touched, rows & ~shop.touched
    on_sale = np.arange(shop.sales.shape[1])[None, :] >= shop.launch[:, None]
    empty = (shop.out >= 1) & rows[:, None]
    quiet = (shop.out == 0) & on_sale & clear[:, None]
    truth = float(shop.truth[touched].sum())
    by_class: dict[tuple[int, int], list[float]] = {}
    for s, begin, length in shop.planted[rows[shop.planted[:, 0]]]:
        rate = shop.truth[s, max(begin - 56, 0) : begin].mean()
        key = (int(np.searchsorted(CLASSES, rate, side="right")) - 1, int(length))
        by_class.setdefault(key, []).append(float(flagged[s, begin : begin + length].mean() > 0.5))
    hits = [hit for several in by_class.values() for hit in several]
    return Figures(
        naive=float(np.nansum(shop.sales[touched])) / truth - 1,
        bias=float(np.nansum(estimate[touched])) / truth - 1,
        naive_whole=float(np.nansum(shop.sales[rows])) / float(shop.truth[rows].sum()) - 1,
        whole=float(np.nansum(estimate[rows])) / float(shop.truth[rows].sum()) - 1,
        found=float(flagged[empty].mean()),
        runs=float(np.mean(hits)),
        false=1000 * float(flagged[quiet].mean()),
        extra=float(np.nansum(estimate[clear])) / float(np.nansum(shop.sales[clear])) - 1,
        by_class={key: (len(several), float(np.mean(several))) for key, several in by_class.items()},
    )


SHOPS: dict[str, Callable[[int], Shop]] = {
    "generated": generated,
    "simulated": simulated,
    "m5": m5,
    "fresh_market_zh": fresh_market_zh,
}


def describe(name: str, alphas: tuple[float, ...], chosen: float) -> list[str]:
    """The figures of one shop, as Markdown."""
    shop = SHOPS[name](1)
    half = np.arange(len(shop.sales)) % 2 == 0
    lines = [
        f"## {name}",
        "",
        f"{len(shop.sales):,} series, {shop.sales.shape[1]} days, {len(shop.planted):,} hidden stock-outs in "
        f"{int(shop.touched.sum()):,} of them.",
        "",
        "| alpha | half | whole shop: naive bias | bias of estimated demand | series with hidden stock-outs: naive bias"
        " | bias of estimated demand | days found | runs found | false alarms per 1,000 series-days "
        "| demand added where nothing was hidden |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    reported: Figures | None = None
    results: dict[float, tuple[np.ndarray, np.ndarray]] = {}
    for alpha, rows, label in [*((a, half, "choosing") for a in alphas), (chosen, ~half, "**reported**")]:
        if label == "choosing":
            results[alpha] = inferred(shop, alpha)
        reported = measure(shop, *results[alpha], rows)
        f = reported
        lines.append(
            f"| {alpha:g} | {label} | {f.naive_whole:+.1%} | {f.whole:+.1%} | {f.naive:+.1%} | {f.bias:+.1%} "
            f"| {f.found:.1%} | {f.runs:.1%} | {f.false:.2f} | {f.extra:+.2%} |"
        )
    assert reported is not None
    lengths = sorted({length for _, length in reported.by_class})
    if len(lengths) > len(LENGTHS):
        merged: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for (c, length), figure in reported.by_class.items():
            group = max(n for n in (1, *LENGTHS) if n <= length)
            merged.setdefault((c, group), []).append(figure)
        table = {
            key: (sum(n for n, _ in parts), sum(n * r for n, r in parts) / sum(n for n, _ in parts))
            for key, parts in merged.items()
        }
        reported = replace(reported, by_class=table)
        lengths = sorted({length for _, length in table})
    lines += ["", f"Share of stock-outs found at alpha = {chosen:g}, reporting half (number of stock-outs):", ""]
    lines.append("| units per day before | " + " | ".join(f"{n} days" for n in lengths) + " |")
    lines.append("|---|" + "---|" * len(lengths))
    for c in range(len(CLASSES) - 1):
        cells = [reported.by_class.get((c, n)) for n in lengths]
        told = " | ".join("" if cell is None else f"{cell[1]:.0%} ({cell[0]:,})" for cell in cells)
        lines.append(f"| {CLASSES[c]:g} to {CLASSES[c + 1]:g} | {told} |")
    return [*lines, ""]


def drawn_anew(seeds: range, alpha: float) -> list[str]:
    """Bias of the estimated demand of several simulated shops, as Markdown."""
    lines = [
        f"The simulated shop, drawn {len(seeds)} times, alpha = {alpha:g}:",
        "",
        "| seed | hidden from late planners | naive bias | bias of estimated demand | late planners | others |",
        "|---|---|---|---|---|---|",
    ]
    biases = []
    for seed in seeds:
        shop = simulated(seed)
        everywhere = np.ones(len(shop.sales), bool)
        f = measure(shop, *inferred(shop, alpha), everywhere)
        biases.append(f.whole)
        hidden = 1 - float(np.nansum(shop.sales[shop.touched])) / float(shop.truth[shop.touched].sum())
        lines.append(
            f"| {seed} | {hidden:.1%} | {f.naive_whole:+.1%} | {f.whole:+.1%} | {f.bias:+.1%} | {f.extra:+.1%} |"
        )
    worst, mean = max(map(abs, biases)), float(np.mean(biases))
    lines += ["", f"Largest bias {worst:.1%}, mean {mean:+.1%}.", "", "Other shops, two of each:", ""]
    lines += ["| changed | naive bias | bias of estimated demand |", "|---|---|---|"]
    for changed in OTHERS:
        both = []
        for seed in seeds[:2]:
            shop = simulated(seed, changed=changed)
            both.append(measure(shop, *inferred(shop, alpha), np.ones(len(shop.sales), bool)))
        told = ", ".join(f"{name} = {value:g}" for name, value in changed.items())
        naive, bias = (" and ".join(f"{value:+.1%}" for value in values) for values in (
            [f.naive_whole for f in both], [f.whole for f in both]
        ))  # fmt: skip
        lines.append(f"| {told} | {naive} | {bias} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(SHOPS), default=list(SHOPS))
    parser.add_argument("--seeds", type=int, default=16, help="simulated shops")
    parser.add_argument("--out", type=Path, help="folder for stockouts.md")
    options = parser.parse_args()
    if "WINDVANE_DATA" not in os.environ and not set(options.data) <= {"generated", "simulated"}:
        sys.exit("Set WINDVANE_DATA to the folder of the data sets, or use --data generated.")
    begin = CLOCK.seconds()
    lines = ["# Stock-outs inferred from sales alone", "", (__doc__ or "").split("\n\n", 3)[3].strip(), ""]
    chosen = Clean().stockout_alpha
    for name in options.data:
        lines += describe(name, ALPHAS, chosen)
        if name == "simulated":
            lines += drawn_anew(range(1, options.seeds + 1), chosen)
    lines.append(
        f"{platform.machine()}, {os.cpu_count()} cores, {CLOCK.seconds() - begin:.0f} s; "
        f"`python benchmarks/stockouts.py --data {' '.join(options.data)}`"
    )
    text = "\n".join(lines) + "\n"
    print(text, flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "stockouts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
