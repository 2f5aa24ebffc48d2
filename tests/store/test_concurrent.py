"""Several writers at once: order of arrival, conflicts with other tools, leftovers; going back by version."""

import threading
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_stock import stock

from windvane.clock import CLOCK
from windvane.errors import BusyError, StoreError
from windvane.store import Workspace, log, parts, staging, tables

pytestmark = pytest.mark.tiny


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "shop")


def held(tables, **how):
    return dict(tables.read("stock", **how).sort("sku").select("sku", "on_hand").collect().rows())


def test_files_are_written_outside_the_lock_and_rank_by_when_they_began(workspace):
    begun, go = threading.Event(), threading.Event()

    def slowly():
        yield stock([("a", 1), ("b", 1)])
        begun.set()
        assert go.wait(60)

    slow = threading.Thread(target=workspace.tables.append, args=("stock", slowly(), "slow"))
    slow.start()
    assert begun.wait(60)
    # Would wait for ever if the first held the lock.
    workspace.tables.append("stock", stock([("b", 2), ("c", 2)]), "quick")
    assert held(workspace.tables) == {"b": 2.0, "c": 2.0}
    go.set()
    slow.join()
    # Slow began first, so what quick says of b stands, though slow was committed last.
    assert held(workspace.tables) == {"a": 1.0, "b": 2.0, "c": 2.0}
    assert list((workspace.tables.folder / "stock" / staging.FOLDER).iterdir()) == []


def test_the_same_batch_at_once_is_taken_once(workspace):
    barrier = threading.Barrier(4)
    added = []

    def frames():
        barrier.wait(60)
        yield stock([("a", 1), ("b", 1)])

    def write():
        added.append(workspace.tables.append("stock", frames(), "same"))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(added) == [0, 0, 0, 2]
    assert workspace.tables.rows("stock") == 2
    assert len(list((workspace.tables.folder / "stock").glob("*.parquet"))) == 1


def test_a_commit_of_another_tool_in_between_is_followed(workspace, monkeypatch):
    from deltalake import write_deltalake

    workspace.tables.append("stock", stock([("a", 1)]), "first")
    folder = workspace.tables.folder / "stock"
    foreign = pl.DataFrame({"sku": ["z"], "location": ["all"], "date": [date(2024, 1, 1)], "_seq": [0], "_line": [1]})
    real, intrusions = log.commit, []

    def commit(place, version, actions):
        if len(intrusions) < 3:
            intrusions.append(version)
            write_deltalake(str(folder), foreign.to_arrow(), mode="append", schema_mode="merge")
        real(place, version, actions)

    monkeypatch.setattr(log, "commit", commit)
    assert workspace.tables.append("stock", stock([("b", 2)]), "second") == 1
    assert intrusions == [2, 3, 4]
    assert workspace.tables.version("stock") == 5
    assert held(workspace.tables) == {"a": 1.0, "b": 2.0, "z": None}
    monkeypatch.setattr(tables, "TRIES", 2)
    intrusions.clear()
    with pytest.raises(BusyError, match="2 tries"):
        workspace.tables.append("stock", stock([("c", 3)]), "third")
    assert not workspace.tables.has_batch("stock", "third")
    assert len(list(folder.glob("part-*-d.parquet"))) == 2  # of the third nothing is left


def test_a_disk_that_fails_after_the_commit_does_not_undo_it(workspace, monkeypatch):
    workspace.tables.append("stock", stock([("a", 1)]), "first")
    real = log.sync

    def sync(path):
        raise OSError(5, "the disk went away")

    monkeypatch.setattr(log, "sync", sync)
    with pytest.raises(OSError, match="went away"):
        workspace.tables.append("stock", stock([("b", 2)]), "second")
    monkeypatch.setattr(log, "sync", real)
    assert held(workspace.tables) == {"a": 1.0, "b": 2.0}
    assert workspace.tables.append("stock", stock([("b", 2)]), "second") == 0


def test_a_commit_takes_a_version_only_once(tmp_path):
    log.commit(tmp_path, 3, [log.transaction("a")])
    with pytest.raises(log.ConflictError):
        log.commit(tmp_path, 3, [log.transaction("b")])
    assert [path.name for path in tmp_path.iterdir()] == [f"{3:020d}.json"]
    assert '"appId": "a"' in (tmp_path / f"{3:020d}.json").read_text()


def test_a_table_with_a_feature_we_do_not_know_is_refused(workspace):
    workspace.tables.append("stock", stock([("a", 1)]), "first")
    import json

    place = workspace.tables.folder / "stock" / "_delta_log" / f"{2:020d}.json"
    features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz", "deletionVectors"]}
    features["writerFeatures"] = ["timestampNtz", "deletionVectors"]
    place.write_text(json.dumps({"protocol": features}) + "\n")
    with pytest.raises(StoreError, match="deletionVectors"):
        workspace.tables.read("stock")


def test_half_written_files_of_the_dead_are_cleared_and_those_of_the_living_are_not(workspace):
    begun, go = threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go.wait(60)
        yield stock([("a", 1)])

    workspace.tables.append("stock", stock([("z", 1)]), "first")
    place = workspace.tables.folder / "stock" / staging.FOLDER
    dead = place / f"{7:020d}-0123456789abcdef"
    dead.mkdir()
    (dead / "00000.parquet").write_bytes(b"half")
    slow = threading.Thread(target=workspace.tables.append, args=("stock", slowly(), "slow"))
    slow.start()
    assert begun.wait(60)
    notes = Workspace.open(workspace.folder).swept.notes
    assert ["half written" in note for note in notes] == [True]
    assert not dead.exists()
    assert workspace.vacuum().removed_files == 0
    go.set()
    slow.join()
    assert held(workspace.tables) == {"a": 1.0, "z": 1.0}


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 99)), min_size=1, max_size=8),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 3),
)
@settings(max_examples=15, deadline=None)
def test_a_change_log_in_any_row_order_gives_the_last_word(batches, per_frame):
    """Within a batch the latest known_at counts, then the latest line; a later batch replaces an earlier one."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "FILE_ROWS", 3)
        shop = Workspace.create(folder)
        said = []
        for number, rows in enumerate(batches):
            frame = pl.concat(
                [stock([(sku, units)], datetime(2024, 2, 1) + timedelta(days=day)) for sku, day, units in rows]
            )
            shop.tables.append("stock", frame.iter_slices(per_frame), f"batch {number}")
            said += [(number, day, line, sku, float(units)) for line, (sku, day, units) in enumerate(rows)]
        last = {}
        by_second = {}
        for _, day, _, sku, units in sorted(said):
            last[sku] = units
            if day <= 1:
                by_second[sku] = units
        for again in range(2):
            assert held(shop.tables) == dict(sorted(last.items()))
            assert held(shop.tables, known_by=date(2024, 2, 2)) == dict(sorted(by_second.items()))
            if not again:
                shop.tables.compact("stock")


def test_names_of_version_0_1_are_still_read_in_order(workspace):
    made = workspace.tables
    for number in range(3):
        made.append("stock", stock([("a", number), (f"b{number}", number)]), f"batch {number}")
    folder = made.folder / "stock"
    for path in folder.glob("part-*.parquet"):
        low, _, mark, index, kind = path.stem.removeprefix("part-").split("-")
        old = f"part-{low}-{mark}-{index}-{'u' if kind == 'd' else 'r'}.parquet"
        path.rename(folder / old)
        for commit in log.commits(folder / "_delta_log"):
            commit.write_text(commit.read_text().replace(path.name, old))
    assert held(made) == {"a": 2.0, "b0": 0.0, "b1": 1.0, "b2": 2.0}
    assert "SORT" not in made.read("stock").explain()
    made.append("stock", stock([("a", 9)]), "new")
    made.compact("stock")
    assert held(made) == {"a": 9.0, "b0": 0.0, "b1": 1.0, "b2": 2.0}


def test_small_frames_become_one_file_and_many_rows_become_several(workspace, monkeypatch):
    monkeypatch.setattr(staging, "FILE_ROWS", 10)
    frames = (stock([(f"s{number:03d}", number)]) for number in range(25))
    assert workspace.tables.append("stock", frames, "first") == 25
    found = workspace.tables.parts("stock", workspace.tables._open("stock"))
    assert [part.rows for part in found] == [10, 10, 5]
    assert {part.kind for part in found} == {"d"}
    assert "UNIQUE" not in workspace.tables.read("stock").explain()


def test_keys_promised_distinct_are_not_looked_at(workspace, monkeypatch):
    monkeypatch.setattr(staging, "FILE_ROWS", 2)
    frames = [stock([("a", 1), ("c", 1)]), stock([("b", 1), ("d", 1)])]
    workspace.tables.append("stock", frames, "looked at")
    assert {p.kind for p in workspace.tables.parts("stock", workspace.tables._open("stock"))} != {"d"}
    other = Workspace.create(workspace.folder.parent / "other").tables
    other.append("stock", frames, "promised", distinct=True)
    assert {p.kind for p in other.parts("stock", other._open("stock"))} == {"d"}
    assert held(other) == held(workspace.tables)


def test_order_is_judged_by_names_and_ranges():
    def unit(low, high, kind, ranges, name="x"):
        part = parts.Part(None, 1, ranges, low, high, name, kind)
        return parts.Unit((part,), low, high, kind)

    apart = [unit(1, 1, "d", {"k": ("a", "b")}), unit(2, 2, "d", {"k": ("c", "d")})]
    over = [unit(1, 1, "d", {"k": ("a", "c")}), unit(2, 2, "d", {"k": ("c", "d")})]
    assert parts.order_of(apart, ["k"]) == "plain"
    assert parts.order_of(over, ["k"]) == "last"
    assert parts.order_of([unit(1, 2, "o", {}), unit(3, 3, "d", {})], ["k"]) == "last"
    assert parts.order_of([unit(1, 3, "o", {}), unit(2, 2, "d", {})], ["k"]) == "sort"
    assert parts.order_of([unit(1, 1, "r", {})], ["k"]) == "sort"
    assert parts.order_of([unit(None, None, "r", {})], ["k"]) == "sort"


def test_the_version_of_a_moment(workspace):
    made = workspace.tables
    try:
        for day in (1, 2, 3):
            CLOCK.hold(datetime(2024, 1, day, 12, tzinfo=UTC))
            made.append("stock", stock([("a", day)]), f"day {day}")
        CLOCK.hold(datetime(2024, 1, 4, tzinfo=UTC))
        assert made.version_at("stock", datetime(2024, 1, 2, 11)) == 1
        assert made.version_at("stock", datetime(2024, 1, 2, 12, tzinfo=UTC)) == 2
        assert made.version_at("stock", datetime(2024, 1, 1, 11)) is None
        assert made.version_at("orders", datetime(2024, 1, 4)) is None
        with workspace.runs.start(recorded_by=datetime(2024, 1, 2, 13)) as run:
            assert dict(run.read("stock").select("sku", "on_hand").collect().rows()) == {"a": 2.0}
            manifest = run.publish().manifest
        assert (manifest["as_of"], manifest["recorded_by"]) == (None, "2024-01-02T13:00:00+00:00")
        assert manifest["versions"] == {"stock": 2}
        assert manifest["redacted"] == []
        with workspace.runs.start(date(2024, 1, 31)) as run:
            assert run.publish().manifest["recorded_by"] is None
    finally:
        CLOCK.hold(None)


def test_a_version_that_is_no_longer_held_is_named(workspace):
    made = workspace.tables
    try:
        CLOCK.hold(datetime(2024, 1, 1, tzinfo=UTC))
        made.append("stock", stock([("a", 1)]), "one")
        CLOCK.hold(datetime(2024, 1, 2, tzinfo=UTC))
        made.append("stock", stock([("a", 2)]), "two")
        made.compact("stock")
        workspace.vacuum()
        with pytest.raises(StoreError, match="Version 1 of table stock is no longer held"):
            workspace.runs.start(recorded_by=datetime(2024, 1, 1, 1))
    finally:
        CLOCK.hold(None)
    assert list((workspace.folder / "leases").iterdir()) == []
