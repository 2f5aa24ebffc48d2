"""Whether a workspace is sound: settings, key, tables, runs, leftovers, libraries, disk."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from windvane import __version__
from windvane.errors import WindvaneError
from windvane.store.erase import interrupted
from windvane.store.runs import library_versions
from windvane.store.tables import MANY_FILES
from windvane.store.workspace import Workspace

_LOW_DISK = 1 << 30


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes:
        check: what was looked at.
        state: 'ok', 'note' (nothing is wrong, but look) or 'bad'.
        detail: what was found.
        remedy: what to do about it; empty where all is well.
    """

    check: str
    state: str
    detail: str
    remedy: str = ""


def examine(folder: Path) -> list[Finding]:
    """Look at everything in a workspace and change nothing but leftovers of dead processes.

    Returns:
        One finding per check, in a fixed order.
    """
    findings = [_versions()]
    try:
        workspace = Workspace.open(folder)
    except WindvaneError as error:
        return [*findings, Finding("workspace", "bad", error.message, error.remedy)]
    findings.append(Finding("workspace", "ok", str(workspace.folder)))
    findings += [Finding("leftovers", "note", note) for note in workspace.swept.notes]
    findings.append(_key(workspace))
    findings += _tables(workspace)
    findings += _erasures(workspace)
    findings += _runs(workspace)
    findings.append(_orphans(workspace))
    findings.append(_disk(workspace))
    return findings


def _versions() -> Finding:
    libraries = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    return Finding("versions", "ok", f"windvane {__version__}, Python {platform.python_version()}, {libraries}")


def _key(workspace: Workspace) -> Finding:
    try:
        size = len(workspace.secret)
    except WindvaneError as error:
        return Finding("key", "bad", error.message, error.remedy)
    mode = (workspace.folder / "secret").stat().st_mode & 0o777
    if mode & 0o077 and sys.platform != "win32":
        return Finding("key", "bad", f"Others may read the key file (mode {mode:o}).", "Run: chmod 600 secret")
    return Finding("key", "ok", f"{size * 8} bits, readable by its owner alone")


def _tables(workspace: Workspace) -> list[Finding]:
    findings: list[Finding] = []
    for name in sorted(path.name for path in workspace.tables.folder.iterdir() if path.is_dir()):
        try:
            version = workspace.tables.version(name)
            if version is None:
                continue
            rows = workspace.tables.read(name).select(pl.len()).collect().item()
            findings.append(Finding(f"table {name}", "ok", f"{rows:,} rows, version {version}"))
            if (small := workspace.tables.small_files(name)) > MANY_FILES:
                what = f"{small} small data files make reading slow"
                findings.append(Finding(f"table {name}", "note", what, f"Run: windvane compact {name}"))
        except (WindvaneError, pl.exceptions.PolarsError, OSError) as error:
            findings.append(Finding(f"table {name}", "bad", str(error), "Restore the folder from a backup."))
    if not findings:
        findings.append(Finding("tables", "note", "There is no data yet.", "Run: windvane ingest"))
    return findings


def _erasures(workspace: Workspace) -> list[Finding]:
    return [
        Finding("erasure", "bad", f"A {what} died half way: not everything is erased.", "Run the same command again.")
        for what in interrupted(workspace.folder)
    ]


def _runs(workspace: Workspace) -> list[Finding]:
    findings: list[Finding] = []
    runs = workspace.runs.list()
    for run in runs:
        try:
            for table, rows in run.tables.items():
                found = run.scan(table).select(pl.len()).collect().item()
                if found != rows:
                    raise OSError(f"table {table} holds {found} rows, the manifest says {rows}")
        except (WindvaneError, pl.exceptions.PolarsError, OSError) as error:
            findings.append(Finding(f"run {run.id}", "bad", str(error), f"Remove the folder {run.folder}."))
    if not findings and runs:
        back = sum(run.look_back for run in runs)
        told = f", {back} of them looking back" if back else ""
        findings.append(Finding("runs", "ok", f"{len(runs)} kept{told}, latest {workspace.runs.latest().id}"))
    return findings or [Finding("runs", "note", "Nothing has been published yet.", "Run: windvane run")]


def _orphans(workspace: Workspace) -> Finding:
    found = workspace.vacuum(dry_run=True)
    if not found.removed_files:
        return Finding("unused files", "ok", "none")
    size = f"{found.freed_bytes / 1e6:,.1f} MB"
    return Finding("unused files", "note", f"{found.removed_files} data files, {size}", "Run: windvane doctor --vacuum")


def _disk(workspace: Workspace) -> Finding:
    free = shutil.disk_usage(workspace.folder).free
    state = "ok" if free >= _LOW_DISK else "bad"
    return Finding("disk", state, f"{free / 1e9:,.1f} GB free", "" if state == "ok" else "Make room.")
