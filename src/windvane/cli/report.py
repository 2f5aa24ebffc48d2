"""``windvane report`` and ``windvane export``: a run for people and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, Which, app, chosen_run, emit, say, workspace_at


@app.command()
def report(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML file; default report.html.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh; default the shop's.")] = None,
    run: Which = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write the latest run as one HTML page that needs no network.

    The page of a look back is called report-DATE.html, that of another run report-RUN.html.
    """
    from windvane.report import file_name, write

    opened = workspace_at(workspace)
    chosen = chosen_run(opened, run)
    name = file_name(chosen, chosen.id == opened.runs.latest().id)
    path = write(chosen, output or opened.folder / name, language)
    if as_json:
        emit({"report": str(path), "bytes": path.stat().st_size, "run": chosen.id})
    else:
        say(f"[green]✓[/] {path} ({path.stat().st_size / 1e6:.1f} MB)")


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="Table of the run: forecasts, reorder, trends, ...")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default TABLE.FORMAT.")] = None,
    fmt: Annotated[str | None, typer.Option("--format", "-f", help="csv, parquet or xlsx; default by name.")] = None,
    run: Which = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write a table of the latest run as csv, parquet or xlsx."""
    from windvane.report import export as write

    chosen = chosen_run(workspace_at(workspace), run)
    fmt = fmt or ((output.suffix.lstrip(".") if output else "") or "csv")
    path = write(chosen, table, output or Path(f"{table}.{fmt}"), fmt)
    if as_json:
        emit({"file": str(path), "rows": chosen.tables[table], "run": chosen.id})
    else:
        say(f"[green]✓[/] {path}: {chosen.tables[table]:,} rows of run {chosen.id}")
