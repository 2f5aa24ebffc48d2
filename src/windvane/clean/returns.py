"""What an order line means for demand: sales count, returns reduce, the rest is left out and reported."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

OTHER_KINDS = ("presale deposit", "gift", "suspected fake")
"""Kinds of order lines that are not demand."""

_COUNTS = ("rows", "no_customer", "no_price", "zero_price", *OTHER_KINDS)


def cells(orders: pl.LazyFrame, end: datetime | None, net: bool) -> pl.DataFrame:
    """Sum the order lines of every series and day.

    Args:
        orders: rows of the table orders.
        end: leave out lines ordered or known later than this moment; ``None`` = keep all.
        net: whether returns reduce revenue.

    Returns:
        One row per sku, location and day: sold and returned (units), revenue (money taken, less refunds if
        ``net``), paid_units and paid (units and money of sales with a price), discount (money), counts of lines
        by what they lack, timed and last_at (for the watermark).
    """
    if end is not None:
        orders = orders.filter((pl.col("ordered_at") <= end) & (pl.col("known_at") <= end))
    units, price = pl.col("units"), pl.col("unit_price").fill_null(0.0)
    sale = (pl.col("kind") == "sale") & (units >= 0)
    back = (pl.col("kind") == "return") | ((pl.col("kind") == "sale") & (units < 0))
    priced = sale & (price > 0)
    zero = pl.lit(0.0)
    taken = pl.when(sale).then(units * price).when(back & net).then(-units.abs() * price).otherwise(zero)
    lazy = (
        orders.with_columns(pl.col("ordered_at").dt.date().alias("day"))
        .group_by("sku", "location", "day")
        .agg(
            pl.when(sale).then(units).otherwise(zero).sum().alias("sold"),
            pl.when(back).then(units.abs()).otherwise(zero).sum().alias("returned"),
            taken.sum().alias("revenue"),
            pl.when(priced).then(units).otherwise(zero).sum().alias("paid_units"),
            pl.when(priced).then(units * price).otherwise(zero).sum().alias("paid"),
            pl.when(sale).then(pl.col("discount").fill_null(0.0)).otherwise(zero).sum().alias("discount"),
            pl.len().cast(pl.UInt32).alias("rows"),
            pl.col("customer").is_null().sum().cast(pl.UInt32).alias("no_customer"),
            (sale & pl.col("unit_price").is_null()).sum().cast(pl.UInt32).alias("no_price"),
            (sale & (pl.col("unit_price") == 0)).sum().cast(pl.UInt32).alias("zero_price"),
            *((pl.col("kind") == kind).sum().cast(pl.UInt32).alias(kind) for kind in OTHER_KINDS),
            pl.col("ordered_at").max().alias("last_at"),
        )
        # Sums over threads differ in the last bits from run to run; rounding makes the result repeatable.
        .with_columns(
            pl.col("sold", "returned", "paid_units").round(6),
            pl.col("revenue", "paid", "discount").round(4),
        )
        .sort("sku", "location", "day")
    )
    return lazy.collect()


def by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Orders per day, as :func:`windvane.clean.watermark.window` needs them."""
    return (
        rows.lazy()
        .group_by("day")
        .agg(
            pl.col("last_at").max(),
            (pl.col("last_at") != pl.col("day").cast(pl.Datetime("us"))).any().alias("timed"),
            pl.col("rows").sum(),
        )
        .sort("day")
        .collect()
    )


def line_counts(rows: pl.DataFrame) -> dict[str, int]:
    """Totals of the counts that :func:`cells` keeps, by name."""
    totals = rows.select(pl.col(_COUNTS).cast(pl.Int64).sum()).row(0, named=True) if rows.height else {}
    return {name: int(totals.get(name) or 0) for name in _COUNTS}


def net_sales(sold: np.ndarray, returned: np.ndarray, net: bool) -> np.ndarray:
    """Raw sales float32 [series, time]: sold, less returned if ``net``; may be negative."""
    return sold - returned if net else sold.copy()
