"""Speed at equal accuracy: ours and mlforecast + LightGBM on one origin of M5, in the same run; and cells per second.

    WINDVANE_PEER_PYTHON=/path/to/python python benchmarks/speed.py --preset balanced [--cutoff 2016-04-24]

Both forecast the means of 30,490 series for 28 days, each in a process of its own that starts with the data in memory
(ours with its quantiles too, the peer without): WRMSSE, seconds, CPU-seconds and peak memory of that process, and how
many times more the peer needs. Then features are written on a made-up panel of the same size, with how much a plain
copy of the finished matrix takes beside it (``features.py`` has them by kind). The page is ``results/speed.md``;
``--series`` tries the program on the first series alone, without WRMSSE.

The data set is read from the folder named by WINDVANE_DATA and is for research and evaluation only.
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
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import features as cells
import peers
from sets import m5
from windvane import __version__
from windvane.panel import Panel

PEER = "mlforecast + LightGBM, means only"
_SELF = Path(__file__)


@dataclass(frozen=True)
class Cost:
    """What a forecaster scored and needed.

    Attributes:
        name: the forecaster.
        wrmsse: its error; NaN where not all series were forecast.
        wape: sum of absolute errors over sum of sales.
        seconds: wall time.
        cpu_seconds: processor time of all its threads and processes.
        peak_mb: largest memory of its process.
        versions: of its libraries.
    """

    name: str
    wrmsse: float
    wape: float
    seconds: float
    cpu_seconds: float
    peak_mb: float
    versions: Mapping[str, str]


def panel_at(cutoff: date, series: int) -> Panel:
    """The panel as of a day, or its first series alone."""
    panel = m5.load(cutoff)
    return panel if series >= panel.shape[0] else panel.take(np.arange(series))


def judged(name: str, cutoff: date, mean: np.ndarray, cost: Mapping[str, Any]) -> Cost:
    """Score means, as far as what came is at hand."""
    actual = m5.actuals(cutoff)
    if actual is None:
        raise SystemExit(f"what came after {cutoff} is not at hand; choose an earlier cutoff, such as {m5.SIX[-1]}.")
    whole = len(mean) == len(actual)
    actual = actual[: len(mean)]
    return Cost(
        name=name,
        wrmsse=float(m5.score_means(mean, cutoff)["wrmsse"]) if whole else float("nan"),
        wape=float(np.abs(mean - actual).sum(dtype=np.float64) / actual.sum(dtype=np.float64)),
        seconds=float(cost["seconds"]),
        cpu_seconds=float(cost["cpu_seconds"]),
        peak_mb=float(cost["peak_mb"]),
        versions=dict(cost.get("versions", {})),
    )


def ours(preset: str, cutoff: date, series: int, folder: Path) -> Cost:
    """Forecast by a preset or a model of Windvane in a process of its own.

    Raises:
        SystemExit: it failed; it has said why.
    """
    command = [sys.executable, str(_SELF), "--only", preset, str(folder), "--cutoff", cutoff.isoformat()]
    done = subprocess.run([*command, "--series", str(series)], check=False)
    if done.returncode:
        sys.exit(f"{preset} failed; see above.")
    with np.load(folder / "forecast.npz") as archive:
        mean = archive["mean"]
    cost = json.loads((folder / "cost.json").read_text(encoding="utf-8"))
    return judged(f"windvane {preset}", cutoff, mean, cost)


def only(preset: str, cutoff: date, series: int, folder: Path) -> None:
    """What the process of ours does: read the panel, then forecast and measure."""
    import time

    from worker import peak_mb, predict

    panel = panel_at(cutoff, series)
    wall, cpu = time.perf_counter(), time.process_time()
    found = predict(panel, m5.HORIZON, preset, 1)
    cost = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "peak_mb": peak_mb()}
    np.savez(folder / "forecast.npz", mean=found.mean)
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


def theirs(pythons: list[str], cutoff: date, series: int, folder: Path, limit: float) -> Cost | None:
    """Forecast by the peer; None where its library is missing or it failed."""
    peer = peers.PEERS[PEER]
    python = peers.interpreter(peer, pythons)
    if python is None:
        print(f"{PEER}: left out, no Python of --peer-python has {peer.needs}.", file=sys.stderr)
        return None
    peers.write_task(panel_at(cutoff, series), m5.HORIZON, folder)
    if not peers.run(peer, python, folder, limit):
        print(f"{PEER}: failed.", file=sys.stderr)
        return None
    with np.load(folder / "forecast.npz") as archive:
        mean = archive["mean"]
    return judged(PEER, cutoff, mean, json.loads((folder / "cost.json").read_text(encoding="utf-8")))


def features_table(series: int, times: int) -> list[str]:
    """Cells per second of all features, with one thread and with all, beside a plain copy of what was written."""
    panel = cells.shop(series, 447)
    rows = cells.weekly_rows(panel)
    every = [f for group in cells.GROUPS.values() for f in group]
    lines = [
        f"Features of a made-up panel of {series:,} series x 447 days: {len(rows):,} rows, {len(every)} features, "
        f"best of {times}. The copy moves the finished matrix once, in the same parts and threads: what memory "
        "bandwidth allows.", "",
        "| threads | seconds | CPU-s | million cells/s | million cells per CPU-s | copy: seconds | copy: GB/s "
        "| times a copy (CPU-s) |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    before = os.environ.get("WINDVANE_THREADS")
    for threads in sorted({1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1}):
        os.environ["WINDVANE_THREADS"] = str(threads)
        wall, cpu, copied, copied_cpu = cells.measure(panel, rows, every, times)
        count = len(rows) * len(every)
        lines.append(
            f"| {threads} | {wall:.2f} | {cpu:.2f} | {count / wall / 1e6:.0f} | {count / cpu / 1e6:.0f} "
            f"| {copied:.3f} | {8 * count / copied / 1e9:.1f} | {cpu / copied_cpu:.0f} |"
        )
        print(lines[-1], flush=True)
    if before is None:
        del os.environ["WINDVANE_THREADS"]
    else:
        os.environ["WINDVANE_THREADS"] = before
    return lines


def page(costs: list[Cost], cutoff: date, series: int, command: str, table: list[str]) -> str:
    """The results as Markdown."""
    import lightgbm
    import numba

    libraries = f"numpy {np.__version__}, numba {numba.__version__}, lightgbm {lightgbm.__version__}"
    lines = [
        "# Speed", "",
        f"M5 as of {cutoff}, {series:,} series, {m5.HORIZON} days. {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; windvane {__version__}, {libraries}; load average "
        f"{os.getloadavg()[0]:.1f} at the end.", "",
        f"    {command}", "",
        "| forecaster | WRMSSE | WAPE | seconds | CPU-s | peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    lines += [
        f"| {c.name} | {c.wrmsse:.4f} | {c.wape:.4f} | {c.seconds:.1f} | {c.cpu_seconds:.1f} | {c.peak_mb:,.0f} |"
        for c in costs
    ]
    peer = next((c for c in costs if c.name == PEER), None)
    if peer is not None:
        lines += [
            "", f"How many times more {PEER} needs, and its error over ours:", "",
            "| beside | WRMSSE | WAPE | seconds | CPU-s | memory |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]  # fmt: skip
        lines += [
            f"| {c.name} | {peer.wrmsse / c.wrmsse:.2f} | {peer.wape / c.wape:.2f} | {peer.seconds / c.seconds:.1f} "
            f"| {peer.cpu_seconds / c.cpu_seconds:.1f} | {peer.peak_mb / c.peak_mb:.1f} |"
            for c in costs
            if c is not peer
        ]
        lines += ["", "Peer: " + ", ".join(f"{name} {version}" for name, version in peer.versions.items()) + "."]
    return "\n".join([*lines, *(["", "## Features", "", *table] if table else [])]) + "\n"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", default=["balanced"], help="presets or names of models")
    parser.add_argument("--cutoff", type=date.fromisoformat, default=m5.SIX[-1], help="last day of history")
    parser.add_argument("--series", type=int, default=30_490, help="the first so many series, to try the program")
    parser.add_argument("--peer-python", nargs="+", help="Pythons to look for the peer's library in")
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds after which the peer is stopped")
    parser.add_argument("--times", type=int, default=3, help="runs of the features, of which the best counts; 0 = none")
    parser.add_argument("--results", type=Path, help="folder for the page speed.md")
    parser.add_argument("--only", nargs=2, metavar=("MODEL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    named = os.environ.get("WINDVANE_PEER_PYTHON", "").split(os.pathsep)
    options.peer_python = options.peer_python or [*(n for n in named if n), sys.executable]
    return options


def main() -> None:
    options = parsed()
    if options.only is not None:
        only(options.only[0], options.cutoff, options.series, Path(options.only[1]))
        return
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory() as scratch:
        for i, preset in enumerate(options.preset):
            folder = Path(scratch) / str(i)
            folder.mkdir()
            costs.append(ours(preset, options.cutoff, options.series, folder))
            print(replace(costs[-1], versions={}), flush=True)
        folder = Path(scratch) / "peer"
        folder.mkdir()
        peer = theirs(options.peer_python, options.cutoff, options.series, folder, options.limit)
        if peer is not None:
            costs.append(peer)
            print(peer, flush=True)
    table = features_table(options.series, options.times) if options.times else []
    command = shlex.join(["python", "benchmarks/speed.py", *sys.argv[1:]])
    text = page(costs, options.cutoff, options.series, command, table)
    print(text, flush=True)
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / "speed.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
