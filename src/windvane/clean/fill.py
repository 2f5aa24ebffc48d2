"""From sparse sums to a calendar-complete grid: true zeros, not yet launched, ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.clean.lines import AMOUNTS, SERIES
from windvane.clean.watermark import Window
from windvane.panel import ACTIVE, ENDED, PRELAUNCH

_GAPS = 8
"""A series has ended only after this many of its usual gaps without a sale."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Sums of order lines on the calendar.

    Attributes:
        keys: sku and location, sorted, one row per series.
        sold: units sold, float32 [series, time]; likewise the others.
        returned: units returned.
        revenue: money taken.
        price: average price paid; NaN where nothing was sold with a price.
        discount: discount as a share of the undiscounted price; NaN where nothing was sold; None if there is none.
    """

    keys: pl.DataFrame
    sold: np.ndarray
    returned: np.ndarray
    revenue: np.ndarray
    price: np.ndarray
    discount: np.ndarray | None

    def take(self, rows: np.ndarray) -> Grid:
        """The grid of some series, by row number."""
        return Grid(
            self.keys[rows],
            self.sold[rows],
            self.returned[rows],
            self.revenue[rows],
            self.price[rows],
            None if self.discount is None else self.discount[rows],
        )


def grid(rows: pl.DataFrame, calendar: Window) -> Grid:
    """Lay the sums of :func:`windvane.clean.lines.adjusted` on the calendar.

    Series without a sale in the window have no row.
    """
    column = calendar.columns(rows["at"])
    rows = rows.select(*SERIES, *AMOUNTS)
    rows = rows.with_columns(pl.Series("__column", column)).filter(pl.col("__column").is_between(0, calendar.time - 1))
    keys = (
        rows.lazy()
        .group_by("sku", "location")
        .agg(pl.col("sold").sum())
        .filter(pl.col("sold") > 0)
        .select("sku", "location")
        .sort("sku", "location")
        .collect()
    )
    placed = rows.lazy().join(keys.with_row_index("__series").lazy(), on=["sku", "location"])
    placed = placed.drop("sku", "location")
    if calendar.freq.unit in ("1w", "1mo"):
        placed = placed.group_by("__series", "__column").agg(pl.all().sum())
    cells = placed.collect()
    where = cells["__series"].to_numpy().astype(np.int64) * calendar.time + cells["__column"].to_numpy()

    def lay(name: str) -> np.ndarray:
        out = np.zeros(keys.height * calendar.time, np.float32)
        out[where] = cells[name].to_numpy()
        return out.reshape(keys.height, calendar.time)

    paid_units, paid = cells["paid_units"].to_numpy(), cells["paid"].to_numpy()
    priced = paid_units > 0
    price = np.full(keys.height * calendar.time, np.nan, np.float32)
    price[where[priced]] = paid[priced] / paid_units[priced]
    discount: np.ndarray | None = None
    off = cells["discounted"].to_numpy()
    if (off > 0).any():
        share = np.full(keys.height * calendar.time, np.nan, np.float32)
        share[where[priced]] = np.clip(off[priced] / (paid[priced] + off[priced]), 0, 1)
        discount = share.reshape(keys.height, calendar.time)
    return Grid(keys, lay("sold"), lay("returned"), lay("revenue"), price.reshape(keys.height, calendar.time), discount)


def states(
    sold: np.ndarray, launched: np.ndarray, ended_on: np.ndarray, ended_after: int, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Life stage of every series and period.

    Args:
        sold: units sold [series, time]; every series sold at least once.
        launched: column of a launch known from elsewhere (products, prices), int64 [series]; ``time`` = unknown.
        ended_on: column of the last day on sale known from products, int64 [series]; ``time`` = unknown.
        ended_after: days without a sale after which a series may have ended.
        step: mean days per period.

    Returns:
        State int8 [series, time] (PRELAUNCH, ACTIVE, ENDED) and the usual gap between sales in periods,
        float64 [series] (NaN where there was one sale).
    """
    time = sold.shape[1]
    selling = sold > 0
    first = selling.argmax(1)
    last = time - 1 - selling[:, ::-1].argmax(1)
    times = selling.sum(1)
    gap = np.where(times > 1, (last - first) / np.maximum(times - 1, 1), np.nan)
    launch = np.clip(np.minimum(first, launched), 0, time - 1)
    silence = time - 1 - last
    quiet = (silence * step >= ended_after) & (silence >= _GAPS * np.nan_to_num(gap, nan=0.0))
    declared = ended_on < time - 1
    end = np.where(declared, np.maximum(last, ended_on), np.where(quiet, last, time))
    columns = np.arange(time)[None, :]
    state = np.where(columns < launch[:, None], PRELAUNCH, ACTIVE).astype(np.int8)
    state[columns > end[:, None]] = ENDED
    return state, gap


def carry_forward(values: np.ndarray) -> np.ndarray:
    """Fill NaN with the last value before it, in place by row; leading NaN stay. Returns its argument."""
    seen = np.where(np.isnan(values), 0, np.arange(values.shape[1], dtype=np.int32)[None, :])
    np.maximum.accumulate(seen, axis=1, out=seen)
    values[:] = np.take_along_axis(values, seen, axis=1)
    return values


def long_gaps(sold: np.ndarray, state: np.ndarray, step: float, days: int = 60) -> np.ndarray:
    """Longest run of zero periods between two sales of series where it is unusual, int64 [series]; else 0.

    Unusual means at least ``days`` days and eight times the usual gap: often a stock-out that no table tells.
    """
    out = np.zeros(len(sold), np.int64)
    for row in np.flatnonzero((state == ACTIVE).sum(1) * step >= days):
        at = np.flatnonzero(sold[row] > 0)
        if len(at) > 2:
            typical = float(np.median(np.diff(at)))
            longest = int(np.diff(at).max())
            if longest * step >= days and longest >= _GAPS * typical:
                out[row] = longest
    return out
