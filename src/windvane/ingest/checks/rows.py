"""Rows against the schema: what is kept, what goes to quarantine, and why.

A file is checked chunk by chunk. Every rule is vectorised; only rows that break one are looked at singly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import MappingError
from windvane.ingest import keys
from windvane.ingest.cells import columns
from windvane.ingest.cells.numbering import Numbering
from windvane.ingest.checks import rules
from windvane.ingest.keys import ROW
from windvane.ingest.mapping import Block
from windvane.ingest.read import LINE, Ragged
from windvane.schema import DAY, DERIVED, MOMENT, REAL, TEXT, Column, Table

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)
_PAST = {"orders": "ordered_at", "events": "at", "reviews": "at", "stock": "date", "receipts": "received_at"}

_BAD = ("line", "column", "value", "reason", "rule", "row", "numbers")
_SCHEMA = {name: DERIVED["quarantine"][name].type for name in _BAD}

Hide = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Checked:
    """Outcome of a check.

    Attributes:
        good: rows with the table's types and known columns, with ``_line`` and their place in the file, ``_row``.
        bad: rows for the quarantine (without batch, table, file and moment).
        set_aside: rows that a rule of the mapping set aside.
        refused: rows that the schema refused.
        repeated: rows that said the same as another row and were dropped.
        superseded: rows that another row with the same key replaced.
    """

    good: pl.DataFrame
    bad: pl.DataFrame
    set_aside: int
    refused: int
    repeated: int = 0
    superseded: int = 0


def check(
    block: Block,
    source: pl.DataFrame,
    place: str,
    hide: Hide = lambda frame: frame,
    ragged: Iterable[Ragged] = (),
    currency: str = "",
) -> Checked:
    """Map and check rows that are all that there is: one per key is kept.

    Args:
        block: what the rows should become.
        source: the rows, :data:`LINE` first.
        place: name of the file, for errors.
        hide: replaces what identifies people in rows that go to quarantine.
        ragged: lines that were no rows at all.
        currency: ISO 4217 code of the shop's money; empty where any will do.

    Raises:
        windvane.errors.MappingError: the mapping does not fit the file.
    """
    checker = Checker(block, place, hide, currency=currency)
    checked = checker.chunk(source, ragged)
    settled = keys.one_per_key(checked.good, keys.identity(block))
    lost = checker.superseded(settled.lost, source)
    return replace(
        checked,
        good=settled.good,
        bad=pl.concat([checked.bad, lost]),
        repeated=settled.repeated,
        superseded=lost.height,
    )


class Checker:
    """Maps and checks the chunks of one file, one after the other.

    Args:
        block: what the file should become.
        place: name of the file, for errors.
        hide: replaces what identifies people in rows that go to quarantine.
        numberings: who gives running numbers, per column of ours; fresh ones where absent.
        currency: ISO 4217 code of the shop's money; empty where any will do.
    """

    def __init__(
        self,
        block: Block,
        place: str,
        hide: Hide = lambda frame: frame,
        numberings: dict[str, Numbering] | None = None,
        currency: str = "",
    ) -> None:
        self.block = block
        self.place = place
        self._hide = hide
        self._reader = columns.Reader(block, place, currency)
        self._currency = currency
        self.numberings = {name: Numbering() for name in numbered(block)} if numberings is None else numberings
        self._rows = 0

    def chunk(self, source: pl.DataFrame, ragged: Iterable[Ragged] = ()) -> Checked:
        """Check the next rows; repeated keys are left in.

        Args:
            source: the rows, :data:`LINE` first.
            ragged: lines that were no rows at all.

        Raises:
            windvane.errors.MappingError: the mapping does not fit the file.
        """
        first, self._rows = self._rows, self._rows + source.height
        source = source.with_columns(pl.int_range(first, self._rows, dtype=pl.Int64, eager=True).alias(ROW))
        aside, rest = self._set_aside(source)
        raw = self._reader.fetch(rest)
        frame, codes, faults = self._typed(raw)
        bad_rows = pl.Series([False]).new_from_index(0, rest.height) if rest.height else pl.Series([], dtype=pl.Boolean)
        for code in codes.values():
            bad_rows = bad_rows | (code > 0)
        # A cell that is wrong by itself says enough about its row.
        faults = [replace(fault, broken=fault.broken & ~bad_rows) for fault in faults]
        # The quarantine has one row per cell, so of several faults of one cell the first counts.
        said: dict[str, pl.Series] = {}
        for index, fault in enumerate(faults):
            if fault.column in said:
                faults[index] = fault = replace(fault, broken=fault.broken & ~said[fault.column])
            said[fault.column] = said.get(fault.column, fault.broken) | fault.broken
            bad_rows = bad_rows | fault.broken
        torn = _torn(ragged)
        parts = [torn, *aside]
        good = frame
        if bad_rows.any():
            parts += self._refused(frame, codes, faults, raw, rest, bad_rows)
            good = frame.filter(~bad_rows)
        asides = sum(part.height for part in aside)
        return Checked(good, _joined(parts), asides, int(bad_rows.sum()) + torn.height)

    def decided(self) -> Block:
        """The block with the formats and decimal marks that the chunks so far have decided."""
        return self._reader.decided()

    def superseded(self, lost: pl.DataFrame, source: pl.DataFrame) -> pl.DataFrame:
        """Quarantine rows for rows that another one with the same key replaced.

        Args:
            lost: their :data:`LINE`, :data:`ROW` and reason.
            source: the whole file, as first given to :meth:`chunk`.
        """
        if not lost.height:
            return _joined([])
        whole = source[lost[ROW].cast(pl.UInt32)]
        return replaced(lost.with_columns(row=self.as_json(whole)))

    def as_json(self, rows: pl.DataFrame) -> pl.Series:
        """Source rows as JSON objects, with people hidden."""
        shown = self._hide(rows.drop(LINE, ROW, strict=False))
        return shown.select(pl.struct(pl.all()).struct.json_encode().alias("row")).to_series()

    def _typed(self, raw: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series], list[rules.Fault]]:
        """Rows with the table's types; per column the number of the rule that each row breaks; faults of whole rows."""
        table = self.block.table
        given = {name for name, how in self.block.columns.items() if not how.number_within}
        read = [self._reader.typed(raw[column.name], column) for column in table.columns if column.name in given]
        frame = columns.with_defaults(raw.select(LINE, ROW).with_columns(read), table)
        for name, within in numbered(self.block).items():
            frame = frame.with_columns(self.numberings[name].chunk(frame.select(within)).alias(name))
        codes: dict[str, pl.Series] = {}
        suspects = _suspects(table, frame)
        for column in table.columns:
            if column.name in frame.columns:
                cells = raw[column.name] if column.name in given else None
                broken = _broken(column, table, frame[column.name], cells, column.name in suspects)
                foreign = self._reader.foreign(column.name) if cells is not None else None
                if foreign is not None:
                    broken = _first(broken, len(_faults(column, "")), foreign)
                # A defaulted known_at is empty only because its event's moment is: one complaint is enough.
                if broken is not None and (cells is not None or column.name != "known_at"):
                    codes[column.name] = broken
        order = [LINE, ROW, *(name for name in table.names if name in frame.columns)]
        frame = frame.select(order)
        return frame, codes, rules.row_faults(table, frame)

    def _refused(
        self,
        frame: pl.DataFrame,
        codes: dict[str, pl.Series],
        faults: list[rules.Fault],
        raw: pl.DataFrame,
        source: pl.DataFrame,
        bad_rows: pl.Series,
    ) -> list[pl.DataFrame]:
        """One quarantine row per bad cell."""
        table = self.block.table
        whole = source.filter(bad_rows)
        rows = whole.select(LINE).with_columns(row=self.as_json(whole), numbers=self._numbers(frame.filter(bad_rows)))
        shown = raw.filter(bad_rows)
        shown = self._hide(shown) if any(column.personal for column in table.columns) else shown
        typed = frame.filter(bad_rows)
        parts: list[pl.DataFrame] = []

        def add(hit: pl.Series, name: str, rule: str, reason: str) -> None:
            values = shown[name] if name in shown.columns else typed[name]
            said = rows.with_columns(values.cast(pl.String).alias("value")).filter(hit)
            parts.append(_rows(said.with_columns(column=pl.lit(name), reason=pl.lit(reason), rule=pl.lit(rule))))

        for name, code in codes.items():
            numbers = code.filter(bad_rows)
            for index, (rule, reason) in enumerate(_faults(table[name], self._currency), start=1):
                if (hit := numbers == index).any():
                    add(hit, name, rule, reason)
        for fault in faults:
            add(fault.broken.filter(bad_rows), fault.column, fault.rule, fault.reason)
        return parts

    def _numbers(self, frame: pl.DataFrame) -> pl.Series:
        """The rows' running numbers as JSON, so that a corrected row keeps its own."""
        names = list(numbered(self.block))
        if not names:
            return pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
        return frame.select(pl.struct(names).struct.json_encode()).to_series()

    def _set_aside(self, source: pl.DataFrame) -> tuple[list[pl.DataFrame], pl.DataFrame]:
        """Rows that the mapping's rules set aside, as quarantine rows, and the rest."""
        parts: list[pl.DataFrame] = []
        rest = source
        for rule in self.block.set_aside:
            hit = holds(rest, rule.sql, f"{self.place}, set_aside")
            if hit.any():
                rows = rest.filter(hit)
                said = rows.select(LINE).with_columns(row=self.as_json(rows))
                parts.append(
                    _rows(said.with_columns(column=pl.lit(""), reason=pl.lit(rule.reason), rule=pl.lit(rule.name)))
                )
                rest = rest.filter(~hit)
        foreign = self._reader.in_other_currency(rest)
        if foreign is not None and foreign.any():
            rows = rest.filter(foreign)
            said = rows.select(LINE).with_columns(row=self.as_json(rows))
            reason = f"the row is in another currency than {self._currency}"
            parts.append(
                _rows(said.with_columns(column=pl.lit(""), reason=pl.lit(reason), rule=pl.lit("other_currency")))
            )
            rest = rest.filter(~foreign)
        return parts, rest


def numbered(block: Block) -> dict[str, tuple[str, ...]]:
    """Columns of ours that are running numbers, with the columns within which they run."""
    found = {name: how.number_within for name, how in block.columns.items() if how.number_within}
    if block.table.name == "orders" and "line" not in block.columns:
        found["line"] = ("order_id",)
    return found


def holds(frame: pl.DataFrame, sql: str, place: str) -> pl.Series:
    """Per row whether an SQL condition holds; unknown counts as no.

    Raises:
        MappingError: the condition is wrong or names a column that is not there.
    """
    try:
        held = frame.select(pl.sql_expr(sql).alias("_holds")).to_series()
        if held.dtype != pl.Boolean:
            raise MappingError(f"{place}: {sql!r} is no condition but {held.dtype}.", "Correct the mapping.")
    except pl.exceptions.PolarsError as error:
        what = (str(error).splitlines() or ["?"])[0]
        raise MappingError(f"{place}: where = {sql!r} fails: {what}.", "Correct the mapping.") from None
    held = held.fill_null(False)
    return held if held.len() == frame.height else held.new_from_index(0, frame.height)


def replaced(lost: pl.DataFrame) -> pl.DataFrame:
    """Quarantine rows of rows that a later one replaced.

    Args:
        lost: ``_line``, ``reason`` and ``row``.
    """
    return _rows(lost.with_columns(column=pl.lit(""), rule=pl.lit("superseded")))


def _faults(column: Column, currency: str) -> list[tuple[str, str]]:
    """Rules with their reasons, in the order in which they are tried; the number of a rule is its place, from 1."""
    kind = {TEXT: "text", REAL: "a number", DAY: "a day", MOMENT: "a moment"}.get(column.type, "a whole number")
    return [
        ("unreadable", f"{column.name} is not {kind}"),
        ("missing", f"{column.name} is empty, and every row needs it"),
        ("not_finite", f"{column.name} is not a finite number"),
        ("too_small", f"{column.name} is below {column.minimum}"),
        ("too_large", f"{column.name} is above {column.maximum}"),
        ("not_allowed", f"{column.name} is none of: {', '.join(column.allowed)}"),
        ("control_character", f"{column.name} contains a NUL character"),
        ("absurd_date", f"{column.name} lies outside {FIRST_DAY} to {LAST_DAY}"),
        ("in_future", f"{column.name} lies in the future"),
        ("other_currency", f"{column.name} is in another currency than {currency}"),
    ]


def _broken(
    column: Column, table: Table, values: pl.Series, cells: pl.Series | None, suspect: bool
) -> pl.Series | None:
    """Per row the number of the first rule broken, 0 = none; ``None`` where no row breaks any.

    Args:
        column: the column.
        table: the table.
        values: its values with the column's type.
        cells: what they were read from; ``None`` where they were not read from the file.
        suspect: whether some value is out of range; see :func:`_suspects`.
    """
    conditions: list[tuple[int, pl.Series]] = []

    def add(number: int, broken: pl.Series) -> None:
        broken = broken.fill_null(False)
        if broken.any():
            conditions.append((number, broken))

    if cells is not None and values.null_count() > cells.null_count():
        unread = values.is_null() & cells.is_not_null()
        if cells.dtype == pl.String:
            unread &= cells.str.strip_chars() != ""
        add(1, unread)
    if not column.nullable and values.null_count():
        add(2, values.is_null())
    if suspect:
        _add_ranges(column, table, values, add)
    code: pl.Series | None = None
    for number, broken in reversed(conditions):
        code = _first(code, number, broken)
    return code


def _first(code: pl.Series | None, number: int, broken: pl.Series) -> pl.Series:
    """The numbers of the rules broken, with one more rule that comes before the others."""
    if code is None:
        code = pl.Series([0], dtype=pl.Int8).new_from_index(0, broken.len())
    return pl.select(pl.when(broken).then(pl.lit(number, dtype=pl.Int8)).otherwise(code)).to_series()


def _suspects(table: Table, frame: pl.DataFrame) -> set[str]:
    """Columns in which some value is out of range, all found in one query: almost every chunk is clean."""
    tomorrow = CLOCK.now().replace(tzinfo=None) + timedelta(days=1)
    asked: list[pl.Expr] = []
    for column in table.columns:
        if column.name not in frame.columns:
            continue
        values = pl.col(column.name)
        wrong: list[pl.Expr] = []
        if column.type == REAL:
            wrong.append(~values.is_finite().all())
        # The least and the greatest value tell at once that no row is out of range.
        if column.minimum is not None:
            wrong.append(values.min() < column.minimum)
        if column.maximum is not None:
            wrong.append(values.max() > column.maximum)
        if column.allowed:
            wrong.append(~values.is_in(list(column.allowed)).all())
        if column.type == TEXT:
            wrong.append(values.str.contains("\x00", literal=True).any())
        if column.type in (DAY, MOMENT):
            last = min(LAST_DAY, tomorrow.date()) if _PAST.get(table.name) == column.name else LAST_DAY
            wrong += [values.min().cast(pl.Date) < FIRST_DAY, values.max().cast(pl.Date) > last]
        if wrong:
            asked.append(pl.any_horizontal(*wrong).alias(column.name))
    return {name for name, hit in frame.select(asked).row(0, named=True).items() if hit} if asked else set()


def _add_ranges(column: Column, table: Table, values: pl.Series, add: Callable[[int, pl.Series], None]) -> None:
    if column.type == REAL:
        add(3, ~values.is_finite())
    if column.minimum is not None:
        add(4, values < column.minimum)
    if column.maximum is not None:
        add(5, values > column.maximum)
    if column.allowed:
        add(6, ~values.is_in(list(column.allowed)))
    if column.type == TEXT:
        add(7, values.str.contains("\x00", literal=True))
    if column.type in (DAY, MOMENT):
        days = values.dt.date() if column.type == MOMENT else values
        low, high = days.min(), days.max()
        tomorrow: datetime = CLOCK.now().replace(tzinfo=None) + timedelta(days=1)
        if low is not None and (low < FIRST_DAY or high > LAST_DAY):  # type: ignore[operator]
            add(8, (days < FIRST_DAY) | (days > LAST_DAY))
        if _PAST.get(table.name) == column.name and high is not None and high > tomorrow.date():  # type: ignore[operator]
            add(9, days > tomorrow.date())


def _torn(ragged: Iterable[Ragged]) -> pl.DataFrame:
    each = list(ragged)
    if not each:
        return _joined([])
    return _rows(
        pl.DataFrame(
            {
                LINE: [one.line for one in each],
                "row": [json.dumps({"text": one.text}, ensure_ascii=False) for one in each],
                "reason": [one.reason for one in each],
            },
            schema={LINE: pl.Int64, "row": pl.String, "reason": pl.String},
        ).with_columns(column=pl.lit(""), rule=pl.lit("ragged"))
    )


def _rows(said: pl.DataFrame) -> pl.DataFrame:
    """A part with exactly the columns of the quarantine that a check fills."""
    absent = [pl.lit(None, dtype=pl.String).alias(name) for name in ("value", "numbers") if name not in said.columns]
    return said.rename({LINE: "line"}).with_columns(absent).select(_BAD)


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    filled = [part for part in parts if part.height]
    return pl.concat(filled) if filled else pl.DataFrame(schema=_SCHEMA)
