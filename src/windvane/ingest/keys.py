"""One row per key within a file: exact repeats are dropped, of rows that contradict each other the last one counts."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from windvane.ingest.mapping import Block
from windvane.ingest.read import LINE

ROW = "_row"
"""Column that holds a row's place in its file, from 0: unlike its line it is never shared."""


@dataclass(frozen=True)
class Settled:
    """Rows of which each key has one.

    Attributes:
        good: the rows that count, in file order.
        repeated: rows that said the same as another.
        lost: rows that a later one with the same key replaced: :data:`LINE`, :data:`ROW` and the reason.
    """

    good: pl.DataFrame
    repeated: int
    lost: pl.DataFrame


def identity(block: Block) -> list[str]:
    """Columns that tell the rows of one file apart.

    Where the mapping says when each row became known, rows of one key that became known at different moments are
    versions of the same thing, and all stay.
    """
    key = list(block.table.key)
    return [*key, "known_at"] if "known_at" in block.columns and "known_at" not in key else key


def guaranteed(block: Block) -> bool:
    """Whether running numbers make every key unique whatever the file holds."""
    numbered = {name: how.number_within for name, how in block.columns.items() if how.number_within}
    if block.table.name == "orders" and "line" not in block.columns:
        numbered["line"] = ("order_id",)
    key = set(block.table.key)
    return any(name in key and set(within) <= key - {name} for name, within in numbered.items())


def one_per_key(frame: pl.DataFrame, key: list[str]) -> Settled:
    """Drop exact repeats; of rows that contradict each other keep the last.

    Args:
        frame: rows in file order, with :data:`LINE` and :data:`ROW`.
        key: what must be unique.
    """
    nothing = frame.clear().select(LINE, ROW, reason=pl.lit("", dtype=pl.String))
    if frame.select(key).is_unique().all():
        return Settled(frame, 0, nothing)
    content = [name for name in frame.columns if name not in (LINE, ROW)]
    distinct = frame.unique(subset=content, keep="last", maintain_order=True)
    repeated = frame.height - distinct.height
    good = distinct.unique(subset=key, keep="last", maintain_order=True)
    if good.height == distinct.height:
        return Settled(good, repeated, nothing)
    lost = distinct.join(good.select(ROW), on=ROW, how="anti", maintain_order="left")
    winner = good.select(pl.col(LINE).alias("_winner"), *key)
    text = pl.format(
        "line {} has the same key ({}) and other values; the later line counts", "_winner", pl.lit(", ".join(key))
    )
    joined = lost.select(LINE, ROW, *key).join(winner, on=key, how="left", maintain_order="left", nulls_equal=True)
    return Settled(good, repeated, joined.select(LINE, ROW, text.alias("reason")))
