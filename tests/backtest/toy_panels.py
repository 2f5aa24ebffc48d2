"""Small panels for backtests."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from windvane.freq import Freq
from windvane.panel import Panel


def panel_of(sales, unit="1d", categories=2):
    """A daily or weekly panel of given sales [series, time]; NaN before the first known value."""
    sales = np.ascontiguousarray(sales, np.float32)
    freq = Freq("1w", 1) if unit == "1w" else Freq(unit)
    first = freq.number(date(2025, 1, 6))
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i:02d}" for i in range(len(sales))]}),
        sales=sales,
        dates=freq.dates(np.arange(first, first + sales.shape[1])).alias("date"),
        freq=freq,
        static=pl.DataFrame({"category": [f"c{i % categories}" for i in range(len(sales))]}),
        hierarchy=("category",),
    )


def random_sales(series=10, time=130, seed=4):
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(0.5, 1, (series, 1))) * (1 + 0.5 * np.sin(np.arange(time) * 2 * np.pi / 7))
    sales = rng.poisson(rate).astype(np.float32)
    for row in range(0, series, 4):
        sales[row, : 10 + 6 * row] = np.nan
    return sales
