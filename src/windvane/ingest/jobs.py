"""Which files a mapping's blocks are about: one job per block and file, named by what both hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from windvane.errors import InputError, MappingError
from windvane.ingest import database, read
from windvane.ingest.mapping import Block, Mapping
from windvane.ingest.read import Item, Options

_SHOWN = 3
_OTHERS = (".rar", ".7z", ".tar", ".tgz", ".bz2", ".xz", ".xml", ".dbf", ".mdb", ".accdb", ".pdf", ".doc", ".docx")
"""Endings of files that may hold a shop's data and that nothing here reads."""
ADDRESS = "WINDVANE_DATABASE"
"""Environment variable that holds a database's address, where a block names no other."""


@dataclass(frozen=True)
class Job:
    """One batch: a block and the files that it is made from.

    Attributes:
        block: what to make of the files.
        items: the files; several for a query, none where the mapping itself holds the rows.
        label: their name, to show.
        batch: name of the batch: a hash of the block and of what the files hold; empty for a database that was not
            asked yet.
        stamps: size and time of each file when its hash was taken.
    """

    block: Block
    items: tuple[Item, ...]
    label: str
    batch: str
    stamps: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its files, and one for the job itself."""
        return 1 + sum(item.size for item in self.items)

    @property
    def options(self) -> Options:
        """How its files are to be read."""
        return options(self.block)

    def same(self) -> bool:
        """Whether the files are still what their hashes were taken of."""
        return self.stamps == tuple(_stamp(item) for item in self.items)


def options(block: Block) -> Options:
    """How the files of a block are to be read."""
    return Options(block.separator, block.encoding, block.sheet, block.header or 1, block.explode)


def jobs_of(mapping: Mapping, source: Path | Sequence[Path]) -> list[Job]:
    """The jobs of a mapping, in the order of its blocks.

    Args:
        mapping: the mapping.
        source: the folder that its file names are relative to, or the files themselves.

    Raises:
        InputError: a file is missing or unreadable.
        MappingError: a file that was given is no block's.
    """
    jobs: list[Job] = []
    used: set[Path] = set()
    hashes: dict[Item, str] = {}
    missing: list[Block] = []
    for block in mapping.blocks:
        if block.rows:
            jobs.append(_job(block, (), f"{mapping.name}.toml", hashes))
        elif block.select is not None:
            jobs.append(Job(block, (), database.label(database.from_environment(block.database or ADDRESS)), ""))
        elif block.query is not None:
            items = tuple(_find_one(source, pattern) for pattern in named(block).values())
            jobs.append(_job(block, items, " + ".join(item.label for item in items), hashes))
        else:
            found = (
                _recognised(source, block) if block.tidy and block.tidy.signature else _find(source, block.file or "")
            )
            jobs += [_job(block, (item,), item.label, hashes) for item in found]
            missing += [] if found else [block]
        used |= {item.path for job in jobs for item in job.items}
    if missing and not used:
        block = missing[0]
        signature = ", ".join(block.tidy.signature) if block.tidy else ""
        wanted = f"have the columns {signature}" if signature else f"be called {block.file}"
        raise InputError(
            f"Mapping {mapping.name} recognises none of the files{_given(source)}.",
            f"For {block.table.name}, a file must {wanted}; or change the mapping.",
        )
    if not isinstance(source, Path):
        unused = [path for path in source if path not in used and not any(path in each.parents for each in used)]
        if unused:
            wanted = ", ".join(dict.fromkeys(each for block in mapping.blocks for each in _wanted(block)))
            names = _several([path.name for path in unused])
            raise MappingError(
                f"Mapping {mapping.name} has no block for {names}; nothing was read.",
                f"Leave the file out, or add a block for it to the mapping. Its blocks read: {wanted or 'no file'}.",
            )
    return jobs


def passed_over(mapping: Mapping, source: Path | Sequence[Path], workspace: Path) -> list[str]:
    """Files in a folder, and in archives, that no block of a mapping reads, by their path in the folder.

    Args:
        mapping: the mapping.
        source: the folder, or the files themselves.
        workspace: folder of the workspace, whose own files do not count.

    Raises:
        InputError: a file is gone or unreadable.
    """
    used = {item for block in mapping.blocks for item in _read_by(block, source)}
    paths = list(_within(source, workspace)) if isinstance(source, Path) else list(source)
    found: list[str] = []
    for path in paths:
        name = path.relative_to(source).as_posix() if isinstance(source, Path) else path.name
        try:
            members = read.expand(path)
        except InputError:  # of a kind that nobody reads
            members = [Item(path)]
        unused = [item for item in members if item not in used]
        if len(unused) == len(members):
            found.append(name)
        else:
            found += [f"{name}/{item.member}" for item in unused]
    return found


def _read_by(block: Block, source: Path | Sequence[Path]) -> list[Item]:
    if block.rows or block.select is not None:
        return []
    if block.query is not None:
        return [item for pattern in named(block).values() for item in _find(source, pattern)]
    if block.tidy and block.tidy.signature:
        return _recognised(source, block)
    return _find(source, block.file or "")


def _within(folder: Path, workspace: Path) -> Iterator[Path]:
    """Files that could hold data, in a folder and its subfolders; a workspace's own are none."""
    own = workspace.absolute()
    for path in sorted(folder.glob("**/*")):
        inside = path.relative_to(folder).parts
        kept = read.readable(path) or path.suffix.lower() in _OTHERS
        hidden = any(part.startswith((".", "~$", "__MACOSX")) for part in inside)
        if kept and not hidden and path.is_file():
            place = path.absolute()
            if own not in place.parents or place.parent == own:
                yield path


def _wanted(block: Block) -> list[str]:
    """What a block asks of the files that it reads."""
    if block.tidy and block.tidy.signature:
        return [f"{block.file or '*'} with the columns {', '.join(block.tidy.signature)}"]
    return list(named(block).values()) if block.query is not None else [block.file] if block.file else []


def _given(source: Path | Sequence[Path]) -> str:
    return f" in {source}" if isinstance(source, Path) else f" ({_several([path.name for path in source])})"


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def named(block: Block) -> dict[str, str]:
    """The files that a query really names, so that others need not be there.

    Raises:
        MappingError: it names none.
    """
    assert block.query is not None
    found = {name: pattern for name, pattern in block.files.items() if _mentions(block.query, name)}
    if not found:
        raise MappingError(
            f"The query for {block.table.name} names none of the files in [files].", "Add [files] to the mapping."
        )
    return found


def _mentions(query: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", query) is not None


def _find(source: Path | Sequence[Path], pattern: str) -> list[Item]:
    if isinstance(source, Path):
        return read.find(source, pattern)
    return read.items(source, pattern)


def _recognised(source: Path | Sequence[Path], block: Block) -> list[Item]:
    """Files that have the columns of the block's signature, whatever their names."""
    assert block.tidy is not None
    given = [source] if isinstance(source, Path) else source
    found = read.items(given, None if block.file in (None, "*") else block.file)
    return [item for item in found if block.tidy.recognises(list(_columns(item, block)))]


def _columns(item: Item, block: Block) -> tuple[str, ...]:
    return _header(item, options(block), _stamp(item))


@lru_cache(maxsize=4096)
def _header(item: Item, how: Options, stamp: tuple[int, int]) -> tuple[str, ...]:
    """Column names of a file as it is now: several blocks ask for those of the same files."""
    try:
        return tuple(read.header(item, how))
    except InputError:
        return ()  # of another kind; whoever is meant by it will say so


def _find_one(source: Path | Sequence[Path], pattern: str) -> Item:
    found = _find(source, pattern)
    if not found:
        raise InputError(f"None of the given files matches {pattern}.", "Give the folder, or that file too.")
    if len(found) > 1:
        raise InputError(
            f"{found[0].label} and {found[1].label} both match {pattern}, and a query takes one file per name.",
            "Name the file exactly under [files].",
        )
    return found[0]


def _job(block: Block, items: tuple[Item, ...], label: str, hashes: dict[Item, str]) -> Job:
    stamps = tuple(_stamp(item) for item in items)
    for item in items:
        if item not in hashes:
            hashes[item] = read.fingerprint(item)
    parts = [block.fingerprint, *(hashes[item] for item in items)]
    batch = hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
    return Job(block, items, label, batch, stamps)


def _stamp(item: Item) -> tuple[int, int]:
    try:
        held = item.path.stat()
    except OSError as error:
        raise InputError(f"Cannot read {item.label}: {error.strerror}.", "Check the file.") from None
    return held.st_size, held.st_mtime_ns


def spooled(job: Job, folder: Path, since: str | None) -> tuple[Job, str | None]:
    """Ask the database of a job.

    Args:
        job: a job of a block with ``select``.
        folder: where the rows are put; its owner removes it.
        since: what ``{since}`` in the statement stands for.

    Returns:
        The job with the rows as its file, and the largest value of the cursor column.

    Raises:
        windvane.errors.WindvaneError: the database cannot be reached, or refuses the statement.
    """
    block = job.block
    assert block.select is not None
    address = database.from_environment(block.database or ADDRESS)
    made = database.spool(address, block.select, folder / "select.parquet", block.cursor, since)
    item = Item(made.path)
    parts = [block.fingerprint, made.fingerprint]
    batch = hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
    return replace(job, items=(item,), batch=batch, stamps=(_stamp(item),)), made.last
