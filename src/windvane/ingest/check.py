"""Rows against the schema: what is kept, what goes to quarantine, and why.

Every rule is vectorised; only rows that break one are looked at singly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from windvane.clock import CLOCK
from windvane.ingest import columns
from windvane.ingest.files import LINE, Ragged, filtered
from windvane.ingest.mapping import Block, Source
from windvane.schema import DAY, DERIVED, MOMENT, REAL, TEXT, Column, Table

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)
_PAST = {"orders": "ordered_at", "events": "at", "reviews": "at", "stock": "date", "receipts": "received_at"}

QUARANTINE = DERIVED["quarantine"]


@dataclass(frozen=True)
class Checked:
    """Outcome of a check.

    Attributes:
        good: rows with the table's types and known columns, one per key, with ``_line``.
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
    repeated: int
    superseded: int


@dataclass(frozen=True)
class _Fault:
    rule: str
    reason: str


def check(
    block: Block,
    source: pl.DataFrame,
    place: str,
    hide: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame,
    ragged: list[Ragged] | None = None,
) -> Checked:
    """Map and check the rows of one file.

    Args:
        block: what the file should become.
        source: its rows, :data:`LINE` first.
        place: name of the file, for errors.
        hide: replaces what identifies people in rows that go to quarantine.
        ragged: lines that were no rows at all.

    Raises:
        windvane.errors.MappingError: the mapping does not fit the file.
    """
    aside, rest = _set_aside(block, source, place, hide)
    raw = columns.fetch(block, rest, place)
    frame, codes = _typed(block, raw)
    bad_rows = (
        codes.select(pl.any_horizontal(pl.all() > 0)).to_series() if codes.width else pl.Series([], dtype=pl.Boolean)
    )
    refused = _refused(block.table, frame, codes, raw, rest, bad_rows, hide)
    good = frame.filter(~bad_rows) if bad_rows.any() else frame
    good, repeated, replaced = _one_per_key(block.table, good, rest, hide)
    torn = _torn(ragged or [])
    bad = pl.concat([part for part in (torn, aside, refused, replaced) if part.height] or [aside])
    return Checked(good, bad, aside.height, int(bad_rows.sum()) + torn.height, repeated, replaced.height)


def _typed(block: Block, raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with the table's types, and per column the number of the rule that each row breaks (0 = none)."""
    table = block.table
    frame = raw.select(LINE)
    for column in table.columns:
        how = block.columns.get(column.name)
        if how is not None and not how.number_within:
            frame = frame.with_columns(columns.typed(raw[column.name], column, how).alias(column.name))
    given = set(frame.columns)
    frame = columns.with_defaults(frame, table)
    for name, how in block.columns.items():
        if how.number_within:
            frame = columns.number(frame, how.number_within, name)
    if table.name == "orders" and "line" not in frame.columns:
        frame = columns.number(frame, ("order_id",), "line")
    codes: dict[str, pl.Series] = {}
    for column in table.columns:
        if column.name in frame.columns:
            cells = raw[column.name] if column.name in given else None
            broken = _broken(column, table, frame[column.name], cells)
            if broken is not None:
                codes[column.name] = broken
    # A defaulted known_at is empty only because its event's moment is: one complaint is enough.
    if "known_at" not in given:
        codes.pop("known_at", None)
    order = [LINE, *(name for name in table.names if name in frame.columns)]
    return frame.select(order), pl.DataFrame(codes)


def _faults(column: Column, how: Source | None = None) -> list[_Fault]:
    """Rules in the order in which they are tried; the number of a rule is its place, from 1."""
    kind = {TEXT: "text", REAL: "a number", DAY: "a day", MOMENT: "a moment"}.get(column.type, "a whole number")
    return [
        _Fault("unreadable", f"{column.name} is not {kind}"),
        _Fault("missing", f"{column.name} is empty, and every row needs it"),
        _Fault("not_finite", f"{column.name} is not a finite number"),
        _Fault("too_small", f"{column.name} is below {column.minimum}"),
        _Fault("too_large", f"{column.name} is above {column.maximum}"),
        _Fault("not_allowed", f"{column.name} is none of: {', '.join(column.allowed)}"),
        _Fault("control_character", f"{column.name} contains a NUL character"),
        _Fault("absurd_date", f"{column.name} lies outside {FIRST_DAY} to {LAST_DAY}"),
        _Fault("in_future", f"{column.name} lies in the future"),
    ]


def _broken(column: Column, table: Table, values: pl.Series, cells: pl.Series | None) -> pl.Series | None:
    """Per row the number of the first rule broken, 0 = none; ``None`` where no row breaks any."""
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
        add(8, (values.dt.date() < FIRST_DAY) | (values.dt.date() > LAST_DAY))
        if _PAST.get(table.name) == column.name:
            tomorrow: datetime = CLOCK.now().replace(tzinfo=None) + timedelta(days=1)
            add(9, values.dt.date() > tomorrow.date())
    if not conditions:
        return None
    code = pl.Series([0], dtype=pl.Int8).new_from_index(0, values.len())
    for number, broken in reversed(conditions):
        code = pl.select(pl.when(broken).then(pl.lit(number, dtype=pl.Int8)).otherwise(code)).to_series()
    return code


def _refused(
    table: Table,
    frame: pl.DataFrame,
    codes: pl.DataFrame,
    raw: pl.DataFrame,
    source: pl.DataFrame,
    bad_rows: pl.Series,
    hide: Callable[[pl.DataFrame], pl.DataFrame],
) -> pl.DataFrame:
    """One quarantine row per bad cell."""
    parts: list[pl.DataFrame] = []
    if not bad_rows.any():
        return _quarantine([])
    whole = source.filter(bad_rows)
    rows = pl.DataFrame({LINE: whole[LINE], "row": _as_json(whole, hide)})
    shown = raw.filter(bad_rows)
    shown = hide(shown) if any(column.personal for column in table.columns) else shown
    numbers = codes.filter(bad_rows)
    for name in codes.columns:
        values = shown[name] if name in shown.columns else frame.filter(bad_rows)[name]
        for index, fault in enumerate(_faults(table[name]), start=1):
            hit = numbers[name] == index
            if hit.any():
                parts.append(
                    pl.DataFrame(
                        {
                            LINE: rows[LINE].filter(hit),
                            "value": values.filter(hit).cast(pl.String),
                            "row": rows["row"].filter(hit),
                        }
                    ).with_columns(column=pl.lit(name), reason=pl.lit(fault.reason), rule=pl.lit(fault.rule))
                )
    return _quarantine(parts)


def _set_aside(
    block: Block, source: pl.DataFrame, place: str, hide: Callable[[pl.DataFrame], pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that the mapping's rules set aside, as quarantine rows, and the rest."""
    parts: list[pl.DataFrame] = []
    rest = source
    for rule in block.set_aside:
        hit = filtered(rest.lazy(), rule.sql, f"{place}, set_aside")
        if hit.height:
            rows = pl.DataFrame({LINE: hit[LINE], "row": _as_json(hit, hide)})
            parts.append(
                rows.with_columns(
                    column=pl.lit(""),
                    value=pl.lit(None, dtype=pl.String),
                    reason=pl.lit(rule.reason),
                    rule=pl.lit(rule.name),
                )
            )
            rest = rest.join(hit.select(LINE), on=LINE, how="anti", maintain_order="left")
    return _quarantine(parts), rest


def _one_per_key(
    table: Table, frame: pl.DataFrame, source: pl.DataFrame, hide: Callable[[pl.DataFrame], pl.DataFrame]
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """Drop exact repeats; of rows that contradict each other keep the last."""
    key = list(table.key)
    if frame.select(key).is_unique().all():
        return frame, 0, _quarantine([])
    content = [name for name in frame.columns if name != LINE]
    distinct = frame.unique(subset=content, keep="last", maintain_order=True)
    repeated = frame.height - distinct.height
    good = distinct.unique(subset=key, keep="last", maintain_order=True)
    if good.height == distinct.height:
        return good, repeated, _quarantine([])
    lost = distinct.join(good.select(LINE), on=LINE, how="anti", maintain_order="left")
    winner = lost.select(LINE, *key).join(
        good.select(pl.col(LINE).alias("_winner"), *key), on=key, how="left", maintain_order="left"
    )
    whole = lost.select(LINE).join(source, on=LINE, how="left", maintain_order="left")
    text = pl.format(
        "line {} has the same key ({}) and other values; the later line counts", "_winner", pl.lit(", ".join(key))
    )
    rows = pl.DataFrame({LINE: whole[LINE], "row": _as_json(whole, hide), "reason": winner.select(text).to_series()})
    rows = rows.with_columns(column=pl.lit(""), value=pl.lit(None, dtype=pl.String), rule=pl.lit("superseded"))
    return good, repeated, _quarantine([rows])


def _torn(ragged: list[Ragged]) -> pl.DataFrame:
    return _quarantine(
        [
            pl.DataFrame(
                {
                    LINE: [each.line for each in ragged],
                    "row": [
                        pl.select(pl.struct(text=pl.lit(each.text)).struct.json_encode()).item() for each in ragged
                    ],
                    "reason": [each.reason for each in ragged],
                },
                schema={LINE: pl.Int64, "row": pl.String, "reason": pl.String},
            ).with_columns(column=pl.lit(""), value=pl.lit(None, dtype=pl.String), rule=pl.lit("ragged"))
        ]
    )


def _as_json(rows: pl.DataFrame, hide: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.Series:
    shown = hide(rows.drop(LINE))
    return shown.select(pl.struct(pl.all()).struct.json_encode().alias("row")).to_series()


def _quarantine(parts: list[pl.DataFrame]) -> pl.DataFrame:
    names = ["line", "column", "value", "reason", "rule", "row"]
    if not parts:
        return pl.DataFrame(schema={name: QUARANTINE[name].type for name in names})
    return pl.concat([part.rename({LINE: "line"}).select(names) for part in parts])
