"""Exponential smoothing (simple, damped Holt, seasonal) over all series at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from windvane.engine import map_parts
from windvane.models.base import SIMPLE, Artifact, Capabilities
from windvane.models.series_table import SeriesTable
from windvane.panel import Panel

_PART = 2048
_STRIDE = 7
_WINDOW = 224
_ALPHAS = (0.1, 0.02, 0.05, 0.2, 0.35, 0.6)
_BETAS = (0.05, 0.15, 0.3)
_GAMMAS = (0.05, 0.0, 0.02, 0.15)
_PHI = 0.93


def spans(count: int, size: int = _PART) -> list[slice]:
    """Cut ``count`` series into slices."""
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def usable_season(panel: Panel) -> int:
    """Season of the panel's calendar, or 1 where the panel is shorter than two of them."""
    return panel.freq.season if panel.shape[1] >= 2 * panel.freq.season else 1


@dataclass(frozen=True)
class FittedSmoothing:
    """Smoothing parameters per series."""

    table: SeriesTable
    season: int

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        from windvane.models.kernels import smooth_means

        params, launch = self.table.of(panel), panel.launch
        out = np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        at = np.ascontiguousarray(origins, dtype=np.int64)

        def part(rows: slice) -> None:
            smooth_means(panel.sales[rows], launch[rows], self.season, params[rows], at, horizon, out[rows])

        map_parts(part, spans(panel.shape[0]))
        return out

    def rows(self, panel: Panel, series: np.ndarray, origin: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Expected demand of single (series, origin, step) rows, float32 [rows]; sorted by series and origin."""
        from windvane.models.kernels import smooth_rows

        pointer = np.searchsorted(series, np.arange(panel.shape[0] + 1)).astype(np.int64)
        out = np.zeros(len(series), np.float32)
        params, launch = self.table.of(panel), panel.launch
        origin, step = origin.astype(np.int32), step.astype(np.int32)

        def part(rows: slice) -> None:
            at = slice(pointer[rows.start], pointer[rows.stop])
            local = pointer[rows.start : rows.stop + 1] - pointer[rows.start]
            smooth_rows(
                panel.sales[rows], launch[rows], self.season, params[rows], local, origin[at], step[at], out[at]
            )

        map_parts(part, spans(panel.shape[0]))
        return out

    def artifact(self) -> Artifact:
        """The parameters."""
        return self.table.artifact(season=self.season)


@dataclass(frozen=True)
class Smoothing:
    """Exponential smoothing; parameters per series from a grid, by squared error over all steps of the horizon.

    Attributes:
        name: its name in the registry.
        trend: damped additive trend.
        seasonal: additive season of the calendar (week for days, year for weeks and months).
    """

    name: str = "ses"
    trend: bool = False
    seasonal: bool = False
    capabilities: Capabilities = SIMPLE

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedSmoothing:
        """Choose parameters per series."""
        from windvane.models.kernels import smooth_select

        season = usable_season(panel) if self.seasonal else 1
        betas = _BETAS if self.trend else (0.0,)
        gammas = _GAMMAS if season > 1 else (0.0,)
        grid = np.array([(a, b, g, _PHI if self.trend else 1.0) for a, b, g in product(_ALPHAS, betas, gammas)])
        choice = np.zeros(panel.shape[0], np.int32)
        launch, stride = panel.launch, _STRIDE if panel.freq.unit == "1d" else 1

        def part(rows: slice) -> None:
            smooth_select(panel.sales[rows], launch[rows], season, horizon, grid, stride, _WINDOW, choice[rows])

        map_parts(part, spans(panel.shape[0]))
        return FittedSmoothing(SeriesTable(panel.identity, grid[choice]), season)

    def restore(self, artifact: Artifact) -> FittedSmoothing:
        """Rebuild it."""
        return FittedSmoothing(SeriesTable.restore(artifact), int(artifact.values["season"]))
