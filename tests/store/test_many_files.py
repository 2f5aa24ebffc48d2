"""A folder of files by day: files are merged by themselves, and nothing else changes."""

import polars as pl
import pytest

from windvane.ingest import ingest, intake
from windvane.ingest.mapping import load
from windvane.store import Workspace, tables


def test_an_ingest_of_many_files_merges_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MANY_FILES", 8)
    monkeypatch.setattr(intake, "FILES", 1)
    (tmp_path / "mapping.toml").write_text(
        '[orders]\nfile = "*.csv"\n[orders.columns]\norder_id = "id"\nordered_at = "at"\nsku = "sku"\nunits = "n"\n'
    )
    (tmp_path / "days").mkdir()
    for day in range(1, 13):
        rows = [f"{day:02d}-{i},2024-01-{day:02d},s{i % 3},{day}" for i in range(20)]
        (tmp_path / "days" / f"{day:02d}.csv").write_text("\n".join(["id,at,sku,n", *rows]) + "\n")
    workspace = Workspace.create(tmp_path / "shop")
    ingest(workspace, load(tmp_path / "mapping.toml"), tmp_path / "days")
    held = workspace.tables
    assert len(held.parts("orders", held._open("orders"))) == 1
    assert held.read("orders").select(pl.len(), pl.col("units").sum()).collect().row(0) == (240, 20 * 78)
    again = ingest(workspace, load(tmp_path / "mapping.toml"), tmp_path / "days")
    assert all(file.already for file in again.files)
    assert held.version("orders") == 13


@pytest.mark.tiny
def test_a_full_disk_while_merging_does_not_undo_an_ingest(tmp_path, monkeypatch):
    from datetime import datetime

    from windvane.store import compact

    monkeypatch.setattr(tables, "MANY_FILES", 1)
    held = Workspace.create(tmp_path / "shop").tables
    for number in range(3):
        held.append("products", pl.DataFrame({"sku": ["a"], "known_at": datetime(2024, 1, 1)}), str(number))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compact, "_write", full)
    assert held.tidy("products") is None
    assert held.small_files("products") == 3
    assert held.read("products").collect().height == 1
    assert [p.name for p in (held.folder / "products" / "_staging").iterdir()] == []
