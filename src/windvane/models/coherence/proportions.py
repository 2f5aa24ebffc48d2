"""Bottom-up, top-down and middle-out: one level is believed, the others follow.

Sources: Gross and Sohl (1990), Journal of Forecasting 9, 233-254 (historical proportions); Athanasopoulos, Ahmed,
Hyndman (2009), International Journal of Forecasting 25, 146-166 (forecast proportions, middle-out).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from windvane.errors import ConfigError, ModelError
from windvane.grouping import sum_by
from windvane.models.coherence.hierarchy import Hierarchy, Level
from windvane.models.coherence.past import Past


@dataclass(frozen=True)
class BottomUp:
    """The forecasts of the series as they are."""

    @property
    def name(self) -> str:
        """Its name."""
        return "bottom_up"

    def bottom(self, hierarchy: Hierarchy, base: np.ndarray, past: Past | None = None) -> np.ndarray:
        """See :class:`windvane.models.coherence.method.Method`."""
        return np.maximum(base[hierarchy.bottom], 0).astype(np.float32)


@dataclass(frozen=True)
class TopDown:
    """One level's forecasts, split among the series below: top-down from the total, middle-out from any other level.

    Attributes:
        level: columns of the level that is believed; () = the total.
        by: what the shares are. "forecast": of the forecasts below, step by step. "history": of past actuals.
        through: finer levels on the way down, coarsest first, each nested in the one before: shares are then taken
            level by level, so that a level is split by its own forecasts, not by sums of those of the series.
    """

    level: tuple[str, ...] = ()
    by: Literal["forecast", "history"] = "forecast"
    through: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return f"top_down_{self.by}" if not self.level else f"middle_out_{'_'.join(self.level)}_{self.by}"

    def bottom(self, hierarchy: Hierarchy, base: np.ndarray, past: Past | None = None) -> np.ndarray:
        """See :class:`windvane.models.coherence.method.Method`.

        Where all shares of a group are 0 it is split evenly, so that no forecast is lost.
        """
        if self.by == "history" and past is None:
            raise ModelError(f"{self.name} splits by past actuals, and there are none.", "Give it the past.")
        weight = np.maximum(base.astype(np.float64), 0)
        if self.by == "history" and past is not None:
            mean = np.nan_to_num(past.actuals.astype(np.float64)).sum((1, 2))
            weight = np.maximum(np.repeat(mean[:, None], base.shape[1], axis=1), 0)
        above = hierarchy.level(self.level)
        if above is None:
            return BottomUp().bottom(hierarchy, base)
        value = np.maximum(base[above.nodes].astype(np.float64), 0)
        for columns in self.through:
            below = hierarchy.level(columns)
            if below is None:
                break
            value = _split(value, _parents(above, below), weight[below.nodes])
            above = below
        return _split(value, above.code, weight[hierarchy.bottom]).astype(np.float32)


def _parents(above: Level, below: Level) -> np.ndarray:
    """Group of the coarser level that every group of the finer one lies in."""
    parent = np.zeros(below.count, np.int64)
    parent[below.code] = above.code
    if (parent[below.code] != above.code).any():
        raise ConfigError(
            f"level {below.columns} is not nested in level {above.columns}.", "Leave it out of the way down."
        )
    return parent


def _split(value: np.ndarray, group: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Hand values of groups [groups, columns] to their rows by weight [rows, columns]."""
    total = sum_by(group, weight, len(value))
    size = np.bincount(group, minlength=len(value)).astype(np.float64)
    even = np.broadcast_to((1 / np.maximum(size, 1))[group][:, None], weight.shape)
    positive = (total > 0)[group]
    share = np.where(positive, weight / np.where(positive, total[group], 1.0), even)
    out: np.ndarray = value[group] * share
    return out
