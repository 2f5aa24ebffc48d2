"""Accuracy of the forecasts on public data sets, beside other libraries in the same run.

    python benchmarks/accuracy.py --data m5 --cutoff 2016-05-22 --preset balanced --out forecasts.parquet
    python benchmarks/accuracy.py --data m5 --cutoffs all --peers --results benchmarks/results

``--preset`` takes a preset of ``windvane.forecast`` or the name of one model, such as ``seasonal_es``; several are
compared. ``--out`` writes the first one's forecast: for ``m5`` mean and the nine quantiles of the competition for all
twelve levels of aggregation (columns level, node, date, mean, q0.005 ... q0.995, in the order of ``nodes.parquet``);
for the others one row per series and period. Where what came is at hand, it is scored; elsewhere the forecast is
written and nothing scored. ``--cutoffs all`` (``six`` on m5) runs every origin of the data set: the earlier half serves
for tuning, the later half is reported apart. Quantiles of sums come from the sample paths.

``--peers`` runs other forecasters too, each in a process of its own under the first Python of ``--peer-python`` (or of
WINDVANE_PEER_PYTHON, several joined by ``:``) that has its library; those without are named and left out. ``--keep``
keeps their answers and what these cost, for the next run on the same machine, data and peers.

The data sets are read from the folder named by WINDVANE_DATA and are for research and evaluation only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import peers
import sets
from pages import page
from scoring import Score, score_series, score_sums
from sets.contract import DataSet
from windvane import WindvaneError, __version__
from windvane.panel import Panel

WORKER = Path(__file__).parent / "worker.py"


@dataclass(frozen=True, eq=False)
class Outcome:
    """One forecaster on one origin of one data set.

    Attributes:
        data: name of the data set.
        cutoff: last period of history.
        name: the forecaster.
        cost: seconds, cpu_seconds, peak_mb, and versions where it is a peer.
        score: what it scored; None where nothing is known of what came.
        levels: errors by level of aggregation, by measure.
    """

    data: str
    cutoff: date
    name: str
    cost: Mapping[str, Any]
    score: Score | None = None
    levels: Mapping[str, list[float]] = field(default_factory=dict)


def judge(data: DataSet, panel: Panel, cutoff: date, name: str, folder: Path) -> Outcome:
    """Score what a forecaster wrote into a folder."""
    cost = json.loads((folder / "cost.json").read_text(encoding="utf-8"))
    actual = data.actuals(cutoff)
    if actual is None:
        return Outcome(data.name, cutoff, name, cost)
    with np.load(folder / "forecast.npz") as archive:
        found = dict(archive)
    score = score_series(panel, actual, found)
    values, pits = dict(score.values), dict(score.pits)
    if "group_quantiles" in found:
        sums = score_sums(panel, actual, found, data.groupings(panel), data.windows)
        values |= sums.values
        pits |= sums.pits
        values["paths_over_mean"] = float(found["path_mean"].sum() / found["mean"].sum(dtype=np.float64)) - 1
    levels: dict[str, list[float]] = {}
    if data.name == "m5":
        from sets import m5

        scored = m5.score_means(found["mean"], cutoff)
        values["wrmsse"], levels["wrmsse"] = scored["wrmsse"], scored["levels"]
        if "quantiles" in found and "group_quantiles" in found:
            scored = m5.score_quantiles(m5.node_quantiles(found), cutoff)
            values["wspl"], levels["wspl"] = scored["wspl"], scored["wspl_levels"]
    return Outcome(data.name, cutoff, name, cost, Score(values, score.loss, pits), levels)


def written(data: DataSet, panel: Panel, folder: Path) -> pl.DataFrame:
    """The forecast in a folder as the table that ``--out`` writes."""
    with np.load(folder / "forecast.npz") as archive:
        found = dict(archive)
    dates = panel.future_dates(data.horizon)
    if data.name == "m5":
        from sets import m5

        keys, mean, quantiles, names = m5.table(found)
    else:
        keys, mean, quantiles = panel.keys, found["mean"], found["quantiles"]
        names = tuple(found["levels"].tolist())
    rows = np.repeat(np.arange(len(mean)), data.horizon)
    columns = {f"q{q:g}": quantiles[:, :, i].ravel() for i, q in enumerate(names)}
    return keys[rows].with_columns(
        pl.concat([dates] * len(mean), rechunk=True).alias("date"),
        pl.Series("mean", mean.ravel()),
        *(pl.Series(name, values) for name, values in columns.items()),
    )


def ours(options: argparse.Namespace, data: DataSet, cutoff: date, model: str, folder: Path) -> None:
    """Forecast by Windvane in a process of its own.

    Raises:
        SystemExit: it failed; it has said why.
    """
    command = [sys.executable, str(WORKER), data.name, cutoff.isoformat(), model, str(folder)]
    done = subprocess.run([*command, "--seed", str(options.seed), "--paths", str(options.paths)], check=False)
    if done.returncode:
        sys.exit(f"{model} failed on {data.name} as of {cutoff}; see above.")


def measure(options: argparse.Namespace, data: DataSet, cutoff: date, scratch: Path) -> list[Outcome]:
    """All forecasters on one origin."""
    outcomes: list[Outcome] = []
    try:
        panel = data.load(cutoff)
    except WindvaneError as error:
        sys.exit(str(error))

    def add(name: str, folder: Path) -> None:
        outcomes.append(judge(data, panel, cutoff, name, folder))
        print(line(outcomes[-1]), flush=True)

    for i, model in enumerate(options.preset):
        folder = scratch / f"{data.name}_{cutoff}_{i}"
        folder.mkdir()
        ours(options, data, cutoff, model, folder)
        if options.out is not None and i == 0:
            target = options.out if len(options.origins) == 1 else options.out.with_stem(f"{options.out.stem}_{cutoff}")
            written(data, panel, folder).write_parquet(target)
        add(model, folder)
    chosen = options.peers if options.peers else peers.OF_SET.get(data.name, peers.USUAL)
    for name in chosen if options.peers is not None else ():
        python = peers.interpreter(peers.PEERS[name], options.peer_python)
        if python is None:
            print(f"{name}: left out, no Python of --peer-python has {peers.PEERS[name].needs}.", file=sys.stderr)
            continue
        folder = kept(options, data, cutoff, name)
        if folder is None or not (folder / "cost.json").exists():
            folder = asked(options, data, panel, cutoff, name, python, scratch)
        if folder is None:
            print(f"{name}: failed on {data.name} as of {cutoff}.", file=sys.stderr)
        else:
            add(name, folder)
    return outcomes


def kept(options: argparse.Namespace, data: DataSet, cutoff: date, name: str) -> Path | None:
    """Folder in which a peer's answer is kept between runs; None where none is."""
    if options.keep is None:
        return None
    folder: Path = options.keep / f"{data.name}_{cutoff}_{re.sub('[^a-z0-9]+', '_', name.lower())}"
    return folder


def asked(
    options: argparse.Namespace, data: DataSet, panel: Panel, cutoff: date, name: str, python: str, scratch: Path
) -> Path | None:
    """Run a peer; the folder of its answer, or None where it failed."""
    with tempfile.TemporaryDirectory(dir=scratch) as task:
        peers.write_task(panel, data.horizon, Path(task))
        if not peers.run(peers.PEERS[name], python, Path(task), options.limit):
            return None
        folder = kept(options, data, cutoff, name) or Path(tempfile.mkdtemp(dir=scratch))
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("forecast.npz", "cost.json"):
            shutil.copy(Path(task) / file, folder / file)
    return folder


def line(outcome: Outcome) -> str:
    """One outcome in one line."""
    cost = (
        f"{outcome.cost['seconds']:.1f} s, {outcome.cost['cpu_seconds']:.1f} CPU-s, {outcome.cost['peak_mb']:,.0f} MB"
    )
    head = f"{outcome.data} {outcome.cutoff} {outcome.name}: "
    if outcome.score is None:
        return f"{head}not scored, as what came is not at hand; {cost}"
    names = ("wrmsse", "wspl", "wql", "wape", "rmsse", "bias", "coverage80", "coverage95")
    values = outcome.score.values
    return head + ", ".join(f"{n} {values[n]:.4f}" for n in names if n in values) + f"; {cost}"


def head() -> str:
    """Machine and versions."""
    import lightgbm
    import numba

    libraries = f"numpy {np.__version__}, polars {pl.__version__}, numba {numba.__version__}"
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"windvane {__version__}, {libraries}, lightgbm {lightgbm.__version__}"
    )


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=sets.NAMES, default=["m5"])
    parser.add_argument("--cutoff", type=date.fromisoformat, help="last day of history (default: the newest origin)")
    parser.add_argument("--cutoffs", choices=("all", "six", "early"), help="every origin, or the earlier half")
    parser.add_argument("--preset", nargs="+", default=["balanced"], help="presets or names of models")
    parser.add_argument("--out", type=Path, help="Parquet file of the first preset's forecast")
    parser.add_argument("--peers", nargs="*", choices=list(peers.PEERS), help="other forecasters (default: the set's)")
    parser.add_argument("--peer-python", nargs="+", help="Pythons to look for the peers' libraries in")
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds after which a peer is stopped")
    parser.add_argument("--keep", type=Path, help="folder of peers' answers: those in it are not asked again")
    parser.add_argument("--results", type=Path, help="folder for one Markdown file per data set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paths", type=int, default=200, help="sample paths for the quantiles of sums; 0 = no sums")
    options = parser.parse_args()
    if options.cutoff and options.cutoffs:
        parser.error("give --cutoff or --cutoffs, not both")
    if options.out and len(options.data) > 1:
        parser.error("--out takes one data set")
    if options.out and "m5" in options.data and not options.paths:
        parser.error("--out writes quantiles of sums, which --paths 0 leaves out")
    named = os.environ.get("WINDVANE_PEER_PYTHON", "").split(os.pathsep)
    options.peer_python = options.peer_python or [*(n for n in named if n), sys.executable]
    return options


def main() -> None:
    options = parsed()
    everything: list[Outcome] = []
    for name in options.data:
        data = sets.find(name)
        count = len(data.origins)
        many = {"all": data.origins, "six": data.origins[-6:], "early": data.origins[: count // 2]}
        options.origins = many[options.cutoffs] if options.cutoffs else (options.cutoff or data.origins[-1],)
        outcomes = []
        with tempfile.TemporaryDirectory() as scratch:
            for cutoff in options.origins:
                outcomes += measure(options, data, cutoff, Path(scratch))
        everything += outcomes
        command = shlex.join(["python", "benchmarks/accuracy.py", *sys.argv[1:]])
        text = page(data, outcomes, everything, head(), command)
        if text:
            print(text, flush=True)
        if text and options.results:
            options.results.mkdir(parents=True, exist_ok=True)
            (options.results / f"accuracy_{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
