"""The distribution of demand given its expected value, learned from forecasts of the past.

Past (expected, actual) pairs are cut into bins of like expectation, and within them of like volatility; the
quantiles of every cell are kept and interpolated. Series that have lain idle for improbably long (out of stock, out
of season, ended: nobody said) have a table of their own, since they either stay at zero or come back. Nothing is
assumed of the shape, so counts, zeros and heavy tails come out as they were. Whole-numbered sales are spread by a
uniform half unit to either side first, so that rounding the result gives back whole-numbered quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from windvane.models.base import Artifact
from windvane.models.wrappers.pinball import Boosts
from windvane.panel import Panel

_MAX_PAIRS = 400_000
_CELL, _LEAST_CELL = 400, 40
_MAX_BINS, _MAX_GROUPS = 48, 4
_ALIKE = 40
_VOLATILITY_WINDOW = 91
_IDLE_WINDOW = 182
_DOUBT = 2.0
"""How many times the variance of chance a squared bias must exceed to be taken out in part."""


@dataclass(frozen=True)
class Pairs:
    """What was expected and what came: flat arrays of equal length.

    Attributes:
        mean: expected demand.
        sales: what was sold (no NaN).
        volatility: see :func:`volatility`.
        idle: see :func:`idle`.
        step: how many periods ahead, from 1.
        column: period that was forecast.
    """

    mean: np.ndarray
    sales: np.ndarray
    volatility: np.ndarray
    idle: np.ndarray
    step: np.ndarray
    column: np.ndarray

    def where(self, use: np.ndarray) -> Pairs:
        """Some of the pairs."""
        return Pairs(*(getattr(self, field.name)[use] for field in fields(self)))

    def lift(self, trust: float, swing: float, windows: float) -> float:
        """What forecasts must be multiplied by to lose their common bias, as far as it is more than chance.

        Args:
            trust: 1 = as the windows tell, 0 = all of it was chance.
            swing: variance of the logarithm of sales from window to window.
            windows: number of windows that the pairs cover.
        """
        expected, sold = float(self.mean.sum()), float(self.sales.sum())
        if trust <= 0 or expected <= 0 or sold <= 0:
            return 1.0
        bias = float(np.log(sold / expected))
        sure = max(0.0, 1 - _DOUBT * swing / max(windows, 1.0) / max(bias**2, 1e-12))
        return float(np.exp(trust * sure * bias))

    def recentred(self) -> Pairs:
        """The pairs with sales scaled so that their sum is what was expected."""
        expected, sold = float(self.mean.sum()), float(self.sales.sum())
        if expected <= 0 or sold <= 0:
            return self
        return replace(self, sales=self.sales * (expected / sold))


def volatility(panel: Panel, origins: np.ndarray) -> np.ndarray:
    """Variance over mean of the last periods before each origin, shrunk to the panel's, float64 [series, origins]."""
    out = np.empty((panel.shape[0], len(origins)))
    for i, origin in enumerate(origins):
        part = panel.sales[:, max(0, origin + 1 - _VOLATILITY_WINDOW) : origin + 1].astype(np.float64)
        first = origin + 1 - part.shape[1]
        seen = ~np.isnan(part) & (np.arange(part.shape[1])[None, :] + first >= panel.launch[:, None])
        n = seen.sum(1)
        total = np.where(seen, part, 0).sum(1)
        mean = total / np.maximum(n, 1)
        variance = np.where(seen, (part - mean[:, None]) ** 2, 0).sum(1) / np.maximum(n - 1, 1)
        usual = variance[n > 1].sum() / max(float(mean[n > 1].sum()), 1e-12)
        out[:, i] = (variance * n + usual * np.abs(mean) * 4 + 1e-12) / (np.abs(mean) * (n + 4) + 1e-12)
    return out


def idle(panel: Panel, origins: np.ndarray) -> np.ndarray:
    """Whether a series has gone unsold for improbably long at each origin, bool [series, origins].

    A run of zeros up to the origin counts as improbable below 1 in 100, given the share of periods with a sale in
    the (up to 182) periods before the run. Unknown periods (out of stock, say) count neither way.
    """
    sold = panel.sales > 0
    total, seen = (np.zeros((panel.shape[0], panel.shape[1] + 1), np.int32) for _ in range(2))
    np.cumsum(sold, axis=1, out=total[:, 1:])
    np.cumsum(~np.isnan(panel.sales), axis=1, out=seen[:, 1:])
    out = np.zeros((panel.shape[0], len(origins)), bool)
    for i, origin in enumerate(origins):
        newest = sold[:, : origin + 1][:, ::-1]
        run = np.where(newest.any(1), newest.argmax(1), 0)
        low = np.maximum(origin + 1 - run - _IDLE_WINDOW, panel.launch).clip(0, origin + 1)
        high = np.maximum(origin + 1 - run, low)
        rows = np.arange(panel.shape[0])
        known = seen[rows, high] - seen[rows, low]
        share = (total[rows, high] - total[rows, low]) / np.maximum(known, 1)
        zeros = seen[:, origin + 1] - seen[rows, origin + 1 - run]
        out[:, i] = zeros * np.log1p(-np.minimum(share, 1 - 1e-9)) < np.log(0.01)
    return out


def pairs(panel: Panel, origins: np.ndarray, means: np.ndarray, rng: np.random.Generator) -> Pairs:
    """Match forecasts with what came, of all series or of as many drawn at random as give enough pairs.

    Args:
        panel: the series, up to the newest period that may be used.
        origins: columns the forecasts were made at [origins].
        means: the forecasts [series, origins, horizon].
        rng: draws the series.
    """
    if means.size > _MAX_PAIRS:
        some = np.sort(rng.choice(means.shape[0], max(1, _MAX_PAIRS * means.shape[0] // means.size), replace=False))
        panel, means = panel.take(some), means[some]
    wobble, asleep = volatility(panel, origins), idle(panel, origins)
    mean, sales, around, still, step, column = [], [], [], [], [], []
    for i, origin in enumerate(origins):
        width = min(means.shape[2], panel.shape[1] - 1 - int(origin))
        if width <= 0:
            continue
        actual = panel.sales[:, origin + 1 : origin + 1 + width]
        use = ~np.isnan(actual) & (panel.launch <= origin)[:, None]
        mean.append(means[:, i, :width][use])
        sales.append(actual[use])
        around.append(np.broadcast_to(wobble[:, i : i + 1], actual.shape)[use])
        still.append(np.broadcast_to(asleep[:, i : i + 1], actual.shape)[use])
        step.append(np.broadcast_to(np.arange(1, width + 1), actual.shape)[use])
        column.append(step[-1] + origin)
    empty = [np.empty(0, np.float32)]
    a, b, c = (np.concatenate(part or empty).astype(np.float64) for part in (mean, sales, around))
    when = (np.concatenate(part or empty).astype(np.int64) for part in (step, column))
    return Pairs(a, b, c, np.concatenate(still or [np.empty(0, bool)]), *when)


def growth(data: Pairs) -> float:
    """Power of the step with which the spread round the expectation grows, between 0 and 0.3.

    Absolute errors are compared with those of pairs of like expectation, and their logarithm regressed on that of the
    step among forecasts of the same period, so that an odd period tells nothing of the steps that it was forecast at.
    """
    if len(data.mean) < _ALIKE**2:
        return 0.0
    miss = np.abs(data.sales - data.mean)
    alike = np.argsort(np.argsort(data.mean, kind="stable"), kind="stable") * _ALIKE // len(miss)
    usual = (np.bincount(alike, miss) / np.bincount(alike))[alike]
    reach = int(data.step.max()) + 1
    cells, spot = np.unique(data.column * reach + data.step, return_inverse=True)
    found, wanted = np.bincount(spot, miss), np.bincount(spot, usual)
    use = (found > 0) & (wanted > 0)
    if not use.any():
        return 0.0
    column = np.unique(cells[use] // reach, return_inverse=True)[1]
    ahead, ratio, weight = np.log(cells[use] % reach), np.log(found[use] / wanted[use]), wanted[use]
    total = np.bincount(column, weight)
    ahead = ahead - (np.bincount(column, weight * ahead) / total)[column]
    spread = float((weight * ahead**2).sum())
    return float(np.clip((weight * ahead * ratio).sum() / spread, 0.0, 0.3)) if spread > 0 else 0.0


@dataclass(frozen=True)
class Table:
    """Quantiles of demand by expected demand and volatility.

    Attributes:
        centre: float64 [bins], mean expectation per bin, ascending.
        edges: float64 [bins, groups - 1], volatilities that divide each bin's groups.
        quantiles: float64 [bins, groups, levels], quantiles at the bin's centre.
    """

    centre: np.ndarray
    edges: np.ndarray
    quantiles: np.ndarray

    @classmethod
    def learn(cls, data: Pairs, levels: Sequence[float], counts: bool, rng: np.random.Generator) -> Table:
        """Learn from past pairs, at least two."""
        order = np.argsort(data.mean, kind="stable")
        mean, sales, around = data.mean[order], data.sales[order], data.volatility[order]
        # Few pairs still need several bins: in one bin of slow and fast sellers, the slow would drag the fast down.
        cell = int(np.clip(len(mean) // 8, _LEAST_CELL, _CELL))
        bins = int(np.clip(len(mean) // (2 * cell), 1, _MAX_BINS))
        weight = np.cumsum(0.5 / len(mean) + 0.5 * mean / max(float(mean.sum()), 1e-300))
        cuts = np.unique(np.searchsorted(weight, np.arange(1, bins) / bins * weight[-1]))
        starts = _merge(np.concatenate([[0], cuts]), len(mean), min(cell, len(mean)))
        ends = np.append(starts[1:], len(mean))
        groups = int(np.clip(np.min(ends - starts) // cell, 1, _MAX_GROUPS))
        centre = np.array([mean[a:b].mean() for a, b in zip(starts, ends, strict=True)])
        edges = np.empty((len(starts), groups - 1))
        table = np.empty((len(starts), groups, len(levels)))
        for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
            here = mean[a:b]
            scaled = np.where(here > 0, sales[a:b] * (centre[i] / np.where(here > 0, here, 1)), sales[a:b])
            # Where the expectation is tiny, the ratio says nothing: sales are taken as they are.
            spread = np.where(here >= 0.5 * centre[i], scaled, sales[a:b])
            if counts:
                spread = spread + rng.uniform(-0.5, 0.5, b - a)
            edges[i] = np.quantile(around[a:b], np.arange(1, groups) / groups)
            group = np.searchsorted(edges[i], around[a:b], side="right")
            for g in range(groups):
                inside = spread[group == g]
                table[i, g] = np.quantile(inside if len(inside) else spread, levels)
        return cls(centre, edges, table)

    def read(self, mean: np.ndarray, wobble: np.ndarray) -> np.ndarray:
        """Quantiles [pairs, levels] at expected demand and volatility [pairs], not decreasing."""
        if len(self.centre) == 1:
            group = np.searchsorted(self.edges[0], wobble, side="right")
            return self.quantiles[0][group] * (mean / max(float(self.centre[0]), 1e-300))[:, None]
        upper = np.clip(np.searchsorted(self.centre, mean), 1, len(self.centre) - 1)
        low, high = self._cell(upper - 1, wobble), self._cell(upper, wobble)
        left, right = self.centre[upper - 1], self.centre[upper]
        share = np.clip((mean - left) / np.maximum(right - left, 1e-300), 0, 1)[:, None]
        out = low + share * (high - low)
        # Beyond the outer bins the shape is kept and scaled.
        above = mean > self.centre[-1]
        out[above] *= (mean[above] / self.centre[-1])[:, None]
        below = (mean < self.centre[0]) & (self.centre[0] > 0)
        out[below] *= (mean[below] / self.centre[0])[:, None]
        return out

    def _cell(self, index: np.ndarray, wobble: np.ndarray) -> np.ndarray:
        group = (wobble[:, None] >= self.edges[index]).sum(1) if self.edges.shape[1] else np.zeros(len(index), int)
        return self.quantiles[index, group]


@dataclass(frozen=True)
class Distribution:
    """Quantiles of demand given its expectation.

    Attributes:
        levels: probabilities.
        active: the table of series that sell.
        idle: the table of series that lie idle, or None where there were too few.
        growth: power of the step with which the spread grows.
        boosts: trees for the quantiles, or None.
        share: of the trees in the mean of both.
    """

    levels: tuple[float, ...]
    active: Table
    idle: Table | None = None
    growth: float = 0.0
    boosts: Boosts | None = None
    share: float = 0.0

    @classmethod
    def learn(cls, data: Pairs, levels: Sequence[float], counts: bool, rng: np.random.Generator) -> Distribution:
        """Learn from past pairs; with fewer than two a wide exponential shape stands in."""
        levels = tuple(levels)
        if len(data.mean) < 2:
            shape = -np.log1p(-np.asarray(levels))
            return cls(levels, Table(np.ones(1), np.empty((1, 0)), shape[None, None, :]))
        asleep = data.idle
        if min(int(asleep.sum()), int((~asleep).sum())) < 2 * _CELL:
            return cls(levels, Table.learn(data, levels, counts, rng), growth=growth(data))
        active = Table.learn(data.where(~asleep), levels, counts, rng)
        return cls(levels, active, Table.learn(data.where(asleep), levels, counts, rng), growth(data))

    def quantiles(self, mean: np.ndarray, around: np.ndarray, asleep: np.ndarray) -> np.ndarray:
        """Quantiles [series, horizon, levels], not decreasing.

        Args:
            mean: expected demand [series, horizon].
            around: volatility [series].
            asleep: whether idle [series].
        """
        flat = mean.ravel().astype(np.float64)
        wobble, still = np.repeat(around, mean.shape[1]), np.repeat(asleep, mean.shape[1])
        step = np.tile(np.arange(1, mean.shape[1] + 1), len(mean))
        out = self._widened(flat, self._table(flat, wobble, still), step, mean.shape[1])
        if self.boosts is not None:
            out = (1 - self.share) * out + self.share * self.boosts.read(flat, wobble, still, step)
        return out.reshape(*mean.shape, -1)

    def at(self, data: Pairs) -> np.ndarray:
        """Quantiles [pairs, levels] by the table for single pairs."""
        found = self._table(data.mean, data.volatility, data.idle)
        return self._widened(data.mean, found, data.step, int(data.step.max(initial=1)))

    def _table(self, mean: np.ndarray, wobble: np.ndarray, still: np.ndarray) -> np.ndarray:
        out = self.active.read(mean, wobble)
        if self.idle is not None and still.any():
            out[still] = self.idle.read(mean[still], wobble[still])
        return out

    def _widened(self, mean: np.ndarray, quantiles: np.ndarray, step: np.ndarray, horizon: int) -> np.ndarray:
        """Quantiles drawn to the expectation at near steps, away from it at far ones; certain zeros stay."""
        if self.growth == 0:
            return quantiles
        reach = np.arange(1, horizon + 1) ** self.growth
        factor = (reach / reach.mean())[step - 1][:, None]
        middle = mean[:, None]
        moved = np.maximum(middle + (quantiles - middle) * factor, 0.0)
        return np.where(quantiles > 0, moved, quantiles)

    def artifact(self) -> Artifact:
        """The tables."""
        tables = {"active": self.active} | ({"idle": self.idle} if self.idle else {})
        arrays = {f"{n}.{k}": getattr(t, k) for n, t in tables.items() for k in Table.__dataclass_fields__}
        values: dict[str, object] = {"levels": list(self.levels), "growth": self.growth}
        if self.boosts is None:
            return Artifact(arrays=arrays, values=values)
        trees = self.boosts.artifact()
        return Artifact(arrays, {**values, "share": self.share, "trees": dict(trees.values)}, trees.texts)

    @classmethod
    def restore(cls, artifact: Artifact) -> Distribution:
        """Rebuild it."""

        def table(name: str) -> Table | None:
            found = [artifact.arrays.get(f"{name}.{k}") for k in Table.__dataclass_fields__]
            return None if found[0] is None else Table(*found)  # type: ignore[arg-type]

        active = table("active")
        assert active is not None
        held = artifact.values
        plain = cls(tuple(held["levels"]), active, table("idle"), float(held["growth"]))
        if "trees" not in held:
            return plain
        return replace(
            plain, boosts=Boosts.restore(Artifact(values=held["trees"], texts=artifact.texts)), share=held["share"]
        )


def _merge(starts: np.ndarray, total: int, least: int) -> np.ndarray:
    """Drop bin starts until every bin holds at least ``least`` pairs."""
    kept = [0]
    for start in starts[1:]:
        if start - kept[-1] >= least and total - start >= least:
            kept.append(int(start))
    return np.array(kept)
