"""Alignment: what it keeps, what it learns, and what it must not believe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_hierarchies import hierarchies, hierarchy_of, past_of, shop_hierarchy

from windvane.errors import ModelError
from windvane.models.coherence.align import Align, Alignment
from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.method import reconcile
from windvane.models.coherence.past import Past

pytestmark = pytest.mark.tiny


def flat(series: int = 6) -> Hierarchy:
    """A total and its series."""
    return hierarchy_of(np.zeros((series, 3), int), [()])


def world(tree: Hierarchy, origins: int, aggregate_noise: float, bottom_bias: float, seed: int = 1) -> Past:
    """Aggregates forecast with some noise, series with a bias shared by all at an origin."""
    rng = np.random.default_rng(seed)
    sales = rng.gamma(20, 1.0, (tree.series, origins, 7))
    bias = np.exp(rng.normal(0, bottom_bias, (1, origins, 1)))
    forecasts = tree.sums(20 * bias * np.ones_like(sales))
    above = tree.nodes - tree.series
    noise = np.exp(rng.normal(0, aggregate_noise, (above, origins, 1)))
    forecasts[:above] = tree.sums(sales)[:above] * noise
    return Past.of(tree, forecasts.astype(np.float32), sales.astype(np.float32))


def test_aggregates_that_were_right_are_believed():
    tree, past = flat(), world(flat(), 6, 0.0, 0.3)
    found = Align().fit(tree, past)
    np.testing.assert_allclose(found.weights, 1, atol=0.02)
    base = past.forecasts[:, 0]
    nodes = reconcile(tree, base, Align(), past)
    np.testing.assert_allclose(nodes[0], base[0], rtol=0.02)


def test_aggregates_that_were_wrong_are_not_believed():
    tree, past = flat(200), world(flat(200), 12, 1.0, 0.01)
    found = Align().fit(tree, past)
    assert found.weights[0, 0] < 0.05
    base = past.forecasts[:, 0]
    np.testing.assert_allclose(reconcile(tree, base, Align(), past)[0], base[1:].sum(0), rtol=0.1)


def test_a_level_and_the_steps_within_it_are_believed_apart():
    """The aggregate knows the level, not the days: its own days are noise."""
    tree = flat(50)
    rng = np.random.default_rng(4)
    origins = 8
    day = 1 + 0.5 * np.sin(np.arange(7))
    true = 10 * np.exp(rng.normal(0, 0.3, origins))[:, None] * day
    sales = rng.poisson(np.broadcast_to(true, (50, origins, 7))).astype(np.float32)
    forecasts = np.empty((51, origins, 7))
    forecasts[1:] = 10 * day
    forecasts[0] = sales.sum((0, 2))[:, None] / 7 * rng.permuted(np.tile(day / day.mean(), (origins, 1)), axis=1)
    found = Align().fit(tree, Past.of(tree, forecasts.astype(np.float32), sales))
    assert found.weights[0, 0] > 0.9
    assert found.weights[0, 1] < 0.2


@given(hierarchies(), st.integers(0, 2**32 - 1))
def test_zeros_stay_and_weights_are_shares(tree, seed):
    past = past_of(tree, 3, 4, seed=seed)
    rng = np.random.default_rng(seed)
    base = (rng.gamma(1, 2, (tree.nodes, 4)) * (rng.random((tree.nodes, 4)) < 0.6)).astype(np.float32)
    found = Align().fit(tree, past)
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    series = found.apply(tree, base)
    assert np.isfinite(series).all()
    assert (series >= 0).all()
    assert (series[base[tree.bottom] == 0] == 0).all()


def test_series_of_a_group_keep_their_proportions_step_by_step():
    """A promotion of one series at one step is still the same multiple of its neighbours there."""
    tree = hierarchy_of(np.array([[0, 0, 0]] * 3 + [[1, 0, 0]] * 3), [(), ("a",)])
    base = np.random.default_rng(1).gamma(2, 1, (tree.nodes, 7))
    base[tree.bottom.start + 1, 3] *= 5
    found = Alignment((("a",), ()), np.array([[0.7, 0.4], [0.5, 0.2]]), np.zeros((2, 2)))
    before, after = base[tree.bottom], found.apply(tree, base)
    for rows in (slice(0, 3), slice(3, 6)):
        np.testing.assert_allclose(after[rows] / after[rows].sum(0), before[rows] / before[rows].sum(0))
    assert not np.allclose(after, before)


def test_levels_follow_each_other_as_written_down():
    """Against a plain loop over all series; here the coarse levels are nested in one of the finer ones."""
    tree = shop_hierarchy()
    rng = np.random.default_rng(5)
    base = (rng.gamma(1, 2, (tree.nodes, 7)) * (rng.random((tree.nodes, 7)) < 0.8)).astype(np.float32)
    levels = [level.columns for level in sorted(tree.levels, key=lambda level: -level.count)]
    weights = rng.random((len(levels), 2)) * (rng.random((len(levels), 1)) < 0.8)
    assert weights.any(axis=1).sum() > 4
    series = base[tree.bottom].astype(float)
    for columns, weight in zip(levels, weights, strict=True):
        level = tree.level(columns)
        for group in range(level.count):
            rows, own = level.code == group, base[level.nodes][group].astype(float)
            now = series[rows].sum(0)
            if now.sum() > 0:
                whole = now * (own.sum() / now.sum() - 1)
                wanted = np.maximum(now + weight[0] * whole + weight[1] * (own - now - whole), 0)
                series[rows] *= np.where(now > 0, wanted / np.where(now > 0, now, 1), 1)
    got = Alignment(tuple(levels), weights, np.zeros_like(weights)).apply(tree, base)
    np.testing.assert_allclose(got, series, rtol=1e-10)


def test_full_belief_hits_the_forecasts_of_the_level_and_swept_it_is_proportional_fitting():
    tree = hierarchy_of(np.array([[i, j, 0] for i in range(2) for j in range(3)]), [("a",), ("b",)])
    rng = np.random.default_rng(2)
    seed, target = rng.gamma(2, 1, (6, 1)), rng.gamma(2, 1, (6, 1))
    base = tree.sums(target)
    base[tree.bottom] = seed
    sweep = Alignment((("b",), ("a",)), np.ones((2, 2)), np.zeros((2, 2)))
    once = sweep.apply(tree, base)
    np.testing.assert_allclose(tree.sums(once)[tree.level(("a",)).nodes], base[tree.level(("a",)).nodes])
    table = seed.reshape(2, 3).copy()
    for _ in range(200):
        table *= base[tree.level(("b",)).nodes][:, 0][None, :] / table.sum(0)[None, :]
        table *= base[tree.level(("a",)).nodes][:, 0][:, None] / table.sum(1)[:, None]
        base[tree.bottom] = sweep.apply(tree, base)
    np.testing.assert_allclose(base[tree.bottom][:, 0], table.ravel(), rtol=1e-8)


def test_the_weights_are_a_regression_shrunk_by_its_jackknife_error():
    """One level of one node: numpy's least squares on the two parts, once with all origins and once without each."""
    tree, past = flat(), world(flat(), 5, 0.1, 0.2, seed=9)
    own, actual = past.forecasts[0].astype(float), past.actuals[0].astype(float)
    sums = past.forecasts[1:].astype(float).sum(0)
    whole = sums * (own.sum(1) / sums.sum(1))[:, None] - sums
    parts = np.stack([whole, own - sums - whole], axis=-1)

    heavy = 1 / np.sqrt(np.sqrt(np.square(actual - sums).mean(1)))[:, None]

    def fitted(keep: list[int]) -> np.ndarray:
        left = (parts * heavy[:, :, None])[keep].reshape(-1, 2)
        return np.linalg.lstsq(left, ((actual - sums) * heavy)[keep].ravel(), rcond=None)[0]

    every = fitted(list(range(5)))
    without = np.array([fitted([o for o in range(5) if o != out]) for out in range(5)])
    error = np.sqrt(4 / 5 * np.square(without - without.mean(0)).sum(0))
    found = Align().fit(tree, past)
    np.testing.assert_allclose(found.errors[0], error, rtol=1e-5)
    np.testing.assert_allclose(found.weights[0], np.clip(every * (1 - error**2 / every**2), 0, 1), rtol=1e-4)


def test_nothing_is_learnt_where_nothing_was_forecast_or_everything_was_right():
    tree, past = flat(), world(flat(), 4, 0.1, 0.2)
    forecasts = past.forecasts.copy()
    forecasts[1:] = 0
    assert not Align().fit(tree, Past(forecasts, past.actuals)).weights.any()
    assert not Align().fit(tree, Past(past.actuals, past.actuals)).weights.any()
    coherent = tree.sums(past.forecasts[1:]).astype(np.float32)
    assert not Align().fit(tree, Past(coherent, past.actuals)).weights.any()


def test_an_origin_that_outweighs_the_others_beyond_rounding_is_no_obstacle():
    tree, past = flat(), world(flat(), 2, 0.1, 0.2)
    forecasts = past.forecasts.copy()
    sums = forecasts[1:].sum(0)
    forecasts[0, 0] = sums[0] * np.linspace(1e7, 3e7, 7)
    forecasts[0, 1] = sums[1]
    found = Align().fit(tree, Past(forecasts, past.actuals))
    assert not found.weights.any()
    assert np.isfinite(found.errors).all()


def test_one_origin_teaches_nothing():
    tree, past = flat(), world(flat(), 1, 0.0, 0.3)
    assert not Align().fit(tree, past).weights.any()
    with pytest.raises(ModelError, match="past forecasts"):
        Align().bottom(tree, past.forecasts[:, 0])


def test_only_the_levels_named_are_aligned_to():
    tree, past = shop_hierarchy(), past_of(shop_hierarchy(), 4, 7)
    found = Align((("region",), ())).fit(tree, past)
    assert found.levels == (("region",), ())
    assert Align((("region",), ())).name == "align_region_total"
