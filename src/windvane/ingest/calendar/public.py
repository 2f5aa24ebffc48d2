"""Public holidays, days off and make-up working days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from windvane.errors import ConfigError
from windvane.ingest.calendar.festivals import festivals

COLUMNS = {"date": pl.Date(), "name": pl.String(), "kind": pl.String()}

# 调休 is announced every November for the year to come; the holidays package knows the years up to this one.
_MAKE_UP_KNOWN_TO = {"CN": 2026}


def countries() -> list[str]:
    """ISO 3166 codes (two letters) of the countries whose public holidays are known."""
    import holidays

    return sorted(code for code in holidays.list_supported_countries() if len(code) == 2)


def holidays_between(country: str, subdivision: str, start: date, end: date) -> pl.DataFrame:
    """Public holidays and festivals of a country between two days, both included.

    Args:
        country: ISO 3166 code.
        subdivision: state or province, or empty.
        start: first day.
        end: last day.

    Returns:
        Columns ``date``, ``name``, ``kind``, sorted; a day may occur more than once. Kind is 'public', 'festival',
        or 'observance' for days that move the demand of few shops.

    Raises:
        ConfigError: the country or subdivision is unknown.
    """
    years = range(start.year, end.year + 1)
    public = _public(country, subdivision, years)
    rows = [(day, name, "public") for day, names in public.items() for name in str(names).split("; ")]
    for year in years:
        rows += [(day, name, "festival" if great else "observance") for day, name, great in festivals(country, year)]
    frame = pl.DataFrame(rows, schema=COLUMNS, orient="row").unique()
    return frame.filter(pl.col("date").is_between(start, end)).sort("date", "kind", "name")


def days_off(country: str, subdivision: str, start: date, end: date) -> pl.DataFrame:
    """Which days people have off: weekends and public holidays, less the weekend days that are worked instead.

    In China, Hungary, Viet Nam and a few other countries a long holiday is paid for with working weekends (调休).

    Args:
        country: ISO 3166 code.
        subdivision: state or province, or empty.
        start: first day.
        end: last day, included.

    Returns:
        One row a day: ``date``, ``off``, ``made_up`` (a weekend day that is worked), ``run`` (length in days of the
        stretch of days off or on that the day belongs to, as far as it lies between start and end), and ``certain``
        (False where make-up days of the year are not announced yet).

    Raises:
        ConfigError: the country or subdivision is unknown.
    """
    public = _public(country, subdivision, range(start.year, end.year + 1))
    days = [start + timedelta(days=i) for i in range((end - start).days + 1)]
    off = np.array([not public.is_working_day(day) for day in days], bool)
    made_up = np.array([public.is_weekend(day) for day in days], bool) & ~off
    change = np.flatnonzero(np.diff(off)) + 1
    bounds = np.concatenate([[0], change, [len(days)]]).astype(np.int64)
    lengths = np.diff(bounds)
    known_to = _MAKE_UP_KNOWN_TO.get(country)
    certain = [known_to is None or day.year <= known_to for day in days]
    return pl.DataFrame(
        {"date": days, "off": off, "made_up": made_up, "run": np.repeat(lengths, lengths), "certain": certain},
        schema={"date": pl.Date, "off": pl.Boolean, "made_up": pl.Boolean, "run": pl.Int64, "certain": pl.Boolean},
    )


def _public(country: str, subdivision: str, years: range) -> Any:
    """The ``holidays`` package's object for a country and years."""
    import holidays

    try:
        # A fixed language: otherwise the names, which models may read, depend on the machine's settings.
        language = "zh_CN" if country == "CN" else "en_US"
        return holidays.country_holidays(country, subdiv=subdivision or None, years=years, language=language)
    except NotImplementedError:
        place = f"{country} {subdivision}".strip()
        raise ConfigError(f"No public holidays are known for {place}.", "Set shop.country in windvane.toml.") from None
