"""JSON whose objects hold lists of objects, such as orders with their lines: which lists could be the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from windvane.errors import InputError
from windvane.ingest.guess.cells import BUNDLE
from windvane.ingest.guess.words import meanings
from windvane.ingest.read import LINE, Item, Options, open_item

_LOOKED_AT = 50
_DEEP = 3
_PRODUCT = ("sku", "title")
_SURE_ENOUGH = 0.55


def lists(frame: pl.DataFrame) -> list[str]:
    """Paths of lists whose elements name a product, so that each of them could be a row.

    Args:
        frame: rows of a file, one for each object.
    """
    found: dict[str, set[str]] = {}
    for name, kind in frame.schema.items():
        if kind != pl.String:
            continue
        cells = frame[name].drop_nulls()
        for cell in cells.filter(cells.str.contains(f"^{BUNDLE.pattern}")).head(_LOOKED_AT):
            for path, keys in _keys(name, _parsed(cell), _DEEP):
                found.setdefault(path, set()).update(keys)
    return [path for path, keys in found.items() if any(_names_product(key) for key in keys)]


def rows(item: Item, path: str, count: int) -> pl.DataFrame | None:
    """The first rows of a file with one for each element of a list; ``None`` where the file cannot be read so.

    Args:
        item: the file.
        path: path of the list, with dots.
        count: how many rows at most.
    """
    try:
        reading = open_item(item, Options(explode=path))
        chunk = next(iter(reading.chunks()), None)
    except InputError:
        return None
    if chunk is None or not any(name.startswith(f"{path}.") for name in reading.columns):
        return None
    return chunk.frame.drop(LINE).head(count)


def _parsed(cell: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return None


def _keys(path: str, value: Any, depth: int) -> Iterator[tuple[str, list[str]]]:
    """Lists of objects in a value: the path of each, and the keys of its objects."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _keys(f"{path}.{key}", each, depth)
    elif isinstance(value, list) and depth:
        for element in value[:_LOOKED_AT]:
            if isinstance(element, dict):
                yield path, list(element)
                yield from _keys(path, element, depth - 1)


def _names_product(key: str) -> bool:
    said = meanings(key)
    return max(said.get(each, 0.0) for each in _PRODUCT) >= _SURE_ENOUGH
