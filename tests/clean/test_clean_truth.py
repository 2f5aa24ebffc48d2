"""The rules on order lines against a simulated shop that knows what every line is."""

import polars as pl
import pytest

from windvane import schema
from windvane.clean import build, lines, orders
from windvane.config import parse
from windvane.sim import Settings, simulate

KEY = ["order_id", "line"]


@pytest.fixture(scope="module", params=[(4, "en"), (5, "zh")])
def shop(request):
    seed, language = request.param
    made = Settings(products=120, days=300, locations=2, language=language, fakes=0.1, stock_given=0.0, bulk=0.001)
    tables, truth = simulate(made, seed).collect()
    rows = tables["orders"].sort("known_at", maintain_order=True)
    return {**tables, "orders": rows.unique(KEY, keep="last", maintain_order=True)}, truth


def found(tables, **settings):
    rows = tables["orders"].lazy()
    cells = lines.cells(rows, True, "1d")
    ruled = orders.rules(orders.Lines(rows, cells, tables["promotions"]), parse({"clean": settings}).clean)
    return {rule.rule: rule for rule in ruled}


@pytest.mark.parametrize(
    ("rule", "flag", "precision", "recall"),
    [
        ("duplicate order", "is_duplicate", 0.9, 0.95),
        ("suspected fake", "is_fake", 0.95, 0.9),
        ("bulk order", "is_bulk", 0.9, 0.5),
    ],
)
def test_what_is_found_is_what_it_is_called(shop, rule, flag, precision, recall):
    tables, truth = shop
    gone = found(tables, fakes="drop", bulk="drop")[rule].gone
    true = truth.lines.filter(pl.col(flag) & (pl.col("kind") == "sale")).unique(KEY)
    hits = true.join(gone, on=KEY, how="semi").height
    assert true.height > 30
    assert hits / gone.height >= precision
    assert hits / true.height >= recall


def test_fakes_are_judged_by_the_day_with_hours_too(shop):
    tables, _ = shop
    rows = tables["orders"].lazy()
    gone = []
    for unit in ("1d", "1h"):
        given = orders.Lines(rows, lines.cells(rows, True, unit), tables["promotions"])
        ruled = orders.rules(given, parse({"clean": {"freq": unit, "fakes": "drop"}}).clean)
        gone.append({rule.rule: rule.gone for rule in ruled}["suspected fake"])
    assert gone[0].height > 30
    assert gone[0].equals(gone[1])


def test_returns_find_the_sale_that_the_shop_would_name(shop):
    tables, _ = shop
    named = found(tables, returns="sale_date")["return to sale date"]
    blind = tables["orders"].with_columns(pl.lit(None, pl.String).alias("return_of"))
    guessed = found({**tables, "orders": blind}, returns="sale_date")["return to sale date"]

    def days(rule):
        back = rule.moves.filter(pl.col("returned") > 0)
        return back.select("order_id", "sku", pl.col("at").dt.date())

    both = days(named).join(days(guessed), on=["order_id", "sku"])
    assert both.height > 200
    assert (both["at"] == both["at_right"]).mean() > 0.9


def test_the_panel_comes_near_the_truth(shop):
    tables, truth = shop

    def read(name):
        return tables.get(name, schema.RAW[name].empty()).lazy()

    def error(**settings):
        plain = {"returns": "drop", "stockouts": "off", "outlier_factor": 1000.0}
        result = build(read, parse({"clean": {**plain, **settings}}), horizon=7)
        sold = result.frame.select("sku", "location", "date", "raw_sales")
        true = truth.demand.filter(pl.col("date") <= result.closed)
        both = true.join(sold, on=["sku", "location", "date"], how="left").fill_null(0.0)
        return (both["raw_sales"] - both["sales"]).abs().sum() / both["sales"].sum()

    assert error(fakes="drop", bulk="drop") < 0.4 * error(fakes="keep", bulk="keep", duplicates="keep", presale_days=0)
