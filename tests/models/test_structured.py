"""The structured baseline: effects of days, responses, levels."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from windvane.freq import Freq
from windvane.models.registry import point_model
from windvane.models.structured import design, profile
from windvane.models.structured.model import Structured
from windvane.panel import NEVER, Known, Panel

pytestmark = pytest.mark.tiny
HORIZON = 14
RNG = np.random.default_rng(3)


def made(series=80, time=280, seed=1, rate=3.0, lift=2.5, festive=1.8):
    """A shop of two locations with a weekday pattern, a festival on some days and promotions per series."""
    rng = np.random.default_rng(seed)
    week = np.array([[0.6, 0.7, 0.9, 1.0, 1.1, 1.6, 1.1], [1.2, 1.1, 1.0, 1.0, 0.9, 0.8, 1.0]])
    days = np.arange(time + HORIZON)
    place = np.arange(series) % 2
    holiday = np.zeros(time + HORIZON, np.float32)
    holiday[30::50] = 1
    promoted = (rng.uniform(size=(series, time + HORIZON)) < 0.06).astype(np.float32)
    promoted[:, time:] = 0
    level = rate * np.exp(rng.normal(0, 0.6, series))[:, None]
    mean = level * week[place][:, days % 7] * festive ** holiday[None, :] * lift**promoted
    sales = rng.poisson(mean).astype(np.float32)
    first = date(2024, 1, 1)  # a Monday
    known = {
        "holiday": Known(np.broadcast_to(holiday, sales.shape)),
        "promo": Known(promoted),
    }
    panel = Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(series)], "location": [f"p{k}" for k in place]}),
        sales=np.ascontiguousarray(sales[:, :time]),
        dates=pl.Series([first + timedelta(days=int(d)) for d in range(time)]),
        freq=Freq("1d"),
        known=known,
        levels={"holiday": ("", "festival")},
    )
    return panel, mean


def after(panel, model=None):
    model = model or Structured().fit(panel, HORIZON, RNG)
    return model, model.means(panel, np.array([panel.shape[1] - 1]), HORIZON)[:, 0]


def test_effects_responses_and_levels_are_recovered():
    panel, mean = made()
    model, got = after(panel)
    truth = mean[:, panel.shape[1] :]
    assert np.abs(got.sum(axis=0) / truth.sum(axis=0) - 1).max() < 0.12
    assert np.median(np.abs(got / truth - 1)) < 0.12
    names = [column.name for column in model.columns]
    festive = model.coefficients[:, names.index("holiday=festival")]
    assert np.exp(festive) == pytest.approx(1.8, rel=0.12)
    assert model.response.names == ("promo",)
    assert np.exp(model.response.table[0, 0] / model.response.unit[0]) == pytest.approx(2.5, rel=0.1)


def test_the_pattern_of_the_week_is_each_locations_own():
    panel, _ = made()
    model, _ = after(panel)
    group = model.table.values[:, 2].astype(int)
    place = panel.keys["location"].to_numpy()
    assert len(set(group[place == "p0"])) == len(set(group[place == "p1"])) == 1
    names = [column.name for column in model.columns]
    saturday = np.exp(model.coefficients[:, names.index("weekday=5")] - model.coefficients[:, names.index("weekday=3")])
    assert saturday[group[place == "p0"][0]] == pytest.approx(1.6, rel=0.1)
    assert saturday[group[place == "p1"][0]] == pytest.approx(0.8, rel=0.1)


def test_a_promotion_at_one_step_moves_that_step_alone():
    panel, _ = made()
    model, base = after(panel)
    promo = panel.known["promo"].values.copy()
    promo[:, panel.shape[1] + 8] = 1
    planned = replace(panel, known={**panel.known, "promo": Known(promo)})
    _, got = after(planned, model)
    ratio = got.sum(axis=0) / base.sum(axis=0)
    assert 2.0 < ratio[8] < 3.0
    assert np.delete(ratio, 8) == pytest.approx(1)


def test_a_plan_counts_from_the_day_it_was_made_known():
    panel, _ = made()
    time, model = panel.shape[1], after(panel)[0]
    promo, since = panel.known["promo"].values.copy(), np.full(panel.known["promo"].values.shape, -1, np.int32)
    promo[:, time - 3] = 1
    since[:, time - 3] = time - 6
    planned = replace(panel, known={**panel.known, "promo": Known(promo, since, "unknown")})
    unplanned = replace(panel, known={**panel.known, "promo": Known(promo, np.where(since > 0, NEVER, -1), "unknown")})
    got = model.means(planned, np.array([time - 8, time - 5]), HORIZON)
    bare = model.means(unplanned, np.array([time - 8, time - 5]), HORIZON)
    assert np.array_equal(got[:, 0], bare[:, 0]), "nobody knew of it three days earlier"
    lift = got[:, 1].sum(axis=0) / bare[:, 1].sum(axis=0)
    assert 2.0 < lift[1] < 3.0
    assert np.delete(lift, 1) == pytest.approx(1, abs=0.01)


def test_a_shared_plan_counts_from_the_day_it_was_made_known():
    panel, _ = made()
    time, model = panel.shape[1], after(panel)[0]
    holiday = panel.known["holiday"].values.copy()
    holiday[:, time + 1] = 1
    since = np.full(holiday.shape, -1, np.int32)
    since[:, time + 1] = time - 5

    def at(origin, moment):
        known = Known(holiday, np.where(since >= 0, moment, -1).astype(np.int32), "unknown")
        return model.means(replace(panel, known={**panel.known, "holiday": known}), np.array([origin]), HORIZON)[:, 0]

    assert np.array_equal(at(time - 7, time - 5), at(time - 7, NEVER))
    lift = at(time - 5, time - 5).sum(axis=0) / at(time - 5, NEVER).sum(axis=0)
    assert lift[5] == pytest.approx(1.8, rel=0.15)
    assert np.delete(lift, [4, 5, 6]) == pytest.approx(1)


def test_rows_are_the_means_of_their_origins():
    panel, _ = made(series=24)
    model, _ = after(panel)
    origins = np.array([40, 41, 150, panel.shape[1] - 1])
    whole = model.means(panel, origins, HORIZON)
    series, at, step = (a.reshape(-1) for a in np.meshgrid(np.arange(24), np.arange(4), [1, 5, 14], indexing="ij"))
    got = model.rows(panel, series.astype(np.int32), origins[at].astype(np.int32), step.astype(np.int32))
    assert got == pytest.approx(whole[series, at, step - 1], rel=1e-5)


def test_the_level_is_the_weighted_sales_per_weighted_effect():
    panel, _ = made(series=20)
    model, got = after(panel)
    time = panel.shape[1]
    x, _ = design.matrix(model.columns, panel, 0, time + HORIZON)
    effect = profile.effects(x, model.coefficients[int(model.table.values[0, 2])])
    promo = panel.known["promo"].values[0] / model.response.unit[0]
    effect = effect * np.exp(promo * model.response.table[0, 0] * model.response.leans.of(panel)[0, 0])
    keep, firm, _ = model.table.values[0]
    sold = due = 0.0
    own = np.zeros((2, 7))
    for t in range(time):
        y = float(panel.sales[0, t])
        if due > 3:
            own[:, t % 7] = 0.96 * own[:, t % 7] + (y, sold / due * effect[t])
        sold, due = keep * sold + y, keep * due + effect[t]
    for h in range(HORIZON):
        k = (time + h) % 7
        factor = 1.0 if np.isinf(firm) else (own[0, k] + firm) / (own[1, k] + firm)
        assert got[0, h] == pytest.approx(sold / due * effect[time + h] * factor, rel=1e-4)


def test_the_ridge_step_is_that_of_linear_algebra():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 7)) * (rng.uniform(size=(60, 7)) < 0.4)
    weight, target, penalty, off = (
        rng.uniform(0.5, 2, 60),
        rng.normal(size=60),
        rng.uniform(1, 3, 7),
        rng.normal(size=7),
    )
    inside = x.T @ (weight[:, None] * x) + np.diag(penalty)
    exact = np.linalg.solve(inside, x.T @ (weight * target) - penalty * off)
    assert profile.ridge(x, weight, target, penalty, off) == pytest.approx(exact)


def test_unknown_days_and_young_series_take_nothing_from_what_is_not_there():
    panel, mean = made()
    sales = panel.sales.copy()
    sales[::3, 100:160] = np.nan
    sales[1::9, :250] = np.nan
    gappy = replace(panel, sales=sales, state=np.empty((0, 0), np.int8))
    _, got = after(gappy)
    truth = mean[:, panel.shape[1] :]
    assert np.isfinite(got).all()
    assert got[::3].sum() / truth[::3].sum() == pytest.approx(1, abs=0.1)
    assert got[1::9].sum() / truth[1::9].sum() == pytest.approx(1, abs=0.2)


def run_up(occasions, seed=1, time=420, lift=(1.3, 1.8, 2.6, 0.05, 0.5, 0.7)):
    """Series whose demand rises for three days before a festival that closes the shop, and dips for two days after."""
    rng = np.random.default_rng(seed)
    holiday, mean = np.zeros(time + HORIZON, np.float32), np.full((60, time + HORIZON), 4.0)
    for day in occasions:
        holiday[day] = 1
        mean[:, day - 3 : day + 3] *= lift
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(60)]}),
        sales=rng.poisson(mean[:, :time]).astype(np.float32),
        dates=pl.Series([date(2024, 1, 1) + timedelta(days=int(d)) for d in range(time)]),
        freq=Freq("1d"),
        known={"holiday": Known(np.broadcast_to(holiday, mean.shape))},
        levels={"holiday": ("", "festival")},
    ), mean


def test_a_festival_that_came_twice_alike_is_expected_with_the_days_round_it():
    panel, mean = run_up((100, 290, 425))
    model, got = after(panel)
    ratio = got.sum(axis=0) / mean[:, 420:].sum(axis=0)
    assert np.abs(ratio[[2, 3, 4, 6, 7]] - 1).max() < 0.15, ratio
    assert got[:, 5].sum() < 0.2 * mean[:, 420].sum(), "closed"
    assert {"holiday=festival, 2 days before", "holiday=festival, 2 days after"} <= {c.name for c in model.columns}


def test_a_festival_that_came_once_or_without_effect_has_no_reach():
    once, _ = run_up((290, 425))
    idle, _ = run_up((100, 290, 425), lift=(1, 1, 1, 1, 1, 1))
    for panel in (once, idle):
        model, _ = after(panel)
        assert not any("2 days" in column.name for column in model.columns)


@pytest.mark.parametrize("name", ["planned_tsb", "planned_seasonal_es", "planned_chained", "boosted"])
def test_models_on_the_baseline_expect_a_festival_that_came_twice(name):
    panel, mean = run_up((100, 290, 425))
    _, got = after(panel, point_model(name).fit(panel, HORIZON, np.random.default_rng(1)))
    ratio = got.sum(axis=0) / mean[:, 420:].sum(axis=0)
    assert np.abs(ratio - 1)[[2, 3, 4, 6]].max() < 0.35, ratio
    assert got[:, 5].sum() < 0.3 * mean[:, 420].sum(), "closed"


def on_and_off(runs, seed=1, series=60, steady=200):
    """Series of so many days at so much a day each, and behind them some that sell 4 a day."""
    rate = np.concatenate([np.full(days, mean) for days, mean in runs])
    rates = np.concatenate([rate[None, :].repeat(series, axis=0), np.full((steady, len(rate)), 4.0)])
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(series + steady)]}),
        sales=np.random.default_rng(seed).poisson(rates).astype(np.float32),
        dates=pl.Series([date(2024, 1, 1) + timedelta(days=d) for d in range(len(rate))]),
        freq=Freq("1d"),
    )


def test_what_is_back_on_offer_sells_as_before_the_gap_and_not_as_the_mean_of_both():
    _, back = after(on_and_off([(100, 4.0), (150, 0.0), (5, 4.0)]))
    assert back[:60].mean() == pytest.approx(4, rel=0.15)
    _, gone = after(on_and_off([(100, 4.0), (155, 0.0)]))
    assert gone[:60].mean() < 0.4
    _, one_day = after(on_and_off([(100, 4.0), (154, 0.0), (1, 4.0)]))
    assert one_day[:60].mean() < 1.7, "one day's sales may be a return or a slip"


def test_a_shop_that_was_shut_for_months_sells_again():
    _, got = after(on_and_off([(100, 4.0), (150, 0.0), (20, 4.0)], steady=0))
    assert got.mean() == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.3])
def test_gaps_of_what_sells_seldom_count(rate):
    _, got = after(on_and_off([(400, rate)], series=600))
    assert got[:600].mean() == pytest.approx(rate, rel=0.1)


def weeks(season, time=150, seed=1):
    """Weekly series whose demand follows so many logarithms above the mean."""
    mean = 6 * np.exp(np.resize(season, time + HORIZON))
    sales = np.random.default_rng(seed).poisson(mean[None, :time].repeat(40, axis=0)).astype(np.float32)
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(40)]}),
        sales=sales,
        dates=pl.Series([date(2023, 1, 2) + timedelta(weeks=w) for w in range(time)]),
        freq=Freq("1w"),
    ), mean[time:]


def test_a_season_is_believed_as_far_as_two_years_agree():
    wave = 0.5 * np.sin(2 * np.pi * np.arange(52) / 52)
    model, got = after(weeks(wave)[0])
    ratio = got.mean(axis=0) / weeks(wave)[1]
    assert np.abs(ratio - 1).max() < 0.2, ratio
    once = np.concatenate([0.8 * np.sin(2 * np.pi * np.arange(52) / 52).clip(0), np.zeros(112)])
    for panel in (weeks(np.zeros(52))[0], weeks(once)[0]):
        columns = after(panel)[0].columns
        assert not any(column.source == "year" for column in columns)
    assert any(column.source == "year" for column in model.columns)


def days_of_years(season, time=760, seed=1):
    """Daily series whose demand follows a season, a function of the day of the year, from the first of January on."""
    at = np.arange(time + HORIZON)
    mean = 3 * np.exp(season(at % 365))
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(40)]}),
        sales=np.random.default_rng(seed).poisson(mean[None, :time].repeat(40, axis=0)).astype(np.float32),
        dates=pl.Series([date(2022, 1, 1) + timedelta(days=d) for d in range(time)]),
        freq=Freq("1d"),
    ), mean[time:]


@pytest.mark.parametrize(
    "season", [lambda day: 0.4 * np.sin(2 * np.pi * day / 365), lambda day: 0.5 * ((day >= 33) & (day < 47))]
)
def test_days_follow_the_season_of_the_years_before(season):
    panel, truth = days_of_years(season)
    model, got = after(panel)
    assert {"year", "year week"} & {column.source for column in model.columns}
    off = got.mean(axis=0) / truth - 1
    level = panel.sales[:, -60:].mean() / truth - 1
    assert np.sqrt(np.square(off).mean()) < 0.6 * np.sqrt(np.square(level).mean()), off


def test_days_without_a_season_are_given_none():
    once = lambda day: 0.0 * day  # noqa: E731
    assert not {"year", "year week"} & {column.source for column in after(days_of_years(once)[0])[0].columns}
    panel, _ = days_of_years(once, time=600)
    assert not {"year", "year week"} & {column.source for column in after(panel)[0].columns}


def test_the_days_of_an_event_are_counted():
    there = design.occasions(np.array([1, 1, 0, 2, 1, 1, 1], np.float32), 1)
    assert there.number.tolist() == [1, 2, 0, 0, 1, 2, 3]
    assert np.flatnonzero(there.first).tolist() == [0, 4]
    assert np.flatnonzero(there.last).tolist() == [1, 6]


def test_equal_rows_follow_one_pattern():
    rows = np.random.default_rng(0).normal(size=(3, 431)).astype(np.float32)
    rows[1, 7] = np.nan
    which = np.random.default_rng(1).integers(0, 3, 500)
    got = design.patterns(rows[which])
    assert len(np.unique(got)) == 3
    assert len(np.unique(got + 3 * which)) == 3
