"""Randomness that depends on the seed and on what it is for, never on how the work was split.

A product has a :class:`numpy.random.Generator` of its own, spawned by its number. What is drawn per order line,
basket or customer comes from a counter instead: a hash of the seed, a purpose and whole numbers.
"""

from __future__ import annotations

import zlib
from functools import reduce

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def generators(seed: int, purpose: int, numbers: np.ndarray) -> list[np.random.Generator]:
    """One generator per number.

    Args:
        seed: seed of the shop.
        purpose: keeps generators for different things apart.
        numbers: numbers of the products (or whatever else is numbered).
    """
    return [
        np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(purpose, int(n))))) for n in numbers
    ]


def uniform(seed: int, purpose: str, *numbers: np.ndarray | int) -> np.ndarray:
    """Uniform values in [0, 1), float64, one per row of the broadcast numbers.

    The mixing function is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014).

    Args:
        seed: seed of the shop.
        purpose: keeps draws for different things apart.
        numbers: what the draw is for, as whole numbers that are not negative.
    """
    start = _mix(np.asarray((seed << 20) ^ zlib.crc32(purpose.encode()), np.uint64).reshape(1))
    mixed = reduce(lambda state, n: _mix(state ^ _mix(np.asarray(n).astype(np.uint64))), numbers, start)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(value: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        value = value + _GOLDEN
        value = (value ^ (value >> np.uint64(30))) * _ONE
        value = (value ^ (value >> np.uint64(27))) * _TWO
        return value ^ (value >> np.uint64(31))
