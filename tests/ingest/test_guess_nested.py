"""Orders that hold their lines as a list, as shops' interfaces give them: from the file to rows in two commands."""

import json
import tomllib

import pytest

from windvane.cli import main
from windvane.ingest.guess.files import guess
from windvane.ingest.guess.write import write
from windvane.ingest.read.lines import flattened
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

PRODUCTS = (("TEA-01", "Green tea", "12.50"), ("CUP-07", "Blue cup", "8.00"), ("POT-03", "Iron pot", "39.90"))


def moment(number):
    return f"2024-{1 + number // 27:02d}-{1 + number % 27:02d}T{8 + number % 12:02d}:15:00"


def bought(number):
    """Places of the products in an order, and how many of each."""
    return [(number % 3, 1 + number % 4), ((number + 1) % 3, 2)][: 1 + number % 2]


def hosted(number):
    """An order with an offset in its times, totals of its own, and further lists."""
    lines = [
        {"id": 9000 + 10 * number + place, "variant_id": 44 + which, "title": PRODUCTS[which][1], "quantity": units,
         "sku": PRODUCTS[which][0], "name": PRODUCTS[which][1], "price": PRODUCTS[which][2], "product_id": 77 + which,
         "tax_lines": [{"title": "VAT", "price": "1.00"}]}
        for place, (which, units) in enumerate(bought(number))
    ]  # fmt: skip
    return {
        "id": 500_000 + number, "created_at": moment(number) + "+01:00", "updated_at": "2024-12-01T00:00:00+01:00",
        "cancelled_at": "2024-12-01T00:00:00+01:00" if number % 10 == 9 else None, "currency": "EUR",
        "customer": {"id": 70 + number % 5, "first_name": "Ada"}, "email": f"c{number % 5}@x.example",
        "financial_status": "pending" if number % 10 == 0 else "paid", "order_number": 1001 + number,
        "total_price": "99.00", "line_items": lines, "shipping_lines": [{"title": "Standard", "price": "4.90"}],
        "tax_lines": [{"title": "VAT", "price": "1.00"}],
    }  # fmt: skip


def plugged(number):
    """An order with the money of each line, and products without a code."""
    lines = [
        {"id": 300 + 10 * number + place, "name": PRODUCTS[which][1], "product_id": 70 + which, "quantity": units,
         "total": f"{units * float(PRODUCTS[which][2]):.2f}", "sku": "" if which == 1 else PRODUCTS[which][0]}
        for place, (which, units) in enumerate(bought(number))
    ]  # fmt: skip
    return {
        "id": 700 + number, "status": "cancelled" if number % 10 < 2 else "completed", "currency": "EUR",
        "date_created": moment(number), "total": "99.00", "customer_id": number % 5, "line_items": lines,
        "billing": {"phone": "0612345678", "city": "Lyon"},
    }  # fmt: skip


def chinese(number):
    lines = [{"商品编码": PRODUCTS[which][0], "数量": units, "单价": 9.5} for which, units in bought(number)]
    return {"订单号": f"D{number:04d}", "下单时间": moment(number).replace("T", " "), "商品明细": lines}


ORDERS = {"hosted": hosted, "plugged": plugged, "chinese": chinese}
COUNT = 60
LINES = sum(len(bought(number)) for number in range(COUNT))


def laid(kind, orders):
    """The same orders, laid out as different programs do."""
    lines = (json.dumps(each, ensure_ascii=False) for each in orders)
    return {
        "list": lambda: json.dumps(orders, ensure_ascii=False, indent=2),
        "lines": lambda: "\n".join(lines),
        "wrapped": lambda: json.dumps({"orders": orders}, ensure_ascii=False),
        "deep": lambda: json.dumps({"data": {"orders": orders}}, ensure_ascii=False),
        "counted": lambda: json.dumps({"count": len(orders), "next": None, "orders": orders}, indent=1),
        "pages": lambda: "\n".join(json.dumps({"page": n, "orders": orders[n::3]}) for n in range(3)),
        "spread": lambda: "\n".join(json.dumps(each, ensure_ascii=False, indent=2) for each in orders),
    }[kind]()


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


@pytest.mark.parametrize("kind", ["list", "lines", "wrapped", "deep", "counted", "pages", "spread"])
def test_every_line_arrives_however_the_orders_are_laid_out(kind, run, tmp_path):
    (tmp_path / "orders.json").write_text(laid(kind, [hosted(n) for n in range(COUNT)]), encoding="utf-8")
    code, _, err = run("init", "shop", "--from", "orders.json")
    assert (code, err) == (0, "")
    code, out, err = run("ingest", "orders.json", "-m", "shop/mapping.toml", "-w", "shop", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)["reports"][0]["files"][0]
    assert (report["read"], report["refused"], report["superseded"]) == (LINES, 0, 0)
    kept = [n for n in range(COUNT) if n % 10 not in (0, 9)]
    rows = Workspace.open(tmp_path / "shop").tables.read("orders").collect()
    expected = {
        (str(1001 + n), PRODUCTS[which][0], float(units), float(PRODUCTS[which][2]), moment(n))
        for n in kept
        for which, units in bought(n)
    }
    told = rows.select("order_id", "sku", "units", "unit_price", "ordered_at").iter_rows()
    assert {(*row[:4], row[4].isoformat()) for row in told} == expected
    assert rows.height == sum(len(bought(n)) for n in kept)
    assert rows["customer"].n_unique() == 5


@pytest.mark.parametrize("name", ORDERS)
def test_lines_of_different_shops(name, run, tmp_path):
    (tmp_path / "orders.json").write_text(json.dumps([ORDERS[name](n) for n in range(COUNT)], ensure_ascii=False))
    assert run("init", "shop", "--from", "orders.json", "--currency", "EUR")[0] == 0
    code, out, _ = run("ingest", "orders.json", "-m", "shop/mapping.toml", "-w", "shop", "--json")
    report = json.loads(out)["reports"][0]["files"][0]
    assert (code, report["read"], report["refused"]) == (0, LINES, 0)
    gone = {"hosted": (0, 9), "plugged": (0, 1), "chinese": ()}[name]
    kept = [n for n in range(COUNT) if n % 10 not in gone]
    rows = Workspace.open(tmp_path / "shop").tables.read("orders").collect()
    assert rows["units"].sum() == sum(units for n in kept for _, units in bought(n))
    named = {"plugged": {"TEA-01", "Blue cup", "POT-03"}}.get(name, {code for code, _, _ in PRODUCTS})
    assert set(rows["sku"]) == named


def test_totals_of_the_order_are_no_money_of_a_line(tmp_path):
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([plugged(n) for n in range(COUNT)]))
    found = guess([path])[0]
    assert found.explode == "line_items"
    assert found.get("amount").cells.name == "line_items.total"
    assert found.get("order_id").cells.name == "id"
    assert found.get("line").cells.name == "line_items.id"


def test_lists_and_people_are_not_shown(tmp_path):
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([{**hosted(n), "notes": [{"from": "Ada Lovelace"}]} for n in range(COUNT)]))
    text = write(guess([path]))
    assert "Ada" not in text
    assert "x.example" not in text
    assert '"notes": a list' in text


def test_an_order_without_lines_is_set_aside_and_describes_no_product(run, tmp_path):
    orders = [{**hosted(n), **({"line_items": []} if n % 5 == 1 else {})} for n in range(COUNT)]
    (tmp_path / "orders.json").write_text(json.dumps(orders))
    assert run("init", "shop", "--from", "orders.json")[0] == 0
    code, out, _ = run("ingest", "orders.json", "-m", "shop/mapping.toml", "-w", "shop", "--json")
    files = {each["table"]: each for each in json.loads(out)["reports"][0]["files"]}
    assert (code, files["orders"]["refused"], files["products"]["refused"]) == (0, 0, 0)
    reasons = {each["rule"]: each["rows"] for each in files["orders"]["reasons"]}
    assert reasons["no_lines"] == COUNT // 5


def test_products_with_variants_are_one_row_for_each_variant(tmp_path):
    products = [
        {"id": n, "title": f"Cup {n}", "vendor": "Tea House", "product_type": "Cups", "images": [{"src": "a.png"}],
         "variants": [{"id": 10 * n + v, "sku": f"CUP-{n}-{v}", "title": size} for v, size in enumerate("SML")]}
        for n in range(20)
    ]  # fmt: skip
    path = tmp_path / "products.json"
    path.write_text(json.dumps({"products": products}))
    made = tomllib.loads(write(guess([path])))["products"][0]
    assert made["explode"] == "variants"
    assert (made["columns"]["sku"], made["columns"]["title"]) == ("variants.sku", "title")


def test_orders_of_one_product_each_stay_as_they_are(tmp_path):
    """A list of taxes in an order of one product would double its rows."""
    orders = [
        {"order_id": n, "created_at": moment(n), "sku": PRODUCTS[n % 3][0], "quantity": 1 + n % 4,
         "tax_lines": [{"title": "VAT", "price": "1.00"}, {"title": "City", "price": "0.10"}]}
        for n in range(COUNT)
    ]  # fmt: skip
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(orders))
    found = guess([path])[0]
    assert (found.table, found.explode, found.rows) == ("orders", None, COUNT)


def test_a_list_within_a_list_becomes_rows():
    page = {"page": "1", "orders": [{"id": "a", "lines": [{"sku": "x"}, {"sku": "y"}]}, {"id": "b", "lines": []}]}
    assert list(flattened(page, "orders.lines")) == [
        {"page": "1", "orders.id": "a", "orders.lines.sku": "x"},
        {"page": "1", "orders.id": "a", "orders.lines.sku": "y"},
        {"page": "1", "orders.id": "b"},
    ]
    assert list(flattened({"orders": [{"id": "a"}]}, "order")) == [{"orders": '[{"id": "a"}]'}]
