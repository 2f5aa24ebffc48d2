"""Bulk orders: single lines far beyond what the series is usually bought in.

A line is judged by the earlier lines of its own series alone: it must be larger than all of the last ones, and larger
than median + factor x spread of their logarithms (spread: scaled median absolute deviation, at least that of halving
or doubling). Sizes that the series has seen are its business, so that a wholesaler's shop is not flagged wholesale; nor
is a line of a customer who bought as much of it before.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import polars as pl
from numba import njit

from windvane.clean.lines import KEYS, SALE, SERIES, Ruled, flagged, taken_away

RULE = "bulk order"

PAST = 200
"""Earlier lines of the series that a line is judged by, at most."""
LEAST_PAST = 20
"""Earlier lines that a judgement needs."""
FACTOR = 6.0
"""Spreads above the median of the logarithms."""
LEAST_UNITS = 8
"""Units below which no line is called bulk."""
_LEAST_SPREAD = 0.35  # half a doubling
_TO_SIGMA = 1.4826
_SAME = 0.5
"""Share of its size that the same customer must have bought before for a line to be usual."""
_SUMMED = 1.05
"""Mean lines per series and day below which lines are sums of a day, not orders."""


def _limits_py(logs, start, wanted, out):  # type: ignore[no-untyped-def]
    """Limit of every wanted row: logs float64 [rows] sorted by series and moment, start int64 [rows] of its series."""
    past = np.empty(PAST, np.float64)
    for i in range(len(wanted)):
        row = wanted[i]
        begin = max(start[row], row - PAST)
        count = row - begin
        if count < LEAST_PAST:
            continue
        largest = -1e300
        for k in range(count):
            past[k] = logs[begin + k]
            largest = max(largest, past[k])
        if logs[row] <= largest:
            continue
        part = np.sort(past[:count])
        middle = 0.5 * (part[(count - 1) // 2] + part[count // 2])
        away = np.sort(np.abs(part - middle))
        spread = _TO_SIGMA * 0.5 * (away[(count - 1) // 2] + away[count // 2])
        limit = max(middle + FACTOR * max(spread, _LEAST_SPREAD), largest)
        if logs[row] > limit:
            out[i] = math.exp(limit)


_limits = njit("void(float64[::1], int64[::1], int64[::1], float64[::1])", nogil=True, cache=True)(_limits_py)


def lines(orders: pl.LazyFrame, cells: pl.DataFrame, net: bool, do: Literal["cap", "drop", "flag"]) -> Ruled:
    """Find bulk order lines.

    Args:
        orders: order lines.
        cells: their sums.
        net: whether returns reduce revenue.
        do: cap them at their limit, drop them, or only flag them.
    """
    usual = cells.filter(pl.col("lines") > 0)
    if not usual.height or usual["lines"].sum() < _SUMMED * usual.height:
        return Ruled(RULE)
    # Only a series' largest line so far can be bulk: most series have none that late and that large.
    large = usual.select(*SERIES, "at", "lines", "largest").filter(
        pl.col("sku").is_in(usual.filter(pl.col("largest") >= LEAST_UNITS)["sku"].unique().implode())
    )
    record = pl.col("largest") > pl.col("largest").cum_max().shift(1, fill_value=0).over(SERIES)
    late = pl.col("lines").cum_sum().over(SERIES) > LEAST_PAST
    series = large.filter((pl.col("largest") >= LEAST_UNITS) & record & late).select(SERIES).unique()
    columns = [*KEYS, "__series", "ordered_at", "units", "customer"]
    near = orders.filter(SALE & (pl.col("units") > 0)).join(series.with_row_index("__series").lazy(), on=list(SERIES))
    # Lines of one moment and size are alike here: neither is larger than the other.
    sold = near.select(columns).sort("__series", "ordered_at", "units").collect()
    if not sold.height:
        return Ruled(RULE)
    found = _beyond(sold)
    if not found.height:
        return Ruled(RULE)
    limit = pl.col("__limit").floor() if _whole(sold) else pl.col("__limit").round(3)
    what = pl.format(
        "order {}: {} units, where earlier lines stay within {}", "order_id", _plain("units"), limit.cast(pl.String)
    )
    rows = orders.join(found.lazy().select(*KEYS, "__limit"), on=list(KEYS), how="inner").collect().sort(KEYS)
    rows = rows.with_columns(what.alias("what"))
    if do == "flag":
        return Ruled(RULE, flagged(rows), lines=rows.height)
    if do == "cap":
        over = rows.with_columns((pl.col("units") - limit).alias("units"), pl.lit(0.0).alias("discount"))
        return Ruled(RULE, taken_away(over, net), lines=rows.height)
    return Ruled(RULE, taken_away(rows, net), rows.select(KEYS), rows.height)


def _beyond(sold: pl.DataFrame) -> pl.DataFrame:
    """Rows beyond their limit, with ``__limit``; sold is sorted by series and moment."""
    units = sold["units"].to_numpy()
    series = sold["__series"].to_numpy()
    start = np.searchsorted(series, series, side="left").astype(np.int64)
    wanted = np.flatnonzero(units >= LEAST_UNITS).astype(np.int64)
    limit = np.full(len(wanted), np.nan)
    _limits(np.log(units), start, wanted, limit)
    high = ~np.isnan(limit)
    found = sold[wanted[high]].with_columns(pl.Series("__limit", limit[high]))
    # What the same customer bought before, before that moment.
    earlier = found.join(
        sold.select("__series", "customer", "ordered_at", "units"), on=["__series", "customer"], suffix="_before"
    ).filter((pl.col("ordered_at_before") < pl.col("ordered_at")) & (pl.col("units_before") >= _SAME * pl.col("units")))
    return found.join(earlier.select(KEYS).unique(), on=list(KEYS), how="anti")


def _whole(sold: pl.DataFrame) -> bool:
    return bool((sold["units"] == sold["units"].round(0)).all())


def _plain(column: str) -> pl.Expr:
    number = pl.col(column).round(2)
    return (
        pl.when(number == number.floor()).then(number.cast(pl.Int64).cast(pl.String)).otherwise(number.cast(pl.String))
    )
