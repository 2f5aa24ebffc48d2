"""Panels whose promotions and prices do what is written here, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from windvane.freq import Freq
from windvane.panel import Known, Panel

HORIZON = 14
STEP = 9
"""The step at which a promotion is planned."""
LIFT = 2.5
ELASTICITY = -1.8
_WEEK = np.array([0.8, 0.8, 0.9, 1.0, 1.1, 1.4, 1.0])
WORDS = ("", "flash", "coupon")


def promoted_shop(
    series: int = 120,
    time: int = 240,
    kind: str = "number",
    share: float = 0.06,
    each: int | None = None,
    rates: tuple[float, float] = (0.7, 12.0),
    seed: int = 5,
) -> Panel:
    """Counts of which promoted days sell 2.5 times as much; nothing is planned after the last column.

    Args:
        series: how many.
        time: periods.
        kind: "number" (covariate promo, 0 or 1), "text" (kind_of_promo, two kinds alike), "both" (number and text say
            the same), "price" (a third off lets 1.8 times the logarithm sell more), "none promoted".
        share: share of days promoted.
        each: promotions per series instead of a share.
        rates: smallest and largest mean sales per day.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    width = time + HORIZON
    promo = rng.random((series, width)) < share
    if each is not None:
        promo[:] = False
        for row in promo:
            row[rng.choice(time - 1, each, replace=False)] = True
    promo[:, time:] = False
    if kind == "none promoted":
        promo[:] = False
    level = np.exp(rng.uniform(np.log(rates[0]), np.log(rates[1]), series))[:, None]
    demand = level * _WEEK[np.arange(width) % 7][None, :]
    words = np.where(promo, rng.integers(1, len(WORDS), promo.shape), 0).astype(np.float32)
    usual = np.exp(rng.normal(2, 0.5, series))[:, None] * np.ones((1, width))
    price = np.where(promo, usual * np.exp(np.log(LIFT) / ELASTICITY), usual).astype(np.float32)
    sales = rng.poisson(demand * np.where(promo, LIFT, 1.0))[:, :time].astype(np.float32)
    number, text = Known(promo.astype(np.float32)), Known(words)
    known = {
        "number": {"promo": number},
        "none promoted": {"promo": number},
        "text": {"kind_of_promo": text},
        "both": {"promo": number, "kind_of_promo": text},
        "price": {"price": Known(price)},
    }[kind]
    freq = Freq("1d")
    first = freq.number(date(2025, 1, 6))
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i:03d}" for i in range(series)]}),
        sales=np.ascontiguousarray(sales),
        dates=freq.dates(np.arange(first, first + time)).alias("date"),
        freq=freq,
        known=known,
        static=pl.DataFrame({"category": [f"c{i % 4}" for i in range(series)]}),
        levels={"kind_of_promo": WORDS} if "kind_of_promo" in known else {},
    )


def planned(panel: Panel, step: int = STEP) -> Panel:
    """The panel with a promotion of every series at one step after its last column."""
    known = {}
    for name, now in panel.known.items():
        values = now.values.copy()
        at = panel.shape[1] - 1 + step
        values[:, at] = values[:, at] * np.exp(np.log(LIFT) / ELASTICITY) if name == "price" else 1.0
        known[name] = replace(now, values=values)
    return replace(panel, known=known)


def lift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How many times more is expected in all at each step, float64 [horizon]."""
    total: np.ndarray = after.sum(axis=0, dtype=np.float64) / before.sum(axis=0, dtype=np.float64)
    return total
