"""What a day is: the columns by which days differ for all series of a group alike.

Weekday, hour and time of the year come from the calendar. Covariates known in advance are *shared* if they take few
patterns over the series (holidays, events, regional days, weather); they come in with the days before and after.
Covariates that differ from series to series (prices, promotions) are left to the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from windvane.futures import FILLED
from windvane.panel import Panel

CLOSED = ("closed", "event_closed")
"""Shared covariates that say on which days nothing can be sold; no history is needed to believe them."""

REGIONS = 64
"""Most patterns over the series that a shared covariate may take."""

_SERIES_PER_PATTERN = 20
YEARS = 1.9  # length of a panel, in years, from which a season of the year can be told from a trend
PERIODS = {"1h": 8766.0, "1d": 365.25, "1w": 52.1775, "1mo": 12.0}
"""Periods of a year."""

_MONTH_WAVES, _YEAR_WAVES = 3, 2
WEEKS = 53
"""Weeks of the year, counted from its first day; the last is a day or two long."""

SEASON = ("year", "year week")
"""Sources of columns that come round once a year."""
_STEADY, _WAVE, _EVENT, _BESIDE = 0.5, 0.1, 0.5, 0.1  # how far effects lie from none, as standard deviations of logs


@dataclass(frozen=True)
class Column:
    """One column of the design.

    Attributes:
        name: what it is, such as "weekday=5" or "holiday=Easter Sunday, day after".
        source: "calendar", or the name of a shared covariate.
        code: position in the calendar's cycle, or code of a text; -1 = the number itself.
        lag: periods after the last day of an event, or, below 0, before its first.
        center: taken off a number; what it is where unknown.
        spread: standard deviation of the effect expected of it, on the log scale.
        place: which day of an event that lasts, 1 = the first; 0 = each of them.
    """

    name: str
    source: str
    code: int
    lag: int
    center: float
    spread: float
    place: int = 0


def patterns(values: np.ndarray) -> np.ndarray:
    """Number of the pattern that a series' covariate follows, int64 [series]; equal rows share one."""
    # Whole numbers, since sums of floating point numbers depend on the order in which a processor takes them.
    known = np.where(np.isnan(values), np.float32(-7.5), values).astype(np.float32, copy=False)
    bits = (known + np.float32(0)).view(np.uint32)
    weights = np.random.default_rng(0).integers(1, 2**63, values.shape[1], np.uint64)
    mark = np.zeros(len(values), np.uint64)
    for first in range(0, values.shape[1], 64):
        part = slice(first, first + 64)
        mark += (bits[:, part] * weights[part]).sum(axis=1, dtype=np.uint64)
    number: np.ndarray = np.unique(mark, return_inverse=True)[1]
    return number


def shared(panel: Panel) -> dict[str, np.ndarray]:
    """Shared covariates and the pattern that each series follows, int64 [series]."""
    most = min(REGIONS, max(1, panel.shape[0] // _SERIES_PER_PATTERN))
    found = {}
    for name, known in panel.known.items():
        if known.policy in FILLED:  # what stands in for it differs from origin to origin
            continue
        number = patterns(known.values)
        if number.max(initial=0) < most:
            found[name] = number
    return found


def columns(panel: Panel, names: tuple[str, ...]) -> tuple[Column, ...]:
    """The design's columns for a panel, as far as its past shows them.

    Args:
        panel: the series.
        names: shared covariates.
    """
    unit, time = panel.freq.unit, panel.shape[1]
    made: list[Column] = []
    if unit == "1h":
        made += [Column(f"hour={k}", "hour", k, 0, 0.0, _STEADY) for k in range(24)]
        made += [Column(f"weekend hour={k}", "weekend hour", k, 0, 0.0, _WAVE) for k in range(24)]
    if unit in ("1h", "1d"):
        made += [Column(f"weekday={k}", "weekday", k, 0, 0.0, _STEADY) for k in range(7)]
    if unit == "1d":
        made += [Column(f"month wave {k}", "month", k, 0, 0.0, _WAVE) for k in range(2 * _MONTH_WAVES)]
    if unit in ("1d", "1w", "1mo") and time >= YEARS * PERIODS[unit]:
        made += [Column(f"year wave {k}", "year", k, 0, 0.0, _STEADY) for k in range(2 * _YEAR_WAVES)]
        if unit == "1d":
            made += [Column(f"year week {k}", "year week", k, 0, 0.0, _STEADY) for k in range(WEEKS)]
    lags = (0, -1, 1) if unit == "1d" else (0,)
    for name in names:
        if name in CLOSED:
            made.append(Column(name, name, -1, 0, 0.0, _EVENT))
            continue
        made += _of(panel.known[name].values[:, :time], name, panel.levels.get(name), lags)
    return tuple(made)


def _of(past: np.ndarray, name: str, texts: tuple[str, ...] | None, lags: tuple[int, ...]) -> list[Column]:
    """Columns of one shared covariate."""
    if texts is None:
        number = np.nan_to_num(past)
        whole = bool(np.isin(number, (0.0, 1.0)).all())
        center, spread = float(number.mean(dtype=np.float64)), float(number.std(dtype=np.float64))
        if spread < 1e-9:
            return []
        wide = _EVENT if whole else _WAVE / spread
        return [Column(name, name, -1, 0, center, wide)]
    found = []
    for code in np.unique(past[~np.isnan(past)]).astype(int):
        if not texts[code]:
            continue
        found.append(event(name, texts[code], int(code), 0, _EVENT))
        found += [event(name, texts[code], int(code), lag, _BESIDE) for lag in lags if lag]
    return found


def came_twice(made: tuple[Column, ...], panel: Panel) -> np.ndarray:
    """Which columns are of events whose texts a series' past shows twice or more, bool [columns]."""
    found = np.zeros(len(made), bool)
    seen: dict[tuple[str, int], bool] = {}
    for k, column in enumerate(made):
        if column.code < 0 or column.source not in panel.known:
            continue
        key = column.source, column.code
        if key not in seen:
            past = panel.known[column.source].values[:, : panel.shape[1]]
            rows = np.unique(patterns(past), return_index=True)[1]
            seen[key] = any(occasions(past[row], column.code).first.sum() > 1 for row in rows)
        found[k] = seen[key]
    return found


def event(name: str, text: str, code: int, lag: int, spread: float, place: int = 0) -> Column:
    """The column of an event, or of a day beside or within it; see :class:`Column`."""
    what = f"{name}={text}"
    if lag:
        what += f", {abs(lag)} day{'s' if abs(lag) > 1 else ''} {'after' if lag > 0 else 'before'}"
    if place:
        what += f", day {place}"
    return Column(what, name, code, lag, 0.0, spread, place)


def matrix(made: tuple[Column, ...], panel: Panel, row: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The design of one series' days, from the panel's first on.

    Args:
        made: the columns.
        panel: the series.
        row: which of them; all of a group are alike.
        stop: first period that is left out; it may lie behind the cutoff.

    Returns:
        Values float64 [stop, columns], 0 where unknown, and the column of the panel at whose end each became known,
        int32 [stop, columns]; -1 = always.
    """
    out, since = np.zeros((stop, len(made))), np.full((stop, len(made)), -1, np.int32)
    cycles = _cycles(panel, panel.first + np.arange(stop))
    events: dict[tuple[str, int], Occasions] = {}
    for k, column in enumerate(made):
        if column.source in cycles:
            out[:, k] = cycles[column.source][column.code]
            continue
        known = panel.known.get(column.source)
        if known is None:
            continue
        at = np.arange(stop) - column.lag
        inside = (at >= 0) & (at < known.values.shape[1])
        spot = np.where(inside, at, 0)
        if known.since is not None:
            since[:, k] = np.where(inside, known.since[row, spot], -1)
        if column.code < 0:
            value = np.where(inside, known.values[row, spot], np.nan)
            out[:, k] = np.where(np.isnan(value), 0.0, value - column.center)
        else:
            key = column.source, column.code
            if key not in events:
                events[key] = occasions(known.values[row], column.code)
            out[:, k] = np.where(inside, events[key].days(column)[spot], False)
    return out, since


class Occasions(NamedTuple):
    """When an event takes place: bool [periods] each, and the number of each of its days, from 1 on [periods]."""

    there: np.ndarray
    first: np.ndarray
    last: np.ndarray
    number: np.ndarray

    def days(self, column: Column) -> np.ndarray:
        """The days that a column's own days are counted from, bool [periods]."""
        if column.lag:
            return self.first if column.lag < 0 else self.last
        return self.number == column.place if column.place else self.there


def occasions(values: np.ndarray, code: int) -> Occasions:
    """Where a text stands in one series' covariate [periods]."""
    there = values == code
    first, last = there.copy(), there.copy()
    first[1:] &= ~there[:-1]
    last[:-1] &= ~there[1:]
    number = np.cumsum(there)
    return Occasions(there, first, last, (number - np.maximum.accumulate(np.where(first, number - 1, 0))) * there)


def week_of_year(dates: pl.Series) -> np.ndarray:
    """Week of the year of each date, 0 .. 52."""
    found: np.ndarray = (dates.dt.ordinal_day().to_numpy() - 1) // 7
    return found


def _cycles(panel: Panel, number: np.ndarray) -> dict[str, np.ndarray]:
    """Calendar columns by source and code, [codes, periods]."""
    unit, out = panel.freq.unit, {}
    dates = panel.freq.dates(number)
    if unit in ("1h", "1d"):
        weekday = dates.dt.weekday().to_numpy() - 1
        out["weekday"] = weekday[None, :] == np.arange(7)[:, None]
    if unit == "1h":
        hour = dates.dt.hour().to_numpy()[None, :] == np.arange(24)[:, None]
        out["hour"], out["weekend hour"] = hour, hour & (weekday >= 5)[None, :]
    if unit == "1d":
        out["year week"] = week_of_year(dates)[None, :] == np.arange(WEEKS)[:, None]
        share = (dates.dt.day().to_numpy() - 1) / dates.dt.month_end().dt.day().to_numpy()
        out["month"] = _waves(share, _MONTH_WAVES)
    out["year"] = _waves(number / PERIODS[unit], _YEAR_WAVES)
    return out


def _waves(share: np.ndarray, count: int) -> np.ndarray:
    """Sine and cosine of a cycle's first waves, [2 x count, periods]."""
    angle = 2 * np.pi * share[None, :] * np.arange(1, count + 1)[:, None]
    return np.concatenate([np.sin(angle), np.cos(angle)])
