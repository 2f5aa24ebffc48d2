"""Kill -9 while two processes ingest and a third compacts: what was reported done is there once, by count and sum."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import polars as pl
import pytest

from windvane.store import Workspace
from windvane.store.doctor import examine

FILES, ROWS, COMMON = 48, 30, 10
MAPPING = """
[orders]
file = "orders-*.csv"
[orders.columns]
order_id = "id"
ordered_at = "at"
sku = "sku"
units = "units"
customer = "who"
"""

INGEST = """
import sys
from pathlib import Path
from windvane.ingest import ingest
from windvane.ingest.mapping import load
from windvane.store import Workspace
root, step = Path(sys.argv[1]), int(sys.argv[2])
workspace, mapping = Workspace.open(root / "shop"), load(root / "mapping.toml")
print("ready", flush=True)
for path in sorted((root / "files").glob("*.csv"))[::step]:
    ingest(workspace, mapping, [path])
    print(path.name, flush=True)
print("end", flush=True)
"""

COMPACT = """
import sys
from pathlib import Path
from windvane.store import Workspace
workspace = Workspace.open(Path(sys.argv[1]) / "shop")
print("ready", flush=True)
while True:
    done = [workspace.tables.compact(name) for name in ("orders", "quarantine")]
    workspace.vacuum()
    if any(each.files_before > each.files_after for each in done):
        print("compacted", flush=True)
"""


def units(number):
    """What a file sells of each row; all sums of files differ."""
    return number + 1


@pytest.fixture
def shop(tmp_path):
    Workspace.create(tmp_path / "shop")
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "files").mkdir()
    for number in range(FILES):
        rows = [f"{number:03d}-{i},2024-01-01 10:00,sku {i % 7},{units(number)},{i}" for i in range(ROWS - 1)]
        rows.append(f"{number:03d}-bad,2024-01-01 10:00,sku,many,x")
        text = "\n".join(["id,at,sku,units,who", *rows]) + "\n"
        (tmp_path / "files" / f"orders-{number:03d}.csv").write_text(text)
    return tmp_path


class Child:
    """A process whose lines are read as they come, until it is killed."""

    def __init__(self, script, *arguments):
        words = [sys.executable, "-c", script, *map(str, arguments)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []

    def wait_until_ready(self):
        first = self.process.stdout.readline()
        assert first == "ready\n", self.process.stderr.read()
        self.reader = threading.Thread(target=lambda: self.lines.extend(line.strip() for line in self.process.stdout))
        self.reader.start()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        complaint = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        # A process that ended by itself must have ended well.
        assert self.process.returncode in (0, -signal.SIGKILL), complaint


def check(root, acknowledged):
    """Every acknowledged file is there once; every other is there whole or not at all."""
    workspace = Workspace.open(root / "shop")
    orders = workspace.tables.read("orders").select(pl.col("order_id").str.head(3).alias("file"), "units").collect()
    stored = workspace.tables.history("orders").select("order_id", "line").collect()
    assert stored.is_unique().all(), "a row is stored twice"
    there = orders.group_by("file").agg(pl.len().alias("rows"), pl.col("units").sum())
    for name, rows, sold in there.iter_rows():
        assert rows == ROWS - 1, f"file {name} is there in part"
        assert sold == (ROWS - 1) * units(int(name))
    assert {name[7:10] for name in acknowledged} <= set(there["file"])
    refused = workspace.tables.read("quarantine").collect()["file"]
    assert refused.n_unique() == refused.len()
    assert set(acknowledged) <= set(refused)
    bad = [finding for finding in examine(root / "shop") if finding.state == "bad"]
    assert not bad
    return set(there["file"])


def under_fire(root, kills, seed):
    """Let two ingests and a compaction run, kill one after the other at random moments, look; until enough died.

    Returns:
        Kills that met a process at work, files that were acknowledged, rounds of merging that were completed.
    """
    rng = np.random.default_rng(seed)
    acknowledged, merged, done = set(), 0, 0
    while done < kills:
        children = [Child(INGEST, root, 1), Child(INGEST, root, -1), Child(COMPACT, root)]
        for child in children:
            child.wait_until_ready()
        for place in rng.permutation(3):
            time.sleep(rng.uniform(0.0, 0.5))
            done += children[place].process.poll() is None
            children[place].kill()
        for child in children[:2]:
            acknowledged |= {line for line in child.lines if line != "end"}
        merged += children[2].lines.count("compacted")
        there = check(root, acknowledged)
        if len(there) == FILES and done < kills:
            renew(root)  # everything is in: go on with another shop's worth
            acknowledged.clear()
    return done, merged


def renew(root):
    import shutil

    shutil.rmtree(root / "shop")
    Workspace.create(root / "shop")


def complete(root):
    """The same command again takes what is missing, once."""
    for step in (1, -1):
        child = subprocess.run([sys.executable, "-c", INGEST, str(root), str(step)], capture_output=True, text=True)
        assert child.returncode == 0, child.stderr
    names = {f"orders-{number:03d}.csv" for number in range(FILES)}
    assert check(root, names) == {f"{number:03d}" for number in range(FILES)}
    workspace = Workspace.open(root / "shop")
    total = sum((ROWS - 1) * units(number) for number in range(FILES))
    assert workspace.tables.read("orders").select(pl.col("units").sum()).collect().item() == total
    workspace.tables.compact("orders")
    workspace.vacuum()
    assert workspace.tables.rows("orders") == FILES * (ROWS - 1)
    assert check(root, names)


def test_two_ingests_and_a_compaction_survive_kills(shop):
    done, _ = under_fire(shop, 6, 20240101)
    assert done >= 6
    complete(shop)


@pytest.mark.slow
def test_two_ingests_and_a_compaction_survive_a_hundred_kills(shop):
    done, merged = under_fire(shop, 100, 20240202)
    assert done >= 100
    assert merged >= 10
    print(f"{done} kills, {merged} compactions completed meanwhile")
    complete(shop)
