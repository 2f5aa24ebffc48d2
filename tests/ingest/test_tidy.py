"""What is put right in a file's rows before a mapping looks at them, in one piece or in many."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.errors import MappingError
from windvane.ingest import mapping
from windvane.ingest.cells.tidy import Tidier, Tidy, parse

pytestmark = pytest.mark.tiny


def tidied(tidy, frame, cuts=()):
    """The rows put right, in chunks that begin at the cuts."""
    tidier, edges = Tidier(tidy), sorted({0, frame.height, *cuts})
    parts = [tidier.chunk(frame[start:end]) for start, end in pairwise(edges)]
    return pl.concat(parts) if parts else tidier.chunk(frame)


def test_values_said_once_per_order_are_filled_down():
    frame = pl.DataFrame(
        {"no": ["1", "1", "2", None, "1"], "paid": ["x", None, None, "y", None], "sku": ["a", "b", "c", "d", "e"]}
    )
    found = tidied(Tidy(within="no", fill_down=("paid",)), frame)
    # An order without a value takes none from the order above it; a line without a number belongs to the order above.
    # The last line has the first order's number again, but does not stand with it.
    assert found["paid"].to_list() == ["x", "x", None, "y", None]
    assert found["no"].to_list() == ["1", "1", "2", "2", "1"]


cells = st.sampled_from(["1", "2", "3", None])


@given(st.lists(st.tuples(cells, cells, cells), max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_chunks_make_no_difference(rows, cuts):
    frame = pl.DataFrame(rows, schema={"no": pl.String, "a": pl.String, "b": pl.String}, orient="row")
    tidy = Tidy(within="no", fill_down=("a", "b"), unwrap=True, optional=("c",))
    whole = tidied(tidy, frame)
    assert tidied(tidy, frame, [cut for cut in cuts if cut <= frame.height]).equals(whole)
    assert whole.height == frame.height


def test_cells_are_unwrapped():
    wrapped = ['="0012"', "\t7\t", " x ", "'75008", '=""', "", 'say "hi"', "=1+1", None]
    found = tidied(Tidy(unwrap=True), pl.DataFrame({"a": wrapped, "n": range(9)}))
    assert found["a"].to_list() == ["0012", "7", "x", "75008", None, None, 'say "hi"', "=1+1", None]
    assert found["n"].dtype == pl.Int64


def test_other_names_and_missing_columns():
    tidy = Tidy(aliases=(("no", ("number", "id")), ("sku", ("id",))), optional=("voucher",))
    found = tidied(tidy, pl.DataFrame({"id": ["1"], "number": ["2"], "qty": ["3"]}))
    assert found.to_dicts() == [{"sku": "1", "no": "2", "qty": "3", "voucher": None}]
    assert tidied(tidy, pl.DataFrame({"no": ["1"], "id": ["2"], "number": ["3"]})).columns == [
        "no", "sku", "number", "voucher",
    ]  # fmt: skip


def test_a_signature_is_met_under_any_name():
    tidy = Tidy(signature=("no", "sku"), aliases=(("no", ("number",)),))
    assert tidy.recognises(["sku", "number", "more"])
    assert not tidy.recognises(["number", "more"])
    assert not Tidy().recognises(["number"])


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"aliases": ["a"]}, "aliases"),
        ({"aliases": {"a": "b"}}, "aliases"),
        ({"signature": "a"}, "signature"),
        ({"optional": [1]}, "optional"),
        ({"unwrap": "yes"}, "unwrap"),
        ({"fill_down": ["a"]}, "fill_down"),
        ({"fill_down": {"within": "a"}}, "fill_down"),
        ({"fill_down": {"within": 1, "columns": ["a"]}}, "fill_down"),
    ],
)
def test_wrong_settings_are_named(given, word):
    with pytest.raises(MappingError, match=f"here: {word}"):
        parse(given, "here")


def test_a_block_without_such_settings_keeps_its_fingerprint():
    plain = {"orders": {"file": "o.csv", "columns": {"order_id": "a", "ordered_at": "b", "sku": "c", "units": "d"}}}
    with_one = {"orders": {**plain["orders"], "unwrap": True}}
    assert mapping.parse(plain, "m").blocks[0].tidy is None
    assert mapping.parse(plain, "m").blocks[0].fingerprint != mapping.parse(with_one, "m").blocks[0].fingerprint
