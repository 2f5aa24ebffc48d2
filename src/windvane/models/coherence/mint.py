"""Minimum-trace reconciliation (MinT) that stays non-negative, at tens of thousands of series.

The reconciled forecasts ``b`` of the series minimise ``(y - S b)' W^-1 (y - S b)`` over ``b >= 0``, where ``y`` are the
base forecasts of all nodes, ``S`` sums series into nodes and ``W`` is the covariance of the base forecasts' errors.
Without the bound this is the MinT solution. ``S`` and ``W`` are only ever applied to vectors.

Sources: Hyndman, Ahmed, Athanasopoulos, Shang (2011), Computational Statistics & Data Analysis 55, 2579-2589;
Wickramasuriya, Athanasopoulos, Hyndman (2019), Journal of the American Statistical Association 114, 804-819 (MinT);
Wickramasuriya, Turlach, Hyndman (2020), Statistics and Computing 30, 1167-1182 (non-negative, by block principal
pivoting with conjugate gradients among others); Júdice and Pires (1994), Computers & Operations Research 21, 587-596
(block principal pivoting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from windvane.engine import map_parts
from windvane.errors import ModelError
from windvane.models.coherence.hierarchy import BOTTOM, Hierarchy
from windvane.models.coherence.past import Past, shrunk_covariance, variances

Weights = Literal["variance", "shrunk", "structural"]

_TOLERANCE = 1e-8
_ITERATIONS = 2000
_PIVOTS = 200
_PATIENCE = 3
"""Exchanges of whole blocks without progress before single variables are exchanged, which always ends."""
_BLOCK = 4
"""Columns solved together: few, so that they stay in the processor's cache."""
_WIDE_BLOCK = 32
"""The same with shared directions, where a product of matrices does most of the work."""


class Normal:
    """The matrix ``S' W^-1 S`` and the vector ``S' W^-1 y``, applied without forming any of them.

    Args:
        hierarchy: gives S.
        own: diagonal part of W, float64 [nodes], > 0.
        shared: directions U of W = diag(own) + U U', float64 [nodes, directions]; None = there are none.
    """

    def __init__(self, hierarchy: Hierarchy, own: np.ndarray, shared: np.ndarray | None = None) -> None:
        self.hierarchy = hierarchy
        self.precision = 1.0 / own
        self.shared: np.ndarray | None = None
        if shared is not None and shared.any():
            weighed = shared * self.precision[:, None]
            inner = np.eye(shared.shape[1]) + shared.T @ weighed
            # Woodbury: W^-1 = P - P U (I + U'PU)^-1 U'P, its second part as a square.
            self.shared = weighed @ np.linalg.inv(np.linalg.cholesky(inner)).T
        diagonal = self.precision[:, None].copy()
        self.scale: np.ndarray = 1.0 / self._transposed(diagonal)[:, 0]

    def apply(self, series: np.ndarray) -> np.ndarray:
        """``S' W^-1 S`` times a block, float64 [series, columns]."""
        from windvane.models.coherence.kernels import add_up

        tree = self.hierarchy
        nodes = np.empty((tree.nodes, series.shape[1]))
        nodes[tree.bottom] = series
        for index in tree.finest_first:
            level = tree.levels[index]
            source = tree.bottom if level.source == BOTTOM else tree.levels[level.source].nodes
            add_up(level.within, nodes[source], nodes[level.nodes])
        return self._transposed(self._weighed(nodes))

    def right(self, base: np.ndarray) -> np.ndarray:
        """``S' W^-1`` times base forecasts of all nodes, float64 [series, columns]."""
        return self._transposed(self._weighed(base.astype(np.float64)))

    def _weighed(self, nodes: np.ndarray) -> np.ndarray:
        """``W^-1`` times a block, in place."""
        if self.shared is None:
            nodes *= self.precision[:, None]
        else:
            together = self.shared @ (self.shared.T @ nodes)
            nodes *= self.precision[:, None]
            nodes -= together
        return nodes

    def _transposed(self, nodes: np.ndarray) -> np.ndarray:
        """``S'`` times a block of nodes, which it overwrites."""
        from windvane.models.coherence.kernels import hand_down

        tree = self.hierarchy
        for index in reversed(tree.finest_first):
            level = tree.levels[index]
            source = tree.bottom if level.source == BOTTOM else tree.levels[level.source].nodes
            hand_down(level.within, nodes[level.nodes], nodes[source])
        return nodes[tree.bottom].copy()


@dataclass(frozen=True)
class MinT:
    """Reconciliation by the errors that the base forecasts made.

    Attributes:
        weights: what W is. "variance": every node's past squared error. "shrunk": their covariance, correlations
            shrunk. "structural": the number of series in a node, which needs no past.
        non_negative: keep the bound; without it the exact MinT solution, which may be negative.
    """

    weights: Weights = "variance"
    non_negative: bool = True

    @property
    def name(self) -> str:
        """Its name."""
        return f"mint_{self.weights}"

    def bottom(self, hierarchy: Hierarchy, base: np.ndarray, past: Past | None = None) -> np.ndarray:
        """See :class:`windvane.models.coherence.method.Method`."""
        normal = self._normal(hierarchy, past)
        size = _BLOCK if normal.shared is None else _WIDE_BLOCK
        out = np.empty((hierarchy.series, base.shape[1]))

        def part(columns: slice) -> None:
            out[:, columns] = solve(normal, base[:, columns], self.non_negative)

        map_parts(part, [slice(i, min(i + size, base.shape[1])) for i in range(0, base.shape[1], size)])
        return out.astype(np.float32)

    def _normal(self, hierarchy: Hierarchy, past: Past | None) -> Normal:
        if self.weights == "structural":
            return Normal(hierarchy, hierarchy.sizes)
        if past is None or past.origins == 0:
            raise ModelError(
                f"{self.name} learns from past errors, and there are none.", "Give it the past, or take structural."
            )
        if self.weights == "variance":
            return Normal(hierarchy, variances(hierarchy, past))
        covariance = shrunk_covariance(hierarchy, past)
        return Normal(hierarchy, covariance.own, covariance.shared)


def solve(normal: Normal, base: np.ndarray, non_negative: bool = True) -> np.ndarray:
    """Series that minimise ``(y - S b)' W^-1 (y - S b)``, over ``b >= 0`` or over all, float64 [series, columns].

    Block principal pivoting: variables are free or held at 0; the free ones are solved for by conjugate gradients,
    and all that came out negative, or would lower the loss by becoming positive, change sides.

    Args:
        normal: the matrix.
        base: base forecasts y of all nodes, [nodes, columns].
        non_negative: keep b >= 0.

    Raises:
        ModelError: it did not converge.
    """
    right = normal.right(base)
    point = base[normal.hierarchy.bottom].astype(np.float64)
    unit = np.maximum(np.abs(base).mean(0) * len(base) / normal.hierarchy.series, 1e-12) * 1e-7
    free = np.ones(point.shape, bool)
    if not non_negative:
        return _descend(normal, right, point, free)
    fewest = np.full(point.shape[1], point.shape[0] + 1)
    patience = np.full(point.shape[1], _PATIENCE)
    for _ in range(_PIVOTS):
        point *= free
        point = _descend(normal, right, point, free)
        pull = (right - normal.apply(point)) * normal.scale[:, None]
        wrong = np.where(free, point < -unit, pull > unit)
        count = wrong.sum(0)
        if not count.any():
            return np.maximum(point, 0.0)
        better = count < fewest
        patience = np.where(better, _PATIENCE, patience - 1)
        fewest = np.minimum(fewest, count)
        for column in np.flatnonzero((patience < 0) & (count > 0)):
            last = int(np.flatnonzero(wrong[:, column])[-1])
            wrong[:, column] = False
            wrong[last, column] = True
        free ^= wrong
    raise ModelError(f"non-negative reconciliation did not end within {_PIVOTS} exchanges.", "Take another method.")


def _descend(normal: Normal, right: np.ndarray, point: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Solve for the free variables by conjugate gradients with the diagonal as preconditioner, column by column."""
    from windvane.models.coherence.kernels import advance, turn, weighted_squares

    scale, columns = normal.scale, point.shape[1]
    point = np.ascontiguousarray(point)
    residual = right - normal.apply(point)
    direction = np.zeros_like(point)
    size, goal, curve = np.empty(columns), np.empty(columns), np.empty(columns)
    weighted_squares(free, scale, right, right, goal)
    weighted_squares(free, scale, residual, residual, size)
    goal *= _TOLERANCE**2
    beta = np.zeros(columns)
    ones = np.ones_like(scale)
    for _ in range(_ITERATIONS):
        active = size > goal
        if not active.any():
            return point
        turn(free, scale, residual, beta, direction)
        image = normal.apply(direction)
        weighted_squares(free, ones, direction, image, curve)
        alpha = np.where(active, size / np.where(curve > 0, curve, np.inf), 0.0)
        advance(alpha, direction, image, point, residual)
        before = size.copy()
        weighted_squares(free, scale, residual, residual, size)
        size = np.where(active, size, 0.0)
        beta = np.where(active, size / np.where(before > 0, before, np.inf), 0.0)
    raise ModelError(f"reconciliation did not converge in {_ITERATIONS} iterations.", "Take another method.")
