"""The Croston family for intermittent demand: Croston, SBA and TSB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.engine import map_parts
from windvane.models.base import SIMPLE, Artifact, Capabilities
from windvane.models.series_table import SeriesTable
from windvane.models.smoothing import spans
from windvane.panel import Panel

_ALPHAS = (0.1, 0.02, 0.05, 0.2)
_KINDS = {"croston": 0, "sba": 1, "tsb": 2}


def _levels(panel: Panel, kind: int, alpha: np.ndarray) -> np.ndarray:
    from windvane.models.kernels import croston_levels

    out, launch = np.zeros(panel.shape, np.float32), panel.launch

    def part(rows: slice) -> None:
        croston_levels(panel.sales[rows], launch[rows], kind, alpha[rows], out[rows])

    map_parts(part, spans(panel.shape[0]))
    return out


@dataclass(frozen=True)
class FittedCroston:
    """Smoothing constant per series."""

    table: SeriesTable
    kind: int

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        level = _levels(panel, self.kind, self.table.of(panel)[:, 0].copy())[:, origins]
        return np.repeat(np.maximum(level, 0)[:, :, None], horizon, axis=2)

    def artifact(self) -> Artifact:
        """The constants."""
        return self.table.artifact(kind=self.kind)


@dataclass(frozen=True)
class Croston:
    """Croston's method or a variant; the constant per series from a grid, by squared error over the horizon."""

    name: str = "croston"
    capabilities: Capabilities = SIMPLE

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedCroston:
        """Choose the smoothing constant per series."""
        from windvane.models.kernels import level_loss

        series, time = panel.shape
        loss = np.zeros((series, len(_ALPHAS)))
        weight = (np.arange(time) >= max(8, time - 224)).astype(np.float64)
        launch, stride = panel.launch, 7 if panel.freq.unit == "1d" else 1
        for column, alpha in enumerate(_ALPHAS):
            level = _levels(panel, _KINDS[self.name], np.full(series, alpha))

            def part(rows: slice, level: np.ndarray = level, column: int = column) -> None:
                level_loss(panel.sales[rows], launch[rows], horizon, stride, weight, level[rows], loss[rows], column)

            map_parts(part, spans(series))
        best = np.asarray(_ALPHAS)[loss.argmin(1)]
        return FittedCroston(SeriesTable(panel.identity, best[:, None]), _KINDS[self.name])

    def restore(self, artifact: Artifact) -> FittedCroston:
        """Rebuild it."""
        return FittedCroston(SeriesTable.restore(artifact), int(artifact.values["kind"]))
