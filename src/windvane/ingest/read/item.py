"""Things that can be read: files, and members of archives."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from windvane.errors import InputError
from windvane.ingest.read import packed

TEXTS = (".csv", ".tsv", ".txt")
JSON = (".jsonl", ".ndjson", ".json")
SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
TABLES = (".parquet",)
ENDINGS = (*TEXTS, *JSON, *SHEETS, *TABLES)
"""Endings of files that can be read, each also followed by one of :data:`windvane.ingest.read.packed.ENDINGS`."""

_CHUNK = 1 << 22


@dataclass(frozen=True, order=True)
class Item:
    """One readable thing: a file, or a member of an archive.

    Attributes:
        path: the file.
        member: name of the member, where the file is an archive.
    """

    path: Path
    member: str | None = None

    @property
    def label(self) -> str:
        """Name to show: ``orders.csv``, ``orders.zip/2024.csv``."""
        return self.path.name if self.member is None else f"{self.path.name}/{self.member}"

    @property
    def name(self) -> str:
        """Name that patterns of a mapping are matched with: the member's own where there is one."""
        return self.path.name if self.member is None else self.member.rsplit("/", 1)[-1]

    @property
    def ending(self) -> str:
        """What kind of file the name says it is, such as ``.csv``; endings of packings do not count."""
        return Path(_unpacked(self.name)).suffix

    @property
    def size(self) -> int:
        """Bytes on disk (of a member: its packed bytes).

        Raises:
            InputError: the file is gone.
        """
        if self.member is not None:
            return packed.member_size(self.path, self.member)
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise InputError(f"Cannot read {self.label}: {error.strerror}.", "Check the name.") from None


def find(folder: Path, pattern: str) -> list[Item]:
    """Things in a folder that match a pattern, in natural order (``orders-2.csv`` before ``orders-10.csv``).

    Args:
        folder: where to look.
        pattern: name with ``*`` and ``?``; ``**`` for folders of any depth, as in ``2024/**/*.csv``. It is matched
            with files; members of archives are matched by their own name, or stand for the archive if that matches.

    Raises:
        InputError: there is no such thing, or it is of an unknown kind.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Check the name.")
    found = [each for path in _glob(folder, pattern) for each in expand(path)]
    if not found:
        found = [each for path in _archives(folder) for each in expand(path) if _matches(each, pattern)]
    if not found:
        raise InputError(f"No file in {folder} matches {pattern}.", "Check the folder, or the mapping's file names.")
    return found


def items(paths: Iterable[Path], pattern: str | None = None) -> list[Item]:
    """What can be read in the files, archives and folders given, in their order.

    Args:
        paths: files, archives, folders (looked through with all their subfolders).
        pattern: where given, only what matches it by name; an archive that matches gives all its members.

    Raises:
        InputError: a path is not there, or is of an unknown kind.
    """
    found: list[Item] = []
    for path in paths:
        if path.is_dir():
            inside = [each for each in _glob(path, "**/*") if readable(each)]
            found += [each for file in inside for each in expand(file)]
        else:
            found += expand(path)
    return [each for each in found if pattern is None or _matches(each, pattern)]


def expand(path: Path) -> list[Item]:
    """A file as an item, an archive as its members.

    Raises:
        InputError: it is not there, or of an unknown kind, or no sound archive.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.", "Check the name.")
    if packed.is_archive(path):
        return [Item(path, member) for member in packed.members(path) if _known(member)]
    if not _known(path.name):
        raise InputError(
            f"{path.name} is no kind of file that can be read.",
            f"Files end in {', '.join(ENDINGS)}, also packed as {', '.join((*packed.ENDINGS, '.zip'))}.",
        )
    return [Item(path)]


def readable(path: Path) -> bool:
    """Whether a file's name says that it can be read."""
    return path.is_file() and not hidden(path.name) and (_known(path.name) or path.suffix.lower() == ".zip")


def hidden(name: str) -> bool:
    """Whether a name is that of a hidden file or of the lock file that an office program leaves beside a workbook."""
    return name.startswith((".", "~$", "__MACOSX"))


def fingerprint(item: Item) -> str:
    """Hash of what the item holds: of a file its bytes on disk, of a member of an archive its unpacked bytes.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with item.path.open("rb") if item.member is None else packed.opened(item.path, item.member) as stream:
            while block := stream.read(_CHUNK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"Cannot read {item.label}: {error.strerror or error}.", "Check the file.") from None
    return digest.hexdigest()


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``2`` before ``10``."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def _known(name: str) -> bool:
    return _unpacked(name).endswith(ENDINGS)


def _unpacked(name: str) -> str:
    """A name in small letters without the endings of packings."""
    name = name.lower()
    for ending in packed.ENDINGS:
        name = name.removesuffix(ending)
    return name


def _matches(item: Item, pattern: str) -> bool:
    return item.path.match(pattern) or Path(item.name).match(pattern)


def _glob(folder: Path, pattern: str) -> list[Path]:
    found = [path for path in folder.glob(pattern) if path.is_file()]
    inside = [path for path in found if not any(hidden(part) for part in path.relative_to(folder).parts)]
    return sorted(inside, key=lambda path: natural(os.fspath(path.relative_to(folder))))


def _archives(folder: Path) -> list[Path]:
    return _glob(folder, "*.zip")
