"""The quarantine as a place of work: rows are found, corrected, dismissed, and taken into their tables once."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from made_up_till import MAPPING, broken, careless, orders, till, whole

from windvane.clock import CLOCK
from windvane.errors import InputError
from windvane.ingest import ingest, mapping
from windvane.ingest.privacy import pseudonym
from windvane.ingest.quarantine import correct
from windvane.ingest.quarantine.correct import Choice
from windvane.ingest.quarantine.retry import retry

pytestmark = pytest.mark.tiny


@pytest.fixture
def shop(tmp_path: Path):
    return careless(tmp_path / "shop")


@pytest.fixture
def filled(shop, tmp_path: Path):
    ingest(shop, MAPPING, [till(tmp_path, broken())])
    return shop


def edit(path: Path, changes: dict[int, dict[str, str]]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row.update(changes.get(int(row["_at_line"]), {}))
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_rows_say_where_they_come_from_and_how_they_were_read(filled):
    held = correct.held(filled, Choice())
    assert held.select("line", "column", "status").rows() == [
        (3, "units", "open"),
        (5, "ordered_at", "open"),
        (5, "units", "open"),
        (7, "", "open"),
    ]
    assert json.loads(held["hidden"][0]) == ["who"]
    assert json.loads(held["numbers"][0]) == {"line": 2}
    assert correct.kept_block(filled, held["block"][0]) == MAPPING.blocks[0]


def test_a_corrected_file_equals_one_that_was_right_from_the_start(filled, tmp_path):
    path = tmp_path / "rows.csv"
    assert correct.write_out(filled, Choice(), path) == 3
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    edit(path, {3: {"n": "2"}, 5: {"at": "2024-03-02 10:00:00", "n": "1"}})
    assert correct.take_back(filled, path) == correct.Taken(2, 0, 1)
    assert set(correct.held(filled, Choice(status="fixed"))["line"]) == {3, 5}
    (done,) = retry(filled, Choice())
    assert (done.tried, done.accepted, done.bad) == (2, 2, 0)
    assert orders(filled).equals(whole(tmp_path, filled.secret))
    assert correct.held(filled, Choice(status="retried"))["line"].to_list() == [3, 5, 5]
    assert retry(filled, Choice()) == []


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_formula_in_a_cell_is_text_in_the_spreadsheet_and_not_an_edit(shop, tmp_path, kind):
    row = ["o1", "2024-03-01", '=HYPERLINK("http://x")', "one", "-5", "+Ann"]
    ingest(shop, MAPPING, [till(tmp_path, [row])])
    path = tmp_path / f"rows.{kind}"
    correct.write_out(shop, Choice(), path)
    if kind == "csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            (cells,) = csv.DictReader(stream)
        assert (cells["sku"], cells["p"]) == ("'" + row[2], "-5")
    assert correct.take_back(shop, path) == correct.Taken(0, 0, 1)


def test_free_text_is_scrubbed_when_it_comes_back(shop, tmp_path):
    plain = mapping.parse(
        {"reviews": {"file": "*.csv", "columns": {"review_id": "id", "at": "at", "sku": "sku", "text": "said"}}}, "talk"
    )
    path = tmp_path / "talk.csv"
    path.write_text("id,at,sku,said\n1,2024-03-01,,good\n2,2024-03-01,a,fine\n")
    ingest(shop, plain, [path])
    correct.set_cell(shop, Choice(line=2), "said", "good, call me at +49 170 1234567 or ann@example.org")
    correct.set_cell(shop, Choice(line=2), "sku", "a")
    assert "ann@" not in str(correct.held(shop, Choice())["row"].to_list())
    retry(shop, Choice())
    text = shop.tables.read("reviews").collect().sort("review_id")["text"][0]
    assert text.startswith("good, call me")
    assert "ann@" not in text
    assert "1234567" not in text


def test_xlsx_goes_out_and_comes_back(filled, tmp_path):
    path = tmp_path / "rows.xlsx"
    correct.write_out(filled, Choice(table="orders", rule="unreadable"), path)
    frame = pl.DataFrame([row for row in _sheet(path) if row["_at_line"] == "3"]).with_columns(n=pl.lit("2"))
    frame.write_excel(path)
    assert correct.take_back(filled, path).fixed == 1
    assert retry(filled, Choice())[0].accepted == 1


def _sheet(path: Path) -> list[dict[str, str]]:
    return correct._edited(path)


def test_a_row_that_is_still_bad_stays_with_the_new_reason(filled):
    assert correct.set_cell(filled, Choice(line=5), "n", "1") == 1
    (done,) = retry(filled, Choice())
    assert (done.accepted, done.bad) == (0, 1)
    held = correct.held(filled, Choice(line=5))
    assert held.select("column", "status").rows() == [("ordered_at", "open"), ("units", "dismissed")]
    correct.set_cell(filled, Choice(line=5), "at", "2150-01-01 00:00:00")
    retry(filled, Choice())
    (row,) = correct.held(filled, Choice(line=5, status="open")).to_dicts()
    assert (row["rule"], row["value"]) == ("in_future", "2150-01-01 00:00:00")


def test_everything_open_is_tried_but_not_what_was_set_aside(filled):
    (done,) = retry(filled, Choice(), every=True)
    assert (done.tried, done.accepted, done.bad) == (2, 0, 2)
    assert correct.held(filled, Choice(line=7))["status"].to_list() == ["open"]
    wider = mapping.parse(
        {
            "orders": {
                "file": "*",
                "columns": {
                    "order_id": "id",
                    "ordered_at": "at",
                    "sku": "sku",
                    "units": "n",
                    "unit_price": "p",
                    "customer": "who",
                },
            }
        },
        "wide",
    )
    (done,) = retry(filled, Choice(rule="post"), every=True, mapping=wider)
    assert done.accepted == 1
    assert "POST" in orders(filled)["sku"].to_list()


def test_pseudonyms_are_not_hashed_again_and_new_names_are(filled):
    correct.set_cell(filled, Choice(line=3), "n", "2")
    correct.set_cell(filled, Choice(line=5), "n", "1")
    correct.set_cell(filled, Choice(line=5), "at", "2024-03-02 10:00:00")
    correct.set_cell(filled, Choice(line=5), "who", "Zoe")
    assert "Zoe" not in str(correct.held(filled, Choice())["row"].to_list())
    retry(filled, Choice())
    got = dict(orders(filled).select("_line", "customer").rows())
    assert got[3] == pseudonym("Ann", filled.secret)
    assert got[5] == pseudonym("Zoe", filled.secret)


def test_a_row_that_was_corrected_by_a_later_file_is_not_taken_over_it(shop, tmp_path):
    plain = mapping.parse(
        {"stock": {"file": "*.csv", "columns": {"sku": "sku", "date": "day", "on_hand": "n"}}}, "count"
    )
    path = tmp_path / "count.csv"
    path.write_text("sku,day,n\na,2024-03-01,?\nb,2024-03-01,4\nc,2024-03-01,?\nc,2024-03-01,7\n")
    ingest(shop, plain, [path])
    path.write_text("sku,day,n\na,2024-03-01,9\n")
    ingest(shop, plain, [path])
    correct.set_cell(shop, Choice(line=2), "n", "5")
    correct.set_cell(shop, Choice(line=4), "n", "6")
    (done,) = retry(shop, Choice())
    assert (done.accepted, done.overtaken) == (0, 2)
    assert shop.tables.read("stock").collect().sort("sku")["on_hand"].to_list() == [9, 4, 7]
    reasons = correct.held(shop, Choice(status="dismissed"))["reason"].to_list()
    assert reasons == ["a later row with the same key is on record"] * 2


def test_a_late_correction_replaces_what_older_files_said(shop, tmp_path):
    plain = mapping.parse(
        {"stock": {"file": "*.csv", "columns": {"sku": "sku", "date": "day", "on_hand": "n"}}}, "count"
    )
    path = tmp_path / "count.csv"
    path.write_text("sku,day,n\na,2024-03-01,9\n")
    ingest(shop, plain, [path])
    path.write_text("sku,day,n\na,2024-03-01,?\nb,2024-03-01,4\n")
    ingest(shop, plain, [path])
    correct.set_cell(shop, Choice(line=2), "n", "5")
    assert retry(shop, Choice())[0].accepted == 1
    assert shop.tables.read("stock").collect().sort("sku")["on_hand"].to_list() == [5, 4]


def test_numbers_in_a_table_file_stay_numbers(shop, tmp_path):
    plain = mapping.parse(
        {
            "stock": {
                "file": "*.parquet",
                "columns": {"sku": "sku", "date": "day", "on_hand": {"sql": "CASE WHEN n < 0 THEN n ELSE n * 2 END"}},
            }
        },
        "count",
    )
    path = tmp_path / "count.parquet"
    pl.DataFrame({"sku": ["a", "b"], "day": ["2024-03-01"] * 2, "n": [-1.0, 4.0]}).write_parquet(path)
    ingest(shop, plain, [path])
    with pytest.raises(InputError, match="'many' is none") as error:
        correct.set_cell(shop, Choice(line=1), "n", "many")
    assert error.value.column == "n"
    correct.set_cell(shop, Choice(line=1), "n", "3")
    assert retry(shop, Choice())[0].accepted == 1
    assert shop.tables.read("stock").collect().sort("sku")["on_hand"].to_list() == [6, 8]


def test_a_torn_line_is_written_out_with_its_columns_and_can_be_filled_in(shop, tmp_path):
    plain = mapping.parse(
        {"stock": {"file": "*.csv", "columns": {"sku": "sku", "date": "day", "on_hand": "n"}}}, "count"
    )
    path = tmp_path / "count.csv"
    path.write_text("sku,day,n\na,2024-03-01\nb,2024-03-01,4\n")
    ingest(shop, plain, [path])
    out = tmp_path / "rows.csv"
    correct.write_out(shop, Choice(), out)
    edit(out, {2: {"sku": "a", "day": "2024-03-01", "n": "5"}})
    assert correct.take_back(shop, out).fixed == 1
    assert retry(shop, Choice())[0].accepted == 1
    assert shop.tables.read("stock").collect().sort("sku")["on_hand"].to_list() == [5, 4]


def test_dismissed_rows_are_left_alone(filled, tmp_path):
    path = tmp_path / "rows.csv"
    correct.write_out(filled, Choice(), path)
    edit(path, {3: {"_dismiss": "x"}})
    assert correct.take_back(filled, path).dismissed == 1
    assert correct.dismiss(filled, Choice(line=5)) == 1
    assert retry(filled, Choice(), every=True) == []
    with pytest.raises(InputError, match="No open row"):
        correct.dismiss(filled, Choice(line=5))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("_table,_batch,_at_line,n\norders,none,3,1\n", "row 2: the quarantine holds no such row"),
        ("_table,_batch,n\norders,none,3\n", "has no column _at_line"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(filled, tmp_path, text, what):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    before = filled.tables.version("quarantine")
    with pytest.raises(InputError, match=what):
        correct.take_back(filled, path)
    assert filled.tables.version("quarantine") == before


def test_rows_without_a_block_ask_for_a_mapping(filled):
    rows = filled.tables.read("quarantine").with_columns(block=pl.lit(None, dtype=pl.String)).collect()
    filled.tables.append("quarantine", rows, "as old workspaces have them")
    with pytest.raises(InputError, match="not on record"):
        retry(filled, Choice(), every=True)
    assert retry(filled, Choice(), every=True, mapping=MAPPING)[0].tried == 2


def test_a_description_that_is_corrected_late_becomes_a_version(shop, tmp_path):
    plain = mapping.parse(
        {"products": {"file": "*.csv", "columns": {"sku": "sku", "title": "t", "unit_cost": "c"}}}, "p"
    )
    path = tmp_path / "p.csv"
    path.write_text("sku,t,c\na,Tea,1\nb,Jam,2\n")
    ingest(shop, plain, [path])
    path.write_text("sku,t,c\na,Green tea,x\nb,Jam,2\n")
    ingest(shop, plain, [path])
    correct.set_cell(shop, Choice(table="products"), "c", "1.5")
    CLOCK.hold(datetime(2030, 1, 1, tzinfo=UTC))
    try:
        assert retry(shop, Choice())[0].accepted == 1
    finally:
        CLOCK.hold(None)
    now = shop.tables.read("products").collect().sort("sku")
    assert now["title"].to_list() == ["Green tea", "Jam"]
    then = shop.tables.read("products", known_by=datetime(2029, 1, 1)).collect().sort("sku")
    assert then["title"].to_list() == ["Tea", "Jam"]


def test_numbers_that_are_taken_are_not_used_twice(filled, tmp_path):
    """A row that was in no order finds its place after the lines that its order has."""
    path = till(tmp_path, [["", "2024-03-01 10:00:00", "d", "1", "5.0", "Ann"]], "late.csv")
    ingest(filled, MAPPING, [path])
    correct.set_cell(filled, Choice(file="late.csv"), "id", "o1")
    assert retry(filled, Choice())[0].accepted == 1
    assert orders(filled).filter(order_id="o1").select("line", "sku").rows() == [(1, "a"), (3, "c"), (4, "d")]
