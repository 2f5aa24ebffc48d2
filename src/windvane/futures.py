"""Covariates known in advance, and what stands in where their future is absent.

A shop that does not know next week's price did not know it in the past either. Whoever fills the future must therefore
fill it in the same way at every origin of the past, or models learn to rely on plans that they will not have, and their
errors look smaller than they will be. So a filled covariate hides, at every past origin, as much as is absent now, and
what stands in is worked out from what was known by that origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from windvane.errors import InputError

if TYPE_CHECKING:
    from windvane.panel import Panel

Policy = Literal["error", "unknown", "last", "forecast"]
"""What to do where a covariate's future is absent: refuse, leave it unknown, keep the last value, forecast it."""

POLICIES = ("error", "unknown", "last", "forecast")
FILLED = ("last", "forecast")
"""Policies by which something stands in."""

NEVER = int(np.iinfo(np.int32).max)
"""Moment of something that never becomes known."""

_AHEAD = 4  # periods ahead at which ways to forecast a covariate are compared
_SEASONS, _LEAST_WINDOW, _MOST_WINDOW = 4, 8, 60  # periods that say what is usual
_CLEARLY = 0.9  # share of the others' error that a repeated season must stay below


@dataclass(frozen=True, eq=False)
class Known:
    """A covariate known in advance.

    Attributes:
        values: float32 [series, time + future]; NaN = no value.
        since: int32 [series, time + future], the time index (column of the panel) from whose end on the value
            was known; ``None`` = always known.
        policy: what to do where a future value is missing; see :data:`Policy`.
        season: periods in the main season, for "forecast".
        text: whether values are codes of texts.
    """

    values: np.ndarray
    since: np.ndarray | None = None
    policy: Policy = "error"
    season: int = 1
    text: bool = False

    def at(self, origin: int, steps: np.ndarray) -> np.ndarray:
        """Values [series, steps] at ``origin + steps`` as known at ``origin``, or what stands in; else NaN."""
        columns = origin + steps
        inside = columns < self.values.shape[1]
        out = np.full((self.values.shape[0], len(columns)), np.nan, np.float32)
        out[:, inside] = self.values[:, columns[inside]]
        if self.since is not None:
            out[:, inside] = np.where(self.since[:, columns[inside]] <= origin, out[:, inside], np.nan)
        if self.policy in FILLED and 0 <= origin < self.values.shape[1]:
            series, step = np.nonzero(np.isnan(out) & (steps > 0)[None, :])
            out[series, step] = self.stand_in(series, np.full(len(series), origin), columns[step])
        return out

    def seen(self, series: np.ndarray, origin: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Values of single (series, origin, target column) rows as :meth:`at` gives them, float32 [rows]."""
        width = self.values.shape[1]
        spot = np.minimum(target, width - 1)
        out: np.ndarray = np.where(target < width, self.values[series, spot], np.nan).astype(np.float32)
        if self.since is not None:
            out[self.since[series, spot] > origin] = np.nan
        if self.policy in FILLED:
            gap = np.flatnonzero(np.isnan(out) & (target > origin))
            out[gap] = self.stand_in(series[gap], origin[gap], target[gap])
        return out

    def by(self, origin: int) -> Known:
        """The covariate as it stood at the end of a column: no value that became known later."""
        if self.since is None or not (self.since > origin).any():
            return self
        if self.values.strides[0] == 0 and self.since.strides[0] == 0 and len(self.values):
            first = np.where(self.since[:1] <= origin, self.values[:1], np.float32(np.nan))
            return replace(self, values=np.broadcast_to(first, self.values.shape))
        return replace(self, values=np.where(self.since <= origin, self.values, np.float32(np.nan)))

    def stand_in(self, series: np.ndarray, origin: np.ndarray, target: np.ndarray) -> np.ndarray:
        """What stands in for unknown cells after an origin, float32 [cells]; NaN where nothing can."""
        out: np.ndarray = self.stand[series, origin].copy()
        if self.policy == "forecast":
            back = target - self.season * (-(-(target - origin) // self.season))
            gap = np.flatnonzero(np.isnan(out) & (back >= 0))
            i, j = series[gap], back[gap]
            told = True if self.since is None else self.since[i, j] <= origin[gap]
            out[gap] = np.where(told, self.values[i, j], np.nan)
        return out

    @cached_property
    def stand(self) -> np.ndarray:
        """What stands in for all cells after each column, as known by its end, float32 [series, time + future].

        NaN where nothing does, or, with "forecast", where the last season is repeated.
        """
        if self.policy == "forecast":
            return _forecast(self)
        return _last(self.values, self.since)


@dataclass(frozen=True)
class Scenario:
    """A what-if: values of a covariate's future that the caller gives; the panel stays as it is.

    Attributes:
        values: a number or text for all series and periods; a mapping from dates (or ISO text) to values; or a frame
            with the column ``date``, one named like the covariate, and key columns where series differ.
        otherwise: policy for what it leaves open; ``None`` = the covariate's own.

    Example:
        >>> Scenario(9.9).otherwise is None
        True
    """

    values: Any
    otherwise: Policy | None = None


@dataclass(frozen=True)
class Assumption:
    """What a forecast takes for granted about a covariate's future.

    Attributes:
        covariate: its name.
        policy: "last", "forecast", "scenario" or "unknown".
        cells: future values (series x periods) that were set by it, or are left unknown.
        unfilled: values for which nothing could stand in, because the past has none; they count as unknown.
    """

    covariate: str
    policy: str
    cells: int
    unfilled: int = 0

    def __str__(self) -> str:
        how = {
            "last": "taken to stay as last known",
            "forecast": "forecast from the past",
            "scenario": "set by a scenario",
            "unknown": "left unknown",
        }[self.policy]
        more = f", {self.unfilled} left unknown" if self.unfilled else ""
        return f"{self.covariate}: {self.cells} future values {how}{more}"


def complete(
    panel: Panel, horizon: int, policies: Mapping[str, Policy | Scenario] | None = None
) -> tuple[Panel, tuple[Assumption, ...]]:
    """See :meth:`windvane.panel.Panel.complete`."""
    wishes = dict(policies or {})
    _refuse_strangers(panel, wishes)
    known, levels, assumed = dict(panel.known), dict(panel.levels), list[Assumption]()
    for name, now in panel.known.items():
        wish: Policy | Scenario = wishes.get(name, now.policy)
        if isinstance(wish, Scenario):
            now, texts, cells = _applied(wish, panel, name, horizon)
            if texts is not None:
                levels[name] = texts
            assumed.append(Assumption(name, "scenario", cells))
            wish = wish.otherwise or now.policy
        known[name] = told = declared(panel, name, now, wish, horizon)
        left = _open(told, panel, horizon)
        if told.policy == "error" or not left.any():
            continue
        unfilled = int((np.isnan(told.at(panel.shape[1] - 1, np.arange(1, horizon + 1))) & left).sum())
        cells = int(left.sum()) - (unfilled if told.policy in FILLED else 0)
        assumed.append(Assumption(name, told.policy, cells, unfilled if told.policy in FILLED else 0))
    done = replace(panel, known=known, levels=levels)
    done.require_future(horizon)
    return done, tuple(assumed)


def with_policies(panel: Panel, policies: Mapping[str, Policy]) -> Panel:
    """See :meth:`windvane.panel.Panel.with_policies`."""
    _refuse_strangers(panel, policies)
    known = {n: declared(panel, n, k, policies[n]) if n in policies else k for n, k in panel.known.items()}
    return replace(panel, known=known)


def _refuse_strangers(panel: Panel, policies: Mapping[str, object]) -> None:
    for name in policies:
        if name not in panel.known:
            has = ", ".join(panel.known) or "none"
            raise InputError(
                f"missing= names {name!r}, which is not known in advance; known are: {has}.",
                "Correct the name, or declare it as known=.",
                column=name,
            )


def declared(panel: Panel, name: str, known: Known, policy: Policy, horizon: int | None = None) -> Known:
    """A covariate under a policy, its past hidden as its future is.

    Where no moments are given, a value counts as known as many periods ahead as the series' future is at hand now.

    Args:
        panel: the panel.
        name: the covariate's name.
        known: the covariate.
        policy: the policy.
        horizon: periods ahead that are asked for; ``None`` = not known yet.

    Raises:
        InputError: there is no such policy.
    """
    if policy not in POLICIES:
        raise InputError(
            f"missing= for {name!r}: {policy!r} is not a policy.",
            f"Choose from {', '.join(POLICIES)}, or give a Scenario.",
            column=name,
        )
    since, time, width = known.since, panel.shape[1], known.values.shape[1]
    if policy != "error" and since is None:
        there = ~np.isnan(known.values[:, time:])
        reach = np.cumprod(there, axis=1).sum(axis=1) if width > time else np.zeros(len(there), np.int64)
        on_sale = panel.launch < time
        if horizon is None or (reach < horizon)[on_sale].any():
            column = np.arange(width)[None, :]
            since = np.maximum(np.minimum(column - reach[:, None], time - 1), -1).astype(np.int32)
    return replace(known, since=since, policy=policy, season=panel.freq.season, text=name in panel.levels)


def _open(known: Known, panel: Panel, horizon: int) -> np.ndarray:
    """Future cells without a value of their own, for series already on sale, bool [series, horizon]."""
    time = panel.shape[1]
    values = replace(known, policy="unknown").at(time - 1, np.arange(1, horizon + 1))
    missing: np.ndarray = np.isnan(values) & (panel.launch < time)[:, None]
    return missing


def _last(values: np.ndarray, since: np.ndarray | None) -> np.ndarray:
    """Value of the latest period that has one, as known by the end of each column, float32 like ``values``."""
    column = np.arange(values.shape[1], dtype=np.int32)[None, :]
    there = ~np.isnan(values)
    timely = there if since is None else there & (since <= column)
    newest = np.where(timely, column, np.int32(-1))
    if since is not None:
        series, late = np.nonzero(there & (since > column) & (since < values.shape[1]))
        np.maximum.at(newest, (series, since[series, late]), late.astype(np.int32))
    newest = np.maximum.accumulate(newest, axis=1)
    found = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    return np.where(newest >= 0, found, np.float32(np.nan))


def _forecast(known: Known) -> np.ndarray:
    """What stands in by the way that would have erred least by each column: last value, usual value, last season.

    Each series chooses for itself by the squares of errors so far (for texts, by their number).
    """
    column = np.arange(known.values.shape[1])
    timely = ~np.isnan(known.values)
    if known.since is not None:
        timely &= known.since <= column[None, :]
    values = np.where(timely, known.values, np.float32(np.nan))
    last = _last(known.values, known.since)
    window = int(np.clip(_SEASONS * known.season, _LEAST_WINDOW, _MOST_WINDOW))
    usual = _mode(values, window) if known.text else _mean(values, window)
    usual = np.where(np.isnan(usual), last, usual).astype(np.float32)
    lag = min(known.season, _AHEAD)
    off = [_off(values, guess, lag, known.text) for guess in (last, usual)]
    both = ~np.isnan(off[0] + off[1])
    stand = np.where(_sum(off[1], both) < _sum(off[0], both), usual, last)
    season = known.season
    if season > 1:
        turn = _off(values, values, season, known.text)
        told = both & ~np.isnan(turn)
        best = np.minimum(_sum(off[0], told), _sum(off[1], told))
        whole = _trailing(timely.astype(np.float64), season) >= season
        better = (_sum(turn, told) < _CLEARLY * best) & (np.cumsum(told, axis=1) >= season) & whole
        stand = np.where(better, np.float32(np.nan), stand)
    return stand


def _off(values: np.ndarray, guess: np.ndarray, lag: int, text: bool) -> np.ndarray:
    """Error of a guess made ``lag`` columns before, squared, or 1 for another text; NaN where there is none."""
    out = np.full(values.shape, np.nan)
    now, then = values[:, lag:].astype(np.float64), guess[:, : values.shape[1] - lag]
    out[:, lag:] = np.where(np.isnan(now - then), np.nan, now != then) if text else (now - then) ** 2
    return out


def _sum(off: np.ndarray, where: np.ndarray) -> np.ndarray:
    total: np.ndarray = np.cumsum(np.where(where, off, 0.0), axis=1)
    return total


def _trailing(values: np.ndarray, window: int) -> np.ndarray:
    """Sum of the last ``window`` columns up to each."""
    total = np.cumsum(values, axis=1)
    out = total.copy()
    out[:, window:] -= total[:, :-window]
    return out


def _mean(values: np.ndarray, window: int) -> np.ndarray:
    there = ~np.isnan(values)
    count = np.round(_trailing(there.astype(np.float64), window))
    total = _trailing(np.nan_to_num(values).astype(np.float64), window)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mode(values: np.ndarray, window: int) -> np.ndarray:
    """Most frequent code of the last ``window`` columns up to each; the smallest of equals."""
    out, most = np.full(values.shape, np.nan), np.zeros(values.shape)
    for code in np.unique(values[~np.isnan(values)]):
        count = np.round(_trailing((values == code).astype(np.float64), window))
        more = count > most
        out[more], most[more] = code, count[more]
    return out


def _applied(scenario: Scenario, panel: Panel, name: str, horizon: int) -> tuple[Known, tuple[str, ...] | None, int]:
    """The covariate with a scenario's values, the texts behind its codes, and how many cells were set."""
    known, time = panel.known[name], panel.shape[1]
    series, step, given = _cells(scenario.values, panel, name, horizon)
    if not len(given):
        raise InputError(
            f"the scenario of {name!r} has no value for the {horizon} periods after {panel.cutoff}.",
            "Give values for series of the panel and periods of the horizon.",
            column=name,
        )
    texts: tuple[str, ...] | None = None
    if name in panel.levels:
        words = given.cast(pl.String)
        new = [text for text in words.unique(maintain_order=True).to_list() if text not in panel.levels[name]]
        texts = (*panel.levels[name], *new)
        codes = {text: float(code) for code, text in enumerate(texts)}
        number = words.replace_strict(codes, return_dtype=pl.Float64).to_numpy()
    else:
        if not (given.dtype.is_numeric() or given.dtype == pl.Boolean):
            raise InputError(
                f"the scenario of {name!r} has {given[0]!r}, which is not a number.", "Give numbers.", column=name
            )
        number = given.cast(pl.Float64).to_numpy()
        if not np.isfinite(number).all():
            raise InputError(f"the scenario of {name!r} has a value that is not finite.", "Correct it.", column=name)
    width = max(known.values.shape[1], time + horizon)
    values = np.full((panel.shape[0], width), np.nan, np.float32)
    values[:, : known.values.shape[1]] = known.values
    values[series, time - 1 + step] = number
    since = known.since
    if since is not None:
        since = np.full(values.shape, time - 1, np.int32)
        since[:, : known.values.shape[1]] = known.since
        since[series, time - 1 + step] = time - 1
    return replace(known, values=values, since=since), texts, len(given)


def _cells(values: Any, panel: Panel, name: str, horizon: int) -> tuple[np.ndarray, np.ndarray, pl.Series]:
    """Series, step and value of the cells that a scenario sets."""
    from windvane.framing import as_polars, with_dates

    if isinstance(values, (int, float, str)):
        count = panel.shape[0] * horizon
        series = np.repeat(np.arange(panel.shape[0]), horizon)
        return series, np.tile(np.arange(1, horizon + 1), panel.shape[0]), pl.Series([values]).new_from_index(0, count)
    if isinstance(values, Mapping):
        values = pl.DataFrame({"date": list(values), name: list(values.values())}, strict=False)
    frame = as_polars(values, f"scenario of {name!r}")
    for column in ("date", name):
        if column not in frame.columns:
            raise InputError(
                f"the scenario of {name!r} has no column {column!r}; it has {', '.join(frame.columns)}.",
                "Give keys (where series differ), date and the covariate.",
                column=column,
            )
    frame = with_dates(frame.filter(pl.col("date").is_not_null() & pl.col(name).is_not_null()), "date")
    step = panel.freq.numbers(frame["date"]) - panel.freq.number(panel.cutoff)
    frame = frame.with_columns(pl.Series("__step", step)).filter(pl.col("__step").is_between(1, horizon))
    keys = [key for key in panel.keys.columns if key in frame.columns]
    index = panel.keys.with_row_index("__series")
    frame = frame.with_columns(pl.col(key).cast(panel.keys[key].dtype, strict=False) for key in keys)
    placed = index.join(frame, on=keys, how="inner") if keys else index.join(frame, how="cross")
    if placed.select("__series", "__step").is_duplicated().any():
        raise InputError(
            f"the scenario of {name!r} has several values for one series and date.", "Keep one of them.", column=name
        )
    return placed["__series"].to_numpy().astype(np.int64), placed["__step"].to_numpy(), placed[name]
