"""The ``windvane`` command itself: its entry point, and what every verb prints with.

Errors that Windvane raises on purpose are shown as one paragraph; ``--debug`` shows the traceback too. Everything
heavy is imported inside the verbs, so that ``windvane --help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from windvane.errors import ConfigError, WindvaneError

if TYPE_CHECKING:
    from datetime import date, datetime

    import polars as pl
    from rich.console import Console

    from windvane.engine import Progress
    from windvane.store import Run, Workspace


class _Verbs(TyperGroup):
    """The verbs in the order in which their files are imported; typer would put groups of verbs before all others."""

    def list_commands(self, ctx: Any) -> list[str]:
        place = {name: number for number, name in enumerate(sys.modules)}
        return sorted(self.commands, key=lambda name: place[self.commands[name].callback.__module__])


class ListFirst(TyperGroup):
    """A group of verbs; without one of them, ``list`` is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See typer."""
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="windvane",
    cls=_Verbs,
    help="Demand and trend forecasting for online shops, from raw orders to decisions in money.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Option("--workspace", "-w", help="Folder of the workspace.")]
_INTERRUPTED = "Interrupted."
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for machines instead of text.")]

Which = Annotated[
    str | None, typer.Option("--run", help="A published run, such as a look back; default the latest that is none.")
]


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
    except SystemExit as ended:
        if ended.code == 130:  # typer has caught the interruption, and says nothing
            _complain(_INTERRUPTED, "Nothing that was acknowledged is lost; run the same command again.", as_json)
        raise
    except KeyboardInterrupt:
        _complain(_INTERRUPTED, "Nothing that was acknowledged is lost; run the same command again.", as_json)
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


def say(text: str) -> None:
    """Print a line for people; rich markup allowed."""
    console().print(text, highlight=False, soft_wrap=True)


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
    console().print(table)


def workspace_at(folder: Path) -> Workspace:
    """Open the workspace in a folder."""
    from windvane.store import Workspace

    return Workspace.open(folder)


def chosen_run(workspace: Workspace, name: str | None) -> Run:
    """The run that was named after ``--run``; the latest where none was.

    Raises:
        NoRunError: there is no such run, or none at all.
    """
    return workspace.runs.latest() if name is None else workspace.runs.get(name)


def day(text: str | None, option: str = "--as-of") -> date | None:
    """Read a day that was typed after an option.

    Raises:
        ConfigError: it is not a day.
    """
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a day.", "Write it as 2026-11-22.") from None


def moment(text: str | None) -> datetime | None:
    """Read a moment that was typed after ``--recorded-by``; without a time zone it is in local time.

    Raises:
        ConfigError: it is not a moment.
    """
    from datetime import datetime

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise ConfigError(f"--recorded-by {text!r} is not a moment.", "Write it as 2026-11-22T08:00.") from None


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def console() -> Console:
    """The console that text for people goes to."""
    from rich.console import Console

    return Console(file=sys.stdout)


def _complain(message: str, remedy: str, as_json: bool) -> None:
    if as_json:
        emit({"error": message, "remedy": remedy})
    else:
        print(f"windvane: {message} {remedy}".strip(), file=sys.stderr)
