"""A file that means something else than the files before it is noticed; a busy month is not."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from windvane import schema
from windvane.errors import InputError
from windvane.ingest import ingest, mapping
from windvane.ingest.checks import history
from windvane.ingest.checks.book import KEPT, Book
from windvane.ingest.checks.history import Watch
from windvane.ingest.checks.jumps import changes, settle
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

ORDERS = schema.RAW["orders"]
START = date(2024, 1, 1)
SKUS = 60


def week(number: int, seed: int = 0, rows: int = 400, pace: float = 1.0) -> pl.DataFrame:
    """Orders of one week: 60 products with prices of their own, whole units, three days' noise."""
    rng = np.random.default_rng([seed, number])
    sku = rng.integers(SKUS, size=rows)
    price = np.round(2 + (sku * 7) % 50 + 0.99, 2) * rng.choice([1.0, 0.8], size=rows, p=[0.8, 0.2])
    days = [START + timedelta(days=int(7 * number + d)) for d in np.sort(rng.integers(7, size=rows))]
    return pl.DataFrame(
        {
            "order_id": [f"{number}-{i // 3}" for i in range(rows)],
            "ordered_at": [datetime(d.year, d.month, d.day, 12) for d in days],
            "sku": [f"P{each:04d}" for each in sku],
            "location": "all",
            "units": (1 + rng.poisson(0.6 * pace, size=rows)).astype(float),
            "unit_price": price.round(2),
            "discount": (price * 0.1).round(2),
        }
    )


def watched(frame: pl.DataFrame, source: pl.DataFrame | None = None) -> history.Profile:
    watch = Watch(ORDERS)
    watch.feed(frame if source is None else source, frame)
    return watch.profile()


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path, "block")
    for number in range(4):
        book.remember(f"b{number}", f"{number}.csv", watched(week(number)))
    return book


def serious(book: Book, frame: pl.DataFrame, source: pl.DataFrame | None = None, used=()) -> dict[str, str]:
    found = changes(ORDERS, watched(frame, source), book.read(), used)
    return {each.column: each.name for each in found if each.serious}


def test_genuine_weeks_raise_nothing(book):
    for number in range(4, 32):
        profile = watched(week(number, pace=4.0 if number % 10 == 1 else 1.0))
        assert changes(ORDERS, profile, book.read()) == []
        book.remember(f"b{number}", f"{number}.csv", profile)
    assert len(json.loads(book.path.read_text())["batches"]) == KEPT


PRICE, UNITS, DISCOUNT = pl.col("unit_price"), pl.col("units"), pl.col("discount")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"unit_price": PRICE * 100}, {"unit_price": "scale"}),
        ({"unit_price": PRICE / 1000}, {"unit_price": "scale"}),
        ({"unit_price": PRICE * 7.1}, {"unit_price": "scale"}),
        ({"units": UNITS * 1000}, {"units": "scale"}),
        ({"units": UNITS / 12}, {"units": "whole"}),
        ({"units": -UNITS}, {"units": "sign"}),
        ({"unit_price": PRICE, "discount": DISCOUNT * 0 + PRICE * 1.5}, {"discount": "scale"}),
        ({"units": PRICE, "unit_price": UNITS}, {"units, unit_price": "swapped"}),
        ({"unit_price": DISCOUNT, "discount": PRICE}, {"unit_price, discount": "swapped"}),
        ({"discount": pl.lit(None, dtype=pl.Float64)}, {"discount": "emptied"}),
        ({"sku": pl.format("69{}", pl.col("sku").str.slice(1))}, {"sku": "codes"}),
        ({"location": pl.lit("Shop 7")}, {"location": "codes"}),
        (
            {"unit_price": pl.when(pl.col("sku") < "P0020").then(PRICE * 100).otherwise(PRICE)},
            {"unit_price": "part_scale"},
        ),
    ],
)
def test_a_changed_meaning_is_seen(book, change, seen):
    found = serious(book, week(4).with_columns(**change))
    assert seen.items() <= found.items()
    unexpected = {name for name in found if name not in seen and not set(change) & set(name.split(", "))}
    assert not unexpected, found


def test_fractions_where_units_were_whole(book):
    assert serious(book, week(4).with_columns(units=UNITS * 0.73))["units"] == "whole"


@pytest.mark.parametrize("first", [4, 8])
def test_day_and_month_changed_over(tmp_path, first):
    book = Book(tmp_path, "daily")
    start = date(2024, first, 1)
    days = [start + timedelta(days=k) for k in range(-20, 9)]
    for day in days:
        frame = week(0).with_columns(ordered_at=pl.lit(datetime(day.year, day.month, day.day)))
        if day == days[-1]:
            flipped = frame.with_columns(ordered_at=pl.lit(datetime(day.year, day.day, day.month)))
            assert serious(book, flipped) == ({"ordered_at": "dates"} if day.day != day.month else {})
            late = frame.with_columns(ordered_at=pl.lit(datetime(day.year, day.month, day.day) + timedelta(days=45)))
            assert serious(book, late) == {}
        assert serious(book, frame) == {}
        book.remember(str(day), "f", watched(frame))


def test_plans_may_speak_of_days_in_any_order(tmp_path):
    prices, book = schema.RAW["prices"], Book(tmp_path, "plans")

    def plan(day: date) -> history.Profile:
        watch = Watch(prices)
        frame = pl.DataFrame({"sku": [f"P{i}" for i in range(40)], "valid_from": [day] * 40, "price": [5.0] * 40})
        watch.feed(frame, frame)
        return watch.profile()

    for number in range(20):
        book.remember(str(number), "f", plan(date(2024, 9, 5) + timedelta(days=number)))
    assert changes(prices, plan(date(2024, 10, 9)), book.read()) == []
    assert changes(prices, plan(date(2024, 12, 9)), book.read()) == []


def test_a_file_by_itself_and_a_file_without_rows_are_no_change(tmp_path):
    book = Book(tmp_path, "block")
    assert changes(ORDERS, watched(week(0)), book.read()) == []
    book.remember("b", "f", watched(week(0)))
    assert changes(ORDERS, watched(week(0).clear()), book.read()) == []
    book.remember("c", "f", watched(week(0).clear()))
    assert len(book.read().profiles) == 1


def test_a_new_range_is_a_note_and_other_codes_an_alarm_only_with_other_shapes(tmp_path):
    book = Book(tmp_path, "block")
    book.remember("b", "f", watched(week(0)))
    other = week(1).with_columns(sku=pl.format("Q{}", pl.col("sku").str.slice(1)))
    (note,) = changes(ORDERS, watched(other), book.read())
    assert (note.name, note.serious) == ("codes", False)
    assert serious(book, week(1).with_columns(sku=pl.format("{}-X", pl.col("sku")))) == {"sku": "codes"}


def test_files_by_store_are_no_change(tmp_path):
    book = Book(tmp_path, "block")
    for store in range(6):
        profile = watched(week(store).with_columns(location=pl.lit(f"S{store}")))
        assert changes(ORDERS, profile, book.read()) == []
        book.remember(str(store), "f", profile)


def test_few_products_are_judged_by_the_whole_column(tmp_path):
    book = Book(tmp_path, "block")
    few = pl.col("sku") < "P0004"
    for number in range(3):
        book.remember(str(number), "f", watched(week(number, rows=4000).filter(few)))
    assert serious(book, week(3, rows=4000).filter(few)) == {}
    assert serious(book, week(3, rows=4000).filter(few).with_columns(unit_price=PRICE * 100)) == {"unit_price": "level"}


def test_the_files_own_columns(book):
    source = pl.DataFrame({"_line": [2], "n": [1], "Currency": ["EUR"], "old": ["x"]})
    book.remember("with header", "f", watched(week(4), source))
    found = changes(ORDERS, watched(week(5), source.drop("old").with_columns(new=pl.lit(1))), book.read())
    assert [(each.column, each.serious) for each in found] == [("new", False), ("old", False)]
    assert serious(book, week(5), source.with_columns(Currency=pl.lit("USD"))) == {"": "currency"}
    text = source.with_columns(n=pl.lit("one"))
    assert serious(book, week(5), text, used={"n"}) == {"n": "type"}
    assert serious(book, week(5), text) == {}


def test_settling(book):
    found = changes(ORDERS, watched(week(4).with_columns(unit_price=PRICE * 100)), book.read())
    with pytest.raises(InputError, match=r"unit_price is 100 times what it was.*--accept-changes") as error:
        settle(found, "4.csv", ORDERS, accept=False)
    assert (error.value.table, error.value.column) == ("orders", "unit_price")
    (note,) = settle(found, "4.csv", ORDERS, accept=True)
    assert note.startswith("unit_price is 100 times")
    assert settle([], "4.csv", ORDERS, accept=False) == []


def test_an_accepted_change_is_the_new_normal(book):
    cents = watched(week(4).with_columns(unit_price=PRICE * 100))
    book.remember("b4", "4.csv", cents, afresh=True)
    assert serious(book, week(5).with_columns(unit_price=PRICE * 100)) == {}
    assert serious(book, week(5)) == {"unit_price": "scale"}


def test_a_mapping_that_was_edited_is_compared_with_what_other_blocks_of_the_table_read(tmp_path):
    Book(tmp_path, "old", "orders").remember("b", "f", watched(week(0)))
    edited = Book(tmp_path, "new", "orders")
    assert serious(edited, week(1)) == {}
    assert serious(edited, week(1).with_columns(units=UNITS * 100)) == {}
    cents = week(1).with_columns(unit_price=PRICE * 100)
    assert serious(edited, cents) == {"unit_price": "scale"}
    assert serious(Book(tmp_path, "new", "prices"), cents) == {}
    edited.remember("b", "f", watched(cents), afresh=True)
    assert serious(edited, cents) == {}


def test_a_batch_is_remembered_once_and_without_personal_values(book):
    before = book.path.read_text()
    book.remember("b3", "3.csv", watched(week(3)))
    assert book.path.read_text() == before
    frame = week(4).with_columns(customer=pl.lit("Ann Smith"))
    book.remember("b4", "4.csv", watched(frame))
    assert "Ann" not in book.path.read_text()
    assert "P0001" not in book.path.read_text()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}'])
def test_a_damaged_or_foreign_record_counts_as_none(tmp_path, text):
    book = Book(tmp_path, "block")
    book.path.parent.mkdir()
    book.path.write_text(text)
    assert book.read().profiles == ()
    book.remember("b", "f", watched(week(0)))
    assert len(book.read().profiles) == 1


def test_any_number_of_chunks_stays_small_and_even():
    watch = Watch(ORDERS)
    first = week(0, rows=12_000)
    for number in range(200):
        frame = first.with_columns(pl.col("ordered_at") + pl.duration(days=7 * number))
        watch.feed(frame, frame)
        assert sum(part.height for part in watch._sample) <= 320_000
    profile = watch.profile()
    assert profile.rows == 2_400_000
    assert (profile.first, profile.last) == ("2024-01-01", str(START + timedelta(days=7 * 200 - 1)))
    days = pl.concat(watch._sample)["ordered_at"].dt.date()
    early = (days < START + timedelta(days=700)).mean()
    assert isinstance(early, float)
    assert 0.35 < early < 0.65


def test_a_large_catalogue_is_sampled_alike_on_both_sides(tmp_path):
    def catalogue(low: int, high: int) -> history.Profile:
        names = [f"N{each}" for each in range(low, high)]
        return watched(
            pl.DataFrame({"sku": names, "unit_price": [float(1 + k % 9) for k in range(low, high)]}).with_columns(
                ordered_at=pl.lit(datetime(2024, 1, 1)), units=pl.lit(1.0)
            )
        )

    book = Book(tmp_path, "block")
    book.remember("a", "f", catalogue(0, 9000))
    assert not book.read().complete
    half = history.known_share(catalogue(4500, 13_500), book.read())
    assert half == pytest.approx(0.5, abs=0.06)
    book.remember("b", "f", catalogue(4500, 13_500))
    assert len(book.read().groups) == 2000
    assert history.known_share(catalogue(0, 9000), book.read()) == 1.0
    assert math.isnan(history.known_share(catalogue(0, 9), history.Past()))


def test_through_ingest_a_change_of_meaning_changes_nothing(tmp_path):
    shop = Workspace.create(tmp_path / "shop")
    names = ("order_id", "ordered_at", "sku", "units", "unit_price")
    plain = mapping.parse({"orders": {"file": "*.csv", "columns": {name: name for name in names}}}, "till")
    for number in range(3):
        week(number).select(names).write_csv(tmp_path / f"{number}.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        ingest(shop, plain, [tmp_path / f"{number}.csv"])
    path = tmp_path / "3.csv"
    week(3).with_columns(unit_price=PRICE * 100).select(names).write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    before = shop.tables.versions()
    with pytest.raises(InputError, match="unit_price is 100 times"):
        ingest(shop, plain, [path])
    assert shop.tables.versions() == before
    (report,) = ingest(shop, plain, [path], accept_changes=True).files
    assert report.accepted == 400
    assert report.notes
