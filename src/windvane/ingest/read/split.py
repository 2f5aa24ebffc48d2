"""Lines into records, one by one: the slow and forgiving way, for the stretches of a file that are not well formed.

What is read: a cell in quotes may hold separators, line ends and doubled quotes. A quote inside a cell that does not
begin with one is itself (``5" pipe``); so is a single quote inside a cell that does and that ends on its line
(``"5" pipe"``). A cell in quotes that goes on over lines must be well formed; where it is not, or never ends, the
line on which it opens is no row, and reading goes on with the next line: one lost quote costs one line, not the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

QUOTE = b'"'
MAX_SPAN = 5_000
"""Lines over which one cell may go on."""


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        first: index of its first line.
        lines: how many lines it takes.
        cells: its cells; ``None`` where a quote never closes.
    """

    first: int
    lines: int
    cells: list[bytes] | None


class _Torn(Exception):
    """A quote opens that never closes, or a cell over lines is not well formed."""


class _More(Exception):
    """The lines end before the record does."""


def records(lines: list[bytes], separator: bytes, final: bool, quoting: bool = True) -> Iterator[Record]:
    """Split lines into records.

    Args:
        lines: lines with their ends.
        separator: one byte.
        final: whether nothing comes after them; otherwise a record that is not complete is left out.
        quoting: whether quotes have a meaning.
    """
    index = 0
    while index < len(lines):
        line = _bare(lines[index])
        cells: list[bytes] | None = None
        taken = 1
        if not quoting or QUOTE not in line:
            cells = line.split(separator)
        else:
            try:
                cells, taken = _quoted(lines, index, separator)
            except _More:
                if not final:
                    return
            except _Torn:
                pass
            if cells is None and separator == b"\t":
                cells = line.split(separator)  # tables of tabs are often written without any quoting
        yield Record(index, taken, cells)
        index += taken


def _bare(line: bytes) -> bytes:
    """A line without its end."""
    if line.endswith(b"\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith((b"\n", b"\r")) else line


def _quoted(lines: list[bytes], first: int, separator: bytes) -> tuple[list[bytes], int]:
    """Cells of the record that begins on a line, and how many lines it takes."""
    text, taken, place = _bare(lines[first]), 1, 0
    cells: list[bytes] = []
    while True:
        if text[place : place + 1] == QUOTE:
            following = (_with_end(lines, first + i) for i in range(taken, min(len(lines) - first, MAX_SPAN)))
            text, end, more = _closed(text, place + 1, separator, (_end(lines[first + taken - 1]), following))
            taken += more
            cells.append(text[place + 1 : end].replace(b'""', QUOTE))
            place = end + 1
        else:
            end = text.find(separator, place)
            end = len(text) if end < 0 else end
            cells.append(text[place:end])
            place = end
        if place >= len(text):
            return cells, taken
        place += 1


def _end(line: bytes) -> bytes:
    return line[len(_bare(line)) :]


def _with_end(lines: list[bytes], index: int) -> tuple[bytes, bytes]:
    return _bare(lines[index]), _end(lines[index])


def _closed(
    text: bytes, place: int, separator: bytes, rest: tuple[bytes, Iterator[tuple[bytes, bytes]]]
) -> tuple[bytes, int, int]:
    """Find the quote that closes a cell.

    Args:
        text: what is known of the record, without the end of its last line.
        place: where the cell begins, after its quote.
        separator: one byte.
        rest: end of the last line, and the lines that follow with their ends.

    Returns:
        The text with the lines that were needed, the place of the closing quote in it, and how many lines those were.

    Raises:
        _More: the lines end first.
        _Torn: the cell is not well formed.
    """
    ended, following = rest
    parts, offset, bare = [text], 0, False
    while True:
        end = text.find(QUOTE, place)
        while end >= 0:
            after = text[end + 1 : end + 2]
            if after in (b"", separator):
                return b"".join(parts), offset + end, len(parts) // 2
            place = end + (2 if after == QUOTE else 1)
            bare |= after != QUOTE
            if bare and len(parts) > 1:
                raise _Torn
            end = text.find(QUOTE, place)
        if bare:
            raise _Torn
        parts.append(ended)
        offset += len(text) + len(ended)
        try:
            text, ended = next(following)
        except StopIteration:
            raise (_Torn if len(parts) >= 2 * MAX_SPAN - 2 else _More) from None
        parts.append(text)
        place = 0
