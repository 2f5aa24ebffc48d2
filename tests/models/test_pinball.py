"""Quantiles by boosted trees beside the table of past errors."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_panels import HORIZON, shop

from windvane.models import registry
from windvane.models.saving import load
from windvane.models.wrappers.calibrate import Calibrated
from windvane.models.wrappers.distribution import Distribution, Pairs
from windvane.models.wrappers.pinball import Boosts, chosen, tried

pytestmark = pytest.mark.tiny
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def made(steep, origins=12, series=120, horizon=10, seed=1) -> Pairs:
    """Pairs of which the spread does what is asked of it with the step: sales are normal round the expectation."""
    rng = np.random.default_rng(seed)
    shape = (origins, series, horizon)
    step = np.broadcast_to(np.arange(1, horizon + 1), shape).ravel()
    column = (np.arange(origins)[:, None, None] * 5 + np.arange(1, horizon + 1) + np.zeros(shape, int)).ravel()
    mean = np.broadcast_to(rng.uniform(20, 200, (1, series, 1)), shape).ravel()
    spread = np.where(step > horizon / 2, steep, 0.1)
    sales = np.maximum(mean * (1 + spread * rng.normal(size=step.shape)), 0)
    return Pairs(mean, sales, np.ones_like(mean), np.zeros(len(mean), bool), step, column)


def loss(data: Pairs, quantiles: np.ndarray) -> float:
    off = data.sales[:, None] - quantiles
    levels = np.asarray(LEVELS)
    return float(np.maximum(levels * off, (levels - 1) * off).mean())


def test_trees_are_taken_where_the_spread_jumps_and_lose_less():
    data, other = made(steep=0.6), made(steep=0.6, seed=2)
    rng = np.random.default_rng(3)
    plain = Distribution.learn(data, LEVELS, False, rng)
    mixed = tried(plain, data, False, rng)
    assert mixed.share == 1.0
    assert mixed.boosts is not None
    trees = mixed.boosts.read(other.mean, other.volatility, other.idle, other.step)
    assert loss(other, trees) < 0.95 * loss(other, plain.at(other))
    assert (np.diff(trees, axis=1) >= 0).all()
    inside = (other.sales >= trees[:, 0]) & (other.sales <= trees[:, -1])
    assert inside.mean() == pytest.approx(0.9, abs=0.02)


def test_the_table_stays_where_trees_bring_nothing():
    data, other = made(steep=0.1), made(steep=0.1, seed=2)
    rng = np.random.default_rng(3)
    plain = Distribution.learn(data, LEVELS, False, rng)
    mixed = tried(plain, data, False, rng)
    if mixed.boosts is not None:  # by chance; then they must not cost anything
        trees = mixed.boosts.read(other.mean, other.volatility, other.idle, other.step)
        assert loss(other, (1 - mixed.share) * plain.at(other) + mixed.share * trees) < 1.01 * loss(
            other, plain.at(other)
        )
    few = data.where(np.arange(len(data.mean)) < 2500)
    assert tried(plain, few, False, rng) is plain


def test_what_wins_by_chance_is_not_chosen():
    rng = np.random.default_rng(5)
    data = made(steep=0.1)
    table = np.full((len(data.mean), len(LEVELS)), 100.0)
    levels = np.asarray(LEVELS)
    assert chosen(data, table, table, levels) == 0
    good = data.mean[:, None] * (1 + 0.1 * np.array([-1.645, -0.674, 0, 0.674, 1.645]))
    assert chosen(data, table, good, levels) == 1.0
    assert chosen(data, good, table, levels) == 0
    noisy = good * (1 + 0.001 * rng.normal(size=good.shape))
    assert chosen(data, good, noisy, levels) == 0


def test_at_gives_what_quantiles_gives_for_whole_forecasts():
    data = made(steep=0.6)
    found = Distribution.learn(data, LEVELS, False, np.random.default_rng(3))
    assert found.growth > 0
    mean = data.mean[:100].reshape(10, 10)
    whole = found.quantiles(mean, np.ones(10), np.zeros(10, bool))
    step = np.tile(np.arange(1, 11), 10)
    single = found.at(Pairs(mean.ravel(), mean.ravel(), np.ones(100), np.zeros(100, bool), step, step))
    np.testing.assert_allclose(single.reshape(whole.shape), whole)


def test_a_saved_model_with_trees_forecasts_the_same(tmp_path):
    panel = shop(series=40, time=120)
    model = Calibrated(registry.point_model("structured"), LEVELS, pinball=True)
    fitted = model.fit(panel, HORIZON, np.random.default_rng(1))
    trees = Boosts.learn(made(steep=0.6, horizon=HORIZON), LEVELS, True, np.random.default_rng(1))
    fitted = replace(fitted, distribution=replace(fitted.distribution, boosts=trees, share=0.5))
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model")
    before, after = fitted.predict(panel), again.predict(panel)
    np.testing.assert_array_equal(after.quantiles, before.quantiles)
