"""Which earlier periods a target is compared with, as a table of columns."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from windvane.errors import ConfigError
from windvane.freq import Freq

YEARS = {"1h": 8736, "1d": 364, "1w": 52, "1mo": 12}
"""Periods after which a year has passed and, for hours and days, the weekday is the same."""


def aligned_columns(align: str, freq: Freq, first: int, targets: int, places: int) -> np.ndarray:
    """Earlier columns that each target is compared with, newest first.

    Args:
        align: "season" (same weekday, hour of the day, week or month), "month_day" (same day of the month, or the
            month's last), "year", or "festival:CC" with an ISO 3166 code.
        freq: the calendar.
        first: period number of column 0.
        targets: number of columns, future ones included.
        places: how many earlier columns.

    Returns:
        int32 [targets, places]; -1 = before the first column.

    Raises:
        ConfigError: the alignment is unknown or does not fit the frequency.
    """
    target = np.arange(targets)[:, None]
    if align in ("season", "year"):
        width = freq.season if align == "season" else YEARS[freq.unit]
        columns = target - width * np.arange(1, places + 1)[None, :]
    elif align == "month_day":
        columns = _month_day(freq, first, targets, places)
    elif align.startswith("festival:"):
        columns = _festival(freq, first, targets, places, align.removeprefix("festival:"))
    else:
        raise ConfigError(f"{align!r} is no alignment.", "Use season, month_day, year or festival:CC.")
    return np.maximum(columns, -1).astype(np.int32)


def days_apart(freq: Freq, first: int, targets: int, name: str, country: str, ahead: bool, reach: int) -> np.ndarray:
    """Periods from every target to the next, or from the last, period that holds a day of a holiday.

    Args:
        freq: the calendar.
        first: period number of column 0.
        targets: number of columns, future ones included.
        name: of the holiday or festival.
        country: ISO 3166 code.
        ahead: to the next; else from the last.
        reach: the most.

    Returns:
        float32 [targets].

    Raises:
        ConfigError: no holiday of that name falls near.
    """
    from windvane.ingest.calendar import holidays_between

    numbers = np.arange(first - reach, first + targets + reach)
    ends = freq.dates(numbers[[0, -1]]).cast(pl.Date).to_list()
    # A year more on either side: a name that no year holds is a slip of the pen.
    days = holidays_between(country, "", ends[0] - timedelta(days=400), ends[1] + timedelta(days=400))
    mine = days.filter(pl.col("name") == name)["date"].unique()
    if not len(mine):
        raise ConfigError(
            f"{country} has no holiday or festival {name!r}.",
            "See windvane.ingest.calendar.holidays_between for its names.",
        )
    starts = freq.numbers(mine.cast(pl.Datetime("us")) if freq.unit == "1h" else mine)
    held = np.isin(numbers, starts[:, None] + np.arange(24 if freq.unit == "1h" else 1)[None, :])
    place = np.flatnonzero(held)
    target = np.arange(reach, reach + targets)
    if ahead:
        nearest = np.append(place, len(numbers) + reach)[np.searchsorted(place, target)] - target
    else:
        nearest = target - np.append(-reach - len(numbers), place)[np.searchsorted(place, target, side="right")]
    return np.minimum(nearest, reach).astype(np.float32)


def _month_day(freq: Freq, first: int, targets: int, places: int) -> np.ndarray:
    if freq.unit != "1d":
        raise ConfigError("the same day of the month is a matter of days.", "Leave same_month_day out, or use freq 1d.")
    dates = pl.DataFrame({"day": freq.dates(np.arange(first, first + targets))})
    # Polars takes the last day of a month that is too short.
    back = dates.select(pl.col("day").dt.offset_by(f"-{k}mo").alias(f"{k}") for k in range(1, places + 1))
    return np.stack([freq.numbers(back[name]) for name in back.columns], axis=1) - first


def _festival(freq: Freq, first: int, targets: int, places: int, country: str) -> np.ndarray:
    from windvane.ingest.calendar import same_time_last_year

    if freq.unit == "1mo":
        raise ConfigError("festivals do not move months.", "Leave the country of year_ago out.")
    numbers = np.arange(first, first + targets)
    starts = freq.dates(numbers)
    middle = starts.cast(pl.Date) + timedelta(days=3 if freq.unit == "1w" else 0)
    hour = numbers % 24 if freq.unit == "1h" else 0
    columns = []
    for _ in range(places):
        middle = same_time_last_year(middle, country)
        then = freq.numbers(middle.cast(pl.Datetime("us"))) + hour if freq.unit == "1h" else freq.numbers(middle)
        columns.append(then - first)
    return np.stack(columns, axis=1)
