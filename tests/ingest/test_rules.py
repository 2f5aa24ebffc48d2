"""Rows that contradict themselves are refused; rows that are merely odd are not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from windvane import schema, screen
from windvane.clock import CLOCK
from windvane.ingest.checks.rules import RULES, row_faults

pytestmark = pytest.mark.tiny

NOW = datetime(2024, 6, 1, 12)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def held_clock():
    CLOCK.hold(NOW.replace(tzinfo=UTC))
    yield
    CLOCK.hold(None)


def faults(table: str, **cells) -> list[tuple[str, str]]:
    types = schema.RAW[table].types
    frame = pl.DataFrame({name: [value] for name, value in cells.items()}, {name: types[name] for name in cells})
    found = row_faults(schema.RAW[table], frame)
    assert all(fault.broken.to_list() == [True] for fault in found)
    return [(fault.rule, fault.column) for fault in found]


def order(**changes):
    cells = {"ordered_at": NOW - DAY, "known_at": NOW - DAY, "units": 1.0, "unit_price": 2.0, "kind": "sale"}
    return faults("orders", **(cells | changes))


@pytest.mark.parametrize(
    ("table", "cells", "fault"),
    [
        (
            "products",
            {"launched_on": date(2024, 2, 1), "ended_on": date(2024, 1, 1)},
            ("ends_before_start", "ended_on"),
        ),
        ("prices", {"valid_from": date(2024, 2, 1), "valid_to": date(2024, 1, 31)}, ("ends_before_start", "valid_to")),
        ("prices", {"price": 499.0, "list_price": 4.99}, ("price_scale", "price")),
        ("promotions", {"starts_on": date(2024, 2, 1), "ends_on": date(2024, 1, 1)}, ("ends_before_start", "ends_on")),
        ("supply", {"moq": 10.0, "capacity": 5.0}, ("moq_above_capacity", "moq")),
        ("supply", {"order_multiple": 10.0, "capacity": 5.0}, ("multiple_above_capacity", "order_multiple")),
        ("receipts", {"ordered_at": NOW, "received_at": NOW - 2 * DAY}, ("received_before_ordered", "received_at")),
        ("receipts", {"received_at": NOW, "known_at": NOW - 2 * DAY}, ("known_before_event", "known_at")),
        ("stock", {"date": date(2024, 6, 1), "known_at": NOW - 3 * DAY}, ("known_before_event", "known_at")),
        ("reviews", {"at": NOW, "known_at": NOW - 2 * DAY}, ("known_before_event", "known_at")),
        ("events", {"at": NOW, "known_at": NOW + 3 * DAY}, ("known_in_future", "known_at")),
    ],
)
def test_contradictions_are_refused(table, cells, fault):
    assert faults(table, **cells) == [fault]


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("products", {"launched_on": date(2024, 1, 1), "ended_on": date(2024, 1, 1)}),
        ("products", {"launched_on": date(2024, 1, 1), "ended_on": None}),
        ("products", {"known_at": NOW + 90 * DAY}),
        ("prices", {"valid_from": date(2024, 2, 1), "valid_to": date(2024, 2, 1)}),
        ("prices", {"price": 6.0, "list_price": 5.0}),
        ("prices", {"price": 6.0, "list_price": 0.0}),
        ("prices", {"valid_from": date(2027, 1, 1), "known_at": datetime(2027, 1, 1)}),
        ("promotions", {"starts_on": date(2027, 1, 1), "ends_on": date(2027, 1, 1), "known_at": datetime(1970, 1, 1)}),
        ("receipts", {"ordered_at": NOW, "received_at": datetime(2024, 6, 1), "known_at": datetime(2024, 6, 1)}),
        ("stock", {"date": date(2024, 6, 2), "known_at": datetime(2024, 6, 2, 23, 59, 59)}),
        ("stock", {"on_hand": 5.0, "in_stock_share": 0.0}),
        ("supply", {"moq": 5.0, "capacity": 5.0, "order_multiple": 5.0}),
        ("signals", {"date": date(2024, 6, 1), "known_at": datetime(1970, 1, 1)}),
    ],
)
def test_what_is_possible_is_taken(table, cells):
    assert faults(table, **cells) == []


def test_orders():
    assert order() == []
    assert order(kind="return", units=1.0) == []
    assert order(kind="sale", units=-1.0) == []
    assert order(known_at=NOW - 1.9 * DAY) == []
    assert order(known_at=NOW - 3 * DAY) == [("known_before_event", "known_at")]
    assert order(known_at=NOW - 3 * DAY, kind="presale deposit") == []
    assert order(known_at=NOW + 2 * DAY) == [("known_in_future", "known_at")]
    assert order(units=-1e7, unit_price=1e6) == [("too_much_money", "unit_price")]
    assert order(unit_price=None, known_at=None) == []


def test_one_entry_per_row_and_rules_without_their_columns_are_left_out():
    frame = pl.DataFrame({"moq": [1.0, 9.0, None], "capacity": [5.0, 5.0, 5.0]})
    (fault,) = row_faults(schema.RAW["supply"], frame)
    assert fault.broken.to_list() == [False, True, False]
    assert row_faults(schema.RAW["supply"], frame.drop("capacity")) == []
    assert row_faults(schema.RAW["supply"], frame.clear()) == []


def test_every_rule_has_words_and_real_columns():
    for name, rules in RULES.items():
        for rule in rules:
            assert {*rule.needs, rule.column} <= set(schema.RAW[name].types)
            for language in ("en", "zh"):
                assert screen.text(language, f"quarantine_reason.{rule.name}")
