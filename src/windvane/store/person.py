"""How a person is recognised in stored rows and files: by identifiers, as the shop writes them or as pseudonyms."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

LONG = 5
"""Identifiers of at least so many characters are looked for as words inside text; shorter ones as whole cells alone."""

_CHUNK = 4 << 20


@dataclass(frozen=True)
class Person:
    """Everything that names one person (or several).

    Attributes:
        names: identifiers and pseudonyms.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(dict.fromkeys(name for name in self.names if name)))

    @property
    def long(self) -> tuple[str, ...]:
        """Those that can be looked for inside text without meeting others."""
        return tuple(name for name in self.names if len(name) >= LONG)

    def is_cell(self, column: str) -> pl.Expr:
        """True where a cell is one of the names."""
        return pl.col(column).is_in(list(self.names)).fill_null(False)

    def is_in_text(self, column: str) -> pl.Expr:
        """True where a cell is one of the names, holds a long one as a word, or holds a short one as a JSON value."""
        found = self.is_cell(column)
        if pattern := self._pattern():
            found = found | pl.col(column).str.contains(pattern).fill_null(False)
        return found

    def told_in(self, text: str) -> bool:
        """Whether a text holds one of the long names, or a short one in quotation marks."""
        short = (name for name in self.names if len(name) < LONG)
        quoted = (mark for name in short for mark in (f'"{name}"', f'\\"{name}\\"'))
        return any(each in text for each in (*self._forms(), *quoted))

    def told_in_file(self, path: Path) -> bool:
        """Whether a file holds one of the long names: as bytes, in Parquet's text columns, inside zip (and xlsx)."""
        if not self.long:
            return False
        if path.suffix == ".parquet":
            try:
                return bool(self.rows_in_parquet(path))
            except (pl.exceptions.PolarsError, OSError):
                return self._told_in_bytes(path)
        if zipfile.is_zipfile(path):
            return self._told_in_zip(path)
        return self._told_in_bytes(path)

    def text_columns(self, frame: pl.LazyFrame) -> list[str]:
        """Columns that may hold text."""
        return [name for name, kind in frame.collect_schema().items() if kind == pl.String]

    def rows_in_parquet(self, path: Path) -> int:
        """Rows of a Parquet file that hold a name in one of its text columns."""
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        columns = self.text_columns(frame)
        if not columns:
            return 0
        match = pl.any_horizontal([self.is_in_text(name) for name in columns])
        return int(frame.filter(match).select(pl.len()).collect(engine="streaming").item())

    def _pattern(self) -> str:
        # Letters and digits of any script count as parts of words.
        words = "|".join(re.escape(form) for form in self._forms())
        cells = "|".join(re.escape(name) for name in self.names if len(name) < LONG)
        either = []
        if words:
            either.append(rf"(?:^|[^\p{{L}}\p{{N}}])(?:{words})(?:$|[^\p{{L}}\p{{N}}])")
        if cells:
            either.append(rf':\s*"?(?:{cells})"?\s*[,}}]')
        return "|".join(either)

    def _forms(self) -> tuple[str, ...]:
        """Long names as they stand in text, and as JSON writes them."""
        escaped = (json.dumps(name)[1:-1] for name in self.long)
        plain = (json.dumps(name, ensure_ascii=False)[1:-1] for name in self.long)
        return tuple(dict.fromkeys([*self.long, *escaped, *plain]))

    def _told_in_bytes(self, path: Path) -> bool:
        with path.open("rb") as stream:
            return _search(iter(lambda: stream.read(_CHUNK), b""), self._bytes())

    def _told_in_zip(self, path: Path) -> bool:
        try:
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    with archive.open(member) as stream:
                        if _search(iter(lambda s=stream: s.read(_CHUNK), b""), self._bytes()):  # type: ignore[misc]
                            return True
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError):
            return self._told_in_bytes(path)
        return False

    def _bytes(self) -> list[bytes]:
        return [form.encode() for form in self._forms()]


def _search(chunks: Iterable[bytes], wanted: Sequence[bytes]) -> bool:
    longest = max(map(len, wanted), default=1)
    kept = b""
    for chunk in chunks:
        window = kept + chunk
        if any(each in window for each in wanted):
            return True
        kept = window[-longest:]
    return False
