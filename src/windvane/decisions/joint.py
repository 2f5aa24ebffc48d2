"""Orders that share something: a budget, a supplier's smallest order, the cost of one delivery.

Each series has a few sizes of order to choose from, none among them, and what each is expected to save: the cost of
holding, lost margin and spoilage without it less that with it. Chosen is what saves most in all within the limits.
Small problems are solved exactly as a mixed-integer programme (HiGHS); large ones by a price on money that is raised
until the budget holds (Lagrangian relaxation), with the bound that this gives on what the best choice could save.

Sources: Fisher (1981), The Lagrangian relaxation method for solving integer programming problems, Management Science
27; Huangfu and Hall (2018), Parallelizing the dual revised simplex method, Math. Prog. Computation 10 (HiGHS).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from windvane.decisions.cover import PATHS, summed
from windvane.decisions.terms import Terms
from windvane.engine import map_parts
from windvane.errors import InputError
from windvane.forecasts import Forecast

SIZES = 6
"""Sizes of order that each series may choose from, besides none."""
_EXACT = 2000  # choices up to which the problem is solved exactly
_STEPS = 60
_SECONDS = 20.0
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Limits:
    """What orders share.

    Attributes:
        supplier: number of the supplier of every series, int64 [series].
        budget: money for all orders together; infinite = enough.
        smallest: least value of an order, by supplier, float64 [suppliers]; 0 = none.
        largest: largest value of an order, by supplier; infinite = none.
        delivery: cost of one delivery, whatever is on it, by supplier.
    """

    supplier: np.ndarray
    budget: float = np.inf
    smallest: np.ndarray = field(default_factory=lambda: np.zeros(0))
    largest: np.ndarray = field(default_factory=lambda: np.zeros(0))
    delivery: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def full(self) -> Limits:
        """With a number for every supplier; checked.

        Raises:
            InputError: a limit is below 0, or limits contradict one another; names them.
        """
        count = int(self.supplier.max(initial=-1)) + 1
        usual = {"smallest": 0.0, "largest": np.inf, "delivery": 0.0}
        given = {n: np.asarray(getattr(self, n), float) for n in usual}
        given = {n: v if len(v) else np.full(count, usual[n]) for n, v in given.items()}
        for name, values in given.items():
            if len(values) != count:
                raise InputError(f"{name} has {len(values)} numbers for {count} suppliers.", "Give one for each.")
            if not (values >= 0).all():
                raise InputError(f"{name} of supplier {np.flatnonzero(~(values >= 0))[0]} is below 0.", column=name)
        if not self.budget >= 0:
            raise InputError(f"the budget is {self.budget}.", "Give money from 0.", column="budget")
        clash = np.flatnonzero(given["smallest"] > given["largest"] + _TINY)
        if len(clash):
            s = int(clash[0])
            raise InputError(
                f"supplier {s}: the smallest order ({given['smallest'][s]:g}) is above the largest "
                f"({given['largest'][s]:g}).", "Change one of the two.",
            )  # fmt: skip
        return Limits(self.supplier, self.budget, **given)


@dataclass(frozen=True, eq=False)
class Together:
    """Orders chosen together.

    Attributes:
        units: to order now, float64 [series].
        value: money that is, float64 [series].
        saving: what each is expected to save, before deliveries, float64 [series].
        saved: all savings less deliveries.
        bound: no choice saves more than this.
        exact: whether no other choice among the sizes tried saves more.
        price: what one more unit of money in the budget would save, about; 0 where the budget does not bind.
        left_out: suppliers with something worth ordering whose limits leave no order, with the limits that do so.
    """

    units: np.ndarray
    value: np.ndarray
    saving: np.ndarray
    saved: float
    bound: float
    exact: bool
    price: float
    left_out: dict[int, tuple[str, ...]]


def choose(
    forecast: Forecast, terms: Terms, position: np.ndarray, wanted: np.ndarray, limits: Limits, repeat: int = 7
) -> Together:
    """Orders within shared limits.

    Args:
        forecast: of the series of the terms, in their order.
        terms: lead times, review, money; sizes of single orders.
        position: units on hand and on order, [series].
        wanted: units that each series would order if nothing were shared, as a policy proposes, [series].
        limits: what is shared.
        repeat: how many of the last periods of the horizon repeat beyond it.

    Raises:
        InputError: limits contradict one another.
    """
    limits = limits.full()
    sizes = _sizes(wanted, terms, bool(limits.smallest.any()))
    levels = position[:, None] + sizes
    cost = costs_at(forecast, terms, levels, repeat)
    saving = np.where(np.isnan(sizes), -np.inf, cost[:, :1] - cost)
    saving -= np.where(sizes > 0, terms.rates.order_cost[:, None], 0.0)
    sizes = np.nan_to_num(sizes)
    return pick(sizes, saving, sizes * terms.rates.unit_cost[:, None], limits)


def pick(sizes: np.ndarray, saving: np.ndarray, value: np.ndarray, limits: Limits) -> Together:
    """Choose one size for every series.

    Args:
        sizes: units, float64 [series, n]; the first is 0.
        saving: what each saves, float64 [series, n]; -inf = not allowed.
        value: money that each takes of the budget, float64 [series, n]; 0 for the first.
        limits: what is shared.
    """
    limits = limits.full()
    choice, price, bound = _relaxed(value, saving, limits)
    exact = False
    if np.isfinite(saving).sum() <= _EXACT and (len(limits.smallest) or np.isfinite(limits.budget)):
        found = _exact(value, saving, limits)
        if found is not None:
            choice, exact = found, True
    every = np.arange(len(sizes))
    units, spent, saved = sizes[every, choice], value[every, choice], saving[every, choice]
    by_supplier = np.bincount(limits.supplier, spent, len(limits.smallest))
    total = float(saved.sum() - limits.delivery[by_supplier > _TINY].sum())
    return Together(
        units=units,
        value=spent,
        saving=saved,
        saved=total,
        bound=total if exact else max(bound, total),
        exact=exact,
        price=price,
        left_out=_left_out(value, saving, limits, by_supplier),
    )


def costs_at(forecast: Forecast, terms: Terms, levels: np.ndarray, repeat: int = 7, paths: int = PATHS) -> np.ndarray:
    """Expected holding, lost margin and spoilage between the arrivals of this order and the next one.

    Args:
        forecast: of the series of the terms.
        terms: lead times, review, money.
        levels: units on hand and on order after ordering, float64 [series, n].
        repeat: how many of the last periods of the horizon repeat beyond it.
        paths: number of sample paths.

    Returns:
        Money, float64 [series, n].
    """
    out = np.zeros(levels.shape)
    reach = int(terms.leads.max(initial=0)) + terms.review

    def part(drawn: tuple[np.ndarray, np.ndarray]) -> None:
        rows, sample = drawn
        money = np.column_stack([getattr(terms.rates, n)[rows] for n in ("holding", "margin", "unit_cost")])
        shelf = np.minimum(terms.shelf_life[rows], reach + 1)
        found = np.zeros((len(rows), levels.shape[1]))
        sums = summed(sample, min(repeat, forecast.horizon), reach)
        _costs(sums, terms.leads[rows], shelf, money, np.nan_to_num(levels[rows]), terms.review, found)
        out[rows] = found

    map_parts(part, forecast.paths(paths, 256))
    return out


@njit(cache=True, nogil=True)
def _costs(sums, leads, shelf, money, levels, review, out):  # type: ignore[no-untyped-def]
    """Mean cost over paths of every level, ``out`` float64 [series, n]; see cover.py for the other arguments."""
    series, paths, reach = sums.shape[0], sums.shape[1], sums.shape[2] - 1
    for s in range(series):
        for p in range(paths):
            lead = leads[s, p % leads.shape[1]]
            first, until = sums[s, p, lead], sums[s, p, lead + review]
            gone = sums[s, p, min(lead + shelf[s], reach)]
            for c in range(levels.shape[1]):
                level, cost = levels[s, c], 0.0
                for d in range(review):
                    cost += money[s, 0] * max(level - sums[s, p, lead + d + 1], 0.0)
                cost += money[s, 1] * (max(until - level, 0.0) - max(first - level, 0.0))
                if shelf[s] <= reach:
                    cost += money[s, 2] * max(level - gone, 0.0)
                out[s, c] += cost / paths


def _sizes(wanted: np.ndarray, terms: Terms, more: bool) -> np.ndarray:
    """Sizes to choose from, float64 [series, SIZES + 1]; NaN = the same as another.

    None, and parts of what is wanted (or more than that, to reach a least value), as the terms allow.
    """
    shares = np.linspace(0, 2 if more else 1, SIZES + 1)[1:]
    found = np.stack([np.zeros(len(wanted)), *(terms.orders(wanted * share) for share in shares)], axis=1)
    found.sort(axis=1)
    found[:, 1:][np.diff(found, axis=1) < _TINY] = np.nan
    return found


def _best(value: np.ndarray, saving: np.ndarray, price: float) -> np.ndarray:
    """Column of every series that saves most, money at a price."""
    found: np.ndarray = (saving - price * value).argmax(axis=1)
    return found


def _by_supplier(
    value: np.ndarray, saving: np.ndarray, limits: Limits, price: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best columns if every supplier is ordered from, what that saves by supplier at the price, and its value."""
    choice = _best(value, saving, price)
    every = np.arange(len(value))
    net = saving[every, choice] - price * value[every, choice]
    count = len(limits.smallest)
    gain = np.bincount(limits.supplier, net, count) - limits.delivery
    return choice, gain, np.bincount(limits.supplier, value[every, choice], count)


def _relaxed(value: np.ndarray, saving: np.ndarray, limits: Limits) -> tuple[np.ndarray, float, float]:
    """A choice within all limits, the price of money, and a bound on what any choice saves."""
    low, high = 0.0, 1.0

    def at(price: float) -> tuple[np.ndarray, float]:
        choice = _allowed(value, saving, limits, price)
        return choice, float(value[np.arange(len(value)), choice].sum())

    choice, spent = at(0.0)
    bound = float(np.maximum(_by_supplier(value, saving, limits, 0.0)[1], 0.0).sum())
    if spent <= limits.budget + _TINY:
        return choice, 0.0, bound
    while at(high)[1] > limits.budget + _TINY and high < 1e6:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        dual = float(np.maximum(_by_supplier(value, saving, limits, middle)[1], 0.0).sum()) + middle * limits.budget
        bound = min(bound, dual)
        low, high = (middle, high) if at(middle)[1] > limits.budget + _TINY else (low, middle)
    choice, spent = at(high)
    return _topped_up(value, saving, limits, choice), high, bound


def _allowed(value: np.ndarray, saving: np.ndarray, limits: Limits, price: float) -> np.ndarray:
    """Best columns at a price that keep each supplier's limits: too small orders are filled up or dropped."""
    choice, gain, size = _by_supplier(value, saving, limits, price)
    net = saving - price * value
    for s in np.flatnonzero((size < limits.smallest - _TINY) | (size > limits.largest + _TINY) | (gain < 0)):
        rows = np.flatnonzero(limits.supplier == s)
        now = choice[rows].copy()
        if not value[rows, now].any():
            continue
        filled = _filled(value[rows], net[rows], now, float(limits.smallest[s]), float(limits.largest[s]))
        if filled is None or net[rows, filled].sum() - limits.delivery[s] < 0:
            filled = np.zeros(len(rows), np.int64)
        choice[rows] = filled
    return choice


def _filled(
    value: np.ndarray, net: np.ndarray, choice: np.ndarray, smallest: float, largest: float
) -> np.ndarray | None:
    """Columns changed one by one, the cheapest step first, until the value lies between the limits; None = never."""
    choice = choice.copy()
    every = np.arange(len(value))
    for _ in range(value.size):
        total = value[every, choice].sum()
        if smallest - _TINY <= total <= largest + _TINY:
            return choice
        step = value - value[every, choice][:, None]
        right = (step > _TINY) if total < smallest else (step < -_TINY)
        loss = (net[every, choice][:, None] - net) / np.maximum(np.abs(step), _TINY)
        loss = np.where(right & np.isfinite(net), loss, np.inf)
        if not np.isfinite(loss).any():
            return None
        row, column = np.unravel_index(loss.argmin(), loss.shape)
        choice[row] = column
    return None


def _topped_up(value: np.ndarray, saving: np.ndarray, limits: Limits, choice: np.ndarray) -> np.ndarray:
    """The choice with further sizes as long as money is left, those that save most per money first."""
    choice = choice.copy()
    every, count = np.arange(len(value)), len(limits.smallest)
    left = limits.budget - value[every, choice].sum()
    size = np.bincount(limits.supplier, value[every, choice], count)
    for _ in range(2 * len(value)):
        step = value - value[every, choice][:, None]
        more = saving - saving[every, choice][:, None]
        room = (limits.largest - size)[limits.supplier][:, None]
        fits = (step > _TINY) & (step <= left + _TINY) & (step <= room + _TINY) & (more > _TINY)
        fits &= (size > _TINY)[limits.supplier][:, None]
        if not fits.any():
            break
        rate = np.where(fits, more / np.maximum(step, _TINY), -np.inf)
        row, column = np.unravel_index(rate.argmax(), rate.shape)
        left -= step[row, column]
        size[limits.supplier[row]] += step[row, column]
        choice[row] = column
    return choice


def _exact(value: np.ndarray, saving: np.ndarray, limits: Limits) -> np.ndarray | None:
    """The best columns by HiGHS; None where it gave up."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_matrix

    row, column = np.nonzero(np.isfinite(saving))
    series, count, suppliers = len(value), len(row), len(limits.smallest)
    worth = value[row, column]
    at = np.arange(count)
    one = coo_matrix((np.ones(count), (row, at)), shape=(series, count + suppliers))
    rules = [LinearConstraint(one, 1, 1)]
    mine = coo_matrix((worth, (limits.supplier[row], at)), shape=(suppliers, count + suppliers)).tolil()
    most = np.minimum(np.bincount(limits.supplier, value.max(axis=1), suppliers), limits.largest)
    upper, lower = mine.copy(), mine.copy()
    for s in range(suppliers):
        upper[s, count + s], lower[s, count + s] = -most[s], -limits.smallest[s]
    rules += [LinearConstraint(upper.tocsr(), -np.inf, 0), LinearConstraint(lower.tocsr(), 0, np.inf)]
    if np.isfinite(limits.budget):
        rules.append(LinearConstraint(np.concatenate([worth, np.zeros(suppliers)])[None, :], -np.inf, limits.budget))
    goal = np.concatenate([-saving[row, column], limits.delivery])
    found = milp(
        goal, integrality=np.ones(len(goal)), bounds=Bounds(0, 1), constraints=rules,
        options={"time_limit": _SECONDS, "mip_rel_gap": 1e-9},
    )  # fmt: skip
    if found.status != 0 or found.x is None:
        return None
    choice = np.zeros(series, np.int64)
    taken = found.x[:count] > 0.5
    choice[row[taken]] = column[taken]
    return choice


def _left_out(value: np.ndarray, saving: np.ndarray, limits: Limits, size: np.ndarray) -> dict[int, tuple[str, ...]]:
    """Suppliers with something worth ordering that gets no order, and the limits behind it."""
    _, gain, wanted = _by_supplier(value, saving, limits, 0.0)
    out: dict[int, tuple[str, ...]] = {}
    for s in np.flatnonzero((size <= _TINY) & (wanted > _TINY)):
        why = []
        if wanted[s] < limits.smallest[s] - _TINY:
            why.append(f"smallest order {limits.smallest[s]:g}, worth ordering {wanted[s]:g}")
        if limits.delivery[s] > 0 and gain[s] < 0:
            why.append(f"delivery {limits.delivery[s]:g}, saved by ordering {gain[s] + limits.delivery[s]:g}")
        if np.isfinite(limits.budget):
            why.append(f"budget {limits.budget:g}")
        out[int(s)] = tuple(why)
    return out
