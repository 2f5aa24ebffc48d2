"""What orders by a forecast would have cost, against a shop played by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from windvane.backtest.board import Board
from windvane.backtest.folds import Fold
from windvane.backtest.money import Purse, money, window
from windvane.backtest.run import FoldResult, Judged, Replay
from windvane.decisions.cover import PATHS
from windvane.decisions.terms import KEEPS, Terms
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.ledger import Rates
from windvane.models import registry
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
SERIES, TIME, HORIZON = 5, 60, 10
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def panel(seed=1):
    sales = np.random.default_rng(seed).poisson(4.0, (SERIES, TIME)).astype(np.float32)
    keys = pl.DataFrame({"sku": [f"s{i}" for i in range(SERIES)], "location": "all"})
    return Panel(keys=keys, sales=sales, dates=Freq("1d").dates(np.arange(20_000, 20_000 + TIME)), freq=Freq("1d"))


def terms(life=KEEPS, lead=3, review=4, **rates):
    money_ = {"margin": 2.0, "unit_cost": 3.0, "holding": 0.2, "order_cost": 0.0} | rates
    plain = Terms.plain(Rates(*(np.full(SERIES, v) for v in money_.values())), lead, review)
    return replace(plain, shelf_life=np.full(SERIES, life))


def forecast(then, quantiles):
    shape = (SERIES, HORIZON, len(LEVELS))
    given = np.broadcast_to(np.asarray(quantiles, np.float32), shape).copy()
    mean = given.mean(axis=2)
    return Forecast(then.keys, then.cutoff, then.future_dates(HORIZON), mean, given, LEVELS, then.identity, counts=True)


@pytest.mark.parametrize("life", [KEEPS, 2])
def test_an_order_pays_for_what_is_left_every_evening_and_for_what_is_missing(life):
    every, cutoff = panel(), TIME - HORIZON - 1
    # A forecast without any doubt: the order is the sum of seven days at 4 (or of two, where the rest would spoil).
    sure = forecast(every.as_of(every.dates[cutoff]), [4.0] * 5)
    found = money(sure, every, cutoff, terms(life, unit_cost=50.0))
    assert window(terms(), HORIZON) == 7
    stock = 28 if life == KEEPS else 8
    for s in range(SERIES):
        left, cost = float(stock), 0.0
        for day in range(7):
            left -= float(every.sales[s, cutoff + 1 + day])
            cost += 0.2 * max(left, 0.0)
            if day == life - 1:
                cost += 50.0 * max(left, 0.0)
        cost += 2.0 * max(-left, 0.0)
        assert found[s] == pytest.approx(cost / 7)


def test_what_is_not_known_is_not_priced():
    every, cutoff = panel(), TIME - HORIZON - 1
    every.sales[1, cutoff + 3] = np.nan
    found = money(forecast(every.as_of(every.dates[cutoff]), [4.0] * 5), every, cutoff, terms())
    assert np.isnan(found).tolist() == [False, True, False, False, False]
    late = money(forecast(every, [4.0] * 5), every, TIME - 3, terms())
    assert np.isnan(late).all()


def test_the_truth_costs_less_than_too_little_and_too_much():
    every, cutoff = panel(), TIME - HORIZON - 1
    then = every.as_of(every.dates[cutoff])
    guesses = ([1, 2, 2, 3, 4], [1, 3, 4, 5, 7], [9] * 5)
    cost = [np.nanmean(money(forecast(then, guess), every, cutoff, terms())) for guess in guesses]
    assert cost[1] < cost[0]
    assert cost[1] < cost[2]
    assert PATHS >= 100


def judged(loss, cost):
    results = list(Replay(panel(), [registry.model("naive")], HORIZON, 1).run([Fold(TIME - HORIZON - 1, "choose")]))
    one = results[0].models["naive"]
    losses = replace(one.losses, quantile=np.full_like(one.losses.quantile, loss))
    return Judged(losses, one.mean, 1.0, np.full(SERIES, float(cost)))


@pytest.mark.parametrize(("by_money", "champion"), [(False, "close"), (True, "cheap")])
def test_models_are_chosen_by_money_where_asked(by_money, champion):
    board = Board(panel(), [], seed=1, by_money=by_money)
    for cutoff in (29, 39, 49):
        fold = Fold(cutoff, "choose")
        both = {"close": judged(1.0, 5.0), "cheap": judged(2.0, 4.0)}
        board.add_choosing(FoldResult(fold, panel().dates[cutoff], np.full(SERIES, "fast"), both))
    assert board.choose(["close", "cheap"])["all"] == champion


def test_a_backtest_prices_reported_folds_and_the_board_tells():
    plan = [Fold(TIME - 2 * HORIZON - 1, "choose"), Fold(TIME - HORIZON - 1, "report")]
    models = [registry.model(name) for name in ("naive", "ses")]
    first, second = Replay(panel(), models, HORIZON, 1, purse=Purse(terms())).run(plan)
    assert all(one.cost is None for one in first.models.values())
    assert all(one.cost.shape == (SERIES,) for one in second.models.values())
    board = Board(panel(), ["naive"], seed=1)
    board.add_choosing(first)
    chosen = board.choose(["naive", "ses"])
    board.add_reported(second, chosen)
    table = board.leaderboard(chosen, 100).filter(pl.col("segment") == "all")
    told = dict(table.select("model", "cost").iter_rows())
    assert told["ses"] == pytest.approx(second.models["ses"].cost.mean())
    assert told["champion"] == told[chosen["all"]]
