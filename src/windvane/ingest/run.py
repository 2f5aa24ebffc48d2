"""Files into tables: the ingest stage.

Every file (or query) becomes one batch per table, named by its content and its mapping. The batch goes to the
quarantine table and to its own table exactly once each, so that a process that dies in between is completed by
running the same command again, and the same file twice changes nothing. A file is read chunk by chunk, so that it
may be larger than memory (:mod:`windvane.ingest.flow`); small files share commits (:mod:`windvane.ingest.intake`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from windvane.engine import SILENT, Progress
from windvane.ingest.intake import Intake
from windvane.ingest.jobs import Job, jobs_of, spooled
from windvane.ingest.mapping import Mapping, load
from windvane.ingest.report import FileReport, IngestReport
from windvane.ingest.staging import staging
from windvane.store import Stage, Workspace
from windvane.store.disk import replace, sync

__all__ = ["FileReport", "IngestReport", "ingest"]


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
    with stage:
        jobs = jobs_of(mapping, source)
        sizes = [job.size for job in jobs]
        with progress.task("ingest", sum(sizes)) as task:
            with Intake(workspace, task, accept_changes) as intake:
                for job, size in zip(jobs, sizes, strict=True):
                    if job.batch:
                        intake.take(job, size)
                    else:
                        _ask(workspace, job, intake, size)
            reports = intake.reports
        for name in dict.fromkeys([*(job.block.table.name for job in jobs), "quarantine"]):
            workspace.tables.tidy(name)  # a folder of files by day would otherwise make reading slow
        stage.rows = sum(report.read for report in reports)
    assert stage.budget is not None
    return IngestReport(mapping.name, reports, stage.budget)


def _ask(workspace: Workspace, job: Job, intake: Intake, size: int) -> None:
    """Read what a database has that was not read before.

    Where it stopped is kept last, so that a process that dies before is repeated from where the one before it
    stopped; rows that come twice replace themselves.
    """
    path = workspace.folder / "cursors" / f"{job.block.fingerprint}.json"
    since = json.loads(path.read_text(encoding="utf-8"))["since"] if path.exists() else None
    with staging(workspace) as folder:
        job, last = spooled(job, folder, since)
        intake.take(job, size, now=True)
    if last is not None and last != since:
        path.parent.mkdir(exist_ok=True)
        sync(workspace.folder)
        replace(path, json.dumps({"since": last}, ensure_ascii=False).encode())
