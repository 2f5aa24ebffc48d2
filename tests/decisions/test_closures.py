"""Lead times in open days: by hand, and against a count of days one by one."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane import schema
from windvane.decisions.closures import arrives, closures, with_closures

pytestmark = pytest.mark.tiny
DAY = date(2026, 2, 1)


def on(number):
    return DAY + timedelta(days=number)


@given(
    st.integers(0, 12),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=4),
)
def test_an_order_arrives_after_as_many_open_days_as_it_takes(lead, ordered, spans):
    closed = [(on(first), on(first + more)) for first, more in spans]
    shut = {day for first, more in spans for day in range(first, first + more + 1)}
    at = (arrives(on(ordered), lead, closed) - DAY).days
    assert at not in shut, "nothing arrives from who is closed"
    assert sum(day not in shut for day in range(ordered, at)) == lead
    # Who orders later is not served earlier.
    assert arrives(on(ordered + 1), lead, closed) >= arrives(on(ordered), lead, closed)


def rows(*lines):
    return pl.DataFrame(lines, schema=["supplier", "lead_time"], orient="row")


def table(*lines):
    """(name, first, last, day known)"""
    made = [
        {"name": n, "starts_on": on(a), "ends_on": on(b), "kind": schema.SUPPLIER_CLOSURE, "country": "", "region": ""}
        | {"known_at": datetime.combine(on(known), datetime.min.time())}
        for n, a, b, known in lines
    ]
    return lambda name: pl.DataFrame(made, schema=schema.TABLES[name].types).lazy()


def test_only_those_who_are_closed_in_time_are_later():
    found = closures(table(("Lumen", 4, 9, -5), ("Potter", 50, 60, -5)))
    told = with_closures(rows(("Lumen", 2.0), ("Potter", 2.5), (None, 2.0)), DAY, 5, found)
    assert told["lead_time"].to_list() == [2, 2.5, 2]
    assert told["review"].to_list() == [10, 5, 5]
    assert told["__closed"].to_list() == [[f"{on(4)} – {on(9)}"], [], []]
    every = with_closures(rows(("Lumen", 2.0), (None, 2.0)), DAY, 5, closures(table(("all", 0, 3, -5))))
    assert every["lead_time"].to_list() == [6, 6], "taken up on day 4, there on day 6"
    assert every["review"].to_list() == [1, 1], "the order of day 5 is there on day 7"


def test_a_closure_counts_from_the_day_it_is_known_and_as_it_was_last_told():
    read = table(("Lumen", 4, 9, -5), ("Lumen", 4, 6, -2))
    assert closures(read) == {"Lumen": [(on(4), on(6))]}
    assert closures(read, on(-3)) == {"Lumen": [(on(4), on(9))]}
    assert closures(read, on(-9)) == {}
