"""What was out of stock, told or inferred, and what would have sold: from flags to demand.

Sales of an empty shelf say nothing about demand. Cells told by the table stock to be out of stock, and runs of cells
without a sale that :mod:`windvane.clean.stockouts` finds too improbable, are flagged with the moment since which that
was known; models neither train on them nor are scored by them. A cell told to be out of stock that nevertheless sold
as much as was expected is kept: what sold is what was wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.clean import lost, stockouts
from windvane.clean.report import Findings
from windvane.clean.watermark import Window
from windvane.config import Clean
from windvane.panel import NEVER
from windvane.schema import DERIVED

RULE = "stock-out"
"""Name of the rule in the table cleaning."""

KINDS = ("", "told", "inferred")
"""Values of the column stockout of the table panel, by code."""

LOST_DAYS = 90
"""Days over which lost sales are summed up in the findings."""


@dataclass(frozen=True, eq=False)
class Told:
    """What the table stock says.

    Attributes:
        share: share of every period in stock, float32 [series, time]; NaN = not told.
        since: column in which that became known, int32 [series, time].
    """

    share: np.ndarray
    since: np.ndarray


@dataclass(frozen=True, eq=False)
class Availability:
    """Which cells were out of stock, and what was wanted.

    Attributes:
        since: column since whose end a cell is known to be out of stock, int32 [series, time]; NEVER = in stock.
        kind: code of KINDS, int8 [series, time].
        demand: estimated demand, float32 [series, time]; sales where in stock.
        cleaning: rows of the table cleaning.
    """

    since: np.ndarray
    kind: np.ndarray
    demand: np.ndarray
    cleaning: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Series:
    """What is judged: series with their keys, groups and promotions.

    Attributes:
        keys: sku and location.
        sales: units, float32 [series, time]; NaN before the launch.
        launch: column of the launch, int32 [series].
        groups: see :func:`windvane.clean.stockouts.infer`.
        promoted: promoted, as far as that was known by then, bool [series, time].
    """

    keys: pl.DataFrame
    sales: np.ndarray
    launch: np.ndarray
    groups: np.ndarray
    promoted: np.ndarray


def groups(keys: pl.DataFrame, static: pl.DataFrame) -> np.ndarray:
    """What series share a day with: the whole, the location, the category, both; int32 [levels, series]."""
    levels = [pl.Series(np.zeros(keys.height, np.int64))]
    places, kinds = keys["location"], static["category_1"] if "category_1" in static.columns else None
    if places.n_unique() > 1:
        levels.append(places)
    if kinds is not None and kinds.n_unique() > 1:
        levels.append(kinds)
        if places.n_unique() > 1:
            levels.append(places + "\x1f" + kinds)
    codes = [level.rank("dense").cast(pl.Int32).to_numpy() - 1 for level in levels]
    return np.stack(codes).astype(np.int32)


def judge(series: Series, told: Told | None, calendar: Window, settings: Clean) -> Availability:
    """Find what was out of stock.

    Args:
        series: the series.
        told: what the table stock says, if it says anything.
        calendar: the calendar.
        settings: clean.stockouts, clean.stockout_alpha and clean.stockout_share count here.
    """
    sales, shape = series.sales, series.sales.shape
    kind, since = np.zeros(shape, np.int8), np.full(shape, NEVER, np.int32)
    empty = DERIVED["cleaning"].empty().with_columns(calendar.dates[:0].alias("date"))
    if settings.stockouts == "off" or not sales.size:
        return Availability(since, kind, sales, empty)
    short = np.zeros(shape, bool)
    if told is not None:
        short = (told.share < settings.stockout_share) & ~np.isnan(sales)
    seen = np.where(short, np.float32(np.nan), sales)
    # Hours and months are too unlike days: nobody has measured how well runs of them can be judged.
    inferring = settings.stockouts == "infer" and calendar.freq.unit in ("1d", "1w")
    alpha = settings.stockout_alpha if inferring else 0.0
    rule = stockouts.Rule.of(calendar.freq.unit, alpha)
    found = stockouts.infer(seen, series.launch, series.groups, series.promoted, rule)
    with np.errstate(invalid="ignore"):
        kind[short & ((sales <= 0) | (sales < found.expected))] = 1
    guessed = (found.since != NEVER) & ~short
    if told is not None:
        guessed &= np.isnan(told.share)
    kind[guessed] = 2
    columns = np.arange(shape[1], dtype=np.int32)[None, :]
    if told is not None:
        since = np.where(kind == 1, np.maximum(told.since, columns), since)
    since = np.where(kind == 2, found.since, since).astype(np.int32)
    # A cell in stock by the table needs no guess, and a series of such cells says nothing of the others' habits.
    open_to = np.full(shape, inferring)
    if told is not None:
        open_to &= np.isnan(told.share)
    searched = open_to.mean(axis=1) > 0.5
    # Where no chance is estimated, a run called a stock-out is taken for one and says nothing of the level.
    called = (kind == 2) & ~searched[:, None]
    looked_back = lost.estimate(np.where(called, np.float32(np.nan), seen), found.due, rule, searched)
    taken = called | ((kind == 2) & (sales > 0))
    demand = lost.demand(sales, looked_back, (kind == 1) | taken, open_to & searched[:, None])
    return Availability(since, kind, demand, _changes(series, found, told, kind, demand, calendar))


def _changes(
    series: Series,
    found: stockouts.Inferred,
    told: Told | None,
    kind: np.ndarray,
    demand: np.ndarray,
    calendar: Window,
) -> pl.DataFrame:
    """Rows of the table cleaning, one per cell out of stock."""
    row, column = np.nonzero(kind)
    sold, wanted = series.sales[row, column].astype(np.float64), demand[row, column].astype(np.float64)
    expected = found.expected[row, column]
    hoped = [
        f"where {_short(e)} were expected" if e == e else "with too little past to expect anything" for e in expected
    ]
    why = [f"{_short(n)} sold {h}" for n, h in zip(sold, hoped, strict=True)]
    time = kind.shape[1]
    at = np.searchsorted(found.runs[:, 0] * time + found.runs[:, 1] - 1, row * time + column, "right") - 1
    unit = _UNITS[calendar.freq.unit]
    runs = [
        f"{last - first + 1} {unit} without a sale where {_short(units)} were expected: probability {chance:.1g}"
        for (_, first, last, _), units, chance in zip(found.runs.tolist(), found.units, found.chance, strict=True)
    ]
    for i, code in enumerate(kind[row, column]):
        if code == 2:
            _, first, last, _ = found.runs[at[i]]
            why[i] = runs[at[i]] if first <= column[i] <= last else f"{why[i]}, beside {runs[at[i]]}"
        elif told is not None:
            why[i] = f"in stock for {told.share[row[i], column[i]]:.0%} of the time: {why[i]}"
    frame = series.keys[row].with_columns(
        calendar.dates[column].alias("date"),
        pl.lit(RULE).alias("rule"),
        pl.Series("before", sold),
        pl.Series("after", wanted.round(4), nan_to_null=True),
        pl.Series("why", why, dtype=pl.String),
    )
    return frame.select(DERIVED["cleaning"].names)


_UNITS = {"1h": "hours", "1d": "days", "1w": "weeks", "1mo": "months"}


def _short(number: float) -> str:
    return f"{number:.0f}" if number == round(number) or number >= 100 else f"{number:.2g}"


def report(
    findings: Findings,
    series: Series,
    found: Availability,
    price: np.ndarray,
    calendar: Window,
    currency: str = "",
) -> None:
    """Say how many cells were out of stock, and what that cost lately.

    Args:
        findings: where to add.
        series: the series.
        found: what was out of stock.
        price: price paid, float32 [series, time]; NaN where there was none.
        calendar: the calendar.
        currency: of the prices, to be shown beside the money.
    """
    total = int((~np.isnan(series.sales)).sum())
    recent = np.zeros(found.kind.shape, bool)
    recent[:, -max(round(LOST_DAYS / calendar.freq.days), 1) :] = True
    lost = np.where(recent, np.nan_to_num(found.demand - np.nan_to_num(series.sales)), 0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        paid = np.nansum(price, axis=1, dtype=np.float64) / np.maximum((~np.isnan(price)).sum(1), 1)
    money = lost * np.where(np.isnan(price), paid[:, None], price)
    for code, check, remedy in (
        (1, "stockouts_told",
         "Nothing to do: these days count as unknown, not as days without demand. Order earlier to sell more."),
        (2, "stockouts_inferred",
         "Look at the cleaning table. Give the table stock, so that stock-outs need not be inferred; clean.stockouts "
         "and clean.stockout_alpha say how that is done."),
    ):  # fmt: skip
        cells = found.kind == code
        if not cells.any():
            continue
        counted = cells if code == 1 else found.kind != 1
        units, worth = float(lost[counted].sum()), float(np.nan_to_num(money[counted]).sum())
        findings.add(
            check, ("stock", "in_stock_share"), "info", (int(cells.sum()), total), remedy,
            f"{LOST_DAYS} days: {units:,.0f} units ≈ {worth:,.0f} {currency}".rstrip(),
        )  # fmt: skip
