"""UCI Online Retail: invoices of a British web shop, as daily units of each article.

Articles are codes that begin with five digits; fees, postage and the like are left out. Sales are the lines with a
price and a positive quantity, cancelled lines included but for those taken back on the day itself: the customer who
ordered 74,215 jars and cancelled after a quarter of an hour wanted none. Days without a sale count as none sold from
an article's first sale on. The British public calendar is told in advance.
"""

from __future__ import annotations

import polars as pl

from windvane.ingest.calendar import with_holidays
from windvane.panel import Panel

from .contract import from_table
from .places import folder

HORIZON = 28


def _whole() -> Panel:
    rows = pl.read_parquet(folder("online_retail") / "transactions.parquet").with_columns(
        sku=pl.col("stock_code").str.to_uppercase(), date=pl.col("ts").dt.date()
    )
    rows = rows.filter(pl.col("sku").str.contains(r"^\d{5}"), pl.col("unit_price") > 0)
    same = ["sku", "date", "customer_id", "quantity"]
    back = rows.filter(pl.col("quantity") < 0).with_columns(-pl.col("quantity")).select(same).unique()
    sold = rows.filter(pl.col("quantity") > 0).join(back, on=same, how="anti")
    daily = sold.group_by("sku", "date").agg(
        units=pl.col("quantity").sum(),
        price=(pl.col("unit_price") * pl.col("quantity")).sum() / pl.col("quantity").sum(),
    )
    panel = Panel.from_frame(
        daily.sort("sku", "date"),
        keys=["sku"],
        date="date",
        sales="units",
        freq="1d",
        past=["price"],
        absent="zero",
    )
    return with_holidays(panel, "GB", HORIZON)


SET = from_table("online_retail", HORIZON, (7, HORIZON), 4, _whole)
