"""Compaction: fewer files, the same rows for every reader, at every moment, whoever writes meanwhile."""

import threading
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from windvane.store import Workspace, compact, tables

pytestmark = pytest.mark.tiny

DAY = datetime(2024, 1, 1)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "shop")


@pytest.fixture
def small_targets(monkeypatch):
    monkeypatch.setattr(compact, "TARGET_ROWS", 500)
    monkeypatch.setattr(compact, "SMALL_UNIT", 250)
    monkeypatch.setattr(compact, "SMALL_FILE", 125)


def orders(day, count=40, step=25):
    """Lines of which some repeat from day to day; the units say which day spoke last."""
    known = DAY + timedelta(days=day)
    return pl.DataFrame(
        {
            "order_id": [f"{(i * 7 + day * step) % 300:04d}" for i in range(count)],
            "line": 1,
            "ordered_at": DAY,
            "sku": [f"sku {i % 5}" for i in range(count)],
            "location": "all",
            "units": float(day),
            "kind": "sale",
            "known_at": [known + timedelta(hours=i % 3) for i in range(count)],
        }
    )


def seen(tables, **how):
    return tables.read("orders", **how).sort("order_id").collect()


def test_readers_see_the_same_before_and_after(workspace, small_targets):
    held = workspace.tables
    for day in range(30):
        held.append("orders", orders(day), f"day {day}")
    days = [None, date(2024, 1, 3), date(2024, 1, 17)]
    before = [seen(held, known_by=day) for day in days]
    statements = held.history("orders").sort("order_id", "known_at").collect()
    middle = seen(held, version=12)
    done = held.compact("orders")
    assert (done.files_before, done.rows_before) == (30, 1200)
    assert done.files_after == 5  # what is latest in three ranges of keys, and what is of use for the past
    assert "UNIQUE" not in held.read("orders").explain()
    assert [seen(held, known_by=day).equals(old) for day, old in zip(days, before, strict=True)] == [True] * 3
    assert held.history("orders").sort("order_id", "known_at").collect().equals(statements)
    assert seen(held, version=12).equals(middle)
    # Where every row came from is still known, and no batch is taken twice.
    assert statements["_source"].n_unique() == 30
    assert held.append("orders", orders(3), "day 3") == 0
    again = held.compact("orders")
    assert (again.files_before, again.files_after) == (5, 5)
    assert held.version("orders") == 31


def test_a_row_said_again_for_the_same_moment_goes(workspace):
    held = workspace.tables
    for number in range(3):
        held.append("orders", orders(5).with_columns(units=pl.lit(float(number))), f"batch {number}")
    assert held.rows("orders") == 120
    done = held.compact("orders")
    assert (done.rows_after, held.rows("orders")) == (40, 40)
    assert seen(held)["units"].unique().to_list() == [2.0]
    assert "UNIQUE" not in held.read("orders").explain()


def test_few_corrections_of_many_rows_do_not_hold_the_many_in_memory(workspace):
    held = workspace.tables
    held.append("orders", orders(0, count=290), "many")
    held.append("orders", orders(1, count=20), "few")
    held.append("orders", orders(2, count=20), "few more")
    plan = held.read("orders").explain()
    assert "ANTI JOIN" in plan
    said = pl.concat([orders(0, count=290), orders(1, count=20), orders(2, count=20)])
    last = said.unique("order_id", keep="last", maintain_order=True)
    # In the order of arrival, as when everything is looked at.
    assert held.read("orders").select("order_id", "units").collect().equals(last.select("order_id", "units"))
    first = held.read("orders", known_by=date(2024, 1, 1)).collect()
    assert (first.height, first["units"].max()) == (290, 0.0)


def test_other_readers_see_the_new_files_alone(tmp_path):
    from deltalake import DeltaTable

    workspace = Workspace.create(tmp_path / "plain")
    for day in range(4):
        workspace.tables.append("orders", orders(day, step=40), f"day {day}")
    workspace.tables.compact("orders")
    folder = str(workspace.folder / "tables" / "orders")
    assert pl.scan_delta(folder).collect().height == 160
    assert len(DeltaTable(folder).file_uris()) == 1
    assert DeltaTable(folder).history(1)[0]["operation"] == "OPTIMIZE"
    # Nothing new to whoever follows the changes of the table.
    assert workspace.vacuum().removed_files == 4
    assert pl.scan_delta(folder).collect().height == 160


def test_small_files_are_merged_once_there_are_many_and_large_ones_are_left(workspace, monkeypatch, small_targets):
    monkeypatch.setattr(tables, "MANY_FILES", 6)
    held = workspace.tables
    held.append("orders", orders(0, count=290), "large")
    large = {path.name for path in (held.folder / "orders").glob("*.parquet")}
    for day in range(1, 7):
        held.append("orders", orders(day), f"day {day}")
    assert held.tidy("orders") is None
    held.append("orders", orders(7), "day 7")
    before = seen(held)
    done = held.tidy("orders")
    assert (done.files_before, done.files_after) == (8, 3)  # the large one, latest rows, superseded rows
    assert large <= {part.path.name for part in held.parts("orders", held._open("orders"))}
    assert seen(held).equals(before)
    assert held.tidy("orders") is None
    assert held.tidy("stock") is None


def test_files_of_another_tool_are_put_in_order(tmp_path):
    from deltalake import DeltaTable

    held = Workspace.create(tmp_path / "shop").tables
    for day in range(5):
        held.append("orders", orders(day), f"day {day}")
    before = seen(held)
    DeltaTable(str(held.folder / "orders")).optimize.compact()
    assert seen(held).equals(before)
    assert "SORT" in held.read("orders").explain()
    held.append("orders", orders(5), "day 5")
    before = seen(held)
    held.compact("orders")
    assert seen(held).equals(before)
    assert "SORT" not in held.read("orders").explain()


def test_an_append_that_began_before_and_ends_after_keeps_its_rank(workspace):
    held = workspace.tables
    held.append("orders", orders(1), "first")
    begun, go = threading.Event(), threading.Event()

    def slowly():
        yield orders(2).head(5)
        begun.set()
        assert go.wait(60)
        yield orders(2).tail(35)

    slow = threading.Thread(target=held.append, args=("orders", slowly(), "slow"))
    slow.start()
    assert begun.wait(60)
    held.append("orders", orders(3, step=50), "quick")  # corrects some of what slow says
    assert held.compact("orders").files_after == 2  # neither is merged past the one that is under way
    go.set()
    slow.join()
    together = pl.concat([orders(1), orders(2), orders(3, step=50)])
    expected = together.unique("order_id", keep="last", maintain_order=True).sort("order_id")
    assert seen(held).select("order_id", "units").equals(expected.select("order_id", "units"))
    assert held.compact("orders").files_after == 2  # latest rows, superseded rows
    assert seen(held).select("order_id", "units").equals(expected.select("order_id", "units"))


def test_a_compaction_whose_files_are_changed_meanwhile_gives_up(workspace, monkeypatch):
    held = workspace.tables
    for day in range(4):
        held.append("orders", orders(day), f"day {day}")
    real = compact._write
    others = []

    def write(*arguments):
        if not others:
            others.append(1)
            assert held.compact("orders").files_after == 1
        return real(*arguments)

    monkeypatch.setattr(compact, "_write", write)
    before = seen(held)
    done = held.compact("orders")
    assert (done.given_up, done.files_after) == (1, 1)
    assert seen(held).equals(before)
    assert workspace.vacuum().removed_files == 4  # the loser's file is gone already


def test_a_kept_run_holds_its_version_through_compaction_and_vacuum(workspace):
    held = workspace.tables
    for day in range(4):
        held.append("orders", orders(day), f"day {day}")
    with workspace.runs.start() as run:
        held.append("orders", orders(4), "day 4")
        held.compact("orders")
        assert workspace.vacuum().removed_files == 1
        assert run.read("orders").collect().height == seen(held, version=4).height
        run.publish()
    workspace.vacuum()
    assert seen(held, version=4).height < seen(held).height
