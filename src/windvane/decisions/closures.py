"""Days on which suppliers are closed, and how much longer orders are on their way for them.

A lead time counts the supplier's open days. An order of today must last until the order of the next review has arrived;
where a closure lies in between, that is later, and so the stock for it is built before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from windvane.schema import SUPPLIER_CLOSURE

EVERY = "all"
_FARTHEST = 3660  # days within which a supplier opens again

Closure = tuple[date, date]
"""First and last day."""


def closures(read: Callable[[str], pl.LazyFrame], as_of: date | None = None) -> dict[str, list[Closure]]:
    """Closures of every supplier, by first day; those of ``EVERY`` hold for all.

    Args:
        read: reads a raw table.
        as_of: see only what was known at the end of this day.
    """
    rows = read("calendar").filter(pl.col("kind") == SUPPLIER_CLOSURE)
    if as_of is not None:
        rows = rows.filter(pl.col("known_at").dt.date() <= as_of)
    told = rows.sort("known_at").collect().unique(["name", "starts_on"], keep="last", maintain_order=True)
    found: dict[str, list[Closure]] = {}
    for name, first, last in told.select("name", "starts_on", "ends_on").sort("starts_on").iter_rows():
        found.setdefault(name, []).append((first, last))
    return found


def arrives(ordered: date, lead: float, closed: Sequence[Closure]) -> date:
    """Day on which an order arrives.

    Args:
        ordered: day of the order.
        lead: lead time in open days of the supplier.
        closed: days on which it is closed.

    Example:
        >>> from datetime import date
        >>> arrives(date(2026, 2, 10), 3, [(date(2026, 2, 12), date(2026, 2, 20))])
        datetime.date(2026, 2, 22)
    """
    left, day = int(np.ceil(lead - 1e-9)), ordered
    for _ in range(_FARTHEST):
        if not any(first <= day <= last for first, last in closed):
            if left == 0:
                return day
            left -= 1
        day += timedelta(days=1)
    return day


def with_closures(rows: pl.DataFrame, today: date, review: float, found: dict[str, list[Closure]]) -> pl.DataFrame:
    """Lead times and reviews as closures make them.

    Args:
        rows: supplier and lead_time (days) of every series.
        today: day of the order.
        review: days until the next chance to order.
        found: see :func:`closures`.

    Returns:
        The rows with lead_time (days until an order of today arrives), review (days from then until an order of the
        next chance arrives) and __closed (the closures behind that: a list of texts, empty where there are none).
    """
    lead, wait, told = (
        rows["lead_time"].to_list(),
        [float(review)] * rows.height,
        [list[str]() for _ in range(rows.height)],
    )
    following = today + timedelta(days=round(review))
    for i, supplier in enumerate(rows["supplier"].to_list() if found else ()):
        closed = [*found.get(EVERY, ()), *(found.get(supplier, ()) if supplier else ())]
        ends = today + timedelta(days=int(np.ceil(lead[i] + review)))
        if not any(first <= ends and last >= today for first, last in closed):
            continue
        first_arrival, next_arrival = (arrives(day, lead[i], closed) for day in (today, following))
        told[i] = [f"{first} – {last}" for first, last in sorted(closed) if first <= next_arrival and last >= today]
        lead[i] = float((first_arrival - today).days)
        wait[i] = float((next_arrival - first_arrival).days)
    return rows.with_columns(
        pl.Series("lead_time", lead, pl.Float64),
        pl.Series("review", wait, pl.Float64),
        pl.Series("__closed", told, pl.List(pl.String)),
    )
