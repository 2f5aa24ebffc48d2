"""The matrix of a list of declared features: one row per (series, origin, step), written by compiled kernels.

Example:
    >>> import numpy as np
    >>> import polars as pl
    >>> from datetime import date, timedelta
    >>> from windvane.features import spec
    >>> from windvane.features.rows import Rows
    >>> from windvane.panel import Panel
    >>> days = [date(2026, 1, 1) + timedelta(days=i) for i in range(10)]
    >>> frame = pl.DataFrame({"sku": "a", "date": days, "sales": list(range(10))})
    >>> panel = Panel.from_frame(frame, keys=["sku"], date="date", sales="sales", freq="1d")
    >>> wanted = FeatureMatrix(panel, [spec.step(), spec.lag(), spec.mean(7)])
    >>> wanted.build(Rows.after(1, 9, horizon=2)).tolist()
    [[1.0, 9.0, 6.0], [2.0, 9.0, 6.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windvane.engine import map_parts
from windvane.errors import ConfigError, InputError
from windvane.features import plans, windows
from windvane.features.align import aligned_columns, days_apart
from windvane.features.rows import CALENDAR, Rows, calendar_facts, code_texts, texts_of
from windvane.features.spec import ALL, Feature
from windvane.features.tracks import FINAL, GroupTrack, Track
from windvane.panel import Panel

_ROWS = 16_384
"""Rows made at a time: their part of the matrix stays in a processor's own cache."""

_AHEAD = 400
"""Columns past the last for which alignments and calendar facts are kept ready."""

_MOMENTS = {
    **dict.fromkeys(windows.KINDS, ("origin",)),
    **dict.fromkeys(plans.KINDS, ("plan", "calendar")),
    "target_lag": ("step",),
    **dict.fromkeys(("calendar", "until_day", "since_day"), ("calendar",)),
    "static": ("static",),
    "step": ("step",),
}


@dataclass(frozen=True, eq=False)
class _Program:
    """What a kernel writes: one entry per feature, the columns past the matrix's last being hidden ones.

    Attributes:
        kind: int32, code of what is computed.
        window: int32.
        value: float64.
        table: int32, which alignment.
        column: int32, where it goes.
    """

    kind: np.ndarray
    window: np.ndarray
    value: np.ndarray
    table: np.ndarray
    column: np.ndarray


class FeatureMatrix:
    """Declared features of one panel.

    Args:
        panel: the series.
        features: what to compute, in the order of the matrix's columns.
        categories: texts of each static column in code order, as learned at fit; ``None`` learns them here.

    Attributes:
        features: the declarations.
        categories: texts of each static column asked for, in code order.
        tracks: the arrays that windows are cut from, by name and grouping.
        launch: int32 [series], first column of each series.

    Raises:
        ConfigError: a declaration contradicts itself or the panel: what it reads is not there, or is known later
            than it says.
    """

    def __init__(
        self, panel: Panel, features: Sequence[Feature], categories: dict[str, list[str]] | None = None
    ) -> None:
        self.panel = panel
        self.features = tuple(features)
        self.first = panel.first
        self.launch = panel.launch.copy()
        self._check()
        wanted = {f.inputs[0] for f in self.features if f.kind == "static"}
        found = texts_of(panel, sorted(wanted)) if categories is None else categories
        self.categories = {name: found[name] for name in sorted(wanted)}
        self._codes = code_texts(panel, self.categories)
        self._place()
        self.tracks: dict[tuple[str, str], Track] = {}
        for f in self._all:
            if f.kind in windows.KINDS:
                self._track(f.inputs[0], f.by)
        self._tables = np.empty((0, 0, 0), np.int32)
        self._facts: dict[Feature, np.ndarray] = {}
        self._ready = (0, 0)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [f.name for f in self.features]

    def _check(self) -> None:
        seen: set[str] = set()
        for f in self.features:
            if f.name in seen:
                raise ConfigError(f"two features are called {f.name!r}.", "Rename one with .called(...).")
            seen.add(f.name)
            for part in (f, f.over):
                if part is not None:
                    self._check_one(part)
            if f.over is not None and f.over.over is not None:
                raise ConfigError(f"feature {f.name!r} is divided by a quotient.", "Divide by a plain feature.")

    def _check_one(self, f: Feature) -> None:
        panel = self.panel
        if f.kind not in _MOMENTS:
            raise ConfigError(f"feature {f.name!r}: {f.kind!r} is nothing that can be computed.", "See features.spec.")
        if f.known not in _MOMENTS[f.kind]:
            true = " or ".join(_MOMENTS[f.kind])
            raise ConfigError(
                f"feature {f.name!r} says it is known by {f.known!r}, but {f.kind!r} is known by {true!r}.",
                "Declare features with the functions of windvane.features.spec.",
            )
        for name in f.inputs if f.kind in plans.KINDS else ():
            if name in panel.past or name in ("sales", "in_stock"):
                raise ConfigError(
                    f"feature {f.name!r} asks for {name!r} at the target, but {name!r} is known only in hindsight.",
                    f"Use spec.lag(of={name!r}) or another window up to the origin.",
                )
            if name not in panel.known:
                raise ConfigError(f"feature {f.name!r}: the panel has no covariate {name!r} known in advance.", "")
            if f.known == "calendar" and panel.known[name].since is not None:
                raise ConfigError(
                    f"feature {f.name!r} says that {name!r} is known by the calendar, but it is announced.",
                    "Declare it as a plan.",
                )
        if f.kind in windows.KINDS:
            name = f.inputs[0]
            if name not in ("sales", *panel.known, *panel.past) and (name != "in_stock" or panel.in_stock is None):
                raise ConfigError(f"feature {f.name!r}: the panel has no array {name!r}.", "Leave the feature out.")
            if f.by not in ("", ALL, *panel.keys.columns, *panel.static.columns):
                raise ConfigError(f"feature {f.name!r}: no column {f.by!r} to group by.", "Leave the feature out.")
        if f.kind == "static" and f.inputs[0] not in (*panel.keys.columns, *panel.static.columns):
            raise ConfigError(f"feature {f.name!r}: no static column {f.inputs[0]!r}.", "Leave the feature out.")
        if f.kind == "calendar" and f.inputs[0] not in CALENDAR:
            raise ConfigError(f"{f.inputs[0]!r} is no fact of a date.", f"Choose among {', '.join(CALENDAR)}.")

    def _place(self) -> None:
        """Give every feature its column; bases of quotients that are no columns themselves are hidden ones."""
        plain = [replace(f, over=None) for f in self.features]
        bases: list[Feature] = []
        self._divisions: list[tuple[int, int]] = []
        own = {f: k for k, f in enumerate(self.features) if f.over is None}
        for k, f in enumerate(self.features):
            if f.over is None:
                continue
            if f.over not in own:
                if f.over not in bases:
                    bases.append(f.over)
                at = len(plain) + bases.index(f.over)
            else:
                at = own[f.over]
            self._divisions.append((k, at))
        self._all = plain + bases
        self._hidden = len(bases)
        self._aligns = sorted({f.align for f in self._all if f.kind == "aligned"})

    @property
    def computed(self) -> tuple[Feature, ...]:
        """All that is computed: the features without their divisors, then divisors that are no features themselves."""
        return tuple(self._all)

    def adopt(self, panel: Panel) -> None:
        """Read from another panel of the same series and first period from now on.

        Means of groups are left as they are; whoever changes a panel under a matrix refreshes them
        (:class:`windvane.features.update.LiveMatrix`).
        """
        self.panel = panel
        for name, by in self.tracks:
            if not by:
                self.tracks[name, by] = self._own_track(name)

    def _track(self, name: str, by: str) -> Track:
        key = (name, by)
        if key not in self.tracks:
            panel = self.panel
            if by:
                code = group_codes(panel, by)
                self.tracks[key] = GroupTrack(f"{name}@{by}", self._track(name, ""), code, panel.shape[1])
            else:
                self.tracks[key] = self._own_track(name)
        return self.tracks[key]

    def _own_track(self, name: str) -> Track:
        panel = self.panel
        if name == "sales":
            told = panel.stockouts
            if told is None:
                return Track(name, panel.sales, self.launch)
            return Track(name, panel.sales, self.launch, told.since, told.sold)
        if name == "in_stock" and panel.in_stock is not None:
            return Track(name, panel.in_stock, self.launch)
        start = np.zeros(panel.shape[0], np.int32)
        if name in panel.past:
            return Track(name, np.ascontiguousarray(panel.past[name], np.float32), start)
        known = panel.known[name]
        since = FINAL if known.since is None else np.ascontiguousarray(known.since, np.int32)
        return Track(name, np.ascontiguousarray(known.values, np.float32), start, since)

    def build(self, rows: Rows, out: np.ndarray | None = None) -> np.ndarray:
        """Compute the features of rows.

        Args:
            rows: which rows, sorted by series and origin.
            out: float32 [rows, features], C-contiguous, to write into; made where absent.

        Returns:
            float32 [rows, features].

        Raises:
            InputError: a row's origin is not in the panel, a step is below 1, the rows are not in order, or a
                feature is not known yet at a step that it would serve.
        """
        self._check_rows(rows)
        if out is None:
            out = np.empty((len(rows), len(self.features)), np.float32)
        if not len(rows):
            return out
        target = int((rows.origin.astype(np.int64) + rows.step).max())
        self._prepare(target, int(rows.step.max()))
        programs = self._programs()
        parts = [slice(i, min(i + _ROWS, len(rows))) for i in range(0, len(rows), _ROWS)]
        matrix = out
        map_parts(lambda at: self._part(rows.part(at), programs, matrix[at]), parts)
        return out

    def _check_rows(self, rows: Rows) -> None:
        if not len(rows):
            return
        series, time = self.panel.shape
        key = rows.series.astype(np.int64) * time + rows.origin
        if rows.origin.min() < 0 or rows.origin.max() >= time or rows.step.min() < 1:
            raise InputError(
                f"rows must have origins from 0 to {time - 1} and steps from 1 on.", "Check the rows asked for."
            )
        if rows.series.min() < 0 or rows.series.max() >= series or (np.diff(key) < 0).any():
            raise InputError("rows must be sorted by series and origin.", "Sort them with numpy.lexsort.")
        farthest = int(rows.step.max())
        for f in self.features:
            for part in (f, f.over):
                if part is not None and part.last_step is not None and part.last_step < farthest:
                    raise InputError(
                        f"feature {part.name!r} is known for steps up to {part.last_step}, but rows ask for step "
                        f"{farthest}: its value lies after the origin.",
                        f"Leave it out, use spec.lag, or a target_lag of at least {farthest} periods.",
                    )

    def _prepare(self, target: int, step: int) -> None:
        """Have alignments and calendar facts ready up to a target."""
        if target < self._ready[0] and step <= self._ready[1]:
            return
        targets = max(target, self.panel.shape[1]) + _AHEAD
        freq = self.panel.freq
        tables = []
        for align in self._aligns:
            count = max(f.window for f in self._all if f.kind == "aligned" and f.align == align)
            # Places later than the origin are passed over: enough of them that ``count`` are left.
            width = {"season": freq.season, "month_day": 28}.get(align, 300 / freq.days)
            tables.append(aligned_columns(align, freq, self.first, targets, count + int(-(-step // width))))
        places = max((t.shape[1] for t in tables), default=0)
        self._tables = np.full((len(tables), targets, places), -1, np.int32)
        for k, table in enumerate(tables):
            self._tables[k, :, : table.shape[1]] = table
        dated = [f for f in self._all if f.known == "calendar" and f.kind not in plans.KINDS]
        facts = calendar_facts(freq, self.first, targets) if dated else {}
        self._facts = {
            f: facts[f.inputs[0]]
            if f.kind == "calendar"
            else days_apart(freq, self.first, targets, f.inputs[0], f.align, f.kind == "until_day", f.window)
            for f in dated
        }
        self._ready = (targets, step)

    def _programs(self) -> dict[tuple[str, str, str], _Program]:
        """Programs by kernel, array and grouping; windows of one length follow each other."""
        grouped: dict[tuple[str, str, str], list[tuple[int, Feature]]] = {}
        for column, f in enumerate(self._all):
            if f.kind in windows.KINDS:
                grouped.setdefault(("track", f.inputs[0], f.by), []).append((column, f))
            elif f.kind in plans.KINDS and f.kind != "running":
                grouped.setdefault(("plan", f.inputs[0], ""), []).append((column, f))
        out = {}
        for key, entries in grouped.items():
            kinds = windows.KINDS if key[0] == "track" else plans.KINDS
            entries.sort(key=lambda e: (e[1].window, kinds.index(e[1].kind)))
            out[key] = _Program(
                np.array([kinds.index(f.kind) for _, f in entries], np.int32),
                np.array([f.window for _, f in entries], np.int32),
                np.array([f.value for _, f in entries], np.float64),
                np.array([self._aligns.index(f.align) if f.kind == "aligned" else 0 for _, f in entries], np.int32),
                np.array([column for column, _ in entries], np.int32),
            )
        return out

    def _part(self, rows: Rows, programs: dict[tuple[str, str, str], _Program], out: np.ndarray) -> None:
        hidden = np.empty((len(rows), self._hidden), np.float32)
        for (kernel, name, by), program in programs.items():
            if kernel == "track":
                self._write_track(self.tracks[name, by], by, rows, program, hidden, out)
            else:
                values, since = self._plan(name)
                plans.plan_features(
                    values, since, *_blocks(rows.series), rows.origin, rows.step, program.kind, program.window,
                    program.value, program.column, hidden, out,
                )  # fmt: skip
        for column, f in enumerate(self._all):
            if f.kind == "step":
                self._column(column, hidden, out)[:] = rows.step
            elif f.kind == "static":
                self._column(column, hidden, out)[:] = self._codes[f.inputs[0]][rows.series]
            elif f.kind == "running":
                self._column(column, hidden, out)[:] = self._running(f, rows)
            elif f in self._facts:
                self._column(column, hidden, out)[:] = self._facts[f][rows.origin + rows.step]
        if self._divisions:
            division = np.array(self._divisions, np.int32)
            plans.divide(out, hidden, *(np.ascontiguousarray(division[:, k]) for k in (0, 1)))

    def _column(self, column: int, hidden: np.ndarray, out: np.ndarray) -> np.ndarray:
        return out[:, column] if column < out.shape[1] else hidden[:, column - out.shape[1]]

    def _plan(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        known = self.panel.known[name]
        since = FINAL if known.since is None else np.ascontiguousarray(known.since, np.int32)
        return np.ascontiguousarray(known.values, np.float32), since

    def _running(self, f: Feature, rows: Rows) -> np.ndarray:
        out = np.full(len(rows), np.nan, np.float32)
        for number, name in enumerate(f.inputs, 1):
            plans.running_kind(*self._plan(name), rows.series, rows.origin, rows.step, number, out)
        return out

    def _write_track(
        self, track: Track, by: str, rows: Rows, program: _Program, hidden: np.ndarray, out: np.ndarray
    ) -> None:
        time = self.panel.shape[1]
        where = np.arange(len(rows))
        series, origin, step = rows.series, rows.origin, rows.step
        if isinstance(track, GroupTrack):
            series = track.code[series]
            where = np.argsort(series.astype(np.int64) * time + origin, kind="stable")
            series, origin, step = series[where], origin[where], step[where]
        at, pointer = _blocks(series)
        told = track.patches(at, time)
        windows.track_features(
            track.values, track.start, self.first, at, pointer, where, origin, step,
            told.pointer, told.column, told.until, told.value,
            program.kind, program.window, program.value, program.table, program.column,
            self._tables, hidden, out,
        )  # fmt: skip


def _blocks(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of every stretch of equal numbers, int32 [blocks], and its bounds, int64 [blocks + 1]."""
    begin = np.flatnonzero(np.concatenate([[True], np.diff(series) != 0]))
    return np.ascontiguousarray(series[begin]), np.append(begin, len(series)).astype(np.int64)


def group_codes(panel: Panel, by: str) -> np.ndarray:
    """Group of every series, int32 [series]; series without a text form a group of their own.

    Args:
        panel: the series.
        by: static or key column; "all" = one group.
    """
    if by == ALL:
        return np.zeros(panel.shape[0], np.int32)
    frame = panel.static if by in panel.static.columns else panel.keys
    texts = frame[by].cast(pl.String)
    codes = texts.rank("dense").fill_null(0).cast(pl.Int32).to_numpy()
    return np.ascontiguousarray(codes - codes.min(initial=1), np.int32)
