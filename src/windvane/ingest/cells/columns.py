"""From their columns to ours: values fetched as the mapping says, then read as the schema's types.

Reading never raises on a bad value; it leaves a null where there was something, and ``check`` finds it.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import date, datetime

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import MappingError
from windvane.ingest import keys
from windvane.ingest.cells.moments import Moments
from windvane.ingest.cells.numbers import CODES, MARKS, Numbers, same_currency
from windvane.ingest.mapping import Block, Source
from windvane.ingest.read import LINE
from windvane.schema import MOMENT, REAL, TEXT, WHOLE, Column, Table

_SECONDS = {
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604800,
}


def used(block: Block) -> set[str]:
    """Their columns that a block looks at: for values, for rules, for the currency."""
    found = {name for how in block.columns.values() for name in origins(how)}
    if isinstance(block.currency, Source):
        found |= set(origins(block.currency))
    for sql in (block.where, *(rule.sql for rule in block.set_aside)):
        if sql:
            # Wrong SQL is reported where it is used, with its place.
            with contextlib.suppress(pl.exceptions.PolarsError):
                found |= set(pl.sql_expr(sql).meta.root_names())
    return found


class Reader:
    """Reads the columns of one file, chunk by chunk, in the same way throughout.

    Args:
        block: what the file should become.
        place: name of the file, for errors and for dates in it.
        currency: ISO 4217 code of the shop's money; empty where any will do.
    """

    def __init__(self, block: Block, place: str, currency: str = "") -> None:
        self._block = block
        self._place = place
        self._moment = CLOCK.now().replace(tzinfo=None)
        self._currency = currency
        self._numbers = Numbers(block, place, currency)
        self._moments = Moments(place)

    def fetch(self, source: pl.DataFrame) -> pl.DataFrame:
        """Our columns with their values as they stand in the source, with :data:`LINE` and ``_row``.

        Running numbers are not among them; see :mod:`windvane.ingest.cells.numbering`.

        Raises:
            MappingError: a column is not in the file, or an SQL expression is wrong.
        """
        ours = {name: how for name, how in self._block.columns.items() if not how.number_within}
        made = [pl.col(LINE), pl.col(keys.ROW)]
        for name, how in ours.items():
            if how.column is not None and how.column not in source.columns:
                raise self._failed(name, f"column {how.column!r} is not in the file", source)
            try:
                expression = self._expression(how)
                if how.sql is not None or how.json:
                    source.lazy().select(expression).collect_schema()
            except pl.exceptions.PolarsError as error:
                raise self._failed(name, str(error).splitlines()[0], source) from None
            made.append(expression.alias(name))
        try:
            raw = source.select(made)
        except pl.exceptions.PolarsError as error:
            raise MappingError(f"{self._place}: {str(error).splitlines()[0]}.", "Correct the mapping's SQL.") from None
        self._numbers.look(raw)
        return raw

    def typed(self, values: pl.Series, column: Column) -> pl.Series:
        """Values read as a column's type; null where that is impossible.

        Args:
            values: as fetched; any type.
            column: what they should become.

        Raises:
            MappingError: the values can be read in two ways.
        """
        how = self._block.columns[column.name]
        if how.origin is not None:
            return _counted(values, how, column)
        if how.days_since is not None:
            days = self._read(values, how, column).cast(pl.Date)
            since = pl.Series([date.fromisoformat(how.days_since)])
            return (days - since).dt.total_days().cast(pl.Int64).alias(values.name)
        if column.type == TEXT:
            return as_text(values)
        if column.type == REAL:
            return self._numbers.real(values, column)
        if column.type == WHOLE:
            return _as_whole(values, self._numbers.real(values, column))
        return self._read(values, how, column).cast(column.type)

    def decided(self) -> Block:
        """The block with what only the file as a whole could decide, so that single rows are read like the file."""
        made = dict(self._block.columns)
        for name, how in made.items():
            if how.format is None and (ways := self._moments.decided(f"{self._block.table.name}.{name}")):
                made[name] = replace(how, format=ways)
            if how.decimal is None and (mark := self._numbers.decided(name)) is not None:
                made[name] = replace(how, decimal=mark)
        return replace(self._block, columns=made)

    def foreign(self, name: str) -> pl.Series | None:
        """Which cells of a column, as last read, carry the mark of another currency; ``None`` where none does."""
        return self._numbers.foreign.get(name)

    def in_other_currency(self, source: pl.DataFrame) -> pl.Series | None:
        """Which rows are in another currency than the shop's, as the block says; ``None`` where it says nothing.

        Raises:
            MappingError: the column that names the currency is not in the file.
        """
        said = self._block.currency
        if said is None or not self._currency:
            return None
        if isinstance(said, str):
            return pl.Series([said != self._currency]).new_from_index(0, source.height)
        if said.column is not None and said.column not in source.columns:
            raise self._failed("currency", f"column {said.column!r} is not in the file", source)
        try:
            named = as_text(source.select(self._expression(said).alias("currency")).to_series())
        except pl.exceptions.PolarsError as error:
            raise self._failed("currency", str(error).splitlines()[0], source) from None
        # A code that is not known is another currency, too.
        known = named.str.to_uppercase().is_in([*CODES, *(mark.upper() for mark in MARKS)]).fill_null(True)
        return ~(same_currency(named, self._currency) & known)

    def _read(self, values: pl.Series, how: Source, column: Column) -> pl.Series:
        return self._moments.read(values, how, f"{self._block.table.name}.{column.name}")

    def _expression(self, how: Source) -> pl.Expr:
        if how.column is not None:
            return pl.col(how.column)
        if how.sql is not None:
            return pl.sql_expr(how.sql)
        if how.json:
            pairs = [pl.col(theirs).alias(ours) for ours, theirs in how.json]
            return pl.struct(pairs).struct.json_encode()
        if how.arrival:
            return pl.lit(self._moment, dtype=MOMENT)
        if how.file_date is not None:
            return pl.lit(file_date(self._place, how.file_date), dtype=MOMENT)
        return pl.lit(how.value)

    def _failed(self, name: str, what: str, source: pl.DataFrame) -> MappingError:
        theirs = [each for each in source.columns if each not in (LINE, keys.ROW)]
        return MappingError(
            f"{self._place}: {self._block.table.name}.{name}: {what}.", f"The file has: {', '.join(theirs)}."
        )


def file_date(name: str, form: str) -> datetime:
    """The date that a file's name holds.

    Args:
        name: the file's name, such as ``orders_20240305.csv``.
        form: strptime format of the date in it, such as ``%Y%m%d``.

    Raises:
        MappingError: the name holds none, or several.
    """
    widths = {
        "Y": r"\d{4}",
        "m": r"\d{1,2}",
        "d": r"\d{1,2}",
        "y": r"\d{2}",
        "H": r"\d{2}",
        "M": r"\d{2}",
        "S": r"\d{2}",
    }
    pattern = re.sub(r"%([YmdyHMSbB])", lambda part: widths.get(part.group(1), r"[^\W\d_]+"), re.escape(form))
    found: set[datetime] = set()
    for match in re.finditer(rf"(?=(?<!\d)({pattern})(?!\d))", name):
        with contextlib.suppress(ValueError):
            found.add(datetime.strptime(match.group(1), form))
    if len(found) != 1:
        how_many = "no date" if not found else "several dates"
        raise MappingError(f"{name}: its name holds {how_many} of the form {form}.", "Correct file_date, or the name.")
    return found.pop()


def origins(how: Source) -> list[str]:
    """Their columns that a column of ours is made from."""
    if how.column:
        return [how.column]
    if how.sql:
        return pl.sql_expr(how.sql).meta.root_names()
    return [theirs for _, theirs in how.json]


def with_defaults(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Fill in required columns that the mapping left out.

    ``location`` is 'all'; ``kind`` of an order is 'return' where units are negative, else 'sale'; ``line`` is the
    running number within the order; an empty ``sku``, ``location`` or ``region`` of a signal is ''. ``known_at`` is
    the moment of the event, the end of the day for stock, and 1970-01-01 for what describes things (products,
    locations, supply, customers).
    """
    if "location" in table.types and "location" not in frame.columns and table.name not in ("signals", "locations"):
        frame = frame.with_columns(pl.lit("all").alias("location"))
    if table.name == "orders" and "kind" not in frame.columns:
        frame = frame.with_columns(
            pl.when(pl.col("units") < 0).then(pl.lit("return")).otherwise(pl.lit("sale")).alias("kind")
        )
    if table.name in ("signals", "calendar"):
        for name in ("sku", "location", "region") if table.name == "signals" else ("country", "region"):
            filled = pl.col(name).fill_null("") if name in frame.columns else pl.lit("")
            frame = frame.with_columns(filled.alias(name))
    if "known_at" not in frame.columns:
        frame = frame.with_columns(_known_at(table).cast(MOMENT).alias("known_at"))
    return frame


def _known_at(table: Table) -> pl.Expr:
    if table.name == "stock":
        return pl.col("date").cast(MOMENT) + pl.duration(days=1) - pl.duration(microseconds=1)
    event = {"orders": "ordered_at", "events": "at", "reviews": "at", "receipts": "received_at"}.get(table.name)
    return pl.col(event) if event else pl.lit(date(1970, 1, 1))


def as_text(values: pl.Series) -> pl.Series:
    """Values as trimmed text; empty text is null, and 17850.0 is '17850'."""
    if values.dtype.is_float():
        # 17850.0 is a number that a table program made of the identifier 17850.
        whole = values.cast(pl.Int64, strict=False)
        plain = (whole.cast(values.dtype) == values).fill_null(False)
        return whole.cast(pl.String).zip_with(plain, values.cast(pl.String))
    text = values.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _as_whole(values: pl.Series, read: pl.Series) -> pl.Series:
    """Whole numbers; null where there is another number, or none."""
    if values.dtype == pl.String:
        # Identifiers of more than 15 digits are not exact as Float64.
        whole = values.str.strip_chars().cast(pl.Int64, strict=False)
        if whole.null_count() == values.null_count():
            return whole
        return whole.fill_null(_as_whole(read, read))
    whole = values.cast(pl.Int64, strict=False)
    if values.dtype.is_float():
        return whole.set((whole.cast(values.dtype) != values).fill_null(True), None)
    return whole


def _counted(values: pl.Series, how: Source, column: Column) -> pl.Series:
    count = values.cast(REAL, strict=False)
    micros = (count * (_SECONDS[how.unit] * 1_000_000)).cast(pl.Int64, strict=False)
    start = pl.Series([date.fromisoformat(str(how.origin))]).cast(MOMENT)
    return (start + micros.cast(pl.Duration("us"))).cast(column.type).alias(values.name)
