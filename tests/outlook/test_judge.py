"""Forecasts made elsewhere, priced: by hand where costs are plain, and from a sheet to a table."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from windvane.cli import main
from windvane.decisions.terms import Terms
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.ledger import Rates
from windvane.outlook.judge import judge, of_sheet, read_forecasts
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
LEVELS = (0.1, 0.5, 0.9)
FREQ = Freq("1d")


def made(sales):
    sales = np.asarray(sales, np.float32)
    return Panel(
        pl.DataFrame({"sku": [f"s{i}" for i in range(len(sales))], "location": ["all"] * len(sales)}),
        sales,
        FREQ.dates(np.arange(20_000, 20_000 + sales.shape[1])),
        FREQ,
    )


def sure(panel, column, values, rows=slice(None)):
    """A forecast that is certain of its values."""
    values = np.asarray(values, np.float32)
    return Forecast(
        panel.keys[rows],
        panel.dates[column],
        FREQ.dates(np.arange(20_001 + column, 20_001 + column + values.shape[1])),
        values,
        np.repeat(values[:, :, None], 3, axis=2),
        LEVELS,
        panel.identity[rows],
        counts=True,
    )


def priced(count):
    one = np.ones(count)
    return Terms.plain(Rates(margin=3 * one, unit_cost=5 * one, holding=0.1 * one, order_cost=0 * one), 1, 2)


def test_costs_are_those_of_a_hand():
    panel = made([[2] * 10, [4] * 10])
    right = sure(panel, 6, [[2, 2, 2], [4, 4, 4]])
    low = sure(panel, 6, [[1, 1, 1], [4, 4, 4]])
    told = judge({"low": [low], "right": [right]}, panel, priced(2)).to_dicts()
    assert [row["model"] for row in told] == ["right", "low"]
    # An order of 6 and of 12 for three days: 4 + 2 + 0 and 8 + 4 + 0 units in the evenings, at 0.1 each; 2 series x 3.
    assert told[0]["cost"] == pytest.approx((0.6 + 1.2) / 6)
    # An order of 3: 1 unit in the first evening, and 3 of 6 missing at 3 each.
    assert told[1]["cost"] == pytest.approx((0.1 + 9 + 1.2) / 6)
    assert told[1]["wape"] == pytest.approx(3 / 18)
    assert told[1]["bias"] == pytest.approx(-3 / 18)
    assert told[0]["wql"] == 0
    assert told[1]["saving"] == pytest.approx(1 - 1.8 / 10.3)
    assert told[0]["saving"] == 0


def test_only_what_all_foretell_counts():
    panel = made([[2] * 12, [4] * 12, [6] * 12])
    two = sure(panel, 6, [[4, 4], [6, 6]], slice(1, 3))
    all_three = [sure(panel, 6, [[9, 9, 9], [4, 4, 4], [6, 6, 6]]), sure(panel, 8, [[0], [0], [0]])]
    told = judge({"two": [two], "three": all_three}, panel, priced(3))
    assert told["series"].to_list() == [2, 2]
    assert told["origins"].to_list() == [1, 1]
    assert told["wql"].to_list() == [0, 0]
    turned = two.take(np.array([1, 0]))
    again = judge({"two": [turned], "three": all_three}, panel, priced(3))
    assert again.sort("model").equals(told.sort("model")), "the order of rows is theirs"
    with pytest.raises(InputError, match="foretold by all"):
        judge({"two": [sure(panel, 7, [[1], [1], [1]])], "three": all_three}, panel, priced(3))


def sheet(panel, column, horizon=3):
    dates = FREQ.dates(np.arange(20_001 + column, 20_001 + column + horizon))
    rows = [(sku, "all", panel.dates[column], day, 2.0) for sku in panel.keys["sku"] for day in dates]
    return pl.DataFrame(rows, schema=["sku", "location", "cutoff", "date", "mean"], orient="row")


def test_a_sheet_of_means_gets_poisson_quantiles():
    panel = made([[2] * 10])
    (found,) = read_forecasts(sheet(panel, 6), panel)["theirs"]
    assert found.mean[0].tolist() == [2, 2, 2]
    assert found.quantile(0.5)[0].tolist() == [2, 2, 2]
    assert found.quantile(0.95)[0].tolist() == [5, 5, 5]
    both = pl.concat([sheet(panel, 6), sheet(panel, 5)]).with_columns(pl.lit("a").alias("model"))
    assert [f.cutoff for f in read_forecasts(both, panel)["a"]] == [panel.dates[6], panel.dates[5]]


def test_sheets_that_cannot_be_read_are_named():
    panel = made([[2] * 10])
    good = sheet(panel, 6)
    for frame, match in (
        (good.drop("cutoff"), "no column 'cutoff'"),
        (good.drop("mean"), "neither a mean nor quantiles"),
        (good.with_columns(pl.lit("x").alias("sku")), "no series of the sheet"),
        (good.with_columns(pl.lit(-1.0).alias("mean")), "below 0"),
        (pl.concat([good, good]), "every step"),
        (good.filter(pl.col("date") > pl.col("date").min()), "every step"),
        (good.filter(pl.col("date") != pl.col("date").median()), "every step"),
    ):
        with pytest.raises(InputError, match=match):
            read_forecasts(frame, panel)


def test_a_sheet_is_judged_on_a_workspace(tmp_path, capsys):
    from windvane.config import Shop
    from windvane.store import Workspace

    shop = Workspace.create(tmp_path / "shop", Shop())
    rng = np.random.default_rng(1)
    with (tmp_path / "o.csv").open("w") as file:
        file.write("order_id,ordered_at,sku,location,units,unit_price\n")
        for d in range(120):
            for sku, rate in (("a", 4), ("b", 9)):
                day = FREQ.dates(np.array([20_000 + d]))[0]
                file.write(f"{d}{sku},{day},{sku},web,{rng.poisson(rate)},8\n")
    for words in (("ingest", tmp_path / "o.csv", "-t", "orders", "-w", shop.folder, "--json"),):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert not ended.value.code
    cutoff = FREQ.dates(np.array([20_099]))[0]
    days = FREQ.dates(np.arange(20_100, 20_110))
    rows = [(sku, "web", cutoff, day, mean) for sku, mean in (("a", 20.0), ("b", 1.0)) for day in days]
    frame = pl.DataFrame(rows, schema=["sku", "location", "cutoff", "date", "mean"], orient="row")
    told = of_sheet(shop, frame)
    assert set(told["model"]) == {"theirs", "windvane fast", "moving average"}
    assert told["model"][-1] == "theirs", "a bad forecast costs most"
    assert (told["series"] == 2).all()
    frame.write_csv(tmp_path / "theirs.csv")
    capsys.readouterr()
    for words in (("--json",), ()):
        with pytest.raises(SystemExit) as ended:
            main(["judge", str(tmp_path / "theirs.csv"), "-w", str(shop.folder), *words])
        assert not ended.value.code
        said = capsys.readouterr().out
        assert "theirs" in said
        if words:
            assert json.loads(said)[-1]["cost"] == pytest.approx(told["cost"][-1])
    with pytest.raises(SystemExit) as ended:
        main(["judge", str(tmp_path / "none.csv"), "-w", str(shop.folder)])
    assert ended.value.code == 1
