"""Which periods are closed: the calendar that a panel stands on.

A day is open until its orders are all in. Where orders carry a time of day, the last day counts as closed only if
its last order is about as late as on the days before; where they do not, every day present is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from windvane.errors import InputError
from windvane.freq import Freq

_EPOCH = date(1970, 1, 1)
_LOOK_BACK = 28
_LEAST_DAYS = 7
_SLACK_SECONDS = 3600


@dataclass(frozen=True)
class Window:
    """The calendar of a panel.

    Attributes:
        freq: day or week.
        start: first day of the first column.
        closed: last closed day; ends the last column.
        time: number of columns up to ``closed``.
        horizon: further columns, for covariates known in advance.
        open_days: days after ``closed`` that have orders.
        open_rows: order lines on those days.
        lost_days: days with orders before ``start`` (an incomplete first week).
    """

    freq: Freq
    start: date
    closed: date
    time: int
    horizon: int
    open_days: int = 0
    open_rows: int = 0
    lost_days: int = 0

    @property
    def step(self) -> int:
        """Days per period."""
        return 7 if self.freq.unit == "1w" else 1

    @property
    def width(self) -> int:
        """Number of columns, the horizon included."""
        return self.time + self.horizon

    @property
    def end(self) -> date:
        """Last day of the horizon."""
        return self.closed + timedelta(days=self.horizon * self.step)

    @property
    def dates(self) -> pl.Series:
        """Start of every column up to the cutoff."""
        return self.starts(self.time)

    def starts(self, columns: int) -> pl.Series:
        """Start dates of the first ``columns`` columns."""
        days = (self.start - _EPOCH).days + np.arange(columns, dtype=np.int32) * self.step
        return pl.Series("date", days.astype(np.int32)).cast(pl.Date)

    def columns(self, days: pl.Series) -> np.ndarray:
        """Column of every Date or Datetime, int64; below 0 before the first column."""
        number = days.cast(pl.Date).to_physical().cast(pl.Int64).to_numpy()
        column: np.ndarray = (number - (self.start - _EPOCH).days) // self.step
        return column

    def day_columns(self, days: pl.Series) -> np.ndarray:
        """Days since the first day of the first column, int64."""
        number = days.cast(pl.Date).to_physical().cast(pl.Int64).to_numpy()
        column: np.ndarray = number - (self.start - _EPOCH).days
        return column


def window(by_day: pl.DataFrame, unit: str, horizon: int) -> Window:
    """Find the closed periods.

    Args:
        by_day: one row per day with orders: day (Date), last_at (Datetime of its last order), timed (whether any
            of its orders has a time of day), rows (order lines).
        unit: "1d" or "1w".
        horizon: periods ahead.

    Raises:
        InputError: there are no orders, or less than one closed period of them.
    """
    if not by_day.height:
        raise InputError(
            "table orders has no rows that count as sales or returns.",
            "Ingest orders (windvane ingest), or choose a later as-of date.",
            table="orders",
        )
    by_day = by_day.sort("day")
    first: date = by_day["day"][0]
    closed = _last_closed(by_day)
    after = by_day.filter(pl.col("day") > closed)
    step = 7 if unit == "1w" else 1
    time = ((closed - first).days + 1) // step
    if time < 1:
        raise InputError(
            f"table orders covers {first} .. {closed}: less than one closed period of {step} day(s).",
            "Ingest more orders, or set freq = '1d' under [clean].",
            table="orders",
            column="ordered_at",
        )
    start = closed - timedelta(days=time * step - 1)
    anchor = (start - _EPOCH).days % 7 if step == 7 else 0
    return Window(
        freq=Freq("1w", anchor) if step == 7 else Freq("1d"),
        start=start,
        closed=closed,
        time=time,
        horizon=horizon,
        open_days=after.height,
        open_rows=int(after["rows"].sum()),
        lost_days=by_day.filter(pl.col("day") < start).height,
    )


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
