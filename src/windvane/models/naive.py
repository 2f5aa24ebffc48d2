"""Naive, seasonal naive and moving average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.models.base import SIMPLE, Artifact, Capabilities
from windvane.panel import Panel

WINDOWS = {"1h": 168, "1d": 28, "1w": 8, "1mo": 6}
"""Periods in the moving average, by frequency."""


def filled(panel: Panel) -> np.ndarray:
    """Sales with every unknown value replaced by the last known one (0 before the first), [series, time]."""
    known = ~np.isnan(panel.sales)
    spot = np.where(known, np.arange(panel.shape[1])[None, :], -1)
    spot = np.maximum.accumulate(spot, axis=1)
    values = np.take_along_axis(panel.sales, np.maximum(spot, 0), axis=1)
    return np.where(spot >= 0, values, 0.0).astype(np.float32)


@dataclass(frozen=True)
class Naive:
    """The last value (``season`` = 1) or the value one season ago, repeated."""

    name: str = "naive"
    seasonal: bool = False
    capabilities: Capabilities = SIMPLE

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> Naive:
        """Nothing to learn."""
        return self

    def restore(self, artifact: Artifact) -> Naive:
        """Nothing to restore."""
        return self

    def artifact(self) -> Artifact:
        """Nothing to save."""
        return Artifact()

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        sales, out = filled(panel), np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        season = panel.freq.season if self.seasonal else 1
        for i, origin in enumerate(origins):
            lag = season if origin + 1 >= season else 1
            out[:, i, :] = sales[:, origin + 1 - lag + np.arange(horizon) % lag]
        return np.maximum(out, 0)


@dataclass(frozen=True)
class MovingAverage:
    """Mean of the last known values within a window, repeated."""

    name: str = "moving_average"
    capabilities: Capabilities = SIMPLE

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> MovingAverage:
        """Nothing to learn."""
        return self

    def restore(self, artifact: Artifact) -> MovingAverage:
        """Nothing to restore."""
        return self

    def artifact(self) -> Artifact:
        """Nothing to save."""
        return Artifact()

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        window, last = WINDOWS[panel.freq.unit], filled(panel)
        out = np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        for i, origin in enumerate(origins):
            part = panel.sales[:, max(0, origin + 1 - window) : origin + 1].astype(np.float64)
            seen = ~np.isnan(part) & (np.arange(part.shape[1])[None, :] >= self._skip(panel, origin, part.shape[1]))
            count = seen.sum(1)
            mean = np.where(seen, part, 0.0).sum(1) / np.maximum(count, 1)
            out[:, i, :] = np.where(count > 0, mean, last[:, origin])[:, None]
        return np.maximum(out, 0)

    @staticmethod
    def _skip(panel: Panel, origin: int, width: int) -> np.ndarray:
        """First column of the window that a series was on sale in, [series, 1]."""
        return (panel.launch - (origin + 1 - width))[:, None]
