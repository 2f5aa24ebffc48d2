"""What is known of how demand answers to prices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl


@dataclass(frozen=True, eq=False)
class PriceResponse:
    """Demand = what it is at the reference price x response.

    Attributes:
        keys: key columns, one row per series.
        reference: price at which elasticities hold, float64 [series]; NaN where no price is known.
        own: elasticity to the own price, float64 [series].
        own_error: standard error of it.
        cross: elasticity to the prices of all rivals together, float64 [series]; 0 where there are none.
        cross_error: standard error of it.
        power: curvature: elasticity grows as (price / reference) ** power; 0 = constant, 1 = exponential demand.
        lowest: lowest price seen, [series].
        highest: highest price seen, [series].
        varied: whether the own price varied enough to say something of this very series, bool [series].
        effects: other effects by name: what each does to the logarithm of demand, all series together.
        rivals: group of series whose prices are looked at together, int64 [series], -1 = none.
        member: number of every series within its group, int64 [series]; empty = only the rivals' mean price counts.
        pairs: elasticity to the price of each member of the group, float64 [series, members or 0].
    """

    keys: pl.DataFrame
    reference: np.ndarray
    own: np.ndarray
    own_error: np.ndarray
    cross: np.ndarray
    cross_error: np.ndarray
    power: float
    lowest: np.ndarray
    highest: np.ndarray
    varied: np.ndarray
    effects: dict[str, float]
    rivals: np.ndarray
    member: np.ndarray
    pairs: np.ndarray

    def log_answer(self, price: np.ndarray) -> np.ndarray:
        """Logarithm of what own prices do to demand, beside the reference.

        Args:
            price: [series] or [series, n], above 0.

        Returns:
            Of the same shape; 0 at the reference price.
        """
        shape = (-1,) + (1,) * (price.ndim - 1)
        moved = powered(np.log(price / self.reference.reshape(shape)), self.power)
        return np.nan_to_num(self.own.reshape(shape) * moved)

    def take(self, rows: np.ndarray) -> PriceResponse:
        """That of some series, by row number; rivals left out still stand for the prices that they had."""
        names = (
            *("keys", "reference", "own", "own_error", "cross", "cross_error", "lowest", "highest", "varied", "rivals"),
            *("pairs", *(("member",) if len(self.member) else ())),
        )
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def interval(self, level: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the own elasticity's interval, float64 [series] each."""
        from scipy.special import ndtri

        far = ndtri(0.5 + level / 2) * self.own_error
        return self.own - far, self.own + far

    def frame(self) -> pl.DataFrame:
        """One row per series: keys, reference, own and cross elasticity with errors, prices seen, if they varied."""
        names = ("reference", "own", "own_error", "cross", "cross_error", "lowest", "highest", "varied")
        return self.keys.with_columns(*(pl.Series(name, getattr(self, name), nan_to_null=True) for name in names))


def powered(moved: np.ndarray, power: float) -> np.ndarray:
    """Box-Cox of a price relative: (r^power - 1) / power of r = exp(moved)."""
    return moved if abs(power) < 1e-6 else np.expm1(power * moved) / power
