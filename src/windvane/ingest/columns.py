"""From their columns to ours: values fetched as the mapping says, then read as the schema's types.

Reading never raises on a bad value; it leaves a null where there was something, and ``check`` finds it.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from windvane.errors import MappingError
from windvane.ingest.files import LINE
from windvane.ingest.mapping import Block, Source
from windvane.schema import DAY, MOMENT, REAL, TEXT, WHOLE, Column, Table

_MOMENTS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d",
    "%Y/%m/%d",
)
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y年%m月%d日")
_SECONDS = {"second": 1, "hour": 3600, "day": 86400, "week": 604800}


def fetch(block: Block, source: pl.DataFrame, place: str) -> pl.DataFrame:
    """Our columns with their values as they stand in the source, and :data:`LINE`.

    Running numbers are not among them; see :func:`number`.

    Raises:
        MappingError: a column is not in the file, or an SQL expression is wrong.
    """
    frame = source.lazy()
    for name, how in block.columns.items():
        if how.number_within:
            continue
        try:
            frame = frame.with_columns(_expression(how, source).alias(f"_our_{name}"))
            frame.collect_schema()
        except pl.exceptions.PolarsError as error:
            what = f"column {how.column!r} is not in the file" if how.column else str(error).splitlines()[0]
            raise MappingError(
                f"{place}: {block.table.name}.{name}: {what}.", f"The file has: {', '.join(source.columns[1:])}."
            ) from None
    ours = {f"_our_{name}": name for name, how in block.columns.items() if not how.number_within}
    try:
        return frame.select(LINE, *(pl.col(made).alias(name) for made, name in ours.items())).collect()
    except pl.exceptions.PolarsError as error:
        raise MappingError(f"{place}: {str(error).splitlines()[0]}.", "Correct the mapping's SQL.") from None


def origins(how: Source) -> list[str]:
    """Their columns that a column of ours is made from."""
    if how.column:
        return [how.column]
    if how.sql:
        return pl.sql_expr(how.sql).meta.root_names()
    return [theirs for _, theirs in how.json]


def typed(values: pl.Series, column: Column, how: Source) -> pl.Series:
    """Values read as a column's type; null where that is impossible.

    Args:
        values: as fetched; any type.
        column: what they should become.
        how: formats and time zones from the mapping.
    """
    if how.origin is not None:
        return _counted(values, how, column)
    if how.days_since is not None:
        days = typed(values, Column(column.name, DAY, ""), Source(format=how.format))
        since = pl.Series([date.fromisoformat(how.days_since)])
        return (days - since).dt.total_days().cast(pl.Int64).alias(values.name)
    if column.type == TEXT:
        return as_text(values)
    if column.type == REAL:
        return (values.str.strip_chars() if values.dtype == pl.String else values).cast(REAL, strict=False)
    if column.type == WHOLE:
        return _as_whole(values)
    if column.type == DAY:
        moments = _as_moments(values, how, _DAYS if values.dtype == pl.String else ())
        return moments.cast(pl.Date)
    return _as_moments(values, how, _MOMENTS)


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
    if table.name == "signals":
        for name in ("sku", "location", "region"):
            filled = pl.col(name).fill_null("") if name in frame.columns else pl.lit("")
            frame = frame.with_columns(filled.alias(name))
    if "known_at" not in frame.columns:
        frame = frame.with_columns(_known_at(table).cast(MOMENT).alias("known_at"))
    return frame


def number(frame: pl.DataFrame, within: tuple[str, ...], name: str) -> pl.DataFrame:
    """Add the running number, from 1, among rows with equal values, in file order."""
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(within).alias(name))


def _known_at(table: Table) -> pl.Expr:
    if table.name == "stock":
        return pl.col("date").cast(MOMENT) + pl.duration(days=1) - pl.duration(microseconds=1)
    event = {"orders": "ordered_at", "events": "at", "reviews": "at", "receipts": "received_at"}.get(table.name)
    return pl.col(event) if event else pl.lit(date(1970, 1, 1))


def _expression(how: Source, source: pl.DataFrame) -> pl.Expr:
    if how.column is not None:
        return pl.col(how.column)
    if how.sql is not None:
        return pl.sql_expr(how.sql)
    if how.json:
        pairs = [pl.col(theirs).alias(ours) for ours, theirs in how.json]
        return pl.struct(pairs).struct.json_encode()
    return pl.lit(how.value)


def as_text(values: pl.Series) -> pl.Series:
    """Values as trimmed text; empty text is null, and 17850.0 is '17850'."""
    if values.dtype.is_float():
        # 17850.0 is a number that a table program made of the identifier 17850.
        whole = values.cast(pl.Int64, strict=False)
        plain = (whole.cast(values.dtype) == values).fill_null(False)
        return whole.cast(pl.String).zip_with(plain, values.cast(pl.String))
    text = values.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _as_whole(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String:
        stripped = values.str.strip_chars()
        whole = stripped.cast(pl.Int64, strict=False)
        return (
            whole
            if whole.null_count() == values.null_count()
            else whole.fill_null(_as_whole(stripped.cast(REAL, strict=False)))
        )
    whole = values.cast(pl.Int64, strict=False)
    if values.dtype.is_float():
        return whole.set((whole.cast(values.dtype) != values).fill_null(True), None)
    return whole


def _as_moments(values: pl.Series, how: Source, formats: tuple[str, ...]) -> pl.Series:
    if values.dtype == pl.String:
        stripped = values.str.strip_chars()
        chosen = how.format or _best_format(stripped, formats)
        read = _parsed(stripped, chosen)
    elif values.dtype in (pl.Date, pl.Datetime):
        read = values
    else:
        return pl.Series(values.name, [None] * values.len(), dtype=MOMENT)
    if read.dtype == pl.Date:
        return read.cast(MOMENT)
    zone = getattr(read.dtype, "time_zone", None)
    read = read.cast(pl.Datetime("us", zone), strict=False)
    if zone is None and how.timezone:
        read = read.dt.replace_time_zone(how.timezone, ambiguous="earliest", non_existent="null")
        zone = how.timezone
    if zone is None:
        return read
    return read.dt.convert_time_zone(how.local or "UTC").dt.replace_time_zone(None)


def _best_format(values: pl.Series, formats: tuple[str, ...]) -> str:
    """The format that reads most of the first values; one format holds for the whole column."""
    sample = values.drop_nulls().head(1000)
    return max(formats, key=lambda each: sample.len() - _parsed(sample, each).null_count())


def _parsed(values: pl.Series, form: str) -> pl.Series:
    if any(part in form for part in ("%H", "%I", "%T", "%R", "%s", "%X")):
        return values.str.to_datetime(form, strict=False, time_unit="us")
    return values.str.to_date(form, strict=False)


def _counted(values: pl.Series, how: Source, column: Column) -> pl.Series:
    count = values.cast(REAL, strict=False)
    micros = (count * (_SECONDS[how.unit] * 1_000_000)).cast(pl.Int64, strict=False)
    start = pl.Series([date.fromisoformat(str(how.origin))]).cast(MOMENT)
    return (start + micros.cast(pl.Duration("us"))).cast(column.type).alias(values.name)
