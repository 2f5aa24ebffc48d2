"""Scores of one forecast against what came, the same for Windvane and its peers.

Series: WQL (quantile loss over all levels by the sum of sales), WAPE (of the median, or of the mean where a
forecaster gives no quantiles), RMSSE (of the mean, mean over series), bias (of the mean), coverage by randomised PIT.
Sums over series and steps: coverage. Periods without a known sale are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sets.contract import Grouping
from windvane.backtest.metrics import pinball, pit, scales
from windvane.grouping import sum_by
from windvane.panel import Panel

BINS = 10
"""Bins of a PIT histogram."""


@dataclass(frozen=True, eq=False)
class Score:
    """What one forecast scored on one origin.

    Attributes:
        values: measures by name; NaN where a forecaster gives too little for one.
        loss: quantile loss per series, float64 [series]; NaN where there are no quantiles.
        pits: numbers of PIT values in equal bins, by what was forecast, int64 [bins].
    """

    values: Mapping[str, float]
    loss: np.ndarray
    pits: Mapping[str, np.ndarray]


def score_series(panel: Panel, actual: np.ndarray, found: Mapping[str, np.ndarray], seed: int = 1) -> Score:
    """Score mean and quantiles of series.

    Args:
        panel: as of the cutoff; its past gives the scale of RMSSE.
        actual: what came [series, horizon].
        found: ``mean`` [series, horizon] and, where there are any, ``quantiles`` [series, horizon, levels], ``levels``.
        seed: of the randomised PIT.
    """
    mean = found["mean"].astype(np.float64)
    actual = actual.astype(np.float64)
    known = ~np.isnan(actual)
    total = float(actual[known].sum())
    _, square_scale = scales(panel.sales, panel.launch)
    square = np.where(known, np.square(actual - mean), 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    rmsse = np.sqrt(square / square_scale)[known.any(axis=1) & ~np.isnan(square_scale)]
    values = {
        "wql": np.nan,
        "wape": float(np.abs(actual - mean)[known].sum()) / total,
        "rmsse": float(rmsse.mean()) if len(rmsse) else np.nan,
        "bias": float((mean - actual)[known].sum()) / total,
    }
    if "quantiles" not in found:
        return Score(values, np.full(len(mean), np.nan), {})
    levels, quantiles = found["levels"], found["quantiles"]
    loss = pinball(actual, quantiles, levels)
    median = quantiles[:, :, int(np.flatnonzero(levels == 0.5)[0])]
    values["wql"] = float(loss[known].sum()) / total
    values["wape"] = float(np.abs(actual - median)[known].sum()) / total
    drawn = pit(actual, quantiles, levels, panel.counts, np.random.default_rng(seed))
    return Score(
        {**values, **coverage("", drawn)}, np.where(known, loss, 0.0).sum(axis=1), {"series": histogram(drawn)}
    )


def score_sums(
    panel: Panel, actual: np.ndarray, found: Mapping[str, np.ndarray], groupings: Sequence[Grouping],
    windows: Sequence[int], seed: int = 1,
) -> Score:  # fmt: skip
    """Coverage of sums over the first steps, of series and of groups of series.

    Args:
        panel: as of the cutoff.
        actual: what came [series, horizon].
        found: what ``worker.sums`` gives, and ``levels``.
        groupings: the groups, in the order of the arrays.
        windows: how many first steps each sum takes.
        seed: of the randomised PIT.
    """
    levels, rng = found["levels"], np.random.default_rng(seed)
    values: dict[str, float] = {}
    pits: dict[str, np.ndarray] = {}

    def judge(name: str, truth: np.ndarray, quantiles: np.ndarray) -> None:
        drawn = pit(truth, quantiles, levels, panel.counts, rng)
        values.update(coverage(f"{name}: ", drawn))
        pits[name] = histogram(drawn)

    for i, window in enumerate(windows):
        judge(f"series, sum of {window}", actual[:, :window].sum(axis=1)[:, None], found["series_totals"][:, i : i + 1])
    start = 0
    for grouping in groupings:
        rows = slice(start, start + len(grouping.names))
        start = rows.stop
        # A group is scored where all of its series are known.
        truth = sum_by(grouping.code, np.nan_to_num(actual), len(grouping.names))
        truth[sum_by(grouping.code, np.isnan(actual).astype(np.float64), len(grouping.names)) > 0] = np.nan
        judge(grouping.name, truth, found["group_quantiles"][rows])
        for i, window in enumerate(windows):
            judge(
                f"{grouping.name}, sum of {window}",
                truth[:, :window].sum(axis=1)[:, None],
                found["group_totals"][rows, i : i + 1],
            )
    return Score(values, np.empty(0), pits)


def coverage(prefix: str, drawn: np.ndarray) -> dict[str, float]:
    """Share of PIT values inside the 80 % and the 95 % interval."""
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return {f"{prefix}coverage80": np.nan, f"{prefix}coverage95": np.nan}
    return {
        f"{prefix}coverage80": float(((drawn > 0.1) & (drawn < 0.9)).mean()),
        f"{prefix}coverage95": float(((drawn > 0.025) & (drawn < 0.975)).mean()),
    }


def histogram(drawn: np.ndarray) -> np.ndarray:
    """Number of PIT values in each of ten equal bins, int64 [bins]."""
    counts, _ = np.histogram(drawn[~np.isnan(drawn)], bins=BINS, range=(0.0, 1.0))
    return counts
