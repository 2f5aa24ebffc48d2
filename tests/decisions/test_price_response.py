"""Responses to price: pooling against its exact oracle, and elasticities that were planted."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.stats import truncnorm

from windvane.decisions.response import learn
from windvane.decisions.response.pooling import below_zero, pool, spread
from windvane.errors import InputError
from windvane.freq import Freq
from windvane.futures import Known
from windvane.panel import Panel

pytestmark = pytest.mark.tiny


def test_pooling_is_the_posterior_of_the_whole_tree():
    rng = np.random.default_rng(1)
    kind = np.repeat(np.arange(8), 3)
    group = np.repeat(np.arange(2), 4)
    truth = -1.5 + rng.normal(0, 0.5, 2)[group][kind] + rng.normal(0, 0.4, 8)[kind] + rng.normal(0, 0.3, 24)
    variance = rng.uniform(0.05, 0.5, 24)
    variance[5] = np.inf
    value = truth + rng.normal(0, 1, 24) * np.sqrt(np.where(np.isinf(variance), 1, variance))
    mean, found, spreads = pool(value, variance, [kind, group], (-1.0, 4.0))
    # The same by one large normal distribution: covariance of all truths, conditioned on the estimates.
    same = [np.eye(24), kind[:, None] == kind[None, :], group[kind][:, None] == group[kind][None, :], np.ones((24, 24))]
    prior = sum(s * np.asarray(m, float) for s, m in zip([*spreads, 4.0], same, strict=True))
    seen = np.isfinite(variance)
    gain = prior[:, seen] @ np.linalg.inv(prior[np.ix_(seen, seen)] + np.diag(variance[seen]))
    np.testing.assert_allclose(mean, -1.0 + gain @ (value[seen] + 1.0), atol=1e-6)
    np.testing.assert_allclose(found, np.diag(prior - gain @ prior[seen]), atol=1e-6)
    assert len(spreads) == 3


def test_the_spread_is_found_and_is_nothing_where_noise_explains_all():
    rng = np.random.default_rng(2)
    group, variance = np.repeat(np.arange(40), 25), np.full(1000, 0.2)
    truth = rng.normal(0, 1, 40)[group] + rng.normal(0, 0.6, 1000)
    noise = rng.normal(0, np.sqrt(0.2), 1000)
    assert spread(truth + noise, variance, group) == pytest.approx(0.36, rel=0.2)
    assert spread(noise * 0.9, variance, group) == 0.0
    assert spread(np.array([1.0]), np.array([1.0]), np.array([0])) == 0.0


def test_below_zero_is_the_mean_of_a_cut_off_normal():
    mean, variance = np.array([-2.0, -0.1, 0.3, 3.0]), np.array([0.25, 0.25, 0.09, 0.04])
    error = np.sqrt(variance)
    expected = truncnorm.mean(-np.inf, -mean / error, loc=mean, scale=error)
    np.testing.assert_allclose(below_zero(mean, variance), expected, atol=1e-6)


def shop(seed: int, elasticity: np.ndarray, confounded: bool = False, days: int = 400, rate: float = 6.0) -> Panel:
    """Poisson sales with prices that step now and then; confounded: dearer when the season is high."""
    rng = np.random.default_rng(seed)
    series = len(elasticity)
    steps = np.exp(rng.choice([-0.2, -0.1, 0, 0.1], (series, days // 20 + 1)))
    price = 10 * np.repeat(steps, 20, axis=1)[:, :days]
    season = 0.8 * np.sin(2 * np.pi * np.arange(days) / 200 + rng.uniform(0, 6, series)[:, None])
    if confounded:
        price = price * np.exp(0.15 * season)
    week = 0.4 * np.sin(2 * np.pi * np.arange(days) / 7)
    mean = rate * np.exp(season + week) * (price / 10) ** elasticity[:, None]
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{k:03d}" for k in range(series)], "location": ["a"] * series}),
        sales=rng.poisson(mean).astype(np.float32),
        dates=pl.date_range(date(2024, 1, 1), date(2026, 12, 31), eager=True)[:days],
        freq=Freq("1d"),
        known={"price": Known(price.astype(np.float32))},
    )


@pytest.mark.parametrize("confounded", [False, True])
def test_planted_elasticities_are_found(confounded):
    truth = np.linspace(-3, -0.5, 40)
    panel = shop(1, truth, confounded)
    fit = learn(panel)
    found = fit.response
    assert np.abs(found.own - truth).mean() < 0.3
    assert abs((found.own - truth).mean()) < 0.12
    x, y = np.log(panel.known["price"].values), np.log1p(panel.sales)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    ols = (x * y).sum(axis=1) / (x**2).sum(axis=1)
    if confounded:
        assert np.abs(found.own - truth).mean() < 0.5 * np.abs(ols - truth).mean()
    low, high = found.interval(0.95)
    assert ((low < truth) & (truth < high)).mean() > 0.8
    assert fit.mean.sum() == pytest.approx(panel.sales.sum(), rel=0.01)


def test_days_out_of_stock_say_nothing():
    truth = np.full(30, -2.0)
    panel = shop(3, truth)
    cheap = panel.known["price"].values < 9
    empty = cheap & (np.random.default_rng(0).random(cheap.shape) < 0.5)
    sold = np.where(empty, 0, panel.sales)
    blind = learn(Panel(panel.keys, sold, panel.dates, panel.freq, panel.known)).response
    hidden = np.where(empty, np.nan, panel.sales)
    found = learn(Panel(panel.keys, hidden, panel.dates, panel.freq, panel.known)).response
    assert abs(found.own.mean() + 2) < 0.15
    assert abs(blind.own.mean() + 2) > 0.5


def test_a_price_that_never_varied_takes_the_elasticity_of_the_others():
    panel = shop(4, np.full(20, -1.8))
    price = panel.known["price"].values.copy()
    price[7] = 12.0
    found = learn(Panel(panel.keys, panel.sales, panel.dates, panel.freq, {"price": Known(price)})).response
    assert not found.varied[7]
    assert np.delete(found.varied, 7).all()
    assert found.own_error[7] >= np.delete(found.own_error, 7).max()
    assert found.own[7] == pytest.approx(np.delete(found.own, 7).mean(), abs=0.3)


def test_rivals_prices_are_told_from_the_own():
    rng = np.random.default_rng(5)
    series, days = 60, 400
    price = 10 * np.exp(np.repeat(rng.choice([-0.2, -0.1, 0, 0.1], (series, 20)), 20, axis=1))
    other = price.reshape(-1, 2, days)[:, ::-1].reshape(series, days)
    mean = 6 * (price / 10) ** -2.0 * (other / 10) ** 0.8
    panel = Panel(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(series)]}),
        sales=rng.poisson(mean).astype(np.float32),
        dates=pl.date_range(date(2024, 1, 1), date(2026, 12, 31), eager=True)[:days],
        freq=Freq("1d"),
        known={"price": Known(price.astype(np.float32))},
    )
    found = learn(panel, rivals=np.arange(series) // 2).response
    assert found.own.mean() == pytest.approx(-2.0, abs=0.15)
    assert found.cross.mean() == pytest.approx(0.8, abs=0.15)


def test_at_the_reference_price_nothing_changes_and_promotions_are_no_prices():
    panel = shop(6, np.full(12, -1.5))
    promoted = np.zeros(panel.shape, np.float32)
    promoted[:, 100:110] = 1
    promoted[::2, 300:306] = 1
    lifted = np.where(promoted > 0, panel.sales * 2, panel.sales)
    known = {**panel.known, "promotion": Known(promoted, text=True)}
    fit = learn(
        Panel(panel.keys, lifted, panel.dates, panel.freq, known, levels={"promotion": ("", "display")}),
        shared=np.full(12, -1),
    )
    answer = fit.response
    np.testing.assert_array_equal(answer.log_answer(answer.reference), 0)
    assert answer.effects["promotion=display"] == pytest.approx(np.log(2), abs=0.15)
    assert (answer.log_answer(answer.reference * 1.1) < 0).all()
    assert answer.frame().height == 12


def test_without_prices_there_is_an_error():
    panel = shop(7, np.full(3, -1.0))
    with pytest.raises(InputError, match="prices"):
        learn(Panel(panel.keys, panel.sales, panel.dates, panel.freq))
