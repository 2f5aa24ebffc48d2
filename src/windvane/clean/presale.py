"""Presales: who pays a deposit today wants the goods today, whenever the rest is paid.

The line of the final payment (a sale under the deposit's order_id and sku) is booked at the moment of the deposit, and
the deposit itself adds no units, so that demand counts once. A deposit that is not yet paid counts as demand while it
is younger than a number of days, and as none afterwards. Its age is taken at the newest order line that may be seen,
not at the clock, so that a view as of a day needs nothing later. The price of the goods is that of the deposit and that
of the final payment together.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from windvane.clean.lines import KEYS, SALE, Ruled, added, flagged, no_moves, taken_away

RULE = "presale"
_ORDER = ("order_id", "sku")


def booked(orders: pl.LazyFrame, days: int, net: bool) -> tuple[Ruled, pl.DataFrame]:
    """Book presales at the moment of their deposits.

    Args:
        orders: order lines as far as they may be seen.
        days: days for which an unpaid deposit counts.
        net: whether returns reduce revenue.

    Returns:
        What changes, and order_id, line and at (new moment) of the final payments.
    """
    deposits = orders.filter((pl.col("kind") == "presale deposit") & (pl.col("units") > 0)).collect()
    if not deposits.height:
        return Ruled(RULE), pl.DataFrame(schema={"order_id": pl.String, "line": pl.Int64, "at": pl.Datetime("us")})
    deposits = deposits.sort("ordered_at", *KEYS)
    units = pl.col("units")
    held = (pl.col("unit_price").fill_null(0.0) * units).sum() / units.sum()
    first = deposits.group_by(_ORDER, maintain_order=True).agg(
        pl.col("ordered_at").first().alias("at"), held.alias("__held")
    )
    paid = (
        orders.filter(SALE)
        .join(first.lazy(), on=list(_ORDER), how="inner")
        .filter(pl.col("ordered_at") >= pl.col("at"))
    )
    finals = paid.collect().sort(KEYS)
    what = pl.format("order {}: paid on {}, wanted on {}", "order_id", _day("ordered_at"), _day("at"))
    finals = finals.with_columns(what.alias("what"))
    whole = finals.with_columns(pl.col("unit_price") + pl.col("__held"))
    moves = [taken_away(finals, net), added(whole, net)]
    unpaid = deposits.join(finals.select(_ORDER).unique(), on=list(_ORDER), how="anti")
    newest = orders.select(pl.col("ordered_at").max()).collect().item()
    young = pl.col("ordered_at") > newest - timedelta(days=days)
    open_, lapsed = unpaid.filter(young), unpaid.filter(~young)
    waiting = pl.format("order {}: deposit not yet paid, counted for {} days", "order_id", pl.lit(days))
    gone = pl.format("order {}: deposit not paid within {} days", "order_id", pl.lit(days))
    moves.append(_as_sale(open_.with_columns(waiting.alias("what")), net))
    moves.append(flagged(lapsed.with_columns(gone.alias("what"))))
    settled = deposits.filter(~young)["order_id"].n_unique()
    kept = 1 - lapsed["order_id"].n_unique() / settled if settled else None
    note = "" if kept is None else f"; {kept:.0%} of the deposits older than {days} days were paid"
    ruled = Ruled(RULE, pl.concat([no_moves(), *moves]), None, deposits.height + finals.height, note=note)
    return ruled, finals.select(*KEYS, "at")


def at_deposit(orders: pl.LazyFrame, moved: pl.DataFrame) -> pl.LazyFrame:
    """Order lines with final payments at the moment of their deposits."""
    if not moved.height:
        return orders
    joined = orders.join(moved.lazy(), on=list(KEYS), how="left")
    return joined.with_columns(pl.coalesce("at", "ordered_at").alias("ordered_at")).drop("at")


def _as_sale(deposits: pl.DataFrame, net: bool) -> pl.DataFrame:
    # The price of a deposit is not the price of the goods: units count, money comes with the final payment.
    price = pl.lit(None, pl.Float64)
    sale = deposits.with_columns(
        pl.lit("sale").alias("kind"),
        price.alias("unit_price"),
        price.alias("discount"),
        pl.col("ordered_at").alias("at"),
    )
    return added(sale, net)


def _day(column: str) -> pl.Expr:
    return pl.col(column).dt.date()
