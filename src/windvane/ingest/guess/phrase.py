"""How a mapping says where values come from: TOML strings, SQL over the columns of a file, formats of moments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from windvane.ingest.guess.cells import Cells


@dataclass(frozen=True)
class Local:
    """What is known about the shop's place.

    Attributes:
        zone: time zone of the shop, if known.
    """

    zone: str | None = None


def source(cells: Cells, local: Local) -> str:
    """Where a column comes from, as TOML.

    Args:
        cells: the column.
        local: what is known about the shop's place.
    """
    if cells.dated:
        return _moment(cells, local)
    return toml(cells.name)


def _moment(cells: Cells, local: Local) -> str:
    if cells.format is None:
        if cells.zone != "utc":
            return toml(cells.name)
        return f"{{ from = {toml(cells.name)}{_local(local)} }}"
    form = cells.format
    if cells.zone == "offset":
        # The wall clock of the shop is what counts as its day.
        column = quoted(cells.name)
        clock = f"LEFT({column}, {19 if '%S' in form else 16})"
        if not form.startswith("%Y-"):
            clock = f"REGEXP_REPLACE({column}, '(\\.\\d+)?\\s*(Z|[+-]\\d\\d:?\\d\\d)$', '')"
        form = re.sub(r"\s?%#?z$|%\.f.*$", "", form)
        return f"{{ sql = {toml(clock)}, format = {toml(form)} }}"
    zone = f', timezone = "UTC"{_local(local)}' if cells.zone == "utc" and "z" not in form else ""
    zone = _local(local) if cells.zone == "utc" and "z" in form else zone
    return f"{{ from = {toml(cells.name)}, format = {toml(form)}{zone} }}"


def _local(local: Local) -> str:
    return f', local = "{local.zone}"' if local.zone else ""


def number_sql(cells: Cells) -> str:
    """SQL that reads a column's numbers, however they are dressed.

    Args:
        cells: a column of numbers.
    """
    column = quoted(cells.name)
    if cells.dressed:
        marks = "." if cells.decimal == "," else ","
        column = f"REGEXP_REPLACE({column}, '[^0-9{'.' if marks == ',' else ','}-]', '', 'g')"
    if cells.decimal == ",":
        column = f"REPLACE({column}, ',', '.')"
    number = f"TRY_CAST({column} AS DOUBLE)"
    if cells.bracketed:  # (3.50) and 3.50- are negative in accounts
        name, bare = quoted(cells.name), number.replace("-]", "]")
        return f"CASE WHEN {name} LIKE '%(%' OR {name} LIKE '%-%' THEN -1.0 ELSE 1.0 END * ABS({bare})"
    return number


def joined(names: Sequence[str]) -> str:
    """Several columns as one text, as TOML: what makes up a number that the file does not have."""
    return (
        f"{{ sql = {toml('CONCAT_WS(' + chr(39) + ' ' + chr(39) + ', ' + ', '.join(_cast(n) for n in names) + ')')} }}"
    )


def _cast(name: str) -> str:
    return f"CAST({quoted(name)} AS VARCHAR)"


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def toml(text: str) -> str:
    """Text as TOML; a literal string where quotes would have to be escaped."""
    if '"' in text and "'" not in text and "\n" not in text:
        return f"'{text}'"
    if '"' in text and "'''" not in text and "\n" not in text and not text.endswith("'"):
        return f"'''{text}'''"
    return json.dumps(text, ensure_ascii=False)
