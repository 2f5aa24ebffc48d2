"""The quasi-likelihood of sales as slow levels x effects that a group shares x answers to prices and promotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windvane.decisions.response.kernels import centred, levels, moments, weigh
from windvane.engine import map_parts
from windvane.grouping import sum_by

_PART = 512
_LARGE, _RARE = 20.0, 0.02  # median of amounts; share of cells without sales
_SHRINK = 5.0  # units that draw the effect of a group's period to none


@dataclass(frozen=True, eq=False)
class Data:
    """What is fitted.

    Attributes:
        sales: float32 [series, time], NaN = unknown.
        given: covariates, float32 [k, series, time].
        group: group of series that share effects of periods, int64 [series]; None = there are no such effects.
        keep: what a level's smooth keeps from one period to the next.
        logs: whether sales are amounts whose logarithms scatter evenly, rather than counts.
    """

    sales: np.ndarray
    given: np.ndarray
    group: np.ndarray | None
    keep: float
    logs: bool = False

    def parts(self) -> list[slice]:
        """Series by parts."""
        return [slice(a, min(a + _PART, len(self.sales))) for a in range(0, len(self.sales), _PART)]


def expected(data: Data, answer: np.ndarray) -> np.ndarray:
    """Slow levels x shared effects x answers, float32 [series, time]."""
    series, time = data.sales.shape
    group = np.zeros(series, np.int64) if data.group is None else data.group
    groups = int(group.max(initial=0)) + 1
    common, level = np.ones((groups, time)), np.empty((series, time), np.float32)
    seen = ~np.isnan(data.sales)
    sold = sum_by(group, np.where(seen, np.maximum(data.sales, 0), 0))
    many = sum_by(group, seen) if data.logs else sold

    def part(rows: slice) -> None:
        levels(data.sales[rows], common[group[rows]], answer[rows], data.keep, data.logs, level[rows])

    for _ in range(1 if data.group is None else 3):
        map_parts(part, data.parts())
        if data.group is not None:
            due = np.where(seen, level * answer, 0)
            if data.logs:
                off = np.log(np.maximum(data.sales, 0.5) / np.maximum(due, 1e-6))
                common = np.exp(sum_by(group, np.where(seen, off, 0)) / (many + 1))
            else:
                common = (sold + _SHRINK) / (sum_by(group, due) + _SHRINK)
    return (level * answer * common[group]).astype(np.float32)


def left(data: Data, weight: np.ndarray, which: Sequence[int]) -> np.ndarray:
    """What is left of covariates beside levels and shared effects, float32 [k, series, time]."""
    out = np.empty((len(which), *data.sales.shape), np.float32)
    if data.group is not None:
        due = sum_by(data.group, weight)
    for i, k in enumerate(which):
        now = data.given[k]
        for sweep in range(1 if data.group is None else 2):

            def part(rows: slice, now: np.ndarray = now, i: int = i) -> None:
                centred(now[rows], weight[rows], data.keep, out[i, rows])

            map_parts(part, data.parts())
            if data.group is not None:
                total = sum_by(data.group, weight * out[i])
                out[i] -= (total / (due + _SHRINK))[data.group]
                now = out[i].copy() if sweep == 0 else now
    return out


def sums(data: Data, mean: np.ndarray, noise: float, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curvature [series, k, k] and gradient [series, k] of every series; ``rest``: see :func:`left`."""
    series, count = len(data.sales), len(rest)
    inside, slope = np.zeros((series, count, count)), np.zeros((series, count))

    def part(rows: slice) -> None:
        moments(data.sales[rows], mean[rows], noise, data.logs, rest[:, rows], inside[rows], slope[rows])

    map_parts(part, data.parts())
    return inside, slope


def weights(data: Data, mean: np.ndarray, noise: float) -> np.ndarray:
    """Weights of the cells in sums of squares of logarithms, float32 [series, time]."""
    weight = np.empty(data.sales.shape, np.float32)
    map_parts(lambda rows: weigh(data.sales[rows], mean[rows], noise, data.logs, weight[rows]), data.parts())
    return weight


def wobble(data: Data, mean: np.ndarray, before: float) -> float:
    """Relative variance beside that of counts: moments over all cells, each as its own variance has it.

    Of logarithms, their variance.
    """
    seen = ~np.isnan(data.sales) & (mean > 1e-6)
    if data.logs:
        off = np.log(np.maximum(data.sales[seen], 0.5) / mean[seen])
        return float(np.clip(np.square(off, dtype=np.float64).mean(), 1e-3, 5.0))
    y, m = np.maximum(data.sales[seen], 0).astype(np.float64), mean[seen].astype(np.float64)
    weight = 1 / (1 + before * m) ** 2
    off = np.minimum((y - m) ** 2, (20 * m + 20) ** 2)
    return float(np.clip((weight * (off - m)).sum() / max((weight * m**2).sum(), 1e-9), 1e-3, 5.0))


def amounts(sales: np.ndarray) -> bool:
    """Whether sales are so large that their logarithms scatter evenly: hardly any near 0."""
    seen = sales[~np.isnan(sales)]
    return bool(len(seen) and np.median(seen) >= _LARGE and (seen < 1).mean() < _RARE)
