"""The prices that a run proposes; a section that only some runs have."""

from __future__ import annotations

from typing import Any

import polars as pl

from windvane.report.facts import Facts
from windvane.report.numbers import Shown
from windvane.report.pen import Pen, safe, table
from windvane.report.sections import empty, section

LINES = 15
"""Lines of the price plan that the page holds; the export holds all."""
_TINY = 1e-6


def prices(facts: Facts, pen: Pen) -> str:
    """The price plan, most to gain first; nothing where the run has none."""
    plan = facts.tables["price_plan"]
    if not plan.height:
        return ""
    names = facts.tables["names"]
    rows = plan.join(names.select("sku", "title"), on="sku", how="left", maintain_order="left").sort("rank")
    moved = rows.filter((pl.col("price") - pl.col("price_now")).abs() > _TINY)
    clash, unknown = rows["conflict"].drop_nulls().len(), rows.filter(pl.col("unit_cost").is_null()).height
    gain = {"count": Shown("count", moved.height), "gain": Shown("money", float(moved["gain"].sum()))}
    notes = [pen.t("report.prices.gain", **gain)]
    if clash:
        notes.append(pen.t("report.prices.clash", count=Shown("count", clash)))
    if unknown:
        notes.append(pen.t("report.prices.unknown", count=Shown("count", unknown)))
    if not moved.height:
        return section(pen, "prices", empty(" ".join(notes)), pen.t("report.prices.lead"))
    head = [(pen.t(f"report.prices.{key}"), "" if key in ("product", "bound") else "num") for key in _HEAD]
    lines = [_line(row, pen) for row in moved.head(LINES).iter_rows(named=True)]
    body = table(pen.t("report.prices.caption"), head, lines)
    under = " ".join(notes)
    if moved.height > LINES:
        under += " " + pen.t("report.prices.part", count=Shown("count", LINES), total=Shown("count", moved.height))
    return section(
        pen, "prices", f'<div class="panel">{body}<p class="note">{under}</p></div>', pen.t("report.prices.lead")
    )


_HEAD = ("product", "price_now", "price", "change", "answer", "units", "more", "bound")


def _line(row: dict[str, Any], pen: Pen) -> list[str]:
    ends = {"low": Shown("number", row["elasticity_low"]), "high": Shown("number", row["elasticity_high"])}
    answer = f"{pen.n('number', row['elasticity'])} <small>{pen.t('report.interval', **ends)}</small>"
    if not row["varied"]:
        answer += f' <span class="badge">{pen.t("report.prices.others")}</span>'
    return [
        f"{safe(row['title'] or row['sku'])} <small>{safe(row['sku'])}</small>",
        pen.n("money", row["price_now"]),
        pen.n("money", row["price"]),
        pen.n("signed_share", row["price"] / row["price_now"] - 1),
        answer,
        pen.n("signed_share", row["new_units"] / row["units"] - 1 if row["units"] > 0 else None),
        pen.n("signed_money", row["gain"]),
        pen.name("report.bound", row["bound"]) if row["bound"] else "–",
    ]
