"""Smoothing of series by their own past: moving average and exponential.

A smoothed value stands for the periods up to and including its own; nothing later enters. Unknown periods (NaN) stay
unknown and count neither way. Sources: Brown (1959), Statistical Forecasting for Inventory Control.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from windvane.errors import ConfigError


@njit("void(f4[:,::1], i8, f4[:,::1])", cache=True, nogil=True)
def _moving_average(values, window, out):  # type: ignore[no-untyped-def]
    series, time = values.shape
    for s in range(series):
        for t in range(time):
            total, count = 0.0, 0
            for k in range(max(0, t + 1 - window), t + 1):
                if not np.isnan(values[s, k]):
                    total += values[s, k]
                    count += 1
            out[s, t] = total / count if not np.isnan(values[s, t]) else np.nan


@njit("void(f4[:,::1], f8, f4[:,::1])", cache=True, nogil=True)
def _exponential(values, alpha, out):  # type: ignore[no-untyped-def]
    series, time = values.shape
    for s in range(series):
        level, begun = 0.0, False
        for t in range(time):
            x = values[s, t]
            if np.isnan(x):
                out[s, t] = np.nan
                continue
            level = level + alpha * (x - level) if begun else x
            begun = True
            out[s, t] = level


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the known values among the last ``window`` periods, float32 [series, time].

    Args:
        values: float32 [series, time]; NaN = unknown.
        window: periods, the present one included; at least 1.

    Raises:
        ConfigError: the window is below 1.
    """
    if window < 1:
        raise ConfigError(f"a moving average of {window} periods has no window.", "Use at least 1.")
    out = np.empty(values.shape, np.float32)
    _moving_average(np.ascontiguousarray(values, np.float32), window, out)
    return out


def exponential(values: np.ndarray, alpha: float) -> np.ndarray:
    """Exponentially weighted mean up to each period, float32 [series, time]; begins with the first known value.

    Args:
        values: float32 [series, time]; NaN = unknown.
        alpha: weight of the newest value, above 0 and at most 1.

    Raises:
        ConfigError: alpha is out of range.
    """
    if not 0 < alpha <= 1:
        raise ConfigError(f"alpha={alpha} is no weight.", "Use a number above 0 and at most 1.")
    out = np.empty(values.shape, np.float32)
    _exponential(np.ascontiguousarray(values, np.float32), float(alpha), out)
    return out
