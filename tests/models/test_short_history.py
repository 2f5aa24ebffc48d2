"""What one stretch of time shares is no bias of the model."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from windvane.models import registry
from windvane.models.wrappers import calibrate
from windvane.models.wrappers.calibrate import _trust
from windvane.panel import Panel

pytestmark = pytest.mark.tiny


def panel(days, level):
    """Forty series that sell ``level`` a day on average."""
    rng = np.random.default_rng(2)
    start = date(2025, 1, 6)
    rows = [
        {"sku": f"s{s:02d}", "date": start + timedelta(days=d), "sales": float(rng.poisson(level(d)))}
        for s in range(40)
        for d in range(days)
    ]
    return Panel.from_frame(pl.DataFrame(rows), keys=["sku"], date="date", sales="sales", freq="1d")


@pytest.mark.parametrize(
    ("origins", "trust"), [([], 0), ([40], 0), ([40, 54], 0), ([40, 61], 0.5), ([40, 68], 1), ([0, 200], 1)]
)
def test_trust_grows_with_the_windows_covered(origins, trust):
    assert _trust(np.array(origins, np.int64), 28) == trust


def made(days, level):
    """A fitted moving average, and the median of its forecast against the mean."""
    model = registry.model("moving_average").fit(panel(days, level), 28, np.random.default_rng(1))
    forecast = model.predict(panel(days, level))
    half = forecast.levels.index(0.5)
    return model, float(forecast.quantiles[:, :, half].sum() / forecast.mean.sum())


def dull(day):
    return 12 if day < 42 else 8


def test_a_dull_last_month_of_a_young_shop_does_not_pull_the_forecast_down(monkeypatch):
    model, middle = made(70, dull)
    assert model.lift == 1
    assert 0.92 < middle < 1.12
    monkeypatch.setattr(calibrate, "_trust", lambda origins, horizon: 1.0)
    monkeypatch.setattr(calibrate, "_swing", lambda panel, horizon: 0.0)
    assert made(70, dull)[0].lift < 0.85


def test_a_bias_that_lasts_is_learned_by_mean_and_quantiles_alike():
    """Sales that fall for ever: a moving average is too high, every time."""
    model, middle = made(300, lambda day: 60 * 0.99**day + 4)
    assert model.lift < 0.95
    assert 0.92 < middle < 1.12


def test_ups_and_downs_of_the_past_are_no_bias():
    """Sales that rise and fall by a fifth from month to month: that the last months were low says little."""
    rng = np.random.default_rng(3)
    factor = np.exp(np.append(rng.normal(0, 0.3, 8), [-0.1, -0.1, -0.1]))
    model, _ = made(308, lambda day: 20 * factor[day // 28])
    assert model.lift == pytest.approx(1, abs=0.06)


def test_slow_sellers_of_a_small_shop_do_not_drag_the_fast_down():
    """Fifteen products that sell one to forty a day: paths must come to the sum of the means."""
    rng = np.random.default_rng(5)
    level = np.geomspace(1, 40, 15)
    rows = [
        {"sku": f"s{s:02d}", "date": date(2025, 1, 6) + timedelta(days=d), "sales": float(rng.poisson(level[s]))}
        for s in range(15)
        for d in range(95)
    ]
    small = Panel.from_frame(pl.DataFrame(rows), keys=["sku"], date="date", sales="sales", freq="1d")
    forecast = registry.model("moving_average").fit(small, 28, np.random.default_rng(1)).predict(small)
    total = sum(part.sum(axis=(0, 2)) for _, part in forecast.paths(200))
    assert float(total.mean() / forecast.mean.sum()) == pytest.approx(1, abs=0.05)
