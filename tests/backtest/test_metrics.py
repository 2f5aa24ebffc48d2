"""Error measures against plain Python, and calibration measured on forecasts that are right by construction."""

import math
from statistics import fmean

import numpy as np
import pytest

from windvane.backtest.metrics import Losses, aggregate, pinball, pit, probability, scales
from windvane.schema import QUANTILE_LEVELS

pytestmark = pytest.mark.tiny
LEVELS = np.array(QUANTILE_LEVELS)


@pytest.fixture
def case():
    """Sales with unknown cells, quantiles, means and a past with ragged starts."""
    rng = np.random.default_rng(5)
    sales = rng.poisson(3, (5, 4)).astype(float)
    sales[1, 2] = sales[3, 0] = np.nan
    sales[4] = np.nan
    quantiles = np.sort(rng.gamma(2, 2, (5, 4, len(LEVELS))), axis=2)
    mean = rng.gamma(2, 2, (5, 4))
    history = rng.poisson(2, (5, 30)).astype(np.float32)
    launch = np.array([0, 3, 10, 0, 28])
    history[0, 7] = np.nan
    return sales, quantiles, mean, history, launch


def losses_of(sales, quantiles, mean, history, launch):
    scale, square = scales(history, launch)
    return Losses(
        quantile=pinball(sales, quantiles, LEVELS),
        absolute=np.abs(sales - quantiles[:, :, QUANTILE_LEVELS.index(0.5)]),
        square=(sales - mean) ** 2,
        error=mean - sales,
        sales=sales,
        known=~np.isnan(sales),
        pit=pit(sales, quantiles, LEVELS, False, np.random.default_rng(1)),
        scale=scale,
        scale_square=square,
    )


def plain_pinball(y, quantiles):
    """Twice the mean over levels of max(level * (y - q), (level - 1) * (y - q))."""
    return 2 * fmean(max(a * (y - q), (a - 1) * (y - q)) for a, q in zip(QUANTILE_LEVELS, quantiles, strict=True))


def plain_scales(row, launch):
    steps = [float(b) - float(a) for a, b in zip(row[launch:], row[launch + 1 :], strict=False)]
    steps = [step for step in steps if not math.isnan(step)]
    if not any(steps):
        return math.nan, math.nan
    return fmean(abs(step) for step in steps), fmean(step * step for step in steps)


def test_measures_against_plain_python(case):
    sales, quantiles, mean, history, launch = case
    cells = [(i, j) for i in range(5) for j in range(4) if not math.isnan(sales[i, j])]
    sold = sum(sales[c] for c in cells)
    median = quantiles[:, :, QUANTILE_LEVELS.index(0.5)]
    got = aggregate(losses_of(*case), np.arange(5))
    assert got["wql"] == pytest.approx(sum(plain_pinball(sales[c], quantiles[c]) for c in cells) / sold)
    assert got["wape"] == pytest.approx(sum(abs(sales[c] - median[c]) for c in cells) / sold)
    assert got["mae"] == pytest.approx(fmean(abs(sales[c] - median[c]) for c in cells))
    assert got["mse"] == pytest.approx(fmean((sales[c] - mean[c]) ** 2 for c in cells))
    assert got["rmse"] == pytest.approx(math.sqrt(got["mse"]))
    assert got["bias"] == pytest.approx((sum(mean[c] for c in cells) - sold) / sold)
    mase, rmsse = [], []
    for i in range(4):  # the fifth has nothing to score
        mine = [c for c in cells if c[0] == i]
        absolute, square = plain_scales(history[i], launch[i])
        mase.append(fmean(abs(sales[c] - median[c]) for c in mine) / absolute)
        rmsse.append(math.sqrt(fmean((sales[c] - mean[c]) ** 2 for c in mine) / square))
    assert got["mase"] == pytest.approx(fmean(mase))
    assert got["rmsse"] == pytest.approx(fmean(rmsse))


def test_rows_and_steps_are_cut_out(case):
    got = aggregate(losses_of(*case), np.array([0, 2]), slice(1, 2))
    sales, quantiles, *_ = case
    expected = sum(plain_pinball(sales[i, 1], quantiles[i, 1]) for i in (0, 2)) / (sales[0, 1] + sales[2, 1])
    assert got["wql"] == pytest.approx(expected)


def test_nothing_known_is_no_number(case):
    assert all(math.isnan(value) for value in aggregate(losses_of(*case), np.array([4])).values())


def test_scales_leave_out_what_was_before_the_launch_and_constant_pasts(case):
    *_, history, launch = case
    absolute, square = scales(history, launch)
    for i in range(5):
        assert (absolute[i], square[i]) == pytest.approx(plain_scales(history[i], launch[i]), nan_ok=True)
    flat, _ = scales(np.ones((1, 9), np.float32), np.array([0]))
    assert np.isnan(flat).all()


def test_probability_is_the_inverse_of_the_quantile_function():
    quantiles = np.linspace(1, 13, 13)[None, None]
    at = {0.9: 0.0, 1.5: 0.015, 7.0: 0.5, 7.5: 0.625, 13.0: 0.995, 13.1: 1.0}
    for value, expected in at.items():
        assert probability(np.array([[value]]), quantiles, LEVELS).item() == pytest.approx(expected), value


def forecasts(kind, series):
    rng = np.random.default_rng(11)
    base = rng.gamma(2.0, 4.0, (series, 1, 1))
    quantiles = base * np.linspace(0.1, 2.5, len(LEVELS)) ** 2
    if kind == "zero mass":
        quantiles = np.maximum(quantiles - 2 * base, 0)
        assert 0.2 < (quantiles == 0).mean() < 0.8
    if kind == "counts":
        quantiles = np.round(np.maximum(quantiles - base, 0) / 4)
        assert (quantiles == 0).mean() > 0.2
    return quantiles


@pytest.mark.parametrize("kind", ["continuous", "zero mass", "counts"])
def test_the_transform_is_uniform_where_sales_come_from_the_forecast_itself(kind):
    series = 60_000
    quantiles = forecasts(kind, series)
    rng = np.random.default_rng(12)
    u = rng.uniform(size=series)
    # Constant beyond the outer levels, as forecasts are sampled.
    sales = np.array([np.interp(x, LEVELS, row) for x, row in zip(u, quantiles[:, 0], strict=True)])[:, None]
    if kind == "counts":
        sales = np.round(sales)
    got = pit(sales, quantiles, LEVELS, kind == "counts", rng)[:, 0]
    assert got.min() >= 0
    assert got.max() <= 1
    share = np.histogram(got, bins=20, range=(0, 1))[0] / series
    spread = math.sqrt(0.05 * 0.95 / series)
    assert np.abs(share - 0.05).max() < 4.5 * spread
    assert np.mean((got > 0.1) & (got < 0.9)) == pytest.approx(0.8, abs=0.008)
    assert np.mean((got > 0.025) & (got < 0.975)) == pytest.approx(0.95, abs=0.004)


def test_too_narrow_forecasts_are_caught():
    quantiles = forecasts("counts", 5000)
    sales = np.round(quantiles[:, :, 6] + np.random.default_rng(1).normal(0, 8, (5000, 1))).clip(0)
    narrow = np.round(quantiles[:, :, 6:7] + 0.2 * (quantiles - quantiles[:, :, 6:7]))
    got = pit(sales, narrow, LEVELS, True, np.random.default_rng(2))
    assert np.mean((got > 0.1) & (got < 0.9)) < 0.65


def test_unknown_sales_have_no_transform():
    got = pit(np.array([[np.nan, 1.0]]), np.ones((1, 2, len(LEVELS))), LEVELS, True, np.random.default_rng(0))
    assert np.isnan(got[0, 0])
    assert 0 <= got[0, 1] <= 1
