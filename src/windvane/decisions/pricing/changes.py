"""How prices change over so many periods: counted in the past, series by series, each drawn to all of them.

Two families of methods, both told by counts of what came after moments like the present one:

- *steps*: prices stand still, jump, or return to what they usually are. What came ``lag`` periods after moments of the
  same kind (how far the price lies from its usual one, how long it has stood) is counted: it stands, it is the usual
  price, or it lies so far from the usual one. One kind of moment for all is the last value with the empirical
  distribution of its changes.
- *drift*: prices wander and revert. The expected change is linear in what is known (gaps to slow and quick averages,
  the latest moves, the group's moves, the same season of the year before), found for every lag by least squares over
  all series; what is left over is counted in units of the series' own unrest.

Counts of a series are added to those of its group and of all series, which weigh as many observations
(Dirichlet-multinomial with the pool as its prior).

Sources: Nakamura and Steinsson (2008), Five facts about prices, Quarterly Journal of Economics 123 (temporary cuts,
hazards that fall with the age of a price); Marcellino, Stock and Watson (2006), A comparison of direct and iterated
multistep AR methods, Journal of Econometrics 135 (one regression per lag).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from windvane.decisions.pricing.history import Past, PriceHistory
from windvane.engine import map_parts

_PART = 256
_AT = 0.02  # logs of a price and its usual one no farther apart are one
_DEEP = 0.15  # a price farther below its usual one is a deep cut
_BACK = 0.005  # a later price so near the usual one has returned to it
_BINS = 161
_FINE, _FAR = 0.002, 2.5  # width of the innermost bin, and where the outermost begins
_ROUGH = (0.02, 8.0)  # the same in units of a series' unrest
_KINDS = 4 * 7
_OWN, _GROUP = 40.0, 60.0  # observations that the group weighs beside a series, and all series beside a group
_QUICK, _SLOW, _UNREST = 7.0, 56.0, 28.0  # memory of averages, in days
_LEAST = 0.002  # least unrest
_RIDGE = 1e-3
_POOLED = 6_000_000  # changes that the pool is made of, about
_MOMENTS = 180  # moments of a series that are counted for itself
_OUT = 10.0  # units of unrest beyond which all is alike
_YEAR = {"1h": 24 * 364, "1d": 364, "1w": 52, "1mo": 12}
_WINDOW = {"1h": 24 * 180, "1d": 730, "1w": 156, "1mo": 72}  # periods that are counted


@dataclass(frozen=True, eq=False)
class Told:
    """A predictive distribution of prices.

    Attributes:
        mean: float64 [series, horizon].
        quantiles: float64 [series, horizon, levels].
    """

    mean: np.ndarray
    quantiles: np.ndarray


def lags(history: PriceHistory, at: int, horizon: int) -> np.ndarray:
    """Periods between the last observation of every series and each period forecast, int64 [series, horizon].

    What was not observed for longer than the horizon counts as that long.
    """
    age = np.minimum(history.past.age[:, at], horizon)
    return age[:, None] + np.arange(1, horizon + 1)[None, :]


def steps(history: PriceHistory, at: int, horizon: int, levels: np.ndarray, apart: bool = True) -> Told:
    """Prices that stand, jump or return.

    Args:
        history: prices.
        at: last period that may be used; every series was observed by then.
        horizon: periods forecast.
        levels: probabilities of the quantiles.
        apart: whether kinds of moments are told apart; else the last value with its empirical changes.

    Example:
        >>> import polars as pl
        >>> days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 1, 20), eager=True)
        >>> history = PriceHistory.from_array(np.full((1, 20), 5.0), days)
        >>> steps(history, 19, 1, np.array([0.5])).mean.round(3)
        array([[5.]])
    """
    past = history.past
    begin = window(history, at)
    usual = past.usual if apart else past.log
    kind = kinds(past) if apart else np.zeros(past.log.shape, np.int8)
    far = lags(history, at, horizon)
    edges = _edges(_FINE, _FAR)
    group = history.group
    groups, count = int(group.max()) + 1, int(far.max())
    stride = _stride(history, at - begin, count)
    pool = np.zeros((groups, _KINDS if apart else 1, count, len(edges) + 3))
    inside = np.zeros((2, len(edges) + 1))
    arrays = (past.log, past.seen, usual, kind)
    _count_steps(*arrays, group, (begin, at, stride), edges, _BACK, pool, inside)
    pool = _drawn(pool, 0)
    inner = _centres(edges, inside)
    mean, quantiles = np.zeros(far.shape), np.zeros((*far.shape, len(levels)))

    def part(rows: slice) -> None:
        some = tuple(a[rows] for a in arrays)
        where = (far[rows], group[rows], (begin, at), edges, _BACK)
        _tell_steps(*some, *where, pool, inner, _OWN, levels, mean[rows], quantiles[rows])

    map_parts(part, [slice(a, min(a + _PART, len(mean))) for a in range(0, len(mean), _PART)])
    return Told(mean, quantiles)


def drift(history: PriceHistory, at: int, horizon: int, levels: np.ndarray) -> Told:
    """Prices that wander and revert; see :func:`steps` for the arguments.

    Example:
        >>> import polars as pl
        >>> days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 1, 20), eager=True)
        >>> history = PriceHistory.from_array(np.full((1, 20), 5.0), days)
        >>> drift(history, 19, 1, np.array([0.5])).mean.round(3)
        array([[5.]])
    """
    past, unit = history.past, history.freq.unit
    begin = window(history, at)
    known, unrest = signs(history, at)
    far = lags(history, at, horizon)
    count, year = int(far.max()), _YEAR[unit]
    stride = _stride(history, at - begin, count)
    square, line = np.zeros((count, len(known) + 2, len(known) + 2)), np.zeros((count, len(known) + 2))
    _regress(past.log, past.seen, known, unrest, (begin, at, stride), year, square, line)
    size = np.maximum(np.einsum("lkk->lk", square), 1e-9)
    hold = _RIDGE * size[:, :, None] * np.eye(size.shape[1])[None] + 5.0 * np.eye(size.shape[1])[None]
    slope = np.linalg.solve(square + hold, line[:, :, None])[:, :, 0]
    edges = _edges(*_ROUGH)
    group = history.group
    pool = np.zeros((int(group.max()) + 1, 1, count, len(edges) + 1))
    inside = np.zeros((2, len(edges) + 1))
    arrays = (past.log, past.seen, unrest)
    most = np.zeros(count)
    _count_drift(*arrays, known, slope, year, group, (begin, at, stride), edges, pool, inside, most)
    pool, inner = _drawn(pool, len(edges) // 2), _centres(edges, inside)
    mean, quantiles = np.zeros(far.shape), np.zeros((*far.shape, len(levels)))

    def part(rows: slice) -> None:
        some = (*(a[rows] for a in arrays), known[:, rows], slope, year)
        where = (
            far[rows],
            group[rows],
            (begin, at, max(1, (at - begin) // _MOMENTS)),
            edges,
            np.maximum.accumulate(most),
        )
        _tell_drift(*some, *where, pool, inner, _OWN, levels, mean[rows], quantiles[rows])

    map_parts(part, [slice(a, min(a + _PART, len(mean))) for a in range(0, len(mean), _PART)])
    return Told(mean, quantiles)


def signs(history: PriceHistory, at: int) -> tuple[np.ndarray, np.ndarray]:
    """What foretells changes, float32 [signs, series, time], and the unrest of every series, float32 [series, time].

    Gaps of a quick and a slow average to the price, the last move, the gap to the usual price, and the group's moves
    of late. Every column is told by the columns up to it alone.
    """
    past, days = history.past, history.freq.days
    log = past.log[:, : at + 1]
    keep = np.array([max(1 - days / memory, 0.3) for memory in (_QUICK, _SLOW, _UNREST)])
    quick, slow, unrest = (np.empty(log.shape, np.float32) for _ in range(3))
    _averages(log, past.seen[:, : at + 1], keep, (quick, slow, unrest))
    move = np.nan_to_num(quick - log)
    off = np.nan_to_num(slow - log)
    usual = np.nan_to_num(past.usual[:, : at + 1] - log)
    there = ~np.isnan(log)
    groups = int(history.group.max()) + 1
    common = np.zeros((groups, log.shape[1]), np.float32)
    for g in range(groups):
        rows = history.group == g
        many = there[rows].sum(axis=0)
        common[g] = np.where(there[rows], move[rows], 0).sum(axis=0) / np.maximum(many, 1)
    shared = np.where(there, common[history.group], 0.0).astype(np.float32)
    # Half way, on the scale of logarithms, to the unrest of all: what was quiet of late need not remain so.
    now = np.maximum(unrest, _LEAST)
    return np.stack([move, off, usual, shared]), np.sqrt(now * np.median(now[:, -1])).astype(np.float32)


def window(history: PriceHistory, at: int) -> int:
    """First period of those that are counted."""
    return max(at + 1 - _WINDOW[history.freq.unit], 0)


def _stride(history: PriceHistory, periods: int, lags: int) -> int:
    """Periods from one moment that goes into the pool to the next: so many series need not all be counted."""
    return max(1, len(history.price) * periods * lags // _POOLED)


def kinds(past: Past) -> np.ndarray:
    """Kind of every moment, int8 [series, time]: how far the price lies from the usual one, and how long it stands."""
    with np.errstate(invalid="ignore"):
        off = np.nan_to_num(past.log - past.usual)
    where = np.select([off < -_DEEP, off < -_AT, off <= _AT], [0, 1, 2], 3)
    stands = np.minimum(np.floor(np.log2(past.still + 1.0)), 6)
    return (where * 7 + stands).astype(np.int8)


def _edges(fine: float, far: float) -> np.ndarray:
    """Bounds of bins round 0, ascending: as wide as ``fine`` inside and ever wider outside."""
    half = _BINS // 2
    grow = 1.06
    reach = np.cumsum(grow ** np.arange(half))
    upper = fine / 2 + reach / reach[-1] * (far - fine / 2)
    least = fine / 2 + fine * np.arange(half)
    upper = np.maximum(upper, least)
    return np.concatenate([-upper[::-1], [-fine / 2, fine / 2], upper])


def _centres(edges: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean of what fell into every bin; its middle where nothing did."""
    middle = np.concatenate([[edges[0]], (edges[1:] + edges[:-1]) / 2, [edges[-1]]])
    return np.where(inside[0] > 0, inside[1] / np.maximum(inside[0], 1), middle)


def _drawn(pool: np.ndarray, stands: int) -> np.ndarray:
    """Chances of every group and kind of moment, drawn to those of all groups, and these to those of all kinds.

    ``stands``: number of the outcome that counts where nothing was ever observed twice.
    """
    every = pool.sum(axis=(0, 1), keepdims=True)
    # A lag at which hardly anything was seen takes what was seen at longer ones: those change no less.
    every = every + 1e-3 * np.flip(np.cumsum(np.flip(every, 2), 2), 2)
    many = every.sum(axis=3, keepdims=True)
    late = np.where(many > 0, every / np.maximum(many, 1e-300), 0.0)
    for lag in range(1, late.shape[2]):
        if many[0, 0, lag, 0] == 0:
            late[:, :, lag] = late[:, :, lag - 1]
    kinds = pool.sum(axis=0, keepdims=True)
    kinds = (kinds + _GROUP * late) / (kinds.sum(axis=3, keepdims=True) + _GROUP)
    chance = (pool + _GROUP * kinds) / (pool.sum(axis=3, keepdims=True) + _GROUP)
    nothing = chance.sum(axis=3) < 0.5
    chance[nothing] = 0.0
    chance[..., stands][nothing] = 1.0
    return chance


@njit(cache=True, nogil=True)
def _outcome(later, now, usual, edges, back):  # type: ignore[no-untyped-def]
    """0 = stands, 1 = returned to the usual price, else 2 + bin of the distance to that."""
    if abs(later - now) <= 5e-4:
        return 0
    if abs(later - usual) <= back:
        return 1
    return 2 + np.searchsorted(edges, later - usual)


@njit(cache=True, nogil=True)
def _count_steps(log, seen, usual, kind, group, span, edges, back, pool, inside):  # type: ignore[no-untyped-def]
    """Add up outcomes: ``pool`` [groups, kinds, lags, 2 + bins]; ``inside`` [2, bins]: number and sum of distances."""
    begin, at, stride = span
    count = pool.shape[2]
    for s in range(log.shape[0]):
        g = group[s]
        for t in range(begin + s % stride, at, stride):
            if not seen[s, t]:
                continue
            k = kind[s, t]
            for lag in range(1, min(count, at - t) + 1):
                if seen[s, t + lag]:
                    o = _outcome(log[s, t + lag], log[s, t], usual[s, t], edges, back)
                    pool[g, k, lag - 1, o] += 1.0
                    if o >= 2:
                        inside[0, o - 2] += 1.0
                        inside[1, o - 2] += log[s, t + lag] - usual[s, t]


@njit(cache=True, nogil=True)
def _tell_steps(  # type: ignore[no-untyped-def]
    log, seen, usual, kind, lags, group, span, edges, back, pool, inner, weight, levels, mean, quantiles
):
    """Write mean and quantiles; ``pool`` now holds chances, ``inner`` the distance that stands for every bin."""
    begin, at = span
    horizon, size, count = mean.shape[1], pool.shape[3], pool.shape[2]
    own, chance = np.zeros((count, size)), np.zeros(size)
    for s in range(mean.shape[0]):
        own[:] = 0.0
        k = kind[s, at]
        for t in range(begin, at):
            if seen[s, t] and kind[s, t] == k:
                for lag in range(1, min(count, at - t) + 1):
                    if seen[s, t + lag]:
                        own[lag - 1, _outcome(log[s, t + lag], log[s, t], usual[s, t], edges, back)] += 1.0
        now, base = np.exp(np.float64(log[s, at])), np.exp(np.float64(usual[s, at]))
        for h in range(horizon):
            lag = lags[s, h] - 1
            # Changes over many periods overlap.
            many = own[lag].sum() / np.sqrt(lag + 1.0)
            share = many / (many + weight)
            total = max(own[lag].sum(), 1e-9)
            for o in range(size):
                chance[o] = share * own[lag, o] / total + (1 - share) * pool[group[s], k, lag, o]
            _two_atoms(chance, now, base, inner, levels, mean[s], quantiles[s], h)


@njit(cache=True, nogil=True)
def _two_atoms(chance, now, base, inner, levels, mean, quantiles, h):  # type: ignore[no-untyped-def]
    """Mean and quantiles of a distribution with chances of the present price, the usual price, and bins round that."""
    size, total, c = chance.shape[0], 0.0, 0
    low, high = (now, base) if now <= base else (base, now)
    first, second = (chance[0], chance[1]) if now <= base else (chance[1], chance[0])
    done = 0
    sums, o = 0.0, 2
    while o < size or done < 2:
        value = base * np.exp(inner[o - 2]) if o < size else np.inf
        if done == 0 and low <= value:
            value, part = low, first
            done = 1
        elif done == 1 and high <= value:
            value, part = high, second
            done = 2
        else:
            part = chance[o]
            o += 1
        sums += part
        total += part * value
        while c < levels.shape[0] and sums >= levels[c] - 1e-9:
            quantiles[h, c] = value
            c += 1
    while c < levels.shape[0]:
        quantiles[h, c] = value
        c += 1
    mean[h] = total / sums


@njit(cache=True, nogil=True)
def _averages(log, seen, keep, out):  # type: ignore[no-untyped-def]
    """Exponential averages of a log price, quick and slow, and of the size of its moves; float32 [series, time]."""
    quick, slow, unrest = out
    for s in range(log.shape[0]):
        a, b, u, n, before = 0.0, 0.0, 0.0, 0.0, np.nan
        for t in range(log.shape[1]):
            if np.isnan(log[s, t]):
                quick[s, t], slow[s, t], unrest[s, t] = np.nan, np.nan, 0.0
                continue
            here = log[s, t]
            if seen[s, t]:
                if np.isnan(before):
                    a, b = here, here
                else:
                    a, b = keep[0] * a + (1 - keep[0]) * here, keep[1] * b + (1 - keep[1]) * here
                    u, n = keep[2] * u + min(abs(here - before), 1.0), keep[2] * n + 1.0
                before = here
            # One usual move of 2 % is taken for granted.
            quick[s, t], slow[s, t], unrest[s, t] = a, b, (u + 0.02) / (n + 1.0)


@njit(cache=True, nogil=True)
def _fill(known, s, t, x):  # type: ignore[no-untyped-def]
    """Write what is known of a moment into the first covariates; the last is a constant."""
    for k in range(known.shape[0]):
        x[k] = known[k, s, t]
    x[known.shape[0] + 1] = 1.0


@njit(cache=True, nogil=True)
def _last_year(log, seen, s, t, lag, year, at):  # type: ignore[no-untyped-def]
    """The change over the same lag one year earlier; 0 where it was not seen."""
    then = t - year
    if then < 0 or then + lag > at or not seen[s, then] or not seen[s, then + lag]:
        return 0.0
    return min(max(log[s, then + lag] - log[s, then], -1.0), 1.0)


@njit(cache=True, nogil=True)
def _regress(log, seen, known, unrest, span, year, square, line):  # type: ignore[no-untyped-def]
    """Sums of squares of changes over every lag, each in units of the series' unrest."""
    begin, at, stride = span
    count, size = square.shape[0], square.shape[1]
    x = np.zeros(size)
    for s in range(log.shape[0]):
        for t in range(begin + s % stride, at, stride):
            if not seen[s, t]:
                continue
            weight = 1.0 / unrest[s, t] ** 2
            _fill(known, s, t, x)
            for lag in range(1, min(count, at - t) + 1):
                if not seen[s, t + lag]:
                    continue
                far = 8.0 * unrest[s, t] * np.sqrt(lag)
                change = min(max(log[s, t + lag] - log[s, t], -far), far)
                x[size - 2] = _last_year(log, seen, s, t, lag, year, at)
                for i in range(size):
                    part = weight * x[i]
                    line[lag - 1, i] += part * change
                    for j in range(i + 1):
                        square[lag - 1, i, j] += part * x[j]
    for lag in range(count):
        for i in range(size):
            for j in range(i):
                square[lag, j, i] = square[lag, i, j]


@njit(cache=True, nogil=True)
def _due(slope, lag, x):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(x.shape[0]):
        total += slope[lag - 1, k] * x[k]
    return total


@njit(cache=True, nogil=True)
def _bin(edges, middle, off):  # type: ignore[no-untyped-def]
    """Number of the bin: most lie near 0, so that the search starts there and doubles its steps."""
    size = edges.shape[0]
    if off <= edges[middle]:
        step, high = 1, middle
        while high - step >= 0 and off <= edges[high - step]:
            high -= step
            step *= 2
        low = max(high - step, -1)
    else:
        step, low = 1, middle
        while low + step < size and off > edges[low + step]:
            low += step
            step *= 2
        high = min(low + step, size)
    while high - low > 1:
        half = (low + high) // 2
        if off <= edges[half]:
            high = half
        else:
            low = half
    return high


@njit(cache=True, nogil=True)
def _rest(log, seen, unrest, known, slope, year, s, span, edges, x, own, inside, most):  # type: ignore[no-untyped-def]
    """Add up what is left of the changes of one series in units of unrest; ``own`` [lags, bins]."""
    begin, at, stride = span
    count, size, middle = own.shape[0], x.shape[0], edges.shape[0] // 2
    for t in range(begin + s % stride, at, stride):
        if not seen[s, t]:
            continue
        _fill(known, s, t, x)
        for lag in range(1, min(count, at - t) + 1):
            if not seen[s, t + lag]:
                continue
            x[size - 2] = _last_year(log, seen, s, t, lag, year, at)
            change = log[s, t + lag] - log[s, t]
            most[lag - 1] = max(most[lag - 1], abs(change))
            off = (change - _due(slope, lag, x)) / (unrest[s, t] * np.sqrt(lag))
            off = min(max(off, -_OUT), _OUT)
            o = _bin(edges, middle, off)
            own[lag - 1, o] += 1.0
            inside[0, o] += 1.0
            inside[1, o] += off


@njit(cache=True, nogil=True)
def _count_drift(  # type: ignore[no-untyped-def]
    log, seen, unrest, known, slope, year, group, span, edges, pool, inside, most
):
    """Add up what is left of changes in units of unrest: ``pool`` [groups, 1, lags, bins]."""
    x = np.zeros(slope.shape[1])
    for s in range(log.shape[0]):
        _rest(log, seen, unrest, known, slope, year, s, span, edges, x, pool[group[s], 0], inside, most)


@njit(cache=True, nogil=True)
def _tell_drift(  # type: ignore[no-untyped-def]
    log, seen, unrest, known, slope, year, lags, group, span, edges, most, pool, inner, weight, levels, mean, quantiles
):
    at, stride = span[1], span[2]
    horizon, size, count = mean.shape[1], pool.shape[3], pool.shape[2]
    x, own = np.zeros(slope.shape[1]), np.zeros((count, size))
    inside, farthest = np.zeros((2, size)), np.zeros(count)
    for s in range(mean.shape[0]):
        own[:] = 0.0
        _rest(log, seen, unrest, known, slope, year, s, span, edges, x, own, inside, farthest)
        _fill(known, s, at, x)
        for h in range(horizon):
            lag = lags[s, h]
            x[slope.shape[1] - 2] = _last_year(log, seen, s, at, lag, year, at)
            middle = log[s, at] + _due(slope, lag, x)
            wide, bound = unrest[s, at] * np.sqrt(lag), most[lag - 1]
            held = own[lag - 1].sum()
            many = held * stride / np.sqrt(lag)
            share = many / (many + weight)
            sums, total, value, c = 0.0, 0.0, 0.0, 0
            for o in range(size):
                part = share * own[lag - 1, o] / max(held, 1e-9) + (1 - share) * pool[group[s], 0, lag - 1, o]
                value = np.exp(min(max(middle + wide * inner[o], log[s, at] - bound), log[s, at] + bound))
                sums += part
                total += part * value
                while c < levels.shape[0] and sums >= levels[c] - 1e-9:
                    quantiles[s, h, c] = value
                    c += 1
            while c < levels.shape[0]:
                quantiles[s, h, c] = value
                c += 1
            mean[s, h] = total / sums
