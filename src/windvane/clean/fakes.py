"""Orders that look like brushing (刷单): bought to raise a sales count, not to have the goods.

Two signatures, both judged by the day and what came before it:

* a burst: far more order lines of one product in a day than its last four weeks and the shop's other sales on that
  day let expect, outside its promotions, and most of them of one kind: an order of a single unit and nothing
  else, by a customer whom the shop has not seen before, or who ordered the same product on the same day or within the
  week before. How common orders of new customers are otherwise is measured in the shop itself, so that a shop with
  many of them needs a purer burst;
* one customer who orders a single unit of the same product, and nothing else, again and again within a day.

No single order proves anything: what is found is a suspicion with its numbers, and by default only flagged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.clean.lines import KEYS, SALE, SERIES, Ruled, flagged, taken_away

RULE = "suspected fake"

PAST_DAYS = 28
"""Days before that a burst is judged against."""
LEAST = 6
"""Fewest suspicious orders of a burst."""
TIMES = 3.0
"""How many times what is expected a burst must be, besides six standard deviations above it."""
PURE = 0.6
"""Least share of suspicious orders in a burst."""
AGAIN = 4
"""Orders of one unit by one customer in a day that are too many."""

_SURE = 4.0  # standard errors by which a burst must be purer than the shop
_SIGMAS = 6.0
_WEEK = 7
_LEAST_KNOWN = 0.5  # share of lines with a customer below which nothing can be said


@dataclass(frozen=True, eq=False)
class Seen:
    """What the suspicion is drawn from.

    Attributes:
        lines: order lines.
        cells: their sums, from :func:`windvane.clean.lines.cells`.
        orders: the orders, from :func:`windvane.clean.duplicates.by_order`.
    """

    lines: pl.LazyFrame
    cells: pl.DataFrame
    orders: pl.DataFrame


def can_tell(cells: pl.DataFrame) -> bool:
    """Whether enough order lines name their customer."""
    rows = int(cells["rows"].sum())
    return int(cells["no_customer"].sum()) <= (1 - _LEAST_KNOWN) * rows


def suspected(seen: Seen, promotions: pl.DataFrame, net: bool, drop: bool) -> Ruled:
    """Find order lines that look like brushing.

    Args:
        seen: the order lines and their sums.
        promotions: table promotions as far as it may be seen.
        net: whether returns reduce revenue.
        drop: take them out; otherwise they are only pointed out.
    """
    days = _days(seen.cells)
    if not days.height:
        return Ruled(RULE)
    found = pl.concat([_burst_lines(seen, _bursts(days, promotions)), _same_customer(seen)])
    found = found.unique(KEYS, keep="first", maintain_order=True)
    if not found.height:
        return Ruled(RULE)
    rows = seen.lines.join(found.lazy(), on=list(KEYS), how="inner").collect().sort(KEYS)
    if not drop:
        return Ruled(RULE, flagged(rows), lines=rows.height)
    return Ruled(RULE, taken_away(rows, net), rows.select(KEYS), rows.height)


def _days(cells: pl.DataFrame) -> pl.DataFrame:
    """Order lines that sell per series and day; cells are sorted, and so are these."""
    sold = cells.filter(pl.col("lines") > 0).select(
        *SERIES, pl.col("at").cast(pl.Date).alias("day"), pl.col("lines").cast(pl.Int64)
    )
    if cells.schema["at"] == pl.Date():
        return sold
    return sold.group_by(*SERIES, "day", maintain_order=True).agg(pl.col("lines").sum())


def _bursts(days: pl.DataFrame, promotions: pl.DataFrame) -> pl.DataFrame:
    """Series and days with far more lines than usual: sku, location, day, lines, expected."""
    day = days["day"].to_physical().cast(pl.Int64).to_numpy()
    series = days.select(pl.struct(SERIES).rle_id()).to_series().cast(pl.Int64).to_numpy()
    lines = days["lines"].to_numpy()
    many = np.flatnonzero(lines >= LEAST)
    first = int(day.min())
    span = int(day.max()) - first + 1 + PAST_DAYS
    key = series * span + (day - first)
    before = np.concatenate([[0], np.cumsum(lines)])
    start = np.searchsorted(series, series[many])
    since = np.minimum(day[many] - day[start], PAST_DAYS)
    oldest = np.maximum(np.searchsorted(key, key[many] - PAST_DAYS), start)
    rate = (before[many] - before[oldest]) / np.maximum(since, 1)
    # The rest of the shop on that day against its own four weeks: a festival lifts everything.
    whole = np.bincount(day - first, weights=lines, minlength=span)
    total = np.concatenate([[0.0], np.cumsum(whole)])
    at = day[many] - first
    low = np.maximum(at - PAST_DAYS, 0)
    usual = (total[at] - total[low]) / np.maximum(at - low, 1) - rate
    lift = np.maximum((whole[at] - lines[many]) / np.maximum(usual, 1.0), 1.0)
    # A product seldom sold may sell a few: never less than one line is expected.
    expected = np.maximum(rate * lift, 1.0)
    high = (lines[many] > TIMES * expected) & (lines[many] > expected + _SIGMAS * np.sqrt(expected))
    found = days[many[high]].with_columns(pl.Series("expected", expected[high]))
    return _outside(found, promotions)


def _outside(found: pl.DataFrame, promotions: pl.DataFrame) -> pl.DataFrame:
    """Those days on which no promotion of the product that was known by then runs."""
    spans = promotions.select("sku", pl.col("location").alias("__place"), "starts_on", "ends_on", "known_at")
    covered = found.join(spans, on="sku").filter(
        pl.col("__place").is_in(["all"]) | (pl.col("__place") == pl.col("location")),
        pl.col("day").is_between(pl.col("starts_on"), pl.col("ends_on")),
        pl.col("known_at").dt.date() <= pl.col("day"),
    )
    return found.join(covered.select(*SERIES, "day").unique(), on=[*SERIES, "day"], how="anti")


def _burst_lines(seen: Seen, bursts: pl.DataFrame) -> pl.DataFrame:
    """Suspicious lines of those bursts that are mostly made of them: order_id, line, what."""
    none = pl.DataFrame(schema={"order_id": pl.String, "line": pl.Int64, "what": pl.String})
    if not bursts.height:
        return none
    orders = seen.orders.filter(pl.col("customer").is_not_null()).with_columns(pl.col("at").dt.date().alias("day"))
    new = pl.col("single") & (pl.col("day") == pl.col("day").min().over("customer"))
    orders = orders.with_columns(new.alias("new"))
    lines = _odd(seen, bursts, orders)
    judged = (
        lines.group_by(*SERIES, "day")
        .agg(pl.len().alias("n"), pl.col("odd").sum().cast(pl.Int64).alias("oddities"))
        .join(_shares(orders.select("day", pl.col("new").alias("odd"))), on="day", how="left")
        .with_columns(pl.col("share").fill_null(1 / 3))
    )
    n, p = pl.col("n"), pl.col("share")
    judged = judged.filter(
        pl.col("oddities") >= LEAST,
        pl.col("oddities") >= PURE * n,
        pl.col("oddities") - n * p > _SURE * (n * p * (1 - p) + 0.25).sqrt(),
    )
    what = pl.format(
        "{} orders in a day where {} are expected; {} of them a single unit for a customer never seen before or back "
        "within a week",
        "n", pl.col("expected").round(1), "oddities",
    )  # fmt: skip
    found = lines.filter("odd").join(judged, on=[*SERIES, "day"], how="inner").sort("ordered_at", *KEYS)
    return pl.concat([none, found.with_columns(what.alias("what")).select(*KEYS, "what")])


def _odd(seen: Seen, bursts: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Lines of the bursts, with whether each is odd: a single unit alone, for a customer who is new or back for it."""
    day = pl.col("ordered_at").dt.date().alias("day")
    near = seen.lines.filter(SALE & pl.col("sku").is_in(bursts["sku"].unique().implode()))
    lines = near.select(*KEYS, *SERIES, day, "ordered_at", "customer").collect()
    lines = lines.join(orders.select("order_id", "single", "new"), on="order_id", how="left").with_columns(
        pl.col("single", "new").fill_null(False)
    )
    inside = lines.join(bursts, on=[*SERIES, "day"], how="inner")
    # The same customer's other orders of the same product, on the day or up to a week before.
    back = inside.select(*KEYS, *SERIES, "customer", "day").join(
        lines.select("order_id", *SERIES, "customer", pl.col("day").alias("__then")),
        on=[*SERIES, "customer"],
        suffix="_other",
    )
    ago = (pl.col("day") - pl.col("__then")).dt.total_days()
    back = (
        back.filter((pl.col("order_id") != pl.col("order_id_other")) & ago.is_between(0, _WEEK)).select(KEYS).unique()
    )
    inside = inside.join(back.with_columns(pl.lit(True).alias("back")), on=list(KEYS), how="left")
    odd = pl.col("single") & (pl.col("new") | pl.col("back").fill_null(False))
    return inside.with_columns(odd.alias("odd"))


def _shares(orders: pl.DataFrame) -> pl.DataFrame:
    """Share of suspicious orders in the shop over the four weeks before each day: day, share.

    Drawn towards one third where orders are few, for a young shop's share says little.
    """
    daily = orders.group_by("day").agg(pl.len().alias("__all"), pl.col("odd").sum().alias("__odd")).sort("day")
    past = daily.rolling("day", period=f"{PAST_DAYS}d", closed="left").agg(pl.col("__all", "__odd").sum())
    return past.select("day", ((pl.col("__odd") + 5) / (pl.col("__all") + 15)).alias("share"))


def _same_customer(seen: Seen) -> pl.DataFrame:
    """Lines of customers who order a single unit of one product again and again within a day."""
    day = pl.col("at").dt.date()
    orders = seen.orders.filter(pl.col("single") & pl.col("pure") & pl.col("customer").is_not_null())
    orders = orders.filter(pl.struct("customer", day).is_duplicated())
    orders = orders.filter(pl.len().over("customer", day) >= AGAIN).select("order_id", day.alias("day"))
    lines = seen.lines.select(*KEYS, *SERIES, "customer").join(orders.lazy(), on="order_id", how="inner").collect()
    again = lines.with_columns(pl.len().over(*SERIES, "day", "customer").alias("times")).filter(
        pl.col("times") >= AGAIN
    )
    what = pl.format("one customer ordered a single unit of it {} times in a day", "times")
    return again.sort(KEYS).with_columns(what.alias("what")).select(*KEYS, "what")
