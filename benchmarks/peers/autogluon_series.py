"""AutoGluon for time series: its quick models, chosen and combined on the last horizon of the past.

The models are those of the preset ``light`` but for pretrained networks, which would have to be downloaded, with
naive added and at most 100,000 rows for the tree models; the former preset ``fast_training`` was much the same.
``PEER_METRIC`` names what it combines them by: WQL, or RMSE for means (those of WQL are near the median).
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from autogluon.timeseries import TimeSeriesDataFrame, TimeSeriesPredictor
from exchange import Answer, Task, answer

_FREQ = {"1h": "h", "1d": "D", "1mo": "MS"}
_MODELS = {
    "Naive": {},
    "SeasonalNaive": {},
    "ETS": {},
    "Theta": {},
    "RecursiveTabular": {"max_num_samples": 100_000},
    "DirectTabular": {"max_num_samples": 100_000},
}
_METRIC = os.environ.get("PEER_METRIC", "WQL")
_LIMIT = float(os.environ.get("PEER_SECONDS", "3600"))


def forecast(task: Task) -> Answer:
    """Fit the preset's models on all series and forecast with the best or their ensemble."""
    told = task.told
    history = task.history.rename({"id": "item_id", "ds": "timestamp"}).to_pandas()
    history["timestamp"] = history["timestamp"].astype("datetime64[ns]")
    freq = _FREQ.get(told["freq"]) or f"W-{history['timestamp'].iloc[0].day_name()[:3].upper()}"
    static = None
    if told["static"]:
        static = history[["item_id", *told["static"]]].drop_duplicates("item_id")
        history = history.drop(columns=told["static"])
    data = TimeSeriesDataFrame.from_data_frame(history, static_features_df=static)
    levels = list(told["levels"])
    with tempfile.TemporaryDirectory() as scratch:
        predictor = TimeSeriesPredictor(
            prediction_length=told["horizon"], target="y", eval_metric=_METRIC, freq=freq, verbosity=1,
            known_covariates_names=told["known"] or None, quantile_levels=levels, path=scratch,
        )  # fmt: skip
        predictor.fit(data, hyperparameters=_MODELS, time_limit=_LIMIT, random_seed=1)
        ahead = None
        if told["known"]:
            frame = task.future.rename({"id": "item_id", "ds": "timestamp"}).to_pandas()
            frame["timestamp"] = frame["timestamp"].astype("datetime64[ns]")
            frame = frame[frame["item_id"].isin(data.item_ids)]
            ahead = TimeSeriesDataFrame.from_data_frame(frame)
        found = predictor.predict(data, known_covariates=ahead).sort_index()
    ids = found.index.get_level_values("item_id").to_numpy().astype(np.int64)
    mean = task.grid(ids, found["mean"].to_numpy())
    return mean, task.grid(ids, found[[str(q) for q in levels]].to_numpy())


if __name__ == "__main__":
    names = ("autogluon.timeseries", "torch", "pandas")
    answer(Path(sys.argv[1]), forecast, {name: version(name) for name in names})
