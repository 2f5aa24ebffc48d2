"""Settings of the boosted model searched on the panel's own past, under a budget of trials and time.

A random search: each trial draws all settings anew from short lists, in the order of the seed, and is fitted as of
several dates of the past. It replaces the usual settings only if it is better on the mean and worse on no date: a
setting that wins on one window and loses on another is not chosen.

Source: Bergstra and Bengio (2012), Random search for hyper-parameter optimization, Journal of Machine Learning
Research 13, 281-305.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from windvane.models.base import POOLED, Artifact, Capabilities
from windvane.models.boosted.model import Boosted, FittedBoosted, usual_half_life
from windvane.models.structured.model import Structured
from windvane.panel import Panel

GROWTH: Mapping[str, tuple[float, ...]] = {
    "power": (0.0, 1.0, 1.1, 1.3, 1.5),
    "leaves": (8, 15, 24, 31, 63),
    "rate": (0.05, 0.1, 0.15),
    "columns": (0.3, 0.5, 0.8),
    "ridge": (1.0, 10.0, 50.0),
    "random": (False, True),
}
"""Values tried for the growth of trees."""
OTHERS: Mapping[str, tuple[float, ...]] = {"volume": (0.0, 0.5, 1.0), "keep": (0.0, 0.5, 1.0)}
"""Values tried for the model's other settings."""
MEMORY = (0.5, 1.0, 2.0)
"""Times the usual half-life that are tried."""

_LEAST_GAIN = 0.005  # share of the error that a setting must save on the mean


@dataclass(frozen=True)
class Tuned:
    """The boosted model with searched settings.

    Attributes:
        name: its name in the registry.
        usual: settings to begin with, and to stay with where none is better.
        trials: settings tried besides.
        seconds: after which no further trial begins; where it is reached, the choice depends on the machine's speed.
        dates: windows of the past that settings are compared on, a horizon apart.
    """

    name: str = "boosted_tuned"
    capabilities: Capabilities = POOLED
    usual: Boosted = field(default_factory=Boosted)
    trials: int = 8
    seconds: float = 300.0
    dates: int = 2

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedBoosted:
        """Search, then learn from all of the panel."""
        return self.search(panel, horizon, rng).fit(panel, horizon, rng)

    def search(self, panel: Panel, horizon: int, rng: np.random.Generator) -> Boosted:
        """The settings that the panel's past favours."""
        began = perf_counter()
        last = panel.shape[1] - 1
        cuts = [last - horizon * (k + 1) for k in range(self.dates) if last - horizon * (k + 1) > max(3 * horizon, 8)]
        seed = int(rng.integers(2**31))
        views = [panel.as_of(panel.dates[cut]) for cut in cuts]
        bases = [Structured().fit(view, horizon, np.random.default_rng(seed)) for view in views]

        def errors(model: Boosted) -> np.ndarray:
            found = []
            for view, base, cut in zip(views, bases, cuts, strict=True):
                point = model.fit_on(base, view, horizon, np.random.default_rng(seed))
                means = point.means(view, np.array([cut]), horizon)[:, 0]
                found.append(error(panel.sales[:, cut + 1 : cut + 1 + horizon], means))
            return np.array(found)

        if not cuts:
            return self.usual
        first = errors(self.usual)
        best, least = self.usual, 1.0 - _LEAST_GAIN
        for _ in range(self.trials):
            model = drawn(self.usual, panel, rng)
            if perf_counter() - began > self.seconds:
                break
            ratio = errors(model) / np.maximum(first, 1e-12)
            if ratio.max() <= 1.0 and ratio.mean() < least:
                best, least = model, float(ratio.mean())
        return best

    def restore(self, artifact: Artifact) -> FittedBoosted:
        """Rebuild it."""
        return self.usual.restore(artifact)


def drawn(usual: Boosted, panel: Panel, rng: np.random.Generator) -> Boosted:
    """Settings drawn at random round the usual ones."""
    growth = {name: values[int(rng.integers(len(values)))] for name, values in GROWTH.items()}
    others = {name: values[int(rng.integers(len(values)))] for name, values in OTHERS.items()}
    half = usual_half_life(panel) * MEMORY[int(rng.integers(len(MEMORY)))]
    grown = replace(
        usual.growth,
        power=growth["power"],
        leaves=int(growth["leaves"]),
        rate=growth["rate"],
        columns=growth["columns"],
        ridge=growth["ridge"],
        random=bool(growth["random"]),
    )
    return replace(usual, growth=grown, half_life=half, volume=others["volume"], keep=others["keep"])


def error(actual: np.ndarray, mean: np.ndarray) -> float:
    """What settings are compared by: root mean squared errors of the series, and of their sum, over what was sold.

    Args:
        actual: sales [series, horizon], NaN = unknown.
        mean: expected demand of the same shape.
    """
    known = ~np.isnan(actual)
    miss = np.where(known, actual - mean, 0.0).astype(np.float64)
    count = np.maximum(known.sum(axis=1), 1)
    own = float(np.sqrt((miss**2).sum(axis=1) / count).sum())
    together = float(np.sqrt((miss.sum(axis=0) ** 2).mean()))
    sold = float(np.where(known, actual, 0.0).clip(0).sum(axis=1, dtype=np.float64) @ (1 / count))
    return (own + together) / max(sold, 1e-9)
