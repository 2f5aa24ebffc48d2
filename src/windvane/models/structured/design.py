"""What a day is: the columns by which days differ for all series of a group alike.

Weekday, hour and time of the year come from the calendar. Covariates known in advance are *shared* if they take few
patterns over the series (holidays, events, regional days, weather); they come in with the days before and after.
Covariates that differ from series to series (prices, promotions) are left to the series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.panel import Panel

CLOSED = ("closed", "event_closed")
"""Shared covariates that say on which days nothing can be sold; no history is needed to believe them."""

REGIONS = 64
"""Most patterns over the series that a shared covariate may take."""

_SERIES_PER_PATTERN = 20
_YEARS = 1.5  # length of a panel, in years, from which a season of the year can be told from a trend
_PERIODS = {"1h": 8766.0, "1d": 365.25, "1w": 52.1775, "1mo": 12.0}
_MONTH_WAVES, _YEAR_WAVES = 3, 2
_STEADY, _WAVE, _EVENT, _BESIDE = 0.5, 0.1, 0.5, 0.1  # how far effects lie from none, as standard deviations of logs


@dataclass(frozen=True)
class Column:
    """One column of the design.

    Attributes:
        name: what it is, such as "weekday=5" or "holiday=Easter Sunday, day after".
        source: "calendar", or the name of a shared covariate.
        code: position in the calendar's cycle, or code of a text; -1 = the number itself.
        lag: periods after the day that it speaks of.
        center: taken off a number; what it is where unknown.
        spread: standard deviation of the effect expected of it, on the log scale.
    """

    name: str
    source: str
    code: int
    lag: int
    center: float
    spread: float


def patterns(values: np.ndarray) -> np.ndarray:
    """Number of the pattern that a series' covariate follows, int64 [series]; equal rows share one."""
    weights = np.random.default_rng(0).uniform(1, 2, values.shape[1])
    mark = np.nan_to_num(values, nan=-7.5).astype(np.float64) @ weights
    number: np.ndarray = np.unique(mark, return_inverse=True)[1]
    return number


def shared(panel: Panel) -> dict[str, np.ndarray]:
    """Shared covariates and the pattern that each series follows, int64 [series]."""
    most = min(REGIONS, max(1, panel.shape[0] // _SERIES_PER_PATTERN))
    found = {}
    for name, known in panel.known.items():
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
    if unit in ("1w", "1mo") and time >= _YEARS * _PERIODS[unit]:
        made += [Column(f"year wave {k}", "year", k, 0, 0.0, _STEADY) for k in range(2 * _YEAR_WAVES)]
    lags = (0, -1, 1) if unit == "1d" else (0,)
    for name in names:
        if name in CLOSED:
            made.append(Column(name, name, -1, 0, 0.0, _EVENT))
            continue
        made += _of(panel.known[name].values[:, :time], name, panel.levels.get(name), lags)
    return tuple(made)


def _of(past: np.ndarray, name: str, texts: tuple[str, ...] | None, lags: tuple[int, ...]) -> list[Column]:
    """Columns of one shared covariate."""
    beside = {-1: ", day before", 0: "", 1: ", day after"}
    if texts is None:
        number = np.nan_to_num(past)
        whole = bool(np.isin(number, (0.0, 1.0)).all())
        center, spread = float(number.mean(dtype=np.float64)), float(number.std(dtype=np.float64))
        if spread < 1e-9:
            return []
        wide = _EVENT if whole else _WAVE / spread
        return [Column(name, name, -1, 0, center, wide)]
    seen = np.unique(past[~np.isnan(past)]).astype(int)
    return [
        Column(f"{name}={texts[code]}{beside[lag]}", name, int(code), lag, 0.0, _EVENT if lag == 0 else _BESIDE)
        for code in seen
        if texts[code]
        for lag in lags
    ]


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
        value = np.where(inside, known.values[row, spot], np.nan)
        if known.since is not None:
            since[:, k] = np.where(inside, known.since[row, spot], -1)
        off = np.where(np.isnan(value), 0.0, value - column.center)
        out[:, k] = off if column.code < 0 else value == column.code
    return out, since


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
        share = (dates.dt.day().to_numpy() - 1) / dates.dt.month_end().dt.day().to_numpy()
        out["month"] = _waves(share, _MONTH_WAVES)
    out["year"] = _waves(number / _PERIODS[unit], _YEAR_WAVES)
    return out


def _waves(share: np.ndarray, count: int) -> np.ndarray:
    """Sine and cosine of a cycle's first waves, [2 x count, periods]."""
    angle = 2 * np.pi * share[None, :] * np.arange(1, count + 1)[:, None]
    return np.concatenate([np.sin(angle), np.cos(angle)])
