"""Numbers as shops write them: decimal comma or point, thousands marks, currency, percent, accounting negatives.

Cells that Python itself would read are cast as they are, which is fast; only the others are looked at. Whether a
comma is a decimal mark is decided once per file and column, from cells that admit of one reading alone ("12,5",
"1.234,56"); a file whose cells admit of both ("1,234") is not guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from windvane.errors import MappingError
from windvane.ingest.mapping import Block
from windvane.schema import REAL, WHOLE, Column

MARKS = {
    "US$": ("USD",),
    "HK$": ("HKD",),
    "NT$": ("TWD",),
    "A$": ("AUD",),
    "AU$": ("AUD",),
    "C$": ("CAD",),
    "CA$": ("CAD",),
    "S$": ("SGD",),
    "R$": ("BRL",),
    "$": ("USD", "AUD", "CAD", "SGD", "HKD", "TWD", "NZD", "MXN", "CLP", "COP", "ARS"),
    "€": ("EUR",),
    "£": ("GBP",),
    "¥": ("CNY", "JPY"),
    "元": ("CNY", "TWD", "HKD"),
    "人民币": ("CNY",),
    "円": ("JPY",),
    "圓": ("HKD", "TWD"),
    "₹": ("INR",),
    "₩": ("KRW",),
    "₽": ("RUB",),
    "₺": ("TRY",),
    "฿": ("THB",),
    "₫": ("VND",),
    "₱": ("PHP",),
    "zł": ("PLN",),
    "Kč": ("CZK",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "RMB": ("CNY",),
    "CN¥": ("CNY",),
    "JP¥": ("JPY",),
    "Rp": ("IDR",),
    "RM": ("MYR",),
    "Ft": ("HUF",),
}
"""Currency marks and the ISO 4217 codes that they may stand for."""

CODES = re.findall(
    "[A-Z]{3}",
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR ISK JPY KRW MOP MXN MYR NOK NZD "
    "PEN PHP PLN RON RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR",
)
"""ISO 4217 codes that are understood beside a number."""

_MONEY = "|".join(sorted((mark.replace("$", r"\$") for mark in (*MARKS, *CODES)), key=lambda mark: (-len(mark), mark)))
_LEADING = rf"(?i)^([+-]?)\s*(?:{_MONEY})\.?\s*([+-]?)"
_TRAILING = rf"(?i)\s*(?:{_MONEY})\.?$"
_DECISIVE = {
    ",": r"^[^,]*,(?:\d{1,2}|\d{4,})?$|\d\.\d{3},|^\D*0,\d+$|\d\.\d{3}\.\d{3}$|\d[ '’]\d{3},\d",
    ".": r"^[^.]*\.(?:\d{1,2}|\d{4,})?$|\d,\d{3}\.|^\D*0\.\d+$|\d,\d{3},\d{3}$|\d[ '’]\d{3}\.\d",
}
_GROUPED = r"\d{1,3}(?:['’]\d{3})+|\d{1,3}(?: \d{3})+|\d+"
_WELL_FORMED = {
    ".": rf"^[+-]?(?:\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}|{_GROUPED})?(?:\.\d*)?(?:[eE][+-]?\d+)?$",
    ",": rf"^[+-]?(?:\d{{1,3}}(?:\.\d{{3}})+|{_GROUPED})?(?:,\d*)?(?:[eE][+-]?\d+)?$",
}


@dataclass(frozen=True)
class _Evidence:
    """What cells say about the decimal mark."""

    comma: bool = False
    point: bool = False
    unclear: bool = False

    @property
    def mark(self) -> str | None:
        """The mark that they prove, if they prove one."""
        return None if self.comma == self.point else "," if self.comma else "."


class Numbers:
    """Reads the numbers of one file.

    Args:
        block: what the file should become.
        place: name of the file, for errors.
        currency: ISO 4217 code of the shop's money; empty where any will do.
    """

    def __init__(self, block: Block, place: str, currency: str = "") -> None:
        self.foreign: dict[str, pl.Series] = {}
        """Per column, which cells of the last chunk carry the mark of another currency; absent where none does."""
        self._currency = currency
        self._block = block
        self._place = place
        self._marks: dict[str, str] = {}
        self._dotted: set[str] = set()
        self._doubted: set[str] = set()
        self._looked = False

    def look(self, raw: pl.DataFrame) -> None:
        """Find the decimal marks; call it with every chunk before its cells are read.

        Raises:
            MappingError: the cells admit of both marks, or contradict each other.
        """
        names = [name for name in self._given() if name in raw.columns and raw[name].dtype == pl.String]
        open_names = [name for name in names if name not in self._marks]
        if self._looked:
            self._dotted |= {name for name in open_names if raw[name].str.contains(".", literal=True).any()}
            return
        self._looked = True
        said = {name: _evidence(raw[name]) for name in open_names}
        marks = {each.mark for each in said.values()} - {None}
        shared = marks.pop() if len(marks) == 1 else None
        for name, each in said.items():
            self._decide(name, each, shared)
            if name not in self._marks and raw[name].str.contains(".", literal=True).any():
                self._dotted.add(name)

    def real(self, values: pl.Series, column: Column) -> pl.Series:
        """Values as ``Float64``; null where there is no number."""
        self.foreign.pop(column.name, None)
        if values.dtype != pl.String:
            return values.cast(REAL, strict=False)
        stripped = values.str.strip_chars()
        mark = self._marks.get(column.name)
        if mark == ",":
            dotted = stripped.str.contains(".", literal=True)
            read = stripped.str.replace_all(",", ".", literal=True).cast(REAL, strict=False).set(dotted, None)
        else:
            read = stripped.cast(REAL, strict=False)
        if read.null_count() == values.null_count():
            return read.alias(values.name)
        failed = read.is_null() & stripped.is_not_null() & (stripped != "")
        if not failed.any():
            return read.alias(values.name)
        places = failed.arg_true()
        cells = stripped[places]
        if mark is None and cells.str.contains(",", literal=True).any():
            mark = self._decide(column.name, _evidence(cells), None)
        repaired = _plain(cells, mark or ".", column)
        if self._currency and column.unit == "money" and (other := ~same_currency(cells, self._currency)).any():
            self.foreign[column.name] = failed.scatter(places, other)
        return read.scatter(places, repaired).alias(values.name)

    def decided(self, name: str) -> str | None:
        """The decimal mark of a column whose cells had to decide it; ``None`` where there was no doubt."""
        return self._marks.get(name) if name in self._doubted else None

    def _given(self) -> list[str]:
        """Columns of ours that hold numbers."""
        table = self._block.table
        found: list[str] = []
        for name, how in self._block.columns.items():
            counted = how.origin is None and how.days_since is None and not how.number_within
            if table[name].type in (REAL, WHOLE) and counted:
                found.append(name)
                if (mark := how.decimal or self._block.decimal) is not None:
                    self._marks.setdefault(name, mark)
        return found

    def _decide(self, name: str, evidence: _Evidence, shared: str | None) -> str | None:
        mark = evidence.mark
        if evidence.comma or evidence.unclear or shared == ",":
            self._doubted.add(name)
        if evidence.comma and evidence.point:
            raise self._unsure(name, "has cells with a decimal comma and cells with a decimal point")
        if mark is None and (evidence.unclear or shared == ","):
            mark = shared
            if mark is None:
                raise self._unsure(
                    name, "has cells such as 1,234, where the comma may be a decimal or a thousands mark"
                )
        if mark == "," and name in self._dotted:
            raise self._unsure(name, "has cells with a point, and further down cells with a decimal comma")
        if mark is not None:
            self._marks[name] = mark
        return mark

    def _unsure(self, name: str, what: str) -> MappingError:
        return MappingError(
            f"{self._place}: {self._block.table.name}.{name} {what}.",
            'Say in the mapping which it is: decimal = "," or decimal = "." in the block or in the column.',
        )


def _evidence(cells: pl.Series) -> _Evidence:
    """What a column's cells say about the decimal mark."""
    held = cells.drop_nulls()
    if not held.str.contains(",", literal=True).any():
        # Without a comma anywhere, points are decimal points unless another column says otherwise.
        dotted = held.filter(held.str.contains(".", literal=True))
        parts = [part for part in (dotted.head(1000), dotted[1000:]) if part.len()]
        point = any(bool(_tidy(part).str.contains(_DECISIVE["."]).any()) for part in parts)
        return _Evidence(bool(dotted.str.contains(r"\d\.\d{3}\.\d{3}").any()), point)
    unique = _tidy(held.filter(held.str.contains(r"[.,]")).unique())
    comma = bool(unique.str.contains(_DECISIVE[","]).any())
    point = bool(unique.str.contains(_DECISIVE["."]).any())
    return _Evidence(comma, point, unclear=bool(unique.str.contains(r"^[^.,]*,\d{3}$").any()))


def _tidy(cells: pl.Series) -> pl.Series:
    """Cells without what stands round the digits."""
    bare = (
        pl.col(cells.name)
        .str.normalize("NFKC")
        .str.strip_chars()
        .str.replace(r"^\((.*)\)$", "-$1")
        .str.replace(r"^[−–—‒-]\s*", "-")
        .str.replace(r"^(.*\d)[.,][−–—-]{1,2}", "$1")  # 12.- are twelve francs
        .str.replace(r"^(.*\d[.,]?)\s*[−–—-]$", "-$1")
        .str.replace(_LEADING, "$1$2")
        .str.replace(_TRAILING, "")
        .str.replace(r"\s*%$", "")
        .str.strip_chars()
    )
    return cells.to_frame().select(bare).to_series()  # in one query: most columns are short


def _plain(cells: pl.Series, mark: str, column: Column) -> pl.Series:
    """Numbers in cells that are no plain numbers."""
    whole = cells.str.normalize("NFKC").str.strip_chars()
    percent = whole.str.ends_with("%")
    digits = _tidy(cells)
    form = _WELL_FORMED[mark]
    fit = digits.str.contains(form) & digits.str.contains(r"\d")
    # A share may be a percentage, an amount of money may carry its currency; elsewhere either is out of place.
    fit &= ~percent | (column.unit == "share")
    if column.unit != "money":
        fit &= ~whole.str.contains(_LEADING) & ~whole.str.contains(_TRAILING)
    thousands = "[,'’ ]" if mark == "." else "[.'’ ]"
    plain = digits.str.replace_all(thousands, "").str.replace(",", ".", literal=True)
    read = plain.cast(REAL, strict=False)
    read = read.set(~fit.fill_null(False), None)
    return (read / 100).zip_with(percent.fill_null(False), read) if percent.any() else read


def same_currency(cells: pl.Series, currency: str) -> pl.Series:
    """Whether each cell names a currency, by mark or code, or none at all.

    Args:
        cells: amounts, marks or codes.
        currency: ISO 4217 code.
    """
    whole = cells.str.normalize("NFKC").str.strip_chars()
    said = whole.str.extract(rf"(?i)^[(+-]*\s*({_MONEY})", 1)
    said = said.fill_null(whole.str.extract(rf"(?i)({_MONEY})\.?\)?$", 1)).str.to_uppercase()
    mine = [currency, *(mark.upper() for mark, codes in MARKS.items() if currency in codes)]
    return said.is_in(mine).fill_null(True)
