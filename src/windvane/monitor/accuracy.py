"""How the last published forecasts fared against what has been sold since."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.panel import Panel
from windvane.schema import DERIVED

_LOW, _HIGH = 0.1, 0.9


def accuracy(previous: pl.DataFrame, previous_run: str, panel: Panel) -> pl.DataFrame:
    """Judge an earlier run's forecasts on the periods closed since.

    Periods count where the series is known today and its sales are; forecasts of other calendars (another
    weekday, another frequency) match no period and count nothing.

    Args:
        previous: the earlier run's table forecasts (sku, location, date, mean, q0.1, q0.9).
        previous_run: name of that run.
        panel: today's clean panel.

    Returns:
        The table accuracy: one row for all series period by period ('series'), one for their sum per period
        ('total'); empty if nothing has closed since.
    """
    need = ["sku", "location", "date", "mean", "q0.1", "q0.9"]
    rows = previous.select(need).with_columns(pl.col("sku", "location").cast(pl.String))
    series, time = panel.shape
    index = panel.keys.select(pl.col("sku", "location").cast(pl.String)).with_row_index("__series")
    columns = pl.DataFrame({"date": panel.dates, "__column": np.arange(time)})
    rows = rows.join(index, on=["sku", "location"]).join(columns, on="date").sort("__series", "__column")
    if not rows.height:
        return DERIVED["accuracy"].empty()
    where = (rows["__series"].to_numpy(), rows["__column"].to_numpy())
    sales = panel.sales[where].astype(np.float64)
    known = ~np.isnan(sales)
    rows = rows.filter(pl.Series(known)).with_columns(pl.Series("sales", sales[known]))
    if not rows.height:
        return DERIVED["accuracy"].empty()
    low, high, units = (rows[name].to_numpy() for name in ("q0.1", "q0.9", "sales"))
    totals = rows.group_by("date").agg(pl.col("mean", "sales").sum()).sort("date")
    common = {"run": previous_run, "periods": rows["date"].n_unique(), "series": rows["__series"].n_unique()}
    out = [
        {**common, "node": "series", **_errors(rows), "coverage80": inside(units, low, high, panel.counts)},
        {**common, "node": "total", **_errors(totals), "coverage80": None},
    ]
    return pl.DataFrame(out, schema=DERIVED["accuracy"].types)


def inside(sales: np.ndarray, low: np.ndarray, high: np.ndarray, counts: bool) -> float:
    """Share of outcomes inside an interval.

    Whole-number quantiles hit sales exactly: an outcome equal to one end counts as half inside, and one equal to
    both counts as the interval's nominal share. That is what randomising the probability integral transform gives
    on average, without its noise, where nothing more of the distribution is known (Czado, Gneiting, Held 2009,
    Predictive Model Assessment for Count Data, Biometrics 65, 1254-1261).

    Args:
        sales: outcomes [n].
        low: lower ends [n].
        high: upper ends [n].
        counts: whether sales are whole numbers.
    """
    if not counts:
        return float(np.mean((sales >= low) & (sales <= high)))
    share = np.where((sales > low) & (sales < high), 1.0, 0.0)
    share = np.where((sales == low) != (sales == high), 0.5, share)
    share = np.where((sales == low) & (sales == high), _HIGH - _LOW, share)
    return float(share.mean())


def _errors(rows: pl.DataFrame) -> dict[str, float | None]:
    sold = float(rows["sales"].sum())
    if sold <= 0:
        return {"wape": None, "bias": None}
    error = rows["mean"] - rows["sales"]
    return {"wape": float(error.abs().sum()) / sold, "bias": float(error.sum()) / sold}
