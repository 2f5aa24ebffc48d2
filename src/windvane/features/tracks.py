"""Tracks: the arrays that windows are cut from, each cell as it was known at the origin that asks.

A track has one row per series (sales, availability, a covariate) or one row per group (the mean of its members'
known cells). What was known of a cell before its final value is kept as *patches*: a stock-out recognised only later
was sales as they were until then, a plan announced only later was unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from windvane.panel import NEVER

FINAL = np.empty((0, 0), np.int32)
"""Stands for: every value was known in its own period."""
_NO_VALUES = np.empty((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Patches:
    """What was known before the final values, for some rows of a track.

    Attributes:
        pointer: int64 [rows + 1].
        column: int32 [patches], ascending within a row.
        until: int32 [patches], first origin at which the final value is known; ascending within a column.
        value: float32 [patches].
    """

    pointer: np.ndarray
    column: np.ndarray
    until: np.ndarray
    value: np.ndarray


@njit("i8(i4[:,::1], f4[:,::1], i4[::1], i8, i8[::1], i4[::1], i4[::1], f4[::1], b1)", cache=True, nogil=True)
def _late(since, before, rows, width, pointer, column, until, value, write):  # type: ignore[no-untyped-def]
    """Count, or write, the cells of some rows that became known after their own period."""
    n = 0
    for k in range(rows.shape[0]):
        i = rows[k]
        for c in range(width):
            u = since[i, c]
            if u > c and u != NEVER:
                if write:
                    column[n], until[n] = c, u
                    value[n] = before[i, c] if before.shape[0] > 0 else np.nan
                n += 1
        pointer[k + 1] = n
    return n


def late_cells(since: np.ndarray, before: np.ndarray, rows: np.ndarray, width: int) -> Patches:
    """Patches of the cells that became known after their own period.

    Args:
        since: int32 [rows of the track, columns], origin from which on the final value is known.
        before: float32 of the same shape, the value known until then; without rows = unknown.
        rows: int32, which rows.
        width: columns to look at.
    """
    pointer = np.zeros(len(rows) + 1, np.int64)
    none = np.empty(0, np.int32)
    count = 0 if not since.shape[0] else _late(since, before, rows, width, pointer, none, none, none.view("f4"), False)
    out = Patches(pointer, np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.float32))
    if count:
        _late(since, before, rows, width, pointer, out.column, out.until, out.value, True)
    return out


@dataclass(eq=False)
class Track:
    """An array that windows are cut from.

    Attributes:
        name: of the array; of a group's, ``array@column``.
        values: float32 [rows, columns], as known in the end; columns past the panel's last period are not read.
        start: int32 [rows], first column of each row.
        since: int32 like ``values``, origin from which on a value was known; :data:`FINAL` = its own period.
        before: float32 like ``values``, what was known until then; without rows = unknown.
    """

    name: str
    values: np.ndarray
    start: np.ndarray
    since: np.ndarray = field(default_factory=lambda: FINAL)
    before: np.ndarray = field(default_factory=lambda: _NO_VALUES)

    def patches(self, rows: np.ndarray, width: int) -> Patches:
        """Patches of some rows, int32, over the first ``width`` columns."""
        return late_cells(self.since, self.before, rows, width)


@njit("f8(f4[:,::1], i4[::1], i4[:,::1], f4[:,::1], i4[::1], i8, i8)", cache=True, nogil=True)
def _cell(values, start, since, before, members, c, origin):  # type: ignore[no-untyped-def]
    """Mean over the members' known cells of one column as known at an origin, in the members' order."""
    total, n = 0.0, 0
    for k in range(members.shape[0]):
        i = members[k]
        if c < start[i]:
            continue
        v = values[i, c]
        if since.shape[0] > 0 and since[i, c] > origin and since[i, c] != NEVER:
            v = before[i, c] if before.shape[0] > 0 else np.float32(np.nan)
        if not np.isnan(v):
            total += v
            n += 1
    return total / n if n > 0 else np.nan


@njit("void(f4[:,::1], i4[::1], i4[::1], i8, f8[:,::1], i8[:,::1])", cache=True, nogil=True)
def _add_up(values, start, code, width, total, count):  # type: ignore[no-untyped-def]
    """Totals and numbers of known cells of every group and column, series by series."""
    for i in range(code.shape[0]):
        for c in range(start[i], width):
            v = values[i, c]
            if not np.isnan(v):
                total[code[i], c] += v
                count[code[i], c] += 1


class GroupTrack(Track):
    """Means over the members of groups, kept up to date cell by cell.

    Args:
        name: its name.
        own: the members' track.
        code: int32 [series], group of each.
        width: columns of the panel.
    """

    def __init__(self, name: str, own: Track, code: np.ndarray, width: int) -> None:
        self.own, self.code = own, np.ascontiguousarray(code, np.int32)
        groups = int(code.max(initial=-1)) + 1
        order = np.argsort(code, kind="stable").astype(np.int32)
        self.members = np.split(order, np.searchsorted(code[order], np.arange(1, groups)))
        total, count = np.zeros((groups, width)), np.zeros((groups, width), np.int64)
        _add_up(own.values, own.start, self.code, width, total, count)
        with np.errstate(invalid="ignore"):
            values = (total / np.where(count > 0, count, np.nan)).astype(np.float32)
        super().__init__(name, np.ascontiguousarray(values), self._starts(groups))
        self._flat: dict[int, np.ndarray] = {}
        self._told: list[dict[int, list[tuple[int, float]]]] = [{} for _ in range(groups)]
        late = own.patches(np.arange(len(code), dtype=np.int32), width)
        series = np.repeat(np.arange(len(code)), np.diff(late.pointer))
        self._tell(np.unique(self.code[series].astype(np.int64) * width + late.column), width)

    def _starts(self, groups: int) -> np.ndarray:
        start = np.full(groups, NEVER, np.int32)
        np.minimum.at(start, self.code, self.own.start)
        return start

    def _tell(self, cells: np.ndarray, width: int) -> None:
        """Work out what was known when of some cells, numbered group x width + column."""
        own = self.own
        for cell in cells:
            g, c = divmod(int(cell), width)
            self._told[g].pop(c, None)
            self._flat.pop(g, None)
            if not own.since.shape[0]:
                continue
            moments = own.since[self.members[g], c]
            moments = np.unique(moments[(moments > c) & (moments != NEVER)])
            told = [
                (int(u), _cell(own.values, own.start, own.since, own.before, self.members[g], c, int(u) - 1))
                for u in moments
            ]
            if told:
                self._told[g][c] = told

    def refresh(self, own: Track, series: np.ndarray, column: np.ndarray, width: int) -> None:
        """Work out anew the cells that some members' cells belong to.

        Args:
            own: the members' track as it is now.
            series: int64 [cells], members whose cells changed.
            column: int64 [cells], which.
            width: columns of the panel.
        """
        self.own = own
        if width > self.values.shape[1]:
            spare = np.full((len(self.values), max(width, 2 * self.values.shape[1])), np.nan, np.float32)
            spare[:, : self.values.shape[1]] = self.values
            self.values = spare
        touched = np.unique(self.code[series])
        for g in touched:
            self.start[g] = own.start[self.members[g]].min()
        cells = np.unique(self.code[series].astype(np.int64) * width + column)
        for cell in cells:
            g, c = divmod(int(cell), width)
            self.values[g, c] = _cell(own.values, own.start, FINAL, _NO_VALUES, self.members[g], c, NEVER)
        self._tell(cells, width)

    def patches(self, rows: np.ndarray, width: int) -> Patches:
        """Patches of some groups."""
        flat = [self._flattened(int(g)) for g in rows]
        pointer = np.concatenate([[0], np.cumsum([len(table) for table in flat])]).astype(np.int64)
        table = np.concatenate([np.empty((0, 3)), *flat])
        columns = [np.ascontiguousarray(table[:, k].astype(kind)) for k, kind in enumerate(("i4", "i4", "f4"))]
        return Patches(pointer, *columns)

    def _flattened(self, g: int) -> np.ndarray:
        """Patches of one group: column, until, value, float64 [patches, 3]."""
        if g not in self._flat:
            told = self._told[g]
            rows = [(c, until, value) for c in sorted(told) for until, value in told[c]]
            self._flat[g] = np.array(rows, np.float64).reshape(-1, 3)
        return self._flat[g]
