"""The command line: one verb per stage, and what goes round them.

Everything heavy is imported inside the verbs, so that ``windvane --help`` answers at once. Errors that Windvane
raises on purpose are shown as one paragraph; ``--debug`` shows the traceback too.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windvane.errors import ConfigError, WindvaneError

if TYPE_CHECKING:
    from datetime import date

    import polars as pl
    from rich.console import Console

    from windvane.engine import Progress
    from windvane.ingest import IngestReport
    from windvane.outlook.story import Story
    from windvane.store import Run, Workspace

app = typer.Typer(
    name="windvane",
    help="Demand and trend forecasting for online shops, from raw orders to decisions in money.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Option("--workspace", "-w", help="Folder of the workspace.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for machines instead of text.")]


@app.callback()
def _global(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Demand and trend forecasting for online shops, from raw orders to decisions in money."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``windvane`` command.

    Args:
        arguments: words after the command's name; those of the process where absent.

    Raises:
        SystemExit: always; 0 = done, 1 = an error, 2 = wrong usage, 130 = interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    as_json = "--json" in words
    words = [word for word in words if word != "--debug"]
    try:
        app(args=words, prog_name="windvane")
    except WindvaneError as error:
        if debug:
            raise
        _complain(error.message, error.remedy, as_json)
        sys.exit(1)
    except KeyboardInterrupt:
        _complain("Interrupted.", "Nothing that was acknowledged is lost; run the same command again.", as_json)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if debug:
            raise
        where = f" ({error.filename})" if error.filename else ""
        _complain(f"{error.strerror or error}{where}.", "Check the path, its permissions and the free space.", as_json)
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        what = f"Windvane failed unexpectedly: {type(error).__name__}: {error}"
        _complain(what, "Run the same command with --debug and report it.", as_json)
        sys.exit(1)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new workspace.")] = Path("."),
    name: Annotated[str, typer.Option(help="Name of the shop.")] = "my shop",
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the shop's currency.")] = "USD",
    country: Annotated[str, typer.Option(help="ISO 3166 code, for public holidays.")] = "US",
    language: Annotated[str, typer.Option(help="Language of sentences in results: en or zh.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Make a new workspace."""
    from pydantic import ValidationError

    from windvane.config import Shop
    from windvane.store import Workspace

    try:
        shop = Shop.model_validate({"name": name, "currency": currency, "country": country, "language": language})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--{first['loc'][0]}: {first['msg'].lower()}.", "Correct the option.") from None
    workspace = Workspace.create(folder, shop)
    where = "" if workspace.folder == Path.cwd() else f" -w {folder}"
    if as_json:
        emit({"workspace": str(workspace.folder)})
    else:
        say(f"[green]✓[/] Workspace {workspace.folder} is ready. Next: windvane ingest FILES --mapping NAME{where}")


@app.command()
def ingest(
    sources: Annotated[list[Path] | None, typer.Argument(help="CSV or Parquet files, or one folder.")] = None,
    mapping: Annotated[str | None, typer.Option("--mapping", "-m", help="Shipped mapping, or a TOML file.")] = None,
    table: Annotated[str | None, typer.Option("--table", "-t", help="Table, if columns carry our names.")] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Read files into the workspace's tables; bad rows go to quarantine."""
    from windvane.ingest import ingest as run_ingest
    from windvane.ingest.sources import resolve

    opened = _open(workspace)
    reports = [
        run_ingest(opened, found, paths, progress(as_json)) for found, paths in resolve(sources or [], mapping, table)
    ]
    if as_json:
        emit({"reports": [report.as_dict() for report in reports]})
    else:
        _show_ingest(reports)


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

    held = _open(workspace).tables.read("quarantine").collect()
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


@app.command()
def doctor(
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Remove data files that nothing needs.")] = False,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Check the workspace, and clear up what dead processes left."""
    from dataclasses import asdict

    from windvane.store import Workspace
    from windvane.store.doctor import examine

    freed = Workspace.open(workspace).vacuum() if vacuum else None
    findings = examine(workspace)
    bad = any(finding.state == "bad" for finding in findings)
    if as_json:
        emit(
            {"healthy": not bad, "findings": [asdict(f) for f in findings], "vacuum": asdict(freed) if freed else None}
        )
    else:
        marks = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "bad": "[red]✗[/]"}
        from rich.markup import escape

        for finding in findings:
            text = escape(f"{finding.check}: {finding.detail} {finding.remedy}".strip())
            say(f"{marks[finding.state]} {text}")
        if freed is not None:
            say(f"Removed {freed.removed_files} data files, {freed.freed_bytes / 1e6:,.1f} MB.")
    if bad:
        raise typer.Exit(1)


@app.command()
def run(
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="See only what was known at the end of this day.")
    ] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Clean, backtest, forecast, decide; publish the results as a whole."""
    from windvane.pipeline import run as run_pipeline

    published = run_pipeline(_open(workspace), _day(as_of), progress(as_json))
    if as_json:
        emit({"run": published.id, "tables": published.tables, "stages": published.manifest["stages"]})
    else:
        _show_run(published)


@app.command()
def report(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML file; default report.html.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh; default the shop's.")] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write the latest run as one HTML page that needs no network."""
    from windvane.report import write

    opened = _open(workspace)
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

    latest = _open(workspace).runs.latest()
    fmt = fmt or ((output.suffix.lstrip(".") if output else "") or "csv")
    path = write(latest, table, output or Path(f"{table}.{fmt}"), fmt)
    if as_json:
        emit({"file": str(path), "rows": latest.tables[table], "run": latest.id})
    else:
        say(f"[green]✓[/] {path}: {latest.tables[table]:,} rows of run {latest.id}")


@app.command()
def explain(
    sku: Annotated[str, typer.Argument(help="Product.")],
    location: Annotated[str | None, typer.Option("--location", "-l", help="Where, if sold at several.")] = None,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Say why a product's forecast, trend and reorder line are what they are."""
    from dataclasses import asdict

    from windvane.outlook.story import tell

    opened = _open(workspace)
    latest = opened.runs.latest()
    pinned, as_of = latest.manifest["versions"], _day(latest.manifest["as_of"])
    story = tell(latest, lambda name: opened.tables.read(name, pinned.get(name), as_of), sku, location)
    if as_json:
        emit({"run": latest.id, **asdict(story), "cleaning": story.cleaning.to_dicts()})
    else:
        _show_story(story, latest)


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


def say(text: str) -> None:
    """Print a line for people; rich markup allowed."""
    _console().print(text, highlight=False, soft_wrap=True)


def emit(value: Any) -> None:
    """Print a value as JSON, for machines."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def progress(quiet: bool) -> Progress:
    """Progress for long work: a bar with the remaining time on a terminal, silence elsewhere."""
    from windvane.engine import SILENT

    if quiet or not sys.stderr.isatty():
        return SILENT
    from windvane.engine.terminal import RichProgress

    return RichProgress()


def show_frame(frame: pl.DataFrame, title: str) -> None:
    """Print a small frame as a table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name, kind in frame.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*("" if cell is None else escape(_cell(cell)) for cell in row))
    _console().print(table)


def _open(folder: Path) -> Workspace:
    from windvane.store import Workspace

    return Workspace.open(folder)


def _day(text: str | None) -> date | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--as-of {text!r} is not a day.", "Write it as 2026-11-22.") from None


def _show_run(published: Run) -> None:
    from windvane.report.summary import lines

    stages = published.manifest["stages"]
    seconds = sum(stage["seconds"] for stage in stages)
    say(f"[green]✓[/] Run {published.id} published in {seconds:.1f} s")
    for stage in stages:
        say(f"  {stage['stage']:<9} {stage['rows']:>12,} rows {stage['seconds']:>8.1f} s {stage['peak_mb']:>8,.0f} MB")
    for line in lines(published):
        say(line)


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


def _show_ingest(reports: list[IngestReport]) -> None:
    from rich.markup import escape
    from rich.table import Table

    every = [file for report in reports for file in report.files]
    names = ["read", "accepted"]
    names += [n for n in ("set_aside", "refused", "repeated", "superseded") if any(getattr(f, n) for f in every)]
    table = Table(title="Ingested", title_justify="left")
    table.add_column("table")
    table.add_column("file", overflow="fold")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for file in every:
        note = " (unchanged)" if file.already else ""
        table.add_row(file.table, escape(file.file) + note, *(f"{getattr(file, name):,}" for name in names))
    _console().print(table)
    _show_reasons(reports)
    for report in reports:
        budget = report.budget
        say(f"{report.mapping}: {budget.rows:,} rows, {budget.seconds:.1f} s, peak {budget.peak_mb:,.0f} MB")


def _show_reasons(reports: list[IngestReport]) -> None:
    from rich.markup import escape

    lines: list[str] = []
    for report in reports:
        for file in report.files:
            for each in file.reasons[:5]:
                example = f", e.g. line {each.line}" + (f": {each.value!r}" if each.value is not None else "")
                lines.append(escape(f"  {file.table}: {each.rows:,} × {each.reason}{example}"))
    if lines:
        say("In quarantine (see: windvane quarantine):")
        for line in lines:
            say(line)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout)


def _complain(message: str, remedy: str, as_json: bool) -> None:
    if as_json:
        emit({"error": message, "remedy": remedy})
    else:
        print(f"windvane: {message} {remedy}".strip(), file=sys.stderr)
