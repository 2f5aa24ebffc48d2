"""Files into tables: the ingest stage.

Every file (or query) becomes one batch per table, named by its content and its mapping. The batch goes to the
quarantine table and to its own table exactly once each, so that a process that dies in between is completed by
running the same command again, and the same file twice changes nothing. A file is read chunk by chunk, so that it
may be larger than memory (:mod:`windvane.ingest.flow`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from windvane.clock import CLOCK
from windvane.engine import SILENT, Progress, Task
from windvane.ingest.flow import Again, Flow, Known
from windvane.ingest.jobs import Job, jobs_of, spooled
from windvane.ingest.mapping import Block, Mapping, dump_block, load
from windvane.ingest.quarantine.refused import Reason
from windvane.ingest.staging import staging
from windvane.ingest.versions import DESCRIPTIVE
from windvane.schema import MOMENT
from windvane.store import Budget, Stage, Workspace
from windvane.store.disk import replace, sync


@dataclass(frozen=True)
class FileReport:
    """What became of one file (or query) for one table.

    Attributes:
        table: table filled.
        file: name of the file, or of the files that a query joined.
        batch: name of the batch.
        already: whether the batch was there before; then nothing changed.
        read: rows in the file.
        left_out: rows that the mapping's ``where`` left out.
        accepted: rows added to the table.
        set_aside: rows that a rule of the mapping sent to quarantine.
        refused: rows that the schema sent to quarantine.
        repeated: rows that said the same as another row.
        superseded: rows that a later row with the same key replaced; they are in quarantine.
        unchanged: descriptions that said nothing new.
        reasons: reasons of quarantine, most rows first.
        notes: what is different from the files before, and was taken nevertheless.
    """

    table: str
    file: str
    batch: str
    already: bool = False
    read: int = 0
    left_out: int = 0
    accepted: int = 0
    set_aside: int = 0
    refused: int = 0
    repeated: int = 0
    superseded: int = 0
    unchanged: int = 0
    reasons: list[Reason] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class IngestReport:
    """What became of all files of one mapping, and what it took."""

    mapping: str
    files: list[FileReport]
    budget: Budget

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)


def ingest(
    workspace: Workspace,
    mapping: Mapping | str | Path,
    source: str | Path | Sequence[Path],
    progress: Progress = SILENT,
    accept_changes: bool = False,
) -> IngestReport:
    """Read files into the workspace's tables.

    Args:
        workspace: where to.
        mapping: how: a mapping, the name of a shipped one, or the path of a TOML file.
        source: the folder that the mapping's file names are relative to, or the files themselves.
        progress: told how far it is.
        accept_changes: take a file whose columns mean something else than in the files before it.

    Returns:
        Counts per table and file.

    Raises:
        InputError: a file is missing or unreadable, or more of its rows are bad than
            ``ingest.max_bad_share`` allows, or its columns changed their meaning; that file then changes nothing.
        MappingError: the mapping does not fit the files.
    """
    if not isinstance(mapping, Mapping):
        mapping = load(mapping)
    if isinstance(source, str):
        source = Path(source)
    stage = Stage("ingest")
    reports: list[FileReport] = []
    with stage:
        jobs = jobs_of(mapping, source)
        sizes = [job.size for job in jobs]
        with progress.task("ingest", sum(sizes)) as task:
            for job, size in zip(jobs, sizes, strict=True):
                task.describe(f"{job.label} → {job.block.table.name}")
                one = ingest_job if job.batch else _ingest_database
                reports.append(one(workspace, job, task, accept_changes))
                task.advance(size)
        for name in dict.fromkeys([*(job.block.table.name for job in jobs), "quarantine"]):
            workspace.tables.tidy(name)  # a folder of files by day would otherwise make reading slow
        stage.rows = sum(report.read for report in reports)
    assert stage.budget is not None
    return IngestReport(mapping.name, reports, stage.budget)


def ingest_job(workspace: Workspace, job: Job, task: Task, accept_changes: bool = False) -> FileReport:
    """Read one file into its table; see :func:`ingest`."""
    table = job.block.table.name
    already = FileReport(table, job.label, job.batch, already=True)
    # A list of products may go back to what it said before; then the same file is news again.
    returned = workspace.tables.has_batch(table, job.batch)
    if returned and not (table in DESCRIPTIVE and "known_at" not in job.block.columns):
        return already
    batch = f"{job.batch}@{workspace.tables.version(table)}" if returned else job.batch
    known, passes = Known(), 0
    with staging(workspace) as folder:
        while True:
            place = folder / f"{passes}"
            place.mkdir()
            flow = Flow(workspace, job, place, known, accept_changes or workspace.config.ingest.accept_changes)
            try:
                frames = flow.frames() if returned else _frames(workspace, job, flow, task)
                if returned:
                    first = next(frames, None)
                    if first is None:
                        return already
                    frames = chain([first], frames)
                added = workspace.tables.append(table, frames, batch, flow.distinct)
            except Again as again:
                known, passes = again.known, passes + 1
            else:
                return _reported(job, flow, added)


def _ingest_database(workspace: Workspace, job: Job, task: Task, accept_changes: bool) -> FileReport:
    """Read what a database has that was not read before.

    Where it stopped is kept last, so that a process that dies before is repeated from where the one before it
    stopped; rows that come twice replace themselves.
    """
    path = workspace.folder / "cursors" / f"{job.block.fingerprint}.json"
    since = json.loads(path.read_text(encoding="utf-8"))["since"] if path.exists() else None
    with staging(workspace) as folder:
        job, last = spooled(job, folder, since)
        report = ingest_job(workspace, job, task, accept_changes)
    if last is not None and last != since:
        path.parent.mkdir(exist_ok=True)
        sync(workspace.folder)
        replace(path, json.dumps({"since": last}, ensure_ascii=False).encode())
    return report


def _frames(workspace: Workspace, job: Job, flow: Flow, task: Task) -> Iterator[pl.DataFrame]:
    """The rows of a file; the quarantine has its own before they end, and so before they are committed."""
    for frame in flow.frames():
        task.describe(f"{job.label} → {job.block.table.name}, {flow.counts.read:,} rows")
        yield frame
    _quarantine(workspace, job, flow)


def _reported(job: Job, flow: Flow, added: int) -> FileReport:
    if added < flow.counts.accepted:  # another process was quicker with the same file
        return FileReport(job.block.table.name, job.label, job.batch, already=True)
    if flow.profile is not None:
        flow.book.remember(job.batch, job.label, flow.profile, flow.afresh)
    return FileReport(
        job.block.table.name,
        job.label,
        job.batch,
        **asdict(flow.counts),
        reasons=flow.refused.reasons(),
        notes=flow.notes,
    )


def _quarantine(workspace: Workspace, job: Job, flow: Flow) -> None:
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
    rows = (bad.with_columns(**stamps) for bad in flow.refused.frames())
    workspace.tables.append("quarantine", rows, f"quarantine-{job.batch}")


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
        replace(path, json.dumps(dump_block(block), ensure_ascii=False, indent=1).encode())
