"""The contract of every forecasting model, on one screen.

A *point model* knows the expected demand; the wrapper :class:`windvane.models.wrappers.calibrate.Calibrated`
adds the distribution, validation and saving, and is what the rest of Windvane calls a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from windvane.forecasts import Forecast
from windvane.panel import Panel


@dataclass(frozen=True)
class Capabilities:
    """What a model takes and is.

    Attributes:
        known: uses covariates known in advance.
        past: uses covariates known in hindsight.
        static: uses constant columns.
        simple: one of the simple baselines that others must beat.
        pooled: learns one function from all series, so that its own past is no test of it.
    """

    known: bool = False
    past: bool = False
    static: bool = False
    simple: bool = False
    pooled: bool = False


SIMPLE = Capabilities(simple=True)
POOLED = Capabilities(known=True, past=True, static=True, pooled=True)


@dataclass(frozen=True)
class Artifact:
    """A fitted model as data: arrays, JSON values and texts; never code."""

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Mapping[str, Artifact]) -> Artifact:
        """Several as one, each key behind the name of its part; :meth:`part` takes them out again."""
        return cls(
            arrays={f"{name}.{key}": value for name, part in parts.items() for key, value in part.arrays.items()},
            values={name: dict(part.values) for name, part in parts.items()},
            texts={f"{name}.{key}": value for name, part in parts.items() for key, value in part.texts.items()},
        )

    def part(self, name: str) -> Artifact:
        """One of those that were joined."""
        head = f"{name}."
        return Artifact(
            arrays={key.removeprefix(head): value for key, value in self.arrays.items() if key.startswith(head)},
            values=self.values[name],
            texts={key.removeprefix(head): value for key, value in self.texts.items() if key.startswith(head)},
        )


class FittedPoint(Protocol):
    """A fitted, frozen point model."""

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """Expected demand after each origin, float32 [series, origins, horizon], finite and >= 0.

        Args:
            panel: the series; columns after an origin are never read for it, known covariates excepted.
            origins: ascending columns int64 [origins]; each forecast has seen the columns up to its origin.
            horizon: number of steps.
        """
        ...

    def artifact(self) -> Artifact:
        """Everything needed to restore it."""
        ...


class PointModel(Protocol):
    """How to fit a point model."""

    @property
    def name(self) -> str:
        """Its name in the registry."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it takes and is."""
        ...

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedPoint:
        """Learn from all columns of a panel."""
        ...

    def restore(self, artifact: Artifact) -> FittedPoint:
        """Rebuild what :meth:`FittedPoint.artifact` gave."""
        ...


class Fitted(Protocol):
    """A fitted, frozen model."""

    def predict(self, panel: Panel) -> Forecast:
        """Forecast the horizon after the panel's cutoff."""
        ...

    def save(self, folder: Path) -> None:
        """Write it as data into a new folder."""
        ...


class Model(Protocol):
    """How to fit a model with uncertainty."""

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> Fitted:
        """Learn from all columns of a panel."""
        ...
