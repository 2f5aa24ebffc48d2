"""Kill -9 at random moments: nothing acknowledged is lost or doubled, and the workspace stays usable."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import polars as pl
import pytest

from windvane.ingest import ingest
from windvane.ingest.mapping import load
from windvane.store import Workspace

ROWS = 40
MAPPING = """
[orders]
file = "orders-*.csv"
[orders.columns]
order_id = "id"
ordered_at = "at"
sku = "sku"
units = "units"
customer = "who"
[[products]]
file = "orders-*.csv"
[products.columns]
sku = "id"
title = "sku"
"""

INGEST = """
import sys
from pathlib import Path
from windvane.ingest import ingest
from windvane.ingest.mapping import load
from windvane.store import Workspace
root = Path(sys.argv[1])
workspace, mapping = Workspace.open(root / "shop"), load(root / "mapping.toml")
print("ready", flush=True)
for path in sorted((root / "files").glob("*.csv")):
    if not all(report.already for report in ingest(workspace, mapping, [path]).files):
        print(path.name, flush=True)
print("end", flush=True)
"""

TOGETHER = """
import sys
from pathlib import Path
from windvane.ingest import ingest, intake
from windvane.ingest.mapping import load
from windvane.store import Workspace
root = Path(sys.argv[1])
workspace, mapping = Workspace.open(root / "shop"), load(root / "mapping.toml")
intake.SECONDS = 0.05
settle = intake.Intake._settle
def told(self, place, report, size):
    settle(self, place, report, size)
    if report.table == "orders" and not report.already:
        print(report.file, flush=True)
intake.Intake._settle = told
print("ready", flush=True)
ingest(workspace, mapping, root / "files")
print("end", flush=True)
"""

PUBLISH = """
import sys
import polars as pl
from pathlib import Path
from windvane.store import Workspace
workspace = Workspace.open(Path(sys.argv[1]) / "shop")
number = int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    with workspace.runs.start() as run:
        run.write("panel", pl.DataFrame({"value": [number] * 500}))
        run.write("trends", pl.DataFrame({"value": [number]}))
        run.publish()
    print(number, flush=True)
"""


def run_and_kill(script, arguments, delay):
    """Start a script, kill it ``delay`` seconds after it is ready; return the lines it had printed since."""
    child = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(line.strip() for line in child.stdout))
    reader.start()
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.wait()
    reader.join()
    child.stdout.close()
    child.stderr.close()
    return lines


def kills(count):
    rng = np.random.default_rng(20240101)
    return rng.uniform(0.0, 0.35, count)


@pytest.fixture
def shop(tmp_path):
    Workspace.create(tmp_path / "shop")
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "files").mkdir()
    for number in range(60):
        rows = [f"{number}-{i},2024-01-01 10:00,sku {i % 7},1,{i}" for i in range(ROWS - 1)]
        rows.append(f"{number}-bad,2024-01-01 10:00,sku,many,x")
        text = "\n".join(["id,at,sku,units,who", *rows]) + "\n"
        (tmp_path / "files" / f"orders-{number:03d}.csv").write_text(text)
    return tmp_path


def check_ingested(root, acknowledged):
    workspace = Workspace.open(root / "shop")
    orders = workspace.tables.read("orders").select("order_id").collect()["order_id"]
    assert orders.n_unique() == orders.len() == workspace.tables.rows("orders")
    files = orders.str.extract(r"^(\d+)-", 1).value_counts().rows()
    assert all(count == ROWS - 1 for _, count in files), "a file is there in part"
    assert {int(name[7:10]) for name in acknowledged} <= {int(name) for name, _ in files}
    products = workspace.tables.read("products").collect()
    assert products.height == workspace.tables.rows("products")
    quarantine = workspace.tables.read("quarantine").collect()
    assert quarantine.height == workspace.tables.rows("quarantine")
    refused = quarantine.filter(pl.col("table") == "orders")["file"]
    assert refused.n_unique() == refused.len()
    assert set(acknowledged) <= set(refused)
    return workspace


def ingest_under_fire(root, count, script=INGEST):
    acknowledged, interrupted = [], 0
    for delay in kills(count):
        lines = run_and_kill(script, [root], delay)
        interrupted += "end" not in lines
        acknowledged += [line for line in lines if line != "end"]
        check_ingested(root, acknowledged)
    # The same command again completes what was interrupted, once.
    workspace = Workspace.open(root / "shop")
    ingest(workspace, load(root / "mapping.toml"), root / "files")
    workspace = check_ingested(root, [f"orders-{n:03d}.csv" for n in range(60)])
    assert workspace.tables.rows("orders") == 60 * (ROWS - 1)
    workspace.vacuum()
    assert workspace.tables.read("orders").select(pl.len()).collect().item() == 60 * (ROWS - 1)
    return interrupted


def publish_under_fire(root, count):
    last = 0
    for delay in kills(count):
        lines = run_and_kill(PUBLISH, [root, last], delay)
        acknowledged = max([last, *(int(line) for line in lines)])
        workspace = Workspace.open(root / "shop")
        assert not list((root / "shop" / "runs").glob(".building-*"))
        assert not list((root / "shop" / "leases").iterdir())
        if not workspace.runs.list():
            assert acknowledged == 0
            continue
        for run in workspace.runs.list():
            values = run.read("panel")["value"].unique().to_list()
            assert values == run.read("trends")["value"].to_list()
        run = workspace.runs.latest()
        last = run.read("trends")["value"].item()
        assert last in (acknowledged, acknowledged + 1)
        assert run.id == workspace.runs.list()[-1].id
    return last


def test_ingest_survives_kills(shop):
    assert ingest_under_fire(shop, 8) >= 1


def test_files_that_share_commits_survive_kills(shop):
    assert ingest_under_fire(shop, 8, TOGETHER) >= 1


def test_publishing_survives_kills(shop):
    assert publish_under_fire(shop, 8) >= 1


def test_two_processes_may_ingest_the_same_files_at_once(shop):
    for path in sorted((shop / "files").glob("*.csv"))[15:]:
        path.unlink()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", INGEST, str(shop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [child.communicate(timeout=120) for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    workspace = check_ingested(shop, [f"orders-{n:03d}.csv" for n in range(15)])
    assert workspace.tables.rows("orders") == 15 * (ROWS - 1)
    assert workspace.tables.rows("quarantine") == 15


@pytest.mark.slow
def test_ingest_survives_many_kills(shop):
    assert ingest_under_fire(shop, 25) >= 1


@pytest.mark.slow
def test_files_that_share_commits_survive_many_kills(shop):
    assert ingest_under_fire(shop, 25, TOGETHER) >= 1


@pytest.mark.slow
def test_publishing_survives_many_kills(shop):
    assert publish_under_fire(shop, 25) >= 1
