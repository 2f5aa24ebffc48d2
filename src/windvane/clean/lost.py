"""What customers wanted and did not find: the sum of many stock-outs, few of which are sure.

A short stock-out of a slow seller cannot be told from chance, but such stock-outs add up. Each series is therefore read
as a hidden Markov chain with three states:

- in stock: a day's demand is negative binomial with the series' level times what the day brings (weekday, festival,
  promotion), and none on some days besides (zero inflation);
- the last day in stock: it sold ``x`` because ``x`` were left, and demand was at least that. Any number left is taken
  to be as likely as the demand allows, P(D >= x) / E[D];
- out of stock: nothing sells.

How often and for how long a series runs out, how uneven its days are and how often nobody comes are not estimated
series by series, which a slow seller's few sales do not allow. A grid of habits is laid out, the likelihood of every
series is taken at every point, and the shop's shares of the points follow by expectation and maximisation over all
series: the nonparametric maximum-likelihood estimate of a mixing distribution (Kiefer and Wolfowitz 1956, Annals of
Mathematical Statistics 27; Laird 1978, Journal of the American Statistical Association 73), the empirical Bayes
method of Robbins (1956). A series' posterior over the points then says what it lost. The recursions are those of
Rabiner (1989, Proceedings of the IEEE 77); levels are exponentially weighted means to both sides in which a day counts
as far as the shelf was not empty.

The estimate looks back on the whole panel: it serves to sum up demand, never to train or to score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from windvane.clean.stockouts import Rule
from windvane.engine import map_parts

SHARES = (0.04, 0.1, 0.2, 0.33)
"""Shares of days out of stock that a series' habit may have."""

LENGTHS = (3.0, 6.0, 12.0)
"""Mean lengths of stock-outs, in periods."""

SIZES = (0.5, 1.0, 2.0, 4.0, 20.0)
"""Sizes of the negative binomial: variance = mean + mean^2 / size."""

QUIET = (0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8)
"""Shares of days on which nobody comes."""

MEMORIES = (0.5, 1.0)
"""Shares of the usual memory with which a level may forget: some demand moves faster than other."""

_NEVER_OUT, _PSEUDO = 0.7, 4.0  # a shop of few series: series that never run out, and how many series that weighs
_FIRM = 10.0  # units sold that draw a level to the series' mean
_FEWEST = 20  # periods between the first and the last sale that tell something
_LEARN = 4000  # series that the shop's habits are learned from
_ROUNDS = 200  # of learning them
_APART = 6.0  # difference of log-likelihood beyond which a shape is out of the question
_HOPELESS = 150.0  # difference beyond which it is not tried with stock-outs either
_CLEAR = 12.0  # a series so much better explained without stock-outs on a fifth of its days has none
_FEW, _MANY, _WORK = 2, 12, 12_000_000  # shapes of a series tried with every habit; so many cells' worth in all
_TOLD = 0.01  # smallest posterior that counts
_LOW, _STEP, _POINTS = -8.0, 0.05, 360  # logarithms of means in the tables
_MOST = 40  # units in the tables; beyond, the distribution is taken to scale
_COUNTS = 4096
_PART = 256  # series at a time


class _Tables(NamedTuple):
    """Negative binomial probabilities by size, units and logarithm of the mean.

    ``zero`` [sizes, means]: chance of none; ``slope`` and ``floor`` [sizes, means] and ``constant`` [sizes, units]:
    log P(x) = constant[x] + x * slope + floor; ``last`` [sizes, units, means]: P(D >= x) / E[D] / P(D = x); ``short``
    [sizes, units, means]: E[D - x | D >= x].
    """

    zero: np.ndarray
    slope: np.ndarray
    floor: np.ndarray
    constant: np.ndarray
    last: np.ndarray
    short: np.ndarray


@lru_cache(1)
def _tables() -> _Tables:
    from scipy.special import gammaln
    from scipy.stats import nbinom

    mean = np.exp(_LOW + _STEP * np.arange(_POINTS))[None, :]
    size = np.array(SIZES)[:, None]
    floor, slope = -size * np.log1p(mean / size), np.log(mean / (size + mean))
    n = np.arange(_COUNTS)[None, :]
    count = gammaln(n + size) - gammaln(size) - gammaln(n + 1.0)
    units = np.arange(_MOST + 1)[None, :, None]
    chance = size[:, :, None] / (size[:, :, None] + mean[None])
    is_x = np.maximum(nbinom.pmf(units, size[:, :, None], chance), 1e-300)
    above = np.maximum(nbinom.sf(units - 1, size[:, :, None], chance), is_x)
    # E[(D - x)+] = sum over y >= x of P(D > y) = mean - sum over y < x of P(D > y).
    beyond = np.cumsum(nbinom.sf(units, size[:, :, None], chance), axis=1)
    excess = mean[None] - np.concatenate([np.zeros_like(beyond[:, :1]), beyond[:, :-1]], axis=1)
    short = np.where(above > 1e-9, np.maximum(excess, 0.0) / np.maximum(above, 1e-9), 0.0)
    last = np.minimum(above / is_x / mean[None], 1e6)
    return _Tables(np.exp(floor), slope, floor, count, last, short)


class _Grid(NamedTuple):
    """Points of the grid.

    ``begins`` and ``ends`` [habits]: chances per period that a stock-out begins and ends; the first habit never runs
    out. ``sizes``, ``quiet`` and ``keeps`` [shapes]: index of the size, share of days on which nobody comes, and what a
    level keeps per period. Shapes of one memory lie side by side.
    """

    begins: np.ndarray
    ends: np.ndarray
    sizes: np.ndarray
    quiet: np.ndarray
    keeps: np.ndarray


def _grid(memory: int) -> _Grid:
    share, length = (axis.reshape(-1) for axis in np.meshgrid(SHARES, LENGTHS, indexing="ij"))
    keeps = 1 - 1 / np.maximum(memory * np.array(MEMORIES), 2.0)
    keep, sizes, quiet = (a.reshape(-1) for a in np.meshgrid(keeps, np.arange(len(SIZES)), QUIET, indexing="ij"))
    begins = np.concatenate([[0.0], share / (1 - share) / length])
    return _Grid(begins, np.concatenate([[1.0], 1 / length]), sizes, quiet, keep)


_TRIED = 1 + SHARES.index(0.2) * len(LENGTHS) + 1
"""The habit that shapes are tried with first."""


@njit(cache=True, nogil=True)
def _level(x, due, full, keep, mu, place):  # type: ignore[no-untyped-def]
    """Expected units in stock, ``mu`` [periods], and their ``place`` in the tables, from days weighted by ``full``."""
    time = x.shape[0]
    sold, hoped = 0.0, 0.0
    for t in range(time):
        if not np.isnan(x[t]):
            sold += full[t] * x[t]
            hoped += full[t] * due[t]
    firm = _FIRM * hoped / max(sold, 1e-9)
    num, den = 0.0, 0.0
    for t in range(time):
        num *= keep
        den *= keep
        if not np.isnan(x[t]):
            num += full[t] * x[t]
            den += full[t] * due[t]
        mu[t], place[t] = num, den
    num, den = 0.0, 0.0
    for t in range(time - 1, -1, -1):
        mu[t] = due[t] * (mu[t] + num + _FIRM) / (place[t] + den + firm)
        place[t] = (np.log(max(mu[t], 1e-12)) - _LOW) / _STEP
        if not np.isnan(x[t]):
            num += full[t] * x[t]
            den += full[t] * due[t]
        num *= keep
        den *= keep


@njit(cache=True, nogil=True)
def _at(table, place):  # type: ignore[no-untyped-def]
    """Linear interpolation."""
    at = min(max(place, 0.0), _POINTS - 1.001)
    low = int(at)
    return table[low] + (at - low) * (table[low + 1] - table[low])


@njit(cache=True, nogil=True)
def _units(x):  # type: ignore[no-untyped-def]
    return max(int(x + 0.5), 1)


@njit(cache=True, nogil=True)
def _scaled(table, x, place):  # type: ignore[no-untyped-def]
    """A table by units at ``x``; beyond its end, that of the same distribution at another scale."""
    if x <= _MOST:
        return _at(table[x], place)
    return _at(table[_MOST], place + np.log(_MOST / x) / _STEP)


@njit(cache=True, nogil=True)
def _plain(x, place, shape, tables):  # type: ignore[no-untyped-def]
    """Log-likelihood of a series that is never out of stock, and of its sales alone."""
    size, more, bare = shape[0], -np.log(1.0 - shape[1]) / _STEP, 1.0 - shape[1]
    none, slope, floor, constant = tables.zero[size], tables.slope[size], tables.floor[size], tables.constant[size]
    total, product, zeros, sold = 0.0, 1.0, 0.0, 0
    for t in range(x.shape[0]):
        if x[t] > 0.0:
            units = _units(x[t])
            sold += 1
            total += (
                constant[min(units, _COUNTS - 1)] + units * _at(slope, place[t] + more) + _at(floor, place[t] + more)
            )
        elif x[t] == 0.0:
            product *= shape[1] + bare * _at(none, place[t] + more)
            if product < 1e-200:
                zeros += np.log(product)
                product = 1.0
    total += sold * np.log(bare)
    return total + zeros + np.log(product), total


@njit(cache=True, nogil=True)
def _days(x, place, shape, tables, zero, last):  # type: ignore[no-untyped-def]
    """What each day says of the shelf.

    Writes ``zero`` [periods], the chance of none in stock, and ``last``, the odds of a sale on the last day in stock
    against one on a plain day.
    """
    size, more, bare = shape[0], -np.log(1.0 - shape[1]) / _STEP, 1.0 - shape[1]
    none, odds = tables.zero[size], tables.last[size]
    for t in range(x.shape[0]):
        if x[t] > 0.0:
            # The last unit sells on a day on which somebody comes.
            last[t] = _scaled(odds, _units(x[t]), place[t] + more) / bare
        elif x[t] == 0.0:
            zero[t] = shape[1] + bare * _at(none, place[t] + more)


@njit(cache=True, nogil=True)
def _chain(x, zero, last, begins, ends, forth, out, final):  # type: ignore[no-untyped-def]
    """Chance that the shelf was empty, ``out`` [periods], and that a day was the last in stock, ``final`` [periods].

    ``forth`` [3, periods] is scratch. Returns the log-likelihood but for that of the sales themselves.
    """
    time = x.shape[0]
    total, product = 0.0, 1.0
    here, end, gone = 1.0 - begins, begins, 0.0
    for t in range(time):
        if t > 0:
            back = forth[0, t - 1] + forth[2, t - 1] * ends
            here, end, gone = back * (1.0 - begins), back * begins, forth[1, t - 1] + forth[2, t - 1] * (1.0 - ends)
        if not np.isnan(x[t]):
            if x[t] > 0.0:
                end *= last[t]
                gone = 0.0
            else:
                here *= zero[t]
                end = 0.0
        both = here + end + gone
        product *= both
        if product < 1e-100 or product > 1e100:
            total += np.log(product)
            product = 1.0
        forth[0, t], forth[1, t], forth[2, t] = here / both, end / both, gone / both
    after_here, after_end, after_gone = 1.0, 1.0, 1.0
    out[time - 1], final[time - 1] = forth[2, time - 1], forth[1, time - 1]
    for t in range(time - 2, -1, -1):
        here, end, gone = after_here, after_end, after_gone
        if not np.isnan(x[t + 1]):
            if x[t + 1] > 0.0:
                end *= last[t + 1]
                gone = 0.0
            else:
                here *= zero[t + 1]
                end = 0.0
        inside = (1.0 - begins) * here + begins * end
        after_here, after_end, after_gone = inside, gone, ends * inside + (1.0 - ends) * gone
        most = max(after_here, max(after_end, after_gone))
        after_here, after_end, after_gone = after_here / most, after_end / most, after_gone / most
        sure = forth[0, t] * after_here + forth[1, t] * after_end + forth[2, t] * after_gone
        out[t], final[t] = forth[2, t] * after_gone / sure, forth[1, t] * after_end / sure
    return total + np.log(product)


@njit(cache=True, nogil=True)
def _settle(x, due, shape, habit, full, rounds, tables, work):  # type: ignore[no-untyped-def]
    """Level and empty shelves in turn, beginning with the weights ``full``; returns the log-likelihood.

    ``work`` [9, periods]: level, its place, zero, last, forth (3), out, final.
    """
    said = 0.0
    for _ in range(rounds):
        _level(x, due, full, shape[2], work[0], work[1])
        _days(x, work[1], shape, tables, work[2], work[3])
        said = _chain(x, work[2], work[3], habit[0], habit[1], work[4:7], work[7], work[8])
        for t in range(x.shape[0]):
            full[t] = 1.0 - work[7, t]
    return said + _plain(x, work[1], shape, tables)[1]


@njit(cache=True, nogil=True)
def _on_offer(x, longest):  # type: ignore[no-untyped-def]
    """Sales with runs of more than ``longest`` periods without a sale as unknown: nobody offered the product."""
    offered = x.copy()
    begin = 0
    for t in range(x.shape[0]):
        if x[t] > 0.0:
            if t - begin > longest:
                offered[begin:t] = np.nan
            begin = t + 1
    return offered


@njit(cache=True, nogil=True)
def _shape(grid, i):  # type: ignore[no-untyped-def]
    return grid.sizes[i], grid.quiet[i], grid.keeps[i]


@njit(cache=True, nogil=True)
def _try(x, due, grid, tables, kept, said):  # type: ignore[no-untyped-def]
    """Log-likelihood of one series at the points of the grid, ``said`` [habits, shapes]; -inf where not tried.

    ``kept``: shapes to try with every habit; with 0 the series is never out of stock.
    """
    time, shapes = x.shape[0], grid.sizes.shape[0]
    work, start, full = np.ones((9, time)), np.ones((shapes, time)), np.ones(time)
    tried = np.full(shapes, -np.inf)
    said[:] = -np.inf
    habit = (grid.begins[_TRIED], grid.ends[_TRIED])
    first = 0
    while first < shapes:
        end = first
        full[:] = 1.0
        _level(x, due, full, grid.keeps[first], work[0], work[1])
        while end < shapes and grid.keeps[end] == grid.keeps[first]:
            said[0, end] = _plain(x, work[1], _shape(grid, end), tables)[0]
            end += 1
        if kept > 0:
            best = first + int(np.argmax(said[0, first:end]))
            _settle(x, due, _shape(grid, best), habit, full, 3, tables, work)
            for i in range(first, end):
                if said[0, i] < said[0, best] - _HOPELESS:
                    continue
                start[i] = full
                _days(x, work[1], _shape(grid, i), tables, work[2], work[3])
                tried[i] = _chain(x, work[2], work[3], habit[0], habit[1], work[4:7], work[7], work[8])
                tried[i] += _plain(x, work[1], _shape(grid, i), tables)[1]
        first = end
    if kept == 0 or tried.max() < said[0].max() - _CLEAR:
        return
    behind = np.minimum(said[0].max() - said[0], tried.max() - tried)
    order = np.argsort(behind)
    for k in range(min(kept, shapes)):
        i = order[k]
        if behind[i] > _APART:
            break
        for j in range(1, grid.begins.shape[0]):
            full[:] = start[i]
            said[j, i] = _settle(x, due, _shape(grid, i), (grid.begins[j], grid.ends[j]), full, 2, tables, work)


@njit(cache=True, nogil=True)
def _sum_up(x, due, grid, tables, chance, cells):  # type: ignore[no-untyped-def]
    """Level, units lost and chance of an empty shelf, ``cells`` [3, periods], over the points by their ``chance``."""
    time = x.shape[0]
    work, full = np.ones((9, time)), np.ones(time)
    cells[:] = 0.0
    for j in range(chance.shape[0]):
        for i in range(chance.shape[1]):
            share = chance[j, i]
            if share <= 0.0:
                continue
            full[:] = 1.0
            size, quiet = grid.sizes[i], grid.quiet[i]
            rounds = 1 if j == 0 else 4
            _settle(x, due, _shape(grid, i), (grid.begins[j], grid.ends[j]), full, rounds, tables, work)
            more = -np.log(1.0 - quiet) / _STEP
            for t in range(time):
                out, level = work[7, t], work[0, t]
                cells[0, t] += share * level
                if np.isnan(x[t]):
                    continue
                cells[1, t] += share * out * level
                cells[2, t] += share * out
                if x[t] > 0.0 and work[8, t] > 1e-4:
                    units = _units(x[t])
                    short = _scaled(tables.short[size], units, work[1, t] + more)
                    cells[1, t] += share * work[8, t] * short * max(1.0, units / _MOST)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What was wanted, looking back.

    Attributes:
        level: units expected in stock, float32 [series, time]; 0 before the first sale.
        lost: units wanted beyond what sold, by the chance that the shelf was empty, float32 [series, time].
        out: chance that the shelf was empty all the period, float32 [series, time].
        habits: the shop's shares of series by habit, float64 [habits]: never out of stock, then shares of days and
            lengths as in :data:`SHARES` and :data:`LENGTHS`.
    """

    level: np.ndarray
    lost: np.ndarray
    out: np.ndarray
    habits: np.ndarray


def estimate(sales: np.ndarray, due: np.ndarray, rule: Rule, search: np.ndarray) -> Estimate:
    """Estimate what was lost to empty shelves between the first and the last sale of every series.

    Args:
        sales: units, float32 [series, time]; NaN = unknown.
        due: what a period brings against the usual, as a factor, float32 [series, time].
        rule: its memory is that of the levels, to either side; longer runs than its longest are no stock-outs.
        search: series whose stock-outs are not told by anybody, bool [series]; the others get a level alone.
    """
    grid, tables = _grid(rule.memory), _tables()
    kept = min(max(_WORK // max(sales.size, 1), _FEW), _MANY)
    sold = np.nan_to_num(sales) > 0
    first, last = sold.argmax(1), sales.shape[1] - sold[:, ::-1].argmax(1)
    told = np.flatnonzero(sold.any(1) & (last - first >= _FEWEST))
    parts = [told[at : at + _PART] for at in range(0, len(told), _PART)]

    def cells(s: int) -> tuple[np.ndarray, np.ndarray]:
        x, d = (np.ascontiguousarray(part[s, first[s] : last[s]], dtype=np.float64) for part in (sales, due))
        return _on_offer(x, rule.longest), d

    def likelihoods(rows: np.ndarray) -> np.ndarray:
        said = np.empty((len(rows), len(grid.begins), len(grid.sizes)))
        for k, s in enumerate(rows):
            _try(*cells(s), grid, tables, kept if search[s] else 0, said[k])
        return said

    said = np.concatenate([np.empty((0, len(grid.begins), len(grid.sizes))), *map_parts(likelihoods, parts)])
    prior = _shares(said[search[told]])
    habits = prior.sum(1)
    level, lost, out = (np.zeros(sales.shape, np.float32) for _ in range(3))
    for s in np.flatnonzero(sold.any(1) & (last - first < _FEWEST)):
        span = slice(first[s], None)
        seen = ~np.isnan(sales[s, span])
        level[s, span] = due[s, span] * (sales[s, span][seen].sum() / due[s, span][seen].sum())

    def sum_up(part: np.ndarray) -> None:
        for k in part:
            s = told[k]
            chance = _likely(said[k : k + 1])[0] * prior
            chance = np.where(chance >= _TOLD * chance.max(), chance, 0.0)
            span, sums = slice(first[s], last[s]), np.empty((3, last[s] - first[s]))
            _sum_up(*cells(s), grid, tables, chance / chance.sum(), sums)
            level[s, span], lost[s, span], out[s, span] = sums
            level[s, last[s] :] = due[s, last[s] :] * sums[0, -1] / due[s, last[s] - 1]

    numbers = np.arange(len(told))
    map_parts(sum_up, [numbers[at : at + _PART] for at in range(0, len(told), _PART)])
    return Estimate(level, lost, out, habits)


def _likely(said: np.ndarray) -> np.ndarray:
    """Likelihoods up to a factor per series [series, habits, shapes]."""
    likely: np.ndarray = np.exp(said - said.max(axis=(1, 2), keepdims=True))
    return likely


def _shares(said: np.ndarray) -> np.ndarray:
    """The shop's shares of the grid's points [habits, shapes], habits and both parts of the shape independent."""
    habits = np.full(said.shape[1], (1 - _NEVER_OUT) / (said.shape[1] - 1))
    habits[0] = _NEVER_OUT
    kinds = (len(MEMORIES), len(SIZES), len(QUIET))
    begin = (habits, *(np.full(n, 1 / n) for n in kinds))
    shares = begin
    likely = _likely(said[:: max(len(said) // _LEARN, 1)]).reshape(-1, said.shape[1] * said.shape[2])
    for _ in range(_ROUNDS if len(said) else 0):
        prior = _product(shares).reshape(-1)
        total = (prior * (likely.T @ (1 / (likely @ prior)))).reshape(len(habits), *kinds)
        counts = [total.sum(tuple(k for k in range(4) if k != axis)) for axis in range(4)]
        shares = tuple((c + _PSEUDO * b) / (c.sum() + _PSEUDO) for c, b in zip(counts, begin, strict=True))
    return _product(shares)


def _product(shares: tuple[np.ndarray, ...]) -> np.ndarray:
    """Chance of every point [habits, shapes] from those of its parts."""
    habits, memories, sizes, quiet = shares
    shapes = memories[:, None, None] * sizes[:, None] * quiet
    return habits[:, None] * shapes.reshape(-1)


def demand(sales: np.ndarray, found: Estimate, sure: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """What would have sold with stock, float32 [series, time]; NaN where sales are unknown and the shelf was not empty.

    Where the shelf surely was empty it is the level, and never less than what sold. Elsewhere it is what sold and what
    was lost besides, each period by the chance that its shelf was empty: few such periods are sure, their sum is.

    Args:
        sales: units as sold [series, time].
        found: what :func:`estimate` gave.
        sure: cells told to be out of stock, or cut short by it, bool [series, time].
        guess: cells that may have been out of stock without anybody saying so, bool [series, time].
    """
    wanted = np.where(guess, sales + found.lost, sales)
    return np.where(sure, np.fmax(sales, found.level), wanted).astype(np.float32)
