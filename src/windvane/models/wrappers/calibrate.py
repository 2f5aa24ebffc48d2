"""Point model + the distribution of its own past errors = model.

The layer round every model: it checks the input, adds calibrated quantiles, joins steps and series, saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from windvane.forecasts import Forecast, tidy
from windvane.models.base import Artifact, FittedPoint, PointModel
from windvane.models.wrappers.dependence import error_blocks
from windvane.models.wrappers.distribution import Distribution, idle, pairs, volatility
from windvane.panel import Panel
from windvane.schema import QUANTILE_LEVELS

_MAX_ORIGINS = 8


@dataclass(frozen=True)
class Evidence:
    """Forecasts that a point model made in the past, without having seen what came.

    Attributes:
        origins: columns they were made at, ascending [origins].
        means: float32 [series, origins, horizon].
    """

    origins: np.ndarray
    means: np.ndarray


def past_origins(panel: Panel, horizon: int, pooled: bool) -> np.ndarray:
    """Columns at which to test a model on a panel's own past, ascending.

    The newest lies a full horizon back (less on short panels); others a quarter horizon apart, as far as three
    quarters of the history stay before them, at most 8. For pooled models, which must be refitted as of the
    oldest, they reach back one horizon more only.
    """
    time = panel.shape[1]
    reach = min(horizon, max(1, time // 3))
    newest = time - 1 - reach
    if newest < 1:
        return np.empty(0, np.int64)
    step = max(1, reach // 4)
    oldest = newest - reach if pooled else min(newest, max(time // 2, newest - _MAX_ORIGINS * step))
    origins = np.arange(newest, max(0, oldest - 1), -step)[:_MAX_ORIGINS]
    return np.sort(origins).astype(np.int64)


def means_as_made(point: FittedPoint, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
    """Forecasts after each origin as they were made then, float32 [series, origins, horizon].

    One call for all origins, except for those before which a stock-out was recognised only afterwards.
    """
    revised = np.array([panel.revised_after(int(origin)) for origin in origins], bool)
    if not revised.any():
        return point.means(panel, origins, horizon)
    out = np.empty((panel.shape[0], len(origins), horizon), np.float32)
    if not revised.all():
        out[:, ~revised] = point.means(panel, origins[~revised], horizon)
    for i in np.flatnonzero(revised):
        then = panel.as_of(panel.dates[int(origins[i])])
        out[:, i] = point.means(then, origins[i : i + 1], horizon)[:, 0]
    return out


@dataclass(frozen=True)
class Calibrated:
    """A point model with calibrated uncertainty.

    Attributes:
        point: the point model.
        levels: probabilities of the quantiles.
        dependent: whether paths borrow the rank order of past errors (else steps and series are independent).
    """

    point: PointModel
    levels: tuple[float, ...] = QUANTILE_LEVELS
    dependent: bool = True

    @property
    def name(self) -> str:
        """Name of the point model."""
        return self.point.name

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedCalibrated:
        """Fit the point model and learn the distribution of its errors on the panel's own past."""
        fitted = self.point.fit(panel, horizon, rng)
        return self.finish(fitted, panel, horizon, rng, self.evidence(fitted, panel, horizon, rng))

    def evidence(self, fitted: FittedPoint, panel: Panel, horizon: int, rng: np.random.Generator) -> Evidence | None:
        """Forecast the panel's own past; a pooled model is refitted as of the oldest origin for it."""
        pooled = self.point.capabilities.pooled
        origins = past_origins(panel, horizon, pooled)
        if not len(origins):
            return None
        if pooled:
            fitted = self.point.fit(panel.as_of(panel.dates[int(origins[0])]), horizon, rng)
        return Evidence(origins, means_as_made(fitted, panel, origins, horizon))

    def finish(
        self,
        fitted: FittedPoint,
        panel: Panel,
        horizon: int,
        rng: np.random.Generator,
        evidence: Evidence | Sequence[Evidence] | None,
    ) -> FittedCalibrated:
        """Add the distribution learned from given evidence to a fitted point model."""
        several = [] if evidence is None else [evidence] if isinstance(evidence, Evidence) else list(evidence)
        empty = np.empty((panel.shape[0], 0, horizon), np.float32)
        origins = np.concatenate([np.empty(0, np.int64), *(e.origins for e in several)])
        means = np.concatenate([empty, *(e.means for e in several)], axis=1)
        order = np.argsort(origins, kind="stable")
        data = pairs(panel, origins[order], means[:, order], rng).recentred(_trust(origins, horizon))
        return FittedCalibrated(
            name=self.name,
            point=fitted,
            distribution=Distribution.learn(data, self.levels, panel.counts, rng),
            horizon=horizon,
            dependent=self.dependent,
            seed=int(rng.integers(2**31)),
        )


def _trust(origins: np.ndarray, horizon: int) -> float:
    """How far the common bias of past forecasts may be taken for theirs, by the windows that they cover.

    Within one window of time all series share its ups and downs: from that alone nobody can tell a bias from chance.
    """
    windows = 1 + float(np.ptp(origins)) / horizon if len(origins) else 0.0
    return float(np.clip(2 * (windows - 1.5), 0.0, 1.0))


def conditions_of(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Volatility [series] and idleness [series] at the cutoff, which the distribution depends on."""
    origin = np.array([panel.shape[1] - 1])
    return volatility(panel, origin)[:, 0], idle(panel, origin)[:, 0]


@dataclass(frozen=True)
class FittedCalibrated:
    """A fitted model with its distribution."""

    name: str
    point: FittedPoint
    distribution: Distribution
    horizon: int
    dependent: bool = True
    seed: int = 1
    notes: dict[str, str] = field(default_factory=dict)

    def predict(self, panel: Panel) -> Forecast:
        """Forecast the horizon after the panel's cutoff.

        Raises:
            MissingFutureError: a covariate known in advance lacks its future.
        """
        panel.require_future(self.horizon)
        origin = np.array([panel.shape[1] - 1])
        mean = self.point.means(panel, origin, self.horizon)[:, 0]
        blocks = error_blocks(panel, self.horizon) if self.dependent else None
        return self.forecast(panel, mean, blocks)

    def forecast(
        self,
        panel: Panel,
        mean: np.ndarray,
        blocks: np.ndarray | None = None,
        conditions: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Forecast:
        """Put the distribution round given expected demand [series, horizon].

        Args:
            panel: the series.
            mean: expected demand.
            blocks: past errors that paths borrow their rank order from.
            conditions: what :func:`conditions_of` gives for the panel, if at hand.
        """
        around, asleep = conditions or conditions_of(panel)
        quantiles = self.distribution.quantiles(mean, around, asleep)
        mean, quantiles = tidy(mean, quantiles, panel.counts)
        return Forecast(
            keys=panel.keys,
            cutoff=panel.cutoff,
            dates=panel.future_dates(self.horizon),
            mean=mean,
            quantiles=quantiles,
            levels=self.distribution.levels,
            identity=panel.identity,
            blocks=blocks,
            counts=panel.counts,
            seed=self.seed,
        )

    def save(self, folder: Path) -> None:
        """Write it as data into a new folder."""
        from windvane.models.saving import write

        write(
            folder,
            {"point": self.point.artifact(), "distribution": self.distribution.artifact()},
            {"name": self.name, "horizon": self.horizon, "dependent": self.dependent, "seed": self.seed},
        )


def restored(name: str, point: PointModel, parts: dict[str, Artifact], values: dict[str, int]) -> FittedCalibrated:
    """Rebuild a saved model."""
    return FittedCalibrated(
        name=name,
        point=point.restore(parts["point"]),
        distribution=Distribution.restore(parts["distribution"]),
        horizon=int(values["horizon"]),
        dependent=bool(values["dependent"]),
        seed=int(values["seed"]),
    )
