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

    config = parse({"shop": {**Shop().model_dump(), "country": "CN"}})
    result = build(read, config, horizon=28)
    assert result.panel.shape == (243, 1004)
    assert not result.panel.counts
    changed = result.cleaning["after"].sum() - result.cleaning["before"].sum()
    sold = frames["orders"]["units"].sum()
    assert np.nansum(result.panel.sales, dtype=np.float64) == pytest.approx(sold + changed, rel=1e-6)
    assert set(result.panel.static["category_1"]) == set(frames["products"]["category"])
    assert "春节" in result.panel.levels["holiday"] or "Chinese New Year" in result.panel.levels["holiday"]
