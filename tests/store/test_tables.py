"""Delta tables: exactly once, latest row per key, pinned versions, vacuum."""

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError, StoreError
from windvane.schema import RAW
from windvane.store import Workspace

pytestmark = pytest.mark.tiny


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "店 1")


def stock(rows):
    """Stock rows from (sku, day of January 2024, on_hand)."""
    return pl.DataFrame(
        {
            "sku": [sku for sku, _, _ in rows],
            "location": "all",
            "date": [date(2024, 1, day) for _, day, _ in rows],
            "on_hand": [float(units) for _, _, units in rows],
            "known_at": datetime(2024, 2, 1),
        },
        schema_overrides={"known_at": pl.Datetime("us")},
    )


def held(frame):
    return {(row["sku"], row["date"].day): row["on_hand"] for row in frame.collect().to_dicts()}


def test_absent_table_reads_as_empty_with_the_right_types(workspace):
    frame = workspace.tables.read("orders").collect()
    assert frame.schema == pl.Schema(RAW["orders"].types)
    assert frame.height == 0
    assert not workspace.tables.exists("orders")
    assert workspace.tables.version("orders") is None
    assert workspace.tables.versions() == {}


def test_append_reads_back_with_exactly_the_schema(workspace):
    assert workspace.tables.append("stock", stock([("a", 1, 5), ("b", 1, 6)]), "first") == 2
    frame = workspace.tables.read("stock").collect()
    assert frame.schema == pl.Schema(RAW["stock"].types)
    assert held(frame.lazy()) == {("a", 1): 5.0, ("b", 1): 6.0}
    assert frame["on_order"].null_count() == 2


def test_same_batch_twice_changes_nothing(workspace):
    workspace.tables.append("stock", stock([("a", 1, 5)]), "first")
    version = workspace.tables.version("stock")
    assert workspace.tables.append("stock", stock([("z", 9, 9)]), "first") == 0
    assert workspace.tables.version("stock") == version
    assert held(workspace.tables.read("stock")) == {("a", 1): 5.0}
    assert workspace.tables.has_batch("stock", "first")
    assert not workspace.tables.has_batch("stock", "second")


def test_later_batch_wins_and_the_old_version_stays_readable(workspace):
    workspace.tables.append("stock", stock([("a", 1, 5), ("b", 1, 6)]), "first")
    before = workspace.tables.version("stock")
    workspace.tables.append("stock", stock([("b", 1, 7), ("c", 1, 8)]), "second")
    assert held(workspace.tables.read("stock")) == {("a", 1): 5.0, ("b", 1): 7.0, ("c", 1): 8.0}
    assert held(workspace.tables.read("stock", before)) == {("a", 1): 5.0, ("b", 1): 6.0}
    assert workspace.tables.rows("stock") == 4


def test_several_frames_are_one_commit(workspace):
    before_last = stock([("a", 1, 1), ("b", 1, 1)]), stock([("a", 1, 2)]), stock([])
    assert workspace.tables.append("stock", iter(before_last), "first") == 3
    assert workspace.tables.version("stock") == 1  # 0 made the table
    assert held(workspace.tables.read("stock")) == {("a", 1): 2.0, ("b", 1): 1.0}


def test_failing_frames_leave_no_trace(workspace):
    def frames():
        yield stock([("a", 1, 1)])
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        workspace.tables.append("stock", frames(), "first")
    assert not workspace.tables.has_batch("stock", "first")
    assert list(workspace.tables.folder.glob("stock/*.parquet")) == []
    assert workspace.tables.append("stock", stock([("a", 1, 3)]), "first") == 1


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 9)), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=25, deadline=None)
def test_reading_equals_a_dictionary_written_in_order(batches):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tables = Workspace.create(folder).tables
        expected = {}
        for number, rows in enumerate(batches):
            tables.append("stock", stock(rows), f"batch {number}")
            expected.update({(sku, day): float(units) for sku, day, units in rows})
        assert held(tables.read("stock")) == expected
        # The order of arrival is stable, so that sums downstream are too.
        assert tables.read("stock").collect().equals(tables.read("stock").collect())


def test_disjoint_batches_are_read_without_deduplication(workspace):
    for day in (1, 2, 3):
        workspace.tables.append("stock", stock([("a", day, day)]), f"day {day}")
    assert "UNIQUE" not in workspace.tables.read("stock").explain()
    workspace.tables.append("stock", stock([("a", 2, 9)]), "correction")
    assert "UNIQUE" in workspace.tables.read("stock").explain()
    assert held(workspace.tables.read("stock")) == {("a", 1): 1.0, ("a", 2): 9.0, ("a", 3): 3.0}


def test_other_delta_readers_see_the_same_rows(tmp_path):
    workspace = Workspace.create(tmp_path / "plain")  # polars' own Delta reader trips over blanks in a path
    workspace.tables.append("stock", stock([("a", 1, 5), ("b", 2, 6)]), "first")
    other = pl.scan_delta(str(workspace.folder / "tables" / "stock")).filter(pl.col("sku") == "b").collect()
    assert other["on_hand"].to_list() == [6.0]


def test_wrong_rows_are_refused_by_name(workspace):
    with pytest.raises(InputError, match="no column colour"):
        workspace.tables.append("stock", stock([("a", 1, 5)]).with_columns(colour=pl.lit("red")), "x")
    with pytest.raises(InputError, match="needs the column sku"):
        workspace.tables.append("stock", stock([("a", 1, 5)]).drop("sku"), "x")
    with pytest.raises(InputError, match="1 rows without sku"):
        workspace.tables.append("stock", stock([("a", 1, 5)]).with_columns(sku=pl.lit(None, pl.String)), "x")
    with pytest.raises(StoreError, match="no table sales"):
        workspace.tables.read("sales")
    assert not workspace.tables.has_batch("stock", "x")


def test_vacuum_removes_orphans_and_nothing_else(workspace):
    workspace.tables.append("stock", stock([("a", 1, 5)]), "first")
    workspace.tables.append("stock", stock([("a", 1, 6)]), "second")
    orphan = workspace.tables.folder / "stock" / "part-0-orphan.parquet"
    orphan.write_bytes(b"half a file")
    assert workspace.vacuum(dry_run=True).removed_files == 1
    assert orphan.exists()
    freed = workspace.vacuum()
    assert (freed.removed_files, freed.freed_bytes) == (1, 11)
    assert not orphan.exists()
    assert held(workspace.tables.read("stock", 1)) == {("a", 1): 5.0}
    assert held(workspace.tables.read("stock")) == {("a", 1): 6.0}


def test_vacuum_keeps_what_a_live_run_and_a_kept_run_read(workspace):
    from deltalake import DeltaTable

    workspace.tables.append("stock", stock([("a", 1, 5), ("b", 1, 5)]), "first")
    with workspace.runs.start() as run:
        assert run.versions == {"stock": 1}
        # Another tool compacts the table: the files of version 1 are no longer part of the latest.
        workspace.tables.append("stock", stock([("c", 1, 5)]), "second")
        DeltaTable(str(workspace.tables.folder / "stock")).optimize.compact()
        assert workspace.vacuum(dry_run=True).removed_files == 1  # of batch two's version nobody keeps
        workspace.vacuum()
        assert held(run.read("stock")) == {("a", 1): 5.0, ("b", 1): 5.0}
        run.publish()
    workspace.vacuum()
    assert held(workspace.tables.read("stock", 1)) == {("a", 1): 5.0, ("b", 1): 5.0}
    assert held(workspace.tables.read("stock")) == {("a", 1): 5.0, ("b", 1): 5.0, ("c", 1): 5.0}


def test_torn_last_commit_is_set_aside(workspace):
    workspace.tables.append("stock", stock([("a", 1, 5)]), "first")
    torn = workspace.tables.folder / "stock" / "_delta_log" / f"{2:020d}.json"
    torn.write_bytes(b"")
    reopened = Workspace.open(workspace.folder)
    assert "torn" in reopened.swept.notes[0]
    assert held(reopened.tables.read("stock")) == {("a", 1): 5.0}
    assert reopened.tables.append("stock", stock([("b", 1, 1)]), "second") == 1


def test_many_appends_outlive_a_checkpoint_of_the_log(workspace):
    for number in range(105):  # delta-rs writes a checkpoint every 100 commits
        workspace.tables.append("stock", stock([("a", 1 + number % 28, number)]), f"batch {number}")
    assert list((workspace.tables.folder / "stock" / "_delta_log").glob("*.checkpoint.parquet"))
    assert workspace.tables.append("stock", stock([("z", 1, 1)]), "batch 3") == 0
    assert workspace.tables.rows("stock") == 105
    assert held(workspace.tables.read("stock"))[("a", 1)] == 84.0
    assert held(workspace.tables.read("stock", 1)) == {("a", 1): 0.0}


def test_a_column_that_the_schema_gains_is_empty_in_older_rows(workspace, monkeypatch):
    from dataclasses import replace

    from windvane.store import tables

    whole = RAW["stock"]
    older = replace(whole, columns=tuple(column for column in whole.columns if column.name != "on_order"))
    monkeypatch.setattr(tables, "TABLES", {**tables.TABLES, "stock": older})
    workspace.tables.append("stock", stock([("a", 1, 5)]), "first")
    assert "on_order" not in workspace.tables.read("stock").collect().columns
    monkeypatch.setattr(tables, "TABLES", {**tables.TABLES, "stock": whole})
    assert workspace.tables.read("stock").collect()["on_order"].to_list() == [None]
    workspace.tables.append("stock", stock([("b", 1, 5)]).with_columns(on_order=pl.lit(3.0)), "second")
    assert workspace.tables.read("stock").sort("sku").collect()["on_order"].to_list() == [None, 3.0]
    from deltalake import DeltaTable

    assert "on_order" in {field.name for field in DeltaTable(workspace.tables.folder / "stock").schema().fields}
