"""Whole runs: many products, every table lost in turn, every table exported."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from made_up_run import make
from page_reader import Page, page_of

from windvane import schema
from windvane.report import FORMATS, export, write


def test_a_thousand_products_stay_under_ten_megabytes(tmp_path: Path):
    path = write(make(1000, days=200), tmp_path / "report.html")
    assert path.stat().st_size < 8e6
    page = Page(path.read_text(encoding="utf-8"))
    assert len(json.loads(page.data)["series"]) == 1000


@pytest.mark.parametrize(
    "table", [*sorted(schema.DERIVED.keys() & set(make(3).tables)), "products_view", "quarantine_summary"]
)
@pytest.mark.parametrize("lost", ["absent", "empty"])
def test_any_table_may_be_absent_or_empty(table, lost):
    run = make(12)
    frame = run.frames.pop(table)
    if lost == "empty":
        run.frames[table] = frame.clear()
    page = page_of(run)
    assert page.count("section") == 7


def test_made_up_run_exports_whole(run, tmp_path: Path):
    for table in run.tables:
        for kind in FORMATS:
            path = export(run, table, tmp_path / f"{table}.{kind}")
            assert path.stat().st_size > 0
    back = pl.read_csv(tmp_path / "reorder.csv")
    assert back["order_now"].sum() == pytest.approx(run.read("reorder")["order_now"].sum())
