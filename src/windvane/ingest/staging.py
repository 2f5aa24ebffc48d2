"""A folder for temporary files of one ingest; whatever a dead process left is cleared up by the next."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from windvane.store import Workspace
from windvane.store.disk import try_lock


@contextlib.contextmanager
def staging(workspace: Workspace) -> Iterator[Path]:
    """A folder that exists for the length of a block, on the workspace's own disk."""
    place = workspace.folder / "staging"
    place.mkdir(exist_ok=True)
    _sweep(place)
    folder = place / secrets.token_hex(8)
    folder.mkdir()
    handle = try_lock(folder / "lock")
    assert handle is not None  # its name is ours alone
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _sweep(place: Path) -> None:
    """Remove folders whose process is gone: its lock went with it."""
    for folder in place.iterdir():
        lock = folder / "lock"
        # A folder without a lock is one that another process has just made.
        handle = try_lock(lock, create=False) if lock.exists() else None
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)
