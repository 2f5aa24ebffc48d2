"""Point model + the distribution of its own past errors = model.

The layer round every model: it checks the input, adds calibrated quantiles, joins steps and series, saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from windvane.forecasts import Dependence, Forecast, between, tidy
from windvane.models.base import Artifact, FittedPoint, PointModel
from windvane.models.wrappers.dependence import Relations, learn
from windvane.models.wrappers.distribution import Distribution, idle, pairs, volatility
from windvane.models.wrappers.pinball import tried
from windvane.panel import Panel
from windvane.schema import QUANTILE_LEVELS

_MAX_ORIGINS = 8
_TRIED, _PATHS, _TINY = 2000, 100, 1e-6
_FACTORS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5)
"""Factors tried on what stays of series' own shocks."""
_FREEDOMS = (3.0, 6.0, 30.0)
"""Degrees of freedom tried for it."""
_SWING = 0.1
"""Usual change of log sales from window to window, counted as two windows."""


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
        dependent: whether paths of series and steps move together as past errors did (else they are independent).
        pinball: whether quantiles by boosted trees are tried beside the table of past errors.
    """

    point: PointModel
    levels: tuple[float, ...] = QUANTILE_LEVELS
    dependent: bool = True
    pinball: bool = False

    @property
    def name(self) -> str:
        """Name of the point model."""
        return self.point.name

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedCalibrated:
        """Fit the point model and learn the distribution of its errors on the panel's own past."""
        point = self.point.fit(panel, horizon, rng)
        evidence = self.evidence(point, panel, horizon, rng)
        fitted = self.finish(point, panel, horizon, rng, evidence)
        if not self.dependent:
            return fitted
        return replace(fitted, relations=related(fitted, panel, evidence, rng))

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
        several = _several(evidence)
        empty = np.empty((panel.shape[0], 0, horizon), np.float32)
        origins = np.concatenate([np.empty(0, np.int64), *(e.origins for e in several)])
        means = np.concatenate([empty, *(e.means for e in several)], axis=1)
        order = np.argsort(origins, kind="stable")
        data = pairs(panel, origins[order], means[:, order], rng)
        lift = data.lift(_trust(origins, horizon), _swing(panel, horizon), _windows(origins, horizon))
        data = data.recentred()
        distribution = Distribution.learn(data, self.levels, panel.counts, rng)
        if self.pinball:
            distribution = tried(distribution, data, panel.counts, rng)
        return FittedCalibrated(
            name=self.name,
            point=fitted,
            distribution=distribution,
            horizon=horizon,
            lift=lift,
            seed=int(rng.integers(2**31)),
        )


def _windows(origins: np.ndarray, horizon: int) -> float:
    """Windows of time that forecasts from such origins cover."""
    return 1 + float(np.ptp(origins)) / horizon if len(origins) else 0.0


def _trust(origins: np.ndarray, horizon: int) -> float:
    """How far the common bias of past forecasts may be taken for theirs, by the windows that they cover.

    Within one window of time all series share its ups and downs: from that alone nobody can tell a bias from chance.
    """
    return float(np.clip(2 * (_windows(origins, horizon) - 1.5), 0.0, 1.0))


def _swing(panel: Panel, horizon: int) -> float:
    """Variance of the change of log sales of all series from one window of a horizon to the next, trend left out."""
    width = min(horizon, max(1, panel.shape[1] // 3))
    count = panel.shape[1] // width
    sales = panel.sales[:, panel.shape[1] - count * width :]
    known = ~np.isnan(sales)
    parts = np.where(known, sales, 0).reshape(len(sales), count, width).sum(axis=2, dtype=np.float64)
    seen = known.reshape(len(sales), count, width).any(axis=2)
    change = []
    for i in range(count - 1):
        both = seen[:, i] & seen[:, i + 1]
        before, after = float(parts[both, i].sum()), float(parts[both, i + 1].sum())
        if before > 0 and after > 0:
            change.append(np.log(after / before))
    about = np.asarray(change) - (np.mean(change) if change else 0.0)
    return float((np.square(about).sum() + 2 * _SWING**2) / max(len(about) + 1, 2))


def _agreed(mean: np.ndarray, quantiles: np.ndarray, levels: Sequence[float], counts: bool) -> np.ndarray:
    """Quantiles [series, horizon, levels] scaled so that what paths sum to is the sum of expected demand."""
    u = (np.arange(1000) + 0.5) / 1000
    low, share = between(np.asarray(levels), u)
    weight = np.bincount(low, 1 - share, len(levels)) + np.bincount(low + 1, share, len(levels))
    wanted, factor = float(mean.sum(dtype=np.float64)), 1.0
    # Rounding answers in steps, one for every series: a few tries come close.
    for _ in range(4 if counts else 1):
        given = quantiles * factor
        found = float(((np.round(given) if counts else given).sum(axis=(0, 1)) * weight).sum()) / len(u)
        if found <= 0 or wanted <= 0:
            break
        factor = float(np.clip(factor * wanted / found, 0.67, 1.5))
    scaled: np.ndarray = quantiles * factor
    return scaled


def related(
    fitted: FittedCalibrated, panel: Panel, evidence: Evidence | Sequence[Evidence] | None, rng: np.random.Generator
) -> Relations:
    """What moves together, sized so that sums of single series over the horizon are covered as often as they should.

    Shocks sized by squared errors alone come out too small or too large where few series move far. What stays of a
    series' own shock is therefore scaled by the factor under which the sums of the evidence are covered best.

    Args:
        fitted: the model with the distribution of its errors.
        panel: the series, up to the newest period that may be used.
        evidence: forecasts of the past by the model.
        rng: draws the series where there are many, and the randomised PIT.
    """
    relations = learn(panel, fitted.horizon, evidence)
    rows = np.sort(rng.choice(panel.shape[0], min(panel.shape[0], _TRIED), replace=False))
    cases = _cases(fitted, panel.take(rows), rows, _several(evidence))
    if not cases:
        return relations
    draw = rng.uniform(size=(len(cases), len(rows)))
    given = relations.of(panel).take(rows)
    misses = {(i, _FREEDOMS[0]): np.inf for i in range(len(_FACTORS))}
    for freedom in _FREEDOMS:
        best = min(misses, key=misses.__getitem__)[0]
        reach = len(_FACTORS) if freedom == _FREEDOMS[0] else 1
        for i in range(max(best - reach, 0), min(best + reach + 1, len(_FACTORS))):
            misses[i, freedom] = _miss(fitted, panel.counts, given, (_FACTORS[i], freedom, cases, draw))
    best, freedom = min(misses, key=misses.__getitem__)
    factor = _FACTORS[best]
    return replace(relations, own=relations.own * np.array([1.0, factor**2]), freedom=freedom)


def _several(evidence: Evidence | Sequence[Evidence] | None) -> list[Evidence]:
    return [] if evidence is None else list(evidence) if isinstance(evidence, Sequence) else [evidence]


def _cases(
    fitted: FittedCalibrated, some: Panel, rows: np.ndarray, evidence: Sequence[Evidence]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What was sold over the whole horizon, NaN where unknown, and quantiles, at the outer origins of each evidence."""
    horizon, cases = fitted.horizon, []
    for one in evidence:
        full = np.flatnonzero(one.origins + horizon < some.shape[1])
        for i in np.unique(full[[0, -1]]) if len(full) else ():
            at = one.origins[i : i + 1]
            sold = some.sales[:, at[0] + 1 : at[0] + 1 + horizon].sum(axis=1, dtype=np.float64)
            mean, known = one.means[rows, i], ~np.isnan(sold) & (some.launch <= at[0])
            if not sold[known].sum() > 0:
                continue
            # What all series share in one window of time says nothing of single ones.
            sold *= float(mean[known].sum(dtype=np.float64)) / float(sold[known].sum())
            quantiles = fitted.distribution.quantiles(mean, volatility(some, at)[:, 0], idle(some, at)[:, 0])
            agreed = _agreed(mean, quantiles, fitted.distribution.levels, some.counts)
            cases.append((np.where(known, sold, np.nan), tidy(mean, agreed, some.counts)[1]))
    return cases


def _miss(
    fitted: FittedCalibrated,
    counts: bool,
    given: Dependence,
    trial: tuple[float, float, list[tuple[np.ndarray, np.ndarray]], np.ndarray],
) -> float:
    """How far the coverage of sums is off when what stays of series' own shocks is scaled by a factor."""
    from windvane.sampling import Sampler

    factor, freedom, cases, draw = trial
    given = replace(given, own=given.own * np.array([1.0, factor], np.float32), freedom=freedom)
    shape = (fitted.horizon, _PATHS)
    sampler = Sampler.of(given, fitted.distribution.levels, shape, fitted.seed, counts)
    spot = np.arange(len(given.own))
    drawn = []
    for (sold, quantiles), chance in zip(cases, draw, strict=True):
        sums = sampler.draw(quantiles, spot.astype(np.uint64), spot).sum(axis=2, dtype=np.float64)
        below, upto = (sums < sold[:, None] - _TINY).sum(axis=1), (sums <= sold[:, None] + _TINY).sum(axis=1)
        place = (below + chance * (upto - below + 1)) / (_PATHS + 1)
        drawn.append(place[~np.isnan(sold)])
    place = np.concatenate(drawn)
    middle = sum(abs(((place > t) & (place < 1 - t)).mean() - (1 - 2 * t)) for t in (0.1, 0.025))
    # Stock is decided far up: there what is too high counts like what is too low.
    return float(middle + sum(abs((place > 1 - t).mean() - t) for t in (0.05, 0.02)))


def conditions_of(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Volatility [series] and idleness [series] at the cutoff, which the distribution depends on."""
    origin = np.array([panel.shape[1] - 1])
    return volatility(panel, origin)[:, 0], idle(panel, origin)[:, 0]


@dataclass(frozen=True)
class FittedCalibrated:
    """A fitted model with its distribution.

    Attributes:
        name: name of the point model.
        point: the fitted point model.
        distribution: demand given its expectation.
        horizon: steps that are forecast.
        lift: what expected demand is multiplied by, where past forecasts were too low or too high beyond chance.
        relations: what moves together; None = nothing.
        seed: seed of the paths.
        notes: remarks by name.
    """

    name: str
    point: FittedPoint
    distribution: Distribution
    horizon: int
    lift: float = 1.0
    relations: Relations | None = None
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
        return self.forecast(panel, mean, self.relations.of(panel) if self.relations else None)

    def forecast(
        self,
        panel: Panel,
        mean: np.ndarray,
        dependence: Dependence | None = None,
        conditions: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Forecast:
        """Put the distribution round given expected demand [series, horizon].

        Args:
            panel: the series.
            mean: expected demand, as the point model gives it.
            dependence: what moves together.
            conditions: what :func:`conditions_of` gives for the panel, if at hand.
        """
        around, asleep = conditions or conditions_of(panel)
        mean = mean * np.float32(self.lift)
        quantiles = self.distribution.quantiles(mean, around, asleep)
        mean, quantiles = tidy(mean, _agreed(mean, quantiles, self.distribution.levels, panel.counts), panel.counts)
        return Forecast(
            keys=panel.keys,
            cutoff=panel.cutoff,
            dates=panel.future_dates(self.horizon),
            mean=mean,
            quantiles=quantiles,
            levels=self.distribution.levels,
            identity=panel.identity,
            dependence=dependence,
            counts=panel.counts,
            seed=self.seed,
        )

    def save(self, folder: Path) -> None:
        """Write it as data into a new folder."""
        from windvane.models.saving import write

        parts = {"point": self.point.artifact(), "distribution": self.distribution.artifact()}
        if self.relations is not None:
            parts["relations"] = self.relations.artifact()
        write(folder, parts, {"name": self.name, "horizon": self.horizon, "lift": self.lift, "seed": self.seed})


def restored(name: str, point: PointModel, parts: dict[str, Artifact], values: dict[str, Any]) -> FittedCalibrated:
    """Rebuild a saved model."""
    return FittedCalibrated(
        name=name,
        point=point.restore(parts["point"]),
        distribution=Distribution.restore(parts["distribution"]),
        horizon=int(values["horizon"]),
        lift=float(values["lift"]),
        relations=Relations.restore(parts["relations"]) if "relations" in parts else None,
        seed=int(values["seed"]),
    )
