"""The page on the quarantine does what it says, in both languages."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from windvane.cli import main
from windvane.store import Workspace

HOWTO = Path(__file__).parents[2] / "docs" / "howto"


def perform(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(words[1:])
    said = capsys.readouterr()
    assert end.value.code == 0, (words, said)
    return said.out


@pytest.mark.parametrize("language", ["", ".zh"])
def test_the_page_works(tmp_path, monkeypatch, capsys, language):
    page = (HOWTO / f"quarantine{language}.md").read_text(encoding="utf-8")
    first = (HOWTO / f"own-csv{language}.md").read_text(encoding="utf-8")
    mapping = re.findall(r'^```toml title="mapping.toml"\n(.*?)^```$', first, re.MULTILINE | re.DOTALL)[0]
    csv = re.findall(r'^```csv title="orders-2026.csv"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)[0]
    sound = csv.splitlines()[1].replace("two", "1").replace("两", "1")
    more = "".join(f"{2000 + i},{sound.split(',', 1)[1]}\n" for i in range(60))
    monkeypatch.chdir(tmp_path)
    Path("mapping.toml").write_text(mapping, encoding="utf-8")
    Path("orders-2026.csv").write_text(csv + more, encoding="utf-8")
    perform(["windvane", "init", "shop"], capsys)
    perform(["windvane", "ingest", ".", "--mapping", "mapping.toml", "--workspace", "shop"], capsys)
    shell = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    said = [perform(shlex.split(line), capsys) for block in shell for line in block.splitlines()]
    assert "two" in said[0] or "两" in said[0]
    held = Workspace.open("shop").tables.read("quarantine").collect().sort("line")
    assert held.select("line", "column", "status").rows() == [(2, "units", "retried"), (3, "unit_price", "dismissed")]
    taken = Workspace.open("shop").tables.read("orders").collect()
    assert taken.height == 61
    assert taken.filter(order_id="1001")["units"].to_list() == [2.0]
    assert Path("rows.xlsx").exists()
    found = json.loads(perform(["windvane", "audit", "-w", "shop", "--json"], capsys))
    assert found == {"total": 0, "summary": [], "rows": []}


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("quarantine fix", "Fix needs one of"),
        ("quarantine fix --set 1", "Fix needs one of"),
        ("quarantine fix --dismiss", "No open row of the quarantine fits"),
        ("quarantine fix --to rows.txt", "ends neither in .csv nor in .xlsx"),
        ("quarantine fix --to rows.csv", "No row of the quarantine fits"),
        ("quarantine fix --from rows.csv", "There is no file rows.csv"),
        ("audit --table nothing", "There is no audit of nothing"),
        ("audit --output a.txt", "ends neither in .csv nor in .xlsx"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    Workspace.create(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 1
    assert said in capsys.readouterr().err


@pytest.mark.tiny
def test_an_empty_quarantine(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Workspace.create(tmp_path)
    assert "The quarantine is empty" in perform(["windvane", "quarantine"], capsys)
    assert "No row of the quarantine fits" in perform(["windvane", "quarantine", "list", "--rule", "x"], capsys)
    assert "No row was fixed" in perform(["windvane", "quarantine", "retry"], capsys)
    assert json.loads(perform(["windvane", "quarantine", "retry", "--json"], capsys)) == {"files": []}
    assert "Nothing is suspicious" in perform(["windvane", "audit"], capsys)


@pytest.mark.tiny
def test_the_audit_lists_as_many_as_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shop = Workspace.create(tmp_path)
    names = [f"s{i}" for i in range(9)]
    products = pl.DataFrame({"sku": names, "predecessor": [f"gone {name}" for name in names]})
    shop.tables.append("products", products.with_columns(known_at=datetime(2024, 1, 1)), "b")

    def listed(*words: str) -> list[str]:
        told = json.loads(perform(["windvane", "audit", "--json", *words], capsys))
        assert told["summary"] == [
            {"table": "products", "column": "predecessor", "suspicion": "unknown_predecessor", "rows": 9}
        ]
        return [row["key"] for row in told["rows"]]

    assert listed("--rows", "0") == []
    assert listed("--rows", "2", "-t", "products") == ["s0", "s1"]
    assert listed("--rows", "20", "--output", "doubts.csv") == names
    assert Path("doubts.csv").read_bytes().count(b"\n") == 10
