"""A whole run, from CSV files to tables: what it writes has the declared shape and holds together."""

import json
from itertools import pairwise

import corner_shop as shops
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from windvane import schema
from windvane.clock import CLOCK
from windvane.errors import InputError, StoreError, WindvaneError
from windvane.models import registry
from windvane.outlook.story import tell
from windvane.pipeline import STAGES, run
from windvane.sim import Settings, simulate

WRITTEN = {
    "panel", "cleaning", "findings", "products_view", "quarantine_summary", "scores", "leaderboard", "forecasts",
    "series", "totals", "trends", "reorder", "overridden",
}  # fmt: skip


def tables_of(published):
    """A run's tables, without the one column that measures time."""
    return {name: published.read(name).drop("seconds", strict=False) for name in published.tables}


def story(workspace, published, sku, location=None):
    versions = published.manifest["versions"]
    return tell(published, lambda name: workspace.tables.read(name, versions.get(name)), sku, location)


def assert_adds_up(told):
    parts = sum(told.explanation.parts.values())
    assert told.explanation.total == pytest.approx(parts, rel=1e-4, abs=1e-6)
    assert told.published == pytest.approx(told.explanation.total, rel=1e-4, abs=1e-4)


def assert_declared(published):
    """Every table has exactly the declared columns and types, its key is unique, its required values are there."""
    for name in published.tables:
        table, frame = schema.DERIVED[name], published.read(name)
        expected = dict(table.types)
        if name == "forecasts":
            expected |= {schema.quantile_name(q): pl.Float64() for q in published.config.forecast.quantile_levels}
        assert dict(frame.schema) == expected, name
        assert frame.columns == list(expected), name
        assert frame.select(table.key).is_duplicated().sum() == 0, name
        for column in table.columns:
            values = frame[column.name]
            assert column.nullable or values.null_count() == 0, (name, column.name)
            assert not column.type.is_float() or not values.is_nan().any(), (name, column.name)
            assert not column.allowed or set(values.drop_nulls()) <= set(column.allowed), (name, column.name)
            if column.minimum is not None and frame.height and values.null_count() < frame.height:
                assert values.min() >= column.minimum, (name, column.name)


def assert_whole_forecast(published):
    frame, series = published.read("forecasts"), published.read("series")
    horizon = published.config.forecast.horizon
    assert frame.height == series.height * horizon > 0
    assert not sum(frame.null_count().row(0))
    numbers = frame.select(pl.col(pl.Float64))
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width
    assert (frame["cutoff"] == published.read("panel")["date"].max()).all()
    assert frame.group_by("sku", "location").agg(pl.col("step").sort())["step"].to_list() == [
        list(range(1, horizon + 1))
    ] * len(series)
    assert_frame_equal(series.select("sku", "location"), frame.select("sku", "location").unique(maintain_order=True))


def test_every_table_is_as_declared(street):
    _, published = street
    assert set(published.tables) == WRITTEN
    assert_declared(published)
    for name, rows in published.tables.items():
        assert published.read(name).height == rows
    # The shop was made so that nothing is empty but what went wrong, and what nobody said.
    assert {name for name, rows in published.tables.items() if not rows} == {"quarantine_summary", "overridden"}


def test_forecasts_are_whole(street):
    assert_whole_forecast(street[1])


def test_stages_state_their_budget(street):
    stages = street[1].manifest["stages"]
    assert [stage["stage"] for stage in stages] == list(STAGES)
    for stage in stages:
        assert stage["rows"] > 0
        assert stage["seconds"] > 0
        assert stage["peak_mb"] > 1


def test_the_champion_is_reported_on_other_folds_than_it_was_chosen_on(street):
    scores = street[1].read("scores")
    by_use = {use: set(rows["cutoff"]) for (use,), rows in scores.group_by("use")}
    assert {use: len(cutoffs) for use, cutoffs in by_use.items()} == {"choose": 2, "report": 2}
    assert max(by_use["choose"]) < min(by_use["report"])
    board = street[1].read("leaderboard").filter(pl.col("segment") == "all")
    reported = scores.filter(
        (pl.col("metric") == "wql") & (pl.col("step") == 0) & (pl.col("node") == "series")
        & (pl.col("use") == "report") & (pl.col("segment") == "all")
    )  # fmt: skip
    for model, wql in board.select("model", "wql").iter_rows():
        folds = reported.filter(pl.col("model") == model)["value"]
        assert folds.min() <= wql <= folds.max()


def test_totals_are_sums(street):
    _, published = street
    totals, frame = published.read("totals"), published.read("forecasts")
    whole = totals.filter(pl.col("level") == "total").sort("step")
    horizon = published.config.forecast.horizon
    assert whole["step"].to_list() == list(range(horizon + 1))
    assert whole["date"].null_count() == 1
    assert whole["date"][0] is None
    by_step = frame.group_by("step").agg(pl.col("mean").sum()).sort("step")["mean"]
    assert whole["mean"][0] == pytest.approx(frame["mean"].sum(), rel=1e-6)
    assert whole["mean"][1:].to_list() == pytest.approx(by_step.to_list(), rel=1e-6)
    names = published.read("products_view")
    category = names.select("sku", pl.col("category").str.split(" > ").list.first())
    expected = frame.join(category, on="sku").group_by("category").agg(pl.col("mean").sum())
    found = totals.filter((pl.col("level") == "category") & (pl.col("step") == 0)).select("category", "mean")
    assert set(found["category"]) == {"水果", "蔬菜"}
    assert_frame_equal(found.sort("category"), expected.sort("category"), rel_tol=1e-6)
    quantiles = ["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]
    for low, high in pairwise(quantiles):
        assert (totals[low] <= totals[high]).all()
    # Paths are joint: the interval of the horizon's sum is neither that of one step nor the sum of all steps'.
    width = (whole["q0.9"] - whole["q0.1"]).to_list()
    assert max(width[1:]) < width[0] < sum(width[1:])


def test_same_data_and_seed_give_the_same_tables(street, tmp_path):
    first = tables_of(street[1])
    again = tables_of(run(shops.shop(tmp_path / "again", shops.tables())))
    assert first.keys() == again.keys()
    for name, frame in first.items():
        assert_frame_equal(frame, again[name])


def test_explanations_add_up_to_the_forecast(street):
    workspace, published = street
    series = published.read("series")
    some = pl.concat([part.head(2) for _, part in series.group_by("model", "segment", maintain_order=True)])
    assert some.height >= 4
    for sku, location in some.select("sku", "location").iter_rows():
        told = story(workspace, published, sku, location)
        assert_adds_up(told)
        assert told.title
        assert told.trend is not None


def test_explain_names_what_is_there(street):
    workspace, published = street
    with pytest.raises(InputError, match="Did you mean s00"):
        story(workspace, published, "s0")
    with pytest.raises(InputError, match=r"2 locations\. Name one with --location: north, south"):
        story(workspace, published, "s01")


@pytest.mark.parametrize("model", registry.MODELS)
def test_a_run_with_one_model_alone(model, tmp_path):
    values = {
        "backtest": {"models": [model], "choose_folds": 1, "report_folds": 1, "bootstrap": 100},
        "forecast": {"horizon": 7, "paths": 50},
    }
    workspace = shops.shop(tmp_path / "shop", shops.tables(products=4, days=90), values)
    published = run(workspace)
    assert_declared(published)
    assert_whole_forecast(published)
    assert set(published.read("series")["model"]) == {model}
    for sku, location in published.read("series").select("sku", "location").iter_rows():
        assert_adds_up(story(workspace, published, sku, location))


def test_a_second_run_judges_the_first(tmp_path):
    workspace = shops.shop(tmp_path / "shop", shops.tables(products=6), shops.SIMPLE)
    first = run(workspace, as_of=shops.day(119))
    assert "accuracy" not in first.tables
    assert first.read("panel")["date"].max() == shops.day(119)
    second = run(workspace, as_of=shops.day(129))
    assert_declared(second)
    judged = second.read("accuracy")
    assert judged["run"].unique().to_list() == [first.id]
    assert judged["periods"].to_list() == [10, 10]
    ahead = first.read("forecasts").join(second.read("panel"), on=["sku", "location", "date"])
    expected = (ahead["q0.5"] - ahead["sales"]).abs().sum() / ahead["sales"].sum()
    assert judged.filter(pl.col("node") == "series")["wape"].item() == pytest.approx(expected, rel=1e-5)
    # Asked again it says the same: a look back judges what reached less far than itself.
    assert run(workspace, as_of=shops.day(129)).read("accuracy").equals(judged)
    back = run(workspace, as_of=shops.day(119))
    assert "accuracy" not in back.tables
    # The first run of the present finds looks back alone, and judges the latest of them.
    assert run(workspace).read("accuracy")["run"].unique().to_list() == [back.id]
    assert run(workspace).tables["accuracy"] == 0
    # What was forecast today was not there to be judged a fortnight ago.
    assert run(workspace, as_of=shops.day(129)).read("accuracy")["run"].unique().to_list() == [back.id]


def test_what_was_recorded_by_a_moment_is_looked_back_to(tmp_path):
    found = shops.only(shops.tables(products=3, days=60), "orders")
    early = found["orders"].filter(pl.col("ordered_at").dt.date() <= shops.day(49))
    workspace = shops.shop(tmp_path / "shop", {"orders": early}, shops.SIMPLE)
    first, moment = run(workspace), CLOCK.now()
    shops.add(workspace, found, "later")
    second = run(workspace)
    back = run(workspace, recorded_by=moment)
    assert workspace.runs.latest().id == second.id
    assert second.read("panel")["date"].max() >= shops.day(59) > first.read("panel")["date"].max()
    assert back.read("panel").equals(first.read("panel"))
    assert back.read("forecasts").equals(first.read("forecasts"))
    assert second.read("accuracy")["run"].unique().to_list() == [first.id]
    assert "accuracy" not in back.tables


def test_the_backtest_does_not_know_of_returns_to_come(tmp_path):
    many = Settings(products=20, days=120, rate=3.0, returns=0.4, presale=0.0, late=0.0, corrected=0.0, launches=0.0)
    found, _ = simulate(many, 3).collect()
    bias = {}
    for clean in ({"returns": "sale_date"}, {"returns": "drop"}):
        for then in (True, False):
            values = {**shops.SIMPLE, "clean": {**clean, "stockouts": "off"}}
            values["backtest"] = {**values["backtest"], "models": ["moving_average"], "known_then": then}
            published = run(shops.shop(tmp_path / f"{clean['returns']} {then}", {"orders": found["orders"]}, values))
            scores = published.read("scores").filter(
                segment="all", model="moving_average", node="series", step=0, metric="bias"
            )
            assert scores.height > 2
            bias[clean["returns"], then] = scores["value"].mean()
    # What is to come back is still among the sales of the last days: a forecast made then is too high by some of it.
    assert bias["sale_date", True] > bias["sale_date", False] + 0.05
    assert bias["drop", True] == bias["drop", False]


@pytest.mark.parametrize("stage", ["backtest", "forecast", "monitor"])
def test_a_failed_run_leaves_the_previous_one(stage, tmp_path, monkeypatch):
    workspace = shops.shop(tmp_path / "shop", shops.only(shops.tables(products=3, days=60), "orders"), shops.SIMPLE)
    first = run(workspace)

    def fail(work):
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setitem(STAGES, stage, fail)
        with pytest.raises(RuntimeError, match="the power went"):
            run(workspace)
    assert workspace.runs.latest().id == first.id
    assert [path.name for path in (workspace.folder / "runs").iterdir() if path.is_dir()] == [first.id]
    assert not list((workspace.folder / "leases").iterdir())
    assert run(workspace).id == workspace.runs.latest().id != first.id


def test_a_wrong_setting_is_named_before_anything_runs(tmp_path):
    workspace = shops.shop(tmp_path / "shop", shops.only(shops.tables(products=3, days=60), "orders"), shops.SIMPLE)
    first = run(workspace)
    (workspace.folder / "windvane.toml").write_text('[backtest]\nmodels = ["moving_averag"]\n')
    with pytest.raises(WindvaneError, match="moving_averag"):
        run(type(workspace).open(workspace.folder))
    (workspace.folder / "windvane.toml").write_text("[forecast]\nhorizon = 0\n")
    with pytest.raises(WindvaneError, match=r"forecast\.horizon"):
        type(workspace).open(workspace.folder)
    (workspace.folder / "windvane.toml").write_text(shops.settings(shops.SIMPLE))
    opened = type(workspace).open(workspace.folder)
    assert opened.runs.latest().id == first.id
    assert [path.name for path in (workspace.folder / "runs").iterdir() if path.is_dir()] == [first.id]


ODD = {
    "orders alone": (lambda: shops.only(shops.tables(products=4, days=90), "orders"), {}),
    "one product at one place": (
        lambda: {"orders": shops.tables(products=1, days=90)["orders"].filter(pl.col("location") == "north")},
        {},
    ),
    "ten days": (lambda: shops.tables(products=5, days=10), {}),
    "two days": (lambda: shops.only(shops.tables(products=5, days=2), "orders", "products"), {}),
    "weeks": (lambda: shops.tables(products=6, days=200), {"clean": {"freq": "1w"}, "forecast": {"horizon": 4}}),
    "horizon longer than history": (lambda: shops.tables(products=4, days=20), {"forecast": {"horizon": 60}}),
    "fractional units": (
        lambda: {"orders": shops.tables(products=4, days=90)["orders"].with_columns(pl.col("units") * 0.37)},
        {},
    ),
    "no price, no cost": (
        lambda: {"orders": shops.tables(products=4, days=90)["orders"].drop("unit_price", "customer", "discount")},
        {},
    ),
    "returns dropped": (lambda: shops.tables(products=4, days=90), {"clean": {"returns": "drop"}}),
    "the trees too, ten days": (
        lambda: shops.tables(products=5, days=10),
        {"backtest": {"models": ["moving_average", "boosted", "blend"]}},
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_shops(case, tmp_path):
    found, more = ODD[case]
    values = {name: {**shops.SIMPLE.get(name, {}), **more.get(name, {})} for name in {*shops.SIMPLE, *more}}
    workspace = shops.shop(tmp_path / "shop", found(), values)
    published = run(workspace)
    assert_declared(published)
    assert_whole_forecast(published)
    for sku, location in published.read("series").select("sku", "location").head(2).iter_rows():
        assert_adds_up(story(workspace, published, sku, location))


def test_one_order_is_enough(tmp_path):
    orders = shops.tables(products=1, days=3)["orders"].head(1)
    published = run(shops.shop(tmp_path / "shop", {"orders": orders}, shops.SIMPLE))
    assert_declared(published)
    assert_whole_forecast(published)


def test_weeks_start_on_the_same_weekday_and_follow_the_data(tmp_path):
    values = {**shops.SIMPLE, "clean": {"freq": "1w"}, "forecast": {"horizon": 4, "paths": 50}}
    published = run(shops.shop(tmp_path / "shop", shops.tables(products=4, days=120), values))
    panel, ahead = published.read("panel"), published.read("forecasts")
    assert panel["date"].dt.weekday().n_unique() == 1
    assert ahead["date"].min() - panel["date"].max() == shops.day(7) - shops.day(0)
    assert ahead["date"].dt.weekday().unique().to_list() == panel["date"].dt.weekday().unique().to_list()


def test_a_chinese_shop_speaks_chinese_throughout(street):
    _, published = street
    view = published.read("products_view")
    assert view["title"].str.contains("苹果|菠菜|香蕉|白菜|橙子|生菜|葡萄|香菜|草莓|韭菜").all()
    why = published.read("reorder")["why"]
    assert why.str.contains("现有库存").all()
    assert not why.str.contains("on hand").any()


def test_nothing_to_forecast_is_said_clearly(tmp_path):
    empty = shops.shop(tmp_path / "empty", {}, shops.SIMPLE)
    with pytest.raises(WindvaneError, match=r"orders.*windvane ingest"):
        run(empty)
    with pytest.raises(StoreError, match="no published run"):
        empty.runs.latest()
    products = shops.shop(tmp_path / "products", shops.only(shops.tables(products=2, days=9), "products"))
    with pytest.raises(WindvaneError, match=r"orders.*windvane ingest"):
        run(products)
    early = shops.shop(tmp_path / "early", shops.tables(products=2, days=9))
    with pytest.raises(WindvaneError, match="orders"):
        run(early, as_of=shops.day(-5))
    strict = {**shops.SIMPLE, "clean": {"min_active_periods": 500}}
    with pytest.raises(WindvaneError, match="min_active_periods"):
        run(shops.shop(tmp_path / "strict", shops.tables(products=2, days=9), strict))
    assert not list((early.folder / "runs").glob(".building-*"))


def test_the_manifest_says_what_the_run_was_made_from(street):
    workspace, published = street
    manifest = published.manifest
    assert manifest["versions"] == workspace.tables.versions()
    assert manifest["config"]["forecast"]["horizon"] == 14
    assert manifest["tables"] == published.tables
    json.dumps(manifest)


def test_a_price_list_of_some_products_leaves_the_others_the_price_paid(tmp_path):
    found = shops.only(shops.tables(products=4, days=80), "orders", "prices")
    found["prices"] = found["prices"].filter(pl.col("sku") == "s00")
    published = run(shops.shop(tmp_path / "shop", found, shops.SIMPLE))
    reorder = published.read("reorder")
    assert set(reorder["sku"]) > {"s00"}
    assert reorder["unit_margin"].null_count() == 0
    assert (reorder["unit_margin"] > 0).all()
