"""Parquet files, batch by batch, with their own types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl

from windvane.errors import InputError
from windvane.ingest.read.content import CHUNK_ROWS, LINE, Content, Reading

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
_BUFFER = 1 << 20  # bytes of a column read at a time: a row group may be as large as the file


def open_table(source: Callable[[], BinaryIO], label: str) -> Reading:
    """Look at the schema of a Parquet file.

    Args:
        source: opens its bytes; they must be seekable.
        label: shown name.

    Raises:
        InputError: it is damaged.
    """
    with closing(source()) as stream:
        try:
            names = list(_opened(stream, label).schema_arrow.names)
        except UnicodeDecodeError as error:
            raise _damaged(label, error) from None
    for index, name in enumerate(names):
        if name in names[:index] or name == LINE:
            raise InputError(
                f"{label}: column {index + 1} is {name!r} again.", "Give every column its own name.", column=name
            )
    return Reading(label, names, None, lambda: _chunks(source, label))


def _opened(stream: BinaryIO, label: str) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(label, error) from None


def _chunks(source: Callable[[], BinaryIO], label: str) -> Iterator[Content]:
    import pyarrow as pa

    line = 1
    with closing(source()) as stream:
        batches = _opened(stream, label).iter_batches(batch_size=CHUNK_ROWS, use_threads=True)
        while True:
            try:
                batch = next(batches)
                batch.validate(full=True)  # nobody else checks that texts are UTF-8
                # Without the metadata, which may be damaged too and which polars does not look at before it reads it.
                bare = pa.RecordBatch.from_arrays(batch.columns, names=batch.schema.names)
                frame = _plain(pl.DataFrame(pl.from_arrow(bare)))
            except StopIteration:
                return
            except (
                pa.ArrowException, OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException
            ) as error:  # fmt: skip
                raise _damaged(label, error) from None
            frame = frame.insert_column(
                0, pl.int_range(line, line + frame.height, dtype=pl.Int64, eager=True).alias(LINE)
            )
            line += frame.height
            if frame.height:
                yield Content(frame)


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Categories as text, decimals as numbers, lists and structs as JSON text, bytes as UTF-8."""
    changes: list[Any] = []
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Categorical | pl.Enum):
            changes.append(pl.col(name).cast(pl.String))
        elif isinstance(kind, pl.Decimal):
            changes.append(pl.col(name).cast(pl.Float64))
        elif isinstance(kind, pl.Struct):
            changes.append(pl.when(pl.col(name).is_not_null()).then(pl.col(name).struct.json_encode()))
        elif isinstance(kind, pl.List | pl.Array):
            # Only structs can be encoded: {"x":[1,2]} without its first five and its last character.
            text = pl.struct(x=pl.col(name)).struct.json_encode().str.slice(5).str.head(-1)
            changes.append(pl.when(pl.col(name).is_not_null()).then(text).alias(name))
        elif kind == pl.Binary:
            changes.append(_decoded(frame[name]))
        elif kind == pl.Null:
            changes.append(pl.col(name).cast(pl.String))
    return frame.with_columns(changes) if changes else frame


def _decoded(values: pl.Series) -> pl.Series:
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        texts = [None if value is None else value.decode(errors="replace") for value in values]
        return pl.Series(values.name, texts, dtype=pl.String)


def _damaged(label: str, error: Exception) -> InputError:
    told = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return InputError(f"{label} is no readable Parquet file: {told}.", "Export it again.")
