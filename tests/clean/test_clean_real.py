"""The fresh-food data of a Chinese supermarket through cleaning."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from windvane import schema
from windvane.clean import build
from windvane.config import Shop, parse

FOLDER = Path(os.environ.get("WINDVANE_DATA", "")) / "fresh_market_zh"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("WINDVANE_DATA"), reason="WINDVANE_DATA is not set"),
]


def tables():
    daily = pl.read_parquet(FOLDER / "sku_daily.parquet")
    products = pl.read_parquet(FOLDER / "sku.parquet")
    moment = pl.col("date").cast(pl.Datetime("us"))
    orders = daily.with_row_index("order_id").select(
        pl.col("order_id").cast(pl.String),
        pl.lit(1, pl.Int64).alias("line"),
        moment.alias("ordered_at"),
        pl.col("sku_id").cast(pl.String).alias("sku"),
        pl.lit("all").alias("location"),
        pl.col("qty_kg").cast(pl.Float64).alias("units"),
        pl.lit("sale").alias("kind"),
        moment.alias("known_at"),
    )
    products = products.select(
        pl.col("sku_id").cast(pl.String).alias("sku"),
        pl.col("name").alias("title"),
        pl.col("category"),
        pl.datetime(2020, 1, 1).alias("known_at"),
    )
    return {"orders": orders, "products": products}


def test_every_kilo_is_in_the_panel_or_in_the_cleaning_table():
    frames = tables()

    def read(name):
        empty = schema.RAW[name].empty()
        return pl.concat([empty, frames[name]], how="diagonal").lazy() if name in frames else empty.lazy()

    config = parse({"shop": {**Shop().model_dump(), "country": "CN"}, "clean": {"stockouts": "off"}})
    result = build(read, config, horizon=28)
    assert result.panel.shape == (243, 1004)
    assert not result.panel.counts
    changed = result.cleaning["after"].sum() - result.cleaning["before"].sum()
    sold = frames["orders"]["units"].sum()
    assert np.nansum(result.panel.sales, dtype=np.float64) == pytest.approx(sold + changed, rel=1e-6)
    assert set(result.panel.static["category_1"]) == set(frames["products"]["category"])
    assert "春节" in result.panel.levels["holiday"] or "Chinese New Year" in result.panel.levels["holiday"]


def wholesale():
    rows = pl.read_parquet(FOLDER.parent / "online_retail" / "transactions.parquet")
    rows = rows.filter(pl.col("unit_price") > 0, pl.col("stock_code").str.contains(r"^\d{5}"))
    back = pl.col("quantity") < 0
    return rows.select(
        pl.col("invoice").alias("order_id"),
        pl.int_range(pl.len(), dtype=pl.Int64).over("invoice").alias("line"),
        pl.col("ts").alias("ordered_at"),
        pl.col("stock_code").alias("sku"),
        pl.lit("all").alias("location"),
        pl.col("quantity").cast(pl.Float64).alias("units"),
        pl.col("unit_price").cast(pl.Float64),
        pl.col("customer_id").cast(pl.String).alias("customer"),
        pl.when(back).then(pl.lit("return")).otherwise(pl.lit("sale")).alias("kind"),
        pl.col("ts").alias("known_at"),
    )


def test_a_wholesaler_is_flagged_neither_for_fakes_nor_wholesale_and_no_unit_is_lost():
    orders = wholesale()

    def read(name):
        empty = schema.RAW[name].empty()
        return pl.concat([empty, orders], how="diagonal").lazy() if name == "orders" else empty.lazy()

    def built(freq, **settings):
        return build(read, parse({"clean": {"freq": freq, "stockouts": "off", **settings}}), horizon=4)

    daily = built("1d", returns="sale_date", outlier_factor=1000.0)
    rules = dict(daily.cleaning.group_by("rule").len().iter_rows())
    assert "suspected fake" not in rules
    assert rules["bulk order"] < 0.002 * orders.height
    assert rules["duplicate order"] < 0.0005 * orders.height
    # What the rules moved and the panel's raw sales add up to the lines.
    inside = orders.filter(pl.col("ordered_at").dt.date() <= daily.closed)
    sold = inside["units"].sum()
    told = daily.cleaning.filter(
        pl.col("rule").is_in(["duplicate order", "return to sale date", "return before launch"])
    )
    kept = np.nansum(daily.raw_sales, dtype=np.float64)
    lost = inside.join(daily.panel.keys, on=["sku", "location"], how="anti")["units"].sum()
    assert kept == pytest.approx(sold - lost + (told["after"] - told["before"]).sum(), abs=1.0)
    monthly = built("1mo")
    assert monthly.panel.shape[1] == 12
    assert (monthly.panel.dates[0].isoformat(), monthly.closed.isoformat()) == ("2010-12-01", "2011-11-30")
