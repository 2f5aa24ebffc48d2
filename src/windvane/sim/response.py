"""How the demand of a simulated shop answers to prices and promotions, its own and those of the product beside it.

Own price, in shapes that agree in their elasticity e at the first price and differ elsewhere; r is price over first
price:

- constant elasticity: r^e;
- exponential: exp(e (r - 1));
- linear: 1 + e (r - 1), not below 0.02;
- logit: the share that chooses the product over none at all, exp(a - b r) / (1 + exp(a - b r)), which is 0.3 at r = 1.

Products come in pairs. What price and promotions do to the logarithm of one product's demand, they do to the other's
in the opposite direction, ``rival`` times as strongly, where the two are substitutes (cannibalisation), and in the same
direction where they are complements (halo; ``rival`` is below 0). What a promotion sells in addition was in part to be
bought later (pull-forward): it is missing in the two weeks after, most at first.

Source: van Heerde, Leeflang and Wittink, "Decomposing the sales promotion bump with store data", Marketing Science 2004
(what a promotion's extra units are made of).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.sim.draws import uniform

SHAPES = ("constant", "exponential", "linear", "logit")
AFTER = 14
"""Days after a promotion in which less is bought."""
_LEAST = 0.02
_SHARE = 0.3
_COMPLEMENTS = 0.25
_FADES = 0.8 ** np.arange(AFTER)
_MOST = 0.8


def shape_of(seed: int, number: np.ndarray, share: float) -> np.ndarray:
    """Index into SHAPES per product; ``share`` of the products have another shape than constant elasticity."""
    others = len(SHAPES) - 1
    which = 1 + np.minimum((uniform(seed, "shape", number) * others).astype(np.int64), others - 1)
    return np.where(uniform(seed, "shaped", number) < share, which, 0)


def rival_of(seed: int, number: np.ndarray, strength: float) -> np.ndarray:
    """How a product answers to the one beside it: above 0 = substitutes, below 0 = complements; the same for both."""
    family = number // 2
    sign = np.where(uniform(seed, "complements", family) < _COMPLEMENTS, -0.5, 1.0)
    return strength * sign * (0.5 + uniform(seed, "rival", family))


def log_response(elasticity: np.ndarray, shape: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Logarithm of the answer to a price; all three arrays broadcast.

    Args:
        elasticity: at the first price, <= 0.
        shape: index into SHAPES.
        ratio: price over first price, above 0.
    """
    e, r = np.broadcast_arrays(elasticity, ratio)
    slope = -e / (1 - _SHARE)
    start = np.log(_SHARE / (1 - _SHARE)) + slope
    logit = -np.logaddexp(0.0, -(start - slope * r)) - np.log(_SHARE)
    answers = (e * np.log(r), e * (r - 1), np.log(np.maximum(1 + e * (r - 1), _LEAST)), logit)
    return np.select([shape == k for k in range(len(SHAPES))], answers)


def pulled(promotions: pl.DataFrame, count: int, width: int, share: float) -> np.ndarray:
    """Logarithm of what promotions leave of the demand of the days after them, [count, width].

    Args:
        promotions: row (of the product), start, stop, price_effect, feature_effect.
        count: number of products.
        width: number of days.
        share: share of a promotion's extra units that would have been bought after it.
    """
    out = np.zeros((count, width))
    for p in promotions.iter_rows(named=True):
        extra = max(p["price_effect"] * p["feature_effect"] - 1, 0.0) * (p["stop"] - p["start"] + 1)
        missing = np.minimum(share * extra * _FADES / _FADES.sum(), _MOST)
        last = min(p["stop"] + 1 + AFTER, width)
        out[p["row"], p["stop"] + 1 : last] += np.log1p(-missing[: last - p["stop"] - 1])
    return np.maximum(out, np.log1p(-_MOST))
