"""Small panels with known properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from windvane.freq import Freq
from windvane.panel import Known, Panel

HORIZON = 7
_START = {"1h": date(2025, 1, 1), "1d": date(2025, 1, 1), "1w": date(2023, 1, 6), "1mo": date(2016, 1, 1)}


def calendar(unit: str) -> Freq:
    return Freq("1w", 1) if unit == "1w" else Freq(unit)


def panel_of(sales: np.ndarray, unit: str = "1d", counts: bool = True) -> Panel:
    """A panel of given sales [series, time], without covariates."""
    freq = calendar(unit)
    first = freq.number(_START[unit])
    keys = pl.DataFrame({"sku": [f"s{i:02d}" for i in range(len(sales))]})
    dates = freq.dates(np.arange(first, first + sales.shape[1])).alias("date")
    return Panel(keys, np.ascontiguousarray(sales, np.float32), dates, freq, counts=counts)


def shop(series: int = 16, time: int = 110, unit: str = "1d", uplift: float = 4.0, seed: int = 7) -> Panel:
    """Counts with a season, ragged starts, gaps, a promotion that multiplies demand, views and a category.

    The promotion is known for twice the horizon after the last column.
    """
    rng = np.random.default_rng(seed)
    total = time + 2 * HORIZON
    level = np.exp(rng.uniform(np.log(0.3), np.log(20), series))
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(total) / calendar(unit).season)
    promo = (rng.random((series, total)) < 0.15).astype(np.float32)
    demand = level[:, None] * season[None, :] * np.where(promo > 0, uplift, 1.0)
    sales = rng.poisson(demand[:, :time]).astype(np.float32)
    sales[rng.random(sales.shape) < 0.03] = np.nan
    for row in range(0, series, 4):
        sales[row, : int(rng.integers(5, time // 2))] = np.nan
    views = (demand[:, :time] * 10 + rng.normal(0, 2, (series, time))).astype(np.float32)
    return replace(
        panel_of(sales, unit),
        known={"promo": Known(promo)},
        past={"views": views},
        static=pl.DataFrame({"category": [f"c{i % 3}" for i in range(series)]}),
        hierarchy=("category",),
    )


def with_sales(panel: Panel, sales: np.ndarray) -> Panel:
    """The panel with other sales; its life states follow them."""
    return replace(panel, sales=np.ascontiguousarray(sales, np.float32), state=np.empty((0, 0), np.int8))
