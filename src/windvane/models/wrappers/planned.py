"""A model that takes no plans, given them: it sees sales as they would have been without.

Taken off is what a structured model learned, over all series together, of prices, promotions and whatever else is known
in advance of single series; of festivals that came round twice or more; and, for a model that looks at one series
alone, of numbers that many series share. Sales are divided by it before the model sees them, and its forecasts
multiplied by what is planned. Where there is nothing of the kind, the model is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.models.base import Artifact, Capabilities, FittedPoint, PointModel
from windvane.models.structured import design
from windvane.models.structured.model import FittedStructured, Structured
from windvane.models.structured.response import EFFECT
from windvane.panel import Panel

_TAKES = Capabilities(known=True, static=True, pooled=True)
_INNER, _BASE = "inner", "base"


@dataclass(frozen=True, eq=False)
class FittedPlanned:
    """A fitted model of sales without plans, and what plans do; None where there are none."""

    point: FittedPoint
    base: FittedStructured | None

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        if self.base is None:
            return self.point.means(panel, origins, horizon)
        out = self.point.means(without(panel, self.base), origins, horizon)
        self.base.multiply(panel, origins, out)
        return out

    def artifact(self) -> Artifact:
        """Those of the model and of what plans do, each key behind which of them it is."""
        parts = {_INNER: self.point.artifact()} | ({_BASE: self.base.artifact()} if self.base else {})
        return Artifact.joined(parts)


@dataclass(frozen=True)
class Planned:
    """A model of sales without plans.

    Attributes:
        name: its name in the registry.
        inner: name of the model.
        capabilities: it takes plans.
    """

    name: str
    inner: str
    capabilities: Capabilities = _TAKES

    def model(self) -> PointModel:
        """The model."""
        from windvane.models.registry import point_model

        return point_model(self.inner)

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedPlanned:
        """Learn what plans do, and fit the model to sales without them."""
        if not panel.known:
            return FittedPlanned(self.model().fit(panel, horizon, rng), None)
        return self.fit_on(Structured().fit(panel, horizon, rng), panel, horizon, rng)

    def fit_on(self, base: FittedStructured, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedPlanned:
        """Fit the model to sales without what a structured model of the panel learned of plans."""
        inner = self.model()
        kept = base.part(_taken(base, panel, itself=inner.capabilities.pooled and panel.shape[0] > 1))
        if not kept.columns and not kept.response.names:
            return FittedPlanned(inner.fit(panel, horizon, rng), None)
        return FittedPlanned(inner.fit(without(panel, kept), horizon, rng), kept)

    def restore(self, artifact: Artifact) -> FittedPlanned:
        """Rebuild it."""
        base = Structured().restore(artifact.part(_BASE)) if _BASE in artifact.values else None
        return FittedPlanned(self.model().restore(artifact.part(_INNER)), base)


def _taken(base: FittedStructured, panel: Panel, itself: bool) -> np.ndarray:
    """Which effects of days are taken off, bool [columns]; ``itself``: it reads shared numbers itself."""
    events = design.came_twice(base.columns, panel)
    numbers = [c.code < 0 and c.source in panel.known and c.source not in design.CLOSED for c in base.columns]
    return events if itself else events | np.array(numbers, bool)


def without(panel: Panel, base: FittedStructured) -> Panel:
    """The panel with sales as they would have been without what the base knows, which the panel then is without."""
    factor = base.multiplied(panel)
    # A day that sells next to nothing says nothing of the others.
    sales = np.where(factor < EFFECT, np.nan, panel.sales / factor)
    gone = {column.source for column in base.columns} | set(base.response.names)
    told = panel.stockouts
    if told is not None:
        told = replace(told, sold=told.sold / np.maximum(factor, EFFECT))
    return replace(
        panel,
        sales=sales,
        stockouts=told,
        known={name: known for name, known in panel.known.items() if name not in gone},
        levels={name: texts for name, texts in panel.levels.items() if name not in gone},
    )
