"""CSV and its kin: the header and the separator found, the rows given block by block.

The next block is fetched (unpacked, recoded) by a thread while this one is parsed and used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from windvane.errors import InputError
from windvane.ingest.read.blocks import Dialect, refuse_bytes, take
from windvane.ingest.read.content import BLOCK, Content, Options, Patience, Reading
from windvane.ingest.read.encoding import Recoded, known
from windvane.ingest.read.names import checked
from windvane.ingest.read.split import Record, records

MAX_ROW = 1 << 24
"""Bytes of one row; more is no table."""

SEPARATORS = (",", ";", "\t", "|")
_HEAD = 1 << 18


@dataclass(frozen=True)
class _Plan:
    """How to read one file.

    Attributes:
        dialect: how its rows are written.
        stream: opens the file from its beginning, as UTF-8.
        start: bytes before the first row.
        line: line of the first row.
    """

    dialect: Dialect
    stream: Callable[[], Recoded]
    start: int
    line: int


def open_text(source: Callable[[], BinaryIO], label: str, options: Options) -> Reading:
    """Look at the beginning of a CSV file.

    Args:
        source: opens its (unpacked) bytes from the beginning.
        label: shown name.
        options: what is known about it.

    Raises:
        InputError: it is empty, or its header is wrong.
    """
    encoding_given = known(options.encoding) if options.encoding else None

    def stream() -> Recoded:
        return Recoded(source(), label, encoding_given)

    with closing(stream()) as text:
        head = text.read(_HEAD)
        encoding = text.encoding
    plan = _plan(head, len(head) < _HEAD, label, options, stream)
    return Reading(label, plan.dialect.names, encoding, lambda: _chunks(plan))


def _plan(head: bytes, final: bool, label: str, options: Options, stream: Callable[[], Recoded]) -> _Plan:
    lines = head.splitlines(keepends=True)
    skipped = options.header - 1
    separator = options.separator
    if skipped == 0 and separator is None and lines and lines[0].lower().startswith(b"sep=") and len(lines[0]) > 4:
        separator, skipped = chr(lines[0][4]), 1  # what Excel writes to tell itself
    while options.header == 1 and skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    if skipped >= len(lines) or not lines[skipped].strip():
        raise InputError(
            f"{label} is empty: it has no header line.", "Leave it out, or export it again.", row=skipped + 1
        )
    mark = (separator or _guess(lines[skipped:], final)).encode()
    first, *rows = _first(lines[skipped:], mark, final)
    if first.cells is None:
        raise InputError(
            f"{label}, line {skipped + 1}: a quote in the header never closes.", "Correct the header.", row=skipped + 1
        )
    for cell in first.cells:
        refuse_bytes(label, cell, skipped + 1)
    names = checked([cell.decode() for cell in first.cells], label, skipped + 1)
    width = _width(first.cells, names, rows)
    taken = skipped + first.lines
    return _Plan(Dialect(label, mark, names, width), stream, sum(map(len, lines[:taken])), taken + 1)


def _first(lines: list[bytes], mark: bytes, final: bool, count: int = 100) -> list[Record]:
    found = []
    for record in records(lines[: 10 * count], mark, final):
        found.append(record)
        if len(found) > count:
            break
    return found or [Record(0, 1, None)]


def _guess(lines: list[bytes], final: bool) -> str:
    """The separator that gives the first rows most evenly as many cells as the header, and most of them."""
    best, score = ",", (False, 0.0)
    for mark in SEPARATORS:
        first, *rows = _first(lines, mark.encode(), final)
        width = len(first.cells or ())
        if width < 2:
            continue
        # The last row of a sample may be cut short, blank lines say nothing.
        whole = [row.cells for row in (rows if final else rows[:-1]) if row.cells not in (None, [b""])]
        even = sum(len(cells or ()) == width for cells in whole) / len(whole) if whole else 1.0
        if (even >= 0.5, even * width) > score:
            best, score = mark, (even >= 0.5, even * width)
    return best


def _width(header: list[bytes], names: list[str], rows: list[Record]) -> int:
    """How many cells a row has; some exports end every row with a separator, but not the header."""
    width = len(header)
    given = [row.cells for row in rows if row.cells]
    ended = width == len(names) and given and all(len(cells) == width + 1 and not cells[-1] for cells in given)
    return width + 1 if ended else width


def _chunks(plan: _Plan) -> Iterator[Content]:
    with closing(plan.stream()) as stream, ThreadPoolExecutor(1, "windvane-read") as ahead:
        stream.read(plan.start)
        line, carry, size = plan.line, b"", BLOCK
        patience = Patience(plan.dialect.label)
        coming = None  # a file of one block needs no thread
        while True:
            data = stream.read(size) if coming is None else coming.result()
            final = len(data) < size
            if not final:
                coming = ahead.submit(stream.read, size)
            buffer = carry + data if carry else data
            del data
            if final and (buffer := buffer.rstrip(b"\r\n")):
                buffer += b"\n"
            taken = take(plan.dialect, buffer, final, line)
            carry, line = buffer[taken.size :], line + taken.lines
            del buffer
            content = taken.content
            if content is not None and (content.frame.height or content.ragged):
                patience.check(content.frame.height, content.ragged)
                yield content
            if final:
                return
            if len(carry) > MAX_ROW:
                raise InputError(
                    f"{plan.dialect.label}, line {line}: the line is longer than {MAX_ROW >> 20} MiB.",
                    "This is no table of rows; export it again, or check its encoding.",
                    row=line,
                )
