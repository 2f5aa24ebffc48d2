"""Alignment: forecasts of series scaled to aggregate forecasts, as far as those proved better.

Within every group of a level, all series are multiplied by the same factor, step by step: zeros stay zeros, and what a
promotion does to one series beside the others stays. The gap between the aggregate's own forecast and the sum of its
series has two parts, one factor for the whole horizon and what is left of each step; how much of each part is believed
is a regression over the backtest, one weight per level and part, shrunk by its jackknife error over origins. Levels
follow each other from the finest to the coarsest, each learnt after those before it.

With weights of 1 and repeated sweeps this is iterative proportional fitting (Deming and Stephan 1940, Annals of
Mathematical Statistics 11, 427-444). The regression is the combination of two forecasts of Granger and Ramanathan
(1984), Journal of Forecasting 3, 197-204, with weights that add up to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windvane.errors import ModelError
from windvane.models.coherence.hierarchy import Hierarchy, Level
from windvane.models.coherence.past import Past

_RIDGE = 1e-8
_LEAST_BELIEF = 1e-3
"""Smaller weights are 0: they would change nothing that can be seen."""
_LEAST_ORIGINS = 2
"""Fewest origins from which a weight is learnt; one origin says nothing of its own noise."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """How far each level is believed.

    Attributes:
        levels: columns of the levels, in the order they are applied.
        weights: belief in the factor over the horizon and in the rest of each step, float64 [levels, 2], 0..1.
        errors: jackknife standard errors of the weights before they were shrunk, float64 [levels, 2].
    """

    levels: tuple[tuple[str, ...], ...]
    weights: np.ndarray
    errors: np.ndarray

    def apply(self, hierarchy: Hierarchy, base: np.ndarray) -> np.ndarray:
        """Aligned forecasts of the series, float64 [series, horizon], from forecasts of all nodes."""
        every = [hierarchy.level(columns) for columns in self.levels]
        believed = [
            (level, weight)
            for level, weight in zip(every, self.weights, strict=True)
            if level is not None and weight.any()
        ]
        walk = _Walk([level for level, _ in believed], base[hierarchy.bottom][:, None])
        for level, weight in believed:
            own = base[level.nodes][:, None].astype(np.float64)
            walk.scale(_factor(own, walk.sums(level), weight))
        return walk.series()[:, 0]


@dataclass(frozen=True)
class Align:
    """Alignment, learnt from the past.

    Attributes:
        levels: columns of the levels to align to; None = all.
    """

    levels: tuple[tuple[str, ...], ...] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return "align" if self.levels is None else "align_" + "_".join("-".join(c) or "total" for c in self.levels)

    def bottom(self, hierarchy: Hierarchy, base: np.ndarray, past: Past | None = None) -> np.ndarray:
        """See :class:`windvane.models.coherence.method.Method`."""
        if past is None:
            raise ModelError(f"{self.name} learns from past forecasts, and there are none.", "Give it the past.")
        return self.fit(hierarchy, past).apply(hierarchy, base).astype(np.float32)

    def fit(self, hierarchy: Hierarchy, past: Past, weight: np.ndarray | None = None) -> Alignment:
        """Learn how far each level is to be believed.

        Args:
            hierarchy: the hierarchy.
            past: the backtest; with fewer than two origins nothing is believed.
            weight: what an error of each node weighs, float64 [nodes]; see
                :func:`windvane.models.coherence.choose.default_weight`.
        """
        chosen = [hierarchy.level(columns) for columns in self.levels] if self.levels is not None else hierarchy.levels
        ordered = sorted((level for level in chosen if level is not None), key=lambda level: -level.count)
        names = tuple(level.columns for level in ordered)
        weights, errors = np.zeros((len(names), 2)), np.full((len(names), 2), np.inf)
        if past.origins < _LEAST_ORIGINS:
            return Alignment(names, weights, errors)
        walk = _Walk(ordered, past.forecasts[hierarchy.bottom])
        for i, level in enumerate(ordered):
            sums = walk.sums(level)
            own, actual = past.forecasts[level.nodes].astype(np.float64), past.actuals[level.nodes].astype(np.float64)
            importance = None if weight is None else weight[level.nodes]
            weights[i], errors[i] = _belief(own, sums, actual, importance)
            walk.scale(_factor(own, sums, weights[i]) if weights[i].any() else None)
        return Alignment(names, weights, errors)


class _Walk:
    """Forecasts of series on their way through the levels, finest first.

    Once all levels to come are nested in the present one, its groups stand in for the series: a total is then a sum of
    a few dozen rows, and the series are scaled once at the end.

    Args:
        levels: the levels, in the order they will be asked for.
        series: forecasts of the series, [series, origins, horizon].
    """

    def __init__(self, levels: Sequence[Level], series: np.ndarray) -> None:
        self.levels = list(levels)
        self.shape = series.shape[1:]
        flat = series.reshape(len(series), -1).astype(np.float64, order="C")
        self.rows = np.maximum(flat, 0, out=flat)
        self.code: np.ndarray | None = None
        self.below: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def sums(self, level: Level) -> np.ndarray:
        """Sums of the groups of the next level, float64 [groups, origins, horizon]."""
        from windvane.models.coherence.kernels import add_up

        self.level, self.levels = level, self.levels[1:]
        self.within = level.code if self.code is None else _parent(self.code, level.code, len(self.rows))
        self.total = np.empty((level.count, self.rows.shape[1]))
        add_up(self.within, self.rows, self.total)
        return self.total.reshape(-1, *self.shape)

    def scale(self, factor: np.ndarray | None) -> None:
        """Multiply the series of every group of that level by its factor [groups, origins, horizon]; None = by 1."""
        from windvane.models.coherence.kernels import scale_rows

        if factor is not None:
            flat = factor.reshape(self.total.shape)
            scale_rows(self.within, flat, self.rows)
            self.total *= flat
        code, count = self.level.code, self.level.count
        if self.levels and all((_parent(code, x.code, count)[code] == x.code).all() for x in self.levels):
            self.below.append((self.rows, self.within, self.total.copy()))
            self.rows, self.code = self.total, code

    def series(self) -> np.ndarray:
        """The series as they are now, float64 [series, origins, horizon]."""
        from windvane.models.coherence.kernels import scale_rows

        rows = self.rows
        for lower, within, start in reversed(self.below):
            scale_rows(within, np.where(start > 0, rows / np.where(start > 0, start, 1.0), 1.0), lower)
            rows = lower
        return rows.reshape(-1, *self.shape)


def _parent(fine: np.ndarray, coarse: np.ndarray, count: int) -> np.ndarray:
    """Coarser group of every one of ``count`` finer groups, int32, where groups are nested; else any one of them."""
    out = np.zeros(count, np.int32)
    out[fine] = coarse
    return out


def _gap(own: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two parts of ``own - sums``: by one factor over the horizon (the last axis), and the rest of each step.

    Both are 0 where the sum is 0, which no factor changes.
    """
    total = sums.sum(-1, keepdims=True)
    ratio = np.where(total > 0, own.sum(-1, keepdims=True) / np.where(total > 0, total, 1.0), 1.0)
    whole = sums * (ratio - 1)
    return whole, np.where(sums > 0, own - sums - whole, 0.0)


def _factor(own: np.ndarray, sums: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What the series of every group are multiplied by; 1 where their sum is 0."""
    whole, rest = _gap(own, sums)
    wanted = np.maximum(sums + weight[0] * whole + weight[1] * rest, 0)
    return np.where(sums > 0, wanted / np.where(sums > 0, sums, 1.0), 1.0)


def _belief(
    own: np.ndarray, sums: np.ndarray, actual: np.ndarray, importance: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of both parts of the gap at one level, and their standard errors, each float64 [2].

    Least squares of ``actual - sums`` on the two parts, every node and origin weighed by its importance over its
    present error, as the derivative of a weighted sum of root mean squared errors wants it; so one origin that went
    wrong everywhere does not outvote the others.
    """
    parts = _gap(own, sums)
    known = ~np.isnan(actual)
    miss = np.where(known, actual - sums, 0.0)
    root = np.sqrt(np.square(miss).sum(2) / np.maximum(known.sum(2), 1))
    if importance is None:
        importance = np.ones(len(own))
    node = np.where(root > 0, importance[:, None] / np.where(root > 0, root, 1.0), 0.0)
    seen = [np.where(known, part, 0.0) for part in parts]
    left = np.array([[np.einsum("go,goh,goh->o", node, a, b) for b in seen] for a in seen]).transpose(2, 0, 1)
    right = np.array([np.einsum("go,goh,goh->o", node, a, miss) for a in seen]).T
    if not left.any():
        return np.zeros(2), np.full(2, np.inf)
    # A gap that is nothing but rounding teaches nothing, and two parts that are alike share what they teach.
    energy = np.einsum("go,goh,goh->", node, sums, sums) / len(left)
    left += (_RIDGE * (energy + np.trace(left, axis1=1, axis2=2)))[:, None, None] * np.eye(2)
    everything = np.linalg.solve(left.sum(0), right.sum(0))
    count = len(left)
    # Summed anew each time: taking one origin off the sum would leave rounding where that origin outweighs the others.
    others = [[other for other in range(count) if other != origin] for origin in range(count)]
    without = np.array([np.linalg.solve(left[keep].sum(0), right[keep].sum(0)) for keep in others])
    error = np.sqrt((count - 1) / count * np.square(without - without.mean(0)).sum(0))
    positive = everything > 0
    sure = np.where(positive, 1 - np.square(error / np.where(positive, everything, 1.0)), 0.0)
    believed = np.clip(everything * np.maximum(sure, 0), 0, 1)
    return np.where(believed < _LEAST_BELIEF, 0.0, believed), error
