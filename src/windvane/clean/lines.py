"""Order lines and what each adds to its series and period: sums that line rules then adjust.

A line rule (duplicates, presale, fakes, returns) looks at few lines only. It says by how much the sums of their
periods change, so that the lines of a large shop are summed once and never copied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from windvane.schema import RAW

OTHER_KINDS = ("presale deposit", "gift", "suspected fake")
"""Kinds of order lines that are not demand as they stand."""

AMOUNTS = ("sold", "returned", "revenue", "paid_units", "paid", "discounted")
"""What a line adds: units sold and returned, money taken, units and money of sales with a price, discount."""

COUNTS = ("rows", "no_customer", "no_price", "zero_price", *OTHER_KINDS)

KEYS = ("order_id", "line")
SERIES = ("sku", "location")

SALE = (pl.col("kind") == "sale") & (pl.col("units") >= 0)
"""A line that sells."""
BACK = (pl.col("kind") == "return") | ((pl.col("kind") == "sale") & (pl.col("units") < 0))
"""A line that returns."""


@dataclass(frozen=True, eq=False)
class Ruled:
    """What one line rule did.

    Attributes:
        rule: its name in the table cleaning.
        moves: one row per line touched and period concerned: sku, location, at (moment), the change of each of
            :data:`AMOUNTS`, units (the line's), order_id, what (a clause that says why).
        gone: order_id and line of the lines that later rules no longer see.
        lines: number of lines concerned.
        net: whether returns reduce sales.
        note: what else is worth saying of them.
    """

    rule: str
    moves: pl.DataFrame = field(default_factory=lambda: no_moves())
    gone: pl.DataFrame | None = None
    lines: int = 0
    net: bool = True
    note: str = ""


def no_moves() -> pl.DataFrame:
    """The moves of a rule that found nothing."""
    orders = RAW["orders"]
    types = {name: orders[name].type for name in (*SERIES, "order_id")}
    amounts = dict.fromkeys((*AMOUNTS, "units"), pl.Float64())
    return pl.DataFrame(schema={**types, "at": pl.Datetime("us"), **amounts, "what": pl.String()})


def seen(orders: pl.LazyFrame, end: datetime | None) -> pl.LazyFrame:
    """Lines ordered and known by a moment; ``None`` = all."""
    if end is None:
        return orders
    return orders.filter((pl.col("ordered_at") <= end) & (pl.col("known_at") <= end))


def amounts(net: bool) -> list[pl.Expr]:
    """Expressions of :data:`AMOUNTS` for one line.

    Args:
        net: whether returns reduce revenue.
    """
    units, price, zero = pl.col("units"), pl.col("unit_price").fill_null(0.0), pl.lit(0.0)
    priced = SALE & (price > 0)
    taken = pl.when(SALE).then(units * price).when(BACK & net).then(-units.abs() * price).otherwise(zero)
    return [
        pl.when(SALE).then(units).otherwise(zero).alias("sold"),
        pl.when(BACK).then(units.abs()).otherwise(zero).alias("returned"),
        taken.alias("revenue"),
        pl.when(priced).then(units).otherwise(zero).alias("paid_units"),
        pl.when(priced).then(units * price).otherwise(zero).alias("paid"),
        pl.when(SALE).then(pl.col("discount").fill_null(0.0)).otherwise(zero).alias("discounted"),
    ]


def cells(orders: pl.LazyFrame, net: bool, unit: str) -> pl.DataFrame:
    """Sum the order lines of every series and day (or hour).

    Args:
        orders: rows of the table orders.
        net: whether returns reduce revenue.
        unit: frequency; "1h" sums by hour, every other by day.

    Returns:
        One row per sku, location and at (Date, or Datetime for hours): :data:`AMOUNTS`, lines (sales) and largest
        (units of the largest of them), counts of lines by what they lack, last_at (for the watermark).
    """
    at = pl.col("ordered_at").dt.truncate("1h") if unit == "1h" else pl.col("ordered_at").dt.date()
    count = pl.UInt32()
    lazy = (
        orders.with_columns(at.alias("at"))
        .group_by(*SERIES, "at")
        .agg(
            *(amount.sum() for amount in amounts(net)),
            SALE.sum().cast(count).alias("lines"),
            pl.when(SALE).then(pl.col("units")).max().alias("largest"),
            pl.len().cast(count).alias("rows"),
            pl.col("customer").is_null().sum().cast(count).alias("no_customer"),
            (SALE & pl.col("unit_price").is_null()).sum().cast(count).alias("no_price"),
            (SALE & (pl.col("unit_price") == 0)).sum().cast(count).alias("zero_price"),
            *((pl.col("kind") == kind).sum().cast(count).alias(kind) for kind in OTHER_KINDS),
            pl.col("ordered_at").max().alias("last_at"),
        )
    )
    return _rounded(lazy).sort(*SERIES, "at").collect()


def _rounded(sums: pl.LazyFrame) -> pl.LazyFrame:
    # Sums over threads differ in the last bits from run to run; rounding makes the result repeatable.
    return sums.with_columns(
        pl.col("sold", "returned", "paid_units").round(6), pl.col("revenue", "paid", "discounted").round(4)
    )


def adjusted(rows: pl.DataFrame, ruled: list[Ruled]) -> pl.DataFrame:
    """The sums of :func:`cells` after line rules: sku, location, at and :data:`AMOUNTS`."""
    kept = rows.select(*SERIES, "at", *AMOUNTS)
    changing = pl.any_horizontal(pl.col(AMOUNTS) != 0)
    hours = rows.schema["at"] != pl.Date()
    at = pl.col("at").dt.truncate("1h") if hours else pl.col("at").dt.date()
    moves = pl.concat([no_moves(), *(r.moves for r in ruled)]).filter(changing).select(*SERIES, at, *AMOUNTS)
    if not moves.height:
        return kept
    touched = pl.col("sku").is_in(moves["sku"].unique().implode())
    parts = [kept.filter(touched), moves]
    summed = pl.concat(parts).lazy().group_by(*SERIES, "at").agg(pl.col(AMOUNTS).sum())
    return pl.concat([kept.filter(~touched), _rounded(summed).sort(*SERIES, "at").collect()])


def taken_away(found: pl.DataFrame, net: bool) -> pl.DataFrame:
    """Moves that undo lines at their own moment (columns of orders, and what)."""
    undone = (-amount for amount in amounts(net))
    return _moves(found.with_columns(pl.col("ordered_at").alias("at"), *undone))


def added(found: pl.DataFrame, net: bool) -> pl.DataFrame:
    """Moves that add lines at the moment ``at`` (columns of orders, at and what)."""
    return _moves(found.with_columns(*amounts(net)))


def flagged(found: pl.DataFrame) -> pl.DataFrame:
    """Moves that change nothing, for lines that are only pointed out (columns of orders, and what)."""
    return _moves(found.with_columns(pl.col("ordered_at").alias("at"), *(pl.lit(0.0).alias(a) for a in AMOUNTS)))


def _moves(frame: pl.DataFrame) -> pl.DataFrame:
    empty = no_moves()
    return frame.select(empty.columns).cast(dict(empty.schema))  # type: ignore[arg-type]


def without(orders: pl.LazyFrame, ruled: list[Ruled], *key: str) -> pl.LazyFrame:
    """Lines that no rule has taken away; by other key columns where they are named."""
    left_out = gone(ruled)
    return orders.join(left_out.lazy(), on=list(key or KEYS), how="anti") if left_out.height else orders


def gone(ruled: list[Ruled]) -> pl.DataFrame:
    """order_id and line of the lines that rules have taken away."""
    none = pl.DataFrame(schema={name: RAW["orders"][name].type for name in KEYS})
    return pl.concat([none, *(r.gone for r in ruled if r.gone is not None)])


def by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Orders per day, as :func:`windvane.clean.watermark.window` needs them."""
    return (
        rows.lazy()
        .group_by(pl.col("at").cast(pl.Date).alias("day"))
        .agg(
            pl.col("last_at").max(),
            (pl.col("last_at") != pl.col("at").cast(pl.Date).cast(pl.Datetime("us"))).any().alias("timed"),
            pl.col("rows").sum(),
        )
        .sort("day")
        .collect()
    )


def line_counts(rows: pl.DataFrame) -> dict[str, int]:
    """Totals of the counts that :func:`cells` keeps, by name."""
    totals = rows.select(pl.col(COUNTS).cast(pl.Int64).sum()).row(0, named=True) if rows.height else {}
    return {name: int(totals.get(name) or 0) for name in COUNTS}
