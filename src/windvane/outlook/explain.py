"""Why a forecast is what it is: parts that add up to it.

The boosted model multiplies a smoothing forecast by ``exp(sum of tree contributions)``. Each step's difference
between forecast and smoothing forecast is shared among the features in proportion to their log contributions
(logarithmic mean Divisia decomposition), which leaves no remainder.

Sources: Lundberg et al. (2020), Nature Machine Intelligence 2 (tree contributions); Ang (2005), Energy Policy 33
(the decomposition).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from windvane.models.base import FittedPoint
from windvane.models.boosted import FittedBoosted
from windvane.models.wrappers.blend import FittedBlend
from windvane.panel import Panel

GROUPS: Mapping[str, tuple[str, ...]] = {
    "calendar": ("weekday", "day_of_month", "month", "week_of_year", "days_to_month_end", "holiday", "signal_"),
    "promotion": ("promo_",),
    "price": ("price", "discount"),
    "season": ("season_", "year_"),
    "market": ("momentum_",),
    "product": ("category", "brand", "region", "country", "location"),
    "horizon": ("step",),
}
"""Readable groups of features by the beginning of their names; all others are 'recent sales'."""
BASE = "recent level and season"
REST = "recent sales"


@dataclass(frozen=True)
class Explanation:
    """One series' forecast over the horizon, in parts.

    Attributes:
        total: expected demand over the horizon, in units.
        parts: units by part; they add up to ``total``.
    """

    total: float
    parts: Mapping[str, float]


def explain(point: FittedPoint, panel: Panel, series: int, horizon: int) -> Explanation:
    """Explain one series' expected demand over the horizon.

    Args:
        point: the fitted point model that forecast the series.
        panel: the panel it was forecast from.
        series: row of the panel.
        horizon: periods forecast.
    """
    if isinstance(point, FittedBlend):
        several = [explain(member, panel, series, horizon) for member in point.members.values()]
        parts: dict[str, float] = {}
        for one in several:
            for name, value in one.parts.items():
                parts[name] = parts.get(name, 0.0) + value / len(several)
        return Explanation(sum(one.total for one in several) / len(several), parts)
    if isinstance(point, FittedBoosted):
        return _boosted(point, panel, series, horizon)
    mean = point.means(panel.take(np.array([series])), np.array([panel.shape[1] - 1]), horizon)[0, 0]
    total = float(mean.sum(dtype=np.float64))
    return Explanation(total, {BASE: total})


def _boosted(point: FittedBoosted, panel: Panel, series: int, horizon: int) -> Explanation:
    base, logs, names = point.contributions(panel, series, horizon)
    change = logs.sum(1)
    forecast = base * np.exp(change)
    # Logarithmic mean of forecast and base: what one unit on the log scale is worth in units of demand.
    worth = np.where(np.abs(change) > 1e-9, (forecast - base) / np.where(change == 0, 1, change), base)
    parts = {BASE: float(base.sum(dtype=np.float64))}
    for column, name in enumerate([*names, REST]):
        group = next((g for g, heads in GROUPS.items() if name.startswith(heads)), REST)
        parts[group] = parts.get(group, 0.0) + float((worth * logs[:, column]).sum())
    return Explanation(float(forecast.sum(dtype=np.float64)), parts)
