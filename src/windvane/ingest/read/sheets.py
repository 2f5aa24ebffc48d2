"""Workbooks (xlsx, xlsm, xlsb, xls, ods): one sheet, every cell as the text that stands for its value.

Workbooks are read by calamine, which holds the whole sheet in memory; a sheet cannot have more than a million rows.
What a workbook unpacks to, and how far its cells spread, is therefore measured beforehand. A formula gives the value
it had when the file was saved, an error such as ``#N/A`` an empty cell.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from windvane.errors import InputError
from windvane.ingest.read import packed
from windvane.ingest.read.content import LINE, Content, Options, Reading
from windvane.ingest.read.names import checked

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of xls files, and of workbooks locked with a password."""

MAX_CELLS = 60_000_000
"""Cells of the rectangle that a sheet's values span; calamine takes 24 bytes for each, filled or not."""

_ROWS = 50_000
_STEP = 1 << 22
_FAR = re.compile(rb'<c r="([A-Z]{2,3})\d')
_ROW = re.compile(rb'<row\b[^>]*? r="(\d+)"|<row r="(\d+)"|<c r="[A-Z]{1,3}(\d+)"')
_REPEATED = re.compile(rb'<table:table-(row|cell)\b[^>]*?-repeated="(\d{5,})"[^>]*>.{0,400}', re.DOTALL)

Cell = str | int | float | bool | date | datetime | time | timedelta


def open_sheet(source: Callable[[], BinaryIO], label: str, options: Options) -> Reading:
    """Look at the header of a sheet.

    Args:
        source: opens the workbook's bytes; they must be seekable.
        label: shown name.
        options: which sheet, and which row is its header.

    Raises:
        InputError: the workbook is damaged, locked or too large, or has no such sheet or no header.
    """
    with closing(source()) as stream:
        _measure(stream, label)
        with closing(_opened(stream, label)) as book:
            name, sheet = _chosen(book, label, options.sheet)
            several = len(book.sheet_names) > 1
            shown = f"{label}, sheet {name}" if several else label
            row, names, _ = _header(sheet, shown, options)
    return Reading(shown, names, None, lambda: _chunks(source, shown, name, Options(header=row)))


@contextmanager
def _sound(label: str) -> Iterator[None]:
    """Say of a workbook that it is damaged, however calamine says it."""
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError:
        raise InputError(
            f"{label} is locked with a password.", "Save it without one, or save the sheet as CSV."
        ) from None
    except CalamineError as error:
        raise _damaged(label, error) from None
    except packed.DAMAGE as error:
        raise _damaged(label, error) from None
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # what a failed assertion inside calamine becomes
            raise _damaged(label, error) from None
        raise


def _damaged(label: str, error: BaseException) -> InputError:
    return InputError(
        f"{label} is no sound workbook: {packed.told(error)}.", "Open it and save it again, or save it as CSV."
    )


def _opened(stream: BinaryIO, label: str) -> CalamineWorkbook:
    from python_calamine import CalamineWorkbook

    with _sound(label):
        return CalamineWorkbook.from_filelike(stream)


def _sheet(book: CalamineWorkbook, name: str, label: str) -> CalamineSheet:
    with _sound(f"{label}, sheet {name}"):
        return book.get_sheet_by_name(name)


def _chosen(book: CalamineWorkbook, label: str, wanted: str | int | None) -> tuple[str, CalamineSheet]:
    from python_calamine import SheetTypeEnum

    names = [each.name for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    if wanted is None:
        for name in names:
            sheet = _sheet(book, name, label)
            if sheet.height:
                return name, sheet
        raise InputError(f"{label} is empty: no sheet holds anything.", "Leave it out, or export it again.", row=1)
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        wanted = names[wanted - 1]
    if wanted not in names:
        raise InputError(f"{label} has no sheet {wanted}.", f"Its sheets: {', '.join(names)}.")
    return str(wanted), _sheet(book, str(wanted), label)


def _header(sheet: CalamineSheet, label: str, options: Options) -> tuple[int, list[str], int]:
    """Row of the header (from 1), its names, and the width of the sheet."""
    for row, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [_text(cell) or "" for cell in cells]
        if row >= options.header and any(texts):
            if row > options.header > 1:
                break
            return row, checked(texts, label, row), len(texts)
    raise InputError(
        f"{label} has no header in row {options.header}.", "Say which row holds the column names.", row=options.header
    )


def _chunks(source: Callable[[], BinaryIO], label: str, name: str, options: Options) -> Iterator[Content]:
    with closing(source()) as stream, closing(_opened(stream, label)) as book:
        sheet = _sheet(book, name, label)
        row, names, _ = _header(sheet, label, options)
        lines: list[int] = []
        rows: list[list[Cell]] = []
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            if number <= row:
                continue
            lines.append(number)
            rows.append(cells)
            if len(rows) == _ROWS:
                yield _content(lines, rows, names, label)
                lines, rows = [], []
        if rows:
            yield _content(lines, rows, names, label)


def _content(lines: list[int], rows: list[list[Cell]], names: list[str], label: str) -> Content:
    columns = [[_text(cell) for cell in column] for column in zip(*rows, strict=True)]
    for extra in columns[len(names) :]:
        for line, text in zip(lines, extra, strict=True):
            if text is not None:
                raise InputError(
                    f"{label}, line {line}: there is a value ({text[:80]!r}) in a column without a name.",
                    "Give every column its own name.",
                    row=line,
                )
    series = [pl.Series(name, column, dtype=pl.String) for name, column in zip(names, columns, strict=False)]
    frame = pl.DataFrame([pl.Series(LINE, lines, dtype=pl.Int64), *series])
    frame = frame.filter(pl.any_horizontal(pl.col(names).is_not_null()))
    return Content(frame)


def _text(cell: Cell) -> str | None:
    """A cell as text: whole numbers without a point, dates and moments as ISO writes them."""
    if isinstance(cell, str):
        return cell if cell and not cell.isspace() else None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        # Not more digits than the number has: a spreadsheet keeps fifteen.
        return str(int(Decimal(repr(cell)))) if cell.is_integer() and abs(cell) < 1e18 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, timedelta):
        return str(cell)
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _measure(stream: BinaryIO, label: str) -> None:
    """Unpack a workbook once, keeping nothing, to see how large it is and that it is whole.

    Raises:
        InputError: it is damaged, a bomb, or its values spread over more cells than can be held.
    """
    if stream.read(8) == OLE:
        stream.seek(0)
        return  # at most 65,536 rows of 256 cells, unpacked
    stream.seek(0)
    size = stream.seek(0, 2)
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            given = 0
            for info in archive.infolist():
                if info.flag_bits & 1:
                    raise InputError(f"{label} is locked with a password.", "Save it without one, or save it as CSV.")
                with archive.open(info) as inside:
                    given += _walk(inside, info.filename, label, given, size)
    except packed.DAMAGE as error:
        raise _damaged(label, error) from None
    stream.seek(0)


def _walk(inside: object, name: str, label: str, before: int, size: int) -> int:
    is_sheet, is_ods = name.startswith("xl/worksheets/sheet"), name == "content.xml"
    given, rows, columns, kept = 0, 1, 26, b""
    while data := inside.read(_STEP):  # type: ignore[attr-defined]
        given += len(data)
        if before + given > packed.MIN_BOMB and before + given > packed.MAX_RATIO * size:
            raise packed.bomb(label, before + given)
        data = kept + data
        if is_sheet:
            columns = max([columns, *(_number(each) for each in set(_FAR.findall(data)))])
            last = data.rfind(b"<row ")
            found = _ROW.search(data, last) if last >= 0 else None
            rows = max(rows, int(next(each for each in found.groups() if each))) if found else rows
        elif is_ods:
            _refuse_repeats(data, label)
        kept = data[-600:]
        if rows * columns > MAX_CELLS:
            raise InputError(
                f"{label}: the values of {name} spread over {rows:,} rows and about {columns:,} columns, "
                f"more than {MAX_CELLS:,} cells.",
                "Delete what stands far off, or save the sheet as CSV.",
            )
    return given


def _refuse_repeats(data: bytes, label: str) -> None:
    for found in _REPEATED.finditer(data):
        text = found[0]
        # Spreadsheets end with one empty cell repeated to the edge; a value is repeated by hand or by malice.
        end = text.find(b"</table:table-row>") if found[1] == b"row" else text.find(b">")
        if b"value-type" in text[: end if end >= 0 else None]:
            raise InputError(
                f"{label}: one value is repeated {int(found[2]):,} times.", "Delete it, or save the sheet as CSV."
            )


def _number(letters: bytes) -> int:
    """Number of a column: A is 1, AA is 27."""
    number = 0
    for code in letters:
        number = 26 * number + code - 64
    return number
