"""Whether data keep coming as they used to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import polars as pl

from windvane.clock import CLOCK
from windvane.schema import DERIVED

_LATE_DAYS = 3
_WEEKS_BEFORE = 8
_DROP = 0.5
_LEAST_LINES = 50


def data_health(read: Callable[[str], pl.LazyFrame], closed: date, as_of: date | None = None) -> pl.DataFrame:
    """Check freshness and flow of the orders.

    Args:
        read: reads a raw table.
        closed: last closed day.
        as_of: see only what was known at the end of this day, and judge freshness on it; today where absent.

    Returns:
        Rows of the table findings: orders_late (no closed day for more than three days) and orders_dropped (the
        last seven days brought less than half of the order lines per week of the eight weeks before). Empty if
        all is well.
    """
    orders = read("orders")
    if as_of is not None:
        orders = orders.filter(pl.col("known_at") <= datetime.combine(as_of, time.max))
    first = closed - timedelta(days=7 * (_WEEKS_BEFORE + 1) - 1)
    week = (pl.lit(closed) - pl.col("ordered_at").dt.date()).dt.total_days() // 7
    recent = (
        orders.filter(pl.col("ordered_at").dt.date().is_between(first, closed))
        .group_by(week.alias("week"))
        .agg(pl.len())
        .collect()
    )
    lines = dict(recent.iter_rows())
    last, before = lines.get(0, 0), sum(lines.get(w, 0) for w in range(1, _WEEKS_BEFORE + 1)) / _WEEKS_BEFORE
    rows: list[dict[str, object]] = []
    age = ((as_of or CLOCK.now().date()) - closed).days
    if age > _LATE_DAYS:
        rows.append(
            {
                "check": "orders_late",
                "severity": "warning",
                "count": age,
                "total": age,
                "example": str(closed),
                "remedy": f"Ingest newer orders: the last closed day is {closed}, {age} days ago, and the forecast "
                "starts on the day after it.",
            }
        )
    # All eight weeks must have orders: a young shop's first weeks are no yardstick.
    full = all(lines.get(w, 0) for w in range(1, _WEEKS_BEFORE + 1))
    if full and before >= _LEAST_LINES and last < _DROP * before:
        rows.append(
            {
                "check": "orders_dropped",
                "severity": "error",
                "count": last,
                "total": round(before),
                "example": str(closed),
                "remedy": f"Check whether all orders came through: the last 7 days brought {last} lines, the 8 weeks "
                f"before {before:.0f} a week.",
            }
        )
    for row in rows:
        row |= {"table": "orders", "column": "ordered_at"}
    return pl.DataFrame(rows, schema=DERIVED["findings"].types)
