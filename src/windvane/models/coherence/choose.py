"""Which method of coherence: the one that a backtest over origins says is better, bottom-up unless it is clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.models.coherence.align import Align
from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.method import Method
from windvane.models.coherence.mint import MinT
from windvane.models.coherence.past import Past
from windvane.models.coherence.proportions import BottomUp

METHODS: tuple[Method, ...] = (BottomUp(), Align(), MinT("variance"))
"""The methods tried where none are named; the first is bottom-up."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The outcome of a backtest of methods.

    Attributes:
        method: the method chosen.
        names: names of the methods tried, bottom-up first.
        losses: weighted loss of each at each origin, float64 [methods, origins].
        gains: mean loss saved against bottom-up, float64 [methods].
        errors: standard error of that mean over origins, float64 [methods]; infinite with one origin.
    """

    method: Method
    names: tuple[str, ...]
    losses: np.ndarray
    gains: np.ndarray
    errors: np.ndarray

    def frame(self) -> pl.DataFrame:
        """One row per method: name, mean loss, gain, error of the gain, whether it is chosen."""
        return pl.DataFrame(
            {
                "method": self.names,
                "loss": self.losses.mean(1),
                "gain": self.gains,
                "error": self.errors,
                "chosen": [name == self.method.name for name in self.names],
            }
        )


def default_weight(hierarchy: Hierarchy, past: Past) -> np.ndarray:
    """What an error of each node weighs, float64 [nodes], where nothing else is said.

    Every level weighs the same, and within a level a unit is a unit: the loss of a level is the sum of its nodes' root
    mean squared errors over the sum of their mean sales.
    """
    known = ~np.isnan(past.actuals)
    mean = np.nan_to_num(past.actuals.astype(np.float64)).sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
    weight = np.zeros(hierarchy.nodes)
    groups = [level.nodes for level in hierarchy.levels] + [hierarchy.bottom]
    for nodes in groups:
        total = float(np.abs(mean[nodes]).sum())
        weight[nodes] = 1 / (total * len(groups)) if total > 0 else 0.0
    return weight


def node_losses(forecast: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Root mean squared error of every node over the horizon, float64 [nodes]; 0 where nothing is known.

    Args:
        forecast: [nodes, horizon].
        actual: [nodes, horizon]; NaN = unknown.
    """
    known = ~np.isnan(actual)
    square = np.where(known, np.square(actual.astype(np.float64) - forecast), 0.0)
    return np.asarray(np.sqrt(square.sum(1) / np.maximum(known.sum(1), 1)))


def choose(
    hierarchy: Hierarchy,
    past: Past,
    methods: Sequence[Method] = METHODS,
    weight: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Choice:
    """Choose a method by the mean of its weighted losses over origins.

    Every origin is judged with what the other origins teach, so that no method is judged on what it learnt from. The
    method with the lowest mean loss among those whose mean gain on bottom-up is beyond noise is chosen, bottom-up where
    there is none. Noise is that of a mean of paired differences over origins: a method that wins big on one origin and
    loses on the others has no clear gain, and with a single origin nothing has. The more methods are tried, the clearer
    a gain must be, since the best of many looks good by chance.

    Args:
        hierarchy: the hierarchy.
        past: forecasts of all nodes at past origins and what came; all of it must have been known by the cutoff of the
            forecast that the choice is for.
        methods: those to try; bottom-up is tried in any case, and nothing else where there is only one origin.
        weight: what an error of each node weighs, float64 [nodes]; :func:`default_weight` where absent.
        confidence: probability that no method is chosen where none is better, 0.5..1.

    Sources: Student (1908), The Probable Error of a Mean, Biometrika 6, 1-25; Dunn (1961), Multiple Comparisons Among
    Means, Journal of the American Statistical Association 56, 52-64 (the probability is shared by the methods).
    """
    from scipy.special import stdtrit

    tried: list[Method] = [BottomUp()]
    if past.origins > 1:
        tried += [method for method in methods if not isinstance(method, BottomUp)]
    weight = default_weight(hierarchy, past) if weight is None else weight
    losses = np.empty((len(tried), past.origins))
    for origin in range(past.origins):
        others = past.only([o for o in range(past.origins) if o != origin])
        for i, method in enumerate(tried):
            series = method.bottom(hierarchy, past.forecasts[:, origin], others)
            errors = node_losses(hierarchy.sums(series), past.actuals[:, origin])
            losses[i, origin] = float(weight @ errors)
    saved = losses[0] - losses
    gains = saved.mean(1)
    count = max(past.origins, 1)
    noise = saved.std(1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(tried), np.inf)
    level = 1 - (1 - confidence) / max(len(tried) - 1, 1)
    needed = noise * float(stdtrit(count - 1, level)) if count > 1 else noise
    clear = [i for i in range(1, len(tried)) if gains[i] > max(float(needed[i]), 0.0)]
    best = max(clear, key=lambda i: float(gains[i]), default=0)
    return Choice(tried[best], tuple(m.name for m in tried), losses, gains, noise)
