"""Caps judged by the past alone."""

import numpy as np
import pytest

from windvane.clean.outliers import caps

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
