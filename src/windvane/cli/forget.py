"""``windvane forget``: erase a person from everything in the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say, workspace_at

if TYPE_CHECKING:
    from windvane.store.erase import Erasure


@app.command()
def forget(
    customers: Annotated[list[str], typer.Argument(help="Customer's identifier, as the shop knows it.")],
    hashed: Annotated[bool, typer.Option("--hashed", help="The argument is a pseudonym already.")] = False,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Erase a customer from tables, all their versions, runs, reports and exports."""
    from windvane.ingest.privacy import pseudonym
    from windvane.store.erase import forget as erase

    opened = workspace_at(workspace)
    customers = [name.strip() for name in customers]
    names = list(customers)
    if not hashed:
        names += [pseudonym(name, opened.secret) for name in customers]
    erasure = erase(opened, names)
    if as_json:
        emit(erasure.as_dict())
    else:
        _show(erasure)


def _show(erasure: Erasure) -> None:
    from rich.markup import escape

    touched = bool(erasure.tables or erasure.run_files or erasure.removed_files)
    if not touched and not erasure.left:
        say(f"[yellow]![/] Erasure {erasure.id}: nothing is held under this identifier, compared letter by letter.")
        return
    say(f"[green]✓[/] Erasure {erasure.id}: done. Counts are of stored rows, older versions among them.")
    for each in erasure.tables:
        what = f"{each.blanked:,} rows emptied" if each.blanked else f"{each.removed:,} rows removed"
        say(f"  {each.table:<11} {what} in {each.files:,} files of {each.versions:,} versions")
    if erasure.run_files:
        say(f"  Tables of runs rewritten: {erasure.run_files:,}")
    if erasure.redacted:
        say(f"  Runs marked as redacted: {', '.join(erasure.redacted)}")
    for name in erasure.removed_files:
        say(f"  Removed {escape(name)}; make it again if you need it.")
    for name in erasure.left:
        say(f"[yellow]![/] {escape(name)} still holds the customer. It is yours: change or remove it yourself.")
