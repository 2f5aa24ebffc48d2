"""Rows from PostgreSQL and MySQL, written to one Parquet file and then read like any other file.

The rows pass in batches, so that a table larger than memory can be read. Passwords are never stored or shown: a
mapping names an environment variable, not an address.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import polars as pl

from windvane.errors import ConfigError, ExtraMissingError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

SINCE = "{since}"
"""Stands in a statement for the largest value of the cursor column that was read before."""

_BATCH_ROWS = 100_000
_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306}
_PATIENCE = 5.0
_FIRST = "1970-01-01 00:00:00"


@dataclass(frozen=True)
class Spooled:
    """The rows of a statement, on disk.

    Attributes:
        path: Parquet file.
        rows: number of rows.
        fingerprint: hash of the rows, whatever their order.
        last: largest value of the cursor column, as text that SQL understands; ``None`` without rows or cursor.
    """

    path: Path
    rows: int
    fingerprint: str
    last: str | None = None


def spool(address: str, select: str, path: Path, cursor: str | None = None, since: str | None = None) -> Spooled:
    """Write the rows of a statement to a Parquet file, batch by batch.

    Args:
        address: ``postgresql://user:password@host:port/database`` or ``mysql://...``.
        select: a SELECT statement, or the name of a table.
        path: file to write.
        cursor: column whose largest value is noted, so that the next call can go on from there.
        since: value that ``{since}`` in the statement stands for; 1970 where absent.

    Returns:
        What was written. Decimal numbers become Float64; moments with a time zone keep it.

    Raises:
        ConfigError: the address is of another kind.
        InputError: the database cannot be reached or refuses the statement.
        ExtraMissingError: the extra "sql" is not installed.
    """
    where = _checked(address)
    statement = _statement(select, since)
    rows, total = 0, 0
    last: Any = None
    writer: pa.parquet.ParquetWriter | None = None
    import pyarrow.parquet as parquet

    try:
        for batch in _batches(address, statement, where):
            frame = _plain(batch)
            if cursor is not None:
                last = _latest(frame, cursor, last)
            rows += frame.height
            total = (total + _hash_sum(frame)) % (1 << 64)
            table = frame.to_arrow()
            if writer is None:
                writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise InputError(f"{label(address)}: the statement gives no columns.", "Correct the statement.")
    return Spooled(path, rows, f"{rows:x}-{total:016x}", None if last is None else str(last))


def label(address: str) -> str:
    """The address as it may be shown: kind, host and database, never user or password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def from_environment(name: str) -> str:
    """The address that an environment variable holds.

    Raises:
        ConfigError: the variable is not set.
    """
    address = os.environ.get(name, "").strip()
    if not address:
        raise ConfigError(
            f"The environment variable {name} is not set.",
            f"Set it to the database's address, such as {name}=postgresql://user:password@host:5432/shop",
        )
    return address


def _checked(address: str) -> SplitResult:
    """The address in parts, once something has answered at its host and port."""
    parts = urlsplit(address)
    if parts.scheme not in _PORTS:
        raise ConfigError(
            f"{parts.scheme or 'This'} is no kind of database that can be read.",
            "Give an address that begins with postgresql:// or mysql://.",
        )
    host = parts.hostname or "localhost"
    try:
        port = parts.port or _PORTS[parts.scheme]
        socket.create_connection((host, port), _PATIENCE).close()
    except (OSError, ValueError) as error:
        raise InputError(f"{label(address)} does not answer: {error}.", "Check host, port and network.") from None
    return parts


def _statement(select: str, since: str | None) -> str:
    text = select.strip().rstrip(";").strip()
    if re.fullmatch(r"[\w.\"`]+", text):
        text = f"SELECT * FROM {text}"
    if not re.match(r"(?is)\s*(select|with)\b", text) or ";" in text:
        raise ConfigError("The statement must be one SELECT.", "Write SELECT ..., or the name of a table.")
    return text.replace(SINCE, "'" + (since or _FIRST).replace("'", "''") + "'")


def _batches(address: str, statement: str, where: SplitResult) -> Iterator[pa.RecordBatch]:
    # Otherwise the driver's connection pool writes every failed attempt to standard error.
    os.environ.setdefault("RUST_LOG", "off")
    try:
        import connectorx
    except ImportError:
        raise ExtraMissingError("sql", "Reading a database") from None
    try:
        yield from connectorx.read_sql(address, statement, return_type="arrow_stream", batch_size=_BATCH_ROWS)
    except RuntimeError as error:
        said = str(error)
        if where.password:
            said = said.replace(where.password, "***")
        raise InputError(f"{label(address)}: {said}.", "Check the statement and the user's rights.") from None


def _plain(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.DataFrame(batch)
    decimals = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Decimal)]
    return frame.with_columns(pl.col(decimals).cast(pl.Float64)) if decimals else frame


def _latest(frame: pl.DataFrame, cursor: str, last: Any) -> Any:
    if cursor not in frame.columns:
        raise InputError(
            f"The statement gives no column {cursor}, which is to tell new rows from old.",
            f"It gives: {', '.join(frame.columns)}.",
            column=cursor,
        )
    newest = frame[cursor].max()
    if newest is None:
        return last
    return newest if last is None else max(last, newest)


def _hash_sum(frame: pl.DataFrame) -> int:
    """Sum of the rows' hashes: the same whatever order the database gives them in."""
    hashes = frame.hash_rows(seed=1).to_numpy()
    return int(hashes.sum(dtype="uint64")) if len(hashes) else 0
