"""Which differences are real: paired bootstrap over series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Gain:
    """Loss saved by one model against another, as a share of the other's.

    Attributes:
        value: the share saved; negative where it loses.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
    """

    value: float
    low: float
    high: float


def paired_gain(loss: np.ndarray, other: np.ndarray, resamples: int, seed: int) -> Gain:
    """Gain of one model over another with its paired bootstrap interval.

    Whole series (with all their folds) are resampled, both models on the same ones, so that the noise they share
    cancels. Series that move together make the true interval wider than this one.

    Args:
        loss: loss of the model, summed per series [series].
        other: loss of the other on the same series [series].
        resamples: number of bootstrap samples.
        seed: seed.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, percentile interval.
    """
    total = float(other.sum())
    if not len(loss) or total <= 0:
        return Gain(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        weight = np.bincount(rng.integers(0, len(loss), len(loss)), minlength=len(loss))
        base = float(weight @ other)
        values[i] = 1 - float(weight @ loss) / base if base > 0 else 0.0
    low, high = np.quantile(values, [0.025, 0.975])
    return Gain(1 - float(loss.sum()) / total, float(low), float(high))
