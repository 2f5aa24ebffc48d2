"""What every data set gives, and how a long table becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from windvane.panel import Panel


@dataclass(frozen=True, eq=False)
class Grouping:
    """Sums of series that are forecast and scored too.

    Attributes:
        name: what it groups by.
        code: group of every series, int64 [series], from 0.
        names: names of the groups.
        local: whether all series of a group lie in one part of :attr:`DataSet.part` rows.
    """

    name: str
    code: np.ndarray
    names: tuple[str, ...]
    local: bool = False


@dataclass(frozen=True, eq=False)
class DataSet:
    """One data set.

    Attributes:
        name: its name, also of its folder.
        horizon: periods forecast.
        windows: how many first periods are summed to test the uncertainty of sums.
        origins: last periods of history; settings are tuned on the earlier half.
        load: gives the panel as of a cutoff, with the futures that were known then.
        actuals: gives what came after a cutoff, float32 [series, horizon], NaN = unknown; None where it is not at hand.
        groupings: gives the sums of series of a panel, coarsest first.
        part: rows of a part of sample paths; see :attr:`Grouping.local`.
    """

    name: str
    horizon: int
    windows: tuple[int, ...]
    origins: tuple[date, ...]
    load: Callable[[date], Panel]
    actuals: Callable[[date], np.ndarray | None]
    groupings: Callable[[Panel], Sequence[Grouping]]
    part: int = 512


def from_table(
    name: str,
    horizon: int,
    windows: tuple[int, ...],
    origins: int,
    whole: Callable[[], Panel],
    group: str | None = None,
) -> DataSet:
    """A data set whose panel is cut from one that holds all of the history.

    Series that had not begun by a cutoff are left out there. The origins lie a horizon apart, the newest a horizon
    before the end.

    Args:
        name: its name.
        horizon: periods forecast.
        windows: see :class:`DataSet`.
        origins: their number.
        whole: makes the panel of all history.
        group: static column to sum by, besides all.
    """
    everything = cache(whole)

    def rows(column: int) -> np.ndarray:
        return np.flatnonzero(everything().launch <= column)

    def at(cutoff: date) -> int:
        panel = everything()
        return panel.freq.number(cutoff) - panel.first

    def load(cutoff: date) -> Panel:
        return everything().as_of(cutoff).take(rows(at(cutoff)))

    def actuals(cutoff: date) -> np.ndarray | None:
        start = at(cutoff) + 1
        panel = everything()
        if start + horizon > panel.shape[1]:
            return None
        return panel.sales[rows(at(cutoff)), start : start + horizon]

    def last() -> tuple[date, ...]:
        panel = everything()
        columns = [panel.shape[1] - 1 - horizon * (i + 1) for i in range(origins)][::-1]
        return tuple(panel.dates[column] for column in columns)

    return DataSet(name, horizon, windows, last(), load, actuals, lambda panel: sums_of(panel, group))


def sums_of(panel: Panel, group: str | None) -> list[Grouping]:
    """All series together, and by one static column."""
    found = [Grouping("total", np.zeros(panel.shape[0], np.int64), ("total",))]
    if group is not None:
        texts = panel.static[group].cast(pl.String).fill_null("")
        names = texts.unique().sort()
        code = texts.replace_strict(names, pl.Series(range(len(names))), return_dtype=pl.Int64)
        found.append(Grouping(group, code.to_numpy(), tuple(names.to_list())))
    return found
