"""What every reader gives: rows in chunks, each row with its line, and lines that are no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from windvane.errors import InputError

LINE = "_line"
"""Column that holds a row's line in a text file (1-based, header included), its row in a sheet or in a table file."""

CHUNK_ROWS = 250_000
"""About as many rows a chunk has where they are counted (table files, sheets, JSON)."""

HOPELESS = 20_000
"""Lines that are no rows, after which a file is given up if they are more than the rows."""

BLOCK = 1 << 24
"""Bytes of text a chunk is made from."""


@dataclass(frozen=True)
class Ragged:
    """A line that is no row: too few or too many cells, a quote never closed, no JSON object.

    Attributes:
        line: where it begins (1-based, header included).
        text: the line, cut after 2,000 characters.
        reason: what is wrong with it.
    """

    line: int
    text: str
    reason: str


@dataclass
class Patience:
    """How long a file is read whose lines are mostly no rows.

    Args:
        label: shown name of the file.
    """

    label: str
    rows: int = 0
    ragged: int = 0

    def check(self, rows: int, ragged: list[Ragged]) -> None:
        """Give up where more than half of at least :data:`HOPELESS` lines are no rows.

        Args:
            rows: rows since the last call.
            ragged: lines that are none.

        Raises:
            InputError: it is hopeless; names the last such line.
        """
        self.rows += rows
        self.ragged += len(ragged)
        if self.ragged > HOPELESS and self.ragged > self.rows:
            raise InputError(
                f"{self.label}, line {ragged[-1].line}: {ragged[-1].reason}, as in {self.ragged:,} lines so far; "
                "this is not the table that its header says.",
                "Check its separator, its header and its quotes.",
                row=ragged[-1].line,
            )


@dataclass(frozen=True)
class Content:
    """One chunk of a file.

    Attributes:
        frame: its rows; :data:`LINE` first, then the columns as they are named in the file. Cells of text files
            and sheets are text, empty ones null; table files keep their types.
        ragged: lines that are no rows.
    """

    frame: pl.DataFrame
    ragged: list[Ragged] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """How to read a file where looking at it is not enough.

    Attributes:
        separator: what stands between the cells of a CSV file; found from its first lines where absent.
        encoding: name of a text file's encoding, as Python knows it; found from its bytes where absent.
        sheet: name or number (from 1) of a workbook's sheet; the first that is not empty where absent.
        header: line (or row of the sheet) that holds the column names, from 1; what stands above is skipped.
        explode: JSON only: path of a list, such as ``line_items``, whose elements become the rows.
    """

    separator: str | None = None
    encoding: str | None = None
    sheet: str | int | None = None
    header: int = 1
    explode: str | None = None


@dataclass(frozen=True)
class Reading:
    """A file that was opened: its columns are known, its rows are read when asked for.

    Attributes:
        label: shown name of the file.
        columns: column names, without :data:`LINE`.
        encoding: encoding of a text file; ``None`` for others.
    """

    label: str
    columns: list[str]
    encoding: str | None
    _start: Callable[[], Iterator[Content]]

    def chunks(self) -> Iterator[Content]:
        """The file from its beginning, chunk by chunk; may be called again.

        Raises:
            windvane.errors.InputError: the file is damaged; names the line.
        """
        return self._start()
