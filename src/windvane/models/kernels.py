"""Batch smoothing kernels: every series in one call, compiled, without the interpreter lock.

All kernels take ``sales`` float32 [series, time] (NaN = unknown, skipped) and ``start`` int32 [series], the
first column of each series. State is float64. Origins and steps are columns: a forecast at ``origin`` has
seen the columns up to and including it.

Sources: Hyndman et al. (2008), Forecasting with Exponential Smoothing (damped trend, additive season);
Croston (1972), Operational Research Quarterly 23; Syntetos and Boylan (2005), International Journal of
Forecasting 21 (SBA); Teunter, Syntetos and Babai (2011), European Journal of Operational Research 214 (TSB).
"""

from __future__ import annotations

import numpy as np
from numba import njit

_INIT_SIGNATURE = "Tuple((f8, i8))(f4[:], i8, i8, f8[:])"
_SELECT_SIGNATURE = "void(f4[:,::1], i4[::1], i8, i8, f8[:,::1], i8, i8, i4[::1])"
_MEANS_SIGNATURE = "void(f4[:,::1], i4[::1], i8, f8[:,::1], i8[::1], i8, f4[:,:,::1])"
_ROWS_SIGNATURE = "void(f4[:,::1], i4[::1], i8, f8[:,::1], i8[::1], i4[::1], i4[::1], f4[::1])"
_LEVEL_SIGNATURE = "void(f4[:,::1], i4[::1], i8, f8[::1], f4[:,::1])"


@njit(_INIT_SIGNATURE, cache=True, nogil=True)
def _begin(y, start, season, profile):  # type: ignore[no-untyped-def]
    """Level and season from the first cycles of one series; returns level and the first column to update with.

    At an origin within the first cycles the caller hands over the columns up to it alone: nothing later is seen.
    """
    time = y.shape[0]
    cycles = 4 if season > 1 and season <= 24 else 2
    end = min(time, start + max(cycles * season, 8))
    total, n = 0.0, 0
    for t in range(start, end):
        if not np.isnan(y[t]):
            total += y[t]
            n += 1
    level = total / n if n > 0 else 0.0
    for k in range(season):
        profile[k] = 0.0
    if season > 1 and end - start >= 2 * season:
        mean = 0.0
        for k in range(season):
            s, c = 0.0, 0
            for t in range(start, end):
                if t % season == k and not np.isnan(y[t]):
                    s += y[t]
                    c += 1
            profile[k] = (s / c - level) * c / (c + 2.0) if c > 0 else 0.0
            mean += profile[k] / season
        for k in range(season):
            profile[k] -= mean
    return level, end


@njit(_SELECT_SIGNATURE, cache=True, nogil=True)
def smooth_select(sales, start, season, horizon, grid, stride, window, choice):  # type: ignore[no-untyped-def]
    """Choose smoothing parameters per series by their squared error over all steps of the horizon.

    ``grid`` float64 [candidates, 4] holds alpha, beta, gamma, phi; origins lie ``stride`` columns apart in the
    last ``window`` columns. Writes the chosen candidate per series into ``choice``; the first one where a series
    is too short to tell.
    """
    series, time = sales.shape
    profile = np.empty(season)
    for i in range(series):
        best, chosen = np.inf, 0
        for g in range(grid.shape[0]):
            alpha, beta, gamma, phi = grid[g, 0], grid[g, 1], grid[g, 2], grid[g, 3]
            level, begin = _begin(sales[i], np.int64(start[i]), season, profile)
            trend, loss, n = 0.0, 0.0, 0
            first = max(begin, time - window)
            for t in range(begin, time):
                y = sales[i, t]
                k = t % season
                base = level + phi * trend
                if not np.isnan(y):
                    error = y - base - profile[k]
                    level = base + alpha * error
                    trend = phi * trend + alpha * beta * error
                    profile[k] += gamma * (1.0 - alpha) * error
                else:
                    level = base
                    trend = phi * trend
                if t >= first and (time - 1 - t) % stride == 0 and t < time - 1:
                    run, power = 0.0, 1.0
                    for h in range(1, min(horizon, time - 1 - t) + 1):
                        power *= phi
                        run += power
                        actual = sales[i, t + h]
                        if not np.isnan(actual):
                            d = actual - max(level + run * trend + profile[(t + h) % season], 0.0)
                            loss += d * d
                            n += 1
            if n > 0 and loss < best * 0.9999:
                best = loss
                chosen = g
        choice[i] = chosen


@njit(_MEANS_SIGNATURE, cache=True, nogil=True)
def smooth_means(sales, start, season, params, origins, horizon, out):  # type: ignore[no-untyped-def]
    """Forecasts at several origins (ascending): out float32 [series, origins, horizon]."""
    series, time = sales.shape
    profile, young = np.empty(season), np.empty(season)
    now = 0.0
    for i in range(series):
        alpha, beta, gamma, phi = params[i, 0], params[i, 1], params[i, 2], params[i, 3]
        level, begin = _begin(sales[i], np.int64(start[i]), season, profile)
        trend, at = 0.0, 0
        for t in range(min(np.int64(start[i]), time - 1), time):
            if t >= begin:
                y = sales[i, t]
                k = t % season
                base = level + phi * trend
                if not np.isnan(y):
                    error = y - base - profile[k]
                    level = base + alpha * error
                    trend = phi * trend + alpha * beta * error
                    profile[k] += gamma * (1.0 - alpha) * error
                else:
                    level = base
                    trend = phi * trend
            while at < origins.shape[0] and origins[at] <= t:
                o = origins[at]
                if o + 1 < begin:
                    now, _ = _begin(sales[i, : o + 1], np.int64(start[i]), season, young)
                run, power = 0.0, 1.0
                for h in range(1, horizon + 1):
                    power *= phi
                    run += power
                    value = level + run * trend + profile[(o + h) % season]
                    if o + 1 < begin:
                        value = now + young[(o + h) % season]
                    out[i, at, h - 1] = max(value, 0.0) if o >= start[i] else 0.0
                at += 1


@njit(_ROWS_SIGNATURE, cache=True, nogil=True)
def smooth_rows(sales, start, season, params, pointer, origin, step, out):  # type: ignore[no-untyped-def]
    """Forecasts for given (series, origin, step) rows, sorted by series and origin.

    ``pointer`` int64 [series + 1] delimits each series' rows in ``origin``, ``step`` and ``out`` [rows].
    """
    series, time = sales.shape
    profile, young = np.empty(season), np.empty(season)
    now = 0.0
    for i in range(series):
        at, end = pointer[i], pointer[i + 1]
        if at == end:
            continue
        alpha, beta, gamma, phi = params[i, 0], params[i, 1], params[i, 2], params[i, 3]
        level, begin = _begin(sales[i], np.int64(start[i]), season, profile)
        trend = 0.0
        for t in range(min(np.int64(start[i]), time - 1), time):
            if t >= begin:
                y = sales[i, t]
                k = t % season
                base = level + phi * trend
                if not np.isnan(y):
                    error = y - base - profile[k]
                    level = base + alpha * error
                    trend = phi * trend + alpha * beta * error
                    profile[k] += gamma * (1.0 - alpha) * error
                else:
                    level = base
                    trend = phi * trend
            while at < end and origin[at] <= t:
                o = np.int64(origin[at])
                if o + 1 < begin:
                    now, _ = _begin(sales[i, : o + 1], np.int64(start[i]), season, young)
                    out[at] = max(now + young[(o + step[at]) % season], 0.0)
                else:
                    run, power = 0.0, 1.0
                    for _ in range(step[at]):
                        power *= phi
                        run += power
                    out[at] = max(level + run * trend + profile[(o + step[at]) % season], 0.0)
                at += 1
            if at == end:
                break


@njit(_LEVEL_SIGNATURE, cache=True, nogil=True)
def croston_levels(sales, start, kind, alpha, out):  # type: ignore[no-untyped-def]
    """Expected demand per period after every column: kind 0 = Croston, 1 = SBA, 2 = TSB.

    ``alpha`` float64 [series] smooths size and interval (or probability). Writes ``out`` float32 [series, time].
    """
    series, time = sales.shape
    for i in range(series):
        a = alpha[i]
        size, interval, gap, probability, seen = 0.0, 1.0, 1.0, 0.0, 0
        known = 0
        for t in range(time):
            y = sales[i, t]
            if t >= start[i] and not np.isnan(y):
                known += 1
                if y > 0:
                    if seen == 0:
                        size, interval, probability = y, gap, 1.0 / gap
                    else:
                        size += a * (y - size)
                        interval += a * (gap - interval)
                        probability += a * (1.0 - probability)
                    seen += 1
                    gap = 1.0
                else:
                    gap += 1.0
                    if seen > 0:
                        probability -= a * probability
            if seen == 0:
                out[i, t] = 0.0
            elif kind == 2:
                out[i, t] = size * probability
            else:
                out[i, t] = size / interval * ((1.0 - a / 2.0) if kind == 1 else 1.0)


@njit("void(f4[:,::1], i4[::1], i8, i8, f8[::1], f4[:,::1], f8[:,::1], i8)", cache=True, nogil=True)
def level_loss(sales, start, horizon, stride, weight, level, loss, column):  # type: ignore[no-untyped-def]
    """Squared error over the horizon of constant forecasts ``level``; adds into loss[:, column].

    ``weight`` float64 [time] weighs origins (zero = not an origin).
    """
    series, time = sales.shape
    for i in range(series):
        total = 0.0
        for t in range(np.int64(start[i]), time - 1):
            if weight[t] == 0.0 or (time - 1 - t) % stride != 0:
                continue
            for h in range(1, min(horizon, time - 1 - t) + 1):
                y = sales[i, t + h]
                if not np.isnan(y):
                    d = y - level[i, t]
                    total += weight[t] * d * d
        loss[i, column] += total
