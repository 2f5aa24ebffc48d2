"""Descriptions that change keep their history; those that say nothing new are dropped."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from windvane import schema
from windvane.clock import CLOCK
from windvane.ingest import ingest, mapping
from windvane.ingest.versions import ALWAYS, date_changes
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

PRODUCTS = schema.RAW["products"]
NOW = datetime(2024, 5, 1, 12)


def listing(**columns) -> pl.DataFrame:
    height = len(columns["sku"])
    return pl.DataFrame({"_line": range(2, 2 + height), **columns})


def on_record(frame: pl.DataFrame) -> pl.LazyFrame:
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in PRODUCTS.types.items() if name not in frame]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in PRODUCTS.types.items()).lazy()


def test_the_first_description_was_always_known():
    frame, unchanged = date_changes(PRODUCTS, listing(sku=["a"], title=["Tea"]), PRODUCTS.empty().lazy(), NOW)
    assert frame.to_dicts() == [{"_line": 2, "sku": "a", "title": "Tea", "known_at": ALWAYS}]
    assert unchanged == 0


def test_a_change_is_known_from_now_and_a_repeat_is_dropped():
    old, _ = date_changes(PRODUCTS, listing(sku=["a", "b"], title=["Tea", None]), PRODUCTS.empty().lazy(), NOW)
    new = listing(sku=["b", "c", "a"], title=[None, "Jam", "Green tea"])
    frame, unchanged = date_changes(PRODUCTS, new, on_record(old), NOW)
    assert frame.select("_line", "sku", "known_at").rows() == [(3, "c", ALWAYS), (4, "a", NOW)]
    assert unchanged == 1


@pytest.mark.parametrize(("before", "after"), [(None, 1.0), (1.0, None), (1.0, 1.0000001)])
def test_any_difference_counts(before, after):
    old = on_record(listing(sku=["a"], unit_cost=[before]).with_columns(known_at=pl.lit(ALWAYS)))
    new = listing(sku=["a"], unit_cost=[after]).with_columns(pl.col("unit_cost").cast(pl.Float64))
    frame, unchanged = date_changes(PRODUCTS, new, old, NOW)
    assert (frame.height, unchanged) == (1, 0)


def test_columns_that_a_list_does_not_speak_of_keep_their_value():
    old = on_record(listing(sku=["a"], title=["Tea"], brand=["Leaf"]).with_columns(known_at=pl.lit(ALWAYS)))
    frame, _ = date_changes(PRODUCTS, listing(sku=["a"], title=["Green tea"]), old, NOW)
    assert frame.select("title", "brand").row(0) == ("Green tea", "Leaf")
    same, unchanged = date_changes(PRODUCTS, listing(sku=["a"], title=["Tea"]), old, NOW)
    assert (same.height, unchanged) == (0, 1)


def test_a_clock_that_went_back_does_not_reorder_versions():
    later = datetime(2025, 1, 1)
    old = on_record(listing(sku=["a"], title=["Tea"]).with_columns(known_at=pl.lit(later)))
    frame, _ = date_changes(PRODUCTS, listing(sku=["a"], title=["Green tea"]), old, NOW)
    assert frame["known_at"].item() > later


def test_runs_as_of_an_earlier_day_see_the_old_description(tmp_path):
    shop = Workspace.create(tmp_path / "shop")
    path = tmp_path / "list.csv"
    plain = mapping.parse({"products": {"file": "*.csv", "columns": {"sku": "sku", "category": "cat"}}}, "list")
    try:
        for day, text in ((1, "sku,cat\na,Tea\nb,Jam\n"), (9, "sku,cat\na,Drinks\nb,Jam\n")):
            CLOCK.hold(datetime(2024, 5, day, tzinfo=UTC))
            path.write_text(text)
            (report,) = ingest(shop, plain, [path]).files
    finally:
        CLOCK.hold(None)
    assert report.accepted == 1

    def categories(known_by):
        return dict(shop.tables.read("products", known_by=known_by).collect().select("sku", "category").rows())

    assert categories(date(2024, 5, 8)) == {"a": "Tea", "b": "Jam"}
    assert categories(date(2024, 5, 9)) == categories(None) == {"a": "Drinks", "b": "Jam"}
