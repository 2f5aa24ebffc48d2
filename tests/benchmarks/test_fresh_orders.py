"""Money of a week's orders, by hand."""

from __future__ import annotations

import numpy as np
import pytest

import fresh_orders

pytestmark = pytest.mark.tiny


def test_a_week_is_sold_up_to_what_reached_the_shelf():
    week = fresh_orders.Week(
        demand=np.array([[4.0, 10.0]]), maybe=np.zeros((1, 2), bool), price=np.array([5.0]), cost=np.array([2.0]),
        kept=np.array([0.8]),
    )  # fmt: skip
    money = week.money(np.array([[10.0, 10.0]]), week.demand)
    # 8 kilos reach the shelf each day: 4 sold and 4 left, then 8 sold and 2 missing.
    assert money.tolist() == [60.0, 40.0, 4.0, 2.0]


def test_the_last_price_that_is_known_counts():
    prices = np.array([[1.0, 2.0, np.nan], [np.nan, np.nan, np.nan], [3.0, 4.0, 5.0]], np.float32)
    found = fresh_orders.last_known(prices)
    assert found[[0, 2]].tolist() == [2.0, 5.0]
    assert np.isnan(found[1])


def test_the_page_ranks_plans_by_profit_and_shares_hindsights():
    rng = np.random.default_rng(1)
    base = np.abs(rng.normal(100, 10, (6, 3, 4)))
    found = {"plan a": base * [0.9, 0.8, 1, 1], "hindsight (imputed purchases)": base * [2, 0.5, 0, 0]}
    text = fresh_orders.page(found, [fresh_orders.LAST] * 6, ["# Head"])
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows[0].startswith("| hindsight")
    assert "| 1.000 | 1.000 to 1.000 |" in rows[0]
