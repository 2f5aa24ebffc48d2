"""Rewriting a table's past: rows leave the data files of every version, and every version stays readable.

A Delta log names its data files, so a file that is replaced *under its own name* is replaced in every version that
has it; what the log says about the file (its size, the range of its keys, which may be a person's) is then corrected
in every commit and checkpoint. No old copy remains, whoever pinned it.

What is about to be replaced is written down first (``.rewriting``), so that a process that dies in between leaves a
log that :func:`recover` can bring in line with the files.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from windvane.schema import Table
from windvane.store import log, parts, staging
from windvane.store.disk import replace, sync
from windvane.store.staging import Staging

if TYPE_CHECKING:
    from windvane.store.tables import Tables

Told = Callable[[str], bool]
"""Whether a text tells of what is to be erased."""

_NOTE = ".rewriting"


@dataclass(frozen=True)
class Edit:
    """What to do to the rows of a table.

    Attributes:
        match: true for the rows concerned.
        blank: columns to empty in them; none = the rows are removed.
        told: whether a text in the log tells of them.
    """

    match: pl.Expr
    blank: tuple[str, ...] = ()
    told: Told = lambda text: False


@dataclass(frozen=True)
class Rewritten:
    """What became of a table.

    Attributes:
        blanked: whether their rows stayed, emptied.
        files: names of the data files rewritten, and how many rows of each were concerned.
        versions: versions whose data changed.
    """

    blanked: bool
    files: Mapping[str, int]
    versions: tuple[int, ...]


def rewrite(
    tables: Tables, table: Table, edit: Edit, before: Callable[[Rewritten], None] = lambda what: None
) -> Rewritten:
    """Edit the rows of every version of a table; its lock must be held and nobody may be merging its files.

    Args:
        tables: where the table is.
        table: the table.
        edit: what to do.
        before: told what will change, before anything does.

    Returns:
        What changed.
    """
    folder = tables._path(table.name)
    for draft in (folder / "_delta_log").glob(".*.draft"):
        draft.unlink(missing_ok=True)
    found = {path: rows for path in sorted(folder.glob("*.parquet")) if (rows := _matching(path, edit))}
    files = {path.name: rows for path, rows in found.items()}
    what = Rewritten(bool(edit.blank), files, _versions_with(set(files), folder / "_delta_log"))
    before(what)
    if found:
        replace(folder / _NOTE, json.dumps([path.name for path in found]).encode())
        with Staging(folder, f"rewrite-{secrets.token_hex(8)}") as staged:
            for path in found:
                _replace_file(path, edit, staged.folder)
        sync(folder)
    _correct_log(folder, table, found, edit.told)
    (folder / _NOTE).unlink(missing_ok=True)
    sync(folder)
    return what


def recover(folder: Path, table: Table) -> bool:
    """Bring the log in line with files that a dead process had begun to replace; the table's lock must be held.

    Returns:
        Whether there was anything to do.
    """
    try:
        names = json.loads((folder / _NOTE).read_bytes())
    except FileNotFoundError:
        return False
    _correct_log(folder, table, [folder / name for name in names], lambda text: False)
    (folder / _NOTE).unlink()
    sync(folder)
    return True


def is_interrupted(folder: Path) -> bool:
    """Whether a process died while it rewrote the table."""
    return (folder / _NOTE).exists()


def _matching(path: Path, edit: Edit) -> int:
    frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    have = set(frame.collect_schema().names())
    if not set(edit.match.meta.root_names()) <= have:
        return 0
    return int(frame.filter(edit.match).select(pl.len()).collect(engine="streaming").item())


def _replace_file(path: Path, edit: Edit, place: Path) -> None:
    frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    match = edit.match.fill_null(False)
    if edit.blank:
        have = set(frame.collect_schema().names())
        empty = [pl.when(match).then(None).otherwise(pl.col(name)).alias(name) for name in edit.blank if name in have]
        frame = frame.with_columns(empty)
    else:
        frame = frame.filter(match.not_())
    draft = place / path.name
    frame.sink_parquet(draft, compression="zstd", row_group_size=staging.ROW_GROUP, statistics=True)
    sync(draft)
    os.replace(draft, path)


def _versions_with(names: set[str], folder: Path) -> tuple[int, ...]:
    """Versions that have one of some files, by the commits that are there."""
    commits = log.commits(folder) if names else []
    # Where another tool has shortened the log, its first versions count as having them all.
    held = set() if commits and int(commits[0].stem) == 0 else set(names)
    versions = []
    for path in commits:
        for action in _actions(path):
            if name := _file_of(action, "add"):
                held.add(name)
            if name := _file_of(action, "remove"):
                held.discard(name)
        if held & names:
            versions.append(int(path.stem))
    return tuple(versions)


def _actions(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _file_of(action: Mapping[str, Any], kind: str) -> str | None:
    return unquote(action[kind]["path"]) if action.get(kind) else None


def _correct_log(folder: Path, table: Table, files: Iterable[Path], told: Told) -> None:
    """Say in every commit and checkpoint what the files are like now, and nothing of what is erased."""
    fresh: dict[str, dict[str, Any]] = {}
    for path in files:
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        fresh[path.name] = {"size": path.stat().st_size, "stats": json.dumps(parts.statistics(frame, table))}
    place = folder / "_delta_log"
    for path in log.commits(place):
        text = path.read_text(encoding="utf-8")
        if told(text) or any(name in text for name in fresh):
            lines = [json.dumps(_corrected(a, folder, fresh, told), ensure_ascii=False) + "\n" for a in _actions(path)]
            _replace_keeping_time(path, "".join(lines).encode())
    for path in sorted(place.glob("*.checkpoint*.parquet")):
        _correct_checkpoint(path, folder, fresh, told)
    for path in [*place.glob("*.crc"), *place.glob("*.torn"), *place.glob("*.tmp")]:
        if fresh or told(path.read_text(encoding="utf-8", errors="replace")):
            path.unlink()
    sync(place)


def _corrected(action: dict[str, Any], folder: Path, fresh: Mapping[str, dict[str, Any]], told: Told) -> dict[str, Any]:
    for kind in ("add", "remove"):
        said = action.get(kind)
        if not said:
            continue
        new = fresh.get(unquote(said["path"]))
        if new is not None:
            said["size"] = new["size"]
            if said.get("stats") is not None:
                said["stats"] = new["stats"]
        elif _is_stale(said, folder, told):
            said["stats"] = _only_counts(said["stats"])
    return action


def _is_stale(said: Mapping[str, Any], folder: Path, told: Told) -> bool:
    """Whether the log tells, of a file that is long gone, what is to be erased."""
    return bool(said.get("stats")) and told(said["stats"]) and not (folder / unquote(said["path"])).exists()


def _only_counts(stats: str) -> str:
    return json.dumps({"numRecords": json.loads(stats).get("numRecords")})


def _correct_checkpoint(path: Path, folder: Path, fresh: Mapping[str, dict[str, Any]], told: Told) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    place = table.schema.get_field_index("add")
    adds = table.column(place).to_pylist()
    changed = False
    for said in adds:
        if said is None:
            continue
        new = fresh.get(unquote(said["path"]))
        if new is not None:
            said.update(new)
        elif _is_stale(said, folder, told):
            said["stats"] = _only_counts(said["stats"])
        else:
            continue
        changed = True
        if "stats_parsed" in said:
            said["stats_parsed"] = None
    if not changed:
        return
    column = pa.chunked_array([pa.array(adds, type=table.schema.field(place).type)])
    draft = path.with_name(f".{path.name}.draft")
    pq.write_table(table.set_column(place, table.schema.field(place), column), draft, compression="zstd")
    _keep_time(path, draft)
    sync(draft)
    os.replace(draft, path)
    _correct_pointer(path)


def _correct_pointer(checkpoint: Path) -> None:
    """``_last_checkpoint`` may say how large the checkpoint is."""
    pointer = checkpoint.parent / "_last_checkpoint"
    try:
        said = json.loads(pointer.read_bytes())
    except (FileNotFoundError, ValueError):
        return
    if checkpoint.name.startswith(f"{said.get('version', -1):020d}.") and "sizeInBytes" in said:
        said["sizeInBytes"] = checkpoint.stat().st_size
        said.pop("checksum", None)
        replace(pointer, json.dumps(said).encode())


def _replace_keeping_time(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    _keep_time(path, draft)
    os.replace(draft, path)


def _keep_time(old: Path, new: Path) -> None:
    """Other tools find a version of a moment by the times of the log's files."""
    times = old.stat()
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
