"""Reading CSV and Parquet files as they come: every CSV cell as text, every row with its line.

A CSV file is read by polars where that is exact (no line break inside quotes, every line with all its fields) and
by the ``csv`` module otherwise, which is slower but knows the line on which each row begins.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import polars as pl

from windvane.errors import InputError, MappingError

LINE = "_line"
"""Column that holds a row's line in a CSV file (1-based, header included), or its row in a table file."""

_BLOCK = 1 << 22
_SEPARATORS = ",;\t|"
_ENDINGS = (".csv", ".csv.gz", ".tsv", ".parquet")


@dataclass(frozen=True)
class Ragged:
    """A line of a CSV file that does not have one cell per column."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class Content:
    """What was in a file.

    Attributes:
        frame: its rows; :data:`LINE` first, then its columns as they are named there.
        ragged: lines that are no rows.
    """

    frame: pl.DataFrame
    ragged: list[Ragged] = field(default_factory=list)


def find(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder that match a pattern, sorted.

    Raises:
        InputError: there is none, or one is of an unknown kind.
    """
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        raise InputError(f"No file in {folder} matches {pattern}.", "Check the folder, or the mapping's file names.")
    return [known(path) for path in found]


def known(path: Path) -> Path:
    """The path itself, if it exists and its ending is one that can be read.

    Raises:
        InputError: it does not, or cannot.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.", "Check the name.")
    if not path.name.lower().endswith(_ENDINGS):
        raise InputError(f"{path.name} is neither CSV nor Parquet.", f"Files must end in {', '.join(_ENDINGS)}.")
    return path


def tables_in(folder: Path) -> list[Path]:
    """Files of a folder that can be read, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().endswith(_ENDINGS))


def fingerprint(path: Path) -> str:
    """Hash of a file's content."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def header(path: Path, separator: str | None = None) -> list[str]:
    """Column names of a file.

    Raises:
        InputError: the file is empty or unreadable.
    """
    if path.suffix == ".parquet":
        return _scan_parquet(path).collect_schema().names()
    return _csv_header(path, separator)[0]


def scan(path: Path, separator: str | None = None) -> pl.LazyFrame:
    """A file's rows for SQL, lazily where the format allows; categories become text.

    Raises:
        InputError: the file is unreadable, or a CSV line does not have all its cells.
    """
    if path.suffix == ".parquet":
        return _scan_parquet(path)
    content = read_csv(path, separator)
    if content.ragged:
        first = content.ragged[0]
        raise InputError(
            f"{path.name}, line {first.line}: {first.reason}.",
            "Correct the line; files that a query joins must be whole.",
            row=first.line,
        )
    return content.frame.lazy().drop(LINE)


def read(path: Path, separator: str | None = None, where: str | None = None) -> tuple[Content, int]:
    """A file's rows with their lines.

    Args:
        path: CSV (also gzipped) or Parquet file.
        separator: separator of a CSV file; found from its header where absent.
        where: SQL condition; other rows are left out.

    Returns:
        The rows, and how many there were before ``where``.

    Raises:
        InputError: the file is empty, not UTF-8 or not what its name says.
        MappingError: ``where`` does not fit the file.
    """
    if path.suffix == ".parquet":
        lazy = _scan_parquet(path).with_row_index(LINE, offset=1).with_columns(pl.col(LINE).cast(pl.Int64))
        total = int(_scan_parquet(path).select(pl.len()).collect().item())
        return Content(filtered(lazy, where, path.name)), total
    content = read_csv(path, separator)
    total = content.frame.height + len(content.ragged)
    return Content(filtered(content.frame.lazy(), where, path.name), content.ragged), total


def filtered(frame: pl.LazyFrame, where: str | None, place: str) -> pl.DataFrame:
    """Rows that satisfy an SQL condition.

    Raises:
        MappingError: the condition is wrong or names a column that is not there.
    """
    try:
        return (frame.filter(pl.sql_expr(where)) if where else frame).collect()
    except (pl.exceptions.SQLSyntaxError, pl.exceptions.SQLInterfaceError, pl.exceptions.ColumnNotFoundError) as error:
        raise MappingError(f"{place}: where = {where!r} fails: {_first_line(error)}.", "Correct the mapping.") from None


def read_csv(path: Path, separator: str | None = None) -> Content:
    """Read a CSV file, every cell as text; empty cells are null.

    Raises:
        InputError: the file is empty, not UTF-8, or a quote is never closed.
    """
    names, mark = _csv_header(path, separator)
    census = _check_text(path, mark)
    content = _read_fast(path, names, mark, census)
    return content if content is not None else _read_exactly(path, names, mark)


@dataclass
class _Census:
    """What a text file is made of, as far as it decides how it can be read."""

    lines: int = 0
    returns: int = 0
    quotes: int = 0
    separators: int = 0


def _read_fast(path: Path, names: list[str], mark: str, census: _Census) -> Content | None:
    """Read with polars; ``None`` where the result could differ from the lines of the file.

    Without quotes, a line is a row. Polars refuses lines with too many cells; lines with too few show in the
    number of separators.
    """
    if census.quotes or census.returns not in (0, census.lines, census.lines - 1):
        return None
    if census.separators != census.lines * (len(names) - 1):
        return None
    try:
        frame = pl.read_csv(path, separator=mark, infer_schema=False, quote_char=None, empty_string_is_null=True)
    except pl.exceptions.PolarsError:
        return None
    if frame.height != census.lines - 1 or frame.width != len(names):
        return None
    if len(names) == 1 and frame.to_series().null_count():
        return None  # with one column an empty line and an empty cell look the same
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    return Content(frame.insert_column(0, pl.int_range(2, frame.height + 2, dtype=pl.Int64, eager=True).alias(LINE)))


def _read_exactly(path: Path, names: list[str], mark: str) -> Content:
    parts: list[pl.DataFrame] = []
    ragged: list[Ragged] = []
    rows: list[list[str]] = []
    starts: list[int] = []

    def flush() -> None:
        columns = {name: [row[i] or None for row in rows] for i, name in enumerate(names)}
        parts.append(
            pl.DataFrame({LINE: starts, **columns}, schema={LINE: pl.Int64(), **dict.fromkeys(names, pl.String())})
        )
        rows.clear()
        starts.clear()

    with _text(path) as stream:
        reader = csv.reader(stream, delimiter=mark, strict=False)
        start = 1
        try:
            next(reader)
            start = reader.line_num + 1
            for row in reader:
                if row and len(row) != len(names):
                    reason = f"the line has {len(row)} cells, the header has {len(names)}"
                    ragged.append(Ragged(start, mark.join(row)[:2000], reason))
                elif row:
                    rows.append(row)
                    starts.append(start)
                    if len(rows) == 100_000:
                        flush()
                start = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"{path.name}, line {start}: {error}; a quote that opens there is never closed.",
                "Correct the line.",
                row=start,
            ) from None
    flush()
    return Content(pl.concat(parts), ragged)


def _csv_header(path: Path, separator: str | None) -> tuple[list[str], str]:
    with _text(path) as stream:
        try:
            first = stream.readline()
        except UnicodeDecodeError:
            _check_text(path)
            raise
    if not first.strip():
        raise InputError(f"{path.name} is empty: it has no header line.", "Leave it out, or export it again.", row=1)
    mark = separator or max(_SEPARATORS, key=first.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(first), delimiter=mark))]
    for index, name in enumerate(names):
        if not name or name in names[:index] or name == LINE:
            raise InputError(
                f"{path.name}: column {index + 1} of the header is {'empty' if not name else f'{name!r} again'}.",
                "Give every column its own name.",
                column=name,
                row=1,
            )
    return names, mark


def _check_text(path: Path, mark: str = ",") -> _Census:
    """Check that a text file is UTF-8 throughout, and count what it is made of."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="strict")
    census, ended = _Census(), True
    with _binary(path) as stream:
        while block := stream.read(_BLOCK):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                bad = error.object[error.start]
                line = census.lines + 1 + error.object[: error.start].count(b"\n")
                raise InputError(
                    f"{path.name}, line {line}: byte 0x{bad:02X} is not UTF-8.", "Save the file as UTF-8.", row=line
                ) from None
            census.lines += block.count(b"\n")
            census.returns += block.count(b"\r")
            census.quotes += block.count(b'"')
            census.separators += block.count(mark.encode())
            ended = block.endswith(b"\n")
    census.lines += 0 if ended else 1
    return census


def _binary(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _text(path: Path) -> IO[str]:
    return io.TextIOWrapper(_binary(path), encoding="utf-8-sig", newline="")


def _scan_parquet(path: Path) -> pl.LazyFrame:
    try:
        lazy = pl.scan_parquet(path, glob=False)
        kinds = lazy.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{path.name} is no readable Parquet file: {_first_line(error)}.", "Export it again."
        ) from None
    texts = [name for name, kind in kinds.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    return lazy.with_columns(pl.col(texts).cast(pl.String)) if texts else lazy


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
