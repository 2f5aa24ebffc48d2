"""Data files that are being written: aside, outside the table's lock, moved into place at the commit.

::

    tables/orders/_staging/<sequence>-<mark>/     files of one append, of one batch or several
    tables/orders/_staging/merge-<mark>/          files of one compaction

Delta ignores names that begin with an underscore. Whoever writes holds the lock of the file ``lock`` in the folder;
the lock goes with the process, so a folder whose lock is free is a leftover.

The sequence number of an append is taken *before* its files are written, since every row carries it. Two appends
at once therefore rank by when they began, not by who finished first, and whoever reads later sees the same. An
append of several batches takes as many numbers, one after the other.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import InputError, StoreError
from windvane.schema import Table
from windvane.store import parts
from windvane.store.disk import sync, try_lock

BOOKKEEPING: dict[str, pl.DataType] = {"_seq": pl.Int64(), "_source": pl.String(), "_line": pl.Int64()}
"""Columns that every stored row carries beside its own: batch order, batch name, row within the batch."""

FILE_ROWS = 1_000_000
"""Rows that are collected into one data file, where they come in smaller frames."""
FILE_BYTES = 256 << 20
"""Bytes in memory after which a data file is written even if it has fewer rows."""
ROW_GROUP = 512_000

FOLDER = "_staging"
_APPEND = re.compile(r"(\d{20})-[0-9a-f]{16}")


@dataclass(frozen=True)
class Written:
    """One finished file, on the disk.

    Attributes:
        path: where it is.
        stats: its Delta statistics.
        unique: whether no key repeats in it.
        first: smallest (sequence number, known_at, line).
        last: largest (sequence number, known_at, line).
    """

    path: Path
    stats: dict[str, Any]
    unique: bool
    first: tuple[Any, ...] = ()
    last: tuple[Any, ...] = ()

    @property
    def rows(self) -> int:
        """Rows in it."""
        return int(self.stats["numRecords"])


class Staging:
    """A folder of files being written; use it as a context manager, which removes what was not moved into place.

    Args:
        table: the table's folder; its lock must be held.
        name: name of the staging folder.
    """

    def __init__(self, table: Path, name: str) -> None:
        self._table = table
        self.folder = table / FOLDER / name
        self.folder.mkdir(parents=True)
        handle = try_lock(self.folder / "lock")
        if handle is None:
            raise StoreError(f"{self.folder} is held by another process.", "Try again.")
        self._handle = handle
        self._placed: list[Path] = []

    def place(self, names: Sequence[tuple[Path, str]]) -> list[Path]:
        """Move files into the table's folder; the table's lock must be held.

        Args:
            names: per file its final name.

        Returns:
            Their new paths, on the disk.
        """
        if not self._placed:  # a commit that is tried again finds them there
            for path, name in names:
                target = self._table / name
                os.rename(path, target)
                self._placed.append(target)
            sync(self._table)
        return list(self._placed)

    def withdraw(self) -> None:
        """Remove files that were moved into place, since no commit names them."""
        for path in self._placed:
            path.unlink(missing_ok=True)
        self._placed.clear()

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._handle)


class Append(Staging):
    """Files of one append.

    Args:
        folder: the table's folder; its lock must be held.
        table: the table.
        sequence: sequence number of the first batch; the others follow.
        most: how many batches it may take.
    """

    def __init__(self, folder: Path, table: Table, sequence: int, most: int = 1) -> None:
        self._mark = secrets.token_hex(8)
        super().__init__(folder, f"{sequence:020d}-{self._mark}")
        self.table = table
        self.batches: tuple[str, ...] = ()
        self.sequence = sequence
        self.files: list[Written] = []
        self._most = most
        self._numbers: dict[str, int] = {}
        self._distinct = False
        self._lines = 0

    def __enter__(self) -> Append:
        return self

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(file.rows for file in self.files)

    def write(self, batch: str, frames: pl.DataFrame | Iterable[pl.DataFrame], distinct: bool = False) -> None:
        """Write the rows of a batch; small frames are collected into larger files.

        Args:
            batch: name of the batch.
            frames: the rows.
            distinct: the caller knows that no key occurs twice in all of them.
        """
        self.batches = (batch,)
        self._distinct = distinct
        held: list[pl.DataFrame] = []
        rows = size = 0
        for raw in [frames] if isinstance(frames, pl.DataFrame) else frames:
            if not raw.height:
                continue
            held.append(self.stamped(batch, raw, self._lines))
            self._lines += raw.height
            rows += raw.height
            size += int(held[-1].estimated_size())
            if rows >= FILE_ROWS or size >= FILE_BYTES:
                self._write_file(held)
                held, rows, size = [], 0, 0
        if held:
            self._write_file(held)

    def stamped(self, batch: str, raw: pl.DataFrame, lines: int = 0) -> pl.DataFrame:
        """Rows of a batch with exactly the stored columns; the batch gets the next sequence number if it has none.

        Args:
            batch: name of the batch.
            raw: its rows.
            lines: rows of the batch before them.

        Raises:
            InputError: a column is missing, unknown or of another type, or a required value is absent.
            StoreError: there are more batches than were announced.
        """
        number = self._numbers.setdefault(batch, self.sequence + len(self._numbers))
        if len(self._numbers) > self._most:
            raise StoreError(f"An append to table {self.table.name} takes {self._most} batches.", "Begin another.")
        return stamped(self.table, raw, batch, number, lines)

    def write_stamped(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Write batches into one file, instead of what was written before.

        Args:
            frames: per batch its rows, as :meth:`stamped` gave them.
        """
        self.batches = tuple(frames)
        self.files = []
        if held := [frame for frame in frames.values() if frame.height]:
            self._write_file(held)

    def names(self) -> list[tuple[Path, str]]:
        """Per file its final name, which says what is known of the whole append."""
        kind = self._kind()
        last = self.sequence + max(1, len(self._numbers)) - 1
        return [
            (file.path, parts.name_of(self.sequence, last, self._mark, index, kind))
            for index, file in enumerate(self.files)
        ]

    def _write_file(self, held: list[pl.DataFrame]) -> None:
        frame = held[0] if len(held) == 1 else pl.concat(held, rechunk=False)
        held.clear()
        unique = self._distinct or bool(frame.select(self.table.key).is_unique().all())
        order = parts.sorting(self.table)
        if not unique:
            frame = frame.sort(*order, nulls_last=False, maintain_order=True)
        path = self.folder / f"{len(self.files):05d}.parquet"
        frame.write_parquet(path, compression="zstd", row_group_size=ROW_GROUP, statistics=True)
        sync(path)
        first = tuple(frame[name].min() for name in order)
        last = tuple(frame[name].max() for name in order)
        self.files.append(Written(path, parts.statistics(frame, self.table), unique, first, last))

    def _kind(self) -> str:
        if self._distinct:
            return "d"
        apart = parts.disjoint([parts.ranges_in(file.stats) for file in self.files], self.table.key)
        if apart:
            return "d" if all(file.unique for file in self.files) else "o"
        steps = itertools.pairwise(self.files)
        return "o" if all(_precedes(left, right) for left, right in steps) else "r"


def reserve(table: Path, last: int, count: int = 1) -> int:
    """Take the next sequence numbers of a table; its lock must be held.

    Args:
        table: the table's folder.
        last: largest number that the log shows.
        count: how many.

    Returns:
        The first of them: microseconds since 1970, or one more than the last number where the clock has gone back.
    """
    note = table / ".sequence"
    try:
        taken = int(note.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        taken = 0
    number = max(int(CLOCK.now().timestamp() * 1_000_000), last + 1, taken + 1)
    draft = table / f".sequence.{secrets.token_hex(4)}.draft"
    draft.write_text(str(number + count - 1), encoding="ascii")
    os.replace(draft, note)
    return number


def live(table: Path) -> list[str]:
    """Names of staging folders that somebody writes to."""
    return [name for name, held in _looked_at(table) if held]


def dead(table: Path) -> list[str]:
    """Names of staging folders that nobody writes to; sure only while the table's lock is held."""
    return [name for name, held in _looked_at(table) if not held]


def live_sequences(table: Path) -> list[int]:
    """Sequence numbers of appends that are being written."""
    return [int(match.group(1)) for name in live(table) if (match := _APPEND.fullmatch(name))]


def clear(table: Path) -> list[str]:
    """Remove staging folders of dead processes; the table's lock must be held.

    Returns:
        The folders' names.
    """
    left = dead(table)
    for name in left:
        shutil.rmtree(table / FOLDER / name, ignore_errors=True)
    for draft in table.glob(".sequence.*.draft"):
        draft.unlink(missing_ok=True)
    return left


def _looked_at(table: Path) -> list[tuple[str, bool]]:
    found = []
    for folder in sorted((table / FOLDER).iterdir()) if (table / FOLDER).is_dir() else []:
        handle = try_lock(folder / "lock", create=False)
        if handle is not None:
            os.close(handle)
        if folder.exists():  # a writer may be just leaving
            found.append((folder.name, handle is None and (folder / "lock").exists()))
    return found


def _precedes(left: Written, right: Written) -> bool:
    """Whether every row of one file comes before every row of another, by known_at and line."""
    if None in (*left.last, *right.first):
        return False
    return bool(left.last < right.first)


def stamped(table: Table, raw: pl.DataFrame, batch: str, sequence: int, lines: int) -> pl.DataFrame:
    """Give a frame exactly the stored columns and types.

    Args:
        table: the table.
        raw: rows with the table's columns, and perhaps ``_source`` and ``_line``.
        batch: name of the batch, where ``_source`` is absent.
        sequence: sequence number of the batch.
        lines: rows before this frame, where ``_line`` is absent.

    Raises:
        InputError: a column is missing, unknown or of another type, or a required value is absent.
    """
    unknown = [name for name in raw.columns if name not in table.types and name not in BOOKKEEPING]
    if unknown:
        raise InputError(
            f"Table {table.name} has no column {unknown[0]}.",
            f"Its columns: {', '.join(table.names)}.",
            table=table.name,
        )
    columns: list[pl.Expr] = []
    for column in table.columns:
        if column.name not in raw.columns:
            if not column.nullable:
                raise InputError(
                    f"Table {table.name} needs the column {column.name}.",
                    "Provide it.",
                    table=table.name,
                    column=column.name,
                )
            columns.append(pl.lit(None, dtype=column.type).alias(column.name))
        else:
            columns.append(pl.col(column.name).cast(column.type))
    source = pl.col("_source") if "_source" in raw.columns else pl.lit(batch, dtype=pl.String()).alias("_source")
    if "_line" in raw.columns:
        line = pl.col("_line").cast(pl.Int64())
    else:
        line = pl.int_range(lines + 1, lines + raw.height + 1, dtype=pl.Int64()).alias("_line")
    frame = raw.select(*columns, pl.lit(sequence, dtype=pl.Int64()).alias("_seq"), source, line)
    for column in table.columns:
        if not column.nullable and (gaps := frame[column.name].null_count()):
            raise InputError(
                f"Table {table.name}: {gaps} rows without {column.name}, which every row needs.",
                "Fill it or leave the rows out.",
                table=table.name,
                column=column.name,
            )
    return frame
