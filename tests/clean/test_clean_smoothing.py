"""Smoothing by the past alone."""

import numpy as np
import polars as pl
import pytest

from windvane.clean.smoothing import exponential, moving_average
from windvane.errors import ConfigError

pytestmark = pytest.mark.tiny


def values(rng):
    out = rng.poisson(5, (6, 80)).astype(np.float32)
    out[rng.uniform(size=out.shape) < 0.1] = np.nan
    return out


def test_a_moving_average_is_the_mean_of_the_known_last_periods():
    x = values(np.random.default_rng(1))
    frame = pl.DataFrame(x.T, nan_to_null=True).select(pl.all().rolling_mean(7, min_samples=1))
    expected = np.where(np.isnan(x), np.nan, frame.to_numpy().T)
    np.testing.assert_allclose(moving_average(x, 7), expected, rtol=1e-5)
    np.testing.assert_array_equal(moving_average(x, 1), x)


def test_an_exponential_mean_follows_its_recursion():
    x = values(np.random.default_rng(2))
    for row, smooth in zip(x, exponential(x, 0.3), strict=True):
        known = row[~np.isnan(row)]
        expected = pl.Series(known, dtype=pl.Float64).ewm_mean(alpha=0.3, adjust=False).to_numpy()
        np.testing.assert_allclose(smooth[~np.isnan(row)], expected, rtol=1e-5)
        assert np.isnan(smooth[np.isnan(row)]).all()
    np.testing.assert_array_equal(exponential(x, 1.0), x)


def test_nothing_later_enters():
    x = values(np.random.default_rng(3))
    other = x.copy()
    other[:, 41:] = 999
    for smooth in (lambda v: moving_average(v, 9), lambda v: exponential(v, 0.2)):
        np.testing.assert_array_equal(smooth(other)[:, :41], smooth(x)[:, :41])


def test_impossible_settings_are_refused():
    for call in (lambda: moving_average(np.zeros((1, 1)), 0), lambda: exponential(np.zeros((1, 1)), 0.0)):
        with pytest.raises(ConfigError):
            call()
