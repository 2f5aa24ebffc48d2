"""What comes round and is believed as far as its occasions agree: how far festivals reach, how high seasons are.

A festival that is prepared for, or closed down for, moves the demand of many days, and does so alike each time. What
two occasions have in common tells how much of it is to be believed (empirical Bayes; Efron and Morris 1973, Journal of
the American Statistical Association 68): the covariance between occasions of what was left over round them is the
variance of the effects that both share. Waves of the year are believed as far as two years agree.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from windvane.models.structured import design, profile
from windvane.panel import Panel

_WINDOWS = (range(-10, -3), range(-3, 0), range(1, 4), range(4, 11))  # days before the first and after the last day
_LONGEST = 10  # days of an event told apart
_LEAST = 0.04  # least spread worth a column


def with_reach(panel: Panel, made: tuple[design.Column, ...], level: profile.Level) -> tuple[design.Column, ...]:
    """The design with columns for the days round and within festivals, as far as occasions agree; days only.

    Args:
        panel: the series.
        made: the design.
        level: sums of the highest level.
    """
    events = [column for column in made if column.code >= 0 and column.lag == 0 and column.source in panel.levels]
    if panel.freq.unit != "1d" or not events:
        return made
    rest = profile.left_over(panel, made, level, profile.top(panel, made, level))
    weight = level.total.sum(axis=1)
    added: dict[tuple[str, int, int, int], design.Column] = {}
    for column in events:
        text = panel.levels[column.source][column.code]
        when = [
            design.occasions(panel.known[column.source].values[row, : panel.shape[1]], column.code) for row in level.row
        ]
        for window in _WINDOWS:
            starts = [np.flatnonzero(w.first if window[0] < 0 else w.last) for w in when]
            spread = _shared(rest, weight, starts, np.array(window))
            for lag in window if spread >= _LEAST else ():
                added[column.source, column.code, lag, 0] = design.event(column.source, text, column.code, lag, spread)
        longest = min(max(int(w.number.max(initial=0)) for w in when), _LONGEST)
        starts = [np.flatnonzero(w.first) for w in when]
        spread = _shared(rest, weight, starts, np.arange(longest)) if longest > 1 else 0.0
        for place in range(1, longest + 1) if spread >= _LEAST else ():
            added[column.source, column.code, 0, place] = design.event(
                column.source, text, column.code, 0, spread, place
            )
    kept = [column for column in made if (column.source, column.code, column.lag, column.place) not in added]
    return (*kept, *added.values())


def with_season(panel: Panel, made: tuple[design.Column, ...], level: profile.Level) -> tuple[design.Column, ...]:
    """The design with a season of the year as high as two years have in common; without where that may be chance.

    Waves of the year come first; on days, weeks of the year follow with what the waves leave of it.

    Args:
        panel: the series.
        made: the design.
        level: sums of the highest level.
    """
    out = tuple(column for column in made if column.source not in design.SEASON)
    for source in design.SEASON:
        added = [column for column in made if column.source == source]
        spread = _agreed(panel, out, level) if added else 0.0
        # Each pair of sine and cosine has the variance of one coefficient; of the weeks each has its own.
        spread /= np.sqrt(len(added) / 2) if source == "year" and added else 1.0
        out = (*out, *(replace(column, spread=spread) for column in added if spread > 0))
    return out


def _agreed(panel: Panel, made: tuple[design.Column, ...], level: profile.Level) -> float:
    """Standard deviation of what years have in common beside a design; 0 where that may be chance."""
    year = round(design.PERIODS[panel.freq.unit])
    if panel.shape[1] <= year:
        return 0.0
    # A level that moves within weeks would take the season for its own.
    coefficients = profile.top(panel, made, level)
    rest = profile.left_over(panel, made, level, coefficients, profile.SEASON_MEMORY[panel.freq.unit])
    product = rest[:, year:] * rest[:, :-year]
    told = ~np.isnan(product)
    weight = told * level.total.sum(axis=1)[:, None]
    if not weight.any():
        return 0.0
    weight /= weight.sum()
    common = float((np.where(told, product, 0.0) * weight).sum())
    chance = float(np.sqrt((np.where(told, product - common, 0.0) ** 2 * weight**2).sum()))
    return float(np.sqrt(max(common, 0.0))) if common > 2 * chance else 0.0


def _shared(rest: np.ndarray, weight: np.ndarray, starts: list[np.ndarray], window: np.ndarray) -> float:
    """Standard deviation of what occasions have in common; 0 where there is but one, or they have nothing.

    Args:
        rest: what is left over [groups, time].
        weight: of the groups [groups].
        starts: days that the window is counted from, by group.
        window: days from there.
    """
    total, of = 0.0, 0.0
    for left, heavy, days in zip(rest, weight, starts, strict=True):
        inside = days[(days + window[0] >= 0) & (days + window[-1] < rest.shape[1])]
        for one, other in combinations(inside, 2):
            product = left[one + window] * left[other + window]
            if not np.isnan(product).all():
                total, of = total + heavy * float(np.nanmean(product)), of + heavy
    return float(np.sqrt(max(total / of, 0.0))) if of > 0 else 0.0
