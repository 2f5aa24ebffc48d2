"""Why a forecast is what it is: parts that add up to it.

The structured baseline multiplies a level by what days, plans and prices bring, and the boosted model multiplies that
by ``exp(sum of tree contributions)``. Each step's difference between the forecast and the level alone is shared among
the factors in proportion to their logarithms (logarithmic mean Divisia decomposition), which leaves no remainder.

Sources: Lundberg et al. (2020), Nature Machine Intelligence 2 (tree contributions); Ang (2005), Energy Policy 33
(the decomposition).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from windvane.models.base import FittedPoint
from windvane.models.boosted.model import FittedBoosted
from windvane.models.structured import design, response
from windvane.models.structured.model import FittedStructured
from windvane.models.structured.response import Response
from windvane.models.wrappers.blend import FittedBlend
from windvane.models.wrappers.planned import FittedPlanned
from windvane.panel import Panel

GROUPS: Mapping[str, tuple[str, ...]] = {
    "calendar": (
        "weekday", "hour", "weekend", "day_of_month", "month", "week_of_year", "days_to_month_end", "holiday", "closed",
        "event", "signal_",
    ),
    "promotion": ("promo",),
    "price": ("price", "discount"),
    "season": ("season_", "same_season", "year"),
    "market": ("momentum_", "trend_", "aggregate"),
    "product": ("category", "brand", "region", "country", "location"),
    "horizon": ("step",),
}  # fmt: skip
"""Readable groups of features by the beginning of their names; all others are 'recent sales'."""
BASE = "recent level and season"
REST = "recent sales"
LIFT = "past bias"
PLANNER = "planner's override"
_SURE = 1e-9


@dataclass(frozen=True)
class Explanation:
    """One series' forecast over the horizon, in parts.

    Attributes:
        total: expected demand over the horizon, in units.
        parts: units by part; they add up to ``total``.
    """

    total: float
    parts: Mapping[str, float]

    def lifted(self, lift: float) -> Explanation:
        """The same of a forecast multiplied by what past ones were too low by; a part of its own."""
        if lift == 1.0:
            return self
        return Explanation(self.total * lift, {**self.parts, LIFT: self.total * (lift - 1)})

    def overridden(self, units: float) -> Explanation:
        """The same with the units that a planner has added (below 0: taken off); a part of its own."""
        if units == 0.0:
            return self
        return Explanation(self.total + units, {**self.parts, PLANNER: units})


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
    origin = np.array([panel.shape[1] - 1])
    if isinstance(point, FittedBoosted):
        base, logs, names = point.contributions(panel, series, horizon)
        given, told = structured_logs(point.base, panel, series, horizon)
        return _shared(base * np.exp(logs.sum(1)), np.column_stack([given, logs]), [*told, *names, REST, "aggregate"])
    # Of the whole panel: what a pooled model expects of one series may depend on the others.
    mean = point.means(panel, origin, horizon)[series, 0].astype(np.float64)
    if isinstance(point, FittedStructured):
        return _shared(mean, *structured_logs(point, panel, series, horizon))
    if isinstance(point, FittedPlanned) and point.base is not None:
        return _shared(mean, *structured_logs(point.base, panel, series, horizon))
    total = float(mean.sum())
    return Explanation(total, {BASE: total})


def _shared(forecast: np.ndarray, logs: np.ndarray, names: list[str]) -> Explanation:
    """Share a forecast [horizon] among what multiplies it, ``logs`` [horizon, names]; the level is what is left."""
    change = logs.sum(1)
    base = forecast * np.exp(-change)
    # Logarithmic mean of forecast and base: what one unit on the log scale is worth in units of demand.
    worth = np.where(np.abs(change) > _SURE, (forecast - base) / np.where(change == 0, 1, change), base)
    parts = {BASE: float(base.sum(dtype=np.float64))}
    for column, name in enumerate(names):
        group = next((g for g, heads in GROUPS.items() if name.startswith(heads)), REST)
        parts[group] = parts.get(group, 0.0) + float((worth * logs[:, column]).sum())
    return Explanation(float(forecast.sum(dtype=np.float64)), parts)


def structured_logs(point: FittedStructured, panel: Panel, series: int, horizon: int) -> tuple[np.ndarray, list[str]]:
    """What multiplies one series' level in the structured baseline, by covariate and part of the calendar.

    A price counts from where it stands at the origin, everything else from there being none.

    Returns:
        Logarithms float64 [horizon, names], and the names.
    """
    origin = panel.shape[1] - 1
    days = origin + np.arange(1, horizon + 1)
    group = int(point.table.of(panel)[series, 2].round())
    x, since = design.matrix(point.columns, panel, series, origin + 1 + horizon)
    seen = np.where(since[days] <= origin, x[days] * point.coefficients[group], 0.0)
    sources = list(dict.fromkeys(column.source for column in point.columns))
    logs = [seen[:, [c.source == source for c in point.columns]].sum(1) for source in sources]
    logs.append(response_logs(point.response, panel, series, horizon))
    # A closed day's effect is bounded; so is what is told of it.
    return np.clip(np.column_stack(logs), -12.0, 12.0), [*sources, *point.response.names]


def response_logs(answer: Response, panel: Panel, series: int, horizon: int) -> np.ndarray:
    """Logarithms of what each covariate does to one series, float64 [horizon, covariates]."""
    origin = panel.shape[1] - 1
    given = response.covariates(panel, answer).part(slice(series, series + 1))
    out = np.zeros((horizon, len(answer.names)))
    for k in range(len(answer.names)):
        alone = np.zeros_like(answer.table)
        alone[k] = answer.table[k]
        at = [response.told(given, answer.kinds, alone, 0, origin + h, origin) for h in range(horizon + 1)]
        out[:, k] = np.array(at[1:]) - (at[0] if answer.kinds[k] == response.LOG else 0.0)
    return out
