"""What column names must be, whatever they come from."""

from __future__ import annotations

from collections.abc import Sequence

from windvane.errors import InputError
from windvane.ingest.read.content import LINE

MAX_COLUMNS = 10_000
"""Columns of a file; more is no table, but one turned on its side."""

MAX_NAME = 500
"""Characters of a column's name."""


def checked(given: Sequence[str], label: str, line: int | None) -> list[str]:
    """Names without blanks round them, and without empty ones at the end, as spreadsheets write them.

    Args:
        given: names as they stand in the file.
        label: shown name of the file.
        line: line of the header, if it is one.

    Raises:
        InputError: there is none, a name is empty or there twice, or there are too many.
    """
    place = f"{label}, line {line}" if line else label
    if len(given) > MAX_COLUMNS:
        raise InputError(
            f"{place}: {len(given):,} columns; more than {MAX_COLUMNS:,} is no table.",
            "Check the separator, or turn the table so that days or products are rows.",
            row=line,
        )
    names = [name.strip() for name in given]
    if (longest := max(map(len, names), default=0)) > MAX_NAME:
        raise InputError(
            f"{place}: the name of a column has {longest:,} characters; more than {MAX_NAME:,} is no name.",
            "Check the separator, and which line is the header.",
            row=line,
        )
    while names and not names[-1]:
        names.pop()
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name or name in seen or name == LINE:
            raise InputError(
                f"{place}: column {index + 1} of the header is {'empty' if not name else f'{_cut(name)!r} again'}.",
                "Give every column its own name; if the header stands further down, say so: header = 3.",
                column=name,
                row=line,
            )
        seen.add(name)
    if not names:
        raise InputError(
            f"{label} is empty: it has no header line.", "Leave it out, or export it again.", row=line or 1
        )
    return names


def _cut(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:80]}…"
