"""Faulty batches of a simulated shop's products: stars fall at once, demand later.

The quality that buyers meet is given from outside, so that nothing goes round in a circle: while a faulty batch is
sold, reviews are written round fewer stars, and what customers read of it moves demand about two weeks later.

Source: Chevalier and Mayzlin, "The effect of word of mouth on sales: online book reviews", Journal of Marketing
Research 2006 (fewer stars, fewer sales).
"""

from __future__ import annotations

import numpy as np

from windvane.sim.draws import uniform
from windvane.sim.products import Products
from windvane.sim.settings import Settings

DROP = 1.5
"""Stars that a faulty batch costs."""
_SHORTEST, _LONGEST = 14, 42  # days that a faulty batch is sold
_FIRST, _LAST = 8, 20  # days back from which demand feels the quality


def batches(settings: Settings, seed: int, made: Products) -> tuple[np.ndarray, np.ndarray]:
    """First and last day of every product's faulty batch, -1 and -1 where there is none; [product] each."""
    chosen = uniform(seed, "faulty", made.number) < settings.faulty
    begin, end = np.maximum(made.launch, 0), np.minimum(made.end, settings.days - 1)
    first = begin + np.floor(0.8 * uniform(seed, "faulty from", made.number) * (end - begin)).astype(np.int64)
    length = _SHORTEST + np.floor((_LONGEST - _SHORTEST + 1) * uniform(seed, "faulty for", made.number))
    return np.where(chosen, first, -1), np.where(chosen, first + length.astype(np.int64) - 1, -1)


def met(settings: Settings, seed: int, made: Products, width: int) -> np.ndarray:
    """Stars by which the quality that buyers meet differs from the usual one, <= 0, [product, width]."""
    first, last = batches(settings, seed, made)
    days = np.arange(width)[None, :]
    return np.where((first[:, None] >= 0) & (days >= first[:, None]) & (days <= last[:, None]), -DROP, 0.0)


def felt(settings: Settings, quality: np.ndarray) -> np.ndarray:
    """What the quality of 8 to 20 days ago does to the logarithm of demand, [product, width].

    Args:
        settings: the shop.
        quality: stars by which it differs from the usual one, [product, width].
    """
    out = np.zeros(quality.shape)
    for back in range(_FIRST, _LAST + 1):
        out[:, back:] += quality[:, :-back]
    return settings.heed * out / (_LAST + 1 - _FIRST)
