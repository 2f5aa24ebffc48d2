"""What-if: today's plan is the published forecast; stock limits what can be sold, path by path."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from test_pricing import response

from windvane.decisions.policies import OrderUpTo
from windvane.decisions.pricing import markdown
from windvane.decisions.terms import Terms
from windvane.decisions.whatif import Situation, changed, compare, outcome
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.ledger import Rates

pytestmark = pytest.mark.tiny


def published(counts: bool = True) -> Forecast:
    rng = np.random.default_rng(1)
    quantiles = np.sort(rng.poisson(4, (3, 6, 9)), axis=2).astype(np.float32)
    return Forecast(
        keys=pl.DataFrame({"sku": ["a", "b", "c"]}),
        cutoff=date(2026, 1, 1),
        dates=pl.date_range(date(2026, 1, 2), date(2026, 1, 7), eager=True),
        mean=quantiles.mean(axis=2),
        quantiles=quantiles,
        levels=tuple(k / 10 for k in range(1, 10)),
        identity=np.arange(3, dtype=np.uint64),
        counts=counts,
    )


def test_todays_plan_is_the_published_forecast_itself():
    forecast, plan = published(), np.full((3, 6), 11.0)
    assert changed(forecast, response([-2.0] * 3), plan, plan) is forecast


def test_only_what_changes_changes():
    forecast, plan = published(counts=False), np.full((3, 6), 10.0)
    price = plan.copy()
    price[1, 2] = 8.0
    after = changed(forecast, response([-2.0] * 3), plan, price)
    ratio = after.mean / forecast.mean
    assert ratio[1, 2] == pytest.approx(0.8**-2, rel=1e-5)
    assert (np.delete(ratio.ravel(), 8) == 1).all()
    np.testing.assert_allclose(after.quantiles[1, 2], forecast.quantiles[1, 2] * 0.8**-2, rtol=1e-5)


def test_stock_limits_what_is_sold_path_by_path():
    forecast, price = published(), np.full((3, 6), 10.0)
    stock = np.array([0.0, 20.0, 1000.0])
    found = outcome(forecast, price, np.array([4.0, 4.0, 4.0]), stock, paths=300)
    total = forecast.totals(300)
    np.testing.assert_allclose(found.sold, np.minimum(total, stock[:, None]).mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.sold + found.lost, found.demand)
    np.testing.assert_allclose(found.runs_out, (total > stock[:, None]).mean(axis=1))
    np.testing.assert_allclose(found.profit, 6 * found.sold)
    free = outcome(forecast, price, np.array([4.0, 4.0, 4.0]))
    np.testing.assert_allclose(free.demand, forecast.mean.sum(axis=1), rtol=1e-6)


def test_bad_plans_are_refused():
    forecast, plan = published(), np.full((3, 6), 10.0)
    wrong = plan.copy()
    wrong[2, 0] = 0
    with pytest.raises(InputError, match="series 2 in period 1"):
        changed(forecast, response([-2.0] * 3), plan, wrong)
    with pytest.raises(InputError, match="shape"):
        changed(forecast, response([-2.0] * 3), plan, plan[:, :2])
    with pytest.raises(InputError, match="stock of series 1"):
        outcome(forecast, plan, np.ones(3), np.array([1.0, np.nan, 1.0]))


def best_by_hand(
    demand: np.ndarray, stock: int, prices: np.ndarray, salvage: float, before: int = 0, t: int = 0
) -> float:
    """The markdown's value by plain recursion over Poisson demand."""
    from scipy.stats import poisson

    if t == len(demand):
        return salvage * stock
    values = []
    for c in range(before, len(prices)):
        chance = poisson(demand[t, c]).pmf(np.arange(stock))
        value = sum(
            p * (prices[c] * k + best_by_hand(demand, stock - k, prices, salvage, c, t + 1))
            for k, p in enumerate(chance)
        )
        rest = 1 - chance.sum()
        values.append(value + rest * (prices[c] * stock + best_by_hand(demand, 0, prices, salvage, c, t + 1)))
    return max(values)


@pytest.mark.parametrize("salvage", [0.0, 3.0])
def test_markdown_is_the_best_of_all_plans(salvage):
    prices, demand = np.array([10.0, 8.0, 5.0]), np.array([[0.5, 1.0, 2.5], [0.8, 1.1, 2.0], [0.4, 0.9, 2.2]])
    plan = markdown(demand, 4, prices, salvage)
    assert plan.expected == pytest.approx(best_by_hand(demand, 4, prices, salvage), rel=1e-9)


def test_markdown_never_raises_a_price_and_cuts_sooner_with_more_stock():
    prices = np.array([10.0, 9.0, 7.0, 5.0])
    demand = np.full((6, 1), 1.0) * np.array([2.0, 2.6, 4.0, 7.0])
    firsts = [markdown(demand, stock, prices).first for stock in (2, 12, 20, 40, 80)]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[0] == 10.0
    assert firsts[-1] < 8
    plan = markdown(demand, 30, prices)
    for period in range(6):
        for left in range(31):
            for before in prices:
                assert plan.price(period, left, before) <= before


def test_large_stocks_are_rounded_and_stay_near():
    prices = np.array([10.0, 8.0, 6.0])
    demand = np.full((8, 1), 1.0) * np.array([30.0, 45.0, 70.0])
    fine, coarse = (markdown(demand, stock, prices, size=4.0) for stock in (190, 380))
    assert coarse.unit == pytest.approx(1.9)
    assert fine.unit == 1.0
    assert fine.expected < coarse.expected < 2 * fine.expected


def situation(lead: int = 2, stock: float = 5.0) -> Situation:
    rates = Rates(np.full(3, 4.0), np.full(3, 6.0), np.full(3, 0.1), np.full(3, 2.0))
    return Situation(published(), np.full((3, 6), 10.0), Terms.plain(rates, lead, 2), np.full(3, stock))


def test_the_same_situation_comes_to_the_same():
    found = compare(situation(), situation(), OrderUpTo(0.9))
    for name in ("demand", "order", "sold", "lost", "left", "revenue", "profit", "runs_out"):
        assert found[name].to_list() == found[f"new_{name}"].to_list()
    assert found["gain"].to_list() == [0.0, 0.0, 0.0]
    assert (found["sold"] + found["lost"]).to_numpy() == pytest.approx(found["demand"].to_numpy())
    assert (found["sold"] + found["left"] - found["order"]).to_numpy() == pytest.approx(np.full(3, 5.0))
    assert found["revenue"].to_numpy() == pytest.approx(10 * found["sold"].to_numpy())


def test_a_comparison_counts_day_by_day_what_a_ledger_would():
    """By hand, for one certain path: 4 a day, 5 on the shelf, and an order that comes on the third morning."""
    certain = replace(published(counts=False), quantiles=np.full((3, 6, 9), 4.0), mean=np.full((3, 6), 4.0))
    now = replace(situation(), forecast=certain)
    found = compare(now, replace(now, due=np.eye(3, 6) * 3.0), OrderUpTo(0.9)).row(0, named=True)
    assert found["order"] == 11  # 16 until the next order's arrival, 5 are there
    assert found["sold"] == pytest.approx(5 + 11)
    assert found["lost"] == pytest.approx(24 - 16)
    assert found["profit"] == pytest.approx(16 * (10 - 6) - 0.1 * (1 + 7 + 3) - 2)
    assert found["runs_out"] == 1
    assert found["new_order"] == 8, "three are on order"
    assert found["new_sold"] == pytest.approx(16)


def test_slower_supply_orders_more_and_earns_less():
    slow = replace(situation(), terms=replace(situation().terms, leads=np.full((3, 1), 4)))
    found = compare(situation(), slow, OrderUpTo(0.9))
    assert (found["new_order"] > found["order"]).all()
    assert (found["gain"] < 0).all()
    assert (found["new_lost"] > found["lost"]).all()


def test_situations_that_do_not_fit_are_refused():
    other = replace(situation(), forecast=replace(published(), keys=pl.DataFrame({"sku": ["a", "b", "x"]})))
    with pytest.raises(InputError, match="not of the same series"):
        compare(situation(), other, OrderUpTo(0.9))
    with pytest.raises(InputError, match="on_hand of series 1"):
        replace(situation(), on_hand=np.array([1.0, -1.0, 0.0]))
    with pytest.raises(InputError, match="price has the shape"):
        replace(situation(), price=np.ones((3, 2)))
