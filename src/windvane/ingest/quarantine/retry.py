"""Corrected rows of the quarantine into their tables, each exactly once.

A retry writes three times: first the quarantine, where the rows that are good now become ``retrying`` under the name
of the batch that will hold them; then the table, under that name; then the quarantine again, ``retried``. A process
that dies in between leaves ``retrying`` rows: the next retry finds out whether their batch is in the table, and
either completes them or starts them anew. A row is therefore in its table once, or not at all.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import InputError
from windvane.ingest import keys
from windvane.ingest.cells import columns
from windvane.ingest.checks.rows import check, numbered
from windvane.ingest.keys import ROW
from windvane.ingest.mapping import Block, Mapping, Source
from windvane.ingest.people import People
from windvane.ingest.quarantine.correct import CASE, Choice, held, kept_block, store, used_columns
from windvane.ingest.read import LINE
from windvane.ingest.versions import DESCRIPTIVE, date_changes
from windvane.store import Workspace
from windvane.store.disk import locked

_OVERTAKEN = "a later row with the same key is on record"
_CORRECTED = "this cell is corrected; the row has other faults"


@dataclass(frozen=True)
class Retried:
    """What became of the rows of one file.

    Attributes:
        table: table they are meant for.
        file: file they came from.
        tried: source rows tried.
        accepted: of these, taken into the table (or found there already, unchanged).
        overtaken: of these, dismissed because a later row has the same key.
        bad: of these, still in quarantine, with the reason of now.
    """

    table: str
    file: str
    tried: int
    accepted: int
    overtaken: int
    bad: int


def retry(workspace: Workspace, choice: Choice, every: bool = False, mapping: Mapping | None = None) -> list[Retried]:
    """Check corrected rows again, and take the good ones into their tables.

    A row that is taken carries the file and line it came from, and the running number it had there, so that the
    table is as if the file had been right from the start.

    Args:
        workspace: where.
        choice: which rows; with no status, those that were fixed.
        every: open rows too, for instance after the settings or the mapping changed. Rows that a rule of the
            mapping set aside, and rows that a later line replaced, are left alone unless they were fixed or the
            choice names their rule.
        mapping: read the rows with its blocks instead of those they were first read with.

    Returns:
        One entry per file and table that had rows to try.

    Raises:
        InputError: the block of a row is not on record, and no mapping is given.
        MappingError: the mapping does not fit the rows.
    """
    with locked(workspace.folder / ".retry", "a retry of the quarantine"):
        _complete(workspace)
        rows = _selected(workspace, choice, every, mapping)
        found: list[Retried] = []
        for part in rows.partition_by("batch", "table", "block", maintain_order=True):
            block = _block(workspace, part, mapping)
            found.append(_retry_file(workspace, block, part))
    return found


def _complete(workspace: Workspace) -> None:
    """Settle the rows of a retry whose process died."""
    pending = held(workspace, Choice(status="retrying"))
    changed: list[dict[str, Any]] = []
    for row in pending.iter_rows(named=True):
        arrived = workspace.tables.has_batch(row["table"], str(row["retry"]))
        changed.append({**row, "status": "retried"} if arrived else {**row, "status": "fixed", "retry": None})
    store(workspace, changed)


def _selected(workspace: Workspace, choice: Choice, every: bool, mapping: Mapping | None) -> pl.DataFrame:
    """All rows of the cases to be tried."""
    wanted = ["fixed", "open"] if every else ["fixed"]
    meant = held(workspace, choice).filter(pl.col("status").is_in(wanted))
    if choice.rule is None:
        aside = {
            fingerprint: _left_alone(workspace, fingerprint, mapping)
            for fingerprint in meant["block"].unique().to_list()
        }
        alone = [
            row["status"] == "open" and row["rule"] in aside[row["block"]]
            for row in meant.select("status", "rule", "block").iter_rows(named=True)
        ]
        meant = meant.filter(~pl.Series(alone, dtype=pl.Boolean))
    whole = held(workspace, Choice()).join(meant.select(CASE).unique(), on=CASE, how="semi")
    return whole.filter(pl.col("status").is_in(["fixed", "open"]))


def _left_alone(workspace: Workspace, fingerprint: str | None, mapping: Mapping | None) -> set[str]:
    """Rules whose rows are where they belong."""
    try:
        blocks = mapping.blocks if mapping else (kept_block(workspace, fingerprint),)
    except InputError:
        blocks = ()
    return {"superseded", *(rule.name for block in blocks for rule in block.set_aside)}


def _block(workspace: Workspace, part: pl.DataFrame, mapping: Mapping | None) -> Block:
    row = part.row(0, named=True)
    if mapping is None:
        return kept_block(workspace, row["block"])
    mine = [block for block in mapping.blocks if block.table.name == row["table"]]
    if len(mine) > 1:
        mine = [block for block in mine if block.file and fnmatch.fnmatch(row["file"], block.file)]
    if len(mine) != 1:
        raise InputError(
            f"Mapping {mapping.name} has {len(mine)} blocks for {row['file']} as table {row['table']}.",
            "Give a mapping with one.",
        )
    return mine[0]


def _retry_file(workspace: Workspace, block: Block, rows: pl.DataFrame) -> Retried:
    first = rows.row(0, named=True)
    label, at = first["file"], first["at"]
    cases = rows.unique(subset="line", keep="first", maintain_order=True)
    source = _source(cases, used_columns(block))
    hidden = set(json.loads(first["hidden"] or "[]"))
    people = People(workspace, block)
    settled, hashed = _settled(people.block, hidden, at)
    checked = check(settled, source, label, _show if hidden or not people.active else people.hide)
    pseudonyms = checked.good.select(name for name in checked.good.columns if name in hashed)
    good = people.private(checked.good.drop(pseudonyms.columns)).with_columns(pseudonyms)
    good = _renumbered(workspace, block, good, cases)
    good, overtaken = _overtaken(workspace, block, good, label, at)
    lines = good[LINE].to_list()
    if block.table.name in DESCRIPTIVE and "known_at" not in block.columns:
        now = CLOCK.now().replace(tzinfo=None)
        good, _ = date_changes(block.table, good, workspace.tables.read(block.table.name), now)
    name = _name(first["batch"], block, cases.filter(pl.col("line").is_in(lines)))
    accepted = dict.fromkeys(lines, "retrying") | dict.fromkeys(overtaken, "dismissed")
    changed = _outcome(rows, checked.bad, accepted, name)
    store(workspace, changed)
    if good.height:
        stamped = good.drop(ROW, strict=False).with_columns(_source=pl.lit(label))
        workspace.tables.append(block.table.name, stamped, name)
    store(workspace, [{**row, "status": "retried"} for row in changed if row["status"] == "retrying"])
    bad = cases.height - len(lines) - len(overtaken)
    return Retried(block.table.name, label, cases.height, len(lines), len(overtaken), bad)


def _source(cases: pl.DataFrame, needed: Sequence[str]) -> pl.DataFrame:
    """The rows as their file had them, :data:`LINE` first."""
    rows = [json.loads(text) for text in cases["row"].to_list()]
    names = list(dict.fromkeys([*(name for row in rows for name in row), *needed]))
    made = {name: _series([row.get(name) for row in rows]) for name in names}
    return pl.DataFrame({LINE: cases["line"], **made})


def _series(values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float} and bool not in kinds:
        return pl.Series(values, dtype=pl.Float64 if float in kinds else pl.Int64)
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return pl.Series(texts, dtype=pl.String)


def _settled(block: Block, hidden: set[str], at: datetime) -> tuple[Block, set[str]]:
    """The block for rows that hold pseudonyms and arrived at ``at``; and the columns of ours that are pseudonyms.

    A source column that holds a pseudonym holds that of our column: it is taken as it is, past any expression.
    """
    made = dict(block.columns)
    hashed: set[str] = set()
    for column in block.table.columns:
        how = made.get(column.name)
        if how is None:
            continue
        if how.arrival:
            made[column.name] = Source(value=at)
        theirs = [name for name in columns.origins(how) if name in hidden]
        if column.personal and theirs:
            made[column.name] = Source(column=theirs[0])
            hashed.add(column.name)
    return replace(block, columns=made), hashed


def _renumbered(workspace: Workspace, block: Block, good: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """Running numbers as they were in the file, or the next free ones where that number is taken or not known."""
    for name, within in numbered(block).items():
        if name not in good.columns or not good.height:
            continue
        group = list(within)
        stored = {
            line: json.loads(text).get(name) if text else None
            for line, text in cases.select("line", "numbers").iter_rows()
        }
        table = workspace.tables.read(block.table.name).join(good.select(group).lazy(), on=group, how="semi")
        taken: dict[tuple[Any, ...], set[int]] = {}
        for *key, number in table.select(*group, name).collect().iter_rows():
            taken.setdefault(tuple(key), set()).add(number)
        numbers: list[int] = []
        for line, *key in good.select(LINE, *group).iter_rows():
            used = taken.setdefault(tuple(key), set())
            number = stored.get(line)
            number = number if number is not None and number not in used else max(used, default=0) + 1
            used.add(number)
            numbers.append(number)
        good = good.with_columns(pl.Series(name, numbers, dtype=good[name].dtype))
    return good


def _overtaken(
    workspace: Workspace, block: Block, good: pl.DataFrame, label: str, at: datetime
) -> tuple[pl.DataFrame, list[int]]:
    """Leave out rows whose key came again later, in their file or in one that was ingested after it."""
    if not good.height or keys.guaranteed(block):
        return good, []
    key = list(block.table.key)
    history = workspace.tables.history(block.table.name)
    moment = int(at.replace(tzinfo=UTC).timestamp() * 1_000_000)
    mine = history.filter(pl.col("_source") == label).select("_seq").unique().collect()["_seq"].to_list()
    # A batch gets its number before its file is read, and the row was refused while it was: so the file's own batch
    # is the last of its name that had begun by then.
    own = max((seq for seq in mine if seq <= moment), default=min(mine, default=moment))
    rows = history.join(good.select(key).lazy(), on=key, how="semi").select(
        *key, pl.col("_seq"), pl.col("_source"), pl.col("_line").alias("_at_line")
    )
    same = (pl.col("_seq") == own) & (pl.col("_source") == label)
    later = (
        good.select(LINE, *key)
        .join(rows.collect(), on=key, how="inner")
        .filter((same & (pl.col("_at_line") > pl.col(LINE))) | (~same & (pl.col("_seq") > own)))
    )
    lines = later[LINE].unique().sort().to_list()
    return good.filter(~pl.col(LINE).is_in(lines)), lines


def _outcome(rows: pl.DataFrame, bad: pl.DataFrame, accepted: dict[int, str], name: str) -> list[dict[str, Any]]:
    """New versions of the quarantine rows: taken, dismissed, or open with the reason of now."""
    faults: dict[int, dict[str, dict[str, Any]]] = {}
    for fault in bad.iter_rows(named=True):
        faults.setdefault(fault["line"], {})[fault["column"]] = fault
    changed: list[dict[str, Any]] = []
    for row in rows.iter_rows(named=True):
        line = row["line"]
        if line in accepted:
            end = accepted[line]
            reason = _OVERTAKEN if end == "dismissed" else row["reason"]
            changed.append({**row, "status": end, "reason": reason, "retry": name if end == "retrying" else None})
        elif line in faults and row["column"] not in faults[line]:
            changed.append({**row, "status": "dismissed", "reason": _CORRECTED})
    for first in rows.unique(subset="line", keep="first", maintain_order=True).iter_rows(named=True):
        if first["line"] in accepted:
            continue
        for fault in faults.get(first["line"], {}).values():
            said = {key: fault[key] for key in ("column", "value", "reason", "rule")}
            changed.append({**first, **said, "status": "open", "retry": None})
    return changed


def _name(batch: str, block: Block, cases: pl.DataFrame) -> str:
    """Name of the batch that takes the rows: what they hold and how they are read."""
    parts = [batch, block.fingerprint, *(f"{line}:{row}" for line, row in cases.select("line", "row").iter_rows())]
    return "retry-" + hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


def _show(frame: pl.DataFrame) -> pl.DataFrame:
    return frame
