"""Hours and months pass the whole pipeline, and a report comes of them (days and weeks do so in the other tests)."""

from datetime import date, datetime, timedelta

import corner_shop as shops
import polars as pl
import pytest

from windvane import Run
from windvane.pipeline import run
from windvane.report import write

MODELS = {**shops.LIGHT["backtest"], "models": ["moving_average", "seasonal_es", "tsb", "boosted"]}
CASES = {
    "1h": ({"products": 3, "days": 70}, 24, pl.Datetime("us"), timedelta(hours=1)),
    "1mo": ({"products": 5, "days": 650}, 2, pl.Date(), None),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def shop(request, tmp_path_factory):
    freq = request.param
    made, horizon, *_ = CASES[freq]
    values = {"clean": {"freq": freq}, "forecast": {"horizon": horizon, "paths": 60}, "backtest": MODELS}
    folder = tmp_path_factory.mktemp(f"every{freq}") / "shop"
    workspace = shops.shop(folder, shops.tables(**made), values)
    return freq, workspace, run(workspace)


def test_the_forecast_goes_on_where_the_panel_ends(shop):
    freq, _, published = shop
    _, horizon, kind, step = CASES[freq]
    panel, frame = published.read("panel"), published.read("forecasts")
    assert panel.schema["date"] == frame.schema["date"] == frame.schema["cutoff"] == kind
    assert published.read("scores").schema["cutoff"] == kind
    cutoff = panel["date"].max()
    assert frame["cutoff"].unique().to_list() == [cutoff]
    dates = frame["date"].unique().sort().to_list()
    assert len(dates) == horizon
    if step is None:
        assert cutoff == date(2026, 9, 1)
        assert dates == [date(2026, 10, 1), date(2026, 11, 1)]
    else:
        assert dates == [cutoff + (i + 1) * step for i in range(horizon)]
    assert frame.select(pl.col(pl.Float64).is_finite().all()).row(0) == (True,) * 14


def test_models_were_judged_and_stock_is_counted_in_days(shop):
    freq, _, published = shop
    assert published.read("scores")["use"].unique().sort().to_list() == ["choose", "report"]
    reorder = published.read("reorder")
    assert reorder.height
    told = reorder.filter(
        pl.col("days_of_supply").is_not_null() & (pl.col("demand_lead") > 0) & (pl.col("lead_time") > 0)
    )
    # Demand per day of the lead time and per day of supply are of one size, whatever the period.
    a_day = told["demand_lead"] / told["lead_time"]
    other = (told["on_hand"] + told["on_order"]) / told["days_of_supply"]
    assert told.height
    assert 0.4 < (a_day.sum() / other.sum()) < 2.5
    assert published.read("trends").filter(pl.col("growth").is_not_null()).height > 0
    if freq == "1h":
        assert "horizon" in "".join(reorder["assumed"])


def test_the_report_names_the_periods(shop, tmp_path):
    freq, _, published = shop
    page = write(published, tmp_path / "report.html", None).read_text(encoding="utf-8")
    assert ("24 hours" in page) == (freq == "1h")
    assert ("2 months" in page) == (freq == "1mo")


def test_the_next_run_scores_this_one(shop):
    freq, workspace, published = shop
    made, *_ = CASES[freq]
    early = shops.day(made["days"] - 3 if freq == "1h" else made["days"] - 70)
    first = run(workspace, as_of=early)
    second = run(workspace, as_of=shops.day(made["days"] - 1))
    scored = second.read("accuracy")
    assert scored["run"].unique().to_list() == [first.id]
    assert scored["periods"].max() == (24 if freq == "1h" else 2)
    assert isinstance(published, Run)


def test_a_history_too_short_to_judge_is_told(tmp_path):
    values = {
        "clean": {"freq": "1mo"},
        "forecast": {"horizon": 6, "paths": 60},
        "backtest": {"models": ["moving_average"]},
    }
    published = run(shops.shop(tmp_path / "young", shops.only(shops.tables(products=2, days=200), "orders"), values))
    told = published.read("findings").filter(pl.col("check") == "history_too_short").row(0, named=True)
    assert (told["count"], told["total"]) == (5, 6)
    assert "forecast.horizon (now 6) to 1 months" in told["remedy"]
    assert datetime.fromisoformat(told["example"]).date() == date(2025, 2, 1)
