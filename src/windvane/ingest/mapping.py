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
    known_at = { file_date = "%Y%m%d" }            # a date in the file's name; or { arrival = true }: now
    [[orders.set_aside]]                           # rows that are no product sales
    sql = "StockCode = 'POST'"
    reason = "postage, not a product"

``query`` takes the place of ``file`` where rows must be joined or summed first: SQL over the files that the
top-level ``[files]`` block names. ``rows`` takes its place where the mapping itself holds the rows, ``select`` where a
database does; ``database`` names the environment variable with its address (``WINDVANE_DATABASE`` where absent), and
``cursor`` the column from whose largest value the next call goes on.
In CSV files every column is text in SQL, so ``CAST(Quantity AS INT)`` where a number is meant.

A block also says how its files are to be read where looking at them is not enough: ``encoding``, ``separator``,
``sheet``, ``header`` (line of the column names), ``explode`` (JSON: list whose elements are the rows), ``decimal``
("," or "."), ``currency`` (a code, or ``{ from = "column" }``: rows in another currency than the shop's are set
aside).

What is put right in its rows before that (``signature``, ``aliases``, ``optional``, ``unwrap``, ``fill_down``) is said
in :mod:`windvane.ingest.cells.tidy`.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import re
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from windvane.errors import MappingError
from windvane.ingest.cells import tidy
from windvane.ingest.cells.tidy import Tidy
from windvane.schema import RAW, Table

_ORIGINS = ("file", "query", "rows", "select")
_TEXT_KEYS = ("file", "query", "select", "cursor", "database", "where", "separator", "encoding", "explode", "decimal")
_BLOCK_KEYS = {*_TEXT_KEYS, "rows", "columns", "set_aside", "sheet", "header", "currency", *tidy.KEYS}
_WAYS = ("from", "value", "sql", "number_within", "json", "file_date", "arrival")
_TEXT_SETTINGS = ("from", "sql", "file_date", "timezone", "local", "origin", "unit", "days_since", "decimal")
_COLUMN_KEYS = {*_WAYS, *_TEXT_SETTINGS, "format"}
_UNITS = ("microsecond", "millisecond", "second", "minute", "hour", "day", "week")
_MARKS = (",", ".")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_OVER_ROWS = re.compile(r"\b(?:OVER|COUNT|SUM|AVG|MIN|MAX|FIRST|LAST|STDDEV|VARIANCE|MEDIAN)\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where one column of ours comes from; exactly one of the ways is set.

    Attributes:
        column: name of their column (``from``).
        value: the same value for every row.
        sql: an SQL expression over their columns.
        number_within: running number, from 1, among rows with equal values of these columns of ours.
        json: a JSON object, our names to their columns.
        file_date: strptime format of a date in the file's name, which is the value.
        arrival: the value is the moment of this ingest.
        format: strptime format of a date or moment, or several; also 'excel', 'unix' and 'unix_ms'.
        timezone: time zone that a moment is written in, if it is not local time.
        local: the shop's time zone, which moments are converted to.
        origin: ISO date that a number counts from (with ``unit``).
        unit: what the number counts: microsecond, millisecond, second, minute, hour, day or week.
        days_since: ISO date; the value is the number of days since then.
        decimal: decimal mark of a number, ',' or '.'; found from the cells where absent.
    """

    column: str | None = None
    value: object = None
    sql: str | None = None
    number_within: tuple[str, ...] = ()
    json: tuple[tuple[str, str], ...] = ()
    format: str | tuple[str, ...] | None = None
    timezone: str | None = None
    local: str | None = None
    origin: str | None = None
    unit: str = "day"
    days_since: str | None = None
    decimal: str | None = None
    file_date: str | None = None
    arrival: bool | None = None


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
    tidy: Tidy | None = None
    encoding: str | None = None
    sheet: str | int | None = None
    header: int | None = None
    explode: str | None = None
    decimal: str | None = None
    currency: str | Source | None = None
    select: str | None = None
    cursor: str | None = None
    database: str | None = None

    @property
    def whole(self) -> bool:
        """Whether an expression looks at many rows (a sum, a window), so that the file must be held as a whole."""
        given = [self.where, *(how.sql for how in self.columns.values()), *(rule.sql for rule in self.set_aside)]
        return any(_OVER_ROWS.search(_QUOTED.sub("''", sql)) for sql in given if sql)

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


def dump_block(block: Block) -> dict[str, Any]:
    """A block as plain values for JSON; :func:`load_block` makes the same block of them."""
    return {each.name: _plain(getattr(block, each.name)) for each in fields(block)}


def load_block(values: dict[str, Any]) -> Block:
    """The block that :func:`dump_block` wrote.

    Raises:
        MappingError: the values are none that it writes (a newer Windvane wrote them, or the file is damaged).
    """
    try:
        made = {name: _lively(value) for name, value in values.items()}
        made["table"] = RAW[made["table"]]
        made["columns"] = {name: Source(**how) for name, how in made["columns"].items()}
        made["set_aside"] = tuple(Rule(**rule) for rule in made["set_aside"])
        made["tidy"] = made["tidy"] and Tidy(**made["tidy"])
        if isinstance(made["currency"], dict):
            made["currency"] = Source(**made["currency"])
        return Block(**made)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MappingError(f"A kept mapping cannot be read: {error}.", "Ingest the file again.") from None


_DATED: dict[str, type[date] | type[time]] = {"date": date, "datetime": datetime, "time": time}


def _plain(value: Any) -> Any:
    if isinstance(value, Table):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return {"tuple": [_plain(each) for each in value]}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, date | time):  # a moment is a date, too
        return {type(value).__name__: value.isoformat()}
    return value


def _lively(value: Any) -> Any:
    if isinstance(value, list):
        return [_lively(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "tuple" and isinstance(content, list):
            return tuple(_lively(each) for each in content)
        if kind in _DATED and isinstance(content, str):
            with contextlib.suppress(ValueError):
                return _DATED[kind].fromisoformat(content)
    return {name: _lively(each) for name, each in value.items()}


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
    except FileNotFoundError:
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), shipped(), 1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise MappingError(
            f"There is no mapping {name}: no file of that name, and none that comes with Windvane.",
            f"{meant}Give a TOML file, or one of: {', '.join(shipped())}.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        raise MappingError(
            f"Cannot read the mapping {name}: {what}.", f"Give a TOML file, or one of: {', '.join(shipped())}."
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
        MappingError: the file has none of the table's columns, or unknown ones, or lacks one that every row needs.
    """
    columns = {name: Source(column=name) for name in header if name in table.types}
    unknown = [name for name in header if name not in table.types]
    if unknown or not columns:
        raise MappingError(
            f"{file}: column {unknown[0] if unknown else '(none)'} is no column of {table.name}.",
            f"Rename it, leave it out or write a mapping. Columns: {', '.join(table.names)}.",
        )
    _require(table, columns, file)
    return Mapping("columns as in the schema", (Block(table, columns, file=file),))


def _block(table: Table, given: object, named: dict[str, str], place: str) -> Block:
    if not isinstance(given, dict):
        raise MappingError(f"{place} must be a TOML table.", f"Write it as [{table.name}], with its settings below.")
    if unknown := sorted(set(given) - _BLOCK_KEYS):
        raise MappingError(f"{place}: unknown setting {unknown[0]}.", f"Settings: {', '.join(sorted(_BLOCK_KEYS))}.")
    if sum(key in given for key in _ORIGINS) != 1:
        raise MappingError(f"{place} must have exactly one of {', '.join(_ORIGINS)}.", "Say where its rows come from.")
    _check_settings(given, place)
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
    tidied = tidy.parse(given, place)
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
        tidied,
        given.get("encoding"),
        given.get("sheet"),
        given.get("header"),
        given.get("explode"),
        given.get("decimal"),
        _currency(given.get("currency"), f"{place}, currency", table),
        given.get("select"),
        given.get("cursor"),
        given.get("database"),
    )


def _check_settings(given: dict[str, Any], place: str) -> None:
    for key in _TEXT_KEYS:
        if not isinstance(given.get(key, ""), str):
            raise MappingError(f"{place}: {key} must be text.", "Put it in quotes.")
    sheet, header = given.get("sheet", 1), given.get("header", 1)
    if isinstance(sheet, bool) or not isinstance(sheet, str | int):
        raise MappingError(f"{place}: sheet must be a name or a number.", 'Write: sheet = "Orders" or sheet = 1')
    if isinstance(header, bool) or not isinstance(header, int) or header < 1:
        raise MappingError(f"{place}: header must be a line number from 1.", "Write: header = 3")
    if given.get("decimal", ".") not in _MARKS:
        raise MappingError(f"{place}: decimal must be ',' or '.'.", 'Write: decimal = ","')
    if (
        beside := next((key for key in ("cursor", "database") if key in given and "select" not in given), None)
    ) is not None:
        raise MappingError(f"{place}: {beside} needs select.", "Say what to read from the database, or leave it out.")
    if not isinstance(given.get("set_aside", []), list):
        raise MappingError(f"{place}: set_aside must be a list of tables.", f"Write: [[{place.split()[-1]}.set_aside]]")


def _currency(given: object, place: str, table: Table) -> str | Source | None:
    if given is None:
        return None
    if isinstance(given, str) and re.fullmatch("[A-Z]{3}", given):
        return given
    if isinstance(given, dict):
        return _source(given, place, table)
    raise MappingError(f"{place} must be an ISO 4217 code or {{ from = ... }}.", 'Write: currency = "EUR"')


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
    for key in _TEXT_SETTINGS:
        if not isinstance(given.get(key, ""), str):
            raise MappingError(f"{place}: {key} must be text.", "Put it in quotes.")
    if given.get("arrival", True) is not True:
        raise MappingError(f"{place}: arrival can only be true.", "Leave it out, or write { arrival = true }.")
    if given.get("decimal", ".") not in _MARKS:
        raise MappingError(f"{place}: decimal must be ',' or '.'.", 'Write: decimal = ","')
    form = given.get("format")
    if isinstance(form, list):
        form = tuple(form)
    if form is not None and not all(isinstance(each, str) for each in (form if isinstance(form, tuple) else (form,))):
        raise MappingError(f"{place}: format must be text, or a list of texts.", 'Write: format = "%d.%m.%Y"')
    pairs = given.get("json", {})
    if not isinstance(pairs, dict) or not all(isinstance(each, str) for each in pairs.values()):
        raise MappingError(f"{place}: json must give a column per name.", 'Write: { json = { colour = "Colour" } }')
    within = given.get("number_within", ())
    if not isinstance(within, str | list | tuple):
        raise MappingError(f"{place}: number_within must name columns.", 'Write: { number_within = "order_id" }')
    within = (within,) if isinstance(within, str) else tuple(within)
    for name in within:
        if name not in table.types:
            raise MappingError(f"{place}: number_within names {name}, no column of {table.name}.", "Use our names.")
    return Source(
        given.get("from"),
        given.get("value"),
        given.get("sql"),
        within,
        tuple(pairs.items()),
        form,
        given.get("timezone"),
        given.get("local"),
        given.get("origin"),
        given.get("unit", "day"),
        given.get("days_since"),
        given.get("decimal"),
        given.get("file_date"),
        given.get("arrival"),
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
    "calendar": ("country", "region"),
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
