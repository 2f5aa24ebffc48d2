"""Reading files as they come: what is in them, chunk by chunk, each row with its line.

Example:
    >>> from windvane.ingest.read import Options, items, open_item   # doctest: +SKIP
    >>> for item in items([Path("orders.zip")]):                     # doctest: +SKIP
    ...     for chunk in open_item(item, Options()).chunks():
    ...         print(chunk.frame.height, chunk.ragged)
"""

from __future__ import annotations

from windvane.ingest.read.content import BLOCK, CHUNK_ROWS, LINE, Content, Options, Ragged, Reading
from windvane.ingest.read.item import Item, expand, find, fingerprint, items, readable
from windvane.ingest.read.opening import header, open_item

__all__ = [
    "BLOCK",
    "CHUNK_ROWS",
    "LINE",
    "Content",
    "Item",
    "Options",
    "Ragged",
    "Reading",
    "expand",
    "find",
    "fingerprint",
    "header",
    "items",
    "open_item",
    "readable",
]
