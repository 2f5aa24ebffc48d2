"""Which batches a table holds, kept in memory and read on only as far as the log has grown.

delta-rs answers the same question, but opens the table for it; a folder of thousands of files asks once per file.
Batch names stand in the commits as Delta transactions, older ones summed up in a checkpoint. A log that is not of
that shape (another tool has cleaned it up, or splits its checkpoints) is left to delta-rs.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import polars as pl

from windvane.store import log

_Stamp = tuple[int, int]


class Unclear(Exception):
    """The log is not of a shape that can be read here."""


class Batches:
    """The batch names of one table.

    Args:
        folder: the table's ``_delta_log`` folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()
        self._version = -1
        self._stamp: _Stamp | None = None
        self._lock = threading.Lock()

    def has(self, batch: str) -> bool:
        """Whether a batch is in the table as it is now.

        Raises:
            Unclear: the log cannot be read here; ask delta-rs.
        """
        with self._lock:
            try:
                self._read_on()
            except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
                self._forget()
                raise Unclear(str(error)) from error
            except Unclear:
                self._forget()
                raise
            return batch in self._names

    def _read_on(self) -> None:
        if self._version < 0 or self._stamp != _stamp(self._commit(self._version)):
            self._begin()  # nothing is known yet, or the commit that was last has been written anew
        while True:
            path = self._commit(self._version + 1)
            stamp = _stamp(path)
            if stamp is None:
                break
            names = _in_commit(path)
            self._names |= names
            self._version, self._stamp = self._version + 1, stamp
        if self._stamp is None:
            raise Unclear("there is no commit")

    def _begin(self) -> None:
        """Read the checkpoint, if there is one."""
        self._forget()
        pointer = self._folder / "_last_checkpoint"
        if not pointer.exists():
            return
        said = json.loads(pointer.read_text(encoding="utf-8"))
        version = int(said["version"])
        checkpoint = self._folder / f"{version:020d}.checkpoint.parquet"
        if said.get("parts") or not checkpoint.exists():
            raise Unclear("the checkpoint is in parts")
        held = pl.read_parquet(checkpoint, columns=["txn"])["txn"].struct.field("appId").drop_nulls()
        self._names, self._version, self._stamp = set(held), version, _stamp(self._commit(version))
        if self._stamp is None:
            raise Unclear("the commit of the checkpoint is gone")

    def _forget(self) -> None:
        self._names, self._version, self._stamp = set(), -1, None

    def _commit(self, version: int) -> Path:
        return self._folder / f"{version:020d}.json"


def _stamp(path: Path) -> _Stamp | None:
    try:
        held = path.stat()
    except FileNotFoundError:
        return None
    return held.st_ino, held.st_mtime_ns


def _in_commit(path: Path) -> set[str]:
    if not log.is_whole(path):
        raise Unclear(f"{path.name} is torn")
    lines = path.read_text(encoding="utf-8").splitlines()
    return {said["txn"]["appId"] for line in lines if '"txn"' in line and "txn" in (said := json.loads(line))}
