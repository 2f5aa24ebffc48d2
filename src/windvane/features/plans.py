"""Compiled features of a covariate round the target, as far as it was announced by the origin.

An unknown cell is one without a value, one announced only after the origin, or one outside the covariate's columns.
It never counts as running, ends the promotion that is counted through it, and is passed over in the search for a
change.
"""

from __future__ import annotations

import numpy as np
from numba import njit

KINDS = ("value", "change", "since_change", "day_in", "until_next", "since_last", "running")
"""What can be made of a covariate known in advance, in the order of the kernel's codes."""

_VALUE, _CHANGE, _SINCE_CHANGE, _DAY_IN, _UNTIL_NEXT, _SINCE_LAST, RUNNING = range(len(KINDS))


@njit(cache=True, nogil=True)
def _known(since, i, c, origin):  # type: ignore[no-untyped-def]
    return since.shape[0] == 0 or since[i, c] <= origin


@njit(cache=True, nogil=True)
def _runs(v, code):  # type: ignore[no-untyped-def]
    return v > 0 if code == 0 else v == code


@njit(cache=True, nogil=True)
def _mark(row, kind, code, lo, hi, mark):  # type: ignore[no-untyped-def]
    """For every column from ``lo`` to ``hi`` the column to look at first, whether or not it was known by then.

    For a change that is the last earlier column with another value; for a distance the nearest column that runs,
    itself included, backwards or forwards. Beyond the range: ``lo`` - 1 or ``hi`` + 1.
    """
    if kind == _UNTIL_NEXT:
        found = hi + 1
        for c in range(hi, lo - 1, -1):
            if _runs(row[c], code):
                found = c
            mark[c - lo] = found
    elif kind == _SINCE_LAST:
        found = lo - 1
        for c in range(lo, hi + 1):
            if _runs(row[c], code):
                found = c
            mark[c - lo] = found
    else:
        # The newest known value and the newest one that differs from it.
        value, newest, other = np.float32(np.nan), lo - 1, lo - 1
        for c in range(lo, hi + 1):
            v = row[c]
            if np.isnan(v):
                mark[c - lo] = lo - 1
                continue
            if v != value:
                other, value = newest, v
            newest = c
            mark[c - lo] = other


@njit(cache=True, nogil=True)
def _changed(row, since, i, target, o, reach, lo, mark):  # type: ignore[no-untyped-def]
    """Column of the last known value before a target that differs from its own; -1 = none within ``reach``."""
    v = row[target]
    c = mark[target - lo]
    while c >= max(target - reach, lo):
        if np.isnan(row[c]):
            c -= 1
        elif row[c] == v:
            c = mark[c - lo]
        elif _known(since, i, c, o):
            return c
        else:
            c -= 1
    return -1


@njit(cache=True, nogil=True)
def _distance(row, since, i, target, o, reach, lo, hi, way, mark):  # type: ignore[no-untyped-def]
    """Periods from a target, forwards or backwards, to the nearest that is known to run; NaN if nothing is known."""
    c = min(target, hi) if way < 0 else target
    while lo <= c <= hi:
        c = mark[c - lo]
        if not lo <= c <= hi or abs(c - target) >= reach:
            break
        if _known(since, i, c, o):
            return np.float64(abs(c - target))
        c += way
    for k in range(reach):
        c = target + way * k
        if 0 <= c < row.shape[0] and not np.isnan(row[c]) and _known(since, i, c, o):
            return np.float64(reach)
    return np.nan


@njit(cache=True, nogil=True)
def _day_in(row, since, i, target, o, reach, code):  # type: ignore[no-untyped-def]
    """Periods that what runs at the target has been running, the target included."""
    n = 0
    while n < min(reach, target + 1) and _runs(row[target - n], code) and _known(since, i, target - n, o):
        n += 1
    return n


_SIGNATURE = (
    "void(f4[:,::1], i4[:,::1], i4[::1], i8[::1], i4[::1], i4[::1], i4[::1], i4[::1], f8[::1], i4[::1], f4[:,::1],"
    "f4[:,::1])"
)


@njit(_SIGNATURE, cache=True, nogil=True)
def plan_features(values, since, at, pointer, origin, step, kind, reach, code, column, hidden, out):  # type: ignore[no-untyped-def]
    """Write features of one covariate for every row of the matrix.

    Args:
        values: float32 [series, columns].
        since: int32 like ``values``, origin from which on a value is known; without rows = always.
        at: int32 [blocks], series of each block of matrix rows.
        pointer: int64 [blocks + 1], delimits the blocks.
        origin: int32 [rows].
        step: int32 [rows].
        kind: int32 [features], place in :data:`KINDS`; "running" goes through :func:`running_kind`.
        reach: int32 [features].
        code: float64 [features], value that counts as running; 0 = any above zero.
        column: int32 [features], column of ``out`` to write, or of ``hidden`` past its last.
        hidden: float32 [rows, columns].
        out: float32 [rows, features].
    """
    width = values.shape[1]
    mark = np.empty(width, np.int64)
    for block in range(at.shape[0]):
        i, a, b = at[block], pointer[block], pointer[block + 1]
        row = values[i]
        first, last = np.int64(2**31), np.int64(0)
        for r in range(a, b):
            target = np.int64(origin[r]) + step[r]
            first, last = min(first, target), max(last, target)
        for f in range(kind.shape[0]):
            matrix, to = (out, column[f]) if column[f] < out.shape[1] else (hidden, column[f] - out.shape[1])
            what, far = kind[f], np.int64(reach[f])
            lo = max(first - far, 0)
            hi = min(last + far if what == _UNTIL_NEXT else last, width - 1)
            if what not in (_VALUE, _DAY_IN):
                _mark(row, what, code[f], lo, hi, mark)
            for r in range(a, b):
                o, target = np.int64(origin[r]), np.int64(origin[r]) + step[r]
                if what in (_UNTIL_NEXT, _SINCE_LAST):
                    way = 1 if what == _UNTIL_NEXT else -1
                    matrix[r, to] = _distance(row, since, i, target, o, far, lo, hi, way, mark)
                    continue
                if target >= width or np.isnan(row[target]) or not _known(since, i, target, o):
                    matrix[r, to] = np.nan
                elif what == _VALUE:
                    matrix[r, to] = row[target]
                elif what == _DAY_IN:
                    matrix[r, to] = _day_in(row, since, i, target, o, far, code[f])
                else:
                    c = _changed(row, since, i, target, o, far, lo, mark)
                    if what == _SINCE_CHANGE:
                        matrix[r, to] = target - c if c >= 0 else far
                    elif c < 0:
                        matrix[r, to] = 1.0
                    else:
                        matrix[r, to] = np.float64(row[target]) / np.float64(row[c]) if row[c] != 0 else np.nan


@njit("void(f4[:,::1], i4[:,::1], i4[::1], i4[::1], i4[::1], f4, f4[::1])", cache=True, nogil=True)
def running_kind(values, since, series, origin, step, number, out):  # type: ignore[no-untyped-def]
    """Write a promotion's number where it runs at the target and no earlier one does; 0 where it is known not to.

    Args:
        values: float32 [series, columns].
        since: int32 like ``values``; without rows = always known.
        series: int32 [rows].
        origin: int32 [rows].
        step: int32 [rows].
        number: what stands for this promotion.
        out: float32 [rows], NaN before the first promotion.
    """
    for r in range(series.shape[0]):
        i, c = series[r], np.int64(origin[r]) + step[r]
        if c < values.shape[1] and not np.isnan(values[i, c]) and _known(since, i, c, origin[r]) and not out[r] > 0:
            out[r] = number if values[i, c] > 0 else 0.0


@njit("void(f4[:,::1], f4[:,::1], i4[::1], i4[::1])", cache=True, nogil=True)
def divide(out, hidden, column, base):  # type: ignore[no-untyped-def]
    """Divide columns of the matrix by others, in place; 0 or unknown below gives NaN.

    Args:
        out: float32 [rows, features].
        hidden: float32 [rows, columns].
        column: int32 [divisions], column of ``out`` to divide.
        base: int32 [divisions], column of ``out`` to divide by, or of ``hidden`` past its last.
    """
    width = out.shape[1]
    for r in range(out.shape[0]):
        for k in range(column.shape[0]):
            b = np.float64(out[r, base[k]]) if base[k] < width else np.float64(hidden[r, base[k] - width])
            out[r, column[k]] = np.float64(out[r, column[k]]) / b if b != 0 else np.nan
