"""From a file to its reader: by its first bytes, and by its name where those do not tell."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import closing
from typing import BinaryIO, cast

from windvane.errors import InputError
from windvane.ingest.read import columnar, delimited, lines, packed, sheets
from windvane.ingest.read.content import Options, Reading
from windvane.ingest.read.encoding import marked
from windvane.ingest.read.item import JSON, TABLES, Item

_SPOOL = 64 << 20
_HEAD = 4096
_ENOUGH = 512  # bytes from which the share of control characters says something
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format": "a SQLite database",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
} | {mark: f"packed with {name}" for mark, name in packed.UNSUPPORTED.items()}
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|table|\?xml|head|meta)\b", re.IGNORECASE)
_OBJECT = re.compile(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*\"")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def open_item(item: Item, options: Options | None = None) -> Reading:
    """Open a thing to read. What it is shows in its first bytes; a wrong name does not matter.

    Args:
        item: a file, or a member of an archive.
        options: how to read it, where looking is not enough.

    Raises:
        InputError: it is empty, damaged, or nothing that can be read.
    """
    options = options or Options()

    def source() -> BinaryIO:
        return packed.opened(item.path, item.member)

    def seekable() -> BinaryIO:
        if item.member is None and not packed.is_packed(item.path):
            return source()
        return _spooled(source)

    with closing(source()) as stream:
        head = stream.read(_HEAD)
    if not head:
        raise InputError(f"{item.label} is empty: it has no header line.", "Leave it out, or export it again.", row=1)
    if head.startswith(columnar.MAGIC):
        return columnar.open_table(seekable, item.label)
    if head.startswith((packed.ZIP, sheets.OLE)):
        return sheets.open_sheet(seekable, item.label, options)
    _refuse_foreign(item, head)
    if item.ending in JSON or _OBJECT.match(head):
        return lines.open_json(source, item.label, options)
    return delimited.open_text(source, item.label, options)


def header(item: Item, options: Options | None = None) -> list[str]:
    """Column names of a thing to read.

    Raises:
        InputError: it is empty, damaged, or nothing that can be read.
    """
    return open_item(item, options).columns


def _refuse_foreign(item: Item, head: bytes) -> None:
    """Say what a file is, where it is nothing that can be read.

    Raises:
        InputError: it is nothing that can be read.
    """
    what = next((what for mark, what in _FOREIGN.items() if head.startswith(mark)), None)
    if head[257:262] == b"ustar":
        what = "an archive (tar)"
    elif item.ending in TABLES:
        what = f"no Parquet file: it begins with {head[:4]!r}"
    elif _PAGE.match(head):
        what = "a web page or XML, whatever its name says"
    elif what is None and len(head) >= _ENOUGH and not marked(head) and 20 * len(_CONTROL.findall(head)) > len(head):
        what = "binary data, not text"
    if what is not None:
        raise InputError(
            f"{item.label} cannot be read: it is {what}.",
            "Open it in the program it comes from, and save it as CSV, Excel, JSON lines or Parquet.",
        )


def _spooled(source: Callable[[], BinaryIO]) -> BinaryIO:
    """Unpacked bytes in a nameless temporary file, for formats that are read from their end."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - its reader closes it
    with closing(source()) as stream:
        while data := stream.read(1 << 22):
            spool.write(data)
    spool.seek(0)
    return cast(BinaryIO, spool)
