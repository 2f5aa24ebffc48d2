"""The compiled kernels against plain Python written from the formulas, on random ragged panels.

The oracles work one series and one origin at a time on lists of the values seen up to that origin, so that they
cannot look ahead even by mistake.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.models.kernels import croston_levels, level_loss, smooth_means, smooth_rows, smooth_select

NAN = float("nan")
fewer = settings(max_examples=60, deadline=None)


@st.composite
def ragged(draw, max_time=70):
    """Sales float32 [series, time] with gaps, and the first column of each series (time = never)."""
    series, time = draw(st.integers(1, 4)), draw(st.integers(1, max_time))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sales = rng.poisson(rng.uniform(0.1, 6, (series, 1)), (series, time)).astype(np.float32)
    if draw(st.booleans()):
        sales -= rng.poisson(0.5, sales.shape).astype(np.float32)
    sales[rng.random(sales.shape) < draw(st.sampled_from([0.0, 0.1, 0.6]))] = np.nan
    start = np.array([draw(st.one_of(st.just(0), st.integers(0, time))) for _ in range(series)], np.int32)
    return sales, start


def mean_of(values):
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else NAN


def begin_oracle(seen, start, season):
    """Level and seasonal profile from the first cycles of the columns seen, and the first column after them."""
    cycles = 4 if 1 < season <= 24 else 2
    end = min(len(seen), start + max(cycles * season, 8))
    first = [(t, seen[t]) for t in range(start, end) if not math.isnan(seen[t])]
    level = sum(y for _, y in first) / len(first) if first else 0.0
    profile = [0.0] * season
    if season > 1 and end - start >= 2 * season:
        for k in range(season):
            own = [y for t, y in first if t % season == k]
            # Shrunk towards none, as if two more values had lain on the level.
            profile[k] = (sum(own) / len(own) - level) * len(own) / (len(own) + 2) if own else 0.0
        average = sum(profile) / season
        profile = [p - average for p in profile]
    return level, profile, end


def smooth_oracle(seen, start, season, params, horizon):
    """Damped-trend additive-season smoothing of the columns seen (Hyndman et al. 2008, error-correction form)."""
    alpha, beta, gamma, phi = params
    if start >= len(seen):
        return [0.0] * horizon
    level, profile, begin = begin_oracle(seen, start, season)
    trend = 0.0
    for t in range(begin, len(seen)):
        base = level + phi * trend
        if math.isnan(seen[t]):
            level, trend = base, phi * trend
            continue
        error = seen[t] - base - profile[t % season]
        level = base + alpha * error
        trend = phi * trend + alpha * beta * error
        profile[t % season] += gamma * (1 - alpha) * error
    last = len(seen) - 1
    return [
        max(0.0, level + sum(phi**j for j in range(1, h + 1)) * trend + profile[(last + h) % season])
        for h in range(1, horizon + 1)
    ]


PARAMETERS = st.tuples(
    st.floats(0.01, 0.9), st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.15]), st.sampled_from([1.0, 0.93])
)


@fewer
@given(ragged(), st.sampled_from([1, 3, 7, 52]), PARAMETERS, st.data())
def test_smoothing_at_any_origin(panel, season, params, data):
    sales, start = panel
    series, time = sales.shape
    origins = np.array(sorted(data.draw(st.sets(st.integers(0, time - 1), min_size=1, max_size=6))), np.int64)
    table = np.tile(np.array(params), (series, 1))
    out = np.zeros((series, len(origins), 5), np.float32)
    smooth_means(sales, start, season, table, origins, 5, out)
    for i in range(series):
        for a, origin in enumerate(origins):
            expected = smooth_oracle(sales[i, : origin + 1].tolist(), int(start[i]), season, params, 5)
            np.testing.assert_allclose(out[i, a], expected, rtol=1e-5, atol=1e-5)


@fewer
@given(ragged(), st.sampled_from([1, 7]), PARAMETERS)
def test_single_rows_equal_whole_forecasts(panel, season, params):
    sales, start = panel
    series, time = sales.shape
    table = np.tile(np.array(params), (series, 1))
    cells = [(i, o, h) for i in range(series) for o in range(int(start[i]), time) for h in (1, 4)]
    at = np.array([c[0] for c in cells], np.int64)
    pointer = np.searchsorted(at, np.arange(series + 1)).astype(np.int64)
    out = np.zeros(len(cells), np.float32)
    origin, step = (np.array([c[k] for c in cells], np.int32) for k in (1, 2))
    smooth_rows(sales, start, season, table, pointer, origin, step, out)
    whole = np.zeros((series, time, 4), np.float32)
    smooth_means(sales, start, season, table, np.arange(time), 4, whole)
    expected = np.array([whole[i, o, h - 1] for i, o, h in cells], np.float32)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(ragged(), st.sampled_from([1, 7]))
def test_the_chosen_parameters_have_the_least_error(panel, season):
    sales, start = panel
    series, time = sales.shape
    grid = np.array([(0.1, 0.0, 0.0, 1.0), (0.5, 0.2, 0.0, 0.93), (0.02, 0.0, 0.1, 1.0)])
    choice = np.zeros(series, np.int32)
    stride, window, horizon = 2, 40, 3
    smooth_select(sales, start, season, horizon, grid, stride, window, choice)
    for i in range(series):
        begin = begin_oracle(sales[i].tolist(), int(start[i]), season)[2]
        loss = []
        for params in grid:
            errors = []
            for origin in range(max(begin, time - window), time - 1):
                if (time - 1 - origin) % stride == 0:
                    ahead = smooth_oracle(sales[i, : origin + 1].tolist(), int(start[i]), season, params, horizon)
                    errors += [(y - f) ** 2 for y, f in zip(sales[i, origin + 1 :].tolist(), ahead, strict=False)]
            loss.append(sum(e for e in errors if not math.isnan(e)) if errors else 0.0)
        assert loss[choice[i]] <= min(loss) * 1.0002 + 1e-6


def croston_oracle(seen, start, kind, alpha):
    """Croston (1972), Syntetos and Boylan (2005), Teunter, Syntetos and Babai (2011)."""
    values = [y for y in seen[start:] if not math.isnan(y)]
    sold = [n for n, y in enumerate(values) if y > 0]
    if not sold:
        return 0.0
    first = sold[0]
    size, interval, probability = values[first], first + 1.0, 1.0 / (first + 1)
    last = first
    for n in range(first + 1, len(values)):
        if values[n] > 0:
            size = alpha * values[n] + (1 - alpha) * size
            interval = alpha * (n - last) + (1 - alpha) * interval
            last = n
        probability = alpha * (values[n] > 0) + (1 - alpha) * probability
    if kind == "tsb":
        return size * probability
    return size / interval * (1 - alpha / 2 if kind == "sba" else 1)


@fewer
@given(ragged(), st.sampled_from(["croston", "sba", "tsb"]), st.floats(0.01, 0.6))
def test_intermittent_levels(panel, kind, alpha):
    sales, start = panel
    series, time = sales.shape
    out = np.zeros(sales.shape, np.float32)
    croston_levels(sales, start, ("croston", "sba", "tsb").index(kind), np.full(series, alpha), out)
    for i in range(series):
        expected = [croston_oracle(sales[i, : t + 1].tolist(), int(start[i]), kind, alpha) for t in range(time)]
        np.testing.assert_allclose(out[i], expected, rtol=1e-5, atol=1e-6)


@fewer
@given(ragged(), st.integers(1, 4), st.integers(1, 3))
def test_loss_of_levels(panel, horizon, stride):
    sales, start = panel
    series, time = sales.shape
    level = np.abs(np.nan_to_num(sales)) * np.float32(0.5)
    weight = np.where(np.arange(time) % 5 == 0, 0.0, 2.0)
    loss = np.zeros((series, 2))
    level_loss(sales, start, horizon, stride, weight, level, loss, 1)
    for i in range(series):
        expected = 0.0
        for t in range(int(start[i]), time - 1):
            if (time - 1 - t) % stride == 0:
                for y in sales[i, t + 1 : t + 1 + horizon].astype(float):
                    expected += 0.0 if math.isnan(y) else weight[t] * (y - float(level[i, t])) ** 2
        assert loss[i, 1] == pytest.approx(expected, rel=1e-9)
        assert loss[i, 0] == 0
