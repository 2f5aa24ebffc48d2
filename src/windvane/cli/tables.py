"""``windvane compact``: few large data files in place of many small ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, progress, say, workspace_at


@app.command()
def compact(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; all where none is named.")] = None,
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Then remove data files that no kept run needs.")] = False,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Merge small data files into large ones; superseded rows go, what readers see stays."""
    from dataclasses import asdict

    opened = workspace_at(workspace)
    names = tables or sorted(opened.tables.versions())
    done = []
    with progress(as_json).task("compact", len(names)) as task:
        for name in names:
            task.describe(name)
            done.append(opened.tables.compact(name))
            task.advance()
    freed = opened.vacuum() if vacuum else None
    if as_json:
        emit({"tables": [asdict(each) for each in done], "vacuum": asdict(freed) if freed else None})
        return
    if not done:
        say("There is nothing to merge yet: the tables are empty. First: windvane ingest FILES --mapping NAME")
    for each in done:
        files = f"{each.files_before:,} → {each.files_after:,} files"
        rows = f"{each.rows_before:,} → {each.rows_after:,} rows"
        say(f"[green]✓[/] {each.table:<11} {files}, {rows}")
        if each.given_up:
            say("[yellow]![/]   Another process changed some of its files meanwhile; these were left as they are.")
    if freed is not None:
        say(f"Removed {freed.removed_files} data files, {freed.freed_bytes / 1e6:,.1f} MB.")
