"""A file read in many chunks gives what it gives as one: numbers, keys, counts, quarantine, whatever its order."""

import random
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError
from windvane.ingest import flow, ingest, spill
from windvane.ingest.ahead import ahead, marked
from windvane.ingest.cells.numbering import Numbering, Offsets
from windvane.ingest.mapping import parse
from windvane.ingest.quarantine import refused
from windvane.ingest.spill import Spill
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

HEADER = "nr,day,art,qty,who\n"
ORDERS = {"order_id": "nr", "ordered_at": "day", "sku": "art", "units": "qty", "customer": "who"}


@pytest.fixture
def small(monkeypatch):
    """Chunks of a few rows, and next to nothing held in memory."""
    monkeypatch.setattr("windvane.ingest.read.delimited.BLOCK", 64)
    monkeypatch.setattr(spill, "HELD", 4)
    monkeypatch.setattr(refused, "HELD", 2)
    monkeypatch.setattr(flow, "_PART", 3)


def taken(tmp_path, name, text, columns, table="orders", share=1.0, **block):
    """Ingest one file into a new workspace; the report of the file, and the workspace."""
    folder = tmp_path / f"{name}-in"
    folder.mkdir()
    (folder / "f.csv").write_text(text, encoding="utf-8")
    workspace = Workspace.create(tmp_path / name)
    settings = workspace.folder / "windvane.toml"
    settings.write_text(settings.read_text().replace("# max_bad_share = 0.05", f"max_bad_share = {share}"))
    (workspace.folder / "secret").write_text("ab" * 32)
    workspace = Workspace.open(workspace.folder)
    mapping = parse({table: {"file": "f.csv", "columns": columns, **block}}, "mine")
    return ingest(workspace, mapping, folder).files[0], workspace


def contents(workspace, table="orders"):
    """Every stored row, in an order of its own, and the quarantine."""
    held = workspace.tables.read(table).collect()
    bad = workspace.tables.read("quarantine").drop("at").collect()
    return held.sort(held.columns).rows(), bad.sort("line", "column", "rule", "reason").rows()


def both(tmp_path, monkeypatch, text, columns, **more):
    """The same file as one chunk and as many."""
    whole = taken(tmp_path, "whole", text, columns, **more)
    with monkeypatch.context() as patch:
        patch.setattr("windvane.ingest.read.delimited.BLOCK", 64)
        patch.setattr(spill, "HELD", 4)
        patch.setattr(refused, "HELD", 2)
        patch.setattr(flow, "_PART", 3)
        parts = taken(tmp_path, "parts", text, columns, **more)
    return whole, parts


def lines(rows):
    return HEADER + "".join(",".join(map(str, row)) + "\n" for row in rows)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_line_numbers_run_over_chunks(tmp_path, monkeypatch, order):
    rows = [(100 + i // 3, "2024-01-01", f"a{i}", 1, f"who{i % 4}") for i in range(60)]
    if order == "shuffled":
        random.Random(3).shuffle(rows)
    (whole, first), (parts, second) = both(tmp_path, monkeypatch, lines(rows), ORDERS)
    assert whole == parts
    assert contents(first) == contents(second)
    assert parts.accepted == 60
    seen = {}
    for identifier, _, sku, _, _ in rows:
        seen[sku] = sum(1 for other in seen.values() if other[0] == str(identifier)) + 1, str(identifier)
        seen[sku] = (str(identifier), seen[sku][0])
    held = second.tables.read("orders").collect()
    assert {row["sku"]: (row["order_id"], row["line"]) for row in held.to_dicts()} == seen


def test_repeats_and_contradictions_far_apart(tmp_path, monkeypatch):
    rows = [(i % 17, "2024-01-01", "a", 1 + i // 17 if i % 17 == 5 else 1, "Ann") for i in range(50)]
    columns = {**ORDERS, "line": {"value": 1}}
    (whole, first), (parts, second) = both(tmp_path, monkeypatch, lines(rows), columns)
    assert whole == parts
    assert (parts.accepted, parts.repeated, parts.superseded) == (17, 31, 2)
    assert contents(first) == contents(second)
    (row,) = second.tables.read("orders").filter(pl.col("order_id") == "5").collect().to_dicts()
    assert row["units"] == 3
    held = second.tables.read("quarantine").collect()
    assert held["reason"].unique().to_list() == [
        "line 41 has the same key (order_id, line) and other values; the later line counts"
    ]
    assert "Ann" not in str(held.rows())
    assert second.tables.rows("orders") == 17


def test_versions_of_one_key_all_stay(tmp_path, monkeypatch):
    text = "art,name,since\n" + "".join(f"a{i % 5},n{i // 5},2024-01-{1 + i // 10:02d}\n" for i in range(40))
    columns = {"sku": "art", "title": "name", "known_at": "since"}
    (whole, first), (parts, second) = both(tmp_path, monkeypatch, text, columns, table="products")
    assert whole == parts
    assert (parts.accepted, parts.superseded) == (20, 20)
    assert contents(first, "products") == contents(second, "products")
    history = second.tables.history("products").collect()
    assert history.height == 20
    assert second.tables.read("products").collect()["title"].unique().to_list() == ["n7"]


def test_bad_rows_on_every_chunk(tmp_path, monkeypatch):
    rows = [
        (i, "2024-01-01" if i % 7 else "never", "POST" if i % 5 == 0 else "a", i if i % 3 else "x", "")
        for i in range(60)
    ]
    rule = {"sql": "art = 'POST'", "reason": "postage", "name": "service"}
    more = {"set_aside": [rule], "where": "nr <> '13'"}
    (whole, first), (parts, second) = both(tmp_path, monkeypatch, lines(rows) + "1,2\n", ORDERS, **more)
    assert whole == parts
    assert contents(first) == contents(second)
    assert parts.read == 61 == parts.left_out + parts.accepted + parts.set_aside + parts.refused
    with pytest.raises(InputError, match="rows do not fit table orders"):
        taken(tmp_path, "refused", lines(rows) + "1,2\n", ORDERS, share=0.05, **more)


def test_bad_rows_at_the_head_of_a_good_file_are_all_kept(tmp_path, small, monkeypatch):
    """While the share looks hopeless rows are only counted; the second reading keeps them."""
    monkeypatch.setattr(flow, "ENOUGH", 3)
    rows = [(i, "2024-01-01", "a", 1 if i >= 20 else "x", "") for i in range(200)]
    report, workspace = taken(tmp_path, "late", lines(rows), ORDERS, share=0.15)
    assert (report.accepted, report.refused) == (180, 20)
    assert workspace.tables.read("quarantine").collect().height == 20


def test_a_refused_file_leaves_nothing(tmp_path, small):
    rows = [(i, "2024-01-01", "a", 1 if i < 60 else "x", "") for i in range(80)]
    with pytest.raises(InputError, match="20 of 80 rows do not fit"):
        taken(tmp_path, "shop", lines(rows), ORDERS, share=0.05)
    workspace = Workspace.open(tmp_path / "shop")
    assert workspace.tables.versions() == {}
    left = [path for path in workspace.folder.rglob("*") if path.is_file() and path.name != "lock"]
    assert not [path for path in left if path.suffix in (".parquet", ".pairs")]
    assert not list((workspace.folder / "staging").iterdir())


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path, small, monkeypatch):
    from windvane.ingest.jobs import Job

    same = Job.same

    def grown(job):
        path = job.items[0].path
        path.write_text(path.read_text() + "2,2024-01-01,b,1,\n")
        return same(job)

    monkeypatch.setattr(Job, "same", grown)
    with pytest.raises(InputError, match="changed while it was read"):
        taken(tmp_path, "shop", lines([(1, "2024-01-01", "a", 1, "")]), ORDERS)


@given(
    st.lists(st.integers(0, 12), max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.sampled_from([2, 1000]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_numbering_whatever_the_cuts(tmp_path_factory, groups, cuts, held, ordered):
    groups = sorted(groups) if ordered else groups
    folder = tmp_path_factory.mktemp("numbers")
    bounds = [0, *sorted(min(cut, len(groups)) for cut in cuts), len(groups)]
    chunks = [pl.DataFrame({"g": groups[a:b]}, schema={"g": pl.Int64}) for a, b in pairwise(bounds)]

    def numbers(numbering):
        made = [number for chunk in chunks for number in numbering.chunk(chunk).to_list()]
        numbering.finish()
        return made

    spilled = Spill(folder, "g", held)
    made = numbers(Numbering(spilled))
    offsets = Offsets.of(spilled, folder, "g")
    if ordered:
        assert offsets is None  # one reading is enough where groups stand together
    if offsets is not None:
        made = numbers(Numbering(None, offsets))
    assert made == [groups[: i + 1].count(group) for i, group in enumerate(groups)]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-5, 5)), max_size=60), st.sampled_from([1, 7, 1000]))
@settings(max_examples=100, deadline=None)
def test_spill_finds_what_repeats(tmp_path_factory, pairs, held):
    import numpy as np

    spilled = Spill(tmp_path_factory.mktemp("spill"), "s", held)
    # Few values spread over all 64 bits, so that every partition is met.
    hashes = [(value * 0x9E3779B97F4A7C15) % 2**64 for value, _ in pairs]
    for start in range(0, len(pairs), 3):
        part = slice(start, start + 3)
        spilled.add(np.array(hashes[part], np.uint64), np.array([number for _, number in pairs[part]], np.int64))
    found = [(int(h), int(n)) for hs, ns in spilled.repeats() for h, n in zip(hs, ns, strict=True)]
    expected = [(h, n) for h, (_, n) in zip(hashes, pairs, strict=True) if hashes.count(h) > 1]
    assert sorted(found) == sorted(expected)


def test_ahead_keeps_order_and_raises_in_place():
    def pieces():
        yield from range(5)
        raise ValueError("the sixth")

    got = []
    with pytest.raises(ValueError, match="the sixth"):
        got.extend(ahead(pieces()))
    assert got == [0, 1, 2, 3, 4]
    assert list(marked(iter("abc"))) == [("a", False), ("b", False), ("c", True)]
    assert list(marked([])) == []


def test_ahead_stops_when_nobody_listens():
    closed = []

    def pieces():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    stream = ahead(pieces())
    assert next(stream) == 0
    stream.close()
    assert closed == [True]
