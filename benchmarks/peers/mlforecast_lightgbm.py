"""mlforecast with LightGBM: what a good engineer sets up in a day.

    python mlforecast_lightgbm.py FOLDER [--means]

All rows, one recursive model: lags of the season and of a month, rolling means of them, exponentially weighted
means, date features, known covariates, static columns as categories; Tweedie loss. Intervals by conformal
prediction over up to eight windows of the past, unless means alone are asked for.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
from exchange import Answer, Task, answer
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean
from mlforecast.utils import PredictionIntervals

_FREQ = {"1h": "h", "1d": "D", "1mo": "MS"}
_LAGS = {"1h": (1, 24, 168), "1d": (1, 7, 14, 28), "1w": (1, 2, 4, 13, 52), "1mo": (1, 2, 3, 12)}
_DATES = {
    "1h": ["hour", "dayofweek"],
    "1d": ["dayofweek", "day", "month"],
    "1w": ["week", "month"],
    "1mo": ["month", "quarter"],
}
_WINDOWS = {"1h": (24, 168), "1d": (7, 28), "1w": (4, 13), "1mo": (3, 6)}


def forecast(task: Task) -> Answer:
    """Forecast every series with one model."""
    told, means_only = task.told, "--means" in sys.argv
    unit, horizon, levels = told["freq"], told["horizon"], told["levels"]
    rows = task.history
    windows = 0 if means_only else task.windows(rows["ds"].n_unique())
    long = pl.len().over("id") >= (windows + 1) * horizon + 2
    usual = _frame(rows.filter(long).to_pandas(), told).rename(columns={"id": "unique_id"})
    usual["y"] = usual["y"].astype("float32")
    future = _frame(task.future.to_pandas(), told).rename(columns={"id": "unique_id"})
    first = _LAGS[unit][0]
    model = lgb.LGBMRegressor(
        objective="tweedie", n_estimators=400, learning_rate=0.05, num_leaves=127, min_child_samples=50,
        subsample=0.8, subsample_freq=1, colsample_bytree=0.8, verbosity=-1, random_state=1,
        n_jobs=int(os.environ.get("PEER_JOBS", -1)),
    )  # fmt: skip
    engine = MLForecast(
        models={"lgb": model},
        freq=_FREQ.get(unit) or f"W-{usual['ds'].iloc[0].day_name()[:3].upper()}",
        lags=list(_LAGS[unit]),
        lag_transforms={
            first: [RollingMean(w, min_samples=1) for w in _WINDOWS[unit]] + [ExponentiallyWeightedMean(0.1)],
            _LAGS[unit][1]: [RollingMean(_WINDOWS[unit][-1], min_samples=1)],
        },
        date_features=_DATES[unit],
        num_threads=max(1, int(os.environ.get("PEER_JOBS", os.cpu_count() or 1))),
    )
    intervals = None if means_only else PredictionIntervals(n_windows=windows, h=horizon)
    engine.fit(usual, static_features=told["static"], dropna=False, prediction_intervals=intervals)
    ahead = future[future["unique_id"].isin(usual["unique_id"].unique())] if told["known"] else None
    wanted = sorted({round(abs(2 * q - 1) * 100, 6) for q in levels if q != 0.5})
    found = engine.predict(horizon, X_df=ahead, level=None if means_only else wanted)
    found = found.sort_values(["unique_id", "ds"])
    ids = found["unique_id"].to_numpy()
    mean = task.grid(ids, found["lgb"].to_numpy())
    if means_only:
        task.fill(mean, None, rows.filter(~long))
        return mean, None
    columns = ["lgb" if q == 0.5 else _column(list(found.columns), q) for q in levels]
    quantiles = task.grid(ids, found[columns].to_numpy())
    task.fill(mean, quantiles, rows.filter(~long))
    return mean, np.sort(quantiles, axis=2)


def _frame(frame: pd.DataFrame, told: dict[str, list[str]]) -> pd.DataFrame:
    frame["ds"] = frame["ds"].astype("datetime64[ns]")
    for name in told["texts"]:
        frame[name] = frame[name].astype("int32")
    return frame


def _column(columns: list[str], q: float) -> str:
    """Name of an interval's column, whichever way the library writes its width."""
    head = f"lgb-{'lo' if q < 0.5 else 'hi'}-"
    width = round(abs(2 * q - 1) * 100, 6)
    return next(c for c in columns if c.startswith(head) and float(c[len(head) :]) == width)


if __name__ == "__main__":
    names = ("mlforecast", "lightgbm", "pandas")
    answer(Path(sys.argv[1]), forecast, {name: version(name) for name in names})
