"""Files that survive a crash: fsync, atomic replacement, locks that die with their process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from windvane.errors import BusyError


def sync(path: Path) -> None:
    """Force one file's content, or one folder's list of names, onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Force every file and folder below (and including) a folder onto the disk."""
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync(Path(place) / name)
        sync(Path(place))


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, meets the old content or the new, never a mixture."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def try_lock(path: Path, create: bool = True) -> int | None:
    """Take the lock of a file.

    Args:
        path: the file.
        create: whether to create it if absent; otherwise an absent file cannot be locked.

    Returns:
        A file handle that holds the lock until it is closed or its process ends; ``None`` if another holds it.
    """
    while True:
        try:
            handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o644)
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        # Whoever swept the file between our open and our lock has left us a lock on a nameless file.
        try:
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, what: str, wait_seconds: float = 600.0) -> Iterator[None]:
    """Hold the lock of a file for the length of a block.

    Raises:
        BusyError: another process still holds it after ``wait_seconds``.
    """
    deadline = time.monotonic() + wait_seconds
    while (handle := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise BusyError(f"Another process has been writing {what} for {wait_seconds:.0f} s.", "Try again later.")
        time.sleep(0.02)
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file for the length of a block if it is free; gives whether it was."""
    handle = try_lock(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)
