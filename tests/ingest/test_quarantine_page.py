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
    assert "nothing to audit yet" in perform(["windvane", "audit"], capsys)
    assert "windvane ingest" in perform(["windvane", "audit"], capsys)
    assert "nothing to merge yet" in perform(["windvane", "compact"], capsys)


@pytest.mark.tiny
def test_a_sound_table_is_said_to_be(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shop = Workspace.create(tmp_path)
    shop.tables.append("products", pl.DataFrame({"sku": ["a"], "known_at": [datetime(2024, 1, 1)]}), "b")
    assert "Nothing is suspicious in products." in perform(["windvane", "audit"], capsys)
    assert "The table reviews is empty." in perform(["windvane", "audit", "-t", "reviews"], capsys)


@pytest.mark.tiny
@pytest.mark.parametrize("verb", ["list", "fix", "retry"])
def test_each_verb_has_its_own_options_only(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Workspace.create(tmp_path)
    own = {"list": ["--rows", "1"], "fix": ["--dismiss"], "retry": ["--all"]}
    for name, words in own.items():
        with pytest.raises(SystemExit) as end:
            main(["quarantine", verb, *words])
        assert (end.value.code == 2) == (name != verb)
    capsys.readouterr()


@pytest.mark.tiny
@pytest.mark.parametrize("language", ["en", "zh"])
def test_reasons_are_in_the_language_of_the_shop(language, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    perform(["windvane", "init", "--language", language, "--currency", "CNY"], capsys)
    rows = [f"{n},2024-01-01,a,{n % 3 + 1},2.5,CNY" for n in range(200)]
    rows += [
        "x1,2024-01-01,a,two,2.5,CNY",
        "x2,,a,1,2.5,CNY",
        "x3,2024-01-01,a,1,-2.5,CNY",
        "x4,2024-01-01,a,1,2.5,USD",
    ]
    rows += ["7,2024-01-01,a,9,2.5,CNY", "x5,2024-01-01,免邮,1,2.5,CNY"]
    Path("o.csv").write_text("\n".join(["no,at,item,qty,price,money", *rows]), encoding="utf-8")
    Path("m.toml").write_text(
        """[orders]
file = "o.csv"
currency = { from = "money" }
[orders.columns]
order_id = "no"
line = { value = 1 }
ordered_at = "at"
sku = "item"
units = "qty"
unit_price = "price"
[[orders.set_aside]]
name = "service"
sql = "item = '免邮'"
reason = "邮费"
""",
        encoding="utf-8",
    )
    told = perform(["windvane", "ingest", "o.csv", "-m", "m.toml"], capsys)
    listed = perform(["windvane", "quarantine", "list", "--rows", "20"], capsys)
    lines = [line for line in listed.splitlines() if line.startswith("o.csv, line")]
    reasons = [line.split(": ", 2)[-1] for line in lines]
    assert len(reasons) == 6
    assert "邮费" in listed
    if language == "zh":
        assert not any(re.search("[a-z]{3}", reason) for reason in reasons)
        assert "（第 206 行）" in listed
        assert "（0.0）" in listed
        assert "值低于允许的最小值（0.0）" in told
    else:
        assert any("units is not a number" in reason for reason in reasons)
        assert "unit_price is below 0.0" in told


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
