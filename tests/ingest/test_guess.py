"""What is guessed of files that nobody has described: tables, columns, formats; and that the mapping written works."""

import csv
import json
import os
import random
import shlex
import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path

import header_variants
import polars as pl
import pytest

from windvane.cli import main
from windvane.config import Shop
from windvane.errors import MappingError
from windvane.ingest import ingest, mapping, read
from windvane.ingest.guess.cells import look
from windvane.ingest.guess.files import guess
from windvane.ingest.guess.match import matched
from windvane.ingest.guess.phrase import Local
from windvane.ingest.guess.shop import facts_of, known_exports
from windvane.ingest.guess.words import language, meanings
from windvane.ingest.guess.write import write
from windvane.store import Workspace

GOLDEN = Path(__file__).parent / "golden"


def written(path, header, rows, encoding="utf-8", separator=","):
    with path.open("w", newline="", encoding=encoding) as stream:
        out = csv.writer(stream, delimiter=separator)
        out.writerow(header)
        out.writerows(rows)
    return path


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """The command line in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


# --- columns by header and content


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Per variant the table guessed, and per column whether the guess is right."""
    folder = tmp_path_factory.mktemp("variants")
    found = {}
    for number, name in enumerate(header_variants.VARIANTS):
        header, rows = header_variants.table(name)
        got = guess([written(folder / f"file{number}.csv", header, rows)])[0]
        ours = {each.cells.name: each.column for each in got.choices}
        truth = {column: wanted for column, _, wanted in header_variants.VARIANTS[name]["columns"]}
        found[name] = (got.table, {column: ours.get(column, "") == wanted for column, wanted in truth.items()})
    return found


@pytest.mark.tiny
def test_most_columns_of_made_up_shops_are_guessed_right(outcomes):
    right = [hit for _, columns in outcomes.values() for hit in columns.values()]
    tables = [table == header_variants.VARIANTS[name]["table"] for name, (table, _) in outcomes.items()]
    assert len(outcomes) >= 45
    assert sum(right) / len(right) >= 0.97
    assert sum(tables) / len(tables) >= 0.97


@pytest.mark.tiny
@pytest.mark.parametrize("name", [name for name, each in header_variants.VARIANTS.items() if each["clear"]])
def test_clear_headers_are_guessed_without_fault(outcomes, name):
    table, columns = outcomes[name]
    assert table == header_variants.VARIANTS[name]["table"]
    assert [column for column, hit in columns.items() if not hit] == []


@pytest.mark.parametrize("name", [n for n, each in header_variants.VARIANTS.items() if each["table"] == "orders"])
def test_the_mapping_written_is_valid_and_reads_every_row(name, tmp_path):
    header, rows = header_variants.table(name)
    path = written(tmp_path / "sales.csv", header, rows)
    (tmp_path / "mapping.toml").write_text(write(guess([path])), encoding="utf-8")
    workspace = Workspace.create(tmp_path / "shop", Shop(currency=facts_of(guess([path])).currency))
    report = ingest(workspace, tmp_path / "mapping.toml", [path])
    orders = next(each for each in report.files if each.table == "orders")
    assert (orders.refused, orders.superseded) == (0, 0)
    states = [index for index, column in enumerate(header_variants.VARIANTS[name]["columns"]) if column[1] == "state"]
    aside = sum(row[index] == "storniert" for row in rows for index in states)
    assert (orders.accepted, orders.set_aside) == (len(rows) - aside, aside)


# --- cells

DATES = {
    ("2024-01-05", "2024-02-15"): ("%Y-%m-%d", "day"),
    ("05.01.2024 10:00", "31.01.2024 23:10"): ("%d.%m.%Y %H:%M", "moment"),
    ("1/13/2024", "2/1/2024"): ("%m/%d/%Y", "day"),
    ("13/1/2024", "1/2/2024"): ("%d/%m/%Y", "day"),
    ("1/13/24 5:00 PM", "1/14/24 6:05 AM"): ("%m/%d/%y %I:%M %p", "moment"),
    ("2024年3月5日", "2024年12月15日"): ("%Y年%m月%d日", "day"),
    ("20240105", "20240230", "20240215") * 20: (None, "whole"),
    ("20240105", "20240206"): ("%Y%m%d", "day"),
    ("Mar 5, 2024", "Dec 15, 2024"): ("%B %d, %Y", "day"),
    ("5-Mar-24", "15-Dec-24"): ("%d-%B-%y", "day"),
    ("2024-03-05T10:00:00Z", "2024-03-06T10:00:00Z"): ("%Y-%m-%dT%H:%M:%S%.f%#z", "moment"),
    ("2024-03-05T10:00+01:00", "2024-03-06T10:00+01:00"): ("%Y-%m-%dT%H:%M%#z", "moment"),
    ("05.03.2024 10:00:00 +0100", "31.03.2024 10:00:00 +0200"): ("%d.%m.%Y %H:%M:%S%#z", "moment"),
    ("Tue, 05 Mar 2024 10:00:00 +0100", "Sun, 31 Mar 2024 10:00:00 +0200"): (
        "%a, %d %B %Y %H:%M:%S %z",
        "moment",
    ),
    ("2024年3月5日 10时05分", "2024年12月15日 9时30分"): ("%Y年%m月%d日%H时%M分", "moment"),
}


@pytest.mark.tiny
@pytest.mark.parametrize("cells", DATES)
def test_date_formats(cells):
    found = look(pl.Series("when", list(cells)))
    assert (found.format, found.kind) == DATES[cells]


@pytest.mark.tiny
@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%S+01:00", "%d.%m.%Y %H:%M:%S +0100", "%a, %d %b %Y %H:%M:%S +0100", "%Y-%m-%d %H:%M:%S"]
)
def test_the_clock_on_the_wall_counts_however_it_is_written(form, tmp_path):
    moments = [datetime(2024, 3, 1, 23, 30) + timedelta(days=n, minutes=n) for n in range(40)]
    rows = [[n, moment.strftime(form), f"A-{n % 3}", 1 + n % 4] for n, moment in enumerate(moments)]
    path = written(tmp_path / "orders.csv", ["Order No", "Created at", "SKU", "Qty"], rows)
    (tmp_path / "mapping.toml").write_text(write(guess([path])), encoding="utf-8")
    workspace = Workspace.create(tmp_path / "shop", Shop())
    ingest(workspace, tmp_path / "mapping.toml", [path])
    assert sorted(workspace.tables.read("orders").collect()["ordered_at"]) == moments


@pytest.mark.tiny
def test_day_and_month_are_told_apart_by_what_a_shop_would_have():
    days = [date(2024, 3, 1) + timedelta(days=n) for n in range(12)]
    american = look(pl.Series("d", [day.strftime("%m/%d/%Y") for day in days]))
    british = look(pl.Series("d", [day.strftime("%d/%m/%Y") for day in days]))
    assert (american.format, american.swapped) == ("%m/%d/%Y", "%d/%m/%Y")
    assert (british.format, british.swapped) == ("%d/%m/%Y", "%m/%d/%Y")


@pytest.mark.tiny
def test_numbers_that_count_time_need_a_name_that_says_so():
    seconds = ["1706781600", "1706785600"]
    assert look(pl.Series("created_at", seconds)).format == "unix"
    assert look(pl.Series("barcode", seconds)).format is None
    assert look(pl.Series("at", ["1706781600000", "1706785600000"])).format == "unix_ms"
    assert look(pl.Series("date", ["45000", "45001.5"])).format == "excel"


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("cells", "mark", "high", "currency"),
    [
        (["1.234,56", "12,5"], ",", 1234.56, None),
        (["$1,234.50", "$3.00"], ".", 1234.5, "USD"),
        (["12,50 €", "3,00 €"], ",", 12.5, "EUR"),
        (["12 000,00", "5,10"], ",", 12000.0, None),
        (["(3.50)", "2.00"], ".", 2.0, None),
        (["1,234", "5,678,901"], ".", 5678901.0, None),
        (["7", "12"], None, 12.0, None),
    ],
)
def test_numbers(cells, mark, high, currency):
    found = look(pl.Series("x", cells))
    assert (found.decimal, found.high, found.currency) == (mark, high, currency)


@pytest.mark.tiny
def test_codes_with_zeros_in_front_are_no_numbers():
    assert look(pl.Series("plu", ["00123", "00124"])).kind == "text"


@pytest.mark.tiny
def test_weeks_and_months_are_seen():
    days = pl.Series("d", [date(2024, 1, 1) + timedelta(days=7 * n) for n in range(9) if n != 4])
    assert look(days).step == 7
    assert look(pl.Series("d", [date(2024, month, 1) for month in range(1, 9)])).step == 30


@pytest.mark.tiny
def test_header_words():
    assert meanings("Order No.")["order_id"] == 1.0
    assert meanings("Stock Quantity")["on_hand"] > meanings("Stock Quantity")["units"]
    assert meanings("customer_name")["personal"] == 1.0
    assert meanings("zzz") == {}
    assert [language([header]) for header in ("数量", "注文日", "Menge", "Quantité", "Cantidad", "Qty")] == [
        "zh", "ja", "de", "fr", "es", "en",
    ]  # fmt: skip


# --- the mapping that is written


@pytest.mark.tiny
def test_values_that_may_identify_a_person_are_not_shown(tmp_path):
    header = ["Order No", "Date", "SKU", "Qty", "Customer Email", "Phone", "Ship to"]
    rows = [[n, "2024-01-05", "A", 1, f"ann{n}@example.com", "13800001111", "Ann Lee"] for n in range(30)]
    text = write(guess([written(tmp_path / "o.csv", header, rows)]))
    for secret in ("ann1@", "13800001111", "Ann Lee"):
        assert secret not in text
    assert '"Phone": may identify a person, never read' in text
    assert tomllib.loads(text)["orders"][0]["columns"]["customer"] == "Customer Email"


@pytest.mark.tiny
def test_the_money_of_a_line_becomes_a_price(tmp_path):
    rows = [[n // 2, "2024-01-05", f"S{n % 3}", 1 + n % 4, f"{(1 + n % 4) * (2 + n % 3):.2f}"] for n in range(60)]
    for header in ("Total", "Price"):  # a "price" that grows with the units is the money of the line
        path = written(tmp_path / f"{header}.csv", ["Order", "Date", "SKU", "Qty", header], rows)
        price = tomllib.loads(write(guess([path])))["orders"][0]["columns"]["unit_price"]
        assert price["sql"] == f'ABS(TRY_CAST("{header}" AS DOUBLE) / NULLIF(TRY_CAST("Qty" AS DOUBLE), 0))'


@pytest.mark.tiny
def test_what_becomes_of_the_money_of_a_line_is_said(run, tmp_path):
    rows = [[n, f"2024-01-{1 + n % 28:02d}", f"A-{n % 3}", 1 + n % 4, 2.5, 2.5 * (1 + n % 4)] for n in range(60)]
    written(tmp_path / "both.csv", ["Order No", "Date", "SKU", "Qty", "Price", "Total"], rows)
    written(tmp_path / "total.csv", ["Order No", "Date", "SKU", "Qty", "Total"], [row[:4] + row[5:] for row in rows])
    for name, use in (("both", "not needed: unit_price is there"), ("total", "divided by the units: unit_price")):
        code, out, _ = run("init", name, "--from", f"{name}.csv", "--json")
        told = {each["column"]: each["use"] for each in json.loads(out)["files"][0]["columns"]}
        assert (code, told["amount"], told["units"]) == (0, use, "")
    assert "amount (not" in run("init", "again", "--from", "both.csv")[1]
    text = (tmp_path / "both" / "mapping.toml").read_text(encoding="utf-8")
    assert '"Total": not needed: unit_price is there' in text


@pytest.mark.tiny
def test_a_total_that_does_not_grow_with_the_units_is_a_price(tmp_path):
    rows = [[n // 2, "2024-01-05", f"S{n % 3}", 1 + n % 4, f"{2 + n % 3}.50"] for n in range(60)]
    path = written(tmp_path / "o.csv", ["Order", "Date", "SKU", "Qty", "Paid"], rows)
    assert tomllib.loads(write(guess([path])))["orders"][0]["columns"]["unit_price"] == "Paid"


@pytest.mark.tiny
def test_a_return_without_a_sign_on_its_money_tells_price_from_total(tmp_path):
    rows = [
        ["1", "2026-03-01", "TEA", 2, "4.50"],
        ["1", "2026-03-01", "CUP", 1, "12.00"],
        ["2", "2026-03-02", "TEA", -1, "4.50"],
    ]
    path = written(tmp_path / "o.csv", ["Order", "Date", "SKU", "Qty", "Paid"], rows)
    assert tomllib.loads(write(guess([path])))["orders"][0]["columns"]["unit_price"] == "Paid"


@pytest.mark.tiny
def test_next_months_file_is_meant_too(tmp_path):
    for name, pattern in {
        "orders-2026.csv": "orders*.csv",
        "sales 03.2026.csv": "sales*.2026.csv",
        "2026.csv": "2026*.csv",
    }.items():
        path = written(tmp_path / name, ["sku", "date", "qty"], [["A", "2026-01-01", 2]] * 3)
        assert tomllib.loads(write(guess([path])))["orders"][0]["file"] == pattern


@pytest.mark.tiny
def test_services_and_states_of_orders(tmp_path):
    header = ["Order", "Date", "SKU", "Qty", "Status"]
    rows = [
        [n, "2024-01-05", ("A", "B", "Shipping")[n % 3], 1, ("paid", "Cancelled", "pending")[n % 3]] for n in range(30)
    ]
    block = tomllib.loads(write(guess([written(tmp_path / "o.csv", header, rows)])))["orders"][0]
    assert {each["name"]: each["sql"] for each in block["set_aside"]} == {
        "cancelled": "\"Status\" IN ('Cancelled')",
        "not_paid": "\"Status\" IN ('pending')",
        "service": "\"SKU\" IN ('Shipping')",
    }


@pytest.mark.tiny
def test_files_alike_share_a_block(tmp_path):
    for month in ("01", "02", "11"):
        written(tmp_path / f"sales-2024-{month}.csv", ["date", "sku", "qty"], [[f"2024-{month}-01", "A", 2]] * 5)
    written(tmp_path / "products.csv", ["sku", "title", "brand"], [["A", "Tea", "Kyo"], ["B", "Cup", "Umi"]])
    blocks = tomllib.loads(write(guess([tmp_path])))
    assert [each["file"] for each in blocks["orders"]] == ["sales-*.csv"]
    assert [each["file"] for each in blocks["products"]] == ["products*.csv"]


@pytest.mark.tiny
def test_awkward_names_are_quoted(tmp_path):
    header = ['Order "No"', "Date's", "SKU ]", "Qty = #"]
    path = written(tmp_path / "new [2024] o'rders.csv", header, [[1, "2024-01-05", "A", 2]] * 3)
    text = write(guess([path]))
    block = mapping.parse(tomllib.loads(text), "m").blocks[0]
    assert block.columns["order_id"].column == 'Order "No"'
    assert path.match(block.file or "")


@pytest.mark.tiny
def test_a_title_above_the_header_is_skipped(tmp_path):
    path = tmp_path / "report.csv"
    path.write_text("Sales report,,,\nMade on 2024-05-01,,,\n,,,\nOrder No,Order Date,SKU,Qty\n1,2024-01-05,A,2\n" * 1)
    found = guess([path])[0]
    assert (found.table, found.header) == ("orders", 4)
    assert tomllib.loads(write([found]))["orders"][0]["header"] == 4


@pytest.mark.tiny
@pytest.mark.parametrize(
    "periods",
    [
        [f"2024-{month:02d}-01" for month in range(1, 13)],
        [f"W{week}" for week in range(1, 20)],
        [f"d_{day}" for day in range(1, 60)],
        [f"{month}月" for month in range(1, 13)],
        ["Jan 24", "Feb 24", "Mar 24", "Apr 24", "May 24", "Jun 24", "Jul 24", "Aug 24", "Sep 24"],
    ],
)
def test_a_column_for_each_period_is_refused_with_the_reason(tmp_path, periods):
    path = written(tmp_path / "wide.csv", ["sku", "name", *periods], [["A", "Tea", *range(len(periods))]] * 3)
    with pytest.raises(MappingError, match="a column for each period") as raised:
        write(guess([path]))
    assert "wide.csv" in raised.value.message


@pytest.mark.tiny
def test_a_file_of_nothing_we_know_is_refused_with_what_it_lacks(tmp_path):
    path = written(tmp_path / "notes.csv", ["alpha", "beta"], [["lorem ipsum", "dolor"]] * 5)
    with pytest.raises(MappingError, match="for orders it lacks a date"):
        write(guess([path]))


@pytest.mark.tiny
def test_facts_about_the_shop(tmp_path):
    german = written(
        tmp_path / "d.csv",
        ["Bestellnr", "Datum", "Artikel", "Menge", "Preis €"],
        [[1, "05.01.2024", "A", 2, "4,50"]] * 3,
    )
    assert facts_of(guess([german])).country == "DE"
    yen = written(
        tmp_path / "j.csv",
        ["注文番号", "注文日", "商品コード", "数量", "単価"],
        [[1, "2024/01/05", "A", 2, "¥450"]] * 3,
    )
    assert (facts_of(guess([yen])).currency, facts_of(guess([yen])).zone) == ("JPY", "Asia/Tokyo")
    pounds = written(
        tmp_path / "u.csv", ["order", "date", "sku", "qty", "price"], [[1, "2024-01-05", "A", 2, "£4.50"]] * 3
    )
    assert (facts_of(guess([pounds])).currency, facts_of(guess([pounds])).country) == ("GBP", "GB")
    plain = facts_of(guess([written(tmp_path / "p.csv", ["date", "sku", "qty"], [["2024-01-05", "A", 2]] * 3)]))
    assert (plain.currency, plain.told) == ("USD", False)


@pytest.mark.tiny
def test_moments_in_utc_become_local(tmp_path):
    path = written(tmp_path / "o.csv", ["order", "created_at", "sku", "qty"], [[1, "2024-01-05T23:30:00Z", "A", 2]] * 3)
    at = tomllib.loads(write(guess([path]), Local("Europe/Berlin")))["orders"][0]["columns"]["ordered_at"]
    assert at["local"] == "Europe/Berlin"


@pytest.mark.tiny
def test_the_code_that_the_orders_use_is_found_by_its_values(tmp_path):
    orders = written(
        tmp_path / "orders.csv", ["order", "date", "item", "qty"], [[1, "2024-01-05", f"A{n}", 2] for n in range(9)]
    )
    rows = [[f"SUP-{n}", f"A{n}", f"Tea {n}", "Kyo"] for n in range(8)]
    products = written(tmp_path / "products.csv", ["SKU", "House code", "Title", "Brand"], rows)
    guesses, (match,) = matched(guess([orders, products]))
    assert (match.found, match.products, match.good) == (8, 9, True)
    choice = guesses[1].get("sku")
    assert (choice.cells.name, choice.others) == ("House code", ("SKU",))
    assert tomllib.loads(write(guesses))["products"][0]["columns"]["sku"] == "House code"
    strange = written(tmp_path / "strange.csv", ["SKU", "Title", "Brand"], [["X1", "Tea", "Kyo"], ["X2", "Cup", "Umi"]])
    (match,) = matched(guess([orders, strange]))[1]
    assert (match.found, match.good) == (0, False)


@pytest.mark.tiny
def test_a_list_of_products_may_say_how_they_are_bought_and_what_is_there(tmp_path):
    header = ["SKU", "Title", "Brand", "Supplier", "Lead time days", "MOQ", "Stock"]
    path = written(tmp_path / "products.csv", header, [[f"A{n}", "Tea", "Kyo", "Umi", 7, 12, n] for n in range(5)])
    blocks = tomllib.loads(write(guess([path])))
    assert blocks["supply"][0]["columns"] == {
        "sku": "SKU", "supplier": "Supplier", "lead_time": "Lead time days", "moq": "MOQ",
    }  # fmt: skip
    assert blocks["stock"][0]["columns"] == {"sku": "SKU", "date": {"arrival": True}, "on_hand": "Stock"}


# --- known exports


@pytest.mark.tiny
@pytest.mark.parametrize("shop", sorted(each.name for each in GOLDEN.iterdir() if (each / "input").is_dir()))
def test_exports_are_known_by_their_columns(shop, tmp_path):
    """Whatever a file is called, if its mapping does not go by names."""
    for number, path in enumerate(sorted((GOLDEN / shop / "input").iterdir())):
        name = path.name if shop == "taobao_reports" else f"renamed {number}{path.suffix}"
        (tmp_path / name).write_bytes(path.read_bytes())
    found = known_exports(read.items([tmp_path]))
    assert {label: len(items) for label, items in found.items()} == {shop: len(list(tmp_path.iterdir()))}


@pytest.mark.tiny
def test_nothing_is_taken_for_a_known_export(tmp_path):
    for name in header_variants.VARIANTS:
        header, rows = header_variants.table(name, 3)
        written(tmp_path / f"{len(list(tmp_path.iterdir()))}.csv", header, rows)
    assert known_exports(read.items([tmp_path])) == {}


# --- through the command line, as a newcomer would


def shop_rows(days=84):
    """Orders of a small shop: number, moment, product, units, price."""
    rng, number = random.Random(1), 1000
    for day in range(days):
        for _ in range(rng.randint(3, 5)):
            number += 1
            at = datetime(2025, 3, 3, 8) + timedelta(days=day, minutes=rng.randint(0, 700))
            for sku, price in rng.sample([("TEA-01", 4.5), ("TEA-02", 5.2), ("CUP-07", 1012.0)], 2):
                yield number, at, sku, rng.randint(1, 3), price


def us(folder):
    rows = [
        [n, at.strftime("%-m/%-d/%Y %-I:%M %p"), sku, units, f"${price:,.2f}", f"c{n % 9}@x.org"]
        for n, at, sku, units, price in shop_rows()
    ]
    return written(folder / "my orders.csv", ["Order #", "Order Date", "SKU", "Qty", "Price", "Email"], rows)


def german(folder):
    rows = [
        [n, at.strftime("%d.%m.%Y"), sku, "Grüner Tee", units, f"{price:,.2f}".translate(str.maketrans(",.", ".,"))]
        for n, at, sku, units, price in shop_rows()
    ]
    header = ["Bestell-Nr.", "Datum", "Artikelnr.", "Bezeichnung", "Menge", "Einzelpreis (€)"]
    return written(folder / "Bestellungen.csv", header, rows, "cp1252", ";")


def chinese(folder):
    rows = [
        [n, at.strftime("%Y年%-m月%-d日 %H:%M"), sku, "龙井茶", units, price]
        for n, at, sku, units, price in shop_rows()
    ]
    header = ["订单编号", "下单时间", "商品编码", "商品名称", "数量", "单价(元)"]
    return written(folder / "订单.csv", header, rows, "gbk")


def epoch(folder):
    rows = [[sku, int(at.timestamp()), units, n] for n, at, sku, units, _ in shop_rows()]
    return written(folder / "log.tsv", ["sku", "ts", "qty", "order_id"], rows, separator="\t")


def totals(folder):
    sums = {}
    for _, at, sku, units, _ in shop_rows():
        sums[sku, at.date()] = sums.get((sku, at.date()), 0) + units
    return written(
        folder / "daily.csv", ["sku", "date", "qty"], [[sku, day, units] for (sku, day), units in sums.items()]
    )


def workbook(folder):
    rows = [(str(n), at, sku, units, price) for n, at, sku, units, price in shop_rows()]
    frame = pl.DataFrame(rows, schema=["Order No", "Order Date", "SKU", "Quantity", "Unit Price"], orient="row")
    frame.write_excel(folder / "orders.xlsx")
    return folder / "orders.xlsx"


STYLES = [us, german, chinese, epoch, totals, workbook]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_a_newcomers_own_file_in_two_commands(style, run, tmp_path):
    path = style(tmp_path)
    code, out, err = run("init", "shop", "--from", path.name)
    assert (code, err) == (0, "")
    commands = [line.strip() for line in out.splitlines() if line.strip().startswith("windvane ")]
    assert commands[-1] == "windvane run -w shop"
    code, out, err = run(*shlex.split(commands[0])[1:], "--json")
    assert (code, err) == (0, "")
    orders = json.loads(out)["reports"][0]["files"][0]
    source = list(shop_rows())
    assert (orders["refused"], orders["superseded"], orders["set_aside"]) == (0, 0, 0)
    frame = Workspace.open("shop").tables.read("orders").collect()
    assert frame["units"].sum() == sum(units for _, _, _, units, _ in source)
    assert set(frame["sku"]) == {"TEA-01", "TEA-02", "CUP-07"}
    if style is not totals:
        assert frame["order_id"].n_unique() == len({n for n, *_ in source})
    if style is not epoch:  # its moments are in UTC and become local
        assert frame["ordered_at"].dt.date().min() == date(2025, 3, 3)
        assert frame["ordered_at"].dt.date().max() == max(at for _, at, *_ in source).date()
    if style in (us, german, chinese, workbook):
        assert frame.filter(pl.col("sku") == "CUP-07")["unit_price"].unique().to_list() == [1012.0]


def test_a_newcomers_own_file_reaches_a_report_in_three_commands(run, tmp_path):
    us(tmp_path)
    for words in (
        ("init", "shop", "--from", "my orders.csv"),
        ("ingest", "my orders.csv", "--mapping", "shop/mapping.toml", "-w", "shop"),
        ("run", "-w", "shop"),
    ):
        code, out, err = run(*words)
        assert (code, err) == (0, "")
    assert "TEA-01" in (tmp_path / "shop" / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path / "shop" / "report.html") in out


@pytest.mark.tiny
def test_init_from_sets_what_the_files_say_and_options_go_first(run, tmp_path):
    german(tmp_path)
    assert run("init", "shop", "--from", "Bestellungen.csv", "--country", "AT")[0] == 0
    shop = Workspace.open("shop").config.shop
    assert (shop.currency, shop.country, shop.language) == ("EUR", "AT", "en")


@pytest.mark.tiny
def test_init_from_weekly_sales_forecasts_by_week(run, tmp_path):
    rows = [[date(2024, 1, 1) + timedelta(days=7 * n), sku, 3] for n in range(30) for sku in "AB"]
    written(tmp_path / "w.csv", ["week", "sku", "units sold"], rows)
    assert run("init", "shop", "--from", "w.csv")[0] == 0
    assert Workspace.open("shop").config.clean.freq == "1w"
    assert Workspace.open("shop").config.forecast.horizon == 8


@pytest.mark.tiny
def test_init_from_a_known_export_copies_its_mapping(run, tmp_path):
    folder = GOLDEN / "amazon" / "input"
    code, out, _ = run("init", "shop", "--from", folder, "--json")
    said = json.loads(out)
    assert (code, list(said["known"])) == (0, ["amazon"])
    text = (tmp_path / "shop" / "mapping.toml").read_text(encoding="utf-8")
    assert 'local = "Europe/Berlin"' in text
    code, out, _ = run("ingest", folder, "-m", "shop/mapping.toml", "-w", "shop", "--json")
    assert (code, len(json.loads(out)["reports"][0]["files"])) == (0, 6)


@pytest.mark.tiny
def test_init_from_files_of_both_kinds_says_two_commands(run, tmp_path):
    us(tmp_path)
    export = tmp_path / "export.csv"
    export.write_bytes((GOLDEN / "shopify" / "input" / "products_export_1.csv").read_bytes())
    code, out, _ = run("init", "shop", "--from", "my orders.csv", "export.csv", "--json")
    said = json.loads(out)
    assert code == 0
    assert sorted(Path(each).name for each in said["mappings"]) == ["mapping-shopify.toml", "mapping.toml"]
    assert any("export.csv --mapping shop/mapping-shopify.toml" in each for each in said["next"])


@pytest.mark.tiny
def test_init_from_again_keeps_the_mapping_that_was_corrected(run, tmp_path):
    us(tmp_path)
    written(tmp_path / "products.csv", ["sku", "title", "brand"], [["TEA-01", "Tea", "Kyo"], ["CUP-07", "Cup", "Umi"]])
    assert run("init", "shop", "--from", "my orders.csv")[0] == 0
    (tmp_path / "shop" / "mapping.toml").write_text("# corrected")
    assert run("init", "shop", "--from", "products.csv")[0] == 0
    assert (tmp_path / "shop" / "mapping.toml").read_text() == "# corrected"
    assert "[[products]]" in (tmp_path / "shop" / "mapping-2.toml").read_text()


@pytest.mark.tiny
def test_init_from_makes_nothing_where_nothing_can_be_made(run, tmp_path):
    written(tmp_path / "notes.csv", ["alpha", "beta"], [["lorem ipsum", "dolor"]] * 5)
    (tmp_path / "empty.csv").write_text("")
    for name, word in (("notes.csv", "lacks"), ("empty.csv", "empty"), ("absent.csv", "There is no file")):
        code, out, err = run("init", "shop", "--from", name)
        assert (code, out) == (1, "")
        assert word in err
        assert not (tmp_path / "shop").exists()


# --- real files


def real(*parts):
    root = os.environ.get("WINDVANE_DATA")
    if not root or not Path(root, *parts).exists():
        pytest.skip(f"WINDVANE_DATA does not name a folder with {'/'.join(parts)}")
    return Path(root, *parts)


@pytest.mark.data
def test_real_files():
    """Columns of public data that nobody described to the guesser."""

    def columns(*parts):
        found = guess([real(*parts)])[0]
        return found.table, {each.column: each.cells.name for each in found.choices}

    table, ours = columns("online_retail", "transactions.parquet")
    assert (table, ours["order_id"], ours["sku"], ours["ordered_at"]) == ("orders", "invoice", "stock_code", "ts")
    table, ours = columns("breakfast", "weekly.parquet")
    assert (table, ours["sku"], ours["units"], ours["location"]) == ("orders", "upc_id", "y", "store_id")
    table, ours = columns("fresh_market_zh", "sku_daily.parquet")
    assert (table, ours["sku"], ours["units"], ours["unit_price"]) == ("orders", "sku_id", "qty_kg", "avg_price")
    assert columns("fresh_market_zh", "sku.parquet")[0] == "products"
    assert columns("breakfast", "product.parquet")[1]["title"] == "description"
    assert columns("breakfast", "store.parquet")[0] == "locations"
    assert list(known_exports(read.items([real("fresh_market_zh")]))) == ["fresh_market_zh"]
    assert list(known_exports(read.items([real("online_retail")]))) == ["uci_online_retail"]
