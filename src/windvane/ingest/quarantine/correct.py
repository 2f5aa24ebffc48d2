"""Rows in quarantine: found, corrected in place or in a spreadsheet, or dismissed.

A *case* is one source row; it has one quarantine row per cell at fault. Every change is appended to the quarantine
as a new version of its rows, so that the table's history shows who changed what.
:mod:`windvane.ingest.quarantine.retry` takes corrected cases into their tables.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from windvane.errors import InputError
from windvane.ingest.cells import columns
from windvane.ingest.mapping import Block, load_block
from windvane.ingest.people import People
from windvane.ingest.privacy import pseudonym
from windvane.ingest.read import LINE, Item, Options, open_item
from windvane.schema import DERIVED
from windvane.store import Workspace

CASE = ["batch", "table", "line"]
_MARKS = ("_table", "_file", "_at_line", "_batch", "_column", "_value", "_reason", "_dismiss")
# The line is not called _line, which is a name that no file may use.
_FORMULA = r"^([=@\t\r]|[+-][^0-9.,])"
_GUARDED = r"^'([=@\t\r]|[+-][^0-9.,])"


@dataclass(frozen=True)
class Choice:
    """Which rows of the quarantine are meant; ``None`` = any.

    Attributes:
        table: table that they were meant for.
        file: name of the file.
        rule: rule that refused them.
        status: open, fixed, retrying, retried or dismissed.
        line: line in the file.
    """

    table: str | None = None
    file: str | None = None
    rule: str | None = None
    status: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Taken:
    """What an edited file changed: cases corrected, dismissed, and left as they were."""

    fixed: int
    dismissed: int
    unchanged: int


def held(workspace: Workspace, choice: Choice, rows: int | None = None) -> pl.DataFrame:
    """Rows of the quarantine, by table, file and line; ``status`` is never empty.

    Args:
        workspace: where the quarantine is.
        choice: which rows.
        rows: the first rows only, if given.
    """
    ordered = _chosen(workspace, choice).sort("table", "file", "line", "column")
    return (ordered if rows is None else ordered.head(rows)).collect()


def summary(workspace: Workspace, choice: Choice) -> pl.DataFrame:
    """Rows of the quarantine counted by table, file, rule, column, status and reason, most rows first."""
    reason = pl.col("reason").str.replace(r"^line \d+ has", "another line has")
    by = _chosen(workspace, choice).group_by("table", "file", "rule", "column", "status", reason)
    order = ["rows", "table", "rule", "column", "file", "status", "reason"]
    return by.agg(pl.len().alias("rows")).sort(order, descending=[True, *[False] * 6]).collect()


def _chosen(workspace: Workspace, choice: Choice) -> pl.LazyFrame:
    rows = workspace.tables.read("quarantine").with_columns(pl.col("status").fill_null("open"))
    for name in ("table", "file", "rule", "status", "line"):
        if (wanted := getattr(choice, name)) is not None:
            rows = rows.filter(pl.col(name) == wanted)
    return rows


def write_out(workspace: Workspace, choice: Choice, path: Path) -> int:
    """Write open cases for editing, one row each, with the columns of their files.

    The columns ``_table`` to ``_reason`` say which row it is and what is wrong; whatever stands in ``_dismiss`` when
    the file comes back dismisses the row.

    Args:
        workspace: where the quarantine is.
        choice: which rows; open ones where it names no status.
        path: ``.csv`` (UTF-8 with a mark, so that Excel reads it) or ``.xlsx`` (every cell as text, so that Excel
            changes no number or date).

    Returns:
        Rows written.

    Raises:
        InputError: there is nothing to write, or the name says neither.
    """
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise InputError(f"{path.name} ends neither in .csv nor in .xlsx.", "Choose one of the two.")
    rows = held(workspace, choice if choice.status else replace(choice, status="open"))
    if not rows.height:
        raise InputError("No row of the quarantine fits.", "See: windvane quarantine list")
    cases = rows.group_by(CASE, maintain_order=True).agg(
        pl.col("file").first(),
        pl.col("column").str.join(", "),
        pl.col("value").first(),
        pl.col("reason").unique(maintain_order=True).str.join("; "),
        pl.col("row").first(),
        pl.col("block").first(),
        pl.col("rule").first(),
    )
    names = {block: source_columns(workspace, block) for block in cases["block"].unique().to_list() if block}
    lines: list[dict[str, str | None]] = []
    for case in cases.iter_rows(named=True):
        told = [case[name] for name in ("table", "file", "line", "batch", "column", "value", "reason")]
        marks = [*(as_cell(each) for each in told), None]
        source = json.loads(case["row"])
        if case["rule"] == "ragged":
            source = dict.fromkeys(names.get(case["block"], ())) | {"_text": source.get("text")}
        lines.append(dict(zip(_MARKS, marks, strict=True)) | {name: as_cell(v) for name, v in source.items()})
    wide = list(dict.fromkeys(name for line in lines for name in line))
    frame = pl.DataFrame([{name: line.get(name) for name in wide} for line in lines], dict.fromkeys(wide, pl.String))
    if path.suffix.lower() == ".csv":
        frame.select(_harmless(pl.col(name)) for name in wide).write_csv(path, include_bom=True)
    else:
        frame.write_excel(path, worksheet="quarantine", dtype_formats={pl.String: "@"}, autofit=True)
    return frame.height


def take_back(workspace: Workspace, path: Path) -> Taken:
    """Take in a file of :func:`write_out` that was edited; rows missing from it stay as they are.

    Raises:
        InputError: the file has no ``_batch``, ``_table`` and ``_at_line``, names a row that is not in quarantine, or a
            cell that must be a number is none; then nothing is changed.
    """
    edited = _edited(path)
    every = held(workspace, Choice())
    cases: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in every.iter_rows(named=True):
        cases.setdefault((row["batch"], row["table"], row["line"]), []).append(row)
    kinds = _kinds(every)
    fixed: list[dict[str, Any]] = []
    dismissed: list[dict[str, Any]] = []
    unchanged = 0
    for place, given in enumerate(edited, start=2):
        try:
            key = (given["_batch"], given["_table"], int(given["_at_line"] or ""))
            case = cases[key]  # type: ignore[index]
        except (KeyError, ValueError):
            raise InputError(
                f"{path.name}, row {place}: the quarantine holds no such row.",
                "Leave the columns _batch, _table and _at_line as they were.",
                row=place,
            ) from None
        if case[0]["status"] not in ("open", "fixed"):
            unchanged += 1
            continue
        if given.get("_dismiss"):
            dismissed += case
            continue
        cells = {name: value for name, value in given.items() if name not in _MARKS and name != "_text"}
        source = _merged(workspace, case[0], cells, kinds, f"{path.name}, row {place}")
        if source is None:
            unchanged += 1
        else:
            fixed += [{**row, "row": source} for row in case]
    store(workspace, [{**row, "status": "fixed"} for row in fixed] + [_dismissed(row) for row in dismissed])
    return Taken(_cases(fixed), _cases(dismissed), unchanged)


def set_cell(workspace: Workspace, choice: Choice, column: str, value: str) -> int:
    """Write a value into one source column of every open or fixed case that is meant.

    Returns:
        Cases changed.

    Raises:
        InputError: no case is meant, or the rows have no such column.
    """
    rows = _correctable(workspace, choice)
    kinds = _kinds(held(workspace, Choice()))
    changed: list[dict[str, Any]] = []
    for row in rows:
        source = json.loads(row["row"])
        if column not in source:
            raise InputError(
                f"{row['file']}, line {row['line']} has no column {column}.", f"It has: {', '.join(source)}."
            )
        made = _merged(workspace, row, {column: value or None}, kinds, f"{row['file']}, line {row['line']}")
        if made is not None:
            changed.append({**row, "row": made, "status": "fixed"})
    store(workspace, changed)
    return _cases(changed)


def dismiss(workspace: Workspace, choice: Choice) -> int:
    """Mark every open or fixed case that is meant as not wanted.

    Returns:
        Cases dismissed.

    Raises:
        InputError: no case is meant.
    """
    rows = _correctable(workspace, choice)
    store(workspace, [_dismissed(row) for row in rows])
    return _cases(rows)


def store(workspace: Workspace, rows: Iterable[dict[str, Any]]) -> None:
    """Append new versions of quarantine rows, in one commit."""
    frame = pl.DataFrame(list(rows), schema=DERIVED["quarantine"].types)
    if frame.height:
        workspace.tables.append("quarantine", frame, f"correct-{secrets.token_hex(12)}")


def kept_block(workspace: Workspace, fingerprint: str | None) -> Block:
    """The mapping block that rows were read with.

    Raises:
        InputError: it was not kept, because the rows are from before Windvane kept blocks.
    """
    path = workspace.folder / "mappings" / f"{fingerprint}.json"
    if not fingerprint or not path.is_file():
        raise InputError(
            "The mapping that these rows were read with is not on record.",
            "Give it: windvane quarantine retry --mapping FILE",
        )
    return load_block(json.loads(path.read_text(encoding="utf-8")))


def source_columns(workspace: Workspace, fingerprint: str | None) -> list[str]:
    """Columns of a file that its mapping uses; none where the mapping is not on record."""
    try:
        return used_columns(kept_block(workspace, fingerprint))
    except InputError:
        return []


def used_columns(block: Block) -> list[str]:
    """Their columns that a block's columns and rules look at."""
    found = list(dict.fromkeys(name for how in block.columns.values() for name in columns.origins(how)))
    return [*found, *sorted(columns.used(block).difference(found))]


def as_cell(value: object) -> str | None:
    """A value of a JSON object as the text of a cell."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _edited(path: Path) -> list[dict[str, str | None]]:
    if not path.is_file():
        raise InputError(f"There is no file {path}.", "Check the name.")
    chunks = [chunk.frame.drop(LINE, strict=False) for chunk in open_item(Item(path), Options()).chunks()]
    frame = pl.concat(chunks, how="diagonal_relaxed") if chunks else pl.DataFrame()
    if missing := [name for name in ("_table", "_batch", "_at_line") if name not in frame.columns]:
        raise InputError(
            f"{path.name} has no column {missing[0]}.", "Edit a file that 'windvane quarantine fix --to' wrote."
        )
    cells = frame.select(columns.as_text(frame[name]).alias(name) for name in frame.columns)
    if path.suffix.lower() == ".csv":
        cells = cells.select(pl.all().str.replace(_GUARDED, "$1"))
    return cells.to_dicts()


def _harmless(cell: pl.Expr) -> pl.Expr:
    """Cells that a spreadsheet would run as a formula get an apostrophe, which :func:`_edited` takes off again."""
    return pl.when(cell.str.contains(_FORMULA)).then(pl.concat_str(pl.lit("'"), cell)).otherwise(cell).name.keep()


def _merged(
    workspace: Workspace,
    row: dict[str, Any],
    cells: dict[str, str | None],
    kinds: dict[tuple[str, str], type],
    place: str,
) -> str | None:
    """The source row with edited cells, as JSON; ``None`` where nothing was edited."""
    source = json.loads(row["row"])
    hidden = set(json.loads(row["hidden"] or "[]"))
    if row["rule"] == "ragged" and set(source) == {"text"}:
        source = {}
    before = dict(source)
    for name, cell in cells.items():
        if (as_cell(source.get(name)) or "").strip() == (cell or "").strip():
            continue
        if name not in source and cell is None:
            continue
        if name in hidden and cell is not None:
            source[name] = pseudonym(cell.strip(), workspace.secret)
        else:
            kind = kinds.get((row["block"] or "", name), str)
            source[name] = _like(_scrubbed(workspace, row["block"], name, cell), kind, name, place)
    if source == before or not source:
        return None
    return json.dumps(source, ensure_ascii=False)


def _scrubbed(workspace: Workspace, fingerprint: str | None, name: str, cell: str | None) -> str | None:
    """A cell of free text without what identifies people, as it would have been kept had it stood in the file."""
    try:
        people = People(workspace, kept_block(workspace, fingerprint))
    except InputError:
        return cell
    if cell is None or not people.active or name in people.hidden:
        return cell
    kept = people.hide(pl.DataFrame({name: [cell]}))
    return str(kept[name].item()) if name in kept.columns else cell


def _kinds(rows: pl.DataFrame) -> dict[tuple[str, str], type]:
    """Type that each column of each block has in JSON, where it is no text."""
    found: dict[tuple[str, str], type] = {}
    for block, text in rows.select("block", "row").unique().iter_rows():
        for name, value in json.loads(text).items():
            if isinstance(value, bool | int | float):
                kind = type(value)
                earlier = found.get((block or "", name), kind)
                found[block or "", name] = kind if kind is earlier else float
    return found


def _like(cell: str | None, kind: type, name: str, place: str) -> object:
    if cell is None or kind is str:
        return cell
    try:
        value = json.loads(cell.strip().lower())
        if isinstance(value, bool) is (kind is bool) and isinstance(value, int | float):
            return value
    except ValueError:
        pass
    raise InputError(
        f"{place}: {name} holds {'yes or no' if kind is bool else 'numbers'} in its file, and {cell!r} is none.",
        "Correct the cell.",
        column=name,
    )


def _correctable(workspace: Workspace, choice: Choice) -> list[dict[str, Any]]:
    """All rows of the open or fixed cases of which one row is meant."""
    meant = held(workspace, choice).filter(pl.col("status").is_in(["open", "fixed"]))
    if not meant.height:
        raise InputError("No open row of the quarantine fits.", "See: windvane quarantine --rows 20")
    whole = held(workspace, Choice()).join(meant.select(CASE).unique(), on=CASE, how="semi")
    return whole.filter(pl.col("status").is_in(["open", "fixed"])).to_dicts()


def _dismissed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "status": "dismissed"}


def _cases(rows: list[dict[str, Any]]) -> int:
    return len({(row["batch"], row["table"], row["line"]) for row in rows})
