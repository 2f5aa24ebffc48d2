"""Files that no block of the mapping reads: said, never passed over in silence."""

import json
import zipfile

import pytest

from windvane.cli import main
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

MAPPING = """
[[orders]]
file = "orders*.csv"
[orders.columns]
order_id = "no"
ordered_at = "at"
sku = "item"
units = "qty"
"""
SIGNED = MAPPING.replace('file = "orders*.csv"', 'file = "*"\nsignature = ["no", "at", "item", "qty"]')
ORDERS = "no,at,item,qty\n1,2024-01-01,a,1\n2,2024-01-02,b,2\n"
OTHER = "code,colour\n1,red\n"


@pytest.fixture
def run(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


@pytest.fixture
def folder(tmp_path):
    Workspace.create(tmp_path / "shop")
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "signed.toml").write_text(SIGNED)
    data = tmp_path / "data"
    (data / "old").mkdir(parents=True)
    (data / "orders-2024.csv").write_text(ORDERS)
    (data / "old" / "orders-2023.csv").write_text(ORDERS.replace("2024", "2023"))
    (data / "colours.csv").write_text(OTHER)
    (data / "more.rar").write_bytes(b"Rar!")
    (data / ".hidden.csv").write_text(OTHER)
    (data / "notes.toml").write_text("")
    return tmp_path


@pytest.mark.parametrize("how", ["mapping", "signed"])
def test_files_of_a_folder_that_no_block_reads_are_named(how, folder, run):
    words = ("ingest", folder / "data", "-m", folder / f"{how}.toml", "-w", folder / "shop")
    code, out, _ = run(*words, "--json")
    # A name without folders is meant for the folder itself; columns are looked for at any depth.
    expected = ["colours.csv", "more.rar"] + (["old/orders-2023.csv"] if how == "mapping" else [])
    assert (code, json.loads(out)["passed_over"]) == (0, expected)
    code, out, _ = run(*words)
    assert code == 0
    assert f"{len(expected)} files were not read" in out
    assert "colours.csv, more.rar" in out
    assert "add a block" in out


def test_nothing_is_said_where_all_was_read(folder, run):
    for name in ("colours.csv", "more.rar", "old/orders-2023.csv"):
        (folder / "data" / name).unlink()
    words = ("ingest", folder / "data", "-m", folder / "mapping.toml", "-w", folder / "shop")
    assert json.loads(run(*words, "--json")[1])["passed_over"] == []
    assert "not read" not in run(*words)[1]


def test_members_of_archives_count(folder, run):
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("orders-1.csv", ORDERS)
        archive.writestr("colours.csv", OTHER)
    words = ("ingest", folder / "all.zip", "-m", folder / "signed.toml", "-w", folder / "shop")
    code, out, _ = run(*words, "--json")
    assert (code, json.loads(out)["passed_over"]) == (0, ["all.zip/colours.csv"])
    assert "1 file was not read" in run(*words)[1]


def test_many_are_counted_and_the_first_few_named(folder, run):
    for number in range(20):
        (folder / "data" / f"colours-{number:02d}.csv").write_text(OTHER)
    code, out, _ = run("ingest", folder / "data", "-m", folder / "mapping.toml", "-w", folder / "shop")
    assert code == 0
    assert "23 files were not read" in out
    assert "colours-04.csv and 18 more" in out


def test_the_workspaces_own_files_do_not_count(folder, run, monkeypatch):
    """The shop's files may lie in the workspace's folder itself."""
    shop = folder / "shop"
    (shop / "orders.csv").write_text(ORDERS)
    (shop / "colours.csv").write_text(OTHER)
    monkeypatch.chdir(shop)
    run("ingest", ".", "-m", "../mapping.toml")
    code, out, _ = run("ingest", ".", "-m", "../mapping.toml", "--json")
    assert (code, json.loads(out)["passed_over"]) == (0, ["colours.csv"])


def test_a_file_that_was_named_and_no_block_reads_is_an_error(folder, run):
    words = ("-m", folder / "mapping.toml", "-w", folder / "shop")
    code, _, err = run("ingest", folder / "data" / "orders-2024.csv", folder / "data" / "colours.csv", *words)
    assert code == 1
    assert "has no block for colours.csv; nothing was read" in err
    assert "Its blocks read: orders*.csv" in err
    assert not Workspace.open(folder / "shop").tables.versions()
    code, _, err = run("ingest", folder / "data" / "colours.csv", *words)
    assert code == 1
    assert "recognises none of the files (colours.csv)" in err
    assert "a file must be called orders*.csv" in err
