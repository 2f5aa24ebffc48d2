"""Other forecasters, each a program that runs in a process and, where it needs one, an environment of its own.

A program reads ``history.parquet``, ``future.parquet`` and ``task.json`` from a folder (see :func:`write_task`) and
writes ``forecast.npz`` (``mean`` [series, horizon], and ``quantiles`` [series, horizon, levels] with ``levels`` where
it has any) and ``cost.json`` there. None of them imports Windvane, so that each runs under any Python that has its
library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windvane.panel import Panel
from windvane.schema import QUANTILE_LEVELS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        program: file in this folder.
        needs: module that it imports.
        arguments: its arguments after the folder.
    """

    program: str
    needs: str
    arguments: tuple[str, ...] = ()


PEERS = {
    "seasonal naive": Peer("seasonal_naive.py", "polars"),
    "statsforecast seasonal ES": Peer("statsforecast_models.py", "statsforecast", ("seasonal_es",)),
    "statsforecast AutoETS": Peer("statsforecast_models.py", "statsforecast", ("auto_ets",)),
    "statsforecast AutoTheta": Peer("statsforecast_models.py", "statsforecast", ("auto_theta",)),
    "statsforecast intermittent": Peer("statsforecast_models.py", "statsforecast", ("intermittent",)),
    "mlforecast + LightGBM": Peer("mlforecast_lightgbm.py", "mlforecast"),
    "mlforecast + LightGBM, means only": Peer("mlforecast_lightgbm.py", "mlforecast", ("--means",)),
    "AutoGluon": Peer("autogluon_series.py", "autogluon.timeseries"),
}
OF_SET = {
    "m5": (
        "seasonal naive", "statsforecast seasonal ES", "mlforecast + LightGBM, means only", "AutoGluon",
    ),
    "carparts": (
        "seasonal naive", "statsforecast AutoETS", "statsforecast intermittent", "mlforecast + LightGBM", "AutoGluon",
    ),
}  # fmt: skip
"""Peers of a data set; on 30,490 daily series AutoETS and refits for intervals would take hours."""
USUAL = ("seasonal naive", "statsforecast AutoETS", "statsforecast AutoTheta", "mlforecast + LightGBM", "AutoGluon")
"""Peers of every other data set."""


def interpreter(peer: Peer, pythons: Sequence[str]) -> str | None:
    """The first Python that has what a peer needs."""
    for python in pythons:
        probe = f"import importlib.util as u, sys; sys.exit(u.find_spec({peer.needs.split('.')[0]!r}) is None)"
        try:
            if subprocess.run([python, "-c", probe], check=False, capture_output=True).returncode == 0:
                return python
        except OSError:
            print(f"{python} is no Python that runs.", file=sys.stderr)
    return None


def run(peer: Peer, python: str, task: Path, limit: float) -> bool:
    """Run a peer on a task; whether it wrote a forecast in time."""
    command = [python, str(HERE / peer.program), str(task), *peer.arguments]
    try:
        done = subprocess.run(command, check=False, timeout=limit, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    except subprocess.TimeoutExpired:
        print(f"{peer.program}: stopped after {limit:.0f} seconds.", file=sys.stderr)
        return False
    return done.returncode == 0 and (task / "forecast.npz").exists()


def write_task(panel: Panel, horizon: int, folder: Path) -> None:
    """Write a panel for peers: one row per series and period from its launch on, and the known future.

    ``history.parquet``: ``id`` (row of the panel), ``ds``, ``y``, covariates known in advance and static columns.
    Unknown sales are left out. ``future.parquet``: ``id``, ``ds`` and covariates of the horizon. ``task.json``:
    horizon, frequency, season, probabilities, names of the known and static columns, number of series.
    """
    series, time = panel.shape
    row = np.repeat(np.arange(series, dtype=np.int32), time)
    column = np.tile(np.arange(time, dtype=np.int32), series)
    keep = (column >= panel.launch[row]) & ~np.isnan(panel.sales.ravel())
    row, column = row[keep], column[keep]
    static = {
        name: panel.static[name].cast(pl.String).fill_null("").cast(pl.Categorical).gather(row)
        for name in panel.static.columns
    }
    history = {
        "id": row,
        "ds": panel.dates.gather(column),
        "y": panel.sales[row, column],
        **{n: k.values[row, column] for n, k in panel.known.items()},
        **static,
    }
    pl.DataFrame(history).write_parquet(folder / "history.parquet")
    dates = panel.future_dates(horizon)
    ahead = {n: k.at(time - 1, np.arange(1, horizon + 1)).ravel() for n, k in panel.known.items()}
    future = {
        "id": np.repeat(np.arange(series, dtype=np.int32), horizon),
        "ds": pl.concat([dates] * series, rechunk=True),
        **ahead,
    }
    pl.DataFrame(future).write_parquet(folder / "future.parquet")
    task = {
        "horizon": horizon,
        "freq": panel.freq.unit,
        "season": panel.freq.season,
        "levels": QUANTILE_LEVELS,
        "known": list(panel.known),
        "texts": list(panel.levels),
        "static": panel.static.columns,
        "series": series,
        "counts": panel.counts,
    }
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
