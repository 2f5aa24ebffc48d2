"""Quantiles by boosted trees on the pinball loss, tried beside the table of past errors and kept where they are better.

Trees see what was expected, how volatile and how idle a series is, and the step; one set per probability learns the
ratio of sales to what was expected. The newest window of the past decides, by pinball loss, between the table, the
trees and the mean of both: trees grown on the time before it must win by more than losses of periods differ by chance.

Source: Koenker and Bassett (1978), Regression quantiles, Econometrica 46 (the loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from windvane.engine import thread_count
from windvane.models.base import Artifact

if TYPE_CHECKING:
    from windvane.models.wrappers.distribution import Distribution, Pairs

_ROUNDS, _LEAVES, _RATE, _PART = 80, 15, 0.08, 0.7
_LEAST_ROWS, _MAX_ROWS = 2000, 100_000
_LEAST_LEAF, _LEAF_SHARE = 100, 400  # rows of a leaf: at least so many, and one in so many of all
_FLOOR = 0.05  # of the mean expectation: what ratios are taken over at least
_SHARES = (0.5, 1.0)


@dataclass(frozen=True)
class Boosts:
    """Trees for each probability.

    Attributes:
        texts: LightGBM's texts, one per probability.
        floor: what ratios are taken over at least.
    """

    texts: tuple[str, ...]
    floor: float

    @classmethod
    def learn(cls, data: Pairs, levels: Sequence[float], counts: bool, rng: np.random.Generator) -> Boosts:
        """Learn from past pairs; whole-numbered sales are spread by half a unit to either side."""
        from windvane.models.boosted.trees import library

        if len(data.mean) > _MAX_ROWS:
            data = data.where(np.sort(rng.choice(len(data.mean), _MAX_ROWS, replace=False)))
        floor = max(_FLOOR * float(data.mean.mean()), 1e-9)
        over = np.maximum(data.mean, floor)
        sales = data.sales + (rng.uniform(-0.5, 0.5, len(data.sales)) if counts else 0.0)
        x = _seen(data.mean, data.volatility, data.idle, data.step)
        lightgbm = library()
        settings = {
            "objective": "quantile", "num_leaves": _LEAVES, "learning_rate": _RATE, "bagging_fraction": _PART,
            "bagging_freq": 1, "min_data_in_leaf": max(_LEAST_LEAF, len(sales) // _LEAF_SHARE), "verbose": -1,
            "num_threads": thread_count(), "seed": int(rng.integers(2**31)), "deterministic": True,
            "force_row_wise": True, "feature_pre_filter": False,
        }  # fmt: skip
        rows = lightgbm.Dataset(x, sales / over, weight=over, params={"verbose": -1, "feature_pre_filter": False})
        grown = (lightgbm.train({**settings, "alpha": level}, rows, _ROUNDS) for level in levels)
        return cls(tuple(booster.model_to_string() for booster in grown), floor)

    def read(self, mean: np.ndarray, around: np.ndarray, asleep: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Quantiles [pairs, levels], not decreasing, of pairs as in :class:`..distribution.Pairs`."""
        from windvane.models.boosted.trees import library

        x, lightgbm = _seen(mean, around, asleep, step), library()
        found = [lightgbm.Booster(model_str=text).predict(x, num_threads=thread_count()) for text in self.texts]
        over = np.maximum(mean, self.floor)
        quantiles: np.ndarray = np.maximum.accumulate(np.stack(found, axis=1).clip(0), axis=1) * over[:, None]
        return quantiles

    def artifact(self) -> Artifact:
        """The trees."""
        return Artifact(values={"floor": self.floor}, texts={f"{i:03d}": text for i, text in enumerate(self.texts)})

    @classmethod
    def restore(cls, artifact: Artifact) -> Boosts:
        """Rebuild it."""
        return cls(tuple(artifact.texts[key] for key in sorted(artifact.texts)), float(artifact.values["floor"]))


def _seen(mean: np.ndarray, around: np.ndarray, asleep: np.ndarray, step: np.ndarray) -> np.ndarray:
    logs = [np.log(np.maximum(part, 1e-3)) for part in (mean, around)]
    return np.column_stack([*logs, asleep.astype(np.float64), step.astype(np.float64)])


def tried(plain: Distribution, data: Pairs, counts: bool, rng: np.random.Generator) -> Distribution:
    """The distribution with trees mixed into it, as far as the newest window of the past speaks for them.

    Args:
        plain: the table learned from all pairs.
        data: the pairs.
        counts: whether sales are whole numbers.
        rng: draws rows and ties.
    """
    from windvane.models.wrappers.distribution import Distribution

    origin = data.column - data.step
    # The newest origins that leave enough before them; what was forecast after the first of them serves to judge.
    for cut in np.unique(origin)[::-1]:
        if int((data.column <= cut).sum()) >= _LEAST_ROWS and int((data.column > cut).sum()) >= _LEAST_ROWS:
            break
    else:
        return plain
    before, after = data.where(data.column <= cut), data.where(origin >= cut)
    table = Distribution.learn(before, plain.levels, counts, rng)
    boosts = Boosts.learn(before, plain.levels, counts, rng)
    share = chosen(after, table.at(after), boosts.read(*_of(after)), np.asarray(plain.levels))
    if share == 0:
        return plain
    return replace(plain, boosts=Boosts.learn(data, plain.levels, counts, rng), share=share)


def _of(data: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return data.mean, data.volatility, data.idle, data.step


def chosen(data: Pairs, table: np.ndarray, trees: np.ndarray, levels: np.ndarray) -> float:
    """Share of the trees in the mean of both [pairs, levels] that loses least; 0 unless more than chance speaks for it.

    Args:
        data: what came.
        table: quantiles by the table.
        trees: quantiles by the trees.
        levels: probabilities.
    """

    def by_period(quantiles: np.ndarray) -> np.ndarray:
        off = data.sales[:, None] - quantiles
        loss = np.maximum(levels * off, (levels - 1) * off).mean(axis=1)
        return np.bincount(period, loss)

    period = np.unique(data.column, return_inverse=True)[1]
    usual, best, gain = by_period(table), 0.0, 0.0
    for share in _SHARES:
        saved = usual - by_period((1 - share) * table + share * trees)
        chance = float(saved.std(ddof=1) * np.sqrt(len(saved))) if len(saved) > 1 else np.inf
        if saved.sum() > max(chance, gain):
            best, gain = share, float(saved.sum())
    return best
