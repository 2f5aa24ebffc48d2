"""Ingest of a large orders file beside bare polars on the same file, in one run; and memory as the file grows.

    python benchmarks/ingest.py [--rows 3] [--large] [--repeat 5] [--out benchmarks/results]

A seeded orders file is made in a temporary folder: order, line, moment, sku, units, unit price, discount, customer,
channel; about 2.2 lines an order, 400,000 customers, 20,000 products. Then, alternately and each in a process of its
own:

* ``polars``: scan_csv, cast to the same types, unique on (order_id, line), sink_parquet;
* ``ingest``: ``windvane ingest`` into a new workspace: fingerprint, all checks, pseudonyms of customers, keys
  unique, history of the file, Delta commit, everything fsynced;
* ``ingest, plain``: the same without pseudonyms.

``--large`` does the same with ten times the rows, once, for memory.

    python benchmarks/ingest.py --daily [--files 2000] [--lines 50] [--repeat 5] [--out benchmarks/results]

The same rows as a folder of small files, one a day: all of them in one ``windvane ingest``, beside polars that reads
them all and writes one Parquet file. Every file is a batch of its own: judged against the files before it, committed,
fsynced, known when it comes again (which is measured, too: ``ingest, again``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

PART = 500_000
COLUMNS = ("order_id", "line", "ordered_at", "sku", "units", "unit_price", "discount", "customer", "channel")
WAYS = ("polars", "ingest", "ingest, plain")
AGAIN = "ingest, again"


def parts(rows: int, seed: int = 1):
    """The file's rows, part by part."""
    rng = np.random.default_rng(seed)
    order, second = 10_000_000, 1_546_300_800
    for start in range(0, rows, PART):
        count = min(PART, rows - start)
        new = rng.random(count) < 0.45
        new[0] = True
        orders = order + np.cumsum(new)
        seconds = second + np.cumsum(new * rng.exponential(12, count)).astype(np.int64)
        order, second = int(orders[-1]), int(seconds[-1])
        frame = pl.DataFrame(
            {
                "order": orders,
                "at": seconds * 1_000_000,
                "sku": rng.zipf(1.3, count) % 20_000,
                "units": 1 + rng.poisson(0.4, count),
                "unit_price": np.round(rng.lognormal(2.5, 0.8, count), 2),
                "discount": np.where(rng.random(count) < 0.2, np.round(rng.random(count) * 3, 2), 0.0),
                "customer": rng.integers(0, 400_000, count)[np.cumsum(new) - 1],
                "channel": rng.integers(0, 4, count),
            }
        )
        yield frame.select(
            order_id=pl.format("SO-{}", "order"),
            line=pl.int_range(1, pl.len() + 1).over("order"),
            ordered_at=pl.col("at").cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S"),
            sku=pl.format("SKU-{}", pl.col("sku").cast(pl.String).str.zfill(6)),
            units="units",
            unit_price="unit_price",
            discount="discount",
            customer=pl.format("C{}", "customer"),
            channel=pl.col("channel").replace_strict([0, 1, 2, 3], ["search", "livestream", "web", "app"]),
        )


def make(path: Path, rows: int) -> None:
    """Write the orders file."""
    with path.open("wb") as stream:
        for index, part in enumerate(parts(rows)):
            part.write_csv(stream, include_header=index == 0)


def bare(source: Path, folder: Path) -> int:
    """What polars alone needs."""
    frame = pl.scan_csv(source / "*.csv" if source.is_dir() else source, infer_schema=False).select(
        "order_id",
        pl.col("line").cast(pl.Int64),
        pl.col("ordered_at").str.to_datetime("%Y-%m-%d %H:%M:%S"),
        "sku",
        pl.col("units", "unit_price", "discount").cast(pl.Float64),
        "customer",
        "channel",
    )
    frame.unique(subset=["order_id", "line"]).sink_parquet(folder / "orders.parquet")
    return pl.scan_parquet(folder / "orders.parquet").select(pl.len()).collect().item()


def whole(source: Path, folder: Path, plain: bool) -> int:
    """What ingest needs."""
    from windvane.config import CONFIG_NAME
    from windvane.ingest import ingest
    from windvane.ingest.mapping import parse
    from windvane.store import Workspace

    if not (folder / "shop").exists():
        Workspace.create(folder / "shop")
    if plain:
        (folder / "shop" / CONFIG_NAME).write_text("[ingest]\npseudonymise = false\n", encoding="utf-8")
    workspace = Workspace.open(folder / "shop")
    mapping = parse({"orders": {"file": "*.csv", "columns": {name: name for name in COLUMNS}}}, "benchmark")
    report = ingest(workspace, mapping, source if source.is_dir() else [source])
    return sum(file.accepted for file in report.files)


def processor() -> float:
    """Processor seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def one(way: str, source: Path) -> None:
    """One way, in this process; prints its figures."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        rows = whole(source, Path(folder), False) if way == AGAIN else 0
        start, before = time.perf_counter(), processor()
        if way == "polars":
            rows = bare(source, Path(folder))
        else:
            rows += whole(source, Path(folder), way == "ingest, plain")
        seconds = time.perf_counter() - start
    figures = {
        "rows": rows,
        "seconds": seconds,
        # Imports count, the preparation of a second ingest does not.
        "cpu": processor() - (before if way == AGAIN else 0.0),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def measured(way: str, source: Path) -> dict[str, float]:
    """One way, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", way, "--source", str(source)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def compared(source: Path, rows: int, repeat: int, ways: tuple[str, ...] = WAYS) -> dict[str, list[dict[str, float]]]:
    """All ways, alternately."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(repeat):
        for way in ways:
            figures = measured(way, source)
            assert figures["rows"] == rows, (way, figures)
            found[way].append(figures)
            print(f"{turn + 1}. {way}: {figures['seconds']:.2f} s, {figures['peak_mb']:,.0f} MiB", flush=True)
    return found


def table(found: dict[str, list[dict[str, float]]]) -> list[str]:
    """The figures as Markdown."""
    lines = [
        "| way | seconds (median) | processor seconds | peak MiB | ratio to polars: min / median / max |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, each in found.items():
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(each, found["polars"], strict=True)]
        middle = {name: statistics.median(run[name] for run in each) for name in ("seconds", "cpu")}
        peak = max(run["peak_mb"] for run in each)
        lines.append(
            f"| {way} | {middle['seconds']:.2f} | {middle['cpu']:.2f} | {peak:,.0f} | "
            f"{min(ratios):.2f} / {statistics.median(ratios):.2f} / {max(ratios):.2f} |"
        )
    return lines


def make_daily(folder: Path, files: int, lines: int) -> None:
    """Write the orders as small files."""
    folder.mkdir()
    whole = pl.concat(parts(files * lines))
    for index in range(files):
        whole.slice(index * lines, lines).write_csv(folder / f"orders-{index:05d}.csv")


def daily(given: argparse.Namespace, machine: str) -> str:
    """Compare on a folder of small files; the result as Markdown."""
    command = f"python benchmarks/ingest.py --daily --files {given.files} --lines {given.lines}"
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        source = Path(folder) / "days"
        make_daily(source, given.files, given.lines)
        size = sum(path.stat().st_size for path in source.iterdir())
        found = compared(source, given.files * given.lines, given.repeat, (*WAYS, AGAIN))
    lines = ["# Ingest of many small files beside bare polars", "", f"{machine}; `{command}`, files of seed 1.", ""]
    lines += [f"## {given.files:,} files of {given.lines:,} lines, {size / 1e6:,.1f} MB", "", *table(found), ""]
    lines += ["| way | files a second (median) | milliseconds a file |", "| --- | ---: | ---: |"]
    for way, each in found.items():
        seconds = statistics.median(run["seconds"] for run in each)
        lines.append(f"| {way} | {given.files / seconds:,.0f} | {1000 * seconds / given.files:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the files, compare, print and write the result."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=float, default=3.0, help="millions of rows")
    options.add_argument("--large", action="store_true", help="also ten times the rows, once")
    options.add_argument("--daily", action="store_true", help="many small files instead of a large one")
    options.add_argument("--files", type=int, default=2000, help="how many (with --daily)")
    options.add_argument("--lines", type=int, default=50, help="rows of each (with --daily)")
    options.add_argument("--repeat", type=int, default=5)
    options.add_argument("--folder", type=Path, help="where to make the files (default: the system's)")
    options.add_argument("--out", type=Path)
    options.add_argument("--one", choices=(*WAYS, AGAIN), help=argparse.SUPPRESS)
    options.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        one(given.one, given.source)
        return
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, polars {pl.__version__}"
    if given.daily:
        written(given.out, "ingest_daily.md", daily(given, machine))
        return
    lines = ["# Ingest beside bare polars", "", f"{machine}; `python benchmarks/ingest.py`, files of seed 1."]
    sizes = [(int(given.rows * 1e6), given.repeat)] + ([(int(given.rows * 1e7), 1)] if given.large else [])
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for rows, repeat in sizes:
            source = Path(folder) / "orders.csv"
            make(source, rows)
            lines += ["", f"## {rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB", ""]
            lines += table(compared(source, rows, repeat))
    written(given.out, "ingest.md", "\n".join(lines) + "\n")


def written(folder: Path | None, name: str, text: str) -> None:
    """Print a result, and keep it where there is a folder for it."""
    print(text)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
