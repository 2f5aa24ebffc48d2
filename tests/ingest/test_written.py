"""Numbers, days and currencies as shops write them; what can be read in two ways is asked about."""

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.clock import CLOCK
from windvane.errors import MappingError
from windvane.ingest.cells.moments import Moments
from windvane.ingest.cells.numbers import Numbers
from windvane.ingest.checks.rows import Checker, check
from windvane.ingest.mapping import parse
from windvane.ingest.read import LINE
from windvane.schema import RAW

pytestmark = pytest.mark.tiny

COLUMNS = {"order_id": "id", "ordered_at": "at", "sku": "sku", "units": "units", "unit_price": "price"}


def block(columns=COLUMNS, **more):
    return parse({"orders": {"file": "f.csv", "columns": columns, **more}}, "test").blocks[0]


def numbers(*cells, column="unit_price", table="orders", **more):
    reader = Numbers(block(**more), "f.csv")
    frame = pl.DataFrame({column: cells}, schema={column: pl.String})
    reader.look(frame)
    return reader.real(frame[column], RAW[table][column]).to_list()


def moments(*cells, **how):
    source = (
        parse({"orders": {"file": "f", "columns": {**COLUMNS, "ordered_at": {"from": "at", **how}}}}, "test")
        .blocks[0]
        .columns["ordered_at"]
    )
    return Moments("f.csv").read(pl.Series("at", cells), source, "orders.ordered_at").to_list()


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.234,56", 1234.56),
        ("1 234,56", 1234.56),
        ("1\u00a0234,56", 1234.56),
        ("1\u202f234,56", 1234.56),
        ("1'234.50", 1234.5),
        ("1’234.50", 1234.5),
        ("1,234.50", 1234.5),
        ("1,234,567", 1234567.0),
        ("1.234.567", 1234567.0),
        ("1,23,456.00", 123456.0),
        ("12,5", 12.5),
        ("0,125", 0.125),
        ("1.234", 1.234),
        (".5", 0.5),
        ("¥12.50", 12.5),
        ("￥１２．５０", 12.5),
        ("12,50 €", 12.5),
        ("US$3", 3.0),
        ("12.5元", 12.5),
        ("EUR 12.50", 12.5),
        ("12.50 usd", 12.5),
        ("CHF 1'000.-", 1000.0),
        ("(12.00)", -12.0),
        ("($1,234.00)", -1234.0),
        ("-$3.50", -3.5),
        ("$-3.50", -3.5),
        ("12.00-", -12.0),
        ("−3", -3.0),
        ("1e3", 1000.0),
        ("+2", 2.0),
        ("12.5%", None),
        ("12..5", None),
        ("1,2,3", None),
        ("1.2.3,4", None),
        ("12 5", None),
        ("$", None),
        ("EURO", None),
        ("abc", None),
        ("-", None),
        ("", None),
        (None, None),
    ],
)
def test_amounts_of_money(cell, value):
    assert numbers(cell) == [value]


def test_currency_belongs_to_money_and_percent_to_shares():
    assert numbers("¥2", "2 pcs", "3", column="units") == [None, None, 3.0]
    depth = RAW["promotions"]["depth"]
    cells = pl.Series("depth", ["15%", "0.2", "１０％", "5 %", "1.5"])
    assert Numbers(block(), "f.csv").real(cells, depth).to_list() == [0.15, 0.2, 0.1, 0.05, 1.5]


@pytest.mark.parametrize("mark", [".", ","])
def test_decimal_mark_said_by_block_or_column(mark):
    value = 1234.0 if mark == "." else 1.234
    assert numbers("1,234", decimal=mark) == [value]
    assert numbers("1,234", columns={**COLUMNS, "unit_price": {"from": "price", "decimal": mark}}) == [value]


def test_what_can_be_read_in_two_ways_is_asked_about():
    with pytest.raises(MappingError, match=r"f\.csv: orders\.unit_price has cells such as 1,234") as raised:
        numbers("1,234", "7")
    assert 'decimal = ","' in raised.value.remedy
    with pytest.raises(MappingError, match="decimal comma and cells with a decimal point"):
        numbers("1,5", "1.5")
    # One cell that admits of one reading decides for the column, and for the file.
    assert numbers("1,234", "12.5") == [1234.0, 12.5]
    assert numbers("1,234", "12,5") == [1.234, 12.5]
    reader = Numbers(block(), "f.csv")
    frame = pl.DataFrame({"units": ["1.234"], "unit_price": ["12,50"]})
    reader.look(frame)
    assert reader.real(frame["units"], RAW["orders"]["units"]).to_list() == [1234.0]


def test_later_chunks_are_read_like_the_first_or_asked_about():
    def chunks(*parts):
        reader = Numbers(block(), "f.csv")
        made = []
        for part in parts:
            frame = pl.DataFrame({"unit_price": part})
            reader.look(frame)
            made += reader.real(frame["unit_price"], RAW["orders"]["unit_price"]).to_list()
        return made

    assert chunks(["1"], ["1,5"], ["1.234"]) == [1.0, 1.5, 1234.0]
    assert chunks(["1.5"], ["1,234"], ["1,5"]) == [1.5, 1234.0, None]
    with pytest.raises(MappingError, match="further down cells with a decimal comma"):
        chunks(["1.234"], ["1,5"])
    with pytest.raises(MappingError, match="further down cells with a decimal comma"):
        chunks(["1"], ["1.234"], ["1,5"])


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1), st.sampled_from(["de", "us", "ch", "plain"]))
@settings(max_examples=150, deadline=None)
def test_any_amount_written_out_is_read_back(amounts, style):
    def written(amount):
        text = f"{amount:,.2f}"
        return {
            "us": text,
            "de": text.translate({ord(","): ".", ord("."): ","}),
            "ch": text.replace(",", "'"),
            "plain": f"{amount:.2f}",
        }[style]

    assert numbers(*map(written, amounts)) == pytest.approx([float(amount) for amount in amounts], abs=1e-6)


@given(st.lists(st.text("0123456789.,'-+ ()€$%eE元", max_size=9), max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_cells_give_numbers_or_nulls_or_a_question(cells):
    try:
        made = numbers(*cells)
    except MappingError:
        return  # a question; any other error fails the test
    assert len(made) == len(cells)
    for cell, value in zip(cells, made, strict=True):
        assert value is None or any(mark.isdigit() for mark in cell)


NOON = datetime(2017, 3, 5, 12, 30)
DAY = datetime(2017, 3, 5)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2017-03-05", DAY),
        ("2017-03-05 12:30:00", NOON),
        ("2017-03-05 12:30", NOON),
        ("2017-03-05T12:30:00.000", NOON),
        ("2017/3/5", DAY),
        ("2017/3/5 12:30", NOON),
        ("2017.03.05", DAY),
        ("20170305", DAY),
        ("20170305123000", NOON),
        ("5.3.2017", DAY),
        ("05.03.17", DAY),
        ("05.03.2017 12:30", NOON),
        ("05.03.2017, 12:30:00", NOON),
        ("05-Mar-2017", DAY),
        ("05-Mar-17", DAY),
        ("5 March 2017", DAY),
        ("Mar 5, 2017", DAY),
        ("March 5, 2017 12:30 PM", NOON),
        ("2017年3月5日", DAY),
        ("2017年3月5日 12:30", NOON),
        ("2017年03月05日 12时30分00秒", NOON),
        ("42799", DAY),
        ("42799.520833333", NOON),
        ("1488717000", NOON),
        ("1488717000000", NOON),
        ("2017-03-05T12:30:00Z", NOON),
        ("2017-03-05T20:30:00+08:00", NOON),
        ("2017-03-05 12:30:00 +0000", NOON),
        ("2017-03-05 12:30:00 UTC", NOON),
        ("Sun, 05 Mar 2017 12:30:00 +0000", NOON),
        ("25/03/2017", datetime(2017, 3, 25)),
        ("03/25/2017", datetime(2017, 3, 25)),
        ("03/25/17", datetime(2017, 3, 25)),
        ("3/25/2017 12:30 PM", datetime(2017, 3, 25, 12, 30)),
        ("45/45/2017", None),
        ("2017-02-30", None),
        ("yesterday", None),
        ("12", None),
        ("", None),
        (None, None),
    ],
)
def test_moments(cell, moment):
    assert moments(cell) == [moment]


def test_day_and_month_are_decided_by_some_cell_or_asked_about():
    assert moments("05/03/2017", "13/03/2017") == [DAY, datetime(2017, 3, 13)]
    assert moments("03/05/2017", "03/13/2017") == [DAY, datetime(2017, 3, 13)]
    assert moments("05/05/2017") == [datetime(2017, 5, 5)]
    with pytest.raises(MappingError, match=r"orders\.ordered_at is written like '05/03/2017'") as raised:
        moments("05/03/2017", "05/05/2017")
    assert raised.value.remedy.endswith('format = "%d/%m/%Y"')
    assert moments("05/03/2017", format="%m/%d/%Y") == [datetime(2017, 5, 3)]
    # The whole first chunk counts, not only its first rows.
    assert moments(*["05/03/2017"] * 5000, "13/03/2017")[0] == DAY


def test_several_formats_in_one_column():
    assert moments("05.03.2017", "2017-03-05 12:30", "x", format=["%d.%m.%Y", "%Y-%m-%d %H:%M"]) == [DAY, NOON, None]
    assert moments("2017-03-05 12:30:00", "2017-03-05", "2017-03-05T12:30:00.25") == [
        NOON,
        DAY,
        datetime(2017, 3, 5, 12, 30, 0, 250_000),
    ]


def test_numbers_that_are_moments():
    assert moments(20170305) == [DAY]
    assert moments(42799.5208333333) == [NOON]
    assert moments("42799", format="excel") == [DAY]
    mapped = block({**COLUMNS, "ordered_at": {"from": "at", "origin": "1970-01-01", "unit": "millisecond"}})
    row = pl.DataFrame({LINE: [2], "id": ["1"], "at": ["1488717000000"], "sku": ["a"], "units": ["1"], "price": ["1"]})
    assert check(mapped, row, "f.csv").good["ordered_at"].to_list() == [NOON]


@given(
    st.lists(st.dates(date(1990, 1, 1), date(2060, 12, 31)), min_size=1, max_size=20),
    st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d-%b-%Y", "%Y年%m月%d日", "%Y%m%d", "%d/%m/%Y", "%m-%d-%Y"]),
)
@settings(max_examples=200, deadline=None)
def test_any_days_written_out_are_read_back_or_asked_about(days, form):
    cells = [day.strftime(form) for day in days]
    expected = [datetime(day.year, day.month, day.day) for day in days]
    try:
        assert moments(*cells) == expected
    except MappingError:
        assert form in ("%d/%m/%Y", "%m-%d-%Y")
        assert all(day.day <= 12 for day in days)
        assert moments(*cells, format=form) == expected


def rows(**columns):
    return pl.DataFrame({LINE: range(2, 2 + len(next(iter(columns.values())))), **columns})


def test_money_of_another_currency():
    base = {"id": ["1", "2", "3"], "at": ["2024-01-01"] * 3, "sku": ["a"] * 3, "units": ["1"] * 3}
    source = rows(**base, price=["3.00", "€3.00", "$3.00"])
    checked = check(block(), source, "f.csv", currency="EUR")
    assert checked.good["unit_price"].to_list() == [3.0, 3.0]
    (row,) = checked.bad.to_dicts()
    assert (row["rule"], row["column"], row["value"]) == ("other_currency", "unit_price", "$3.00")
    assert row["reason"] == "unit_price is in another currency than EUR"
    assert check(block(), source, "f.csv").refused == 0  # nobody said what the shop's currency is


def test_rows_of_another_currency_are_set_aside():
    base = {"id": list("12345"), "at": ["2024-01-01"] * 5, "sku": ["a"] * 5, "units": ["1"] * 5, "price": ["1"] * 5}
    source = rows(**base, cur=["CNY", "rmb", None, "USD", "XAU"])
    mapped = block(currency={"from": "cur"})
    checked = check(mapped, source, "f.csv", currency="CNY")
    assert (checked.good.height, checked.set_aside, checked.refused) == (3, 2, 0)
    assert checked.bad["rule"].unique().to_list() == ["other_currency"]
    assert check(block(currency="EUR"), source, "f.csv", currency="CNY").set_aside == 5
    with pytest.raises(MappingError, match=r"orders\.currency: column 'geld' is not in the file"):
        check(block(currency={"from": "geld"}), source, "f.csv", currency="CNY")


def test_dates_in_file_names():
    mapped = block({**COLUMNS, "ordered_at": {"file_date": "%Y%m%d"}})
    source = rows(id=["1"], sku=["a"], units=["1"], price=["1"])
    made = check(mapped, source, "shop.zip/orders_20170305_v2.csv").good
    assert made["ordered_at"].to_list() == [DAY]
    for name, said in (("orders.csv", "no date"), ("20170305-20170306.csv", "several dates")):
        with pytest.raises(MappingError, match=said):
            check(mapped, source, name)
    month = block({**COLUMNS, "ordered_at": {"file_date": "%Y-%m"}})
    assert check(month, source, "orders 2017-03.csv").good["ordered_at"].to_list() == [datetime(2017, 3, 1)]


def test_the_moment_of_arrival_is_the_same_for_all_chunks():
    mapped = parse({"products": {"file": "f", "columns": {"sku": "s", "known_at": {"arrival": True}}}}, "test").blocks[
        0
    ]
    checker = Checker(mapped, "f.csv")
    first, second = (checker.chunk(rows(s=[sku])).good["known_at"].item() for sku in "ab")
    assert first == second
    assert abs((CLOCK.now().replace(tzinfo=None) - first).total_seconds()) < 600
