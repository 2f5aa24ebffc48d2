"""What a forecast would have cost: one order per series, placed by it and judged by what came.

At each cutoff every series may order once, to last over lead time and review (or the horizon, if that is shorter). The
order is the one that the forecast's own paths let expect to cost least (:mod:`windvane.decisions.cover`), and pays for
what was left over every evening and for the margin of what was missing. Stock at hand plays no part, so that models are
compared by their forecasts alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.decisions.cover import cover
from windvane.decisions.terms import Terms
from windvane.forecasts import Forecast
from windvane.panel import Panel


@dataclass(frozen=True, eq=False)
class Purse:
    """What forecasts of a backtest are priced by.

    Attributes:
        terms: what units cost and earn, and how long deliveries take.
        chooses: whether models are chosen by it; else it is told beside their errors.
    """

    terms: Terms
    chooses: bool = False


def window(terms: Terms, horizon: int) -> int:
    """Periods that the order must last: lead time and review of the shop, as far as the horizon reaches."""
    usual = round(float(np.median(terms.leads))) if terms.leads.size else 0
    return int(np.clip(usual + terms.review, 1, horizon))


def money(forecast: Forecast, panel: Panel, cutoff: int, terms: Terms) -> np.ndarray:
    """Money per series and period that orders by a forecast would have cost, float64 [series].

    Args:
        forecast: made at column ``cutoff``, of the panel's series in their order.
        panel: what came.
        cutoff: column of the panel.
        terms: what units cost and earn.

    Returns:
        Holding and lost margin over :func:`window`; NaN where not all of its sales are known, or where the series was
        not yet on sale.
    """
    width = window(terms, forecast.horizon)
    sold = panel.sales[:, cutoff + 1 : cutoff + 1 + width].astype(np.float64)
    known = ~np.isnan(sold).any(axis=1) & (sold.shape[1] == width) & (panel.launch <= cutoff)
    at_once = replace(terms, leads=np.zeros((len(known), 1), np.int64), review=width)
    stock = cover(forecast, at_once, np.zeros(len(known)), 0.95).least_cost
    stock = np.ceil(stock - 1e-6) if panel.counts else stock
    left = stock[:, None] - np.where(np.isnan(sold), 0, sold).cumsum(axis=1)
    spoils = np.minimum(terms.shelf_life, width) - 1
    rates = terms.rates
    cost = rates.holding * np.maximum(left, 0).sum(axis=1) + rates.margin * np.maximum(-left[:, -1:], 0).sum(axis=1)
    if left.shape[1]:
        over = np.maximum(np.take_along_axis(left, np.minimum(spoils, left.shape[1] - 1)[:, None], axis=1)[:, 0], 0)
        cost = cost + np.where(terms.shelf_life <= width, rates.unit_cost * over, 0.0)
    return np.where(known, cost / width, np.nan)
