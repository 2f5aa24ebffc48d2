"""Customers of a simulated shop buy as their segments do, and a basket has one owner."""

from dataclasses import replace

import polars as pl
import pytest

from windvane.sim import Settings, simulate

pytestmark = pytest.mark.tiny

SETTINGS = Settings(
    products=30, days=365, rate=6.0, spread=0.6, promotions=8.0, livestreams=4.0, segments=1.0, fakes=0.0, events=0.0,
    stockout_series=0.0,
)  # fmt: skip


def bought(settings):
    """Sales of the shelf, their customer's segment, and whether a promotion of the product ran."""
    tables, truth = simulate(settings, 3).collect()
    promoted = truth.promotions.select("sku", date=pl.date_ranges("starts_on", "ends_on"), promoted=True)
    plain = truth.lines.filter((pl.col("kind") == "sale") & ~pl.any_horizontal("is_duplicate", "is_bulk", "is_presale"))
    lines = tables["orders"].unique(["order_id", "line"], keep="last").join(plain, on=["order_id", "line"], how="semi")
    lines = lines.with_columns(date=pl.col("ordered_at").dt.date())
    lines = lines.join(promoted.explode("date"), on=["sku", "date"], how="left")
    return lines.with_columns(pl.col("promoted").fill_null(False)), truth.customers


@pytest.fixture(scope="module")
def shop():
    return bought(SETTINGS)


def test_every_customer_has_a_segment(shop):
    lines, customers = shop
    assert customers["customer"].is_unique().all()
    assert lines.join(customers, on="customer", how="anti").is_empty()
    share = dict(customers.group_by("segment").agg(pl.len() / customers.height).iter_rows())
    assert share == pytest.approx({"regular": 0.3, "bargain hunter": 0.2, "occasional": 0.5}, abs=0.01)


def test_bargain_hunters_buy_what_is_promoted(shop):
    lines, customers = shop
    share = dict(lines.join(customers, on="customer").group_by("segment").agg(pl.col("promoted").mean()).iter_rows())
    assert share["bargain hunter"] > 0.8
    assert share["regular"] < 0.3
    assert share["occasional"] == pytest.approx(share["regular"], abs=0.05)


def test_what_promotions_sell_in_addition_goes_mostly_to_bargain_hunters(shop):
    lines, customers = shop
    _, truth = simulate(SETTINGS, 3).collect()
    days = truth.promotions.select("sku", "uplift", date=pl.date_ranges("starts_on", "ends_on")).explode("date")
    sold = lines.join(days, on=["sku", "date"]).join(customers, on="customer")
    extra = (sold["uplift"].clip(lower_bound=0) / (1 + sold["uplift"].clip(lower_bound=0))).sum()
    assert (sold["segment"] == "bargain hunter").sum() / extra == pytest.approx(0.85, abs=0.06)


def test_regulars_come_often_and_occasionals_once_or_twice(shop):
    lines, customers = shop
    orders = (
        lines.group_by("customer").agg(pl.col("order_id").n_unique().alias("orders")).join(customers, on="customer")
    )
    mean = dict(orders.group_by("segment").agg(pl.col("orders").mean()).iter_rows())
    assert mean["regular"] > 4 * mean["occasional"]
    assert (orders.filter(pl.col("segment") == "occasional")["orders"] <= 2).mean() > 0.85


def test_an_order_has_one_customer_one_moment_and_one_channel(shop):
    lines, _ = shop
    same = lines.group_by("order_id").agg(
        pl.col("customer", "ordered_at", "channel").n_unique(), pl.len().alias("lines")
    )
    assert same.select(pl.col("customer", "ordered_at", "channel").max()).row(0) == (1, 1, 1)
    assert 1.3 < same["lines"].mean() < 2


def test_nobody_buys_before_coming(shop):
    tables, _ = simulate(SETTINGS, 3).collect()
    first = shop[0].group_by("customer").agg(pl.col("date").min())
    assert first.join(tables["customers"], on="customer").filter(pl.col("date") < pl.col("joined_on")).is_empty()


def test_half_strength_lies_between(shop):
    half, none = (bought(replace(SETTINGS, segments=s)) for s in (0.5, 0.0))
    assert none[1].is_empty()
    assert none[1].columns == ["customer", "segment"]
    every = shop[1]
    spread = [
        lines.join(every, on="customer").filter(pl.col("segment") == "bargain hunter")["promoted"].mean()
        for lines, _ in (none, half, shop)
    ]
    assert spread[0] + 0.1 < spread[1] < spread[2] - 0.1
