"""Stock-outs: told by the table stock, or inferred from runs of days without a sale that are too improbable.

A run of zeros is judged by what the series' own past and its neighbours' present let expect. The expected sales of a
cell are

    recent rate of the series x factor of the day x lift of promotions,

where the rate is an exponentially weighted mean of the periods before the run (as in the TSB method of Teunter,
Syntetos and Babai 2011, European Journal of Operational Research 214, but of units instead of occurrences), the factor
of the day says how everything else in the shop, the location and the category sold on that day compared with its own
rates (so that weekdays, holidays, closed days and seasons are no stock-outs), and the lift is what promotions have
brought so far. The chance of a zero follows the negative binomial distribution with the series' overdispersion, made
larger where the series had more zeros before than that distribution says. The chance of the whole run is that of its
zeros under a gamma-distributed error of the rate: few sales before the run make it uncertain what was to be expected.

A run is called a stock-out if its chance is below ``alpha``, it is not longer than ``longest``, and the series sold at
the same time of the year before. It is called so when sales resume: a run still open may as well be the end of the
series. Everything up to that moment is used and nothing after it, and the moment is kept with the flag.

Short stock-outs of slow sellers cannot be told from chance one by one: :mod:`windvane.clean.lost` estimates what they
come to. Here they only keep the rate from sinking: each day of a run between two sales gets, by a hidden Markov chain
with the states in stock and out of stock, the chance that its shelf was empty, given how often and for how long the
series' and the shop's shelves have been empty so far, and counts for the rate as far as it was not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from windvane.panel import NEVER

LEAST_PAST = 14
"""Observed periods that an expectation needs."""

MEMORY = {"1h": 24 * 14, "1d": 28, "1w": 8, "1mo": 6}
"""Periods over which the recent rate forgets (e-folding)."""

YEARS = {"1h": 8736, "1d": 364, "1w": 52, "1mo": 12}
"""Periods per year."""

_LONGEST = {"1h": 24 * 60, "1d": 60, "1w": 10, "1mo": 3}

# Columns of the state of a series.
_NUM, _DEN, _RUN_NUM, _RUN_DEN, _SEEN = 0, 1, 2, 3, 4
_OVER, _SQUARE, _SOLD, _HOPED = 5, 6, 7, 8
_LENGTH, _HAZARD, _UNITS, _SPELLS, _HERE, _AWAY = 9, 10, 11, 12, 13, 14
_STATE = 15

_FORGET = 0.997  # of overdispersion and share of zeros: about a year of days
_PSEUDO = 5.0  # units that draw a small group's day factor to 1
_DRIFT = 0.02  # how fast the usual level of a group's day factor moves
_SURE = 30.0  # largest shape of the rate's error: rates drift, however many sales they rest on
_HABIT = 60.0  # days that draw a series' own habit of running out to the shop's
_TRUNCATED = 0.5  # a day at the edge of a run that sold less than this share of its expectation was cut short


@dataclass(frozen=True)
class Rule:
    """How stock-outs are inferred.

    Attributes:
        alpha: largest chance of a run of zeros that is called a stock-out.
        longest: longest such run, in periods.
        memory: periods over which the recent rate forgets.
        year: periods per year.
    """

    alpha: float
    longest: int
    memory: int
    year: int

    @classmethod
    def of(cls, unit: str, alpha: float) -> Rule:
        """The rule for a frequency ("1h", "1d", "1w" or "1mo")."""
        return cls(alpha, _LONGEST[unit], MEMORY[unit], YEARS[unit])


@dataclass(frozen=True, eq=False)
class Inferred:
    """What was inferred.

    Attributes:
        since: int32 [series, time], column at whose end a cell became known to be out of stock; NEVER = it is not.
        expected: float32 [series, time], expected sales from the past alone; NaN where there was too little past.
        due: float32 [series, time], what a period brings against the usual, as a factor: 1 for a usual one.
        runs: one row per run found, int64 [runs, 4]: series, first and last column without a sale, column in which
            sales resumed.
        chance: chance of each run, float64 [runs].
        units: expected sales over each run, float64 [runs].
        open_chance: chance of the run of zeros that ends the panel, float64 [series]; 1 where there is none.
        open_length: its length in periods, int64 [series].
    """

    since: np.ndarray
    expected: np.ndarray
    due: np.ndarray
    runs: np.ndarray
    chance: np.ndarray
    units: np.ndarray
    open_chance: np.ndarray
    open_length: np.ndarray


@njit(cache=True, nogil=True)
def _day_factors(x, base, group, usual, factor, plain, sums):  # type: ignore[no-untyped-def]
    """How all other series of a series' groups sold on a day against their rates; writes ``factor`` [series].

    ``x`` and ``base`` [series]: sales and rate (NaN or 0 where a series says nothing); ``group`` int32
    [levels, series]; ``usual`` [levels, groups]: the factor's usual level, moved on; ``plain`` [series] and ``sums``
    [2, groups] are scratch.
    """
    levels, series = group.shape
    for s in range(series):
        factor[s] = 1.0
        plain[s] = 1.0
    for j in range(levels):
        sums[:] = 0.0
        for s in range(series):
            if base[s] > 0.0 and not np.isnan(x[s]):
                sums[0, group[j, s]] += x[s]
                sums[1, group[j, s]] += base[s] * plain[s]
        for s in range(series):
            g = group[j, s]
            got, hoped = sums[0, g], sums[1, g]
            own, due = 0.0, 0.0
            if base[s] > 0.0 and not np.isnan(x[s]):
                own, due = x[s], base[s] * plain[s]
            factor[s] *= (got - own + _PSEUDO) / (max(hoped - due, 0.0) + _PSEUDO) / usual[j, g]
            plain[s] *= (got + _PSEUDO) / (hoped + _PSEUDO) / usual[j, g]
        for g in range(sums.shape[1]):
            if sums[1, g] > 0.0:
                usual[j, g] += _DRIFT * ((sums[0, g] + _PSEUDO) / (sums[1, g] + _PSEUDO) - usual[j, g])


@njit(cache=True, nogil=True)
def _spread(state, mu, pooled):  # type: ignore[no-untyped-def]
    """Inverse size of the negative binomial: variance = mu + mu^2 x this; drawn to the panel's by 20 periods."""
    weight = 20.0 * mu * mu + 1e-9
    return min(max((state[_OVER] + pooled * weight) / (state[_SQUARE] + weight), 0.0), 50.0)


@njit(cache=True, nogil=True)
def _zero(state, mu, inverse):  # type: ignore[no-untyped-def]
    """Chance of a period without a sale, and that of the plain negative binomial."""
    plain = np.exp(-mu) if inverse < 1e-6 else (1.0 + mu * inverse) ** (-1.0 / inverse)
    share = min(1.0, (state[_SOLD] + 3.0) / (state[_HOPED] + 3.0))
    return 1.0 - (1.0 - plain) * share, plain


@njit(cache=True, nogil=True)
def _chance(state, inverse):  # type: ignore[no-untyped-def]
    """Chance of the run at hand, the error of the rate before it included."""
    if state[_LENGTH] == 0.0:
        return 1.0
    rate = state[_RUN_NUM] / max(state[_RUN_DEN], 1e-12)
    # An exponentially weighted mean rests on twice as many periods as its weights add up to.
    shape = min(2.0 * state[_RUN_NUM] / (1.0 + rate * inverse) + 0.5, _SURE)
    return (1.0 + state[_HAZARD] / shape) ** -shape


@njit(cache=True, nogil=True)
def _off_season(sales, first, last, launch, year):  # type: ignore[no-untyped-def]
    """Whether a series was on sale a year before a run and hardly sold in the same periods either."""
    begin, end = first - year, last - year
    if begin < launch:
        return False
    sold = 0
    for t in range(begin, end + 1):
        if sales[t] > 0:
            sold += 1
    return sold < 0.2 * (end - begin + 1)


@njit(cache=True, nogil=True)
def _start_run(state):  # type: ignore[no-untyped-def]
    state[_RUN_NUM], state[_RUN_DEN] = state[_NUM], state[_DEN]
    state[_LENGTH] = state[_HAZARD] = state[_UNITS] = 0.0


@njit(cache=True, nogil=True)
def _empty(state, zeros, begins, ends, gamma, work):  # type: ignore[no-untyped-def]
    """Chance that the shelf was empty on each day of a run between two sales; writes ``gamma`` [days].

    Forward-backward recursions of a chain with the states in stock and out of stock (Rabiner 1989, Proceedings of the
    IEEE 77), which is in stock at both ends. ``zeros`` [days]: chance of a zero in stock, NaN where sales are unknown;
    ``begins`` and ``ends``: chance per day that a stock-out begins or ends; ``work`` [4, days] is scratch. Returns the
    expected number of stock-outs in the run.
    """
    days = zeros.shape[0]
    forth_in, forth_out, back_in, back_out = work[0], work[1], work[2], work[3]
    shape, hazard = min(2.0 * state[_RUN_NUM] + 0.5, _SURE), 0.0
    was_in, was_out = 1.0, 0.0
    for k in range(days):
        zero = 1.0
        if not np.isnan(zeros[k]):
            # What a zero says about the rate makes the next one likelier.
            more = -np.log(max(zeros[k], 1e-300))
            zero = ((shape + hazard) / (shape + hazard + more)) ** shape
            hazard += more
        gamma[k] = zero
        forth_in[k] = (was_in * (1.0 - begins) + was_out * ends) * zero
        forth_out[k] = was_in * begins + was_out * (1.0 - ends)
        was_in, was_out = forth_in[k], forth_out[k]
    total = was_in * (1.0 - begins) + was_out * ends
    back_in[days - 1], back_out[days - 1] = 1.0 - begins, ends
    for k in range(days - 2, -1, -1):
        stay = gamma[k + 1] * back_in[k + 1]
        back_in[k] = (1.0 - begins) * stay + begins * back_out[k + 1]
        back_out[k] = ends * stay + (1.0 - ends) * back_out[k + 1]
    begun = begins * back_out[0] / total
    for k in range(1, days):
        begun += forth_in[k - 1] * begins * back_out[k] / total
    for k in range(days):
        gamma[k] = forth_out[k] * back_out[k] / total
    return begun


@njit(cache=True, nogil=True)
def _settle(state, sales, expected, first, gamma, settled):  # type: ignore[no-untyped-def]
    """Let the days of a run count as far as the shelf was not empty; columns of one series.

    ``settled``: forgetting factor, inverse size of the negative binomial, product of the rate before the run and the
    expectations' scale, expected number of stock-outs.
    """
    keep, inverse, rate = settled[0], settled[1], settled[2]
    state[_NUM], state[_DEN] = state[_RUN_NUM], state[_RUN_DEN]
    telling, known = 0.0, 0
    for k in range(gamma.shape[0]):
        mu, full = expected[first + k], 1.0 - gamma[k]
        if np.isnan(sales[first + k]):
            continue
        _, plain = _zero(state, mu, inverse)
        # What hardly sells says nothing of how often shelves are empty.
        state[_AWAY] += gamma[k] * (1.0 - plain)
        state[_HERE] += full * (1.0 - plain)
        telling += 1.0 - plain
        known += 1
        state[_NUM] *= keep**full
        state[_DEN] = state[_DEN] * keep**full + full * mu / max(rate, 1e-12)
        state[_OVER] += full * (mu * mu - mu)
        state[_SQUARE] += full * mu * mu
        state[_HOPED] += full * (1.0 - plain)
    state[_SPELLS] += settled[3] * telling / max(known, 1)
    state[_LENGTH] = 0.0


@njit(cache=True, nogil=True)
def _observe(state, x, mu, due, plain, keep):  # type: ignore[no-untyped-def]
    """Take in one period: ``mu`` expected by the rate before it, ``due`` its factors' product."""
    known = state[_SEEN] >= LEAST_PAST
    if x <= 0.0 and known:
        state[_LENGTH] += 1.0
    elif known:
        state[_OVER] += (x - mu) ** 2 - mu
        state[_SQUARE] += mu * mu
        state[_SOLD] += 1.0
        state[_HOPED] += 1.0 - plain
        state[_HERE] += 1.0 - plain
    most = x
    if known:
        most = min(x, mu + 4.0 * np.sqrt(mu) + 3.0 * mu + 3.0)
    state[_NUM] = keep * state[_NUM] + most
    state[_DEN] = keep * state[_DEN] + due
    state[_SEEN] += 1.0
    for k in (_OVER, _SQUARE, _SOLD, _HOPED):
        state[k] *= _FORGET


@njit(cache=True, nogil=True)
def _pooled(state):  # type: ignore[no-untyped-def]
    over, square = 0.0, 0.0
    for s in range(state.shape[0]):
        over += state[s, _OVER]
        square += state[s, _SQUARE]
    return min(max(over / square, 0.0), 5.0) if square > 0 else 0.5


@njit(cache=True, nogil=True)
def _promotion_lift(x, base, factor, promoted, lift, keep):  # type: ignore[no-untyped-def]
    """Move on what promotions have brought: sums of sales and of expectations, ``lift`` [2]."""
    got, due = 0.0, 0.0
    for s in range(x.shape[0]):
        if promoted[s] and base[s] > 0.0 and not np.isnan(x[s]):
            got += x[s]
            due += base[s] * factor[s]
    lift[0] = keep * lift[0] + got
    lift[1] = keep * lift[1] + due


@njit(cache=True, nogil=True)
def _habits(counts, out):  # type: ignore[no-untyped-def]
    """Chance per day that a stock-out begins, and that it ends, over all series; writes ``out`` [2].

    ``counts`` [series, 3]: expected stock-outs, days in and days out of stock.
    """
    spells, here, away = 1.0, 200.0, 7.0
    for s in range(counts.shape[0]):
        spells += counts[s, 0]
        here += counts[s, 1]
        away += counts[s, 2]
    out[0], out[1] = min(spells / here, 0.1), min(max(spells / away, 0.02), 0.5)


@njit(cache=True, nogil=True)
def _first_of(sales, now, length):  # type: ignore[no-untyped-def]
    """Column in which a run of ``length`` known zeros before ``now`` began; unknown periods within do not count."""
    first = now - 1
    while length > 0:
        if not np.isnan(sales[first]):
            length -= 1
        first -= 1
    return first + 1


@njit(cache=True, nogil=True)
def _close(sales, since, zeros, expected, state, call):  # type: ignore[no-untyped-def]
    """Judge the run that a sale ends; columns of one series. Returns its first column if it was a stock-out, else -1.

    ``call``: column of the sale, launch, alpha, longest, year, forgetting factor, inverse size, chances per day that a
    stock-out begins and ends.
    """
    now = int(call[0])
    first = _first_of(sales, now, int(state[_LENGTH]))
    gamma, begun, called = np.zeros(now - first), 0.0, False
    if now - first <= call[3] and not _off_season(sales, first, now - 1, int(call[1]), int(call[4])):
        called = _chance(state, call[6]) < call[2]
        begun = _empty(state, zeros[first:now], call[7], call[8], gamma, np.empty((4, now - first)))
    if called:
        gamma[:] = 1.0
        for t in range(first, now):
            since[t] = now
        for t in (first - 1, now):
            if t >= 0 and sales[t] < _TRUNCATED * expected[t]:
                since[t] = now
    rate = state[_RUN_NUM] / max(state[_RUN_DEN], 1e-12)
    _settle(state, sales, expected, first, gamma, np.array([call[5], call[6], rate, begun]))
    return first if called else -1


@njit(cache=True, nogil=True)
def _note(runs, numbers, at, where, what):  # type: ignore[no-untyped-def]
    """Write down a run as far as there is room: series, first column and column of the sale; chance and units."""
    if at < runs.shape[0]:
        runs[at, 0], runs[at, 1], runs[at, 2], runs[at, 3] = where[0], where[1], where[2] - 1, where[2]
        numbers[at, 0], numbers[at, 1] = what


@njit(cache=True, nogil=True)
def _still_open(state, pooled, opened):  # type: ignore[no-untyped-def]
    """Chance and length of the runs that end the panel, ``opened`` [series, 2]."""
    for s in range(state.shape[0]):
        rate = state[s, _RUN_NUM] / max(state[s, _RUN_DEN], 1e-12)
        opened[s, 0] = _chance(state[s], _spread(state[s], rate, pooled))
        opened[s, 1] = state[s, _LENGTH]


@njit(cache=True, nogil=True)
def _infer(sales, launch, group, promoted, settings, cells, runs, numbers, opened):  # type: ignore[no-untyped-def]
    """Go through the columns; [time, series] arrays. Returns how many runs were found (those beyond ``runs`` are lost).

    ``settings``: alpha, longest, keep and year; ``cells``: since, expected and due of :class:`Inferred`; ``runs`` int64
    [n, 4]; ``numbers`` float64 [n, 2]; ``opened`` float64 [series, 2].
    """
    time, series = sales.shape
    since, expected, brings = cells
    state, zeros = np.zeros((series, _STATE)), np.full((time, series), np.nan, np.float32)
    usual, sums = np.ones((group.shape[0], int(group.max()) + 1)), np.zeros((2, int(group.max()) + 1))
    base, factor, plain = np.zeros(series), np.ones(series), np.ones(series)
    lift, habit, call = np.zeros(2), np.zeros(2), np.zeros(9)
    found, pooled, keep = 0, 0.5, settings[2]
    call[2], call[3], call[4], call[5] = settings[0], settings[1], settings[3], keep
    counts = state[:, _SPELLS : _AWAY + 1]
    for t in range(time):
        x, on = sales[t], promoted[t]
        if t % 7 == 0:
            pooled = _pooled(state)
            _habits(counts, habit)
        raised = min(max((lift[0] + 50.0) / (lift[1] + 50.0), 1.0), 5.0)
        for s in range(series):
            rate = state[s, _NUM] / max(state[s, _DEN], 1e-12) if state[s, _SEEN] >= LEAST_PAST else 0.0
            base[s] = rate * (raised if on[s] else 1.0) if t >= launch[s] else 0.0
        _day_factors(x, base, group, usual, factor, plain, sums)
        _promotion_lift(x, base, factor / raised, on, lift, 0.995)
        for s in range(series):
            if t < launch[s]:
                continue
            mine = state[s]
            if mine[_LENGTH] == 0.0:
                _start_run(mine)
            due = factor[s] * (raised if on[s] else 1.0)
            brings[t, s] = due
            mu = mine[_RUN_NUM] / max(mine[_RUN_DEN], 1e-12) * due
            ready = mine[_SEEN] >= LEAST_PAST
            if ready:
                expected[t, s] = mu
            if np.isnan(x[s]):
                continue
            inverse = _spread(mine, mu, pooled)
            zero, bare = _zero(mine, mu, inverse)
            if x[s] > 0.0 and mine[_LENGTH] > 0.0:
                call[0], call[1], call[6] = t, launch[s], inverse
                call[7] = (counts[s, 0] + _HABIT * habit[0]) / (counts[s, 1] + _HABIT)
                call[8] = habit[1]
                chance, units = _chance(mine, inverse), mine[_UNITS]
                first = _close(sales[:, s], since[:, s], zeros[:, s], expected[:, s], mine, call)
                if first >= 0:
                    _note(runs, numbers, found, (s, first, t), (chance, units))
                    found += 1
                if since[t, s] == t:
                    continue
            elif x[s] <= 0.0 and ready:
                zeros[t, s] = zero
                mine[_HAZARD] -= np.log(max(zero, 1e-300))
                mine[_UNITS] += mu
            now = mine[_NUM] / max(mine[_DEN], 1e-12) * due
            _observe(mine, x[s], now, due, bare, keep)
    _still_open(state, pooled, opened)
    return found


def infer(
    sales: np.ndarray, launch: np.ndarray, groups: np.ndarray, promoted: np.ndarray, rule: Rule, told: int = 1 << 14
) -> Inferred:
    """Find stock-outs in sales.

    Args:
        sales: units, float32 [series, time]; NaN = unknown (told to be out of stock, say): neither judged nor learned
            from.
        launch: column of the launch, int32 [series].
        groups: group of every series, int32 [levels, series], from the general to the specific; at least one level.
        promoted: whether a cell is promoted, as far as that was known by then, bool [series, time].
        rule: how to judge.
        told: runs to make room for at first.
    """
    columns = np.ascontiguousarray(sales.T, dtype=np.float32)
    on, codes = np.ascontiguousarray(promoted.T), np.ascontiguousarray(groups, np.int32)
    settings = np.array([rule.alpha, rule.longest, 1.0 - 1.0 / rule.memory, rule.year])
    begin, shape = launch.astype(np.int32), columns.shape
    while True:
        since, expected = np.full(shape, NEVER, np.int32), np.full(shape, np.nan, np.float32)
        cells = (since, expected, np.ones(shape, np.float32))
        runs, numbers, opened = np.zeros((told, 4), np.int64), np.zeros((told, 2)), np.zeros((shape[1], 2))
        found = _infer(columns, begin, codes, on, settings, cells, runs, numbers, opened)
        if found <= told:
            break
        told = int(found)
    return Inferred(
        since=np.ascontiguousarray(since.T),
        expected=np.ascontiguousarray(expected.T),
        due=np.ascontiguousarray(cells[2].T),
        runs=runs[:found],
        chance=numbers[:found, 0],
        units=numbers[:found, 1],
        open_chance=opened[:, 0],
        open_length=opened[:, 1].astype(np.int64),
    )
