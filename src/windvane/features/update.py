"""A matrix that follows its panel: what changes in the past is computed anew, and nothing else.

Every cell of a feature is made from its own window in an order that the calendar alone decides, so that a row computed
now and a row computed then are the same bit for bit. An update therefore only has to know which rows read a changed
cell: those of the series (or of its group) whose windows reach back to it, and those whose targets lie near it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from windvane.errors import InputError
from windvane.features import plans, windows
from windvane.features.align import YEARS
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows
from windvane.features.spec import Feature
from windvane.features.tracks import GroupTrack
from windvane.panel import PRELAUNCH, Panel


@dataclass(frozen=True, eq=False)
class Changed:
    """Cells of one array of a panel that are not what they were.

    Attributes:
        name: "sales" (with what is known of its stock-outs and its launch), "in_stock", or a covariate.
        series: int [cells].
        column: int [cells]; a column past the old panel's last is a new period.
    """

    name: str
    series: np.ndarray
    column: np.ndarray


_FOREVER = 2**31
_ROOM = np.int64(2**32)


def look_back(feature: Feature, unit: str, season: int) -> int:
    """How many columns before its origin a window may read; a very large number where there is no bound.

    Args:
        feature: one of the kinds that read windows.
        unit: frequency of the panel.
        season: periods of its season.
    """
    if feature.kind in ("expanding", "age"):
        return _FOREVER
    if feature.kind == "aligned":
        apart = {"season": season, "month_day": 31, "year": YEARS[unit]}.get(
            feature.align, 430 * YEARS[unit] // 364 + 1
        )
        return apart * (feature.window + 1) + int(feature.value)
    return feature.window


def _come_due(old: Panel, new: Panel) -> list[Changed]:
    """Cells of plans whose period has closed: they are history now."""
    period = np.arange(old.shape[1], new.shape[1])
    series, column = np.repeat(np.arange(new.shape[0]), len(period)), np.tile(period, new.shape[0])
    return [Changed(name, series, column) for name in new.known] if len(period) else []


class LiveMatrix:
    """Features of some rows, kept up to date.

    Args:
        panel: the series.
        features: the declarations.
        rows: which rows, sorted by series and origin.
    """

    def __init__(self, panel: Panel, features: Sequence[Feature], rows: Rows) -> None:
        self._made = FeatureMatrix(panel, features)
        self._rows = [np.empty(0, np.int32)] * 3
        self._matrix = np.empty((0, len(self._made.features)), np.float32)
        self._size = 0
        self._batches: list[tuple[int, np.ndarray]] = []
        self._farthest = 1
        self._compute(self._append(rows))

    @property
    def rows(self) -> Rows:
        """The rows in the order they came; those that came together are sorted by series and origin."""
        return Rows(*(values[: self._size] for values in self._rows))

    @property
    def matrix(self) -> np.ndarray:
        """float32 [rows, features], a view that updates change."""
        return self._matrix[: self._size]

    def update(self, panel: Panel, changed: Sequence[Changed], added: Rows | None = None) -> np.ndarray:
        """Take over a panel that differs in some cells.

        Takes time proportional to the rows that read a changed cell, and to the members of the groups it belongs to;
        not to the panel.

        Args:
            panel: the same series, with the same first period and perhaps more periods.
            changed: every cell that differs: of new periods, late rows, returns, stock-outs only now recognised, plans
                revised or announced anew. Cells that do not differ do no harm.
            added: new rows, sorted by series and origin.

        Returns:
            Which rows of the matrix were computed, ascending, int64.

        Raises:
            InputError: the panel holds other series or starts at another period.
        """
        made = self._made
        if panel.first != made.first or not panel.keys.equals(made.panel.keys):
            raise InputError("an update keeps the series and the first period.", "Build the matrix anew.")
        cells = [*changed, *self._launches(panel, changed), *_come_due(made.panel, panel)]
        made.adopt(panel)
        stale = [self._append(added)] if added is not None and len(added) else []
        for each in cells:
            self._refresh_groups(each)
            stale += self._readers(each)
        where = np.unique(np.concatenate(stale)) if stale else np.empty(0, np.int64)
        self._compute(where)
        return where

    def _compute(self, where: np.ndarray) -> None:
        """Compute rows, ascending numbers; those of each batch are sorted."""
        bounds = np.searchsorted(where, [start for start, _ in self._batches] + [self._size])
        for a, b in pairwise(bounds.tolist()):
            if b > a:
                self._matrix[where[a:b]] = self._made.build(Rows(*(values[where[a:b]] for values in self._rows)))

    def _append(self, added: Rows) -> np.ndarray:
        """Take in new rows; their numbers."""
        start, self._size = self._size, self._size + len(added)
        if self._size > len(self._matrix):
            # Twice the room, so that many small additions cost no more than one large one.
            room = max(self._size, 2 * len(self._matrix) if start else 0)
            self._matrix = np.concatenate(
                [self._matrix, np.empty((room - len(self._matrix), self._matrix.shape[1]), np.float32)]
            )
            self._rows = [np.concatenate([values, np.empty(room - len(values), np.int32)]) for values in self._rows]
        for values, more in zip(self._rows, (added.series, added.origin, added.step), strict=True):
            values[start : self._size] = more
        self._batches.append((start, added.series * _ROOM + added.origin))
        self._farthest = max(self._farthest, int(added.step.max(initial=1)))
        return np.arange(start, self._size)

    def _launches(self, panel: Panel, changed: Sequence[Changed]) -> list[Changed]:
        """Take over moved launches; the cells that begin or cease to count as sales or stock."""
        launch, moved = self._made.launch, []
        for cells in changed:
            if cells.name != "sales":
                continue
            series = np.unique(cells.series[cells.column <= launch[cells.series]])
            on_sale = panel.state[series] != PRELAUNCH
            now = np.where(on_sale.any(1), on_sale.argmax(1), panel.shape[1])
            for i, old, new in zip(series.tolist(), launch[series].tolist(), now.tolist(), strict=True):
                between = np.arange(min(old, new), max(old, new))
                moved += [Changed(name, np.full(len(between), i), between) for name in ("sales", "in_stock")]
            launch[series] = now
        return moved

    def _refresh_groups(self, cells: Changed) -> None:
        made = self._made
        inside = cells.column < made.panel.shape[1]
        for (name, _), track in made.tracks.items():
            if name == cells.name and isinstance(track, GroupTrack):
                own = made.tracks[name, ""]
                track.refresh(own, cells.series[inside], cells.column[inside], made.panel.shape[1])

    def _readers(self, cells: Changed) -> list[np.ndarray]:
        """Numbers of the rows that read any of some cells."""
        freq = self._made.panel.freq
        found = []
        backward: dict[str, int] = {}
        around = -1
        for f in self._made.computed:
            if cells.name not in f.inputs:
                continue
            if f.kind in windows.KINDS:
                backward[f.by] = max(backward.get(f.by, 0), look_back(f, freq.unit, freq.season))
            elif f.kind in plans.KINDS:
                around = max(around, f.window)
        for by, reach in backward.items():
            track = self._made.tracks[cells.name, by]
            series, column = cells.series.astype(np.int64), cells.column.astype(np.int64)
            if isinstance(track, GroupTrack):
                group = np.unique(np.stack([track.code[series], column]), axis=1)
                members = [track.members[g] for g in group[0]]
                series = np.concatenate(members).astype(np.int64) if members else series[:0]
                column = np.repeat(group[1], [len(m) for m in members])
            found += self._between(series, column, column + reach)
        if around >= 0:
            series, column = cells.series.astype(np.int64), cells.column.astype(np.int64)
            found += self._between(series, column - around - self._farthest, column + around)
        return found

    def _between(self, series: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> list[np.ndarray]:
        """Numbers of the rows of some series with origins between two columns, both included."""
        found = []
        for start, key in self._batches:
            a = np.searchsorted(key, series * _ROOM + np.clip(lo, 0, _ROOM - 1))
            b = np.searchsorted(key, series * _ROOM + np.clip(hi, 0, _ROOM - 1), side="right")
            count = np.maximum(b - a, 0)
            # All numbers from each a to its b, without a loop over the ranges.
            before = np.cumsum(count) - count
            found.append(start + np.repeat(a - before, count) + np.arange(int(count.sum())))
        return found
