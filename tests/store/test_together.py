"""Several batches in one commit: each once, in order, whoever else writes; names of batches as the log has them."""

import json
from datetime import date, datetime

import polars as pl
import pytest
from made_up_stock import stock

from windvane.errors import InputError, StoreError
from windvane.store import Workspace, parts, staging, tables
from windvane.store.batches import Batches, Unclear

pytestmark = pytest.mark.tiny


@pytest.fixture
def held(tmp_path):
    return Workspace.create(tmp_path / "shop").tables


def read(tables, **how):
    return dict(tables.read("stock", **how).sort("sku").select("sku", "on_hand").collect().rows())


def files(tables):
    return tables.parts("stock", tables._open("stock"))


def test_batches_share_a_commit_and_a_file(held):
    added = held.append_each("stock", {"x": stock([("a", 1), ("b", 1)]), "y": stock([("c", 2)]), "z": stock([])})
    assert added == {"x": 2, "y": 1, "z": 0}
    assert all(held.has_batch("stock", each) for each in "xyz")
    (part,) = files(held)
    assert (part.kind, part.rows, part.high - part.low) == ("d", 3, 2)
    assert held.version("stock") == 1
    assert held.history("stock").collect().sort("sku")["_seq"].to_list() == [part.low, part.low, part.low + 1]
    assert held.append_each("stock", {"y": stock([("c", 9)]), "w": stock([("d", 4)])}) == {"y": 0, "w": 1}
    assert read(held) == {"a": 1.0, "b": 1.0, "c": 2.0, "d": 4.0}
    assert held.append_each("stock", {"w": stock([("d", 9)])}) == {"w": 0}
    assert held.append_each("stock", {}) == {}
    assert held.version("stock") == 2


def test_a_later_batch_replaces_an_earlier_one_even_if_it_was_known_before(held):
    # As with one append after the other: the later batch counts, then known_at, then the line.
    early, late = datetime(2024, 2, 1), datetime(2024, 3, 1)
    held.append_each("stock", {"x": stock([("a", 1), ("a", 2)], late), "y": stock([("a", 3)], early)})
    held.append("stock", stock([("b", 1)]), "single")
    assert read(held) == {"a": 3.0, "b": 1.0}
    assert [part.kind for part in files(held)] == ["o", "d"]
    held.compact("stock")
    assert read(held) == {"a": 3.0, "b": 1.0}
    assert read(held, known_by=date(2024, 2, 20)) == {"a": 3.0, "b": 1.0}


def test_another_writer_may_be_quicker_with_one_of_them(held, tmp_path):
    with held.together("stock", 3) as waiting:
        for name, sku in (("x", "a"), ("y", "b"), ("z", "c")):
            waiting.add(name, stock([(sku, 1)]))
        assert "y" in waiting
        other = tables.Tables(held.folder)
        other.append("stock", stock([("b", 7), ("c", 7)]), "y")
        assert waiting.commit() == {"x": 1, "y": 0, "z": 1}
    # The others began first, and so what the quicker one says of c stands.
    assert read(held) == {"a": 1.0, "b": 7.0, "c": 7.0}
    assert held.rows("stock") == 4
    assert list((held.folder / "stock" / staging.FOLDER).iterdir()) == []
    assert len(list((held.folder / "stock").glob("*.parquet"))) == 2


def test_a_writer_may_be_quicker_at_the_last_moment(held, monkeypatch):
    """Between the look at the log and the lock."""
    other = tables.Tables(held.folder)
    admit, met = tables.Tables._admit, []

    def late(self, append, delta):
        if not met:
            met.append(append)
            monkeypatch.setattr(tables.Tables, "_admit", admit)
            other.append("stock", stock([("b", 7)]), "y")
        return admit(self, append, delta)

    monkeypatch.setattr(tables.Tables, "_admit", late)
    assert held.append_each("stock", {"x": stock([("a", 1)]), "y": stock([("b", 1)])}) == {"x": 1, "y": 0}
    assert read(held) == {"a": 1.0, "b": 7.0}
    assert len(list((held.folder / "stock").glob("*.parquet"))) == 2


def test_what_was_not_committed_is_gone(held):
    with held.together("stock", 2) as waiting:
        waiting.add("x", stock([("a", 1)]))
    assert not held.exists("stock")
    assert list((held.folder / "stock" / staging.FOLDER).iterdir()) == []
    with held.together("stock", 1) as waiting:
        with pytest.raises(InputError, match="no column colour"):
            waiting.add("x", stock([("a", 1)]).with_columns(colour=pl.lit("red")))
        with pytest.raises(StoreError, match="takes 1 batches"):
            waiting.add("y", stock([("a", 1)]))
    assert not held.exists("stock")


def test_a_compaction_waits_for_what_began_before(held):
    held.append("stock", stock([("a", 1)]), "first")
    with held.together("stock", 10) as waiting:
        waiting.add("x", stock([("a", 2)]))
        held.append("stock", stock([("a", 3), ("b", 1)]), "second")
        held.append("stock", stock([("b", 2)]), "third")
        held.compact("stock")
        waiting.add("y", stock([("b", 9)]))
        waiting.commit()
    assert read(held) == {"a": 3.0, "b": 2.0}
    held.compact("stock")
    assert read(held) == {"a": 3.0, "b": 2.0}
    assert parts.order_of(parts.units_of(files(held), ["sku", "location", "date"]), ["sku"]) == "plain"


@pytest.mark.parametrize("checkpoint", [3, 1000])
def test_names_of_batches_are_those_that_delta_rs_finds(held, monkeypatch, checkpoint):
    monkeypatch.setattr(tables, "_CHECKPOINT_EVERY", checkpoint)
    known = Batches(held.folder / "stock" / "_delta_log")
    for number in range(8):
        held.append("stock", stock([(f"s{number}", 1)]), f"{number} 年")
        held.append_each("stock", {f"{number}a": stock([("a", number)]), f"{number}b": stock([("b", number)])})
        if number == 4:
            held.compact("stock")
        fresh = Batches(held.folder / "stock" / "_delta_log")
        delta = held._open("stock")
        for name in [f"{n}{end}" for n in range(9) for end in (" 年", "a", "b")]:
            there = delta.transaction_version(name) is not None
            assert there == known.has(name) == fresh.has(name) == held.has_batch("stock", name)
            assert there == (int(name[0]) <= number)


def test_a_log_of_another_shape_is_left_to_delta_rs(held):
    for name in ("x", "y"):
        held.append("stock", stock([(name, 1)]), name)
    held._open("stock").create_checkpoint()
    place = held.folder / "stock" / "_delta_log"
    (place / f"{0:020d}.json").unlink()
    (place / f"{1:020d}.json").unlink()
    assert Batches(place).has("x")  # from the checkpoint
    pointer = place / "_last_checkpoint"
    pointer.write_text(json.dumps({**json.loads(pointer.read_text()), "parts": 2}))
    with pytest.raises(Unclear):
        Batches(place).has("x")
    assert held.has_batch("stock", "x")
    assert not held.has_batch("stock", "z")
    pointer.unlink()
    with pytest.raises(Unclear):
        Batches(place).has("x")
    pointer.write_text("{")
    with pytest.raises(Unclear):
        Batches(place).has("x")


def test_a_table_that_is_made_anew_is_read_anew(held):
    import shutil

    held.append("stock", stock([("a", 1)]), "x")
    assert held.has_batch("stock", "x")
    shutil.rmtree(held.folder / "stock")
    assert not held.has_batch("stock", "x")
    held.append("stock", stock([("a", 1)]), "y")
    assert not held.has_batch("stock", "x")
    assert held.has_batch("stock", "y")
