"""The promotion plan of a run: from a made-up shop's tables to promotions, their sums, limits and states."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from windvane import plans
from windvane.cli import main
from windvane.config import parse
from windvane.decisions.pricing.shop import answers
from windvane.decisions.promotions.options import Best, Mechanic, choose, windows
from windvane.decisions.promotions.shop import promotion_plan
from windvane.decisions.response.promoted import kinds, running
from windvane.errors import ConfigError, InputError
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.futures import Known
from windvane.panel import Panel
from windvane.pipeline import run as run_pipeline
from windvane.schema import DERIVED, TABLES
from windvane.store import Workspace

DAYS, HORIZON, GOODS = 500, 21, 16
LIFT, ELASTICITY, RATE = 0.7, -2.5, 6.0


def made(shape: str = "each") -> tuple[Panel, Forecast]:
    """Sixteen products at 10.00 that now and then cost 8.00, are displayed, or both; half of the displays are large."""
    rng = np.random.default_rng(3)
    width = DAYS + HORIZON
    shown, cut = np.zeros((GOODS, width), np.float32), np.zeros((GOODS, width), bool)
    for row in range(GOODS):
        for begin in range(20 + row, DAYS - 30, 45):
            span = slice(begin, begin + 7)
            what = rng.integers(3)
            shown[row, span] = rng.choice([0.4, 0.8]) if what != 1 else 0.1
            cut[row, span] = what > 0
    price = np.where(cut, 8.0, 10.0).astype(np.float32)
    mean = RATE * (price / 10) ** ELASTICITY * np.exp(LIFT * np.where(shown > 0.2, shown, 0))
    keys = pl.DataFrame({"sku": [f"s{k:02d}" for k in range(GOODS)], "location": ["web"] * GOODS})
    freq = Freq("1d")
    known = {"price": Known(price)}
    levels: dict[str, tuple[str, ...]] = {}
    if shape == "each":
        known |= {"promo_display": Known(np.where(shown > 0.2, shown, 0).astype(np.float32))}
        known |= {"promo_coupon": Known(np.where((shown > 0) & (shown < 0.2), 1.0, 0.0).astype(np.float32))}
    else:
        code = np.where(shown > 0.2, 1.0, np.where(shown > 0, 2.0, 0.0)).astype(np.float32)
        known |= {"promotion": Known(code, text=True), "placement": Known(shown)}
        levels = {"promotion": ("", "display", "coupon")}
    panel = Panel(
        keys, rng.poisson(mean[:, :DAYS]).astype(np.float32), freq.dates(np.arange(20_000, 20_000 + DAYS)), freq,
        known=known, static=pl.DataFrame({"category_1": ["cups"] * 8 + ["lamps"] * 8}), hierarchy=("category_1",),
        levels=levels,
    )  # fmt: skip
    ahead = np.full((GOODS, HORIZON), RATE, np.float32)
    forecast = Forecast(
        keys, panel.cutoff, panel.future_dates(HORIZON), ahead, np.repeat(ahead[:, :, None], 3, axis=2),
        (0.1, 0.5, 0.9), panel.identity,
    )  # fmt: skip
    return panel, forecast


@pytest.fixture(scope="module")
def shop():
    return made()


@pytest.fixture(scope="module")
def response(shop):
    return answers(shop[0], parse({}))


def reader(costs=None, budget=None, log=()):
    costs = dict.fromkeys(range(GOODS), 5.0) if costs is None else costs
    moment = datetime(2024, 1, 1)
    held = {
        "products": [{"sku": f"s{k:02d}", "unit_cost": cost, "known_at": moment} for k, cost in costs.items()],
        "promotions": [
            {
                "promotion": "p", "sku": "s00", "location": "web", "starts_on": date(2024, 2, 1),
                "ends_on": date(2024, 2, 7), "kind": "Display", "placement": 0.4, "budget": budget, "known_at": moment,
            }
        ],
        "plan_log": list(log),
    }  # fmt: skip
    return lambda name: pl.DataFrame(held.get(name, []), schema=TABLES[name].types).lazy()


def orders(stock=1e6, lead=5.0):
    skus = [f"s{k:02d}" for k in range(GOODS)]
    stock = np.broadcast_to(stock, GOODS).astype(float)
    return pl.DataFrame({"sku": skus, "on_hand": stock, "on_order": 0.0, "lead_time": lead})


def planned(shop, response, read=None, stock=None, **settings):
    panel, forecast = shop
    config = parse({"promotions": settings, **settings.pop("other", {})})
    plan, past = promotion_plan(
        forecast, panel, read or reader(), config, orders() if stock is None else stock, response
    )
    assert dict(plan.schema) == DERIVED["promotion_plan"].types
    assert dict(past.schema) == DERIVED["past_promotions"].types
    return plan.sort("sku"), past


def test_numbers_of_a_promotion_add_up_and_are_about_right(shop, response):
    plan, past = planned(shop, response)
    assert plan.height == GOODS
    assert plan["promotion"].is_not_null().all()
    row = plan.row(0, named=True)
    assert (row["kind"], row["placement"]) == ("display", 0.8), "the largest display costs as little as the smallest"
    assert row["ends_on"] - row["starts_on"] == timedelta(days=6)
    assert row["units"] == pytest.approx(7 * RATE)
    assert row["new_units"] / row["units"] == pytest.approx(
        np.exp(0.8 * LIFT) * (1 - row["depth"]) ** ELASTICITY, rel=0.2
    )
    unit = row["unit_cost"]
    beside = 5.0
    earned = row["new_units"] * (row["price"] - unit) - row["later"] * (row["price_now"] - unit)
    assert row["new_earned"] == pytest.approx(earned - row["taken"] * beside - row["cost"], rel=1e-6)
    assert row["earned"] == pytest.approx(row["units"] * (row["price_now"] - unit), rel=1e-6)
    assert row["gain"] == pytest.approx(row["new_earned"] - row["earned"])
    assert row["gain_low"] < row["gain"] < row["gain_high"]
    assert (plan["depth"] <= 0.2).all(), "nothing deeper than in the past"
    assert row["assumed"] == "cost"
    assert "What the promotion itself costs is not known" in row["why"]
    assert f"{row['new_units']:.1f} in place of {row['units']:.1f}" in row["why"]
    assert past.filter(pl.col("kind") == "display").height > 50
    assert past["base"].mean() == pytest.approx(7 * RATE, rel=0.1)
    zh = promotion_plan(shop[1], shop[0], reader(), parse({"shop": {"language": "zh"}}), orders(), response)[0]
    assert zh["why"].str.contains("预计销量由").all()


def test_a_budget_is_kept_and_spent_where_it_earns_most(shop, response):
    rich = {k: 9.0 - 0.5 * k for k in range(GOODS)}
    read = reader(rich, budget=28.0)
    free, _ = planned(shop, response, read)
    some, _ = planned(shop, response, read, budget=30.0)
    assert free["cost"].drop_nulls().max() == pytest.approx(28 / 7 / 0.4 * 0.8 * 7, abs=0.1), "the table's money a day"
    assert 0 < some["cost"].sum() <= 30
    assert some["gain"].sum() < free["gain"].sum()
    left_out = some.filter(pl.col("promotion").is_null() & (pl.col("sku") > "s10"))
    assert left_out["why"].str.contains("others make more of the budget").all()
    told = planned(shop, response, read, cost={"display": 1.0, "coupon": 0.0})[0]
    assert told.filter(pl.col("kind") == "display")["cost"].to_list()[0] == pytest.approx(7.0)


def test_prices_stay_above_cost_and_unknown_costs_are_told(shop, response):
    plan, _ = planned(shop, response, reader({0: 8.5, 1: 9.9} | dict.fromkeys(range(3, GOODS), 5.0)))
    assert plan["price"][0] is None or plan["price"][0] >= 8.5
    assert plan["depth"][1] in (None, 0.0)
    assert plan["promotion"][2] is None
    assert plan["why"][2] == "Without a unit cost nobody can say what a promotion earns."
    dear, _ = planned(shop, response, other={"pricing": {"margin": 0.45}})
    assert (dear["price"].drop_nulls() >= 5 / 0.55 - 1e-6).all()


def test_promotions_keep_apart_from_those_planned_and_exported(shop, response):
    panel, forecast = shop
    shown = panel.known["promo_display"].values.copy()
    shown[0, DAYS + 10 : DAYS + 14] = 0.5
    busy = replace(panel, known=dict(panel.known) | {"promo_display": Known(shown)})
    first = forecast.dates.cast(pl.Date)[0]
    log = {
        "run": "r", "plan": "promotion_plan", "sku": "s01", "location": "all", "state": "exported", "old": 0.1,
        "new": 0.1, "who": "ann", "starts_on": first + timedelta(days=15), "days": 3.0,
        "known_at": datetime(2024, 10, 1),
    }  # fmt: skip
    plan, _ = planned((busy, forecast), response, reader(log=[log]), gap=3.0)
    assert (plan["starts_on"][0] - first).days >= 17 or (plan["ends_on"][0] - first).days <= 6
    assert (plan["starts_on"][1] - first).days >= 21 or (plan["ends_on"][1] - first).days <= 11
    tight, _ = planned((busy, forecast), response, reader(log=[log]), gap=14.0)
    assert tight["why"][0] == "Promotions are planned, or have just been, so that no further one fits in."
    assert tight["promotion"][2] is not None


def test_plans_that_became_known_later_are_not_seen(shop):
    panel, _ = shop
    shown = panel.known["promo_display"].values.copy()
    shown[0, DAYS + 10] = 0.5
    since = np.where(shown > 0, 0, -1).astype(np.int32)
    for known_at, seen in ((DAYS - 1, 0.5), (DAYS, np.nan)):
        since[0, DAYS + 10] = known_at
        now = replace(panel, known=dict(panel.known) | {"promo_display": Known(shown, since)})
        np.testing.assert_equal(float(kinds(now)[0].strength[0, DAYS + 10]), seen)


def test_what_cannot_be_there_in_time_is_not_promoted(shop, response):
    """Stock for the usual demand of eight days, and nothing more within ten: what begins earlier would run dry."""
    _, forecast = shop
    first = forecast.dates.cast(pl.Date)[0]
    late, _ = planned(shop, response, stock=orders(8 * RATE, lead=10.0))
    assert ((late["ends_on"] - first).dt.total_days() >= 10).all()
    never, _ = planned(shop, response, stock=orders(0.0, lead=60.0))
    assert never["promotion"].null_count() == GOODS


def test_settings_that_fit_nothing_are_named(shop, response):
    with pytest.raises(ConfigError, match="'balloon', a kind that never ran"):
        planned(shop, response, cost={"balloon": 3.0})
    with pytest.raises(ConfigError, match="depths must be shares"):
        planned(shop, response, depths=(1.5,))
    with pytest.raises(ConfigError, match="days must be lengths"):
        planned(shop, response, days=())


def test_without_promotions_prices_or_response_there_is_nothing_to_say(shop, response):
    panel, forecast = shop
    bare = replace(panel, known={"price": panel.known["price"]})
    for some, answer in ((bare, response), (panel, None)):
        plan, past = promotion_plan(forecast, some, reader(), parse({}), orders(), answer)
        assert not plan.height
        assert not past.height


def test_both_shapes_of_promotions_say_the_same():
    each, text = made("each")[0], made("text")[0]
    assert [kind.name for kind in kinds(each)] == [kind.name for kind in kinds(text)] == ["display", "coupon"]
    np.testing.assert_array_equal(running(each), running(text))
    np.testing.assert_array_equal(kinds(each)[0].strength > 0, kinds(text)[0].strength > 0)
    lifts = []
    for panel in (each, text):
        effects = answers(panel, parse({})).effects
        assert {"after promotion, day 1 to 7", "bought in promotions before"} <= effects.keys()
        lifts.append([kinds(panel)[0].lift(effects, strength) for strength in (0.4, 0.8)])
    assert lifts[0] == pytest.approx([0.4 * LIFT, 0.8 * LIFT], abs=0.06)
    assert lifts[1] == pytest.approx([0.4 * LIFT, 0.8 * LIFT], abs=0.1)


def test_what_is_chosen_is_the_best_of_all_choices():
    rng = np.random.default_rng(8)
    for _ in range(20):
        gain, cost = rng.uniform(-1, 5, (4, 4)), rng.uniform(0, 3, (4, 4))
        found = [
            Best(Mechanic("x", np.nan, 0.0, 0.0, False), 0.0, 7, np.zeros(4, int), gain[k], cost[k]) for k in range(4)
        ]
        chosen = choose(found, 4, budget=4.0)
        spent = sum(cost[k, p] for p, k in enumerate(chosen) if k >= 0)
        earned = sum(gain[k, p] for p, k in enumerate(chosen) if k >= 0)
        best = max(
            sum(gain[k, p] for p, k in enumerate(way) if k >= 0)
            for way in itertools.product(range(-1, 4), repeat=4)
            if sum(cost[k, p] for p, k in enumerate(way) if k >= 0) <= 4.0
        )
        assert spent <= 4.0 + 1e-9
        assert earned == pytest.approx(best)


def test_sums_over_windows():
    values = np.arange(10.0).reshape(2, 5)
    assert windows(values, 2).tolist() == [[1, 3, 5, 7], [11, 13, 15, 17]]
    assert windows(values, 5).tolist() == [[10], [35]]


def test_promotions_of_a_run_are_approved_changed_exported_and_come_back(tmp_path, capsys):
    rng = np.random.default_rng(2)
    opened = Workspace.create(tmp_path / "shop")
    begin, told = date(2025, 1, 1), []
    for k, sku in enumerate("abcdef"):
        told += [(sku, begin + timedelta(days=d)) for d in range(12 + 5 * k, 190, 40)]
    with (tmp_path / "o.csv").open("w") as file:
        file.write("order_id,ordered_at,sku,location,units,unit_price\n")
        for d in range(210):
            day = begin + timedelta(days=d)
            for sku in "abcdef":
                on = any(s == sku and first <= day <= first + timedelta(days=5) for s, first in told)
                units = rng.poisson(8 * (2.2 if on else 1))
                file.write(f"{d}{sku},{day},{sku},web,{units},{9 if on and sku in 'abc' else 10}\n")
    (tmp_path / "p.csv").write_text("sku,unit_cost\n" + "".join(f"{sku},4\n" for sku in "abcdef"))
    shown = "".join(f"x{k},{s},web,{f},{f + timedelta(days=5)},display,1,12,{f}\n" for k, (s, f) in enumerate(told))
    (tmp_path / "m.csv").write_text("promotion,sku,location,starts_on,ends_on,kind,placement,budget,known_at\n" + shown)

    def windvane(*words):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words), "-w", str(opened.folder), "--json"])
        return ended.value.code, capsys.readouterr()

    for name, table in (("o", "orders"), ("p", "products"), ("m", "promotions")):
        assert windvane("ingest", tmp_path / f"{name}.csv", "-t", table)[0] == 0
    path = opened.folder / "windvane.toml"
    path.write_text(path.read_text().replace("[promotions]", "[promotions]\npropose = true\ndays = [6]"))
    shop = Workspace.open(opened.folder)
    published = run_pipeline(shop)
    found = plans.lines(shop, "promotion_plan")
    proposed = found.filter(pl.col("promotion").is_not_null())
    assert proposed.height >= 3
    assert (published.read("past_promotions")["uplift"] > 0).mean() > 0.9
    one, two, three = proposed["sku"].head(3)
    assert windvane("plan", "approve", one, "--plan", "promotion_plan", "--who", "ann")[0] == 0
    code, said = windvane("plan", "edit", two, "0.05", "--why", "x", "--plan", "promotion_plan", "--who", "ann")
    assert code == 0, said
    assert windvane("plan", "decline", three, "--why", "no", "--plan", "promotion_plan", "--who", "ann")[0] == 0
    with pytest.raises(InputError, match="70% off is too much"):
        plans.edit(shop, (two, None), 0.7, ("ann", "x"), plan="promotion_plan")
    with pytest.raises(InputError, match=r"1\.0 cannot be the depth.*"):
        plans.edit(shop, (two, None), 1.0, ("ann", "x"), plan="promotion_plan")
    none = found.filter(pl.col("promotion").is_null())["sku"]
    if len(none):
        with pytest.raises(InputError, match="nothing is proposed"):
            plans.approve(shop, "ann", [(none[0], None)], "promotion_plan")
    code, said = windvane("plan", "list", "--plan", "promotion_plan")
    assert json.loads(said.out)["states"]["declined"] == 1
    file = tmp_path / "next.csv"
    assert windvane("plan", "export", file, "--plan", "promotion_plan", "--who", "ann")[0] == 0
    out = pl.read_csv(file, try_parse_dates=True)
    assert out["sku"].to_list() == sorted([one, two])
    assert out.filter(pl.col("sku") == two)["depth"][0] == 0.05
    assert set(TABLES["promotions"].names) - {"known_at"} <= set(out.columns), "it can be read back as promotions"
    # What has left the house is not proposed anew, nor anything near it.
    again = run_pipeline(shop).read("promotion_plan")
    for row in out.iter_rows(named=True):
        next_one = again.filter((pl.col("sku") == row["sku"]) & pl.col("promotion").is_not_null())
        for new in next_one.iter_rows(named=True):
            assert new["starts_on"] > row["ends_on"] + timedelta(days=13) or new["ends_on"] < row["starts_on"]
    assert windvane("ingest", file, "-t", "promotions")[0] == 0
