"""The shop's own calendar and days off, laid on the panel's calendar."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from windvane import schema
from windvane.clean.events import MOST_KINDS, own_events, rhythm
from windvane.clean.report import Findings
from windvane.clean.watermark import Window
from windvane.freq import Freq

pytestmark = pytest.mark.tiny

START = date(2024, 9, 23)
KEYS = pl.DataFrame({"sku": ["a", "a", "b"], "location": ["bj", "hh", "bj"]})
PLACES = pl.DataFrame(
    {"location": ["bj", "hh"], "country": ["CN", "DE"], "region": ["north", "HH"]},
)


def window(unit="1d", time=21, horizon=7):
    days = {"1d": 1, "1w": 7}.get(unit)
    freq = Freq("1w", (START - date(1970, 1, 1)).days % 7) if unit == "1w" else Freq(unit)
    closed = START + timedelta(days=time * days - 1) if days else START + timedelta(days=20)
    return Window(freq=freq, start=START, closed=closed, time=time, horizon=horizon)


def row(name, first, last, known, **more):
    plain = {"country": "", "region": "", "kind": "school holiday"}
    days = {"name": name, "starts_on": first, "ends_on": last, "known_at": datetime.combine(known, datetime.min.time())}
    return {**plain, **days, **more}


def table(*rows):
    return pl.DataFrame(list(rows), schema=schema.RAW["calendar"].types)


def test_an_event_holds_where_and_while_it_is_said_to():
    rows = table(
        row("autumn", date(2024, 10, 7), date(2024, 10, 9), date(2024, 1, 1), country="DE", region="HH"),
        row("autumn", date(2024, 10, 14), date(2024, 10, 15), date(2024, 1, 1), country="DE", region="BY"),
    )
    known = own_events(rows, PLACES, KEYS, window(), "CN")
    assert list(known) == ["event_school_holiday"]
    values = known["event_school_holiday"].values
    assert np.flatnonzero(values[1]).tolist() == [14, 15, 16]
    assert not values[[0, 2]].any()


def test_it_is_known_from_the_day_it_was_told_and_the_first_telling_of_a_change_stays():
    rows = table(
        row("sale", date(2024, 10, 7), date(2024, 10, 8), date(2024, 10, 1), kind=None),
        row("fair", date(2024, 10, 8), date(2024, 10, 9), date(2024, 9, 25), kind=None),
    )
    event = own_events(rows, PLACES, KEYS, window(), "CN")["event_event"]
    assert np.flatnonzero(event.values[0]).tolist() == [14, 15, 16]
    assert event.since[0, 14:17].tolist() == [8, 2, 2]
    # Nothing is said of a day without an event further ahead than such things are usually told.
    assert event.since[0, 0] < 0 < event.since[0, 20]


def test_a_moved_event_is_where_it_was_moved_to():
    rows = table(
        row("sale", date(2024, 10, 7), date(2024, 10, 9), date(2024, 9, 1)),
        row("sale", date(2024, 10, 7), date(2024, 10, 7), date(2024, 9, 30)),
    )
    event = own_events(rows, PLACES, KEYS, window(), "CN")["event_school_holiday"]
    assert np.flatnonzero(event.values[0]).tolist() == [14]
    assert event.since[0, 14] == 7


def test_weeks_hold_the_share_of_their_days():
    rows = table(row("term", date(2024, 9, 28), date(2024, 10, 1), date(2024, 1, 1)))
    event = own_events(rows, PLACES, KEYS, window("1w", 4, 2), "CN")["event_school_holiday"]
    np.testing.assert_allclose(event.values[0], [2 / 7, 2 / 7, 0, 0, 0, 0], rtol=1e-6)


def test_no_rows_no_covariates_and_only_the_most_frequent_kinds():
    assert own_events(table(), PLACES, KEYS, window(), "CN") == {}
    rows = [row(f"e{i}", date(2024, 9, 25), date(2024, 9, 25), date(2024, 1, 1), kind=f"k{i}") for i in range(9)]
    rows.append(row("again", date(2024, 9, 30), date(2024, 9, 30), date(2024, 1, 1), kind="k8"))
    found = own_events(table(*rows), PLACES, KEYS, window(), "CN")
    assert len(found) == MOST_KINDS
    assert next(iter(found)) == "event_k8"


def test_days_off_follow_the_country_of_the_location():
    known = rhythm(PLACES, KEYS, window(), ("CN", ""), Findings())
    golden = [(date(2024, 10, 1) + timedelta(days=i) - START).days for i in range(7)]
    off = known["day_off"].values
    assert off[0, golden].all()
    assert off[1, golden].tolist() == [0, 0, 1, 0, 1, 1, 0]  # Unity Day is Thursday the 3rd
    worked = (date(2024, 10, 12) - START).days
    assert (off[0, worked], off[1, worked]) == (0, 1)
    assert known["off_run"].values[0, golden].tolist() == [7] * 7
    assert known["off_run"].values[0, 0] == 5  # Monday to Friday before Sunday the 29th was worked: 23rd to 27th
    assert known["festival"].values[0].max() == 1  # 双11's presale began on 14 October 2024
    assert known["festival"].values[0, -1] == 1
    assert all(each.since is None for each in known.values())


@pytest.mark.parametrize("unit", ["1h", "1mo"])
def test_other_periods_have_their_shapes(unit):
    calendar = window(unit, 48 if unit == "1h" else 3, 24 if unit == "1h" else 2)
    if unit == "1mo":
        calendar = Window(freq=Freq("1mo"), start=date(2024, 9, 1), closed=date(2024, 11, 30), time=3, horizon=2)
    known = rhythm(PLACES, KEYS, calendar, ("CN", ""), Findings())
    assert all(each.values.shape == (3, calendar.width) for each in known.values())
    if unit == "1mo":
        october = known["day_off"].values[0, 1]
        assert october == pytest.approx(12 / 31)  # 1 to 7, 13, 19, 20, 26, 27


def test_a_year_whose_make_up_days_are_not_announced_is_reported():
    findings = Findings()
    late = Window(freq=Freq("1d"), start=date(2026, 12, 1), closed=date(2026, 12, 20), time=20, horizon=28)
    rhythm(PLACES, KEYS, late, ("CN", ""), findings)
    frame = findings.frame()
    assert frame["check"].to_list() == ["make_up_days_unknown"]
    assert frame.row(0, named=True)["example"] == "CN 2027-01-01"
    assert frame["count"].to_list() == [17]
