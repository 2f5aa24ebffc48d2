"""Leases: which table versions a live run is reading, held so that a killed process frees them.

A lease is a JSON file in ``leases/`` whose lock its process holds. The lock goes with the process, so a lease
whose lock is free belongs to nobody alive.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from windvane.errors import BusyError
from windvane.store.disk import sync, try_lock


class Lease:
    """One held lease.

    Args:
        folder: the workspace's ``leases`` folder.
        owner: identifier of the run.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / owner
        handle = try_lock(self.path)
        if handle is None:
            raise BusyError(f"Run {owner} is held by another process.", "Start another run.")
        self._handle = handle
        sync(folder)

    def pin(self, versions: Mapping[str, int]) -> None:
        """Protect these table versions from vacuum until released."""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps({"versions": dict(versions)}).encode(), 0)
        os.fsync(self._handle)

    def release(self) -> None:
        """Give the lease up; a second call does nothing."""
        if self._handle >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def live(folder: Path) -> dict[str, dict[str, int]]:
    """Leases held by live processes: owner to table versions."""
    held: dict[str, dict[str, int]] = {}
    for path in _leases(folder):
        handle = try_lock(path, create=False)
        if handle is not None:
            os.close(handle)
            continue
        if not path.exists():
            continue
        try:
            held[path.name] = json.loads(path.read_bytes() or b"{}").get("versions", {})
        except (FileNotFoundError, json.JSONDecodeError):
            # Given up or being rewritten at this very moment; whoever rewrites pins nothing older than now.
            held[path.name] = {}
    return held


def dead(folder: Path) -> Iterator[str]:
    """Owners whose process is gone; each stays locked by the caller while it is looked at, then is removed."""
    for path in _leases(folder):
        handle = try_lock(path, create=False)
        if handle is None:
            continue
        try:
            yield path.name
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)


def _leases(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
