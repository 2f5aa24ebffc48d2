"""Trees that forecast the next period from the last ones, and take their own forecasts for sales after that.

Beside a structured baseline they err differently: they know no effect that is common to many series but by the splits
they find, and follow what sold in the last days. Their mean with the baseline is better than either. Plans that differ
from series to series are not for them (:class:`windvane.models.wrappers.planned.Planned` gives these).

Sources: Ke et al. (2017), LightGBM, NeurIPS 30; the recursive strategy as in Taieb and Hyndman (2012), Recursive and
direct multi-step forecasting: the best of both worlds, Monash University.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import polars as pl

from windvane.engine import thread_count
from windvane.features import spec
from windvane.features.choose import learns_the_year, static_codes
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import CALENDAR, Rows
from windvane.features.spec import Feature
from windvane.models.base import Artifact, Capabilities
from windvane.models.boosted import trees
from windvane.models.boosted.model import declared
from windvane.models.boosted.trees import Data, Growth
from windvane.models.structured import design
from windvane.panel import Panel

_TAKES = Capabilities(static=True, pooled=True)  # of what is known in advance only what many series share
_LEAST_ROWS = 400
_ENOUGH = 200_000  # rows from which on trees find the sizes of series by themselves
_FLOOR = 0.03  # of mean sales: the least that trees start from
_LAGS = {"1h": (24, 48, 168), "1d": (7, 14, 28), "1w": (2, 4, 52), "1mo": (2, 3, 12)}
_MEANS = {"1h": (24, 168, 672), "1d": (7, 28, 112), "1w": (4, 13, 52), "1mo": (3, 6, 12)}


@dataclass(frozen=True)
class FittedChained:
    """Trees for the next period.

    Attributes:
        text: LightGBM's text; empty where there was too little to learn from, and the last mean is carried on.
        features: what they take.
        categories: texts of static columns in code order.
        unit: mean sales, which demand is divided by.
        level: column of the series' own mean that the trees multiply, where rows were few; -1 = none.
    """

    text: str
    features: tuple[Feature, ...]
    categories: dict[str, list[str]]
    unit: float
    level: int = -1

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        out = np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        booster = trees.library().Booster(model_str=self.text) if self.text else None
        for k, origin in enumerate(origins.tolist()):
            # Also at the last column: later steps must not read what is announced after it.
            then = panel.as_of(panel.dates[origin])
            self._chain(then, horizon, booster, out[:, k])
            # Of what never sold nothing is expected, launched or not.
            out[~(then.sales > 0).any(axis=1), k] = 0.0
        out[panel.launch[:, None] > origins[None, :]] = 0.0
        return out

    def _chain(self, panel: Panel, horizon: int, booster: object, out: np.ndarray) -> None:
        """Write the forecast after the last column [series, horizon], period by period."""
        series, time = panel.shape
        closed = closed_days(panel, time + horizon)
        if booster is None:
            out[:] = _carried(panel)[:, None] * ~closed[:, time:]
            return
        longer = _longer(open_days(panel, closed[:, :time]), horizon)
        made = FeatureMatrix(longer, self.features, self.categories)
        every = np.arange(series, dtype=np.int32)
        asked = np.flatnonzero(panel.launch < time).astype(np.int32)
        ones = np.ones(len(asked), np.int32)
        for h in range(horizon):
            rows = Rows(every[asked], np.full(len(asked), time - 1 + h, np.int32), ones)
            matrix = made.build(rows)
            raw = booster.predict(matrix, raw_score=True, num_threads=thread_count())  # type: ignore[attr-defined]
            found = np.exp(np.clip(raw + start(matrix, self.level, self.unit), -30, 12)) * self.unit
            day = closed[asked, time + h]
            out[asked, h] = np.where(day, 0.0, found)
            # What is closed says nothing of demand; the next step reads the rest as if it had been sold.
            longer.sales[asked, time + h] = np.where(day, np.nan, found)

    def artifact(self) -> Artifact:
        """All of it."""
        declared_as = [asdict(f) for f in self.features]
        values = {
            "features": declared_as, "categories": self.categories, "unit": self.unit, "level": self.level,
        }  # fmt: skip
        return Artifact(values=values, texts={"trees": self.text})


@dataclass(frozen=True)
class Chained:
    """Pooled trees for the next period, applied step by step.

    Attributes:
        name: its name in the registry.
        growth: how trees are grown.
        rows: at most about this many rows, drawn alike from all of the past.
    """

    name: str = "chained"
    capabilities: Capabilities = _TAKES
    growth: Growth = field(
        default_factory=lambda: Growth(power=1.3, rounds=250, leaves=63, rate=0.06, columns=0.8, part=0.7, ridge=1.0)
    )
    rows: int = 1_200_000

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedChained:
        """Learn the next period from the ones before."""
        panel = open_days(panel, closed_days(panel, panel.shape[1]))
        unit = float(np.nanmean(np.maximum(panel.sales, 0), dtype=np.float64)) if (panel.sales > 0).any() else 1.0
        made = FeatureMatrix(panel, declarations(panel))
        rows = self._sample(panel, rng)
        fitted = FittedChained("", made.features, made.categories, unit)
        sold = np.maximum(panel.sales[rows.series, rows.origin + 1], 0)
        if len(rows) < _LEAST_ROWS or not sold.any():
            return fitted
        widest = max(
            range(len(made.features)), key=lambda k: (made.features[k].kind == "mean") * made.features[k].window
        )
        level = widest if len(rows) < _ENOUGH else -1
        matrix = made.build(rows)
        data = Data(matrix, sold / unit, start(matrix, level, unit), np.ones(len(rows), np.float32))
        codes = [k for k, f in enumerate(made.features) if f.categorical]
        text, _ = trees.grow(data, self.growth.suited(len(rows)), codes, [], int(rng.integers(2**31)))
        return replace(fitted, text=text, level=level)

    def _sample(self, panel: Panel, rng: np.random.Generator) -> Rows:
        """Rows of the past whose next period is known, each with its step of 1; thinned alike over time."""
        time = panel.shape[1]
        usable = ~np.isnan(panel.sales[:, 1:]) & (np.arange(time - 1)[None, :] >= panel.launch[:, None])
        share = self.rows / max(int(usable.sum()), 1)
        if share < 1:
            usable &= rng.random(usable.shape, np.float32) < share
        at, origin = (part.astype(np.int32) for part in np.nonzero(usable))
        return Rows(at, origin, np.ones(len(at), np.int32))

    def restore(self, artifact: Artifact) -> FittedChained:
        """Rebuild it."""
        held = artifact.values
        features = tuple(declared(f) for f in held["features"])
        categories = {name: list(texts) for name, texts in held["categories"].items()}
        return FittedChained(artifact.texts["trees"], features, categories, float(held["unit"]), int(held["level"]))


def start(matrix: np.ndarray, level: int, unit: float) -> np.ndarray:
    """Logarithm of what the trees multiply, over the unit, float64 [rows]; 0 without a column for it."""
    if level < 0:
        return np.zeros(len(matrix))
    mean: np.ndarray = np.log(np.maximum(np.nan_to_num(matrix[:, level].astype(np.float64)) / unit, _FLOOR))
    return mean


def declarations(panel: Panel) -> tuple[Feature, ...]:
    """What the trees take: the last periods, the calendar, events common to many series, static columns.

    Args:
        panel: the series.
    """
    unit = panel.freq.unit
    lags = [lag for lag in _LAGS[unit] if 2 * lag <= panel.shape[1]]
    means = [width for width in _MEANS[unit] if width <= panel.shape[1]] or [1]
    facts = CALENDAR if learns_the_year(panel) else CALENDAR[:3]
    return (
        spec.lag(),
        *(spec.target_lag(lag) for lag in lags),
        *(spec.mean(width) for width in means),
        spec.decayed(7),
        spec.same_season(4),
        spec.same_season(8),
        spec.zeros(means[-1]),
        spec.since_sale(means[-1]),
        *(spec.calendar(fact) for fact in facts),
        *(spec.plan(n, categorical=n in panel.levels) for n in design.shared(panel) if n not in design.CLOSED),
        *(spec.static(name) for name in static_codes(panel)),
    )


def closed_days(panel: Panel, stop: int) -> np.ndarray:
    """Whether a series is known to be closed in each of the first periods, bool [series, stop]."""
    out = np.zeros((panel.shape[0], stop), bool)
    for name in design.CLOSED:
        known = panel.known.get(name)
        if known is not None:
            width = min(stop, known.values.shape[1])
            there = known.values[:, :width] > 0
            if known.since is not None:
                there &= known.since[:, :width] < panel.shape[1]
            out[:, :width] |= there
    return out


def open_days(panel: Panel, closed: np.ndarray) -> Panel:
    """The panel with unknown sales where it was closed [series, time]."""
    if not closed.any():
        return panel
    return replace(panel, sales=np.where(closed, np.float32(np.nan), panel.sales), stockouts=None)


def _longer(panel: Panel, horizon: int) -> Panel:
    """The panel with so many more periods, whose sales are unknown; they may be written into it."""
    series = panel.shape[0]
    dates = panel.future_dates(horizon).cast(panel.dates.dtype).alias(panel.dates.name)
    return replace(
        panel,
        sales=np.concatenate([panel.sales, np.full((series, horizon), np.nan, np.float32)], axis=1),
        dates=pl.concat([panel.dates, dates]),
        state=np.concatenate([panel.state, np.repeat(panel.state[:, -1:], horizon, axis=1)], axis=1),
        past={},
        in_stock=None,
        stockouts=None,
    )


def _carried(panel: Panel) -> np.ndarray:
    """Mean of the newest known periods of every series, float32 [series]."""
    newest = panel.sales[:, -4 * panel.freq.season :]
    known = ~np.isnan(newest)
    total = np.where(known, np.maximum(newest, 0), 0).sum(axis=1, dtype=np.float64)
    mean: np.ndarray = (total / np.maximum(known.sum(axis=1), 1)).astype(np.float32)
    return mean
