"""Hundreds of malformed files: each ends in a clear error or in quarantine, and never in anything else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from malformed_cases import GOOD, cases

HERE = Path(__file__).parent
MEMORY = 400
"""MiB that all the files together may take above what the process holds after its first file."""


def run(folder, kind):
    """Results of all cases of a kind, by name, and the memory before the first."""
    command = [sys.executable, str(HERE / "malformed_run.py"), str(folder), "0", "1", kind]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1800, check=False, env={**os.environ, "PYTHONPATH": str(HERE)}
    )
    first, *results = map(json.loads, done.stdout.splitlines())
    missing = [name for name in first["names"] if name not in {each["name"] for each in results}]
    assert not missing, f"the process died in {missing[0]}: {done.stderr[-2000:]}"
    return first["base"], results


def faults(case, said):
    """What is wrong with what came of a case."""
    outcome = said["outcome"]
    if outcome == "crash":
        return [said["message"]]
    found = []
    if said["left"]:
        found.append(f"left {said['left']} beside the file")
    if outcome == "error":
        if not said["same"] or said["added"] or said["quarantined"]:
            found.append("an error, yet tables changed")
        if len(said["message"]) < 15 or len(said["message"]) > 1500 or not said["remedy"]:
            found.append(f"an error that does not say what and what to do: {said['message'][:200]!r}")
    elif said["added"] != said["accepted"]:
        found.append(f"{said['accepted']} rows accepted, {said['added']} there")
    elif said["read"] - said["repeated"] > said["accepted"] + said["quarantined"]:
        found.append(f"of {said['read']} rows read {said['accepted']} accepted, {said['quarantined']} in quarantine")
    wanted = {
        "error": outcome == "error",
        "quarantine": outcome == "taken" and said["quarantined"] and said["accepted"] >= GOOD - 1,
        "fine": outcome == "taken" and not said["quarantined"] and said["accepted"] >= GOOD,
        "any": True,
    }
    if not wanted[case.expect]:
        found.append(f"should be {case.expect}, is {said}")
    return found


def check(folder, kind):
    base, results = run(folder, kind)
    known = {case.name: case for case in cases()}
    wrong = {said["name"]: found for said in results if (found := faults(known[said["name"]], said))}
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)
    peak = max(said["peak"] for said in results) - base
    assert peak < MEMORY, f"{peak} MiB"
    return results


def test_no_malformed_file_does_any_harm(tmp_path):
    results = check(tmp_path, "fast")
    outcomes = [said["outcome"] for said in results]
    assert len(results) >= 300
    assert outcomes.count("error") >= 150
    assert outcomes.count("taken") >= 150


@pytest.mark.slow
def test_neither_do_the_large_ones(tmp_path):
    check(tmp_path, "slow")
