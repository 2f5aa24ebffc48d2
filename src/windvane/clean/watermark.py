"""Which periods are closed: the calendar that a panel stands on.

A day is open until its orders are all in. Where orders carry a time of day, the last day counts as closed only if
its last order is about as late as on the days before, or if somebody says that it is over (who asks as of the end of
that day does); where they do not, every day present is closed. A week ends
on the weekday of the last closed day, a month on its own last day. The hours of an open day are closed up to the hour
of its last order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

import numpy as np
import polars as pl

from windvane.errors import InputError
from windvane.freq import Freq

_EPOCH = date(1970, 1, 1)
_LOOK_BACK = 28
_LEAST_DAYS = 7
_SLACK_SECONDS = 3600
_HOURS = 24
_LATE_OPENING = 3
"""Days without orders at the start of a month after which the month still counts as whole."""
_WORDS = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month"}


@dataclass(frozen=True)
class Window:
    """The calendar of a panel.

    Attributes:
        freq: hour, day, week or month.
        start: first day of the first column.
        closed: last closed day; holds the end of the last column (hours may end within it).
        time: number of columns up to the last closed period.
        horizon: further columns, for covariates known in advance.
        open_days: days after the last closed period that have orders.
        open_rows: order lines on those days.
        lost_days: days with orders before ``start`` (an incomplete first week or month).
        told_over: whether the last closed day counts only because it was said to be over: its last order came much
            earlier than on the days before.
    """

    freq: Freq
    start: date
    closed: date
    time: int
    horizon: int
    open_days: int = 0
    open_rows: int = 0
    lost_days: int = 0
    told_over: bool = False

    @property
    def step(self) -> float:
        """Mean days per period."""
        return self.freq.days

    @property
    def per_day(self) -> int:
        """Columns that a day spreads over: 24 for hours, else 1."""
        return _HOURS if self.freq.unit == "1h" else 1

    @property
    def first(self) -> int:
        """Period number of the first column."""
        return self.freq.number(self.start)

    @property
    def width(self) -> int:
        """Number of columns, the horizon included."""
        return self.time + self.horizon

    @property
    def end(self) -> date:
        """Last day of the horizon."""
        return self.start + timedelta(days=self.days(self.width) - 1)

    @property
    def dates(self) -> pl.Series:
        """Start of every column up to the cutoff."""
        return self.starts(self.time)

    def starts(self, columns: int) -> pl.Series:
        """Start of the first ``columns`` columns: Datetime for hours, else Date."""
        return self.freq.dates(np.arange(self.first, self.first + columns))

    def days(self, columns: int) -> int:
        """Days that the first ``columns`` columns reach over; a day begun counts."""
        unit = self.freq.unit
        if unit == "1h":
            return -(-columns // _HOURS)
        if unit == "1mo":
            return (self.freq.date(self.first + columns) - self.start).days
        return columns * int(self.freq.days)

    def columns(self, moments: pl.Series) -> np.ndarray:
        """Column of every Date or Datetime, int64; below 0 before the first column.

        A Date stands for its first moment: the first hour of the day where periods are hours.
        """
        kept = moments if self.freq.unit == "1h" else moments.cast(pl.Date)
        column: np.ndarray = self.freq.numbers(kept) - self.first
        return column

    def day_columns(self, days: pl.Series) -> np.ndarray:
        """Days since the first day of the first column, int64."""
        number = days.cast(pl.Date).to_physical().cast(pl.Int64).to_numpy()
        column: np.ndarray = number - (self.start - _EPOCH).days
        return column

    def periods_of_days(self, days: np.ndarray) -> np.ndarray:
        """Column that holds each day's first moment, by days since the first day of the first column, int64."""
        unit = self.freq.unit
        if unit == "1mo":
            dates = pl.Series((np.asarray(days) + (self.start - _EPOCH).days).astype(np.int32)).cast(pl.Date)
            return self.columns(dates)
        return np.asarray(days, np.int64) * _HOURS if unit == "1h" else np.asarray(days, np.int64) // int(self.step)

    def by_period(self, values: np.ndarray, how: Literal["mean", "max"], columns: int | None = None) -> np.ndarray:
        """Sum up daily columns to periods; a day's value holds for each of its hours.

        Args:
            values: one column per day of the first ``columns`` periods, [rows, days].
            how: "mean" of the days that are not NaN (NaN where none is), or "max".
            columns: periods wanted; the horizon included where absent.

        Returns:
            [rows, columns], contiguous.
        """
        columns = self.width if columns is None else columns
        unit = self.freq.unit
        if unit == "1d":
            return values
        if unit == "1h":
            return np.ascontiguousarray(np.repeat(values, _HOURS, axis=1)[:, :columns])
        begin = [self.days(column) for column in range(columns)]
        if not values.size or not columns:
            return np.zeros((values.shape[0], columns), values.dtype)
        if how == "max":
            return np.ascontiguousarray(np.maximum.reduceat(values, begin, axis=1))
        there = ~np.isnan(values)
        count = np.add.reduceat(there, begin, axis=1, dtype=np.int64)
        total = np.add.reduceat(np.where(there, values, 0.0), begin, axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def window(by_day: pl.DataFrame, unit: str, horizon: int, over: date | None = None) -> Window:
    """Find the closed periods.

    Args:
        by_day: one row per day with orders: day (Date), last_at (Datetime of its last order), timed (whether any
            of its orders has a time of day), rows (order lines).
        unit: "1h", "1d", "1w" or "1mo".
        horizon: periods ahead.
        over: a day that is said to be over. Of a later day than the last with orders nothing follows: nobody can
            tell a day without orders from orders that have not come yet.

    Raises:
        InputError: there are no orders, or less than one closed period of them; or hours are asked of orders
            without a time of day.
    """
    if not by_day.height:
        raise InputError(
            "table orders has no rows that count as sales or returns.",
            "Ingest orders (windvane ingest), or choose a later as-of date.",
            table="orders",
        )
    by_day = by_day.sort("day")
    first: date = by_day["day"][0]
    judged = _last_closed(by_day)
    told_over = over == by_day["day"][-1] > judged
    closed = over if told_over and over is not None else judged
    if unit == "1h":
        found = _hours(by_day, first, closed, horizon)
    elif unit == "1mo":
        found = _months(first, closed, horizon)
    else:
        found = _days(first, closed, unit, horizon)
    if found.time < 1:
        raise InputError(
            f"table orders covers {first} .. {closed}: less than one closed {_WORDS[unit]}.",
            "Ingest more orders, or set a shorter freq under [clean].",
            table="orders",
            column="ordered_at",
        )
    after = by_day.filter(pl.col("day") > found.closed)
    return Window(
        freq=found.freq,
        start=found.start,
        closed=found.closed,
        time=found.time,
        horizon=horizon,
        open_days=after.height,
        open_rows=int(after["rows"].sum()),
        lost_days=by_day.filter(pl.col("day") < found.start).height,
        told_over=told_over and found.closed == closed,
    )


def _days(first: date, closed: date, unit: str, horizon: int) -> Window:
    step = 7 if unit == "1w" else 1
    periods = ((closed - first).days + 1) // step
    start = closed - timedelta(days=periods * step - 1)
    anchor = (start - _EPOCH).days % 7
    return Window(Freq("1w", anchor) if step == 7 else Freq("1d"), start, closed, periods, horizon)


def _months(first: date, closed: date, horizon: int) -> Window:
    freq = Freq("1mo")
    begin = freq.number(first) + (first.day > 1 + _LATE_OPENING)
    stop = freq.number(closed + timedelta(days=1))
    start = freq.date(begin)
    return Window(freq, start, freq.date(stop) - timedelta(days=1), stop - begin, horizon)


def _hours(by_day: pl.DataFrame, first: date, closed: date, horizon: int) -> Window:
    if not by_day["timed"].any():
        raise InputError(
            "table orders, column ordered_at: no order has a time of day, and [clean] freq is '1h'.",
            "Map ordered_at to a column with the time, or set freq = '1d'.",
            table="orders",
            column="ordered_at",
        )
    freq = Freq("1h")
    last: date = by_day["day"][-1]
    # On an open day the hour of its last order is still coming in.
    stop = freq.number(datetime.combine(closed + timedelta(days=1), time()))
    if last > closed:
        stop = max(stop, freq.number(by_day["last_at"][-1].replace(minute=0, second=0, microsecond=0)))
    begin = freq.number(datetime.combine(first, time()))
    return Window(freq, first, freq.date(stop - 1).date(), stop - begin, horizon)  # type: ignore[attr-defined]


def _last_closed(by_day: pl.DataFrame) -> date:
    last: date = by_day["day"][-1]
    if by_day.height < 2 or not by_day["timed"].any():
        return last
    seconds = (by_day["last_at"] - by_day["day"].cast(pl.Datetime("us"))).dt.total_seconds().to_numpy()
    recent = (by_day["day"] >= last - timedelta(days=_LOOK_BACK)).to_numpy()
    before = seconds[:-1][recent[:-1]]
    if len(before) < _LEAST_DAYS or seconds[-1] >= np.quantile(before, 0.1) - _SLACK_SECONDS:
        return last
    # Days without orders between the two are closed: the shop was running, and sold nothing.
    return last - timedelta(days=1)
