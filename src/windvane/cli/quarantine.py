"""``windvane quarantine``: rows that were refused or set aside: shown, corrected, taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say, show_frame, workspace_at
from windvane.errors import ConfigError

if TYPE_CHECKING:
    from windvane.ingest.quarantine.correct import Choice
    from windvane.store import Workspace


@app.command()
def quarantine(
    action: Annotated[
        Literal["list", "fix", "retry"],
        typer.Argument(help="list: show rows; fix: correct or dismiss them; retry: take corrected rows."),
    ] = "list",
    table: Annotated[str | None, typer.Option("--table", "-t", help="Only rows meant for this table.")] = None,
    file: Annotated[str | None, typer.Option("--file", help="Only rows of this file.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that this rule sent there.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only rows that are open, fixed, retrying, retried or dismissed.")
    ] = None,
    line: Annotated[int | None, typer.Option(help="Only the row of this line.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="list: how many rows; 0 = the summary alone.")] = 0,
    to: Annotated[Path | None, typer.Option(help="fix: write open rows to this .csv or .xlsx, for editing.")] = None,
    back: Annotated[Path | None, typer.Option("--from", help="fix: take the edited file back.")] = None,
    column: Annotated[str | None, typer.Option(help="fix: the file's column that --set writes into.")] = None,
    value: Annotated[str | None, typer.Option("--set", help="fix: the value to write; '' = empty.")] = None,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="fix: the rows are not wanted.")] = False,
    every: Annotated[bool, typer.Option("--all", help="retry: open rows too, not only those that were fixed.")] = False,
    mapping: Annotated[
        str | None, typer.Option("--mapping", "-m", help="retry: read the rows with this mapping instead.")
    ] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Show the rows that were refused or set aside, and why; correct them; take them into their tables."""
    from windvane.ingest.quarantine.correct import Choice

    opened = workspace_at(workspace)
    choice = Choice(table, file, rule, status, line)
    if action == "retry":
        _retry(opened, choice, every, mapping, as_json)
    elif action == "fix":
        _fix(opened, choice, to, back, (column, value), dismiss, as_json)
    else:
        _list(opened, choice, rows, as_json)


def _list(workspace: Workspace, choice: Choice, rows: int, as_json: bool) -> None:
    import polars as pl

    from windvane.ingest.quarantine.correct import held, summary

    counted = summary(workspace, choice)
    listed = held(workspace, choice, rows)
    total = int(counted["rows"].sum())
    if as_json:
        listing = listed.with_columns(pl.col("at").dt.to_string("iso")).to_dicts()
        emit({"total": total, "summary": counted.to_dicts(), "rows": listing})
        return
    if not total:
        say("The quarantine is empty." if choice == type(choice)() else "No row of the quarantine fits.")
        return
    show_frame(counted.select("rows", "table", "column", "status", "reason"), f"Quarantine: {total:,} rows")
    for row in listed.iter_rows(named=True):
        cell = f"{row['column']} = {row['value']!r}: " if row["column"] else ""
        state = "" if row["status"] == "open" else f" ({row['status']})"
        typer.echo(f"{row['file']}, line {row['line']}{state}: {cell}{row['reason']}\n  {row['row']}")


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
        text = f"{count:,} rows in {to}. Correct them there, then: windvane quarantine fix --from {to}"
    elif back is not None:
        taken = correct.take_back(workspace, back)
        result = asdict(taken)
        text = f"{taken.fixed:,} rows corrected, {taken.dismissed:,} dismissed, {taken.unchanged:,} as they were."
    elif value is not None and column is not None:
        count = correct.set_cell(workspace, choice, column, value)
        result, text = {"fixed": count}, f"{count:,} rows corrected."
    else:
        count = correct.dismiss(workspace, choice)
        result, text = {"dismissed": count}, f"{count:,} rows dismissed."
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
