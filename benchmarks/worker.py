"""One forecast in a process of its own, so that its memory and processor time are its own.

    python benchmarks/worker.py SET CUTOFF MODEL FOLDER [--seed 1] [--paths 200]

Writes into the folder ``forecast.npz`` (mean and quantiles of series and of sums over series and steps) and
``cost.json``. ``accuracy.py`` starts it and scores what it wrote.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

import sets
from sets.contract import DataSet, Grouping
from windvane.errors import ConfigError, WindvaneError
from windvane.forecasts import Forecast
from windvane.grouping import sum_by
from windvane.models import registry
from windvane.outlook.produce import PRESETS, forecast
from windvane.panel import Panel


def predict(panel: Panel, horizon: int, model: str, seed: int) -> Forecast:
    """Forecast by a preset of :func:`windvane.forecast`, or by one model of the registry."""
    if model in PRESETS:
        return forecast(panel, horizon, model, seed)
    return registry.model(model).fit(panel, horizon, np.random.default_rng(seed)).predict(panel)


def sums(found: Forecast, groupings: list[Grouping], data: DataSet, paths: int) -> dict[str, np.ndarray]:
    """Quantiles of sums, taken path by path and part by part.

    Returns:
        ``group_quantiles`` [groups, horizon, levels] and ``group_totals`` [groups, windows, levels], groups of all
        groupings one after the other; ``series_totals`` [series, windows, levels]; ``path_mean`` [horizon], mean of
        the paths of all series together.
    """
    levels, windows, horizon = np.asarray(found.levels), data.windows, found.horizon
    start = np.cumsum([0, *(len(g.names) for g in groupings)])
    steps = np.empty((start[-1], horizon, len(levels)), np.float32)
    totals = np.empty((start[-1], len(windows), len(levels)), np.float32)
    series = np.empty((len(found.mean), len(windows), len(levels)), np.float32)
    wide = {i: np.zeros((len(g.names), paths, horizon)) for i, g in enumerate(groupings) if not g.local}
    path_mean = np.zeros(horizon)

    def keep(groups: np.ndarray, values: np.ndarray) -> None:
        steps[groups] = quantiles(values.transpose(0, 2, 1), levels)
        totals[groups] = _totals(values, windows, levels)

    for rows, part in found.paths(paths, data.part):
        series[rows] = _totals(part, windows, levels)
        path_mean += part.sum(axis=0, dtype=np.float64).mean(axis=0)
        for i, grouping in enumerate(groupings):
            if grouping.local:
                groups, code = np.unique(grouping.code[rows], return_inverse=True)
                keep(start[i] + groups, sum_by(code, part))
            else:
                wide[i] += sum_by(grouping.code[rows], part, len(grouping.names))
    for i, values in wide.items():
        keep(np.arange(start[i], start[i + 1]), values)
    return {"group_quantiles": steps, "group_totals": totals, "series_totals": series, "path_mean": path_mean}


def _totals(paths: np.ndarray, windows: tuple[int, ...], levels: np.ndarray) -> np.ndarray:
    """Quantiles of the sums over the first steps, [rows, windows, levels], of paths [rows, paths, horizon]."""
    first = np.stack([paths[:, :, :w].sum(axis=2, dtype=np.float64) for w in windows], axis=1)
    return quantiles(first, levels)


def quantiles(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles along the last axis, linear between the values as ``numpy.quantile`` has them, [..., levels]."""
    ordered = np.sort(values, axis=-1)
    place = levels * (values.shape[-1] - 1)
    low = (
        np.minimum(place.astype(np.int64), values.shape[-1] - 2) if values.shape[-1] > 1 else np.zeros(len(levels), int)
    )
    below, above = ordered[..., low], ordered[..., np.minimum(low + 1, values.shape[-1] - 1)]
    found: np.ndarray = below + (place - low) * (above - below)
    return found


def peak_mb() -> float:
    """Largest memory of this program so far, in MB; ``getrusage`` would count that of the process it came from too."""
    told = Path("/proc/self/status")
    for line in told.read_text(encoding="ascii").splitlines() if told.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=sets.NAMES)
    parser.add_argument("cutoff", type=date.fromisoformat)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paths", type=int, default=200, help="sample paths for sums; 0 = no sums")
    options = parser.parse_args()
    data = sets.find(options.data)
    panel = data.load(options.cutoff)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        found = predict(panel, data.horizon, options.model, options.seed)
    except WindvaneError as error:
        sys.exit(f"{error} Presets: {', '.join(PRESETS)}." if isinstance(error, ConfigError) else str(error))
    cost = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_mb(),
    }
    wall = time.perf_counter()
    arrays = {}
    if options.paths:
        arrays = sums(found, list(data.groupings(panel)), data, options.paths)
        cost |= {"sums_seconds": time.perf_counter() - wall, "sums_peak_mb": peak_mb()}
    np.savez(
        options.folder / "forecast.npz",
        mean=found.mean,
        quantiles=found.quantiles,
        levels=np.asarray(found.levels),
        **arrays,
    )
    (options.folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


if __name__ == "__main__":
    main()
