"""``windvane override list|set|withdraw|score``: planners' own figures in place of the model's, and how they fared."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, ListFirst, app, day, emit, say, show_frame, workspace_at
from windvane.cli.plan import Where, Who, Why, planner

group = typer.Typer(cls=ListFirst)
app.add_typer(group, name="override")


@group.callback()
def override() -> None:
    """Put a planner's own figures in place of the model's; see who adds value to the forecast."""


@group.command("list")
def list_overrides(workspace: Folder = Path("."), as_json: AsJson = False) -> None:
    """Show the overrides that stand."""
    import polars as pl

    from windvane.plans.overrides import overrides

    rows = overrides(workspace_at(workspace)).filter(pl.col("new").is_not_null())
    if as_json:
        emit(rows.to_dicts())
    elif rows.height:
        show_frame(rows.drop("run", "said_on", "known_at"), f"Overrides: {rows.height:,}")
    else:
        say("No override stands.")


@group.command("set")
def set_override(
    sku: Annotated[str, typer.Argument(help="Product.")],
    units: Annotated[float, typer.Argument(help="Units expected over all these days together.")],
    first: Annotated[str, typer.Option("--from", help="First day, as 2026-11-27.")],
    last: Annotated[str, typer.Option("--to", help="Last day.")],
    why: Why,
    location: Where = None,
    who: Who = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Say what a product will sell over some days; runs from now on take it over."""
    from windvane.plans.overrides import override as do

    span = (_day(first, "--from"), _day(last, "--to"))
    row = do(workspace_at(workspace), (sku, location), span, units, planner(who), why)
    if as_json:
        emit(row)
    else:
        change = f" ({row['new'] / row['old'] - 1:+.0%})" if row["old"] else ""  # type: ignore[operator]
        say(f"[green]✓[/] {sku} at {row['location']}: {row['old']:,.1f} → {row['new']:,.1f} units{change}, next run")


@group.command()
def withdraw(
    sku: Annotated[str, typer.Argument(help="Product.")],
    first: Annotated[str, typer.Option("--from", help="First day of the override.")],
    why: Why,
    location: Where = None,
    who: Who = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Take an override back, from the next run on."""
    from windvane.plans.overrides import withdraw as do

    row = do(workspace_at(workspace), (sku, location), _day(first, "--from"), planner(who), why)
    if as_json:
        emit(row)
    else:
        say(f"[green]✓[/] {sku} at {row['location']}: the model's forecast stands again, next run")


@group.command()
def score(workspace: Folder = Path("."), as_json: AsJson = False) -> None:
    """Show whether planners erred less than the model, once the days are over: forecast value added."""
    from windvane.plans.score import added_by, score_overrides

    rows = score_overrides(workspace_at(workspace))
    by = added_by(rows)
    if as_json:
        emit({"planners": by.to_dicts(), "overrides": rows.to_dicts()})
    elif rows.height:
        show_frame(by, "Forecast value added, by planner")
        show_frame(rows.drop("why"), f"Overrides whose days are over: {rows.height:,}")
    else:
        say("No override can be judged yet: its days must be over.")


def _day(text: str, option: str) -> date:
    found = day(text, option)
    assert found is not None
    return found
