"""Replay the past, choose per segment, forecast the future: one way for the pipeline and the Python call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from windvane.backtest.board import Board
from windvane.backtest.folds import folds, segments
from windvane.backtest.money import Purse
from windvane.backtest.run import PanelAt, Replay
from windvane.config import Backtest, ForecastSettings
from windvane.decisions.terms import Terms
from windvane.engine import SILENT, Progress
from windvane.forecasts import Forecast
from windvane.futures import Policy, Scenario
from windvane.models import registry
from windvane.models.base import FittedPoint
from windvane.models.wrappers.blend import Blend, fit_once
from windvane.models.wrappers.calibrate import Evidence, FittedCalibrated, related
from windvane.models.wrappers.dependence import Relations
from windvane.panel import Panel


@dataclass(frozen=True, eq=False)
class Choice:
    """What the backtest found.

    Attributes:
        chosen: champion's name per segment, and under "all".
        board: scores and leaderboard.
        replay: models with the evidence that calibrates them.
    """

    chosen: Mapping[str, str]
    board: Board
    replay: Replay


@dataclass(frozen=True, eq=False)
class Produced:
    """The forecast and what made it.

    Attributes:
        forecast: of all series, paths included.
        model: name of the model of every series, text [series].
        segment: segment of every series, text [series].
        fitted: the fitted models, by name.
    """

    forecast: Forecast
    model: np.ndarray
    segment: np.ndarray
    fitted: Mapping[str, FittedCalibrated]


def backtest(
    panel: Panel,
    settings: Backtest,
    forecast: ForecastSettings,
    panel_at: PanelAt | None = None,
    progress: Progress = SILENT,
    terms: Terms | None = None,
) -> Choice:
    """Replay the models, choose a champion per segment on the older folds, report the newer ones.

    Where the terms on which series are ordered are given, forecasts are priced too.
    """
    models = [registry.model(name, forecast.quantile_levels) for name in settings.models]
    simple = [model.name for model in models if model.point.capabilities.simple]
    by_money = settings.choose_by == "money" and terms is not None
    purse = None if terms is None else Purse(terms, by_money)
    replay = Replay(panel, models, forecast.horizon, forecast.seed, panel_at, purse)
    combined = [model.name for model in models if isinstance(model.point, Blend)]
    board = Board(panel, simple, forecast.seed, combined, by_money)
    plan = folds(panel, forecast.horizon, settings.choose_folds, settings.report_folds)
    chosen: Mapping[str, str] | None = None
    for result in replay.run(plan, progress):
        if result.fold.use == "choose":
            board.add_choosing(result)
        else:
            chosen = chosen or board.choose(settings.models)
            board.add_reported(result, chosen)
    return Choice(chosen or board.choose(settings.models), board, replay)


def produce(panel: Panel, choice: Choice, settings: ForecastSettings, progress: Progress = SILENT) -> Produced:
    """Fit the chosen models on all of the history and forecast every series with its segment's champion.

    Raises:
        MissingFutureError: a covariate known in advance lacks its future.
    """
    panel.require_future(settings.horizon)
    segment = segments(panel)
    model = np.array([choice.chosen.get(s, choice.chosen["all"]) for s in segment.tolist()])
    origin = np.array([panel.shape[1] - 1])
    fitted: dict[str, FittedCalibrated] = {}
    points: dict[str, FittedPoint] = {}
    parts: dict[str, Forecast] = {}
    past: dict[str, Evidence | Sequence[Evidence] | None] = {}
    names = sorted(set(model.tolist()))
    with progress.task("forecast", len(names) + 1) as task:
        for name in names:
            task.describe(f"forecast: {name}")
            calibrated = replace(choice.replay.models[name], pinball=settings.pinball)
            rng = np.random.default_rng(settings.seed)
            point = fit_once(calibrated.point, panel, settings.horizon, settings.seed, points)
            evidence = choice.replay.evidence[name] or calibrated.evidence(point, panel, settings.horizon, rng)
            fitted[name] = calibrated.finish(point, panel, settings.horizon, rng, evidence)
            past[name] = evidence
            parts[name] = fitted[name].forecast(panel, point.means(panel, origin, settings.horizon)[:, 0])
            task.advance()
        task.describe("forecast: dependence")
        # Sums err as the model errs that most of the demand is forecast by.
        main = max(names, key=lambda name: float(parts[name].mean[model == name].sum()))
        relations = related(fitted[main], panel, past[main], np.random.default_rng(settings.seed))
        task.advance()
    fitted = {name: replace(one, relations=relations) for name, one in fitted.items()}
    return Produced(_compose(panel, parts, model, relations, settings.seed), model, segment, fitted)


def _compose(
    panel: Panel, parts: Mapping[str, Forecast], model: np.ndarray, relations: Relations, seed: int
) -> Forecast:
    some = next(iter(parts.values()))
    mean, quantiles = np.empty_like(some.mean), np.empty_like(some.quantiles)
    for name, part in parts.items():
        rows = model == name
        mean[rows], quantiles[rows] = part.mean[rows], part.quantiles[rows]
    return Forecast(
        keys=panel.keys,
        cutoff=panel.cutoff,
        dates=some.dates,
        mean=mean,
        quantiles=quantiles,
        levels=some.levels,
        identity=panel.identity,
        dependence=relations.of(panel),
        counts=panel.counts,
        seed=seed,
    )


@dataclass(frozen=True)
class Preset:
    """How much is tried.

    Attributes:
        models: names from the registry; the first combination among them is preferred.
        folds: origins of the past that the choice is made on; 0 = the first model is taken.
        pinball: whether quantiles by boosted trees are tried.
    """

    models: tuple[str, ...]
    folds: int
    pinball: bool = False


PRESETS: Mapping[str, Preset] = {
    "fast": Preset(("structured",), 0),
    "balanced": Preset(("blend", "blend_wide", "structured", "boosted", "planned_tsb"), 3),
    "best": Preset(
        (
            "blend",
            "blend_wide",
            "structured",
            "boosted",
            "planned_chained",
            "planned_seasonal_es",
            "planned_tsb",
        ),
        6,
        pinball=True,
    ),
}
"""What ``preset`` of :func:`forecast` means."""


def forecast(
    panel: Panel,
    horizon: int,
    preset: str = "balanced",
    seed: int = 1,
    missing: Mapping[str, Policy | Scenario] | None = None,
) -> Forecast:
    """Forecast every series of a panel, with the model that its own past favours.

    Args:
        panel: the series; see :meth:`windvane.panel.Panel.from_frame`.
        horizon: periods ahead, at least 1.
        preset: "fast" (effects of days, responses to plans and smoothed levels; seconds), "balanced" (that, boosted
            trees and combinations of both, chosen on three origins) or "best" (more of them, on six origins).
        seed: seed of everything random; the same seed gives the same forecast.
        missing: by covariate known in advance, what stands in where its future is absent; see
            :meth:`windvane.panel.Panel.complete`.

    Returns:
        A forecast with mean, quantiles and joint paths; ``assumed`` names what stood in for absent futures.

    Raises:
        ConfigError: an argument is out of range.
        MissingFutureError: a covariate declared known in advance lacks future values.

    Example:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = pl.date_range(date(2026, 1, 1), date(2026, 2, 25), eager=True)
        >>> frame = pl.DataFrame({"sku": ["a"] * 56, "date": days, "sales": [1, 2, 3, 4, 5, 6, 7] * 8})
        >>> panel = Panel.from_frame(frame, keys=["sku"], date="date", sales="sales", freq="1d")
        >>> forecast(panel, horizon=7).frame().height
        7
    """
    from windvane.config import parse
    from windvane.errors import ConfigError

    if preset not in PRESETS:
        raise ConfigError(f"preset={preset!r} is not a preset.", f"Choose from {', '.join(PRESETS)}.")
    tried = PRESETS[preset]
    config = parse(
        {
            "forecast": {"horizon": horizon, "seed": seed, "pinball": tried.pinball},
            "backtest": {"models": tried.models, "choose_folds": tried.folds, "report_folds": 0},
        },
        "windvane.forecast",
    )
    panel, assumed = panel.complete(horizon, missing)
    found = produce(panel, backtest(panel, config.backtest, config.forecast), config.forecast).forecast
    return replace(found, assumed=assumed)
