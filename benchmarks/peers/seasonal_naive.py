"""Seasonal naive: the last season repeated, normal intervals that widen with every season ahead.

Source: Hyndman and Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd edition, sections 5.2 and 5.5.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from exchange import Answer, Task, answer, normal_quantiles


def forecast(task: Task) -> Answer:
    """Forecast every series; histories shorter than a season repeat their last value."""
    horizon, season = task.told["horizon"], task.told["season"]
    levels = normal_quantiles(task.told["levels"])
    mean = np.zeros((task.told["series"], horizon))
    quantiles = np.zeros((*mean.shape, len(levels)))
    step = np.arange(horizon)
    for (row,), part in task.history.group_by("id", maintain_order=True):
        sales = part["y"].to_numpy().astype(np.float64)
        lag = season if len(sales) >= season else 1
        at = int(row)  # type: ignore[call-overload]
        mean[at] = sales[len(sales) - lag + step % lag]
        miss = sales[lag:] - sales[:-lag]
        spread = np.sqrt(np.square(miss).mean() * (step // lag + 1)) if len(miss) else np.zeros(horizon)
        quantiles[at] = mean[at][:, None] + spread[:, None] * levels
    return mean, quantiles


if __name__ == "__main__":
    answer(Path(sys.argv[1]), forecast, {})
