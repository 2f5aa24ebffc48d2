"""Rows from real PostgreSQL and MariaDB servers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from database_servers import execute, mariadb, postgresql

from windvane.errors import ConfigError, InputError
from windvane.ingest import database

ROWS = 250_500
"""More than two batches."""

MADE = """
CREATE TABLE sales (id INT, bought_at TIMESTAMP, sku VARCHAR(20), pieces INT, price DECIMAL(10, 2), note VARCHAR(40));
INSERT INTO sales VALUES
  (1, '2024-03-01 10:00:00', '茶-1', 2, 12.50, NULL),
  (2, '2024-03-01 10:05:00', 'B''2', -1, 0.10, 'it; broke'),
  (3, '2024-03-02 23:59:59', '茶-1', 7, 99999999.99, '');
"""


@pytest.fixture(scope="module", params=[postgresql, mariadb], ids=["postgresql", "mariadb"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with request.param() as address:
        execute(address, MADE)
        yield address


def test_rows_come_as_they_are(address: str, tmp_path: Path) -> None:
    spooled = database.spool(address, "SELECT * FROM sales ORDER BY id", tmp_path / "s.parquet")
    frame = pl.read_parquet(spooled.path)
    assert spooled.rows == 3
    assert frame["sku"].to_list() == ["茶-1", "B'2", "茶-1"]
    assert frame["bought_at"].to_list()[2] == datetime(2024, 3, 2, 23, 59, 59)
    assert frame["price"].dtype == pl.Float64
    assert frame["price"].to_list() == [12.5, 0.1, 99999999.99]
    assert frame["note"].to_list() == [None, "it; broke", ""]


def test_the_name_of_a_table_is_enough_and_order_does_not_matter(address: str, tmp_path: Path) -> None:
    whole = database.spool(address, "sales", tmp_path / "a.parquet")
    backwards = database.spool(address, "select * from sales order by id desc;", tmp_path / "b.parquet")
    fewer = database.spool(address, "select * from sales where id < 3", tmp_path / "c.parquet")
    assert whole.fingerprint == backwards.fingerprint
    assert fewer.fingerprint != whole.fingerprint


def test_a_cursor_goes_on_where_it_stopped(address: str, tmp_path: Path) -> None:
    statement = "SELECT * FROM sales WHERE bought_at > {since}"
    first = database.spool(address, statement, tmp_path / "a.parquet", "bought_at")
    assert (first.rows, first.last) == (3, "2024-03-02 23:59:59")
    assert database.spool(address, statement, tmp_path / "b.parquet", "bought_at", first.last).rows == 0
    some = database.spool(address, statement, tmp_path / "c.parquet", "bought_at", "2024-03-01 10:00:00")
    assert some.rows == 2


def test_many_batches(address: str, tmp_path: Path) -> None:
    numbers = (
        f"SELECT i AS n FROM generate_series(1, {ROWS}) AS i"
        if address.startswith("postgresql")
        else f"SELECT seq AS n FROM seq_1_to_{ROWS}"
    )
    spooled = database.spool(address, numbers, tmp_path / "n.parquet")
    assert spooled.rows == ROWS
    assert pl.scan_parquet(spooled.path).select(pl.col("n").cast(pl.Int64).sum()).collect().item() == (
        ROWS * (ROWS + 1) // 2
    )


def test_no_rows_keep_their_columns(address: str, tmp_path: Path) -> None:
    spooled = database.spool(address, "SELECT * FROM sales WHERE id > 100", tmp_path / "e.parquet")
    frame = pl.read_parquet(spooled.path)
    assert spooled.rows == frame.height == 0
    assert frame.columns == ["id", "bought_at", "sku", "pieces", "price", "note"]


def test_what_the_database_refuses_is_said(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        database.spool(address, "SELECT * FROM nowhere", tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"no column changed.*It gives: id") as caught:
        database.spool(address, "sales", tmp_path / "x.parquet", cursor="changed")
    assert caught.value.column == "changed"


@pytest.mark.tiny
@pytest.mark.parametrize("text", ["DELETE FROM sales", "SELECT 1; DROP TABLE sales", "sales; x", ""])
def test_only_one_select(text: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigError, match="one SELECT"):
            database.spool(f"postgresql://u:p@127.0.0.1:{port}/x", text, tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.tiny
def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="oracle is no kind"):
        database.spool("oracle://u:geheim@h/x", "t", tmp_path / "x.parquet")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match="does not answer") as caught:
        database.spool(f"mysql://u:geheim@127.0.0.1:{port}/shop", "t", tmp_path / "x.parquet")
    assert "geheim" not in str(caught.value)
    assert database.label(f"mysql://u:geheim@127.0.0.1:{port}/shop") == "mysql://127.0.0.1/shop"
    with pytest.raises(ConfigError, match="SHOP_DB is not set"):
        database.from_environment("SHOP_DB")
    monkeypatch.setenv("SHOP_DB", " mysql://h/x ")
    assert database.from_environment("SHOP_DB") == "mysql://h/x"


def test_a_mapping_reads_what_is_new_since_the_last_time(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment variable to the table, twice, with a new row in between."""
    from windvane.ingest import ingest
    from windvane.ingest.sources import resolve
    from windvane.store import Workspace

    execute(address, "CREATE TABLE fresh (id INT, bought_at TIMESTAMP, sku VARCHAR(20), pieces INT);")
    execute(address, "INSERT INTO fresh VALUES (1, '2024-03-01 10:00:00', 'a', 2), (2, '2024-03-02 10:00:00', 'b', 1);")
    (tmp_path / "m.toml").write_text(
        '[orders]\nselect = "SELECT * FROM fresh WHERE bought_at > {since}"\ncursor = "bought_at"\n'
        '[orders.columns]\norder_id = "id"\nordered_at = "bought_at"\nsku = "sku"\nunits = "pieces"\n'
    )
    monkeypatch.setenv("WINDVANE_DATABASE", address)
    workspace = Workspace.create(tmp_path / "shop")
    ((mapping, sources),) = resolve([], str(tmp_path / "m.toml"), None)
    accepted = [ingest(workspace, mapping, sources).files[0].accepted for _ in range(2)]
    execute(address, "INSERT INTO fresh VALUES (3, '2024-03-03 10:00:00', 'a', 5);")
    report = ingest(workspace, mapping, sources).files[0]
    assert (accepted, report.accepted) == ([2, 0], 1)
    assert "@" not in report.file
    assert workspace.tables.read("orders").collect().select("order_id", "units").rows() == [
        ("1", 2.0),
        ("2", 1.0),
        ("3", 5.0),
    ]
    assert not list((workspace.folder / "staging").iterdir())
    monkeypatch.delenv("WINDVANE_DATABASE")
    with pytest.raises(ConfigError, match="WINDVANE_DATABASE is not set"):
        ingest(workspace, mapping, sources)
