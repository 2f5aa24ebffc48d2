"""Models of statsforecast, one fit per series, on all processors.

python statsforecast_models.py FOLDER seasonal_es|auto_ets|auto_theta|intermittent
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from exchange import Answer, Task, answer
from statsforecast import StatsForecast
from statsforecast.models import (
    AutoETS,
    AutoTheta,
    CrostonSBA,
    SeasonalExponentialSmoothingOptimized,
    SeasonalNaive,
)
from statsforecast.utils import ConformalIntervals

_FREQ = {"1h": "h", "1d": "D", "1mo": "MS"}
_SHORTEST_SEASON = 26
"""Longest season that ETS and Theta are given: years of weeks are left out, as their fits would take hours."""


def forecast(task: Task) -> Answer:
    """Forecast every series by the model that the command names."""
    told, kind = task.told, sys.argv[2]
    horizon, levels = told["horizon"], told["levels"]
    season = told["season"] if told["season"] <= _SHORTEST_SEASON else 1
    means_only = kind == "seasonal_es"
    rows = task.history.select("id", "ds", "y")
    windows = task.windows(rows["ds"].n_unique())
    # Intervals learned from windows of the past need a history that leaves something to fit.
    least = (windows + 1) * horizon + 2 if kind == "intermittent" else 1
    long = pl.len().over("id") >= least
    history = rows.filter(long).rename({"id": "unique_id"}).to_pandas()
    history["ds"] = history["ds"].astype("datetime64[ns]")
    history["y"] = history["y"].astype("float64")
    intervals = ConformalIntervals(n_windows=windows, h=horizon)
    model = {
        "seasonal_es": lambda: SeasonalExponentialSmoothingOptimized(season),
        "auto_ets": lambda: AutoETS(season_length=season),
        "auto_theta": lambda: AutoTheta(season_length=season),
        "intermittent": lambda: CrostonSBA(prediction_intervals=intervals),
    }[kind]()
    freq = _FREQ.get(told["freq"]) or f"W-{history['ds'].iloc[0].day_name()[:3].upper()}"
    engine = StatsForecast(
        [model], freq=freq, n_jobs=int(os.environ.get("PEER_JOBS", -1)), fallback_model=SeasonalNaive(season)
    )
    wanted = sorted({round(abs(2 * q - 1) * 100, 6) for q in levels if q != 0.5})
    found = engine.forecast(df=history, h=horizon, level=None if means_only else wanted)
    found = found.sort_values(["unique_id", "ds"])
    name = str(model)
    ids = found["unique_id"].to_numpy()
    mean = task.grid(ids, found[name].to_numpy())
    if means_only:
        task.fill(mean, None, rows.filter(~long))
        return mean, None
    columns = []
    for q in levels:
        width = f"{round(abs(2 * q - 1) * 100, 6):g}"
        columns.append(name if q == 0.5 else _column(found.columns, f"{name}-{'lo' if q < 0.5 else 'hi'}-", width))
    quantiles = task.grid(ids, found[columns].to_numpy())
    task.fill(mean, quantiles, rows.filter(~long))
    return mean, np.sort(quantiles, axis=2)


def _column(columns: list[str], head: str, width: str) -> str:
    """Name of an interval's column, whichever way the library writes its width."""
    return next(c for c in columns if c.startswith(head) and float(c[len(head) :]) == float(width))


if __name__ == "__main__":
    names = ("statsforecast", "pandas")
    answer(Path(sys.argv[1]), forecast, {name: version(name) for name in names})
