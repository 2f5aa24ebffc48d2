"""Joint sample paths: marginals from quantiles, dependence from relative shocks that groups and steps share.

A path of a series takes the ranks of latent Gaussian numbers: shocks of the groups it belongs to (all series, a
category, a location), of its own level, and noise. Shocks are given in relative terms: a shock of 0.05 moves the
expected demand of every series of the group by about 5 %, whatever the shape of its distribution, to first order in
the Hermite expansion. What a shock weighs in the latent number of a series follows from its quantiles: little where
demand is a few pieces, much where it is steady.

Every number comes from a counter-based generator keyed by seed, series or group, step and path, so that paths do not
depend on how the series are cut into parts or on how many threads work.

Sources: Clark et al. (2004), The Schaake Shuffle, Journal of Hydrometeorology 5, 243-262 (ranks keep the marginals);
Cario and Nelson (1997), Modeling and generating random vectors with arbitrary marginal distributions and correlation
matrix (Gaussian latent numbers); Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from windvane.forecasts import MIX, Dependence, between, hashed

_NUMBERS = 4096
_OFFSETS = 32


@njit("u8(u8, u8)", cache=True, nogil=True, inline="always")
def _mix(state, word):  # type: ignore[no-untyped-def]
    state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@njit("void(u8, u8, f4[::1], f4[::1], b1, f8, f4[:,::1])", cache=True, nogil=True)
def _shock(key, seed, shocks, numbers, small, memory, out):  # type: ignore[no-untyped-def]
    """Shocks of one group, added to out float32 [horizon, paths]; what stays has heavy tails in small groups."""
    horizon, paths = out.shape
    half = np.uint64(numbers.shape[0] // 2)
    mask = half - np.uint64(1)
    heavy = half if small else np.uint64(0)
    fresh = np.float32(np.sqrt(1.0 - memory * memory))
    keep = np.float32(memory)
    base = _mix(_mix(key, seed), np.uint64(1))
    for p in range(paths):
        bits = _mix(base, np.uint64(p))
        stays = numbers[heavy + (bits & mask)] * shocks[2]
        fades = numbers[(bits >> np.uint64(16)) & mask]
        for h in range(horizon):
            bits = _mix(base, np.uint64((h + 1) * 4294967296 + p))
            if h > 0:
                fades = keep * fades + fresh * numbers[bits & mask]
            out[h, p] += stays + fades * shocks[1] + numbers[(bits >> np.uint64(16)) & mask] * shocks[0]


@njit("void(f4[::1], i8[::1], i4[::1], f4[::1])", cache=True, nogil=True)
def _ranked(latent, start, rank_of, sorted_values):  # type: ignore[no-untyped-def]
    """Replace latent numbers by the sorted values of their rank, ranks told apart as finely as buckets are."""
    paths, buckets = latent.shape[0], start.shape[0]
    scale = np.float32(buckets / (2.0 * 6.0))
    for b in range(buckets):
        start[b] = 0
    for p in range(paths):
        place = int((latent[p] + np.float32(6.0)) * scale)
        place = min(max(place, 0), buckets - 1)
        rank_of[p] = place
        start[place] += 1
    total = 0
    for b in range(buckets):
        count = start[b]
        start[b] = total
        total += count
    for p in range(paths):
        b = rank_of[p]
        latent[p] = sorted_values[start[b]]
        start[b] += 1


@njit("f4(f4[::1], i4[::1], f4[::1], f4[::1], b1, f4[::1])", cache=True, nogil=True)
def _spread(quantiles, at, share, scores, counts, values):  # type: ignore[no-untyped-def]
    """Evenly spaced values of one quantile function, ascending, and what a relative shock weighs in latent numbers.

    A shock moves the latent number by as much as moves the mean by that share of itself; 0 where nothing can move.
    """
    mean, slope = np.float32(0), np.float32(0)
    for r in range(values.shape[0]):
        low = quantiles[at[r]]
        value = low + share[r] * (quantiles[at[r] + 1] - low)
        if counts:
            value = np.rint(value)
        values[r] = value
        mean += value
        slope += value * scores[r]
    return mean / slope if slope > np.float32(1e-6) * mean and mean > 0 else np.float32(0)


@njit(
    "void(f4[:,:,::1], i4[:,::1], f4[:,::1], f4[::1], u8[::1], u8, b1, i4[:,::1], f4[:,:,::1], f4[::1],"
    " u8[::1], f4[:,::1], f4[:,::1], f8, f4[:,:,::1])",
    cache=True,
    nogil=True,
)
def sample(  # type: ignore[no-untyped-def]
    quantiles, at, share, scores, identity, seed, counts, code, shared, numbers, twin, twin_shocks, own, memory, out
):
    """Paths of some series, out float32 [series, paths, horizon].

    ``quantiles`` float32 [series, horizon, levels]; ``at`` and ``share`` [offsets, paths]: place of every rank between
    two levels; ``scores`` [paths]: normal score of every rank; ``shared`` [groups, horizon, paths]: shocks of groups,
    of which ``code`` [series, kinds] names each series' own; ``numbers``: a table of normal numbers and,
    behind it, one of as many with heavier tails.
    """
    series, horizon, _ = quantiles.shape
    paths = at.shape[1]
    heavy = np.uint64(numbers.shape[0] // 2)
    mask = heavy - np.uint64(1)
    fresh, keep = np.float32(np.sqrt(1.0 - memory * memory)), np.float32(memory)
    values, latent = np.empty(paths, np.float32), np.empty(paths, np.float32)
    stays, fades = np.empty(paths, np.float32), np.empty(paths, np.float32)
    buckets = 256
    while buckets < 4 * paths:
        buckets *= 2
    start, rank_of = np.empty(buckets, np.int64), np.empty(paths, np.int32)
    together = np.zeros((horizon, paths), np.float32)
    for i in range(series):
        base = _mix(_mix(identity[i], seed), np.uint64(2))
        together[:] = np.float32(0)
        for k in range(code.shape[1]):
            together += shared[code[i, k]]
        if twin_shocks[i, 0] + twin_shocks[i, 1] + twin_shocks[i, 2] > 0:
            _shock(twin[i], seed, twin_shocks[i], numbers, True, memory, together)
        for p in range(paths):
            bits = _mix(base, np.uint64(p))
            stays[p] = own[i, 1] * numbers[heavy + (bits & mask)]
            fades[p] = numbers[(bits >> np.uint64(16)) & mask]
        for h in range(horizon):
            v = np.int64(_mix(base, np.uint64((h + 1) * 4294967296 + 4294967295)) % np.uint64(at.shape[0]))
            load = _spread(quantiles[i, h], at[v], share[v], scores, counts, values)
            spread = np.float32(0)
            for p in range(paths):
                if h > 0:
                    bits = _mix(base, np.uint64((h + 1) * 4294967296 + p))
                    fades[p] = keep * fades[p] + fresh * numbers[bits & mask]
                latent[p] = together[h, p] + stays[p] + own[i, 0] * fades[p]
                spread += latent[p] * latent[p]
            # Shocks leave some room for noise.
            spread *= load * load / np.float32(paths)
            if spread > np.float32(0.95):
                load *= np.sqrt(np.float32(0.95) / spread)
                spread = np.float32(0.95)
            rest = np.sqrt(np.float32(1) - spread)
            for p in range(paths):
                bits = _mix(base, np.uint64((h + 1) * 4294967296 + p))
                latent[p] = load * latent[p] + rest * numbers[(bits >> np.uint64(32)) & mask]
            _ranked(latent, start, rank_of, values)
            for p in range(paths):
                out[i, p, h] = latent[p]


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws paths of any part of the series of one forecast.

    Attributes:
        dependence: what moves together.
        levels: probabilities of the quantiles.
        seed: seed of the paths.
        counts: whether paths are whole numbers.
        tables: see :func:`sample`.
        shared: shocks of groups, float32 [groups, horizon, paths].
    """

    dependence: Dependence
    levels: tuple[float, ...]
    seed: np.uint64
    counts: bool
    tables: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    shared: np.ndarray

    @classmethod
    def of(
        cls, dependence: Dependence, levels: tuple[float, ...], shape: tuple[int, int], seed: int, counts: bool
    ) -> Sampler:
        """Prepare what all series share.

        Args:
            dependence: what moves together.
            levels: probabilities of the quantiles.
            shape: horizon, and the number of paths.
            seed: seed of the paths.
            counts: whether paths are whole numbers.
        """
        from scipy.special import ndtri, stdtrit

        horizon, paths = shape
        even = (np.arange(_NUMBERS) + 0.5) / _NUMBERS
        # Tables of few numbers are a little too narrow.
        shapes = (ndtri(even), stdtrit(dependence.freedom, even))
        numbers = np.concatenate([x / x.std() for x in shapes]).astype(np.float32)
        offsets = (np.arange(_OFFSETS) + 0.5) / _OFFSETS
        u = (np.arange(paths)[None, :] + offsets[:, None]) / paths
        low, share = between(np.asarray(levels), u)
        scores = ndtri((np.arange(paths) + 0.5) / paths).astype(np.float32)
        key = hashed(np.uint64(seed), MIX)[0]
        shared = np.zeros((len(dependence.groups), horizon, paths), np.float32)
        for g, name in enumerate(dependence.groups):
            _shock(name, key, dependence.shocks[g], numbers, False, dependence.memory, shared[g])
        return cls(dependence, levels, key, counts, (low.astype(np.int32), share, scores, numbers), shared)

    def draw(self, quantiles: np.ndarray, identity: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Paths of some series, float32 [rows, paths, horizon].

        Args:
            quantiles: float32 [series, horizon, levels] of all series.
            identity: uint64 [series].
            rows: which series.
        """
        at, share, scores, numbers = self.tables
        one = self.dependence
        out = np.empty((len(rows), at.shape[1], quantiles.shape[1]), np.float32)
        given = np.ascontiguousarray(quantiles[rows], dtype=np.float32)
        some = (one.code[rows], self.shared, numbers, one.twin[rows], one.twin_shocks[rows], one.own[rows])
        sample(given, at, share, scores, identity[rows], self.seed, self.counts, *some, one.memory, out)
        return out
