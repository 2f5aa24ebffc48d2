"""Gaps in covariates: filled by a stated method, from what was known by then, and told.

A gap is a period without a value after the first one and before the cutoff. Periods to come are never filled: a plan
that was not given is unknown, and models are told so. Promotions and discounts are not filled either unless asked
for, since there a gap has a meaning of its own.

=============  ========================================================================================
method         a gap takes
=============  ========================================================================================
none           nothing: models see that it is missing
forward        the last value before it
mean           the mean of all values before it
median         their median
seasonal       the last value of the same season before it (weekday, hour, month)
model          the forecast of additive seasonal exponential smoothing of the values before it
interpolation  the straight line between the values round it, known once the later of them was known;
               a covariate known only in hindsight has no such moment and is carried forward instead
=============  ========================================================================================

Source of the smoothing: Holt (1957), reprinted in International Journal of Forecasting 20 (2004); Winters (1960),
Management Science 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numba import njit

from windvane.clean.report import Findings
from windvane.config import Fill
from windvane.panel import Known

METHODS: tuple[Fill, ...] = ("none", "forward", "mean", "median", "seasonal", "model", "interpolation")
"""Names of the methods; their positions are the codes of the kernel."""

_ALPHA, _GAMMA = 0.2, 0.1
_UNTOUCHED = ("promo_", "discount", "holiday")
"""Beginnings of names that are filled only if asked for."""


@njit(cache=True, nogil=True)
def _next_known(values, t, end):  # type: ignore[no-untyped-def]
    for later in range(t + 1, end):
        if not np.isnan(values[later]):
            return later
    return -1


@njit(cache=True, nogil=True)
def _insert(ordered, count, x):  # type: ignore[no-untyped-def]
    """Put ``x`` into the first ``count`` ascending values."""
    k = count
    while k > 0 and ordered[k - 1] > x:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = x


@njit(cache=True, nogil=True)
def _guess(code, last, total, count, ordered, same):  # type: ignore[no-untyped-def]
    """Fill by code: 1 forward, 2 mean, 3 median, 4 seasonal (``same``; forward where there is none yet)."""
    if code == 2:
        return total / count
    if code == 3:
        half = count // 2
        return ordered[half] if count % 2 else 0.5 * (ordered[half - 1] + ordered[half])
    if code == 4 and not np.isnan(same):
        return same
    return last


@njit(cache=True, nogil=True)
def _fill(values, since, end, code, season, lasting):  # type: ignore[no-untyped-def]
    """Fill [series, width] in place up to column ``end``; returns how many cells.

    ``since`` [series, width] holds since when each value was known, and is moved on with what fills draw on; with
    ``lasting`` false it is not, and every value counts as known from its own column on.
    """
    filled = 0
    profile, same = np.empty(season), np.empty(season)
    ordered = np.empty(end + 1 if code == 3 else 1)
    for s in range(values.shape[0]):
        profile[:], same[:] = 0.0, np.nan
        count, total, last, level, moment, newest = 0, 0.0, np.nan, 0.0, 0, 0
        for t in range(end):
            x, k = values[s, t], t % season
            if np.isnan(x):
                if count == 0:
                    continue
                value = level + profile[k] if code == 5 else _guess(code, last, total, count, ordered, same[k])
                known = newest if code == 1 else moment
                after = _next_known(values[s], t, end) if code == 6 and lasting else -1
                if after >= 0:
                    # What was filled before t lies on the same line: the last value and t - 1 give the same slope.
                    value = last + (values[s, after] - last) / (after - t + 1)
                    known = max(newest, since[s, after])
                values[s, t] = value
                if lasting:
                    since[s, t] = known
                filled += 1
                if code == 6:
                    last, newest = value, known
                continue
            if code == 3:
                _insert(ordered, count, x)
            if count == 0:
                level = x
            else:
                error = x - level - profile[k]
                level += _ALPHA * error
                profile[k] += _GAMMA * (1.0 - _ALPHA) * error
            count += 1
            total += x
            last, same[k] = x, x
            if lasting:
                newest = since[s, t]
                moment = max(moment, newest)
    return filled


def fill(
    values: np.ndarray, method: Fill, season: int, since: np.ndarray | None = None, end: int | None = None
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Fill gaps.

    Args:
        values: float32 [series, width]; NaN = a gap. Rows that are views of one row stay so.
        method: one of METHODS.
        season: periods per season.
        since: column from whose end on each value was known, int32 [series, width]; ``None`` = from its own column on.
        end: columns that may be filled, from the first; all where absent.

    Returns:
        The filled values, the moments of all of them, and the number of cells filled.
    """
    code, end = METHODS.index(method), values.shape[1] if end is None else end
    if code == 0 or not np.isnan(values[:, :end]).any():
        return values, since, 0
    one = values.strides[0] == 0 and (since is None or since.strides[0] == 0)
    rows = slice(0, 1) if one else slice(None)
    out = np.array(values[rows], np.float32, order="C")
    moments = np.zeros((len(out), 0), np.int32) if since is None else np.array(since[rows], np.int32, order="C")
    count = int(_fill(out, moments, end, code, max(season, 1), since is not None))
    if one:
        count *= values.shape[0]
        shape = values.shape
        return np.broadcast_to(out, shape), None if since is None else np.broadcast_to(moments, shape), count
    return out, None if since is None else moments, count


def method_of(name: str, settings: Mapping[str, Fill]) -> Fill:
    """Method of a covariate: as set, else forward for prices and signals and none for what gaps mean something in."""
    return settings.get(name, "none" if name.startswith(_UNTOUCHED) else "forward")


def filled(
    known: Mapping[str, Known],
    past: Mapping[str, np.ndarray],
    settings: Mapping[str, Fill],
    shape: tuple[int, int],
    findings: Findings,
) -> tuple[dict[str, Known], dict[str, np.ndarray]]:
    """Fill the gaps of all covariates, each by its method, and say how many there were.

    Args:
        known: covariates known in advance.
        past: covariates known in hindsight.
        settings: methods by name, where not the default.
        shape: number of periods up to the cutoff, and periods per season.
        findings: where to say what was filled; one finding per covariate.

    Returns:
        Both, filled. A setting for a covariate that is not there is reported.
    """
    time, season = shape
    advance, hindsight = dict(known), dict(past)
    for name, covariate in known.items():
        since = covariate.since
        if since is None:
            since = np.broadcast_to(np.int32(0), covariate.values.shape)
        method = method_of(name, settings)
        values, moments, count = fill(covariate.values, method, season, since, time)
        if count:
            advance[name] = replace(covariate, values=values, since=None if covariate.since is None else moments)
        _tell(findings, name, method, count, values[:, :time].size)
    for name, array in past.items():
        method = method_of(name, settings)
        hindsight[name], _, count = fill(array, method, season)
        _tell(findings, name, method, count, array.size)
    for name in settings:
        if name not in known and name not in past:
            findings.add(
                "fill_not_found", ("signals", name), "warning", (1, 1),
                f"Correct clean.fill: no covariate is called {name!r}; there are: {', '.join([*known, *past])}.",
            )  # fmt: skip
    return advance, hindsight


def _tell(findings: Findings, name: str, method: Fill, count: int, total: int) -> None:
    if count:
        table = "prices" if name == "price" else "promotions" if name.startswith("promo_") else "signals"
        findings.add(
            "covariate_filled", (table, name), "info", (count, total),
            f"Give the missing values, or choose another method in clean.fill (now {method}).",
            f"{name}: {method}, {count / total:.1%}",
        )  # fmt: skip
