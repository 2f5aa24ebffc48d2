"""Which hashes occur more than once, among more of them than memory should hold.

Pairs of a 64-bit hash and a number are kept in memory up to a bound and beyond it on disk, sorted into partitions
by their first bits, so that equal hashes end up in one partition whatever they came with (the partitioning step of
the Grace hash join: Kitsuregawa, Tanaka, Moto-oka 1983). A hash that occurs once proves that its row is unique; one
that repeats may be chance, so that whoever drops rows must compare them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

HELD = 1 << 21
"""Pairs kept in memory (16 bytes each)."""

_BITS = 6


class Spill:
    """Pairs of a hash and a number.

    Args:
        folder: where to write what memory should not hold; its owner removes it.
        name: start of the names of the files written.
        held: pairs kept in memory; :data:`HELD` where absent.
    """

    def __init__(self, folder: Path, name: str, held: int | None = None) -> None:
        self._folder = folder
        self._name = name
        self._held = HELD if held is None else held
        self._hashes: list[Hashes] = []
        self._numbers: list[Numbers] = []
        self._count = 0
        self._written: list[tuple[Path, npt.NDArray[np.int64]]] = []

    def add(self, hashes: Hashes, numbers: Numbers) -> None:
        """Take pairs in; both arrays have one entry per pair."""
        self._hashes.append(hashes)
        self._numbers.append(numbers)
        self._count += len(hashes)
        if self._count > self._held:
            self._flush()

    def repeats(self) -> Iterator[tuple[Hashes, Numbers]]:
        """The pairs whose hash occurs more than once, part by part, sorted by hash, then number.

        Equal hashes are always in the same part.
        """
        if not self._written:
            if self._count:
                yield from _repeats(np.concatenate(self._hashes), np.concatenate(self._numbers))
            return
        self._flush()
        for part in range(1 << _BITS):
            slices = [self._slice(path, ends, part) for path, ends in self._written]
            pairs = np.concatenate(slices)
            yield from _repeats(np.ascontiguousarray(pairs[:, 0]), pairs[:, 1].view(np.int64))

    def _flush(self) -> None:
        if not self._count:
            return
        hashes, numbers = np.concatenate(self._hashes), np.concatenate(self._numbers)
        parts = (hashes >> np.uint64(64 - _BITS)).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        pairs = np.empty((len(hashes), 2), np.uint64)
        pairs[:, 0] = hashes[order]
        pairs[:, 1] = numbers.view(np.uint64)[order]
        path = self._folder / f"{self._name}-{len(self._written):04d}.pairs"
        pairs.tofile(path)
        ends = np.cumsum(np.bincount(parts, minlength=1 << _BITS))
        self._written.append((path, ends))
        self._hashes, self._numbers, self._count = [], [], 0

    def _slice(self, path: Path, ends: npt.NDArray[np.int64], part: int) -> Hashes:
        start = int(ends[part - 1]) if part else 0
        count = 2 * (int(ends[part]) - start)
        return np.fromfile(path, np.uint64, count, offset=start * 16).reshape(-1, 2)


def _repeats(hashes: Hashes, numbers: Numbers) -> Iterator[tuple[Hashes, Numbers]]:
    """The pairs of one part whose hash repeats, if there are any."""
    ordered = np.sort(hashes)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return
    chosen = np.isin(hashes, np.unique(again))
    hashes, numbers = hashes[chosen], numbers[chosen]
    order = np.lexsort((numbers, hashes))
    yield hashes[order], numbers[order]
