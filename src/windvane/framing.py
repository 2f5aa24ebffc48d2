"""How a long frame becomes a panel: reading, checking, scattering into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from windvane import freq as freqs
from windvane.errors import InputError
from windvane.forecasts import is_quantile
from windvane.freq import Freq
from windvane.panel import Known, Panel

RESERVED = ("cutoff", "date", "step", "mean")
_MAX_CELLS = 4_000_000_000


def panel_from_frame(
    frame: Any,
    keys: Sequence[str],
    date: str,
    sales: str,
    freq: str,
    known: Sequence[str],
    past: Sequence[str],
    static: Sequence[str],
    future: Any,
    absent: Literal["unknown", "zero"],
) -> Panel:
    """See :meth:`windvane.panel.Panel.from_frame`."""
    if absent not in ("unknown", "zero"):
        raise InputError(f"absent={absent!r} is neither 'unknown' nor 'zero'.", "Choose one of the two.")
    if not keys:
        raise InputError("keys= is empty.", "Name at least one column that identifies a series.")
    rows = with_dates(_checked(as_polars(frame, "frame"), keys, date, (sales, *known, *past, *static), "frame"), date)
    if not rows.height:
        raise InputError("the frame has no rows.", "Give at least one row of sales.")
    for name in keys:
        if name in RESERVED or is_quantile(name):
            raise InputError(
                f"key column {name!r} has a name that forecasts use themselves.", "Rename it.", column=name
            )
    calendar = freqs.infer(freq, rows[date], date)
    units = _numbers(rows, sales)
    closed = ~np.isnan(units)
    if not closed.any():
        raise InputError(f"column {sales!r} has no value.", "Give at least one sales figure.", column=sales)
    number = calendar.numbers(rows[date])
    first, last = int(number[closed].min()), int(number[closed].max())
    series = rows.select(keys).unique(maintain_order=True)
    row_of = _series_of(rows, series, keys)
    time = last - first + 1
    if series.height * time > _MAX_CELLS:
        raise InputError(
            f"{series.height} series x {time} periods is too large for one panel.",
            f"Check column {date!r} for a stray date ({rows[date].min()!s} .. {rows[date].max()!s}), or split it.",
        )
    where = _Grid(row_of, number - first, time, series.height)
    where.refuse_duplicates(rows, keys, date, "frame")
    grid = where.scatter(units, time)
    if absent == "zero":
        _fill_gaps(grid, where, time)
    layout = _Layout(tuple(keys), date, calendar, first, time)
    known_arrays, levels = _known(rows, where, future, series, known, layout)
    return Panel(
        keys=series,
        sales=grid,
        dates=calendar.dates(np.arange(first, last + 1)).alias("date"),
        freq=calendar,
        known=known_arrays,
        past={name: where.scatter(_numbers(rows, name), time) for name in past},
        static=_static(rows, row_of, static, series.height),
        hierarchy=tuple(static),
        counts=bool(np.all(units[closed] == np.round(units[closed]))),
        levels=levels,
    )


def as_polars(frame: Any, what: str) -> pl.DataFrame:
    """Turn a polars, pandas or Arrow frame into a polars one.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    try:
        return pl.DataFrame(frame)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{what}: a {type(frame).__name__} is not a frame ({error}).", "Give a polars, pandas or Arrow frame."
        ) from None


def _checked(frame: pl.DataFrame, keys: Sequence[str], date: str, others: Sequence[str], what: str) -> pl.DataFrame:
    for name in (*keys, date, *others):
        if name not in frame.columns:
            raise InputError(
                f"{what} has no column {name!r}; it has {', '.join(frame.columns)}.", "Correct the name.", column=name
            )
    for name in (*keys, date):
        gaps = frame[name].is_null()
        if gaps.any():
            row = int(gaps.arg_true()[0])
            raise InputError(
                f"{what}, column {name!r}, row {row}: empty.", "Fill it or drop the row.", column=name, row=row
            )
    return frame


def with_dates(frame: pl.DataFrame, date: str) -> pl.DataFrame:
    """A frame with a column of dates or ISO text turned into dates.

    Raises:
        InputError: a value is not a date; names its row.
    """
    column = frame[date]
    if column.dtype == pl.String:
        parsed = (
            column.str.to_datetime(strict=False, time_unit="us")
            if column.str.len_chars().max() != 10
            else (column.str.to_date("%Y-%m-%d", strict=False))
        )
        bad = parsed.is_null()
        if bad.any():
            row = int(bad.arg_true()[0])
            raise InputError(
                f"column {date!r}, row {row}: {column[row]!r} is not a date.",
                "Use ISO dates (2026-11-22) or a Date column.",
                column=date,
                row=row,
            )
        return frame.with_columns(parsed.alias(date))
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
            return frame.with_columns(pl.col(date).dt.replace_time_zone(None))
        return frame
    raise InputError(
        f"column {date!r} is {column.dtype}, not a date.", "Convert it to Date, Datetime or ISO text.", column=date
    )


def _numbers(frame: pl.DataFrame, name: str) -> np.ndarray:
    """A column as float64 with NaN for empty; text and infinity are refused."""
    column = frame[name]
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise InputError(
            f"column {name!r} is {column.dtype}, not a number.", "Convert it, or leave it out.", column=name
        )
    values = column.cast(pl.Float64).to_numpy().astype(np.float64)
    wild = np.flatnonzero(np.isinf(values) | (np.abs(values) > 1e30))
    if len(wild):
        row = int(wild[0])
        raise InputError(
            f"column {name!r}, row {row}: {values[row]} is not a usable number.",
            "Correct it or leave it empty.",
            column=name,
            row=row,
        )
    return values


def _series_of(rows: pl.DataFrame, series: pl.DataFrame, keys: Sequence[str]) -> np.ndarray:
    """Row number of the series of every row, -1 where there is none, int64 [rows]."""
    index = series.with_row_index("__series")
    joined = rows.select(keys).join(index, on=list(keys), how="left", maintain_order="left")
    return joined["__series"].cast(pl.Int64).fill_null(-1).to_numpy()


class _Grid:
    """Where the rows of a frame go in a [series, time] array."""

    def __init__(self, series: np.ndarray, column: np.ndarray, time: int, height: int) -> None:
        self.series = series
        self.column = column
        self.time = time
        self.height = height

    def scatter(self, values: np.ndarray, width: int) -> np.ndarray:
        """Put values where they belong, float32 [series, width], NaN elsewhere."""
        out = np.full((self.height, width), np.nan, np.float32)
        inside = (self.column >= 0) & (self.column < width) & (self.series >= 0)
        out[self.series[inside], self.column[inside]] = values[inside]
        return out

    def refuse_duplicates(self, rows: pl.DataFrame, keys: Sequence[str], date: str, what: str) -> None:
        cell = pl.Series(self.series * (int(self.column.max()) + 1 - min(0, int(self.column.min()))) + self.column)
        if cell.n_unique() == len(cell):
            return
        row = int(cell.is_first_distinct().not_().arg_true()[0])
        who = ", ".join(f"{k}={rows[k][row]!r}" for k in keys)
        raise InputError(
            f"{what}, row {row}: a second row for {who} on {rows[date][row]!s}.",
            "Sum or drop the duplicates, or add the column that tells them apart to keys=.",
            column=date,
            row=row,
        )


def _fill_gaps(grid: np.ndarray, where: _Grid, time: int) -> None:
    """Set absent cells to zero from each series' first row to the end; rows that said 'unknown' stay so."""
    first = np.full(grid.shape[0], time, np.int64)
    inside = (where.column >= 0) & (where.column < time)
    np.minimum.at(first, where.series[inside], where.column[inside])
    given = np.zeros(grid.shape, bool)
    given[where.series[inside], where.column[inside]] = True
    grid[~given & (np.arange(time)[None, :] >= first[:, None])] = 0.0


@dataclass(frozen=True)
class _Layout:
    """How a frame is read: its key and date columns, its calendar, the number of its first period, its periods."""

    keys: tuple[str, ...]
    date: str
    calendar: Freq
    first: int
    time: int


def _known(
    rows: pl.DataFrame, where: _Grid, future: Any, series: pl.DataFrame, names: Sequence[str], layout: _Layout
) -> tuple[dict[str, Known], dict[str, tuple[str, ...]]]:
    if not names:
        return {}, {}
    keys, date, calendar, first, time = layout.keys, layout.date, layout.calendar, layout.first, layout.time
    ahead, ahead_where = rows.clear(), None
    width = max(time, int(where.column.max()) + 1)
    if future is not None:
        ahead = with_dates(_checked(as_polars(future, "future"), keys, date, names, "future"), date)
        if ahead.height:
            for key in keys:
                if ahead[key].dtype != series[key].dtype:
                    ahead = ahead.with_columns(pl.col(key).cast(series[key].dtype, strict=False))
            freqs.infer(calendar.unit, ahead[date], date)
            column = calendar.numbers(ahead[date]) - first
            if (calendar.dates(column + first) != ahead[date].cast(calendar.dates(column[:1]).dtype)).any():
                raise InputError(
                    f"future, column {date!r}: its periods start on other days than the frame's.",
                    "Use the same weekday (or day of month) in both.",
                    column=date,
                )
            ahead_where = _Grid(_series_of(ahead, series, keys), column, time, series.height)
            ahead_where.refuse_duplicates(ahead, keys, date, "future")
            width = max(width, int(column.max()) + 1)
    out: dict[str, Known] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for name in names:
        now, later = rows, ahead
        if rows[name].dtype in (pl.String, pl.Categorical, pl.Enum):
            texts = pl.concat([rows[name].cast(pl.String), ahead[name].cast(pl.String)]).drop_nulls().unique().sort()
            levels[name] = tuple(texts.to_list())
            codes = {text: float(code) for code, text in enumerate(levels[name])}
            now, later = (
                f.with_columns(
                    pl.col(name).cast(pl.String).replace_strict(codes, default=None, return_dtype=pl.Float64)
                )
                for f in (rows, ahead)
            )
        values = where.scatter(_numbers(now, name), width)
        if ahead_where is not None:
            later_values = ahead_where.scatter(_numbers(later, name), width)
            values[:, time:] = np.where(np.isnan(later_values[:, time:]), values[:, time:], later_values[:, time:])
        out[name] = Known(values)
    return out, levels


def _static(rows: pl.DataFrame, row_of: np.ndarray, names: Sequence[str], height: int) -> pl.DataFrame:
    if not names:
        return pl.DataFrame()
    last = (
        rows.select(names)
        .with_columns(pl.Series("__series", row_of))
        .group_by("__series")
        .agg(pl.col(names).drop_nulls().last())
        .sort("__series")
    )
    return last.select(names)
