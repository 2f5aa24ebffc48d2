"""The mapping file: what is accepted, and how errors say what is wrong."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import MappingError
from windvane.ingest.mapping import Mapping, dump_block, identity, load, load_block, parse, shipped
from windvane.schema import RAW

pytestmark = pytest.mark.tiny

GOOD = {
    "file": "a.csv",
    "columns": {"order_id": "id", "ordered_at": "at", "sku": "sku", "units": {"sql": "CAST(n AS INT)"}},
}


def orders(**changes):
    return {"orders": {**GOOD, **changes}}


def test_good_mapping():
    mapping = parse(orders(where="n > '0'", set_aside=[{"sql": "sku = 'POST'", "reason": "postage"}]), "mine")
    (block,) = mapping.blocks
    assert block.table.name == "orders"
    assert block.columns["units"].sql == "CAST(n AS INT)"
    assert block.set_aside[0].reason == "postage"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "fills no table"),
        ({"sales": GOOD}, "no table sales"),
        ({"orders": 3}, "must be a TOML table"),
        (orders(files="x"), "unknown setting files"),
        (orders(query="SELECT 1"), "exactly one of file, query, rows, select"),
        (orders(where=3), "where must be text"),
        (orders(columns={}), "has no columns"),
        (orders(columns={"colour": "c"}), "no column colour"),
        (orders(columns={"order_id": 3}), "column name or a table"),
        (orders(columns={"order_id": {"from": "a", "value": 1}}), "exactly one of from"),
        (orders(columns={"order_id": {"from": "a", "colour": 1}}), "unknown setting colour"),
        (orders(columns={"order_id": {"from": "a", "unit": "fortnight"}}), "unknown unit fortnight"),
        (orders(columns={"line": {"number_within": "basket"}}), "number_within names basket"),
        (orders(columns={"order_id": "id"}), "column ordered_at"),
        (orders(set_aside=[{"sql": "x"}]), "must have sql and reason"),
        ({"prices": {"file": "p.csv", "columns": {"sku": "s", "valid_from": "d", "price": "p"}}}, "known_at"),
        ({"files": {"a": 1}, **orders()}, "one file name per name"),
        ({"locations": {"rows": ["all"]}}, "rows must be a list of tables"),
        (orders(cursor="at"), "cursor needs select"),
        (orders(select="orders"), "exactly one of file, query, rows, select"),
        (orders(header=0), "header must be a line number"),
        (orders(header=True), "header must be a line number"),
        (orders(sheet=[1]), "sheet must be a name or a number"),
        (orders(decimal=";"), "decimal must be ',' or '.'"),
        (orders(encoding=8), "encoding must be text"),
        (orders(explode=["a"]), "explode must be text"),
        (orders(currency="euro"), "must be an ISO 4217 code"),
        (orders(currency={"from": "c", "value": "EUR"}), "exactly one of from"),
        (orders(set_aside={"sql": "x", "reason": "y"}), "set_aside must be a list"),
        (orders(columns={"units": {"from": "a", "decimal": "'"}}), "decimal must be ',' or '.'"),
        (orders(columns={"units": {"from": "a", "format": ["%Y", 1]}}), "format must be text"),
        (orders(columns={"units": {"arrival": False}}), "arrival can only be true"),
        (orders(columns={"units": {"file_date": 8}}), "file_date must be text"),
        (orders(columns={"units": {"number_within": 8}}), "number_within must name columns"),
        (orders(columns={"channel": {"json": ["a"]}}), "json must give a column per name"),
    ],
)
def test_wrong_mapping_names_what_is_wrong(values, said):
    with pytest.raises(MappingError) as raised:
        parse(values, "mine")
    assert said in raised.value.message
    assert raised.value.remedy


json_like = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.sampled_from(["orders", "file", "columns", "sku"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["orders", "prices", "file", "query", "rows", "columns", "set_aside", "sku", "from", "sql", "files"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*RAW, "files", "about", "nonsense"]), json_like, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_toml_gives_a_mapping_or_a_mapping_error(values):
    try:
        outcome = parse(values, "random")
    except MappingError as error:
        outcome = error
    assert isinstance(outcome, Mapping) or (outcome.message and outcome.remedy)


def test_every_shipped_mapping_is_valid_and_says_what_it_is():
    assert {"complete_journey", "fresh_market_zh", "m5", "uci_online_retail"} <= set(shipped())
    for name in shipped():
        mapping = load(name)
        assert mapping.about
        assert any(block.table.name == "orders" for block in mapping.blocks)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(MappingError, match="complete_journey"):
        load(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[orders\n")
    with pytest.raises(MappingError, match="not valid TOML"):
        load(tmp_path / "broken.toml")


def test_fingerprint_changes_with_what_matters():
    base = parse(orders(), "mine").blocks[0].fingerprint
    assert parse(orders(), "renamed").blocks[0].fingerprint == base
    assert parse(orders(where="n > '0'"), "mine").blocks[0].fingerprint != base
    changed = {**GOOD["columns"], "channel": {"value": "web"}}
    assert parse(orders(columns=changed), "mine").blocks[0].fingerprint != base


def test_old_fingerprints_stay():
    """They name batches: with another one, every file of every workspace would be taken once more."""
    columns = {
        "order_id": "id",
        "line": {"number_within": "order_id"},
        "ordered_at": {"from": "at", "format": "%d.%m.%Y", "timezone": "UTC", "local": "Asia/Shanghai"},
        "sku": "sku",
        "units": {"sql": "CAST(n AS INT)"},
        "kind": {"value": "sale"},
    }
    given = orders(where="n > '0'", columns=columns, set_aside=[{"sql": "sku = 'POST'", "reason": "postage"}])
    assert parse(given, "mine").blocks[0].fingerprint == "7311dc1cc276b41212fbb5f68a1b4a66"
    given = {"locations": {"rows": [{"location": "all", "country": "US"}]}}
    assert parse(given, "mine").blocks[0].fingerprint == "f327f155b96e701a1ac882a8046fd863"


EVERYTHING = {
    "file": "*.xlsx",
    "encoding": "gb18030",
    "separator": ";",
    "sheet": 2,
    "header": 3,
    "explode": "items",
    "decimal": ",",
    "currency": {"from": "cur"},
    "where": "n > '0'",
    "unwrap": True,
    "optional": ["n"],
    "fill_down": {"within": "id", "columns": ["at"]},
    "columns": {
        "order_id": "id",
        "line": {"number_within": ["order_id"]},
        "ordered_at": {"from": "at", "format": ["%d.%m.%Y", "%Y-%m-%d"], "timezone": "UTC", "local": "Asia/Shanghai"},
        "sku": {"json": {"a": "b"}},
        "units": {"sql": "CAST(n AS INT)"},
        "unit_price": {"from": "p", "decimal": "."},
        "discount": {"value": date(2024, 1, 1)},
        "known_at": {"value": datetime(2024, 1, 1, 12, tzinfo=UTC)},
        "channel": {"file_date": "%Y"},
        "return_of": {"arrival": True},
    },
    "set_aside": [{"sql": "sku = 'POST'", "reason": "postage", "name": "service"}],
}


@pytest.mark.parametrize("given", [orders(), {"orders": EVERYTHING}, {"locations": {"rows": [{"location": "all"}]}}])
def test_a_block_survives_json(given):
    block = parse(given, "mine").blocks[0]
    again = load_block(json.loads(json.dumps(dump_block(block))))
    assert again == block
    assert again.fingerprint == block.fingerprint


def test_every_shipped_block_survives_json():
    for name in shipped():
        for block in load(name).blocks:
            assert load_block(json.loads(json.dumps(dump_block(block)))) == block


def test_a_damaged_kept_block_is_an_error():
    kept = dump_block(parse(orders(), "mine").blocks[0])
    for wrong in ({}, {**kept, "table": "sales"}, {**kept, "colour": 1}, {**kept, "columns": 3}):
        with pytest.raises(MappingError, match="kept mapping"):
            load_block(wrong)


def test_expressions_over_many_rows_need_the_whole_file():
    assert not parse(orders(where="name = 'SUM (x)' AND LENGTH(n) > 0"), "mine").blocks[0].whole
    for sql in ("MAX(n)", "sum (n) OVER (PARTITION BY id)", "ROW_NUMBER() OVER (ORDER BY n)"):
        columns = {**GOOD["columns"], "units": {"sql": sql}}
        assert parse(orders(columns=columns), "mine").blocks[0].whole


def test_identity_mapping():
    needed = ["order_id", "ordered_at", "sku", "units"]
    assert list(identity(RAW["orders"], needed, "o.csv").blocks[0].columns) == needed
    with pytest.raises(MappingError, match="column sku"):
        identity(RAW["orders"], ["order_id", "ordered_at", "units"], "o.csv")
    with pytest.raises(MappingError, match="column Menge is no column of orders"):
        identity(RAW["orders"], ["order_id", "Menge"], "o.csv")
