"""Sales too large to be usual, judged by the past alone.

A period is capped at the larger of

* level + factor x spread of all past periods in the window (median and scaled median absolute deviation), and
* level + factor x spread of the past periods with a sale (so that lumpy demand is judged by its own lumps), and
* half as many spreads above the level of their logarithms (so that demand of bulk orders, whose sizes differ by
  factors, is judged by factors),

where a spread is at least the square root of its level (what counts vary by) and a quarter of it. A size that
the window has already seen is never capped. Nothing after a period is looked at.

Promotions and festivals are allowed more: a promoted period so many times the cap as all but one in two hundred of
the shop's promoted periods so far have multiplied their series' level by, a festive one one and a half times what any
festive period of the year before multiplied the series' or the shop's level by. Where there is no such past, they are
never capped.
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
    sales: np.ndarray,
    launch: np.ndarray,
    spared: np.ndarray,
    allowed: np.ndarray,
    window: int,
    factor: float,
    out: np.ndarray,
) -> None:
    series, time = sales.shape
    past = np.empty(window, np.float64)
    for s in range(series):
        for t in range(launch[s] + LEAST_PAST, time):
            x = sales[s, t]
            more = allowed[s, t] if spared[s, t] else 1.0
            if not x > 1.0 or not more < 1e30:
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
            if x > cap * more:
                out[s, t] = cap * more


# The mask may be a broadcast view: any layout, read-only.
_MASK = types.Array(types.boolean, 2, "A", readonly=True)
_SHARE = types.Array(types.float32, 2, "A", readonly=True)
_caps = njit(
    types.void(
        types.float32[:, ::1], types.int32[::1], _MASK, _SHARE, types.int64, types.float64, types.float32[:, ::1]
    ),
    nogil=True,
    cache=True,
)(_caps_py)


_LEAST_PROMOTED = 200
_BINS = 200
_TOP = math.log(100.0)
_RARE = 0.005
_FESTIVE = 1.5


def _levels_py(sales: np.ndarray, launch: np.ndarray, window: int, out: np.ndarray) -> None:
    series, time = sales.shape
    for s in range(series):
        total, count = 0.0, 0
        for t in range(time):
            gone = t - 1 - window
            if t - 1 >= launch[s] and sales[s, t - 1] >= 0:
                total += sales[s, t - 1]
                count += 1
            if gone >= launch[s] and sales[s, gone] >= 0:
                total -= sales[s, gone]
                count -= 1
            out[s, t] = total / count if count >= LEAST_PAST else np.nan


_levels = njit(
    types.void(types.float32[:, ::1], types.int32[::1], types.int64, types.float32[:, ::1]), nogil=True, cache=True
)(_levels_py)


def allowances(
    sales: np.ndarray, launch: np.ndarray, promoted: np.ndarray, festive: np.ndarray, window: int, year: int
) -> np.ndarray:
    """How many times the cap promoted and festive periods may sell, from the past alone.

    Args:
        sales: units, float32 [series, time]; cells before the launch are not read.
        launch: column of the launch, int32 [series].
        promoted: promoted cells, bool [series, time].
        festive: holidays, festivals and the days before them, bool [series, time].
        window: past periods that make a level.
        year: periods per year.

    Returns:
        float32 [series, time], at least 1; infinite where there is no such past.
    """
    level = np.empty(sales.shape, np.float32)
    known = np.ascontiguousarray(sales)
    _levels(known, launch.astype(np.int32), window, level)
    base = np.maximum(level, 1.0)
    with np.errstate(invalid="ignore"):
        ratio = np.where(np.isnan(level), np.nan, known / base)
    out = _festive(ratio, known, level, festive & ~promoted, year)
    if promoted.any():
        lift = _lifts(ratio, promoted)
        out = np.where(promoted, lift[None, :], out)
    return np.asarray(out, np.float32)


def _lifts(ratio: np.ndarray, promoted: np.ndarray) -> np.ndarray:
    """What all but a few promoted cells of the shop stayed below before each period, [time]."""
    time = ratio.shape[1]
    row, column = np.nonzero(promoted & ~np.isnan(ratio))
    logs = np.log(np.clip(ratio[row, column], 1.0, None)) / _TOP * _BINS
    counts = np.zeros((time, _BINS + 1), np.int64)
    np.add.at(counts, (column, np.minimum(logs.astype(np.int64), _BINS)), 1)
    before = np.zeros_like(counts)
    before[1:] = counts.cumsum(axis=0)[:-1]
    total = before.sum(axis=1)
    upto = before.cumsum(axis=1)
    bin_ = (upto < (1 - _RARE) * total[:, None]).sum(axis=1) + 1
    lift = np.exp(bin_ / _BINS * _TOP)
    return np.where((total >= _LEAST_PROMOTED) & (bin_ <= _BINS), lift, np.inf)


def _festive(ratio: np.ndarray, sales: np.ndarray, level: np.ndarray, festive: np.ndarray, year: int) -> np.ndarray:
    """One and a half times the largest ratio of festive periods of the year before, the series' own or the shop's."""
    out = np.full(ratio.shape, np.inf, np.float32)
    both = ~np.isnan(level) & ~np.isnan(sales)
    due = np.where(both, level, 0).sum(axis=0, dtype=np.float64)
    shop = np.where(both, sales, 0).sum(axis=0, dtype=np.float64) / np.maximum(due, 1.0)
    days = np.flatnonzero(festive.any(axis=0))
    for t in days[days >= year]:
        # Festivals of the moon's calendar come up to a month earlier or later.
        then = days[(days >= t - 1.1 * year) & (days < t)]
        own = np.where(festive[:, then], ratio[:, then], np.nan)
        known = festive[:, t] & ~np.isnan(ratio[:, t - year]) & ~np.isnan(own).all(axis=1)
        most = np.maximum(np.nan_to_num(own[known]).max(axis=1, initial=1.0), shop[then].max(initial=1.0))
        out[known, t] = _FESTIVE * most
    return out


def caps(
    sales: np.ndarray,
    launch: np.ndarray,
    spared: np.ndarray,
    window: int,
    factor: float,
    allowed: np.ndarray | None = None,
) -> np.ndarray:
    """Find the cells to cap.

    Args:
        sales: units, float32 [series, time]; cells before the launch are not read.
        launch: column of the launch, int32 [series].
        spared: cells that may sell more for a known reason (promoted, festive), bool [series, time].
        window: past periods to judge by.
        factor: spreads above the level.
        allowed: how many times the cap a spared cell may sell, float32 [series, time]; without it, and where it is
            infinite, spared cells are never capped.

    Returns:
        The cap where a cell exceeds it, else NaN, float32 [series, time].
    """
    out = np.full(sales.shape, np.nan, np.float32)
    more = np.broadcast_to(np.float32(np.inf), sales.shape) if allowed is None else allowed
    _caps(np.ascontiguousarray(sales), launch.astype(np.int32), spared, more, window, factor, out)
    return out
