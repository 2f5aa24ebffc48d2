"""The mapping file: what is accepted, and how errors say what is wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import MappingError
from windvane.ingest.mapping import Mapping, identity, load, parse, shipped
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
        (orders(query="SELECT 1"), "exactly one of file, query and rows"),
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
    assert shipped() == ["complete_journey", "fresh_market_zh", "m5", "uci_online_retail"]
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


def test_identity_mapping():
    block = identity(RAW["orders"], ["order_id", "units"], "o.csv").blocks[0]
    assert set(block.columns) == {"order_id", "units"}
    with pytest.raises(MappingError, match="column Menge is no column of orders"):
        identity(RAW["orders"], ["order_id", "Menge"], "o.csv")
