"""``windvane explain --cleaning``: every change to a product's sales."""

import json
import shutil

import polars as pl
import pytest

from windvane.pipeline import run as pass_through
from windvane.store import Workspace


@pytest.fixture
def corrected(new_shop, tmp_path, run):
    """The shop with a return larger than its day and an order of a hundred times the usual size, after a run."""
    folder = shutil.copytree(new_shop, tmp_path / "shop")
    head, back, bulk = "order_id,ordered_at,sku,location,units,unit_price", "r1,2025-03-10", "b1,2025-04-20"
    more = f"{head}\n{back},mug-1,web,-50,5\n{bulk},mug-1,web,900,5\n"
    (tmp_path / "more.csv").write_text(more, encoding="utf-8")
    assert run("ingest", tmp_path / "more.csv", "-t", "orders", "-w", folder)[0] == 0
    return folder, pass_through(Workspace.open(folder))


def test_every_change_is_told_with_its_reason(corrected, run):
    folder, published = corrected
    rows = published.read("cleaning").filter(pl.col("sku") == "mug-1")
    assert set(rows["rule"]) >= {"net return", "outlier"}
    code, out, _ = run("explain", "mug-1", "--cleaning", "-w", folder)
    assert code == 0
    assert f"Changes to the sales of mug-1: {rows.height}" in out
    assert "net return" in out
    assert "2025-03-10" in out
    code, out, _ = run("explain", "mug-1", "--cleaning", "-l", "web", "-w", folder, "--json")
    said = json.loads(out)
    here = rows.filter(pl.col("location") == "web").sort("date", "rule")
    assert [row["why"] for row in said["cleaning"]] == here["why"].to_list()
    assert said["cleaning"][0] | {"date": "2025-03-10", "rule": "net return", "after": 0.0} == said["cleaning"][0]


def test_nothing_changed_and_no_such_product(corrected, run):
    folder, published = corrected
    clean = {"lamp-1", "lamp-2", "mug-2"} - set(published.read("cleaning")["sku"])
    code, out, _ = run("explain", min(clean), "--cleaning", "-w", folder)
    assert (code, out.strip()) == (0, f"Cleaning changed nothing in the sales of {min(clean)}.")
    code, _, err = run("explain", "mug", "--cleaning", "-w", folder)
    assert code == 1
    assert "no series of sku 'mug'" in err
