"""Compaction: many small data files become few large ones, in one Delta commit that changes no reader's rows.

Within what is merged, every (key, known_at) keeps its latest row; rows that it supersedes go. Sequence numbers,
sources and lines stay with their rows, and batch names stay in the log, so that a batch is never taken twice.

Files are merged in neighbourly groups by sequence number, and only up to the oldest append that is still being
written, so that what commits later never ranks inside a merged file. Rows are first spread over ranges of one key
column and then merged range by range: memory is bounded by :data:`TARGET_ROWS`, not by the table.
"""

from __future__ import annotations

import math
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from windvane.schema import Table
from windvane.store import log, parts, staging
from windvane.store.disk import sync
from windvane.store.parts import Unit
from windvane.store.staging import Staging, Written

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from windvane.store.tables import Tables

TARGET_ROWS = 1_000_000
"""Rows per merged file, about."""

SMALL_UNIT = 500_000
"""An append or merge of fewer rows is small."""
SMALL_FILE = 250_000
"""So is one of several files that hold fewer rows on average."""

_SAMPLE = 100_000


@dataclass(frozen=True)
class Compaction:
    """What a compaction did.

    Attributes:
        table: the table.
        files_before: data files of the table before it.
        files_after: data files after it.
        rows_before: stored rows before it.
        rows_after: stored rows after it; those that were superseded are gone.
        given_up: groups of files that another process changed meanwhile, left as they are.
    """

    table: str
    files_before: int
    files_after: int
    rows_before: int
    rows_after: int
    given_up: int = 0


def small_files(tables: Tables, table: Table) -> int:
    """Number of files that a merge of small files would take."""
    units = parts.units_of(tables.parts(table.name, tables._open(table.name)), table.key)
    return sum(len(unit.parts) for unit in units if _is_small([unit]))


def compact(tables: Tables, table: Table, whole: bool) -> Compaction:
    """Merge a table's files.

    Args:
        tables: where the table is.
        table: the table.
        whole: merge everything, so that every superseded row goes; otherwise small files alone, with their
            neighbours.

    Returns:
        Files and rows before and after; the table is left as it is where there is nothing to gain.
    """
    name = table.name
    if not tables.exists(name):
        return Compaction(name, 0, 0, 0, 0)
    with tables._locked(name):
        floor = min(staging.live_sequences(tables._path(name)), default=None)
        units = parts.units_of(tables.parts(name, tables._open(name)), table.key)
    given_up = 0
    for group in _groups(units, table, whole, floor):
        given_up += not _merge(tables, table, group)
    after = tables.parts(name, tables._open(name))
    return Compaction(
        name,
        sum(len(unit.parts) for unit in units),
        len(after),
        sum(unit.rows for unit in units),
        sum(part.rows for part in after),
        given_up,
    )


def _groups(units: Sequence[Unit], table: Table, whole: bool, floor: int | None) -> list[list[Unit]]:
    """Units to merge together, each list a stretch without gaps in the order of sequence numbers."""
    strange = any(unit.low is None for unit in units)
    free = [unit for unit in units if floor is None or (unit.high or 0) < floor]
    if strange:  # another tool's files may hold rows of any age: all or nothing
        return [list(units)] if floor is None else []
    clusters = _clusters(free)
    if whole:
        every = [unit for cluster in clusters for unit in cluster]
        files = sum(len(unit.parts) for unit in every)
        settled = len(every) == 1 and _is_merged(every[0]) and (files <= 2 or not _is_small(every))
        return [] if not every or settled else [every]
    groups: list[list[Unit]] = [[]]
    for cluster in clusters:
        if _is_small(cluster):
            groups[-1] += cluster
        else:
            groups.append([])
    return [group for group in groups if sum(len(unit.parts) for unit in group) > 1 or _is_mixed(group)]


def _clusters(units: Sequence[Unit]) -> list[list[Unit]]:
    """Units whose sequence numbers overlap belong together."""
    clusters: list[list[Unit]] = []
    high = -1
    for unit in units:
        if clusters and (unit.low or 0) <= high:
            clusters[-1].append(unit)
        else:
            clusters.append([unit])
        high = max(high, unit.high or 0)
    return clusters


def _is_small(cluster: Sequence[Unit]) -> bool:
    rows = sum(unit.rows for unit in cluster)
    files = sum(len(unit.parts) for unit in cluster)
    return _is_mixed(cluster) or rows < SMALL_UNIT or (files > 1 and rows < files * SMALL_FILE)


def _is_merged(unit: Unit) -> bool:
    """Whether nothing in it is superseded without being set apart."""
    return {part.kind for part in unit.parts} <= {"d", "s"}


def _is_mixed(cluster: Sequence[Unit]) -> bool:
    """Whether reading it means sorting it."""
    return len(cluster) > 1 or any(unit.kind == "r" for unit in cluster)


def _merge(tables: Tables, table: Table, group: Sequence[Unit]) -> bool:
    """Merge one group; ``False`` if another process changed its files meanwhile, then nothing is changed."""
    name, folder = table.name, tables._path(table.name)
    inputs = [part.path for unit in group for part in unit.parts]
    mark = secrets.token_hex(8)
    with tables._locked(name):
        staged = Staging(folder, f"merge-{mark}")
    with staged:
        try:
            merged = _write(inputs, table, sum(unit.rows for unit in group), staged.folder)
        except (OSError, pl.exceptions.PolarsError):
            if all(path.exists() for path in inputs):
                raise
            return False  # merged or erased by another process, and vacuumed
        files = [*merged.superseded, *merged.latest]
        kinds = ["s"] * len(merged.superseded) + ["d"] * len(merged.latest)
        names = [
            (file.path, parts.name_of(merged.low, merged.high, mark, index, kind))
            for index, (file, kind) in enumerate(zip(files, kinds, strict=True))
        ]

        def actions(now: DeltaTable) -> list[log.Action] | None:
            if not {path.name for path in inputs} <= {path.name for path in tables._files(now)}:
                return None
            adds = [log.add(p, f.stats, change=False) for p, f in zip(staged.place(names), files, strict=True)]
            removes = [log.remove(path, change=False) for path in inputs]
            about = {"numFilesAdded": str(len(adds)), "numFilesRemoved": str(len(removes))}
            return [log.info("OPTIMIZE", about), *removes, *adds]

        with tables._locked(name):
            try:
                done = tables._commit(name, actions)
            except BaseException:
                # A disk that failed after the commit's name was there leaves it standing: look before undoing.
                if not {each for _, each in names} & {path.name for path in tables._files(tables._open(name))}:
                    staged.withdraw()
                raise
            if not done:
                staged.withdraw()
            return done


@dataclass
class _Merged:
    """Files of a merge: rows that are their key's latest, and rows that are of use for a past moment alone."""

    latest: list[Written] = field(default_factory=list)
    superseded: list[Written] = field(default_factory=list)
    low: int = 0
    high: int = 0


def _write(inputs: Sequence[Path], table: Table, rows: int, folder: Path) -> _Merged:
    from windvane.store.tables import scan

    spread = folder / "spread"
    count = math.ceil(rows / TARGET_ROWS)
    sources = [list(inputs)] if count <= 1 else _spread(inputs, table, rows, count, spread)
    subset = list(dict.fromkeys([*table.key, *(["known_at"] if "known_at" in table.names else [])]))
    merged = _Merged()
    lows, highs, held = [], [], []
    for source in sources:
        frame = scan(source, table).sort(*parts.sorting(table), nulls_last=False, maintain_order=True).collect()
        frame = frame.unique(subset=subset, keep="last", maintain_order=True)
        if not frame.height:
            continue
        newest = frame.select(pl.struct(table.key).is_last_distinct()).to_series()
        merged.latest.append(_write_file(frame.filter(newest), table, folder / f"d{len(merged.latest):05d}.parquet"))
        held.append(frame.filter(~newest))
        if sum(each.height for each in held) >= TARGET_ROWS:
            merged.superseded.append(_superseded(held, table, folder, len(merged.superseded)))
            held = []
        lows.append(int(frame["_seq"].fill_null(0).min()))  # type: ignore[arg-type]
        highs.append(int(frame["_seq"].fill_null(0).max()))  # type: ignore[arg-type]
    if any(each.height for each in held):
        merged.superseded.append(_superseded(held, table, folder, len(merged.superseded)))
    merged.low, merged.high = min(lows, default=0), max(highs, default=0)
    shutil.rmtree(spread, ignore_errors=True)
    return merged


def _superseded(held: Sequence[pl.DataFrame], table: Table, folder: Path, index: int) -> Written:
    return _write_file(pl.concat(held), table, folder / f"s{index:05d}.parquet")


def _write_file(frame: pl.DataFrame, table: Table, path: Path) -> Written:
    frame.write_parquet(path, compression="zstd", row_group_size=staging.ROW_GROUP, statistics=True)
    sync(path)
    return Written(path, parts.statistics(frame, table), unique=True)


def _spread(inputs: Sequence[Path], table: Table, rows: int, count: int, folder: Path) -> list[list[Path]]:
    """Deal rows out to ranges of one key column, a bounded number at a time; each range is then merged by itself."""
    from windvane.store.tables import scan

    keys = scan(inputs, table).select(table.key)
    sample = keys.gather_every(max(1, rows // _SAMPLE)).collect(engine="streaming")
    column = max(table.key, key=lambda name: sample[name].n_unique())
    values = sample[column].sort()
    cuts = pl.Series([values[values.len() * i // count] for i in range(1, count)], dtype=values.dtype).unique().sort()
    ranges: dict[int, list[Path]] = {}
    folder.mkdir()
    for source in inputs:
        whole = scan([source], table)
        for start in range(0, int(whole.select(pl.len()).collect().item()), TARGET_ROWS):
            frame = whole.slice(start, TARGET_ROWS).collect()
            frame = frame.with_columns(cuts.search_sorted(frame[column], side="right").alias("_range"))
            for (place,), rows_there in frame.partition_by("_range", as_dict=True, include_key=False).items():
                dealt = ranges.setdefault(int(place), [])
                dealt.append(folder / f"{place:05d}-{len(dealt):05d}.parquet")
                rows_there.write_parquet(dealt[-1], compression="lz4", statistics=False)
    return [ranges[place] for place in sorted(ranges)]
