"""Compiled smoothing of sales per unit of what days bring.

A series' level is the ratio of two exponentially weighted sums, of its sales and of its days' effects: days that bring
much weigh much, closed days nothing, and the first days are their plain mean. On top lies the series' own weekday (or
hour), the ratio of what it sold to what the level had let expect, drawn to 1 by ``firm`` units.

What is not on offer for months and then sells every day again would be given the mean of both: once sales since such a
gap rule out that it came about by chance, its days no longer count.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from windvane.models.structured.response import EFFECT, told

_OWN_KEEP = 0.96
"""What own factors keep per turn of the cycle."""

STATE = 8
"""Weighted sales and effects; the part of the effects from gaps; that from the periods without sales up to now, and
their number; length of the newest gap that has ended; periods since then, and how many of them sold."""

_GAP, _BACK, _CHANCE = 14.0, 3.0, 15.0
"""Periods without sales that are a gap; periods with sales after it that tell; -log of the chance called none."""


@njit(cache=True, nogil=True)
def _step(state, own, y, e, cycle, keep):  # type: ignore[no-untyped-def]
    """Take in one period; ``state`` [STATE]; ``own`` [2, cycle positions]."""
    if np.isnan(y) or e < EFFECT:
        return
    y = max(y, 0.0)
    if own.shape[1] > 1 and state[1] > 3.0:
        own[0, cycle] = _OWN_KEEP * own[0, cycle] + y
        own[1, cycle] = _OWN_KEEP * own[1, cycle] + _level(state) * e
    state[0] = keep * state[0] + y
    state[1] = keep * state[1] + e
    state[2] *= keep
    state[6] += 1.0
    if y == 0.0:
        state[3] = keep * state[3] + e
        state[4] += 1.0
        return
    if state[4] >= _GAP:
        state[2] += state[3]
        state[5], state[6], state[7] = state[4], 1.0, 0.0
    state[3], state[4] = 0.0, 0.0
    state[7] += 1.0


@njit(cache=True, nogil=True)
def _level(state):  # type: ignore[no-untyped-def]
    """Sales per unit of effect; a gap that sales as they are since could not have left says nothing of it."""
    # Of d periods since the gap k sold: that n in a row do not has a chance of about exp(-n k / d).
    back = state[7] >= _BACK and state[7] * state[5] >= _CHANCE * state[6]
    return state[0] / max(state[1] - state[2] if back else state[1], 1e-12)


@njit(cache=True, nogil=True)
def _own(own, cycle, firm):  # type: ignore[no-untyped-def]
    """The series' own factor of a position in the cycle."""
    return 1.0 if np.isinf(firm) else (own[0, cycle] + firm) / (own[1, cycle] + firm)


@njit(cache=True, nogil=True)
def select(sales, start, group, effect, factor, keeps, firms, shape, loss):  # type: ignore[no-untyped-def]
    """Squared error over all steps of the horizon for every candidate; writes ``loss`` float64 [series, keeps, firms].

    Args:
        sales: float32 [series, time], NaN = unknown.
        start: first column of each series, int32 [series].
        group: group of each series, int32 [series].
        effect: effects of days, float64 [groups, time].
        factor: responses to the series' own covariates, float32 [series, time].
        keeps: what the level keeps per period, float64 [keeps].
        firms: units that draw own factors to 1, infinite = no own factors, float64 [firms].
        shape: cycle, horizon, stride of origins, window of origins, int64 [4].
        loss: NaN where a series is too short to tell.
    """
    series, time = sales.shape
    cycle, horizon, stride, window = shape[0], shape[1], shape[2], shape[3]
    state, own, rate = np.zeros(STATE), np.zeros((2, cycle)), np.zeros(cycle)
    total, count, e = np.zeros(firms.shape[0]), 0, np.zeros(time)
    for s in range(series):
        for t in range(time):
            e[t] = effect[group[s], t] * factor[s, t]
        for g in range(keeps.shape[0]):
            state[:], own[:], total[:] = 0.0, 0.0, 0.0
            count = 0
            for t in range(start[s], time - 1):
                _step(state, own, sales[s, t], e[t], t % cycle, keeps[g])
                if t < time - window or (time - 1 - t) % stride != 0 or t < start[s] + 2 * cycle or state[1] <= 0.0:
                    continue
                last, level = min(horizon, time - 1 - t), _level(state)
                for f in range(firms.shape[0]):
                    for k in range(cycle):
                        rate[k] = level * _own(own, k, firms[f])
                    k = (t + 1) % cycle
                    for h in range(1, last + 1):
                        y = sales[s, t + h]
                        if not np.isnan(y):
                            total[f] += (y - rate[k] * e[t + h]) ** 2
                            count += 1
                        k = k + 1 if k + 1 < cycle else 0
            # ``count`` runs over the firms too, alike for all of them.
            loss[s, g, :] = np.nan
            if count > 0:
                loss[s, g, :] = total / count


@njit(cache=True, nogil=True)
def means(sales, start, group, effect, ahead, factor, given, response, params, cycle, origins, out):  # type: ignore[no-untyped-def]
    """Forecasts at several origins (ascending), ``out`` float32 [series, origins, horizon].

    ``ahead``: effects of the days after each origin as known there, float64 [groups, origins, horizon]; ``given`` and
    ``response`` (kinds, table): see :func:`windvane.models.structured.response.told`; ``params`` float64 [series, 2]:
    keep and firm units as in :func:`select`.
    """
    series, time = sales.shape
    horizon = out.shape[2]
    state, own = np.zeros(STATE), np.zeros((2, cycle))
    for s in range(series):
        keep, firm = params[s, 0], params[s, 1]
        state[:] = 0.0
        own[:] = 0.0
        at = 0
        while at < origins.shape[0] and origins[at] < start[s]:
            at += 1
        for t in range(start[s], time):
            if at == origins.shape[0]:
                break
            _step(state, own, sales[s, t], effect[group[s], t] * factor[s, t], t % cycle, keep)
            while at < origins.shape[0] and origins[at] == t:
                level = _level(state)
                for h in range(1, horizon + 1):
                    brings = ahead[group[s], at, h - 1] * np.exp(told(given, response[0], response[1], s, t + h, t))
                    out[s, at, h - 1] = level * brings * _own(own, (t + h) % cycle, firm)
                at += 1


@njit(cache=True, nogil=True)
def rows(sales, start, group, effect, ahead, factor, given, response, params, cycle, at_rows, out):  # type: ignore[no-untyped-def]
    """Forecasts for given (series, origin, step) rows, sorted by series and origin.

    ``ahead``: effects after every column as known there, float64 [groups, time, horizon]; ``at_rows``: pointer, origin
    and step, of which the first, int64 [series + 1], delimits each series' rows in the others and in ``out`` [rows].
    """
    pointer, origin, step = at_rows
    series, time = sales.shape
    state, own = np.zeros(STATE), np.zeros((2, cycle))
    for s in range(series):
        at, end = pointer[s], pointer[s + 1]
        state[:], own[:] = 0.0, 0.0
        for t in range(start[s], time):
            if at == end:
                break
            _step(state, own, sales[s, t], effect[group[s], t] * factor[s, t], t % cycle, params[s, 0])
            while at < end and origin[at] == t:
                level = _level(state)
                h = step[at]
                brings = ahead[group[s], t, h - 1] * np.exp(told(given, response[0], response[1], s, t + h, t))
                out[at] = level * brings * _own(own, (t + h) % cycle, params[s, 1])
                at += 1
