"""Nothing is called done before it is on the disk: proven from a trace of the system calls, since no kill shows it."""

import shutil
import subprocess
import sys

import pytest
from tracing import CALLS, replay

from windvane.store import Workspace

HEAD = """
import sys
from datetime import datetime
from pathlib import Path
import polars as pl
from windvane.ingest import ingest
from windvane.ingest.mapping import load
from windvane.store import Workspace
root = Path(sys.argv[1])
workspace = Workspace.open(root / "shop")
def frame(number):
    return pl.DataFrame({"sku": [f"s{i}" for i in range(2000)], "title": str(number), "known_at": datetime(2024, 1, 1)})
"""

APPEND = (
    HEAD
    + """
workspace.tables.append("products", (frame(n) for n in range(3)), "batch")
print("it is done", flush=True)
"""
)

COMPACT = (
    HEAD
    + """
for number in range(3):
    workspace.tables.append("products", frame(number), str(number))
workspace.tables.compact("products")
print("it is done", flush=True)
"""
)

INGEST = (
    HEAD
    + """
mapping = '[products]\\nfile = "p.csv"\\n[products.columns]\\nsku = "sku"\\ntitle = "title"\\n'
(root / "m.toml").write_text(mapping)
(root / "p.csv").write_text("sku,title\\n" + "".join(f"s{i},t\\n" for i in range(300)) + ",nameless\\n")
report = ingest(workspace, load(root / "m.toml"), root)
assert report.files[0].accepted == 300
print("it is done", flush=True)
"""
)

TOGETHER = (
    HEAD
    + """
columns = '[orders.columns]\\norder_id = "id"\\nordered_at = "at"\\nsku = "sku"\\nunits = "n"\\n'
(root / "m.toml").write_text('[orders]\\nfile = "o*.csv"\\n' + columns)
for day in range(1, 6):
    rows = "".join(f"{day}-{i},2024-01-{day:02d},s,1\\n" for i in range(50))
    (root / f"o{day}.csv").write_text("id,at,sku,n\\n" + rows + f"{day}-x,2024-01-01,s,many\\n")
report = ingest(workspace, load(root / "m.toml"), root)
assert [each.accepted for each in report.files] == [50] * 5
print("it is done", flush=True)
"""
)

FORGET = (
    HEAD
    + """
from windvane.store.erase import forget
people = pl.DataFrame({"customer": ["somebody", "another"], "known_at": datetime(2024, 1, 1)})
workspace.tables.append("customers", people, "batch")
forget(workspace, ["somebody"])
print("it is done", flush=True)
"""
)

WITHOUT = "import os\nos.fsync = lambda handle: None\n"


def may_trace(folder):
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-y", "-o", str(folder / "probe"), "true"], capture_output=True, text=True, check=False
    )
    return f"tracing is not permitted here: {tried.stderr.strip()[:200]}" if tried.returncode else ""


@pytest.fixture
def traced(tmp_path):
    if reason := may_trace(tmp_path):
        pytest.skip(reason)
    Workspace.create(tmp_path / "shop")

    def run(script):
        place = tmp_path / "trace"
        words = ["strace", "-f", "-y", "-s", "256", "-e", f"trace={CALLS}", "-o", str(place)]
        words += [sys.executable, "-c", script, str(tmp_path)]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "it is done\n"
        disk, made = replay(place.read_text(errors="replace"), "it is done")
        tables = str(tmp_path / "shop" / "tables")
        # Locks and half-written files need not last; neither does the note of the last sequence number.
        kept = [each for each in made if each.startswith(tables) and not each.endswith((".lock", "/lock", ".sequence"))]
        return kept, [fault for each in kept for fault in disk.unsafe(each)]

    return run


def of_kind(kept, ending, folder="products"):
    return [each for each in kept if each.endswith(ending) and f"/tables/{folder}/" in each]


def test_an_append_is_on_the_disk_before_it_is_called_done(traced):
    kept, faults = traced(APPEND)
    assert len(of_kind(kept, ".parquet")) == 1
    assert len(of_kind(kept, ".json")) == 2  # the table's making, and the append
    assert faults == []


def test_an_ingest_is_on_the_disk_before_it_is_called_done(traced):
    kept, faults = traced(INGEST)
    assert len(of_kind(kept, ".parquet")) == 1
    assert len(of_kind(kept, ".parquet", "quarantine")) == 1
    assert len(of_kind(kept, ".json", "quarantine")) == 2
    assert faults == []


def test_files_that_share_a_commit_are_on_the_disk_before_they_are_called_done(traced):
    kept, faults = traced(TOGETHER)
    assert len(of_kind(kept, ".parquet", "orders")) == 1
    assert len(of_kind(kept, ".json", "orders")) == 2
    assert len(of_kind(kept, ".parquet", "quarantine")) == 1
    assert faults == []


def test_a_compaction_is_on_the_disk_before_it_is_called_done(traced):
    kept, faults = traced(COMPACT)
    assert len(of_kind(kept, ".parquet")) == 4
    assert len(of_kind(kept, ".json")) == 5
    assert faults == []


def test_an_erasure_is_on_the_disk_before_it_is_called_done(traced):
    kept, faults = traced(FORGET)
    assert len(of_kind(kept, ".parquet", "customers")) == 1
    assert len(of_kind(kept, ".json", "erasures")) == 2
    assert faults == []


def test_the_trace_shows_what_is_missing(traced):
    kept, faults = traced(WITHOUT + APPEND)
    (data,) = of_kind(kept, ".parquet")
    newest = max(of_kind(kept, ".json"))
    assert {f"content of {data}", f"name {data}", f"content of {newest}", f"name {newest}"} <= set(faults)


TRACE = """
7 openat(AT_FDCWD</d>, "/d/a.tmp", O_WRONLY|O_CREAT, 0644) = 3</d/a.tmp>
7 write(3</d/a.tmp>, "abc", 3) = 3
{first}
7 rename("/d/a.tmp", "/d/a") = 0
{second}
7 write(1</dev/pts/0>, "done\\n", 5) = 5
"""


@pytest.mark.parametrize(
    ("first", "second", "faults"),
    [
        ("7 fsync(3</d/a.tmp>) = 0", "7 fsync(4</d>) = 0", []),
        ("", "7 fsync(4</d>) = 0", ["content of /d/a"]),
        ("7 fsync(3</d/a.tmp>) = 0", "", ["name /d/a"]),
        ("7 fsync(4</d>) = 0", "", ["content of /d/a", "name /d/a"]),
        # A write that ends after the fsync began is not covered by it.
        (
            '7 fsync(3</d/a.tmp> <unfinished ...>\n8 write(3</d/a.tmp>, "d", 1) = 1\n7 <... fsync resumed>) = 0',
            "7 fsync(4</d>) = 0",
            ["content of /d/a"],
        ),
        ("7 fsync(3</d/a.tmp>) = -1 EIO (Input/output error)", "7 fsync(4</d>) = 0", ["content of /d/a"]),
    ],
)
@pytest.mark.tiny
def test_the_model_of_the_disk(first, second, faults):
    disk, made = replay(TRACE.format(first=first, second=second), "done")
    assert made == ["/d/a"]
    assert disk.unsafe("/d/a") == faults
