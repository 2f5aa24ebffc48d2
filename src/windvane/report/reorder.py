"""Rows of the reorder list as the page shows them, and their reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from windvane import screen
from windvane.report.facts import Facts
from windvane.report.numbers import Shown, show

EMBEDDED_LINES = 1200
"""Lines that a page holds; the export holds all."""
ASSUMPTIONS = ("stock", "lead_time", "unit_cost", "price", "pack", "supply")

_COLUMNS = (
    "sku", "location", "title", "category", "supplier", "order_now", "order_value", "on_hand", "on_order",
    "days_of_supply", "risk_if_skipped", "money_at_stake", "assumed",
)  # fmt: skip


def why(row: Mapping[str, Any], language: str, currency: str) -> str:
    """One sentence that gives the reason for a line of the reorder list.

    Args:
        row: one row of the table ``reorder``.
        language: "en" or "zh".
        currency: ISO 4217 code.
    """

    def said(kind: Any, value: object) -> str:
        return show(Shown(kind, value), language, currency)  # type: ignore[arg-type]

    risk, stake = row["risk_if_skipped"], row["money_at_stake"]
    key = "why_wait" if not row["order_now"] else "why_order" if stake and stake >= 0.01 else "why_order_free"
    return screen.text(
        language,
        f"report.reorder.{key}",
        demand=said("units", row["demand_cover"]),
        days=said("days", row["lead_time"] + row["review"]),
        stock=said("units", row["on_hand"] + row["on_order"]),
        order=said("units", row["order_now"]),
        target=said("units", row["target"]),
        risk=said("risk", risk),
        money=said("money", stake),
    )


def lines(facts: Facts) -> pl.DataFrame:
    """The reorder list with titles and categories, most money at stake first."""
    names = facts.tables["names"]
    return (
        facts.tables["reorder"]
        .join(names, on="sku", how="left")
        .with_columns(pl.col("title").fill_null(pl.col("sku")), pl.col("category").fill_null(""))
        .sort("rank", *("sku", "location"))
    )


def embedded(listing: pl.DataFrame, currency: str, limit: int = EMBEDDED_LINES) -> dict[str, Any]:
    """The list in the compact form that the page's script reads.

    Args:
        listing: from :func:`lines`.
        currency: ISO 4217 code.
        limit: most lines.

    Returns:
        ``columns`` (names), ``total`` (lines of the whole list), ``common`` (what every
        line assumes), ``rows`` (one list a line) and ``why`` (per language, one sentence a line).
    """
    top = listing.head(limit)
    rounded = top.with_columns(
        pl.col("risk_if_skipped").round(4),
        pl.col("order_value", "money_at_stake", "on_hand", "on_order", "order_now").round(2),
        pl.col("days_of_supply").round(1),
    )
    return {
        "columns": list(_COLUMNS),
        "total": listing.height,
        "common": common_assumptions(listing),
        "rows": [list(row) for row in rounded.select(_COLUMNS).rows()],
        "why": {
            language: [why(row, language, currency) for row in top.iter_rows(named=True)]
            for language in screen.LANGUAGES
        },
    }


def words(assumed: str | None) -> list[str]:
    """The assumptions that one line rests on, as words."""
    return [word for part in (assumed or "").split(",") if (word := part.strip())]


def common_assumptions(listing: pl.DataFrame) -> list[str]:
    """Assumptions that every line rests on, in the order of the first: said once, they need not be said per line."""
    if not listing.height:
        return []
    shared = set.intersection(*(set(words(a)) for a in listing["assumed"].unique()))
    return [word for word in words(listing["assumed"][0]) if word in shared]


def assumes(listing: pl.DataFrame, word: str) -> pl.Series:
    """Whether each line rests on an assumption, such as "stock"."""
    parts = listing["assumed"].fill_null("").str.split(",")
    return parts.list.eval(pl.element().str.strip_chars()).list.contains(word)
