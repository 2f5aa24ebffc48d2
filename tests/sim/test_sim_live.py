"""Livestreams of a simulated shop: what they sell, when they are told of, and who may know."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from windvane.sim import Settings, simulate
from windvane.sim.counterfactual import World, expected
from windvane.sim.play import play

pytestmark = pytest.mark.tiny

CALM = Settings(
    products=40, days=200, start=date(2024, 3, 1), rate=10.0, spread=0.3, dispersion=1e6, intermittent=0.0, shock=0.0,
    launches=0.3, ends=0.2, stockout_series=0.0, presale=0.0, promotions=6.0, livestreams=12.0, reviews=0.0, events=0.0,
    fakes=0.0, late=0.0, corrected=0.0, duplicates=0.0, repeats=0.0, bulk=0.0, returns=0.0, gifts=0.0,
)  # fmt: skip
KIND = {"en": "livestream", "zh": "直播专场"}
CHANNEL = {"en": "livestream", "zh": "直播"}


@pytest.fixture(scope="module", params=["en", "zh"])
def shop(request):
    settings = replace(CALM, language=request.param)
    tables, truth = simulate(settings, 6).collect()
    is_live = pl.col("kind") == KIND[request.param]
    return settings, tables, truth, truth.promotions.filter(is_live), truth.promotions.filter(~is_live)


def test_a_livestream_takes_one_day_on_which_nothing_else_is_promoted(shop):
    _, _, truth, live, other = shop
    assert live.height > 100
    assert (live["starts_on"] == live["ends_on"]).all()
    assert live["depth"].is_between(0.1, 0.2).all()
    days = other.select("sku", date=pl.date_ranges("starts_on", "ends_on")).explode("date")
    assert live.join(days, left_on=["sku", "starts_on"], right_on=["sku", "date"]).is_empty()
    assert live.join(truth.demand, left_on=["sku", "starts_on"], right_on=["sku", "date"]).height == live.height


def test_it_sells_its_factor(shop):
    settings, _, truth, live, _ = shop
    factor = 1 + live["uplift"]
    np.testing.assert_allclose(factor, live["price_effect"] * live["feature_effect"], rtol=1e-12)
    assert factor.median() == pytest.approx(4, rel=0.15)
    days = live.join(truth.demand, left_on=["sku", "starts_on"], right_on=["sku", "date"])
    world = World.of(settings, 6)
    row = days["sku"].str.tail(-1).cast(pl.Int64).to_numpy()
    day = (days["starts_on"] - settings.start).dt.total_days().to_numpy()
    without = expected(world, promotions=False)[row, 0, day]
    np.testing.assert_allclose(days["expected"], without * (1 + days["uplift"]), rtol=1e-9)
    assert days["demand"].sum() / without.sum() == pytest.approx(
        (without * factor.to_numpy()).sum() / without.sum(), rel=0.05
    )


def test_most_are_announced_and_the_others_are_entered_in_the_morning_after(shop):
    _, tables, _, live, _ = shop
    assert 1 - live["announced"].mean() == pytest.approx(0.3, abs=0.12)
    day = live.select("promotion", "sku", "announced", start="starts_on")
    told = day.join(tables["promotions"], on="promotion", how="left").join(
        tables["prices"].select("sku", "valid_from", "valid_to", "price", "list_price", priced="known_at"),
        left_on=["sku", "start"], right_on=["sku", "valid_from"], how="left",
    ).filter((pl.col("valid_to") == pl.col("start")) | pl.col("valid_to").is_null())  # fmt: skip
    last = tables["promotions"]["known_at"].dt.date().max()
    late = told.filter(~pl.col("announced"), pl.col("start") < last)
    early = told.filter("announced")
    for known in ("known_at", "priced"):
        ahead = (early["start"] - early[known].dt.date()).dt.total_days()
        assert set(ahead) == {0, 1, 2, 3}
        assert (early[known].dt.hour() < 20).all()
        assert ((late[known].dt.date() - late["start"]).dt.total_days() == 1).all()
        assert (late[known].dt.hour() < 12).all()
    cut = told.drop_nulls("price")
    assert (1 - cut["price"] / cut["list_price"] - cut["depth"]).abs().max() < 0.01


def test_what_it_sells_in_addition_is_ordered_that_evening_through_its_channel(shop):
    settings, tables, _, live, _ = shop
    lines = tables["orders"].with_columns(date=pl.col("ordered_at").dt.date())
    lines = lines.join(live, left_on=["sku", "date"], right_on=["sku", "starts_on"], suffix="_live")
    evening = pl.col("ordered_at").dt.hour().is_between(20, 22)
    there = pl.col("channel") == CHANNEL[settings.language]
    extra = (lines["uplift"] / (1 + lines["uplift"])).sum() / lines.height
    assert lines.select((evening & there).mean()).item() >= extra - 0.03
    if settings.language == "en":
        assert lines.select(there.mean()).item() == pytest.approx(extra, abs=0.03)
        assert lines.filter(there).select(evening.all()).item()
        assert lines.join(live, on="promotion", how="anti").is_empty()
        assert tables["orders"].filter(there).height == lines.filter(there).height


ALONE = replace(CALM, promotions=0.0, launches=0.0, ends=0.0)


def own(world):
    """Logarithm of the factors of livestreams on their days, [product, width]."""
    out = np.zeros(world.planned.paid.shape)
    for p in world.planned.promotions.iter_rows(named=True):
        out[p["row"], p["start"]] = np.log(p["price_effect"] * p["feature_effect"])
    return out


def test_the_product_beside_feels_it():
    world = World.of(replace(ALONE, rivals=0.5), 6)
    ratio = np.log(expected(world) / expected(world, promotions=False))[:, 0]
    effect = own(world)
    beside = effect[np.arange(len(effect)) ^ 1]
    np.testing.assert_allclose(ratio, effect - world.made.rival[:, None] * beside, atol=1e-9)


def test_what_it_pulls_forward_is_missing_in_the_two_weeks_after():
    world = World.of(replace(ALONE, pull_forward=0.2), 6)
    ratio = (expected(world) / expected(world, promotions=False))[:, 0]
    events = world.planned.promotions.sort("row", "start").with_columns(
        pl.col("start").diff().over("row").fill_null(99).alias("since"),
        (pl.col("start").shift(-1) - pl.col("start")).over("row").fill_null(99).alias("until"),
    )
    apart = events.filter(pl.col("since") > 14, pl.col("until") > 14, pl.col("start") + 15 < ratio.shape[1])
    assert apart.height > 30
    for p in apart.iter_rows(named=True):
        factor = p["price_effect"] * p["feature_effect"]
        assert ratio[p["row"], p["start"]] == pytest.approx(factor, rel=1e-9)
        missing = (1 - ratio[p["row"], p["start"] + 1 : p["start"] + 15]).sum()
        assert missing == pytest.approx(0.2 * (factor - 1), rel=1e-9)


def test_a_price_kept_up_loses_what_the_cut_won():
    world = World.of(ALONE, 6)
    kept = expected(world, world.planned.regular) / expected(world)
    for p in world.planned.promotions.iter_rows(named=True):
        assert kept[p["row"], 0, p["start"]] == pytest.approx(1 / p["price_effect"], rel=5e-3)


@pytest.fixture(scope="module")
def stage():
    settings = replace(
        CALM, language="zh", launches=0.0, ends=0.0, rivals=0.3, pull_forward=0.2, locations=2, unannounced=0.5
    )
    return play(settings, 6, 100)


def surprises(shop):
    """Series and day of the livestreams of the play that nobody announced."""
    row, day = np.nonzero(shop.sudden.since >= 0)
    inside = (day > 100) & (day < 190)
    return row[inside], day[inside]


def morning(stage, day):
    """What the forecaster knows of plans on a morning."""
    seen = []

    def keep(panel):
        seen.append(panel)
        raise StopIteration

    sold = stage.stage.demand[:, :day]
    with pytest.raises(StopIteration):
        stage.forecaster(keep)(day, sold, np.zeros(sold.shape, bool))
    return seen[0].known


def test_the_forecaster_knows_nothing_of_a_livestream_that_nobody_announced(stage):
    code = float(stage.panel.levels["promotion"].index("直播专场"))
    row, day = surprises(stage)
    assert len(row) > 20
    week, end = np.arange(1, 8), morning(stage, 195)
    assert (stage.panel.known["promotion"].at(99, np.arange(1, 60)) == code).any(), "others are announced"
    for r, d in zip(row[:8], day[:8].tolist(), strict=True):
        before, after = morning(stage, d), morning(stage, d + 1)
        # Later on, too, it does not count as having been known before.
        for known in (before, end):
            assert known["promotion"].at(d - 1, week)[r, 0] == 0
            assert known["placement"].at(d - 1, week)[r, 0] == 0
            assert not np.isnan(known["price"].at(d - 1, week)).any()
        assert after["promotion"].at(d, np.array([0]))[r, 0] == code
        assert after["price"].at(d, np.array([0]))[r, 0] < 0.91 * before["price"].at(d - 1, week)[r, 0]


def test_an_oracle_is_surprised_unless_it_foresees(stage):
    row, day = surprises(stage)
    nothing = np.zeros((1, 0))
    told, foreseen = (stage.oracle(90, foreseen=f)(100, nothing, nothing).mean for f in (False, True))
    ratio = foreseen / told
    np.testing.assert_allclose(ratio[row, day - 100], np.exp(stage.sudden.effect[row, day]), rtol=1e-4)
    assert np.median(ratio[row, day - 100]) > 2.5
    calm = stage.sudden.effect[:, 100:190] == 0
    np.testing.assert_allclose(ratio[calm], 1, rtol=1e-5)
    # The product beside feels it too.
    assert ((ratio < 0.95) | (ratio > 1.05))[~calm].mean() > 0.9
