"""``windvane expire``: erase what is older than the settings allow."""

from __future__ import annotations

from pathlib import Path

from windvane.cli.app import AsJson, Folder, app, emit, say, workspace_at
from windvane.errors import ConfigError


@app.command()
def expire(workspace: Folder = Path("."), as_json: AsJson = False) -> None:
    """Erase what is older than ingest.retain allows, from tables and all their versions."""
    from windvane.ingest.privacy.retention import apply_retention

    opened = workspace_at(workspace)
    if not opened.config.ingest.retain:
        raise ConfigError("No retention period is set.", "Set one under [ingest], such as: retain = { events = 400 }")
    done = apply_retention(opened)
    if as_json:
        emit({name: erasure.as_dict() for name, erasure in done.items()})
        return
    for name, days in opened.config.ingest.retain.items():
        tables = done[name].tables if name in done else []
        told = "; ".join(f"{each.removed + each.blanked:,} rows in {each.files:,} files" for each in tables)
        say(f"[green]✓[/] {name}, {days:,} days: {told or 'nothing is older'}")
    redacted = sorted({run for erasure in done.values() for run in erasure.redacted})
    if redacted:
        say(f"  Runs that had read these rows: {', '.join(redacted)}.")
        say("  They keep what they stored; windvane explain says where a forecast can no longer be taken apart.")
