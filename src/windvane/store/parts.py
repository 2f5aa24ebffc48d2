"""Data files of a table: what their names say about order, and how the latest row per key is found.

::

    part-<low>-<high>-<mark>-<index>-<kind>.parquet

``low`` and ``high`` are the smallest and largest sequence number of the rows, ``mark`` names the append or the
compaction, ``index`` counts its files. The files of one mark are a *unit*; the kind says of its keys:

    d    no key occurs twice in the unit's files of this kind
    o    keys repeat; read in file and row order, the later row of a key is the later one
    r    keys repeat in any order
    s    superseded: every row has a later one in a file of kind d of the same unit, with a higher index

Rows are ordered by (sequence number, known_at, line). Names and the key ranges in the log tell whether that order
matters at all, and whether the files are in it already; only if neither, rows are sorted. Superseded rows are read
only where a past moment is asked for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from windvane.schema import Table

Order = Literal["plain", "last", "sort"]
"""How to read: keys cannot repeat; keep the last row per key; sort, then keep the last."""

Range = tuple[Any, Any]

Read = Callable[[Sequence["Part"]], pl.LazyFrame]
"""Reads data files lazily, in the given order."""

_OUTWEIGHS = 3

_NAME = re.compile(r"part-(\d{20})-(\d{20})-([0-9a-f]{16})-(\d{5})-([dors])\.parquet")
# As version 0.1 named them: one sequence number; u: keys do not repeat within the file, r: they do, in order.
_OLD_NAME = re.compile(r"part-(\d{20})-([0-9a-f]{16})-(\d{5})-([ur])\.parquet")


@dataclass(frozen=True)
class Part:
    """One data file.

    Attributes:
        path: the file.
        rows: its rows.
        ranges: per key column the smallest and largest value; absent where unknown.
        low: smallest sequence number, ``None`` if another tool wrote the file.
        high: largest sequence number.
        unit: what names its unit.
        kind: kind of the unit, as far as this file knows.
    """

    path: Path
    rows: int
    ranges: Mapping[str, Range]
    low: int | None
    high: int | None
    unit: str
    kind: str


@dataclass(frozen=True)
class Unit:
    """The files of one append or compaction.

    Attributes:
        parts: the files in order.
        low: smallest sequence number, ``None`` if unknown.
        high: largest sequence number.
        kind: d, o or r; a unit with superseded files that are to be read is in order, like o.
    """

    parts: tuple[Part, ...]
    low: int | None
    high: int | None
    kind: str

    @property
    def rows(self) -> int:
        """Stored rows."""
        return sum(part.rows for part in self.parts)


def name_of(low: int, high: int, mark: str, index: int, kind: str) -> str:
    """Name of a data file."""
    return f"part-{low:020d}-{high:020d}-{mark}-{index:05d}-{kind}.parquet"


def parts_of(files: Iterable[Path], actions: pl.DataFrame, keys: Sequence[str]) -> list[Part]:
    """Describe data files, in reading order.

    Args:
        files: the files.
        actions: delta-rs's flattened add actions of the same version.
        keys: key columns.
    """
    columns = {name for key in keys for name in (f"min.{key}", f"max.{key}")} & set(actions.columns)
    said = {row["path"]: row for row in actions.select("path", "num_records", *sorted(columns)).to_dicts()}
    found = []
    for path in files:
        row = said.get(path.name, {})
        ranges = {key: (row.get(f"min.{key}"), row.get(f"max.{key}")) for key in keys}
        known = {key: both for key, both in ranges.items() if both[0] is not None and both[1] is not None}
        found.append(_part(path, int(row.get("num_records") or 0), known))
    return sorted(found, key=lambda part: (part.low or 0, part.high or 0, part.path.name))


def _part(path: Path, rows: int, ranges: Mapping[str, Range]) -> Part:
    if match := _NAME.fullmatch(path.name):
        low, high, mark, _, kind = match.groups()
        return Part(path, rows, ranges, int(low), int(high), f"{low}-{high}-{mark}", kind)
    if match := _OLD_NAME.fullmatch(path.name):
        low, mark, _, kind = match.groups()
        return Part(path, rows, ranges, int(low), int(low), f"{low}-{mark}", "d" if kind == "u" else "o")
    return Part(path, rows, ranges, None, None, path.name, "r")


def units_of(parts: Iterable[Part], keys: Sequence[str]) -> list[Unit]:
    """Group files into units, in reading order."""
    grouped: dict[str, list[Part]] = {}
    for part in parts:
        grouped.setdefault(part.unit, []).append(part)
    units = []
    for members in grouped.values():
        kinds = {part.kind for part in members}
        kind = "r" if "r" in kinds else "d" if kinds == {"d"} else "o"
        old = len(members) > 1 and _OLD_NAME.fullmatch(members[0].path.name)
        if kind == "d" and old and not disjoint([part.ranges for part in members], keys):
            kind = "o"  # version 0.1 spoke about each file alone
        units.append(Unit(tuple(members), members[0].low, members[0].high, kind))
    return sorted(units, key=lambda unit: (unit.low or 0, unit.high or 0, unit.parts[0].path.name))


def disjoint(ranges: Sequence[Mapping[str, Range]], keys: Sequence[str]) -> bool:
    """Whether no key can occur in two of several files, judged by the ranges of one key column."""
    if len(ranges) < 2:
        return True
    for key in keys:
        if all(key in each for each in ranges):
            ordered = sorted(each[key] for each in ranges)
            if all(left[1] < right[0] for left, right in itertools.pairwise(ordered)):
                return True
    return False


def order_of(units: Sequence[Unit], keys: Sequence[str]) -> Order:
    """How units must be read so that the latest row per key is found."""
    kinds = {unit.kind for unit in units}
    if kinds <= {"d"} and disjoint([_span(unit, keys) for unit in units if unit.rows], keys):
        return "plain"
    if "r" in kinds or any(unit.low is None for unit in units):
        return "sort"
    steps = itertools.pairwise(units)
    return "last" if all((left.high or 0) < (right.low or 0) for left, right in steps) else "sort"


def latest(read: Read, table: Table, units: Sequence[Unit], each_known: bool = False) -> pl.LazyFrame:
    """Keep the latest row per key.

    Args:
        read: reads files lazily, with their bookkeeping columns.
        table: what table they are of.
        units: the files, in reading order.
        each_known: keep the latest row per key *and* ``known_at``.
    """
    order = order_of(units, table.key)
    every = [part for unit in units for part in unit.parts]
    if order == "plain":
        return read(every)
    subset = list(table.key)
    if each_known and "known_at" in table.names and "known_at" not in subset:
        subset.append("known_at")
    if order == "sort":
        frame = read(every).sort(*sorting(table), nulls_last=False, maintain_order=True)
        return frame.unique(subset=subset, keep="last", maintain_order=True)
    base = _base(units, table.key)
    if not base:
        return read(every).unique(subset=subset, keep="last", maintain_order=True)
    # Few rows correct many: only the keys of the few are held in memory.
    old = read([part for unit in units[:base] for part in unit.parts])
    new = read([part for unit in units[base:] for part in unit.parts])
    new = new.unique(subset=subset, keep="last", maintain_order=True)
    return pl.concat([old.join(new.select(subset), on=subset, how="anti", maintain_order="left"), new])


def _base(units: Sequence[Unit], keys: Sequence[str]) -> int:
    """Number of first units that hold no key twice and outweigh the others by far; 0 if there are none."""
    count = 0
    while count < len(units) and units[count].kind == "d":
        count += 1
    while count and not disjoint([_span(unit, keys) for unit in units[:count] if unit.rows], keys):
        count -= 1
    rows = sum(unit.rows for unit in units[:count])
    return count if rows >= _OUTWEIGHS * sum(unit.rows for unit in units[count:]) else 0


def sorting(table: Table) -> list[str]:
    """Columns that say which of two rows with the same key is the later one."""
    return ["_seq", "known_at", "_line"] if "known_at" in table.names else ["_seq", "_line"]


def statistics(frame: pl.DataFrame | pl.LazyFrame, table: Table) -> dict[str, Any]:
    """Delta statistics of a file: rows, and the range of every key column.

    Returns:
        What ``add.stats`` holds; ranges are left out where there is no row.
    """
    keys = [pl.col(name) for name in table.key]
    exprs = [pl.len().alias("rows")]
    exprs += [e for key in keys for e in (key.min().name.prefix("low "), key.max().name.prefix("high "))]
    exprs += [key.null_count().name.prefix("null ") for key in keys]
    row = frame.lazy().select(exprs).collect().row(0, named=True)
    stats: dict[str, Any] = {"numRecords": row["rows"]}
    if row["rows"]:
        stats["minValues"] = {name: _plain(row[f"low {name}"]) for name in table.key}
        stats["maxValues"] = {name: _plain(row[f"high {name}"]) for name in table.key}
    stats["nullCount"] = {name: row[f"null {name}"] for name in table.key}
    return stats


def ranges_in(stats: Mapping[str, Any]) -> dict[str, Range]:
    """Key ranges of Delta statistics (days and moments as ISO text, which sorts alike)."""
    low, high = stats.get("minValues", {}), stats.get("maxValues", {})
    return {name: (low[name], high[name]) for name in low if low[name] is not None and high.get(name) is not None}


def _plain(value: Any) -> Any:
    iso: Callable[[], str] | None = getattr(value, "isoformat", None)
    return iso() if iso else value


def _span(unit: Unit, keys: Sequence[str]) -> dict[str, Range]:
    spans: dict[str, Range] = {}
    full = [part for part in unit.parts if part.rows]
    for key in keys:
        if all(key in part.ranges for part in full):
            spans[key] = (min(part.ranges[key][0] for part in full), max(part.ranges[key][1] for part in full))
    return spans


def sequences(files: Iterable[Path]) -> Iterator[int]:
    """Largest sequence number of every file whose name says it."""
    for path in files:
        if match := _NAME.fullmatch(path.name):
            yield int(match.group(2))
        elif match := _OLD_NAME.fullmatch(path.name):
            yield int(match.group(1))
