"""What describes things changes slowly, and the old description is kept.

A list of products, locations, terms of supply or customers seldom says since when it holds. So the first
description of a thing counts as known always (1970-01-01); a description that differs from the one on record
becomes known now, as a new version beside the old one. A run as of an earlier day then sees the old one, because
:meth:`windvane.store.tables.Tables.read` leaves out what was not yet known before it takes the latest row per key.
(In the terms of data warehouses: a slowly changing dimension of type 2; Kimball and Ross, The Data Warehouse
Toolkit, 3rd ed. 2013, ch. 5.)
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from windvane.schema import MOMENT, Table

DESCRIPTIVE = ("products", "locations", "supply", "customers")
"""Tables whose ``known_at`` is dated by :func:`date_changes` where the mapping does not say it."""

ALWAYS = datetime(1970, 1, 1)
"""``known_at`` of a first description."""


def date_changes(table: Table, good: pl.DataFrame, existing: pl.LazyFrame, now: datetime) -> tuple[pl.DataFrame, int]:
    """Say since when each description holds, and drop those that say nothing new.

    Call it after people have been made pseudonymous, since the key of the table customers is a person.

    Args:
        table: a table of :data:`DESCRIPTIVE`.
        good: checked rows, one per key, with the table's types; any further columns are kept. Columns of the table
            that it lacks were not mapped: they keep the value on record.
        existing: the table as read now, the latest row per key.
        now: moment (UTC, without time zone) from which a change counts as known.

    Returns:
        The rows to append, in their order, with ``known_at``; and how many were left out as unchanged. A change
        becomes known at ``now``, or just after the version it replaces where a clock that went back would date it
        earlier.
    """
    key = list(table.key)
    mapped = [c.name for c in table.columns if c.name in good.columns and c.name not in (*key, "known_at")]
    absent = [c.name for c in table.columns if c.name not in good.columns and c.name != "known_at"]
    rows = good.drop("known_at", strict=False)
    on_record = existing.join(rows.select(key).lazy(), on=key, how="semi").collect()
    if not on_record.height:
        return _ordered(table, rows.with_columns(pl.lit(ALWAYS, dtype=MOMENT).alias("known_at"))), 0
    old = on_record.select(
        *key,
        pl.col("known_at").alias("_since"),
        *(pl.col(name).alias(f"_old_{name}") for name in mapped),
        *absent,
    )
    joined = rows.join(old, on=key, how="left", maintain_order="left")
    known = pl.col("_since").is_not_null()
    differs = pl.any_horizontal(*(pl.col(name).ne_missing(pl.col(f"_old_{name}")) for name in mapped), pl.lit(False))
    kept = joined.filter(~known | differs).with_columns(
        pl.when(known)
        .then(pl.max_horizontal(pl.lit(now, dtype=MOMENT), pl.col("_since") + pl.duration(microseconds=1)))
        .otherwise(pl.lit(ALWAYS, dtype=MOMENT))
        .cast(MOMENT)
        .alias("known_at")
    )
    frame = kept.drop("_since", *(f"_old_{name}" for name in mapped))
    return _ordered(table, frame), joined.height - kept.height


def _ordered(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Columns that are not the table's first, then the table's in their order."""
    own = [name for name in table.names if name in frame.columns]
    return frame.select(*(name for name in frame.columns if name not in table.types), *own)
