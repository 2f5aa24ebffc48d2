"""Rows against the schema: every row is kept, set aside, refused or explained."""

import json
import math
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import MappingError
from windvane.ingest.checks.rows import check
from windvane.ingest.keys import ROW
from windvane.ingest.mapping import parse
from windvane.ingest.read import LINE
from windvane.schema import RAW

pytestmark = pytest.mark.tiny


def block(table="orders", rules=(), **columns):
    rules = [dict(rule) for rule in rules]
    return parse({table: {"file": "f.csv", "columns": columns, "set_aside": rules}}, "test").blocks[0]


ORDERS = block(order_id="id", ordered_at="at", sku="sku", units="units", unit_price="price")


def source(**columns):
    frame = pl.DataFrame(columns, strict=False)
    return frame.insert_column(0, pl.Series(LINE, range(2, frame.height + 2), dtype=pl.Int64))


def lines(at="2024-01-05 10:00", **changes):
    base = {"id": ["1"], "at": [at], "sku": ["a"], "units": ["1"], "price": ["2"]}
    return source(**{**base, **{name: [value] for name, value in changes.items()}})


def only_fault(checked):
    assert checked.good.height == 0
    (row,) = checked.bad.to_dicts()
    return row["rule"], row["column"], row["value"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"units": "two"}, ("unreadable", "units", "two")),
        ({"units": None}, ("missing", "units", None)),
        ({"units": "nan"}, ("not_finite", "units", "nan")),
        ({"units": "inf"}, ("not_finite", "units", "inf")),
        ({"units": "1e13"}, ("too_large", "units", "1e13")),
        ({"units": "-1e13"}, ("too_small", "units", "-1e13")),
        ({"units": "1e999"}, ("not_finite", "units", "1e999")),
        ({"price": "-0.01"}, ("too_small", "unit_price", "-0.01")),
        ({"sku": None}, ("missing", "sku", None)),
        ({"sku": "  "}, ("missing", "sku", "  ")),
        ({"sku": "a\x00b"}, ("control_character", "sku", "a\x00b")),
        ({"at": "yesterday"}, ("unreadable", "ordered_at", "yesterday")),
        ({"at": "2024-02-30 10:00"}, ("unreadable", "ordered_at", "2024-02-30 10:00")),
        ({"at": "1900-01-01 00:00"}, ("absurd_date", "ordered_at", "1900-01-01 00:00")),
        ({"at": "2150-01-01 00:00"}, ("in_future", "ordered_at", "2150-01-01 00:00")),
        ({"at": "9999-01-01 00:00"}, ("absurd_date", "ordered_at", "9999-01-01 00:00")),
    ],
)
def test_each_bad_cell_is_named(changes, fault):
    assert only_fault(check(ORDERS, lines(**changes), "f.csv")) == fault


def test_quarantine_row_says_everything():
    checked = check(
        ORDERS,
        source(id=["1", "2"], at=["2024-01-01"] * 2, sku=["a"] * 2, units=["1", "x"], price=["1", "-1"]),
        "f.csv",
    )
    assert (checked.refused, checked.good.height) == (1, 1)
    first, second = checked.bad.sort("column").to_dicts()
    assert (first["line"], first["column"], first["reason"]) == (3, "unit_price", "unit_price is below 0.0")
    assert (second["line"], second["column"], second["reason"]) == (3, "units", "units is not a number")
    assert json.loads(first["row"]) == {"id": "2", "at": "2024-01-01", "sku": "a", "units": "x", "price": "-1"}


def test_defaults_are_filled_in():
    row = check(ORDERS, lines(units="-3"), "f.csv").good.to_dicts()[0]
    assert (row["kind"], row["location"], row["line"]) == ("return", "all", 1)
    assert row["known_at"] == row["ordered_at"] == datetime(2024, 1, 5, 10)
    stock = block("stock", sku="s", date="d", on_hand="n")
    row = check(stock, source(s=["a"], d=["2024-01-05"], n=["3"]), "f").good.to_dicts()[0]
    assert row["known_at"] == datetime(2024, 1, 5, 23, 59, 59, 999999)  # stock at the end of the day
    product = block("products", sku="s")
    assert check(product, source(s=["a"]), "f").good.to_dicts()[0]["known_at"] == datetime(1970, 1, 1)


def test_lines_are_numbered_in_file_order():
    frame = source(id=["1", "2", "1", "1"], at=["2024-01-01"] * 4, sku=list("abcd"), units=["1"] * 4, price=["1"] * 4)
    assert check(ORDERS, frame, "f").good["line"].to_list() == [1, 1, 2, 3]


def test_types_and_formats():
    mapped = block(
        order_id="id",
        line={"from": "at", "format": "%d.%m.%Y", "days_since": "2023-12-31"},
        ordered_at={"from": "at", "format": "%d.%m.%Y"},
        sku="sku",
        units={"value": 1},
        channel={"sql": "CONCAT('shop ', sku)"},
    )
    row = check(mapped, source(id=[17850.0], at=["01.02.2024"], sku=[7]), "f").good.to_dicts()[0]
    assert (row["order_id"], row["sku"], row["line"], row["channel"]) == ("17850", "7", 32, "shop 7")
    assert row["ordered_at"] == datetime(2024, 2, 1)


def test_time_zones():
    mapped = block(
        order_id="id",
        ordered_at={"from": "at", "timezone": "UTC", "local": "America/New_York"},
        sku={"value": "a"},
        units={"value": 1},
    )
    frame = source(id=["1", "2"], at=[datetime(2017, 1, 2, 4, 59), datetime(2017, 7, 2, 4, 0)])
    assert check(mapped, frame, "f").good["ordered_at"].to_list() == [
        datetime(2017, 1, 1, 23, 59),
        datetime(2017, 7, 2),
    ]
    offset = source(id=["1"], at=["2017-01-02T04:59:00.000+00:00"])
    assert check(mapped, offset, "f").good["ordered_at"].to_list() == [datetime(2017, 1, 1, 23, 59)]


def test_counts_from_an_origin():
    week = {"from": "w", "origin": "2016-12-19", "unit": "week"}
    mapped = block("promotions", promotion="w", sku="s", starts_on=week, ends_on=week, known_at=week)
    row = check(mapped, source(w=[2], s=["a"]), "f").good.to_dicts()[0]
    assert (row["starts_on"], row["known_at"]) == (date(2017, 1, 2), datetime(2017, 1, 2))


def test_rows_set_aside_are_not_refused():
    rule = {"sql": "sku = 'POST'", "reason": "postage", "name": "service"}
    mapped = block(rules=[rule], order_id="id", ordered_at="at", sku="sku", units="units")
    frame = source(id=["1", "2"], at=["2024-01-01"] * 2, sku=["POST", "a"], units=["x", "1"])
    checked = check(mapped, frame, "f")
    assert (checked.set_aside, checked.refused, checked.good.height) == (1, 0, 1)
    (row,) = checked.bad.to_dicts()
    assert (row["rule"], row["reason"], row["column"], row["line"]) == ("service", "postage", "", 2)


def test_repeats_are_dropped_and_contradictions_explained():
    product = block("products", sku="s", title="t")
    checked = check(product, source(s=["a", "b", "a", "a"], t=["x", "y", "x", "z"]), "f")
    assert dict(checked.good.select("sku", "title").rows()) == {"a": "z", "b": "y"}
    assert (checked.repeated, checked.superseded, checked.refused) == (1, 1, 0)
    (row,) = checked.bad.to_dicts()
    assert (row["rule"], row["line"]) == ("superseded", 4)
    assert row["reason"] == "line 5 has the same key (sku) and other values; the later line counts"


def test_signals_may_leave_places_empty():
    mapped = block("signals", name={"value": "snap"}, region="r", date="d", value="v", known_at={"value": "1970-01-01"})
    row = check(mapped, source(r=[None, "CA"], d=["2024-01-01"] * 2, v=[1, 0]), "f").good.to_dicts()[0]
    assert (row["sku"], row["location"], row["region"]) == ("", "", "")


def test_mapping_that_does_not_fit_names_the_column():
    with pytest.raises(MappingError, match=r"orders\.order_id: column 'id' is not in the file"):
        check(ORDERS, source(at=["2024-01-01"]), "f.csv")
    wrong = block(order_id="id", ordered_at="at", sku="sku", units={"sql": "FROBNICATE(units)"})
    with pytest.raises(MappingError, match=r"orders\.units"):
        check(wrong, lines(), "f.csv")
    rule = {"sql": "colour = 'red'", "reason": "red"}
    with pytest.raises(MappingError, match="set_aside"):
        check(block(rules=[rule], order_id="id", ordered_at="at", sku="sku", units="units"), lines(), "f.csv")


number_cells = st.one_of(
    st.none(),
    st.floats(width=32).map(repr),
    st.integers(-(10**14), 10**14).map(str),
    st.sampled_from(["", " ", "x", "1,5", "--1", " 7 ", "1e3", "+2", "é"]),
)


def acceptable(cell):
    """Whether a cell is good units, by Python's own reading of numbers."""
    try:
        value = float((cell or "").strip())
    except ValueError:
        return False
    return math.isfinite(value) and abs(value) <= 1e12


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2", "3", None]), st.sampled_from(["a", "b", "POST", None]), number_cells),
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_every_row_is_accounted_for(rows):
    """Conservation, and an oracle that reads each row singly in plain Python."""
    rule = {"sql": "sku = 'POST'", "reason": "postage"}
    mapped = block(
        rules=[rule],
        order_id="id",
        line="id",
        ordered_at={"value": "2024-01-01"},
        sku="sku",
        units={"from": "units", "decimal": "."},
    )
    kinds = {"id": pl.String, "sku": pl.String, "units": pl.String}
    frame = pl.DataFrame(rows, schema=kinds, orient="row")
    frame = frame.insert_column(0, pl.Series(LINE, range(2, len(rows) + 2), dtype=pl.Int64))
    checked = check(mapped, frame, "f")

    expected = {}
    refused = aside = 0
    for identifier, sku, units in rows:
        if sku == "POST":
            aside += 1
        elif identifier is None or sku is None or not acceptable(units):
            refused += 1
        else:
            expected[identifier] = (sku, float(units.strip()))
    assert (checked.set_aside, checked.refused) == (aside, refused)
    assert {row["order_id"]: (row["sku"], row["units"]) for row in checked.good.to_dicts()} == expected
    total = checked.good.height + checked.set_aside + checked.refused + checked.repeated + checked.superseded
    assert total == len(rows)
    assert set(checked.bad["line"]) | set(checked.good[LINE]) <= set(frame[LINE])
    types = RAW["orders"].types
    assert all(checked.good.schema[name] == types[name] for name in checked.good.columns if name not in (LINE, ROW))
