"""Calendars: dates to numbers and back, and what is refused."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.errors import ConfigError, InputError
from windvane.freq import Freq, infer, shifted

pytestmark = pytest.mark.tiny

DAYS = st.dates(date(1950, 1, 1), date(2100, 12, 31))


@given(DAYS, st.integers(-500, 500))
def test_days_count_days(day, steps):
    freq = Freq("1d")
    assert freq.date(freq.number(day)) == day
    if date(1900, 1, 1) <= day + timedelta(steps):
        assert freq.date(freq.number(day) + steps) == day + timedelta(steps)


@given(DAYS, st.integers(-300, 300))
def test_weeks_keep_their_weekday(day, steps):
    freq = infer("1w", pl.Series([day]), "date")
    ahead = freq.date(freq.number(day) + steps)
    assert ahead.weekday() == day.weekday()
    assert ahead - day == timedelta(weeks=steps)


@given(st.integers(1950, 2100), st.integers(1, 12), st.integers(-400, 400))
def test_months_keep_their_end(year, month, steps):
    first = date(year, month, 1)
    for day, anchor in ((first, 0), (pl.Series([first]).dt.month_end()[0], 1)):
        freq = Freq("1mo", anchor)
        ahead = freq.date(freq.number(day) + steps)
        assert (ahead.year * 12 + ahead.month) - (day.year * 12 + day.month) == steps
        assert (ahead + timedelta(1)).day == 1 if anchor else ahead.day == 1


def test_hours_count_hours():
    freq = Freq("1h")
    moment = datetime(2024, 2, 28, 23)
    assert freq.date(freq.number(moment) + 1) == datetime(2024, 2, 29, 0)
    assert freq.dates(np.array([0]))[0] == datetime(1970, 1, 1)


def test_months_are_told_by_their_days():
    ends = pl.Series([date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 30)])
    assert infer("1mo", ends, "d") == Freq("1mo", 1)
    assert infer("1mo", pl.Series([date(2024, 1, 1), date(2024, 3, 1)]), "d") == Freq("1mo", 0)


@pytest.mark.parametrize(
    ("unit", "dates", "row", "says"),
    [
        ("1w", [date(2024, 1, 5), date(2024, 1, 12), date(2024, 1, 18)], 2, "another weekday"),
        ("1mo", [date(2024, 1, 31), date(2024, 2, 28)], 1, "neither the first nor the last"),
        ("1mo", [date(2024, 1, 1), date(2024, 2, 29)], 0, "neither the first nor the last"),
        ("1d", [datetime(2024, 1, 1), datetime(2024, 1, 2, 6)], 1, "time of day"),
        ("1h", [datetime(2024, 1, 1, 5, 30)], 0, "not a full hour"),
    ],
)
def test_dates_off_the_calendar_are_named(unit, dates, row, says):
    with pytest.raises(InputError, match=says) as caught:
        infer(unit, pl.Series(dates), "when")
    assert (caught.value.column, caught.value.row) == ("when", row)
    assert "'when'" in str(caught.value)


def test_an_unknown_frequency_is_refused():
    with pytest.raises(ConfigError, match="'2d' is not a frequency"):
        infer("2d", pl.Series([date(2024, 1, 1)]), "d")


@pytest.mark.parametrize(
    ("freq", "start", "last", "later"),
    [
        (Freq("1h"), datetime(2024, 2, 29, 23), date(2024, 2, 29), datetime(2024, 3, 1, 2)),
        (Freq("1d"), date(2024, 2, 28), date(2024, 2, 28), date(2024, 3, 2)),
        (Freq("1w", 6), date(2024, 2, 28), date(2024, 3, 5), date(2024, 3, 20)),
        (Freq("1mo"), date(2024, 2, 1), date(2024, 2, 29), date(2024, 5, 1)),
        (Freq("1mo", 1), date(2024, 2, 29), date(2024, 2, 29), date(2024, 5, 31)),
    ],
)
def test_the_end_of_a_period_and_the_ones_after_it(freq, start, last, later):
    assert freq.last_day(start) == last
    assert shifted(freq.unit, start, 3) == later
    assert shifted(freq.unit, later, -3) == start
