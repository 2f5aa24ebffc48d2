"""Holidays, days off and festivals, against dates from the wall calendar and another library."""

from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest

from windvane.errors import ConfigError
from windvane.ingest.calendar import countries, days_off, holidays_between, phases_between, same_time_last_year
from windvane.ingest.calendar.festivals import FESTIVALS, easter
from windvane.ingest.calendar.lunar import new_year

pytestmark = pytest.mark.tiny


def names(country, day, subdivision=""):
    return set(holidays_between(country, subdivision, day, day)["name"])


@pytest.mark.parametrize(
    ("country", "day", "name"),
    [
        ("CN", date(2023, 1, 22), "春节"),
        ("CN", date(2024, 2, 9), "除夕"),
        ("CN", date(2024, 6, 10), "端午节"),
        ("CN", date(2023, 9, 29), "中秋节"),
        ("CN", date(2024, 1, 18), "腊八"),
        ("CN", date(2022, 1, 10), "腊八"),
        ("CN", date(2022, 12, 30), "腊八"),
        ("CN", date(2024, 2, 2), "小年"),
        ("CN", date(2024, 6, 18), "618"),
        ("CN", date(2024, 3, 8), "38节"),
        ("CN", date(2024, 11, 11), "双11"),
        ("CN", date(2024, 12, 12), "双12"),
        ("US", date(2017, 11, 24), "Black Friday"),
        ("US", date(2024, 12, 2), "Cyber Monday"),
        ("US", date(2024, 5, 12), "Mother's Day"),
        ("GB", date(2024, 3, 10), "Mother's Day"),
        ("GB", date(2011, 12, 26), "Boxing Day"),
        ("DE", date(2023, 7, 12), "Prime Day"),
        ("SG", date(2024, 9, 9), "9.9"),
        ("US", date(2017, 7, 4), "Independence Day"),
    ],
)
def test_known_dates(country, day, name):
    assert name in names(country, day)


def test_a_festival_is_not_held_before_its_time_or_elsewhere():
    assert "双11" not in names("CN", date(2008, 11, 11))
    assert "双11" not in names("US", date(2024, 11, 11))
    assert "Prime Day" not in {name for d in range(30) for name in names("US", date(2014, 7, 1) + timedelta(days=d))}


def test_subdivision_adds_its_own():
    assert "Cesar Chavez Day" in names("US", date(2017, 3, 31), "CA")
    assert names("US", date(2017, 3, 31)) == set()


def test_frame_is_sorted_and_bounded():
    frame = holidays_between("CN", "", date(2022, 12, 1), date(2023, 2, 1))
    assert frame.schema == {"date": pl.Date, "name": pl.String, "kind": pl.String}
    assert frame["date"].is_sorted()
    assert frame["date"].is_between(date(2022, 12, 1), date(2023, 2, 1)).all()
    assert set(frame["kind"]) == {"public", "festival", "observance"}
    assert frame.is_unique().all()


def test_unknown_country():
    with pytest.raises(ConfigError, match="XX"):
        holidays_between("XX", "", date(2023, 1, 1), date(2023, 1, 2))
    with pytest.raises(ConfigError, match="US ZZ"):
        holidays_between("US", "ZZ", date(2023, 1, 1), date(2023, 1, 2))


def test_every_country_that_is_offered_answers():
    offered = countries()
    assert len(offered) > 200
    for country in offered[::10]:
        assert holidays_between(country, "", date(2024, 1, 1), date(2024, 12, 31)).height > 3, country


# The notice for 2006 made Saturday 2005-12-31 a working day (for Monday 2006-01-02); chinesecalendar has it off.
_DISPUTED = {date(2005, 12, 31)}


def test_make_up_days_agree_with_chinesecalendar_from_2004_to_2026():
    chinese_calendar = pytest.importorskip("chinese_calendar")
    found = days_off("CN", "", date(2004, 1, 1), date(2026, 12, 31))
    differing = {day for day, off in found.select("date", "off").iter_rows() if off != chinese_calendar.is_holiday(day)}
    assert differing == _DISPUTED
    assert found["made_up"].sum() > 120
    assert found["certain"].all()


def test_days_off_elsewhere():
    hungary = days_off("HU", "", date(2025, 10, 18), date(2025, 10, 26)).filter("made_up")
    assert hungary["date"].to_list() == [date(2025, 10, 18)]
    weekend = days_off("AE", "", date(2021, 6, 4), date(2021, 6, 6))  # Friday and Saturday until 2021
    assert weekend["off"].to_list() == [True, True, False]
    golden_week = days_off("CN", "", date(2024, 9, 25), date(2024, 10, 15)).filter(pl.col("date") == date(2024, 10, 3))
    assert golden_week["run"].item() == 7


def test_years_whose_make_up_days_are_not_announced_are_marked():
    found = days_off("CN", "", date(2026, 12, 30), date(2027, 1, 2))
    assert found["certain"].to_list() == [True, True, False, False]
    assert found["off"].to_list() == [False, False, True, True]


@pytest.mark.parametrize(
    ("day", "phase"),
    [
        (date(2023, 10, 24), "presale"),
        (date(2023, 11, 2), "first wave"),
        (date(2023, 11, 11), "peak"),
        (date(2024, 10, 14), "presale"),
        (date(2030, 11, 1), "presale"),
        (date(2012, 11, 11), "peak"),
    ],
)
def test_phases_of_double_eleven(day, phase):
    found = phases_between("CN", day, day).filter(pl.col("name") == "双11")
    assert found["phase"].to_list() == [phase]


def test_phases_count_their_days():
    found = phases_between("CN", date(2023, 10, 1), date(2023, 12, 31)).filter(
        (pl.col("name") == "双11") & (pl.col("phase") == "presale")
    )
    assert found["day"].to_list() == list(range(1, 9))
    assert found["days"].unique().to_list() == [8]
    assert phases_between("CN", date(2012, 10, 20), date(2012, 10, 31)).filter(pl.col("name") == "双11").is_empty()


def test_phases_hold_the_peak_and_do_not_overlap():
    for festival in FESTIVALS:
        for country in sorted(festival.countries or {"US"})[:1]:
            for year in range(2005, 2031):
                peak = festival.held_in(country, year)
                if peak is None:
                    continue
                spans = sorted(festival.phases_of(year, peak).values())
                assert all(first <= last for first, last in spans), (festival.name, year)
                assert all(one[1] < two[0] for one, two in pairwise(spans)), (festival.name, year)
                assert spans[-1][0] <= peak <= spans[-1][1], (festival.name, year)


def test_easter_agrees_with_the_church():
    days = {1818: (3, 22), 2000: (4, 23), 2008: (3, 23), 2024: (3, 31), 2025: (4, 20), 2038: (4, 25)}
    assert {year: (easter(year).month, easter(year).day) for year in days} == days


@pytest.mark.parametrize(
    ("country", "day", "then"),
    [
        ("CN", date(2024, 2, 10), date(2023, 1, 22)),  # 春节
        ("CN", date(2023, 1, 12), date(2022, 1, 22)),  # ten days before it
        ("CN", date(2024, 11, 11), date(2023, 11, 11)),
        ("CN", date(2024, 7, 17), date(2023, 7, 19)),  # a plain Wednesday
        ("US", date(2024, 11, 29), date(2023, 11, 24)),  # Black Friday
        ("US", date(2024, 12, 2), date(2023, 11, 27)),  # Cyber Monday
        ("US", date(2024, 12, 24), date(2023, 12, 24)),
        ("DE", date(2024, 3, 31), date(2023, 4, 9)),  # Easter
        ("US", date(2024, 8, 7), date(2023, 8, 9)),
    ],
)
def test_same_time_last_year(country, day, then):
    assert same_time_last_year(pl.Series([day]), country).to_list() == [then]


@pytest.mark.parametrize("country", ["CN", "US", "DE"])
def test_the_year_before_is_about_a_year_back_and_no_festival_is_met_in_quiet_times(country):
    days = pl.date_range(date(2017, 1, 1), date(2026, 12, 31), eager=True)
    back = (days - same_time_last_year(days, country)).dt.total_days()
    assert back.is_between(300, 430).all()
    if country == "CN":
        start = {year: new_year(year) for year in range(2016, 2027)}
        landed = days.filter(same_time_last_year(days, "CN").is_in(pl.Series(list(start.values())).implode()))
        assert set(landed.to_list()) == {day for year, day in start.items() if year >= 2017}
