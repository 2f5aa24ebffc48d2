"""Sales too large to be usual, judged by the past alone.

A period is capped at the larger of

* level + factor x spread of all past periods in the window (median and scaled median absolute deviation), and
* level + factor x spread of the past periods with a sale (so that lumpy demand is judged by its own lumps), and
* half as many spreads above the level of their logarithms (so that demand of bulk orders, whose sizes differ by
  factors, is judged by factors),

where a spread is at least the square root of its level (what counts vary by) and a quarter of it. A size that
the window has already seen is never capped. Nothing after a period is looked at.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

LEAST_PAST = 21
"""Periods of past that a judgement needs."""

_TO_SIGMA = 1.4826  # makes a median absolute deviation a standard deviation under normality


_LEAST_LUMPS = 8
"""Sales that a judgement by factors needs."""


def _level_and_spread_py(values: np.ndarray, count: int) -> tuple[float, float]:
    part = np.sort(values[:count])
    half = count // 2
    level = part[half] if count % 2 else 0.5 * (part[half - 1] + part[half])
    away = np.sort(np.abs(part - level))
    deviation = away[half] if count % 2 else 0.5 * (away[half - 1] + away[half])
    return level, _TO_SIGMA * deviation


_level_and_spread = njit("UniTuple(float64, 2)(float64[::1], int64)", nogil=True, cache=True)(_level_and_spread_py)


def _caps_py(
    sales: np.ndarray, launch: np.ndarray, spared: np.ndarray, window: int, factor: float, out: np.ndarray
) -> None:
    series, time = sales.shape
    past = np.empty(window, np.float64)
    for s in range(series):
        for t in range(launch[s] + LEAST_PAST, time):
            x = sales[s, t]
            if not x > 1.0 or spared[s, t]:
                continue
            begin = max(launch[s], t - window)
            largest = 0.0
            for k in range(begin, t):
                largest = max(largest, sales[s, k])
            if x <= largest:
                continue
            count = 0
            for k in range(begin, t):
                past[count] = max(sales[s, k], 0.0)
                count += 1
            level, spread = _level_and_spread(past, count)
            cap = level + factor * max(spread, math.sqrt(level), 0.25 * level)
            count = 0
            for k in range(begin, t):
                if sales[s, k] > 0:
                    past[count] = sales[s, k]
                    count += 1
            if count == 0:
                continue
            level, spread = _level_and_spread(past, count)
            cap = max(cap, level + factor * max(spread, math.sqrt(level), 0.25 * level), largest)
            if count >= _LEAST_LUMPS:
                for k in range(count):
                    past[k] = math.log(past[k])
                level, spread = _level_and_spread(past, count)
                cap = max(cap, math.exp(level + 0.5 * factor * spread))
            if x > cap:
                out[s, t] = cap


# The mask may be a broadcast view: any layout, read-only.
_MASK = types.Array(types.boolean, 2, "A", readonly=True)
_caps = njit(
    types.void(types.float32[:, ::1], types.int32[::1], _MASK, types.int64, types.float64, types.float32[:, ::1]),
    nogil=True,
    cache=True,
)(_caps_py)


def caps(sales: np.ndarray, launch: np.ndarray, spared: np.ndarray, window: int, factor: float) -> np.ndarray:
    """Find the cells to cap.

    Args:
        sales: units, float32 [series, time]; cells before the launch are not read.
        launch: column of the launch, int32 [series].
        spared: cells never capped (promoted, holiday), bool [series, time].
        window: past periods to judge by.
        factor: spreads above the level.

    Returns:
        The cap where a cell exceeds it, else NaN, float32 [series, time].
    """
    out = np.full(sales.shape, np.nan, np.float32)
    _caps(np.ascontiguousarray(sales), launch.astype(np.int32), spared, window, factor, out)
    return out
