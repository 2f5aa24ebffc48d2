"""How a simulated shop's demand answers to prices, to the product beside and to promotions that have passed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from windvane.sim import Settings, simulate
from windvane.sim.counterfactual import World, expected
from windvane.sim.response import SHAPES, log_response

pytestmark = pytest.mark.tiny
SETTINGS = Settings(products=24, days=200, promotions=8.0, launches=0.0, ends=0.0)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_shapes_agree_at_the_first_price_in_value_and_elasticity(shape):
    e, step = np.array([-0.5, -1.8, -3.0]), 1e-5
    np.testing.assert_allclose(log_response(e, np.full(3, shape), np.ones(3)), 0, atol=1e-12)
    up, down = (log_response(e, np.full(3, shape), np.full(3, 1 + sign * step)) for sign in (1, -1))
    np.testing.assert_allclose((up - down) / (2 * step), e, rtol=1e-4)


def test_dearer_sells_less_in_every_shape():
    ratio = np.linspace(0.6, 1.5, 40)
    for shape in range(len(SHAPES)):
        answers = log_response(np.full(40, -1.5), np.full(40, shape), ratio)
        assert (np.diff(answers) <= 0).all()
        assert answers[-1] < answers[0] - 0.5


def test_a_price_moves_the_product_and_its_neighbour_and_nobody_else():
    world = World.of(replace(SETTINGS, rivals=0.5), 5)
    before, price = expected(world), world.planned.paid.copy()
    price[4] *= 1.2
    ratio = expected(world, price).sum(axis=(1, 2)) / before.sum(axis=(1, 2))
    own, rival = world.made.elasticity[4], world.made.rival[5]
    assert ratio[4] == pytest.approx(1.2**own, rel=1e-9)
    assert ratio[5] == pytest.approx(1.2 ** (-rival * own), rel=1e-9)
    np.testing.assert_allclose(np.delete(ratio, [4, 5]), 1, rtol=1e-12)


def test_both_substitutes_and_complements_occur_and_are_mutual():
    rival = World.of(replace(SETTINGS, products=200, rivals=0.5), 5).made.rival
    assert (rival > 0).mean() > 0.5
    assert (rival < 0).mean() > 0.1
    np.testing.assert_array_equal(rival[::2], rival[1::2])


def test_without_pull_forward_and_neighbours_only_days_of_promotions_differ():
    world = World.of(SETTINGS, 3)
    lift = expected(world)[:, 0] / expected(world, promotions=False)[:, 0]
    promoted = np.zeros(lift.shape, bool)
    for p in world.planned.promotions.iter_rows(named=True):
        promoted[p["row"], p["start"] : p["stop"] + 1] = True
    assert (lift[promoted] > 0.999).all()
    assert lift[promoted].mean() > 1.15
    np.testing.assert_allclose(lift[~promoted], 1, rtol=1e-12)


def test_what_is_pulled_forward_is_missing_after_and_less_than_was_won():
    share = 0.4
    plain, pulled = (World.of(replace(SETTINGS, pull_forward=s), 3) for s in (0.0, share))
    ratio = expected(pulled)[:, 0] / expected(plain)[:, 0]
    assert (ratio <= 1 + 1e-12).all()
    first = plain.planned.promotions.sort("start").row(0, named=True)
    row, stop = first["row"], first["stop"]
    np.testing.assert_allclose(ratio[row, : stop + 1], 1, rtol=1e-12)
    extra = (first["price_effect"] * first["feature_effect"] - 1) * (stop - first["start"] + 1)
    missing = (1 - ratio[row, stop + 1 : stop + 15]).sum()
    if extra > 0 and (ratio[row, stop + 1] > 0.21):
        assert missing == pytest.approx(share * extra, rel=1e-9)


def test_prices_follow_the_season_only_if_asked_to():
    steady, follows = (World.of(replace(SETTINGS, follows=f, promotions=0.0, seasonal=1.0), 2) for f in (0.0, 0.4))
    season = steady.shared.log_season(steady.made.category, steady.made.season_peak)
    moved = np.log(follows.planned.regular / steady.planned.regular)
    np.testing.assert_allclose(np.abs(moved).max(), 0.2, atol=0.01)
    assert np.corrcoef(np.clip(season, -0.5, 0.5).ravel(), moved.ravel())[0, 1] > 0.8


def test_the_shop_does_not_depend_on_how_it_is_cut():
    settings = replace(SETTINGS, rivals=0.5, pull_forward=0.3, shapes=0.5, follows=0.2)
    whole, cut = simulate(settings, 4), replace(simulate(settings, 4), part=5)
    assert whole.truth.demand.sort("sku", "date").equals(cut.truth.demand.sort("sku", "date"))
    assert whole.truth.products["elasticity"].equals(cut.truth.products["elasticity"])
