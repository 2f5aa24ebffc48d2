"""``windvane explain``: why a product's figures are what they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, Which, app, chosen_run, day, emit, say, show_frame, workspace_at

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from windvane.outlook.story import Story
    from windvane.store import Run, Workspace


@app.command()
def explain(
    sku: Annotated[str, typer.Argument(help="Product.")],
    location: Annotated[str | None, typer.Option("--location", "-l", help="Where, if sold at several.")] = None,
    cleaning: Annotated[
        bool, typer.Option("--cleaning", help="Every change that cleaning made to its sales, and why.")
    ] = False,
    run: Which = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Say why a product's forecast, trend and reorder line are what they are.

    Where rows have expired since, what the run stored is still told, and what is missing and why.
    """
    from dataclasses import asdict

    from windvane.outlook.story import changes, tell

    opened = workspace_at(workspace)
    chosen = chosen_run(opened, run)
    if cleaning:
        rows = changes(chosen, sku, location)
        if as_json:
            emit({"run": chosen.id, "sku": sku, "cleaning": rows.drop("sku").to_dicts()})
        elif rows.height:
            show_frame(rows.drop("sku"), f"Changes to the sales of {sku}: {rows.height:,}")
        else:
            say(f"Cleaning changed nothing in the sales of {sku}.")
        return
    story = tell(chosen, _as_read_by(chosen, opened), sku, location)
    if as_json:
        emit({"run": chosen.id, **asdict(story), "cleaning": story.cleaning.to_dicts()})
    else:
        _show_story(story, chosen)


def _as_read_by(run: Run, workspace: Workspace) -> Callable[[str], pl.LazyFrame]:
    """Raw tables as the run read them: what came later, whole tables too, is not there."""
    pinned, as_of = run.manifest["versions"], day(run.manifest["as_of"])

    def read(name: str) -> pl.LazyFrame:
        if name not in pinned:
            return workspace.tables.empty(name).lazy()
        return workspace.tables.read(name, pinned[name], as_of)

    return read


def _show_story(story: Story, run: Run) -> None:
    from rich.markup import escape

    name = f"{story.sku} {story.title}".strip()
    horizon = run.config.forecast.horizon
    say(f"[bold]{escape(name)}[/] at {escape(story.location)}: {story.segment}, forecast by {story.model}")
    say(f"Expected demand over {horizon} periods: {story.published:,.1f} units")
    parts = story.explanation.parts if story.explanation is not None else {}
    for part, units in sorted(parts.items(), key=lambda item: -abs(item[1])):
        say(f"  {units:>+12,.1f}  {part}")
    if story.trend is not None and story.trend["growth"] is not None:
        trend = story.trend
        say(
            f"Trend: {trend['trend']}, {trend['growth']:+.0%} per 28 days "
            f"(80 % interval {trend['growth_low']:+.0%} to {trend['growth_high']:+.0%})"
        )
    if story.reorder is not None:
        say(f"Reorder: {escape(story.reorder['why'])}")
    if story.cleaning.height:
        show_frame(story.cleaning.select("date", "rule", "before", "after", "why").head(10), "Changed in cleaning")
    for what in story.missing:
        say(f"[yellow]·[/] No longer shown: {escape(what)}")
