"""ABC and XYZ: which products bring the money, and whose demand can be foreseen; the capital that lies in stock.

A: the products that together bring the first 80 % of the revenue to come, B: the next 15 %, C: the rest. X: demand over
the horizon varies by less than half of its mean (standard deviation over mean, from the paths), Y: by less than the
whole, Z: by more, or nothing is expected.

Source: Silver, Pyke, Thomas (2017), Inventory and Production Management in Supply Chains, chapter 2 (ABC); the bounds
of XYZ are those in common use.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.errors import InputError
from windvane.forecasts import Forecast

ABC = (0.8, 0.95)
"""Shares of revenue up to which products are A, and B."""
XYZ = (0.5, 1.0)
"""Standard deviation over mean below which products are X, and Y."""


def classes(
    forecast: Forecast,
    price: np.ndarray,
    unit_cost: np.ndarray,
    on_hand: np.ndarray,
    paths: int = 200,
) -> pl.DataFrame:
    """Class every series.

    Args:
        forecast: of all series.
        price: money per unit, float64 [series]; NaN = unknown, which counts as 0.
        unit_cost: cost of a unit, float64 [series]; NaN = unknown, which counts as 0.
        on_hand: units on the shelf, float64 [series].
        paths: number of sample paths.

    Returns:
        One row per series, in the forecast's order: keys, revenue (expected over the horizon), share (of all revenue),
        abc, variation (standard deviation over mean of demand over the horizon; null = nothing expected), xyz, capital
        (cost of what lies in stock), turnover (cost of what will sell in a year over capital; null = no capital).

    Raises:
        InputError: an array has another length than the forecast.

    Example:
        >>> from windvane.sim import Settings
        >>> from windvane.sim.play import play
        >>> shop = play(Settings(products=20, days=120), seed=1, begin=90)
        >>> ahead = shop.oracle(28)(90, shop.panel.sales, shop.panel.sales < 0)
        >>> rates = shop.terms.rates
        >>> frame = classes(ahead, rates.margin + rates.unit_cost, rates.unit_cost, shop.stage.on_hand)
        >>> round(frame["share"].sum(), 6)
        1.0
    """
    series = len(forecast.mean)
    for name, values in (("price", price), ("unit_cost", unit_cost), ("on_hand", on_hand)):
        if values.shape != (series,):
            raise InputError(f"{name} has the shape {values.shape}, not ({series},).", "Give one per series.")
    units = forecast.mean.sum(axis=1, dtype=np.float64)
    revenue = units * np.nan_to_num(price)
    total = float(revenue.sum())
    share = revenue / total if total > 0 else np.zeros(series)
    # A product is A as long as those before it have not brought the whole of the 80 %.
    order = np.argsort(-revenue, kind="stable")
    before = np.empty(series)
    before[order] = np.concatenate([[0.0], np.cumsum(share[order])[:-1]]) + 1e-9
    sums = forecast.totals(paths)
    mean = sums.mean(axis=1)
    variation = np.where(mean > 0, sums.std(axis=1) / np.where(mean > 0, mean, 1.0), np.nan)
    capital = on_hand * np.nan_to_num(unit_cost)
    span = _days(forecast)
    yearly = units * np.nan_to_num(unit_cost) * 365 / span
    turnover = np.where(capital > 0, yearly / np.where(capital > 0, capital, 1.0), np.nan)
    return forecast.keys.with_columns(
        pl.Series("revenue", revenue),
        pl.Series("share", share),
        pl.Series("abc", np.array(list("ABC"))[np.searchsorted(ABC, before, side="right")]),
        pl.Series("variation", variation, nan_to_null=True),
        pl.Series(
            "xyz", np.array(list("XYZ"))[np.searchsorted(XYZ, np.nan_to_num(variation, nan=np.inf), side="right")]
        ),
        pl.Series("capital", capital),
        pl.Series("turnover", turnover, nan_to_null=True),
    )


def _days(forecast: Forecast) -> float:
    """Days that the horizon covers."""
    dates = forecast.dates.cast(pl.Datetime("us")).to_physical().to_numpy() / 86_400_000_000
    if len(dates) < 2:
        return 1.0
    return float(dates[-1] - dates[0]) * len(dates) / (len(dates) - 1)
