"""Models on prepared sales keep the contract, and their scores stay those of sales as they were."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_panels import shop

from windvane.errors import ConfigError
from windvane.models import registry
from windvane.models.saving import load

pytestmark = pytest.mark.tiny
NAMES = ("log1p(ses)", "moving_average_7(seasonal_es)", "exponential_0.3(tsb)", "log1p(blend)")
HORIZON = 7


def test_log1p_of_a_constant_is_the_constant():
    panel = replace(shop(), known={})
    flat = replace(panel, sales=np.full(panel.shape, 6, np.float32))
    means = (
        registry.point_model("log1p(ses)")
        .fit(flat, HORIZON, np.random.default_rng(1))
        .means(flat, np.array([panel.shape[1] - 1]), HORIZON)
    )
    np.testing.assert_allclose(means, 6, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_after_the_origin_is_seen_and_saving_keeps_it(name, tmp_path):
    panel = replace(shop(series=12), known={})
    rng = np.random.default_rng(2)
    point = registry.point_model(name).fit(panel, HORIZON, rng)
    origins = np.array([60, 80])
    means = point.means(panel, origins, HORIZON)
    assert np.isfinite(means).all()
    assert (means >= 0).all()
    sales = panel.sales.copy()
    sales[:, 61:] = rng.poisson(99, sales[:, 61:].shape)
    np.testing.assert_array_equal(point.means(replace(panel, sales=sales), origins[:1], HORIZON), means[:, :1])
    then = panel.as_of(panel.dates[60])
    np.testing.assert_array_equal(point.means(then, origins[:1], HORIZON), means[:, :1])
    fitted = registry.model(name).fit(panel, HORIZON, np.random.default_rng(3))
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(panel).mean, fitted.predict(panel).mean)


def test_smoothed_sales_are_what_the_model_learns_from():
    panel = replace(shop(series=6), known={})
    at = np.array([panel.shape[1] - 1])
    plain = registry.point_model("naive").fit(panel, HORIZON, np.random.default_rng(4)).means(panel, at, HORIZON)
    smooth = registry.point_model("moving_average_5(naive)")
    means = smooth.fit(panel, HORIZON, np.random.default_rng(4)).means(panel, at, HORIZON)
    np.testing.assert_allclose(means[:, 0, 0], panel.sales[:, -5:].mean(1), rtol=1e-5)
    assert not np.array_equal(means, plain)
    assert not smooth.capabilities.simple


@pytest.mark.parametrize("name", ["moving_average_0(ses)", "exponential_2(ses)", "exponential_.(ses)", "sqrt(ses)"])
def test_impossible_preparations_are_refused(name):
    with pytest.raises(ConfigError):
        registry.point_model(name)
