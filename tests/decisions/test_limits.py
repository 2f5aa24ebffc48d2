"""The reorder list within shared limits: what is spent, what is said, and nothing changes where limits are kept."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from test_inventory import make_forecast, make_panel, reader

from windvane.config import parse
from windvane.decisions import propose
from windvane.errors import ConfigError

pytestmark = pytest.mark.tiny
COUNT = 12


def plan(language="en", **decide):
    rng = np.random.default_rng(3)
    panel = make_panel(rng.poisson(4, (COUNT, 40)), price=10.0)
    quantiles = np.sort(rng.gamma(2, 2, (COUNT, 20, 4)), axis=2).round()
    forecast = make_forecast(panel, quantiles, (0.1, 0.4, 0.6, 0.9))
    suppliers = ("Lumen", "Potter", "Weaver")
    read = reader(
        supply=[
            {"sku": f"s{i}", "location": "all", "supplier": suppliers[i % 3], "lead_time": 4.0} for i in range(COUNT)
        ],
        stock=[{"sku": f"s{i}", "location": "all", "date": panel.cutoff, "on_hand": 10.0} for i in range(COUNT)],
        products=[{"sku": f"s{i}", "unit_cost": 6.0, "pack_size": 2.0} for i in range(COUNT)],
    )
    return propose(forecast, panel, read, parse({"decide": {"review": 5} | decide}), language)


def spent(rows):
    return rows.group_by("supplier").agg(pl.col("order_value").sum())


def test_a_budget_is_kept_and_told():
    free = plan()
    whole = free["order_value"].sum()
    tight = plan(budget=whole / 2)
    assert tight["order_value"].sum() <= whole / 2 + 1e-6
    assert tight["order_value"].sum() > 0.4 * whole
    both = free.join(tight, on=["sku", "location"], suffix="_tight")
    cut = both.filter(both["order_now_tight"] < both["order_now"])
    assert cut.height
    assert cut["why_tight"].str.contains("budget for all orders").all()
    for row in cut.iter_rows(named=True):
        assert f"ordered as {row['order_now']:g}" in row["why_tight"]
        assert f"Of this {row['order_now_tight']:g} is ordered" in row["why_tight"]
    assert (tight["order_now"] % 2 == 0).all()
    assert plan("zh", budget=whole / 2)["why"].str.contains("预算").any()


def test_limits_that_are_kept_anyhow_change_nothing():
    free = plan()
    wide = plan(budget=free["order_value"].sum() + 1, smallest_order={"Lumen": 1.0})
    assert wide.equals(free)


def test_a_least_order_value_is_reached_or_nothing_is_ordered():
    free = plan()
    each = dict(spent(free).iter_rows())
    small = plan(smallest_order={"Lumen": each["Lumen"] * 1.3, "Potter": 1e7})
    after = dict(spent(small).iter_rows())
    assert after["Potter"] == 0
    assert after["Lumen"] == 0 or after["Lumen"] >= each["Lumen"] * 1.3 - 1e-6
    potter = small.filter((small["supplier"] == "Potter") & (small["target"] > 10))
    assert potter["why"].str.contains("least order value").all()


def test_who_is_no_supplier_is_named():
    with pytest.raises(ConfigError, match="'Baker', who supplies nothing"):
        plan(smallest_order={"Baker": 10.0})
    with pytest.raises(ConfigError, match="must be money from 0"):
        plan(delivery_cost={"Lumen": -1.0})
