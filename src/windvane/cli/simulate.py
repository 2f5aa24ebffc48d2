"""``windvane simulate``: a made-up shop with known truth, as files."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, app, emit, progress, say
from windvane.errors import ConfigError


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="New folder for the files.")],
    products: Annotated[int, typer.Option(help="Products, 1 to 1,000,000.")] = 200,
    days: Annotated[int, typer.Option(help="Days of trade.")] = 365,
    start: Annotated[str, typer.Option(help="First day.")] = "2024-01-01",
    language: Annotated[str, typer.Option(help="Language of titles and texts, and whose festivals: en or zh.")] = "en",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same shop.")] = 1,
    form: Annotated[str, typer.Option("--format", "-f", help="csv or parquet.")] = "csv",
    by_day: Annotated[bool, typer.Option("--by-day", help="One CSV file per table and day, as exports come.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting, as NAME=VALUE; may be given many times.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the files of a made-up shop, and in truth/ what really was behind them."""
    from windvane.sim import simulate as make
    from windvane.sim import write
    from windvane.sim.settings import parse

    try:
        first = date.fromisoformat(start)
    except ValueError:
        raise ConfigError(f"--start {start!r} is not a day.", "Write it as 2024-01-01.") from None
    given = {"products": products, "days": days, "start": first, "language": language}
    shop = make(parse(settings or [], given), seed)
    done = write(shop, folder, form, by_day, progress=progress(as_json))
    if as_json:
        emit({"folder": str(done.folder), "files": done.files, "rows": done.rows, "truth": done.truth})
        return
    say(f"[green]✓[/] {folder}: {sum(done.rows.values()):,} rows in {done.files:,} files")
    for name, rows in sorted(done.rows.items(), key=lambda item: -item[1]):
        say(f"  {name:<12} {rows:>12,}")
    say(f"What really was behind them: {folder / 'truth'}")
