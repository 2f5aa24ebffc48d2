"""Gaps in covariates, filled from what was known by then."""

import numpy as np
import pytest
from made_up_shop import day, moment, order, reader

from windvane.clean import build
from windvane.clean.missing import METHODS, fill, method_of
from windvane.clean.report import Findings
from windvane.config import parse
from windvane.errors import ConfigError

pytestmark = pytest.mark.tiny
CAUSAL = ("forward", "mean", "median", "seasonal", "model")


def gappy(rng, series=12, time=120):
    values = (rng.normal(20, 4, (series, time)) + 5 * (np.arange(time) % 7 >= 5)).astype(np.float32)
    values[rng.uniform(size=values.shape) < 0.3] = np.nan
    values[0, :30] = np.nan
    values[1] = np.nan
    return values


def slow_fill(past, method, position, season):
    """One gap from the values before it (NaN where missing), in plain numpy."""
    known = past[~np.isnan(past)]
    if not len(known):
        return np.nan
    same = past[position % season :: season]
    same = same[~np.isnan(same)]
    if method == "seasonal" and len(same):
        return same[-1]
    if method == "model":
        level, profile = None, np.zeros(season)
        for t, x in enumerate(past):
            if np.isnan(x):
                continue
            if level is None:
                level = x
            else:
                error = x - level - profile[t % season]
                level, profile[t % season] = level + 0.2 * error, profile[t % season] + 0.1 * 0.8 * error
        return level + profile[position % season]
    return {"mean": np.mean, "median": np.median}.get(method, lambda k: k[-1])(known)


@pytest.mark.parametrize("method", CAUSAL)
def test_gaps_take_what_the_method_says(method):
    values = gappy(np.random.default_rng(1))
    found, since, count = fill(values, method, 7)
    assert since is None
    expected = values.astype(np.float64)
    for s, t in np.argwhere(np.isnan(values)):
        expected[s, t] = slow_fill(values[s, :t].astype(np.float64), method, t, 7)
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert count == int((np.isnan(values) & ~np.isnan(found)).sum()) > 200
    assert np.isnan(values).any(), "the argument is left as it was"


def test_a_line_is_drawn_between_plans_and_known_once_both_ends_were():
    values = np.array([[np.nan, 2, np.nan, np.nan, 8, np.nan, np.nan]], np.float32)
    since = np.array([[0, 1, 0, 0, 3, 0, 0]], np.int32)
    found, moments, count = fill(values, "interpolation", 7, since, 6)
    np.testing.assert_array_equal(found, np.array([[np.nan, 2, 4, 6, 8, 8, np.nan]], np.float32))
    assert moments is not None
    assert moments[0, 1:6].tolist() == [1, 3, 3, 3, 3]
    assert count == 3
    x = np.arange(50, dtype=np.float64)
    rng = np.random.default_rng(2)
    long = rng.normal(size=(1, 50)).astype(np.float32)
    long[0, 1:-1][rng.uniform(size=48) < 0.5] = np.nan
    there = ~np.isnan(long[0])
    found, _, _ = fill(long, "interpolation", 7, np.zeros((1, 50), np.int32))
    np.testing.assert_allclose(found[0], np.interp(x, x[there], long[0][there]), rtol=1e-4, atol=1e-6)


def test_hindsight_has_no_line_to_draw():
    values = np.array([[1, np.nan, 3]], np.float32)
    assert fill(values, "interpolation", 7)[0].tolist() == [[1, 1, 3]]


@pytest.mark.parametrize("method", CAUSAL)
def test_nothing_later_changes_what_was_filled(method):
    rng = np.random.default_rng(3)
    values = gappy(rng)
    before = fill(values, method, 7)[0]
    for t in (10, 60, 110):
        other = values.copy()
        other[:, t + 1 :] = rng.normal(999, 1, other[:, t + 1 :].shape)
        np.testing.assert_array_equal(fill(other, method, 7)[0][:, : t + 1], before[:, : t + 1])


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_what_becomes_known_after_a_moment_changes_nothing_known_by_then(method):
    rng = np.random.default_rng(4)
    values = gappy(rng)
    since = np.maximum(np.arange(120)[None, :] - rng.integers(0, 9, values.shape), 0).astype(np.int32)
    one, known, _ = fill(values, method, 7, since)
    for t in (20, 70):
        other = np.where(since > t, values + 50, values).astype(np.float32)
        two, again, _ = fill(other, method, 7, since)
        assert known is not None
        assert again is not None
        np.testing.assert_array_equal(known, again)
        np.testing.assert_array_equal(np.where(known <= t, one, 0), np.where(known <= t, two, 0))


def test_views_of_one_row_stay_views():
    row = np.array([[1, np.nan, 3]], np.float32)
    found, since, count = fill(np.broadcast_to(row, (1000, 3)), "forward", 7, np.broadcast_to(np.int32(0), (1000, 3)))
    assert found.strides[0] == 0
    assert since is not None
    assert since.strides[0] == 0
    assert (found == [1, 1, 3]).all()
    assert count == 1000


def test_the_default_leaves_gaps_that_mean_something():
    assert [method_of(n, {}) for n in ("price", "signal_rain", "promo_mailer", "discount", "holiday")] == [
        "forward", "forward", "none", "none", "none",
    ]  # fmt: skip
    assert method_of("promo_mailer", {"promo_mailer": "mean"}) == "mean"
    assert Findings().frame().is_empty()


def test_filling_is_set_by_name_done_and_told():
    tables = {
        "orders": [order(d, 3) for d in range(30)],
        "signals": [
            {"name": "rain", "sku": "", "location": "", "region": "", "date": day(d), "value": float(d)}
            | {"known_at": moment(d)}
            for d in range(30)
            if d % 10 != 5
        ],
    }
    rain = {}
    for method in ("none", "forward", "mean"):
        settings = parse({"clean": {"fill": {"signal_rain": method, "signal_sun": "mean"}}})
        result = build(reader(tables), settings, horizon=7)
        rain[method] = result.panel.past["signal_rain"][0, [5, 15, 25]].tolist()
        told = {row["check"]: row for row in result.findings.iter_rows(named=True)}
        assert told["fill_not_found"]["column"] == "signal_sun"
        if method != "none":
            filled = told["covariate_filled"]
            assert (filled["table"], filled["column"], filled["count"], filled["total"]) == (
                "signals",
                "signal_rain",
                3,
                30,
            )
            assert filled["example"] == f"signal_rain: {method}, 10.0%"
    assert np.isnan(rain["none"]).all()
    assert rain["forward"] == [4, 14, 24]
    assert rain["mean"] == pytest.approx([2, (105 - 5) / 14, (300 - 20) / 23])
    with pytest.raises(ConfigError, match=r"clean\.fill"):
        parse({"clean": {"fill": {"price": "magic"}}})
