"""One LightGBM for all series: gradient-boosted trees that correct a seasonal smoothing forecast.

A row is one (series, origin, step); the trees see the step, what was known at the origin and what is planned for
the target, and multiply the smoothing forecast. Counts and intermittence are met by the Tweedie deviance.

Sources: Ke et al. (2017), LightGBM, NeurIPS 30; Jorgensen (1987), Journal of the Royal Statistical Society B 49
(Tweedie); the origin-relative direct strategy is that of Makridakis et al. (2022), the M5 competition.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from windvane.engine import thread_count
from windvane.features.build import Builder, Rows, knows_the_year
from windvane.models.base import POOLED, Artifact, Capabilities
from windvane.models.series_table import SeriesTable
from windvane.models.smoothing import FittedSmoothing, Smoothing
from windvane.panel import Panel

_TRAIN_ROWS = 400_000
_HISTORY = {"1h": 2000, "1d": 420, "1w": 160, "1mo": 120}
_HALF_LIFE = {"1h": 1000, "1d": 75, "1w": 26, "1mo": 24}
"""Age in periods at which a training row weighs half: what sold lately says most of what will sell."""
_LONGER = 5
"""Times longer where a history is long enough to learn the time of year from: last year's season must count."""
_LEAST_ROWS = 400
_POWER = 1.3
_WITHHELD = 0.15


def _lightgbm() -> Any:
    """LightGBM, with OpenMP told how to wait.

    Its threads spin while they wait for each other, which beside other busy processes makes it many times slower;
    on an idle machine spinning is the faster way. OpenMP reads its setting once, when it is loaded.
    """
    if "lightgbm" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        busy = os.getloadavg()[0] > 0.6 * thread_count()
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE" if busy else "ACTIVE"
    import lightgbm

    return lightgbm


@dataclass(frozen=True)
class FittedBoosted:
    """Smoothing parameters, trees (LightGBM's text form) and the codes of static columns.

    Attributes:
        base: the smoothing forecast that the trees multiply.
        trees: LightGBM text; empty where there were too few rows to learn from.
        categories: texts of static columns in code order.
        unit: mean sales, which demand is divided by.
        year: whether the trees were given the time of year.
    """

    base: FittedSmoothing
    trees: str
    categories: dict[str, list[str]]
    unit: float
    year: bool

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        out = np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        for i, origin in enumerate(origins):
            view = panel if origin == panel.shape[1] - 1 else panel.as_of(panel.dates[int(origin)])
            out[:, i] = self._after(view, horizon)
        return out

    def _after(self, panel: Panel, horizon: int) -> np.ndarray:
        series = panel.shape[0]
        rows = Rows.after(series, panel.shape[1] - 1, horizon)
        baseline = self.base.rows(panel, rows.series, rows.origin, rows.step)
        if not self.trees:
            return baseline.reshape(series, horizon)
        booster = self._booster()
        matrix, level = Builder(panel, self.categories, year=self.year).matrix(rows, baseline)
        offset = offsets(baseline, level, self.unit)
        out = np.empty(len(rows), np.float32)
        size = 400_000
        for start in range(0, len(rows), size):
            at = slice(start, start + size)
            raw = booster.predict(matrix[at], raw_score=True, num_threads=thread_count())
            out[at] = np.exp(np.clip(raw + offset[at], -30, 30)) * self.unit
        out[np.repeat(panel.launch >= panel.shape[1], horizon)] = 0.0
        return out.reshape(series, horizon)

    def _booster(self) -> Any:
        return _lightgbm().Booster(model_str=self.trees)

    def contributions(self, panel: Panel, series: int, horizon: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """What multiplies one series' forecast, on the log scale.

        Returns:
            Base forecast [horizon], log contributions [horizon, features + 1] (the last is common to all rows),
            names of the features. ``base x exp(sum of contributions)`` is the forecast.
        """
        rows = Rows(
            np.full(horizon, series, np.int32),
            np.full(horizon, panel.shape[1] - 1, np.int32),
            np.arange(1, horizon + 1, dtype=np.int32),
        )
        baseline = self.base.rows(panel, rows.series, rows.origin, rows.step)
        builder = Builder(panel, self.categories, year=self.year)
        names = [f.name for f in builder.features]
        if not self.trees:
            return baseline, np.zeros((horizon, len(names) + 1)), names
        matrix, level = builder.matrix(rows, baseline)
        offset = offsets(baseline, level, self.unit)
        parts = np.asarray(self._booster().predict(matrix, pred_contrib=True, num_threads=1))
        return np.exp(offset) * self.unit, parts, names

    def artifact(self) -> Artifact:
        """All of it."""
        return Artifact(
            arrays={"identity": self.base.table.identity, "values": self.base.table.values},
            values={"season": self.base.season, "categories": self.categories, "unit": self.unit, "year": self.year},
            texts={"trees": self.trees},
        )


def offsets(baseline: np.ndarray, level: np.ndarray, unit: float) -> np.ndarray:
    """Log of the baseline in units of mean sales, floored at a tenth of the level and a thousandth of the unit."""
    return np.log(np.maximum(np.maximum(baseline, 0.1 * level), 1e-3 * unit) / unit)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Training rows: matrix [rows, features], target, offset and weight [rows]."""

    matrix: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Boosted:
    """Pooled gradient-boosted trees on a seasonal smoothing forecast."""

    name: str = "boosted"
    capabilities: Capabilities = POOLED
    rounds: int = 200
    leaves: int = 24
    rate: float = 0.05

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedBoosted:
        """Sample rows of the past and learn from them."""
        base = Smoothing(name="seasonal_es", seasonal=True).fit(panel, horizon, rng)
        positive = np.maximum(np.nan_to_num(panel.sales), 0)
        unit = float(positive.mean(dtype=np.float64)) or 1.0
        rows = sample_rows(panel, horizon, rng)
        builder = Builder(panel)
        target = positive[rows.series, rows.origin + rows.step] / unit
        if len(rows) < _LEAST_ROWS or not target.any():
            return FittedBoosted(base, "", builder.categories, unit, knows_the_year(panel))
        baseline = base.rows(panel, rows.series, rows.origin, rows.step)
        matrix, level = builder.matrix(rows, baseline)
        builder.withhold(matrix, _WITHHELD, rng)
        age = panel.shape[1] - 1 - (rows.origin + rows.step)
        half = _HALF_LIFE[panel.freq.unit] * (_LONGER if knows_the_year(panel) else 1)
        weight = 0.5 ** (age / half)
        data = _Rows(matrix, target, offsets(baseline, level, unit), weight.astype(np.float32))
        trees = self._train(data, builder, int(rng.integers(2**31)))
        return FittedBoosted(base, trees, builder.categories, unit, knows_the_year(panel))

    def _train(self, rows: _Rows, builder: Builder, seed: int) -> str:
        lightgbm = _lightgbm()
        codes = [i for i, f in enumerate(builder.features) if f.categorical]
        least = max(20, min(2000, len(rows.target) // 200))
        settings = {
            "objective": "tweedie",
            "tweedie_variance_power": _POWER,
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": least,
            "feature_fraction": 0.6,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            # Split points drawn at random: single trees fit worse, their sum wanders less.
            "extra_trees": True,
            "lambda_l2": 5.0,
            "cat_smooth": 50.0,
            "cat_l2": 50.0,
            "max_cat_threshold": 32,
            "boost_from_average": False,
            "num_threads": thread_count(),
            "deterministic": True,
            "force_row_wise": True,
            "seed": seed,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(
            rows.matrix,
            rows.target,
            weight=rows.weight,
            init_score=rows.offset,
            categorical_feature=codes,
            params={"verbosity": -1},
            free_raw_data=True,
        )
        rounds = self.rounds if len(rows.target) >= 50_000 else max(50, self.rounds * len(rows.target) // 50_000)
        text: str = lightgbm.train(settings, data, rounds).model_to_string()
        return text

    def restore(self, artifact: Artifact) -> FittedBoosted:
        """Rebuild it."""
        return FittedBoosted(
            base=FittedSmoothing(SeriesTable.restore(artifact), int(artifact.values["season"])),
            trees=artifact.texts["trees"],
            categories={name: list(texts) for name, texts in artifact.values["categories"].items()},
            unit=float(artifact.values["unit"]),
            year=bool(artifact.values["year"]),
        )


def sample_rows(panel: Panel, horizon: int, rng: np.random.Generator, count: int = _TRAIN_ROWS) -> Rows:
    """Draw training rows: known cells of the recent past, each with a random step.

    Args:
        panel: the series.
        horizon: largest step.
        rng: generator.
        count: at most this many rows.
    """
    time = panel.shape[1]
    oldest = max(0, time - _HISTORY[panel.freq.unit])
    columns = np.arange(oldest, time)
    usable = ~np.isnan(panel.sales[:, oldest:]) & (columns[None, :] > panel.launch[:, None] + 1)
    cells = np.flatnonzero(usable)
    if not len(cells):
        empty = np.empty(0, np.int32)
        return Rows(empty, empty, empty)
    drawn = rng.choice(cells, min(count, 2 * len(cells)), replace=len(cells) < count)
    series = (drawn // (time - oldest)).astype(np.int32)
    target = (drawn % (time - oldest) + oldest).astype(np.int32)
    room = target - panel.launch[series] - 1
    step = (rng.integers(0, np.minimum(horizon, np.maximum(room, 1))) + 1).astype(np.int32)
    origin = target - step
    keep = origin >= panel.launch[series]
    order = np.lexsort((step[keep], origin[keep], series[keep]))
    return Rows(series[keep][order], origin[keep][order], step[keep][order])
