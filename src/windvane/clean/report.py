"""What cleaning found and did: the tables findings and cleaning."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.clean import fill
from windvane.clean.covariates import Planned
from windvane.clean.lines import SERIES, Ruled
from windvane.clean.watermark import Window
from windvane.panel import ENDED, PRELAUNCH
from windvane.schema import DERIVED

_PERIODS = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month"}


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
    for kind in ("gift", "suspected fake"):
        if counts[kind]:
            findings.add(
                "not_demand_" + kind.replace(" ", "_"), ("orders", "kind"), "info", (counts[kind], rows),
                f"Nothing, if these lines are rightly called {kind!r}: they are left out of demand.",
            )  # fmt: skip
    word = _PERIODS[calendar.freq.unit]
    if calendar.open_rows:
        findings.add(
            "open_period_left_out", ("orders", "ordered_at"), "info", (calendar.open_rows, rows),
            f"Nothing: the {word} after {calendar.closed} is not over in the data; it counts once it is.",
            example=str(calendar.closed),
        )  # fmt: skip
    if calendar.told_over:
        findings.add(
            "day_ends_early", ("orders", "ordered_at"), "warning", (1, 1),
            f"Nothing, if all orders of {calendar.closed} are in: it counts as whole, for the run was asked as of its "
            "end. Its last order came much earlier than on other days; if some were missing, ask as of the day before.",
            example=str(calendar.closed),
        )  # fmt: skip
    if calendar.lost_days and word == "week":
        findings.add(
            "first_week_left_out", ("orders", "ordered_at"), "info", (calendar.lost_days, 7),
            f"Nothing: weeks end on the weekday of {calendar.closed}, and the first is incomplete.",
            example=str(calendar.start),
        )  # fmt: skip
    elif calendar.lost_days:
        findings.add(
            "first_month_left_out", ("orders", "ordered_at"), "info", (calendar.lost_days, 31),
            "Nothing: the first month is incomplete.", example=str(calendar.start),
        )  # fmt: skip


def short_history(findings: Findings, calendar: Window) -> None:
    """Report a history in which no past forecast of the whole horizon fits, so that no model can be judged by one."""
    word = _PERIODS[calendar.freq.unit]
    begin = max(min(2 * calendar.freq.season, calendar.time // 3), 4)
    most = min(calendar.time // 2, calendar.time - begin)
    if calendar.horizon > most:
        lower = (
            f"Lower forecast.horizon (now {calendar.horizon}) to {most} {word}s at most, or ingest"
            if most > 0
            else "Ingest"
        )
        findings.add(
            "history_too_short", ("orders", "ordered_at"), "warning", (calendar.time, calendar.horizon),
            f"{lower} older orders: on {calendar.time} {word}s no forecast of the past can be judged, and the model is "
            "chosen without proof.", str(calendar.start),
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


def plans(findings: Findings, planned: tuple[Planned, Planned, Planned], calendar: Window, at_most: int) -> None:
    """Report what prices, promotions and signals could not tell.

    Args:
        findings: where to add.
        planned: what prices, promotions and signals became.
        calendar: the calendar.
        at_most: most covariates made of one table.
    """
    priced, promoted, outside = planned
    if "price" in priced.past:
        findings.add(
            "prices_not_planned", ("prices", "known_at"), "info", (1, 1),
            "Give price changes with the moment they were decided; as it is they are known on the day only, and the "
            "forecast cannot use coming ones.",
        )  # fmt: skip
    for table, plan in (("prices", priced), ("promotions", promoted)):
        if plan.stale:
            findings.add(
                "plan_out_of_date", (table, "known_at"), "warning", (1, 1),
                f"Ingest newer {table}: none became known lately, so the forecast treats coming ones as unknown.",
                str(calendar.closed),
            )  # fmt: skip
    for table, plan in (("promotions", promoted), ("signals", outside)):
        if plan.left_out:
            found = len(plan.left_out)
            findings.add(
                "too_many_covariates", (table, ""), "info",
                (found, found + at_most),
                f"Merge kinds, or remove some: only the {at_most} most frequent are used.",
                plan.left_out[0],
            )  # fmt: skip


def sales(findings: Findings, cleaning: pl.DataFrame, grid: fill.Grid, state: np.ndarray, calendar: Window) -> None:
    """Report what the steps on whole series changed, and which series have ended or pause."""
    cells = int((state != PRELAUNCH).sum())
    for rule, check, remedy in (
        ("net return", "returns_exceed_sales",
         "Nothing, or set clean.returns = 'drop': on these days demand counts as zero."),
        ("return before launch", "returned_before_first_sale",
         "Ingest older orders: these returns belong to sales that are not on record."),
        ("outlier", "outliers_capped",
         "Look at the cleaning table; mark bulk orders as promotions, or raise clean.outlier_factor."),
    ):  # fmt: skip
        found = cleaning.filter(pl.col("rule") == rule)
        if found.height:
            first = found.sort((pl.col("before") - pl.col("after")).abs(), descending=True).row(0, named=True)
            findings.add(
                check, ("orders", "units"), "info", (found.height, cells), remedy,
                f"{first['sku']}/{first['location']} {first['date']}: {first['before']:g} -> {first['after']:g}",
            )  # fmt: skip
    ended = int((state[:, -1] == ENDED).sum())
    if ended:
        row = int((state[:, -1] == ENDED).argmax())
        findings.add(
            "ended", ("products", "ended_on"), "info", (ended, len(state)),
            "Give ended_on for products that are gone: these series have not sold for long and are taken as ended.",
            "/".join(grid.keys.row(row)),
        )  # fmt: skip
    gaps = fill.long_gaps(grid.sold, state, calendar.step)
    if (gaps > 0).any():
        row = int(gaps.argmax())
        findings.add(
            "long_gaps", ("stock", "in_stock_share"), "warning", (int((gaps > 0).sum()), len(state)),
            "Give stock, so that a time out of stock or out of season is not taken for a time without demand.",
            f"{'/'.join(grid.keys.row(row))}: {gaps[row] * calendar.step:.0f} days",
        )  # fmt: skip


_LINE_CHECKS = {
    "duplicate order": (
        "orders_twice", ("orders", "order_id"),
        "Look at the orders named in the cleaning table and correct the export; clean.duplicates says what is done.",
    ),
    "presale": (
        "presale_moved", ("orders", "kind"),
        "Nothing: demand of presales counts on the day of the deposit; clean.presale_days limits how long an unpaid "
        "deposit counts.",
    ),
    "suspected fake": (
        "fake_orders_suspected", ("orders", "customer"),
        "Look at the orders named in the cleaning table; mark true ones as kind 'suspected fake', or set clean.fakes.",
    ),
    "bulk order": (
        "bulk_orders", ("orders", "units"),
        "Look at the orders named in the cleaning table; clean.bulk = 'cap' or 'drop' takes them out of demand.",
    ),
    "return to sale date": (
        "returns_moved", ("orders", "return_of"),
        "Nothing: returns are taken from the day of their sale, as clean.returns = 'sale_date' asks.",
    ),
}  # fmt: skip


def line_rules(findings: Findings, ruled: list[Ruled], total: int) -> None:
    """Report what the rules on single order lines found: one finding per rule, counting lines."""
    for rule in ruled:
        if rule.moves.height:
            check, where, remedy = _LINE_CHECKS[rule.rule]
            first = rule.moves.sort("units", "order_id", descending=[True, False]).row(0, named=True)
            findings.add(
                check, where, "info", (rule.lines, total), remedy,
                f"{first['sku']}/{first['location']} {first['at']:%Y-%m-%d}: {first['what']}{rule.note}",
            )  # fmt: skip


def line_changes(keys: pl.DataFrame, calendar: Window, ruled: list[Ruled], net: np.ndarray) -> pl.DataFrame:
    """Rows of the table cleaning for the line rules; each rule starts from what the one before it left.

    Args:
        keys: sku and location of the series.
        calendar: the calendar.
        ruled: what the rules did, in their order.
        net: net sales after all of them, float32 [series, time].
    """
    empty = DERIVED["cleaning"].empty().with_columns(calendar.dates[:0].alias("date"))
    index = keys.with_row_index("__series").with_columns(pl.col("__series").cast(pl.Int64))
    placed = []
    for rule in ruled:
        moves = rule.moves.with_columns(pl.Series("__column", calendar.columns(rule.moves["at"])))
        moves = moves.filter(pl.col("__column").is_between(0, calendar.time - 1)).join(
            index, on=list(SERIES), maintain_order="left"
        )
        other = pl.len() - 1
        placed.append(
            moves.sort("at", "order_id", "what", maintain_order=True)
            .group_by("__series", "__column", maintain_order=True)
            .agg(
                (pl.col("sold") - pl.col("returned") * rule.net).sum().alias("__change"),
                pl.when(other > 0).then(pl.format("{} (and {} more)", pl.col("what").first(), other))
                .otherwise(pl.col("what").first()).alias("why"),
            )
        )  # fmt: skip
    level = net.astype(np.float64)
    rows = [empty]
    for rule, found in zip(reversed(ruled), reversed(placed), strict=True):
        at = (found["__series"].to_numpy(), found["__column"].to_numpy())
        after = level[at].copy()
        level[at] -= found["__change"].to_numpy()
        rows.append(
            keys[at[0]].with_columns(
                calendar.dates[at[1]].alias("date"),
                pl.lit(rule.rule).alias("rule"),
                pl.Series("before", level[at]).round(6),
                pl.Series("after", after).round(6),
                found["why"],
            )
        )
    return pl.concat(rows)


def changes(
    keys: pl.DataFrame, dates: pl.Series, rule: str, cells: np.ndarray, before: np.ndarray, after: np.ndarray
) -> pl.DataFrame:
    """Rows of the table cleaning for the cells that one rule changed.

    Args:
        keys: sku and location of the series.
        dates: dates of the columns.
        rule: "net return", "return before launch", "outlier", or "promoted outlier" or "festive outlier", which go
            into the table as outliers with another reason.
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
        "promoted outlier": pl.format(
            "{} is more than promotions have brought so far: capped at {}",
            _short(pl.col("before")),
            _short(pl.col("after")),
        ),
        "festive outlier": pl.format(
            "{} is more than festivals have brought so far: capped at {}",
            _short(pl.col("before")),
            _short(pl.col("after")),
        ),
        "return before launch": pl.format(
            "{} returned before the first sale on record: left out", _short(-pl.col("before"))
        ),
    }
    frame = keys[row].with_columns(
        dates[column].alias("date"),
        pl.lit("outlier" if rule.endswith("outlier") else rule).alias("rule"),
        pl.Series("before", old),
        pl.Series("after", new),
    )
    return frame.with_columns(said[rule].alias("why")).select(DERIVED["cleaning"].names)


def _short(number: pl.Expr) -> pl.Expr:
    number = number.round(2)
    whole = number.cast(pl.Int64).cast(pl.String)
    return pl.when(number == number.floor()).then(whole).otherwise(number.cast(pl.String))
