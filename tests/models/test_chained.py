"""Trees for the next period, applied step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_panels import HORIZON, shop

from windvane.models.boosted.chained import Chained
from windvane.panel import Known

pytestmark = pytest.mark.tiny


@pytest.fixture(scope="module")
def panel():
    return shop(series=24, time=150, uplift=1.0)


@pytest.fixture(scope="module")
def point(panel):
    return Chained().fit(panel, HORIZON, np.random.default_rng(2))


def extended(panel, sales):
    """The panel with one more day on which so much was sold [series]."""
    more = np.concatenate([panel.sales, sales[:, None]], axis=1)
    dates = panel.dates.append(panel.future_dates(1).cast(panel.dates.dtype))
    return replace(panel, sales=more, dates=dates, state=np.empty((0, 0), np.int8), past={}, in_stock=None)


def test_it_feeds_on_its_own_forecasts(panel, point):
    last = panel.shape[1] - 1
    short = panel.as_of(panel.dates[last - 1])
    means = point.means(short, np.array([last - 1]), 4)[:, 0]
    assert (means > 0).any()
    fed = extended(short, means[:, 0])
    np.testing.assert_allclose(point.means(fed, np.array([last]), 3)[:, 0], means[:, 1:], rtol=1e-5)


def test_what_came_later_is_not_seen(panel, point):
    changed = panel.sales.copy()
    changed[:, 101:] = 50
    other = replace(panel, sales=changed)
    at = np.array([100])
    np.testing.assert_array_equal(point.means(other, at, HORIZON), point.means(panel, at, HORIZON))


def test_a_closed_day_sells_nothing_and_leaves_the_days_after_alone(panel):
    width = panel.shape[1] + HORIZON
    closed = np.zeros((panel.shape[0], width), np.float32)
    closed[:, panel.shape[1] + 2] = 1
    shut = replace(panel, known={**panel.known, "closed": Known(closed)})
    free = replace(panel, known={**panel.known, "closed": Known(np.zeros_like(closed))})
    point = Chained().fit(free, HORIZON, np.random.default_rng(2))
    at = np.array([panel.shape[1] - 1])
    there, without = (point.means(p, at, HORIZON)[:, 0] for p in (shut, free))
    assert (there[:, 2] == 0).all()
    assert (without[:, 2] > 0).any()
    assert there[:, 3:].sum() > 0.9 * without[:, 3:].sum()


def test_what_is_announced_after_the_origin_moves_no_later_step(panel):
    """Step by step it comes to the day of the announcement, which the forecast was made before."""
    time, width = panel.shape[1], panel.shape[1] + HORIZON
    event = np.zeros((panel.shape[0], width), np.float32)
    event[:, 10:time:9] = 1
    sales = panel.sales * np.where(event[:, :time] > 0, 4, 1).astype(np.float32)
    late = np.full(event.shape, -1, np.int32)
    late[:, time + 3] = time + 1
    told = event.copy()
    told[:, time + 3] = 1
    plain, announced = (
        replace(panel, sales=sales, known={"event": Known(values, late, "unknown")}) for values in (event, told)
    )
    point = Chained().fit(plain, HORIZON, np.random.default_rng(2))
    at = np.array([time - 1])
    np.testing.assert_array_equal(point.means(plain, at, HORIZON), point.means(announced, at, HORIZON))


def test_where_too_little_is_known_the_last_mean_is_carried_on(panel):
    few = panel.take(np.arange(1)).as_of(panel.dates[20])
    point = Chained().fit(few, HORIZON, np.random.default_rng(2))
    assert point.text == ""
    mean = point.means(few, np.array([20]), HORIZON)
    np.testing.assert_allclose(mean, np.nanmean(few.sales), rtol=1e-5)
