"""The same time last year: by weekday in quiet times, by festival round festivals that move."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from windvane.ingest.calendar import lunar
from windvane.ingest.calendar.festivals import CHINESE, easter, nth

_WEEKS = 364  # 52 weeks: the same weekday
# How far round its day a festival decides what is compared with what, in days before and after.
_REACH = {"春节": (30, 20), "端午节": (5, 2), "中秋节": (14, 2), "Thanksgiving": (7, 5), "Easter": (14, 7)}


def same_time_last_year(days: pl.Series, country: str) -> pl.Series:
    """The day of the year before that a day is best compared with.

    A day near a festival that moves (春节, 端午节, 中秋节, Thanksgiving with Black Friday and Cyber Monday, Easter) is
    compared with the day as far from that festival a year ago; a day near one on a fixed date (双11, Christmas) with
    the same date; any other with the same weekday 52 weeks ago. Where a festival a year ago claims the day that the
    weekday gives, the nearest same weekday outside the festival's reach is taken.

    Args:
        days: Date values, of any order.
        country: ISO 3166 code.

    Returns:
        Date values in the same order; each lies 300 to 430 days back.
    """
    unique = days.unique().sort()
    table = {day: _back(day, country) for day in unique.to_list() if day is not None}
    return days.replace_strict(
        pl.Series(list(table), dtype=pl.Date), pl.Series(list(table.values()), dtype=pl.Date), default=None
    ).alias("year_ago")


def _back(day: date, country: str) -> date:
    for year in (day.year, day.year + 1):
        for name, here in _moving(year, country).items():
            before, after = _REACH[name]
            if -before <= (day - here).days <= after:
                then = _moving(year - 1, country).get(name)
                if then is not None:
                    return then + (day - here)
    for month, number, before, after in _fixed(country):
        for year in (day.year, day.year + 1):
            anchor = date(year, month, number)
            if -before <= (day - anchor).days <= after:
                return date(year - 1, month, number) + (day - anchor)
    return _outside(day - timedelta(days=_WEEKS), country)


def _outside(day: date, country: str) -> date:
    """The day itself, or the nearest same weekday that no festival claims."""
    for weeks in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7):
        other = day + timedelta(weeks=weeks)
        if not _claimed(other, country):
            return other
    return day


def _claimed(day: date, country: str) -> bool:
    for year in (day.year, day.year + 1):
        for name, here in _moving(year, country).items():
            if -_REACH[name][0] <= (day - here).days <= _REACH[name][1]:
                return True
        for month, number, before, after in _fixed(country):
            if -before <= (day - date(year, month, number)).days <= after:
                return True
    return False


def _moving(year: int, country: str) -> dict[str, date]:
    if country in CHINESE or country == "SG":
        found = {"春节": lunar.new_year(year), "端午节": lunar.solar(year, 5, 5), "中秋节": lunar.solar(year, 8, 15)}
        return {name: day for name, day in found.items() if day is not None}
    moving = {"Easter": easter(year)}
    moving["Thanksgiving"] = nth(year, 11, 3, 4)
    return moving


def _fixed(country: str) -> tuple[tuple[int, int, int, int], ...]:
    """Festivals on fixed dates: month, day, days before and after that follow the date and not the weekday."""
    if country in CHINESE:
        return ((6, 18, 3, 2), (11, 11, 3, 2), (12, 12, 2, 1), (10, 1, 3, 7), (5, 1, 2, 5))
    return ((2, 14, 3, 0), (10, 31, 3, 0), (12, 25, 10, 6))
