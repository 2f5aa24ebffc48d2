"""The peers and the true play of the benchmark on prices, where the answer is known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

import market_prices
from windvane.decisions.pricing import Guard, Planned, PriceHistory, Rules
from windvane.decisions.pricing.repricing import Keep

pytestmark = pytest.mark.tiny


def history(price) -> PriceHistory:
    dates = pl.Series("date", [date(2025, 1, 1) + timedelta(k) for k in range(price.shape[1])])
    return PriceHistory.from_array(price, dates)


def test_peers_stand_where_prices_stand_and_know_their_own_changes():
    flat = history(np.full((2, 60), 5.0))
    for peer in (market_prices.own_changes, market_prices.random_walk, market_prices.seasonal):
        np.testing.assert_allclose(peer(flat, 14), 5.0, rtol=1e-6)
    rng = np.random.default_rng(1)
    walk = history(np.exp(np.cumsum(rng.normal(0, 0.02, (5, 2000)), axis=1)))
    for peer in (market_prices.own_changes, market_prices.random_walk):
        log = np.log(peer(walk, 4)[:, 3])
        np.testing.assert_allclose(log[:, 9] - log[:, 1], 2 * 1.2816 * 0.02 * 2, rtol=0.15)


def test_seasonal_naive_repeats_the_week():
    week = np.tile(np.array([1.0, 2, 3, 4, 5, 6, 7]), 20)[None, :]
    told = market_prices.seasonal(history(week), 10)
    np.testing.assert_allclose(told[0, :, 5], [1, 2, 3, 4, 5, 6, 7, 1, 2, 3], rtol=1e-6)


def test_a_score_is_the_quantile_loss_over_the_price():
    score = market_prices.Score(np.zeros(1), np.zeros(1), 0.0, np.zeros(2), each=[])
    told = np.full((1, 2, 11), 4.0)
    came = np.array([[5.0, np.nan]])
    market_prices.add(score, np.array([0]), told, came, ~np.isnan(came), 0.5)
    assert score.loss[0] == pytest.approx(2 * np.mean(np.arange(1, 10) / 10))
    assert (score.size[0], score.missed, score.cells, score.inside.tolist()) == (5.0, 1.0, 1, [0.0, 0.0])


def test_what_is_really_played_answers_to_prices_as_the_world_does():
    """Without limits of stock, the money of a flat change follows from constant elasticity in closed form."""
    known = market_prices.shop(1, -2.0, False, 8)
    known.scene.stock[:] = 1e9
    guard = Guard(Rules(change=np.inf), gap=1)
    keep, cut = (
        market_prices.really(known, rule, guard, 400) for rule in (Keep(), Planned(known.scene.today.round(2) * 1.1))
    )
    units = market_prices.expected(known.world)[known.row, 0, market_prices.PAST :][:, : market_prices.AHEAD]
    plan, cost = known.scene.plan, known.scene.cost[:, None]
    own = known.world.made.elasticity[known.row][:, None]
    assert keep == pytest.approx((units * (plan - cost)).sum(), rel=0.05)
    assert cut / keep == pytest.approx(
        (units * 1.1**own * (1.1 * plan - cost)).sum() / (units * (plan - cost)).sum(), rel=0.05
    )
