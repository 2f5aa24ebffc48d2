"""Caps judged by the past alone."""

import numpy as np
import pytest

from windvane.clean.outliers import allowances, caps

pytestmark = pytest.mark.tiny


def slow_cap(past, x, factor):
    """The rule as its docstring states it, in plain numpy; None = leave alone."""

    def robust(values):
        level = np.median(values)
        return level, 1.4826 * np.median(np.abs(values - level))

    def limit(values):
        level, spread = robust(values)
        return level + factor * max(spread, np.sqrt(level), level / 4)

    sold = past[past > 0]
    if x <= 1 or not len(sold):
        return None
    limits = [limit(past), limit(sold), past.max()]
    if len(sold) >= 8:
        level, spread = robust(np.log(sold))
        limits.append(np.exp(level + factor / 2 * spread))
    return max(limits) if x > max(limits) else None


def demand(rng):
    sales = rng.poisson(rng.choice([0.05, 0.5, 5, 40], size=(24, 1)), size=(24, 150)).astype(np.float32)
    sales[rng.uniform(size=sales.shape) < 0.02] *= 30
    sales[:4] *= rng.lognormal(0, 1.2, (4, 150)).astype(np.float32)
    return sales


def test_caps_follow_the_stated_rule():
    sales = demand(np.random.default_rng(3))
    launch = np.arange(24, dtype=np.int32)
    spared = np.zeros(sales.shape, bool)
    spared[:, 100:110] = True
    found = caps(sales, launch, spared, 40, 8.0)
    expected = np.full(sales.shape, np.nan)
    for s in range(24):
        for t in range(launch[s] + 21, 150):
            if not spared[s, t]:
                past = sales[s, max(launch[s], t - 40) : t].astype(float)
                cap = slow_cap(past, sales[s, t], 8.0)
                expected[s, t] = np.nan if cap is None else cap
    assert np.isfinite(expected).sum() > 10
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_nothing_later_changes_a_cap():
    rng = np.random.default_rng(4)
    sales = demand(rng)
    launch = np.zeros(24, np.int32)
    spared = np.broadcast_to(np.zeros((1, 150), bool), sales.shape)
    before = caps(sales, launch, spared, 56, 8.0)
    for t in (30, 75, 149):
        other = sales.copy()
        other[:, t + 1 :] = rng.poisson(200, other[:, t + 1 :].shape)
        np.testing.assert_array_equal(caps(other, launch, spared, 56, 8.0)[:, : t + 1], before[:, : t + 1])


def test_a_lone_spike_is_capped_and_usual_demand_is_not():
    rng = np.random.default_rng(5)
    sales = rng.poisson(20, (50, 200)).astype(np.float32)
    sales[0, 120] = 2000
    found = caps(sales, np.zeros(50, np.int32), np.zeros(sales.shape, bool), 56, 8.0)
    assert np.argwhere(np.isfinite(found)).tolist() == [[0, 120]]
    assert 20 < found[0, 120] < 200


def promoted_shop(rng, time=300):
    """Steady sales of 10 a day, three times as much on every tenth day, which is promoted."""
    promoted = np.zeros((40, time), bool)
    promoted[:, 5::10] = True
    return rng.poisson(np.where(promoted, 30, 10)).astype(np.float32), promoted


def test_a_promotion_may_bring_what_promotions_have_brought():
    sales, promoted = promoted_shop(np.random.default_rng(6))
    sales[0, 205], sales[1, 205], sales[2, 203] = 45, 3000, 3000
    launch = np.zeros(40, np.int32)
    allowed = allowances(sales, launch, promoted, promoted, 56, 364)
    # The shop's promotions have multiplied levels of 12 by about 2.5, rarely by more than 4.
    assert (allowed[promoted & (np.arange(300) > 150)] < 5).all()
    assert (allowed[promoted & (np.arange(300) > 150)] > 2).all()
    assert np.isinf(allowed[promoted & (np.arange(300) < 60)]).all()
    found = caps(sales, launch, promoted, 56, 8.0, allowed)
    assert np.argwhere(np.isfinite(found)).tolist() == [[1, 205], [2, 203]]
    assert 45 < found[1, 205] < 500
    assert np.argwhere(np.isfinite(caps(sales, launch, promoted, 56, 8.0))).tolist() == [[2, 203]]


def test_a_festival_may_bring_what_it_brought_a_year_before():
    rng = np.random.default_rng(7)
    sales = rng.poisson(10, (20, 800)).astype(np.float32)
    sales[:, 400] *= 8
    sales[:, 764] *= 10
    sales[3, 764] = 5000
    festive = np.zeros(sales.shape, bool)
    festive[:, [400, 764]] = True
    launch = np.zeros(20, np.int32)
    none = np.zeros(sales.shape, bool)
    found = caps(sales, launch, festive, 56, 8.0, allowances(sales, launch, none, festive, 56, 364))
    # The first festival on record is taken as it comes, the second is judged by it.
    assert np.argwhere(np.isfinite(found)).tolist() == [[3, 764]]
    assert 800 > found[3, 764] > 10 * 10


def test_nothing_later_changes_an_allowance():
    rng = np.random.default_rng(8)
    sales, promoted = promoted_shop(rng, 500)
    launch = np.arange(40, dtype=np.int32)
    festive = np.broadcast_to(np.arange(500) % 30 == 0, sales.shape)
    before = allowances(sales, launch, promoted, festive, 56, 364)
    assert np.isfinite(before[:, 480]).any()
    for t in (60, 380, 450):
        other, elsewhere = sales.copy(), promoted.copy()
        other[:, t + 1 :] = rng.poisson(200, other[:, t + 1 :].shape)
        elsewhere[:, t + 1 :] = rng.uniform(size=elsewhere[:, t + 1 :].shape) < 0.5
        changed = allowances(other, launch, elsewhere, festive, 56, 364)
        np.testing.assert_array_equal(changed[:, : t + 1], before[:, : t + 1])
