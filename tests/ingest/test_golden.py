"""Golden folders: what each shipped mapping makes of made-up files that are written as the shop system writes them.

Each folder of ``golden/`` has ``input/`` (files as they come) or ``source/`` (CSV and types, made into Parquet here),
``expected/`` (every row of every table, and of the quarantine) and ``README.md``, which says what is tricky and why.
"""

import csv
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from windvane import schema
from windvane.clock import CLOCK
from windvane.ingest import ingest, mapping
from windvane.store import Workspace

GOLDEN = Path(__file__).parent / "golden"
SHOPS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
"""The day on which the files are ingested; a stock list without a date is of this day."""


@pytest.fixture(autouse=True)
def at_noon():
    CLOCK.hold(NOW)
    yield
    CLOCK.hold(None)


def files_of(shop, tmp_path):
    """The folder with the shop's files, Parquet ones freshly written."""
    source = GOLDEN / shop / "source"
    if not source.is_dir():
        return GOLDEN / shop / "input"
    types = tomllib.loads((source / "types.toml").read_text())
    folder = tmp_path / "input"
    folder.mkdir()
    for path in sorted(source.glob("*.csv")):
        frame = pl.read_csv(path, infer_schema=False)
        for name, kind in types.get(path.stem, {}).items():
            if kind in ("Date", "Datetime"):
                moment = frame[name].str.to_datetime("%Y-%m-%d" + (" %H:%M:%S" if kind == "Datetime" else ""))
                frame = frame.with_columns(moment.cast(pl.Date if kind == "Date" else pl.Datetime("ns")))
            else:
                frame = frame.with_columns(frame[name].cast(pl.Float64).cast(getattr(pl, kind)))
        frame.write_parquet(folder / f"{path.stem}.parquet")
    return folder


def told(shop, tmp_path):
    """Every table after the ingest, as rows of text; what has no value anywhere is left out."""
    folder = files_of(shop, tmp_path)
    workspace = Workspace.create(tmp_path / "shop")
    ingest(workspace, shop, folder)
    found = {}
    for name in (*schema.RAW, "quarantine"):
        frame = workspace.tables.read(name).collect()
        if frame.height:
            found[name] = as_text(frame.select(shown(name)), name)
    return found


def shown(table):
    """Columns to compare: all of a table, and of the quarantine those that do not depend on the moment or a hash."""
    if table == "quarantine":
        return ["table", "file", "line", "column", "value", "rule"]
    return schema.RAW[table].names


def as_text(frame, table):
    people = {}
    if "customer" in frame.columns:
        for each in frame["customer"].drop_nulls():
            assert len(each) == 32, "a customer is a pseudonym"
            people.setdefault(each, f"customer {len(people) + 1}")
    rows = [
        {name: cell_text(people.get(value, value)) for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]
    key = list(schema.RAW[table].key) if table in schema.RAW else ["table", "file", "line", "rule"]
    rows.sort(key=lambda row: [row[name].rjust(20) if name in ("line",) else row[name] for name in key])
    return [{name: row[name] for name in row if any(each[name] for each in rows)} for row in rows]


def cell_text(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def expected(shop):
    found = {}
    for path in sorted((GOLDEN / shop / "expected").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            found[path.stem] = list(csv.DictReader(stream))
    return found


@pytest.mark.tiny
@pytest.mark.parametrize("shop", SHOPS)
def test_every_row_is_as_expected(shop, tmp_path):
    found, wanted = told(shop, tmp_path), expected(shop)
    assert sorted(found) == sorted(wanted)
    for table in wanted:
        assert found[table] == wanted[table], table


@pytest.mark.tiny
@pytest.mark.parametrize("shop", SHOPS)
def test_every_folder_says_why(shop):
    assert len((GOLDEN / shop / "README.md").read_text(encoding="utf-8")) > 300


@pytest.mark.tiny
def test_every_shipped_mapping_has_a_folder():
    assert mapping.shipped() == SHOPS


@pytest.mark.tiny
@pytest.mark.parametrize("shop", SHOPS)
def test_nobody_can_be_recognised_in_the_tables(shop, tmp_path):
    """Names, telephone numbers and addresses that stand in the files are in no table."""
    marks = ("Dupont", "75008", "+33 6", "Anna", "0170", "KÖLN", "50667", "张**", "138****", "1380000", "朝阳", "李*")
    folder = files_of(shop, tmp_path)
    workspace = Workspace.create(tmp_path / "shop")
    ingest(workspace, shop, folder)
    for name in schema.RAW:
        text = workspace.tables.read(name).collect().write_csv()
        assert not [mark for mark in marks if mark in text], name


# --- exports as they are in other versions of the same systems


def blocks_of(shop):
    return [block for block in mapping.load(shop).blocks if block.tidy is not None and block.tidy.signature]


def header_of(path):
    """A file's text, its encoding, its header line and what stands between the names."""
    data = path.read_bytes()
    for encoding in ("utf-8-sig", "gbk", "cp1252"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    first = text.splitlines()[0]
    return text, encoding, first, "\t" if "\t" in first else ","


def rewritten(shop, tmp_path, change):
    """The golden files with their columns renamed, or left out, as ``change(name, aliases, header)`` says."""
    folder = tmp_path / "other"
    folder.mkdir()
    for path in sorted((GOLDEN / shop / "input").iterdir()):
        text, encoding, _, separator = header_of(path)
        unquoted = path.suffix == ".txt"
        kind = csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=separator, quoting=kind))
        known = [block for block in blocks_of(shop) if block.tidy.recognises(rows[0])]
        aliases = {ours: others for block in known for ours, others in block.tidy.aliases}
        names = [change(name, aliases, rows[0]) for name in rows[0]]
        kept = [[cell for cell, name in zip(row, names, strict=True) if name is not None] for row in [names, *rows[1:]]]
        if unquoted:
            out = "\r\n".join(separator.join(row) for row in kept) + "\r\n"
            (folder / path.name).write_bytes(out.encode(encoding))
        else:
            with (folder / path.name).open("w", newline="", encoding=encoding) as stream:
                csv.writer(stream, delimiter=separator).writerows(kept)
    return folder


def orders_of(shop, folder, tmp_path):
    workspace = Workspace.create(tmp_path / "shop")
    ingest(workspace, shop, folder)
    return {name: workspace.tables.read(name).collect() for name in ("orders", "products", "stock")}


RENAMED = [
    (shop, number)
    for shop in SHOPS
    for number in range(max((len(others) for b in blocks_of(shop) for _, others in b.tidy.aliases), default=0))
]


@pytest.mark.parametrize(("shop", "number"), RENAMED)
def test_other_names_of_columns_make_no_difference(shop, number, tmp_path):
    def change(name, aliases, header):
        if name in aliases:
            return aliases[name][number % len(aliases[name])]
        # A column that goes by another of the names already would be taken for it.
        taken = {other for ours, others in aliases.items() if ours in header for other in others}
        return None if name in taken else name

    folder = rewritten(shop, tmp_path, change)
    found = orders_of(shop, folder, tmp_path)
    wanted = expected(shop)
    for table, rows in wanted.items():
        if table in found:
            assert as_text(found[table].select(shown(table)), table) == rows, table


@pytest.mark.parametrize("shop", [shop for shop in SHOPS if blocks_of(shop)])
def test_columns_that_may_be_missing_may_be_missing(shop, tmp_path):
    """Every row is still read, none is refused; what the columns said is what is lost."""
    # Of WooCommerce's two quantities one must be there; either will do.
    optional = {each for block in blocks_of(shop) for each in block.tidy.optional} - {"Quantity (- Refund)"}
    folder = rewritten(shop, tmp_path, lambda each, *_: None if each in optional else each)
    workspace = Workspace.create(tmp_path / "shop")
    report = ingest(workspace, shop, folder)
    assert sum(each.refused for each in report.files) == 0
    orders = next(each for each in report.files if each.table == "orders")
    assert orders.read == orders.accepted + orders.set_aside + orders.left_out
    assert orders.accepted > 0
