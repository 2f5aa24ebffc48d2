"""A simulated shop as files, and on through the real ingest and the real pipeline."""

import json
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from windvane.cli import main
from windvane.config import Shop as ShopSettings
from windvane.errors import InputError
from windvane.ingest import ingest
from windvane.ingest.sources import resolve
from windvane.pipeline import run
from windvane.schema import RAW
from windvane.sim import Settings, Shop, simulate, write
from windvane.store import Workspace

SMALL = Settings(products=12, days=50, start=date(2024, 10, 1), language="zh", fakes=0.3, presale=0.5, late=0.1)


def order(name, frame):
    return frame.sort(RAW[name].names)


@pytest.mark.tiny
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_hold_every_row_and_the_truth(form, tmp_path):
    shop = Shop(SMALL, 3, part=5)
    done = write(shop, tmp_path / "files", form)
    tables, truth = simulate(SMALL, 3).collect()
    assert done.rows == {name: frame.height for name, frame in tables.items()}
    for name, frame in tables.items():
        path = done.folder / f"{name}.{form}"
        read = pl.read_parquet(path) if form == "parquet" else pl.read_csv(path, schema=RAW[name].types)
        if form == "csv" and name == "signals":
            read = read.with_columns(pl.col("sku", "location", "region").fill_null(""))
        if form == "csv" and name == "calendar":
            read = read.with_columns(pl.col("country", "region").fill_null(""))
        assert_frame_equal(order(name, read), order(name, frame), check_exact=True)
    for name, frame in truth.frames().items():
        columns = frame.columns
        assert_frame_equal(
            pl.read_parquet(done.folder / "truth" / f"{name}.parquet").sort(columns), frame.sort(columns)
        )
        assert done.truth[name] == frame.height
    assert done.files == len(list(done.folder.glob(f"*.{form}")))


@pytest.mark.tiny
def test_files_by_day_hold_what_became_known_that_day(tmp_path):
    done = write(Shop(SMALL, 3, part=5), tmp_path / "days", "csv", by_day=True, truth=False)
    tables, _ = simulate(SMALL, 3).collect()
    for name, frame in tables.items():
        files = sorted(done.folder.glob(f"{name}-*.csv"))
        parts = [pl.read_csv(path, schema=RAW[name].types) for path in files]
        assert sum(part.height for part in parts) == frame.height
        for path, part in zip(files, parts, strict=True):
            assert part["known_at"].dt.date().unique().to_list() == [date.fromisoformat(path.stem[-10:])]
    assert not (done.folder / "truth").exists()
    # A late row stands in a later file than its order's day, a correction beside the first word on it.
    late = tables["orders"].filter(pl.col("known_at").dt.date() > pl.col("ordered_at").dt.date())
    assert late.height > 20
    assert tables["orders"].select("order_id", "line").is_duplicated().any()


@pytest.mark.tiny
def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        write(simulate(SMALL), tmp_path, "csv")
    with pytest.raises(InputError, match="no format 'xlsx'"):
        write(simulate(SMALL), tmp_path / "new", "xlsx")
    with pytest.raises(InputError, match="by day are CSV"):
        write(simulate(SMALL), tmp_path / "new", "parquet", by_day=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]


def bring_in(workspace, folder, form):
    return [
        ingest(workspace, mapping, paths)
        for name in RAW
        for path in sorted(folder.glob(f"{name}*.{form}"))
        for mapping, paths in resolve([path], None, name)
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_every_table_is_taken_whole_and_planted_bad_rows_are_refused(form, tmp_path):
    settings = Settings(**{**vars(SMALL), "bad": 0.02, "products": 30})
    shop = simulate(settings, 8)
    tables, _ = shop.collect()
    workspace = Workspace.create(tmp_path / "shop", ShopSettings())
    reports = bring_in(workspace, write(shop, tmp_path / "files", form).folder, form)
    wrong = pl.col("sku").is_null() | (pl.col("units") > 1e12) | (pl.col("unit_price") < 0)
    planted = tables["orders"].filter(wrong)
    assert planted.height > 10
    refused = {report.files[0].table: sum(file.refused for file in report.files) for report in reports}
    assert refused.pop("orders") == planted.height
    assert set(refused.values()) == {0}
    for name, frame in tables.items():
        keys = list(RAW[name].key)
        good = frame.filter(~wrong) if name == "orders" else frame
        last = good.sort("known_at", maintain_order=True).unique(keys, keep="last").drop("customer", strict=False)
        held = workspace.tables.read(name).collect().drop("customer", strict=False)  # a pseudonym by now
        order = [key for key in keys if key != "customer"] or held.columns
        assert_frame_equal(held.sort(order), last.sort(order), check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_shop_of_a_hundred_products_runs_to_the_end(language, tmp_path):
    shop = simulate(Settings(products=100, days=300, language=language), 1)
    workspace = Workspace.create(tmp_path / "shop", ShopSettings(language=language))
    bring_in(workspace, write(shop, tmp_path / "files", "parquet").folder, "parquet")
    published = run(workspace)
    assert published.tables["forecasts"] > 0
    assert published.tables["reorder"] > 50


@pytest.mark.tiny
def test_the_command_writes_a_shop(tmp_path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["simulate", str(tmp_path / "s"), "--products", "5", "--days", "20", "--language", "zh", "--seed", "4",
              "--by-day", "--set", "fakes=1", "--json"])  # fmt: skip
    assert done.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert (
        told["rows"]["stock"]
        == simulate(Settings(products=5, days=20, language="zh", fakes=1.0), 4).collect()[0]["stock"].height
    )
    assert (tmp_path / "s" / "orders-2024-01-05.csv").exists()
    with pytest.raises(SystemExit) as refused:
        main(["simulate", str(tmp_path / "t"), "--start", "tomorrow"])
    assert refused.value.code == 1
    assert "is not a day" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()
