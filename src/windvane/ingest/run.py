"""Files into tables: the ingest stage.

Every file (or query) becomes one batch per table, named by its content and its mapping. The batch goes to the
quarantine table and to its own table exactly once each, so that a process that dies in between is completed by
running the same command again, and the same file twice changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from windvane.clock import CLOCK
from windvane.engine import SILENT, Progress
from windvane.errors import InputError, MappingError
from windvane.ingest import columns, files
from windvane.ingest.check import Checked, check
from windvane.ingest.files import LINE
from windvane.ingest.mapping import Block, Mapping, load
from windvane.ingest.privacy import pseudonyms
from windvane.schema import MOMENT
from windvane.store import Budget, Stage, Workspace

_WITHHELD = "withheld: the line may identify a person; see the file"


@dataclass(frozen=True)
class Reason:
    """Why rows went to quarantine, with one example."""

    rule: str
    column: str
    reason: str
    rows: int
    line: int
    value: str | None


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
        reasons: reasons of quarantine, most rows first.
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
    reasons: list[Reason] = field(default_factory=list)


@dataclass(frozen=True)
class IngestReport:
    """What became of all files of one mapping, and what it took."""

    mapping: str
    files: list[FileReport]
    budget: Budget

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Job:
    """One batch: a block and the files that it is made from."""

    block: Block
    paths: tuple[Path, ...]
    label: str
    batch: str


def ingest(
    workspace: Workspace,
    mapping: Mapping | str | Path,
    source: str | Path | Sequence[Path],
    progress: Progress = SILENT,
) -> IngestReport:
    """Read files into the workspace's tables.

    Args:
        workspace: where to.
        mapping: how: a mapping, the name of a shipped one, or the path of a TOML file.
        source: the folder that the mapping's file names are relative to, or the files themselves.
        progress: told how far it is.

    Returns:
        Counts per table and file.

    Raises:
        InputError: a file is missing or unreadable, or more of its rows are bad than
            ``ingest.max_bad_share`` allows; that file then changes nothing.
        MappingError: the mapping does not fit the files.
    """
    if not isinstance(mapping, Mapping):
        mapping = load(mapping)
    if isinstance(source, str):
        source = Path(source)
    stage = Stage("ingest")
    reports: list[FileReport] = []
    with stage:
        jobs = _jobs(mapping, source)
        sizes = [1 + sum(path.stat().st_size for path in job.paths) for job in jobs]
        with progress.task("ingest", sum(sizes)) as task:
            for job, size in zip(jobs, sizes, strict=True):
                task.describe(f"{job.label} → {job.block.table.name}")
                reports.append(_ingest_one(workspace, job))
                task.advance(size)
        stage.rows = sum(report.read for report in reports)
    assert stage.budget is not None
    return IngestReport(mapping.name, reports, stage.budget)


def _jobs(mapping: Mapping, source: Path | Sequence[Path]) -> list[_Job]:
    jobs: list[_Job] = []
    used: set[Path] = set()
    for block in mapping.blocks:
        if block.rows:
            jobs.append(_job(block, (), f"{mapping.name}.toml"))
        elif block.query is not None:
            paths = tuple(_find_one(source, pattern) for pattern in _named(block).values())
            used |= set(paths)
            jobs.append(_job(block, paths, " + ".join(path.name for path in paths)))
        else:
            found = _find(source, block.file or "")
            used |= set(found)
            jobs += [_job(block, (path,), path.name) for path in found]
    if not isinstance(source, Path) and (unused := [path for path in source if path not in used]):
        raise MappingError(
            f"Mapping {mapping.name} has no block for {unused[0].name}.", "Leave the file out, or add a block for it."
        )
    return jobs


def _named(block: Block) -> dict[str, str]:
    """The files that a query really names, so that others need not be there."""
    assert block.query is not None
    named = {name: pattern for name, pattern in block.files.items() if _mentions(block.query, name)}
    if not named:
        raise MappingError(
            f"The query for {block.table.name} names none of the files in [files].", "Add [files] to the mapping."
        )
    return named


def _mentions(query: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", query) is not None


def _find(source: Path | Sequence[Path], pattern: str) -> list[Path]:
    if isinstance(source, Path):
        return files.find(source, pattern)
    found = [path for path in source if path.match(pattern)]
    if not found:
        raise InputError(f"None of the given files matches {pattern}.", "Give the folder, or that file too.")
    return [files.known(path) for path in found]


def _find_one(source: Path | Sequence[Path], pattern: str) -> Path:
    found = _find(source, pattern)
    if len(found) > 1:
        raise InputError(
            f"{found[0].name} and {found[1].name} both match {pattern}, and a query takes one file per name.",
            "Name the file exactly under [files].",
        )
    return found[0]


def _job(block: Block, paths: tuple[Path, ...], label: str) -> _Job:
    parts = [block.fingerprint, *(files.fingerprint(path) for path in paths)]
    return _Job(block, paths, label, hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest())


def _ingest_one(workspace: Workspace, job: _Job) -> FileReport:
    table = job.block.table.name
    if workspace.tables.has_batch(table, job.batch):
        return FileReport(table, job.label, job.batch, already=True)
    content, total = _read(job)
    hide = _hider(workspace, job.block)
    ragged = content.ragged
    if hide is not _show:
        ragged = [files.Ragged(each.line, _WITHHELD, each.reason) for each in ragged]
    kept = content.frame.height + len(ragged)
    checked = check(job.block, content.frame, job.label, hide, ragged)
    reasons = _reasons(checked.bad)
    _refuse_if_bad(workspace, job, checked, kept, reasons)
    del content
    good = _pseudonymised(workspace, job.block, checked.good)
    _quarantine(workspace, job, checked.bad)
    stamped = good.with_columns(_source=pl.lit(job.label))
    accepted = workspace.tables.append(table, stamped, job.batch)
    return FileReport(
        table,
        job.label,
        job.batch,
        read=total,
        left_out=total - kept,
        accepted=accepted,
        set_aside=checked.set_aside,
        refused=checked.refused,
        repeated=checked.repeated,
        superseded=checked.superseded,
        reasons=reasons,
    )


def _read(job: _Job) -> tuple[files.Content, int]:
    block = job.block
    if block.rows:
        frame = pl.DataFrame(list(block.rows), infer_schema_length=None)
    elif block.query is not None:
        frame = _queried(block, job)
    else:
        return files.read(job.paths[0], block.separator, block.where)
    total = frame.height
    frame = frame.insert_column(0, pl.int_range(1, total + 1, dtype=pl.Int64, eager=True).alias(LINE))
    return files.Content(files.filtered(frame.lazy(), block.where, job.label)), total


def _queried(block: Block, job: _Job) -> pl.DataFrame:
    assert block.query is not None
    frames = {name: files.scan(path, block.separator) for name, path in zip(_named(block), job.paths, strict=True)}
    try:
        return pl.SQLContext(frames=frames).execute(block.query).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        what = (str(error).splitlines() or ["?"])[0]
        raise MappingError(f"The query for {block.table.name} fails: {what}.", "Correct the mapping.") from None


def _show(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _hider(workspace: Workspace, block: Block) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What replaces identifiers of people in rows that go to quarantine."""
    personal = [c.name for c in block.table.columns if c.personal and c.name in block.columns]
    if not workspace.config.ingest.pseudonymise or not personal:
        return _show
    names = {name for ours in personal for name in (ours, *columns.origins(block.columns[ours]))}
    key = workspace.secret

    def hide(frame: pl.DataFrame) -> pl.DataFrame:
        hidden = [_hidden(frame[name], key) for name in frame.columns if name in names]
        return frame.with_columns(hidden)

    return hide


def _hidden(values: pl.Series, key: bytes) -> pl.Series:
    return pseudonyms(columns.as_text(values), key)


def _pseudonymised(workspace: Workspace, block: Block, good: pl.DataFrame) -> pl.DataFrame:
    if not workspace.config.ingest.pseudonymise:
        return good
    personal = [c.name for c in block.table.columns if c.personal and c.name in good.columns]
    return good.with_columns(pseudonyms(good[name], workspace.secret) for name in personal)


def _quarantine(workspace: Workspace, job: _Job, bad: pl.DataFrame) -> None:
    if not bad.height:
        return
    rows = bad.with_columns(
        batch=pl.lit(job.batch),
        table=pl.lit(job.block.table.name),
        file=pl.lit(job.label),
        at=pl.lit(CLOCK.now().replace(tzinfo=None), dtype=MOMENT),
    )
    workspace.tables.append("quarantine", rows, f"quarantine-{job.batch}")


def _reasons(bad: pl.DataFrame) -> list[Reason]:
    counted = (
        bad.group_by("rule", "column", pl.col("reason").str.replace(r"^line \d+ has", "another line has"))
        .agg(pl.len().alias("rows"), pl.col("line").first(), pl.col("value").first())
        .sort("rows", "rule", "column", descending=[True, False, False])
        .head(20)
    )
    return [Reason(**row) for row in counted.iter_rows(named=True)]


def _refuse_if_bad(workspace: Workspace, job: _Job, checked: Checked, kept: int, reasons: list[Reason]) -> None:
    allowed = workspace.config.ingest.max_bad_share
    if not kept or checked.refused <= allowed * kept:
        return
    worst = [each for each in reasons if each.rule not in {"superseded", *(r.name for r in job.block.set_aside)}]
    told = "; ".join(
        f"{each.reason} ({each.rows} rows, first line {each.line}"
        + (f": {each.value!r})" if each.value is not None else ")")
        for each in worst[:3]
    )
    raise InputError(
        f"{job.label}: {checked.refused} of {kept} rows do not fit table {job.block.table.name}, "
        f"more than the {allowed:.0%} that ingest.max_bad_share allows; nothing of it was taken. {told}.",
        "Correct the file or the mapping, or raise ingest.max_bad_share in windvane.toml.",
        table=job.block.table.name,
        column=worst[0].column if worst else None,
        row=worst[0].line if worst else None,
    )
