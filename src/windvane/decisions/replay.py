"""Policies replayed on a shop's own history: what would they have ordered, sold, lost, held and thrown away?

The play begins some periods before the last one. From then on a policy lives with what it ordered and sees what the
shop would have known: sales of its own shelf, plans and prices announced by then. What customers wanted is what was
sold; where the shelf was found empty, what they wanted beyond that is not known, only estimated. It is drawn several
times (geometric round the estimate), and every policy meets the same draws, so that costs come with the uncertainty
that this leaves. Lead times are drawn from those of the terms.

What a history cannot tell: demand that a better stocked shelf would have made, and customers who came back later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windvane.decisions.policies import Policy
from windvane.decisions.simulate import Look, Stage, simulate
from windvane.decisions.terms import Terms
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.futures import NEVER
from windvane.ledger import COSTS, Ledger
from windvane.panel import ENDED, Panel, Stockouts

_SETTLED = 28  # periods on sale before the play

Forecaster = Callable[[Panel], Forecast]
"""Makes a forecast of every series of a panel; it must reach over the longest lead time and one review."""


@dataclass(frozen=True, eq=False)
class History:
    """What is replayed.

    Attributes:
        panel: the shop's series, all periods, with plans and stock-outs as they became known.
        demand: what customers wanted, float32 [series, periods]; an estimate where the shelf was empty.
        empty: where that is an estimate, bool [series, periods].
        begin: first period played.
        rows: series played: on sale for four weeks before and not ended, int64 [played].
        terms: of the series played.
        on_hand: units on the shelf when the play begins, float64 [played].
    """

    panel: Panel
    demand: np.ndarray
    empty: np.ndarray
    begin: int
    rows: np.ndarray
    terms: Terms
    on_hand: np.ndarray

    @classmethod
    def of(
        cls, panel: Panel, demand: np.ndarray, empty: np.ndarray, periods: int, terms: Terms, on_hand: np.ndarray
    ) -> History:
        """Replay the last periods of a panel.

        Args:
            panel: the shop's series.
            demand: what customers wanted, [series, periods].
            empty: where that is an estimate.
            periods: how many to replay.
            terms: of all series of the panel.
            on_hand: units on the shelf when the play begins, [series].

        Raises:
            InputError: the history is too short.
        """
        begin = panel.shape[1] - periods
        if periods < 1 or begin <= _SETTLED:
            raise InputError(
                f"{periods} periods cannot be replayed on a history of {panel.shape[1]}.",
                f"Leave more than {_SETTLED} periods before them.",
            )
        known = ~np.isnan(demand[:, begin:]).all(axis=1)
        rows = np.flatnonzero((panel.launch + _SETTLED <= begin) & (panel.state[:, begin] != ENDED) & known)
        if not len(rows):
            raise InputError("no series was on sale for four weeks when the play begins.", "Begin later.")
        return cls(panel, demand, empty, begin, rows, terms.take(rows), on_hand[rows])

    def stage(self, seed: int) -> Stage:
        """One draw of what is not known."""
        rng = np.random.default_rng(seed)
        demand = np.nan_to_num(self.demand[self.rows]).astype(np.float32)
        sold = np.nan_to_num(self._sold()[self.rows])
        extra = np.where(self.empty[self.rows], np.maximum(demand - sold, 0.0), 0.0)
        whole = rng.geometric(1 / (1 + extra)) - 1.0
        drawn = whole if self.panel.counts else rng.exponential(1.0, extra.shape) * extra
        wanted = np.where(self.empty[self.rows], sold + np.where(extra > 0, drawn, 0.0), demand)
        leads = self.terms.leads
        waits = leads[np.arange(len(leads))[:, None], rng.integers(leads.shape[1], size=wanted.shape)]
        past = self.panel.sales[self.rows]
        inside = np.arange(wanted.shape[1]) >= self.begin
        return Stage(
            keys=self.panel.keys[self.rows],
            dates=self.panel.dates,
            demand=np.where(inside, wanted, past).astype(np.float32),
            begin=self.begin,
            on_hand=self.on_hand,
            waits=waits,
        )

    def look(self, forecast: Forecaster) -> Look:
        """Forecasts of the series played, each made from what would have been known that morning."""

        def look(morning: int, sold: np.ndarray, empty: np.ndarray) -> Forecast:
            then = self.panel.as_of(self.panel.dates[morning - 1])
            inside = slice(self.begin, morning)
            sales = then.sales.copy()
            sales[self.rows, inside] = np.where(empty[:, inside], np.nan, sold[:, inside])
            told = None
            if then.stockouts is not None or empty.any():
                kept = then.stockouts.sold.copy() if then.stockouts is not None else np.nan_to_num(then.sales)
                since = (
                    then.stockouts.since.copy() if then.stockouts is not None else np.full(sales.shape, NEVER, np.int32)
                )
                kept[self.rows, inside] = sold[:, inside]
                day = np.arange(self.begin, morning, dtype=np.int32)[None, :]
                since[self.rows, inside] = np.where(empty[:, inside], day, NEVER)
                told = Stockouts(np.ascontiguousarray(since), np.ascontiguousarray(kept, dtype=np.float32))
            return forecast(replace(then, sales=sales, stockouts=told, in_stock=None)).take(self.rows)

        return look

    def _sold(self) -> np.ndarray:
        told = self.panel.stockouts
        return self.panel.sales if told is None else np.where(told.since == NEVER, self.panel.sales, told.sold)


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a policy came to.

    Attributes:
        policy: its name.
        forecast: name of the forecast that it used, "" = none.
        ledgers: one per draw of what is not known.
    """

    policy: str
    forecast: str
    ledgers: tuple[Ledger, ...]

    def row(self) -> dict[str, object]:
        """Means over the draws, money per series and period; ``lowest`` and ``highest`` cost of any draw."""
        every = [ledger.cost_per_day() for ledger in self.ledgers]
        parts = {
            kind: float(np.mean([float(one.costs()[kind].sum()) / max(one.demand.size, 1) for one in self.ledgers]))
            for kind in COSTS
        }
        return {
            "policy": self.policy,
            "forecast": self.forecast,
            "cost": float(np.mean(every)),
            "lowest": min(every),
            "highest": max(every),
            **parts,
            "fill_rate": float(np.mean([one.fill_rate() for one in self.ledgers])),
            "turnover": float(np.mean([one.turnover() for one in self.ledgers])),
        }


def replay(
    history: History,
    policies: Sequence[tuple[Policy, str]],
    forecasters: Mapping[str, Forecaster],
    draws: int = 3,
    seed: int = 1,
    settle: int | None = None,
) -> list[Replayed]:
    """Play policies on a history.

    Args:
        history: what is replayed.
        policies: each with the name of its forecaster, "" = it needs none.
        forecasters: by name.
        draws: how often what is not known is drawn.
        seed: of the draws.
        settle: periods at the beginning that do not count, since the stock there is nobody's choice; None = the
            longest lead time.

    Returns:
        One per policy, in their order.

    Raises:
        InputError: nothing is left to count.
    """
    skip = int(history.terms.leads.max(initial=0)) if settle is None else settle
    periods = history.panel.shape[1] - history.begin
    if skip >= periods:
        raise InputError(
            f"{periods} periods are over before the first orders have arrived ({skip}).", "Replay more periods."
        )
    stages = [history.stage(seed + draw) for draw in range(draws)]
    found = []
    for policy, name in policies:
        look = history.look(forecasters[name]) if name else _none
        ledgers = tuple(simulate(policy, stage, history.terms, look).since(skip) for stage in stages)
        found.append(Replayed(policy.name, name, ledgers))
    return found


def table(found: Sequence[Replayed]) -> pl.DataFrame:
    """One row per policy, the cheapest first; see :meth:`Replayed.row`."""
    return pl.DataFrame([one.row() for one in found]).sort("cost", maintain_order=True)


def _none(morning: int, sold: np.ndarray, empty: np.ndarray) -> Forecast:
    raise InputError("this policy asks for a forecast.", "Name its forecaster.")
