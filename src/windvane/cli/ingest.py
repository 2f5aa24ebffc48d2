"""``windvane ingest``: files into tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, console, emit, progress, say, workspace_at

if TYPE_CHECKING:
    from windvane.ingest import IngestReport

_SHOWN = 5


@app.command()
def ingest(
    sources: Annotated[list[Path] | None, typer.Argument(help="Files, archives, or one folder.")] = None,
    mapping: Annotated[str | None, typer.Option("--mapping", "-m", help="Shipped mapping, or a TOML file.")] = None,
    table: Annotated[str | None, typer.Option("--table", "-t", help="Table, if columns carry our names.")] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Take files whose columns mean something else than before.")
    ] = False,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Read files into the workspace's tables; bad rows go to quarantine."""
    from windvane.ingest import ingest as run_ingest
    from windvane.ingest.jobs import passed_over
    from windvane.ingest.sources import resolve

    opened = workspace_at(workspace)
    language = opened.config.shop.language
    found = resolve(sources or [], mapping, table)
    reports = [run_ingest(opened, how, paths, progress(as_json), accept_changes) for how, paths in found]
    # Data that a package brings is meant as it is: the mapping leaves out what it does not need.
    asked = found if sources and mapping is not None else []
    over = [name for how, paths in asked for name in passed_over(how, paths, opened.folder)]
    if as_json:
        emit({"reports": [report.as_dict() for report in reports], "passed_over": over})
    else:
        _show_ingest(reports, language)
        _show_passed_over(over)


def _show_passed_over(names: list[str]) -> None:
    from rich.markup import escape

    if not names:
        return
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
    count = "1 file was" if len(names) == 1 else f"{len(names):,} files were"
    say(f"[yellow]![/] {count} not read, as no block of the mapping is meant for that: {escape(shown)}")
    say("  If needed, add a block to the mapping, or name the file in a block as it is called here.")


def _show_ingest(reports: list[IngestReport], language: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    every = [file for report in reports for file in report.files]
    names = ["read", "accepted"]
    less_common = ("left_out", "set_aside", "refused", "repeated", "superseded", "unchanged")
    names += [name for name in less_common if any(getattr(file, name) for file in every)]
    table = Table(title="Ingested", title_justify="left")
    table.add_column("table")
    table.add_column("file", overflow="fold")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for file in every:
        note = " (unchanged)" if file.already else ""
        table.add_row(file.table, escape(file.file) + note, *(f"{getattr(file, name):,}" for name in names))
    console().print(table)
    _show_reasons(reports, language)
    for file in every:
        for note in file.notes:
            say(f"Note: {escape(file.file)}: {escape(note)}")
    for report in reports:
        budget = report.budget
        say(f"{report.mapping}: {budget.rows:,} rows, {budget.seconds:.1f} s, peak {budget.peak_mb:,.0f} MB")


def _show_reasons(reports: list[IngestReport], language: str) -> None:
    from rich.markup import escape

    from windvane.ingest.quarantine.reasons import in_words

    lines: list[str] = []
    for report in reports:
        for file in report.files:
            for each in file.reasons[:5]:
                example = f", e.g. line {each.line}" + (f": {each.value!r}" if each.value is not None else "")
                column = f"{each.column}: " if each.column and language != "en" else ""
                reason = f"{column}{in_words(language, each.rule, each.reason)}"
                lines.append(escape(f"  {file.table}: {each.rows:,} × {reason}{example}"))
            if len(file.reasons) > 5:
                more = len(file.reasons) - 5
                lines.append(f"  {file.table}: and {more} more reason{'s' * (more > 1)}")
    if lines:
        say("In quarantine (see: windvane quarantine list):")
        for line in lines:
            say(line)
