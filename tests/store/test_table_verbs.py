"""windvane compact, forget, doctor and run --recorded-by, as typed."""

import json
from datetime import datetime

import polars as pl
import pytest

from windvane.cli import main
from windvane.ingest.privacy import pseudonym
from windvane.store import Workspace


@pytest.fixture
def shop(tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    who = pseudonym("anna-77", workspace.secret)
    for number in range(5):
        frame = pl.DataFrame({"customer": [who, f"other {number}"], "known_at": datetime(2024, 1, 1 + number)})
        workspace.tables.append("customers", frame, f"batch {number}")
    return workspace


@pytest.fixture
def typed(shop, capsys):
    def type_(*words):
        with pytest.raises(SystemExit) as ended:
            main([*words, "-w", str(shop.folder)])
        out = capsys.readouterr()
        return ended.value.code, out.out + out.err

    return type_


def test_compact(shop, typed):
    code, said = typed("compact", "customers")
    assert code == 0
    assert "5 → 2 files" in said  # latest rows, superseded rows
    assert "10 → 10 rows" in said
    code, said = typed("compact", "--vacuum", "--json")
    answer = json.loads(said)
    assert answer["tables"][0]["files_after"] == 2
    assert answer["vacuum"]["removed_files"] == 5  # merging again had nothing to do
    code, said = typed("compact", "sales")
    assert code == 1
    assert "no table sales" in said


def test_forget_by_identifier(shop, typed):
    code, said = typed("forget", "anna-77")
    assert code == 0
    assert "customers   5 rows removed in 5 files of 5 versions" in said
    assert "anna" not in said
    assert shop.tables.read("customers").collect().height == 5
    code, said = typed("forget", "anna-77", "--json")
    assert json.loads(said)["tables"] == []


def test_forget_by_pseudonym(shop, typed):
    code, said = typed("forget", "--hashed", pseudonym("anna-77", shop.secret))
    assert code == 0
    assert "5 rows removed" in said
    code, said = typed("forget", "nobody-at-all")
    assert code == 0
    assert "nothing is held" in said


def test_doctor_counts_small_files(shop, typed, monkeypatch):
    from windvane.store import doctor

    monkeypatch.setattr(doctor, "MANY_FILES", 4)
    code, said = typed("doctor")
    assert code == 0
    assert "5 small data files" in said
    assert "windvane compact customers" in said


def test_a_moment_that_is_none(typed):
    code, said = typed("run", "--recorded-by", "yesterday")
    assert code == 1
    assert "--recorded-by 'yesterday' is not a moment" in said


def test_a_run_of_before_anything_was_recorded(typed):
    code, said = typed("run", "--recorded-by", "2001-01-01T00:00")
    assert code == 1
    assert "Ingest orders" in said


@pytest.mark.parametrize("page", ["keep-safe.md", "keep-safe.zh.md"])
def test_the_examples_of_the_page_run(shop, page, monkeypatch):
    import re
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "howto" / page).read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    day = datetime(2023, 5, 1)
    sold = {"order_id": ["1"], "line": [1], "ordered_at": [day], "sku": ["a"], "location": ["all"], "units": [2.0]}
    shop.tables.append("orders", pl.DataFrame({**sold, "kind": "sale", "customer": "x", "known_at": day}), "orders")
    monkeypatch.chdir(shop.folder.parent)
    exec(example, {})
    assert shop.tables.read("orders").collect().select("units", "customer").row(0) == (2.0, None)
