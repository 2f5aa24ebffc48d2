"""Partial pooling: many unsure estimates, arranged in a tree, each drawn to those that it stands among.

Every estimate is normal round its own truth, truths round that of their parent, parents round theirs. How far truths
lie apart at each level is found from the estimates themselves (empirical Bayes); given that, the posterior is exact
(messages up and down the tree).

Sources: Paule and Mandel (1982), Consensus values and weighting factors, J. Res. NBS 87 (the spread); Gelman and Hill
(2006), Data Analysis Using Regression and Multilevel/Hierarchical Models, chapters 12 and 18.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FLAT = 1e12
_STEPS = 60


def spread(value: np.ndarray, variance: np.ndarray, group: np.ndarray) -> float:
    """Variance of the truths within groups, beyond what the estimates' own variances explain.

    Solves ``sum (value - mean of its group)^2 / (variance + spread) = count - groups``.

    Args:
        value: estimates [n].
        variance: theirs, above 0; infinite = says nothing.
        group: number of each one's group, int [n].
    """
    says = np.isfinite(variance)
    value, variance = value[says], variance[says]
    code = np.unique(group[says], return_inverse=True)[1]
    groups = int(code.max(initial=-1)) + 1
    free = len(value) - groups
    if free < 1:
        return 0.0

    def excess(tau: float) -> float:
        weight = 1 / (variance + tau)
        mean = np.bincount(code, weight * value) / np.bincount(code, weight)
        return float((weight * (value - mean[code]) ** 2).sum()) - free

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(np.var(value)) + 1e-9
    while excess(high) > 0:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def pool(
    value: np.ndarray, variance: np.ndarray, parents: Sequence[np.ndarray], prior: tuple[float, float] = (0.0, _FLAT)
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Posterior of every truth.

    Args:
        value: estimates [n].
        variance: theirs, above 0; infinite = says nothing.
        parents: from below upwards: the parent of each estimate, int [n]; the parent's parent, by parent; and so on.
            All of the topmost have one root.
        prior: mean and variance of the root.

    Returns:
        Posterior means and variances [n], and the spread (variance) found at each level, from below, the topmost
        round the root last.

    Example:
        >>> mean, variance, _ = pool(np.array([1.0, 3.0]), np.array([1.0, np.inf]), [])
        >>> bool(mean[1] == mean[0])
        True
    """
    above = [*parents, np.zeros(1 + int(parents[-1].max()) if parents else len(value), np.int64)]
    values, variances, spreads = [value], [np.maximum(variance, 1e-12)], []
    for code in above:
        tau = spread(values[-1], variances[-1], code)
        spreads.append(tau)
        count = int(code.max(initial=-1)) + 1
        weight = 1 / (variances[-1] + tau)
        total = np.bincount(code, weight, count)
        sums = np.bincount(code, weight * np.where(weight > 0, values[-1], 0.0), count)
        says = total > 0
        values.append(np.where(says, sums / np.where(says, total, 1.0), 0.0))
        variances.append(np.where(says, 1 / np.where(says, total, 1.0), np.inf))
    precision = 1 / variances[-1] + 1 / prior[1]
    mean = (values[-1] / variances[-1] + prior[0] / prior[1]) / precision
    for level in range(len(above) - 1, -1, -1):
        code, tau = above[level], spreads[level]
        # What the parent knows but for this child's own word.
        own = 1 / (variances[level] + tau)
        told = np.where(own > 0, values[level], 0.0)
        rest = np.maximum(precision[code] - own, 1 / _FLAT)
        expected = (mean[code] * precision[code] - told * own) / rest
        before = 1 / (1 / rest + tau)
        word = 1 / variances[level]
        precision = before + word
        mean = (expected * before + np.where(word > 0, values[level], 0.0) * word) / precision
    return mean, 1 / precision, spreads


def below_zero(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Means of normal distributions cut off above 0: never positive, and as good as the mean where 0 is far away."""
    from scipy.special import log_ndtr

    error = np.sqrt(variance)
    at = -mean / np.maximum(error, 1e-12)
    # phi(at) / Phi(at) by logarithms, since both vanish where the mean is far above 0.
    ratio = np.exp(-(at**2) / 2 - 0.5 * np.log(2 * np.pi) - log_ndtr(at))
    return np.minimum(mean - error * ratio, 0.0)
