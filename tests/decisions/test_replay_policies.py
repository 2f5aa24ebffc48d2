"""Policies on a history: what they may know, what is drawn, what is counted."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.decisions.policies import MovingAverage, OrderUpTo
from windvane.decisions.replay import History, replay, table
from windvane.decisions.simulate import simulate
from windvane.decisions.terms import Terms
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.ledger import Rates
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
PERIODS, DAYS = 42, 120


def shop(seed: int = 1, series: int = 6, hidden: bool = False) -> tuple[Panel, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wanted = rng.poisson(4, (series, DAYS)).astype(np.float32)
    empty = (rng.random(wanted.shape) < 0.15) & hidden
    sold = np.where(empty, np.minimum(wanted, 1), wanted).astype(np.float32)
    panel = Panel(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(series)], "location": ["all"] * series}),
        sales=sold,
        dates=pl.date_range(date(2026, 1, 1), date(2026, 12, 31), eager=True)[:DAYS],
        freq=Freq("1d"),
    )
    since = np.where(empty, np.arange(DAYS)[None, :], 2**31 - 1).astype(np.int32)
    estimate = np.where(empty, sold + 3.0, wanted).astype(np.float32)
    return panel.with_stockouts(since), estimate, empty


def terms(series: int) -> Terms:
    full = np.ones(series)
    return Terms.plain(Rates(full * 4, full * 6, full * 0.05, full * 0), np.tile([1, 2, 3], (series, 1)), 7)


def flat(panel: Panel, horizon: int = 12) -> Forecast:
    mean = np.repeat(np.nanmean(panel.sales[:, -28:], axis=1, keepdims=True), horizon, axis=1).astype(np.float32)
    return Forecast(
        keys=panel.keys,
        cutoff=panel.cutoff,
        dates=panel.future_dates(horizon),
        mean=mean,
        quantiles=np.stack([np.floor(mean * f) for f in (0.5, 1.0, 2.0)], axis=2).astype(np.float32),
        levels=(0.1, 0.5, 0.9),
        identity=panel.identity,
        counts=True,
    )


def history(hidden: bool = False, seed: int = 1) -> History:
    panel, demand, empty = shop(seed, hidden=hidden)
    return History.of(panel, demand, empty, PERIODS, terms(len(demand)), np.full(len(demand), 30.0))


def test_without_stockouts_the_play_is_that_of_the_sales_themselves():
    made = history()
    stage = made.stage(5)
    np.testing.assert_array_equal(stage.demand, made.panel.sales)
    found = replay(made, [(MovingAverage(), "")], {}, draws=2, seed=5, settle=0)[0]
    alone = simulate(MovingAverage(), stage, made.terms, made.look(flat))
    assert found.ledgers[0].cost() == pytest.approx(alone.cost())
    assert len(found.ledgers) == 2


def test_lead_times_are_those_of_the_terms():
    waits = history().stage(3).waits
    assert set(np.unique(waits)) == {1, 2, 3}


def test_hidden_demand_is_drawn_round_its_estimate_and_never_below_what_was_sold():
    made = history(hidden=True)
    drawn = np.stack([made.stage(seed).demand for seed in range(300)])[:, :, made.begin :]
    empty = made.empty[:, made.begin :]
    demand = made.demand[:, made.begin :]
    assert empty.any()
    np.testing.assert_array_equal(drawn[:, ~empty], np.broadcast_to(demand[~empty], (300, (~empty).sum())))
    extra = drawn[:, empty].mean(axis=0)
    assert extra.mean() == pytest.approx(demand[empty].mean(), rel=0.05)
    assert (drawn[:, empty] >= made.panel.stockouts.sold[:, made.begin :][empty]).all()


def test_a_policy_sees_its_own_sales_and_nothing_that_came_later():
    made = history(hidden=True)
    seen: list[Panel] = []

    def spy(panel: Panel) -> Forecast:
        seen.append(panel)
        return flat(panel)

    first = replay(made, [(OrderUpTo(0.9), "flat")], {"flat": spy}, draws=1)[0].ledgers[0]
    assert [panel.shape[1] for panel in seen] == list(range(made.begin, DAYS, 7))
    # Other demand after a morning changes nothing that was seen by then.
    later = made.demand.copy()
    later[:, made.begin + 14 :] *= 3
    mornings, seen = list(seen), []
    changed = History(made.panel, later, made.empty, made.begin, made.rows, made.terms, made.on_hand)
    replay(changed, [(OrderUpTo(0.9), "flat")], {"flat": spy}, draws=1)
    for before, after in zip(mornings[:3], seen[:3], strict=True):
        np.testing.assert_array_equal(before.sales, after.sales)
    assert not np.array_equal(mornings[4].sales, seen[4].sales, equal_nan=True)
    assert first.demand.shape[1] == PERIODS - 3


def test_days_on_which_its_shelf_was_empty_are_unknown_to_the_forecaster():
    panel, demand, empty = shop()
    made = History.of(panel, demand, empty, PERIODS, terms(len(demand)), np.zeros(len(demand)))
    seen: list[Panel] = []

    def spy(panel: Panel) -> Forecast:
        seen.append(panel)
        return flat(panel)

    replay(made, [(OrderUpTo(0.9), "flat")], {"flat": spy}, draws=1)
    assert np.isnan(seen[1].sales[:, made.begin]).all()
    assert seen[1].stockouts is not None
    assert (seen[1].stockouts.sold[:, made.begin] == 0).all()


def test_accounts_add_up_and_the_cheapest_comes_first():
    found = replay(history(hidden=True), [(MovingAverage(), ""), (OrderUpTo(0.9), "flat")], {"flat": flat}, draws=3)
    frame = table(found)
    assert frame["cost"].is_sorted()
    parts = frame.select(pl.sum_horizontal("holding", "ordering", "lost_margin", "waste")).to_series()
    np.testing.assert_allclose(parts.to_numpy(), frame["cost"].to_numpy())
    assert (frame["lowest"] <= frame["cost"]).all()
    assert (frame["cost"] <= frame["highest"]).all()


def test_what_cannot_be_replayed_is_refused():
    panel, demand, empty = shop()
    args = (terms(len(demand)), np.zeros(len(demand)))
    with pytest.raises(InputError, match="cannot be replayed"):
        History.of(panel, demand, empty, 100, *args)
    with pytest.raises(InputError, match="no series"):
        History.of(panel, np.full_like(demand, np.nan), empty, PERIODS, *args)
    made = History.of(panel, demand, empty, 2, *args)
    with pytest.raises(InputError, match="first orders have arrived"):
        replay(made, [(MovingAverage(), "")], {})
    with pytest.raises(InputError, match="asks for a forecast"):
        replay(history(), [(OrderUpTo(), "")], {})
