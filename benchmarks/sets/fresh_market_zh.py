"""A Chinese supermarket: daily sales in kilos of 251 fresh products, with prices and wholesale cost.

A row exists where something was sold or returned; other days from a product's first sale on count as none sold.
Prices come from the sales themselves and count as known only afterwards; so does the wholesale price of the day.
The public calendar of China is told in advance.
"""

from __future__ import annotations

import polars as pl

from windvane.ingest.calendar import with_holidays
from windvane.panel import Panel

from .contract import from_table
from .places import folder

HORIZON = 14


def _whole() -> Panel:
    rows = pl.read_parquet(folder("fresh_market_zh") / "sku_daily.parquet")
    daily = rows.group_by("sku_id", "date").agg(
        pl.col("qty_kg").sum(),
        pl.col("avg_price", "wholesale_price").mean(),
        pl.col("category").first().alias("category_1"),
    )
    # Returns of an earlier day can outweigh a day's sales; demand is not negative.
    daily = daily.with_columns(pl.col("qty_kg").clip(0)).sort("sku_id", "date")
    panel = Panel.from_frame(
        daily,
        keys=["sku_id"],
        date="date",
        sales="qty_kg",
        freq="1d",
        past=["avg_price", "wholesale_price"],
        static=["category_1"],
        absent="zero",
    )
    return with_holidays(panel, "CN", HORIZON)


SET = from_table("fresh_market_zh", HORIZON, (7, HORIZON), 6, _whole, "category_1")
