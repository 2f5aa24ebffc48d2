"""Breakfast at the Frat (dunnhumby): weekly sales of 58 products in 77 stores, with promotions.

A row exists where something was sold, so that a missing week between a product's first and last one counts as none
sold and none promoted. Feature, display and price cut are planned and known in advance. Prices are worked out from
the sales themselves and count as known only afterwards.
"""

from __future__ import annotations

import polars as pl

from windvane.panel import Panel

from .contract import from_table
from .places import folder

_PLANS = ("feature", "display", "tpr_only")


def _whole() -> Panel:
    at = folder("breakfast")
    products = pl.read_parquet(at / "product.parquet").select("upc_id", "category", "sub_category", "manufacturer")
    rows = pl.read_parquet(at / "weekly.parquet").with_columns(pl.col("store_id", "upc_id").cast(pl.String))
    weeks = rows.select(pl.col("ds").unique().sort())
    spans = rows.group_by("store_id", "upc_id").agg(first=pl.col("ds").min())
    grid = spans.join(weeks, how="cross").filter(pl.col("ds") >= pl.col("first"))
    keys = ["store_id", "upc_id", "ds"]
    full = grid.join(rows, on=keys, how="left").join(products, on="upc_id", how="left")
    full = full.with_columns(pl.col("y", *_PLANS).fill_null(0)).sort(keys)
    return Panel.from_frame(
        full.rename({"category": "category_1", "sub_category": "category_2"}),
        keys=["store_id", "upc_id"],
        date="ds",
        sales="y",
        freq="1w",
        known=_PLANS,
        past=["price", "base_price"],
        static=["category_1", "category_2", "manufacturer"],
    )


SET = from_table("breakfast", 13, (4, 13), 4, _whole, "category_1")
