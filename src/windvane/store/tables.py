"""The shop's tables as Delta Lake tables: appended exactly once, read as of a version, latest row per key.

Every append is one Delta commit that carries the batch's name as a Delta transaction, so that the same batch
cannot be added twice, whatever died in between. Data files are on the disk (fsync) before the commit names them,
and the commit is on the disk before :meth:`Tables.append` returns.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import InputError, StoreError
from windvane.schema import TABLES, Table
from windvane.store.disk import locked, sync

if TYPE_CHECKING:
    from deltalake import DeltaTable

BOOKKEEPING: Mapping[str, pl.DataType] = {"_seq": pl.Int64(), "_source": pl.String(), "_line": pl.Int64()}
"""Columns that every stored row carries beside its own: batch order, batch name, row within the batch."""

# u: keys do not repeat within the file; r: they do
_FILE = re.compile(r"part-(\d{20})-[0-9a-f]{16}-\d{5}-([ur])\.parquet$")
# A pinned version must stay loadable for as long as its run is kept.
_SETTINGS = {"delta.logRetentionDuration": "interval 36500 days"}


class Tables:
    """The Delta tables of a workspace.

    Args:
        folder: the workspace's ``tables`` folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self, name: str) -> bool:
        """Whether the table has ever been written."""
        return self._has_log(name)

    def version(self, name: str) -> int | None:
        """Latest version of a table, ``None`` where it is absent."""
        return int(self._open(name).version()) if self._has_log(name) else None

    def versions(self) -> dict[str, int]:
        """Latest version of every table that exists."""
        found = {name: self.version(name) for name in TABLES}
        return {name: version for name, version in found.items() if version is not None}

    def has_batch(self, name: str, batch: str) -> bool:
        """Whether a batch is already in a table."""
        return self._has_log(name) and self._open(name).transaction_version(batch) is not None

    def append(self, name: str, frames: pl.DataFrame | Iterable[pl.DataFrame], batch: str) -> int:
        """Add rows in one atomic commit, exactly once per batch.

        Rows whose key is already there replace the older row for every later reader. The rows are on the disk
        when this returns.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            frames: rows with the table's columns (absent nullable columns are filled with null); optionally
                ``_source`` and ``_line``, which say where each row came from.
            batch: name of the batch; a batch that is already there adds nothing.

        Returns:
            Rows added; 0 if the batch was there.

        Raises:
            InputError: a column is missing, unknown or of another type, or a required value is absent.
            StoreError: the table cannot be written.
        """
        table = _table(name)
        folder = self._path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", f"table {name}"):
            delta = self._open(name) if self._has_log(name) else self._create(name)
            if delta.transaction_version(batch) is not None:
                return 0
            self._widen(name, delta)
            sequence = max(_now(), self._last_sequence(delta) + 1)
            written: list[tuple[Path, dict[str, Any]]] = []
            try:
                self._write_files(table, frames, batch, sequence, written)
                self._commit(name, delta, written, batch)
            except BaseException:
                for path, _ in written:
                    path.unlink(missing_ok=True)
                raise
            return sum(int(stats["numRecords"]) for _, stats in written)

    def read(self, name: str, version: int | None = None, known_by: date | None = None) -> pl.LazyFrame:
        """Read a table: exactly the schema's columns, the latest row per key, in the order of arrival.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            version: version to read; the latest where absent.
            known_by: leave out rows that became known after this day, before the latest per key is taken, so that
                a later correction does not hide what was known.

        Returns:
            A lazy frame; empty with the right types where the table is absent.
        """
        table = _table(name)
        if not self._has_log(name):
            return table.empty().lazy()
        delta = self._open(name, version)
        files = sorted(self._files(delta), key=lambda path: path.name)
        if not files:
            return table.empty().lazy()
        frame = pl.scan_parquet(
            files,
            schema={**table.types, **BOOKKEEPING},
            missing_columns="insert",
            extra_columns="ignore",
            glob=False,
            hive_partitioning=False,
        )
        if known_by is not None and "known_at" in table.names:
            frame = frame.filter(pl.col("known_at") < datetime.combine(known_by + timedelta(days=1), time.min))
        if not all(_FILE.search(path.name) for path in files):
            # Files that another tool wrote or compacted: their names say nothing about order.
            frame = frame.sort("_seq", "_line", maintain_order=True, nulls_last=False)
            frame = frame.unique(subset=list(table.key), keep="last", maintain_order=True)
        elif not _keys_cannot_repeat(table, files, delta):
            frame = frame.unique(subset=list(table.key), keep="last", maintain_order=True)
        return frame.select(table.names)

    def empty(self, name: str) -> pl.DataFrame:
        """A frame of a table without rows."""
        return _table(name).empty()

    def rows(self, name: str, version: int | None = None) -> int:
        """Number of stored rows, superseded ones included (read from the log alone)."""
        if not self._has_log(name):
            return 0
        return int(self._open(name, version).count())

    def vacuum(self, keep: Mapping[str, Iterable[int]], dry_run: bool = False) -> list[Path]:
        """Remove data files that no kept version refers to.

        Args:
            keep: per table, versions that must stay readable beside the latest.
            dry_run: only say which.

        Returns:
            The files removed.
        """
        removed: list[Path] = []
        for name in TABLES:
            folder = self._path(name)
            if not self._has_log(name):
                continue
            with locked(folder / ".lock", f"table {name}"):  # no append is half done while we look
                delta = self._open(name)
                wanted = set(self._files(delta))
                for version in keep.get(name, ()):
                    wanted |= set(self._files(self._open(name, version)))
                for path in folder.glob("*.parquet"):
                    if path not in wanted:
                        removed.append(path)
                        if not dry_run:
                            path.unlink()
                sync(folder)
        return removed

    def repair(self) -> list[Path]:
        """Set aside a last commit that a power cut left torn (it was never acknowledged).

        Returns:
            The log files set aside.
        """
        aside: list[Path] = []
        for name in TABLES:
            log = self._path(name) / "_delta_log"
            commits = sorted(log.glob("[0-9]*.json")) if log.is_dir() else []
            if not commits or _is_commit(commits[-1]):
                continue
            with locked(self._path(name) / ".lock", f"table {name}"):
                if commits[-1].exists() and not _is_commit(commits[-1]):
                    commits[-1].rename(commits[-1].with_suffix(".torn"))
                    sync(log)
                    aside.append(commits[-1])
        return aside

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _has_log(self, name: str) -> bool:
        log = self._path(name) / "_delta_log"
        return log.is_dir() and any(log.glob("*.json"))

    def _open(self, name: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(str(self._path(name)), version=version)
        except (DeltaError, TableNotFoundError) as error:
            which = f"table {name}" + ("" if version is None else f", version {version}")
            raise StoreError(f"Cannot read {which}: {error}.", "Run: windvane doctor") from error

    def _create(self, name: str) -> DeltaTable:
        from deltalake import DeltaTable, Schema

        columns = pl.DataFrame(schema={**_table(name).types, **BOOKKEEPING})
        delta = DeltaTable.create(
            str(self._path(name)), Schema.from_arrow(columns.to_arrow().schema), configuration=_SETTINGS
        )
        self._sync_log(name, new=True)
        return delta

    def _widen(self, name: str, delta: DeltaTable) -> None:
        """Tell the Delta schema of columns that ``schema.py`` has gained since the table was made."""
        from deltalake import Schema

        known = {each.name for each in delta.schema().fields}
        columns = pl.DataFrame(schema={**_table(name).types, **BOOKKEEPING})
        wanted = Schema.from_arrow(columns.to_arrow().schema).fields
        if new := [each for each in wanted if each.name not in known]:
            delta.alter.add_columns(new)
            self._sync_log(name)

    def _files(self, delta: DeltaTable) -> list[Path]:
        return [Path(unquote(uri.removeprefix("file://"))) for uri in delta.file_uris()]

    def _last_sequence(self, delta: DeltaTable) -> int:
        found = (_FILE.search(path.name) for path in self._files(delta))
        return max((int(match.group(1)) for match in found if match), default=0)

    def _write_files(
        self,
        table: Table,
        frames: pl.DataFrame | Iterable[pl.DataFrame],
        batch: str,
        sequence: int,
        written: list[tuple[Path, dict[str, Any]]],
    ) -> None:
        """Write one fsynced Parquet file per non-empty frame; note paths and Delta statistics in ``written``."""
        folder = self._path(table.name)
        mark = hashlib.blake2b(batch.encode(), digest_size=8).hexdigest()
        lines = 0
        for index, raw in enumerate([frames] if isinstance(frames, pl.DataFrame) else frames):
            if not raw.height:
                continue
            frame = _stamped(table, raw, batch, sequence, lines)
            lines += frame.height
            flag = "u" if frame.select(table.key).is_unique().all() else "r"
            path = folder / f"part-{sequence:020d}-{mark}-{index:05d}-{flag}.parquet"
            written.append((path, _statistics(table, frame)))
            frame.write_parquet(path, compression="zstd", row_group_size=512_000, statistics=True)
            sync(path)
        sync(folder)

    def _commit(self, name: str, delta: DeltaTable, written: list[tuple[Path, dict[str, Any]]], batch: str) -> None:
        from deltalake import CommitProperties
        from deltalake.transaction import AddAction, Transaction

        moment = _now() // 1000
        actions = [
            AddAction(path.name, path.stat().st_size, {}, moment, True, json.dumps(stats)) for path, stats in written
        ]
        properties = CommitProperties(app_transactions=[Transaction(batch, 1)])
        delta.create_write_transaction(actions, "append", delta.schema(), [], commit_properties=properties)
        self._sync_log(name)

    def _sync_log(self, name: str, new: bool = False) -> None:
        """Force the last commit, and a checkpoint that came with it, onto the disk."""
        log = self._path(name) / "_delta_log"
        last = max(log.glob("*.json"))
        sync(last)
        for checkpoint in log.glob(f"{last.stem}.checkpoint*"):
            sync(checkpoint)
            sync(log / "_last_checkpoint")
        for folder in (log, log.parent, self.folder) if new else (log,):
            sync(folder)


def _table(name: str) -> Table:
    try:
        return TABLES[name]
    except KeyError:
        raise StoreError(f"There is no table {name}.", f"Tables: {', '.join(TABLES)}.") from None


def _now() -> int:
    return int(CLOCK.now().timestamp() * 1_000_000)


def _stamped(table: Table, raw: pl.DataFrame, batch: str, sequence: int, lines: int) -> pl.DataFrame:
    """Give a frame exactly the stored columns and types."""
    unknown = [name for name in raw.columns if name not in table.types and name not in BOOKKEEPING]
    if unknown:
        raise InputError(f"Table {table.name} has no column {unknown[0]}.", "See schema.py.", table=table.name)
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


def _statistics(table: Table, frame: pl.DataFrame) -> dict[str, Any]:
    """Delta statistics of a file: rows, and the range of every key column."""
    low = {name: _plain(frame[name].min()) for name in table.key}
    high = {name: _plain(frame[name].max()) for name in table.key}
    return {
        "numRecords": frame.height,
        "minValues": low,
        "maxValues": high,
        "nullCount": {name: frame[name].null_count() for name in table.key},
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _keys_cannot_repeat(table: Table, files: list[Path], delta: DeltaTable) -> bool:
    """Whether no key occurs twice, judged by file names and key ranges alone."""
    if any(match.group(2) == "r" for path in files if (match := _FILE.search(path.name))):
        return False
    if len(files) == 1:
        return True
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    for name in table.key:
        low, high = f"min.{name}", f"max.{name}"
        if low not in actions.columns or high not in actions.columns:
            continue
        ranges = actions.select(low, high).sort(low)
        if ranges.null_count().sum_horizontal().item():
            continue
        if (ranges[high].head(-1) < ranges[low].tail(-1)).all():
            return True
    return False


def _is_commit(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines if line)
    except (OSError, ValueError):
        return False
