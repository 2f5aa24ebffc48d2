"""Random panels with everything that makes features hard: launches, gaps, late news, plans, groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from windvane.features.rows import Rows
from windvane.freq import Freq
from windvane.panel import ACTIVE, NEVER, PRELAUNCH, Known, Panel

AHEAD = 20


def ragged(seed: int, unit: str = "1d", series: int = 7, time: int = 90, whole: bool = False) -> Panel:
    """A panel whose series launch at different times, with unknown, zero and returned sales.

    Stock-outs are recognised up to nine periods late; the price is always known, the promotion announced up to six
    periods before or after its day, the views known in hindsight.
    """
    rng = np.random.default_rng(seed)
    freq = Freq(unit, 1) if unit == "1w" else Freq(unit)
    first = {"1d": 20_400, "1w": 2_800}[unit] + int(rng.integers(40))
    sales = rng.gamma(0.7, 4.0, (series, time)).astype(np.float32)
    sales[rng.random(sales.shape) < 0.35] = 0
    sales[rng.random(sales.shape) < 0.02] *= -1
    if whole:
        sales = np.round(sales)
    sales[rng.random(sales.shape) < 0.1] = np.nan
    launch = rng.integers(0, time, series) * (rng.random(series) < 0.6)
    columns = np.arange(time)
    before = columns[None, :] < launch[:, None]
    sales[before & (rng.random(sales.shape) < 0.9)] = np.nan
    state = np.where(before, PRELAUNCH, ACTIVE).astype(np.int8)
    price = np.cumsum(rng.random((series, time + AHEAD)) < 0.06, axis=1).astype(np.float32) + 1
    price[rng.random(price.shape) < 0.05] = np.nan
    panel = Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(series)], "location": [f"l{i % 2}" for i in range(series)]}),
        sales=np.ascontiguousarray(sales, np.float32),
        dates=freq.dates(np.arange(first, first + time)).alias("date"),
        freq=freq,
        known={
            "price": Known(price),
            "promo_cut": _promotion(rng, series, time),
            "promo_mail": _promotion(rng, series, time),
        },
        past={"views": rng.poisson(3, (series, time)).astype(np.float32)},
        static=pl.DataFrame({"category": [None if i == 3 else f"c{i % 3}" for i in range(series)]}),
        in_stock=rng.choice(np.array([0, 0.5, 1, np.nan], np.float32), (series, time)),
        state=state,
        counts=whole,
    )
    out = (rng.random(sales.shape) < 0.08) & ~before
    since = np.where(out, columns[None, :] + rng.integers(0, 10, sales.shape), NEVER).astype(np.int32)
    return panel.with_stockouts(since)


def wild(panel: Panel, seed: int) -> Panel:
    """The panel with sales of all sizes and signs, whose sums show in which order they were added up."""
    rng = np.random.default_rng(seed)
    told = panel.stockouts
    sold = panel.sales if told is None else told.sold
    size = (10.0 ** rng.uniform(-2, 13, sold.shape) * rng.choice([-1, 1], sold.shape)).astype(np.float32)
    # Each size comes with its opposite beside it, so that sums are small beside what was added up on the way.
    size[:, 1::2] = -size[:, : size.shape[1] // 2 * 2 : 2]
    changed = replace(panel, sales=np.where(np.isnan(sold), sold, size), stockouts=None)
    return changed if told is None else changed.with_stockouts(told.since)


def _promotion(rng: np.random.Generator, series: int, time: int) -> Known:
    values = np.zeros((series, time + AHEAD), np.float32)
    for i in range(series):
        for _ in range(int(rng.integers(0, 6))):
            start = int(rng.integers(0, time + AHEAD))
            values[i, start : start + int(rng.integers(1, 12))] = rng.choice([0.1, 0.3, 0.5])
    values[rng.random(values.shape) < 0.03] = np.nan
    since = np.arange(time + AHEAD)[None, :] + rng.integers(-8, 7, values.shape)
    return Known(values, since.astype(np.int32), "unknown")


def some_rows(panel: Panel, seed: int, count: int = 60, horizon: int = 14) -> Rows:
    """Rows drawn at random, sorted; steps from 1 to the horizon."""
    rng = np.random.default_rng(seed)
    series, time = panel.shape
    i, o = rng.integers(0, series, count), rng.integers(0, time, count)
    s = rng.integers(1, horizon + 1, count)
    order = np.lexsort((s, o, i))
    return Rows(*(x[order].astype(np.int32) for x in (i, o, s)))


def without_future(panel: Panel, origin: int, seed: int) -> Panel:
    """The panel with everything changed that was not known at an origin."""
    rng = np.random.default_rng(seed)
    told = panel.stockouts
    since = np.full(panel.shape, NEVER, np.int32) if told is None else told.since.copy()
    sold = panel.sales.copy() if told is None else told.sold.copy()
    later = np.arange(panel.shape[1])[None, :] > origin
    sold = np.where(later, rng.gamma(1, 50, sold.shape), sold).astype(np.float32)
    # A stock-out that nobody knew of at the origin may as well have been none, and others may yet turn up.
    since = np.where((since > origin) | later, NEVER, since)
    turn_up = (rng.random(since.shape) < 0.2) & (since == NEVER)
    since = np.where(turn_up, np.maximum(np.arange(panel.shape[1])[None, :], origin + 1), since).astype(np.int32)
    known = {}
    for name, k in panel.known.items():
        if k.since is None:
            known[name] = k
            continue
        hidden = k.since > origin
        values = np.where(hidden, rng.choice([0, 0.7, np.nan], k.values.shape), k.values).astype(np.float32)
        moved = np.where(hidden, origin + 1 + rng.integers(0, 9, k.values.shape), k.since).astype(np.int32)
        known[name] = Known(values, moved, k.policy)
    later_past = {n: np.where(later, 99.0, v).astype(np.float32) for n, v in panel.past.items()}
    stock = None if panel.in_stock is None else np.where(later, 0.25, panel.in_stock).astype(np.float32)
    state = np.where(later & (panel.launch > origin)[:, None], ACTIVE, panel.state).astype(np.int8)
    changed = replace(panel, sales=sold, known=known, past=later_past, in_stock=stock, state=state, stockouts=None)
    return changed.with_stockouts(since)
