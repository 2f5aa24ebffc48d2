"""Prices as they were observed: of competitors, of a market, of the shop itself; and what is known of each by a day.

A price that was not observed is no price of 0 and no old price: it is absent. What a price was last, how long ago that
was, what it usually is and since when it has not moved are all told from the past alone.

Source: Eichenbaum, Jaimovich and Rebelo (2011), Reference prices, costs, and nominal rigidities, American Economic
Review 101 (the usual price: the one that was asked most often lately).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date as Date
from datetime import datetime, time
from functools import cached_property

import numpy as np
import polars as pl
from numba import njit

from windvane import freq as freqs
from windvane.errors import InputError
from windvane.freq import Freq, Unit

COMPETITOR = "competitor price"
"""Usual name of the signal."""
_KEYS = ("sku", "location", "region")
_LATELY = {"1h": 24 * 14, "1d": 56, "1w": 13, "1mo": 6}  # periods that the usual price is taken over
_SAME = 0.01  # logs of prices no farther apart are the same usual price
_STILL = 5e-4  # logs no farther apart are the same price: sheets round


@dataclass(frozen=True, eq=False)
class Past:
    """What is known of every series at the end of every period, from then and before alone; all [series, time].

    Attributes:
        log: logarithm of the last price observed, float32; NaN before the first.
        seen: whether a price was observed in the very period.
        usual: logarithm of the usual price, float32: the one seen most often lately, the latest of several.
        still: periods since the price last moved, int32; since the first price where it never did.
        age: periods since the price was last observed, int32.
    """

    log: np.ndarray
    seen: np.ndarray
    usual: np.ndarray
    still: np.ndarray
    age: np.ndarray


@dataclass(frozen=True, eq=False)
class PriceHistory:
    """Prices of many series on one calendar.

    Attributes:
        keys: key columns, one row per series.
        price: float32 [series, time]; NaN = not observed in that period.
        dates: the periods [time].
        freq: the calendar.
        group: number of the group of every series, such as its category or seller, int64 [series]; prices of a group
            may move together, and one method is chosen for each group that is large enough.
    """

    keys: pl.DataFrame
    price: np.ndarray
    dates: pl.Series
    freq: Freq
    group: np.ndarray

    def __post_init__(self) -> None:
        if self.price.shape != (self.keys.height, len(self.dates)) or self.group.shape != (self.keys.height,):
            raise InputError(
                f"price has the shape {self.price.shape}; there are {self.keys.height} series, {len(self.dates)} "
                f"periods and {len(self.group)} groups.", "Give one row per series and one column per period.",
                column="price",
            )  # fmt: skip
        if not self.price.size:
            raise InputError("there is no price.", "Give prices of one series at least.", column="price")
        wrong = np.argwhere(~((self.price > 0) & np.isfinite(self.price)) & ~np.isnan(self.price))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"the price of series {row} on {self.dates[int(column)]} is {self.price[row, column]}.",
                "Give prices above 0, and leave out what was not observed.", column="price", row=int(row),
            )  # fmt: skip
        if self.group.min() < 0:
            raise InputError(f"the group {self.group.min()} is below 0.", "Number groups from 0.", column="group")
        empty = np.flatnonzero(np.isnan(self.price).all(axis=1))
        if len(empty):
            raise InputError(
                f"series {empty[0]} ({_named(self.keys, int(empty[0]))}) has no price at all.", "Leave it out.",
                column="price", row=int(empty[0]),
            )  # fmt: skip

    @property
    def cutoff(self) -> Date:
        """Last period."""
        value: Date = self.dates[-1]
        return value

    @cached_property
    def past(self) -> Past:
        """What was known at the end of every period."""
        price = np.ascontiguousarray(self.price, np.float32)
        with np.errstate(invalid="ignore"):
            log = np.log(price)
        out = Past(
            np.full(log.shape, np.nan, np.float32), ~np.isnan(log), np.full(log.shape, np.nan, np.float32),
            np.zeros(log.shape, np.int32), np.zeros(log.shape, np.int32),
        )  # fmt: skip
        _told(log, _LATELY[self.freq.unit], _STILL, _SAME, (out.log, out.usual, out.still, out.age))
        return out

    def last(self) -> np.ndarray:
        """Last price observed, float64 [series]."""
        return np.exp(self.past.log[:, -1].astype(np.float64))

    def take(self, rows: np.ndarray) -> PriceHistory:
        """That of some series, by row number."""
        return replace(self, keys=self.keys[rows], price=self.price[rows], group=self.group[rows])

    def until(self, periods: int) -> PriceHistory:
        """The first periods alone; series not observed in them are left out."""
        rows = np.flatnonzero(~np.isnan(self.price[:, :periods]).all(axis=1))
        return replace(self.take(rows), price=self.price[rows, :periods], dates=self.dates[:periods])

    @classmethod
    def from_array(
        cls, price: np.ndarray, dates: pl.Series, keys: pl.DataFrame | None = None, group: np.ndarray | None = None,
        unit: Unit = "1d",
    ) -> PriceHistory:  # fmt: skip
        """Make one of an array.

        Args:
            price: [series, time], above 0; NaN = not observed.
            dates: of the periods [time], one after the other.
            keys: key columns; the row's number where absent.
            group: see the class; all series one group where absent.
            unit: frequency.

        Example:
            >>> days = pl.date_range(Date(2026, 1, 1), Date(2026, 1, 3), eager=True)
            >>> PriceHistory.from_array(np.array([[9.0, np.nan, 8.0]]), days).last().round(2)
            array([8.])
        """
        price = np.asarray(price, np.float32)
        if price.ndim != 2:
            raise InputError(f"price has {price.ndim} dimensions.", "Give [series, time].", column="price")
        told = pl.DataFrame({"series": np.arange(len(price))}) if keys is None else keys
        some = np.zeros(len(price), np.int64) if group is None else np.asarray(group, np.int64)
        return cls(told, price, dates, freqs.infer(unit, dates, "date"), some)

    @classmethod
    def from_signals(cls, signals: pl.DataFrame, name: str = COMPETITOR, as_of: Date | None = None) -> PriceHistory:
        """Read daily prices from the table ``signals``: one series per sku, location and region.

        Args:
            signals: name, sku, location, region, date, value, known_at. The latest word on a day counts.
            name: of the signal.
            as_of: see only what was known at the end of this day; None = everything.

        Raises:
            InputError: there is no such signal, or a value is no price.

        Example:
            >>> rows = {"sku": ["a", "a"], "location": "", "region": "", "date": [Date(2026, 1, 1), Date(2026, 1, 3)]}
            >>> rows |= {"name": COMPETITOR, "value": [9.0, 8.0], "known_at": datetime(2026, 1, 4)}
            >>> PriceHistory.from_signals(pl.DataFrame(rows)).price
            array([[ 9., nan,  8.]], dtype=float32)
        """
        return _from_rows(signals, "signals", (*_KEYS, "date", "value", "known_at"), name, as_of)

    @classmethod
    def from_prices(cls, prices: pl.DataFrame, as_of: Date | None = None) -> PriceHistory:
        """Read daily prices from the table ``prices``: one series per sku and location.

        Args:
            prices: sku, location, valid_from, known_at, valid_to, price. A row holds until its end, and where it has
                none until the next one; the latest word counts. Prices planned for later days are left out.
            as_of: see only what was known at the end of this day, and no later day; None = everything, up to the last
                day on which a row starts.

        Raises:
            InputError: there is no price, or one is not above 0.

        Example:
            >>> rows = {"sku": ["a", "a"], "location": "all", "valid_from": [Date(2026, 1, 1), Date(2026, 1, 3)]}
            >>> rows |= {"valid_to": [None, None], "price": [9.0, 8.0], "known_at": datetime(2026, 1, 1)}
            >>> PriceHistory.from_prices(pl.DataFrame(rows), as_of=Date(2026, 1, 4)).price
            array([[9., 9., 8., 8.]], dtype=float32)
        """
        return _from_rows(prices, "prices", ("sku", "location", "valid_from", "price", "known_at"), None, as_of)


def _from_rows(
    table: pl.DataFrame, what: str, columns: tuple[str, ...], name: str | None, as_of: Date | None
) -> PriceHistory:
    """Read one of the two tables; its last columns are the date, the value and known_at."""
    missing = [c for c in (*columns, *(["name"] if name else [])) if c not in table.columns]
    if missing:
        raise InputError(f"the table {what} has no column {missing[0]!r}.", "Add it.", table=what, column=missing[0])
    *keys, day, value, known = columns
    rows = table.with_row_index("__row")
    if name is not None:
        rows = rows.filter(pl.col("name") == name)
    wrong = rows.filter(~(pl.col(value) > 0).fill_null(False) | pl.col(value).is_nan() | pl.col(value).is_infinite())
    if wrong.height:
        first = wrong.row(0, named=True)
        raise InputError(
            f"table {what}, row {first['__row']}: {value} is {first[value]} ({_named(wrong.select(keys), 0)}, "
            f"{first[day]}).", "Give prices above 0, and leave out what was not observed.",
            table=what, column=value, row=first["__row"],
        )  # fmt: skip
    if as_of is not None:
        rows = rows.filter((pl.col(known) <= datetime.combine(as_of, time.max)) & (pl.col(day) <= as_of))
    if not rows.height:
        named = f" named {name!r}" if name else ""
        found = ", ".join(table["name"].unique().sort().to_list()[:10]) if name else ""
        raise InputError(
            f"the table {what} has no price{named}{f' known by {as_of}' if as_of else ''}.",
            f"Its names are: {found}." if found else "Give prices.", table=what, column=value,
        )  # fmt: skip
    rows = rows.sort(known, maintain_order=True).unique([*keys, day], keep="last").sort([*keys, day])
    ends = pl.col("valid_to") if "valid_to" in rows.columns else pl.lit(None, pl.Date)
    return _laid(rows, (keys, day, value), ends if name is None else pl.col(day), as_of)


def _laid(rows: pl.DataFrame, columns: tuple[list[str], str, str], ends: pl.Expr, as_of: Date | None) -> PriceHistory:
    """Rows, in order of their keys and days, on a calendar of days; ``ends``: last day of a row, null = the next."""
    keys, day, value = columns
    number = Freq("1d").numbers(rows[day])
    first, last = int(number.min()), Freq("1d").number(as_of) if as_of else int(number.max())
    series = rows.select(keys).unique(maintain_order=True)
    at = rows.select(pl.struct(keys).rle_id()).to_series().to_numpy()
    start, time_ = number - first, last - first + 1
    told = rows.select(ends.alias("end").cast(pl.Date).to_physical().cast(pl.Int64)).to_series()
    stop = (told - first).fill_null(time_ - 1).to_numpy()
    price = np.full((series.height, time_), np.nan, np.float32)
    amount = rows[value].to_numpy()
    if (start == stop).all():
        price[at, start] = amount
    else:
        # A later row stands in front of an earlier one, which holds again after it.
        for k in np.argsort(start, kind="stable"):
            price[at[k], start[k] : stop[k] + 1] = amount[k]
    return PriceHistory.from_array(price, Freq("1d").dates(np.arange(time_) + first), series)


def _named(keys: pl.DataFrame, row: int) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in keys.row(row, named=True).items())


@njit(cache=True, nogil=True)
def _told(log, lately, still_within, same, out):  # type: ignore[no-untyped-def]
    """Write what is known of each period: last log price, usual log price, periods since a move, and since seen."""
    last, usual, still, age = out
    series, time_ = log.shape
    for s in range(series):
        first, moved, at = -1, 0, 0
        for t in range(time_):
            if not np.isnan(log[s, t]):
                if first < 0:
                    first, moved = t, t
                elif abs(log[s, t] - log[s, at]) > still_within:
                    moved = t
                at = t
            if first < 0:
                continue
            last[s, t], still[s, t], age[s, t] = log[s, at], t - moved, t - at
            if t > first and at != t:
                usual[s, t] = usual[s, t - 1]
                continue
            # Candidates are those that differ from the last one, seen backwards, and begin with the present price.
            begin, best, most = max(t - lately + 1, 0), log[s, t], 0
            before = np.float32(np.inf)
            for u in range(t, begin - 1, -1):
                here = log[s, u]
                if np.isnan(here) or abs(here - before) <= same:
                    continue
                before, many = here, 0
                for v in range(begin, t + 1):
                    if abs(log[s, v] - here) <= same:
                        many += 1
                if many > most:
                    best, most = here, many
            usual[s, t] = best
