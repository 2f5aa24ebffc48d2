"""``windvane quarantine list|fix|retry``: rows that were refused or set aside: shown, corrected, taken."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, ListFirst, app, emit, say, show_frame, workspace_at
from windvane.errors import ConfigError

if TYPE_CHECKING:
    from windvane.ingest.quarantine.correct import Choice
    from windvane.store import Workspace


group = typer.Typer(cls=ListFirst)
app.add_typer(group, name="quarantine")

OfTable = Annotated[str | None, typer.Option("--table", "-t", help="Only rows meant for this table.")]
OfFile = Annotated[str | None, typer.Option("--file", help="Only rows of this file.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="Only rows that this rule sent there.")]
OfStatus = Annotated[
    str | None, typer.Option("--status", help="Only rows that are open, fixed, retrying, retried or dismissed.")
]
OfLine = Annotated[int | None, typer.Option("--line", help="Only the row of this line.")]


@group.callback()
def quarantine() -> None:
    """Show the rows that were refused or set aside, and why; correct them; take them into their tables."""


@group.command("list")
def list_rows(
    table: OfTable = None,
    file: OfFile = None,
    rule: OfRule = None,
    status: OfStatus = None,
    line: OfLine = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="How many rows to show; 0 = the summary alone.")] = 0,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Show the rows that were refused or set aside, counted by reason, and one by one."""
    import polars as pl

    from windvane.ingest.quarantine.correct import Choice, held, summary
    from windvane.ingest.quarantine.reasons import in_words

    opened, choice = workspace_at(workspace), Choice(table, file, rule, status, line)
    language = opened.config.shop.language
    counted = summary(opened, choice)
    listed = held(opened, choice, rows)
    total = int(counted["rows"].sum())
    if as_json:
        listing = listed.with_columns(pl.col("at").dt.to_string("iso")).to_dicts()
        emit({"total": total, "summary": counted.to_dicts(), "rows": listing})
        return
    if not total:
        say("The quarantine is empty." if choice == Choice() else "No row of the quarantine fits.")
        return
    told = counted.with_columns(
        pl.struct("rule", "reason")
        .map_elements(lambda row: in_words(language, row["rule"], row["reason"]), pl.String)
        .alias("reason")
    )
    show_frame(told.select("rows", "table", "column", "status", "reason"), f"Quarantine: {_rows(total)}")
    for row in listed.iter_rows(named=True):
        cell = f"{row['column']} = {row['value']!r}: " if row["column"] else ""
        state = "" if row["status"] == "open" else f" ({row['status']})"
        reason = in_words(language, row["rule"], row["reason"])
        typer.echo(f"{row['file']}, line {row['line']}{state}: {cell}{reason}\n  {row['row']}")
    # What a rule of the mapping set aside, or a later row replaced, names no column: there is nothing to correct.
    if counted.filter((pl.col("status") == "open") & ((pl.col("column") != "") | (pl.col("rule") == "ragged"))).height:
        where = "" if opened.folder == Path.cwd() else f" -w {shlex.quote(str(workspace))}"
        say(f"To correct them: windvane quarantine fix --to rows.xlsx{where}; then: windvane quarantine retry{where}")


@group.command()
def fix(
    table: OfTable = None,
    file: OfFile = None,
    rule: OfRule = None,
    status: OfStatus = None,
    line: OfLine = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write open rows to this .csv or .xlsx, for editing.")] = None,
    back: Annotated[Path | None, typer.Option("--from", help="Take the edited file back.")] = None,
    column: Annotated[str | None, typer.Option("--column", help="The file's column that --set writes into.")] = None,
    value: Annotated[str | None, typer.Option("--set", help="The value to write; '' = empty.")] = None,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="The rows are not wanted.")] = False,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Correct rows, one by one or in a spreadsheet, or dismiss them."""
    from windvane.ingest.quarantine.correct import Choice

    choice = Choice(table, file, rule, status, line)
    _fix(workspace_at(workspace), choice, to, back, (column, value), dismiss, as_json)


@group.command()
def retry(
    table: OfTable = None,
    file: OfFile = None,
    rule: OfRule = None,
    status: OfStatus = None,
    line: OfLine = None,
    every: Annotated[bool, typer.Option("--all", help="Open rows too, not only those that were fixed.")] = False,
    mapping: Annotated[
        str | None, typer.Option("--mapping", "-m", help="Read the rows with this mapping instead.")
    ] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Check corrected rows again, and take those that are right into their tables."""
    from windvane.ingest.quarantine.correct import Choice

    choice = Choice(table, file, rule, status, line)
    _retry(workspace_at(workspace), choice, every, mapping, as_json)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _fix(
    workspace: Workspace,
    choice: Choice,
    to: Path | None,
    back: Path | None,
    cell: tuple[str | None, str | None],
    dismiss: bool,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from windvane.ingest.quarantine import correct

    column, value = cell
    given = [to is not None, back is not None, value is not None, dismiss]
    if sum(given) != 1 or (value is not None) != (column is not None):
        raise ConfigError(
            "Fix needs one of: --to FILE, --from FILE, --column NAME with --set VALUE, --dismiss.",
            "Write the rows to a file first: windvane quarantine fix --to rows.xlsx",
        )
    if to is not None:
        count = correct.write_out(workspace, choice, to)
        result: dict[str, object] = {"file": str(to), "rows": count}
        text = f"{_rows(count)} in {to}. Correct them there, then: windvane quarantine fix --from {to}"
    elif back is not None:
        taken = correct.take_back(workspace, back)
        result = asdict(taken)
        text = f"{_rows(taken.fixed)} corrected, {taken.dismissed:,} dismissed, {taken.unchanged:,} as they were."
    elif value is not None and column is not None:
        count = correct.set_cell(workspace, choice, column, value)
        result, text = {"fixed": count}, f"{_rows(count)} corrected."
    else:
        count = correct.dismiss(workspace, choice)
        result, text = {"dismissed": count}, f"{_rows(count)} dismissed."
    if as_json:
        emit(result)
        return
    from rich.markup import escape

    say(escape(text) + ("" if to is not None or dismiss else " Take them: windvane quarantine retry"))


def _retry(workspace: Workspace, choice: Choice, every: bool, mapping: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    import polars as pl

    from windvane.ingest.mapping import load
    from windvane.ingest.quarantine.retry import retry

    done = retry(workspace, choice, every, None if mapping is None else load(mapping))
    if as_json:
        emit({"files": [asdict(each) for each in done]})
    elif not done:
        say("No row was fixed. Correct rows first (windvane quarantine fix), or try all open ones with --all.")
    else:
        show_frame(pl.DataFrame([asdict(each) for each in done]), "Retried")
