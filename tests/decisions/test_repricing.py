"""Re-pricing rules: what they propose by hand, what is allowed whatever comes, and trials whose outcome is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_pricing import response

from windvane.decisions.pricing import (
    Cover,
    Follow,
    Guard,
    Keep,
    Planned,
    PriceHistory,
    Reaction,
    Rules,
    Scene,
    Settings,
    StepDown,
    forecast_prices,
    limits,
    simulate,
)
from windvane.decisions.pricing.experiment import plan as plan_test
from windvane.decisions.pricing.repricing import morning, pointed
from windvane.decisions.pricing.rules import points
from windvane.decisions.whatif import outcome
from windvane.errors import InputError
from windvane.forecasts import Forecast

pytestmark = pytest.mark.tiny
HORIZON = 14
FREE = Guard(Rules(change=np.inf), gap=1)


def forecast(series=3, mean=4, horizon=HORIZON) -> Forecast:
    rng = np.random.default_rng(1)
    quantiles = np.sort(rng.poisson(mean, (series, horizon, 9)), axis=2).astype(np.float32)
    return Forecast(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(series)]}),
        cutoff=date(2026, 1, 1),
        dates=pl.Series("date", [date(2026, 1, 2) + timedelta(k) for k in range(horizon)]),
        mean=quantiles.mean(axis=2),
        quantiles=quantiles,
        levels=tuple(k / 10 for k in range(1, 10)),
        identity=np.arange(series, dtype=np.uint64),
        counts=True,
    )


def market(*last):
    """Competitors whose prices never move."""
    days = pl.Series("date", [date(2025, 12, 1) + timedelta(k) for k in range(30)])
    return forecast_prices(PriceHistory.from_array(np.repeat(np.array(last)[:, None], 30, 1), days), HORIZON)


def scene(own=(-2.0, -2.0, -2.0), cost=4.0, error=0.0, **more) -> Scene:
    count = len(own)
    given = {
        "forecast": forecast(count), "response": response(own, error=error), "product": np.arange(count),
        "plan": np.full((count, HORIZON), 10.0), "today": np.full(count, 10.0), "cost": np.full(count, cost),
    }  # fmt: skip
    return Scene(**(given | more))


def tried(rule, of: Scene, guard=FREE, **more):
    return simulate({"rule": rule}, of, Settings(guard=guard, futures=100, **more))


def test_follow_goes_where_they_are_and_stays_within_the_band():
    state = morning(price=np.array([[10.0], [10.0], [10.0]]), competitor=8.0)
    assert Follow(-0.05).propose(state)[0, 0] == pytest.approx(7.6)
    assert Follow(0.1, (1.2, 1.3)).propose(state)[0, 0] == 10.0
    assert Follow(0.1, (0.9, 1.2)).propose(state)[0, 0] == pytest.approx(8.8)
    assert Follow(-0.05).propose(morning(price=10.0))[0, 0] == 10.0


def test_cover_lowers_what_lies_and_raises_what_runs_out():
    stock = np.array([[100.0], [40.0], [5.0], [np.nan]])
    found = Cover(most=50, least=10, down=0.1, up=0.2).propose(morning(price=10.0, stock=stock, ahead=1.0))
    assert found.ravel().tolist() == [9.0, 10.0, 12.0, 10.0]


def test_steps_go_down_on_their_days_and_no_farther():
    rule = StepDown(first=3, every=7, step=0.3, most=0.4)
    prices = []
    state = morning(price=10.0)
    for day in range(20):
        state = replace(state, day=day, price=rule.propose(replace(state, day=day)))
        prices.append(float(state.price[0, 0]))
    assert prices[2:4] == [10.0, 7.0]
    assert prices[10] == 6.0
    assert prices[19] == 6.0
    empty = morning(price=10.0, stock=0.0)
    assert rule.propose(replace(empty, day=3))[0, 0] == 10.0


def test_a_plan_is_taken_up_where_there_is_one():
    found = Planned(np.array([9.0, np.nan])).propose(morning(price=np.array([[10.0], [10.0]])))
    assert found.ravel().tolist() == [9.0, 10.0]


money = st.floats(0.5, 50.0)


@given(
    st.lists(st.tuples(money, money, money), min_size=1, max_size=8), st.sampled_from([0.05, 0.2, np.inf]),
    st.sampled_from([0.0, 0.3]), st.sampled_from([(), (0.99,), (0.0, 0.49, 0.99)]),
)  # fmt: skip
def test_what_is_allowed_lies_within_the_limits_and_on_a_price_point(cells, change, margin, endings):
    price, cost, wanted = (np.array(column)[:, None] for column in zip(*cells, strict=True))
    price = np.round(price, 2)
    rules = Rules(change=change, margin=margin, endings=endings)
    state = replace(morning(price=price), cost=cost, price=price)
    found, bound = Guard(rules, gap=1).allowed(wanted, state)
    told = limits(rules, price[:, 0], cost[:, 0])
    for k in range(len(price)):
        new = found[k, 0]
        if new == price[k, 0]:
            continue
        assert told.low[k] - 1e-6 <= new <= told.high[k] + 1e-6
        assert new >= cost[k, 0] - 1e-6
        if endings:
            assert min(abs(new % 1 - end) for end in endings) < 1e-6 or new % 1 > 1 - 1e-6
        if not bound[k, 0]:
            assert abs(new - wanted[k, 0]) <= (0.011 if not endings else 0.5)


@given(money, money, st.floats(0, 10), st.sampled_from([(), (0.99,), (0.0, 0.5)]))
def test_the_nearest_price_point_is_that_of_all_price_points(price, low, width, endings):
    high = low + width
    inside = float(np.clip(price, low, high))
    found = pointed(np.array([inside]), np.array([low]), np.array([high]), endings)[0]
    every = points(low, high, endings, 10_000)
    if not len(every):
        assert np.isnan(found)
    elif not np.isnan(found):
        assert abs(found - inside) == pytest.approx(np.abs(every - inside).min(), abs=1e-6)
    else:
        assert np.abs(every - inside).min() > 0.4


def test_a_price_may_not_change_again_too_soon():
    guard, state = Guard(gap=7), morning(price=10.0, cost=1.0)
    assert guard.allowed(np.array([[9.0]]), replace(state, since=np.array([[6.0]])))[0][0, 0] == 10.0
    assert guard.allowed(np.array([[9.0]]), replace(state, since=np.array([[7.0]])))[0][0, 0] == 9.0
    changes = tried(StepDown(every=1, step=0.05), scene(), Guard(gap=5)).played["rule"].changes
    assert (changes == 3).all()


def test_without_a_cost_or_an_elasticity_the_price_stays():
    blind = scene(own=(-2.0, np.nan, -2.0))
    blind.cost[2] = np.nan
    moved = tried(Planned(np.full(3, 9.0)), blind).played["rule"].changes.mean(axis=1)
    assert moved.tolist() == [1.0, 0.0, 0.0]


def test_keeping_the_prices_is_the_published_forecast_path_by_path():
    of = scene(error=0.7, market=market(8.0, 12.0, 10.0))
    trial = tried(Follow(-0.02), of, reaction=Reaction(chance=1.0))
    keep = trial.played["keep"]
    np.testing.assert_array_equal(keep.demand, of.forecast.totals(100))
    assert not keep.changes.any()
    assert not trial.gain("keep").any()


def test_keeping_the_prices_earns_what_the_what_if_says():
    stock = np.array([20.0, 0.0, 1000.0])
    plan = np.full((3, HORIZON), 10.0)
    plan[:, 3:6] = 8.0
    of = scene(stock=stock, plan=plan)
    keep = tried(Keep(), of).played["keep"]
    found = outcome(of.forecast, plan, of.cost, stock, paths=100)
    np.testing.assert_allclose(keep.units.mean(axis=1), found.sold)
    np.testing.assert_allclose(keep.lost.mean(axis=1), found.lost, atol=1e-9)
    np.testing.assert_allclose(keep.money.mean(axis=1), found.profit)
    np.testing.assert_allclose(keep.leftover, stock[:, None] - keep.units)
    assert keep.units[1].sum() == 0


def test_other_prices_sell_what_the_elasticity_says():
    of = scene(own=(-1.0, -2.0, -3.0))
    trial = tried(Planned(np.full(3, 8.0)), of)
    sold = of.forecast.totals(100) * (0.8 ** np.array([-1.0, -2.0, -3.0]))[:, None]
    np.testing.assert_allclose(trial.played["rule"].demand, sold)
    np.testing.assert_allclose(trial.played["rule"].money, sold * 4)
    np.testing.assert_allclose(trial.gain("rule"), (sold * 4 - of.forecast.totals(100) * 6).sum(axis=0))


def test_promotions_keep_their_depth():
    plan = np.full((3, HORIZON), 10.0)
    plan[:, 5] = 5.0
    of = scene(plan=plan, own=(-1.0,) * 3)
    one = tried(Planned(np.full(3, 9.0)), of).played["rule"]
    drawn = np.concatenate([paths for _, paths in of.forecast.paths(100)]).astype(float)
    paid = np.where(np.arange(HORIZON) == 5, 4.5, 9.0)
    np.testing.assert_allclose(one.revenue, (drawn / 0.9 * paid).sum(axis=2))


def test_series_of_a_product_have_one_price():
    two = np.full(2, 4.0)
    of = replace(scene(), product=np.array([0, 0, 1]), today=2.5 * two, cost=two)
    found = tried(Planned(np.array([9.0, np.nan])), of).played["rule"]
    factor = np.array([0.9**-2, 0.9**-2, 1.0])
    np.testing.assert_allclose(found.demand, of.forecast.totals(100) * factor[:, None])
    assert found.money.shape == (2, 100)


def test_products_beside_one_another_answer_to_each_other():
    beside = response([-2.0, -2.0], rivals=[0, 0], cross=[0.6, 0.6])
    of = scene(own=(-2.0, -2.0), response=beside)
    found = tried(Planned(np.array([9.0, np.nan])), of).played["rule"]
    np.testing.assert_allclose(found.demand[1], of.forecast.totals(100)[1] * 0.9**0.6)


def test_an_unsure_elasticity_makes_the_gain_unsure_and_nothing_else():
    spread = []
    for error in (0.0, 0.5, 1.0):
        trial = tried(Planned(np.full(3, 8.0)), scene(error=error))
        spread.append(np.std(trial.gain("rule")))
        assert trial.played["keep"].money.sum() == pytest.approx(tried(Keep(), scene()).played["keep"].money.sum())
    assert spread[0] < spread[1] < spread[2]
    together = np.std(tried(Planned(np.full(3, 8.0)), scene(error=0.5), shared=1.0).gain("rule"))
    assert together > np.std(tried(Planned(np.full(3, 8.0)), scene(error=0.5), shared=0.0).gain("rule"))


def test_the_same_rule_twice_earns_the_same():
    of = scene(error=0.5, market=market(9.0, 9.0, 9.0))
    trial = simulate({"a": Follow(-0.05), "b": Follow(-0.05)}, of, Settings(futures=50))
    np.testing.assert_array_equal(trial.gain("a"), trial.gain("b"))


def test_who_has_no_competitor_follows_nobody_and_nobody_goes_below_cost():
    of = scene(market=market(9.0, 3.0), rival=np.array([0, 1, -1]))
    trial = tried(Follow(), of)
    first = np.median(trial.played["rule"].first, axis=1)
    np.testing.assert_allclose(first, [9.0, 4.0, 10.0])
    assert trial.played["rule"].bound[1].min() > 0
    assert trial.played["rule"].bound[2].max() == 0


def test_an_answer_costs_what_the_settings_say():
    of = scene(market=market(10.0, 10.0, 10.0))
    cut, answer = Planned(np.full(3, 8.0)), Reaction(chance=1.0, match=0.5, delay=3, cross=0.8)
    drawn = np.concatenate([paths for _, paths in of.forecast.paths(100)]).astype(float)
    theirs = np.where(np.arange(HORIZON) >= 3, 0.8 ** (0.5 * 0.8), 1.0)
    found = tried(cut, of, reaction=answer)
    np.testing.assert_allclose(found.played["rule"].demand, (drawn * 0.8**-2 * theirs).sum(axis=2))
    assert found.gain("rule").mean() < tried(cut, of).gain("rule").mean()
    np.testing.assert_array_equal(found.played["keep"].demand, of.forecast.totals(100))
    raised = tried(Planned(np.full(3, 11.0)), of, reaction=answer).played["rule"]
    np.testing.assert_allclose(raised.demand, of.forecast.totals(100) * 1.1**-2)


def test_whoever_undercuts_an_answering_competitor_ends_at_a_bound():
    of = scene(market=market(10.0, 10.0, 10.0))
    guard = Guard(Rules(change=np.inf, margin=0.5), gap=1)
    war = tried(Follow(-0.05), of, guard, reaction=Reaction(chance=1.0, delay=1))
    peace = tried(Follow(-0.05), of, guard)
    assert war.played["rule"].changes.mean() > peace.played["rule"].changes.mean()
    assert war.played["rule"].moved.mean() < peace.played["rule"].moved.mean()
    assert war.played["rule"].bound.max() > 0


def test_stock_that_arrives_is_sold_and_what_is_left_is_worth_its_salvage():
    arrivals = np.zeros((3, HORIZON))
    arrivals[:, 7] = 10_000
    of = scene(stock=np.zeros(3), arrivals=arrivals, salvage=np.full(3, 1.0))
    keep = tried(Keep(), of).played["keep"]
    drawn = np.concatenate([paths for _, paths in of.forecast.paths(100)]).astype(float)
    np.testing.assert_allclose(keep.units, drawn[:, :, 7:].sum(axis=2))
    np.testing.assert_allclose(keep.money, 6 * keep.units - 3 * keep.leftover)


def test_verdicts_follow_the_money():
    sure = scene(own=(-3.0,) * 3)
    trial = simulate(
        {"cut": Planned(np.full(3, 9.0)), "raise": Planned(np.full(3, 12.0)), "none": Planned(np.full(3, np.nan))},
        sure, Settings(guard=FREE, futures=100),
    )  # fmt: skip
    words = {name: verdict.word for name, verdict in trial.verdicts.items()}
    assert words == {"cut": "use", "raise": "do not use", "none": "do not use"}
    assert trial.verdicts["none"].why == "It changes no price."
    frame = trial.frame()
    assert frame["rule"].to_list() == ["keep", "cut", "raise", "none"]
    assert frame["verdict"][0] is None
    row = frame.row(1, named=True)
    assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    assert row["gain"] == pytest.approx(row["money"] - frame["money"][0])
    assert row["chance_worse"] == 0


def test_what_is_unsure_is_tested_first_and_the_test_is_the_one_for_its_change():
    of = scene(own=(-2.2,) * 3, error=1.0)
    trial = tried(Planned(np.full(3, 9.0)), of, shared=1.0)
    verdict = trial.verdicts["rule"]
    assert verdict.word == "test first"
    units = trial.played["keep"].demand.mean(axis=1) / HORIZON
    by_hand = plan_test(units, 0.2, of.response.own, -0.1)
    assert verdict.test.days == by_hand.days
    assert f"takes {by_hand.days} days" in verdict.why
    assert trial.frame()["test_days"][1] == by_hand.days


def test_what_rests_on_prices_that_never_varied_is_tested_first():
    still = replace(response([-3.0] * 3), varied=np.array([False, False, True]))
    verdict = tried(Planned(np.full(3, 9.0)), scene(own=(-3.0,) * 3, response=still)).verdicts["rule"]
    assert verdict.word == "test first"
    assert "hardly ever varied" in verdict.why
    other = tried(Planned(np.full(3, 9.0)), scene(own=(-3.0,) * 3, response=still), language="zh").verdicts["rule"]
    assert "几乎从未变动" in other.why


def test_products_say_where_the_gain_lies():
    trial = tried(Planned(np.array([9.0, 12.0, np.nan])), scene(own=(-3.0,) * 3))
    told = trial.products("rule")
    assert told["price"].to_list() == [9.0, 12.0, 10.0]
    assert told["gain"].sum() == pytest.approx(trial.gain("rule").mean())
    assert told["chance_worse"].to_list() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Follow(-1.0), "offset"),
        (lambda: Follow(0.0, (1.1, 0.9)), "index"),
        (lambda: Cover(most=5, least=10), "cover"),
        (lambda: Cover(down=1.0), "down"),
        (lambda: StepDown(step=0.0), "steps of 0.0"),
        (lambda: Guard(gap=0), "0 days between"),
        (lambda: Reaction(chance=1.2), "reaction"),
        (lambda: Settings(futures=1), "1 futures"),
        (lambda: simulate({}, scene()), "no rule"),
        (lambda: scene(plan=np.full((3, HORIZON), -1.0)), "plan of row 0 is not above 0"),
        (lambda: scene(stock=np.array([1.0, -1.0, 2.0])), "stock of row 1"),
        (lambda: scene(cost=np.nan, today=np.array([1.0, np.nan, 2.0])), "today of row 1"),
        (lambda: scene(product=np.array([0, 1, 5])), "product"),
        (lambda: scene(salvage=np.ones(2)), "salvage has the shape"),
        (lambda: scene(market=market(9.0, 9.0)), "2 competitors' prices for 3 products"),
        (lambda: scene(market=market(9.0), rival=np.array([0, 1, -1])), "no row in the market"),
        (lambda: scene(forecast=forecast(3, horizon=20), plan=np.ones((3, 20)), market=market(9.0, 9.0, 9.0)),
         "forecast for 14 periods, demand for 20"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
