"""What a job's rows are, before any mapping: the chunks of a file, the result of a query, rows of the mapping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from windvane.errors import InputError, MappingError
from windvane.ingest import read
from windvane.ingest.jobs import Job, named
from windvane.ingest.read import CHUNK_ROWS, LINE, Content, Item


def contents(job: Job, folder: Path) -> Iterator[Content]:
    """The rows of a job, at least one chunk of them, be it empty.

    Args:
        job: the job.
        folder: for temporary files; its owner removes it.

    Raises:
        InputError: a file is unreadable.
        MappingError: a query does not fit the files.
    """
    block = job.block
    if block.rows:
        yield _whole(pl.DataFrame(list(block.rows), infer_schema_length=None))
    elif block.query is not None:
        yield from _sliced(_queried(job, folder))
    elif block.whole:
        yield _joined(_chunks(job.items[0], job))
    else:
        yield from _chunks(job.items[0], job)


def _chunks(item: Item, job: Job) -> Iterator[Content]:
    reading = read.open_item(item, job.options)
    empty = True
    for content in reading.chunks():
        empty = False
        yield content
    if empty:
        yield Content(pl.DataFrame(schema={LINE: pl.Int64(), **dict.fromkeys(reading.columns, pl.String())}))


def _joined(chunks: Iterator[Content]) -> Content:
    held = list(chunks)
    return Content(pl.concat([each.frame for each in held]), [torn for each in held for torn in each.ragged])


def _whole(frame: pl.DataFrame) -> Content:
    return Content(frame.insert_column(0, pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias(LINE)))


def _sliced(frame: pl.DataFrame) -> Iterator[Content]:
    whole = _whole(frame).frame
    for start in range(0, max(1, whole.height), CHUNK_ROWS):
        yield Content(whole.slice(start, CHUNK_ROWS))


def _queried(job: Job, folder: Path) -> pl.DataFrame:
    block = job.block
    assert block.query is not None
    frames: dict[str, pl.LazyFrame] = {}
    spooled: dict[Item, pl.LazyFrame] = {}
    for index, (name, item) in enumerate(zip(named(block), job.items, strict=True)):
        if item not in spooled:
            spooled[item] = _scanned(item, job, folder / f"query-{index}")
        frames[name] = spooled[item]
    try:
        return pl.SQLContext(frames=frames).execute(block.query).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        what = (str(error).splitlines() or ["?"])[0]
        raise MappingError(f"The query for {block.table.name} fails: {what}.", "Correct the mapping.") from None


def _scanned(item: Item, job: Job, folder: Path) -> pl.LazyFrame:
    """An item's rows for SQL, by way of temporary Parquet files, so that a query may be larger than memory."""
    folder.mkdir()
    paths: list[Path] = []
    for content in _chunks(item, job):
        if content.ragged:
            first = content.ragged[0]
            raise InputError(
                f"{item.label}, line {first.line}: {first.reason}.",
                "Correct the line; files that a query joins must be whole.",
                row=first.line,
            )
        path = folder / f"{len(paths):06d}.parquet"
        content.frame.drop(LINE).write_parquet(path, compression="lz4")
        paths.append(path)
    return pl.scan_parquet(paths, glob=False)
