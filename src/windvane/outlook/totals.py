"""Forecasts of sums, taken path by path: the quantile of a sum is not the sum of quantiles."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.forecasts import Forecast
from windvane.grouping import sum_by
from windvane.panel import Panel
from windvane.schema import DERIVED, quantile_name

_LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def totals(panel: Panel, forecast: Forecast, paths: int = 200) -> pl.DataFrame:
    """Sum joint paths over the whole shop and its first-level categories.

    Args:
        panel: the series, with their hierarchy.
        forecast: of the same series.
        paths: number of sample paths.

    Returns:
        The table totals; step 0 is the sum over the horizon.
    """
    names, code = _categories(panel)
    grouped = np.zeros((len(names), paths, forecast.horizon))
    for rows, part in forecast.paths(paths):
        grouped += sum_by(code[rows], part, len(names))
    mean = sum_by(code, forecast.mean, len(names))
    groups = [("total", "", grouped.sum(0), mean.sum(0))]
    if len(names) > 1:
        groups += [("category", name, grouped[i], mean[i]) for i, name in enumerate(names)]
    frames = [_frame(level, name, sums, expected, forecast) for level, name, sums, expected in groups]
    return pl.concat(frames).select(DERIVED["totals"].names)


def _frame(level: str, name: str, sums: np.ndarray, mean: np.ndarray, forecast: Forecast) -> pl.DataFrame:
    """Rows of one group; sums [paths, horizon], mean [horizon]."""
    every = np.concatenate([sums.sum(1, keepdims=True), sums], axis=1)
    expected = np.concatenate([[mean.sum()], mean])
    steps = np.arange(forecast.horizon + 1, dtype=np.int64)
    dates = pl.concat([pl.Series("date", [None], dtype=forecast.dates.dtype), forecast.dates.alias("date")])
    return pl.DataFrame(
        {
            "level": [level] * len(steps),
            "category": [name] * len(steps),
            "date": dates,
            "step": steps,
            "mean": expected,
            **{quantile_name(q): np.quantile(every, q, axis=0) for q in _LEVELS},
        }
    )


def _categories(panel: Panel) -> tuple[list[str], np.ndarray]:
    """Names of the first-level categories and the code of every series."""
    if "category_1" not in panel.static.columns:
        return [""], np.zeros(panel.shape[0], np.int64)
    column = panel.static["category_1"].cast(pl.String).fill_null("")
    names = column.unique().sort().to_list()
    code = column.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64)
    return names, code.to_numpy()
