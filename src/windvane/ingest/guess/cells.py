"""What the cells of a column look like: dates and how they are written, numbers, codes, words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import polars as pl

from windvane.ingest.cells.moments import DOTTED, NAMED, UNCLEAR, YEAR_FIRST

Kind = Literal["moment", "day", "whole", "real", "text", "empty"]

_LOOKED_AT = 4000
_ENOUGH = 0.97
_SECONDS = (1_000_000_000, 2_208_988_800)  # 2001, from where on they have ten digits, to 2040
_EXCEL = (32_000, 55_000)  # 1987 to 2050
_ZONES = ("%#z", " UTC")
_TIMED = re.compile(r"%[HI]")
_DIRECTIVE = re.compile(r"%[#.]?[A-Za-z]")
_MONEY = r"[$€£¥￥元円₹₽]|\b(?:USD|EUR|GBP|CNY|RMB|JPY|kr|zł|CHF)\b"
BUNDLE = re.compile(r"\s*\[\s*\{")
"""How a list of objects begins."""
_PERSONS = re.compile(r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$|^\+?1?[3-9]\d{9}$")


@dataclass(frozen=True)
class Cells:
    """What was found in a column.

    Attributes:
        name: the column.
        kind: what its cells are.
        format: strptime format of dates; 'unix', 'unix_ms' or 'excel' for numbers that are dates.
        swapped: another format that reads the dates as well, with day and month swapped.
        zone: 'utc' where moments say that they are in UTC, 'offset' where they carry other offsets.
        decimal: decimal mark of numbers written as text.
        dressed: whether numbers carry a currency sign or marks between thousands.
        bracketed: whether negative numbers stand in brackets or have their sign behind.
        currency: ISO 4217 code that the cells or the header show.
        filled: share of cells that are not empty.
        distinct: share of different values among the filled ones.
        count: number of different values.
        samples: three values.
        low: smallest number.
        high: largest number.
        whole: share of numbers that are whole.
        spaced: share of texts with a space in them.
        length: mean length of the texts.
        together: whether equal values always stand together, as the lines of one order do.
        step: days that most dates are multiples of, from the first one: 1, 7, or 30 for months.
        personal: whether the cells look like e-mail addresses or telephone numbers.
        listed: path of the list inside the objects of a JSON file whose elements are the rows; empty for other files.
    """

    name: str
    kind: Kind = "empty"
    format: str | None = None
    swapped: str | None = None
    zone: str | None = None
    decimal: str | None = None
    dressed: bool = False
    bracketed: bool = False
    currency: str | None = None
    filled: float = 0.0
    distinct: float = 0.0
    count: int = 0
    samples: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: float = 1.0
    spaced: float = 0.0
    length: float = 0.0
    together: bool = False
    step: int = 1
    personal: bool = False
    listed: str = ""
    values: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.Null()), repr=False, compare=False)

    @property
    def inner(self) -> bool:
        """Whether the column belongs to the elements of the list, not to the object that holds the list."""
        return bool(self.listed) and self.name.startswith(f"{self.listed}.")

    @property
    def outer(self) -> bool:
        """Whether the column belongs to the object that holds the list, and repeats for each of its elements."""
        return bool(self.listed) and not self.inner

    @property
    def header(self) -> str:
        """The name without the path of the list that it stands in: what says what the column means."""
        parts = self.listed.split(".") if self.listed else []
        for length in range(len(parts), 0, -1):
            path = ".".join(parts[:length]) + "."
            if self.name.startswith(path):
                return self.name[len(path) :]
        return self.name

    @property
    def bundled(self) -> bool:
        """Whether the cells are lists of objects, as JSON: many values, and none of them shown."""
        lists = [each for each in self.samples if each not in ("[]", "{}")]
        return bool(self.samples) and self.kind == "text" and all(BUNDLE.match(each) for each in lists)

    @property
    def dated(self) -> bool:
        """Whether the cells are days or moments."""
        return self.kind in ("day", "moment")

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers."""
        return self.kind in ("whole", "real")


def look(values: pl.Series) -> Cells:
    """Find out what the cells of a column are.

    Args:
        values: the column, text or typed; :attr:`Cells.values` holds it read as what it is.
    """
    name = values.name
    sample = values.drop_nulls()
    text = sample.dtype == pl.String
    if text:
        sample = sample.str.strip_chars().filter(sample.str.strip_chars() != "")
    if not sample.len():
        return Cells(name)
    shown = [str(each) for each in sample.unique(maintain_order=True).head(3)]
    base = {
        "filled": sample.len() / values.len(),
        "distinct": sample.n_unique() / sample.len(),
        "count": sample.n_unique(),
        "together": int((sample != sample.shift()).fill_null(True).sum()) == sample.n_unique(),
        "samples": tuple(each if len(each) <= 40 else each[:39] + "…" for each in shown),
        "currency": _currency(name, sample.head(200) if text else None),
    }
    if text:
        found = _date(name, values) or _number(name, values)
        if found is not None:
            return Cells(**{"name": name, **base, **found})
        head = sample.head(_LOOKED_AT)
        base |= {
            "spaced": float(head.str.contains(r"\s|[\u3400-\u9fff]{3}").mean() or 0.0),  # type: ignore[arg-type]
            "length": float(head.str.len_chars().mean() or 0.0),  # type: ignore[arg-type]
            "personal": sum(bool(_PERSONS.match(str(each))) for each in head.head(200)) >= 0.8 * min(200, head.len()),
        }
        return Cells(**{"name": name, "kind": "text", "values": values, **base})  # type: ignore[arg-type]
    return Cells(**{"name": name, **base, **_typed(name, values)})


def _typed(name: str, values: pl.Series) -> dict[str, Any]:
    """A column that has a type of its own (Parquet, a database)."""
    if values.dtype in (pl.Date, pl.Datetime):
        zone = getattr(values.dtype, "time_zone", None)
        days = values.cast(pl.Datetime("us", zone)).dt.replace_time_zone(None)
        return _moments(days, None) | {"zone": "utc" if zone else None}
    if values.dtype.is_numeric():
        if found := _counted_date(name, values):
            return found
        return _numbers(values.cast(pl.Float64))
    head = values.cast(pl.String).drop_nulls().head(_LOOKED_AT)
    spaced = float(head.str.contains(r"\s|[\u3400-\u9fff]{3}").mean() or 0.0)  # type: ignore[arg-type]
    return {"kind": "text", "spaced": spaced, "length": float(head.str.len_chars().mean() or 0.0), "values": values}  # type: ignore[arg-type]


def _date(name: str, values: pl.Series) -> dict[str, Any] | None:
    """How a column of text writes dates; ``None`` where it holds none."""
    text = values.str.strip_chars()
    sample = text.drop_nulls().filter(text.drop_nulls() != "").head(_LOOKED_AT)
    digits = sample.cast(pl.Int64, strict=False)
    if digits.null_count() == 0:
        if not sample.str.contains(r"^(19|20)\d{6}$").all():
            return _counted_date(name, text.cast(pl.Int64, strict=False))
    elif sample.cast(pl.Float64, strict=False).null_count() == 0:
        return _counted_date(name, text.cast(pl.Float64, strict=False))
    elif not sample.head(200).str.contains(r"\d").all() or sample.str.len_chars().max() > 40:  # type: ignore[operator]
        return None
    few = sample.unique(maintain_order=True).head(300)
    good = [form for form in _candidates(str(few[0])) if _share(few, form) >= _ENOUGH]
    good = [form for form in good if _share(sample, form) >= _ENOUGH]
    if not good:
        return None
    # The stricter reading first: with two-digit years a format reads other dates too.
    chosen = min(good, key=lambda form: ("%y" in form, _implausible(_parsed(sample, form)), good.index(form)))
    others = [form for form in good if form != chosen and _swapped(form) == chosen]
    zone = None
    if chosen.endswith(("%#z", "%z")):
        zone = "utc" if sample.str.contains(r"(Z|\+00:?00)$").all() else "offset"
    elif chosen.endswith(("UTC", "Z")):
        zone = "utc"
    return _moments(_parsed(text, chosen), chosen) | {"zone": zone, "swapped": others[0] if others else None}


@cache
def _written() -> tuple[tuple[str, frozenset[str]], ...]:
    """Every way of writing a day or moment that ingest knows, also with a time zone; and the marks that it needs."""
    groups = (YEAR_FIRST, DOTTED, *UNCLEAR, NAMED)
    ways = [way for group in groups for way in group]
    zoned = [way + zone for way in ways if _TIMED.search(way) and not way.endswith(("z", "UTC")) for zone in _ZONES]
    return tuple((way, frozenset(_DIRECTIVE.sub("", way))) for way in dict.fromkeys([*ways, *zoned]))


def _candidates(cell: str) -> list[str]:
    letters = set(cell)
    named = any(letter.isalpha() for letter in letters)
    likely = [way for way, marks in _written() if marks <= letters and (named or "%B" not in way)]
    return [way for way in likely if _one(cell, way)]


def _one(cell: str, form: str) -> bool:
    return _parsed(pl.Series([cell]), form).null_count() == 0


def _share(sample: pl.Series, form: str) -> float:
    return 1.0 - _parsed(sample, form).null_count() / sample.len()


def _parsed(text: pl.Series, form: str) -> pl.Series:
    try:
        if _TIMED.search(form):
            read = text.str.to_datetime(form, strict=False, time_unit="us")
            read = read.dt.replace_time_zone(None) if getattr(read.dtype, "time_zone", None) else read
        else:
            read = text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        # Otherwise %Y would read 24 as the year 24.
        return read.set((read.dt.year() < 1000).fill_null(False), None)
    except pl.exceptions.PolarsError:
        return pl.Series([None] * text.len(), dtype=pl.Datetime("us"))


def _swapped(form: str) -> str:
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _implausible(moments: pl.Series) -> float:
    """How little dates look like those of a shop: in disorder, spread over years with holes, or in the year 20."""
    days = moments.drop_nulls().dt.date()
    if not days.len():
        return 9.0
    steps = days.diff().drop_nulls().dt.total_days()
    disorder = min(float((steps < 0).mean() or 0.0), float((steps > 0).mean() or 0.0)) if steps.len() else 0.0  # type: ignore[arg-type]
    span = max(1, (days.max() - days.min()).days + 1)  # type: ignore[operator,union-attr]
    absurd = float(((days.dt.year() < 1970) | (days.dt.year() > 2100)).mean() or 0.0)  # type: ignore[arg-type]
    return round(absurd * 5 + disorder + (1.0 - min(1.0, days.n_unique() / span)), 3)


def _moments(moments: pl.Series, form: str | None) -> dict[str, Any]:
    filled = moments.drop_nulls()
    timed = bool((filled.dt.truncate("1d") != filled).any())
    kind: Kind = "moment" if timed or (form is not None and _TIMED.search(form)) else "day"
    return {"kind": kind, "format": form, "values": moments, "step": _step(filled)}


def _step(moments: pl.Series) -> int:
    days = moments.dt.date().unique().sort()
    if days.len() < 3:
        return 1
    if (days.dt.day() == 1).all():
        return 30
    gaps = days.diff().drop_nulls().dt.total_days()
    return 7 if (gaps % 7 == 0).all() else 1


def _counted_date(name: str, numbers: pl.Series) -> dict[str, Any] | None:
    """Numbers that count seconds or milliseconds since 1970, or days as table programs do."""
    filled = numbers.drop_nulls()
    if not filled.len():
        return None
    low, high = float(filled.min()), float(filled.max())  # type: ignore[arg-type]
    named = re.search(r"date|time|datum|day|ts$|at$|fecha|日|时间|日期", name.lower()) is not None
    micros = numbers.cast(pl.Float64)
    for form, factor in (("unix", 1e6), ("unix_ms", 1e3)):
        if _SECONDS[0] <= low * factor / 1e6 and high * factor / 1e6 <= _SECONDS[1]:
            if form == "unix" and not named:
                continue
            return _moments((micros * factor).cast(pl.Int64).cast(pl.Datetime("us")), form) | {"zone": "utc"}
    if named and _EXCEL[0] <= low and high <= _EXCEL[1] and filled.n_unique() > 1:
        epoch = -2_209_161_600 * 1_000_000  # 1899-12-30
        return _moments((micros * 86_400e6 + epoch).cast(pl.Int64).cast(pl.Datetime("us")), "excel")
    return None


def _number(name: str, values: pl.Series) -> dict[str, Any] | None:
    """How a column of text writes numbers; ``None`` where it holds none."""
    text = values.str.strip_chars()
    bare = text.str.replace_all(_MONEY, "").str.replace_all(r"[\s'\u00a0\u202f]", "")
    bare = bare.str.replace(r"^\((.*)\)$", "-$1").str.replace(r"^(.*\d)-$", "-$1")
    sample = bare.drop_nulls().filter(bare.drop_nulls() != "").head(_LOOKED_AT)
    if not sample.len() or float(sample.str.contains(r"^[-+]?[\d.,]+(?:[eE][-+]?\d+)?$").mean() or 0) < _ENOUGH:  # type: ignore[arg-type]
        return None
    comma = _comma(sample)
    read = bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True) if comma else None
    read = bare.str.replace_all(",", "", literal=True) if read is None else read
    numbers = read.cast(pl.Float64, strict=False)
    marks = r"\d\.\d{3}(\D|$)" if comma else r"\d,\d{3}(\D|$)"
    dressed = bool((bare != text).any()) or bool(sample.str.contains(marks).any())
    # A code such as 00123 is no number: its zeros say something.
    if sample.str.contains(r"^0\d").any() and not sample.str.contains(r"[.,]").any():
        return None
    written = bool(sample.str.contains(r"[.,]").any())
    odd = bool(text.str.contains(r"^\(.*\)$|\d-$").any())
    decimal = ("," if comma else ".") if written else None
    return _numbers(numbers) | {"decimal": decimal, "dressed": dressed, "bracketed": odd}


def _comma(sample: pl.Series) -> bool:
    """Whether the comma is the decimal mark."""
    commas, dots = sample.str.contains(",", literal=True), sample.str.contains(".", literal=True)
    both = sample.filter(commas & dots)
    if both.len():
        return bool(both.str.contains(r"\..*,").mean() > 0.5)  # type: ignore[operator]
    if not commas.any():
        # 1.234 and 12.345 alone could be thousands; prices nearly never have three decimals throughout.
        return False
    with_comma = sample.filter(commas)
    return not bool(with_comma.str.contains(r"^[-+]?\d{1,3}(,\d{3})+$").all())


def _numbers(numbers: pl.Series) -> dict[str, Any]:
    filled = numbers.drop_nulls().filter(numbers.drop_nulls().is_finite())
    if not filled.len():
        return {"kind": "empty", "values": numbers}
    whole = float((filled == filled.round()).mean() or 0.0)  # type: ignore[arg-type]
    return {
        "kind": "whole" if whole == 1.0 else "real",
        "values": numbers,
        "low": float(filled.min()),  # type: ignore[arg-type]
        "high": float(filled.max()),  # type: ignore[arg-type]
        "whole": whole,
    }


_SIGNS = {
    "€": "EUR", "£": "GBP", "元": "CNY", "円": "JPY", "₹": "INR", "₽": "RUB", "￥": "CNY", "zł": "PLN",
    "EUR": "EUR", "USD": "USD", "GBP": "GBP", "CNY": "CNY", "RMB": "CNY", "JPY": "JPY", "CHF": "CHF", "$": "USD",
    "¥": "CNY", "税込": "JPY",
}  # fmt: skip


def _currency(name: str, sample: pl.Series | None) -> str | None:
    texts = [name, *(sample.to_list() if sample is not None else [])]
    for sign, code in _SIGNS.items():
        pattern = re.escape(sign) if not sign.isalpha() or not sign.isascii() else rf"(?<![A-Za-z]){sign}(?![A-Za-z])"
        hits = [bool(re.search(pattern, text)) for text in texts]
        if hits[0] or (len(hits) > 1 and sum(hits[1:]) >= 0.5 * (len(hits) - 1)):
            return code
    return None
