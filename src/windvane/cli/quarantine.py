"""``windvane quarantine``: which rows were refused or set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say, show_frame, workspace_at


@app.command()
def quarantine(
    table: Annotated[str | None, typer.Option("--table", "-t", help="Only rows meant for this table.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that this rule sent there.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many rows to list; 0 = the summary alone.")] = 0,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Show which rows were refused or set aside, and why."""
    import polars as pl

    held = workspace_at(workspace).tables.read("quarantine").collect()
    if table is not None:
        held = held.filter(pl.col("table") == table)
    if rule is not None:
        held = held.filter(pl.col("rule") == rule)
    reason = pl.col("reason").str.replace(r"^line \d+ has", "another line has")
    summary = held.group_by("table", "file", "rule", "column", reason).agg(pl.len().alias("rows"))
    summary = summary.sort("rows", "table", "rule", "column", descending=[True, False, False, False])
    listed = held.sort("table", "file", "line", "column").head(rows)
    if as_json:
        listing = listed.with_columns(pl.col("at").dt.to_string("iso")).to_dicts()
        emit({"total": held.height, "summary": summary.to_dicts(), "rows": listing})
        return
    if not held.height:
        say("The quarantine is empty.")
        return
    show_frame(summary.select("rows", "table", "column", "reason"), f"Quarantine: {held.height:,} rows")
    for row in listed.iter_rows(named=True):
        cell = f"{row['column']} = {row['value']!r}: " if row["column"] else ""
        typer.echo(f"{row['file']}, line {row['line']}: {cell}{row['reason']}\n  {row['row']}")
