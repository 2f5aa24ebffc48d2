"""``windvane doctor``: is the workspace sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say


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
