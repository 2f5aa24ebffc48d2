"""Running numbers within groups, over a file that is read in chunks.

The lines of an order nearly always stand together, so that carrying one count from chunk to chunk numbers them
exactly. Whether any group came again later shows at the end, from the spilled counts of all groups; if one did, the
file is read a second time with the counts known (:class:`Offsets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windvane.ingest.spill import Hashes, Numbers, Spill

_COUNT_BITS = 32  # of a pair's number: chunk in the upper bits, count in the lower


class Offsets:
    """How many rows of a group stood in earlier chunks, for groups that occur in several.

    Args:
        folder: where the counts are kept; its owner removes it.
        name: start of the names of the files.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._chunks: set[int] = set()

    @classmethod
    def of(cls, spill: Spill, folder: Path, name: str) -> Offsets | None:
        """The counts that a first reading spilled; ``None`` where no group came again."""
        made = cls(folder, name)
        for hashes, numbers in spill.repeats():
            made._take(hashes, numbers)
        return made if made._chunks else None

    def _take(self, hashes: Hashes, numbers: Numbers) -> None:
        chunks = numbers >> _COUNT_BITS
        counts = numbers & ((1 << _COUNT_BITS) - 1)
        before = np.cumsum(counts) - counts
        starts = np.concatenate([[True], hashes[1:] != hashes[:-1]])
        before -= np.repeat(before[starts], np.diff(np.append(np.flatnonzero(starts), len(hashes))))
        order = np.argsort(chunks, kind="stable")
        pairs = np.empty((len(hashes), 2), np.uint64)
        pairs[:, 0], pairs[:, 1] = hashes[order], before.view(np.uint64)[order]
        found, first = np.unique(chunks[order], return_index=True)
        for chunk, part in zip(found.tolist(), np.split(pairs, first[1:]), strict=True):
            with self._path(chunk).open("ab") as stream:
                part.tofile(stream)
            self._chunks.add(chunk)

    def chunk(self, index: int) -> tuple[Hashes, Numbers]:
        """Groups of a chunk that stood in earlier ones, sorted by hash, and how many rows they had there."""
        if index not in self._chunks:
            return np.empty(0, np.uint64), np.empty(0, np.int64)
        pairs = np.fromfile(self._path(index), np.uint64).reshape(-1, 2)
        pairs = pairs[np.argsort(pairs[:, 0])]
        return np.ascontiguousarray(pairs[:, 0]), pairs[:, 1].view(np.int64)

    def _path(self, chunk: int) -> Path:
        return self._folder / f"{self._name}-{chunk:06d}.offsets"


class Numbering:
    """Numbers the rows of one file, chunk by chunk.

    Args:
        spill: takes the groups' counts in; ``None`` where nobody will ask whether a group came again.
        offsets: what a first reading found, on the second.
    """

    def __init__(self, spill: Spill | None = None, offsets: Offsets | None = None) -> None:
        self._spill = spill
        self._offsets = offsets
        self._index = 0
        self._held: _Held | None = None

    def chunk(self, groups: pl.DataFrame) -> pl.Series:
        """Number, from 1, of every row of the next chunk among the rows with equal values."""
        hashes = groups.hash_rows().to_numpy()
        index, self._index = self._index, self._index + 1
        if not len(hashes):
            return pl.Series([], dtype=pl.Int64)
        starts = np.concatenate([[0], np.flatnonzero(hashes[1:] != hashes[:-1]) + 1])
        lengths = np.diff(np.append(starts, len(hashes)))
        names, group = np.unique(hashes[starts], return_inverse=True)
        before = self._before(names, index)
        # Where a group's rows do not stand together, each of its runs goes on where the one before ended.
        offset = before[group]
        counts = lengths
        if len(names) < len(starts):
            order = np.argsort(group, kind="stable")
            ended = np.cumsum(lengths[order])
            firsts = np.flatnonzero(np.diff(group[order], prepend=-1))
            counts = np.add.reduceat(lengths[order], firsts)
            within = ended - lengths[order] - np.repeat(ended[firsts] - lengths[order][firsts], np.bincount(group))
            offset[order] += within
        else:
            counts = np.empty_like(lengths)
            counts[group] = lengths
        self._note(names, counts, before, int(group[-1]), index)
        return pl.Series(np.arange(1, len(hashes) + 1) - np.repeat(starts - offset, lengths))

    def finish(self) -> None:
        """Spill what is still held after the last chunk."""
        self._push_held()

    def _before(self, names: Hashes, index: int) -> Numbers:
        """Rows that each group had in earlier chunks, as far as known."""
        before = np.zeros(len(names), np.int64)
        if self._offsets is not None:
            known, counts = self._offsets.chunk(index)
            place = np.minimum(np.searchsorted(known, names), max(len(known) - 1, 0))
            if len(known):
                hit = known[place] == names
                before[hit] = counts[place[hit]]
        if self._held is not None:
            before[names == self._held.name] = self._held.base + self._held.count
        return before

    def _note(self, names: Hashes, counts: Numbers, before: Numbers, last: int, index: int) -> None:
        """Spill the counts; hold the last row's group back, since it may go on in the next chunk."""
        others = np.ones(len(names), bool)
        others[last] = False
        if self._held is not None:
            mine = np.flatnonzero(names == self._held.name)
            if len(mine):
                self._held.count += int(counts[mine[0]])
                others[mine[0]] = False
        if self._spill is not None and others.any():
            self._spill.add(names[others], counts[others] | (index << _COUNT_BITS))
        if self._held is None or self._held.name != int(names[last]):
            self._push_held()
            self._held = _Held(int(names[last]), int(counts[last]), int(before[last]), index)

    def _push_held(self) -> None:
        if self._held is not None and self._spill is not None:
            number = self._held.count | (self._held.chunk << _COUNT_BITS)
            self._spill.add(np.array([self._held.name], np.uint64), np.array([number], np.int64))
        self._held = None


@dataclass
class _Held:
    """The group of the last row so far: its rows since its first chunk, and those it had before that chunk."""

    name: int
    count: int
    base: int
    chunk: int
