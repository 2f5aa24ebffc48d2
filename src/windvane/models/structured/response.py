"""How demand answers to what differs from series to series: prices, promotions, placements.

One response per covariate for all series together: a factor per text (a kind of promotion), an elasticity per number
above zero (a price), a slope per other number (a depth). They are found together with the series' levels, by Newton
steps on a quasi-Poisson likelihood with a normal prior around no response.

Some answer more strongly to promotions than others. How many times as strongly is found for kinds of products, for
products and locations, and for each series, one after the other, each time on top of what is known so far and drawn to
it by a normal prior (partial pooling of crossed groups; Gelman and Hill 2006, Data Analysis Using Regression and
Multilevel/Hierarchical Models).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit

from windvane.engine import map_parts
from windvane.futures import FILLED
from windvane.models.series_table import SeriesTable
from windvane.models.smoothing import spans
from windvane.models.structured import seasons
from windvane.panel import Panel

TEXT, NUMBER, LOG = 0, 1, 2
"""Kinds of covariates: a factor per text, a slope, an elasticity."""

EFFECT = 0.02
"""Least effect of a day that says anything of a level."""

_ROUNDS = 5
_SPREAD = {TEXT: 0.7, NUMBER: 0.7, LOG: 1.5}  # of responses expected, as standard deviations of logs
_WOBBLE = 0.5  # relative variance of a series' day that does not shrink with its volume
_FARTHEST = 1.0  # step of a logarithm per round
_APART, _APART_SERIES = 0.5, 0.3  # spread of the leans of groups, of the series within them
_LEANS = (0.2, 3.0)  # least and largest lean
_KIND, _PRODUCT = 20, 8  # series per group that a kind of products, a product or a location has at least, on average
_FEWEST, _PER_PARAMETER = 4000, 2_000_000  # series, and cells per parameter, that all series' responses are found on
_GROUPINGS = 3  # most kinds of groups, the finest
_CELLS = 4_000_000  # numbers of curvature that are kept at a time


@dataclass(frozen=True, eq=False)
class Response:
    """What each covariate does, on the log scale.

    Attributes:
        names: covariates.
        kinds: TEXT, NUMBER or LOG, int64 [covariates].
        table: float64 [covariates, codes]: by text code; first element for numbers, per ``unit``.
        unit: standard deviation of numbers, float64 [covariates].
        leans: per series, how many times as strongly it answers to each covariate; None = as all do.
        seasons: of single series (:mod:`windvane.models.structured.seasons`); None = no series has one.
    """

    names: tuple[str, ...]
    kinds: np.ndarray
    table: np.ndarray
    unit: np.ndarray
    leans: SeriesTable | None = None
    seasons: SeriesTable | None = None

    @property
    def answers(self) -> tuple[np.ndarray, np.ndarray]:
        """Kinds and table of all covariates, that of the season last."""
        if self.seasons is None:
            return self.kinds, self.table
        width = max(self.table.shape[1], 1)
        row = np.zeros((1, width))
        row[0, 0] = 1.0
        table = np.concatenate([self.table.reshape(len(self.names), -1) if self.names else np.zeros((0, width)), row])
        return np.append(self.kinds, NUMBER), np.ascontiguousarray(table)

    @property
    def any(self) -> bool:
        """Whether there is anything that differs from series to series."""
        return bool(self.names) or self.seasons is not None


class Covariates(NamedTuple):
    """Covariates of a panel as the kernels take them.

    ``values`` float32 [covariates, series, width], logarithms where the kind says so; ``since`` int32 of that shape, or
    [covariates, series, 0] if all has always been known; ``first`` float64 [covariates, series]: first known logarithm;
    ``stand`` float32 [covariates, series, width], what stands in after each column (see
    :attr:`windvane.futures.Known.stand`), or [covariates, series, 0] if nothing does; ``season`` int64 [covariates]:
    the season repeated where ``stand`` is NaN, 0 = none; ``lean`` float64 [covariates, series]: how many times as
    strongly a series answers as all do together.
    """

    values: np.ndarray
    since: np.ndarray
    first: np.ndarray
    stand: np.ndarray
    season: np.ndarray
    lean: np.ndarray

    def part(self, rows: slice) -> tuple[np.ndarray, ...]:
        """Those of some series."""
        series = (self.values[:, rows], self.since[:, rows], self.first[:, rows], self.stand[:, rows])
        return (*series, self.season, self.lean[:, rows])


def covariates(panel: Panel, response: Response, horizon: int = 0) -> Covariates:
    """A panel's covariates, in the response's order, the season last; those it lacks are unknown.

    Args:
        panel: the series.
        response: what they do.
        horizon: periods after the panel's last that seasons are wanted for.
    """
    width = max((panel.known[n].values.shape[1] for n in response.names if n in panel.known), default=panel.shape[1])
    if response.seasons is not None:
        width = max(width, panel.shape[1] + horizon)
    shape = (len(response.names) + (response.seasons is not None), panel.shape[0], width)
    values = np.full(shape, np.nan, np.float32)
    told = any(panel.known[n].since is not None for n in response.names if n in panel.known)
    since = np.full(shape if told else (shape[0], shape[1], 0), -1, np.int32)
    first = np.zeros(shape[:2])
    filled = any(panel.known[n].policy in FILLED for n in response.names if n in panel.known)
    stand = np.full(shape if filled else (shape[0], shape[1], 0), np.nan, np.float32)
    season = np.zeros(shape[0], np.int64)
    for k, name in enumerate(response.names):
        known = panel.known.get(name)
        if known is None:
            continue
        have = known.values.shape[1]
        kind, unit = int(response.kinds[k]), float(response.unit[k])
        part = _measured(known.values, kind, unit)
        if kind == LOG:
            seen = ~np.isnan(part) & (True if known.since is None else known.since <= np.arange(have)[None, :])
            at = seen.argmax(axis=1)
            first[k] = np.where(seen.any(axis=1), part[np.arange(len(part)), at], 0.0)
        values[k, :, :have] = part
        if known.since is not None:
            since[k, :, :have] = known.since
        if known.policy in FILLED:
            stand[k, :, :have] = _measured(known.stand, kind, unit)
            season[k] = known.season if known.policy == "forecast" else 0
    lean = np.ones(shape[:2])
    if response.leans is not None:
        lean[: len(response.names)] = response.leans.of(panel).T
    if response.seasons is not None:
        values[-1] = seasons.values(response.seasons, panel, width)
    return Covariates(values, since, first, stand, season, lean)


def _measured(values: np.ndarray, kind: int, unit: float) -> np.ndarray:
    """Values as the kernels take them, float32."""
    if kind == LOG:
        return np.where(values > 0, np.log(np.maximum(values, 1e-9)), np.nan).astype(np.float32)
    return values.astype(np.float32) / np.float32(unit) if kind == NUMBER else values.astype(np.float32)


@njit(cache=True, nogil=True)
def _stand_in(given, k, s, t, origin):  # type: ignore[no-untyped-def]
    """What stands in for a cell after the origin that is not known there, else NaN."""
    values, since, _, stand, season, _ = given
    if t <= origin or origin >= stand.shape[2]:
        return np.nan
    v = stand[k, s, origin]
    if np.isnan(v) and season[k] > 0:
        back = t - season[k] * ((t - origin + season[k] - 1) // season[k])
        if back >= 0 and (since.shape[2] == 0 or since[k, s, back] <= origin):
            v = values[k, s, back]
    return v


@njit(cache=True, nogil=True)
def told(given, kinds, table, s, t, origin):  # type: ignore[no-untyped-def]
    """Logarithm of the response of a cell as known at ``origin``; what is not known then is as it usually is.

    ``given``: the parts of :class:`Covariates`. A price that is not known stays as it was.
    """
    values, since, first, _, _, lean = given
    total = 0.0
    for k in range(values.shape[0]):
        v = values[k, s, t] if t < values.shape[2] else np.nan
        if since.shape[2] > 0 and t < values.shape[2] and since[k, s, t] > origin:
            v = np.nan
        if np.isnan(v):
            v = _stand_in(given, k, s, t, origin)
        if kinds[k] == LOG:
            back = min(origin, values.shape[2] - 1)
            while np.isnan(v) and back >= 0 and back < t:
                v = values[k, s, back]
                back -= 1
        if not np.isnan(v):
            total += lean[k, s] * _one(kinds, table, k, v, first[k, s])
    return min(max(total, -4.0), 4.0)


@njit(cache=True, nogil=True)
def _one(kinds, table, k, v, first):  # type: ignore[no-untyped-def]
    """Logarithm of the response of all series together to one value."""
    if kinds[k] == LOG:
        return table[k, 0] * (v - first)
    if kinds[k] == TEXT:
        return table[k, int(v)] if v < table.shape[1] else 0.0
    return table[k, 0] * v


@njit(cache=True, nogil=True)
def factors(given, kinds, table, time, out):  # type: ignore[no-untyped-def]
    """Responses of the past, ``out`` float32 [series, time], each as known in its own period."""
    values, since = given[0], given[1]
    for s in range(out.shape[0]):
        for t in range(time):
            # Prices stay as they are for long: a cell like the one before answers alike.
            same = 0 < t < values.shape[2]
            k = 0
            while same and k < values.shape[0]:
                same = values[k, s, t] == values[k, s, t - 1]
                if since.shape[2] > 0:
                    same = same and since[k, s, t] <= t and since[k, s, t - 1] < t
                k += 1
            out[s, t] = out[s, t - 1] if same else np.exp(told(given, kinds, table, s, t, t))


@njit(cache=True, nogil=True)
def ahead(given, kinds, table, origins, out):  # type: ignore[no-untyped-def]
    """Multiply ``out`` float32 [series, origins, horizon] by the responses of the periods after each origin."""
    for s in range(out.shape[0]):
        for i in range(origins.shape[0]):
            for h in range(out.shape[2]):
                out[s, i, h] *= np.exp(told(given, kinds, table, s, origins[i] + h + 1, origins[i]))


@njit(cache=True, nogil=True)
def _expected(sales, start, exposure, factor, keep, mean, due):  # type: ignore[no-untyped-def]
    """Write one series' expected sales, a level to both sides times effects, into ``mean`` float64 [time]."""
    time = sales.shape[0]
    num, den = 0.0, 0.0
    for t in range(start, time):
        num, den = num * keep, den * keep
        e = exposure[t] * factor[t]
        if not np.isnan(sales[t]) and e >= EFFECT:
            num, den = num + max(sales[t], 0.0), den + e
        mean[t], due[t] = num, den
    num, den = 0.0, 0.0
    for t in range(time - 1, start - 1, -1):
        e = exposure[t] * factor[t]
        mean[t] = (mean[t] + num) / max(due[t] + den, 1e-9) * e
        if not np.isnan(sales[t]) and e >= EFFECT:
            num, den = num + max(sales[t], 0.0), den + e
        num, den = num * keep, den * keep


@njit(cache=True, nogil=True)
def _normal(sales, start, exposure, given, kinds, at, factor, keep, inside, gradient):  # type: ignore[no-untyped-def]
    """Add up gradient [parameters] and curvature [parameters, parameters] of the likelihood.

    ``exposure`` float64 [series, time]: effects of days; ``at`` int64 [covariates, codes]: number of a parameter, -1 =
    none; ``factor`` float32 [series, time]: responses so far.
    """
    values, first = given[0], given[2]
    series, time = sales.shape
    mean, due = np.zeros(time), np.zeros(time)
    which, size = np.zeros(values.shape[0], np.int64), np.zeros(values.shape[0])
    for s in range(series):
        _expected(sales[s], start[s], exposure[s], factor[s], keep, mean, due)
        for t in range(start[s], time):
            if np.isnan(sales[s, t]) or mean[t] <= 1e-6:
                continue
            count = 0
            for k in range(values.shape[0]):
                v = values[k, s, t]
                if np.isnan(v):
                    continue
                p, x = at[k, 0], v
                if kinds[k] == LOG:
                    x = v - first[k, s]
                elif kinds[k] == TEXT:
                    p, x = (at[k, int(v)] if v < at.shape[1] else -1), 1.0
                if p >= 0 and x != 0.0:
                    which[count], size[count] = p, x
                    count += 1
            if count == 0:
                continue
            weight = 1.0 / (1.0 + _WOBBLE * mean[t])
            off = min(max(sales[s, t], 0.0) - mean[t], 8.0 * mean[t] + 4.0)
            for i in range(count):
                gradient[which[i]] += weight * off * size[i]
                for j in range(count):
                    inside[which[i], which[j]] += weight * mean[t] * size[i] * size[j]


@njit(cache=True, nogil=True)
def _normal_of_leans(sales, start, exposure, given, response, code, factor, keep, inside, gradient):  # type: ignore[no-untyped-def]
    """As :func:`_normal`, for the leans of groups.

    Adds to gradient [groups, covariates] and curvature [groups, covariates, covariates]; ``response``: kinds and
    table; ``code`` int64 [series]: group.
    """
    values, first = given[0], given[2]
    series, time = sales.shape
    mean, due, size = np.zeros(time), np.zeros(time), np.zeros(values.shape[0])
    for s in range(series):
        _expected(sales[s], start[s], exposure[s], factor[s], keep, mean, due)
        for t in range(start[s], time):
            if np.isnan(sales[s, t]) or mean[t] <= 1e-6:
                continue
            most = 0.0
            for k in range(values.shape[0]):
                v = values[k, s, t]
                size[k] = 0.0
                # A price follows demand as well as leading it: few changes of one product's tell how strongly.
                if not np.isnan(v) and response[0][k] != LOG:
                    size[k] = _one(response[0], response[1], k, v, first[k, s])
                most = max(most, abs(size[k]))
            if most == 0.0:
                continue
            weight = 1.0 / (1.0 + _WOBBLE * mean[t])
            off = min(max(sales[s, t], 0.0) - mean[t], 8.0 * mean[t] + 4.0)
            for i in range(values.shape[0]):
                gradient[code[s], i] += weight * off * size[i]
                for j in range(values.shape[0]):
                    inside[code[s], i, j] += weight * mean[t] * size[i] * size[j]


def learn(panel: Panel, names: tuple[str, ...], exposure: np.ndarray, group: np.ndarray, memory: float) -> Response:
    """Find the responses.

    Args:
        panel: the series.
        names: covariates known in advance that differ from series to series.
        exposure: effects of days, float64 [groups, time].
        group: group of each series, int32 [series].
        memory: periods over which a level forgets, to both sides.
    """
    time = panel.shape[1]
    kinds, units, codes = [], [], []
    for name in names:
        known = panel.known[name]
        past = known.values[:, :time]
        seen = past[~np.isnan(past) if known.since is None else ~np.isnan(past) & (known.since[:, :time] < time)]
        text = name in panel.levels
        log = not text and seen.size > 0 and float(seen.min()) > 0
        kinds.append(TEXT if text else LOG if log else NUMBER)
        units.append(1.0 if text or log else max(float(seen.std(dtype=np.float64)) if seen.size else 1.0, 1e-6))
        codes.append(len(panel.levels[name]) if text else 1)
    width = max(codes, default=1)
    at = np.full((len(names), width), -1, np.int64)
    spread: list[float] = []
    for k, name in enumerate(names):
        for code in range(codes[k]):
            if kinds[k] != TEXT or panel.levels[name][code]:
                at[k, code] = len(spread)
                spread.append(_SPREAD[kinds[k]])
    found = Response(names, np.array(kinds, np.int64), np.zeros((len(names), width)), np.array(units))
    if not spread:
        return found
    some = _enough(panel, len(spread))
    _pooled(panel.take(some), found, at, np.array(spread), (exposure, group[some], memory))
    if (found.kinds == LOG).all():
        return found
    given, factor = covariates(panel, found), np.empty(panel.shape, np.float32)
    past_factors(panel, found, given, factor)
    return replace(found, leans=_leans(panel, found, given, (exposure, group, memory), factor))


def _enough(panel: Panel, parameters: int) -> np.ndarray:
    """Series that say enough of a few parameters, drawn by chance but always the same, in their order."""
    series, time = panel.shape
    count = max(_FEWEST, parameters * _PER_PARAMETER // max(time, 1))
    if count >= series:
        return np.arange(series)
    return np.sort(np.random.default_rng(0).choice(series, count, replace=False))


def _pooled(
    panel: Panel, found: Response, at: np.ndarray, prior: np.ndarray, days: tuple[np.ndarray, np.ndarray, float]
) -> None:
    """Find the responses of all series together and write them into the table; ``prior``: their spreads."""
    exposure, group, memory = days
    given, theta = covariates(panel, found), np.zeros(len(prior))
    factor = np.ones(panel.shape, np.float32)
    for _ in range(_ROUNDS):
        inside, gradient = np.diag(1 / prior**2), -theta / prior**2

        def part(rows: slice) -> tuple[np.ndarray, np.ndarray]:
            square, slope = np.zeros((len(prior), len(prior))), np.zeros(len(prior))
            where = (panel.sales[rows], panel.launch[rows], exposure[group[rows]], given.part(rows), found.kinds, at)
            _normal(*where, factor[rows], 1 - 1 / memory, square, slope)
            return square, slope

        for square, slope in map_parts(part, spans(panel.shape[0])):
            inside, gradient = inside + square, gradient + slope
        theta = theta + np.clip(np.linalg.solve(inside, gradient), -_FARTHEST, _FARTHEST)
        found.table[at >= 0] = theta[at[at >= 0]]
        past_factors(panel, found, given, factor)


def _leans(
    panel: Panel,
    found: Response,
    given: Covariates,
    days: tuple[np.ndarray, np.ndarray, float],
    factor: np.ndarray,
) -> SeriesTable:
    """How many times as strongly each series answers; ``days``: exposure, group and memory as in :func:`learn`."""
    exposure, group, memory = days
    answers, count = (found.kinds, found.table), len(found.names)
    lean = np.ones((panel.shape[0], count))
    for code, spread in _groupings(panel, count):
        groups = int(code.max(initial=-1)) + 1

        def part(
            rows: slice, code: np.ndarray = code, groups: int = groups, given: Covariates = given
        ) -> tuple[np.ndarray, np.ndarray, int]:
            low = int(code[rows].min()) if groups == panel.shape[0] else 0
            own = rows.stop - rows.start if groups == panel.shape[0] else groups
            inside, slope = np.zeros((own, count, count)), np.zeros((own, count))
            where = (panel.sales[rows], panel.launch[rows], exposure[group[rows]], given.part(rows), answers)
            _normal_of_leans(*where, code[rows] - low, factor[rows], 1 - 1 / memory, inside, slope)
            return inside, slope, low

        inside, slope = np.zeros((groups, count, count)), np.zeros((groups, count))
        for square, line, low in map_parts(part, spans(panel.shape[0])):
            inside[low : low + len(square)] += square
            slope[low : low + len(line)] += line
        step = np.linalg.solve(inside + np.eye(count) / spread**2, slope[:, :, None])[:, :, 0]
        lean = np.clip(lean + step.clip(-_FARTHEST, _FARTHEST)[code], *_LEANS)
        given = given._replace(lean=np.ascontiguousarray(lean.T))
        past_factors(panel, found, given, factor)
    return SeriesTable(panel.identity, lean)


def _groupings(panel: Panel, count: int) -> list[tuple[np.ndarray, float]]:
    """Groups of series that may answer alike, few first, each with how far leans lie apart; last each series."""
    series, found = panel.shape[0], []
    for frame, least in ((panel.static, _KIND), (panel.keys, _PRODUCT)):
        for name in frame.columns:
            code = frame[name].cast(pl.String).fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
            groups = int(code.max(initial=0)) + 1
            if 1 < groups <= series / least and groups * count**2 <= _CELLS:
                found.append((groups, code, _APART))
    found.sort(key=lambda each: each[0])
    chosen = [(code, spread) for _, code, spread in found[-_GROUPINGS:]]
    if series > 1 and series * count**2 <= _CELLS:
        chosen.append((np.arange(series), _APART_SERIES))
    return chosen


def past_factors(panel: Panel, response: Response, given: Covariates, out: np.ndarray) -> None:
    """Write the responses of the past into ``out`` float32 [series, time]."""

    def part(rows: slice) -> None:
        factors(given.part(rows), *response.answers, panel.shape[1], out[rows])

    map_parts(part, spans(panel.shape[0]))
