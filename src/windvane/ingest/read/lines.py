"""JSON: one object a line, one after the other, or one list of objects, however it is laid out.

Objects inside objects become columns with dots (``customer.id``); a list stays JSON text, or its elements become the
rows (``Options.explode``), also those of a list inside the elements of another (``orders.line_items``). Numbers keep
the digits they are written with.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import BinaryIO

import polars as pl

from windvane.errors import InputError
from windvane.ingest.read.blocks import SHOWN
from windvane.ingest.read.content import BLOCK, HOPELESS, LINE, Content, Options, Patience, Ragged, Reading
from windvane.ingest.read.delimited import MAX_ROW
from windvane.ingest.read.encoding import Recoded, known
from windvane.ingest.read.names import MAX_COLUMNS

_ROWS = 50_000
_HEAD = 1 << 18
_WRAPPED = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*(?=[{\]])')
_LIST = re.compile(r"\s*\[\s*")
_OBJECT = re.compile(r"\s*(?=\{)")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_BETWEEN = re.compile(r"[\s,]*")


class Digits(str):
    """A number as it is written."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_int=Digits, parse_float=Digits, parse_constant=Digits)

Value = None | bool | str | list["Value"] | dict[str, "Value"]
Flat = dict[str, str | None]


@dataclass(frozen=True)
class _Plan:
    """How to read one file.

    Attributes:
        label: shown name.
        stream: opens it as UTF-8.
        laid: ``lines``, ``list``, ``wrapped`` (a list under the only key) or ``spread`` (objects over many lines).
        explode: path of the list whose elements are the rows.
    """

    label: str
    stream: Callable[[], Recoded]
    laid: str
    explode: str | None


def open_json(source: Callable[[], BinaryIO], label: str, options: Options) -> Reading:
    """Look through a JSON file for its columns: all keys of all its objects, in the order in which they come.

    Args:
        source: opens its (unpacked) bytes from the beginning.
        label: shown name.
        options: its encoding, and the list whose elements are the rows.

    Raises:
        InputError: it is empty, or holds no objects.
    """
    encoding_given = known(options.encoding) if options.encoding else None

    def stream() -> Recoded:
        return Recoded(source(), label, encoding_given)

    with closing(stream()) as text:
        head = text.read(_HEAD).decode(errors="replace")
        encoding = text.encoding
    plan = _Plan(label, stream, _laid(head), options.explode)
    names: dict[str, None] = {}
    for rows, _ in _batches(plan):
        for _, row in rows:
            names.update(dict.fromkeys(row))
        if len(names) > MAX_COLUMNS:
            raise InputError(
                f"{label}: its objects have more than {MAX_COLUMNS:,} different keys.",
                "Give a list of objects with the same keys.",
            )
    if not names:
        raise InputError(f"{label} is empty: it holds no object with a value.", "Leave it out, or export it again.")
    if LINE in names:
        raise InputError(f"{label}: {LINE} is a name that Windvane uses itself.", "Rename that key.", column=LINE)
    return Reading(label, list(names), encoding, lambda: _chunks(plan, list(names)))


def _laid(head: str) -> str:
    if _LIST.match(head):
        return "list"
    first, _, rest = head.strip().partition("\n")
    try:
        value = _DECODER.decode(first)
        single = isinstance(value, dict) and len(value) == 1 and not rest.strip()
    except (ValueError, RecursionError):
        single = True
    if single and _WRAPPED.match(head):
        return "wrapped"
    return "spread" if first.strip() == "{" else "lines"


def _chunks(plan: _Plan, names: list[str]) -> Iterator[Content]:
    for rows, ragged in _batches(plan):
        columns = [pl.Series(name, [row.get(name) for _, row in rows], dtype=pl.String) for name in names]
        frame = pl.DataFrame([pl.Series(LINE, [line for line, _ in rows], dtype=pl.Int64), *columns])
        if frame.height or ragged:
            yield Content(frame, ragged)


def _batches(plan: _Plan) -> Iterator[tuple[list[tuple[int, Flat]], list[Ragged]]]:
    rows: list[tuple[int, Flat]] = []
    ragged: list[Ragged] = []
    count = size = 0
    patience = Patience(plan.label)
    with closing(plan.stream()) as stream:
        found = _lines(plan, stream) if plan.laid == "lines" else _elements(plan, stream)
        for line, value, text in found:
            if len(ragged) > HOPELESS:
                patience.check(len(rows), ragged)
                yield rows, ragged
                rows, ragged, size = [], [], 0
            if isinstance(value, Ragged):
                ragged.append(value)
                continue
            if not isinstance(value, dict):
                ragged.append(Ragged(line, text[:SHOWN], f"it is {_kind(value)}, not an object"))
                continue
            try:
                given = list(flattened(value, plan.explode))
                if "\\u" in text and _HALF.search(text):
                    "".join(cell for row in given for cell in row.values() if cell).encode()
            except (RecursionError, UnicodeEncodeError) as error:
                what = "nested too deeply" if isinstance(error, RecursionError) else "holding half a surrogate pair"
                ragged.append(Ragged(line, text[:SHOWN], f"it is {what}"))
                continue
            for row in given:
                count += 1
                if any(cell is not None for cell in row.values()):
                    rows.append((count if plan.explode else line, row))
            size += len(text)
            if len(rows) >= _ROWS or size >= BLOCK:
                patience.check(len(rows), ragged)
                yield rows, ragged
                rows, ragged, size = [], [], 0
    yield rows, ragged


def _lines(plan: _Plan, stream: Recoded) -> Iterator[tuple[int, Value | Ragged, str]]:
    line, carry = 1, b""
    while True:
        data = stream.read(BLOCK // 4)
        final = not data
        parts = (carry + data).split(b"\n")
        carry = b"" if final else parts.pop()
        for part in parts:
            if part and not part.isspace():
                yield line, *_parsed(plan, part, line)
            line += 1
        if final:
            return
        if len(carry) > MAX_ROW:
            raise _too_long(plan.label, line)


def _parsed(plan: _Plan, part: bytes, line: int) -> tuple[Value | Ragged, str]:
    try:
        text = part.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{plan.label}, line {line}: byte 0x{part[error.start]:02X} is not UTF-8.",
            'Save the file as UTF-8, or name its encoding in the mapping: encoding = "gb18030".',
            row=line,
        ) from None
    try:
        return _DECODER.decode(text), text
    except json.JSONDecodeError as error:
        return Ragged(line, text[:SHOWN], f"it is no JSON: {error.msg} at character {error.colno}"), text
    except RecursionError:
        return Ragged(line, text[:SHOWN], "it is nested too deeply"), text


def _elements(plan: _Plan, stream: Recoded) -> Iterator[tuple[int, Value | Ragged, str]]:
    """Elements of a list, decoded as they come; their numbers stand for lines, which mean nothing here."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    buffer, place, number, final = "", 0, 0, False
    opening = {"list": _LIST, "wrapped": _WRAPPED, "spread": _OBJECT}[plan.laid]
    while True:
        if place == 0 and number == 0 and (start := opening.match(buffer)):
            place, number = start.end(), 1
        while number:
            place = _BETWEEN.match(buffer, place).end()  # type: ignore[union-attr]
            if place >= len(buffer) or buffer[place] == "]":
                break
            try:
                value, end = _DECODER.raw_decode(buffer, place)
            except json.JSONDecodeError as error:
                if not final and error.pos > len(buffer) - 64:
                    break
                if not final and len(buffer) - place < MAX_ROW and error.msg.startswith("Unterminated"):
                    break
                raise _broken(plan.label, number, error.msg) from None
            except RecursionError:
                raise _broken(plan.label, number, "it is nested too deeply") from None
            if end == len(buffer) and not final:
                break  # a number may go on
            yield number, value, buffer[place:end]
            place, number = end, number + 1
        if number and place < len(buffer) and buffer[place] == "]":
            return
        if final and plan.laid == "spread" and place >= len(buffer):
            return
        if final:
            raise _broken(plan.label, max(number, 1), "the file ends before the list does")
        data = stream.read(BLOCK // 4)
        final = not data
        try:
            buffer, place = buffer[place:] + decoder.decode(data, final), 0
        except UnicodeDecodeError as error:
            raise _broken(plan.label, max(number, 1), f"byte 0x{error.object[error.start]:02X} is not UTF-8") from None
        if len(buffer) > 2 * MAX_ROW:
            raise _too_long(plan.label, max(number, 1))


def flattened(value: dict[str, Value], explode: str | None = None) -> Iterator[Flat]:
    """An object as rows of text: one, or one for each element of a list inside it.

    Args:
        value: the object.
        explode: path of the list, with dots, through objects and lists; where it is missing or empty the object gives
            one row.
    """
    flat: Flat = {}
    elements: list[Value] = []
    opened = ""
    stack: list[tuple[str, Value]] = [("", value)]
    while stack:
        path, inner = stack.pop()
        if isinstance(inner, dict):
            prefix = f"{path}." if path else ""
            stack.extend((prefix + key, inner[key]) for key in reversed(inner))
        elif isinstance(inner, list) and explode is not None and f"{explode}.".startswith(f"{path}."):
            elements, opened = inner, path
        else:
            flat[path] = _text(inner)
    if not elements:
        yield flat
    for element in elements:
        for row in flattened({opened: element}, None if opened == explode else explode):
            yield flat | row


def _text(value: Value) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    return written(value)


def written(value: Value) -> str:
    """A value as JSON, with its numbers as they were written."""
    if isinstance(value, Digits):
        return value
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring(key)}: {written(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def _kind(value: Value) -> str:
    return {list: "a list", str: "a text", Digits: "a number", bool: "true or false"}.get(type(value), "null")


def _broken(label: str, number: int, what: str) -> InputError:
    return InputError(f"{label}, element {number}: {what}.", "Export it again, or correct the element.", row=number)


def _too_long(label: str, line: int) -> InputError:
    return InputError(
        f"{label}, line {line}: one object is longer than {MAX_ROW >> 20} MiB.",
        "Export it one object a line.",
        row=line,
    )
