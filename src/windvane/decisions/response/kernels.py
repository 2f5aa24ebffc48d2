"""Compiled parts of the estimate of responses: levels that move slowly, what is left of a covariate beside them."""

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
def levels(sales, shared, answer, keep, level):  # type: ignore[no-untyped-def]
    """A level for every series and period, given what moves all of a group and what each cell answers.

    ``sales`` float32 [series, time], NaN = unknown; ``shared`` float64 [series' groups looked up, time] as rows per
    series; ``answer`` float32 [series, time]: exp of the response; ``level`` float32 [series, time] is written.
    """
    series, time = sales.shape
    above, below = np.zeros(time), np.zeros(time)
    for s in range(series):
        for t in range(time):
            seen = not np.isnan(sales[s, t])
            above[t] = max(sales[s, t], 0.0) if seen else 0.0
            below[t] = shared[s, t] * answer[s, t] if seen else 0.0
        smoothed(above, below, keep, level[s])


@njit(cache=True, nogil=True)
def weigh(sales, mean, wobble, weight):  # type: ignore[no-untyped-def]
    """Weight of a cell in sums of squares of logs: mean / (1 + wobble mean), 0 where sales are unknown."""
    for s in range(sales.shape[0]):
        for t in range(sales.shape[1]):
            m = mean[s, t]
            weight[s, t] = 0.0 if np.isnan(sales[s, t]) or m <= 1e-6 else m / (1.0 + wobble * m)


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
def moments(sales, mean, wobble, left, inside, slope):  # type: ignore[no-untyped-def]
    """Curvature [series, k, k] and gradient [series, k] of every series; ``left`` float32 [k, series, time]."""
    count = left.shape[0]
    for s in range(sales.shape[0]):
        for t in range(sales.shape[1]):
            m = mean[s, t]
            if np.isnan(sales[s, t]) or m <= 1e-6:
                continue
            w = 1.0 / (1.0 + wobble * m)
            off = w * (max(sales[s, t], 0.0) - m)
            for i in range(count):
                x = left[i, s, t]
                if x == 0.0:
                    continue
                slope[s, i] += off * x
                for j in range(i + 1):
                    inside[s, i, j] += w * m * x * left[j, s, t]
        for i in range(count):
            for j in range(i):
                inside[s, j, i] = inside[s, i, j]


@njit(cache=True, nogil=True)
def clustered(sales, mean, wobble, left, block, out):  # type: ignore[no-untyped-def]
    """Squares of gradients of the first covariate, summed over blocks of periods and each period: ``out`` [2]."""
    for s in range(sales.shape[0]):
        total = 0.0
        for t in range(sales.shape[1]):
            m = mean[s, t]
            if not np.isnan(sales[s, t]) and m > 1e-6:
                one = (max(sales[s, t], 0.0) - m) * left[s, t] / (1.0 + wobble * m)
                total += one
                out[1] += m * left[s, t] ** 2 / (1.0 + wobble * m)
            if (t + 1) % block == 0 or t == sales.shape[1] - 1:
                out[0] += total * total
                total = 0.0
