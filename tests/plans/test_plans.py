"""Planners' words: approved, changed, exported once, put into the forecast, scored; a real workspace with real runs."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from python_calamine import CalamineWorkbook

from windvane import plans
from windvane.cli import main
from windvane.errors import InputError
from windvane.pipeline import run as run_pipeline
from windvane.plans.lines import left_behind
from windvane.plans.score import added_by
from windvane.store import Workspace

SETTINGS = """[backtest]
models = ["moving_average", "tsb"]
choose_folds = 1
report_folds = 1
bootstrap = 100
[forecast]
horizon = 14
paths = 50
[decide]
assumed_cover = 1
"""
DAYS, FIRST = 80, date(2025, 3, 3)
HELD = 21
"""Days that come later."""


def call(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code, words


def orders(folder, name, days):
    """Two products at one location and one at two, about 5 a day each."""
    rng = np.random.default_rng(7)
    units = rng.poisson(5, (4, DAYS + HELD))
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["order_id", "ordered_at", "sku", "location", "units", "unit_price"])
        for d in days:
            for i, (sku, place) in enumerate((("lamp", "web"), ("mug", "web"), ("cup", "web"), ("cup", "shop"))):
                out.writerow([f"{d}-{sku}-{place}", FIRST + timedelta(days=d), sku, place, units[i, d], 8])
    return folder / name


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    root = tmp_path_factory.mktemp("plans")
    call("init", root / "shop")
    call("ingest", orders(root, "orders.csv", range(DAYS)), "-t", "orders", "-w", root / "shop", "--json")
    with (root / "products.csv").open("w", encoding="utf-8") as file:
        file.write("sku,title,unit_cost,pack_size\nlamp,Lamp,5,1\nmug,Mug,5,6\ncup,=cup,5,1\n")
    call("ingest", root / "products.csv", "-t", "products", "-w", root / "shop", "--json")
    with (root / "supply.csv").open("w", encoding="utf-8") as file:
        file.write("sku,location,supplier,lead_time,moq\nlamp,all,Lumen,3,10\nmug,all,Potter,3,0\n")
    call("ingest", root / "supply.csv", "-t", "supply", "-w", root / "shop", "--json")
    (root / "shop" / "windvane.toml").write_text(SETTINGS, encoding="utf-8")
    run_pipeline(Workspace.open(root / "shop"))
    return root


@pytest.fixture
def shop(once, tmp_path):
    shutil.copytree(once / "shop", tmp_path / "shop")
    return Workspace.open(tmp_path / "shop")


def state(workspace, sku, location="web"):
    rows = plans.lines(workspace).filter((pl.col("sku") == sku) & (pl.col("location") == location))
    return rows.row(0, named=True)


def test_lines_are_proposed_then_approved_changed_and_declined(shop):
    first = plans.lines(shop)
    assert set(first["state"]) == {"proposed"}
    assert (first["new"] == first["order_now"]).all()
    plans.approve(shop, "ann", [("lamp", None)])
    plans.edit(shop, ("mug", None), 12, ("bob", "a fair"))
    plans.decline(shop, "ann", "no room", [("cup", "shop")])
    assert (state(shop, "lamp")["state"], state(shop, "lamp")["who"]) == ("approved", "ann")
    line = state(shop, "mug")
    assert (line["state"], line["new"], line["note"]) == ("edited", 12, "a fair")
    assert line["proposed"] == line["order_now"] != 12
    assert (state(shop, "cup", "shop")["state"], state(shop, "cup", "shop")["new"]) == ("declined", 0)
    # All that are left; a changed line keeps its figure when it is approved.
    assert plans.approve(shop, "ann")["sku"].to_list() == ["cup"]
    plans.approve(shop, "ann", [("mug", None)])
    assert (state(shop, "mug")["state"], state(shop, "mug")["new"]) == ("approved", 12)
    told = shop.tables.history("plan_log").collect().filter(pl.col("sku") == "mug")
    assert told.height == 2, "every word is kept"


def test_what_cannot_be_ordered_is_named(shop):
    with pytest.raises(InputError, match="comes in packs of 6"):
        plans.edit(shop, ("mug", None), 10, ("ann", "x"))
    with pytest.raises(InputError, match="smallest order of 10"):
        plans.edit(shop, ("lamp", None), 9, ("ann", "x"))
    with pytest.raises(InputError, match="2 lines"):
        plans.edit(shop, ("cup", None), 9, ("ann", "x"))
    with pytest.raises(InputError, match="no line of hat"):
        plans.approve(shop, "ann", [("hat", None)])
    with pytest.raises(InputError, match="reason"):
        plans.edit(shop, ("mug", None), 12, ("ann", " "))
    with pytest.raises(InputError, match="somebody"):
        plans.approve(shop, " ")
    with pytest.raises(InputError, match="nan cannot be the units"):
        plans.edit(shop, ("mug", None), float("nan"), ("ann", "x"))
    plans.edit(shop, ("mug", None), 10, ("ann", "loose ones"), force=True)
    assert state(shop, "mug")["new"] == 10
    assert shop.tables.read("plan_log").collect().height == 1, "what failed left nothing"


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_an_order_leaves_once_and_counts_as_on_its_way(shop, tmp_path, ending):
    plans.approve(shop, "ann")
    whole = plans.lines(shop)
    file = tmp_path / "out" / f"order.{ending}"
    out = plans.export(shop, file, "ann")
    assert file.is_file()
    assert out["new"].sum() == whole["order_now"].sum()
    if ending == "csv":
        read = pl.read_csv(file)
    else:
        head, *cells = CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0).to_python()
        read = pl.DataFrame(cells, schema=[str(name) for name in head], orient="row", infer_schema_length=None)
        read = read.with_columns(pl.col("supplier").replace("", None))
    assert read["units"].sum() == out["new"].sum()
    assert read["supplier"].drop_nulls().to_list() == ["Lumen", "Potter"]
    assert set(plans.lines(shop).filter(pl.col("order_now") > 0)["state"]) == {"exported"}
    with pytest.raises(InputError, match="no line is approved"):
        plans.export(shop, tmp_path / f"again.{ending}", "ann")
    assert not (tmp_path / f"again.{ending}").exists()
    with pytest.raises(InputError, match="was exported by ann"):
        plans.edit(shop, ("mug", None), 12, ("bob", "more"))
    # The same morning again: nothing is ordered twice.
    again = run_pipeline(shop).read("reorder")
    assert again["order_now"].sum() == 0
    assert again["assumed"].str.contains("exported").all()
    on_order = again.join(whole, on=["sku", "location"], suffix="_was")
    assert (on_order["on_order"] == on_order["order_now_was"]).all()


def test_a_failed_export_marks_nothing(shop, tmp_path):
    plans.approve(shop, "ann")
    (tmp_path / "blocked").write_text("a file, not a folder")
    with pytest.raises(Exception, match="Cannot write"):
        plans.export(shop, tmp_path / "blocked" / "order.csv", "ann")
    assert "exported" not in set(plans.lines(shop)["state"])
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        plans.export(shop, tmp_path / "there.csv", "ann")
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_lines_left_behind_are_told(shop):
    plans.approve(shop, "ann", [("lamp", None)])
    assert not left_behind(shop).height
    run_pipeline(shop)
    assert left_behind(shop)["sku"].to_list() == ["lamp"]
    assert set(plans.lines(shop)["state"]) == {"proposed"}


def test_an_override_moves_means_quantiles_and_paths_and_is_explained(shop, capsys):
    before = shop.runs.latest().read("forecasts").filter(pl.col("sku") == "mug").sort("date")
    first, last = before["date"][2], before["date"][6]
    inside = pl.col("date").is_between(first, last)
    row = plans.override(shop, ("mug", None), (first, last), 60, "ann", "a fair")
    assert row["old"] == pytest.approx(before.filter(inside)["mean"].sum())
    after = run_pipeline(shop)
    now = after.read("forecasts").filter(pl.col("sku") == "mug").sort("date")
    assert now.filter(inside)["mean"].sum() == pytest.approx(60, rel=1e-4)
    ratio = 60 / row["old"]
    for name in ("q0.1", "q0.95"):
        np.testing.assert_allclose(now.filter(inside)[name], before.filter(inside)[name] * ratio, rtol=1e-4)
        np.testing.assert_array_equal(now.filter(~inside)[name], before.filter(~inside)[name])
    said = after.read("overridden").row(0, named=True)
    assert (said["who"], said["why"], said["starts_on"], said["ends_on"]) == ("ann", "a fair", first, last)
    assert (said["old"], said["new"]) == (pytest.approx(row["old"]), pytest.approx(60, rel=1e-4))
    more = after.read("reorder").filter(pl.col("sku") == "mug")["target"][0]
    assert more > plans.lines(shop, run=shop.runs.list()[0]).filter(pl.col("sku") == "mug")["target"][0]
    call("explain", "mug", "-w", shop.folder, "--json")
    told = json.loads(capsys.readouterr().out)
    parts = told["explanation"]["parts"]
    assert parts["planner's override"] == pytest.approx(60 - row["old"], rel=1e-3)
    assert sum(parts.values()) == pytest.approx(told["published"], rel=1e-4)
    # Said anew, the old figure is still the model's.
    again = plans.override(shop, ("mug", None), (first, last), 40, "ann", "smaller fair")
    assert again["old"] == pytest.approx(row["old"], rel=1e-4)
    plans.withdraw(shop, ("mug", None), first, "ann", "called off")
    gone = run_pipeline(shop).read("forecasts").filter(pl.col("sku") == "mug").sort("date")
    np.testing.assert_allclose(gone["mean"], before["mean"], rtol=1e-5)


def test_an_override_of_what_the_model_does_not_expect(once, tmp_path):
    """A product that has ended sells again for two days, says the planner."""
    from windvane.forecasts import Forecast
    from windvane.freq import Freq
    from windvane.panel import Panel
    from windvane.plans.overrides import apply

    freq = Freq("1d")
    panel = Panel(
        pl.DataFrame({"sku": ["a"], "location": ["web"]}), np.zeros((1, 30), np.float32),
        freq.dates(np.arange(20_000, 20_030)), freq,
    )  # fmt: skip
    dates = panel.future_dates(5)
    levels = (0.1, 0.5, 0.9, 0.99)
    zero = Forecast(
        panel.keys, panel.cutoff, dates, np.zeros((1, 5), np.float32), np.zeros((1, 5, 4), np.float32), levels,
        panel.identity, counts=True,
    )  # fmt: skip
    row = {
        "sku": "a", "location": "web", "starts_on": dates[1], "ends_on": dates[2], "run": "r", "old": 0.0, "new": 8.0,
        "who": "ann", "why": "back", "said_on": dates[0], "known_at": None,
    }  # fmt: skip
    frame = pl.DataFrame([row])
    out, told = apply(zero, panel, lambda name: frame.lazy())
    np.testing.assert_allclose(out.mean[0], [0, 4, 4, 0, 0])
    assert out.quantiles[0, 1].tolist() == [2, 4, 7, 9], "Poisson of 4"
    assert told["new"].to_list() == [8.0]


def test_impossible_overrides_are_refused(shop):
    days = shop.runs.latest().read("forecasts")["date"].unique().sort()
    span = (days[0], days[3])
    for series, when, units, why, match in (
        (("hat", None), span, 5, "x", "no series of hat"),
        (("cup", None), span, 5, "x", "2 locations"),
        (("mug", None), (days[0], days[-1] + timedelta(days=1)), 5, "x", "covers"),
        (("mug", None), (days[3], days[0]), 5, "x", "before"),
        (("mug", None), span, -1, "x", "cannot be expected"),
        (("mug", None), span, 5, "", "needs why"),
    ):
        with pytest.raises(InputError, match=match):
            plans.override(shop, series, when, units, "ann", why)
    assert not plans.overrides(shop).height
    plans.override(shop, ("mug", None), span, 5, "ann", "x")
    with pytest.raises(InputError, match="already, by ann"):
        plans.override(shop, ("mug", None), (days[2], days[5]), 5, "bob", "y")
    with pytest.raises(InputError, match="0 overrides of mug begin"):
        plans.withdraw(shop, ("mug", None), days[2], "ann", "x")


def test_words_are_scored_by_what_came(shop, once, tmp_path):
    run = shop.runs.latest()
    days = run.read("forecasts")["date"].unique().sort()
    rng = np.random.default_rng(7)
    truth = rng.poisson(5, (4, DAYS + HELD))[:, DAYS : DAYS + 7].sum(axis=1)
    span = (days[0], days[6])
    good = plans.override(shop, ("lamp", None), span, float(truth[0]), "ann", "I know")
    bad = plans.override(shop, ("mug", None), span, 200, "bob", "I feel")
    plans.edit(shop, ("lamp", None), 500, ("bob", "to be sure"))
    assert not plans.score_overrides(shop).height, "its days are not over"
    later = orders(tmp_path, "later.csv", range(DAYS, DAYS + HELD))
    call("ingest", later, "-t", "orders", "-w", shop.folder, "--json")
    run_pipeline(shop)
    scored = plans.score_overrides(shop)
    assert scored["actual"].to_list() == [truth[0], truth[1]]
    lamp, mug = scored.rows(named=True)
    assert lamp["added"] == pytest.approx(abs(good["old"] - truth[0]))
    assert mug["added"] == pytest.approx(abs(bad["old"] - truth[1]) - (200 - truth[1]))
    assert not scored["late"].any()
    by = {row["who"]: row for row in added_by(scored).rows(named=True)}
    assert by["ann"]["added_share"] == pytest.approx(1)
    assert by["bob"]["added_share"] < 0
    order = plans.score_orders(shop).row(0, named=True)
    line = shop.tables.read("plan_log").collect().row(0, named=True)
    sold = rng_sum(0, int(line["days"]))
    assert order["actual"] == sold
    held = 5 * 0.25 / 365 * line["days"]
    left = [line["stock"] + units - sold for units in (line["old"], 500)]
    cost = [held * max(x, 0) + 3 * max(-x, 0) for x in left]
    assert order["saved"] == pytest.approx(cost[0] - cost[1])
    assert order["saved"] < 0


def rng_sum(row, days):
    return int(np.random.default_rng(7).poisson(5, (4, DAYS + HELD))[row, DAYS : DAYS + days].sum())


def test_what_was_said_after_the_fact_does_not_count(shop, tmp_path):
    days = shop.runs.latest().read("forecasts")["date"].unique().sort()
    plans.override(shop, ("lamp", None), (days[0], days[6]), 10, "ann", "x")
    frame = shop.tables.read("overrides").collect().with_columns(pl.col("said_on") + pl.duration(days=3))
    frame = frame.with_columns(pl.lit("mug").alias("sku"))
    shop.tables.append("overrides", frame, "late")
    call("ingest", orders(tmp_path, "l.csv", range(DAYS, DAYS + HELD)), "-t", "orders", "-w", shop.folder, "--json")
    run_pipeline(shop)
    scored = plans.score_overrides(shop)
    assert dict(scored.select("sku", "late").iter_rows()) == {"lamp": False, "mug": True}
    assert added_by(scored)["overrides"].to_list() == [1]


def test_the_verbs(shop, tmp_path, capsys):
    where = ("-w", shop.folder)

    def said(*words):
        capsys.readouterr()
        call(*words, *where, "--json")
        return json.loads(capsys.readouterr().out)

    assert said("plan")["states"] == {"proposed": 4}
    assert said("plan", "approve", "lamp", "--who", "ann")["lines"] == 1
    assert said("plan", "edit", "mug", "12", "--why", "fair")["units"] == 12
    assert said("plan", "decline", "cup", "-l", "shop", "--why", "no")["state"] == "declined"
    assert said("plan", "approve", "--all")["lines"] == 1
    assert said("plan", "export", tmp_path / "o.csv")["lines"] == 3
    text = (tmp_path / "o.csv").read_text(encoding="utf-8-sig")
    assert text.startswith("supplier,sku,location,units,unit_cost,value,proposed,state,who,why")
    assert said("plan", "score") == {"saved": 0.0, "lines": []}
    days = shop.runs.latest().read("forecasts")["date"].unique().sort()
    span = ("--from", days[0], "--to", days[3])
    assert said("override", "set", "mug", "40", *span, "--why", "fair")["new"] == 40
    assert len(said("override")) == 1
    assert said("override", "withdraw", "mug", "--from", days[0], "--why", "off")["new"] is None
    assert said("override", "list") == []
    assert said("override", "score")["planners"] == []
    for words in (("plan", "list"), ("override",), ("plan", "score"), ("override", "score")):
        call(*words, *where)
    assert "exported" in capsys.readouterr().out
