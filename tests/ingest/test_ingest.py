"""Files into tables: counts, idempotence, refusal, pseudonyms."""

import json

import polars as pl
import pytest

from windvane.engine import Progress, Task
from windvane.errors import ExtraMissingError, InputError, MappingError
from windvane.ingest import ingest
from windvane.ingest.mapping import load, load_block, parse
from windvane.ingest.privacy import pseudonym, pseudonyms
from windvane.ingest.sources import packaged, resolve
from windvane.store import Workspace

pytestmark = pytest.mark.tiny

MAPPING = {
    "orders": {
        "file": "sales-*.csv",
        "columns": {"order_id": "nr", "ordered_at": "day", "sku": "art", "units": "qty", "customer": "who"},
        "set_aside": [{"sql": "art = 'POST'", "reason": "postage", "name": "service"}],
    },
    "products": {"file": "items.csv", "columns": {"sku": "art", "title": "name"}},
}
SALES = "nr,day,art,qty,who\n1,2024-01-01,a,2,Ann\n1,2024-01-01,POST,1,Ann\n2,2024-01-02,b,1,Bob\n3,2024-01-02,a,1,\n"


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sales-1.csv").write_text(SALES)
    (tmp_path / "in" / "items.csv").write_text("art,name\na,Apple\nb,Pear\n")
    return Workspace.create(tmp_path / "shop"), tmp_path / "in"


def counts(report):
    return {(f.table, f.file): (f.read, f.accepted, f.set_aside, f.refused, f.already) for f in report.files}


def test_counts_and_contents(shop):
    workspace, folder = shop
    report = ingest(workspace, parse(MAPPING, "mine"), folder)
    assert counts(report) == {
        ("orders", "sales-1.csv"): (4, 3, 1, 0, False),
        ("products", "items.csv"): (2, 2, 0, 0, False),
    }
    assert report.budget.rows == 6
    orders = workspace.tables.read("orders").collect()
    assert orders.select("order_id", "sku", "units").rows() == [("1", "a", 2.0), ("2", "b", 1.0), ("3", "a", 1.0)]
    (row,) = workspace.tables.read("quarantine").collect().to_dicts()
    assert (row["table"], row["file"], row["line"], row["rule"]) == ("orders", "sales-1.csv", 3, "service")


def test_the_same_files_again_change_nothing(shop):
    workspace, folder = shop
    ingest(workspace, parse(MAPPING, "mine"), folder)
    versions = workspace.tables.versions()
    again = ingest(workspace, parse(MAPPING, "mine"), folder)
    assert all(file.already for file in again.files)
    assert workspace.tables.versions() == versions
    # The content counts, not the name.
    (folder / "sales-1.csv").rename(folder / "sales-2.csv")
    assert all(file.already for file in ingest(workspace, parse(MAPPING, "mine"), folder).files)


def test_a_half_done_ingest_is_completed(shop):
    workspace, folder = shop
    report = ingest(workspace, parse(MAPPING, "mine"), folder)
    other = Workspace.create(workspace.folder.parent / "other")
    held = workspace.tables.read("quarantine").collect()
    # Killed after the quarantine and before the table: only the quarantine holds the batch.
    other.tables.append("quarantine", held, f"quarantine-{report.files[0].batch}")
    ingest(other, parse(MAPPING, "mine"), folder)
    assert other.tables.read("orders").collect().height == 3
    assert other.tables.read("quarantine").collect().height == 1
    assert other.tables.rows("quarantine") == 1


def test_a_corrected_file_replaces_its_rows(shop):
    workspace, folder = shop
    ingest(workspace, parse(MAPPING, "mine"), folder)
    (folder / "sales-1.csv").write_text(SALES.replace("b,1,Bob", "b,5,Bob"))
    report = ingest(workspace, parse(MAPPING, "mine"), folder)
    assert [file.already for file in report.files] == [False, True]
    orders = workspace.tables.read("orders").collect()
    assert sorted(orders.select("order_id", "units").rows()) == [("1", 2.0), ("2", 5.0), ("3", 1.0)]


def test_a_bad_file_is_refused_whole(shop):
    workspace, folder = shop
    (folder / "sales-1.csv").write_text(SALES + "4,2024-01-02,a,many,\n")
    before = workspace.tables.versions()
    with pytest.raises(InputError) as raised:
        ingest(workspace, parse(MAPPING, "mine"), folder)
    assert "sales-1.csv: 1 of 5 rows do not fit table orders" in raised.value.message
    assert "units is not a number (1 rows, first line 6: 'many')" in raised.value.message
    assert (raised.value.table, raised.value.column, raised.value.row) == ("orders", "units", 6)
    assert workspace.tables.versions() == before


def test_rows_set_aside_do_not_count_as_bad(shop):
    workspace, folder = shop
    (folder / "sales-1.csv").write_text("nr,day,art,qty,who\n" + "1,2024-01-01,POST,1,Ann\n" * 5)
    report = ingest(workspace, parse(MAPPING, "mine"), folder)
    assert (report.files[0].set_aside, report.files[0].accepted) == (5, 0)
    assert workspace.tables.has_batch("orders", report.files[0].batch)


def test_customers_are_pseudonyms_everywhere(shop):
    workspace, folder = shop
    text = workspace.folder / "windvane.toml"
    text.write_text(text.read_text().replace("# max_bad_share = 0.05", "max_bad_share = 1.0"))
    workspace = Workspace.open(workspace.folder)
    (folder / "sales-1.csv").write_text(SALES + "4,2024-01-02,a,many,Ann\n5,2024-01-02,a,1,Ann,Ann\n")
    report = ingest(workspace, parse(MAPPING, "mine"), folder)
    assert report.files[0].refused == 2
    ann = pseudonym("Ann", workspace.secret)
    orders = workspace.tables.read("orders").sort("order_id").collect()
    assert orders["customer"].to_list() == [ann, pseudonym("Bob", workspace.secret), None]
    quarantine = workspace.tables.read("quarantine").collect()
    assert quarantine.height == 3
    stored = b"".join(path.read_bytes() for path in workspace.folder.rglob("*") if path.is_file())
    assert ann.encode() in stored
    assert "Ann" not in "".join(str(row) for row in quarantine.rows() + orders.rows())


def test_pseudonyms_depend_on_the_key_alone():
    values = pl.Series("customer", ["Ann", None, "Bob", "Ann"])
    made = pseudonyms(values, b"k" * 32)
    assert made.name == "customer"
    assert made.to_list() == [pseudonym("Ann", b"k" * 32), None, pseudonym("Bob", b"k" * 32), made[0]]
    assert pseudonyms(values, b"l" * 32)[0] != made[0]


def test_customers_stay_plain_where_the_settings_say_so(shop):
    workspace, folder = shop
    text = workspace.folder / "windvane.toml"
    text.write_text(text.read_text().replace("# pseudonymise = true", "pseudonymise = false"))
    workspace = Workspace.open(workspace.folder)
    ingest(workspace, parse(MAPPING, "mine"), folder)
    assert workspace.tables.read("orders").collect()["customer"].to_list() == ["Ann", "Bob", None]


def test_query_over_several_files(shop):
    workspace, folder = shop
    mapping = {
        "files": {"sales": "sales-1.csv", "items": "items.csv", "absent": "absent.csv"},
        "orders": {
            "query": "SELECT s.nr, s.day, i.name, SUM(CAST(s.qty AS DOUBLE)) AS qty FROM sales AS s "
            "JOIN items AS i ON s.art = i.art GROUP BY s.nr, s.day, i.name ORDER BY s.nr",
            "columns": {"order_id": "nr", "ordered_at": "day", "sku": "name", "units": "qty"},
        },
    }
    report = ingest(workspace, parse(mapping, "mine"), folder)
    assert report.files[0].file == "sales-1.csv + items.csv"
    assert workspace.tables.read("orders").collect()["sku"].to_list() == ["Apple", "Pear", "Apple"]
    mapping["orders"]["query"] = "SELECT colour FROM sales"
    with pytest.raises(MappingError, match="query for orders fails"):
        ingest(workspace, parse(mapping, "mine"), folder)
    mapping["orders"]["query"] = "SELECT 1"
    with pytest.raises(MappingError, match="names none of the files"):
        ingest(workspace, parse(mapping, "mine"), folder)


def test_files_given_singly(shop):
    workspace, folder = shop
    assert [file.table for file in ingest(workspace, parse(MAPPING, "mine"), [folder / "sales-1.csv"]).files] == [
        "orders"
    ]
    other = folder / "other.csv"
    other.write_bytes((folder / "items.csv").read_bytes())
    with pytest.raises(InputError, match=r"recognises none of the files.*must be called sales"):
        ingest(workspace, parse(MAPPING, "mine"), [other])
    only = {"orders": MAPPING["orders"]}
    with pytest.raises(MappingError, match=r"no block for items\.csv"):
        ingest(workspace, parse(only, "mine"), [folder / "sales-1.csv", folder / "items.csv"])
    assert workspace.tables.rows("orders") == 3
    assert ingest(workspace, parse(only, "mine"), [folder / "sales-1.csv"]).files[0].already


def test_progress_hears_of_every_file(shop):
    heard = []

    class Listener(Progress, Task):
        def task(self, label, total=None):
            heard.append((label, total))
            return self

        def advance(self, steps=1):
            heard.append(steps)

    workspace, folder = shop
    ingest(workspace, parse(MAPPING, "mine"), folder, Listener())
    (label, total), *steps = heard  # steps are bytes, so that the remaining time means something
    assert label == "ingest"
    assert len(steps) == 2
    assert sum(steps) == total == 2 + sum(path.stat().st_size for path in folder.iterdir())


def test_files_with_our_own_names_need_no_mapping(shop):
    workspace, folder = shop
    (folder / "o [1].csv").write_text("order_id,ordered_at,sku,units\n1,2024-01-01,a,2\n")
    ((mapping, paths),) = resolve([folder / "o [1].csv"], None, "orders")
    assert ingest(workspace, mapping, paths).files[0].accepted == 1
    (folder / "o [1].csv").rename(folder / "p.csv")
    ((mapping, paths),) = resolve([folder / "p.csv"], None, "orders")
    assert ingest(workspace, mapping, paths).files[0].already
    with pytest.raises(MappingError, match="column art is no column of orders"):
        resolve([folder], None, "orders")


def test_sources_that_cannot_be_resolved(shop, monkeypatch):
    _, folder = shop
    with pytest.raises(InputError, match="no file or folder"):
        resolve([folder / "none.csv"], "m5", None)
    with pytest.raises(InputError, match="folder, and more"):
        resolve([folder, folder / "items.csv"], "m5", None)
    with pytest.raises(InputError, match="not said what"):
        resolve([folder], None, None)
    with pytest.raises(InputError, match="no table sales"):
        resolve([folder], None, "sales")
    with pytest.raises(InputError, match="which files"):
        resolve([], "m5", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExtraMissingError, match=r"windvane\[demo\]"):
        packaged("complete_journey")


def test_workspace_survives_an_unreadable_mapping(shop):
    workspace, folder = shop
    with pytest.raises(MappingError):
        load(folder / "none.toml")
    assert workspace.tables.versions() == {}


def test_members_of_archives_and_packed_files(shop):
    import gzip
    import zipfile

    workspace, folder = shop
    with zipfile.ZipFile(folder / "sales-old.zip", "w") as archive:
        archive.writestr("2023/sales-2.csv", SALES.replace("\n1,", "\n11,").replace("2024", "2023"))
        archive.writestr("2023/readme.md", "nothing to read")
    (folder / "sales-3.csv.gz").write_bytes(gzip.compress(SALES.replace("\n3,", "\n33,").encode()))
    mapping = {"orders": {**MAPPING["orders"], "file": "sales-*"}}
    report = ingest(workspace, parse(mapping, "mine"), folder)
    assert {file.file for file in report.files} == {"sales-1.csv", "sales-old.zip/2023/sales-2.csv", "sales-3.csv.gz"}
    assert workspace.tables.read("orders").collect()["order_id"].unique().sort().to_list() == [
        "1",
        "11",
        "2",
        "3",
        "33",
    ]
    assert all(file.already for file in ingest(workspace, parse(mapping, "mine"), folder).files)


def test_files_known_by_their_columns(shop):
    workspace, folder = shop
    signed = {"orders": {**MAPPING["orders"], "file": "*", "signature": ["nr", "qty"]}}
    (folder / "notes.txt").write_text("nothing,of,use\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    report = ingest(workspace, parse(signed, "mine"), folder)
    assert [file.file for file in report.files] == ["sales-1.csv"]
    with pytest.raises(MappingError, match=r"no block for items\.csv"):
        ingest(workspace, parse(signed, "mine"), [folder / "sales-1.csv", folder / "items.csv"])
    with pytest.raises(InputError, match="recognises none of the files") as raised:
        ingest(workspace, parse(signed, "mine"), [folder / "items.csv"])
    assert "nr, qty" in raised.value.remedy


def test_sums_over_rows_see_the_whole_file(shop, monkeypatch):
    workspace, folder = shop
    monkeypatch.setattr("windvane.ingest.read.delimited.BLOCK", 32)
    rows = "".join(f"2024-01-0{1 + i % 2},a,{i}\n" for i in range(20))
    (folder / "stock.csv").write_text("day,art,n\n" + rows)
    total = {"sql": "SUM(CAST(n AS DOUBLE)) OVER (PARTITION BY day)"}
    mapping = {"stock": {"file": "stock.csv", "columns": {"sku": "art", "date": "day", "on_hand": total}}}
    report = ingest(workspace, parse(mapping, "mine"), folder).files[0]
    assert (report.accepted, report.repeated) == (2, 18)
    assert workspace.tables.read("stock").collect()["on_hand"].sort().to_list() == [90.0, 100.0]


def test_descriptions_that_say_nothing_new_are_not_stored_again(shop):
    workspace, folder = shop
    ingest(workspace, parse(MAPPING, "mine"), folder)
    (folder / "items.csv").write_text("art,name\na,Apple\nb,Peach\nc,Cherry\n")
    report = ingest(workspace, parse(MAPPING, "mine"), folder).files[1]
    assert (report.accepted, report.unchanged) == (2, 1)
    assert workspace.tables.history("products").collect().height == 4
    assert workspace.tables.read("products").sort("sku").collect()["title"].to_list() == ["Apple", "Peach", "Cherry"]


def test_descriptions_may_go_back_to_what_they_were(shop):
    workspace, folder = shop
    only = parse({"products": MAPPING["products"]}, "mine")
    old, new = "art,name\na,Apple\n", "art,name\na,Peach\n"
    for text in (old, new, old):
        (folder / "items.csv").write_text(text)
        assert ingest(workspace, only, folder).files[0].accepted == 1
    assert workspace.tables.read("products").collect()["title"].to_list() == ["Apple"]
    versions = workspace.tables.versions()
    assert ingest(workspace, only, folder).files[0].already
    assert workspace.tables.versions() == versions


def test_a_file_without_rows_is_taken_and_checked(shop):
    workspace, folder = shop
    (folder / "sales-1.csv").write_text("nr,day,art,qty,who\n")
    assert ingest(workspace, parse(MAPPING, "mine"), folder).files[0].read == 0
    (folder / "sales-1.csv").write_text("nr,day,art,number,who\n")
    with pytest.raises(MappingError, match="column 'qty' is not in the file"):
        ingest(workspace, parse(MAPPING, "mine"), folder)


def test_the_block_of_quarantined_rows_is_kept(shop):
    workspace, folder = shop
    mapping = parse(MAPPING, "mine")
    ingest(workspace, mapping, folder)
    (held,) = workspace.tables.read("quarantine").collect().to_dicts()
    kept = workspace.folder / "mappings" / f"{held['block']}.json"
    assert load_block(json.loads(kept.read_text(encoding="utf-8"))).columns == mapping.blocks[0].columns


def test_leftovers_of_dead_processes_are_cleared(shop):
    workspace, folder = shop
    dead = workspace.folder / "staging" / "dead"
    dead.mkdir(parents=True)
    (dead / "lock").touch()
    (dead / "keys-0000.pairs").write_bytes(b"x" * 16)
    ingest(workspace, parse(MAPPING, "mine"), folder)
    assert list((workspace.folder / "staging").iterdir()) == []


def test_a_corrected_row_is_read_like_its_file(shop):
    """A single row does not say whether 05/03 is in March or in May; its file did."""
    from windvane.ingest.quarantine import correct
    from windvane.ingest.quarantine.correct import Choice
    from windvane.ingest.quarantine.retry import retry

    workspace, folder = shop
    days = "".join(f"{i},{1 + i:02d}/03/2024,a,1\n" for i in range(25))
    (folder / "sales-1.csv").write_text("nr,day,art,qty\n" + days + '99,05/03/2024,a,x\n98,06/03/2024,a,"1,5"\n')
    columns = {"order_id": "nr", "ordered_at": "day", "sku": "art", "units": "qty"}
    ingest(workspace, parse({"orders": {"file": "sales-1.csv", "columns": columns}}, "mine"), folder)
    correct.set_cell(workspace, Choice(), "qty", "2,5")
    assert [each.accepted for each in retry(workspace, Choice())] == [1]
    (row,) = workspace.tables.read("orders").filter(pl.col("order_id") == "99").collect().to_dicts()
    assert (row["units"], row["ordered_at"].month, row["ordered_at"].day) == (2.5, 3, 5)
