"""Feature cells per second on a panel of the size of M5, and how far that is from copying the matrix.

A made-up panel of 30,490 series and 447 days (counts with a weekday pattern, a price that moves, a promotion, a
category, launches): one row per series and weekly origin with a random step. Every run is timed after a small one that
loads the compiled kernels; the plain copy of the finished matrix, made in the same run with as many threads, is what
memory bandwidth allows.

    python benchmarks/features.py [--series 30490] [--time 447] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from windvane.engine import map_parts
from windvane.features import spec
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows
from windvane.features.update import Changed, LiveMatrix
from windvane.freq import Freq
from windvane.panel import Known, Panel

GROUPS = {
    "lags": [spec.lag(k) for k in (0, 1, 2, 3, 6, 7, 13, 14, 20, 27)],
    "rolling means": [spec.mean(w) for w in (3, 7, 14, 28, 56, 112)],
    "rolling std, zeros, coverage": [
        *(spec.std(w) for w in (7, 14, 28, 56)), *(spec.zeros(w) for w in (7, 14, 28, 56)), spec.coverage(28),
        spec.coverage(56),
    ],
    "rolling min, max": [f(w) for w in (7, 14, 28, 56) for f in (spec.least, spec.largest)],
    "rolling quantiles": [spec.median(7), spec.median(28), spec.quantile(0.9, 28), spec.quantile(0.9, 56)],
    "decayed and expanding means": [*(spec.decayed(h) for h in (3, 7, 14, 28)), spec.expanding()],
    "runs and age": [spec.since_sale(112), spec.zero_run(112), spec.age(730)],
    "same season, year ago": [
        spec.same_season(1), spec.same_season(4), spec.same_season(8), spec.same_month_day(6), spec.year_ago(1),
        spec.year_ago(7), spec.year_ago(7, country="US"),
    ],
    "group means": [f(w, by=by) for by in ("category", "all") for w in (7, 28) for f in (spec.mean, spec.std)],
    "price": [
        spec.plan("price"), spec.change("price", 28), spec.since_change("price", 28),
        spec.over(spec.plan("price"), spec.mean(28, of="price")),
        spec.over(spec.plan("price"), spec.mean(28, of="price", by="category")),
    ],
    "promotion": [
        spec.plan("promo"), spec.day_in("promo", 14), spec.until_next("promo", 28), spec.since_last("promo", 28),
    ],
    "calendar, codes, step": [
        *(spec.calendar(fact) for fact in ("weekday", "day_of_month", "month")), spec.static("category"), spec.step(),
    ],
}  # fmt: skip
"""What is timed, by kind."""


def shop(series: int, time_: int, seed: int = 0) -> Panel:
    """A made-up panel of counts with covariates known four weeks ahead."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.normal(-0.3, 1.2, series)).astype(np.float32)
    week = np.array([0.9, 0.85, 0.85, 0.9, 1.1, 1.3, 1.2], np.float32)[np.arange(time_) % 7]
    sales = rng.poisson(level[:, None] * week[None, :]).astype(np.float32)
    sales[rng.random(sales.shape) < 0.02] = np.nan
    launch = np.where(rng.random(series) < 0.2, rng.integers(0, time_ // 2, series), 0)
    sales[np.arange(time_)[None, :] < launch[:, None]] = np.nan
    width = time_ + 28
    price = np.cumsum(rng.random((series, width)) < 0.01, axis=1).astype(np.float32) + 2
    promo = (np.cumsum(rng.random((series, width)) < 0.05, axis=1) % 6 == 0).astype(np.float32) * 0.3
    since = np.broadcast_to(np.arange(width, dtype=np.int32) - 28, (series, width))
    freq = Freq("1d")
    return Panel(
        keys=pl.DataFrame({"sku": np.arange(series)}),
        sales=sales,
        dates=freq.dates(np.arange(16_500, 16_500 + time_)).alias("date"),
        freq=freq,
        known={"price": Known(price), "promo": Known(promo, np.ascontiguousarray(since), "unknown")},
        static=pl.DataFrame({"category": [f"c{i % 70}" for i in range(series)]}),
    )


def weekly_rows(panel: Panel, seed: int = 1) -> Rows:
    """One row per series and weekly origin of the last year, each with a random step up to 28."""
    series, time_ = panel.shape
    origins = np.arange(max(time_ - 365, 28), time_, 7, dtype=np.int32)
    step = np.random.default_rng(seed).integers(1, 29, series * len(origins)).astype(np.int32)
    return Rows(np.repeat(np.arange(series, dtype=np.int32), len(origins)), np.tile(origins, series), step)


def seconds(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Best wall and processor seconds of several runs."""
    best = (np.inf, np.inf)
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    return best


def copy(matrix: np.ndarray, out: np.ndarray) -> None:
    """Copy a matrix as the features are written: in parts, over the same threads."""
    size = 16_384
    map_parts(lambda at: np.copyto(out[at], matrix[at]), [slice(i, i + size) for i in range(0, len(matrix), size)])


def measure(panel: Panel, rows: Rows, features: list[spec.Feature], times: int) -> tuple[float, float, float, float]:
    """Seconds and processor seconds to write the features of all rows, and to copy what was written."""
    made = FeatureMatrix(panel, features)
    made.build(rows.part(slice(0, 1000)))
    out = np.zeros((len(rows), len(features)), np.float32)
    wall, cpu = seconds(lambda: made.build(rows, out), times)
    other = np.zeros_like(out)
    return wall, cpu, *seconds(lambda: copy(out, other), max(times, 5))


def updates(panel: Panel, rows: Rows, features: list[spec.Feature]) -> list[str]:
    """What it takes to follow changes of the past, without and with means over all series."""
    lines = ["", "| update, one thread | rows computed | milliseconds |", "| --- | ---: | ---: |"]
    own = [f for f in features if not f.by and f.kind != "expanding" and (f.over is None or not f.over.by)]
    some = [f for f in features if f.by != "all"]
    os.environ["WINDVANE_THREADS"] = "1"
    for name, wanted in (("own features", own), ("with category means", some)):
        live = LiveMatrix(panel, wanted, rows)
        for cells in (1, 100):
            i = np.random.default_rng(3).integers(0, panel.shape[0], cells)
            changed = [Changed("sales", i, np.full(cells, panel.shape[1] - 10))]
            touched = live.update(panel, changed)
            wall, _ = seconds(lambda live=live, changed=changed: live.update(panel, changed), 3)
            lines.append(f"| {name}: {cells} cells of ten days ago | {len(touched):,} | {1000 * wall:.1f} |")
            print(lines[-1], flush=True)
    return lines


def page(panel: Panel, rows: Rows, times: int) -> list[str]:
    """The results as lines of Markdown."""
    everything = [f for group in GROUPS.values() for f in group]
    lines = [
        "# Speed of features", "",
        f"{panel.shape[0]:,} series x {panel.shape[1]} days, {len(rows):,} rows, {len(everything)} features; "
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, numpy {np.__version__}. "
        f"Best of {times}. `copy` is a plain copy of the finished matrix in the same parts and threads; times a copy "
        "in processor seconds, which others on the machine disturb less; the load average was "
        f"{os.getloadavg()[0]:.0f} at the start.", "",
        "| features | count | threads | seconds | processor s | million cells/s | per processor s | copy: seconds | "
        "processor s | times a copy |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip

    def row(name: str, features: list[spec.Feature], threads: int) -> None:
        os.environ["WINDVANE_THREADS"] = str(threads)
        wall, cpu, copied, copied_cpu = measure(panel, rows, features, times)
        cells = len(rows) * len(features) / 1e6
        line = (
            f"| {name} | {len(features)} | {threads} | {wall:.2f} | {cpu:.2f} | {cells / wall:.0f} | {cells / cpu:.0f} "
        )
        lines.append(f"{line}| {copied:.3f} | {copied_cpu:.3f} | {cpu / copied_cpu:.0f} |")
        print(lines[-1], flush=True)

    for threads in (1, 2):
        row("**all**", everything, threads)
    for name, group in GROUPS.items():
        row(name, group, 1)
    began = time.perf_counter()
    FeatureMatrix(panel, everything)
    ready = time.perf_counter() - began
    lines += updates(panel, rows, everything)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines += [
        "",
        f"Making ready (group means, codes): {ready:.2f} s. Peak memory of the whole benchmark: {peak:.1f} GiB.",
    ]
    return lines


def main() -> None:
    """Time, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--series", type=int, default=30_490)
    parser.add_argument("--time", type=int, default=447)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    panel = shop(asked.series, asked.time)
    lines = page(panel, weekly_rows(panel), asked.times)
    print("\n".join(lines))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "features.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
