"""A point model that sees prepared sales: smoothed, or on the log scale. Scores stay those of sales as they were.

Named ``<preparation>(<model>)``, such as ``log1p(ses)``, ``moving_average_7(seasonal_es)`` or
``exponential_0.3(boosted)``, wherever a model is named in the settings. ``log1p`` forecasts the geometric mean, which
lies below the mean: its quantiles are calibrated, its mean is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from windvane.clean import smoothing
from windvane.clean.transforms import Log1p
from windvane.errors import ConfigError
from windvane.models.base import Artifact, Capabilities, FittedPoint, PointModel
from windvane.panel import Panel

_NAME = re.compile(r"(log1p|moving_average_(\d+)|exponential_([\d.]+))\((\w+)\)")


@dataclass(frozen=True)
class FittedPrepared:
    """A fitted point model and what its sales were prepared by."""

    point: FittedPoint
    how: str

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        means = self.point.means(prepared(panel, self.how), origins, horizon)
        return np.maximum(Log1p().inverse(means), 0).astype(np.float32) if self.how == "log1p" else means

    def artifact(self) -> Artifact:
        """That of the point model."""
        return self.point.artifact()


@dataclass(frozen=True)
class Prepared:
    """A point model on prepared sales.

    Attributes:
        name: ``<preparation>(<model>)``.
        point: the model.
        how: the preparation.
    """

    name: str
    point: PointModel
    how: str

    @property
    def capabilities(self) -> Capabilities:
        """Those of the model; it is no simple baseline any more."""
        return replace(self.point.capabilities, simple=False)

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedPrepared:
        """Fit the model to prepared sales."""
        return FittedPrepared(self.point.fit(prepared(panel, self.how), horizon, rng), self.how)

    def restore(self, artifact: Artifact) -> FittedPrepared:
        """Rebuild it."""
        return FittedPrepared(self.point.restore(artifact), self.how)


def prepared(panel: Panel, how: str) -> Panel:
    """A panel with its sales prepared; every cell from the cells up to it."""
    if how == "log1p":
        sales = Log1p().apply(np.maximum(panel.sales, 0)).astype(np.float32)
    elif how.startswith("moving_average_"):
        sales = smoothing.moving_average(panel.sales, int(how.removeprefix("moving_average_")))
    else:
        sales = smoothing.exponential(panel.sales, float(how.removeprefix("exponential_")))
    return replace(panel, sales=sales, stockouts=None)


def parts(name: str) -> tuple[str, str] | None:
    """Preparation and model of a name, or ``None`` if it names no preparation.

    Raises:
        ConfigError: the preparation has an impossible number.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        smoothing.moving_average(np.zeros((1, 1), np.float32), int(found[2] or 1))
        smoothing.exponential(np.zeros((1, 1), np.float32), float(found[3] or 1))
    except (ConfigError, ValueError):
        raise ConfigError(
            f"{name!r} names an impossible preparation.", "Use log1p, moving_average_7 or exponential_0.3, say."
        ) from None
    return found[1], found[4]
