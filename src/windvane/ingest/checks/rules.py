"""Rules that look at several columns of a row at once, such as a price that ends before it begins.

A rule here refuses a row, so only what contradicts itself is refused. What is merely odd (a return with positive
units, a price above the list price, a product that names itself as its predecessor) is taken, since a meaning can be
given to it, and listed by :mod:`windvane.ingest.checks.audit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from windvane.clock import CLOCK
from windvane.schema import Table

MOST_MONEY = 1e12
"""Largest amount of money on one line; above it sums of money lose their cents."""

PRICE_FACTOR = 100.0
"""A price asked that is this many times the list price, or more, is written in another unit than the list price."""

_SLACK = timedelta(days=1)
"""Moments that two systems stamp may lie in two time zones, or one may be a bare day."""


@dataclass(frozen=True)
class Fault:
    """Rows that break one rule.

    Attributes:
        rule: name of the rule; screens translate it.
        column: column that the quarantine names.
        reason: what is wrong, in one sentence.
        broken: Boolean, one per row of the frame; no nulls.
    """

    rule: str
    column: str
    reason: str
    broken: pl.Series


@dataclass(frozen=True)
class Rule:
    """One rule: rows for which ``broken`` holds contradict themselves.

    Attributes:
        name: name of the rule.
        column: column that the quarantine names.
        needs: columns that it compares; it is left out where one of them is missing.
        reason: what is wrong, in one sentence.
        broken: makes the condition; null counts as not broken. Called at every check, for "now".
    """

    name: str
    column: str
    needs: tuple[str, ...]
    reason: str
    broken: Callable[[], pl.Expr]


def _before(early: str, late: str, name: str, reason: str) -> Rule:
    """``late`` lies before ``early``; both are days."""
    return Rule(name, late, (early, late), reason, lambda: pl.col(late) < pl.col(early))


def _known_before(event: str) -> Rule:
    """The row was known more than a day before what it tells of."""
    return Rule(
        "known_before_event",
        "known_at",
        (event, "known_at"),
        f"known_at lies more than a day before {event}: nobody knows it before it happens",
        lambda: pl.col("known_at") < pl.col(event) - pl.duration(days=_SLACK.days),
    )


def _known_later() -> Rule:
    """The row tells of the past and is here, so that it cannot become known in the future."""
    return Rule(
        "known_in_future",
        "known_at",
        ("known_at",),
        "known_at lies in the future, yet the row is here",
        lambda: pl.col("known_at").dt.date() > pl.lit((_now() + _SLACK).date()),
    )


def _above(low: str, high: str, name: str, reason: str) -> Rule:
    return Rule(name, low, (low, high), reason, lambda: pl.col(low) > pl.col(high))


_ORDERS_KNOWN = Rule(
    "known_before_event",
    "known_at",
    ("ordered_at", "known_at", "kind"),
    "known_at lies more than a day before ordered_at: nobody knows an order before it is placed",
    # A presale is known from its deposit on and may carry the day of its balance.
    lambda: (
        (pl.col("known_at") < pl.col("ordered_at") - pl.duration(days=_SLACK.days))
        & (pl.col("kind") != "presale deposit")
    ),
)

RULES: dict[str, tuple[Rule, ...]] = {
    "orders": (
        _ORDERS_KNOWN,
        _known_later(),
        Rule(
            "too_much_money",
            "unit_price",
            ("units", "unit_price"),
            f"units x unit_price is above {MOST_MONEY:.0e}",
            lambda: (pl.col("units") * pl.col("unit_price")).abs() > MOST_MONEY,
        ),
    ),
    "products": (_before("launched_on", "ended_on", "ends_before_start", "ended_on lies before launched_on"),),
    "prices": (
        _before("valid_from", "valid_to", "ends_before_start", "valid_to lies before valid_from"),
        Rule(
            "price_scale",
            "price",
            ("price", "list_price"),
            f"price is {PRICE_FACTOR:.0f} times the list_price or more: one of them is in another unit",
            lambda: (pl.col("list_price") > 0) & (pl.col("price") >= PRICE_FACTOR * pl.col("list_price")),
        ),
    ),
    "promotions": (_before("starts_on", "ends_on", "ends_before_start", "ends_on lies before starts_on"),),
    "stock": (
        Rule(
            "known_before_event",
            "known_at",
            ("date", "known_at"),
            "known_at lies more than a day before date: nobody knows the stock before the day",
            lambda: pl.col("known_at") < (pl.col("date").cast(pl.Datetime("us")) - pl.duration(days=_SLACK.days)),
        ),
        _known_later(),
    ),
    "supply": (
        _above("moq", "capacity", "moq_above_capacity", "moq is above capacity: no order can satisfy both"),
        _above(
            "order_multiple",
            "capacity",
            "multiple_above_capacity",
            "order_multiple is above capacity: no order can satisfy both",
        ),
    ),
    "receipts": (
        Rule(
            "received_before_ordered",
            "received_at",
            ("ordered_at", "received_at"),
            "received_at lies more than a day before ordered_at",
            lambda: pl.col("received_at") < pl.col("ordered_at") - pl.duration(days=_SLACK.days),
        ),
        _known_before("received_at"),
        _known_later(),
    ),
    "events": (_known_before("at"), _known_later()),
    "reviews": (_known_before("at"), _known_later()),
    # What is announced or described may be known at any time: a plan made for next year, a product that counts from
    # its launch on; so prices, promotions, signals, products, supply... have no rule about known_at.
}
"""Rules per table, in the order in which they are tried."""


def row_faults(table: Table, frame: pl.DataFrame) -> list[Fault]:
    """Rows of a typed frame that contradict themselves.

    Args:
        table: the table that the rows are meant for.
        frame: rows with the table's column names and types; not all columns need be there.

    Returns:
        One fault per rule that at least one row breaks, in the order of :data:`RULES`; ``broken`` has one entry per
        row. A row may break several. An empty cell breaks no rule.
    """
    if not frame.height:
        return []
    have = set(frame.columns)
    rules = [rule for rule in RULES.get(table.name, ()) if have.issuperset(rule.needs)]
    conditions = {rule.name: rule.broken().fill_null(False).alias(rule.name) for rule in rules}
    if not conditions:
        return []
    # One pass that keeps a single bit per rule: almost every chunk is clean.
    hit = frame.select(expr.any() for expr in conditions.values()).row(0, named=True)
    broken = frame.select(expr for name, expr in conditions.items() if hit[name])
    return [Fault(rule.name, rule.column, rule.reason, broken[rule.name]) for rule in rules if hit[rule.name]]


def _now() -> datetime:
    return CLOCK.now().replace(tzinfo=None)
