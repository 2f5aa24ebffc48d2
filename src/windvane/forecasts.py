"""The forecast: mean, quantiles and joint sample paths of every series over the horizon.

Marginals are the quantiles. Paths join them over steps and across series by shocks that series and steps share; see
:mod:`windvane.sampling`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date as Date
from typing import Any

import numpy as np
import polars as pl

from windvane.errors import InputError, ModelError
from windvane.futures import Assumption
from windvane.schema import quantile_name

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xBF58476D1CE4E5B9)
"""A word that tells seeds apart."""
_MIX2 = np.uint64(0x94D049BB133111EB)
_FARTHEST = 1e-4
"""Probability of the upper tail beyond which quantiles rise no more."""


@dataclass(frozen=True, eq=False)
class Dependence:
    """What moves together, in relative terms.

    Every shock is the sum of three parts: fresh at each step, fading by ``memory`` a step, and one that stays over
    the horizon.

    Attributes:
        code: rows of ``groups`` that each series belongs to, int32 [series, kinds].
        groups: stable number per group, uint64 [groups].
        shocks: standard deviations of the three parts per group, float32 [groups, 3].
        twin: stable number of a small group, such as a product over all locations, uint64 [series].
        twin_shocks: standard deviations of the three parts of the small group's shock, float32 [series, 3].
        own: standard deviations of the fading and the staying part of a series' own shock, float32 [series, 2].
        memory: what a fading shock keeps from one step to the next.
        freedom: degrees of freedom of what stays in a series and a small group (Student's t): few = most levels
            hardly move, some move far.
    """

    code: np.ndarray
    groups: np.ndarray
    shocks: np.ndarray
    twin: np.ndarray
    twin_shocks: np.ndarray
    own: np.ndarray
    memory: float
    freedom: float = 3.0

    def take(self, rows: np.ndarray) -> Dependence:
        """That of some series, by row number."""
        names = ("code", "twin", "twin_shocks", "own")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @classmethod
    def none(cls, series: int) -> Dependence:
        """Steps and series that have nothing to do with one another."""
        return cls(
            code=np.zeros((series, 0), np.int32),
            groups=np.zeros(0, np.uint64),
            shocks=np.zeros((0, 3), np.float32),
            twin=np.zeros(series, np.uint64),
            twin_shocks=np.zeros((series, 3), np.float32),
            own=np.zeros((series, 2), np.float32),
            memory=0.0,
        )


@dataclass(frozen=True, eq=False)
class Forecast:
    """Probabilistic forecast of many series.

    Attributes:
        keys: key columns, one row per series.
        cutoff: last period used.
        dates: the periods forecast [horizon].
        mean: expected demand, float32 [series, horizon], >= 0.
        quantiles: float32 [series, horizon, quantile_levels], >= 0, not decreasing along the last axis.
        levels: probabilities of the quantiles.
        identity: stable number per series, uint64 [series] (see :attr:`windvane.panel.Panel.identity`).
        dependence: what moves together; None = steps and series are independent.
        counts: whether paths are whole numbers.
        seed: seed of the paths.
        assumed: what it takes for granted about covariates whose future was absent or set by a scenario.
    """

    keys: pl.DataFrame
    cutoff: Date
    dates: pl.Series
    mean: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]
    identity: np.ndarray
    dependence: Dependence | None = None
    counts: bool = False
    seed: int = 1
    assumed: tuple[Assumption, ...] = ()

    def __post_init__(self) -> None:
        series, horizon = self.mean.shape
        if self.quantiles.shape != (series, horizon, len(self.levels)):
            raise ModelError(
                f"quantiles have shape {self.quantiles.shape}, expected {(series, horizon, len(self.levels))}."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.quantiles).all()):
            raise ModelError("a forecast contains NaN or infinity.")
        if (self.mean < 0).any() or (self.quantiles < 0).any() or (np.diff(self.quantiles, axis=2) < 0).any():
            raise ModelError("a forecast is negative or its quantiles cross.")

    @property
    def horizon(self) -> int:
        """Number of periods forecast."""
        return int(self.mean.shape[1])

    def quantile(self, level: float) -> np.ndarray:
        """Quantile at any level, interpolated between the stored ones as the paths are, [series, horizon]."""
        low, share = between(np.asarray(self.levels), np.array([level]))
        below, above = self.quantiles[:, :, low[0]], self.quantiles[:, :, low[0] + 1]
        found: np.ndarray = below + share[0] * (above - below)
        return found

    def take(self, rows: np.ndarray) -> Forecast:
        """The forecast of some series, by row number."""
        return replace(
            self,
            keys=self.keys[rows],
            mean=self.mean[rows],
            quantiles=self.quantiles[rows],
            identity=self.identity[rows],
            dependence=None if self.dependence is None else self.dependence.take(rows),
        )

    def frame(self) -> pl.DataFrame:
        """The long table: keys, cutoff, date, step, mean, q0.005 ... q0.995; one row per series and step."""
        series, horizon = self.mean.shape
        body = {
            "mean": self.mean.astype(np.float64).ravel(),
            **{
                quantile_name(level): self.quantiles[:, :, i].astype(np.float64).ravel()
                for i, level in enumerate(self.levels)
            },
        }
        row = np.repeat(np.arange(series), horizon)
        return self.keys[row].with_columns(
            pl.lit(self.cutoff).alias("cutoff"),
            self.dates[np.tile(np.arange(horizon), series)].alias("date"),
            pl.Series("step", np.tile(np.arange(1, horizon + 1), series)),
            *(pl.Series(name, values) for name, values in body.items()),
        )

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, keys: Sequence[str], counts: bool = False, seed: int = 1) -> Forecast:
        """Read a forecast made elsewhere (or by :meth:`frame`), so that it can be judged and decided on.

        Args:
            frame: columns keys, cutoff, date, step, quantiles as q0.1 and optionally mean (else the median).
            keys: columns that identify a series.
            counts: whether demand comes in whole numbers.
            seed: seed of the paths.

        Raises:
            InputError: a column or a step is missing, or the quantiles cross; names it.
        """
        names = [n for n in frame.columns if is_quantile(n)]
        for need in (*keys, "cutoff", "date", "step"):
            if need not in frame.columns:
                raise InputError(f"the forecast has no column {need!r}.", "Add or rename it.", column=need)
        if "q0.5" not in names:
            raise InputError("the forecast has no column 'q0.5'.", "Add the median.", column="q0.5")
        names.sort(key=lambda n: float(n[1:]))
        frame = frame.sort([*keys, "step"], maintain_order=True)
        series = frame.select(keys).unique(maintain_order=True)
        horizon = int(frame["step"].n_unique())
        steps = frame["step"].to_numpy()
        if (
            frame.height != series.height * horizon
            or (steps.reshape(series.height, horizon) != np.arange(1, horizon + 1)).any()
        ):
            raise InputError(
                f"the forecast does not have every step 1..{horizon} once per series.",
                "Give all steps of all series.",
                column="step",
            )
        if frame["cutoff"].n_unique() != 1:
            raise InputError("the forecast has several cutoffs.", "Read one cutoff at a time.", column="cutoff")
        shape = (series.height, horizon)
        quantiles = np.stack([frame[n].cast(pl.Float32).to_numpy().reshape(shape) for n in names], axis=2)
        if not np.isfinite(quantiles).all() or (quantiles < 0).any() or (np.diff(quantiles, axis=2) < 0).any():
            raise InputError("quantiles are empty, negative or cross.", "Sort and fill them.", column=names[0])
        mean = frame["mean" if "mean" in frame.columns else "q0.5"].cast(pl.Float32).to_numpy().reshape(shape)
        return cls(
            keys=series,
            cutoff=frame["cutoff"][0],
            dates=frame["date"][:horizon],
            mean=mean.copy(),
            quantiles=np.ascontiguousarray(quantiles),
            levels=tuple(float(n[1:]) for n in names),
            identity=identity_of(series),
            counts=counts,
            seed=seed,
        )

    def paths(self, n: int = 200, part: int = 512) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Joint sample paths, streamed by parts of series.

        A series' paths depend on the seed, its keys and ``n`` alone, never on the partition. Path ``p`` of every
        series belongs to the same future: sums over series and steps are taken path by path.

        Args:
            n: number of paths.
            part: series per part.

        Yields:
            Row numbers int64 [part] and paths float32 [part, n, horizon].
        """
        from windvane.sampling import Sampler

        series = self.mean.shape[0]
        dependence = self.dependence or Dependence.none(series)
        sampler = Sampler.of(dependence, self.levels, (self.horizon, n), self.seed, self.counts)
        for start in range(0, series, part):
            rows = np.arange(start, min(start + part, series))
            yield rows, sampler.draw(self.quantiles, self.identity, rows)

    def totals(self, n: int = 200, steps: int | None = None) -> np.ndarray:
        """Paths of every series' total over the first ``steps`` (all by default), float64 [series, n]."""
        out = np.empty((self.mean.shape[0], n))
        for rows, paths in self.paths(n):
            out[rows] = paths[:, :, :steps].sum(axis=2, dtype=np.float64)
        return out


def is_quantile(name: str) -> bool:
    """Whether a column is a quantile's: ``q0.1`` is, ``quantity`` is not."""
    return name[:1] == "q" and name[1:].replace(".", "", 1).isdigit()


def between(levels: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where probabilities lie between levels: the lower level's number, and the share of the upper; like ``u``.

    Below the median the quantile function is linear in the probability between levels. Above it is linear in
    -log(1 - probability), exact for an exponential tail: a straight line would put too much weight on the far end
    of the gap between the outermost levels, and lift the mean of the paths. The upper tail goes on like that beyond the
    last level; below the first one the function is constant.
    """
    upper = np.clip(np.searchsorted(levels, u.ravel()).reshape(u.shape), 1, len(levels) - 1)
    axis = np.where(levels <= 0.5, levels, 0.5 - np.log(2 * (1 - levels)))
    place = np.where(u <= 0.5, u, 0.5 - np.log(2 * np.maximum(1 - u, _FARTHEST)))
    low = np.take(axis, upper - 1)
    share = np.maximum((place - low) / (np.take(axis, upper) - low), 0.0).astype(np.float32)
    return upper - 1, share


def hashed(*words: Any) -> np.ndarray:
    """SplitMix64 over broadcast words: a counter-based generator.

    Source: Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    with np.errstate(over="ignore"):
        state = np.zeros((1,), np.uint64)
        for word in words:
            state = (state ^ word) + _GOLDEN
            state = (state ^ (state >> np.uint64(30))) * MIX
            state = (state ^ (state >> np.uint64(27))) * _MIX2
            state = state ^ (state >> np.uint64(31))
    return np.asarray(state)


def tidy(mean: np.ndarray, quantiles: np.ndarray, counts: bool) -> tuple[np.ndarray, np.ndarray]:
    """Make a forecast valid: finite, >= 0, quantiles in order, whole-numbered for counts.

    Args:
        mean: [series, horizon].
        quantiles: [series, horizon, levels].
        counts: whether demand comes in whole numbers (quantiles are then rounded; the mean is not).

    Returns:
        The two arrays as float32.
    """
    quantiles = np.maximum.accumulate(_finite(quantiles), axis=2)
    if counts:
        quantiles = np.round(quantiles)
    return _finite(mean).astype(np.float32), np.ascontiguousarray(quantiles, dtype=np.float32)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(values), 0, float(np.finfo(np.float32).max))


def identity_of(keys: pl.DataFrame) -> np.ndarray:
    """A stable 64-bit number per series, made from its keys alone, uint64 [series]."""
    text = keys.select(pl.concat_str(pl.all().cast(pl.String), separator="\x1f")).to_series().to_list()
    digests = (hashlib.blake2b(t.encode(), digest_size=8).digest() for t in text)
    numbers: np.ndarray = np.frombuffer(b"".join(digests), dtype=np.uint64)
    return numbers
