"""Erasing for good: a person, or what is older than it may be kept, from tables, all their versions, runs and files.

Erasure overrides leases: a version that a run has pinned is rewritten like any other, and stays readable; the run is
marked as redacted. What a row says of demand stays wherever it can:

========== =========================================================================================
orders     the line stays, its customer goes: no sum of demand changes
events     the event stays, its customer, session and query go: no count of views changes
reviews    the row goes, text and all
customers  the row goes
others     a person in the key takes the row along; elsewhere the cell is emptied
quarantine rows that hold the person in their value, reason or source row go
========== =========================================================================================

What is done is noted in the table ``erasures``, with counts and never a name. An erasure that dies half way is
completed by the same call; until then ``doctor`` reports it. While it lasts a note in ``erasing/`` holds a salted
hash by which that same call is known again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import BusyError, InputError, StoreError
from windvane.schema import DAY, DERIVED, MOMENT, RAW, TABLES, Table
from windvane.store import staging
from windvane.store.disk import locked, replace, sync, try_lock
from windvane.store.person import Person
from windvane.store.rewrite import Edit, Rewritten, rewrite
from windvane.store.runs import MANIFEST, Run

if TYPE_CHECKING:
    from windvane.store.workspace import Workspace

WAIT_SECONDS = 600.0
"""How long to wait for appends and merges that had begun before."""

_ALSO: Mapping[str, tuple[str, ...]] = {"events": ("session", "query")}
_GONE = ("reviews", "customers")
_TEXTS: Mapping[str, tuple[str, ...]] = {"quarantine": ("value", "reason", "row")}
_NOTES = "erasing"
_OWN = ("tables", "runs", "leases", "staging", _NOTES)


@dataclass(frozen=True)
class Erased:
    """What became of one table.

    Attributes:
        table: the table.
        blanked: stored rows kept without the person, over all versions.
        removed: stored rows removed, over all versions.
        files: data files rewritten.
        versions: versions of the table that changed.
    """

    table: str
    blanked: int
    removed: int
    files: int
    versions: int


@dataclass(frozen=True)
class Erasure:
    """What an erasure touched; no name in it.

    Attributes:
        id: identifier.
        at: its moment, UTC.
        kind: 'forget' or 'expire'.
        tables: tables that changed.
        redacted: published runs that had read a version that changed, or held the person themselves.
        run_files: tables of published runs that were rewritten.
        removed_files: reports and exports in the workspace that were removed; make them again.
        left: other files in the workspace that hold the person and are not Windvane's to remove.
    """

    id: str
    at: datetime
    kind: str
    tables: list[Erased] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)
    run_files: int = 0
    removed_files: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)


def forget(workspace: Workspace, names: Sequence[str], wait_seconds: float = WAIT_SECONDS) -> Erasure:
    """Erase a person from everything in a workspace.

    Args:
        workspace: the shop.
        names: the person's identifier as the shop knows it, and its pseudonym.
        wait_seconds: how long to wait for ingests that have begun already.

    Returns:
        What was touched.

    Raises:
        InputError: no name is given.
        BusyError: another process keeps writing; nothing was lost, call again.
    """
    person = Person(tuple(names))
    if not person.names:
        raise InputError("Nobody is named.", "Give the customer's identifier.")
    with _Work(workspace, "forget", "\n".join(sorted(person.names)), wait_seconds) as work:
        for name, table in TABLES.items():
            if (edit := _edit(table, person)) is not None:
                work.rewrite(name, edit)
        work.search_runs(person)
        work.search_files(person)
        return work.finish()


def expire(
    workspace: Workspace,
    table: str,
    before: date,
    blank: Sequence[str] = (),
    wait_seconds: float = WAIT_SECONDS,
) -> Erasure:
    """Erase what is older than it may be kept, from every version of a table.

    Args:
        workspace: the shop.
        table: name of the table.
        before: rows whose own time (:func:`time_column`) lies before this day, or moment, are concerned.
        blank: columns to empty in them, so that the rows stay; none = the rows go.
        wait_seconds: how long to wait for ingests that have begun already.

    Returns:
        What was touched.

    Raises:
        InputError: a column to empty is unknown or needed.
        BusyError: another process keeps writing; nothing was lost, call again.
    """
    found = _table(table)
    for name in blank:
        if name not in found.names or not found[name].nullable:
            raise InputError(
                f"Column {name} of table {table} cannot be emptied.", "Name a column that may be empty.", table=table
            )
    column = time_column(found)
    limit: date = before
    if found[column].type == MOMENT and not isinstance(before, datetime):
        limit = datetime(before.year, before.month, before.day)
    match = pl.col(column) < limit
    if blank:
        match = match & pl.any_horizontal(pl.col(name).is_not_null() for name in blank)
    with _Work(workspace, "expire", f"{table} {before} {','.join(blank)}", wait_seconds) as work:
        work.rewrite(table, Edit(match, tuple(blank)))
        return work.finish()


def time_column(table: Table) -> str:
    """The column that says when a row of a table happened: its own moment or day, else when it became known."""
    own = [c.name for c in table.columns if c.name != "known_at" and c.type == MOMENT]
    days = [name for name in table.key if table[name].type == DAY]
    if not (own or days or "known_at" in table.names):
        raise StoreError(f"Rows of table {table.name} carry no time.", "They cannot expire.")
    return [*own, *days, "known_at"][0]


def interrupted(folder: Path) -> list[str]:
    """Erasures in a workspace's folder that died half way: when each began and what kind it was."""
    found = []
    for path in sorted((folder / _NOTES).glob("*.json")):
        handle = try_lock(folder / _NOTES / "lock")
        if handle is None:
            return []  # one is at work
        with open(handle, closefd=True):
            said = json.loads(path.read_bytes())
            found.append(f"{said['kind']} of {said['at'][:16]}")
    return found


class _Work:
    """One erasure in progress; a call with the same subject takes up what a dead one left."""

    def __init__(self, workspace: Workspace, kind: str, subject: str, wait_seconds: float) -> None:
        self._workspace = workspace
        self._kind = kind
        self._subject = subject
        self._wait = wait_seconds
        self._removed: list[str] = []
        self._left: list[str] = []
        self._run_hits: set[str] = set()
        self._run_files = 0

    def __enter__(self) -> _Work:
        folder = self._workspace.folder / _NOTES
        folder.mkdir(exist_ok=True)
        self._block = _both(
            locked(folder / "lock", "the list of erasures", self._wait),
            # No run begins and no vacuum runs meanwhile.
            locked(self._workspace.folder / ".pin", "the list of leases", self._wait),
        )
        self._block.__enter__()
        try:
            self._path, self._note = self._take_up(folder)
            self._wait_for_ingests()
        except BaseException as error:
            self._block.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)

    def rewrite(self, name: str, edit: Edit) -> None:
        """Edit one table, through all its versions."""
        tables = self._workspace.tables
        if not tables.exists(name):
            return
        with self._quiet(name):
            rewrite(tables, TABLES[name], edit, lambda what: self._remember(name, what))

    def search_runs(self, person: Person) -> None:
        """Empty the person's cells in the tables of runs."""
        for path in sorted(self._workspace.runs.folder.glob("*/*.parquet")):
            frame = pl.scan_parquet(path, glob=False)
            columns = person.text_columns(frame)
            if not columns or not person.rows_in_parquet(path):
                continue
            self._remember_run(path.parent.name)
            emptied = frame.with_columns(_emptied(path.stem, name, person) for name in columns).collect()
            draft = path.with_name(f".{path.name}.draft")
            emptied.write_parquet(draft, compression="zstd", statistics=True)
            sync(draft)
            draft.replace(path)
            sync(path.parent)
            self._run_files += 1

    def search_files(self, person: Person) -> None:
        """Remove reports and exports that hold the person; list other files that do."""
        folder = self._workspace.folder
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if not path.is_file() or path.is_symlink():
                continue
            if inside.parts[0] in _OWN and not (inside.parts[0] == "runs" and path.suffix != ".parquet"):
                continue
            if not person.told_in_file(path):
                continue
            if _is_ours(inside):
                path.unlink()
                sync(path.parent)
                self._removed.append(str(inside))
            else:
                self._left.append(str(inside))

    def finish(self) -> Erasure:
        """Mark the runs, note what was done, and report."""
        tables = [_erased(name, said) for name, said in sorted(self._note["tables"].items())]
        at = datetime.fromisoformat(self._note["at"])
        self._record(tables, at)
        redacted = self._redact(at)
        self._path.unlink()
        sync(self._path.parent)
        return Erasure(self._note["id"], at, self._kind, tables, redacted, self._run_files, self._removed, self._left)

    def _take_up(self, folder: Path) -> tuple[Path, dict[str, Any]]:
        for path in sorted(folder.glob("*.json")):
            note: dict[str, Any] = json.loads(path.read_bytes())
            if note["kind"] == self._kind and note["subject"] == self._hashed(note["salt"]):
                return path, note
        now = CLOCK.now().astimezone(UTC)
        salt = secrets.token_hex(16)
        note = {
            "id": f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}",
            "at": now.isoformat(),
            "kind": self._kind,
            "salt": salt,
            "subject": self._hashed(salt),
            "tables": {},
            "runs": [],
        }
        path = folder / f"{note['id']}.json"
        replace(path, json.dumps(note).encode())
        return path, note

    def _hashed(self, salt: str) -> str:
        key = self._workspace.secret + bytes.fromhex(salt)
        return hashlib.blake2b(self._subject.encode(), key=key, digest_size=16).hexdigest()

    def _remember(self, name: str, what: Rewritten) -> None:
        """Note what is about to change; what a dead process did before counts too."""
        if not what.files:
            return
        said = self._note["tables"].setdefault(name, {"blanked": what.blanked, "files": {}, "versions": []})
        said["files"] = {**what.files, **said["files"]}
        said["versions"] = sorted({*said["versions"], *what.versions})
        replace(self._path, json.dumps(self._note).encode())

    def _remember_run(self, run: str) -> None:
        if run not in self._note["runs"]:
            self._note["runs"].append(run)
            replace(self._path, json.dumps(self._note).encode())

    def _record(self, tables: Sequence[Erased], at: datetime) -> None:
        runs = {each.table: len(self._runs_with({each.table})) for each in tables}
        rows = [{**asdict(each), "runs": runs[each.table]} for each in tables]
        nothing = {"blanked": 0, "removed": 0, "versions": 0}
        rows.append({"table": "runs", **nothing, "files": self._run_files, "runs": len(self._note["runs"])})
        rows.append({"table": "files", **nothing, "files": len(self._removed), "runs": 0})
        moment = at.astimezone(UTC).replace(tzinfo=None)
        frame = pl.DataFrame(rows).with_columns(
            pl.lit(self._note["id"]).alias("erasure"),
            pl.lit(moment, dtype=MOMENT).alias("at"),
            pl.lit(self._kind).alias("kind"),
        )
        self._workspace.tables.append("erasures", frame, f"erasure-{self._note['id']}")

    def _runs_with(self, tables: set[str]) -> list[Run]:
        """Published runs that read a version that has changed."""
        found = []
        for run in self._workspace.runs.list():
            pinned = run.manifest["versions"]
            if any(pinned.get(name) in self._note["tables"][name]["versions"] for name in tables):
                found.append(run)
        return found

    def _redact(self, at: datetime) -> list[str]:
        tables = self._note["tables"]
        moment = at.astimezone(UTC).replace(tzinfo=None).isoformat()
        marked = []
        with locked(self._workspace.runs.folder / ".lock", "the list of runs"):
            concerned = {run.id for run in self._runs_with(set(tables))} | set(self._note["runs"])
            for run in self._workspace.runs.list():
                if run.id not in concerned:
                    continue
                marked.append(run.id)
                manifest = run.manifest
                said = manifest.get("redacted") or []
                if all(each["at"] != moment for each in said):
                    pinned = manifest["versions"]
                    names = sorted(n for n, each in tables.items() if pinned.get(n) in each["versions"])
                    manifest["redacted"] = [*said, {"at": moment, "tables": names}]
                    text = json.dumps(manifest, ensure_ascii=False, indent=1)
                    replace(run.folder / MANIFEST, text.encode())
        return marked

    def _wait_for_ingests(self) -> None:
        """Wait for ingests that were reading files when we came: what they hold may be the person's."""
        place = self._workspace.folder / "staging"
        begun = sorted(place.iterdir()) if place.is_dir() else []
        self._until(lambda: not any(_is_held(folder) for folder in begun), "an ingest")
        for folder in begun:
            if (folder / "lock").exists():  # of a dead process; one that is just beginning has no lock yet
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _quiet(self, name: str) -> Iterator[None]:
        """Hold a table's lock while nobody merges its files and no append that had begun before is under way."""
        tables = self._workspace.tables
        folder = tables._path(name)
        begun = set(staging.live(folder))
        deadline = time.monotonic() + self._wait
        while True:
            with tables._locked(name):
                live = staging.live(folder)
                if not any(each in begun or each.startswith("merge-") for each in live):
                    staging.clear(folder)
                    yield
                    return
            self._check(deadline, f"table {name}")
            time.sleep(0.05)

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._wait
        while not done():
            self._check(deadline, what)
            time.sleep(0.05)

    def _check(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            raise BusyError(
                f"Another process has been writing {what} for {self._wait:.0f} s.",
                "Run the same command again when it has ended: the erasure is not complete.",
            )


def _edit(table: Table, person: Person) -> Edit | None:
    """What forgetting means for a table; ``None`` where it cannot hold people."""
    if table.name == "erasures":
        return None
    if table.name in RAW:
        personal = [column.name for column in table.columns if column.personal]
        if not personal:
            return None
        match = pl.any_horizontal([person.is_cell(name) for name in personal])
        keyed = any(name in table.key or not table[name].nullable for name in personal)
        blank = () if keyed or table.name in _GONE else (*personal, *_ALSO.get(table.name, ()))
        return Edit(match, blank, person.told_in)
    texts = _TEXTS.get(table.name) or tuple(c.name for c in table.columns if c.type == pl.String)
    return Edit(pl.any_horizontal([person.is_in_text(name) for name in texts]), (), person.told_in)


def _emptied(stem: str, name: str, person: Person) -> pl.Expr:
    table = DERIVED.get(stem)
    needed = table is not None and name in table.names and not table[name].nullable
    return (
        pl.when(person.is_in_text(name).not_()).then(pl.col(name)).otherwise(pl.lit("" if needed else None)).alias(name)
    )


def _is_ours(inside: Path) -> bool:
    """Whether a file in the workspace is a report or an export, which can be made again."""
    if inside.suffix == ".html":
        return inside.stem.startswith("report")
    return len(inside.parts) == 1 and inside.stem in DERIVED and inside.suffix in {".csv", ".parquet", ".xlsx"}


def _erased(name: str, said: Mapping[str, Any]) -> Erased:
    rows = sum(said["files"].values())
    blanked, removed = (rows, 0) if said["blanked"] else (0, rows)
    return Erased(name, blanked, removed, len(said["files"]), len(said["versions"]))


def _is_held(folder: Path) -> bool:
    handle = try_lock(folder / "lock", create=False)
    if handle is not None:
        with open(handle, closefd=True):
            return False
    return (folder / "lock").exists()


def _table(name: str) -> Table:
    try:
        return TABLES[name]
    except KeyError:
        raise StoreError(f"There is no table {name}.", f"Tables: {', '.join(TABLES)}.") from None


@contextmanager
def _both(first: Any, second: Any) -> Iterator[None]:
    with first, second:
        yield
