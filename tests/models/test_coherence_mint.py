"""MinT against dense algebra, and non-negative MinT against its optimality conditions and another solver."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_hierarchies import hierarchies, hierarchy_of, past_of, shop_hierarchy, summing_matrix
from scipy.optimize import nnls

from windvane.errors import ModelError
from windvane.models.coherence import mint
from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.method import reconcile
from windvane.models.coherence.mint import MinT, Normal, solve
from windvane.models.coherence.past import Past, shrunk_covariance, variances

pytestmark = pytest.mark.tiny
WEIGHTS = ("structural", "variance", "shrunk")


def dense(tree: Hierarchy, weights: str, past: Past) -> np.ndarray:
    """W as a matrix."""
    if weights == "structural":
        return np.diag(summing_matrix(tree).sum(1))
    if weights == "variance":
        return np.diag(variances(tree, past))
    found = shrunk_covariance(tree, past)
    return np.diag(found.own) + found.shared @ found.shared.T


def rough(tree: Hierarchy, seed: int, columns: int = 4) -> np.ndarray:
    """Base forecasts far from adding up, so that the unbounded solution is negative here and there."""
    rng = np.random.default_rng(seed)
    series = rng.gamma(0.7, 2.0, (tree.series, columns)) * (rng.random((tree.series, columns)) < 0.7)
    shift = rng.normal(0, 2.0, (tree.nodes, columns)) * np.sqrt(tree.sizes)[:, None]
    return np.maximum(tree.sums(series) + shift, 0).astype(np.float32)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_without_the_bound_it_is_the_dense_formula(weights):
    tree, matrix = shop_hierarchy(), summing_matrix(shop_hierarchy())
    past, base = past_of(tree, 4, 5), rough(shop_hierarchy(), 1)
    inverse = np.linalg.inv(dense(tree, weights, past))
    want = np.linalg.solve(matrix.T @ inverse @ matrix, matrix.T @ inverse @ base)
    assert (want < 0).any()
    got = MinT(weights, non_negative=False).bottom(tree, base, past)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_other_form_of_mint_agrees(weights):
    """Wickramasuriya et al. 2019, equation for P with J, U and C: aggregates' discrepancies, weighed and handed out."""
    tree, matrix = shop_hierarchy(), summing_matrix(shop_hierarchy())
    past, base = past_of(tree, 4, 5), rough(shop_hierarchy(), 2)
    w = dense(tree, weights, past)
    above = tree.nodes - tree.series
    constraint = np.concatenate([np.eye(above), -matrix[:above]], axis=1)
    gain = w @ constraint.T @ np.linalg.inv(constraint @ w @ constraint.T)
    want = (base - gain @ (constraint @ base))[above:]
    got = MinT(weights, non_negative=False).bottom(tree, base, past)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@given(hierarchies(), st.sampled_from(WEIGHTS), st.integers(0, 2**32 - 1))
def test_the_bounded_solution_meets_the_optimality_conditions(tree, weights, seed):
    """Karush, Kuhn, Tucker: b >= 0, gradient >= 0, and their product 0; sufficient, as the loss is convex."""
    matrix, past, base = summing_matrix(tree), past_of(tree, 3, 4, seed=seed), rough(tree, seed)
    inverse = np.linalg.inv(dense(tree, weights, past))
    normal = matrix.T @ inverse @ matrix
    got = MinT(weights).bottom(tree, base, past).astype(np.float64)
    assert (got >= 0).all()
    # A step of Newton along each variable alone, in units of demand: what is left to gain.
    step = (normal @ got - matrix.T @ inverse @ base) / np.diag(normal)[:, None]
    unit = 1e-5 * max(float(base.max()), 1.0)
    assert (step > -unit).all()
    assert (np.abs(step[got > unit]) < unit).all()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_bounded_solution_is_that_of_lawson_and_hanson(weights):
    tree, matrix = shop_hierarchy(), summing_matrix(shop_hierarchy())
    past, base = past_of(tree, 4, 5), rough(shop_hierarchy(), 5, columns=6)
    half = np.linalg.cholesky(np.linalg.inv(dense(tree, weights, past))).T
    want = np.stack([nnls(half @ matrix, half @ base[:, k])[0] for k in range(base.shape[1])], axis=1)
    assert (want == 0).any()
    got = MinT(weights).bottom(tree, base, past)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_exchanging_one_variable_at_a_time_ends_at_the_same_solution(monkeypatch):
    tree = shop_hierarchy()
    base = rough(tree, 8)
    want = MinT("structural").bottom(tree, base)
    monkeypatch.setattr(mint, "_PATIENCE", -1)
    np.testing.assert_allclose(MinT("structural").bottom(tree, base), want, atol=1e-5)


def test_columns_do_not_touch_each_other():
    tree = shop_hierarchy()
    past, base = past_of(tree, 4, 5), rough(tree, 9, columns=9)
    together = MinT("variance").bottom(tree, base, past)
    for column in range(9):
        alone = MinT("variance").bottom(tree, base[:, column : column + 1], past)
        np.testing.assert_allclose(together[:, column], alone[:, 0], atol=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_forecasts_that_add_up_are_left_as_they_are(weights):
    tree = shop_hierarchy()
    series = np.random.default_rng(4).gamma(1, 2, (tree.series, 3))
    got = reconcile(tree, tree.sums(series), MinT(weights), past_of(tree, 4, 5))
    np.testing.assert_allclose(got, tree.sums(series), rtol=1e-5, atol=1e-6)


def test_a_series_that_never_sold_and_never_erred_stays_at_zero():
    tree = shop_hierarchy()
    past, base = past_of(tree, 4, 5), rough(tree, 6)
    idle = tree.bottom.start + 7
    past.forecasts[idle] = past.actuals[idle] = base[idle] = 0
    assert MinT("variance").bottom(tree, base, past)[7].max() < 1e-4


def test_nothing_forecast_is_nothing_reconciled():
    tree = shop_hierarchy()
    assert not MinT("structural").bottom(tree, np.zeros((tree.nodes, 2))).any()


def test_what_does_not_converge_is_an_error(monkeypatch):
    tree = shop_hierarchy()
    normal, base = Normal(tree, tree.sizes), rough(tree, 8)
    monkeypatch.setattr(mint, "_PIVOTS", 1)
    with pytest.raises(ModelError, match="did not end"):
        solve(normal, base)
    monkeypatch.setattr(mint, "_ITERATIONS", 1)
    with pytest.raises(ModelError, match="did not converge"):
        solve(normal, base)


def test_variances_are_mean_squared_errors_with_a_floor():
    tree = hierarchy_of(np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0]]), [("a",)])
    forecasts = np.zeros((5, 1, 2), np.float32)
    actuals = np.array([[[3, 1]], [[2, np.nan]], [[4, 2]], [[0, 0]], [[np.nan, np.nan]]], np.float32)
    got = variances(tree, Past(forecasts, actuals))
    assert got[:3].tolist() == [5, 4, 10]
    assert 0 < got[3] < 1e-4
    assert got[4] == 5
    sure = variances(tree, Past(forecasts, np.concatenate([0 * actuals[:2], actuals[2:]])))
    assert sure[:2].tolist() == pytest.approx([0.01, 0.005], rel=1e-3)


@pytest.mark.parametrize(("origins", "horizon"), [(12, 1), (4, 3)])
def test_the_shrinkage_is_that_of_schaefer_and_strimmer(origins, horizon):
    """Their estimator pair by pair: variance of each correlation over the sum of squared correlations."""
    tree = shop_hierarchy()
    past = past_of(tree, origins, horizon)
    errors = past.errors()
    unit = errors / np.sqrt(np.square(errors).mean((1, 2)))[:, None, None]
    spread = square = 0.0
    for i in range(tree.nodes):
        for j in range(tree.nodes):
            if i != j:
                product = (unit[i] * unit[j]).mean(1)
                spread += np.square(product - product.mean()).sum() / (origins * (origins - 1))
                square += product.mean() ** 2
    got = shrunk_covariance(tree, past)
    assert 0.02 < got.shrinkage < 1
    assert got.shrinkage == pytest.approx(spread / square, rel=1e-9)
    flat = errors.reshape(tree.nodes, -1)
    raw = flat @ flat.T / flat.shape[1]
    want = got.shrinkage * np.diag(np.diag(raw)) + (1 - got.shrinkage) * raw
    np.testing.assert_allclose(np.diag(got.own) + got.shared @ got.shared.T, want, rtol=1e-9)


def test_one_origin_says_nothing_of_correlations():
    tree = shop_hierarchy()
    found = shrunk_covariance(tree, past_of(tree, 1, 4))
    assert found.shrinkage == 1
    assert not found.shared.any()
