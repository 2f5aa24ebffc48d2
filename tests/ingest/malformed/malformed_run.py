"""Run cases one after the other in a process of their own, and say of each what came of it, one JSON line each.

Usage: malformed_run.py FOLDER FIRST STEP SLOW
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path

import polars as pl
from malformed_cases import GOOD, Case, cases, table

from windvane.errors import WindvaneError
from windvane.ingest import ingest
from windvane.ingest.read import packed
from windvane.ingest.sources import resolve
from windvane.store import Workspace

BOMB = 16 << 20
"""What a bomb must have given before it is stopped; half a gigabyte outside of tests."""


def take(workspace: Workspace, path: Path) -> dict[str, int]:
    """Ingest a file as a shop would; what was read, accepted and refused."""
    reports = [
        file for mapping, source in resolve([path], None, "orders") for file in ingest(workspace, mapping, source).files
    ]
    keys = ("read", "accepted", "refused", "superseded", "repeated")
    return {key: sum(getattr(each, key) for each in reports) for key in keys}


def height(workspace: Workspace, name: str) -> int:
    """Rows of a table."""
    return int(workspace.tables.read(name).select(pl.len()).collect().item())


def told(workspace: Workspace, case: Case, folder: Path) -> dict[str, object]:
    """What came of one case."""
    folder.mkdir()
    path = case.put(folder)
    before = workspace.tables.versions()
    rows, held = height(workspace, "orders"), height(workspace, "quarantine")
    start = time.perf_counter()
    said: dict[str, object] = {"name": case.name, "outcome": "taken"}
    try:
        said |= take(workspace, path)
    except WindvaneError as error:
        said |= {"outcome": "error", "message": error.message, "remedy": error.remedy}
    except BaseException:
        said |= {"outcome": "crash", "message": traceback.format_exc()[-2000:]}
    said["seconds"] = time.perf_counter() - start
    said["same"] = workspace.tables.versions() == before
    said["added"] = 0 if said["same"] else height(workspace, "orders") - rows
    said["quarantined"] = 0 if said["same"] else height(workspace, "quarantine") - held
    said["left"] = sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each != path)
    said["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return said


def main(folder: Path, first: int, step: int, slow: bool) -> None:
    """Run every ``step``-th case from ``first`` on."""
    packed.MIN_BOMB = packed.MIN_BOMB if slow else BOMB
    mine = [case for case in cases() if case.slow == slow][first::step]
    shop(folder / "model")
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"base": base, "names": [case.name for case in mine]}), flush=True)
    for index, case in enumerate(mine):
        inside = folder / f"{index:04d}"
        shutil.copytree(folder / "model", inside / "shop")
        print(json.dumps(told(Workspace.open(inside / "shop"), case, inside / "given")), flush=True)
        shutil.rmtree(inside)


def shop(folder: Path) -> None:
    """Make a workspace that has something to lose: good rows, and a bad one in quarantine."""
    workspace = Workspace.create(folder)
    start = folder / "start.csv"
    start.write_text(table("start", "bad,2024-05-01,sku1,none,1"))
    assert take(workspace, start)["accepted"] == GOOD
    start.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "slow")
