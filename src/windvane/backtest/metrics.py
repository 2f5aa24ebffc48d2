"""Error measures, each a per-element statistic plus an aggregation.

Shapes: ``sales`` and ``mean`` [series, horizon], ``quantiles`` [series, horizon, levels]. Unknown sales (NaN) are
left out everywhere.

Sources: Hyndman and Koehler (2006), International Journal of Forecasting 22 (MASE); Makridakis et al. (2022),
International Journal of Forecasting 38 (RMSSE); Czado, Gneiting, Held (2009), Biometrics 65 (randomised PIT).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def pinball(sales: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Twice the pinball loss, averaged over levels, [series, horizon]; NaN where sales are unknown."""
    out = np.zeros(sales.shape)
    for i, level in enumerate(levels):
        d = sales - quantiles[:, :, i]
        out += np.maximum(level * d, (level - 1) * d)
    return 2 * out / len(levels)


def probability(sales: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Probability below given values under quantiles, linear between them, 0 or 1 beyond; [series, horizon]."""
    edge = np.concatenate([[0.0], levels[:-1], [1.0]])
    shape = sales.shape
    q, y = quantiles.reshape(-1, len(levels)), sales.ravel()[:, None]
    below = np.zeros(len(q), np.int64)
    for column in range(len(levels)):
        below += q[:, column] < y[:, 0]
    low = np.take_along_axis(q, np.clip(below - 1, 0, None)[:, None], 1)[:, 0]
    high = np.take_along_axis(q, np.clip(below, None, len(levels) - 1)[:, None], 1)[:, 0]
    inside = (below > 0) & (below < len(levels)) & (high > low)
    share = np.where(inside, (sales.ravel() - low) / np.where(inside, high - low, 1), 0.0)
    upper = np.concatenate([levels, [1.0]])[below]
    value = edge[below] + share * (upper - edge[below]) * inside
    return value.reshape(shape)


def pit(
    sales: np.ndarray, quantiles: np.ndarray, levels: np.ndarray, counts: bool, rng: np.random.Generator
) -> np.ndarray:
    """Probability integral transform, uniform on (0, 1) if calibrated; NaN where sales are unknown.

    It is randomised wherever the forecast puts mass on single values: a uniform draw between P(Y < y) and
    P(Y <= y). For counts these are read where the quantile function, rounded, steps from one whole number to the
    next; otherwise where it is flat (at zero, mostly).
    """
    value = np.nan_to_num(sales)
    if counts:
        low = probability(value - 0.5, quantiles, levels)
        high = probability(value + 0.5, quantiles, levels)
    else:
        low = high = probability(value, quantiles, levels)
        edge = np.concatenate([[0.0], levels[:-1], [1.0]])
        upto = edge[(quantiles <= value[:, :, None]).sum(2)]
        high = np.maximum(high, upto)
    low = np.where(value <= 0, 0.0, low)
    draw = low + rng.uniform(size=sales.shape) * (high - low)
    return np.where(np.isnan(sales), np.nan, draw)


def scales(history: np.ndarray, launch: np.ndarray, season: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute and mean squared (seasonal) difference of each series' past, [series]; NaN where unknown."""
    diff = history[:, season:] - history[:, :-season]
    known = ~np.isnan(diff) & (np.arange(diff.shape[1])[None, :] >= launch[:, None])
    diff = np.where(known, diff, 0)
    n = np.maximum(known.sum(1), 1)
    absolute = np.abs(diff).sum(1, dtype=np.float64) / n
    square = np.einsum("ij,ij->i", diff, diff, dtype=np.float64) / n
    return np.where(absolute > 0, absolute, np.nan), np.where(square > 0, square, np.nan)


@dataclass(frozen=True)
class Losses:
    """Per-series sums from which every aggregate follows; all float64.

    Attributes:
        quantile: sum of quantile loss [series, horizon].
        absolute: sum of |sales - median| [series, horizon].
        square: sum of (sales - mean)^2 [series, horizon].
        error: sum of mean - sales [series, horizon].
        sales: sum of sales [series, horizon].
        known: whether sales are known [series, horizon].
        pit: see :func:`pit` [series, horizon].
        scale: mean absolute difference of the past [series].
        scale_square: mean squared difference of the past [series].
    """

    quantile: np.ndarray
    absolute: np.ndarray
    square: np.ndarray
    error: np.ndarray
    sales: np.ndarray
    known: np.ndarray
    pit: np.ndarray
    scale: np.ndarray
    scale_square: np.ndarray


def aggregate(losses: Losses, rows: np.ndarray, columns: slice = slice(None)) -> dict[str, float]:
    """All metrics over some series and steps.

    Returns:
        wql, wape, mae, mse, rmse, rmsse, mase, bias, coverage80, coverage95; NaN where there is nothing to score.
    """
    known = losses.known[rows][:, columns]
    n = max(int(known.sum()), 1)
    total = float(np.abs(np.where(known, losses.sales[rows][:, columns], 0)).sum())
    signed = float(losses.sales[rows][:, columns][known].sum())
    absolute = np.where(known, losses.absolute[rows][:, columns], 0)
    square = np.where(known, losses.square[rows][:, columns], 0)
    per_series = np.maximum(known.sum(1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mase = absolute.sum(1) / per_series / losses.scale[rows]
        rmsse = np.sqrt(square.sum(1) / per_series / losses.scale_square[rows])
    mase, rmsse = mase[known.any(1)], rmsse[known.any(1)]
    u = losses.pit[rows][:, columns][known]
    nan = float("nan")
    return {
        "wql": float(losses.quantile[rows][:, columns][known].sum()) / total if total else nan,
        "wape": float(absolute.sum()) / total if total else nan,
        "mae": float(absolute.sum()) / n if known.any() else nan,
        "mse": float(square.sum()) / n if known.any() else nan,
        "rmse": float(np.sqrt(square.sum() / n)) if known.any() else nan,
        "rmsse": float(np.nanmean(rmsse)) if np.isfinite(rmsse).any() else nan,
        "mase": float(np.nanmean(mase)) if np.isfinite(mase).any() else nan,
        "bias": float(losses.error[rows][:, columns][known].sum()) / signed if signed else nan,
        "coverage80": float(((u > 0.1) & (u < 0.9)).mean()) if len(u) else nan,
        "coverage95": float(((u > 0.025) & (u < 0.975)).mean()) if len(u) else nan,
    }
