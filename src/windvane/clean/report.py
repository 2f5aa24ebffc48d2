"""What cleaning found and did: the tables findings and cleaning."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.clean.watermark import Window
from windvane.schema import DERIVED


class Findings:
    """Collects rows of the table findings."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def add(
        self,
        check: str,
        where: tuple[str, str],
        severity: str,
        counts: tuple[int, int],
        remedy: str,
        example: str | None = None,
    ) -> None:
        """Add one finding.

        Args:
            check: name of the check, in snake_case.
            where: table and column concerned; the column is empty where the table as a whole is.
            severity: "info", "warning" or "error".
            counts: how many rows, products or series are concerned, and out of how many.
            remedy: what to do about it.
            example: one example.
        """
        self._rows.append(
            {
                "check": check,
                "table": where[0],
                "column": where[1],
                "severity": severity,
                "count": int(counts[0]),
                "total": int(counts[1]),
                "example": example,
                "remedy": remedy,
            }
        )

    def frame(self) -> pl.DataFrame:
        """The rows, most severe first."""
        order = {"error": 0, "warning": 1, "info": 2}
        rows = sorted(self._rows, key=lambda row: order[str(row["severity"])])
        return pl.DataFrame(rows, schema=DERIVED["findings"].types)


_TABLE_REMEDIES = {
    "products": ("warning", "Give products with title, category, unit_cost and launched_on: new items then resemble "
                 "something, and margins are known instead of assumed."),
    "prices": ("info", "Give prices with their planned changes: the forecast then knows them in advance."),
    "promotions": ("info", "Give promotions, planned ones included: the forecast then knows them in advance."),
    "stock": ("warning", "Give stock on hand per day: lost sales are then recognised and the reorder list starts from "
              "what is there instead of an assumption."),
    "supply": ("info", "Give lead times, smallest orders and packs per product: the reorder list then uses them "
               "instead of defaults."),
}  # fmt: skip


def missing_tables(findings: Findings, heights: dict[str, int], units: int) -> None:
    """Report tables that are absent or empty.

    Args:
        findings: where to add.
        heights: rows per table.
        units: number of series.
    """
    for table, (severity, remedy) in _TABLE_REMEDIES.items():
        if not heights.get(table, 0):
            findings.add("no_table", (table, ""), severity, (units, units), remedy)


def order_lines(findings: Findings, counts: dict[str, int], calendar: Window) -> None:
    """Report order lines that lack something, are no demand, or are too recent."""
    rows = counts["rows"]
    if counts["no_customer"]:
        findings.add(
            "no_customer", ("orders", "customer"), "info", (counts["no_customer"], rows),
            "Give the customer of every order line if repeat purchases are to be understood; forecasts do not need it.",
        )  # fmt: skip
    if counts["no_price"]:
        findings.add(
            "no_price", ("orders", "unit_price"), "warning", (counts["no_price"], rows),
            "Give unit_price: lines without it count as demand but bring no revenue.",
        )  # fmt: skip
    if counts["zero_price"]:
        findings.add(
            "zero_price", ("orders", "unit_price"), "info", (counts["zero_price"], rows),
            "Mark giveaways as kind 'gift'; as they stand they count as demand, and not towards the average price.",
        )  # fmt: skip
    for kind in ("presale deposit", "gift", "suspected fake"):
        if counts[kind]:
            findings.add(
                "not_demand_" + kind.replace(" ", "_"), ("orders", "kind"), "info", (counts[kind], rows),
                f"Nothing, if these lines are rightly called {kind!r}: they are left out of demand.",
            )  # fmt: skip
    if calendar.open_rows:
        findings.add(
            "open_period_left_out", ("orders", "ordered_at"), "info", (calendar.open_rows, rows),
            f"Nothing: the day after {calendar.closed} is not over in the data; it counts once it is.",
            example=str(calendar.closed),
        )  # fmt: skip
    if calendar.lost_days:
        findings.add(
            "first_week_left_out", ("orders", "ordered_at"), "info", (calendar.lost_days, 7),
            f"Nothing: weeks end on the weekday of {calendar.closed}, and the first is incomplete.",
            example=str(calendar.start),
        )  # fmt: skip


def product_gaps(findings: Findings, products: pl.DataFrame, keys: pl.DataFrame) -> None:
    """Report what products do not say about the skus on sale."""
    if not products.height:
        return
    skus = keys.select("sku").unique(maintain_order=True)
    joined = skus.join(products.with_columns(pl.lit(True).alias("__there")), on="sku", how="left")
    total = joined.height
    checks = (
        ("sku_not_in_products", "sku", pl.col("__there").is_null(), "warning", "Add these skus to products."),
        ("no_unit_cost", "unit_cost", pl.col("unit_cost").is_null(), "warning",
         "Give unit_cost: margins are otherwise assumed by decide.margin_share."),
        ("no_title", "title", pl.col("title").is_null(), "info", "Give titles, for people and for likeness."),
        ("no_category", "category", pl.col("category").is_null(), "info",
         "Give categories: they steady forecasts and trends of slow sellers."),
    )  # fmt: skip
    for check, column, lacking, severity, remedy in checks:
        found = joined.filter(lacking)
        if found.height:
            findings.add(
                check, ("products", column), severity, (found.height, total), remedy, str(found["sku"].sort()[0])
            )


def changes(
    keys: pl.DataFrame, dates: pl.Series, rule: str, cells: np.ndarray, before: np.ndarray, after: np.ndarray
) -> pl.DataFrame:
    """Rows of the table cleaning for the cells that one rule changed.

    Args:
        keys: sku and location of the series.
        dates: dates of the columns.
        rule: "net return", "outlier" or "return before launch".
        cells: which cells changed, bool [series, time].
        before: values before, [series, time].
        after: values after, [series, time].
    """
    row, column = np.nonzero(cells)
    old, new = before[row, column].astype(np.float64), after[row, column].astype(np.float64)
    said = {
        "net return": pl.format("returns exceeded sales by {}: demand is not negative", _short(-pl.col("before"))),
        "outlier": pl.format(
            "{} is more than the past explains: capped at {}", _short(pl.col("before")), _short(pl.col("after"))
        ),
        "return before launch": pl.format(
            "{} returned before the first sale on record: left out", _short(-pl.col("before"))
        ),
    }
    frame = keys[row].with_columns(
        dates[column].alias("date"),
        pl.lit(rule).alias("rule"),
        pl.Series("before", old),
        pl.Series("after", new),
    )
    return frame.with_columns(said[rule].alias("why")).select(DERIVED["cleaning"].names)


def _short(number: pl.Expr) -> pl.Expr:
    number = number.round(2)
    whole = number.cast(pl.Int64).cast(pl.String)
    return pl.when(number == number.floor()).then(whole).otherwise(number.cast(pl.String))
