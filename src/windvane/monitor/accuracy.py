"""How the last published forecasts fared against what has been sold since."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.backtest.metrics import pit
from windvane.forecasts import is_quantile
from windvane.panel import Panel
from windvane.schema import DERIVED

_DRAWS = 1
"""Seed of the randomised transform, fixed so that a run repeated gives the same figure."""


def accuracy(previous: pl.DataFrame, previous_run: str, panel: Panel) -> pl.DataFrame:
    """Judge an earlier run's forecasts on the periods closed since.

    Periods count where the series is known today and its sales are; forecasts of other calendars (another
    weekday, another frequency) match no period and count nothing.

    Args:
        previous: the earlier run's table forecasts (sku, location, date, mean, q0.005 ... q0.995).
        previous_run: name of that run.
        panel: today's clean panel.

    Returns:
        The table accuracy: one row for all series period by period ('series': the median's absolute errors, the
        share of outcomes inside the 80 % interval by the randomised probability integral transform), one for
        their sum per period ('total': the mean's errors; a sum has no interval here); empty if nothing has closed
        since.
    """
    names = [n for n in previous.columns if is_quantile(n)]
    names.sort(key=lambda n: float(n[1:]))
    levels = np.array([float(n[1:]) for n in names])
    rows = previous.select("sku", "location", "date", "mean", *names).with_columns(
        pl.col("sku", "location").cast(pl.String)
    )
    if rows.schema["date"] != panel.dates.dtype:
        return DERIVED["accuracy"].empty()
    index = panel.keys.select(pl.col("sku", "location").cast(pl.String)).with_row_index("__series")
    columns = pl.DataFrame({"date": panel.dates, "__column": np.arange(panel.shape[1])})
    rows = rows.join(index, on=["sku", "location"]).join(columns, on="date").sort("__series", "__column")
    if not rows.height:
        return DERIVED["accuracy"].empty()
    where = (rows["__series"].to_numpy(), rows["__column"].to_numpy())
    sales = panel.sales[where].astype(np.float64)
    known = ~np.isnan(sales)
    rows = rows.filter(pl.Series(known)).with_columns(pl.Series("sales", sales[known]))
    if not rows.height:
        return DERIVED["accuracy"].empty()
    units, quantiles = rows["sales"].to_numpy()[:, None], rows.select(names).to_numpy()[:, None, :]
    u = pit(units, quantiles, levels, panel.counts, np.random.default_rng(_DRAWS))
    totals = rows.group_by("date").agg(pl.col("mean", "sales").sum()).sort("date")
    common = {"run": previous_run, "periods": rows["date"].n_unique(), "series": rows["__series"].n_unique()}
    out = [
        {**common, "node": "series", **_errors(rows, "q0.5"), "coverage80": float(((u > 0.1) & (u < 0.9)).mean())},
        {**common, "node": "total", **_errors(totals, "mean"), "coverage80": None},
    ]
    return pl.DataFrame(out, schema=DERIVED["accuracy"].types)


def _errors(rows: pl.DataFrame, point: str) -> dict[str, float | None]:
    sold = float(rows["sales"].abs().sum())
    if sold <= 0:
        return {"wape": None, "bias": None}
    absolute = float((rows[point] - rows["sales"]).abs().sum())
    signed = float(rows["sales"].sum())
    return {
        "wape": absolute / sold,
        "bias": float((rows["mean"] - rows["sales"]).sum()) / signed if signed > 0 else None,
    }
