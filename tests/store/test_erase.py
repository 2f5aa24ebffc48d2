"""Erasing a person, or what is too old: from every version, run and file, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from datetime import date, datetime, timedelta

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder

from windvane.errors import BusyError, InputError
from windvane.ingest.privacy import pseudonym
from windvane.store import Workspace, erase, rewrite
from windvane.store.doctor import examine
from windvane.store.erase import expire, forget
from windvane.store.person import Person

WHO = "kunde-4711-müller"
DAY = datetime(2024, 1, 1)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "shop")


def mark(workspace, who=WHO):
    return pseudonym(who, workspace.secret)


def orders(first, people, day=0):
    return pl.DataFrame(
        {
            "order_id": [f"{first + i:05d}" for i in range(len(people))],
            "line": 1,
            "ordered_at": DAY + timedelta(days=day),
            "sku": [f"sku {i % 3}" for i in range(len(people))],
            "location": "all",
            "units": [float(i + 1) for i in range(len(people))],
            "customer": people,
            "kind": "sale",
            "known_at": DAY + timedelta(days=day),
        }
    )


def fill(workspace, who):
    """Every table that may hold people, two batches each; ``who`` is one of the customers."""
    held = workspace.tables
    for number in range(3):
        held.append("orders", orders(100 * number, ["other", who, "third", None], number), f"orders {number}")
        events = orders(100 * number, ["other", who, "third", None], number).select(
            event_id="order_id",
            at="ordered_at",
            customer="customer",
            kind=pl.lit("view"),
            sku="sku",
            known_at="known_at",
        )
        held.append("events", events.with_columns(session=pl.lit("s1"), query=pl.lit("shoes")), f"events {number}")
    held.append(
        "reviews",
        pl.DataFrame(
            {
                "review_id": ["1", "2"],
                "at": DAY,
                "sku": "sku 1",
                "rating": 5.0,
                "text": ["good", "mine is mine"],
                "customer": ["other", who],
                "known_at": DAY,
            }
        ),
        "reviews",
    )
    for number in range(2):
        held.append(
            "customers",
            pl.DataFrame(
                {
                    "customer": ["other", who],
                    "joined_on": date(2024, 1, 1 + number),
                    "attributes": "{}",
                    "known_at": DAY,
                }
            ),
            f"customers {number}",
        )
    held.append("products", pl.DataFrame({"sku": ["sku 1"], "title": ["Shoe"], "known_at": DAY}), "products")
    rows = [{"who": who, "units": "many"}, {"who": "other", "units": "some"}, {"note": f"call {WHO}!", "units": "x"}]
    held.append(
        "quarantine",
        pl.DataFrame(
            {
                "batch": "b",
                "table": "orders",
                "file": "orders.csv",
                "line": [2, 3, 4],
                "column": "units",
                "value": ["many", "some", "x"],
                "reason": "not a number",
                "rule": "type",
                "row": [json.dumps(row, ensure_ascii=False) for row in rows],
                "at": DAY,
            }
        ),
        "quarantine",
    )


def bytes_of(folder):
    """Everything in a folder as a reader could see it: raw bytes, and Parquet unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                yield path, repr(table.to_pylist()).encode()
                yield path, str(pq.read_metadata(path).to_dict()).encode()


def traces(workspace, *names):
    found = []
    for path, content in bytes_of(workspace.folder):
        found += [f"{path}: {name}" for name in names if name.encode() in content]
    return found


def test_nothing_of_the_person_is_left_and_everything_else_is(workspace):
    who = mark(workspace)
    fill(workspace, who)
    held = workspace.tables
    with workspace.runs.start() as run:
        pinned = dict(run.versions)
        run.write("panel", pl.DataFrame({"sku": ["sku 1"], "note": [None]}, schema_overrides={"note": pl.String}))
        run.write("findings", pl.DataFrame({"check": ["a", "b"], "detail": [f"customer {who} buys all", "fine"]}))
        published = run.publish()
    held.append("orders", orders(900, ["other", who], 9), "orders 9")
    held.compact("orders")
    (workspace.folder / "report.html").write_text(f"<p>{who}</p>")
    (workspace.folder / "report-zh.html").write_text("<p>nobody</p>")
    (workspace.folder / "mine.csv").write_text("id\nother\n")
    (workspace.folder / "staging" / "dead").mkdir(parents=True)
    (workspace.folder / "staging" / "dead" / "lock").touch()
    (workspace.folder / "staging" / "dead" / "rows.pairs").write_bytes(f"half {WHO}".encode())
    with zipfile.ZipFile(workspace.folder / "findings.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", f"<c>{who}</c>" * 50)
    sums = [held.read("orders", v).select(pl.col("units").sum(), pl.len()).collect().row(0) for v in range(1, 6)]
    counts = held.read("events").group_by("sku").len().sort("sku").collect()
    assert traces(workspace, who, WHO)

    done = forget(workspace, [WHO, who])

    assert traces(workspace, who, WHO) == []
    assert [
        held.read("orders", v).select(pl.col("units").sum(), pl.len()).collect().row(0) for v in range(1, 6)
    ] == sums
    assert held.read("events").group_by("sku").len().sort("sku").collect().equals(counts)
    assert held.read("orders").filter(pl.col("customer") == "other").collect().height == 4
    assert held.read("events").filter(pl.col("session").is_null()).collect().height == 3
    assert held.read("reviews").collect()["review_id"].to_list() == ["1"]
    assert held.read("customers").collect()["customer"].to_list() == ["other"]
    assert held.read("quarantine").collect()["line"].to_list() == [3]
    assert held.read("products").collect().height == 1

    touched = {each.table: each for each in done.tables}
    assert set(touched) == {"orders", "events", "reviews", "customers", "quarantine"}
    # Four files of single batches and the one they were merged into.
    assert (touched["orders"].blanked, touched["orders"].removed, touched["orders"].files) == (8, 0, 5)
    assert (touched["customers"].blanked, touched["customers"].removed) == (0, 2)
    assert done.redacted == [published.id]
    assert (done.run_files, done.removed_files, done.left) == (1, ["findings.xlsx", "report.html"], [])
    assert published.manifest["versions"] == pinned
    (redacted,) = published.manifest["redacted"]
    assert redacted["tables"] == ["customers", "events", "orders", "quarantine", "reviews"]
    assert published.read("findings")["detail"].to_list() == [None, "fine"] or published.read("findings")[
        "detail"
    ].to_list() == ["", "fine"]
    noted = held.read("erasures").collect()
    assert noted.filter(pl.col("table") == "orders").select("blanked", "files", "runs").row(0) == (8, 5, 1)
    assert all(finding.state != "bad" for finding in examine(workspace.folder))
    assert list((workspace.folder / "erasing").glob("*.json")) == []

    again = forget(workspace, [WHO, who])
    assert (again.tables, again.redacted, again.run_files, again.removed_files) == ([], [], 0, [])


def test_every_version_stays_readable_by_every_reader(tmp_path):
    workspace = Workspace.create(tmp_path / "plain")
    who = mark(workspace)
    fill(workspace, who)
    folder = str(workspace.folder / "tables" / "customers")
    moments = [entry["timestamp"] for entry in DeltaTable(folder).history()]
    forget(workspace, [who])
    for version in (1, 2):
        assert workspace.tables.read("customers", version).collect()["customer"].to_list() == ["other"]
        delta = DeltaTable(folder, version=version)
        assert delta.to_pyarrow_table().num_rows == version
        assert delta.count() == version
        # DataFusion goes by the sizes in the log, and prunes by its ranges.
        query = "select count(*) as n from t where customer = 'other'"
        assert QueryBuilder().register("t", delta).execute(query).read_all()["n"].to_pylist() == [version]
        assert pl.scan_delta(folder, version=version).collect().height == version
        files = [uri.removeprefix("file://") for uri in delta.file_uris()]
        assert duckdb.read_parquet(files).fetchall()[0][0] == "other"
    assert [entry["timestamp"] for entry in DeltaTable(folder).history()] == moments
    assert workspace.tables.append("customers", pl.DataFrame({"customer": ["new"], "known_at": [DAY]}), "new") == 1


def test_a_checkpoint_forgets_too(tmp_path):
    workspace = Workspace.create(tmp_path / "plain")
    who = mark(workspace)
    for number in range(101):
        frame = pl.DataFrame({"customer": [f"c{number}", who if number % 50 == 7 else f"d{number}"], "known_at": DAY})
        workspace.tables.append("customers", frame, f"batch {number}")
    log = workspace.folder / "tables" / "customers" / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    assert traces(workspace, who)
    forget(workspace, [who])
    assert traces(workspace, who) == []
    assert checkpoint.exists()
    assert workspace.tables.read("customers").collect().height == 200
    assert pl.scan_delta(str(log.parent)).collect().height == 200
    # The checkpoint alone must do: other tools read it and what follows.
    for commit in sorted(log.glob("*.json"))[:100]:
        commit.unlink()
    delta = DeltaTable(str(log.parent))
    assert delta.to_pyarrow_table().num_rows == 200
    sizes = pl.DataFrame(delta.get_add_actions(flatten=True)).select("path", "size_bytes").rows()
    assert all((log.parent / name).stat().st_size == size for name, size in sizes)


def test_the_log_forgets_files_that_are_long_gone(workspace):
    who = mark(workspace)
    fill(workspace, who)
    workspace.tables.compact("customers")
    workspace.vacuum()
    forget(workspace, [who])
    assert traces(workspace, who) == []
    assert workspace.tables.read("customers").collect()["customer"].to_list() == ["other"]


def test_identifiers_kept_as_they_are_are_found_too(workspace):
    fill(workspace, "17")
    done = forget(workspace, ["17", mark(workspace, "17")])
    assert {each.table for each in done.tables} == {"orders", "events", "reviews", "customers", "quarantine"}
    assert workspace.tables.read("quarantine").collect()["line"].to_list() == [3, 4]
    assert workspace.tables.read("orders").filter(pl.col("customer") == "17").collect().height == 0
    # A short identifier may be part of anything; only whole cells of it go.
    assert workspace.tables.read("orders").collect().height == 12


@pytest.mark.tiny
def test_words_are_told_from_parts_of_words():
    frame = pl.DataFrame(
        {"text": ["anna-77", "by anna-77, twice", "xanna-77", "anna-777", '{"a": "anna-77"}', "客户anna-77", None, ""]}
    )
    found = frame.select(Person(("anna-77",)).is_in_text("text"))["text"].to_list()
    assert found == [True, True, False, False, True, False, False, False]
    short = pl.DataFrame({"text": ["42", '{"a": "42"}', '{"a":42}', '{"a": 142}', "route 42"]})
    assert short.select(Person(("42",)).is_in_text("text"))["text"].to_list() == [True, True, True, False, False]


@pytest.mark.tiny
def test_files_of_others_are_named_and_left(workspace):
    (workspace.folder / "export").mkdir()
    (workspace.folder / "export" / "customers.csv").write_text(f"id\n{WHO}\n")
    done = forget(workspace, [WHO])
    assert done.left == ["export/customers.csv"]
    assert (workspace.folder / "export" / "customers.csv").exists()


def test_a_run_under_way_is_redacted_when_it_is_published(workspace):
    who = mark(workspace)
    fill(workspace, who)
    with workspace.runs.start() as run:
        assert who in run.read("orders").collect()["customer"].to_list()
        done = forget(workspace, [who])
        assert done.redacted == []
        assert who not in run.read("orders").collect()["customer"].to_list()
        redacted = run.publish().manifest["redacted"]
    assert [each["tables"] for each in redacted] == [["customers", "events", "orders", "quarantine", "reviews"]]
    with workspace.runs.start() as later:
        assert later.publish().manifest["redacted"] == []


def test_it_waits_for_what_has_begun(workspace):
    import threading

    who = mark(workspace)
    fill(workspace, who)
    begun, go = threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go.wait(60)
        yield orders(700, [who, "other"])

    slow = threading.Thread(target=workspace.tables.append, args=("orders", slowly(), "slow"))
    slow.start()
    assert begun.wait(60)
    with pytest.raises(BusyError, match="not complete"):
        forget(workspace, [who], wait_seconds=0.2)
    assert [f.state for f in examine(workspace.folder) if f.check == "erasure"] == ["bad"]
    timer = threading.Timer(0.3, go.set)
    timer.start()
    forget(workspace, [who])
    slow.join()
    assert traces(workspace, who) == []
    assert workspace.tables.read("orders").collect().height == 14
    assert [f for f in examine(workspace.folder) if f.check == "erasure"] == []


FORGET = """
import sys, os
from windvane.store import Workspace, erase, rewrite
workspace, who, stop = Workspace.open(sys.argv[1]), sys.argv[2], int(sys.argv[3])
steps = 0
def dying(real):
    def step(*arguments):
        global steps
        steps += 1
        if steps == stop:
            os.kill(os.getpid(), 9)
        return real(*arguments)
    return step
rewrite._replace_file = dying(rewrite._replace_file)
rewrite._replace_keeping_time = dying(rewrite._replace_keeping_time)
rewrite.replace = dying(rewrite.replace)
erase.replace = dying(erase.replace)
erase._Work._record = dying(erase._Work._record)
erase._Work._redact = dying(erase._Work._redact)
erase.forget(workspace, [who])
print(steps)
"""


def die_at(workspace, who, step):
    words = [sys.executable, "-c", FORGET, str(workspace.folder), who, str(step)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def complete_after(tmp_path, step):
    workspace = Workspace.create(tmp_path / f"shop-{step}")
    who = mark(workspace)
    fill(workspace, who)
    with workspace.runs.start() as run:
        published = run.publish()
    ended = die_at(workspace, who, step)
    if ended.returncode == 0:
        return False
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    opened = Workspace.open(workspace.folder)  # clears up; every table reads, by every reader
    for name, version in opened.tables.versions().items():
        for each in range(1, version + 1):
            opened.tables.read(name, each).collect()
            DeltaTable(str(opened.tables.folder / name), version=each).to_pyarrow_table()
    done = forget(opened, [who])
    assert not traces(opened, who)
    # What the dead one had done counts as well, once.
    touched = {each.table: each.blanked + each.removed for each in done.tables}
    assert touched == {"orders": 3, "events": 3, "reviews": 1, "customers": 2, "quarantine": 1}
    assert done.redacted == [published.id]
    assert len(published.manifest["redacted"]) == 1
    assert opened.tables.read("erasures").collect()["erasure"].n_unique() == 1
    assert all(finding.state != "bad" for finding in examine(opened.folder))
    assert opened.tables.read("orders").collect().height == 12
    return True


@pytest.mark.parametrize("step", [2, 9])
def test_an_erasure_that_dies_is_completed_by_the_same_call(tmp_path, step):
    assert complete_after(tmp_path, step)


@pytest.mark.slow
def test_an_erasure_that_dies_at_any_step_is_completed(tmp_path):
    step = 1
    while complete_after(tmp_path, step):
        step += 1
    assert step > 30


def test_what_is_too_old_goes_from_every_version(workspace):
    who = mark(workspace)
    fill(workspace, who)
    done = expire(workspace, "events", date(2024, 1, 3))
    (events,) = done.tables
    assert (events.table, events.removed, events.files, events.versions) == ("events", 8, 2, 3)
    assert workspace.tables.read("events").collect()["at"].min() == datetime(2024, 1, 3)
    assert workspace.tables.read("events", 2).collect().height == 0
    assert workspace.tables.read("orders").collect().height == 12
    assert done.as_dict()["kind"] == "expire"
    assert expire(workspace, "events", date(2024, 1, 3)).tables == []


def test_what_is_too_old_may_lose_its_people_alone(workspace):
    who = mark(workspace)
    fill(workspace, who)
    before = workspace.tables.read("orders").select(pl.col("units").sum()).collect().item()
    done = expire(workspace, "orders", datetime(2024, 1, 2, 1), blank=["customer"])
    assert (done.tables[0].blanked, done.tables[0].files) == (6, 2)
    rows = workspace.tables.read("orders").collect()
    assert rows["units"].sum() == before
    assert rows.filter(pl.col("customer").is_not_null())["ordered_at"].unique().to_list() == [datetime(2024, 1, 3)]
    assert expire(workspace, "orders", datetime(2024, 1, 2, 1), blank=["customer"]).tables == []
    with pytest.raises(InputError, match="cannot be emptied"):
        expire(workspace, "orders", date(2024, 1, 1), blank=["sku"])


@pytest.mark.tiny
def test_the_time_of_a_row_is_its_own():
    from windvane.schema import RAW

    found = {name: erase.time_column(table) for name, table in RAW.items()}
    assert found["orders"] == "ordered_at"
    assert (found["events"], found["reviews"], found["stock"]) == ("at", "at", "date")
    assert (found["prices"], found["products"], found["customers"]) == ("valid_from", "known_at", "known_at")


@pytest.mark.tiny
def test_nobody_cannot_be_forgotten(workspace):
    with pytest.raises(InputError, match="Nobody"):
        forget(workspace, ["", ""])
    assert not (workspace.folder / "erasing").exists()


def test_the_note_of_an_erasure_does_not_say_whose(workspace):
    who = mark(workspace)
    fill(workspace, who)
    assert die_at(workspace, who, 3).returncode == -signal.SIGKILL
    (note,) = (workspace.folder / "erasing").glob("*.json")
    assert who not in note.read_text()
    assert WHO not in note.read_text()
    # Another person's erasure leaves the note alone.
    forget(workspace, ["somebody else"])
    assert note.exists()
    assert os.path.getsize(note) > 0
    forget(workspace, [who])
    assert not note.exists()
    assert not rewrite.is_interrupted(workspace.tables.folder / "orders")
