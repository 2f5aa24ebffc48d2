"""Sharing out stock against trying all ways, and price tests against simulated ones."""

from __future__ import annotations

from datetime import date
from itertools import product as every

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.decisions.allocate import allocate
from windvane.decisions.pricing.experiment import plan
from windvane.errors import InputError
from windvane.forecasts import Forecast

pytestmark = pytest.mark.tiny


def ahead(seed: int, series: int) -> Forecast:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.poisson(rng.uniform(0.5, 3, (series, 1, 1)), (series, 4, 9)), axis=2).astype(np.float32)
    return Forecast(
        keys=pl.DataFrame({"sku": ["a"] * series, "location": [f"L{k}" for k in range(series)]}),
        cutoff=date(2026, 1, 1),
        dates=pl.date_range(date(2026, 1, 2), date(2026, 1, 5), eager=True),
        mean=quantiles.mean(axis=2),
        quantiles=quantiles,
        levels=tuple(k / 10 for k in range(1, 10)),
        identity=np.arange(series, dtype=np.uint64),
        counts=True,
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 2.0]))
def test_no_other_way_to_share_out_earns_more(seed, pack):
    rng = np.random.default_rng(seed)
    forecast = ahead(seed, 3)
    have, margin, available = rng.integers(0, 4, 3).astype(float), rng.uniform(1, 5, 3), 8.0
    found = allocate(forecast, np.zeros(3, int), np.array([available]), have, margin, np.full(3, pack))
    totals = forecast.totals(200)

    def worth(units) -> float:
        return float((margin * np.minimum(totals, (have + units)[:, None]).mean(axis=1)).sum())

    choices = [np.array(c) * pack for c in every(range(int(available / pack) + 1), repeat=3)]
    best = max(worth(c) for c in choices if c.sum() <= available)
    assert found.sum() <= available
    assert (found % pack == 0).all()
    assert worth(found) == pytest.approx(best, rel=1e-9)


def test_products_do_not_share_and_what_nobody_wants_stays():
    forecast = ahead(1, 4)
    found = allocate(forecast, np.array([0, 0, 1, 1]), np.array([3.0, 1000.0]), np.zeros(4), np.ones(4))
    assert found[:2].sum() == 3
    assert found[2:].sum() <= forecast.totals(200)[2:].max(axis=1).sum()


def test_what_cannot_be_shared_out_is_refused():
    forecast, two = ahead(1, 2), np.zeros(2, int)
    with pytest.raises(InputError, match="on_hand of series 1"):
        allocate(forecast, two, np.array([3.0]), np.array([0.0, np.nan]), np.ones(2))
    with pytest.raises(InputError, match="product 0"):
        allocate(forecast, two, np.array([-3.0]), np.zeros(2), np.ones(2))


def test_a_planned_price_test_finds_its_effect_as_often_as_it_says():
    rng = np.random.default_rng(1)
    units, noise, elasticity, change = np.array([4.0, 2.0, 6.0]), 0.3, np.array([-2.0, -1.0, -1.5]), 0.1
    test = plan(units, noise, elasticity, change)
    assert test.days == test.blocks * 7
    assert test.blocks % 2 == 0
    assert test.detectable <= abs(test.effect) + 1e-9
    high = (np.arange(test.days) // 7) % 2 == 1
    found = 0
    for _ in range(400):
        mean = np.where(high[None, :], ((1 + change) ** elasticity * units)[:, None], units[:, None])
        sold = rng.poisson(mean * rng.gamma(1 / noise, noise, mean.shape)).sum(axis=0)
        a, b = sold[high], sold[~high]
        off = np.log(a.mean() / b.mean())
        error = np.sqrt(a.var(ddof=1) / len(a) / a.mean() ** 2 + b.var(ddof=1) / len(b) / b.mean() ** 2)
        found += abs(off) > 1.96 * error
    assert 0.72 < found / 400 < 0.95


def test_more_products_and_larger_changes_take_fewer_days():
    one = plan(np.array([2.0]), 0.2, np.array([-2.0]), 0.1).days
    assert plan(np.full(10, 2.0), 0.2, np.full(10, -2.0), 0.1).days < one
    assert plan(np.array([2.0]), 0.2, np.array([-2.0]), 0.2).days < one


def test_tests_that_cannot_be_planned_are_refused():
    with pytest.raises(InputError, match="nothing"):
        plan(np.array([0.0]), 0.2, np.array([-2.0]), 0.1)
    with pytest.raises(InputError, match="change"):
        plan(np.array([1.0]), 0.2, np.array([-2.0]), 0.0)
    with pytest.raises(InputError, match="does not answer"):
        plan(np.array([1.0]), 0.2, np.array([0.0]), 0.1)
    with pytest.raises(InputError, match="level"):
        plan(np.array([1.0]), 0.2, np.array([-1.0]), 0.1, power=1.0)
