"""The promotions that a run proposes, and what those of the past brought; a section that only some runs have."""

from __future__ import annotations

from typing import Any

import polars as pl

from windvane.report.facts import Facts
from windvane.report.numbers import Shown
from windvane.report.pen import Pen, safe, table
from windvane.report.sections import empty, panel, section

LINES = 15
"""Lines of the promotion plan that the page holds; the export holds all."""
_PLAN = ("product", "days", "kind", "price", "units", "cost", "more")
_PAST = ("kind", "count", "base", "uplift", "pulled", "taken", "margin")
_TEXT = ("product", "days", "kind")


def promotions(facts: Facts, pen: Pen) -> str:
    """The promotion plan and the past by kind; nothing where the run has neither."""
    plan, past = facts.tables["promotion_plan"], facts.tables["past_promotions"]
    if not plan.height and not past.height:
        return ""
    body = _plan(facts, plan, pen) + (_past(past, pen) if past.height else "")
    return section(pen, "promotions", body, pen.t("report.promotions.lead"))


def _plan(facts: Facts, plan: pl.DataFrame, pen: Pen) -> str:
    names = facts.tables["names"].select("sku", "title")
    rows = plan.join(names, on="sku", how="left", maintain_order="left").sort("rank")
    rows = rows.filter(pl.col("promotion").is_not_null())
    sums = {
        "count": Shown("count", rows.height),
        "cost": Shown("money", float(rows["cost"].sum())),
        "gain": Shown("money", float(rows["gain"].sum())),
    }
    note = pen.t("report.promotions.gain", **sums)
    if not rows.height:
        return empty(pen.t("report.promotions.none"))
    if rows["assumed"].str.contains("cost").any():
        note += " " + pen.t("report.promotions.assumed")
    if rows.height > LINES:
        note += " " + pen.t("report.promotions.part", count=Shown("count", LINES), total=Shown("count", rows.height))
    lines = [_line(row, pen) for row in rows.head(LINES).iter_rows(named=True)]
    body = table(pen.t("report.promotions.caption"), _head(_PLAN, pen), lines)
    return panel(pen.t("report.promotions.next"), note, body)


def _line(row: dict[str, Any], pen: Pen) -> list[str]:
    kind = _kind(row) if row["kind"] else pen.t("report.promotions.cut")
    if row["placement"] is not None:
        kind += f" <small>{pen.t('report.promotions.placed', share=Shown('share', row['placement']))}</small>"
    price = pen.n("money", row["price"])
    if row["depth"]:
        price += f" <small>{pen.n('signed_share', -row['depth'])}</small>"
    gain = pen.n("signed_money", row["gain"])
    if row["gain_low"] is not None:
        ends = {"low": Shown("money", row["gain_low"]), "high": Shown("money", row["gain_high"])}
        gain += f" <small>{pen.t('report.interval', **ends)}</small>"
    units = {"new": Shown("number", row["new_units"]), "old": Shown("number", row["units"])}
    return [
        f"{safe(row['title'] or row['sku'])} <small>{safe(row['sku'])}</small>",
        pen.t("report.promotions.span", first=Shown("day", row["starts_on"]), last=Shown("day", row["ends_on"])),
        kind,
        price,
        pen.t("report.promotions.from", **units),
        pen.n("money", row["cost"]),
        gain,
    ]


def _past(past: pl.DataFrame, pen: Pen) -> str:
    """What promotions of each kind brought together, and what the check by placebos says."""
    kinds = past.group_by("kind").agg(
        pl.len().alias("count"), *(pl.col(name).sum() for name in ("base", "uplift", "pulled", "taken")),
        pl.when(pl.col("margin").is_not_null().any()).then(pl.col("margin").sum()).alias("margin"),
        (pl.col("taken").is_null().all()).alias("__alone"),
    ).sort("uplift", "kind", descending=[True, False])  # fmt: skip
    lines = []
    for row in kinds.iter_rows(named=True):
        base, uplift = row["base"], row["uplift"]
        lines.append(
            [
                _kind(row) if row["kind"] else pen.t("report.promotions.unknown"),
                pen.n("count", row["count"]),
                pen.n("number", base),
                pen.n("signed_share", uplift / base if base > 0 else None),
                pen.n("share", row["pulled"] / uplift if uplift > 0 else None),
                pen.n("share", None if row["__alone"] or uplift <= 0 else row["taken"] / uplift),
                pen.n("signed_money", row["margin"]),
            ]
        )
    body = table(pen.t("report.promotions.past_caption"), _head(_PAST, pen), lines)
    count, within = past["placebos"][0], past["placebos_within"][0]
    checked = {"count": Shown("count", count), "share": Shown("share", within)}
    note = pen.t("report.promotions.checked", **checked) if within is not None else pen.t("report.promotions.unchecked")
    return panel(pen.t("report.promotions.past"), note, body)


def _kind(row: dict[str, Any]) -> str:
    return safe(row["kind"].replace("_", " "))


def _head(names: tuple[str, ...], pen: Pen) -> list[tuple[str, str]]:
    return [(pen.t(f"report.promotions.{name}"), "" if name in _TEXT else "num") for name in names]
