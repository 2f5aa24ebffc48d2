"""What a backtest says of the forecasts of all nodes: the evidence that methods of coherence learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windvane.errors import ModelError
from windvane.models.coherence.hierarchy import Hierarchy

_FLOOR = 1e-6
"""Smallest error variance of a series, as a share of the mean: a node that never erred is not sure without end."""
_AGGREGATE_FLOOR = 1e-3
"""Smallest error variance of an aggregate, as a share of the sum of its series'; keeps equations well conditioned."""


@dataclass(frozen=True, eq=False)
class Past:
    """Past forecasts of all nodes and what came.

    Attributes:
        forecasts: float32 [nodes, origins, horizon], nodes as the hierarchy numbers them.
        actuals: float32 [nodes, origins, horizon]; NaN = unknown.
    """

    forecasts: np.ndarray
    actuals: np.ndarray

    def __post_init__(self) -> None:
        if self.forecasts.shape != self.actuals.shape or self.forecasts.ndim != 3:
            raise ModelError(
                f"past forecasts {self.forecasts.shape} and actuals {self.actuals.shape} must both be "
                "[nodes, origins, horizon]."
            )
        if not np.isfinite(self.forecasts).all():
            raise ModelError("past forecasts contain NaN or infinity.")

    @classmethod
    def of(cls, hierarchy: Hierarchy, forecasts: np.ndarray, sales: np.ndarray) -> Past:
        """The past of a hierarchy, from forecasts of all nodes and the sales of its series.

        An aggregate is known where any of its series is; series whose sales are unknown count in it as they were
        forecast, so that a stock-out is no error of the aggregate.

        Args:
            hierarchy: the hierarchy.
            forecasts: float32 [nodes, origins, horizon].
            sales: float32 [series, origins, horizon]; NaN = unknown.

        Raises:
            ModelError: shapes do not fit, or a forecast is not finite.
        """
        if forecasts.shape != (hierarchy.nodes, *sales.shape[1:]) or len(sales) != hierarchy.series:
            raise ModelError(
                f"forecasts {forecasts.shape} and sales {sales.shape} must have {hierarchy.nodes} and "
                f"{hierarchy.series} rows, and the same origins and steps."
            )
        known = ~np.isnan(sales)
        actuals = hierarchy.sums(np.where(known, sales, forecasts[hierarchy.bottom]))
        actuals[hierarchy.sums(known.astype(np.float32)) == 0] = np.nan
        return cls(forecasts, actuals.astype(np.float32))

    @property
    def origins(self) -> int:
        """Number of origins."""
        return int(self.forecasts.shape[1])

    def only(self, origins: Sequence[int]) -> Past:
        """The past of some origins."""
        at = list(origins)
        return Past(self.forecasts[:, at], self.actuals[:, at])

    def errors(self) -> np.ndarray:
        """Actual less forecast, float64 [nodes, origins, horizon]; 0 where unknown."""
        return np.nan_to_num(self.actuals.astype(np.float64) - self.forecasts)


def variances(hierarchy: Hierarchy, past: Past) -> np.ndarray:
    """Mean squared past error of every node, float64 [nodes], > 0.

    A node without a known past takes the mean of its level. No value falls below a small share of the mean of the
    series, nor that of an aggregate below a small share of the sum of its series.
    """
    known = (~np.isnan(past.actuals)).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = np.where(known > 0, np.square(past.errors()).sum((1, 2)) / known, np.nan)
    for nodes in [level.nodes for level in hierarchy.levels] + [hierarchy.bottom]:
        here = raw[nodes]
        mean = float(np.nanmean(here)) if (~np.isnan(here)).any() else 0.0
        raw[nodes] = np.where(np.isnan(here), mean, here)
    series = raw[hierarchy.bottom]
    raw[hierarchy.bottom] = np.maximum(series, max(_FLOOR * float(series.mean()), 1e-12))
    sums = hierarchy.sums(raw[hierarchy.bottom])
    return np.maximum(raw, _AGGREGATE_FLOOR * sums)


@dataclass(frozen=True, eq=False)
class Covariance:
    """An error covariance as a diagonal plus few directions: ``diag(own) + shared @ shared.T``.

    Attributes:
        own: float64 [nodes], > 0.
        shared: float64 [nodes, directions].
        shrinkage: how far correlations are shrunk, from 0 (not) to 1 (there are none).
    """

    own: np.ndarray
    shared: np.ndarray
    shrinkage: float


def shrunk_covariance(hierarchy: Hierarchy, past: Past) -> Covariance:
    """Error covariance with correlations shrunk towards none, without ever forming a matrix of nodes by nodes.

    The shrinkage is that of Schäfer and Strimmer for correlations about zero. Steps of one origin share its fate, so
    the spread of a covariance is measured over origins; with a horizon of one step this is their formula. Both sums
    over pairs of nodes are Frobenius norms, taken from the small matrices of samples by samples.

    Source: Schäfer and Strimmer (2005), A Shrinkage Approach to Large-Scale Covariance Matrix Estimation and
    Implications for Functional Genomics, Statistical Applications in Genetics and Molecular Biology 4(1), target D
    (diagonal, unequal variances).
    """
    floor = variances(hierarchy, past)
    nodes, origins, horizon = past.forecasts.shape
    samples = origins * horizon
    errors = past.errors().reshape(nodes, samples)
    raw = np.square(errors).mean(1)
    unit = errors / np.sqrt(np.where(raw > 0, raw, 1.0))[:, None]
    gram = unit.T @ unit
    square = np.square(unit).reshape(nodes, origins, horizon)
    together = float(np.square(gram).sum() - samples**2 * (raw > 0).sum()) / samples**2
    blocks = [gram[i : i + horizon, i : i + horizon] for i in range(0, samples, horizon)]
    apart = sum(float(np.square(block).sum()) for block in blocks) - float(np.square(square.sum(2)).sum())
    spread = (apart / horizon**2 - origins * together) / (origins * (origins - 1)) if origins > 1 else together
    shrinkage = float(np.clip(spread / together, 0.02, 1.0)) if together > 0 else 1.0
    # The part that is not shared makes up the (floored) variance; what a node's floor adds is its own.
    shared = errors * np.sqrt((1 - shrinkage) / samples)
    return Covariance(floor - (1 - shrinkage) * raw, shared, shrinkage)
