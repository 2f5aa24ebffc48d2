"""Compiled parts of the estimate of responses: levels that move slowly, what is left of a covariate beside them.

``logs``: whether sales are amounts whose logarithms scatter evenly, rather than counts.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def smoothed(above, below, keep, out):  # type: ignore[no-untyped-def]
    """Ratio of two rows, each smoothed exponentially to both sides; ``out`` float32 [time], 0 where nothing is near."""
    time = above.shape[0]
    num, den = 0.0, 0.0
    sums = np.zeros((time, 2))
    for t in range(time):
        num, den = num * keep + above[t], den * keep + below[t]
        sums[t, 0], sums[t, 1] = num, den
    num, den = 0.0, 0.0
    for t in range(time - 1, -1, -1):
        a, b = sums[t, 0] + num, sums[t, 1] + den
        out[t] = a / b if b > 1e-12 else 0.0
        num, den = (num + above[t]) * keep, (den + below[t]) * keep


@njit(cache=True, nogil=True)
def levels(sales, shared, answer, keep, logs, level):  # type: ignore[no-untyped-def]
    """A level for every series and period, given what moves all of a group and what each cell answers.

    ``sales`` float32 [series, time], NaN = unknown; ``shared`` float64 [series' groups looked up, time] as rows per
    series; ``answer`` float32 [series, time]: exp of the response; ``level`` float32 [series, time] is written.
    """
    series, time = sales.shape
    above, below = np.zeros(time), np.zeros(time)
    for s in range(series):
        for t in range(time):
            seen = not np.isnan(sales[s, t])
            due = shared[s, t] * answer[s, t]
            if logs:
                above[t] = np.log(max(sales[s, t], 0.5) / due) if seen else 0.0
                below[t] = 1.0 if seen else 0.0
            else:
                above[t] = max(sales[s, t], 0.0) if seen else 0.0
                below[t] = due if seen else 0.0
        smoothed(above, below, keep, level[s])
        if logs:
            for t in range(time):
                level[s, t] = np.exp(level[s, t])


@njit(cache=True, nogil=True)
def weigh(sales, mean, noise, logs, weight):  # type: ignore[no-untyped-def]
    """Weight of a cell in sums of squares of logs: mean / (1 + noise mean), 0 where sales are unknown."""
    for s in range(sales.shape[0]):
        for t in range(sales.shape[1]):
            m = mean[s, t]
            unknown = np.isnan(sales[s, t]) or m <= 1e-6
            weight[s, t] = 0.0 if unknown else 1.0 / noise if logs else m / (1.0 + noise * m)


@njit(cache=True, nogil=True)
def centred(values, weight, keep, out):  # type: ignore[no-untyped-def]
    """What is left of covariates beside slowly moving levels: ``values`` and ``out`` float32 [series, time]."""
    series, time = values.shape
    above, below, slow = np.zeros(time), np.zeros(time), np.zeros(time, np.float32)
    for s in range(series):
        for t in range(time):
            above[t], below[t] = weight[s, t] * values[s, t], weight[s, t]
        smoothed(above, below, keep, slow)
        for t in range(time):
            out[s, t] = values[s, t] - slow[t]


@njit(cache=True, nogil=True)
def moments(sales, mean, noise, logs, left, inside, slope):  # type: ignore[no-untyped-def]
    """Curvature [series, k, k] and gradient [series, k] of every series; ``left`` float32 [k, series, time]."""
    count = left.shape[0]
    for s in range(sales.shape[0]):
        for t in range(sales.shape[1]):
            m = mean[s, t]
            if np.isnan(sales[s, t]) or m <= 1e-6:
                continue
            if logs:
                size = 1.0 / noise
                off = size * np.log(max(sales[s, t], 0.5) / m)
            else:
                size = m / (1.0 + noise * m)
                off = size * (max(sales[s, t], 0.0) - m) / m
            for i in range(count):
                x = left[i, s, t]
                if x == 0.0:
                    continue
                slope[s, i] += off * x
                for j in range(i + 1):
                    inside[s, i, j] += size * x * left[j, s, t]
        for i in range(count):
            for j in range(i):
                inside[s, j, i] = inside[s, i, j]


@njit(cache=True, nogil=True)
def clustered(sales, mean, noise, logs, left, block, out):  # type: ignore[no-untyped-def]
    """Squares of gradients of the first covariate, summed over blocks of periods and each period: ``out`` [2]."""
    for s in range(sales.shape[0]):
        total = 0.0
        for t in range(sales.shape[1]):
            m = mean[s, t]
            if not np.isnan(sales[s, t]) and m > 1e-6:
                if logs:
                    size, off = 1.0 / noise, np.log(max(sales[s, t], 0.5) / m)
                else:
                    size, off = m / (1.0 + noise * m), (max(sales[s, t], 0.0) - m) / m
                total += size * off * left[s, t]
                out[1] += size * left[s, t] ** 2
            if (t + 1) % block == 0 or t == sales.shape[1] - 1:
                out[0] += total * total
                total = 0.0
