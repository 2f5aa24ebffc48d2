"""What a shop has on offer over the coming periods: products, their series, planned prices, costs, expected units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from windvane.config import Config
from windvane.decisions.costs import Read, economics, latest_price, seen
from windvane.forecasts import Forecast
from windvane.panel import ENDED, Panel

_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Offer:
    """Products on sale with a price; those that have ended, or whose price nobody knows, are left out.

    Attributes:
        rows: rows of the panel, int64 [series].
        keys: their key columns.
        skus: products, in order.
        product: index into ``skus``, int64 [series].
        units: expected demand at today's plan, float64 [series, horizon].
        price: prices of that plan, of the same shape.
        today: today's price, float64 [series].
        cost: unit cost, float64 [products]; NaN where no table tells it.
    """

    rows: np.ndarray
    keys: pl.DataFrame
    skus: pl.Series
    product: np.ndarray
    units: np.ndarray
    price: np.ndarray
    today: np.ndarray
    cost: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """Expected units of every series over the horizon, above 0, float64 [series]."""
        return np.maximum(self.units.sum(axis=1), _TINY)

    def by_product(self, values: np.ndarray) -> np.ndarray:
        """Mean of values [series] by product, weighted with units; NaN where none is known."""
        known = ~np.isnan(values)
        total = np.bincount(self.product, np.where(known, values * self.weight, 0.0), len(self.skus))
        by = np.bincount(self.product, known * self.weight, len(self.skus))
        return np.where(by > 0, total / np.maximum(by, 1e-300), np.nan)


def offer(forecast: Forecast, panel: Panel, read: Read, config: Config, as_of: date | None = None) -> Offer | None:
    """What is on offer; None where no product has a price.

    Args:
        forecast: forecast of the panel's series, in their order, at today's plan.
        panel: the clean panel.
        read: reads a raw table (products, supply, receipts).
        config: settings.
        as_of: see only what was known at the end of this day.
    """
    today = latest_price(panel)
    rows = np.flatnonzero((panel.state[:, -1] != ENDED) & (today > 0))
    if not len(rows) or not ({"price"} & (panel.known.keys() | panel.past.keys())):
        return None
    keys = panel.keys[rows]
    skus = keys["sku"].unique().sort()
    product = np.searchsorted(skus.to_numpy().astype(str), keys["sku"].to_numpy().astype(str)).astype(np.int64)
    cost = economics(panel, read, config.decide, as_of)["unit_cost"].to_numpy().astype(np.float64)[rows]
    costed = seen(read, "products", as_of).filter(pl.col("unit_cost") > 0)["sku"].to_numpy()
    found = Offer(
        rows=rows,
        keys=keys,
        skus=skus,
        product=product,
        units=forecast.mean[rows].astype(np.float64),
        price=_ahead(panel, rows, today[rows], forecast.horizon),
        today=today[rows],
        cost=np.full(len(skus), np.nan),
    )
    found.cost[:] = found.by_product(np.where(np.isin(keys["sku"].to_numpy(), costed), cost, np.nan))
    return found


def neighbours(panel: Panel) -> np.ndarray:
    """Group of every series that is looked at together: the finest level of the hierarchy at a location, -1 = none."""
    if not panel.hierarchy:
        return np.full(panel.shape[0], -1, np.int64)
    name = panel.hierarchy[-1]
    column = panel.static[name] if name in panel.static.columns else panel.keys[name]
    both = pl.DataFrame({"group": column.cast(pl.String), "location": panel.keys["location"].cast(pl.String)})
    code = both.select(pl.struct("group", "location").rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    return np.where(column.is_null().to_numpy(), -1, code)


def _ahead(panel: Panel, rows: np.ndarray, today: np.ndarray, horizon: int) -> np.ndarray:
    """Prices of the plan, float64 [series, horizon]; today's where none is planned."""
    out = np.repeat(today[:, None], horizon, axis=1)
    if "price" in panel.known:
        last = panel.shape[1] - 1
        planned = panel.known["price"].at(
            last, np.arange(1, min(horizon, panel.known["price"].values.shape[1] - last - 1) + 1)
        )
        some = planned[rows]
        out[:, : some.shape[1]] = np.where(some > 0, some, out[:, : some.shape[1]])
    return out
