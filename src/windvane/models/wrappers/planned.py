"""A model that takes no plans, given them: it sees sales as they would have been without prices and promotions.

What these do is learned over all series together (:mod:`windvane.models.structured.response`); sales are divided by it
before the model sees them, and its forecasts multiplied by what is planned. Where no series differs from another in
what is known in advance, the model is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.engine import map_parts
from windvane.models.base import Artifact, Capabilities, FittedPoint, PointModel
from windvane.models.series_table import SeriesTable
from windvane.models.smoothing import spans
from windvane.models.structured import design, profile, response
from windvane.models.structured.response import Response
from windvane.panel import Panel

_TAKES = Capabilities(known=True, static=True, pooled=True)
_INNER = "inner."


@dataclass(frozen=True, eq=False)
class FittedPlanned:
    """A fitted model of sales without plans, and what plans do."""

    point: FittedPoint
    response: Response

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        answer = self.response
        if not answer.names:
            return self.point.means(panel, origins, horizon)
        out = self.point.means(without(panel, answer), origins, horizon)
        given = response.covariates(panel, answer)
        at = np.ascontiguousarray(origins, dtype=np.int64)

        def part(rows: slice) -> None:
            response.ahead(given.part(rows), answer.kinds, answer.table, at, out[rows])

        map_parts(part, spans(panel.shape[0]))
        return out

    def artifact(self) -> Artifact:
        """That of the model, and the response."""
        held, answer = self.point.artifact(), self.response
        arrays = {f"{_INNER}{name}": array for name, array in held.arrays.items()}
        arrays |= {"kinds": answer.kinds, "responses": answer.table, "units": answer.unit}
        if answer.leans is not None:
            arrays |= {"leans_of": answer.leans.identity, "leans": answer.leans.values}
        return Artifact(arrays, {"covariates": list(answer.names), "inner": dict(held.values)}, held.texts)


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
        # What one series has is alike for all series that there are; it is still its own.
        regions = design.shared(panel) if panel.shape[0] > 1 else {}
        names = tuple(name for name in panel.known if name not in regions)
        flat, whole = np.ones((1, panel.shape[1])), np.zeros(panel.shape[0], np.int32)
        sold = panel.sales[panel.sales > 0]
        usual = 1.0 if panel.counts or not len(sold) else float(np.median(sold)) / 2
        counted = replace(panel, sales=panel.sales / np.float32(usual))
        answer = response.learn(counted, names, flat, whole, profile.MEMORY[panel.freq.unit])
        return FittedPlanned(self.model().fit(without(panel, answer), horizon, rng), answer)

    def restore(self, artifact: Artifact) -> FittedPlanned:
        """Rebuild it."""
        held = artifact.arrays
        inner = {name.removeprefix(_INNER): array for name, array in held.items() if name.startswith(_INNER)}
        leans = SeriesTable(held["leans_of"], held["leans"]) if "leans" in held else None
        names = tuple(artifact.values["covariates"])
        answer = Response(names, held["kinds"], held["responses"], held["units"], leans)
        point = self.model().restore(Artifact(inner, artifact.values["inner"], artifact.texts))
        return FittedPlanned(point, answer)


def without(panel: Panel, answer: Response) -> Panel:
    """The panel with sales as they would have been without what is known of each series in advance."""
    if not answer.names:
        return panel
    factor = np.ones(panel.shape, np.float32)
    response.past_factors(panel, answer, response.covariates(panel, answer), factor)
    told = panel.stockouts
    if told is not None:
        told = replace(told, sold=told.sold / factor)
    return replace(panel, sales=panel.sales / factor, stockouts=told)
