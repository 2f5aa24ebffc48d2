"""The structured baseline: effects of days learned on sums of series, times a level smoothed per series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from windvane.engine import map_parts
from windvane.models.base import Artifact, Capabilities
from windvane.models.series_table import SeriesTable
from windvane.models.smoothing import spans
from windvane.models.structured import design, levels, profile, response, seasons
from windvane.models.structured.recurring import with_reach, with_season
from windvane.models.structured.response import Covariates, Response
from windvane.panel import Panel

_TAKES = Capabilities(known=True, static=True, pooled=True)


@dataclass(frozen=True, eq=False)
class FittedStructured:
    """Effects of days per group and smoothing parameters per series.

    Attributes:
        table: per series: what the level keeps, firm units of its own factors, group.
        columns: the design.
        coefficients: float64 [groups, columns].
        response: what prices, promotions and the like do.
        unit: what sales are counted in: 1 for pieces, else half of a usual sale.
    """

    table: SeriesTable
    columns: tuple[design.Column, ...]
    coefficients: np.ndarray
    response: Response
    unit: float

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        from windvane.models.structured.kernels import means

        panel = _counted(panel, self.unit)
        params, group = self.table.of(panel), self._group(panel)
        at = np.ascontiguousarray(origins, dtype=np.int64)
        effect, ahead = self._effects(panel, group, at, horizon)
        factor, given, answers = self._responses(panel, horizon)
        out = np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        launch, cycle = panel.launch, levels.CYCLE[panel.freq.unit]

        def part(rows: slice) -> None:
            own = (factor[rows], given.part(rows), answers, params[rows])
            means(panel.sales[rows], launch[rows], group[rows], effect, ahead, *own, cycle, at, out[rows])

        map_parts(part, spans(panel.shape[0]))
        return out if self.unit == 1.0 else out * np.float32(self.unit)

    def rows(self, panel: Panel, series: np.ndarray, origin: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Expected demand of single (series, origin, step) rows, float32 [rows]; sorted by series and origin."""
        from windvane.models.structured.kernels import rows

        panel = _counted(panel, self.unit)
        params, group = self.table.of(panel), self._group(panel)
        effect, ahead = self._effects(panel, group, np.arange(panel.shape[1]), int(step.max(initial=1)))
        pointer = np.searchsorted(series, np.arange(panel.shape[0] + 1)).astype(np.int64)
        factor, given, answers = self._responses(panel, int(step.max(initial=1)))
        out, cycle, launch = np.zeros(len(series), np.float32), levels.CYCLE[panel.freq.unit], panel.launch

        def part(some: slice) -> None:
            at = slice(pointer[some.start], pointer[some.stop])
            where = (pointer[some.start : some.stop + 1] - pointer[some.start], origin[at], step[at])
            own = (factor[some], given.part(some), answers, params[some])
            rows(panel.sales[some], launch[some], group[some], effect, ahead, *own, cycle, where, out[at])

        map_parts(part, spans(panel.shape[0]))
        return out if self.unit == 1.0 else out * np.float32(self.unit)

    def part(self, kept: np.ndarray) -> FittedStructured:
        """The same with some of the effects only; ``kept``: bool [columns]."""
        columns = tuple(column for column, keep in zip(self.columns, kept, strict=True) if keep)
        return replace(self, columns=columns, coefficients=self.coefficients[:, kept])

    def multiplied(self, panel: Panel) -> np.ndarray:
        """What days, prices and promotions multiplied past sales by, float32 [series, time]."""
        factor, *_ = self._responses(panel)
        if self.columns:
            group = self._group(panel)
            factor *= self._effects(panel, group, np.zeros(0, np.int64), 1)[0].astype(np.float32)[group]
        return factor

    def multiply(self, panel: Panel, origins: np.ndarray, out: np.ndarray) -> None:
        """Multiply forecasts by what days, prices and promotions will do, as far as known at each origin.

        Args:
            panel: the series.
            origins: columns of the panel [origins].
            out: forecasts, float32 [series, origins, horizon].
        """
        at = np.ascontiguousarray(origins, dtype=np.int64)
        group, answer = self._group(panel), self.response
        _, ahead = self._effects(panel, group, at, out.shape[2])
        given = response.covariates(panel, answer, out.shape[2])

        def part(rows: slice) -> None:
            out[rows] *= ahead.astype(np.float32)[group[rows]]
            if answer.any:
                response.ahead(given.part(rows), *answer.answers, at, out[rows])

        map_parts(part, spans(panel.shape[0]))

    def _group(self, panel: Panel) -> np.ndarray:
        return self.table.of(panel)[:, 2].round().astype(np.int32)

    def _responses(
        self, panel: Panel, horizon: int = 0
    ) -> tuple[np.ndarray, Covariates, tuple[np.ndarray, np.ndarray]]:
        """Responses of the past, float32 [series, time], covariates, and what they do."""
        given = response.covariates(panel, self.response, horizon)
        factor = np.ones(panel.shape, np.float32)
        if self.response.any:
            response.past_factors(panel, self.response, given, factor)
        return factor, given, self.response.answers

    def _effects(
        self, panel: Panel, group: np.ndarray, origins: np.ndarray, horizon: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Effects of past days [groups, time] and of those after each origin [groups, origins, horizon]."""
        time, count = panel.shape[1], len(self.coefficients)
        stop = max(int(origins.max(initial=-1)) + 1 + horizon, time)
        effect, ahead = np.ones((count, time)), np.ones((count, len(origins), horizon))
        for g in np.unique(group):
            b = self.coefficients[g]
            x, since = design.matrix(self.columns, panel, int(np.flatnonzero(group == g)[0]), stop)
            effect[g] = profile.effects(x[:time], b, since[:time])
            ahead[g] = profile.ahead(x, since, b, origins, horizon)
        return effect, ahead

    def artifact(self) -> Artifact:
        """Everything needed to restore it."""
        held: list[dict[str, Any]] = [vars(column) for column in self.columns]
        answer = self.response
        base = self.table.artifact(columns=held, covariates=list(answer.names), unit=self.unit)
        arrays = {"coefficients": self.coefficients, "kinds": answer.kinds, "responses": answer.table}
        if answer.leans is not None:
            arrays["leans"] = answer.leans.values
        if answer.seasons is not None:
            arrays["seasons"] = answer.seasons.values
        return Artifact({**base.arrays, **arrays, "units": answer.unit}, base.values)


@dataclass(frozen=True)
class Structured:
    """Effects of days on sums of series, times a level per series; parameters by error over all steps of the horizon.

    Attributes:
        name: its name in the registry.
    """

    name: str = "structured"
    capabilities: Capabilities = _TAKES

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedStructured:
        """Learn the effects and choose the parameters."""
        unit_sold = _usual(panel)
        panel = _counted(panel, unit_sold)
        regions = design.shared(panel)
        columns = design.columns(panel, tuple(regions))
        groups = profile.groups(panel, regions)
        sums = profile.sums(panel, groups)
        columns = with_reach(panel, with_season(panel, columns, sums[-1]), sums[-1])
        coefficients = profile.learn(panel, columns, sums)
        unit, time = panel.freq.unit, panel.shape[1]
        effect = np.ones((len(coefficients), time))
        for g, b in enumerate(coefficients):
            x, since = design.matrix(columns, panel, int(sums[0].row[g]), time)
            effect[g] = profile.effects(x, b, since)
        own = tuple(name for name in panel.known if name not in regions)
        answer = response.learn(panel, own, effect, groups.finest, profile.MEMORY[unit])
        factor = np.ones(panel.shape, np.float32)
        if own:
            response.past_factors(panel, answer, response.covariates(panel, answer), factor)
        answer = replace(answer, seasons=seasons.learn(panel, factor * effect[groups.finest].astype(np.float32)))
        if answer.seasons is not None:
            response.past_factors(panel, answer, response.covariates(panel, answer), factor)
        kind = np.zeros(panel.shape[0], np.int64)
        if answer.seasons is not None:
            kind = (answer.seasons.values != 0).any(axis=1).astype(np.int64)
        keep, firm = levels.choose(panel, horizon, (groups.finest, effect, factor), kind)
        table = np.column_stack([keep, firm, groups.finest.astype(np.float64)])
        return FittedStructured(SeriesTable(panel.identity, table), columns, coefficients, answer, unit_sold)

    def restore(self, artifact: Artifact) -> FittedStructured:
        """Rebuild it."""
        columns = tuple(design.Column(**held) for held in artifact.values["columns"])
        held = artifact.arrays
        names = tuple(artifact.values["covariates"])
        leans = SeriesTable(held["identity"], held["leans"]) if "leans" in held else None
        own = SeriesTable(held["identity"], held["seasons"]) if "seasons" in held else None
        answer = Response(names, held["kinds"], held["responses"], held["units"], leans, own)
        unit = float(artifact.values["unit"])
        return FittedStructured(SeriesTable.restore(artifact), columns, held["coefficients"], answer, unit)


def _usual(panel: Panel) -> float:
    """What sales are counted in."""
    sold = panel.sales[panel.sales > 0]
    return 1.0 if panel.counts or not len(sold) else float(np.median(sold)) / 2


def _counted(panel: Panel, unit: float) -> Panel:
    """The panel with sales in such units."""
    return panel if unit == 1.0 else replace(panel, sales=panel.sales / np.float32(unit))
