"""What every peer's program does around its forecast: read the task, measure, write the answer."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be forecast; see ``write_task``.

    Attributes:
        folder: where it lies.
        told: the contents of ``task.json``.
    """

    folder: Path
    told: Mapping[str, Any]

    @property
    def history(self) -> pl.DataFrame:
        """Rows of the past, sorted by series and date."""
        return pl.read_parquet(self.folder / "history.parquet")

    @property
    def future(self) -> pl.DataFrame:
        """Known covariates of the horizon."""
        return pl.read_parquet(self.folder / "future.parquet")

    def grid(self, ids: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Forecasts of some series, sorted by series and step, as [series, horizon]; 0 for series left out."""
        out = np.zeros((self.told["series"], self.told["horizon"], *values.shape[1:]), np.float32)
        out[np.asarray(ids).reshape(-1, self.told["horizon"])[:, 0]] = values.reshape(
            -1, self.told["horizon"], *values.shape[1:]
        )
        return out

    def windows(self, periods: int) -> int:
        """How many horizons of the past intervals are learned from: half of a history, at most 8, at least 2."""
        return int(min(8, max(2, periods // self.told["horizon"] // 2)))

    def fill(self, mean: np.ndarray, quantiles: np.ndarray | None, short: pl.DataFrame) -> None:
        """Forecast series too short for a model by the mean and the quantiles of their own past, in place."""
        for (row,), part in short.group_by("id"):
            sales = part["y"].to_numpy().astype(np.float64)
            at = int(row)  # type: ignore[call-overload]
            mean[at] = sales.mean()
            if quantiles is not None:
                quantiles[at] = np.quantile(sales, self.told["levels"])


Answer = tuple[np.ndarray, np.ndarray | None]
"""Mean [series, horizon], and quantiles [series, horizon, levels] or None."""


def answer(folder: Path, forecast: Callable[[Task], Answer], versions: Mapping[str, str]) -> None:
    """Read the task, forecast, write what came out and what it cost.

    Reading the history is not counted; fitting and forecasting are, in this process and those it started.
    """
    task = Task(folder, json.loads((folder / "task.json").read_text(encoding="utf-8")))
    wall, cpu = time.perf_counter(), _cpu()
    mean, quantiles = forecast(task)
    cost = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": _cpu() - cpu,
        "peak_mb": _peak_mb(),
        "versions": dict(versions),
    }
    arrays = {"mean": np.maximum(np.nan_to_num(mean), 0).astype(np.float32)}
    if quantiles is not None:
        arrays["quantiles"] = np.maximum.accumulate(np.maximum(np.nan_to_num(quantiles), 0), axis=2).astype(np.float32)
        arrays["levels"] = np.asarray(task.told["levels"], np.float64)
    np.savez(folder / "forecast.npz", **arrays)
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


def _cpu() -> float:
    return sum(
        use.ru_utime + use.ru_stime
        for use in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _peak_mb() -> float:
    """Largest memory of this program, in MB; ``getrusage`` would count that of the process it came from too."""
    told = Path("/proc/self/status")
    for line in told.read_text(encoding="ascii").splitlines() if told.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def normal_quantiles(levels: list[float]) -> np.ndarray:
    """Quantiles of the standard normal distribution."""
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf(level) for level in levels])
