"""Calendar periods: how dates map to consecutive numbers and back.

Weeks keep the weekday that they came with and months keep their first or last day, so that a date read in
is a date written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from windvane.errors import ConfigError, InputError

Unit = Literal["1h", "1d", "1w", "1mo"]
_SEASON: dict[str, int] = {"1h": 24, "1d": 7, "1w": 52, "1mo": 12}
_DAYS: dict[str, float] = {"1h": 1 / 24, "1d": 1.0, "1w": 7.0, "1mo": 365.25 / 12}


@dataclass(frozen=True)
class Freq:
    """One calendar frequency.

    Attributes:
        unit: "1h", "1d", "1w" or "1mo".
        anchor: for weeks the day number modulo 7 that periods start on; for months 0 = first, 1 = last day.
    """

    unit: Unit
    anchor: int = 0

    @property
    def season(self) -> int:
        """Periods in the main season: 24 hours, 7 days, 52 weeks, 12 months."""
        return _SEASON[self.unit]

    @property
    def days(self) -> float:
        """Mean length of a period in days."""
        return _DAYS[self.unit]

    def numbers(self, dates: pl.Series) -> np.ndarray:
        """Consecutive period numbers (int64) of dates that lie on the frequency."""
        if self.unit == "1h":
            return (dates.cast(pl.Datetime("us")).to_physical() // 3_600_000_000).to_numpy()
        if self.unit == "1mo":
            return (dates.dt.year().cast(pl.Int64) * 12 + dates.dt.month().cast(pl.Int64) - 1).to_numpy()
        days = dates.cast(pl.Date).to_physical().cast(pl.Int64).to_numpy()
        return days if self.unit == "1d" else (days - self.anchor) // 7

    def dates(self, numbers: np.ndarray) -> pl.Series:
        """Dates of period numbers: Datetime for hours, else Date."""
        values = np.asarray(numbers, dtype=np.int64)
        if self.unit == "1h":
            return pl.Series("date", values * 3_600_000_000).cast(pl.Datetime("us"))
        if self.unit == "1mo":
            frame = pl.DataFrame({"y": values // 12, "m": values % 12 + 1})
            first = frame.select(pl.date("y", "m", 1).alias("date")).to_series()
            return first.dt.month_end() if self.anchor else first
        days = values if self.unit == "1d" else values * 7 + self.anchor
        return pl.Series("date", days.astype(np.int32)).cast(pl.Date)

    def last_day(self, start: date | datetime) -> date:
        """Last day of the period that one date stands for; the day itself for an hour."""
        if self.unit == "1h":
            return start.date() if isinstance(start, datetime) else start
        if self.unit == "1mo" and self.anchor:
            return start
        return self.date(self.number(start) + 1) - timedelta(days=1)

    def number(self, moment: date | datetime) -> int:
        """Period number of one date."""
        return int(self.numbers(pl.Series([moment]))[0])

    def date(self, number: int) -> date:
        """Date of one period number."""
        value: date = self.dates(np.array([number]))[0]
        return value


def shifted(unit: str, start: date, periods: int) -> date:
    """Start of the period so many after the one that starts at ``start``; a month's last day stays one.

    Args:
        unit: "1h", "1d", "1w" or "1mo".
        start: start of a period; a datetime for hours.
        periods: how many later; negative = before.
    """
    if unit == "1mo":
        freq = Freq("1mo", 0 if start.day == 1 else 1)
        return freq.date(freq.number(start) + periods)
    return start + periods * (timedelta(hours=1) if unit == "1h" else timedelta(days=int(_DAYS[unit])))


def infer(unit: str, dates: pl.Series, column: str) -> Freq:
    """Find the anchor of a frequency from the dates at hand.

    Args:
        unit: "1h", "1d", "1w" or "1mo".
        dates: Date or Datetime values without nulls.
        column: name of the column, for errors.

    Raises:
        ConfigError: the unit is not one of the four.
        InputError: a date does not lie on the frequency; names its row.
    """
    if unit not in _SEASON:
        raise ConfigError(f"freq={unit!r} is not a frequency.", "Use '1h', '1d', '1w' or '1mo'.")
    if unit == "1h":
        off = dates.cast(pl.Datetime("us")).to_physical() % 3_600_000_000 != 0
        return _checked(Freq("1h"), off, dates, column, "is not a full hour")
    if dates.dtype != pl.Date:
        off = dates.dt.truncate("1d") != dates
        _checked(Freq("1d"), off, dates, column, "has a time of day")
        dates = dates.cast(pl.Date)
    if unit == "1d":
        return Freq("1d")
    if unit == "1w":
        days = dates.to_physical().cast(pl.Int64)
        anchor = int(days[0] % 7)
        return _checked(Freq("1w", anchor), days % 7 != anchor, dates, column, "falls on another weekday than row 0")
    if (dates.dt.day() == 1).all():
        return Freq("1mo", 0)
    return _checked(
        Freq("1mo", 1), dates.dt.month_end() != dates, dates, column, "is neither the first nor the last of its month"
    )


def _checked(freq: Freq, off: pl.Series, dates: pl.Series, column: str, fault: str) -> Freq:
    if off.any():
        row = int(off.arg_true()[0])
        raise InputError(
            f"column {column!r}, row {row}: {dates[row]} {fault} (freq={freq.unit!r}).",
            "Truncate the dates to the start of their period, or name the right freq.",
            column=column,
            row=row,
        )
    return freq
