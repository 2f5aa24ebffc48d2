"""The paired bootstrap finds differences that are there, and none that are not."""

import numpy as np
import pytest

from windvane.backtest.compare import paired_gain

pytestmark = pytest.mark.tiny


def test_a_planted_difference_is_found_though_series_differ_far_more():
    rng = np.random.default_rng(1)
    other = np.exp(rng.normal(0, 2, 400))
    loss = 0.95 * other * rng.normal(1, 0.05, 400)
    gain = paired_gain(loss, other, 400, 7)
    assert gain.value == pytest.approx(1 - loss.sum() / other.sum())
    assert 0 < gain.low < 0.05 < gain.high < 0.1
    assert gain == paired_gain(loss, other, 400, 7)
    back = paired_gain(other, loss, 400, 7)
    assert back.high < 0


def test_the_interval_covers_no_difference_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        base = rng.gamma(2.0, 1.0, 80)
        gain = paired_gain(base * rng.normal(1, 0.2, 80), base * rng.normal(1, 0.2, 80), 200, seed)
        covered += gain.low <= 0 <= gain.high
    assert 0.88 <= covered / 200 <= 0.99


def test_equal_losses_gain_nothing_and_no_loss_has_no_gain():
    same = np.array([1.0, 5.0, 2.0])
    assert paired_gain(same, same, 100, 1) == paired_gain(2 * same, 2 * same, 100, 1)
    assert paired_gain(same, same, 100, 1).value == 0
    assert np.isnan(paired_gain(same, np.zeros(3), 100, 1).value)
    assert np.isnan(paired_gain(np.empty(0), np.empty(0), 100, 1).low)
