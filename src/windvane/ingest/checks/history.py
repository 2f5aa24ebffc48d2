"""What earlier files of the same kind looked like, so that a file that means something else is noticed.

A :class:`Watch` looks at every chunk of a file while it is read and sums it up in a :class:`Profile` of bounded
size: a sample of the rows gives quantiles, shapes of codes and medians per product; counts and ranges are exact.
:mod:`windvane.ingest.checks.book` keeps the profiles of one mapping block, and :mod:`windvane.ingest.checks.jumps` says
what has changed between them and a new one.

No value that identifies a person is kept: products and places enter as hashes, people not at all.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from windvane.schema import DAY, MOMENT, REAL, TEXT, Table

LINE = "_line"
_ROWS, _PARTS = 10_000, 32
_GROUPS = 2000
_SHAPES = 8
_DAYS = 150
_QUANTILES = {"low": 0.1, "middle": 0.5, "high": 0.9}
_CURRENCY = re.compile(r"curr(ency|$)|币种|货币|幣別|währung|devise|moneda|valuta", re.IGNORECASE)
TIMES = {
    "orders": "ordered_at",
    "prices": "valid_from",
    "promotions": "starts_on",
    "stock": "date",
    "receipts": "received_at",
    "events": "at",
    "reviews": "at",
    "signals": "date",
}
"""The column that says when a row of a table happened."""

Cells = dict[str, float]


@dataclass(frozen=True)
class Profile:
    """A file in a few figures.

    Attributes:
        rows: rows accepted.
        header: the file's own columns -> family of their type (number, date, text, yesno), '' where the file does
            not say (CSV).
        empty: per column of ours, share of empty cells.
        numbers: per numeric column, quantiles of log10 of its absolute values that are not zero (low = 0.1,
            middle = 0.5, high = 0.9), share of whole and of negative numbers.
        below: per pair 'a<b' of money columns, share of rows with a < b among those where they differ.
        shapes: per code column (sku, location), share of rows by shape: letters A, digits 9.
        first: first day, ISO; '' where there is none.
        last: last day, ISO.
        days: the distinct days, ISO, if few.
        currencies: values of a column of the file that names the currency.
        groups: per product (hash) the medians of the absolute numeric values.
        complete: whether ``groups`` holds every product, not only those with the smallest hashes.
        places: hashes of the locations, if few.
    """

    rows: int
    header: dict[str, str] = field(default_factory=dict)
    empty: Cells = field(default_factory=dict)
    numbers: dict[str, Cells] = field(default_factory=dict)
    below: Cells = field(default_factory=dict)
    shapes: dict[str, Cells] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    days: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    groups: dict[str, Cells] = field(default_factory=dict)
    complete: bool = True
    places: tuple[str, ...] = ()


class Watch:
    """Sums up one file, chunk by chunk, in bounded memory.

    Args:
        table: the table that the file fills.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._header: dict[str, str] = {}
        self._sample: list[pl.DataFrame] = []
        self._skip = 1
        self._chunks = 0
        self._rows = 0
        self._nulls: dict[str, int] = {}
        self._range: list[date] = []
        self._currencies: set[str] = set()

    def feed(self, source: pl.DataFrame, good: pl.DataFrame) -> None:
        """Take in one chunk.

        Args:
            source: the chunk as the file has it.
            good: its accepted rows, with the table's columns and types.
        """
        if not self._header:
            self._header = {name: _family(kind) for name, kind in source.schema.items() if name != LINE}
        for name in self._header:
            if _CURRENCY.search(name) and name in source.columns and len(self._currencies) < 20:
                self._currencies |= set(source[name].drop_nulls().cast(pl.String).unique().head(20).to_list())
        self._rows += good.height
        names = [name for name in self.table.names if name in good.columns and not self.table[name].personal]
        for name in names:
            self._nulls[name] = self._nulls.get(name, 0) + good[name].null_count()
        when = TIMES.get(self.table.name)
        if when in good.columns and good.height:
            self._range = [d for d in (*self._range, *_ends(good[str(when)])) if d]
            self._range = [min(self._range), max(self._range)] if self._range else []
        self._chunks += 1
        if good.height and self._chunks % self._skip == 0:
            self._sample.append(good.select(names).gather_every(max(1, good.height // _ROWS)).head(_ROWS))
            if len(self._sample) == _PARTS:
                # Half as dense from here on, so that the sample stays even over a file of any length.
                self._sample, self._skip = self._sample[1::2], 2 * self._skip

    def profile(self) -> Profile:
        """What the chunks looked like in all."""
        sample = pl.concat(self._sample) if self._sample else self.table.empty()
        real = [c.name for c in self.table.columns if c.type == REAL and c.name in sample.columns]
        money = [name for name in real if self.table[name].unit == "money"]
        codes = [name for name in ("sku", "location") if name in sample.columns]
        groups, complete = _medians(self.table, sample, real)
        when = TIMES.get(self.table.name)
        days = sample[str(when)].drop_nulls().cast(pl.Date).unique().sort() if when in sample.columns else pl.Series([])
        return Profile(
            rows=self._rows,
            header=self._header,
            empty={name: short(count / max(1, self._rows)) for name, count in self._nulls.items()},
            numbers=_figures(sample, real),
            below={f"{a}<{b}": _less(sample, a, b) for i, a in enumerate(money) for b in money[i + 1 :]},
            shapes={name: _shapes(sample[name]) for name in codes},
            first=self._range[0].isoformat() if self._range else "",
            last=self._range[1].isoformat() if self._range else "",
            days=tuple(day.isoformat() for day in days.to_list()) if days.len() <= _DAYS else (),
            currencies=tuple(sorted(self._currencies)),
            groups=groups,
            complete=complete,
            places=_places(sample),
        )


@dataclass(frozen=True)
class Past:
    """Earlier files of one block.

    Attributes:
        profiles: their profiles without ``groups``, oldest first.
        known: per profile, share of its products that files before it had; NaN for the first.
        shifts: per profile, the median change (log10) per numeric column against the files before it.
        groups: the latest medians per product, over all files.
        complete: whether ``groups`` holds every product.
    """

    profiles: tuple[Profile, ...] = ()
    known: tuple[float, ...] = ()
    shifts: tuple[Cells, ...] = ()
    groups: dict[str, Cells] = field(default_factory=dict)
    complete: bool = True


def known_share(profile: Profile, past: Past) -> float:
    """Share of a file's products that earlier files had; NaN where there is nothing to compare.

    Both sides keep the products with the smallest hashes only, so the share is taken among those that both would
    have kept (a bottom-k sketch: Beyer et al., On synopses for distinct-value estimation, SIGMOD 2007).
    """
    mine = _comparable(profile, past)
    return sum(key in past.groups for key in mine) / len(mine) if mine and past.groups else math.nan


def ratios(profile: Profile, past: Past, new: str, old: str | None = None) -> list[float]:
    """Per product of both, log10 of the median of column ``new`` over the earlier median of ``old``."""
    found = []
    for key, mine in profile.groups.items():
        before = past.groups.get(key, {}).get(old or new)
        now = mine.get(new)
        if before and now:
            found.append(math.log10(now / before))
    return found


def shifts(profile: Profile, past: Past) -> Cells:
    """Median change (log10) of every numeric column over the products of both."""
    found = {name: ratios(profile, past, name) for name in profile.numbers}
    return {name: _median(each) for name, each in found.items() if each}


def _comparable(profile: Profile, past: Past) -> list[str]:
    """The file's products that ``past`` would have kept had it seen them."""
    if past.complete or not past.groups:
        return list(profile.groups)
    last = max(past.groups)
    return [key for key in profile.groups if key <= last]


def merged(past: Past, profile: Profile) -> tuple[dict[str, Cells], bool]:
    """Medians per product with a file's own over the earlier ones, and whether they are of every product."""
    groups = past.groups | profile.groups
    last = min((max(each.groups) for each in (past, profile) if not each.complete and each.groups), default=None)
    kept = sorted(key for key in groups if last is None or key <= last)[:_GROUPS]
    return {key: groups[key] for key in kept}, len(kept) == len(groups) and past.complete and profile.complete


def _medians(table: Table, sample: pl.DataFrame, real: list[str]) -> tuple[dict[str, Cells], bool]:
    """Medians of the absolute values that are not zero, per product; per name where a table has signals."""
    by = "name" if table.name == "signals" else "sku"
    if by not in sample.columns or not sample.height:
        return {}, True
    amounts = [pl.col(name).abs().replace(0.0, None).median().alias(name) for name in real]
    found = sample.lazy().filter(pl.col(by).is_not_null() & (pl.col(by) != "")).group_by(by).agg(amounts).collect()
    by_hash = sorted((_hash(key), index) for index, key in enumerate(found[by].to_list()))[:_GROUPS]
    rows = found.select(real).rows(named=True) if real else [{} for _ in range(found.height)]
    groups = {key: {name: short(v) for name, v in rows[i].items() if v is not None} for key, i in by_hash}
    return groups, found.height <= _GROUPS


def _figures(sample: pl.DataFrame, names: list[str]) -> dict[str, Cells]:
    """Figures of numeric columns, all in one query; none of a column that is empty or 0 throughout."""
    asked: list[pl.Expr] = []
    for name in names:
        values = pl.col(name)
        given = values.drop_nulls()
        amounts = values.filter(values.is_not_null() & (values != 0)).abs().log10()
        asked += [amounts.quantile(q, "nearest").alias(f"{part} {name}") for part, q in _QUANTILES.items()]
        asked += [(given == given.round()).mean().alias(f"whole {name}"), (given < 0).mean().alias(f"negative {name}")]
    found = sample.select(asked).row(0, named=True) if asked else {}
    parts = (*_QUANTILES, "whole", "negative")
    return {
        name: {part: short(found[f"{part} {name}"]) for part in parts}
        for name in names
        if found[f"middle {name}"] is not None
    }


def _less(sample: pl.DataFrame, a: str, b: str) -> float:
    apart = sample.filter(pl.col(a) != pl.col(b))
    return _share(apart[a] < apart[b]) if apart.height >= 30 else 0.5


def _shapes(codes: pl.Series) -> Cells:
    """Shares of the most frequent shapes: runs of letters become A, runs of digits 9."""
    if not codes.len():
        return {}
    name = pl.col(codes.name)
    shape = name.str.replace_all(r"\p{L}+", "A").str.replace_all(r"[0-9]+", "9").str.slice(0, 40)
    shares = (
        codes.to_frame()
        .lazy()
        .filter(name.is_not_null())
        .group_by(name)
        .len("count")
        .group_by(shape.alias("shape"))
        .agg(pl.col("count").sum())
        .with_columns(share=pl.col("count") / pl.col("count").sum())
        .sort("share", "shape", descending=[True, False])
        .head(_SHAPES)
        .collect()
    )
    return {shape: short(share) for shape, share in shares.select("shape", "share").iter_rows()}


def _places(sample: pl.DataFrame) -> tuple[str, ...]:
    if "location" not in sample.columns:
        return ()
    found = sample["location"].drop_nulls().unique()
    return tuple(sorted(_hash(name) for name in found.to_list())) if found.len() <= _GROUPS else ()


def _ends(values: pl.Series) -> Iterable[date]:
    low, high = values.min(), values.max()
    for each in (low, high):
        if isinstance(each, datetime):
            yield each.date()
        elif isinstance(each, date):
            yield each


def _family(kind: pl.DataType) -> str:
    """Family of a type that a file states; text says nothing, since CSV cells are all text."""
    if kind.is_numeric():
        return "number"
    if kind in (DAY, MOMENT) or isinstance(kind, pl.Datetime | pl.Date):
        return "date"
    return "yesno" if kind == pl.Boolean else "text" if kind == TEXT else ""


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _share(holds: pl.Series) -> float:
    return short(int(holds.sum()) / holds.len())


def short(value: float) -> float:
    """A figure as it is kept: six digits."""
    return float(f"{value:.6g}")
