"""The log of a Delta table: which data files it consists of, one numbered commit after another.

Delta's protocol makes a commit by creating the file of the next number, which only one writer can do. Reading the
log is left to delta-rs; writing it is done here, because the order of calls is what durability hangs on: the
commit's content is forced to the disk *before* its name appears, so that neither a reader nor a power cut ever
meets half of one, and the name is forced to the disk before anybody is told that it is done.

Source: Delta Transaction Log Protocol, "Actions" and "Delta Log Entries".
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from windvane import __version__
from windvane.clock import CLOCK
from windvane.errors import StoreError
from windvane.store.disk import sync

Action = dict[str, Any]
"""One action of a commit: ``{"add": ...}``, ``{"remove": ...}``, ``{"txn": ...}`` or ``{"commitInfo": ...}``."""

UNDERSTOOD = frozenset({"appendOnly", "invariants", "timestampNtz"})
"""Table features that our writing and reading are right for."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


class ConflictError(Exception):
    """Another writer has taken this version; nothing was written."""


def milliseconds() -> int:
    """The present moment as Delta counts it."""
    return int(CLOCK.now().timestamp() * 1000)


def info(operation: str, parameters: Mapping[str, str]) -> Action:
    """What a commit did, for people who read the log."""
    return {
        "commitInfo": {
            "timestamp": milliseconds(),
            "operation": operation,
            "operationParameters": dict(parameters),
            "engineInfo": f"windvane/{__version__}",
        }
    }


def transaction(batch: str) -> Action:
    """Note that a batch is in the table."""
    return {"txn": {"appId": batch, "version": 1, "lastUpdated": milliseconds()}}


def add(path: Path, stats: Mapping[str, Any], change: bool = True) -> Action:
    """Make a data file part of the table.

    Args:
        path: the file, directly in the table's folder, its name plain ASCII.
        stats: Delta statistics.
        change: whether its rows are new, or only stored anew.
    """
    return {
        "add": {
            "path": path.name,
            "partitionValues": {},
            "size": path.stat().st_size,
            "modificationTime": milliseconds(),
            "dataChange": change,
            "stats": json.dumps(stats),
        }
    }


def remove(path: Path, change: bool) -> Action:
    """Make a data file part of the table no longer; the file stays for older versions."""
    return {
        "remove": {
            "path": path.name,
            "deletionTimestamp": milliseconds(),
            "dataChange": change,
            "extendedFileMetadata": True,
            "partitionValues": {},
            "size": path.stat().st_size,
        }
    }


def commit(log: Path, version: int, actions: Iterable[Action]) -> None:
    """Write the commit of one version; it is on the disk when this returns.

    Args:
        log: the table's ``_delta_log`` folder.
        version: number of the new version, one above the one that was read.
        actions: what it does.

    Raises:
        ConflictError: the version is taken; nothing was written.
        OSError: the disk failed; the commit may or may not be there, so look before undoing anything.
    """
    target = log / f"{version:020d}.json"
    draft = log / f".{version}.{os.getpid()}.{secrets.token_hex(4)}.draft"
    text = "".join(json.dumps(action, ensure_ascii=False) + "\n" for action in actions)
    try:
        _write(draft, text.encode())
        try:
            os.link(draft, target)
        except FileExistsError:
            raise ConflictError(target.name) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _create(target, text.encode())
    finally:
        draft.unlink(missing_ok=True)
    sync(log)


def commits(log: Path) -> list[Path]:
    """Files of the commits, oldest first."""
    return sorted(path for path in log.glob("*.json") if path.stem.isdigit())


def version_at(log: Path, moment: datetime) -> int | None:
    """Newest version that was committed at or before a moment; ``None`` if there was none.

    Args:
        log: the table's ``_delta_log`` folder.
        moment: the moment; without a time zone it counts as UTC.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    limit = int(aware.timestamp() * 1000)
    for path in reversed(commits(log)):
        if committed_at(path) <= limit:
            return int(path.stem)
    return None


def committed_at(path: Path) -> int:
    """Moment of a commit in milliseconds: what it says itself, else when its file was written."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            said = json.loads(line).get("commitInfo", {}).get("timestamp")
            if said is not None:
                return int(said)
    return int(path.stat().st_mtime * 1000)


def check_features(name: str, features: Iterable[str]) -> None:
    """Refuse a table to which another tool has given a feature that would make our reading or writing wrong.

    Raises:
        StoreError: names the feature.
    """
    strange = sorted(set(features) - UNDERSTOOD)
    if strange:
        raise StoreError(
            f"Another tool has switched on {', '.join(strange)} for table {name}, which Windvane does not know.",
            "Write the table anew without it, or restore the folder from a backup.",
        )


def is_whole(path: Path) -> bool:
    """Whether a commit's file can be read to its end."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines if line)
    except (OSError, ValueError):
        return False


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _create(target: Path, content: bytes) -> None:
    """Create a commit where the file system has no hard links; a crash may leave it torn, see ``Tables.repair``."""
    try:
        _write(target, content)
    except FileExistsError:
        raise ConflictError(target.name) from None
    except BaseException:
        with contextlib.suppress(OSError):
            target.unlink()
        raise
