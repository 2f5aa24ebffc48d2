from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from made_up_run import CUTOFF, HORIZON, MadeUpRun, make

from windvane.report import evidence, figures, reorder, sections
from windvane.report import facts as f
from windvane.report.theme import LIGHT, Look

pytestmark = pytest.mark.tiny


def test_outlook_compares_equal_lengths(run):
    got = f.gather(run).outlook
    panel, ahead = run.read("panel"), run.read("forecasts")
    before = panel.filter(pl.col("date") > CUTOFF - timedelta(days=HORIZON))
    prices = dict(panel.group_by("sku").agg(pl.col("price").last()).iter_rows())
    assert got is not None
    assert got.units == pytest.approx(ahead["mean"].sum())
    assert got.before_units == pytest.approx(before["sales"].sum())
    assert got.before_money == pytest.approx(before["revenue"].sum())
    assert got.money == pytest.approx(sum(prices[s] * m for s, m in ahead.select("sku", "mean").iter_rows()))
    assert got.change == pytest.approx(got.money / got.before_money - 1)


def test_series_are_ranked_by_revenue_and_width_is_half_the_80_range(run):
    series = f.gather(run).series
    assert series["revenue"].to_list() == sorted(series["revenue"], reverse=True)
    row = series.row(3, named=True)
    own = run.read("forecasts").filter(pl.col("sku") == row["sku"])
    assert row["width"] == pytest.approx((own["q0.9"] - own["q0.1"]).sum() / own["mean"].sum() / 2)


def test_fans_hold_the_last_sales_and_the_quantiles(run):
    facts = f.gather(run)
    got = f.fans(facts, run, ["q0.1", "q0.5"], limit=5)
    assert [row["sku"] for row in got] == facts.series["sku"].head(5).to_list()
    panel = run.read("panel").filter(pl.col("sku") == got[0]["sku"]).sort("date")
    assert got[0]["past"][-30:] == panel["sales"].tail(30).to_list()
    ahead = run.read("forecasts").filter(pl.col("sku") == got[0]["sku"]).sort("step")
    assert got[0]["ahead"] == [ahead["q0.1"].to_list(), ahead["q0.5"].to_list()]


def test_a_gap_in_the_history_stays_a_gap(run):
    panel = run.read("panel")
    sku = f.gather(run).series["sku"][0]
    hole = (pl.col("sku") == sku) & (pl.col("date") == CUTOFF - timedelta(days=3))
    run.frames["panel"] = panel.with_columns(pl.when(hole).then(None).otherwise("sales").alias("sales"))
    facts = f.gather(run)
    row = next(r for r in f.fans(facts, run, ["q0.5"]) if r["sku"] == sku)
    assert row["past"][-4] is None
    assert None not in row["past"][-3:]


def test_direction_counts_name_every_direction(run):
    counts = f.direction_counts(f.gather(run))
    trends = run.read("trends").filter(pl.col("level") == "series")
    assert list(counts) == ["rising", "falling", "new", "ending", "steady"]
    assert sum(counts.values()) == trends.height
    assert counts["rising"] == trends.filter(pl.col("trend") == "rising").height


def test_champion_is_preferred_to_the_chosen_model(run):
    board = run.read("leaderboard")
    assert f.champion(board)["model"] == "champion"
    assert f.champion(board.filter(pl.col("model") != "champion"))["model"] == "boosted"
    assert f.champion(board.clear()) is None


def test_least_certain_are_not_among_the_most_important(run):
    facts = f.gather(run)
    picks = sections.picks(facts, count=8, unsure=4)
    assert picks["important"] == list(range(8))
    assert not set(picks["important"]) & set(picks["uncertain"])
    # Enough products sell daily here, so the uncertain are sought among them.
    selling = facts.series.with_row_index("i").filter((pl.col("revenue") > 0) & (pl.col("expected") >= HORIZON))
    assert 24 <= selling.height < facts.series.height
    rest = selling.head((selling.height + 1) // 2).filter(pl.col("i") >= 8)
    assert picks["uncertain"] == rest.sort("width", descending=True)["i"].head(4).to_list()


def test_least_certain_of_a_slow_shop_sell_at_least_once(run):
    run.frames["forecasts"] = run.read("forecasts").with_columns(pl.col("mean") / 20)
    facts = f.gather(run)
    selling = facts.series.with_row_index("i").filter((pl.col("revenue") > 0) & (pl.col("expected") >= 1))
    assert facts.series.filter(pl.col("expected") >= HORIZON).height < 24 <= selling.height
    rest = selling.head((selling.height + 1) // 2).filter(pl.col("i") >= 8)
    picks = sections.picks(facts, count=8, unsure=4)
    assert picks["uncertain"] == rest.sort("width", descending=True)["i"].head(4).to_list()


def test_titles_shared_by_products_are_marked():
    names = pl.DataFrame(
        {"sku": ["1", "2", "3", "4", "5"], "title": ["Milk", "Milk", "Tea", None, None], "category": [""] * 5}
    )
    assert f.named(names)["twin"].to_list() == [True, True, False, False, False]
    assert sections.name_of({"sku": "1", "title": "A & B", "twin": True}) == 'A &amp; B <small class="sku">1</small>'
    assert sections.name_of({"sku": "3", "title": "Tea", "twin": False}) == "Tea"


def test_the_nearest_category_says_more_than_the_title():
    path = "GROCERY > FLUID MILK PRODUCTS > FLUID MILK WHITE ONLY"
    assert sections.nearest(path, "FLUID MILK WHITE ONLY 1 GA") == "FLUID MILK PRODUCTS"
    assert sections.nearest("TEA", "Green tea") == ""
    assert sections.nearest("", "Green tea") == ""


def test_lives_hold_first_and_last_sale_and_recent_revenue(run):
    facts = f.gather(run)
    panel = run.read("panel")
    for sku in panel["sku"].unique().sort().head(10):
        mine = panel.filter(pl.col("sku") == sku)
        sold = mine.filter(pl.col("sales") > 0)
        lately = mine.filter(pl.col("date") > CUTOFF - timedelta(days=f.HISTORY))
        row = facts.lives.filter(pl.col("sku") == sku).row(0, named=True)
        assert (row["first"], row["last"]) == (sold["date"].min(), sold["date"].max())
        assert row["money"] == pytest.approx(lately["revenue"].sum())


def test_a_run_that_scans_gives_the_same_facts(run):
    class Scanning(MadeUpRun):
        def scan(self, name: str) -> pl.LazyFrame:
            return self.read(name).lazy()

    read, scanned = f.gather(run), f.gather(Scanning(run.manifest, run.frames))
    assert scanned.series.equals(read.series)
    assert scanned.totals.equals(read.totals)
    assert f.fans(scanned, run, ["q0.5"], 5) == f.fans(read, run, ["q0.5"], 5)


def test_the_range_of_the_whole_is_that_of_the_table(run):
    facts = f.gather(run)
    row = run.read("totals").row(0, named=True)
    assert f.total_interval(facts) == (row["q0.1"], row["q0.9"])
    assert f.total_interval(facts, 0.025, 0.975) == (row["q0.025"], row["q0.975"])
    assert facts.bands.height == HORIZON
    del run.frames["totals"]
    assert f.total_interval(f.gather(run)) is None


def test_what_every_line_assumes_is_found():
    lines = pl.DataFrame({"assumed": ["unit_cost, stock", "stock,price", "stock"]})
    assert reorder.common_assumptions(lines) == ["stock"]
    assert reorder.common_assumptions(pl.DataFrame({"assumed": ["stock", None]})) == []
    assert reorder.common_assumptions(lines.clear()) == []


def test_why_states_the_rows_numbers_in_either_language():
    row = {"risk_if_skipped": 0.42, "money_at_stake": 95.5, "order_now": 48.0, "demand_cover": 61.25, "lead_time": 7.0,
           "review": 7.0, "on_hand": 20.0, "on_order": 5.0, "target": 73.0}  # fmt: skip
    english = reorder.why(row, "en", "EUR")
    assert english.startswith(
        "61.3 units expected over the next 14 days against 25 in stock or on the way; ordering 48"
    )
    assert english.endswith("is 42%, about €95.50 of lost margin.")
    assert reorder.why(row, "zh", "CNY") == (
        "未来 14 天预计卖出 61.3 件，现有与在途共 25 件；订 48 件可补至 73 件。"
        "若不订，缺货风险 42%，约损失毛利 ¥95.50。"
    )
    assert reorder.why(row | {"order_now": 0.0}, "en", "EUR").startswith("Enough for now: 25 in stock")


# --- figures ----------------------------------------------------------------------------------------------------


def _fan(quantiles: dict[str, list[float]]) -> figures.Spec:
    days = [CUTOFF, CUTOFF + timedelta(days=1)]
    return figures.fan((days, [1.0, 2.0]), (days, quantiles), Look("en", LIGHT))


def test_fan_draws_ranges_from_wide_to_narrow():
    spec = _fan(
        {q: [float(i), float(i)] for i, q in enumerate(("q0.025", "q0.1", "q0.25", "q0.5", "q0.75", "q0.9", "q0.975"))}
    )
    assert [t["meta"] for t in spec["data"]] == [
        "q0.025",
        "q0.975",
        "q0.1",
        "q0.9",
        "q0.25",
        "q0.75",
        "q0.5",
        "history",
    ]
    assert [t["fill"] for t in spec["data"][:6]] == ["none", "tonexty"] * 3
    assert spec["data"][1]["fillcolor"] == LIGHT["band95"]


def test_fan_leaves_out_ranges_it_was_not_given():
    spec = _fan({"q0.1": [1, 1], "q0.5": [2, 2], "q0.9": [3, 3]})
    assert [t["meta"] for t in spec["data"]] == ["q0.1", "q0.9", "q0.5", "history"]
    assert spec["data"][2]["customdata"] == [(1, 3), (1, 3)]


def test_total_draws_its_ranges_in_units_only(run):
    facts, look = f.gather(run), Look("en", LIGHT)
    spec = figures.total(facts.totals, facts.ahead, look, bands=facts.bands)
    assert [t.get("meta") for t in spec["data"]] == ["q0.025", "q0.975", "q0.1", "q0.9", None, None]
    assert spec["data"][3]["y"] == facts.bands["q0.9"].to_list()
    assert [t["name"] for t in spec["data"] if t.get("showlegend", True)] == [
        "95% range",
        "80% range",
        "sales",
        "expected",
    ]
    expected = spec["data"][-1]
    # The line starts at the last day sold, which has no range to tell.
    assert expected["customdata"][0] is None
    assert expected["customdata"][1] == list(facts.bands.select("q0.1", "q0.9").row(0))
    assert ["customdata" in text for text in expected["hovertemplate"][:2]] == [False, True]
    assert len(figures.total(facts.totals, facts.ahead, look, "money", facts.bands)["data"]) == 2
    assert len(figures.total(facts.totals, facts.ahead, look, bands=facts.bands.clear())["data"]) == 2


def test_coverage_says_how_far_off(run):
    rows = run.read("leaderboard").head(1).with_columns(
        pl.lit(0.824).alias("coverage80"), pl.lit(0.9496).alias("coverage95")
    )  # fmt: skip
    traces = figures.coverage(rows, Look("en", LIGHT))["data"]
    assert [t["text"] for t in traces] == [["+2.4"], ["0.0"]]


def test_capped_growth_is_said_to_be_at_least_that():
    trends = make(4).read("trends").filter(pl.col("level") == "series").with_columns(
        pl.col("sku").alias("label"), pl.lit(100.0).alias("revenue"), pl.lit("rising").alias("trend"),
        pl.lit(1.0).alias("growth"),
    )  # fmt: skip
    spec = figures.radar(trends, Look("en", LIGHT))
    assert {row[1] for row in spec["data"][0]["customdata"]} == {"≥\N{NO-BREAK SPACE}+100%"}
    assert spec["layout"]["yaxis"]["ticktext"][-1] == "≥\N{NO-BREAK SPACE}+100%"
    calm = figures.radar(trends.with_columns(pl.lit(0.4).alias("growth")), Look("en", LIGHT))
    assert "ticktext" not in calm["layout"]["yaxis"]


def test_cut_names_keep_what_tells_them_apart():
    trends = make(4).read("trends").filter(pl.col("level") == "series").head(1).with_columns(
        pl.lit("A very long name of a product indeed · 1029743").alias("label"), pl.lit(100.0).alias("revenue"),
    )  # fmt: skip
    assert figures.radar(trends, Look("en", LIGHT))["data"][0]["text"] == ["A very long name… · 1029743"]


def test_gains_draw_the_interval_as_distances(run):
    rows = run.read("leaderboard").filter(pl.col("model") == "champion")
    trace = figures.gains(rows, Look("en", LIGHT))["data"][0]
    assert trace["x"] == list(reversed(rows["gain"].to_list()))
    assert trace["error_x"]["arrayminus"] == pytest.approx([0.03] * 4)
    assert trace["error_x"]["array"] == pytest.approx([0.028] * 4)
    colours = dict(zip(trace["y"], trace["marker"]["color"], strict=True))
    assert colours["smooth"] == LIGHT["rising"]
    assert colours["new"] == LIGHT["steady"]


def test_radar_keeps_names_from_being_read_as_markup():
    trends = make(4).read("trends").filter(pl.col("level") == "series").with_columns(
        pl.lit("<b>x</b>").alias("label"), pl.lit(100.0).alias("revenue"), pl.lit("rising").alias("trend")
    )  # fmt: skip
    trace = figures.radar(trends, Look("en", LIGHT))["data"][0]
    assert set(trace["text"]) - {""} == {"&lt;b&gt;x&lt;/b&gt;"}
    assert len(trace["x"]) == 4


def test_figures_are_valid_plotly(run):
    go = pytest.importorskip("plotly.graph_objects")
    look = Look("zh", LIGHT)
    facts = f.gather(run)
    for spec in (
        figures.total(facts.totals, facts.ahead, look),
        figures.radar(sections.labelled(facts, "category"), look),
        figures.coverage(run.read("leaderboard").filter(pl.col("model") == "champion"), look),
        _fan({"q0.1": [1, 1], "q0.5": [2, 2], "q0.9": [3, 3]}),
    ):
        assert go.Figure(spec).to_plotly_json()["data"]


def test_a_run_without_tables_has_facts():
    facts = f.gather(MadeUpRun({"run": "r"}))
    assert facts.cutoff is None
    assert facts.outlook is None
    assert facts.series.height == 0


def test_money_axis_has_round_ticks():
    trends = make(12).read("trends").filter(pl.col("level") == "series").with_columns(pl.col("sku").alias("label"))
    axis = figures.radar(trends, Look("en", LIGHT))["layout"]["xaxis"]
    low, high = trends.filter(pl.col("revenue") > 0)["revenue"].min(), trends["revenue"].max()
    assert axis["tickvals"][0] <= low < high <= axis["tickvals"][-1]
    assert len(axis["tickvals"]) == len(axis["ticktext"])
    assert axis["ticktext"][-1] == f"${axis['tickvals'][-1]:,.0f}"


def test_errors_by_step_put_the_champion_first_and_fall_back_to_wape(run):
    errors = evidence.errors_by_step(f.gather(run))
    assert errors["model"].unique(maintain_order=True).to_list() == ["champion", "tsb", "ses", "moving_average"]
    scores = run.read("scores")
    own = scores.filter((pl.col("model") == "tsb") & (pl.col("step") == 3))["value"].mean()
    assert errors.filter((pl.col("model") == "tsb") & (pl.col("step") == 3))["value"].to_list() == [pytest.approx(own)]
    assert set(errors["metric"]) == {"wql"}
    run.frames["scores"] = scores.with_columns(pl.lit("wape").alias("metric"))
    assert set(evidence.errors_by_step(f.gather(run))["metric"]) == {"wape"}


def test_last_known_price_values_the_forecast(run):
    sku = run.read("panel")["sku"][0]
    mine = (pl.col("sku") == sku) & (pl.col("date") >= CUTOFF - timedelta(days=1))
    yesterday = pl.when(pl.col("date") < CUTOFF).then(pl.lit(42.0)).otherwise(None)
    run.frames["panel"] = run.read("panel").with_columns(
        pl.when(mine).then(yesterday).otherwise("price").alias("price")
    )
    series = f.gather(run).series
    assert series.filter(pl.col("sku") == sku)["price"].to_list() == [42.0]


def test_names_on_the_radar_keep_their_distance():
    trends = pl.DataFrame(
        {
            "label": ["first", "hidden by the first", "far away"], "trend": ["rising"] * 3, "growth": [0.5, 0.5, -0.5],
            "growth_low": [0.4] * 3, "growth_high": [0.6] * 3, "revenue": [1000.0, 1010.0, 10.0],
            "money": [500.0, 499.0, -5.0],
        }
    )  # fmt: skip
    assert figures.radar(trends, Look("en", LIGHT))["data"][0]["text"] == ["first", "", "far away"]
