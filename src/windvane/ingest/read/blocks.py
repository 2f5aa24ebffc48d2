"""A block of a CSV file into rows: by polars where it is well formed, line by line where it is not.

Polars is exact if every row has all its cells and quotes stand only where they should. Both are checked on the bytes
with numpy, at a fraction of the cost of parsing. A block without quotes that has ragged lines gives them up and the
rest to polars; a block whose quotes went wrong is split by :mod:`windvane.ingest.read.split`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from windvane.errors import InputError
from windvane.ingest.read.content import HOPELESS, LINE, Content, Ragged
from windvane.ingest.read.split import QUOTE, Record, records

SHOWN = 2_000
"""Characters of a ragged line that are kept."""

_SLICE = 1 << 20
_FEW = 20
"""One ragged line in so many lines; with more of them cutting them out does not pay."""
_QUOTE, _END, _RETURN = b'"\n\r'

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Dialect:
    """How the rows of a file are written.

    Attributes:
        label: shown name of the file.
        separator: one byte.
        names: column names.
        width: cells per row; more than names where columns at the end have none.
    """

    label: str
    separator: bytes
    names: list[str]
    width: int


@dataclass(frozen=True)
class Taken:
    """What a block gave.

    Attributes:
        content: its rows; ``None`` where it holds no whole row.
        size: bytes used; the rest belongs to the next block.
        lines: lines used.
    """

    content: Content | None
    size: int
    lines: int


NOTHING = Taken(None, 0, 0)


def take(dialect: Dialect, buffer: bytes, final: bool, line: int) -> Taken:
    """The whole rows of a block.

    Args:
        dialect: how they are written.
        buffer: bytes that begin with a row.
        final: whether the file ends with them; they must then end with a line end.
        line: line of the first row.

    Raises:
        InputError: a byte is not UTF-8, or a column without a name holds a value.
    """
    if not buffer:
        return NOTHING
    mixed = b"\r" in buffer and buffer.count(b"\r") != buffer.count(b"\r\n")
    if not mixed:
        quoted = QUOTE in buffer
        taken = _quoted(dialect, buffer, final, line) if quoted else _unquoted(dialect, buffer, final, line)
        if taken is not None:
            return taken
    return _slow(dialect, buffer, final, line)


def count(buffer: bytes, code: int) -> int:
    """How often a byte stands in a block, slice by slice so that the comparison stays in the cache."""
    codes = np.frombuffer(buffer, dtype=np.uint8)
    return sum(int(np.count_nonzero(codes[i : i + _SLICE] == code)) for i in range(0, codes.size, _SLICE))


def _unquoted(dialect: Dialect, buffer: bytes, final: bool, line: int) -> Taken | None:
    part = buffer if final else buffer[: buffer.rfind(b"\n") + 1]
    if not part:
        return NOTHING
    lines = count(part, _END)
    frame = _parsed(dialect, part, quoted=False)
    if frame is None or frame.height != lines:
        return _without_ragged(dialect, part, lines, line)
    if not _filled(frame) and count(part, dialect.separator[0]) != lines * (dialect.width - 1):
        return _without_ragged(dialect, part, lines, line)
    return Taken(Content(_named(dialect, frame, _numbers(line, lines))), len(part), lines)


def _quoted(dialect: Dialect, buffer: bytes, final: bool, line: int) -> Taken | None:
    """Rows of a block with quotes, if every quote opens or closes a cell or is doubled.

    Then quotes alternate between opening and closing, a doubled one closing and opening at once; what stands between
    an odd and an even one is outside.
    """
    codes = np.frombuffer(buffer, dtype=np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE)
    if final:
        size = len(buffer)
        if quotes.size % 2:
            return None
    else:
        size = _last_end(buffer, quotes)
        if not size:
            return NOTHING if len(buffer) < 2 * len(dialect.names) + _SLICE else None
        quotes = quotes[: np.searchsorted(quotes, size)]
    if not _well_formed(codes[:size], quotes, dialect.separator[0]):
        return None
    part = buffer[:size]
    lines = count(part, _END)
    frame = _parsed(dialect, part, quoted=True)
    if frame is None:
        return None
    numbers = _numbers(line, lines)
    if frame.height != lines:
        outside = np.searchsorted(quotes, np.flatnonzero(codes[:size] == _END)) % 2 == 0
        starts = np.concatenate([[0], np.flatnonzero(outside) + 1])[: int(outside.sum())]
        if frame.height != starts.size:
            return None
        numbers = pl.Series(LINE, starts.astype(np.int64) + line)
    needed = frame.height * (dialect.width - 1)
    if not _filled(frame) and _separators(codes[:size], quotes, dialect) != needed:
        return None
    frame = _emptied(frame) if b'""' in part else frame
    return Taken(Content(_named(dialect, frame, numbers)), size, lines)


def _last_end(buffer: bytes, quotes: Places) -> int:
    """Bytes up to the last line end that stands outside quotes."""
    end = len(buffer)
    while (end := buffer.rfind(b"\n", 0, end)) >= 0:
        before = int(np.searchsorted(quotes, end))
        if before % 2 == 0:
            return end + 1
        end = int(quotes[before - 1])  # everything after the quote that opened is inside
    return 0


def _well_formed(codes: npt.NDArray[np.uint8], quotes: Places, separator: int) -> bool:
    before = np.zeros(256, dtype=bool)
    before[[separator, _END, _QUOTE]] = True
    after = before.copy()
    after[_RETURN] = True
    opening, closing = quotes[::2], quotes[1::2] + 1
    if opening.size and opening[0] == 0:
        opening = opening[1:]
    if closing.size and closing[-1] == codes.size:
        closing = closing[:-1]
    return bool(before[codes[opening - 1]].all() and after[codes[closing]].all())


def _separators(codes: npt.NDArray[np.uint8], quotes: Places, dialect: Dialect) -> int:
    """Separators outside quotes."""
    marks = np.flatnonzero(codes == dialect.separator[0])
    places = np.searchsorted(marks, quotes)
    return int(marks.size - (places[1::2] - places[::2]).sum())


def _filled(frame: pl.DataFrame) -> bool:
    """Whether every row has a last cell, and so all its cells: there is then nothing to count.

    Polars itself refuses rows with too many.
    """
    return not frame.to_series(-1).null_count()


def _parsed(dialect: Dialect, part: bytes, quoted: bool) -> pl.DataFrame | None:
    if part.startswith((b"\n", b"\r")):
        return None  # polars takes the first line for the shape of all
    try:
        return pl.read_csv(
            part,
            has_header=False,
            separator=dialect.separator.decode(),
            quote_char='"' if quoted else None,
            schema={f"column_{i}": pl.String for i in range(dialect.width)},
            empty_string_is_null=True,
            extra_columns="raise",
        )
    except pl.exceptions.PolarsError:
        return None


def _without_ragged(dialect: Dialect, part: bytes, lines: int, line: int) -> Taken | None:
    """Rows of a block without quotes some of whose lines have too few or too many cells."""
    codes = np.frombuffer(part, dtype=np.uint8)
    ends = np.flatnonzero(codes == _END) + 1
    cells = np.diff(np.searchsorted(np.flatnonzero(codes == dialect.separator[0]), ends), prepend=0) + 1
    begins = np.concatenate([[0], ends[:-1]])
    odd = np.flatnonzero((cells != dialect.width) | (codes[begins] == _END) | (codes[begins] == _RETURN))
    if not odd.size or odd.size * _FEW > lines:
        return None
    kept, ragged, done = [], [], 0
    for index in odd.tolist():
        begin, end = int(begins[index]), int(ends[index])
        kept.append(part[done:begin])
        done = end
        split = part[begin:end].rstrip(b"\r\n").split(dialect.separator)
        if any(split):
            ragged.append(_ragged(dialect, part[begin:end], split, line + index))
    kept.append(part[done:])
    frame = _parsed(dialect, b"".join(kept), quoted=False)
    if frame is None or frame.height != lines - odd.size:
        return None
    numbers = pl.Series(LINE, np.delete(np.arange(line, line + lines, dtype=np.int64), odd))
    return Taken(Content(_named(dialect, frame, numbers), ragged), len(part), lines)


def _slow(dialect: Dialect, buffer: bytes, final: bool, line: int) -> Taken:
    lines = buffer.splitlines(keepends=True)
    if not final:
        # The last line may go on, and a carriage return may be half of a line end.
        lines.pop()
    cells: list[list[bytes]] = []
    starts: list[int] = []
    ragged: list[Ragged] = []
    taken = 0
    for record in records(lines, dialect.separator, final):
        taken = record.first + record.lines
        if record.cells is not None and len(record.cells) == dialect.width:
            cells.append(record.cells)
            starts.append(line + record.first)
        elif record.cells is None or any(record.cells):
            ragged.append(_ragged(dialect, _joined(lines, record), record.cells, line + record.first))
            if len(ragged) > HOPELESS and len(ragged) > len(cells):
                break  # whoever counts will give up
    used = sum(map(len, lines[:taken]))
    columns = zip(*cells, strict=True) if cells else [()] * dialect.width
    try:
        frame = pl.DataFrame(
            [pl.Series(f"column_{i}", column, dtype=pl.Binary).cast(pl.String) for i, column in enumerate(columns)]
        )
    except pl.exceptions.PolarsError:
        refuse_bytes(dialect.label, buffer[:used], line)
        raise
    numbers = pl.Series(LINE, starts, dtype=pl.Int64)
    return Taken(Content(_named(dialect, _emptied(frame), numbers), ragged), used, taken)


def _joined(lines: list[bytes], record: Record) -> bytes:
    return b"".join(lines[record.first : record.first + record.lines])


def _ragged(dialect: Dialect, text: bytes, cells: list[bytes] | None, line: int) -> Ragged:
    if cells is None:
        reason = "a quote opens in this line and never closes"
    else:
        reason = f"the line has {len(cells)} cells, the header has {len(dialect.names)}"
    return Ragged(line, text.rstrip(b"\r\n")[: 4 * SHOWN].decode(errors="replace")[:SHOWN], reason)


def _numbers(line: int, count: int) -> pl.Series:
    return pl.int_range(line, line + count, dtype=pl.Int64, eager=True).alias(LINE)


def _emptied(frame: pl.DataFrame) -> pl.DataFrame:
    """Empty cells as null."""
    return frame.select(pl.when(pl.all() != "").then(pl.all()))


def _named(dialect: Dialect, frame: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """A block's rows under their names; rows without any content are left out."""
    names = dialect.names
    for name in frame.columns[len(names) :]:
        if frame[name].null_count() < frame.height:
            row = int(numbers.filter(frame[name].is_not_null())[0])
            raise InputError(
                f"{dialect.label}, line {row}: there is a value in a column without a name.",
                "Give every column its own name.",
                row=row,
            )
    frame = frame.select(frame.columns[: len(names)])
    frame.columns = names
    frame = frame.insert_column(0, numbers)
    if frame.height and all(frame[name].null_count() for name in names):
        frame = frame.filter(pl.any_horizontal(pl.col(names).is_not_null()))
    return frame


def refuse_bytes(label: str, part: bytes, line: int) -> None:
    """Say where a text is not UTF-8, if it is not.

    Raises:
        InputError: it is not.
    """
    try:
        part.decode()
    except UnicodeDecodeError as error:
        before = part[: error.start]
        row = line + len(before.splitlines()) - (bool(before) and not before.endswith((b"\n", b"\r")))
        raise InputError(
            f"{label}, line {row}: byte 0x{part[error.start]:02X} is not UTF-8.",
            'Save the file as UTF-8, or name its encoding in the mapping: encoding = "gb18030".',
            row=row,
        ) from None
