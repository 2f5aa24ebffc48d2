"""Prices to come: what is known of a day by plain loops, processes whose future is known, and what must always hold."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.decisions.pricing import PriceHistory, forecast_prices
from windvane.decisions.pricing.changes import drift, lags, steps
from windvane.decisions.pricing.market import LEVELS, METHODS, predict
from windvane.decisions.pricing.trees import Trees
from windvane.errors import InputError

pytestmark = pytest.mark.tiny
FIRST = date(2025, 1, 1)
DECILES = np.arange(1, 10) / 10


def history(price, group=None, unit="1d") -> PriceHistory:
    price = np.atleast_2d(np.asarray(price, float))
    step = 7 if unit == "1w" else 1
    dates = pl.Series("date", [FIRST + timedelta(step * k) for k in range(price.shape[1])])
    return PriceHistory.from_array(price, dates, group=group, unit=unit)


def wandering(rng: np.random.Generator, series=40, time=300, keep=0.9) -> np.ndarray:
    """Log prices that revert to 0: AR(1)."""
    log = np.zeros((series, time))
    for t in range(1, time):
        log[:, t] = keep * log[:, t - 1] + 0.03 * rng.standard_normal(series)
    return np.exp(log)


def sawtooth(series=30, time=240, every=30, length=5) -> np.ndarray:
    """10, and 8 for some days of each month; series begin on different days."""
    at = np.arange(time)[None, :] + np.arange(series)[:, None]
    return np.where(at % every < length, 8.0, 10.0)


def some_prices():
    cell = st.one_of(st.just(np.nan), st.sampled_from([1.0, 2.0, 3.0, 5.0]))
    return st.lists(cell, min_size=1, max_size=40).filter(lambda row: not np.isnan(row).all())


@given(some_prices())
def test_what_is_known_of_a_day_is_what_a_plain_loop_says(row):
    past, last, moved, at, usual = history(row).past, None, 0, 0, None
    for t, price in enumerate(row):
        if not np.isnan(price):
            if last is None or price != last:
                moved = t
            last, at = price, t
            window = [p for p in row[max(t - 55, 0) : t + 1] if not np.isnan(p)]
            most = max(window.count(p) for p in window)
            usual = next(p for p in reversed(window) if window.count(p) == most)
        if last is None:
            assert np.isnan(past.log[0, t])
            continue
        assert np.exp(past.log[0, t]) == pytest.approx(last)
        assert np.exp(past.usual[0, t]) == pytest.approx(usual)
        assert (past.still[0, t], past.age[0, t], past.seen[0, t]) == (t - moved, t - at, not np.isnan(price))


@given(some_prices(), st.integers(0, 39), st.sampled_from([1.0, 7.0]))
def test_no_day_knows_what_came_after_it(row, cut, other):
    cut = min(cut, len(row) - 1)
    changed = [*row[: cut + 1], *[other] * (len(row) - cut - 1)]
    if np.isnan(changed).all():
        return
    before, after = history(row).past, history(changed).past
    for name in ("log", "seen", "usual", "still", "age"):
        np.testing.assert_array_equal(getattr(before, name)[:, : cut + 1], getattr(after, name)[:, : cut + 1])


def test_methods_do_not_see_beyond_the_period_that_they_may_use():
    price = wandering(np.random.default_rng(2), series=8, time=120)
    later = price.copy()
    later[:, 90:] *= 3

    def trees(known, at, horizon, levels):
        return Trees.fit(known, at, horizon).tell(known, at, horizon, levels)

    for make in (steps, drift, trees):
        one, other = (make(history(p), 89, 7, DECILES) for p in (price, later))
        np.testing.assert_array_equal(one.quantiles, other.quantiles)


@given(st.integers(0, 10_000), st.sampled_from(METHODS), st.integers(1, 9))
@settings(max_examples=30)
def test_every_method_makes_a_valid_forecast_of_anything(seed, method, horizon):
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(0, rng.choice([0.0, 0.01, 2.0]), (4, int(rng.integers(1, 60)))))
    price[rng.random(price.shape) < 0.5] = np.nan
    price[:, rng.integers(price.shape[1])] = 3.0
    found = forecast_prices(history(price, group=np.array([0, 0, 1, 2])), horizon, method).forecast
    assert found.mean.shape == (4, horizon)
    assert (found.quantiles > 0).all()
    assert (found.mean > 0).all()
    (_, drawn), *_ = found.paths(11)
    assert (drawn > 0).all()


def test_a_price_that_never_moved_stays():
    market = forecast_prices(history(np.full((3, 50), 7.5)), 10)
    assert (market.forecast.quantiles == pytest.approx(7.5, rel=1e-6)) is True
    (_, drawn), *_ = market.forecast.paths(20)
    np.testing.assert_allclose(drawn, 7.5, rtol=1e-6)


def test_one_observation_is_enough():
    row = np.full(30, np.nan)
    row[20] = 4.0
    alone = forecast_prices(history(row), 5)
    np.testing.assert_allclose(alone.forecast.quantile(0.5), 4.0, rtol=1e-6)
    among = forecast_prices(history(np.vstack([row, sawtooth(6, 30)])), 5)
    assert among.last[0] == pytest.approx(4.0)
    assert among.forecast.quantile(0.5)[0, 0] == pytest.approx(4.0, rel=1e-6)


def test_a_cut_ends_when_cuts_end():
    """The first day of a cut of five days: four more at 8, then 10 again."""
    price = sawtooth(time=240)
    row = int(np.flatnonzero((np.arange(30) + 239) % 30 == 0)[0])
    told = steps(history(price), 239, 6, DECILES)
    np.testing.assert_allclose(told.quantiles[row, :, 4], [8, 8, 8, 8, 10, 10], rtol=1e-5)


def test_the_last_price_has_the_empirical_distribution_of_its_changes():
    """Independent steps of known chances: quantiles of one step are those of a three-point distribution."""
    rng = np.random.default_rng(5)
    move = rng.choice([-0.1, 0.0, 0.2], p=[0.15, 0.6, 0.25], size=(60, 400))
    price = np.exp(np.cumsum(move, axis=1))
    told = steps(history(price), 399, 1, np.array([0.1, 0.5, 0.7, 0.8, 0.95]), apart=False)
    change = np.log(told.quantiles[:, 0] / price[:, -1:])
    np.testing.assert_allclose(change, np.tile([-0.1, 0.0, 0.0, 0.2, 0.2], (60, 1)), atol=0.002)
    expected = 0.15 * np.exp(-0.1) + 0.6 + 0.25 * np.exp(0.2)
    np.testing.assert_allclose(told.mean[:, 0] / price[:, -1], expected, rtol=0.03)


def test_drift_reverts_as_fast_as_the_process_does():
    rng = np.random.default_rng(7)
    price = wandering(rng, series=120, time=500)
    told = drift(history(price), 499, 10, DECILES)
    now, middle = np.log(price[:, -1]), np.log(told.quantiles[:, :, 4])
    for h in (1, 5, 10):
        slope = np.polyfit(now, middle[:, h - 1], 1)[0]
        assert slope == pytest.approx(0.9**h, abs=0.1)


def test_what_was_not_seen_for_long_is_less_sure():
    price = wandering(np.random.default_rng(3), series=30, time=200)
    stale = price.copy()
    stale[0, -6:] = np.nan
    told = history(stale)
    assert lags(told, 199, 6)[:2].tolist() == [[7, 8, 9, 10, 11, 12], [1, 2, 3, 4, 5, 6]]
    assert lags(told, 199, 4)[0].tolist() == [5, 6, 7, 8]
    quantiles = steps(told, 199, 6, DECILES, apart=False).quantiles[:, 0]
    width = np.log(quantiles[:, 8] / quantiles[:, 0])
    assert width[0] > 1.5 * np.median(width[1:])


def test_the_method_is_the_one_that_errs_least():
    rng = np.random.default_rng(11)
    both = np.vstack([sawtooth(10, 120), wandering(rng, 10, 120)])
    market = forecast_prices(history(both, group=np.repeat([0, 1], 10)), 7)
    assert market.scores.filter("chosen")["method"].to_list() == [market.method[0], market.method[-1]]
    for group in (0, 1):
        loss = dict(market.scores.filter(pl.col("group") == group).select("method", "loss").iter_rows())
        named = market.method[10 * group]
        assert named != "last"
        best = min(loss, key=loss.get)
        # The mean of all goes before what is hardly better.
        assert named == best or (named == "all" and 0.97 * loss["all"] <= loss[best])


def test_forecasts_beat_the_last_price_where_prices_return():
    price = sawtooth(40, 300)
    known = history(price[:, :280])
    came = price[:, 280:294]

    def loss(quantiles):
        off = came[:, :, None] - quantiles
        return np.maximum(DECILES * off, (DECILES - 1) * off).mean()

    market = predict(known, 14, ["steps"] * 40, DECILES).quantiles
    naive = predict(known, 14, ["last"] * 40, DECILES).quantiles
    assert loss(market) < 0.5 * loss(naive)


def test_paths_are_the_same_however_they_are_cut():
    market = forecast_prices(history(np.vstack([sawtooth(7), wandering(np.random.default_rng(1), 6, 240)])), 9, "steps")
    whole = np.concatenate([drawn for _, drawn in market.forecast.paths(50)])
    parts = np.concatenate([drawn for _, drawn in market.forecast.paths(50, part=4)])
    np.testing.assert_array_equal(whole, parts)
    rows = np.array([11, 2, 5])
    some = np.concatenate([drawn for _, drawn in market.forecast.take(rows).paths(50)])
    np.testing.assert_array_equal(some, whole[rows])
    other = forecast_prices(market.forecast.like.history, 9, "steps", seed=2).forecast
    assert (np.concatenate([drawn for _, drawn in other.paths(50)]) != whole).any()


def test_paths_move_as_often_as_prices_did():
    rng = np.random.default_rng(4)
    move = np.where(rng.random((80, 400)) < 0.05, rng.normal(0, 0.1, (80, 400)), 0.0)
    price = np.exp(np.cumsum(move, axis=1))
    market = forecast_prices(history(price), 14, "steps")
    (_, drawn), *_ = market.forecast.paths(100)
    whole = np.concatenate([np.broadcast_to(market.last[:, None, None], (80, 100, 1)), drawn], axis=2)
    share = (np.abs(np.diff(np.log(whole), axis=2)) > 5e-4).mean()
    assert share == pytest.approx(0.05, abs=0.02)


def test_what_moved_together_moves_together_in_paths():
    rng = np.random.default_rng(8)
    steps_ = np.cumsum(rng.normal(0, 0.03, (1, 400)), axis=1)
    together = np.exp(steps_ + 0.002 * rng.standard_normal((10, 400)))
    apart = np.exp(np.cumsum(rng.normal(0, 0.03, (10, 400)), axis=1))

    def correlation(price):
        (_, drawn), *_ = forecast_prices(history(price), 10, "last").forecast.paths(200)
        return np.corrcoef(np.log(drawn[:, :, -1]))[np.triu_indices(10, 1)].mean()

    assert correlation(together) > 0.5
    assert abs(correlation(apart)) < 0.3


def signals(rows) -> pl.DataFrame:
    columns = ["sku", "date", "value", "known_at"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(name=pl.lit("competitor price"), location=pl.lit(""), region=pl.lit(""))


def test_signals_are_read_as_they_stood():
    day = [FIRST + timedelta(k) for k in range(4)]
    at = [datetime(2025, 1, k, 9) for k in range(1, 9)]
    table = signals(
        [("a", day[0], 9.0, at[0]), ("a", day[2], 8.0, at[2]), ("a", day[2], 8.5, at[5]), ("b", day[1], 3.0, at[1])]
    )
    whole = PriceHistory.from_signals(table)
    assert whole.keys["sku"].to_list() == ["a", "b"]
    np.testing.assert_array_equal(whole.price, np.array([[9, np.nan, 8.5], [np.nan, 3, np.nan]], np.float32))
    then = PriceHistory.from_signals(table, as_of=day[3])
    np.testing.assert_array_equal(then.price[0], np.array([9, np.nan, 8, np.nan], np.float32))
    assert then.cutoff == day[3]
    before = PriceHistory.from_signals(table, as_of=day[0])
    assert before.price.shape == (1, 1)


def test_prices_of_the_shop_hold_until_the_next():
    day = [FIRST + timedelta(k) for k in range(8)]
    rows = [
        ("a", "all", day[0], None, 10.0, datetime(2025, 1, 1)),
        ("a", "all", day[2], day[3], 8.0, datetime(2025, 1, 1)),
        ("a", "all", day[5], None, 11.0, datetime(2025, 1, 5)),
    ]
    table = pl.DataFrame(rows, schema=["sku", "location", "valid_from", "valid_to", "price", "known_at"], orient="row")
    found = PriceHistory.from_prices(table, as_of=day[6])
    np.testing.assert_array_equal(found.price[0], np.array([10, 10, 8, 8, 10, 11, 11], np.float32))
    early = PriceHistory.from_prices(table, as_of=day[3])
    np.testing.assert_array_equal(early.price[0], np.array([10, 10, 8, 8], np.float32))


@pytest.mark.parametrize(
    ("rows", "name", "says"),
    [
        ([("a", FIRST, -2.0, datetime(2025, 1, 1))], "competitor price", "table signals, row 0: value is -2.0"),
        ([("a", FIRST, 2.0, datetime(2025, 1, 1)), ("b", FIRST, float("nan"), datetime(2025, 1, 1))],
         "competitor price", "table signals, row 1: value is nan"),
        ([("a", FIRST, 2.0, datetime(2025, 1, 1))], "market price", "no price named 'market price'.*competitor price"),
    ],
)  # fmt: skip
def test_bad_signals_are_refused_by_table_column_and_row(rows, name, says):
    with pytest.raises(InputError, match=says) as caught:
        PriceHistory.from_signals(signals(rows), name)
    assert (caught.value.table, caught.value.column) == ("signals", "value")


def test_bad_histories_are_refused():
    with pytest.raises(InputError, match="no column 'value'"):
        PriceHistory.from_signals(signals([("a", FIRST, 1.0, datetime(2025, 1, 1))]).drop("value"))
    with pytest.raises(InputError, match="known by 2024-12-31"):
        PriceHistory.from_signals(signals([("a", FIRST, 1.0, datetime(2025, 1, 1))]), as_of=date(2024, 12, 31))
    with pytest.raises(InputError, match="price of series 1 on 2025-01-02 is -1"):
        history([[1.0, 2.0], [1.0, -1.0]])
    with pytest.raises(InputError, match=r"series 1 .* has no price at all"):
        history([[1.0, 2.0], [np.nan, np.nan]])
    with pytest.raises(InputError, match="there is no price"):
        history(np.empty((0, 3)))
    with pytest.raises(InputError, match="shape"):
        history(np.ones((2, 3)), group=np.zeros(3))
    with pytest.raises(InputError, match="horizon is 0"):
        forecast_prices(history([1.0, 2.0]), 0)
    with pytest.raises(InputError, match="no method 'best'"):
        forecast_prices(history([1.0, 2.0]), 3, "best")


def test_the_levels_are_those_that_methods_are_judged_on():
    assert {round(q, 1) for q in DECILES} <= set(LEVELS)
    assert list(LEVELS) == sorted(LEVELS)
