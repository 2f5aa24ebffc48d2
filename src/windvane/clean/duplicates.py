"""Orders that are on file twice: exported twice under one number, or placed twice within seconds.

Equal lines within an order are no duplicates as such: a till scans the same item twice, a picker adds a line. They are
where every line of the order is there equally often and there are at least three different ones: then the order as a
whole was written twice. Two orders are one where the same customer placed the same basket again within two minutes,
as a double click does, or where one holds, to the moment, nothing that the other does not, as a repeated import
under new numbers does. The later copy is the duplicate, so that nothing later is looked at.
"""

from __future__ import annotations

import polars as pl

from windvane.clean.lines import KEYS, SALE, SERIES, Ruled, flagged, taken_away
from windvane.schema import RAW

RULE = "duplicate order"

WITHIN = 120
"""Seconds within which the same basket of the same customer is the same order."""

_LEAST_KINDS = 3
"""Different lines that an order must have for its doubling to be no chance."""
_MOST_COPIES = 3
"""Times that a double click repeats an order at most."""
_CONTENT = (*SERIES, "units", "unit_price", "ordered_at")


def by_order(orders: pl.LazyFrame) -> pl.DataFrame:
    """What tells orders apart or alike, one row per order.

    Args:
        orders: order lines.

    Returns:
        order_id, lines (count), customer, at (moment), pure (all lines sell), single (one unit of one product and
        nothing else), basket (the same for the same goods), even (0 where every line is there an even number of times).
    """
    units = pl.col("units")
    goods = pl.struct(*SERIES, "units", "unit_price").hash(seed=2)
    # A sum of hashes does not depend on the order of the lines; short enough not to overflow. Equal hashes cancel out
    # in pairs under exclusive or.
    return (
        orders.group_by("order_id")
        .agg(
            pl.len().alias("lines"),
            pl.col("customer").first(),
            pl.col("ordered_at").min().alias("at"),
            (SALE & (units > 0)).all().alias("pure"),
            ((pl.len() == 1) & (units.first() == 1)).alias("single"),
            (goods % (1 << 40)).sum().alias("basket"),
            goods.bitwise_xor().alias("even"),
        )
        .collect()
    )


def twice(orders: pl.LazyFrame, sums: pl.DataFrame, net: bool, drop: bool) -> Ruled:
    """Find the lines of second copies of orders.

    Args:
        orders: order lines.
        sums: the orders, from :func:`by_order`.
        net: whether returns reduce revenue.
        drop: take them out; otherwise they are only pointed out.
    """
    found = pl.concat([_doubled(orders, sums), _again(orders, sums), _within(orders, sums)]).unique(
        KEYS, keep="first", maintain_order=True
    )
    if not found.height:
        return Ruled(RULE)
    if not drop:
        return Ruled(RULE, flagged(found), lines=found.height)
    return Ruled(RULE, taken_away(found, net), found.select(KEYS), found.height)


def _doubled(orders: pl.LazyFrame, sums: pl.DataFrame) -> pl.DataFrame:
    """Lines of orders each of whose lines is there equally often, but for the first of each."""
    wanted = sums.filter((pl.col("even") == 0) & (pl.col("lines") >= 2 * _LEAST_KINDS)).select("order_id")
    if not wanted.height:
        return _with_reason(orders.head(0).collect(), pl.lit(""))
    found = orders.join(wanted.lazy(), on="order_id", how="semi").collect().sort(KEYS)
    copies = pl.len().over("order_id", *_CONTENT)
    copy = pl.int_range(pl.len()).over("order_id", *_CONTENT)
    found = found.with_columns(copies.alias("__times"), copy.alias("__copy"))
    times = pl.col("__times")
    whole = (times == times.first()).all() & (times.first() >= 2) & (pl.len() >= _LEAST_KINDS * times.first())
    found = found.filter(whole.over("order_id") & (pl.col("__copy") > 0))
    return _with_reason(found, pl.format("order {} is there {} times line by line", pl.col("order_id"), times))


def _again(orders: pl.LazyFrame, sums: pl.DataFrame) -> pl.DataFrame:
    """Lines of orders whose customer placed the same basket shortly before."""
    timed = pl.col("at") != pl.col("at").dt.truncate("1d")
    same = ["customer", "basket", "lines"]
    sums = sums.filter(pl.col("pure") & pl.col("customer").is_not_null() & timed)
    sums = sums.filter(pl.struct(same).is_duplicated()).sort(*same, "at", "order_id")
    # Who does it again and again means it: that is a matter for the rule on fakes.
    sums = sums.filter(pl.len().over(*same, pl.col("at").dt.date()) <= _MOST_COPIES)
    gap = (pl.col("at") - pl.col("at").shift(1).over(same)).dt.total_seconds()
    wanted = sums.with_columns(pl.col("order_id").shift(1).over(same).alias("__first"), gap.alias("__gap"))
    wanted = wanted.filter(pl.col("__gap") <= WITHIN).select("order_id", "__first", "__gap")
    if not wanted.height:
        return _with_reason(orders.head(0).collect(), pl.lit(""))
    found = orders.join(wanted.lazy(), on="order_id", how="inner").collect().sort(KEYS)
    what = "order {} repeats order {} of the same customer after {} seconds"
    return _with_reason(found, pl.format(what, pl.col("order_id"), pl.col("__first"), pl.col("__gap")))


def _within(orders: pl.LazyFrame, sums: pl.DataFrame) -> pl.DataFrame:
    """Lines of orders that another order of the same customer and moment holds as well."""
    timed = pl.col("at") != pl.col("at").dt.truncate("1d")
    sums = sums.filter(pl.col("pure") & pl.col("customer").is_not_null() & timed)
    sums = sums.filter(pl.struct("customer", "at").is_duplicated()).select("order_id", "at", "lines", "customer")
    if not sums.height:
        return _with_reason(orders.head(0).collect(), pl.lit(""))
    lines = orders.join(sums.select("order_id", "lines").lazy(), on="order_id", how="inner").collect().sort(KEYS)
    same = [*_CONTENT, "customer"]
    lines = lines.with_columns(pl.int_range(pl.len()).over("order_id", *same).alias("__copy"))
    one = lines.select("order_id", "lines", "__copy", *same)
    pairs = one.join(
        one.select("order_id", "lines", "__copy", *same), on=["__copy", *same], suffix="_other", nulls_equal=True
    )
    # The larger order is the original; of two alike the one with the lower number.
    copy = (pl.col("lines") < pl.col("lines_other")) | (
        (pl.col("lines") == pl.col("lines_other")) & (pl.col("order_id") > pl.col("order_id_other"))
    )
    held = (
        pairs.filter(copy).group_by("order_id", "order_id_other").agg(pl.len().alias("__held"), pl.col("lines").first())
    )
    held = (
        held.filter(pl.col("__held") == pl.col("lines"))
        .sort("order_id", "order_id_other")
        .unique("order_id", keep="first")
    )
    found = lines.drop("lines", "__copy").join(held.select("order_id", "order_id_other"), on="order_id").sort(KEYS)
    what = pl.format("order {} holds at the same moment only what order {} does", "order_id", "order_id_other")
    return _with_reason(found, what)


def _with_reason(found: pl.DataFrame, what: pl.Expr) -> pl.DataFrame:
    columns = [name for name in found.columns if name in RAW["orders"].names]
    return found.with_columns(what.alias("what")).select(*columns, "what")
