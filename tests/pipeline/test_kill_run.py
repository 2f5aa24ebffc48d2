"""Kill -9 of the real command at random moments: the workspace stays usable, nothing acknowledged is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import corner_shop as shops
import numpy as np
import polars as pl
import pytest

from windvane.pipeline import run
from windvane.store import Workspace

# Groups of five files share a commit, so that a kill can fall between commits of one ingest.
CODE = "from windvane.ingest import intake; intake.FILES = 5; from windvane.cli import main; main()"
COMMAND = [sys.executable, "-c", CODE]
FILES = 40
ROWS = 120
MODELS = ["moving_average", "tsb"]


def start(*words):
    env = {**os.environ, "WINDVANE_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill_at(child, delay):
    """Kill a process after some seconds; whether it died of it, and what it said before."""
    try:
        out, err = child.communicate(timeout=delay)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        out, err = child.communicate()
        return child.returncode == -signal.SIGKILL, out
    assert child.returncode == 0, err
    return False, out


def kills(count, whole, *words):
    """Start a command again and again, and kill it at random moments of its life, until it has died often enough."""
    rng, died = np.random.default_rng(5), 0
    for _ in range(5 * count):
        dead, out = kill_at(start(*words), rng.uniform(0.1, 1.0) * whole)
        died += dead
        yield dead, out
        if died == count:
            return
    raise AssertionError(f"only {died} of {5 * count} died")


def timed(*words):
    """Seconds that a command takes when nobody kills it, and what it says."""
    begin = time.monotonic()
    child = start(*words)
    out, err = child.communicate()
    assert child.returncode == 0, err
    return time.monotonic() - begin, json.loads(out)


def assert_readable(workspace, published):
    rows = {name: published.read(name).height for name in published.tables}
    assert rows == published.tables
    series, horizon = published.read("series").height, published.config.forecast.horizon
    assert rows["forecasts"] == series * horizon > 0
    for folder in (published.folder / "models").iterdir():
        assert any(folder.iterdir())
    assert workspace.tables.read("orders", published.manifest["versions"]["orders"]).collect().height > 0


def run_under_fire(folder, count):
    """Kill runs until ``count`` have died; returns how many of those had got as far as building a run."""
    values = {
        "backtest": {"models": MODELS, "choose_folds": 1, "report_folds": 1, "bootstrap": 100},
        "forecast": {"horizon": 7, "paths": 50},
    }
    workspace = shops.shop(folder, shops.only(shops.tables(products=8, days=90), "orders", "products"), values)
    before = run(workspace).id
    lines = workspace.tables.rows("orders")
    whole, _ = timed("run", "-w", folder, "--json")
    before = Workspace.open(folder).runs.latest().id
    building = 0
    for dead, out in kills(count, whole, "run", "-w", folder, "--json"):
        building += bool(list((folder / "runs").glob(".building-*")))
        workspace = Workspace.open(folder)  # the next command, whatever it is, clears up
        assert not list((folder / "runs").glob(".building-*"))
        assert not list((folder / "leases").iterdir())
        assert not list((folder / "runs").glob(".CURRENT*"))
        latest = workspace.runs.latest()
        assert latest.id >= before
        if out.strip():
            assert json.loads(out)["run"] == latest.id, "what was acknowledged is there"
        if not dead:
            assert latest.id > before
        assert latest.id == workspace.runs.list()[-1].id
        assert_readable(workspace, latest)
        assert workspace.tables.rows("orders") == lines
        before = latest.id
    _, said = timed("run", "-w", folder, "--json")
    assert Workspace.open(folder).runs.latest().id == said["run"] > before
    assert timed("doctor", "-w", folder, "--json")[1]["healthy"]
    return building


def write_orders(folder):
    """Files of orders; every file also holds one bad row."""
    folder.mkdir()
    for number in range(FILES):
        rows = [f"{number}-{i},2025-02-01 10:00,s{i % 7},{1 + (number + i) % 5}" for i in range(ROWS)]
        text = "\n".join(["order_id,ordered_at,sku,units", *rows, f"{number}-bad,2025-02-01 10:00,s1,many"])
        (folder / f"orders-{number:03d}.csv").write_text(text + "\n")


def units_of(number):
    return sum(1 + (number + i) % 5 for i in range(ROWS))


def assert_ingested(folder, files):
    """Exactly the rows of whole files, each once; the acknowledged ones among them."""
    workspace = Workspace.open(folder)
    orders = workspace.tables.read("orders").select("order_id", "units").collect()
    assert orders.height == workspace.tables.rows("orders") == orders["order_id"].n_unique()
    there = orders.group_by(pl.col("order_id").str.extract(r"^(\d+)-").cast(int).alias("file")).agg(
        pl.len().alias("rows"), pl.col("units").sum()
    )
    for number, rows, units in there.iter_rows():
        assert (rows, units) == (ROWS, units_of(number)), "a file is there in part"
    assert files <= set(there["file"])
    refused = workspace.tables.read("quarantine").collect()
    assert refused.height == refused["file"].n_unique()
    return set(there["file"])


def ingest_under_fire(root, count):
    """Kill ingests of all files until ``count`` have died; returns after how many some files were in, others not."""
    folder = root / "shop"
    Workspace.create(folder)
    write_orders(root / "files")
    words = ("ingest", root / "files", "-t", "orders", "-w", folder, "--json")
    spare = root / "spare"
    Workspace.create(spare)
    whole, _ = timed("ingest", root / "files", "-t", "orders", "-w", spare, "--json")
    partly, sure = 0, set()
    for _, out in kills(count, whole, *words):
        if out.strip():
            json.loads(out)
            sure = set(range(FILES))
        found = assert_ingested(folder, sure)
        partly += 0 < len(found) < FILES
        sure = found
        if len(sure) == FILES:  # begin anew, so that every kill meets work
            shutil.rmtree(folder)
            Workspace.create(folder)
            sure = set()
    timed(*words)
    assert assert_ingested(folder, sure) == set(range(FILES))
    _, again = timed(*words)
    assert all(file["already"] for report in again["reports"] for file in report["files"])
    assert timed("doctor", "-w", folder, "--json")[1]["healthy"]
    total = Workspace.open(folder).tables.read("orders").select(pl.col("units").sum()).collect().item()
    assert total == sum(units_of(number) for number in range(FILES))
    return partly


def test_a_killed_run_leaves_the_last_one(tmp_path):
    run_under_fire(tmp_path / "shop", 6)


def test_a_killed_ingest_loses_and_doubles_nothing(tmp_path):
    ingest_under_fire(tmp_path, 6)


@pytest.mark.slow
def test_fifty_killed_runs(tmp_path):
    building = run_under_fire(tmp_path / "shop", 50)
    print(f"50 runs died, {building} of them while building")
    assert building >= 5


@pytest.mark.slow
def test_fifty_killed_ingests(tmp_path):
    partly = ingest_under_fire(tmp_path, 50)
    print(f"50 ingests died, after {partly} some files were in and some were not")
    assert partly >= 5
