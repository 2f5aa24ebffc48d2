"""Car parts: monthly demand of 2,674 spare parts, three quarters of the months zero."""

from __future__ import annotations

import polars as pl

from windvane.panel import Panel

from .contract import from_table
from .places import folder


def _whole() -> Panel:
    rows = pl.read_parquet(folder("carparts") / "monthly.parquet").sort("unique_id", "ds")
    return Panel.from_frame(rows, keys=["unique_id"], date="ds", sales="y", freq="1mo")


SET = from_table("carparts", 6, (3, 6), 4, _whole)
