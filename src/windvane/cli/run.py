"""``windvane run`` and ``windvane demo``: the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, day, emit, moment, progress, say, workspace_at

if TYPE_CHECKING:
    from windvane.store import Run


@app.command()
def run(
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Look back: see only what was known at the end of this day, which is over."),
    ] = None,
    recorded_by: Annotated[
        str | None,
        typer.Option("--recorded-by", help="Look back: tables as they stood at this moment, e.g. 2026-11-22T08:00."),
    ] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Clean, backtest, forecast, decide; publish the results as a whole, and write them as report.html.

    A look back (--as-of, --recorded-by) is kept beside the present and never replaces it: its report is named after its
    day, and the other verbs go on with the latest run unless --run names it.
    """
    from windvane.pipeline import run as run_pipeline
    from windvane.report import file_name, write

    opened = workspace_at(workspace)
    published = run_pipeline(opened, day(as_of), progress(as_json), moment(recorded_by))
    page = write(published, opened.folder / file_name(published))
    latest = opened.runs.latest()
    if as_json:
        told = {"run": published.id, "look_back": published.look_back, "latest": latest.id, "report": str(page)}
        emit({**told, "tables": published.tables, "stages": published.manifest["stages"]})
    else:
        _show_run(published)
        say(f"[green]✓[/] {page}")
        if latest.id != published.id:
            say(f"[yellow]·[/] A look back: the latest run is still {latest.id}. To go on with this one: --run")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for the demo's workspace and report.")] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Run everything on real groceries: 1.47 million transactions of 2017 (needs the extra "demo")."""
    from windvane.demo import run_demo

    result = run_demo(folder, progress(as_json), (lambda text: None) if as_json else say)
    if as_json:
        emit(result)


def _show_run(published: Run) -> None:
    from windvane.report.summary import lines

    stages = published.manifest["stages"]
    seconds = sum(stage["seconds"] for stage in stages)
    say(f"[green]✓[/] Run {published.id} published in {seconds:.1f} s")
    for stage in stages:
        say(f"  {stage['stage']:<9} {stage['rows']:>12,} rows {stage['seconds']:>8.1f} s {stage['peak_mb']:>8,.0f} MB")
    for line in lines(published):
        say(line)
