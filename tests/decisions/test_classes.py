"""ABC and XYZ on a shop that can be checked by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.decisions.classes import classes
from windvane.errors import InputError
from windvane.forecasts import Forecast

pytestmark = pytest.mark.tiny


def certain(units: list[float], spread: list[float]) -> Forecast:
    """Ten days of the same demand each; quantiles ``spread`` to both sides."""
    mean = np.repeat(np.array(units)[:, None], 10, axis=1).astype(np.float32)
    wide = np.array(spread)[:, None]
    quantiles = np.stack([np.maximum(mean - wide, 0), mean, mean + wide], axis=2).astype(np.float32)
    return Forecast(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(len(units))]}),
        cutoff=date(2026, 1, 1),
        dates=pl.date_range(date(2026, 1, 2), date(2026, 1, 11), eager=True),
        mean=mean,
        quantiles=quantiles,
        levels=(0.1, 0.5, 0.9),
        identity=np.arange(len(units), dtype=np.uint64),
    )


def test_classes_by_hand():
    # 10 days: revenue 500, 300, 150, 40, 10 of 1,000.
    forecast = certain([5.0, 3.0, 1.5, 0.4, 0.1], [0.0] * 5)
    found = classes(forecast, np.full(5, 10.0), np.full(5, 6.0), np.array([10.0, 0.0, 5.0, 4.0, 1.0]))
    assert found["revenue"].to_list() == pytest.approx([500, 300, 150, 40, 10])
    assert found["abc"].to_list() == ["A", "A", "B", "C", "C"]
    assert found["xyz"].to_list() == ["X"] * 5
    assert found["capital"].to_list() == [60, 0, 30, 24, 6]
    # 50 units in 10 days are 1,825 a year; 1,825 x 6 over 60.
    assert found["turnover"][0] == pytest.approx(182.5)
    assert found["turnover"][1] is None


def test_the_one_product_that_brings_all_is_a():
    found = classes(certain([5.0, 0.0], [0.0, 0.0]), np.array([10.0, np.nan]), np.full(2, 6.0), np.zeros(2))
    assert found["abc"].to_list() == ["A", "C"]
    assert found["xyz"].to_list() == ["X", "Z"]
    assert found["variation"][1] is None


def test_demand_that_varies_more_is_y_or_z():
    rng = np.random.default_rng(1)
    forecast = certain([4.0] * 3, [0.5, 4.0, 4.0])
    quantiles = forecast.quantiles.copy()
    quantiles[1:] = [0.0, 1.0, 40.0]
    quantiles[2] = [0.0, 0.0, 60.0]
    steep = Forecast(**{**vars(forecast), "quantiles": quantiles.astype(np.float32)})
    found = classes(steep, np.ones(3), np.ones(3), rng.uniform(0, 1, 3))
    sums = steep.totals(200)
    for row, word in enumerate(found["xyz"]):
        ratio = sums[row].std() / sums[row].mean()
        assert word == ("X" if ratio < 0.5 else "Y" if ratio < 1 else "Z")
    assert found["xyz"][0] == "X"
    assert found["xyz"][2] != "X"


def test_arrays_of_another_length_are_refused():
    with pytest.raises(InputError, match="on_hand"):
        classes(certain([1.0], [0.0]), np.ones(1), np.ones(1), np.ones(2))
