"""The mapping file: how a shop's own files become Windvane's tables.

A mapping is TOML, written by hand. One block per table (or a list of blocks)::

    [orders]
    file = "invoices-*.csv"                        # relative to the folder that is ingested
    where = "Country <> 'Test'"                    # optional: rows that are meant at all
    [orders.columns]
    order_id = "InvoiceNo"                         # our name = their name
    ordered_at = { from = "InvoiceDate", format = "%m/%d/%Y %H:%M" }
    location = { value = "all" }
    kind = { sql = "CASE WHEN Quantity < 0 THEN 'return' ELSE 'sale' END" }
    line = { number_within = "order_id" }
    [[orders.set_aside]]                           # rows that are no product sales
    sql = "StockCode = 'POST'"
    reason = "postage, not a product"

``query`` takes the place of ``file`` where rows must be joined or summed first: SQL over the files that the
top-level ``[files]`` block names. ``rows`` takes its place where the mapping itself holds the rows.
In CSV files every column is text in SQL, so ``CAST(Quantity AS INT)`` where a number is meant.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from windvane.errors import MappingError
from windvane.schema import RAW, Table

_BLOCK_KEYS = {"file", "query", "rows", "where", "columns", "set_aside", "separator"}
_WAYS = ("from", "value", "sql", "number_within", "json")
_COLUMN_KEYS = {*_WAYS, "format", "timezone", "local", "origin", "unit", "days_since"}
_UNITS = ("second", "hour", "day", "week")


@dataclass(frozen=True)
class Source:
    """Where one column of ours comes from; exactly one of the first five is set.

    Attributes:
        column: name of their column (``from``).
        value: the same value for every row.
        sql: an SQL expression over their columns.
        number_within: running number, from 1, among rows with equal values of these columns of ours.
        json: a JSON object, our names to their columns.
        format: strptime format of a date or moment.
        timezone: time zone that a moment is written in, if it is not local time.
        local: the shop's time zone, which moments are converted to.
        origin: ISO date that a number counts from (with ``unit``).
        unit: what the number counts: second, hour, day or week.
        days_since: ISO date; the value is the number of days since then.
    """

    column: str | None = None
    value: object = None
    sql: str | None = None
    number_within: tuple[str, ...] = ()
    json: tuple[tuple[str, str], ...] = ()
    format: str | None = None
    timezone: str | None = None
    local: str | None = None
    origin: str | None = None
    unit: str = "day"
    days_since: str | None = None


@dataclass(frozen=True)
class Rule:
    """Rows to set aside: an SQL condition over their columns, and why."""

    sql: str
    reason: str
    name: str = "set_aside"


@dataclass(frozen=True)
class Block:
    """How one table is filled from one kind of file."""

    table: Table
    columns: dict[str, Source]
    file: str | None = None
    query: str | None = None
    rows: tuple[dict[str, Any], ...] = ()
    where: str | None = None
    set_aside: tuple[Rule, ...] = ()
    separator: str | None = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides what this block makes of a file; file names are no part of it.

        Only what is set enters, so that a setting added to Windvane later changes no old fingerprint.
        """
        return hashlib.blake2b(_canonical(self, skip=("file", "files")).encode(), digest_size=16).hexdigest()


def _canonical(value: object, skip: tuple[str, ...] = ()) -> str:
    """A value as text that depends on its content alone."""
    if isinstance(value, Table):
        return value.name
    if is_dataclass(value):
        given = {each.name: getattr(value, each.name) for each in fields(value) if each.name not in skip}
        return _canonical({name: content for name, content in given.items() if content not in (None, (), {})})
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, tuple | list):
        return "[" + ",".join(_canonical(each) for each in value) + "]"
    return repr(value)


@dataclass(frozen=True)
class Mapping:
    """A whole mapping file."""

    name: str
    blocks: tuple[Block, ...]
    about: str = ""


def shipped() -> list[str]:
    """Names of the mappings that come with Windvane."""
    folder = package_files("windvane.ingest") / "shops"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(name: str | Path) -> Mapping:
    """Read and check a mapping.

    Args:
        name: name of a shipped mapping, or path of a TOML file.

    Raises:
        MappingError: there is no such mapping, or it is wrong; names block and column.
    """
    path = Path(name)
    try:
        if str(name) in shipped():
            text = (package_files("windvane.ingest") / "shops" / f"{name}.toml").read_text(encoding="utf-8")
        else:
            text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(
            f"Cannot read the mapping {name}: {error}.", f"Give a TOML file or one of: {', '.join(shipped())}."
        ) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"Mapping {name} is not valid TOML: {error}.", "Correct the file.") from None
    return parse(values, path.stem)


def parse(values: dict[str, Any], name: str) -> Mapping:
    """Check a mapping that was read from TOML.

    Raises:
        MappingError: it is wrong; names block and column.
    """
    values = dict(values)
    about = str(values.pop("about", ""))
    named = values.pop("files", {})
    if not isinstance(named, dict) or not all(isinstance(v, str) for v in named.values()):
        raise MappingError(f"Mapping {name}: [files] must give one file name per name.", 'Write: sales = "sales.csv"')
    blocks: list[Block] = []
    for table, given in values.items():
        if table not in RAW:
            raise MappingError(f"Mapping {name}: there is no table {table}.", f"Tables: {', '.join(RAW)}.")
        for index, block in enumerate(given if isinstance(given, list) else [given]):
            blocks.append(_block(RAW[table], block, named, f"Mapping {name}, block {table}[{index}]"))
    if not blocks:
        raise MappingError(f"Mapping {name} fills no table.", "Add a block, such as [orders].")
    return Mapping(name, tuple(blocks), about)


def identity(table: Table, header: list[str], file: str) -> Mapping:
    """The mapping for a file whose columns already carry our names.

    Raises:
        MappingError: the file has none of the table's columns, or unknown ones.
    """
    columns = {name: Source(column=name) for name in header if name in table.types}
    unknown = [name for name in header if name not in table.types]
    if unknown or not columns:
        raise MappingError(
            f"{file}: column {unknown[0] if unknown else '(none)'} is no column of {table.name}.",
            f"Rename it, leave it out or write a mapping. Columns: {', '.join(table.names)}.",
        )
    return Mapping("columns as in schema.py", (Block(table, columns, file=file),))


def _block(table: Table, given: object, named: dict[str, str], place: str) -> Block:
    if not isinstance(given, dict):
        raise MappingError(f"{place} must be a TOML table.", f"Write it as [{table.name}], with its settings below.")
    if unknown := sorted(set(given) - _BLOCK_KEYS):
        raise MappingError(f"{place}: unknown setting {unknown[0]}.", f"Settings: {', '.join(sorted(_BLOCK_KEYS))}.")
    if sum(key in given for key in ("file", "query", "rows")) != 1:
        raise MappingError(f"{place} must have exactly one of file, query and rows.", "Say where its rows come from.")
    for key in ("file", "query", "where", "separator"):
        if not isinstance(given.get(key, ""), str):
            raise MappingError(f"{place}: {key} must be text.", "Put it in quotes.")
    rows = given.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MappingError(f"{place}: rows must be a list of tables.", 'Write: rows = [{ location = "all" }]')
    columns = given.get("columns") or {name: name for row in rows for name in row}
    if not isinstance(columns, dict) or not columns:
        raise MappingError(f"{place} has no columns.", f"Add [{table.name}.columns].")
    sources: dict[str, Source] = {}
    for column, source in columns.items():
        if column not in table.types:
            raise MappingError(f"{place}: {table.name} has no column {column}.", f"Columns: {', '.join(table.names)}.")
        sources[column] = _source(source, f"{place}, column {column}", table)
    _require(table, sources, place)
    rules = tuple(_rule(rule, f"{place}, set_aside[{i}]") for i, rule in enumerate(given.get("set_aside", [])))
    return Block(
        table,
        sources,
        given.get("file"),
        given.get("query"),
        tuple(rows),
        given.get("where"),
        rules,
        given.get("separator"),
        dict(named) if "query" in given else {},
    )


def _source(given: object, place: str, table: Table) -> Source:
    if isinstance(given, str):
        return Source(column=given)
    if not isinstance(given, dict):
        raise MappingError(f"{place} must be a column name or a table.", 'Write: "Their name" or { value = ... }')
    if unknown := sorted(set(given) - _COLUMN_KEYS):
        raise MappingError(f"{place}: unknown setting {unknown[0]}.", f"Settings: {', '.join(sorted(_COLUMN_KEYS))}.")
    if sum(key in given for key in _WAYS) != 1:
        raise MappingError(f"{place} must have exactly one of {', '.join(_WAYS)}.", "Say where its values come from.")
    if given.get("unit", "day") not in _UNITS:
        raise MappingError(f"{place}: unknown unit {given['unit']}.", f"Units: {', '.join(_UNITS)}.")
    within = given.get("number_within", ())
    within = (within,) if isinstance(within, str) else tuple(within)
    for name in within:
        if name not in table.types:
            raise MappingError(f"{place}: number_within names {name}, no column of {table.name}.", "Use our names.")
    return Source(
        given.get("from"),
        given.get("value"),
        given.get("sql"),
        within,
        tuple(given.get("json", {}).items()),
        given.get("format"),
        given.get("timezone"),
        given.get("local"),
        given.get("origin"),
        given.get("unit", "day"),
        given.get("days_since"),
    )


def _rule(given: object, place: str) -> Rule:
    if not isinstance(given, dict) or not {"sql", "reason"} <= set(given) <= {"sql", "reason", "name"}:
        raise MappingError(f"{place} must have sql and reason (and may have name).", "Say which rows, and why.")
    return Rule(str(given["sql"]), str(given["reason"]), str(given.get("name", "set_aside")))


DEFAULTED: dict[str, tuple[str, ...]] = {
    "orders": ("line", "location", "kind", "known_at"),
    "stock": ("location", "known_at"),
    "supply": ("location", "known_at"),
    "receipts": ("location", "known_at"),
    "prices": ("location",),
    "promotions": ("location",),
    "signals": ("sku", "location", "region"),
    "events": ("known_at",),
    "reviews": ("known_at",),
    "products": ("known_at",),
    "locations": ("known_at",),
    "customers": ("known_at",),
}
"""Required columns that are filled in where a mapping leaves them out; see ``columns.with_defaults``."""


def _require(table: Table, sources: dict[str, Source], place: str) -> None:
    for column in table.columns:
        if column.nullable or column.name in sources or column.name in DEFAULTED[table.name]:
            continue
        hint = "Add it to the block's columns."
        if column.name == "known_at":
            hint = "Say when each row became known, such as known_at = { from = 'valid_from' }: plans need it."
        raise MappingError(f"{place}: the column {column.name} ({column.meaning}) is missing.", hint)
