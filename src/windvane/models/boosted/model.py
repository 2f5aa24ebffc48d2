"""LightGBM for all series: gradient-boosted trees that multiply the structured baseline's forecast.

A row is one (series, origin, step): the trees see the step, what was known at the origin and what is planned for the
target. Level, calendar and pooled responses are the baseline's, which learns them where the signal is; the trees add
what is particular to kinds of series. They may be one set for all steps and series, one per week of steps, or one per
text of a static column, and several sets from different draws are averaged.

What the trees say of all series together is kept only in part: the sum over a group of series is drawn back to that
of the baseline, since over a few windows nobody can tell a common drift from chance.

Source: the origin-relative direct strategy is that of Makridakis et al. (2022), the M5 competition.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from windvane.engine import thread_count
from windvane.errors import ConfigError
from windvane.features import choose
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows, code_texts, texts_of
from windvane.features.spec import Feature
from windvane.models.base import POOLED, Artifact, Capabilities
from windvane.models.boosted import sampling, trees
from windvane.models.boosted.trees import Data, Growth
from windvane.models.structured import design
from windvane.models.structured.model import FittedStructured, Structured
from windvane.panel import Panel

BASELINE = "baseline"
"""Name of the last column: the baseline's forecast over the series' own size."""

_HALF_LIFE = {"1h": 1000.0, "1d": 90.0, "1w": 78.0, "1mo": 36.0}
"""Age in periods at which a row weighs half."""
_LONGER = 4.0
"""Times longer where hours or days reach back far enough to learn the time of year from: its last turn must count."""
_LEAST_ROWS = 400
_WITHHELD = 0.15
_FLOOR = 0.05  # of a series' recent mean, below which no forecast is multiplied
_FARTHEST = 2.0  # logarithm of the most that trees may multiply by
_AT_ONCE = 262_144  # rows forecast at a time
_SIZE = 1  # column of the series' own size; see choose.relative


@dataclass(frozen=True, eq=False)
class FittedBoosted:
    """Baseline, trees (LightGBM's text form) and what their features need.

    Attributes:
        base: the baseline that the trees multiply.
        trees: LightGBM text by "segment.block.draw"; empty where there were too few rows to learn from.
        features: columns that the trees take, in their order; after them comes the baseline.
        categories: texts of static columns in code order.
        unit: mean sales, which demand is divided by.
        split: see :class:`Boosted`.
        keep: see :class:`Boosted`.
        share: see :class:`Boosted`.
    """

    base: FittedStructured
    trees: dict[str, str]
    features: tuple[Feature, ...]
    categories: dict[str, list[str]]
    unit: float
    split: str
    keep: float
    share: float = 1.0

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        base = self.base.means(panel, origins, horizon)
        if not self.trees:
            return base
        out = np.empty_like(base)
        ensemble = _Ensemble(self)
        for k, origin in enumerate(origins.tolist()):
            # Who had been launched, and what was known of groups, is asked of the panel as it stood then.
            then = panel if origin == panel.shape[1] - 1 else panel.as_of(panel.dates[origin])
            self._multiply(then, ensemble, base[:, k], out[:, k])
        out *= self._common(base, out)
        if self.share != 1.0:
            out = base + np.float32(self.share) * (out - base)
        out[panel.launch[:, None] > origins[None, :]] = 0.0
        return out

    def _multiply(self, panel: Panel, ensemble: _Ensemble, base: np.ndarray, out: np.ndarray) -> None:
        """Write the baseline [series, horizon] times the trees, part by part of the series."""
        made = FeatureMatrix(panel, self.features, self.categories)
        series, horizon = base.shape
        size = max(1, _AT_ONCE // horizon)
        for first in range(0, series, size):
            some = slice(first, min(first + size, series))
            rows = _grid(np.arange(some.start, some.stop), panel.shape[1] - 1, horizon)
            flat = base[some].ravel()
            matrix, start = columns(made, rows, flat)
            found = start * np.exp(ensemble.logs(matrix, rows, panel))
            out[some] = np.where(start > 0, found, flat).reshape(out[some].shape)

    def _common(self, base: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Factor that draws the sum of all series back to the baseline's, float32 [origins, horizon]."""
        had, have = (values.sum(axis=0, dtype=np.float64) for values in (base, found))
        ratio = np.where((had > 0) & (have > 0), had / np.where(have > 0, have, 1.0), 1.0)
        factor: np.ndarray = (ratio**self.keep).astype(np.float32)
        return factor

    def contributions(self, panel: Panel, series: int, horizon: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """What multiplies one series' forecast, on the log scale.

        Returns:
            Base forecast [horizon], log contributions [horizon, features + 2], names of the features. The last two
            columns are what is common to all rows and what draws sums back to the baseline's.
            ``base x exp(sum of contributions)`` is the forecast.
        """
        origin = panel.shape[1] - 1
        base = self.base.means(panel, np.array([origin]), horizon)[:, 0]
        names = [*(f.name for f in self.features), BASELINE]
        if not self.trees:
            return base[series], np.zeros((horizon, len(names) + 2)), names
        whole = self.means(panel, np.array([origin]), horizon)[:, 0]
        rows = _grid(np.array([series]), origin, horizon)
        matrix, start = columns(FeatureMatrix(panel, self.features, self.categories), rows, base[series])
        parts = _Ensemble(self).parts(matrix, rows, panel)
        parts[start <= 0] = 0.0
        start = np.where(start > 0, start, base[series])
        told, found = start * np.exp(parts.sum(1)), whole[series].astype(np.float64)
        if self.share > 0:
            # What the trees made of it before it was averaged with the baseline.
            found = base[series] + (found - base[series]) / self.share
        sold = (found > 0) & (told > 0) & (whole[series] > 0)
        rest = np.log(np.where(sold, found, 1.0) / np.where(sold, told, 1.0))
        logs = np.column_stack([parts, rest])
        change, wanted = logs.sum(1), np.log(np.where(sold, whole[series], 1.0) / np.where(sold, start, 1.0))
        logs *= np.where(np.abs(change) > 1e-9, wanted / np.where(change == 0, 1.0, change), 1.0)[:, None]
        logs[:, -1] += wanted - logs.sum(1)
        return np.where(sold, start, 0.0), logs, names

    def artifact(self) -> Artifact:
        """All of it."""
        base = self.base.artifact()
        values: dict[str, Any] = {
            "base": dict(base.values),
            "features": [asdict(f) for f in self.features],
            "categories": self.categories,
            "unit": self.unit,
            "split": self.split,
            "keep": self.keep,
            "share": self.share,
        }
        return Artifact(base.arrays, values, {f"trees_{name}": text for name, text in self.trees.items()})


class _Ensemble:
    """The trees of a fitted model, read once."""

    def __init__(self, fitted: FittedBoosted) -> None:
        self.fitted = fitted
        self.boosters: dict[tuple[int, int], list[Any]] = {}
        library = trees.library()
        for name, text in fitted.trees.items():
            segment, block, _ = (int(part) for part in name.split("."))
            self.boosters.setdefault((segment, block), []).append(library.Booster(model_str=text))

    def logs(self, matrix: np.ndarray, rows: Rows, panel: Panel) -> np.ndarray:
        """Sum of the trees of every row, averaged over draws, float64 [rows]."""
        out = np.zeros(len(rows))
        for use, boosters in self._each(rows, panel):
            part = matrix if isinstance(use, slice) else np.ascontiguousarray(matrix[use])
            for booster in boosters:
                out[use] += booster.predict(part, raw_score=True, num_threads=thread_count()) / len(boosters)
        return np.clip(out, -_FARTHEST, _FARTHEST)

    def parts(self, matrix: np.ndarray, rows: Rows, panel: Panel) -> np.ndarray:
        """The same by feature, float64 [rows, features + 1]; the last is common to all rows."""
        out = np.zeros((len(rows), matrix.shape[1] + 1))
        for use, boosters in self._each(rows, panel):
            for booster in boosters:
                out[use] += np.asarray(booster.predict(matrix[use], pred_contrib=True, num_threads=1)) / len(boosters)
        total = out.sum(1, keepdims=True)
        most = np.clip(total, -_FARTHEST, _FARTHEST)
        scaled: np.ndarray = out * np.where(total != 0, most / np.where(total != 0, total, 1.0), 1.0)
        return scaled

    def _each(self, rows: Rows, panel: Panel) -> list[tuple[slice | np.ndarray, list[Any]]]:
        """Rows of every set of trees; rows of a segment without trees of its own have those for all."""
        if len(self.boosters) == 1:
            return [(slice(None), next(iter(self.boosters.values())))]
        segment, block = parts_of(panel, rows, self.fitted.split, self.fitted.categories)
        found: list[tuple[slice | np.ndarray, list[Any]]] = []
        last = max(key[1] for key in self.boosters)
        block = np.minimum(block, last)
        own = np.isin(segment, [key[0] for key in self.boosters])
        segment = np.where(own, segment, -1)
        for key, boosters in self.boosters.items():
            use = np.flatnonzero((segment == key[0]) & (block == key[1]))
            if len(use):
                found.append((use, boosters))
        return found


@dataclass(frozen=True)
class Boosted:
    """Trees on the structured baseline.

    Attributes:
        name: its name in the registry.
        growth: how trees are grown.
        draws: sets of trees from different draws of rows, averaged.
        rows: at most about this many rows per draw.
        half_life: age in periods at which a row weighs half; 0 = by the frequency.
        volume: what a large series' error weighs less; see :func:`windvane.models.boosted.sampling.weights`.
        revenue: whether rows weigh by the price.
        keep: how far the sum over all series is drawn back to the baseline's, 0 to 1.
        share: of the corrected forecast in its mean with the baseline's: 0.5 is a blend of both for the price of one.
        split: "" = one set of trees for all; "weeks" = one per week (or season) of steps; or a static column.
        falling: covariates with which what the trees multiply by may only fall, such as "price"; the baseline's own
            response is left as it is.
        stop: whether the number of rounds is chosen on the last horizon before all rows are learned from.
    """

    name: str = "boosted"
    capabilities: Capabilities = POOLED
    growth: Growth = field(default_factory=Growth)
    draws: int = 1
    rows: int = 600_000
    half_life: float = 0.0
    volume: float = 0.5
    revenue: bool = True
    keep: float = 0.5
    share: float = 1.0
    split: str = ""
    falling: tuple[str, ...] = ()
    stop: bool = False

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedBoosted:
        """Sample rows of the past and learn from them."""
        return self.fit_on(Structured().fit(panel, horizon, rng), panel, horizon, rng)

    def fit_on(self, base: FittedStructured, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedBoosted:
        """Learn on a baseline fitted to the same panel, as those do who try several settings.

        Raises:
            ConfigError: ``split`` names no static column.
        """
        sold = np.maximum(np.nan_to_num(panel.sales), 0)
        unit = float(sold.mean(dtype=np.float64)) or 1.0
        features = choose.relative(panel, tuple(design.shared(panel)))
        made = FeatureMatrix(panel, features)
        if self.split not in ("", "weeks", *panel.static.columns):
            raise ConfigError(f"split={self.split!r} is no static column.", 'Use "", "weeks" or a static column.')
        categories = made.categories | (texts_of(panel, [self.split]) if self.split in panel.static.columns else {})
        fitted = FittedBoosted(base, {}, made.features, categories, unit, self.split, self.keep, self.share)
        grown: dict[str, str] = {}
        for draw in range(self.draws):
            rows = sampling.sample(panel, horizon, self.rows, rng)
            if len(rows) < _LEAST_ROWS or not sold[rows.series, rows.origin + rows.step].any():
                continue
            grown |= self._learn(fitted, made, rows, draw, rng)
        return replace(fitted, trees=grown)

    def _learn(
        self, fitted: FittedBoosted, made: FeatureMatrix, rows: Rows, draw: int, rng: np.random.Generator
    ) -> dict[str, str]:
        """Grow the trees of one draw."""
        panel = made.panel
        data, rows = self._data(fitted, made, rows, rng)
        if self.falling:
            # The baseline answers to the same covariates, and a tree that reads it could rise where it falls.
            data.matrix[:, -1] = np.nan
        kept = made.features
        codes = [k for k, f in enumerate(kept) if f.categorical]
        falling = [k for k, f in enumerate(kept) if f.inputs[:1] and f.inputs[0] in self.falling and f.known == "plan"]
        segment, block = parts_of(panel, rows, self.split, fitted.categories)
        target = rows.origin + rows.step
        cell, recent = rows.series * np.int64(panel.shape[1]) + target, target >= panel.shape[1] - int(rows.step.max())
        out = {}
        for s, b in [(-1, 0), *sorted(set(zip(segment.tolist(), block.tolist(), strict=True)))]:
            own = np.ones(len(rows), bool) if (s, b) == (-1, 0) and self.split else (segment == s) & (block == b)
            if f"{s}.{b}.{draw}" in out or own.sum() < _LEAST_ROWS or not data.target[own].any():
                continue
            seed = int(rng.integers(2**31))
            growth = self.growth.suited(len(np.unique(cell[own])))
            if self.stop:
                _, best = trees.grow(data.where(own & ~recent), growth, codes, falling, seed, data.where(own & recent))
                growth = replace(growth, rounds=best)
            out[f"{s}.{b}.{draw}"] = trees.grow(data.where(own), growth, codes, falling, seed)[0]
        return out

    def _data(
        self, fitted: FittedBoosted, made: FeatureMatrix, rows: Rows, rng: np.random.Generator
    ) -> tuple[Data, Rows]:
        """Features, target, offset and weight of the rows that trees multiply, and these rows.

        A share of them sees no plans where plans are made late.
        """
        panel = made.panel
        base = fitted.base.rows(panel, rows.series, rows.origin, rows.step)
        matrix, start = columns(made, rows, base)
        blind = sampling.unplanned(panel)
        if blind is not None:
            some = np.flatnonzero(rng.random(len(rows)) < _WITHHELD)
            part = rows.part(some)
            base[some] = fitted.base.rows(blind, part.series, part.origin, part.step)
            matrix[some], start[some] = columns(FeatureMatrix(blind, made.features, made.categories), part, base[some])
        use = np.flatnonzero(start > 0)
        rows, matrix, start = rows.part(use), matrix[use], start[use]
        sold = np.maximum(panel.sales[rows.series, rows.origin + rows.step], 0)
        half = self.half_life or usual_half_life(panel)
        size = np.nan_to_num(matrix[:, _SIZE]).clip(0) / fitted.unit
        weight = sampling.weights(panel, rows, size, half, self.volume, self.revenue)
        return Data(matrix, sold / fitted.unit, np.log(start / fitted.unit), weight), rows

    def restore(self, artifact: Artifact) -> FittedBoosted:
        """Rebuild it."""
        held = artifact.values
        return FittedBoosted(
            base=Structured().restore(Artifact(artifact.arrays, held["base"])),
            trees={n.removeprefix("trees_"): text for n, text in artifact.texts.items() if n.startswith("trees_")},
            features=tuple(declared(f) for f in held["features"]),
            categories={name: list(texts) for name, texts in held["categories"].items()},
            unit=float(held["unit"]),
            split=str(held["split"]),
            keep=float(held["keep"]),
            share=float(held["share"]),
        )


def usual_half_life(panel: Panel) -> float:
    """Age in periods at which a row weighs half, unless the settings say otherwise."""
    unit = panel.freq.unit
    old = unit in ("1h", "1d") and choose.learns_the_year(panel)
    return _HALF_LIFE[unit] * (_LONGER if old else 1.0)


def columns(made: FeatureMatrix, rows: Rows, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the trees take, and what they multiply.

    Args:
        made: the features.
        rows: which rows, sorted by series and origin.
        base: the baseline of each row [rows].

    Returns:
        float32 [rows, features + 1], the baseline over the series' own size as last column; and float64 [rows], the
        baseline or a small share of what was sold lately, 0 where trees have no say: on closed days, and for series of
        which nothing was sold or known for so long that the trees would see nothing of them.
    """
    width = len(made.features)
    matrix = np.empty((len(rows), width + 1), np.float32)
    size = 65_536
    for first in range(0, len(rows), size):
        at = slice(first, first + size)
        matrix[at, :width] = made.build(rows.part(at))
    own = matrix[:, _SIZE].astype(np.float64)
    known = own > 0
    matrix[:, width] = np.where(known, base / np.where(known, own, 1.0), np.nan)
    start: np.ndarray = np.where(known & ~sampling.shut(made.panel, rows), np.maximum(base, _FLOOR * own), 0.0)
    return matrix, start


def parts_of(panel: Panel, rows: Rows, split: str, categories: dict[str, list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Segment and block of steps of every row, int64 [rows] each; segment -1 = all series, or an unknown text.

    Args:
        panel: the series.
        rows: the rows.
        split: see :class:`Boosted`.
        categories: texts of static columns in code order.
    """
    segment, block = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.int64)
    if split == "weeks":
        block = (rows.step.astype(np.int64) - 1) // max(panel.freq.season if panel.freq.unit == "1d" else 1, 1)
    elif split:
        segment = code_texts(panel, {split: categories[split]})[split][rows.series].astype(np.int64)
    return segment, block


def _grid(series: np.ndarray, origin: int, horizon: int) -> Rows:
    """All steps of some series after one origin."""
    rows = Rows.after(len(series), origin, horizon)
    return Rows(np.repeat(series.astype(np.int32), horizon), rows.origin, rows.step)


def declared(held: dict[str, Any]) -> Feature:
    """A declaration from its JSON form."""
    over = held["over"]
    return Feature(**{**held, "inputs": tuple(held["inputs"]), "over": None if over is None else declared(over)})
