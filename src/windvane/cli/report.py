"""``windvane report`` and ``windvane export``: the latest run for people and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say, workspace_at


@app.command()
def report(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML file; default report.html.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh; default the shop's.")] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write the latest run as one HTML page that needs no network."""
    from windvane.report import write

    opened = workspace_at(workspace)
    path = write(opened.runs.latest(), output or opened.folder / "report.html", language)
    if as_json:
        emit({"report": str(path), "bytes": path.stat().st_size})
    else:
        say(f"[green]✓[/] {path} ({path.stat().st_size / 1e6:.1f} MB)")


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="Table of the latest run: forecasts, reorder, trends, ...")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default TABLE.FORMAT.")] = None,
    fmt: Annotated[str | None, typer.Option("--format", "-f", help="csv, parquet or xlsx; default by name.")] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write a table of the latest run as csv, parquet or xlsx."""
    from windvane.report import export as write

    latest = workspace_at(workspace).runs.latest()
    fmt = fmt or ((output.suffix.lstrip(".") if output else "") or "csv")
    path = write(latest, table, output or Path(f"{table}.{fmt}"), fmt)
    if as_json:
        emit({"file": str(path), "rows": latest.tables[table], "run": latest.id})
    else:
        say(f"[green]✓[/] {path}: {latest.tables[table]:,} rows of run {latest.id}")
