"""Small files that share a commit: each is judged, named and reported by itself."""

import polars as pl
import pytest

from windvane.engine import Progress, Task
from windvane.errors import InputError
from windvane.ingest import ingest, intake
from windvane.ingest.checks.book import Book
from windvane.ingest.mapping import parse
from windvane.ingest.sources import resolve
from windvane.store import Workspace, tables

pytestmark = pytest.mark.tiny

COLUMNS = {"order_id": "nr", "ordered_at": "day", "sku": "art", "units": "qty", "unit_price": "price"}
MAPPING = parse({"orders": {"file": "d*.csv", "columns": {**COLUMNS, "line": {"value": 1}}}}, "mine")


def day(number, rows=40, price=10.0, extra=()):
    lines = [f"{number:03d}-{i},2024-01-{number:02d},s{i % 5},1,{price + i % 5}" for i in range(rows)]
    return "\n".join(["nr,day,art,qty,price", *lines, *extra]) + "\n"


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(1, 9):
        (tmp_path / "in" / f"d{number}.csv").write_text(day(number))
    return Workspace.create(tmp_path / "shop"), tmp_path / "in"


def there(workspace):
    found = workspace.tables.history("orders").select("_source", "order_id").collect()
    return dict(found.group_by("_source").len().sort("_source").rows())


def test_a_folder_of_small_files_is_one_commit_and_one_data_file(shop):
    workspace, folder = shop
    report = ingest(workspace, MAPPING, folder)
    assert [(each.file, each.accepted, each.already) for each in report.files] == [
        (f"d{number}.csv", 40, False) for number in range(1, 9)
    ]
    assert workspace.tables.version("orders") == 1
    assert len(workspace.tables.parts("orders", workspace.tables._open("orders"))) == 1
    assert there(workspace) == {f"d{number}.csv": 40 for number in range(1, 9)}
    assert all(workspace.tables.has_batch("orders", each.batch) for each in report.files)
    again = ingest(workspace, MAPPING, folder)
    assert all(each.already for each in again.files)
    assert workspace.tables.version("orders") == 1
    assert not list((workspace.folder / "staging").iterdir())


@pytest.mark.parametrize("limit", ["FILES", "ROWS", "BYTES", "SECONDS"])
def test_what_waits_is_bounded(shop, monkeypatch, limit):
    monkeypatch.setattr(intake, limit, {"FILES": 3, "ROWS": 100, "BYTES": 3, "SECONDS": 0.0}[limit])
    workspace, folder = shop
    report = ingest(workspace, MAPPING, folder)
    assert sum(each.accepted for each in report.files) == 320
    assert there(workspace) == {f"d{number}.csv": 40 for number in range(1, 9)}
    assert workspace.tables.version("orders") == {"FILES": 3, "ROWS": 3, "BYTES": 8, "SECONDS": 8}[limit]


def test_a_small_file_with_many_rows_goes_alone(shop, monkeypatch):
    monkeypatch.setattr(intake, "ROWS", 30)
    workspace, folder = shop
    report = ingest(workspace, MAPPING, folder)
    assert [each.accepted for each in report.files] == [40] * 8
    assert workspace.tables.version("orders") == 8


def test_a_refused_file_takes_nothing_with_it(shop):
    workspace, folder = shop
    (folder / "d5.csv").write_text(day(5, extra=[f"5-x{i},2024-01-05,a,many,1" for i in range(9)]))
    with pytest.raises(InputError, match=r"d5\.csv: 9 of 49 rows do not fit"):
        ingest(workspace, MAPPING, folder)
    assert there(workspace) == {f"d{number}.csv": 40 for number in range(1, 5)}
    assert not workspace.tables.exists("quarantine")
    (folder / "d5.csv").write_text(day(5))
    assert [each.already for each in ingest(workspace, MAPPING, folder).files] == [True] * 4 + [False] * 4
    assert there(workspace) == {f"d{number}.csv": 40 for number in range(1, 9)}


def test_a_file_is_compared_with_those_that_wait_with_it(shop):
    workspace, folder = shop
    (folder / "d7.csv").write_text(day(7, price=1000.0))
    with pytest.raises(InputError, match=r"d7\.csv: the columns of table orders seem to mean something else"):
        ingest(workspace, MAPPING, folder)
    assert sorted(there(workspace)) == [f"d{number}.csv" for number in range(1, 7)]
    (record,) = (workspace.folder / "profiles").glob("*.json")
    assert len(Book(workspace.folder, record.stem, "orders").read().profiles) == 6


def test_bad_rows_of_every_file_are_in_quarantine_under_its_own_name(shop):
    workspace, folder = shop
    for number in (2, 6):
        (folder / f"d{number}.csv").write_text(day(number, extra=[f"{number}-x,2024-01-05,a,many,1"]))
    report = ingest(workspace, MAPPING, folder)
    assert [each.refused for each in report.files] == [0, 1, 0, 0, 0, 1, 0, 0]
    bad = workspace.tables.read("quarantine").sort("file").collect()
    assert bad["file"].to_list() == ["d2.csv", "d6.csv"]
    assert bad["batch"].to_list() == [report.files[1].batch, report.files[5].batch]
    # A correction must know its file's own rows: they carry a number from before their file was read.
    held = workspace.tables.history("orders").filter(pl.col("_source") == "d6.csv").collect()
    (number,) = held["_seq"].unique().to_list()
    assert number <= bad["at"].dt.epoch("us")[1]


def test_the_same_file_twice_in_one_folder_counts_once(shop):
    workspace, folder = shop
    (folder / "d9.csv").write_text(day(3))
    report = ingest(workspace, MAPPING, folder)
    assert [each.already for each in report.files] == [False] * 8 + [True]
    assert workspace.tables.rows("orders") == 320


def test_a_correction_in_the_next_file_counts(shop):
    workspace, folder = shop
    (folder / "d8.csv").write_text("nr,day,art,qty,price\n001-0,2024-01-01,s0,5,10\n")
    ingest(workspace, MAPPING, folder)
    rows = workspace.tables.read("orders").filter(pl.col("order_id") == "001-0").collect()
    assert rows["units"].to_list() == [5.0]


def test_a_file_is_told_of_when_it_is_committed(shop, monkeypatch):
    monkeypatch.setattr(intake, "FILES", 4)
    workspace, folder = shop
    seen = []

    class Told(Task):
        def advance(self, steps=1):
            seen.append(workspace.tables.rows("orders"))

    class Teller(Progress):
        def task(self, label, total=None):
            return Told()

    ingest(workspace, MAPPING, folder, Teller())
    assert seen == [160] * 4 + [320] * 4


def test_a_failing_disk_leaves_files_waiting_that_were_not_reported(shop, monkeypatch):
    workspace, folder = shop

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tables.log, "commit", full)
        with pytest.raises(OSError, match="No space"):
            ingest(workspace, MAPPING, folder)
    assert workspace.tables.rows("orders") == 0
    assert not (workspace.folder / "profiles").exists()
    assert not list((workspace.folder / "tables" / "orders").glob("*.parquet"))
    assert [each.accepted for each in ingest(workspace, MAPPING, folder).files] == [40] * 8


def test_lists_of_things_are_compared_with_the_list_before(shop):
    workspace, folder = shop
    for number, title in enumerate(("Apple", "Apple", "Pear", "Apple")):
        (folder / f"p{number}.csv").write_text(f"art,name\na,{title}\nb{number},x\n")
    mapping = parse({"products": {"file": "p*.csv", "columns": {"sku": "art", "title": "name"}}}, "mine")
    report = ingest(workspace, mapping, folder)
    assert [(each.accepted, each.unchanged) for each in report.files] == [(2, 0), (1, 1), (2, 0), (2, 0)]


def test_a_folder_of_one_shape_is_one_mapping(shop):
    _, folder = shop
    for path in folder.iterdir():
        path.write_text(path.read_text().replace("nr,day,art,qty,price", "order_id,ordered_at,sku,units,unit_price"))
    (folder / "d4.csv").write_text("order_id,ordered_at,sku,units\n4,2024-01-04,a,1\n")
    found = resolve([folder], None, "orders")
    assert [[path.name for path in paths] for _, paths in found] == [
        ["d1.csv", "d2.csv", "d3.csv"],
        ["d4.csv"],
        ["d5.csv", "d6.csv", "d7.csv", "d8.csv"],
    ]
    assert len({how.blocks[0].fingerprint for how, _ in found}) == 2


def test_a_book_shows_what_is_noted_and_keeps_what_others_add(tmp_path):
    from windvane.ingest.checks.history import Profile

    def profile(rows):
        return Profile(rows, groups={"a": {"units": float(rows)}})

    one, other = Book(tmp_path, "b", "orders"), Book(tmp_path, "b", "orders")
    one.note("x", "x.csv", profile(1))
    assert [each.rows for each in one.read().profiles] == [1]
    assert other.read().profiles == ()
    other.remember("y", "y.csv", profile(2))
    one.note("z", "z.csv", profile(3))
    one.keep()
    for book in (one, other, Book(tmp_path, "b", "orders")):
        assert [each.rows for each in book.read().profiles] == [2, 1, 3]
        assert book.read().groups == {"a": {"units": 3.0}}
    one.note("w", "w.csv", profile(4))
    one.drop()
    one.keep()
    assert [each.rows for each in one.read().profiles] == [2, 1, 3]
