"""Who belongs to whom: any grouping of series by static and key columns, crossed or nested.

A summing matrix is never formed. A level is one code per series; a level that is nested in a finer one is summed from
it, so that only few levels touch every series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from windvane.errors import ConfigError, ModelError
from windvane.grouping import sum_by
from windvane.panel import Panel

BOTTOM = -1
"""Source of a level that is summed from the series themselves."""


@dataclass(frozen=True, eq=False)
class Level:
    """One grouping of all series.

    Attributes:
        columns: the columns whose values make a group; () = the total of all series.
        code: group of every series, int32 [series], from 0, groups sorted by their values.
        names: values of the columns, one row per group; no column for the total.
        start: node number of the first group.
        source: index of the finer level it is summed from, BOTTOM = the series.
        within: group of every group of that source, int32 [groups of the source].
    """

    columns: tuple[str, ...]
    code: np.ndarray
    names: pl.DataFrame
    start: int
    source: int
    within: np.ndarray

    @property
    def count(self) -> int:
        """Number of groups."""
        return max(self.names.height, 1)

    @property
    def nodes(self) -> slice:
        """Its nodes."""
        return slice(self.start, self.start + self.count)

    @property
    def label(self) -> str:
        """Its columns as one word; "total" for the total."""
        return "/".join(self.columns) or "total"


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A hierarchy: levels of groups, and the series below them.

    Nodes are numbered level by level as given, groups sorted within a level, the series last in the panel's order.

    Attributes:
        keys: key columns of the series, one row each.
        levels: the levels above the series.
        same: levels that group the series as another one does (or one by one): their columns -> that one's columns.
            They are left out, so that no method counts the same forecast twice.
    """

    keys: pl.DataFrame
    levels: tuple[Level, ...]
    same: dict[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def of(cls, panel: Panel, levels: Sequence[tuple[str, ...]]) -> Hierarchy:
        """The hierarchy of a panel's series.

        Args:
            panel: the series, with their key and static columns.
            levels: columns of each level, as tuples; () = the total. The series need not be named.

        Raises:
            ConfigError: a column does not exist, or a level is named twice.
        """
        return cls.of_columns(panel.keys, panel.static, levels)

    @classmethod
    def of_columns(cls, keys: pl.DataFrame, static: pl.DataFrame, levels: Sequence[tuple[str, ...]]) -> Hierarchy:
        """The hierarchy of series described by key columns and static columns, one row per series.

        Raises:
            ConfigError: a column does not exist, or a level is named twice.
        """
        if keys.height == 0:
            raise ConfigError("a hierarchy needs at least one series.", "Give a panel with series.")
        columns = {**{n: static[n] for n in static.columns}, **{n: keys[n] for n in keys.columns}}
        wanted = [tuple(level) for level in levels]
        for level in wanted:
            for name in level:
                if name not in columns:
                    raise ConfigError(
                        f"level {level} names the column {name!r}, which the series do not have.",
                        f"Choose from {', '.join(columns)}.",
                    )
            if wanted.count(level) > 1:
                raise ConfigError(f"level {level} is named twice.", "Name every level once.")
        single = {name: _codes(columns[name]) for name in {n for level in wanted for n in level}}
        kept: list[tuple[tuple[str, ...], np.ndarray, np.ndarray]] = []
        seen: dict[bytes, tuple[str, ...]] = {}
        same: dict[tuple[str, ...], tuple[str, ...]] = {}
        for level in wanted:
            code, first = _cross([single[name] for name in level], keys.height)
            # Codes number the groups in order of their values; only the partition says whether levels are the same.
            mark = first[code].astype(np.int32).tobytes()
            if len(first) == keys.height or mark in seen:
                same[level] = seen.get(mark, tuple(keys.columns))
                continue
            seen[mark] = level
            kept.append((level, code, first))
        return cls(keys, _linked(columns, kept), same)

    @property
    def series(self) -> int:
        """Number of series."""
        return self.keys.height

    @cached_property
    def nodes(self) -> int:
        """Number of nodes, the series included."""
        return sum(level.count for level in self.levels) + self.series

    @property
    def bottom(self) -> slice:
        """Nodes that are series."""
        return slice(self.nodes - self.series, self.nodes)

    def level(self, columns: Sequence[str]) -> Level | None:
        """The level of these columns; None where it groups the series one by one.

        Raises:
            ConfigError: there is no such level.
        """
        wanted = tuple(columns)
        for found in self.levels:
            if found.columns in (wanted, self.same.get(wanted)):
                return found
        if wanted in self.same or wanted == tuple(self.keys.columns):
            return None
        raise ConfigError(
            f"the hierarchy has no level {wanted}.", f"Its levels are {[level.columns for level in self.levels]}."
        )

    @cached_property
    def finest_first(self) -> tuple[int, ...]:
        """Indices of the levels, every one after the level it is summed from."""
        return tuple(sorted(range(len(self.levels)), key=lambda i: -self.levels[i].count))

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of series in every node, float64 [nodes]."""
        return self.sums(np.ones(self.series))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Values of all nodes from those of the series.

        Args:
            values: [series, ...]; no NaN.

        Returns:
            float64 [nodes, ...].
        """
        self._check(values, self.series)
        out = np.empty((self.nodes, *values.shape[1:]))
        out[self.bottom] = values
        for index in self.finest_first:
            level = self.levels[index]
            source = values if level.source == BOTTOM else out[self.levels[level.source].nodes]
            out[level.nodes] = sum_by(level.within, source, level.count)
        return out

    def frame(self) -> pl.DataFrame:
        """One row per node: ``level`` (columns joined by "/", "total"), ``node`` (values joined by "/"), ``series``."""
        parts = [(level.label, level.names) for level in self.levels]
        parts.append(("/".join(self.keys.columns), self.keys))
        rows = [
            pl.DataFrame(
                {
                    "level": [label] * max(names.height, 1),
                    "node": names.select(pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="/"))
                    .to_series()
                    .to_list()
                    if names.width
                    else ["total"],
                }
            )
            for label, names in parts
        ]
        return pl.concat(rows).with_columns(pl.Series("series", self.sizes.astype(np.int64)))

    def _check(self, values: np.ndarray, rows: int) -> None:
        if len(values) != rows:
            raise ModelError(f"the hierarchy needs {rows} rows, not {len(values)}.", "Keep the order of its nodes.")


def _codes(column: pl.Series) -> tuple[np.ndarray, int]:
    """Rank of every value among the distinct ones, int64 [rows], and their number; an empty cell is a value too."""
    text = column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column
    values = text.unique().sort(nulls_last=True)
    ranks = pl.DataFrame({"value": values, "rank": np.arange(len(values))})
    joined = pl.DataFrame({"value": text}).join(ranks, on="value", how="left", nulls_equal=True, maintain_order="left")
    return joined["rank"].to_numpy().astype(np.int64), len(values)


def _cross(parts: Sequence[tuple[np.ndarray, int]], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Group of every row under several columns, int32 [rows], and the first row of every group, int64 [groups]."""
    mixed, top = np.zeros(rows, np.int64), 1
    for code, count in parts:
        if top > np.iinfo(np.int64).max // max(count, 1):
            mixed = np.unique(mixed, return_inverse=True)[1].astype(np.int64)
            top = int(mixed.max()) + 1
        mixed = mixed * count + code
        top *= count
    _, first, code = np.unique(mixed, return_index=True, return_inverse=True)
    return code.astype(np.int32), first


def _linked(
    columns: dict[str, pl.Series], kept: Sequence[tuple[tuple[str, ...], np.ndarray, np.ndarray]]
) -> tuple[Level, ...]:
    """Levels, each summed from the coarsest finer level that it is nested in."""
    levels: list[Level] = []
    start = 0
    by_size = sorted(range(len(kept)), key=lambda i: len(kept[i][2]))
    for names, code, first in kept:
        source, within = BOTTOM, code
        for other in by_size:
            finer, finer_first = kept[other][1:]
            if len(finer_first) > len(first) and (code[finer_first][finer] == code).all():
                source, within = other, code[finer_first]
                break
        table = pl.DataFrame({n: columns[n][first] for n in names})
        levels.append(Level(names, code, table, start, source, np.ascontiguousarray(within, dtype=np.int32)))
        start += len(first)
    return tuple(levels)
