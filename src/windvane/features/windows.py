"""Compiled features of one track up to an origin, written straight into the matrix.

A *track* is an array [rows, time] read backwards from an origin: the sales of every series, a covariate, the mean
sales of a group. What every window does with what it finds:

- Unknown cells (NaN) and cells before a row's first column are skipped; a window without a known cell gives NaN.
- Cells are read as they were known at the origin: a cell with a patch ``until`` holds the patch's value for origins
  before ``until``.
- Sums are float64 in an order that depends on the calendar period alone: a window of ``w`` periods is cut where the
  period number is a multiple of ``w``; what follows the cut is added forwards, what precedes it backwards, then the
  two. So every cell of a feature is made from its own window and nothing else, in constant time per cell, and comes
  out the same bit for bit however many origins are asked for together. Whole numbers add up exactly in any order;
  they take differences of running sums.

Source of the cut: van Herk (1992), Pattern Recognition Letters 13, and Gil and Werman (1993), IEEE Transactions on
Pattern Analysis and Machine Intelligence 15, there for minima and maxima.
"""

from __future__ import annotations

import numpy as np
from numba import njit

KINDS = (
    "lag", "mean", "std", "zeros", "coverage", "least", "largest", "quantile", "decayed", "expanding",
    "since_sale", "zero_run", "age", "aligned", "target_lag",
)  # fmt: skip
"""What can be made of a track, in the order of the kernel's codes."""

BLOCK = 64
"""Periods whose sum is formed on its own in an expanding mean."""

_TALLY = 64
"""Whole numbers below this are tallied for quantiles; larger ones are kept sorted."""

_EXACT = 2.0**53
_NOISE = 1e-12
"""Share of the squared mean below which a variance is rounding error."""

(
    _LAG, _MEAN, _STD, _ZEROS, _COVERAGE, _LEAST, _LARGEST, _QUANTILE, _DECAYED, _EXPANDING, _SINCE, _RUN, _AGE,
    _ALIGNED, _TARGET,
) = range(len(KINDS))  # fmt: skip


@njit(cache=True, nogil=True)
def _prepare(y, begin, base, hi, x, ok, sums):  # type: ignore[no-untyped-def]
    """Known values (0 where unknown) from column ``base`` on and running sums; whether sums are exact.

    ``sums`` float64 [4, columns + 1]: running number, sum, sum of squares, number of zeros.
    """
    whole, n, s, q, z = True, 0.0, 0.0, 0.0, 0.0
    for t in range(base, hi + 1):
        j = t - base
        v = np.float64(y[t]) if t >= begin else np.nan
        if np.isnan(v):
            x[j], ok[j] = 0.0, 0.0
        else:
            x[j], ok[j] = v, 1.0
            n += 1.0
            if v <= 0:
                z += 1.0
            s += v
            q += v * v
            if v != np.floor(v):
                whole = False
        sums[0, j + 1], sums[1, j + 1], sums[2, j + 1], sums[3, j + 1] = n, s, q, z
    return whole and q < _EXACT


@njit(cache=True, nogil=True)
def _cut_sums(x, base, lo, hi, w, first, s, q, suffix):  # type: ignore[no-untyped-def]
    """Sums ``s`` and sums of squares ``q`` of the last ``w`` columns, for every column from ``lo`` to ``hi``."""
    b = ((lo + first) // w) * w - first
    while b <= hi:
        total, square = 0.0, 0.0
        for t in range(b - 1, max(lo, b) - w, -1):
            v = x[t - base]
            total += v
            square += v * v
            suffix[0, t - b + w], suffix[1, t - b + w] = total, square
        total, square = 0.0, 0.0
        for t in range(b, min(b + w - 1, hi) + 1):
            v = x[t - base]
            total += v
            square += v * v
            if t >= lo:
                k = t - b + 1
                s[t - lo] = total + (suffix[0, k] if k < w else 0.0)
                q[t - lo] = square + (suffix[1, k] if k < w else 0.0)
        b += w


@njit(cache=True, nogil=True)
def _window(x, sums, whole, base, hi, origin, w, first, got, sliding, suffix):  # type: ignore[no-untyped-def]
    """Number, sum, sum of squares and zeros of the last ``w`` columns at every origin, into ``got`` [4, origins]."""
    lo = np.int64(origin[0])
    if not whole:
        _cut_sums(x, base, lo, hi, w, first, sliding[0], sliding[1], suffix)
    for r in range(origin.shape[0]):
        b = origin[r] - base + 1
        a = b - w
        got[0, r] = sums[0, b] - sums[0, a]
        got[3, r] = sums[3, b] - sums[3, a]
        if whole:
            got[1, r] = sums[1, b] - sums[1, a]
            got[2, r] = sums[2, b] - sums[2, a]
        else:
            got[1, r] = sliding[0, origin[r] - lo]
            got[2, r] = sliding[1, origin[r] - lo]


@njit(cache=True, nogil=True)
def _extremes(x, ok, base, lo, hi, w, sliding, suffix):  # type: ignore[no-untyped-def]
    """Smallest and largest of the last ``w`` columns into ``sliding`` [2, columns]; infinite where none is known."""
    b = (lo // w) * w
    while b <= hi:
        low, high = np.inf, -np.inf
        for t in range(b - 1, max(lo, b) - w, -1):
            if ok[t - base] > 0:
                low, high = min(low, x[t - base]), max(high, x[t - base])
            suffix[0, t - b + w], suffix[1, t - b + w] = low, high
        low, high = np.inf, -np.inf
        for t in range(b, min(b + w - 1, hi) + 1):
            if ok[t - base] > 0:
                low, high = min(low, x[t - base]), max(high, x[t - base])
            if t >= lo:
                k = t - b + 1
                sliding[0, t - lo] = min(low, suffix[0, k]) if k < w else low
                sliding[1, t - lo] = max(high, suffix[1, k]) if k < w else high
        b += w


@njit(cache=True, nogil=True)
def _ranked(tally, rank):  # type: ignore[no-untyped-def]
    """Order statistic of a tally of whole numbers, counted from 0."""
    v, below = 0, tally[0]
    while below <= rank:
        v += 1
        below += tally[v]
    return v


@njit(cache=True, nogil=True)
def _tallied(x, ok, base, lo, origin, w, level, res, tally):  # type: ignore[no-untyped-def]
    """Quantile of the last ``w`` columns of small whole numbers, at the origins given; ``tally`` starts empty."""
    n, done = 0, lo - w
    for r in range(origin.shape[0]):
        o = np.int64(origin[r])
        for t in range(max(done + 1, o - w + 1), o + 1):
            if ok[t - base] > 0:
                tally[int(x[t - base])] += 1
                n += 1
        for t in range(max(done - w, lo - w) + 1, min(o - w, done) + 1):
            if ok[t - base] > 0:
                tally[int(x[t - base])] -= 1
                n -= 1
        done = o
        if n == 0:
            res[o - lo] = np.nan
            continue
        place = (n - 1) * level
        i = int(np.floor(place))
        v = _ranked(tally, i)
        above = v if place == i else _ranked(tally, i + 1)
        res[o - lo] = v + (above - v) * (place - i)
    tally[:] = 0


@njit(cache=True, nogil=True)
def _sorted(x, ok, base, lo, hi, w, level, res, order):  # type: ignore[no-untyped-def]
    """Quantile of the last ``w`` columns, kept sorted in ``order``."""
    n = 0
    for t in range(lo - w + 1, hi + 1):
        old = t - w
        if old > lo - w and ok[old - base] > 0:
            k = np.searchsorted(order[:n], x[old - base])
            for i in range(k, n - 1):
                order[i] = order[i + 1]
            n -= 1
        if ok[t - base] > 0:
            v = x[t - base]
            k = n
            while k > 0 and order[k - 1] > v:
                order[k] = order[k - 1]
                k -= 1
            order[k] = v
            n += 1
        if t >= lo:
            if n == 0:
                res[t - lo] = np.nan
            else:
                place = (n - 1) * level
                i = int(np.floor(place))
                above = order[min(i + 1, n - 1)]
                res[t - lo] = order[i] + (above - order[i]) * (place - i)


@njit(cache=True, nogil=True)
def _quantile(x, ok, base, hi, whole, origin, w, level, res, order, tally):  # type: ignore[no-untyped-def]
    """Quantile of the last ``w`` columns, linear between order statistics, at the origins at least."""
    lo = np.int64(origin[0])
    small = whole
    for j in range(lo - w + 1 - base, hi - base + 1):
        if x[j] < 0 or x[j] >= tally.shape[0]:
            small = False
            break
    if small:
        _tallied(x, ok, base, lo, origin, w, level, res, tally)
    else:
        _sorted(x, ok, base, lo, hi, w, level, res, order)


@njit(cache=True, nogil=True)
def _decayed(x, ok, base, lo, hi, w, decay, first, res, suffix, power):  # type: ignore[no-untyped-def]
    """Mean of the last ``w`` columns with weights ``decay ** age``."""
    power[0] = 1.0
    for k in range(1, w + 1):
        power[k] = power[k - 1] * decay
    b = ((lo + first) // w) * w - first
    while b <= hi:
        total, weight = 0.0, 0.0
        for t in range(b - 1, max(lo, b) - w, -1):
            total += power[b - 1 - t] * x[t - base]
            weight += power[b - 1 - t] * ok[t - base]
            suffix[0, t - b + w], suffix[1, t - b + w] = total, weight
        total, weight = 0.0, 0.0
        for t in range(b, min(b + w - 1, hi) + 1):
            total = decay * total + x[t - base]
            weight = decay * weight + ok[t - base]
            if t >= lo:
                k = t - b + 1
                s = total + (power[k] * suffix[0, k] if k < w else 0.0)
                n = weight + (power[k] * suffix[1, k] if k < w else 0.0)
                res[t - lo] = s / n if n > 0 else np.nan
        b += w


@njit(cache=True, nogil=True)
def _expanding(y, begin, lo, hi, first, res):  # type: ignore[no-untyped-def]
    """Mean of all columns so far: sums of blocks of 64 calendar periods, added in order, then the running block."""
    before, n, block = 0.0, 0, 0.0
    for t in range(begin, hi + 1):
        if (t + first) % BLOCK == 0:
            before += block
            block = 0.0
        if not np.isnan(y[t]):
            block += y[t]
            n += 1
        if t >= lo:
            res[t - lo] = (before + block) / n if n > 0 else np.nan
    for t in range(lo, min(begin, hi + 1)):
        res[t - lo] = np.nan


@njit(cache=True, nogil=True)
def _since(y, begin, base, lo, hi, cap, zeros, run, res):  # type: ignore[no-untyped-def]
    """Periods since the last sale, or known periods without a sale since then (``run``); at most ``cap``."""
    last = lo - cap
    for t in range(max(begin, lo - cap + 1), hi + 1):
        if y[t] > 0:
            last = t
        if t >= lo:
            back = max(last, t - cap)
            res[t - lo] = zeros[t - base + 1] - zeros[back - base + 1] if run else t - back
    for t in range(lo, min(begin, hi + 1)):
        res[t - lo] = np.nan


@njit(cache=True, nogil=True)
def _aligned(y, begin, o, places, target, count, half):  # type: ignore[no-untyped-def]
    """Mean round the newest ``count`` of a target's columns, newest first, that are not later than the origin."""
    total, n, taken = 0.0, 0, 0
    for j in range(places.shape[1]):
        c = np.int64(places[target, j])
        if c < 0 or c > o:
            continue
        if half == 0:
            if c >= begin and not np.isnan(y[c]):
                total += y[c]
                n += 1
        else:
            for t in range(max(c - half, begin), min(c + half, o) + 1):
                if not np.isnan(y[t]):
                    total += y[t]
                    n += 1
        taken += 1
        if taken == count:
            break
    return total / n if n > 0 else np.nan


@njit(cache=True, nogil=True)
def _from_sums(kind, got, begin, w, where, origin, matrix, at):  # type: ignore[no-untyped-def]
    """Write the mean, deviation, share of zeros, or share of known columns, from the sums of a window."""
    for r in range(where.shape[0]):
        n, value = got[0, r], np.nan
        if kind == _COVERAGE:
            there = min(w, origin[r] - begin + 1)
            if there > 0:
                value = n / there
        elif n > 0:
            if kind == _ZEROS:
                value = got[3, r] / n
            else:
                mean = got[1, r] / n
                if kind == _MEAN:
                    value = mean
                else:
                    spread = got[2, r] / n - mean * mean
                    value = np.sqrt(spread) if spread > _NOISE * mean * mean else 0.0
        matrix[where[r], at] = value


@njit(cache=True, nogil=True)
def _from_cells(kind, y, begin, w, half, places, rows, matrix, at):  # type: ignore[no-untyped-def]
    """Write lags and means of aligned columns: what is read cell by cell."""
    where, origin, step = rows
    for r in range(where.shape[0]):
        o = np.int64(origin[r])
        if kind == _ALIGNED:
            matrix[where[r], at] = _aligned(y, begin, o, places, o + step[r], w, half)
            continue
        c = o + step[r] - w if kind == _TARGET else o - w
        matrix[where[r], at] = y[c] if begin <= c <= o else np.nan


@njit(cache=True, nogil=True)
def _series(y, begin, first, rows, program, tables, scratch, hidden, out):  # type: ignore[no-untyped-def]
    """Write all features of some rows of one track row, which all see the same values.

    Args:
        y: float32 [time].
        begin: first column of the row.
        first: period number of column 0.
        rows: where, origin and step of every row; origins ascend.
        program: kind, window, value, table and column of every feature; those of one window follow each other.
        tables: int32 [tables, targets, places]: columns that a target is compared with, -1 = none.
        scratch: x, ok, sums, got, sliding, suffix, power, tally.
        hidden: float32 [rows, ...], takes the columns past those of ``out``.
        out: float32 [rows, features].
    """
    where, origin, _ = rows
    kinds, windows, values, table, column, reach = program
    x, ok, sums, got, sliding, suffix, power, tally = scratch
    lo, hi = np.int64(origin[0]), np.int64(origin[-1])
    base = lo - reach + 1
    whole = _prepare(y, begin, base, hi, x, ok, sums)
    res, ready = sliding[0], np.int64(-1)
    for f in range(kinds.shape[0]):
        kind, w = kinds[f], np.int64(windows[f])
        matrix, at = (out, column[f]) if column[f] < out.shape[1] else (hidden, column[f] - out.shape[1])
        if kind in (_LAG, _ALIGNED, _TARGET):
            _from_cells(kind, y, begin, w, int(values[f]), tables[table[f]], rows, matrix, at)
            continue
        if kind <= _COVERAGE:
            if ready != w:
                _window(x, sums, whole, base, hi, origin, w, first, got, sliding, suffix)
                ready = w
            _from_sums(kind, got, begin, w, where, origin, matrix, at)
            continue
        if kind in (_LEAST, _LARGEST):
            # The smallest and the largest of one window follow each other and are found together.
            if f == 0 or kinds[f - 1] != _LEAST or windows[f - 1] != w:
                _extremes(x, ok, base, lo, hi, w, sliding, suffix)
            for r in range(where.shape[0]):
                v = sliding[kind - _LEAST, origin[r] - lo]
                matrix[where[r], at] = v if np.isfinite(v) else np.nan
            continue
        if kind == _QUANTILE:
            _quantile(x, ok, base, hi, whole, origin, w, values[f], res, power, tally)
        elif kind == _DECAYED:
            _decayed(x, ok, base, lo, hi, w, values[f], first, res, suffix, power)
        elif kind == _EXPANDING:
            _expanding(y, begin, lo, hi, first, res)
        elif kind == _AGE:
            for k in range(hi - lo + 1):
                res[k] = min(lo + k - begin + 1, w) if lo + k >= begin else np.nan
        else:
            _since(y, begin, base, lo, hi, w, sums[3], kind == _RUN, res)
        for r in range(where.shape[0]):
            matrix[where[r], at] = res[origin[r] - lo]


@njit(cache=True, nogil=True)
def _as_known(values, a, b, column, until, value, origin, y):  # type: ignore[no-untyped-def]
    """Lay a row as it was known at an origin into ``y``; return the origin at which that changes next."""
    y[:] = values
    change, done = np.int64(2**31 - 1), -1
    for p in range(a, b):
        if until[p] > origin and column[p] <= origin:
            change = min(change, np.int64(until[p]))
            # Patches of one column ascend in ``until``: the first that still holds is the one.
            if column[p] != done:
                y[column[p]] = value[p]
                done = column[p]
        elif until[p] > origin:
            change = min(change, np.int64(column[p]))
    return change


_SIGNATURE = (
    "void(f4[:,::1], i4[::1], i8, i4[::1], i8[::1], i8[::1], i4[::1], i4[::1], i8[::1], i4[::1], i4[::1], f4[::1],"
    "i4[::1], i4[::1], f8[::1], i4[::1], i4[::1], i4[:,:,::1], f4[:,::1], f4[:,::1])"
)


@njit(_SIGNATURE, cache=True, nogil=True)
def track_features(  # type: ignore[no-untyped-def]
    values, start, first, at, pointer, where, origin, step, patches, patch_column, patch_until, patch_value,
    kind, window, value, table, column, tables, hidden, out,
):  # fmt: skip
    """Write features of a track for every row of the matrix.

    Args:
        values: float32 [track rows, columns], as known in the end.
        start: int32 [track rows], first column of each.
        first: period number of column 0.
        at: int32 [blocks], track row that each block of matrix rows reads.
        pointer: int64 [blocks + 1], delimits the blocks in the arrays that follow.
        where: int64 [rows], row of the matrix to write.
        origin: int32 [rows], ascending within a block.
        step: int32 [rows].
        patches: int64 [blocks + 1], delimits each block's patches, which ascend in column and until.
        patch_column: int32 [patches], the cell.
        patch_until: int32 [patches], the first origin at which the value in ``values`` is known.
        patch_value: float32 [patches], the value known before that.
        kind: int32 [features], place in :data:`KINDS`.
        window: int32 [features].
        value: float64 [features], level of a quantile, decay, half width of an aligned window.
        table: int32 [features], which of the tables an aligned window reads.
        column: int32 [features], column of ``out`` to write, or of ``hidden`` past its last.
        tables: int32 [tables, targets, places].
        hidden: float32 [rows, columns].
        out: float32 [rows, features].
    """
    reach, most = np.int64(1), np.int64(0)
    for f in range(kind.shape[0]):
        if kind[f] not in (_LAG, _AGE, _ALIGNED, _TARGET):
            reach = max(reach, np.int64(window[f]) + (1 if kind[f] in (_SINCE, _RUN) else 0))
    for block in range(at.shape[0]):
        most = max(most, pointer[block + 1] - pointer[block])
    size = values.shape[1] + reach + 1
    scratch = (
        np.empty(size), np.empty(size), np.zeros((4, size + 1)), np.empty((4, most)), np.empty((2, size)),
        np.empty((2, reach + 1)), np.empty(reach + 1), np.zeros(_TALLY, np.int32),
    )  # fmt: skip
    program = (kind, window, value, table, column, reach)
    y = np.empty(values.shape[1], np.float32)
    for block in range(at.shape[0]):
        i = at[block]
        a, b = patches[block], patches[block + 1]
        r, end = pointer[block], pointer[block + 1]
        while r < end:
            stop = end
            if b > a:
                change = _as_known(values[i], a, b, patch_column, patch_until, patch_value, origin[r], y)
                stop = r
                while stop < end and origin[stop] < change:
                    stop += 1
            seen = y if b > a else values[i]
            rows = (where[r:stop], origin[r:stop], step[r:stop])
            _series(seen, np.int64(start[i]), first, rows, program, tables, scratch, hidden, out)
            r = stop
