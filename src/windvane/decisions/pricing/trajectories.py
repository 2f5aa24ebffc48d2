"""Sample paths of prices that stand and move as prices do.

Prices stand for weeks and then jump. A path takes its ranks, and when it stands and when it moves, from what really
came after a moment of the past of the same kind; its levels are those of the forecast's quantiles. Path ``p`` of all
series looks at the same dates of the past, in the same order, and takes the first at which the series was in the state
that it is in now, so that what moved together then moves together in the path. Where there is none, another series of
its group stands in, else any other.

Source: Clark et al. (2004), The Schaake shuffle, Journal of Hydrometeorology 5, 243-262 (ranks of what happened on
shared dates).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from windvane.decisions.pricing.changes import kinds, window
from windvane.decisions.pricing.history import PriceHistory
from windvane.forecasts import MIX, Forecast, between, hashed

_TRIES = 24
_BACK = 0.005


@dataclass(frozen=True, eq=False)
class Trajectories:
    """The past that paths are taken from, all series of it.

    Attributes:
        history: prices up to the cutoff.
        rows: row of the history for every series of the forecast, int64 [series].
    """

    history: PriceHistory
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class PriceForecast(Forecast):
    """A forecast of prices, whose paths stand and move as prices do.

    Attributes:
        like: the past that paths are taken from; None = paths by ``dependence``, as those of any forecast.
    """

    like: Trajectories | None = None

    def take(self, rows: np.ndarray) -> PriceForecast:
        """The forecast of some series, by row number."""
        some = super().take(rows)
        like = None if self.like is None else replace(self.like, rows=self.like.rows[rows])
        return replace(some, like=like)  # type: ignore[return-value, call-arg]

    def paths(self, n: int = 200, part: int = 512) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Joint sample paths, streamed by parts of series; see :meth:`windvane.forecasts.Forecast.paths`."""
        if self.like is None:
            yield from super().paths(n, part)
            return
        history = self.like.history
        past = history.past
        of = (past.log, past.seen, past.usual, kinds(past), *_by_group(history.group))
        seed = hashed(np.uint64(self.seed), MIX)[0]
        last = past.log.shape[1] - 1
        begin, end = window(history, last), last - self.horizon
        dates = np.empty((n, 0), np.int64)
        if end >= begin:
            draws = hashed(seed, np.arange(n, dtype=np.uint64)[:, None], np.arange(_TRIES, dtype=np.uint64)[None, :])
            dates = begin + (draws % np.uint64(end - begin + 1)).astype(np.int64)
        low, share = between(np.asarray(self.levels), (np.arange(n) + 0.5) / n)
        series = len(self.like.rows)
        for start in range(0, series, part):
            rows = np.arange(start, min(start + part, series))
            out = np.empty((len(rows), n, self.horizon), np.float32)
            given = (self.quantiles[rows], low, share, self.identity[rows])
            _draw(*of, history.group, self.like.rows[rows], dates, seed, *given, out)
            yield rows, out


def _by_group(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in order of their groups, and where every group begins."""
    order = np.argsort(group, kind="stable")
    return order, np.searchsorted(group[order], np.arange(int(group.max()) + 2))


@njit(cache=True, nogil=True)
def _mixed(state, word):  # type: ignore[no-untyped-def]
    state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@njit(cache=True, nogil=True)
def _source(seen, kind, order, starts, group, s, now, dates, word):  # type: ignore[no-untyped-def]
    """Row and column of the moment of the past that a path is taken from; (-1, -1) where there is none alike.

    ``dates`` are those of the path, the same for all series: the first one at which the series was in the same state
    counts, else the first one at which another of its group was, else at which any other was.
    """
    first, many = starts[group[s]], starts[group[s] + 1] - starts[group[s]]
    tries = dates.shape[0]
    for k in range(3 * tries):
        word = _mixed(word, np.uint64(k))
        t, r = dates[k % tries], s
        if k >= 2 * tries:
            r = np.int64(word % np.uint64(seen.shape[0]))
        elif k >= tries:
            r = order[first + np.int64(word % np.uint64(many))]
        if seen[r, t] and kind[r, t] == now:
            return r, t
    return -1, -1


@njit(cache=True, nogil=True)
def _draw(  # type: ignore[no-untyped-def]
    log, seen, usual, kind, order, starts, group, rows, dates, seed, quantiles, low, share, identity, out
):
    """Paths, ``out`` float32 [series, paths, horizon]."""
    paths, horizon = out.shape[1], out.shape[2]
    last = log.shape[1] - 1
    place, stands = np.empty((horizon, paths)), np.empty((horizon, paths), np.bool_)
    for i in range(rows.shape[0]):
        s = rows[i]
        now, base = log[s, last], usual[s, last]
        for p in range(paths):
            word = _mixed(_mixed(identity[i], seed), np.uint64(p))
            tie = 1e-6 * (np.float64(word >> np.uint64(11)) / 9007199254740992.0)
            r, t = _source(seen, kind, order, starts, group, s, kind[s, last], dates[p], word)
            before = now
            for h in range(horizon):
                here = now
                if r >= 0:
                    later, then = log[r, t + h + 1], log[r, t]
                    if abs(later - then) > 5e-4:
                        back = abs(later - usual[r, t]) <= _BACK
                        here = base if back else base + later - usual[r, t]
                place[h, p], stands[h, p] = here + tie, abs(here - before) <= 5e-4
                before = here
        price = np.float32(np.exp(now))
        for h in range(horizon):
            ranked = np.argsort(place[h])
            for k in range(paths):
                p = ranked[k]
                if stands[h, p]:
                    out[i, p, h] = out[i, p, h - 1] if h > 0 else price
                else:
                    under = quantiles[i, h, low[k]]
                    out[i, p, h] = under + share[k] * (quantiles[i, h, low[k] + 1] - under)
