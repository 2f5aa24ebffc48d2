"""``windvane audit``: what the tables say that is hard to believe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say, show_frame, workspace_at
from windvane.errors import ConfigError


@app.command()
def audit(
    table: Annotated[str | None, typer.Option("--table", "-t", help="Only this table.")] = None,
    suspicion: Annotated[str | None, typer.Option(help="Only this suspicion, such as wrong_category.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many of each suspicion to list; 0 = the summary alone.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write all of them to this .csv or .xlsx.")
    ] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """List contradictions, unknown references, doubtful labels and prices, for a person to look at."""
    import polars as pl

    from windvane.ingest.checks.audit import CHECKS, Source
    from windvane.ingest.checks.audit import audit as examine

    if table is not None and table not in CHECKS:
        raise ConfigError(f"There is no audit of {table}.", f"Tables: {', '.join(CHECKS)}.")
    if output is not None and output.suffix not in (".csv", ".xlsx"):
        raise ConfigError(f"{output} ends neither in .csv nor in .xlsx.", "Choose one of the two.")
    tables = workspace_at(workspace).tables
    source = Source(tables.read, tables.history, frozenset(tables.versions()))
    found = examine(source, table)
    if suspicion is not None:
        found = found.filter(pl.col("suspicion") == suspicion)
    counted = found.group_by("table", "column", "suspicion", maintain_order=True).agg(pl.len().alias("rows"))
    place = pl.int_range(pl.len()).over("table", "suspicion", "column")
    listed = found.filter(place < rows)
    if output is not None:
        found.write_csv(output, include_bom=True) if output.suffix == ".csv" else found.write_excel(output)
    if as_json:
        emit({"total": found.height, "summary": counted.to_dicts(), "rows": listed.to_dicts()})
        return
    if not found.height:
        if not source.have & set(CHECKS):
            say("There is nothing to audit yet: the tables are empty. First: windvane ingest FILES --mapping NAME")
        else:
            looked = sorted(source.have & ({table} if table else set(CHECKS)))
            say(f"Nothing is suspicious in {', '.join(looked)}." if looked else f"The table {table} is empty.")
        return
    show_frame(counted, f"Audit: {found.height:,} suspicion{'s' * (found.height > 1)}")
    for row in listed.iter_rows(named=True):
        typer.echo(f"{row['table']} {row['key']}: {row['column']} = {row['value']!r}: {row['suspicion']}: {row['why']}")
    if output is not None:
        typer.echo(f"All of them are in {output}.")
