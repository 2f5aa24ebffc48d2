"""The price plan of a run: from a simulated shop's tables to prices, their rules, their words and their states."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from windvane import plans
from windvane.cli import main
from windvane.config import parse
from windvane.decisions.pricing.rivals import market_prices
from windvane.decisions.pricing.shop import price_plan
from windvane.errors import ConfigError, InputError
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.futures import Known
from windvane.panel import Panel
from windvane.pipeline import run as run_pipeline
from windvane.schema import DERIVED, TABLES
from windvane.store import Workspace

DAYS, HORIZON, GOODS = 400, 14, 12


@pytest.fixture(scope="module")
def shop():
    """Twelve products at two locations whose demand falls by the square of the price; the last price never moves."""
    rng = np.random.default_rng(5)
    price = np.repeat(rng.choice([9.0, 10.0, 11.0], (GOODS, DAYS // 10)), 10, axis=1)
    price[-1] = 10.0
    price = np.concatenate([price, np.full((GOODS, HORIZON), 10.0)], axis=1)
    both = np.repeat(price, 2, axis=0)
    mean = 8 * (both[:, :DAYS] / 10) ** -2.0
    keys = pl.DataFrame({"sku": [f"s{k // 2:02d}" for k in range(2 * GOODS)], "location": ["north", "south"] * GOODS})
    freq = Freq("1d")
    panel = Panel(
        keys, rng.poisson(mean).astype(np.float32), freq.dates(np.arange(20_000, 20_000 + DAYS)), freq,
        known={"price": Known(both.astype(np.float32))},
        static=pl.DataFrame({"category_1": ["cups"] * GOODS + ["lamps"] * GOODS}), hierarchy=("category_1",),
    )  # fmt: skip
    ahead = np.full((2 * GOODS, HORIZON), 8.0, np.float32)
    forecast = Forecast(
        keys, panel.cutoff, panel.future_dates(HORIZON), ahead, np.repeat(ahead[:, :, None], 3, axis=2),
        (0.1, 0.5, 0.9), panel.identity,
    )  # fmt: skip
    return panel, forecast


def reader(costs, rivals=None):
    made = {
        "products": [{"sku": f"s{k:02d}", "unit_cost": cost} for k, cost in costs.items()],
        "signals": [
            {"name": "competitor price", "sku": f"s{k:02d}", "location": "", "region": "", "date": None, "value": value}
            for k, value in (rivals or {}).items()
        ],
    }
    return lambda name: pl.DataFrame(made.get(name, []), schema=TABLES[name].types).lazy()


def planned(shop, costs=None, rivals=None, language="en", **pricing):
    panel, forecast = shop
    costs = dict.fromkeys(range(GOODS), 6.0) if costs is None else costs
    config = parse({"pricing": {"change": 0.5} | pricing})
    return price_plan(forecast, panel, reader(costs, rivals), config, language).sort("sku")


def test_the_price_that_earns_most_is_about_the_textbooks(shop):
    """Elasticity -2, cost 6: the best price is 12 (cost x e / (e + 1))."""
    plan = planned(shop)
    assert plan.height == GOODS
    assert dict(plan.schema) == DERIVED["price_plan"].types
    assert plan["elasticity"].to_numpy() == pytest.approx(np.full(GOODS, -2.0), abs=0.4)
    assert plan["price"].to_numpy() == pytest.approx(np.full(GOODS, 12.0), abs=1.3)
    assert (plan["gain"] > 0).all()
    assert plan["varied"].to_list() == [True] * (GOODS - 1) + [False]
    assert "taken from other products" in plan["why"][-1]
    row = plan.row(0, named=True)
    assert f"{row['price']:.2f} instead of 10.00" in row["why"]
    assert row["units"] == pytest.approx(2 * HORIZON * 8)
    assert row["earned"] == pytest.approx(2 * HORIZON * 8 * 4, rel=1e-4)
    assert planned(shop, language="zh")["why"].str.contains("需求约降").all()


def test_rules_hold_and_are_told(shop):
    low = planned(shop, costs={0: 9.8, 1: 12.0} | dict.fromkeys(range(3, GOODS), 6.0), change=0.1, endings=(0.99,))
    assert ((low["price"] * 100).round() % 100 == 99).sum() == (low["price"] != low["price_now"]).sum() > 0
    assert ((low["price"] - low["price_now"]).abs() <= 1 + 1e-6).all()
    assert low["conflict"][1] == "cost: at least 12.00 / change: at most 11.00"
    assert low["price"][1] == 10
    assert "contradict each other" in low["why"][1]
    assert "Today's price lies below the unit cost of 12.00" in low["why"][1]
    assert low["price"][2] == 10
    assert "without a unit cost" in low["why"][2]
    margin = planned(shop, category_margin={"cups": 0.6}, change=1.0)
    assert (margin["price"][:6] >= 6 / 0.4 - 0.01).all()
    assert (margin["price"][6:] < 14).all()
    assert margin["bound"][:6].to_list() == ["margin"] * 6
    index = planned(shop, rivals={0: 9.0, 7: 20.0}, highest_index=1.1, lowest_index=0.7)
    assert index["price"][0] <= 9.9 + 1e-6
    assert index["price"][7] >= 14 - 1e-6
    assert index["bound"][0] == index["bound"][7] == "competitor"


def test_settings_that_fit_nothing_are_named(shop):
    with pytest.raises(ConfigError, match="'hats', which is no category"):
        planned(shop, category_margin={"hats": 0.2})
    with pytest.raises(ConfigError, match="parts of 1"):
        planned(shop, endings=(1.99,))
    with pytest.raises(ConfigError, match="lowest_index"):
        planned(shop, lowest_index=1.2, highest_index=1.0)


def test_substitutes_are_looked_at_together_where_asked_for(shop):
    alone, both = planned(shop), planned(shop, substitutes=True)
    assert not np.allclose(alone["new_earned"], both["new_earned"])
    assert (both["earned"] - alone["earned"]).abs().max() < 1e-9


def test_without_prices_there_is_nothing_to_propose(shop):
    panel, forecast = shop
    bare = Panel(panel.keys, panel.sales, panel.dates, panel.freq)
    assert not price_plan(forecast, bare, reader({}), parse({})).height


def told(forecast, ago, values):
    """The competitor's price of one product, one value a day up to some days before the cutoff."""
    last = forecast.cutoff - timedelta(days=ago)
    return [
        {
            "name": "competitor price", "sku": "s00", "location": "", "region": "", "known_at": datetime(2020, 1, 1),
            "date": last - timedelta(days=len(values) - 1 - d), "value": value,
        }
        for d, value in enumerate(values)
    ]  # fmt: skip


def test_where_the_competitors_prices_go_is_a_table_of_the_run(shop):
    _, forecast = shop

    def found(rows):
        frame = pl.DataFrame(rows, schema=TABLES["signals"].types)
        empty = pl.DataFrame(schema=TABLES["signals"].types)
        return market_prices(forecast, lambda name: (frame if name == "signals" else empty).lazy(), parse({}))

    stands = found(told(forecast, 3, [9.0] * 200))
    assert dict(stands.schema) == DERIVED["market_prices"].types
    assert stands["date"].to_list() == forecast.dates.cast(pl.Date).to_list()
    assert stands["mean"].to_list() == pytest.approx([9.0] * HORIZON)
    assert stands["last"].to_list() == pytest.approx([9.0] * HORIZON)
    moves = found(told(forecast, 0, [9.0 if (d // 20) % 3 else 7.5 for d in range(200)]))
    assert moves.height == HORIZON
    assert (moves["low"] <= moves["middle"]).all()
    assert (moves["middle"] <= moves["high"]).all()
    assert moves["low"].min() < 8 < moves["high"].max()
    ahead = found(told(forecast, -HORIZON - 5, [9.0] * 300))
    assert ahead["date"].max() is None or ahead["date"].min() > forecast.cutoff
    assert not found(told(forecast, 61, [9.0] * 90)).height, "what was told long ago says nothing of today"
    assert not found([]).height


def test_prices_of_a_run_are_approved_changed_and_exported(tmp_path, capsys):
    rng = np.random.default_rng(2)
    first = Workspace.create(tmp_path / "shop")
    with (tmp_path / "o.csv").open("w") as file:
        file.write("order_id,ordered_at,sku,location,units,unit_price\n")
        for d in range(150):
            for k, sku in enumerate("abcdef"):
                price = [9, 10, 11][(d // 10 + k) % 3] if d < 140 else 10
                units = rng.poisson(6 * (price / 10) ** -2.5)
                file.write(f"{d}{sku},2025-{1 + d // 28:02d}-{1 + d % 28:02d},{sku},web,{units},{price}\n")
    (tmp_path / "p.csv").write_text("sku,unit_cost\n" + "".join(f"{sku},7.5\n" for sku in "abcdef"))
    for words in (("ingest", tmp_path / "o.csv", "-t", "orders"), ("ingest", tmp_path / "p.csv", "-t", "products")):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words), "-w", str(first.folder), "--json"])
        assert not ended.value.code
    (first.folder / "windvane.toml").write_text(
        '[backtest]\nmodels = ["moving_average"]\nchoose_folds = 1\nreport_folds = 1\nbootstrap = 100\n'
        "[forecast]\nhorizon = 7\npaths = 50\n[pricing]\npropose = true\n"
    )
    workspace = Workspace.open(first.folder)
    run_pipeline(workspace)
    lines = plans.lines(workspace, "price_plan")
    assert lines.height == 6
    assert (lines["price"] >= 7.5).all()
    with pytest.raises(InputError, match=r"unit cost is 7\.50"):
        plans.edit(workspace, ("a", None), 7.0, ("ann", "x"), plan="price_plan")
    with pytest.raises(InputError, match="highest price allowed"):
        plans.edit(workspace, ("a", None), 70.0, ("ann", "x"), plan="price_plan")
    plans.edit(workspace, ("a", None), 11.25, ("ann", "a test"), plan="price_plan")
    plans.decline(workspace, "ann", "not now", [("b", None)], "price_plan")
    plans.approve(workspace, "ann", plan="price_plan")
    out = plans.export(workspace, tmp_path / "prices.csv", "ann", "price_plan")
    assert "b" not in out["sku"].to_list()
    assert out.filter(pl.col("sku") == "a")["new"].to_list() == [11.25]
    read = pl.read_csv(tmp_path / "prices.csv")
    assert read.columns == ["sku", "location", "price_now", "price", "proposed", "state", "who", "why"]
    capsys.readouterr()
    for words in (("--json",), ()):
        with pytest.raises(SystemExit) as ended:
            main(["plan", "--plan", "price_plan", "-w", str(workspace.folder), *words])
        assert not ended.value.code
        said = capsys.readouterr().out
        if words:
            assert json.loads(said)["states"]["exported"] == out.height
    assert plans.score_orders(workspace).height == 0, "prices are no orders"
