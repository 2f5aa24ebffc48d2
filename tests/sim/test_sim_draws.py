"""Draws that come from a counter look like chance, and depend on what they are for alone."""

import numpy as np
import pytest
from scipy import stats

from windvane.errors import ConfigError
from windvane.sim import Settings, simulate
from windvane.sim.draws import generators, uniform

pytestmark = pytest.mark.tiny

NUMBERS = np.arange(20_000)


def test_draws_are_uniform_and_unrelated():
    one, other = uniform(1, "a", NUMBERS), uniform(1, "b", NUMBERS)
    again, seeded = uniform(1, "a", NUMBERS, 1), uniform(2, "a", NUMBERS)
    for draw in (one, other, again, seeded):
        assert 0 <= draw.min() < draw.max() < 1
        assert stats.kstest(draw, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(draw[:-1], draw[1:])[0, 1]) < 0.03
    table = np.corrcoef([one, other, again, seeded])
    assert np.abs(table[np.triu_indices(4, 1)]).max() < 0.03


def test_a_draw_depends_on_its_numbers_alone():
    whole = uniform(3, "x", NUMBERS, NUMBERS % 7)
    some = NUMBERS[500:600]
    np.testing.assert_array_equal(whole[500:600], uniform(3, "x", some, some % 7))
    assert not np.array_equal(uniform(3, "x", some, some + 1), uniform(3, "x", some + 1, some))
    left, right = generators(3, 1, np.array([4, 5])), generators(3, 1, np.array([5]))
    np.testing.assert_array_equal(left[1].random(5), right[0].random(5))


@pytest.mark.parametrize("seed", [-1, 2**41])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ConfigError, match="seed"):
        simulate(Settings(), seed)


def test_the_largest_seed_works():
    assert simulate(Settings(products=2, days=5), 2**40).truth.demand.height == 10
