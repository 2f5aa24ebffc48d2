"""What promotions brought: units sold in addition, bought in advance, taken from neighbours, and the margin of it all.

Beside every promotion stands what would have sold without it: the level of the weeks before and after, days that move a
whole group, and the regular price's effect, from cells that no promotion touched (neither its days nor the two weeks
after it). What sold beyond that is the uplift; what is missing in the two weeks after is pull-forward; what
neighbours lack while it runs is cannibalisation (halo where they sell more).

How far such differences go without any promotion is measured by placebo promotions: windows of the same lengths, drawn
where nothing happened and hidden from the estimate like the real ones. Half of them size the intervals, the other half
check them.

Sources: van Heerde, Leeflang and Wittink (2004), Decomposing the sales promotion bump with store data, Marketing
Science 23; Abadie, Diamond and Hainmueller (2010), Synthetic control methods, JASA 105 (placebo tests).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windvane.decisions.response import learn
from windvane.decisions.response.given import gone, prices, regular
from windvane.decisions.response.promoted import running
from windvane.errors import InputError
from windvane.futures import Known
from windvane.grouping import sum_by
from windvane.panel import Panel

AFTER_DAYS = 14
_AROUND_DAYS = 28
_PLACEBO = 0.08  # share of untouched cells that placebo promotions may hide
_MOST = 4000
_LEAST_PLACEBO = 20


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Promotions of the past.

    Attributes:
        frame: one row per promotion: keys, start, stop (dates), units, base (without it), uplift, low and high (its
            interval), pulled (missing after it, with pulled_low and pulled_high), taken (missing from neighbours, null
            where none are named), price_cut (share of the regular price), margin (money in addition, null where
            no cost is known).
        level: of the intervals.
        placebos: number of placebo promotions checked.
        covered: share of them whose interval contains 0.
        untouched: units sold and units expected in all placebo promotions, float64 [windows, 2].
    """

    frame: pl.DataFrame
    level: float
    placebos: int
    covered: float
    untouched: np.ndarray

    def total(self) -> dict[str, float]:
        """All promotions together: units, base, uplift, pulled, taken, margin; pull_forward: pulled over uplift."""
        names = [n for n in ("units", "base", "uplift", "pulled", "taken", "margin") if self.frame[n].null_count() == 0]
        out = {name: float(self.frame[name].sum()) for name in names}
        out["pull_forward"] = out["pulled"] / out["uplift"] if out.get("uplift", 0) > 0 else float("nan")
        return out


@dataclass(frozen=True, eq=False)
class Episodes:
    """Runs of periods: row, first and last column (included), int64 [n] each."""

    row: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def evaluate(
    panel: Panel,
    promoted: np.ndarray | None = None,
    *,
    cost: np.ndarray | None = None,
    rivals: np.ndarray | None = None,
    shared: np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 1,
) -> Evaluation:
    """Look back on promotions.

    Args:
        panel: the series, with prices.
        promoted: where a promotion ran, bool [series, time]; None = where the panel's covariates say so.
        cost: cost of a unit, float64 [series]; NaN or None = unknown.
        rivals: group of neighbours whose sales a promotion may take, int [series], -1 = none.
        shared: group of series that days move together; see :func:`windvane.decisions.response.learn`.
        level: of the intervals.
        seed: of the placebo promotions.

    Raises:
        InputError: nothing is known of promotions or prices.
    """
    time = panel.shape[1]
    if promoted is None:
        promoted = running(panel)
    if promoted is None:
        raise InputError("nothing is known of promotions.", "Give a table promotions.", table="promotions")
    promoted = promoted & (np.arange(time)[None, :] >= panel.launch[:, None])
    width = max(round(AFTER_DAYS / panel.freq.days), 1)
    real, after = runs_of(promoted), (gone(promoted) <= width) & ~promoted
    rng = np.random.default_rng(seed)
    fake = _placebos(promoted | after | np.isnan(panel.sales), real, width, panel.launch, rng)
    hidden = promoted | after
    for row, first, last in zip(fake.row, fake.first, fake.last, strict=True):
        hidden[row, first : min(last + 1 + width, time)] = True
    price = prices(panel)
    usual = regular(price, promoted)
    masked = replace(
        panel,
        sales=np.where(hidden, np.float32(np.nan), panel.sales),
        stockouts=None,
        known={"price": Known(usual.astype(np.float32))},
        past={},
    )
    base = learn(masked, shared=shared, controls=()).mean.astype(np.float64)
    sums = _Sums(np.nan_to_num(panel.sales).astype(np.float64), np.where(np.isnan(panel.sales), 0.0, base))
    untouched = np.column_stack(sums.over(fake.row, fake.first, fake.last))
    spread = _Spread.of(untouched[:, 0], untouched[:, 1], level, rng)
    frame = _frame(panel, real, sums, spread, _later(sums, promoted, real, width))
    reach = max(round(_AROUND_DAYS / panel.freq.days), 1)
    taken = None if rivals is None else _taken(sums, promoted, real, np.asarray(rivals, np.int64), reach)
    cut = 1 - _mean(price, real) / np.maximum(_mean(usual, real), 1e-9)
    frame = frame.with_columns(
        pl.Series("taken", [None] * len(real) if taken is None else taken, dtype=pl.Float64),
        pl.Series("price_cut", cut, nan_to_null=True),
        _margin(real, (price, usual), (sums, frame["pulled"].to_numpy()), cost),
    )
    return Evaluation(frame, level, spread.checked, spread.covered, untouched)


def _later(sums: _Sums, promoted: np.ndarray, real: Episodes, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Sold and expected in the periods after each promotion that are in none; 0 where nothing came after."""
    free, last = np.where(promoted, 0.0, 1.0), promoted.shape[1] - 1
    after = _Sums(sums.sold * free, sums.base * free)
    sold, base = after.over(real.row, np.minimum(real.last + 1, last), np.minimum(real.last + width, last))
    here = real.last < last
    return np.where(here, sold, 0.0), np.where(here, base, 0.0)


def _frame(
    panel: Panel, real: Episodes, sums: _Sums, spread: _Spread, later: tuple[np.ndarray, np.ndarray]
) -> pl.DataFrame:
    """Promotions with units, base, uplift and pull-forward, and their intervals."""
    units, usual = sums.over(real.row, real.first, real.last)
    pulled = later[1] - later[0]
    # What sells is as unsure as what would have sold: the larger of both sizes the interval.
    off, off_after = spread.half(np.maximum(usual, units)), spread.half(later[1])
    return panel.keys[real.row].with_columns(
        panel.dates[real.first].alias("start"),
        panel.dates[real.last].alias("stop"),
        pl.Series("units", units),
        pl.Series("base", usual),
        pl.Series("uplift", units - usual),
        pl.Series("low", units - usual - off),
        pl.Series("high", units - usual + off),
        pl.Series("pulled", pulled),
        pl.Series("pulled_low", pulled - off_after),
        pl.Series("pulled_high", pulled + off_after),
    )


class _Sums:
    """Sums over windows, by running totals: ``sold`` and ``base`` float64 [series, time]."""

    def __init__(self, sold: np.ndarray, base: np.ndarray) -> None:
        self.sold, self.base = sold, base
        self._sold, self._base = (np.pad(v, ((0, 0), (1, 0))).cumsum(axis=1) for v in (sold, base))

    def over(self, row: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sold and expected in windows, both ends included."""
        return (
            self._sold[row, last + 1] - self._sold[row, first],
            self._base[row, last + 1] - self._base[row, first],
        )


@dataclass(frozen=True, eq=False)
class _Spread:
    """Half widths of intervals: ``far`` times the root of ``count`` x base + ``square`` x base^2."""

    count: float
    square: float
    far: float
    checked: int
    covered: float

    @classmethod
    def of(cls, sold: np.ndarray, base: np.ndarray, level: float, rng: np.random.Generator) -> _Spread:
        """Learned on one half of placebo windows, checked on the other."""
        from scipy.optimize import nnls
        from scipy.special import ndtri

        if len(sold) < _LEAST_PLACEBO:
            return cls(1.5, 0.04, float(ndtri(0.5 + level / 2)), 0, float("nan"))
        order = rng.permutation(len(sold))
        one, other = order[::2], order[1::2]
        weight = 1 / (base[one] + 0.05 * base[one] ** 2 + 0.1)
        rows = np.column_stack([base[one], base[one] ** 2]) * weight[:, None]
        off = np.minimum((sold[one] - base[one]) ** 2, 25 / weight)
        found, _ = nnls(rows, off * weight)
        count, square = max(float(found[0]), 0.1), float(found[1])
        far = float(np.quantile(np.abs(sold[one] - base[one]) / cls._size(base[one], count, square), level))
        inside = np.abs(sold[other] - base[other]) <= far * cls._size(base[other], count, square)
        return cls(count, square, far, len(other), float(inside.mean()))

    @staticmethod
    def _size(base: np.ndarray, count: float, square: float) -> np.ndarray:
        return np.sqrt(count * np.maximum(base, 0.0) + square * base**2 + 0.1)

    def half(self, base: np.ndarray) -> np.ndarray:
        """Half width of an interval round a difference from ``base``."""
        return self.far * self._size(base, self.count, self.square)


def runs_of(flags: np.ndarray) -> Episodes:
    """Runs of True in each row."""
    edge = np.diff(np.pad(flags.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, first = np.nonzero(edge == 1)
    return Episodes(row, first, np.nonzero(edge == -1)[1] - 1)


def _placebos(
    touched: np.ndarray, real: Episodes, width: int, launch: np.ndarray, rng: np.random.Generator
) -> Episodes:
    """Windows of the lengths of real promotions where nothing happened, apart from one another."""
    series, time = touched.shape
    lengths = real.last - real.first + 1 if len(real) else np.array([1])
    budget = int(_PLACEBO * (~touched).sum())
    taken = touched.copy()
    found: list[tuple[int, int, int]] = []
    wanted = min(max(len(real), 50), _MOST)
    for _ in range(20 * wanted):
        if len(found) >= wanted or budget <= 0:
            break
        row, length = int(rng.integers(series)), int(rng.choice(lengths))
        low = int(launch[row]) + width
        if time - length - low < 1:
            continue
        first = int(rng.integers(low, time - length + 1))
        around = slice(max(first - width, 0), min(first + length + width, time))
        if taken[row, around].any():
            continue
        taken[row, around] = True
        found.append((row, first, first + length - 1))
        budget -= length + width
    every = np.array(found, np.int64).reshape(-1, 3)
    return Episodes(every[:, 0], every[:, 1], every[:, 2])


def _mean(values: np.ndarray, runs: Episodes) -> np.ndarray:
    total = np.pad(np.nan_to_num(values), ((0, 0), (1, 0))).cumsum(axis=1)
    return (total[runs.row, runs.last + 1] - total[runs.row, runs.first]) / (runs.last - runs.first + 1)


def _taken(sums: _Sums, promoted: np.ndarray, real: Episodes, rivals: np.ndarray, reach: int) -> np.ndarray:
    """Units that neighbours in no promotion lack while each promotion runs, below 0 = sold in addition.

    What a group lacks in the weeks around by itself, since what would have sold is never hit quite, is taken out:
    over many neighbours it adds up to more than promotions do.
    """
    free = np.where(promoted | (rivals < 0)[:, None], 0.0, 1.0)
    lack = (sums.base - sums.sold) * free
    inside = rivals >= 0
    groups = int(rivals.max(initial=-1)) + 1
    if not groups:
        return np.zeros(len(real))
    total = sum_by(rivals[inside], lack[inside], groups)
    total -= _around(total, reach)
    running = np.pad(total, ((0, 0), (1, 0))).cumsum(axis=1)
    group = rivals[real.row]
    found = running[group, real.last + 1] - running[group, real.first]
    return np.where(group >= 0, found, 0.0)


def _around(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean over ``reach`` columns to both sides."""
    time = values.shape[1]
    running = np.pad(values, ((0, 0), (1, 0))).cumsum(axis=1)
    first, last = np.maximum(np.arange(time) - reach, 0), np.minimum(np.arange(time) + reach + 1, time)
    found: np.ndarray = (running[:, last] - running[:, first]) / (last - first)
    return found


def _margin(
    real: Episodes,
    price: tuple[np.ndarray, np.ndarray],
    sold: tuple[_Sums, np.ndarray],
    cost: np.ndarray | None,
) -> pl.Series:
    """Margin in addition: that of what sold, less that of what would have sold, and of what is missing after."""
    if cost is None:
        return pl.Series("margin", [None] * len(real), dtype=pl.Float64)
    sums, pulled = sold
    paid, full = (np.nan_to_num(p) - np.nan_to_num(cost)[:, None] for p in price)
    won = _Sums(sums.sold * paid, sums.base * full).over(real.row, real.first, real.last)
    found = won[0] - won[1] - pulled * full[real.row, real.last]
    return pl.Series("margin", np.where(np.isnan(cost[real.row]), np.nan, found), nan_to_null=True)
