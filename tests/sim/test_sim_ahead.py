"""What runs ahead of demand in a simulated shop: what visitors do, and the stars of faulty batches."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.sim import Settings, simulate
from windvane.sim.counterfactual import World, expected
from windvane.sim.quality import DROP

pytestmark = pytest.mark.tiny

CALM = Settings(
    products=6, days=200, start=date(2024, 3, 1), rate=100.0, spread=0.2, dispersion=1e6, intermittent=0.0,
    seasonal=0.0, shock=0.0, growth=0.0, launches=0.0, ends=0.0, stockout_series=0.0, presale=0.0, promotions=0.0,
    fakes=0.0, reviews=0.0,
)  # fmt: skip


def changes(frame, settings):
    """Change of the logarithm of units from day to day without the weekday's usual one, [sku, days - 1]."""
    grid = frame.pivot("date", index="sku", values="units", sort_columns=True).sort("sku").drop("sku")
    assert grid.width == settings.days
    step = np.diff(np.log(grid.to_numpy().astype(float)), axis=1)
    weekday = np.arange(step.shape[1]) % 7
    usual = np.stack([step[:, weekday == k].mean(axis=1) for k in range(7)], 1)
    return step - usual[:, weekday]


@pytest.mark.parametrize("leads", [0, 5, 12])
def test_what_visitors_do_leads_demand_by_the_days_set(leads):
    settings = replace(CALM, interest=0.4, leads=leads, events=0.3)
    tables, truth = simulate(settings, 2).collect()
    seen = tables["events"].group_by("sku", pl.col("at").dt.date().alias("date")).agg(units=pl.len())
    bought = truth.demand.select("sku", "date", units="demand")
    early, late = changes(seen, settings), changes(bought, settings)
    found = {}
    for lag in range(-14, 29):
        width = early.shape[1] - abs(lag)
        left, right = early[:, max(-lag, 0) :][:, :width], late[:, max(lag, 0) :][:, :width]
        found[lag] = np.corrcoef(left.ravel(), right.ravel())[0, 1]
    best = found.pop(leads)
    assert best > 0.4
    assert max(found.values()) < 0.5 * best


def test_demand_follows_interest_and_nothing_else_moves():
    steady, moved = (World.of(replace(CALM, interest=i), 4) for i in (0.0, 0.5))
    told = simulate(moved.settings, 4).truth.demand["interest"].to_numpy().reshape(CALM.products, CALM.days)
    ratio = expected(moved)[:, 0, : CALM.days] / expected(steady)[:, 0, : CALM.days]
    np.testing.assert_allclose(ratio, told, rtol=1e-9)
    many = np.log(simulate(replace(CALM, products=150, rate=0.1, interest=0.5), 4).truth.demand["interest"].to_numpy())
    assert many.std() == pytest.approx(0.5, rel=0.1)
    assert np.exp(many).mean() == pytest.approx(1.0, abs=0.06)
    kept = many.reshape(150, -1) + 0.125
    assert (kept[:, 1:] * kept[:, :-1]).mean() / (kept**2).mean() == pytest.approx(0.97, abs=0.01)


def test_stars_fall_at_once_and_demand_two_weeks_later_by_what_heed_says():
    settings = replace(CALM, products=40, rate=10.0, reviews=1.0, contradictory=0.0, faulty=1.0, heed=0.4)
    tables, truth = simulate(settings, 3).collect()
    told = tables["reviews"].join(truth.products, on="sku").with_columns(date=pl.col("at").dt.date())
    faulty = pl.col("date").is_between("faulty_from", "faulty_to")
    first = faulty & (pl.col("date") < pl.col("faulty_from") + pl.duration(days=7))
    usual, week = (told.filter(which)["rating"].mean() for which in (~faulty, first))
    assert usual - week == pytest.approx(DROP, abs=0.25)
    # What quality does to demand, by arithmetic of its own: the share of faulty days among those 8 to 20 days back.
    days = truth.demand.join(truth.products, on="sku").select(
        "heeded",
        share=sum(
            (pl.col("date") - pl.duration(days=back)).is_between("faulty_from", "faulty_to").cast(pl.Float64)
            for back in range(8, 21)
        ) / 13,
        first=(pl.col("date") - pl.col("faulty_from")).dt.total_days().is_between(0, 7),
    )  # fmt: skip
    np.testing.assert_allclose(days["heeded"], np.exp(-0.4 * DROP * days["share"].to_numpy()), rtol=1e-9)
    assert (days.filter("first")["heeded"] == 1).all()
    assert days["heeded"].min() == pytest.approx(np.exp(-0.4 * DROP))
    deaf, heard = (expected(World.of(replace(settings, heed=h), 3))[:, 0, : settings.days] for h in (0.0, 0.4))
    np.testing.assert_allclose(heard / deaf, days["heeded"].to_numpy().reshape(heard.shape), rtol=1e-9)


def test_only_the_share_of_products_asked_for_is_ever_faulty_and_while_on_sale():
    products = simulate(replace(CALM, products=400, days=120, rate=0.01, faulty=0.25, launches=0.5, ends=0.5), 1).truth
    products = products.products.filter(pl.col("faulty_from").is_not_null())
    assert products.height / 400 == pytest.approx(0.25, abs=0.06)
    assert (products["faulty_from"] >= products["launched"]).all()
    assert products.select((pl.col("faulty_from") <= pl.col("ended")).fill_null(True).all()).item()
    length = (products["faulty_to"] - products["faulty_from"]).dt.total_days() + 1
    assert 14 <= length.min() < length.max() <= 42
