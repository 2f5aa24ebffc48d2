"""One step at a time: a model of the next period alone, which then takes its own forecasts for sales.

It has as many rows to learn one step from as a direct model has for all steps together, and pays with errors that it
passes on to itself; on long horizons it takes one look at the features per step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from windvane.models.base import POOLED, Artifact, Capabilities, FittedPoint, PointModel
from windvane.models.boosted.model import Boosted
from windvane.panel import NEVER, Panel, Stockouts


@dataclass(frozen=True)
class FittedRecursive:
    """A fitted model of the next period.

    Attributes:
        next: the model.
    """

    next: FittedPoint

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        out = np.empty((panel.shape[0], len(origins), horizon), np.float32)
        for k, origin in enumerate(origins.tolist()):
            then = panel.as_of(panel.dates[origin])
            for h in range(horizon):
                out[:, k, h] = self.next.means(then, np.array([origin + h]), 1)[:, 0, 0]
                then = longer(then, out[:, k, h])
        return out

    def artifact(self) -> Artifact:
        """That of the model."""
        return self.next.artifact()


@dataclass(frozen=True)
class Recursive:
    """A model applied step by step.

    Attributes:
        name: its name.
        inner: the model of the next period.
    """

    name: str = "boosted_recursive"
    inner: PointModel = field(default_factory=Boosted)
    capabilities: Capabilities = POOLED

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedRecursive:
        """Learn the next period."""
        return FittedRecursive(self.inner.fit(panel, 1, rng))

    def restore(self, artifact: Artifact) -> FittedRecursive:
        """Rebuild it."""
        return FittedRecursive(self.inner.restore(artifact))


def longer(panel: Panel, sales: np.ndarray) -> Panel:
    """A panel with one more period, whose sales are given and of which nothing else is known but plans.

    Args:
        panel: the series.
        sales: of the period after the last one [series].
    """

    def added(values: np.ndarray, last: Any) -> np.ndarray:
        column = np.broadcast_to(np.asarray(last, values.dtype), (len(values),))
        return np.concatenate([values, column[:, None]], axis=1)

    told = panel.stockouts
    return replace(
        panel,
        sales=added(panel.sales, sales),
        stockouts=None if told is None else Stockouts(added(told.since, NEVER), added(told.sold, sales)),
        dates=pl.concat([panel.dates, panel.future_dates(1).cast(panel.dates.dtype).alias(panel.dates.name)]),
        past={name: added(values, np.nan) for name, values in panel.past.items()},
        in_stock=None if panel.in_stock is None else added(panel.in_stock, np.nan),
        state=added(panel.state, panel.state[:, -1]),
    )
