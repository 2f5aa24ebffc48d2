"""Days that move demand: public holidays by country, Chinese festivals, shopping festivals.

Public holidays come from the ``holidays`` package, lunar dates from ``lunardate``. Shopping festivals are dated
here: 618, 双11 (Singles' Day), 双12, Black Friday and Cyber Monday.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from windvane.errors import ConfigError

COLUMNS = {"date": pl.Date(), "name": pl.String(), "kind": pl.String()}

_LUNAR = {
    "元宵节": (1, 15),
    "端午节": (5, 5),
    "七夕": (7, 7),
    "中秋节": (8, 15),
    "重阳节": (9, 9),
}
_FIXED = {
    "CN": {"情人节": (2, 14), "618": (6, 18), "双11": (11, 11), "双12": (12, 12), "圣诞节": (12, 25)},
    "": {"Valentine's Day": (2, 14), "Halloween": (10, 31), "Christmas Eve": (12, 24), "New Year's Eve": (12, 31)},
}


def holidays_between(country: str, subdivision: str, start: date, end: date) -> pl.DataFrame:
    """Public holidays and festivals of a country between two days, both included.

    Args:
        country: ISO 3166 code.
        subdivision: state or province, or empty.
        start: first day.
        end: last day.

    Returns:
        Columns ``date``, ``name``, ``kind`` ('public' or 'festival'), sorted; a day may occur more than once.

    Raises:
        ConfigError: the country or subdivision is unknown.
    """
    import holidays

    years = range(start.year, end.year + 1)
    try:
        # A fixed language: otherwise the names, which models may read, depend on the machine's settings.
        language = "zh_CN" if country == "CN" else "en_US"
        public = holidays.country_holidays(country, subdiv=subdivision or None, years=years, language=language)
    except NotImplementedError:
        place = f"{country} {subdivision}".strip()
        raise ConfigError(f"No public holidays are known for {place}.", "Set shop.country in windvane.toml.") from None
    rows = [(day, name, "public") for day, names in public.items() for name in str(names).split("; ")]
    for year in years:
        rows += [(day, name, "festival") for day, name in _festivals(country, year)]
    frame = pl.DataFrame(rows, schema=COLUMNS, orient="row").unique()
    return frame.filter(pl.col("date").is_between(start, end)).sort("date", "kind", "name")


def _festivals(country: str, year: int) -> list[tuple[date, str]]:
    fixed = _FIXED["CN"] if country in ("CN", "HK", "MO", "TW") else _FIXED[""]
    found = [(date(year, month, day), name) for name, (month, day) in fixed.items()]
    if country in ("CN", "HK", "MO", "TW", "SG"):
        found += _lunar(year)
    else:
        black_friday = _nth(year, 11, 3, 4) + timedelta(days=1)
        found += [(black_friday, "Black Friday"), (black_friday + timedelta(days=3), "Cyber Monday")]
    return found


def _lunar(year: int) -> list[tuple[date, str]]:
    """Festivals of the Chinese lunar calendar; it is known from 1900 to 2099."""
    from lunardate import LunarDate

    if not 1900 < year < 2099:
        return []
    found = [(LunarDate(year, month, day).to_solar_date(), name) for name, (month, day) in _LUNAR.items()]
    new_year = LunarDate(year, 1, 1).to_solar_date()
    return [*found, (new_year - timedelta(days=1), "除夕"), (new_year, "春节")]


def _nth(year: int, month: int, weekday: int, nth: int) -> date:
    """The nth given weekday (Monday = 0) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
