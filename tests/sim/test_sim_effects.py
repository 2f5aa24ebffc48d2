"""What the simulated shop says of its effects can be found again in its demand, by arithmetic of its own."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.sim import Settings, simulate

# A calm half-year without festivals, with enough sales to measure by.
CALM = {
    "days": 180, "start": date(2024, 3, 1), "rate": 20.0, "spread": 0.3, "dispersion": 1e5, "intermittent": 0.0,
    "seasonal": 0.0, "shock": 0.0, "growth": 0.0, "launches": 0.0, "ends": 0.0, "stockout_series": 0.0, "presale": 0.0,
}  # fmt: skip


def lifts(truth):
    """Per promotion: demand on its days over that of the same weekdays before and after, without other promotions."""
    days = truth.promotions.select(
        "promotion", "sku", "uplift", "depth", "kind", pl.date_ranges("starts_on", "ends_on").alias("date")
    ).explode("date")
    demand = truth.demand.select("sku", "date", "demand")
    free = demand.join(days, on=["sku", "date"], how="anti")
    on = days.join(demand, on=["sku", "date"])
    usual = pl.concat(
        [
            on.select("promotion", "date", "sku", other=pl.col("date") + pl.duration(days=shift)).join(
                free, left_on=["sku", "other"], right_on=["sku", "date"]
            )
            for shift in (-14, -7, 7, 14)
        ]
    )
    usual = usual.group_by("promotion", "date").agg(pl.col("demand").mean().alias("usual"))
    both = on.join(usual, on=["promotion", "date"])
    return both.group_by("promotion", "sku", "kind", "depth").agg(
        pl.col("uplift").first(), (pl.col("demand").sum() / pl.col("usual").sum() - 1).alias("seen"), pl.len()
    )


@pytest.fixture(scope="module")
def calm():
    return simulate(Settings(products=110, **CALM), seed=3).truth


def test_uplift_is_what_a_comparison_with_other_weeks_finds(calm):
    found = lifts(calm).filter(pl.col("len") >= 5)
    assert found.height > 120
    x, y = np.log1p(found["uplift"].to_numpy()), np.log1p(found["seen"].to_numpy())
    slope, level = np.polyfit(x, y, 1)
    assert slope == pytest.approx(1.0, abs=0.08)
    assert level == pytest.approx(0.0, abs=0.05)


def test_price_cuts_follow_each_products_elasticity(calm):
    cuts = lifts(calm).filter((pl.col("kind") == "price cut") & (pl.col("len") >= 5) & (pl.col("depth") >= 0.2))
    cuts = cuts.join(calm.products, on="sku")
    seen = np.log1p(cuts["seen"].to_numpy()) / np.log1p(-cuts["depth"].to_numpy())
    slope, _ = np.polyfit(cuts["elasticity"].to_numpy(), seen, 1)
    assert cuts.height > 20
    assert slope == pytest.approx(1.0, abs=0.25)
    assert (seen.mean() - cuts["elasticity"].mean()) == pytest.approx(0.0, abs=0.12)


def test_demand_has_the_mean_and_the_variance_that_are_claimed():
    truth = simulate(Settings(products=60, days=200, rate=5.0, dispersion=2.0, intermittent=0.0), seed=2).truth
    demand = truth.demand.with_columns(shelf=pl.col("demand") - pl.col("presale"))
    total = demand.select("expected", "shelf").sum().row(0)
    assert total[1] == pytest.approx(total[0], rel=0.03)
    # Negative binomial: var = mu + mu^2 / size; the size is spread over products round 2.
    excess = ((demand["shelf"] - demand["expected"]) ** 2 - demand["expected"]).sum() / (demand["expected"] ** 2).sum()
    assert 0.35 < excess < 0.85


def test_rates_have_the_median_and_the_tail_that_are_asked_for():
    truth = simulate(Settings(products=600, days=60, start=date(2024, 4, 1), language="en", growth=0.0), seed=1).truth
    level = truth.products["level"].to_numpy()
    assert np.median(level) == pytest.approx(0.6, rel=0.15)
    assert np.quantile(level, 0.99) > 6
    assert np.std(np.log(level)) == pytest.approx(np.hypot(1.2, 0.15), rel=0.1)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.35])
def test_late_planners_are_out_of_stock_for_about_the_share_that_is_asked_for(share):
    truth = simulate(Settings(products=300, days=365, stockout_series=0.5, stockout_share=share), seed=4).truth
    by = truth.demand.join(truth.series, on=["sku", "location"]).group_by("late_planner").agg(
        (1 - pl.col("in_stock")).mean().alias("out"), pl.col("lost").sum() / pl.col("demand").sum()
    )  # fmt: skip
    out = dict(by.select("late_planner", "out").iter_rows())
    assert out[True] == pytest.approx(share, rel=0.2)
    assert out[False] < 0.01


def test_stock_that_is_given_agrees_with_the_truth_and_can_be_withheld():
    settings = Settings(products=80, days=100, stock_given=0.5)
    tables, truth = simulate(settings, seed=4).collect()
    stock = tables["stock"].sort("known_at", maintain_order=True).unique(["sku", "location", "date"], keep="last")
    both = stock.join(truth.demand, on=["sku", "location", "date"])
    assert both.height == stock.height
    assert (both["in_stock_share"] - both["in_stock"]).abs().max() < 1e-4
    assert stock["sku"].n_unique() / truth.demand["sku"].n_unique() == pytest.approx(0.5, abs=0.15)


def test_stock_is_what_came_less_what_was_sold():
    tables, truth = simulate(Settings(products=40, days=120, launches=0.0, ends=0.0), seed=6).collect()
    stock = (
        tables["stock"].sort("known_at", maintain_order=True).unique(["sku", "date"], keep="last").sort("sku", "date")
    )
    got = tables["receipts"].group_by("sku", pl.col("received_at").dt.date().alias("date")).agg(pl.col("units").sum())
    moves = (
        stock.join(truth.demand.select("sku", "date", shelf=pl.col("sales") - pl.col("presale")), on=["sku", "date"])
        .join(got, on=["sku", "date"], how="left")
        .with_columns(pl.col("units").fill_null(0))
        .with_columns((pl.col("on_hand").shift(1) + pl.col("units") - pl.col("shelf")).over("sku").alias("should"))
    )
    assert moves.filter(pl.col("should").is_not_null() & (pl.col("should") != pl.col("on_hand"))).is_empty()
    assert moves["units"].sum() > 0


def test_weekdays_and_festivals_show():
    truth = simulate(Settings(products=300, language="zh", growth=0.0), seed=1).truth
    by_day = truth.demand.group_by("date").agg(pl.col("demand").sum()).sort("date")
    mean = by_day["demand"].mean()
    singles = by_day.filter(pl.col("date") == date(2024, 11, 11))["demand"].item()
    assert singles > 2 * mean
    week = by_day.group_by(pl.col("date").dt.weekday()).agg(pl.col("demand").mean()).sort("date")["demand"]
    assert week[5:].mean() > 1.1 * week[:5].mean()
    new_year = by_day.filter(pl.col("date").is_between(date(2024, 2, 6), date(2024, 2, 14)))["demand"].mean()
    assert new_year < 0.7 * mean


def test_products_of_a_category_move_together():
    settings = Settings(products=80, shock=0.4, rate=5.0, spread=0.3, growth=0.0, seasonal=0.0, promotions=0.0)
    tables, truth = simulate(settings, seed=1).collect()
    path = tables["products"].select("sku", "category").unique()
    weekly = truth.demand.join(path, on="sku").with_columns(pl.col("date").dt.truncate("1w"))
    wide = weekly.group_by("sku", "category", "date").agg(pl.col("demand").sum()).sort("date")
    pairs = []
    for (_category,), part in wide.group_by("category", maintain_order=True):
        table = np.log(part.pivot("sku", index="date", values="demand").drop("date").fill_null(0).to_numpy() + 1.0)
        pairs.append(np.corrcoef(table.T)[np.triu_indices(table.shape[1], 1)].mean())
    assert np.mean(pairs) > 0.5
