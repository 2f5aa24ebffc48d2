"""Compiled features of a series' past at an origin.

Rows are sorted by series; ``pointer`` int64 [series + 1] delimits them. Only columns up to a row's origin are
read. Sums are float64, in column order, cast last.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SHAPE_FEATURES = (
    "last",
    "deviation",
    "largest",
    "zeros_short",
    "zeros_long",
    "since_sale",
    "age",
    "same_season_last",
    "same_season_mean",
    "year_ago",
)
"""Features after the window means, in the order the kernel writes them."""


@njit("UniTuple(f8, 2)(f4[:], i8, i8, i8, i8)", cache=True, nogil=True)
def _same_season(y, begin, origin, target, season):  # type: ignore[no-untyped-def]
    """Newest value, and mean of the newest 8 periods, of the target's own season (same weekday, same month)."""
    newest, total, n = np.nan, 0.0, 0
    t = target - season
    while t > origin:
        t -= season
    for _ in range(8):
        if t < begin:
            break
        if not np.isnan(y[t]):
            if n == 0:
                newest = y[t]
            total += y[t]
            n += 1
        t -= season
    return newest, total / n if n > 0 else np.nan


@njit("f8(f4[:], i8, i8, i8, i8, i8)", cache=True, nogil=True)
def _year_ago(y, begin, origin, target, season, year):  # type: ignore[no-untyped-def]
    """Mean of a season's width round the day a year before the target; NaN where it is hardly known."""
    total, n = 0.0, 0
    half = season // 2 if season < year else 1
    for t in range(target - year - half, target - year + half + 1):
        if begin <= t <= origin and not np.isnan(y[t]):
            total += y[t]
            n += 1
    return total / n if n > half else np.nan


@njit(
    "void(f4[:,::1], i4[::1], i8[::1], i4[::1], i4[::1], i8[::1], i8, i8, f4[::1], f4[:,::1])",
    cache=True,
    nogil=True,
)
def past_features(sales, start, pointer, origin, step, windows, season, year, level, out):  # type: ignore[no-untyped-def]
    """Write the features of every row.

    Args:
        sales: float32 [series, time].
        start: int32 [series], first column of each series.
        pointer: int64 [series + 1].
        origin: int32 [rows].
        step: int32 [rows].
        windows: int64 [windows], ascending; the middle one sets the level.
        season: periods per season.
        year: periods per year.
        level: float32 [rows], written: mean of the middle window, floored at a 50th of the mean so far.
        out: float32 [rows, windows + 10], written; means and sizes are divided by the level.
    """
    series, _ = sales.shape
    count = windows.shape[0]
    middle = count // 2
    nan = np.float32(np.nan)
    for i in range(series):
        begin = np.int64(start[i])
        for r in range(pointer[i], pointer[i + 1]):
            o, target = np.int64(origin[r]), np.int64(origin[r] + step[r])
            w, total, n, square, biggest, zeros = 0, 0.0, 0, 0.0, 0.0, 0
            since, last = -1, np.nan
            for k in range(windows[count - 1]):
                t = o - k
                if t >= begin:
                    y = sales[i, t]
                    if not np.isnan(y):
                        total += y
                        n += 1
                        if np.isnan(last):
                            last = y
                        if y > biggest:
                            biggest = y
                        if y <= 0:
                            zeros += 1
                        elif since < 0:
                            since = k
                        square += y * y
                while w < count and k + 1 == windows[w]:
                    out[r, w] = total / n if n > 0 else nan
                    if w == middle:
                        level[r] = max(total / n, 0.0) if n > 0 else 0.0
                        mean = total / n if n > 0 else 0.0
                        out[r, count + 1] = np.sqrt(max(square / n - mean * mean, 0.0)) if n > 1 else nan
                        out[r, count + 2] = biggest
                        out[r, count + 3] = zeros / n if n > 0 else nan
                    w += 1
            floor = (total / n if n > 0 else 0.0) * 0.02
            if level[r] < floor:
                level[r] = floor
            out[r, count] = last
            out[r, count + 4] = zeros / n if n > 0 else nan
            out[r, count + 5] = since if since >= 0 else windows[count - 1]
            out[r, count + 6] = min(o - begin + 1, 2 * year)
            out[r, count + 7], out[r, count + 8] = _same_season(sales[i], begin, o, target, season)
            out[r, count + 9] = _year_ago(sales[i], begin, o, target, season, year)
            scale = level[r] if level[r] > 0 else 1.0
            for f in range(count):
                out[r, f] /= scale
            for f in (0, 1, 2, 7, 8, 9):
                out[r, count + f] /= scale


@njit("void(f4[:,::1], i4[:,::1], i4[::1], i4[::1], i8, f4[:,::1])", cache=True, nogil=True)
def covariate_history(values, since, series, origin, window, out):  # type: ignore[no-untyped-def]
    """Value at the origin and mean of the last ``window`` columns up to it, out float32 [rows, 2]; NaN skipped.

    ``since`` int32 [series, time] holds the column from which on each value was known; a value known only after the
    origin is skipped. An array without rows means that every value was known in its own period.
    """
    late = since.shape[0] > 0
    for r in range(series.shape[0]):
        i, o = series[r], origin[r]
        total, n, last = 0.0, 0, np.nan
        for k in range(min(window, o + 1)):
            v = values[i, o - k]
            if not np.isnan(v) and not (late and since[i, o - k] > o):
                if n == 0:
                    last = v
                total += v
                n += 1
        out[r, 0] = last
        out[r, 1] = total / n if n > 0 else np.nan
