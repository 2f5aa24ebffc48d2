"""Effects of days, learned on sums of series.

Groups are nested: a region, a kind of product within it, that kind at one location. The sum of a group is the product
of a slowly moving level and the effect of its day, exp(x b); b is found by iteratively reweighted least squares for a
quasi-Poisson whose relative variance has a part that does not shrink with volume, and is drawn towards that of the
group above as a normal prior has it (ridge; Hoerl and Kennard 1970, Technometrics 12; partial pooling as in Gelman and
Hill 2006, Data Analysis Using Regression and Multilevel/Hierarchical Models).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit

from windvane.grouping import sum_by
from windvane.models.structured import design
from windvane.panel import Panel

MEMORY = {"1h": 336.0, "1d": 21.0, "1w": 26.0, "1mo": 12.0}
"""Periods over which a group's level forgets, to both sides."""

SEASON_MEMORY = MEMORY | {"1d": 182.0}
"""The same while a season of the year is learned: what forgets within weeks follows it, and leaves nothing of it."""

_GROUPS = 400
_ROUNDS = 5
_OWN = 0.35  # how far a group's effects lie from those of the group above, as a share of how far effects lie from none
_LEAST, _MOST = -12.0, 3.0  # of the logarithm of an effect
_SHUT_FOR, _CHANCE = 14, 15.0  # periods without any sale, and -log of the chance of them, that mean a shut shop
_SHUT = -50.0  # logarithm of the effect of a closed day


@dataclass(frozen=True, eq=False)
class Groups:
    """Nested groups of series.

    Attributes:
        finest: group of every series, int32 [series].
        above: by level, from the finest up: group of the next level that each group lies in, int64 [groups].
    """

    finest: np.ndarray
    above: tuple[np.ndarray, ...]


def groups(panel: Panel, regions: dict[str, np.ndarray]) -> Groups:
    """Choose groups: regions of shared covariates, the finest static column that leaves large groups, locations.

    Args:
        panel: the series.
        regions: pattern of every shared covariate, int64 [series] each.
    """
    series = panel.shape[0]
    most = max(1, min(_GROUPS, series // 20))
    code = np.zeros(series, np.int64)
    for number in regions.values():
        code = _joint(code, number)
    levels = [code]
    held = {name: panel.static[name] for name in panel.static.columns} | {n: panel.keys[n] for n in panel.keys.columns}
    kinds = [(column.n_unique(), name) for name, column in held.items() if name in panel.static.columns]
    for wanted in (kinds, [(held[n].n_unique(), n) for n in panel.keys.columns]):
        best: np.ndarray | None = None
        for _, name in sorted(wanted):
            text = held[name].cast(pl.String).fill_null("")
            joint = _joint(levels[-1], text.rank("dense").to_numpy().astype(np.int64))
            if levels[-1].max() < joint.max() < most and (best is None or joint.max() > best.max()):
                best = joint
        if best is not None:
            levels.append(best)
    above = [_parent(fine, coarse) for fine, coarse in zip(levels[:0:-1], levels[-2::-1], strict=True)]
    return Groups(levels[-1].astype(np.int32), tuple(above))


def _joint(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    number: np.ndarray = np.unique(left * (int(right.max(initial=0)) + 1) + right, return_inverse=True)[1]
    return number.astype(np.int64)


def _parent(fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    out = np.zeros(int(fine.max()) + 1, np.int64)
    out[fine] = coarse
    return out


class Level(NamedTuple):
    """Sums of the groups of one level.

    ``group`` int64 [finest groups], which of them each finest group lies in; ``row`` int64 [groups], a series of each;
    ``total`` float64 [groups, time]; ``sure`` bool of that shape: whether enough of it is known to learn from.
    """

    group: np.ndarray
    row: np.ndarray
    total: np.ndarray
    sure: np.ndarray


def sums(panel: Panel, found: Groups) -> list[Level]:
    """Sums by level, from the finest groups up."""
    # A group's level moves with what is unknown; days on which much of it is unknown say nothing.
    parts = (
        np.nan_to_num(panel.sales).clip(0), (~np.isnan(panel.sales)).astype(np.float32),
        (panel.state != 0).astype(np.float32),
    )  # fmt: skip
    finest = [sum_by(found.finest, part) for part in parts]
    series = np.zeros(len(finest[0]), np.int64)
    series[found.finest[::-1]] = np.arange(len(found.finest))[::-1]
    group, made = np.arange(len(series)), []
    for up in (None, *found.above):
        group = group if up is None else up[group]
        total, told, there = (sum_by(group, part) for part in finest)
        sure = (told >= 0.5 * there.clip(1)) & ~_idle(total)
        made.append(Level(group, series[np.unique(group, return_index=True)[1]], total, sure))
    return made


def _idle(total: np.ndarray) -> np.ndarray:
    """Runs without any sale that are no chance, bool [groups, time]: a shop that was shut says nothing of its days."""
    sold = total > 0
    at = np.arange(total.shape[1])[None, :]
    before = np.maximum.accumulate(np.where(sold, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(sold, at, total.shape[1])[:, ::-1], axis=1)[:, ::-1]
    length = np.where(sold, 0, after - before - 1)
    idle: np.ndarray = (length >= _SHUT_FOR) & (length * sold.sum(axis=1, keepdims=True) >= _CHANCE * total.shape[1])
    return idle


def learn(panel: Panel, made: tuple[design.Column, ...], levels: list[Level]) -> np.ndarray:
    """Coefficients of every finest group, float64 [groups, columns].

    Args:
        panel: the series.
        made: columns of the design.
        levels: what :func:`sums` gives.
    """
    shut = np.array([column.source in design.CLOSED for column in made], bool)
    coefficients = top(panel, made, levels[-1])
    for level, above in zip(levels[-2::-1], levels[:0:-1], strict=True):
        up = np.zeros(len(level.total), np.int64)
        up[level.group] = above.group
        coefficients = _learn(panel, made, level, coefficients[up], _OWN)
    coefficients[:, shut] = _SHUT
    return coefficients


def top(panel: Panel, made: tuple[design.Column, ...], level: Level) -> np.ndarray:
    """Coefficients of the groups of the highest level, float64 [groups, columns]."""
    return _learn(panel, made, level, np.zeros((len(level.total), len(made))), 1.0)


def _learn(panel: Panel, made: tuple[design.Column, ...], level: Level, above: np.ndarray, share: float) -> np.ndarray:
    """Coefficients of a level's groups, drawn towards those ``above`` [groups, columns]."""
    spread, unit = np.array([column.spread for column in made]), panel.freq.unit
    shut = np.array([column.source in design.CLOSED for column in made], bool)
    season = np.array([column.source in design.SEASON for column in made], bool)
    blocks = [(np.arange(len(made)), MEMORY[unit])]
    if season.any() and SEASON_MEMORY[unit] != MEMORY[unit]:
        blocks = [(np.flatnonzero(season), SEASON_MEMORY[unit]), (np.flatnonzero(~season), MEMORY[unit])]
    out = np.zeros((len(level.total), len(made)))
    for g, (total, sure) in enumerate(zip(level.total, level.sure, strict=True)):
        x, _ = design.matrix(made, panel, int(level.row[g]), panel.shape[1])
        out[g] = _fit(total, sure & ~x[:, shut].any(axis=1), x, above[g], spread * share, blocks)
    return out


def left_over(
    panel: Panel, made: tuple[design.Column, ...], level: Level, coefficients: np.ndarray, memory: float | None = None
) -> np.ndarray:
    """Logarithm of what was sold over what was expected, float64 [groups, time]; NaN where nothing can be said."""
    memory = memory or MEMORY[panel.freq.unit]
    shut = np.array([column.source in design.CLOSED for column in made], bool)
    out = np.full(level.total.shape, np.nan)
    for g, (total, sure) in enumerate(zip(level.total, level.sure, strict=True)):
        x, _ = design.matrix(made, panel, int(level.row[g]), panel.shape[1])
        use = sure & ~x[:, shut].any(axis=1)
        effect = effects(x, coefficients[g])
        mean = np.maximum(_level(total, effect * use, memory) * effect, 1e-9)
        out[g, use] = np.log(np.maximum(total, 0.02 * mean) / mean)[use]
    return out


def _fit(
    total: np.ndarray,
    sure: np.ndarray,
    x: np.ndarray,
    above: np.ndarray,
    prior: np.ndarray,
    blocks: list[tuple[np.ndarray, float]],
) -> np.ndarray:
    """Coefficients of one group [columns]; ``blocks``: columns learned together, and the memory of the level then."""
    b = above.copy()
    if total[sure].sum() <= 0:
        return b
    parts = [(some, np.ascontiguousarray(x[:, some]), memory) for some, memory in blocks]
    for _ in range(_ROUNDS):
        for some, part, memory in parts:
            weight, target = _working(total, sure, np.exp(np.clip(x @ b, _LEAST, _MOST)), memory)
            b[some] += ridge(part, weight, target, 1 / prior[some] ** 2, (b - above)[some])
    return b


def _working(total: np.ndarray, sure: np.ndarray, effect: np.ndarray, memory: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights of days, and by how much the logarithm of their effect is off, [periods] each."""
    mean = np.maximum(_level(total, effect * sure, memory) * effect, 1e-9)
    off = (total - mean) / mean
    # Relative variance = noise / mean + wobble, both by moments.
    inverse = 1 / mean[sure]
    square = np.minimum(off[sure] ** 2, 1.0)
    noise = max(float((square * mean[sure]).mean()) / 2, 1.0)
    wobble = max(float(np.median(square) / 0.455 - noise * np.median(inverse)), 1e-4)
    # The least a day can lose is all of it: a step on the log scale from the ratio itself.
    step = np.log(np.maximum(total, 0.02 * mean) / mean)
    return sure / (noise / mean + wobble), np.where(np.abs(off) < 0.5, off, step)


@njit(cache=True, nogil=True)
def ridge(x, weight, target, penalty, off):  # type: ignore[no-untyped-def]
    """Step of a penalised weighted least squares, float64 [columns]; BLAS threads would wait longer than they work.

    Solves (x' W x + P) step = x' W target - P off by Cholesky's method; ``x`` [periods, columns] may be mostly zeros.
    """
    periods, width = x.shape
    inside, out = np.zeros((width, width)), -penalty * off
    used = np.empty(width, np.int64)
    for t in range(periods):
        count = 0
        for j in range(width):
            if x[t, j] != 0.0:
                used[count] = j
                count += 1
        for p in range(count):
            j = used[p]
            part = weight[t] * x[t, j]
            out[j] += part * target[t]
            for q in range(p + 1):
                inside[j, used[q]] += part * x[t, used[q]]
    for j in range(width):
        inside[j, j] += penalty[j]
        for k in range(j + 1):
            total = inside[j, k]
            for i in range(k):
                total -= inside[j, i] * inside[k, i]
            inside[j, k] = np.sqrt(total) if j == k else total / inside[k, k]
    for j in range(width):
        for i in range(j):
            out[j] -= inside[j, i] * out[i]
        out[j] /= inside[j, j]
    for j in range(width - 1, -1, -1):
        for i in range(j + 1, width):
            out[j] -= inside[i, j] * out[i]
        out[j] /= inside[j, j]
    return out


def _level(total: np.ndarray, exposure: np.ndarray, memory: float) -> np.ndarray:
    """Sales per unit of exposure, an exponentially weighted mean to both sides [periods]."""
    from scipy.signal import lfilter

    keep = 1 - 1 / memory
    both = np.stack([np.where(exposure > 0, total, 0.0), exposure])
    forth = lfilter([1.0], [1.0, -keep], both, axis=1)
    back = lfilter([1.0], [1.0, -keep], both[:, ::-1], axis=1)[:, ::-1]
    sold, due = forth + back - both
    out: np.ndarray = sold / np.maximum(due, 1e-9)
    return out


def effects(x: np.ndarray, coefficients: np.ndarray, since: np.ndarray | None = None) -> np.ndarray:
    """Effects of days, float64 [periods]: 1 for a day without any.

    Args:
        x: the design [periods, columns].
        coefficients: of the columns.
        since: column at whose end each value became known [periods, columns]; what was told after its own day counts
            as unknown.
    """
    if since is not None:
        x = np.where(since > np.arange(len(x))[:, None], 0.0, x)
    out: np.ndarray = np.exp(np.clip(x @ coefficients, _LEAST, _MOST))
    return out


def ahead(x: np.ndarray, since: np.ndarray, coefficients: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """Effects of the days after each origin, as far as known there, float64 [origins, horizon].

    Args:
        x: the design [periods, columns], at least up to the last origin's horizon.
        since: column at whose end each value became known [periods, columns].
        coefficients: of the columns.
        origins: columns of the panel [origins].
        horizon: days after each.
    """
    days = origins[:, None] + np.arange(1, horizon + 1)[None, :]
    parts = x @ coefficients
    out = parts[days]
    for k in np.flatnonzero((since >= 0).any(axis=0)):
        later = since[days, k] > origins[:, None]
        out = out - np.where(later, x[days, k] * coefficients[k], 0.0)
    clipped: np.ndarray = np.exp(np.clip(out, _LEAST, _MOST))
    return clipped
