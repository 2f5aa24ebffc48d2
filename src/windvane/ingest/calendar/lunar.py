"""Festivals of the Chinese lunar calendar; it is known from 1900 to 2099."""

from __future__ import annotations

from datetime import date, timedelta

FIRST_YEAR, LAST_YEAR = 1901, 2098

_FESTIVALS = {
    "元宵节": (1, 15),
    "端午节": (5, 5),
    "七夕": (7, 7),
    "中元节": (7, 15),
    "中秋节": (8, 15),
    "重阳节": (9, 9),
}


def new_year(year: int) -> date | None:
    """First day of the lunar year (春节) that begins in a year of the common calendar; ``None`` outside the range."""
    return solar(year, 1, 1)


def solar(year: int, month: int, day: int) -> date | None:
    """Day of the common calendar of a lunar day; ``None`` outside the range.

    Args:
        year: lunar year, named by the common year in which it begins.
        month: lunar month.
        day: day of it.
    """
    from lunardate import LunarDate

    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    found: date = LunarDate(year, month, day).to_solar_date()
    return found


def festivals(year: int) -> list[tuple[date, str]]:
    """Lunar festivals that fall into a common year: day and Chinese name."""
    found = [(solar(year, month, day), name) for name, (month, day) in _FESTIVALS.items()]
    start = new_year(year)
    if start is not None:
        # 腊八 and 小年 belong to the lunar year before, and fall into this one (腊八 at times into the last days
        # of the year before: it is then named by the year in which it falls).
        found += [(start - timedelta(days=1), "除夕"), (start, "春节")]
        found += [(solar(year - 1, 12, 23), "小年")]
    for lunar_year in (year - 1, year):
        laba = solar(lunar_year, 12, 8)
        if laba is not None and laba.year == year:
            found.append((laba, "腊八"))
    return [(day, name) for day, name in found if day is not None]
