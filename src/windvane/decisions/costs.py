"""What a unit earns, costs and takes to get: per series, from the tables or from stated assumptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time

import numpy as np
import polars as pl

from windvane.config import Decide
from windvane.decisions.terms import KEEPS, Terms
from windvane.ledger import Rates
from windvane.panel import Panel
from windvane.schema import RAW

Read = Callable[[str], pl.LazyFrame]
"""Rows of a raw table by its name; empty with the right columns where it is absent."""

ALL = "all"
LEADS = 10
"""Lead times that stand for their distribution."""
_LEAST_RECEIPTS, _TINY = 3, 1e-4
_TOOK = (pl.col("received_at") - pl.col("ordered_at")).dt.total_seconds() / 86_400  # days that a delivery took


def seen(read: Read, name: str, as_of: date | None) -> pl.DataFrame:
    """Rows of a raw table that were known at the end of a day (all of them where it is absent)."""
    table = read(name)
    if as_of is not None:
        table = table.filter(pl.col("known_at") <= datetime.combine(as_of, time.max))
    # Where a reader gives several versions of a row, the latest of those seen counts.
    rows = table.collect().sort("known_at", maintain_order=True)
    return rows.unique(RAW[name].key, keep="last", maintain_order=True)


def exported(read: Read, plan: str, as_of: date | None) -> pl.DataFrame:
    """Lines of a plan that have left the house, sku, location, starts_on, days and new (what was decided)."""
    log = read("plan_log").filter((pl.col("plan") == plan) & (pl.col("state") == "exported"))
    if as_of is not None:
        log = log.filter(pl.col("known_at").dt.date() <= as_of)
    return log.select("sku", "location", "starts_on", "days", "new").collect()


def economics(panel: Panel, read: Read, settings: Decide, as_of: date | None = None) -> pl.DataFrame:
    """Unit economics of every series.

    Args:
        panel: the clean panel (keys sku and location).
        read: reads a raw table.
        settings: defaults where tables do not say.
        as_of: see only what was known at the end of this day.

    Returns:
        One row per series of the panel, in its order: sku, location, supplier, price, unit_cost, unit_margin
        (money per unit; null if nothing is known of price or cost), pack and moq and capacity (units), lead_time
        (days), order_cost (money; null = not told), shelf_life (days; null = keeps), assumed (list of what was
        assumed: price, unit_cost, pack, lead_time).
    """
    keys = panel.keys.select("sku", "location")
    products = seen(read, "products", as_of).select("sku", "unit_cost", "pack_size", "shelf_life")
    rows = keys.join(products, on="sku", how="left", maintain_order="left")
    rows = rows.with_columns(pl.Series("price", latest_price(panel), nan_to_null=True))
    rows = _join_by_place(rows, _terms(seen(read, "supply", as_of)))
    rows = _join_by_place(rows, _learned(seen(read, "receipts", as_of)))
    share = settings.margin_share
    priced, costed = pl.col("price").is_not_null(), pl.col("unit_cost").is_not_null()
    packed = pl.coalesce("order_multiple", "pack_size")
    timed = pl.coalesce("lead_time", "learned_lead_time")
    said = (
        pl.when(~priced).then(pl.lit("price")),
        pl.when(~costed).then(pl.lit("unit_cost")),
        pl.when(packed.is_null()).then(pl.lit("pack")),
        pl.when(timed.is_null()).then(pl.lit("lead_time")),
    )
    rows = rows.with_columns(pl.concat_list(said).list.drop_nulls().alias("assumed"))
    rows = rows.with_columns(
        pl.coalesce("price", pl.col("unit_cost") / (1 - share)),
        pl.coalesce("unit_cost", pl.col("price") * (1 - share)),
        packed.fill_null(1.0).alias("pack"),
        timed.fill_null(settings.lead_time).alias("lead_time"),
        pl.col("moq").fill_null(0.0),
    )
    return rows.with_columns((pl.col("price") - pl.col("unit_cost")).alias("unit_margin")).select(
        "sku", "location", "supplier", "price", "unit_cost", "unit_margin", "pack", "moq", "capacity", "lead_time",
        "order_cost", "shelf_life", "assumed",
    )  # fmt: skip


def terms(panel: Panel, read: Read, settings: Decide, as_of: date | None = None) -> Terms:
    """Terms on which every series can be ordered; see :class:`windvane.decisions.terms.Terms`.

    Lead times are those of the receipts where there are enough of them, each as likely as the others, else the one
    of the supplier. Series of which neither price nor cost is known weigh nothing, and nobody sells at a loss on
    purpose: a margin below 0 counts as 0.

    Args:
        panel: the clean panel (keys sku and location).
        read: reads a raw table.
        settings: defaults where tables do not say.
        as_of: see only what was known at the end of this day.
    """
    rows, days = economics(panel, read, settings, as_of), panel.freq.days
    cost, margin = (rows[name].fill_null(0.0).to_numpy() for name in ("unit_cost", "unit_margin"))
    life = np.ceil(rows["shelf_life"].cast(pl.Float64).to_numpy() / days)
    rates = Rates(
        margin=np.maximum(margin, 0.0),
        unit_cost=cost,
        holding=cost * settings.holding_share * days / 365,
        order_cost=rows["order_cost"].fill_null(0.0).to_numpy(),
    )
    return Terms(
        rates=rates,
        leads=np.ceil(_lead_times(panel, read, rows["lead_time"].to_numpy(), as_of) / days - _TINY).astype(np.int64),
        review=max(1, round(settings.review / days)),
        pack=rows["pack"].to_numpy(),
        moq=rows["moq"].to_numpy(),
        capacity=rows["capacity"].fill_null(np.inf).to_numpy(),
        shelf_life=np.where(np.isnan(life), KEEPS, np.maximum(life, 1)).astype(np.int64),
    )


def _lead_times(panel: Panel, read: Read, usual: np.ndarray, as_of: date | None) -> np.ndarray:
    """Lead times in days that are equally likely, float64 [series, LEADS]; where receipts are few, the usual one."""
    out = np.repeat(usual.astype(np.float64)[:, None], LEADS, axis=1)
    at = [(k + 0.5) / LEADS for k in range(LEADS)]
    told = (
        seen(read, "receipts", as_of)
        .with_columns(_TOOK.alias("days"))
        .group_by("sku", "location", maintain_order=True)
        .agg(pl.len(), *(pl.col("days").quantile(q, "linear").alias(f"q{k}") for k, q in enumerate(at)))
        .filter(pl.col("len") >= _LEAST_RECEIPTS)
        .drop("len")
    )
    rows = _join_by_place(panel.keys.select("sku", "location"), told)
    learned = rows.select(f"q{k}" for k in range(LEADS)).to_numpy().astype(np.float64)
    own = ~np.isnan(learned).any(axis=1)
    # A spread round what the supplier tells: told are terms of today, receipts those of the past.
    out[own] = np.maximum(usual[own, None] + learned[own] - np.median(learned[own], axis=1, keepdims=True), 0.0)
    return out


def latest_price(panel: Panel) -> np.ndarray:
    """Price per series, float64 [series]: the first planned one after the cutoff, else the last paid; NaN = unknown."""
    price = np.full(panel.shape[0], np.nan)
    if "price" in panel.known:
        known = panel.known["price"]
        last = panel.shape[1] - 1
        ahead = known.at(last, np.arange(known.values.shape[1] - last))
        for step in [*range(1, ahead.shape[1]), 0]:
            price = np.where(np.isnan(price), ahead[:, step], price)
    if "price" in panel.past:
        price = np.where(np.isnan(price), panel.past["price"][:, -1], price)
    return price


def _terms(supply: pl.DataFrame) -> pl.DataFrame:
    """One supplier per sku and location: the quickest."""
    columns = ("sku", "location", "supplier", "moq", "order_multiple", "capacity", "lead_time", "order_cost")
    ordered = supply.sort("lead_time", "supplier", nulls_last=True).select(columns)
    return ordered.unique(["sku", "location"], keep="first", maintain_order=True)


def _learned(receipts: pl.DataFrame) -> pl.DataFrame:
    """Median lead time in days of sku and location where there are enough receipts."""
    return (
        receipts.group_by("sku", "location")
        .agg(_TOOK.median().alias("learned_lead_time"), pl.len())
        .filter(pl.col("len") >= _LEAST_RECEIPTS)
        .drop("len")
    )


def _join_by_place(rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Add a table's columns: the row of the location itself, else the one for all locations."""
    own = rows.join(table, on=["sku", "location"], how="left", maintain_order="left")
    shared = table.filter(pl.col("location") == ALL).drop("location")
    new = [name for name in table.columns if name not in ("sku", "location")]
    if not new or not shared.height:
        return own
    there = table.select("sku", "location", pl.lit(True).alias("__own"))
    own = own.join(there, on=["sku", "location"], how="left", maintain_order="left")
    own = own.join(shared, on="sku", how="left", maintain_order="left", suffix="__all")
    picked = (pl.when("__own").then(pl.col(name)).otherwise(pl.col(f"{name}__all")).alias(name) for name in new)
    return own.with_columns(picked).select(*rows.columns, *new)
