"""``windvane explain``: why a product's figures are what they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, day, emit, say, show_frame, workspace_at

if TYPE_CHECKING:
    from windvane.outlook.story import Story
    from windvane.store import Run


@app.command()
def explain(
    sku: Annotated[str, typer.Argument(help="Product.")],
    location: Annotated[str | None, typer.Option("--location", "-l", help="Where, if sold at several.")] = None,
    cleaning: Annotated[
        bool, typer.Option("--cleaning", help="Every change that cleaning made to its sales, and why.")
    ] = False,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Say why a product's forecast, trend and reorder line are what they are."""
    from dataclasses import asdict

    from windvane.outlook.story import changes, tell

    opened = workspace_at(workspace)
    latest = opened.runs.latest()
    if cleaning:
        rows = changes(latest, sku, location)
        if as_json:
            emit({"run": latest.id, "sku": sku, "cleaning": rows.drop("sku").to_dicts()})
        elif rows.height:
            show_frame(rows.drop("sku"), f"Changes to the sales of {sku}: {rows.height:,}")
        else:
            say(f"Cleaning changed nothing in the sales of {sku}.")
        return
    pinned, as_of = latest.manifest["versions"], day(latest.manifest["as_of"])
    story = tell(latest, lambda name: opened.tables.read(name, pinned.get(name), as_of), sku, location)
    if as_json:
        emit({"run": latest.id, **asdict(story), "cleaning": story.cleaning.to_dicts()})
    else:
        _show_story(story, latest)


def _show_story(story: Story, run: Run) -> None:
    from rich.markup import escape

    name = f"{story.sku} {story.title}".strip()
    horizon = run.config.forecast.horizon
    say(f"[bold]{escape(name)}[/] at {escape(story.location)}: {story.segment}, forecast by {story.model}")
    say(f"Expected demand over {horizon} periods: {story.published:,.1f} units")
    for part, units in sorted(story.explanation.parts.items(), key=lambda item: -abs(item[1])):
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
