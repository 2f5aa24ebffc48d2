from __future__ import annotations

import csv
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from made_up_run import MadeUpRun
from polars.testing import assert_frame_equal

from windvane.errors import InputError, StoreError
from windvane.report import export

pytestmark = pytest.mark.tiny

FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "\u3000＝1",
    "＋1",
    "－1",
    "＠x",
    "\ufeff=1",
    "\n=1",
    "\t1",
    "\xa0=1",
)
HARMLESS = ("plain", "a=b", "1-2", "风铃", "", "'=1", "O'Neill")


@pytest.fixture
def small() -> MadeUpRun:
    frame = pl.DataFrame(
        {
            "sku": [*FORMULAS, *HARMLESS],
            "units": [-1.5] * (len(FORMULAS) + len(HARMLESS)),
            "date": [date(2026, 3, 9)] * (len(FORMULAS) + len(HARMLESS)),
        }
    )
    return MadeUpRun({}, {"reorder": frame, "trends": frame.head(3)})


def test_csv_runs_no_formula_and_keeps_everything_else(small, tmp_path: Path):
    path = export(small, "reorder", tmp_path / "out.csv", "csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["sku", "units", "date"]
    assert [row[0] for row in rows] == [*("'" + text for text in FORMULAS), *HARMLESS]
    assert {(row[1], row[2]) for row in rows} == {("-1.5", "2026-03-09")}


def test_parquet_is_the_table_itself(small, tmp_path: Path):
    path = export(small, "reorder", tmp_path / "out.parquet")
    assert_frame_equal(pl.read_parquet(path), small.read("reorder"))


def test_xlsx_holds_texts_and_numbers_but_no_formula(small, tmp_path: Path):
    path = export(small, "reorder", tmp_path / "out.xlsx")
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        texts = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "<v>-1.5</v>" in sheet
    assert 'state="frozen"' in sheet
    assert "<t>=1+1</t>" in texts
    assert "<t>风铃</t>" in texts


def test_unknown_table_names_those_that_exist(small, tmp_path: Path):
    with pytest.raises(InputError, match=r"no table 'reordr'. It has: reorder, trends"):
        export(small, "reordr", tmp_path / "out.csv")


def test_unknown_format_names_those_that_exist(small, tmp_path: Path):
    with pytest.raises(InputError, match=r"'ods'.*csv, parquet, xlsx"):
        export(small, "reorder", tmp_path / "out.ods")


def test_a_failed_export_leaves_the_old_file_and_no_litter(small, tmp_path: Path, monkeypatch):
    path = export(small, "reorder", tmp_path / "out.csv")
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(StoreError, match="No space left"):
        export(small, "reorder", path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
