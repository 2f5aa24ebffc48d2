"""Transforms come back, whatever went in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from windvane.clean.transforms import Chain, Difference, Log1p, Scale
from windvane.errors import ConfigError, InputError

pytestmark = pytest.mark.tiny
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=12)
COUNTS = arrays(np.float64, SHAPES, elements=st.one_of(st.integers(0, 10**6).map(float), st.just(np.nan)))


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 5))
def test_every_transform_is_reversible(values, lag):
    for step in (Log1p(), Difference(lag), Scale.of(values), Chain((Log1p(), Difference(lag)))):
        back = step.inverse(step.apply(values))
        np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-6)
    # Whole numbers come back from differences to the last bit.
    step = Chain((Difference(1), Difference(lag)))
    np.testing.assert_array_equal(step.inverse(step.apply(values)), values)


def test_differences_are_to_the_last_known_value_of_the_phase():
    values = np.array([[5, 7, np.nan, 4, 9]])
    np.testing.assert_array_equal(Difference(1).apply(values), [[5, 2, np.nan, -3, 5]])
    np.testing.assert_array_equal(Difference(2).apply(values), [[5, 7, np.nan, -3, 4]])
    rng = np.random.default_rng(1)
    full = rng.normal(size=(3, 40))
    np.testing.assert_allclose(Difference(7).apply(full)[:, 7:], full[:, 7:] - full[:, :-7])
    np.testing.assert_allclose(Difference(1).apply(full)[:, 1:], np.diff(full))


def test_scale_is_the_mean_size_and_one_where_there_is_none():
    values = np.array([[2, 4, np.nan], [0, 0, 0], [np.nan] * 3])
    assert Scale.of(values).by.tolist() == [3, 1, 1]


def test_what_cannot_be_transformed_is_named():
    with pytest.raises(InputError, match="row 1, column 2 is negative"):
        Log1p().apply(np.array([[0, 0, 0], [1, 2, -3.0]]))
    with pytest.raises(ConfigError, match="lag"):
        Difference(0)
