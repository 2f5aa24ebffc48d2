"""Replay of a policy against demand: what it would have ordered, sold, lost, held and thrown away.

Lead times and demand are given from outside, so that all policies meet the same luck (common random numbers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numba import njit

from windvane.decisions.policies import Policy, Seen
from windvane.decisions.terms import KEEPS, Terms
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.ledger import Ledger

Look = Callable[[int, np.ndarray, np.ndarray], Forecast]
"""The forecast of a morning: its period, what was sold before [series, periods], and where the shelf was empty."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What is played.

    Attributes:
        keys: key columns, one row per series.
        dates: all periods, those before the play too.
        demand: units asked for, float32 [series, periods]; before ``begin`` what was sold, NaN where unknown.
        begin: first period played; the first review is in its morning.
        on_hand: units on the shelf in that morning, float64 [series].
        waits: lead time of an order placed in the morning of each period, int64 [series, periods].
    """

    keys: pl.DataFrame
    dates: pl.Series
    demand: np.ndarray
    begin: int
    on_hand: np.ndarray
    waits: np.ndarray

    def __post_init__(self) -> None:
        series, periods = self.demand.shape
        if not 1 <= self.begin < periods:
            raise InputError(
                f"the play begins at period {self.begin} of {periods}.", "Leave some past and some future."
            )
        wrong = np.flatnonzero(~(self.demand[:, self.begin :] >= 0).all(axis=1))
        if len(wrong):
            raise InputError(
                f"the demand of series {wrong[0]} is unknown or below 0 in the periods to be played.",
                "Fill it, or play from later on.",
                column="demand",
            )
        if self.on_hand.shape != (series,) or not (self.on_hand >= 0).all():
            raise InputError("on_hand is not one number from 0 per series.", "Count the shelf.", column="on_hand")
        if self.waits.shape != (series, periods) or (self.waits < 0).any():
            raise InputError(
                "lead times do not fit the demand, or are below 0.", "Give one per period.", column="lead_time"
            )


def simulate(policy: Policy, stage: Stage, terms: Terms, look: Look) -> Ledger:
    """Play a policy.

    Each period brings orders (at a review) and arrivals in the morning, customers during the day, who take the oldest
    units first and go away where there are none, and spoilage in the evening.

    Args:
        policy: what orders.
        stage: demand and lead times.
        terms: costs and limits.
        look: the forecast of a morning; policies that need none never call it.

    Returns:
        The account of the periods from ``stage.begin``.

    Raises:
        InputError: the policy proposed what is no order.
    """
    (series, periods), begin = stage.demand.shape, stage.begin
    sold, received, ordered, wasted, on_hand = (np.zeros((series, periods - begin), np.float32) for _ in range(5))
    known = stage.demand.copy()
    known[:, begin:] = np.nan
    empty = np.zeros(stage.demand.shape, bool)
    coming = np.zeros((series, periods - begin + int(stage.waits.max(initial=0)) + 1))
    shelf = np.zeros((series, int(terms.shelf_life[terms.shelf_life < KEEPS].max(initial=1))))
    shelf[:, 0] = stage.on_hand
    for morning in range(begin, periods, terms.review):
        now, end = morning - begin, min(morning + terms.review, periods) - begin
        seen = Seen(
            known[:, :morning],
            shelf.sum(axis=1),
            coming[:, now:].sum(axis=1),
            partial(_look, look, known, empty, morning),
        )
        units = _checked(policy, seen, terms)
        ordered[:, now] = units
        np.add.at(coming, (np.arange(series), now + stage.waits[:, morning]), units)
        span = slice(now, end)
        kept = (sold[:, span], received[:, span], wasted[:, span], on_hand[:, span])
        _play(stage.demand[:, morning : begin + end], coming[:, span], shelf, terms.shelf_life, kept)
        known[:, morning : begin + end] = sold[:, span]
        empty[:, morning : begin + end] = on_hand[:, span] <= 0
    return Ledger(
        policy=policy.name,
        keys=stage.keys,
        dates=stage.dates[begin:],
        demand=stage.demand[:, begin:].copy(),
        sold=sold,
        received=received,
        ordered=ordered,
        wasted=wasted,
        on_hand=on_hand,
        rates=terms.rates,
    )


def _look(look: Look, known: np.ndarray, empty: np.ndarray, morning: int) -> Forecast:
    return look(morning, known[:, :morning], empty[:, :morning])


def _checked(policy: Policy, seen: Seen, terms: Terms) -> np.ndarray:
    units = np.asarray(policy.propose(seen, terms), np.float64)
    if units.shape != seen.on_hand.shape or not (np.isfinite(units) & (units >= 0)).all():
        raise InputError(
            f"the policy {policy.name!r} proposed orders that are not one number from 0 per series.", "Mend the policy."
        )
    return units


@njit(cache=True, nogil=True)
def _play(demand, coming, shelf, shelf_life, kept):  # type: ignore[no-untyped-def]
    """Play some periods; ``shelf`` float64 [series, ages]: units by age; ``kept``: sold, received, wasted, on hand."""
    sold, received, wasted, on_hand = kept
    ages = shelf.shape[1]
    for s in range(demand.shape[0]):
        keeps = shelf_life[s] > ages
        for t in range(demand.shape[1]):
            shelf[s, 0] += coming[s, t]
            received[s, t] = coming[s, t]
            want = demand[s, t]
            for a in range(ages - 1, -1, -1):
                take = min(want, shelf[s, a])
                shelf[s, a] -= take
                want -= take
            sold[s, t] = demand[s, t] - want
            if not keeps:
                wasted[s, t] = shelf[s, shelf_life[s] - 1]
                for a in range(shelf_life[s] - 1, 0, -1):
                    shelf[s, a] = shelf[s, a - 1]
                shelf[s, 0] = 0.0
            left = 0.0
            for a in range(ages):
                left += shelf[s, a]
            on_hand[s, t] = left
