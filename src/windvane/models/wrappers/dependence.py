"""What moves together: relative shocks of groups and series, sized so that past sums erred as much as they did.

The errors of a sum are as large as the errors of its series and steps go together. Shocks of groups (all series, a
category, a location, a category at a location, a product over all locations) and of a series' own level are sized by
moments: squared errors of the sums of a group over 1 step, a season and the whole horizon, less the squared errors
of its single cells, equal what shocks of all kinds together explain (non-negative least squares). Every shock has a
part that is fresh at each step, one that fades and one that stays; sums over windows of three lengths tell them apart.

A model's own past forecasts cover few windows. A plain smoothing forecast, made at many origins, tells how the errors
of sums vary over time; the model's own, where both were made, how much smaller or larger its errors are; the ratio is
drawn to 1 the fewer windows it rests on.

Sources: Searle, Casella, McCulloch (1992), Variance Components (moments); Lawson and Hanson (1974), Solving Least
Squares Problems (non-negative least squares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from windvane.forecasts import Dependence, identity_of
from windvane.grouping import sum_by
from windvane.models.base import Artifact
from windvane.panel import Panel

if TYPE_CHECKING:
    from windvane.models.wrappers.calibrate import Evidence

_MEMORY = {"1h": 0.8, "1d": 0.7, "1w": 0.5, "1mo": 0.3}
_SEASON = {"1h": 24, "1d": 7, "1w": 4, "1mo": 3}
_SMOOTHING = (0.1, 0.0, 0.05, 1.0)
_MAX_CELLS = 12_000_000
_MAX_ORIGINS = 48
_BINS = (0.2, 0.4, 0.6, 0.8, 0.95)
_SIZE = 0.75
"""Variance of a group's shock falls with this power of its size."""
_DRAWN = 4.0
"""Windows that draw a model's ratio to the plain forecast to 1."""
_USUAL, _USUAL_WINDOWS = 0.05, 1.0
"""Relative error of a sum where there is no past, and the number of windows that it counts for."""
_LEAST = 1e-4
_CLIP = 1000.0
"""Squared errors of series count up to so many times those of independent steps."""
_ADRIFT = 0.05
"""Variance of a level's drift that goes into how noisy a series is taken to be."""
_SHORT = 3.0
"""How much more a shortfall of the variance explained weighs than an excess: narrow intervals mislead."""
_UNSURE = 4.0
"""Moments of n windows are raised by this over n: they are as likely to have been too quiet as too loud."""


@dataclass(frozen=True, eq=False)
class Relations:
    """How much groups and series err together; a few numbers, whatever the number of series.

    Attributes:
        kinds: columns that each kind of group goes by; none = all series together.
        shocks: variances of the fresh, the fading and the staying part per kind, relative to expected demand squared,
            float64 [kinds, 3].
        edges: sales per period that divide series into bins, float64 [bins - 1].
        own: variances of the fading and the staying part of a series' own shock, float64 [bins, 2].
        memory: what a fading shock keeps from one step to the next.
        freedom: see :attr:`windvane.forecasts.Dependence.freedom`.
    """

    kinds: tuple[tuple[str, ...], ...]
    shocks: np.ndarray
    edges: np.ndarray
    own: np.ndarray
    memory: float
    freedom: float = 3.0

    def of(self, panel: Panel) -> Dependence:
        """What moves together among the series of a panel."""
        level, series = usual(panel), panel.shape[0]
        code, groups, shocks, start = [], [], [], 0
        twin, twin_shocks = np.zeros(series, np.uint64), np.zeros((series, 3), np.float32)
        for kind, variance in zip(self.kinds, self.shocks, strict=True):
            group = Groups.by(panel, kind, level)
            deviation = np.sqrt(variance[None, :] * group.scale[:, None]).astype(np.float32)
            if group.small(series):
                twin, twin_shocks = group.names[group.code], deviation[group.code]
                continue
            code.append((group.code + start).astype(np.int32))
            groups.append(group.names)
            shocks.append(deviation)
            start += len(group.names)
        own = np.sqrt(self.own[np.searchsorted(self.edges, level)])
        return Dependence(
            code=np.stack(code, axis=1),
            groups=np.concatenate(groups),
            shocks=np.concatenate(shocks),
            twin=twin,
            twin_shocks=twin_shocks,
            own=np.ascontiguousarray(own, dtype=np.float32),
            memory=self.memory,
            freedom=self.freedom,
        )

    def artifact(self) -> Artifact:
        """Everything needed to restore it."""
        arrays = {"shocks": self.shocks, "edges": self.edges, "own": self.own}
        told = {"kinds": [list(kind) for kind in self.kinds], "memory": self.memory, "freedom": self.freedom}
        return Artifact(arrays, told)

    @classmethod
    def restore(cls, artifact: Artifact) -> Relations:
        """Rebuild it."""
        held = artifact.arrays
        kinds = tuple(tuple(kind) for kind in artifact.values["kinds"])
        memory, freedom = (float(artifact.values[name]) for name in ("memory", "freedom"))
        return cls(kinds, held["shocks"], held["edges"], held["own"], memory, freedom)


@dataclass(frozen=True, eq=False)
class Groups:
    """One way to group the series.

    Attributes:
        code: group of every series, int64 [series].
        names: stable number per group, uint64 [groups].
        scale: variance of a group's shock relative to that of a group of usual size, float64 [groups].
    """

    code: np.ndarray
    names: np.ndarray
    scale: np.ndarray

    @classmethod
    def by(cls, panel: Panel, kind: tuple[str, ...], level: np.ndarray) -> Groups:
        """Group by columns of keys or static; see :func:`usual` for ``level``."""
        if not kind:
            code, names = np.zeros(panel.shape[0], np.int64), np.array([""])
        else:
            names, code = np.unique(_text(panel, kind).to_numpy(), return_inverse=True)
        frame = pl.DataFrame({"kind": ["/".join(kind)] * len(names), "name": names.tolist()})
        size = np.bincount(code, level, len(names))
        relative = size / max(float(size.mean()), 1e-300)
        return cls(code, identity_of(frame), np.clip(1 / np.maximum(relative, 1e-9), 0.1, 10) ** _SIZE)

    def small(self, series: int) -> bool:
        """Whether there are so many groups that each has few series."""
        return len(self.names) > max(series // 20, 1)


def _text(panel: Panel, columns: Sequence[str]) -> pl.Series:
    found = [panel.keys[c] if c in panel.keys.columns else panel.static[c] for c in columns]
    frame = pl.DataFrame([c.cast(pl.String).fill_null("").alias(str(i)) for i, c in enumerate(found)])
    return frame.select(pl.concat_str(pl.all(), separator="\x1f")).to_series()


def usual(panel: Panel) -> np.ndarray:
    """Mean sales per period of each series in the last thirteen seasons, float64 [series]; above 0."""
    width = 13 * _SEASON[panel.freq.unit]
    part = panel.sales[:, -width:]
    first = panel.shape[1] - part.shape[1]
    seen = ~np.isnan(part) & (np.arange(part.shape[1])[None, :] + first >= panel.launch[:, None])
    total = np.where(seen, part, 0).sum(axis=1, dtype=np.float64)
    found: np.ndarray = np.maximum(total, 1e-3) / np.maximum(seen.sum(axis=1), 1)
    return found


def kinds_of(panel: Panel) -> tuple[tuple[str, ...], ...]:
    """Ways to group the series: all, by each column with few values, location by category, product over locations."""
    series = panel.shape[0]
    columns = {c: panel.static[c] for c in panel.static.columns}
    if panel.keys.width > 1:
        columns |= {c: panel.keys[c] for c in panel.keys.columns}
    count = {c: values.n_unique() for c, values in columns.items()}
    few = [c for c in columns if 2 <= count[c] <= series // 20]
    found: list[tuple[str, ...]] = [()]
    seen: list[np.ndarray] = []

    def add(kind: tuple[str, ...], most: int) -> bool:
        _, code = np.unique(_text(panel, kind).to_numpy(), return_inverse=True)
        # Another name for the same groups explains nothing more.
        same = any(len(np.unique(code * (o.max() + 1) + o)) == code.max() + 1 == o.max() + 1 for o in seen)
        if same or code.max() + 1 > most:
            return False
        found.append(kind)
        seen.append(code)
        return True

    for column in few:
        add((column,), series)
    for key in (c for c in few if c in panel.keys.columns):
        finest = sorted((c for c in few if c in panel.static.columns), key=lambda c: -count[c])
        next((c for c in finest if add((key, c), series // 10)), None)
    many = [c for c in panel.keys.columns if c in columns and series // 20 < count[c] <= series // 2]
    for column in many[:1]:
        add((column,), series)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Layout:
    """What the moments are taken over.

    Attributes:
        groups: one for each kind.
        bins: bin of every series, int64 [series].
        level: sales per period, float64 [series].
        windows: lengths of sums.
    """

    groups: tuple[Groups, ...]
    bins: np.ndarray
    level: np.ndarray
    windows: tuple[int, ...]

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Cell of every series, of those that share all groups but the small ones, and a series of every cell."""
        together = np.zeros(len(self.level), np.int64)
        for group in self.groups:
            if not group.small(len(self.level)):
                together = np.unique(together * (group.code.max() + 1) + group.code, return_inverse=True)[1]
        return together, np.unique(together, return_index=True)[1]

    def sums(self, values: np.ndarray) -> list[np.ndarray]:
        """Sums [groups, ...] for each kind, of values [series, ...]."""
        code, first = self.cells
        inside = sum_by(code, values)
        return [
            sum_by(g.code, values) if g.small(len(self.level)) else sum_by(g.code[first], inside, len(g.names))
            for g in self.groups
        ]


@dataclass(frozen=True, eq=False)
class _Moments:
    """Squared relative errors of sums, less those of the cells summed.

    Attributes:
        kinds: float64 [kinds, windows].
        own: of single series, float64 [bins, windows].
    """

    kinds: np.ndarray
    own: np.ndarray


def _moments(panel: Panel, origins: np.ndarray, means: np.ndarray, layout: _Layout) -> _Moments:
    bins, windows = int(layout.bins.max()) + 1, layout.windows
    total = np.zeros((2, len(layout.groups), len(windows)))
    own = np.zeros((2, bins, len(windows)))
    roughness = _roughness(panel, origins, means, layout.bins)
    launch, horizon = panel.launch, means.shape[2]
    for i, origin in enumerate(origins):
        sales = panel.sales[:, origin + 1 : origin + 1 + horizon]
        mean = means[:, i, : sales.shape[1]]
        use = ~np.isnan(sales) & (launch <= origin)[:, None]
        sold, expected = (np.where(use, x, 0).astype(np.float64) for x in (sales, mean))
        square = (sold - expected) ** 2
        grouped = list(zip(*(layout.sums(x) for x in (sold, expected, square)), strict=True))
        for w, width in enumerate(windows):
            if sales.shape[1] < width:
                continue
            for k, three in enumerate(grouped):
                total[:, k, w] += _of_groups(*(_cut(x, width) for x in three))
            if width > 1:
                sums = (_cut(sold, width), _cut(expected, width), _cut(square, width))
                own[:, :, w] += _of_series(*sums, roughness[layout.bins], layout.bins)
    return _Moments(total[0] / np.maximum(total[1], 1e-12), own[0] / np.maximum(own[1], 1e-12))


def _cut(values: np.ndarray, width: int) -> np.ndarray:
    """Sums over windows side by side, [rows, windows]."""
    count = values.shape[1] // width
    found: np.ndarray = values[:, : count * width].reshape(len(values), count, width).sum(axis=2)
    return found


def _of_groups(sold: np.ndarray, expected: np.ndarray, square: np.ndarray) -> tuple[float, float]:
    """Sum over windows of the mean moment of groups, and their number.

    A window counts by the root of what was expected of it: days on which next to nothing is sold have huge ratios.
    """
    # A forecast that was far too low says less by its ratio than by its difference.
    base = np.maximum(expected, (sold + expected) / 2)
    moment = np.where(base > 0, ((sold - expected) ** 2 - square) / np.maximum(base, 1e-12) ** 2, 0.0)
    size = expected.sum(axis=1, keepdims=True)
    weight = np.sqrt(np.where(size > 0, expected / np.maximum(size, 1e-12), 0.0))
    number = expected.shape[1]
    return float((moment * weight).sum() / max(float(weight.sum()), 1e-12)) * number, float(number)


def _of_series(
    sold: np.ndarray, expected: np.ndarray, square: np.ndarray, rough: np.ndarray, bins: np.ndarray
) -> np.ndarray:
    """Weighted moments of series and their weights by bin, [2, bins]; noisy series weigh little."""
    noise = np.maximum(rough[:, None] * expected, 1e-9) + _ADRIFT * expected**2
    moment = np.minimum((sold - expected) ** 2, _CLIP * noise) - np.minimum(square, _CLIP * noise)
    weight = np.where(expected > 0, (expected / noise) ** 2, 0.0)
    count = int(bins.max()) + 1
    top = np.bincount(bins, (weight * moment).sum(axis=1), count)
    return np.stack([top, np.bincount(bins, (weight * expected**2).sum(axis=1), count)])


def _roughness(panel: Panel, origins: np.ndarray, means: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Squared error of single cells by expected demand, per bin."""
    count = int(bins.max()) + 1
    square, expected = np.zeros(count), np.zeros(count)
    for i in range(0, len(origins), 3):
        sales = panel.sales[:, origins[i] + 1 : origins[i] + 1 + means.shape[2]]
        mean = means[:, i, : sales.shape[1]]
        use = ~np.isnan(sales) & (panel.launch <= origins[i])[:, None]
        square += np.bincount(bins, np.where(use, (sales - mean) ** 2, 0).sum(axis=1), count)
        expected += np.bincount(bins, np.where(use, mean, 0).sum(axis=1), count)
    return square / np.maximum(expected, 1e-9)


def learn(panel: Panel, horizon: int, evidence: Evidence | Sequence[Evidence] | None = None) -> Relations:
    """Size the shocks.

    Args:
        panel: the series, up to the newest period that may be used.
        horizon: steps that are forecast.
        evidence: forecasts of the past by the model whose errors are meant.
    """
    unit, level = panel.freq.unit, usual(panel)
    edges = np.unique(np.quantile(level, _BINS))
    kinds = kinds_of(panel)
    windows = tuple(sorted({1, min(_SEASON[unit], horizon), horizon}))
    groups = tuple(Groups.by(panel, kind, level) for kind in kinds)
    layout = _Layout(groups, np.searchsorted(edges, level), level, windows)
    several = [] if evidence is None else list(evidence) if isinstance(evidence, Sequence) else [evidence]
    moments = _expected(panel, horizon, [e for e in several if len(e.origins)], layout)
    shocks = _solve(moments.kinds, layout, _MEMORY[unit])
    own = _solve_own(moments.own, shocks, layout, _MEMORY[unit])
    return Relations(kinds, shocks, edges, own, _MEMORY[unit])


def _expected(panel: Panel, horizon: int, evidence: Sequence[Evidence], layout: _Layout) -> _Moments:
    """Moments to expect of the model's errors: the plain forecast's over many origins, times the model's ratio."""
    far = _far(panel, horizon)
    count = np.array([len(group.names) for group in layout.groups])
    width, bins = np.array(layout.windows), int(layout.bins.max()) + 1

    def windows(origins: np.ndarray) -> np.ndarray:
        """Windows that are not the same over again, [kinds, windows]."""
        return (np.ptp(origins) + horizon) / width[None, :] * np.sqrt(count)[:, None]

    if not len(far):
        return _Moments(np.full((len(count), len(width)), _USUAL**2), np.full((bins, len(width)), 4 * _USUAL**2))
    found = _moments(panel, far, _plain(panel, far, horizon), layout)
    kinds, own = np.maximum(found.kinds, 0.0), found.own
    if evidence:
        origins = np.concatenate([e.origins for e in evidence])
        made = np.concatenate([e.means for e in evidence], axis=1)
        order = np.argsort(origins, kind="stable")
        near, made = origins[order], made[:, order]
        mine, plain = _moments(panel, near, made, layout), _moments(panel, near, _plain(panel, near, horizon), layout)
        n = windows(near)
        left, right = np.maximum(mine.kinds, _LEAST), np.maximum(plain.kinds, _LEAST)
        kinds = kinds * np.clip((n * left + _DRAWN * right) / ((n + _DRAWN) * right), 0.1, 10)
        own = mine.own
    n = windows(far)
    kinds = kinds * (1 + _UNSURE / n[:1])
    return _Moments((n * kinds + _USUAL_WINDOWS * _USUAL**2) / (n + _USUAL_WINDOWS), own)


def _far(panel: Panel, horizon: int) -> np.ndarray:
    """Origins of the plain forecast over the last three quarters of the history, ascending."""
    last, oldest = panel.shape[1] - 1 - horizon, panel.shape[1] // 4
    if last < 1:
        return np.empty(0, np.int64)
    stride = max(1, min(horizon // 3, panel.freq.season, 7))
    most = int(np.clip(_MAX_CELLS // (panel.shape[0] * horizon), 4, _MAX_ORIGINS))
    # Long past stays in view of few origins.
    stride = max(stride, min(horizon, (last - oldest) // most))
    return np.arange(last, max(0, min(last - 1, oldest)), -stride)[:most][::-1].astype(np.int64)


def _plain(panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
    """Forecasts of seasonal smoothing with the same parameters for all series."""
    from windvane.models.series_table import SeriesTable
    from windvane.models.smoothing import FittedSmoothing, usable_season

    table = SeriesTable(panel.identity, np.tile(np.array(_SMOOTHING), (panel.shape[0], 1)))
    return FittedSmoothing(table, usable_season(panel)).means(panel, origins, horizon)


def _weights(width: int, memory: float) -> np.ndarray:
    """Variance of the mean over a window of a fresh, a fading and a staying shock of variance 1."""
    lag = np.abs(np.subtract.outer(np.arange(width), np.arange(width)))
    return np.array([1.0 / width, float((memory**lag).mean()), 1.0])


def _solve(moments: np.ndarray, layout: _Layout, memory: float) -> np.ndarray:
    """Variances of the three parts of every kind, float64 [kinds, 3]."""
    from scipy.optimize import nnls

    rows, wanted = [], []
    level = layout.level
    for q, group in enumerate(layout.groups):
        size = np.bincount(group.code, level)
        alone = float((np.bincount(group.code, level**2) / size**2).mean())
        shared = [_shared(group, other, level, size) for other in layout.groups]
        for w, width in enumerate(layout.windows):
            part = _weights(width, memory)
            row = [c * f - alone / width for c in shared for f in part]
            # What series do on their own stands in the way of what groups do.
            row += [alone * (f - 1 / width) for f in part[1:]]
            # Errors count by their ratio: those of a whole shop are small, and matter most.
            scale = max(float(moments[q, w]), 1e-5)
            rows.append(np.array(row) / scale)
            wanted.append(float(moments[q, w]) / scale)
    x, y = np.array(rows), np.array(wanted)
    weight = np.ones(len(y))
    for _ in range(8):
        found, _ = nnls(x * weight[:, None], y * weight)
        weight = np.where(x @ found < y, _SHORT, 1.0)
    shocks: np.ndarray = found[: 3 * len(layout.groups)].reshape(-1, 3)
    return shocks


def _shared(group: Groups, other: Groups, level: np.ndarray, size: np.ndarray) -> float:
    """Share of the variance of another kind's shocks that reaches the sums of groups, mean over groups."""
    count = len(other.names)
    pairs, inside = np.unique(group.code * count + other.code, return_inverse=True)
    part = np.bincount(inside, level) ** 2 * other.scale[pairs % count]
    return float((np.bincount(pairs // count, part, len(size)) / size**2).mean())


def _solve_own(moments: np.ndarray, shocks: np.ndarray, layout: _Layout, memory: float) -> np.ndarray:
    """Variances of the two parts of series' own shocks: what those of groups leave over, float64 [bins, 2]."""
    from scipy.optimize import nnls

    out = np.zeros((len(moments), 2))
    for b, found in enumerate(moments):
        rows, wanted = [], []
        for w, width in enumerate(layout.windows):
            if width > 1:
                part = _weights(width, memory)
                rows.append(part[1:] - 1 / width)
                wanted.append(max(float(found[w]) - float((shocks * (part - 1 / width)).sum()), 0.0))
        if rows:
            scale = max(float(np.mean(wanted)), 1e-6)
            out[b], _ = nnls(np.array(rows) / scale, np.array(wanted) / scale)
    return out
