from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from made_up_run import MadeUpRun, make
from page_reader import Page, page_of

from windvane.errors import ConfigError, StoreError
from windvane.report import file_name, render, write

pytestmark = pytest.mark.tiny


def test_written_page_is_one_file_that_loads_nothing(run, tmp_path: Path):
    path = write(run, tmp_path / "deep" / "report.html")
    assert path.stat().st_size < 10e6
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    page = Page(path.read_text(encoding="utf-8"))
    loaded = [v for _, a in page.elements for k, v in a.items() if k in ("src", "href", "action", "data") and v]
    assert all(v.startswith(("#", "data:")) for v in loaded)
    policy = next(a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy
    assert "http" not in policy


def test_the_same_run_makes_the_same_page(run):
    assert len({render(run) for _ in range(4)}) == 1


@pytest.mark.parametrize(
    ("told", "said", "name"),
    [
        ({}, [], "report.html"),
        ({"as_of": "2026-03-29"}, ["known at the end of 29 Mar 2026"], "report-2026-03-29.html"),
        (
            {"recorded_by": "2026-03-30T08:15:00+00:00"},
            ["recorded by 30 Mar 2026"],
            "report-recorded-2026-03-30T0815.html",
        ),
        (
            {"as_of": "2026-03-29", "recorded_by": "2026-03-30T08:15:00+00:00"},
            ["known at the end of 29 Mar 2026", "recorded by 30 Mar 2026"],
            "report-2026-03-29-recorded-2026-03-30T0815.html",
        ),
    ],
    ids=["present", "as of", "recorded by", "both"],
)
def test_a_look_back_says_so_and_takes_a_name_of_its_own(run, told, said, name):
    seen = MadeUpRun({**run.manifest, **told}, run.frames)
    text = page_of(seen).text
    assert text.count("A look back:") == len(said)
    for words in said:
        assert words in text
    assert file_name(seen) == name
    # The run before the latest of the present takes no other's name.
    assert file_name(seen, latest=False) == (name if told else f"report-{run.manifest['run']}.html")
    if told:
        assert page_of(seen, language="zh").text.count("回看：") == len(said)


def test_headline_figures_are_those_of_the_tables(run):
    text = page_of(run).text
    listing = run.read("reorder")
    stake, now = listing["money_at_stake"].sum(), listing.filter(pl.col("order_now") > 0).height
    assert f"£{stake:,.0f}" in text
    assert re.search(rf"Lines to order now\s+{now}\s+of 60 lines", text)
    whole = run.read("totals").row(0, named=True)
    assert f"80% interval of the total: {whole['q0.1']:,.0f} to {whole['q0.9']:,.0f} units" in text
    assert "Data to 29 Mar 2026 · forecast of 28 days to 26 Apr 2026" in text


def test_embedded_orders_equal_the_table(run):
    held = json.loads(page_of(run).data)["reorder"]
    place = {name: i for i, name in enumerate(held["columns"])}
    table = run.read("reorder").sort("rank")
    assert [row[place["sku"]] for row in held["rows"]] == table["sku"].to_list()
    assert [row[place["money_at_stake"]] for row in held["rows"]] == pytest.approx(
        table["money_at_stake"].to_list(), abs=0.01
    )
    assert len(held["why"]["en"]) == len(held["why"]["zh"]) == 60


def test_a_chinese_page_is_chinese(run_zh):
    run_zh.frames["findings"] = run_zh.read("findings").filter(pl.col("check") != "a_new_check")
    page = page_of(run_zh)
    allowed = re.compile(
        r"ZH-\d+|EN-\d+|r-[\d-]+|\b(CSV|English|JavaScript|windvane|python|polars|lightgbm|orders|products|panel|forecasts"
        r"|unit_price|unit_cost|decide\.margin_share|MB|UTC)\b"
    )
    assert re.findall(r"[A-Za-z]{2,}", allowed.sub("", page.text)) == []
    root = next(a for t, a in page.elements if t == "html")
    assert root["lang"] == "zh-CN"


def test_language_can_be_chosen_and_must_exist(run):
    assert "该补什么货" in page_of(run, language="zh").text
    with pytest.raises(ConfigError, match="fr"):
        render(run, language="fr")


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'"


def test_data_cannot_become_markup(run):
    clean = page_of(run)
    run.frames["products_view"] = run.read("products_view").with_columns(
        pl.lit(EVIL).alias("title"), pl.lit(EVIL).alias("category")
    )
    soiled = {
        "findings": ["check", "table", "column", "example", "remedy"],
        "cleaning": ["rule"],
        "quarantine_summary": ["table", "rule", "reason"],
        "leaderboard": ["model"],
    }
    for table, columns in soiled.items():
        run.frames[table] = run.read(table).with_columns(pl.lit(EVIL).alias(c) for c in columns)
    run.frames["trends"] = run.read("trends").with_columns(
        pl.when(pl.col("level") == "category").then(pl.lit(EVIL)).otherwise("category").alias("category")
    )
    run.manifest |= {"run": EVIL, "python": EVIL}
    run.manifest["config"]["shop"]["name"] = EVIL
    page = page_of(run)
    assert page.count("script") == clean.count("script") == 3
    assert page.count("img") == 0
    assert not [k for _, a in page.elements for k in a if k.startswith("on")]
    held = json.loads(page.data)
    assert held["series"][0][2] == EVIL
    assert EVIL in page.text


def test_not_a_number_does_not_break_thepage_of(run):
    run.frames["trends"] = run.read("trends").with_columns(pl.lit(float("nan")).alias("money"))
    run.frames["forecasts"] = run.read("forecasts").with_columns(pl.lit(float("inf")).alias("q0.975"))
    assert json.loads(page_of(run).data, parse_constant=lambda word: pytest.fail(word))


# --- accuracy in words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ((0.051, 0.032, 0.07), "is 5.1% better than the best simple baseline (95% interval 3.2% to 7.0%)"),
        ((-0.04, -0.06, -0.02), "is 4.0% worse than the best simple baseline (95% interval 2.0% to 6.0%)"),
        (
            (0.01, -0.02, 0.04),
            "is not measurably better than the best simple baseline: +1.0% (95% interval −2.0% to +4.0%)",
        ),
        ((0.0, 0.0, 0.0), None),
        ((0.01, None, None), "differs from the best simple baseline by +1.0%; the tests were too few"),
    ],
)
def test_verdict_is_honest(run, gain, said):
    mine = (pl.col("segment") == "all") & (pl.col("model") == "champion")
    run.frames["leaderboard"] = run.read("leaderboard").with_columns(
        pl.when(mine).then(pl.lit(value, pl.Float64)).otherwise(name).alias(name)
        for name, value in zip(("gain", "gain_low", "gain_high"), gain, strict=True)
    )
    expected = f"The chosen model {said}" if said else "A simple baseline was chosen: no other model beat it"
    assert expected in page_of(run).text


def test_segments_without_a_measurable_gain_are_named(run):
    assert "Not measurably better, at 95% confidence, for: new (8)" in page_of(run).text
    run.frames["leaderboard"] = run.read("leaderboard").with_columns(pl.lit(0.01).alias("gain_low"))
    assert "Not measurably better" not in page_of(run).text


def test_the_worst_coverage_is_named(run):
    mine = (pl.col("segment") == "new") & (pl.col("model") == "champion")
    run.frames["leaderboard"] = run.read("leaderboard").with_columns(
        pl.when(mine).then(0.61).otherwise("coverage80").alias("coverage80")
    )
    assert "80% range: −19.0 points (new)" in page_of(run).text


def test_a_champion_that_is_one_of_the_models_is_not_listed_twice(run):
    board = run.read("leaderboard").filter(pl.col("segment") == "all")
    first = board.row(0, named=True)
    same = pl.col("model") == "boosted"
    alike = ("wql", "wape", "rmsse", "bias", "seconds")
    run.frames["leaderboard"] = board.with_columns(
        pl.col("chosen") & ~same,
        *(pl.when(same).then(pl.lit(first[c])).otherwise(c).alias(c) for c in alike),
    )
    text = page_of(run).text
    assert re.search(r"gradient-boosted trees\s+chosen", text)
    assert not re.search(r"chosen per segment\s+chosen", text)


def test_products_of_one_name_show_their_number(run):
    run.frames["products_view"] = run.read("products_view").with_columns(pl.lit("Milk").alias("title"))
    first = run.read("reorder").filter(pl.col("order_now") > 0).sort("rank")["sku"][0]
    assert f"Milk {first}" in page_of(run).text


def test_new_and_ending_tell_dates_instead_of_growth(run):
    text = page_of(run).text
    trends = run.read("trends").filter((pl.col("level") == "series") & (pl.col("trend") == "new"))
    sku = trends.sort("revenue", descending=True)["sku"][0]
    first = run.read("panel").filter((pl.col("sku") == sku) & (pl.col("sales") > 0))["date"].min()
    title = dict(run.read("products_view").select("sku", "title").iter_rows())[sku]
    assert "First sold" in text
    assert re.search(rf"{re.escape(title)} (?:{sku} )?{first.day} {first:%b %Y}", text)


def test_categories_show_the_range_of_their_sum(run):
    row = run.read("totals").filter((pl.col("level") == "category") & (pl.col("step") == 0)).row(0, named=True)
    text = page_of(run).text
    assert "Expected demand by category" in text
    assert f"{row['mean']:,.0f} {row['q0.1']:,.0f} to {row['q0.9']:,.0f}" in text


def test_what_every_line_assumes_is_said_once(run):
    run.frames["reorder"] = run.read("reorder").with_columns(
        pl.when(pl.col("rank") == 1).then(pl.lit("stock, price")).otherwise(pl.lit("stock")).alias("assumed")
    )
    page = page_of(run)
    assert "On every line: stock assumed" in page.text
    assert json.loads(page.data)["reorder"]["common"] == ["stock"]


def test_examples_of_findings_name_the_product(run):
    sku, title = run.read("products_view").select("sku", "title").row(3)
    row = {"check": "long_gaps", "table": "stock", "column": "", "severity": "warning", "count": 1, "total": 60,
           "example": f"{sku}/all: 256 days", "remedy": "Give stock."}  # fmt: skip
    run.frames["findings"] = pl.DataFrame([row])
    assert f"{title} · {sku}: 256 days" in page_of(run).text
    assert f"{title} · {sku}: 256 天" in page_of(run, language="zh").text


# --- empty states -----------------------------------------------------------------------------------------------


def test_a_run_without_tables_makes_a_page_that_says_so():
    text = page_of(MadeUpRun({"run": "r-1"})).text
    expected = (
        "This run holds no trends.",
        "This run holds no forecasts.",
        "No reorder list in this run.",
        "nothing can be said about accuracy",
        "The checks found nothing to report.",
        "Cleaning changed nothing.",
    )
    assert [said for said in expected if said not in text] == []


def test_nothing_to_order_is_good_news(run):
    run.frames["reorder"] = run.read("reorder").with_columns(pl.lit(0.0).alias("order_now"))
    assert page_of(run).text.count("Nothing needs ordering today") == 2


def test_products_without_categories(run):
    run.frames["products_view"] = run.read("products_view").with_columns(pl.lit(None, pl.String).alias("category"))
    run.frames["trends"] = run.read("trends").filter(pl.col("level") != "category")
    assert "The products have no categories." in page_of(run).text


def test_a_banner_says_when_all_stock_is_assumed(run):
    said = "There is no stock data"
    assert said not in page_of(run).text
    run.frames["reorder"] = run.read("reorder").with_columns(pl.lit("lead_time, stock").alias("assumed"))
    assert said in page_of(run).text


def test_weekly_runs_count_weeks(run):
    run.manifest["config"]["clean"]["freq"] = "1w"
    assert "forecast of 28 weeks" in page_of(run).text


def test_locations_tell_series_of_one_product_apart(run):
    both = ("panel", "forecasts", "reorder")
    for name in both:
        frame = run.read(name)
        run.frames[name] = pl.concat([frame, frame.with_columns(pl.lit("harbour").alias("location"))])
    page = page_of(run)
    assert re.search(r"Honey \S+ harbour £", page.text)
    assert json.loads(page.data)["places"] is True


def test_earlier_runs_are_listed(run):
    earlier = make(10)
    earlier.manifest["run"] = "r-20260301"
    stake = earlier.read("reorder")["money_at_stake"].sum()
    # The error of an earlier run is what the present run found: 41.2 % in the made-up table.
    assert re.search(rf"r-20260301 30 Mar 2026 06:45 £{stake:,.0f} \d+ 41.2%", page_of(run, history=[earlier]).text)


def test_old_data_is_said_to_be_old(run):
    assert "The data ends" not in page_of(run).text
    run.manifest["created"] = "2026-04-20T06:00:00+00:00"
    assert "The data ends 21 days before this run was made" in page_of(run).text


def test_a_path_that_cannot_be_written_is_an_error(run, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Cannot write the report"):
        write(run, tmp_path / "file" / "report.html")


def test_many_quarantine_reasons_are_summed_by_rule(run):
    rows = [
        {"table": "orders", "rule": "superseded", "reason": f"line {i} has the same key", "count": 1} for i in range(90)
    ]
    run.frames["quarantine_summary"] = pl.DataFrame(rows)
    text = page_of(run).text
    assert re.search(r"superseded\s+a later row has the same key\s+90", text)
