"""Files on their way into the tables: large ones each in a commit, small ones of one table together.

A folder of files by day would otherwise pay for a commit per file. What is promised holds per file: each is judged
by itself and against the files before it, is a batch of its own, and is reported when its commit is on the disk. A
file that is refused takes nothing with it: what waits is committed first.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import polars as pl

from windvane.clock import CLOCK
from windvane.engine import Task
from windvane.ingest.checks.book import Book
from windvane.ingest.flow import SMALL, Again, Flow, Known
from windvane.ingest.jobs import Job
from windvane.ingest.mapping import Block, dump_block
from windvane.ingest.report import FileReport
from windvane.ingest.staging import staging
from windvane.ingest.versions import DESCRIPTIVE
from windvane.schema import MOMENT
from windvane.store import Workspace
from windvane.store.disk import replace as store
from windvane.store.disk import sync
from windvane.store.tables import MANY_FILES
from windvane.store.together import Together

FILES = 512
"""Files that wait for one commit, at most."""
ROWS = 250_000
"""Rows of them, about."""
BYTES = 64 << 20
"""Bytes of their rows in memory, about."""
SECONDS = 2.0
"""How long they wait, about."""


@dataclass(frozen=True)
class _Waiting:
    """A file whose rows wait for the commit."""

    place: int
    job: Job
    flow: Flow
    size: float


class Intake:
    """Takes files in, one after the other; a context manager.

    When the block ends, all is committed; when a file is refused, all before it.

    Args:
        workspace: where to.
        task: told how far it is.
        accept_changes: take a file whose columns mean something else than in the files before it.
    """

    def __init__(self, workspace: Workspace, task: Task, accept_changes: bool = False) -> None:
        self._workspace = workspace
        self._task = task
        self._accept = accept_changes or workspace.config.ingest.accept_changes
        self._reports: list[FileReport | None] = []
        self._books: dict[int, tuple[Block, Book]] = {}
        self._alones: Counter[str] = Counter()
        self._readings = 0
        self._places: list[Path] = []
        self._waiting: list[_Waiting] = []
        self._refused: dict[str, pl.DataFrame] = {}
        self._together: Together | None = None
        self._rows = self._bytes = 0
        self._since = 0.0

    @property
    def reports(self) -> list[FileReport]:
        """What became of the files, in the order in which they were given; complete once the block has ended."""
        return [each for each in self._reports if each is not None]

    def __enter__(self) -> Intake:
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(staging(self._workspace))
        return self

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        with self._stack:
            try:
                if kind is None or issubclass(kind, Exception):
                    self._commit()
            finally:
                self._forget()

    def take(self, job: Job, size: float = 0, now: bool = False) -> None:
        """Take one file in.

        Args:
            job: the file and its block.
            size: its share of the task's length.
            now: commit it at once.

        Raises:
            InputError: it is unreadable or refused; it then changes nothing.
            MappingError: the mapping does not fit it.
        """
        table = job.block.table.name
        if self._waiting and self._waiting[0].job.block is not job.block:
            self._commit()
        self._task.describe(f"{job.label} → {table}")
        self._reports.append(None)
        place = len(self._reports) - 1
        # What a list of things says depends on what is in the table.
        dated = table in DESCRIPTIVE and "known_at" not in job.block.columns
        there = self._workspace.tables.has_batch(table, job.batch)
        if (there and not dated) or (self._together is not None and job.batch in self._together):
            self._settle(place, _already(job), size)
        elif dated or now or job.size > SMALL or not self._wait(place, job, size):
            self._commit()
            self._settle(place, self._alone(job, there), size)
        self._clear()

    def _settle(self, place: int, report: FileReport, size: float) -> None:
        self._reports[place] = report
        self._task.advance(size)

    def _wait(self, place: int, job: Job, size: float) -> bool:
        """Read a small file and let its rows wait for the commit; ``False`` if there are too many of them."""
        table = job.block.table
        if self._together is None:
            # Before the file is read, so that what is known of it is never older than the number it gets.
            self._together = self._workspace.tables.together(table.name, FILES)
            self._since = time.monotonic()
        known = Known()
        while True:
            flow = self._flow(job, known)
            frames: list[pl.DataFrame] = []
            try:
                for frame in flow.frames():
                    frames.append(frame)
                    if sum(each.height for each in frames) > ROWS:
                        return False
            except Again as again:
                known = again.known
            else:
                break
        bad = list(_quarantined(self._workspace, job, flow))
        good = pl.concat(frames, rechunk=False) if frames else table.empty()
        self._together.add(job.batch, good)
        self._waiting.append(_Waiting(place, job, flow, size))
        if bad:
            self._refused[f"quarantine-{job.batch}"] = pl.concat(bad)
        if flow.profile is not None:
            flow.book.note(job.batch, job.label, flow.profile, flow.afresh)
        self._rows += good.height
        self._bytes += int(good.estimated_size())
        waited = time.monotonic() - self._since
        if len(self._waiting) == FILES or self._rows > ROWS or self._bytes > BYTES or waited > SECONDS:
            self._commit()
        return True

    def _commit(self) -> None:
        """Commit what waits, in one go, and report it."""
        if self._together is not None and self._waiting:
            # The quarantine first: a file that is in its table is there, too, whatever dies in between.
            self._workspace.tables.append_each("quarantine", self._refused)
            added = self._together.commit()
            self._waiting[0].flow.book.keep()
            for each in self._waiting:
                self._settle(each.place, _reported(each.job, each.flow, added[each.job.batch]), each.size)
        self._forget()

    def _forget(self) -> None:
        """Drop what waits and was not committed."""
        if self._together is not None:
            self._together.__exit__(None, None, None)
        for each in self._waiting[:1]:
            each.flow.book.drop()
        self._together, self._rows, self._bytes = None, 0, 0
        self._waiting.clear()
        self._refused.clear()

    def _alone(self, job: Job, there: bool) -> FileReport:
        """Read one file into its table, in a commit of its own.

        Args:
            job: the file and its block.
            there: whether it is in the table; a list of products may go back to what it said before, and then the
                same file is news again.
        """
        tables, table = self._workspace.tables, job.block.table.name
        batch = f"{job.batch}@{tables.version(table)}" if there else job.batch
        known = Known()
        while True:
            flow = self._flow(job, known)
            try:
                frames = flow.frames() if there else self._frames(job, flow)
                if there:
                    first = next(frames, None)
                    if first is None:
                        return _already(job)
                    frames = chain([first], frames)
                added = tables.append(table, frames, batch, flow.distinct)
            except Again as again:
                known = again.known
            else:
                break
        if added >= flow.counts.accepted and flow.profile is not None:
            flow.book.remember(job.batch, job.label, flow.profile, flow.afresh)
        self._alones[table] += 1
        if self._alones[table] % MANY_FILES == 0:
            tables.tidy(table)  # lists of things are compared with the table, which many files make slow
        return _reported(job, flow, added)

    def _frames(self, job: Job, flow: Flow) -> Iterator[pl.DataFrame]:
        """The rows of a file; the quarantine has its own before they end, and so before they are committed."""
        for frame in flow.frames():
            self._task.describe(f"{job.label} → {job.block.table.name}, {flow.counts.read:,} rows")
            yield frame
        if flow.refused.rows:
            rows = _quarantined(self._workspace, job, flow)
            self._workspace.tables.append("quarantine", rows, f"quarantine-{job.batch}")

    def _flow(self, job: Job, known: Known) -> Flow:
        block = job.block
        if id(block) not in self._books:  # a block's fingerprint takes longer than a small file
            self._books[id(block)] = block, Book(self._workspace.folder, block.fingerprint, block.table.name)
        book = self._books[id(block)][1]
        return Flow(self._workspace, job, self._place(), known, book, self._accept)

    def _place(self) -> Path:
        """An empty folder for one reading; most small files leave it empty for the next."""
        if not self._places or any(self._places[-1].iterdir()):
            self._readings += 1
            self._places.append(self._folder / f"{self._readings}")
            self._places[-1].mkdir()
        return self._places[-1]

    def _clear(self) -> None:
        """Remove what the readings of a file have left."""
        for place in self._places[:-1]:
            shutil.rmtree(place, ignore_errors=True)
        del self._places[:-1]
        if self._places and any(self._places[0].iterdir()):
            shutil.rmtree(self._places.pop(), ignore_errors=True)


def _already(job: Job) -> FileReport:
    return FileReport(table=job.block.table.name, file=job.label, batch=job.batch, already=True)


def _reported(job: Job, flow: Flow, added: int) -> FileReport:
    if added < flow.counts.accepted:  # another process was quicker with the same file
        return _already(job)
    return FileReport(
        **asdict(flow.counts),
        table=job.block.table.name,
        file=job.label,
        batch=job.batch,
        reasons=flow.refused.reasons(),
        notes=flow.notes,
    )


def _quarantined(workspace: Workspace, job: Job, flow: Flow) -> Iterator[pl.DataFrame]:
    """The rows of a file that go to quarantine, and with them what it takes to read them again."""
    if not flow.refused.rows:
        return
    decided = flow.decided
    keep(workspace, decided)
    stamps = {
        "batch": pl.lit(job.batch),
        "table": pl.lit(job.block.table.name),
        "file": pl.lit(job.label),
        "at": pl.lit(CLOCK.now().replace(tzinfo=None), dtype=MOMENT),
        "block": pl.lit(decided.fingerprint),
        "hidden": pl.lit(json.dumps(flow.people.hidden, ensure_ascii=False), dtype=pl.String),
    }
    for bad in flow.refused.frames():
        yield bad.with_columns(**stamps)


def keep(workspace: Workspace, block: Block) -> None:
    """Keep a block in ``mappings/``, so that rows in quarantine can be read again when they are corrected.

    Args:
        workspace: where.
        block: the mapping's, with what the file has decided: day or month first, decimal comma or point.
    """
    folder = workspace.folder / "mappings"
    path = folder / f"{block.fingerprint}.json"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        sync(workspace.folder)
        store(path, json.dumps(dump_block(block), ensure_ascii=False, indent=1).encode())
