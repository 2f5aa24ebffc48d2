"""A till whose file has a few bad rows, for the tests of the quarantine."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from windvane.ingest import ingest, mapping
from windvane.store import Workspace

MAPPING = mapping.parse(
    {
        "orders": {
            "file": "*.csv",
            "columns": {
                "order_id": "id",
                "line": {"number_within": "order_id"},
                "ordered_at": "at",
                "sku": "sku",
                "units": "n",
                "unit_price": "p",
                "customer": "who",
            },
            "set_aside": [{"sql": "sku = 'POST'", "reason": "postage", "name": "post"}],
        }
    },
    "till",
)
GOOD = [
    ["o1", "2024-03-01 10:00:00", "a", "1", "5.0", "Ann"],
    ["o1", "2024-03-01 10:00:00", "b", "2", "3.0", "Ann"],
    ["o1", "2024-03-01 10:00:00", "c", "4", "1.0", "Ann"],
    ["o2", "2024-03-02 10:00:00", "a", "1", "5.0", "Bob"],
    ["o2", "2024-03-02 10:00:00", "b", "3", "3.0", "Bob"],
    ["o3", "2024-03-02 11:00:00", "POST", "1", "4.0", "Cid"],
]


def till(folder: Path, rows: list[list[str]], name: str = "till.csv") -> Path:
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["id", "at", "sku", "n", "p", "who"], *rows])
    return path


def broken() -> list[list[str]]:
    rows = [list(row) for row in GOOD]
    rows[1][3] = "two"  # line 3, the middle line of order o1
    rows[3][1], rows[3][3] = "soon", "-"  # line 5, two cells at fault
    return rows


def careless(folder: Path) -> Workspace:
    """A shop that takes a file however bad it is."""
    workspace = Workspace.create(folder)
    settings = workspace.config.ingest.model_copy(update={"max_bad_share": 1.0})
    return Workspace(workspace.folder, workspace.config.model_copy(update={"ingest": settings}))


def orders(workspace: Workspace) -> pl.DataFrame:
    return workspace.tables.history("orders").collect().drop("_seq").sort("order_id", "line")


def whole(tmp_path: Path, secret: bytes) -> pl.DataFrame:
    """What the file would have given had it been right."""
    folder = tmp_path / "right"
    other = Workspace.create(folder)
    (folder / "secret").write_text(secret.hex() + "\n")
    ingest(other, MAPPING, [till(folder, GOOD)])
    return orders(other)
