"""The doubly robust estimate, where the truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import fresh_prices

pytestmark = pytest.mark.tiny


def test_the_best_price_is_the_textbooks_within_its_bounds():
    usual, cost = np.full(3, 10.0), np.array([4.9, 1.0, 9.0])
    found = fresh_prices.best(usual, cost, np.full(3, -2.0), 0.1)
    assert found == pytest.approx([9.8, 9.0, 11.0], abs=0.03)


def test_the_estimate_is_that_of_prices_which_nobody_asked():
    """Prices lean on a cause of demand; profit falls by the square of the price. The check comes out as it was."""
    rng = np.random.default_rng(4)
    count = 8000
    cause = rng.normal(0, 1, count)
    took = 0.02 * cause + rng.normal(0, 0.06, count)
    usual, cost = np.full(count, 10.0), np.full(count, 4.0)
    price = usual * np.exp(took)

    def mean(log_price):
        return (usual * np.exp(log_price) - cost) * 20 * np.exp(0.3 * cause - 2.0 * log_price)

    rows = pl.DataFrame(
        {
            "log_usual": np.log(usual), "log_recent": np.log(20.0), "log_cost": cause, "log_same": 0.0,
            "weekday": 1, "month": 1, "category": 1, "list_price": price, "usual": usual, "recent": 20.0,
            "profit": mean(took) * rng.gamma(20, 1 / 20, count), "week": rng.integers(0, 80, count),
        }
    )  # fmt: skip
    asked = {"same": took, "lower": np.full(count, -0.05), "higher": np.full(count, 0.05)}
    values, used = fresh_prices.doubly_robust(rows, asked)
    for name, each in values.items():
        assert each.sum() == pytest.approx(mean(asked[name]).sum(), rel=0.03), name
    assert 0.1 < used["lower"] < 0.9
    assert values["lower"].sum() != pytest.approx(values["higher"].sum(), rel=0.005)
