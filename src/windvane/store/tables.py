"""The shop's tables as Delta Lake tables: appended exactly once, read as of a version, latest row per key.

Every append is one Delta commit that carries the batch's name as a Delta transaction, so that the same batch
cannot be added twice, whatever died in between. Data files are written aside, by any number of processes at once;
a short lock is held for the commit alone. Files are on the disk (fsync) before the commit names them, and the
commit is on the disk before :meth:`Tables.append` returns. Another tool may commit in between: then the log is read
again and the commit tried again. Small batches may share a commit and a data file (:meth:`Tables.together`); each
keeps its own name and its own sequence number.

The journal for live rows, which acknowledges single rows, will stand beside this module and drain into it through
:meth:`Tables.append`, one batch per drain.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from windvane.errors import BusyError, StoreError
from windvane.schema import TABLES, Table
from windvane.store import log, parts, rewrite, staging
from windvane.store.batches import Batches, Unclear
from windvane.store.disk import locked, sync, try_locked
from windvane.store.log import ConflictError
from windvane.store.staging import BOOKKEEPING, Append
from windvane.store.together import Together

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from windvane.store.compact import Compaction

__all__ = ["BOOKKEEPING", "MANY_FILES", "Tables"]

TRIES = 20
"""How often a commit is tried while other tools keep committing."""

MANY_FILES = 64
"""Small data files that :meth:`Tables.tidy` tolerates before it merges them."""

_CHECKPOINT_EVERY = 100
# A pinned version must stay loadable for as long as its run is kept.
_SETTINGS = {"delta.logRetentionDuration": "interval 36500 days"}


class Tables:
    """The Delta tables of a workspace.

    Args:
        folder: the workspace's ``tables`` folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._batches: dict[str, Batches] = {}

    def exists(self, name: str) -> bool:
        """Whether the table has ever been written."""
        return self._has_log(name)

    def version(self, name: str) -> int | None:
        """Latest version of a table, ``None`` where it is absent."""
        return int(self._open(name).version()) if self._has_log(name) else None

    def versions(self, moment: datetime | None = None) -> dict[str, int]:
        """Version of every table that exists.

        Args:
            moment: the versions that stood then; the latest where absent.

        Raises:
            StoreError: a version of that moment can no longer be read.
        """
        if moment is None:
            found = {name: self.version(name) for name in TABLES}
        else:
            found = {name: self.version_at(name, moment) for name in TABLES}
        versions = {name: version for name, version in found.items() if version is not None}
        if moment is not None:
            for name, version in versions.items():
                self._check_held(name, version)
        return versions

    def version_at(self, name: str, moment: datetime) -> int | None:
        """Version of a table that was current at a moment, by the moments of its commits.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            moment: the moment; without a time zone it counts as UTC.

        Returns:
            The version; ``None`` where the table was absent then.
        """
        return log.version_at(self._log(name), moment) if self._has_log(name) else None

    def has_batch(self, name: str, batch: str) -> bool:
        """Whether a batch is already in a table."""
        if not self._has_log(name):
            return False
        try:
            return self._batches.setdefault(name, Batches(self._log(name))).has(batch)
        except Unclear:
            return self._open(name).transaction_version(batch) is not None

    def append(
        self, name: str, frames: pl.DataFrame | Iterable[pl.DataFrame], batch: str, distinct: bool = False
    ) -> int:
        """Add rows in one atomic commit, exactly once per batch.

        Rows whose key is already there replace the older row for every later reader; within a batch the later
        ``known_at`` counts, then the later line. The rows are on the disk when this returns. Several processes
        may append at once: they rank by when they began.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            frames: rows with the table's columns (absent nullable columns are filled with null); optionally
                ``_source`` and ``_line``, which say where each row came from.
            batch: name of the batch; a batch that is already there adds nothing.
            distinct: the caller knows that no key occurs twice in all the frames together; saves looking.

        Returns:
            Rows added; 0 if the batch was there, or another process was quicker with it.

        Raises:
            InputError: a column is missing, unknown or of another type, or a required value is absent.
            BusyError: other tools kept committing; try again.
            StoreError: the table cannot be written.
        """
        table = _table(name)
        if self.has_batch(name, batch):
            return 0
        append, delta = self._reserve(table)
        with append:
            append.write(batch, frames, distinct)
            return append.rows if self._admit(append, delta) else 0

    def append_each(self, name: str, batches: Mapping[str, pl.DataFrame]) -> dict[str, int]:
        """Add several small batches in one atomic commit, each exactly once; see :meth:`together`.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            batches: per batch its rows, in order; as for :meth:`append`.

        Returns:
            Per batch the rows added; 0 where the batch was there, or another process was quicker with it.
        """
        if not batches:
            return {}
        with self.together(name, len(batches)) as waiting:
            for batch, frame in batches.items():
                waiting.add(batch, frame)
            return waiting.commit()

    def together(self, name: str, most: int) -> Together:
        """Begin an append of several small batches that share one commit and one data file.

        It is as if they had been appended one after the other at this moment: the rows of a later batch replace those
        of an earlier one.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            most: how many batches it may take.
        """
        return Together(self, *self._reserve(_table(name), most))

    def read(self, name: str, version: int | None = None, known_by: date | None = None) -> pl.LazyFrame:
        """Read a table: exactly the schema's columns, the latest row per key, in the order of arrival.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            version: version to read; the latest where absent.
            known_by: leave out rows that became known after this day (or, given a moment, after it), before the
                latest per key is taken, so that a later correction does not hide what was known.

        Returns:
            A lazy frame; empty with the right types where the table is absent.
        """
        return self._scanned(name, version, known_by, each_known=False).select(_table(name).names)

    def history(self, name: str, version: int | None = None, known_by: date | None = None) -> pl.LazyFrame:
        """Read every statement a table holds: the latest row per key *and* ``known_at``, with where it came from.

        Args:
            name: table in :data:`windvane.schema.TABLES`.
            version: version to read; the latest where absent.
            known_by: leave out rows that became known after this day, or moment.

        Returns:
            A lazy frame of the schema's columns and those of :data:`BOOKKEEPING`.
        """
        return self._scanned(name, version, known_by, each_known=True)

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
            with self._locked(name):  # no commit is half done while we look; files being written lie aside
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

    def compact(self, name: str) -> Compaction:
        """Merge a table's files into large ones; every (key, known_at) keeps its latest row, and batch names stay.

        Readers see the old files or the new. Older versions stay readable until :meth:`vacuum`.

        Args:
            name: table in :data:`windvane.schema.TABLES`.

        Returns:
            Files and rows before and after.
        """
        from windvane.store.compact import compact

        return compact(self, _table(name), whole=True)

    def tidy(self, name: str) -> Compaction | None:
        """Merge a table's small files if there are more than :data:`MANY_FILES`; large files are left alone.

        Returns:
            Files and rows before and after; ``None`` if there was no need, or it could not be done now.
        """
        from windvane.store.compact import compact

        if self.small_files(name) <= MANY_FILES:
            return None
        try:
            return compact(self, _table(name), whole=False)
        except (BusyError, OSError):  # what was acknowledged stands without it; doctor shows the small files
            return None

    def small_files(self, name: str) -> int:
        """Number of small data files, which :meth:`tidy` would merge."""
        from windvane.store.compact import small_files

        return small_files(self, _table(name)) if self._has_log(name) else 0

    def repair(self) -> list[str]:
        """Clear up what dead processes left: half-written files, and a last commit that a power cut left torn.

        Torn commits come from other tools and from file systems without hard links; they were never acknowledged.

        Returns:
            What was done, one sentence each.
        """
        done: list[str] = []
        for name in TABLES:
            torn = self._torn(name)
            folder = self._path(name)
            if torn is None and not staging.dead(folder) and not rewrite.is_interrupted(folder):
                continue
            # Whoever holds the lock for long is alive and at work; only a torn commit cannot wait.
            with self._locked(name) if torn is not None else try_locked(folder / ".lock") as free:
                if free is False:
                    continue
                if torn is not None and torn.exists() and not log.is_whole(torn):
                    torn.rename(torn.with_suffix(".torn"))
                    sync(torn.parent)
                    done.append(f"Set aside a torn commit: {torn}.")
                if rewrite.recover(folder, _table(name)):
                    done.append(f"Brought the log of table {name} in line with files that were being rewritten.")
                gone = staging.clear(folder)
                for draft in self._log(name).glob(".*.draft"):
                    draft.unlink(missing_ok=True)
                done += [f"Removed {left} of table {name}, which its process left half written." for left in gone]
        return done

    def parts(self, name: str, delta: DeltaTable) -> list[parts.Part]:
        """The data files of an opened version, in reading order."""
        actions = pl.DataFrame(delta.get_add_actions(flatten=True))
        return parts.parts_of(self._files(delta), actions, _table(name).key)

    def _scanned(self, name: str, version: int | None, known_by: date | None, each_known: bool) -> pl.LazyFrame:
        table = _table(name)
        delta = self._open(name, version) if self._has_log(name) else None
        found = self.parts(name, delta) if delta is not None else []
        if not found:
            return pl.DataFrame(schema={**table.types, **BOOKKEEPING}).lazy()
        if known_by is None and not each_known:
            found = [part for part in found if part.kind != "s"]

        def read(files: Sequence[parts.Part]) -> pl.LazyFrame:
            frame = scan([part.path for part in files], table)
            if known_by is not None and "known_at" in table.names:
                return frame.filter(_known(known_by))
            return frame

        return parts.latest(read, table, parts.units_of(found, table.key), each_known)

    def _reserve(self, table: Table, most: int = 1) -> tuple[Append, DeltaTable | None]:
        """A place to write the files of up to so many batches, and the table as it is."""
        folder = self._path(table.name)
        folder.mkdir(parents=True, exist_ok=True)
        with self._locked(table.name):
            # A table comes to be with its first commit: a batch that fails leaves none behind.
            delta = self._open(table.name) if self._has_log(table.name) else None
            files = [] if delta is None else self._files(delta)
            number = staging.reserve(folder, max(parts.sequences(files), default=0), most)
            return Append(folder, table, number, most), delta

    def _admit(self, append: Append, delta: DeltaTable | None) -> bool:
        """Commit the files of batches to a table that was opened some time ago; ``False`` if one of them is there."""
        name = append.table.name

        def actions(now: DeltaTable) -> list[log.Action] | None:
            if any(self.has_batch(name, each) for each in append.batches):
                return None  # another process was quicker with the same batch
            placed = append.place(append.names())
            adds = [log.add(path, file.stats) for path, file in zip(placed, append.files, strict=True)]
            names = [log.transaction(each) for each in append.batches]
            return [log.info("WRITE", {"mode": "Append"}), *names, *adds]

        with self._locked(name):
            if delta is not None:
                delta.update_incremental()  # much quicker than opening it again
                self._check_features(name, delta)
            else:
                delta = self._open(name) if self._has_log(name) else self._create(name)
            if self._widen(name, delta):
                delta = self._open(name)
            try:
                done = self._commit(name, actions, delta)
            except BaseException:
                # A disk that failed after the commit's name was there leaves it standing: look before undoing.
                if not any(self.has_batch(name, each) for each in append.batches):
                    append.withdraw()
                raise
            if not done:
                append.withdraw()
            return done

    def _commit(
        self,
        name: str,
        actions: Callable[[DeltaTable], Sequence[log.Action] | None],
        delta: DeltaTable | None = None,
    ) -> bool:
        """Write the next commit; the table's lock must be held.

        Args:
            name: the table.
            actions: what to do, given the table as it is now; asked again after a conflict. ``None`` = nothing.
            delta: the table as it is now, if it is open already.

        Returns:
            Whether there was anything to do.
        """
        for _ in range(TRIES):
            delta = delta or self._open(name)
            wanted = actions(delta)
            if wanted is None:
                return False
            version = int(delta.version()) + 1
            delta = None
            try:
                log.commit(self._log(name), version, wanted)
            except ConflictError:
                continue
            if version % _CHECKPOINT_EVERY == 0:
                self._checkpoint(name)
            return True
        raise BusyError(f"Other tools kept writing table {name} through {TRIES} tries.", "Try again later.")

    def _locked(self, name: str) -> contextlib.AbstractContextManager[None]:
        return locked(self._path(name) / ".lock", f"table {name}")

    def _log(self, name: str) -> Path:
        return self._path(name) / "_delta_log"

    def _torn(self, name: str) -> Path | None:
        found = log.commits(self._log(name)) if self._log(name).is_dir() else []
        return found[-1] if found and not log.is_whole(found[-1]) else None

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _has_log(self, name: str) -> bool:
        folder = self._log(name)
        try:
            with os.scandir(folder) as held:
                return any(entry.name.endswith(".json") and entry.name[0] != "." for entry in held)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _open(self, name: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            delta = DeltaTable(str(self._path(name)), version=version)
        except (DeltaError, TableNotFoundError) as error:
            which = f"table {name}" + ("" if version is None else f", version {version}")
            raise StoreError(f"Cannot read {which}: {error}.", "Run: windvane doctor") from error
        self._check_features(name, delta)
        return delta

    def _check_features(self, name: str, delta: DeltaTable) -> None:
        protocol = delta.protocol()
        log.check_features(name, {*(protocol.reader_features or ()), *(protocol.writer_features or ())})

    def _create(self, name: str) -> DeltaTable:
        from deltalake import DeltaTable, Schema

        columns = pl.DataFrame(schema={**_table(name).types, **BOOKKEEPING})
        delta = DeltaTable.create(
            str(self._path(name)), Schema.from_arrow(columns.to_arrow().schema), configuration=_SETTINGS
        )
        self._sync_log(name, new=True)
        return delta

    def _widen(self, name: str, delta: DeltaTable) -> bool:
        """Tell the Delta schema of columns that the schema has gained since the table was made."""
        from deltalake import Schema

        known = {each.name for each in delta.schema().fields}
        columns = pl.DataFrame(schema={**_table(name).types, **BOOKKEEPING})
        wanted = Schema.from_arrow(columns.to_arrow().schema).fields
        if new := [each for each in wanted if each.name not in known]:
            delta.alter.add_columns(new)
            self._sync_log(name)
        return bool(new)

    def _files(self, delta: DeltaTable) -> list[Path]:
        return [Path(unquote(uri.removeprefix("file://"))) for uri in delta.file_uris()]

    def _check_held(self, name: str, version: int) -> None:
        gone = [path for path in self._files(self._open(name, version)) if not path.exists()]
        if gone:
            raise StoreError(
                f"Version {version} of table {name} is no longer held: {len(gone)} of its files have been vacuumed.",
                "Use --as-of, which goes by known_at, or a later moment; kept runs keep their versions.",
            )

    def _checkpoint(self, name: str) -> None:
        """Sum up the log, so that opening the table stays quick."""
        from deltalake.exceptions import DeltaError

        with contextlib.suppress(DeltaError, OSError):  # the commit stands without it; the next one tries again
            self._open(name).create_checkpoint()
            self._sync_log(name)

    def _sync_log(self, name: str, new: bool = False) -> None:
        """Force the last commit, and a checkpoint that came with it, onto the disk."""
        folder = self._log(name)
        last = log.commits(folder)[-1]
        sync(last)
        for checkpoint in folder.glob(f"{last.stem}.checkpoint*"):
            sync(checkpoint)
            sync(folder / "_last_checkpoint")
        for each in (folder, folder.parent, self.folder) if new else (folder,):
            sync(each)


def _table(name: str) -> Table:
    try:
        return TABLES[name]
    except KeyError:
        raise StoreError(f"There is no table {name}.", f"Tables: {', '.join(TABLES)}.") from None


def scan(files: Sequence[Path], table: Table) -> pl.LazyFrame:
    """Read data files of a table lazily, in the given order, with their bookkeeping columns."""
    return pl.scan_parquet(
        list(files),
        schema={**table.types, **BOOKKEEPING},
        missing_columns="insert",
        extra_columns="ignore",
        glob=False,
        hive_partitioning=False,
    )


def _known(by: date) -> pl.Expr:
    if isinstance(by, datetime):
        return pl.col("known_at") <= by
    return pl.col("known_at") < datetime.combine(by + timedelta(days=1), time.min)
