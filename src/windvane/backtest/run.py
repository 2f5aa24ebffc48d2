"""Replay the past: every model, fold by fold, as it would have been run on that day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date as Date

import numpy as np

from windvane.backtest.folds import Fold, segments
from windvane.backtest.metrics import Losses, pinball, pit, scales
from windvane.backtest.money import Purse, money
from windvane.clock import CLOCK
from windvane.engine import SILENT, Progress
from windvane.forecasts import Forecast
from windvane.models.base import FittedPoint, PointModel
from windvane.models.wrappers.blend import Blend, FittedBlend, fit_beside
from windvane.models.wrappers.calibrate import (
    Calibrated,
    Evidence,
    conditions_of,
    means_as_made,
    past_origins,
    related,
)
from windvane.panel import Panel

PanelAt = Callable[[Date], Panel]
"""Gives the panel as it stood at the end of a date."""

_MAX_EVIDENCE = 3
_PREDICTED_CELLS = 1_500_000


@dataclass(frozen=True, eq=False)
class Judged:
    """One model on one fold.

    Attributes:
        losses: its errors.
        mean: expected demand, float32 [series, horizon].
        seconds: to fit and predict.
        cost: money per series and period, float64 [series] (see :mod:`windvane.backtest.money`); None = not priced.
    """

    losses: Losses
    mean: np.ndarray
    seconds: float
    cost: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FoldResult:
    """All models on one fold.

    Attributes:
        fold: the fold.
        date: its cutoff.
        segment: segment of every series at the cutoff, text [series].
        models: by name.
    """

    fold: Fold
    date: Date
    segment: np.ndarray
    models: Mapping[str, Judged]


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fitted point model and its forecast at the fold's cutoff, float32 [series, horizon]."""

    point: FittedPoint
    mean: np.ndarray


@dataclass(frozen=True, eq=False)
class _Shared:
    """What all models of a fold share: see ``conditions_of`` and ``scales``; models fitted earlier and their means."""

    conditions: tuple[np.ndarray, np.ndarray]
    scales: tuple[np.ndarray, np.ndarray]
    made: dict[str, tuple[FittedPoint, np.ndarray]] = field(default_factory=dict)


class Replay:
    """A backtest in progress; keeps every model's own forecasts of earlier folds to calibrate later ones.

    Args:
        panel: all of the history; only used to read what came after a cutoff.
        panel_at: gives the panel as it stood at a cutoff; by default ``panel.as_of``. One made from tables knows
            only what was known then.
        models: the models.
        horizon: periods forecast.
        seed: seed of fitting and of the randomised PIT.
        purse: what forecasts are priced by, where prices and costs are known.
    """

    def __init__(
        self,
        panel: Panel,
        models: Sequence[Calibrated],
        horizon: int,
        seed: int,
        panel_at: PanelAt | None = None,
        purse: Purse | None = None,
    ) -> None:
        self.panel = panel
        self.panel_at = panel_at or panel.as_of
        ordered = sorted(models, key=lambda model: isinstance(model.point, Blend))
        self.models = {model.name: model for model in ordered}
        self.horizon = horizon
        self.seed = seed
        self.purse = purse
        self.evidence: dict[str, list[Evidence]] = {name: [] for name in self.models}

    def run(self, folds: Sequence[Fold], progress: Progress = SILENT) -> Iterator[FoldResult]:
        """Judge every model on every fold, oldest fold first."""
        with progress.task("backtest", len(folds) * len(self.models)) as task:
            for fold in folds:
                date: Date = self.panel.dates[fold.cutoff]
                past = self.panel_at(date)
                judged: dict[str, Judged] = {}
                fits: dict[str, _Fit] = {}
                shared = _Shared(conditions_of(past), scales(past.sales, past.launch))
                for name in self.models:
                    task.describe(f"backtest {date}: {name}")
                    judged[name] = self._judge(name, past, fold, fits, shared)
                    task.advance()
                yield FoldResult(fold, date, segments(past), judged)

    def _judge(self, name: str, past: Panel, fold: Fold, fits: dict[str, _Fit], shared: _Shared) -> Judged:
        begin, cutoff = CLOCK.seconds(), fold.cutoff
        model, rng = self.models[name], np.random.default_rng(self.seed)
        fit = self._fit(model.point, past, fits)
        evidence = self.evidence[name] if model.point.capabilities.pooled else None
        usable = evidence or self._first_evidence(model.point, fit, past, shared.made)
        fitted = model.finish(fit.point, past, self.horizon, rng, usable)
        forecast = fitted.forecast(past, fit.mean, conditions=shared.conditions)
        seconds = CLOCK.seconds() - begin
        if model.point.capabilities.pooled:
            self.evidence[name] = [*self.evidence[name], self._look_ahead(fit, cutoff)][-_MAX_EVIDENCE:]
        cost = None
        if self.purse is not None and (self.purse.chooses or fold.use == "report"):
            together = related(fitted, past, usable, np.random.default_rng(self.seed)).of(past)
            cost = money(replace(forecast, dependence=together), self.panel, cutoff, self.purse.terms)
        return Judged(judge(forecast, self.panel, cutoff, self.seed, shared.scales), forecast.mean, seconds, cost)

    def _fit(self, model: PointModel, past: Panel, fits: dict[str, _Fit]) -> _Fit:
        """Fit a point model once per fold; a blend takes the fits of its members."""
        if model.name not in fits:
            if isinstance(model, Blend):
                members = {name: self._fit(member, past, fits) for name, member in model.models().items()}
                mean = _average([fit.mean for fit in members.values()])
                fits[model.name] = _Fit(FittedBlend({name: fit.point for name, fit in members.items()}), mean)
            else:
                point = fit_beside(model, past, self.horizon, self.seed, {n: fit.point for n, fit in fits.items()})
                mean = point.means(past, np.array([past.shape[1] - 1]), self.horizon)[:, 0]
                fits[model.name] = _Fit(point, mean)
        return fits[model.name]

    def _first_evidence(
        self, model: PointModel, fit: _Fit, past: Panel, made: dict[str, tuple[FittedPoint, np.ndarray]]
    ) -> Evidence | None:
        """Evidence where no earlier fold has left any; a blend takes that of its members."""
        if not model.capabilities.pooled:
            return Calibrated(model).evidence(fit.point, past, self.horizon, np.random.default_rng(self.seed))
        origins = past_origins(past, self.horizon, pooled=True)
        if not len(origins):
            return None
        members = model.models() if isinstance(model, Blend) else {model.name: model}
        for name, member in members.items():
            if name not in made:
                then = past.as_of(past.dates[int(origins[0])])
                point = fit_beside(member, then, self.horizon, self.seed, {n: point for n, (point, _) in made.items()})
                made[name] = point, means_as_made(point, past, origins, self.horizon)
        return Evidence(origins, _average([made[name][1] for name in members]))

    def _look_ahead(self, fit: _Fit, cutoff: int) -> Evidence:
        """Forecasts of a model fitted at ``cutoff``, made at it and, where cheap, at origins within the horizon.

        They calibrate folds from ``cutoff + horizon`` on, which may know all of this.
        """
        cells = self.panel.shape[0] * self.horizon
        count = int(np.clip(_PREDICTED_CELLS // max(cells, 1), 1, 4))
        origins = cutoff + np.arange(count) * max(1, self.horizon // count)
        until = min(cutoff + self.horizon, self.panel.shape[1] - 1)
        later = origins[1:][origins[1:] < until]
        means = [fit.mean[:, None]]
        if len(later):
            panel = self.panel_at(self.panel.dates[until])
            if isinstance(fit.point, FittedBlend):
                # Members that were judged before have forecast these origins already.
                known = [self.evidence.get(name) for name in fit.point.members]
                parts = [
                    past[-1].means[:, 1:] if past else means_as_made(member, panel, later, self.horizon)
                    for past, member in zip(known, fit.point.members.values(), strict=True)
                ]
                means.append(_average(parts))
            else:
                means.append(means_as_made(fit.point, panel, later, self.horizon))
        return Evidence(np.append(origins[:1], later), np.concatenate(means, axis=1))


def _average(arrays: Sequence[np.ndarray]) -> np.ndarray:
    total = np.zeros_like(arrays[0])
    for array in arrays:
        total += array
    return total / np.float32(len(arrays))


def judge(
    forecast: Forecast, panel: Panel, cutoff: int, seed: int, scale: tuple[np.ndarray, np.ndarray] | None = None
) -> Losses:
    """Errors of a forecast made at column ``cutoff`` of a panel.

    Args:
        forecast: the forecast.
        panel: what came.
        cutoff: column the forecast was made at.
        seed: seed of the randomised PIT.
        scale: what :func:`windvane.backtest.metrics.scales` gives for the past, if at hand.
    """
    width = min(forecast.horizon, panel.shape[1] - 1 - cutoff)
    sales = panel.sales[:, cutoff + 1 : cutoff + 1 + width].astype(np.float64)
    quantiles, mean = forecast.quantiles[:, :width], forecast.mean[:, :width].astype(np.float64)
    levels = np.asarray(forecast.levels)
    median = quantiles[:, :, forecast.levels.index(0.5)]
    absolute, square = scale or scales(panel.sales[:, : cutoff + 1], panel.launch)
    known = ~np.isnan(sales) & (panel.launch <= cutoff)[:, None]
    rng = np.random.default_rng(seed)
    return Losses(
        quantile=pinball(sales, quantiles, levels),
        absolute=np.abs(sales - median),
        square=(sales - mean) ** 2,
        error=mean - sales,
        sales=sales,
        known=known,
        pit=pit(sales, quantiles, levels, forecast.counts, rng),
        scale=absolute,
        scale_square=square,
    )
