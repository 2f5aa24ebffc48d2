"""Every table and column that Windvane reads or writes: name, type, unit, meaning.

Raw tables are what a shop brings; they live as Delta tables in ``tables/``. Derived tables are what a
run writes; they live as Parquet files in the run's folder. Readers, checks, documentation and tests are
all generated from this one file.

Example:
    >>> from windvane import schema
    >>> schema.RAW["orders"].key
    ('order_id', 'line')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

Role = Literal["key", "time", "known", "past", "static", "target", "value"]

TEXT = pl.String()
REAL = pl.Float64()
WHOLE = pl.Int64()
DAY = pl.Date()
MOMENT = pl.Datetime("us")
YESNO = pl.Boolean()


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: column name, the same in tables, Python, REST and screens.
        type: polars data type.
        meaning: one sentence.
        unit: unit of measure ("units", "money", "share", "days"...), empty if none.
        nullable: whether a value may be absent.
        role: how forecasting may use it.
        minimum: smallest allowed value, inclusive.
        maximum: largest allowed value, inclusive.
        allowed: the only allowed values, if enumerated.
        personal: whether it identifies a person (pseudonymised at ingest).
        free_text: whether people write it as they please (personal details are taken out at ingest).
    """

    name: str
    type: pl.DataType
    meaning: str
    unit: str = ""
    nullable: bool = True
    role: Role = "value"
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    personal: bool = False
    free_text: bool = False


@dataclass(frozen=True)
class Table:
    """One table: its key and its columns, in order."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]

    @property
    def types(self) -> dict[str, pl.DataType]:
        """Column name to polars type."""
        return {c.name: c.type for c in self.columns}

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    def empty(self) -> pl.DataFrame:
        """A frame of this table without rows."""
        return pl.DataFrame(schema=self.types)


def _key(name: str, meaning: str, type: pl.DataType = TEXT) -> Column:
    return Column(name, type, meaning, nullable=False, role="key")


_SKU = _key("sku", "stock keeping unit: what is sold and counted")
_LOCATION = _key("location", "store, warehouse or channel; 'all' where a shop has one")
_KNOWN_AT = Column("known_at", MOMENT, "moment the row became known to the shop", nullable=False, role="time")
_DATE = _key("date", "start of the calendar period", DAY)
_LIMIT = 1e12

PLAN_STATES = ("approved", "edited", "declined", "exported")
"""What a planner may have made of a line of a plan; without a word of theirs it is proposed."""

QUARANTINE_STATES = ("open", "fixed", "retrying", "retried", "dismissed")

SUPPLIER_CLOSURE = "supplier closure"
"""Kind of a row of ``calendar`` whose name is a supplier that is closed then; it moves deliveries, not demand."""

ORDER_KINDS = ("sale", "return", "presale deposit", "gift", "suspected fake")

RAW: Mapping[str, Table] = {
    t.name: t
    for t in (
        Table(
            "orders",
            "One line of one order, cancellation or return.",
            ("order_id", "line"),
            (
                _key("order_id", "number of the order"),
                _key("line", "line within the order", WHOLE),
                Column("ordered_at", MOMENT, "moment of the order", nullable=False, role="time"),
                Column("sku", TEXT, "stock keeping unit", nullable=False, role="key"),
                Column("location", TEXT, "store, warehouse or channel", nullable=False, role="key"),
                Column(
                    "units",
                    REAL,
                    "units sold; negative = returned",
                    "units",
                    False,
                    "target",
                    -_LIMIT,
                    _LIMIT,
                ),
                Column("return_of", TEXT, "order_id that a return refers to"),
                Column("unit_price", REAL, "price paid per unit", "money", True, "past", 0.0, _LIMIT),
                Column("discount", REAL, "discount on the line", "money", True, "past", 0.0, _LIMIT),
                Column("customer", TEXT, "customer (pseudonym)", personal=True),
                Column("kind", TEXT, "what the line is", nullable=False, allowed=ORDER_KINDS),
                Column("channel", TEXT, "where the order came from: search, livestream, ..."),
                _KNOWN_AT,
            ),
        ),
        Table(
            "products",
            "One product.",
            ("sku",),
            (
                _SKU,
                Column("title", TEXT, "name shown to customers", role="static"),
                Column("description", TEXT, "long text shown to customers", role="static"),
                Column("category", TEXT, "category path, levels joined by ' > '", role="static"),
                Column("brand", TEXT, "brand", role="static"),
                Column("attributes", TEXT, "further attributes as a JSON object", role="static"),
                Column("image", TEXT, "path of the picture", role="static"),
                Column("launched_on", DAY, "first day on sale", role="static"),
                Column("ended_on", DAY, "last day on sale", role="static"),
                Column("predecessor", TEXT, "sku that this one replaces", role="static"),
                Column("unit_cost", REAL, "cost of one unit", "money", True, "static", 0.0, _LIMIT),
                Column("pack_size", REAL, "units are ordered in multiples of this", "units", True, "static", 1e-9),
                Column("shelf_life", REAL, "days until a unit spoils", "days", True, "static", 0.0),
                _KNOWN_AT,
            ),
        ),
        Table(
            "locations",
            "One store, warehouse or channel.",
            ("location",),
            (
                _LOCATION,
                Column("name", TEXT, "name", role="static"),
                Column("region", TEXT, "region", role="static"),
                Column("country", TEXT, "ISO 3166 country code, for holidays", role="static"),
                Column("kind", TEXT, "what it is", role="static", allowed=("warehouse", "store", "channel")),
                _KNOWN_AT,
            ),
        ),
        Table(
            "prices",
            "A price, past or planned, from a day on.",
            ("sku", "location", "valid_from", "known_at"),
            (
                _SKU,
                _LOCATION,
                _key("valid_from", "first day of the price", DAY),
                Column("valid_to", DAY, "last day of the price; empty = until the next", role="known"),
                Column("list_price", REAL, "price before reduction", "money", True, "known", 0.0, _LIMIT),
                Column("price", REAL, "price asked", "money", False, "known", 0.0, _LIMIT),
                _KNOWN_AT,
            ),
        ),
        Table(
            "promotions",
            "A promotion of one product at one location, past or planned.",
            ("promotion", "sku", "location", "starts_on", "known_at"),
            (
                _key("promotion", "name or number of the promotion"),
                _SKU,
                _LOCATION,
                _key("starts_on", "first day", DAY),
                Column("ends_on", DAY, "last day", nullable=False, role="known"),
                Column("kind", TEXT, "price cut, display, mailer, coupon, ...", role="known"),
                Column(
                    "depth",
                    REAL,
                    "price reduction as a share of the list price",
                    "share",
                    True,
                    "known",
                    0,
                    1,
                ),
                Column(
                    "placement",
                    REAL,
                    "share of the location's reach that shows it",
                    "share",
                    True,
                    "known",
                    0,
                    1,
                ),
                Column("budget", REAL, "money spent on it", "money", True, "known", 0.0, _LIMIT),
                _KNOWN_AT,
            ),
        ),
        Table(
            "stock",
            "Stock of one product at one location at the end of a day.",
            ("sku", "location", "date"),
            (
                _SKU,
                _LOCATION,
                _DATE,
                Column("on_hand", REAL, "units on hand", "units", True, "past", 0.0, _LIMIT),
                Column("on_order", REAL, "units ordered and not yet received", "units", True, "past", 0.0, _LIMIT),
                Column("in_stock_share", REAL, "share of the period in stock", "share", True, "past", 0.0, 1.0),
                _KNOWN_AT,
            ),
        ),
        Table(
            "supply",
            "Terms on which a supplier delivers a product to a location.",
            ("sku", "location", "supplier"),
            (
                _SKU,
                _LOCATION,
                _key("supplier", "supplier"),
                Column("order_cost", REAL, "cost of placing one order", "money", True, "static", 0.0, _LIMIT),
                Column("moq", REAL, "smallest order", "units", True, "static", 0.0, _LIMIT),
                Column("order_multiple", REAL, "orders are multiples of this", "units", True, "static", 1e-9),
                Column("capacity", REAL, "largest order", "units", True, "static", 0.0, _LIMIT),
                Column("lead_time", REAL, "days from order to receipt", "days", True, "static", 0.0, 3650.0),
                _KNOWN_AT,
            ),
        ),
        Table(
            "receipts",
            "One delivery received.",
            ("sku", "location", "supplier", "ordered_at"),
            (
                _SKU,
                _LOCATION,
                _key("supplier", "supplier"),
                _key("ordered_at", "moment the order was placed", MOMENT),
                Column("received_at", MOMENT, "moment the goods arrived", nullable=False, role="time"),
                Column("units", REAL, "units received", "units", False, "past", 0.0, _LIMIT),
                _KNOWN_AT,
            ),
        ),
        Table(
            "events",
            "One thing a customer did.",
            ("event_id",),
            (
                _key("event_id", "number of the event"),
                Column("at", MOMENT, "moment of the event", nullable=False, role="time"),
                Column("customer", TEXT, "customer (pseudonym)", personal=True),
                Column("session", TEXT, "session"),
                Column(
                    "kind",
                    TEXT,
                    "what happened",
                    nullable=False,
                    allowed=("view", "search", "wishlist", "cart", "buy"),
                ),
                Column("sku", TEXT, "stock keeping unit"),
                Column("query", TEXT, "what was searched for", free_text=True),
                _KNOWN_AT,
            ),
        ),
        Table(
            "reviews",
            "One review of a product.",
            ("review_id",),
            (
                _key("review_id", "number of the review"),
                Column("at", MOMENT, "moment of the review", nullable=False, role="time"),
                Column("sku", TEXT, "stock keeping unit", nullable=False),
                Column("rating", REAL, "stars, 1 to 5", "", True, "past", 1.0, 5.0),
                Column("text", TEXT, "what the customer wrote", free_text=True),
                Column("customer", TEXT, "customer (pseudonym)", personal=True),
                _KNOWN_AT,
            ),
        ),
        Table(
            "customers",
            "One customer.",
            ("customer",),
            (
                Column("customer", TEXT, "customer (pseudonym)", nullable=False, role="key", personal=True),
                Column("joined_on", DAY, "day of the first contact", role="static"),
                Column("attributes", TEXT, "further attributes as a JSON object", role="static"),
                _KNOWN_AT,
            ),
        ),
        Table(
            "signals",
            "One value of an outside signal; sku, location and region are empty where it holds for all.",
            ("name", "sku", "location", "region", "date", "known_at"),
            (
                _key("name", "what is measured: search index, temperature, competitor price, ..."),
                Column("sku", TEXT, "stock keeping unit, or empty", nullable=False, role="key"),
                Column("location", TEXT, "location, or empty", nullable=False, role="key"),
                Column("region", TEXT, "region, or empty", nullable=False, role="key"),
                _DATE,
                Column("value", REAL, "the value", nullable=False, role="past"),
                _KNOWN_AT,
            ),
        ),
        Table(
            "calendar",
            "A stretch of days that the shop knows of and no public calendar does: school terms, own sales, closures.",
            ("name", "country", "region", "starts_on", "known_at"),
            (
                _key("name", "what it is called"),
                _key("country", "ISO 3166 code of the country it holds for, or empty"),
                _key("region", "region of the locations it holds for, or empty"),
                _key("starts_on", "first day", DAY),
                Column("ends_on", DAY, "last day", nullable=False, role="known"),
                Column(
                    "kind",
                    TEXT,
                    "school holiday, own event, closure, ...; one covariate each. 'supplier closure' = the supplier "
                    "of that name (or 'all') is closed, and orders are longer on their way",
                    role="known",
                ),
                _KNOWN_AT,
            ),
        ),
    )
}
"""Tables that a shop brings. All but ``orders`` are optional."""

DERIVED: Mapping[str, Table] = {
    t.name: t
    for t in (
        Table(
            "quarantine",
            "A row that was refused or set aside at ingest, with the reason (kept in the workspace, not in a run).",
            ("batch", "table", "line", "column"),
            (
                _key("batch", "identifier of the ingested file"),
                _key("table", "table the row was meant for"),
                Column("file", TEXT, "file it came from", nullable=False),
                _key("line", "line in the file (1-based, header included) or row in a table file", WHOLE),
                _key("column", "column at fault; empty where the row as a whole is"),
                Column("value", TEXT, "value at fault, as text"),
                Column("reason", TEXT, "why it was refused", nullable=False),
                Column("rule", TEXT, "name of the rule that refused it", nullable=False),
                Column("row", TEXT, "the whole source row as a JSON object", nullable=False),
                Column("at", MOMENT, "moment of the refusal", nullable=False),
                Column("status", TEXT, "what has become of it; empty = open", allowed=QUARANTINE_STATES),
                Column("block", TEXT, "fingerprint of the mapping block that read it; see mappings/"),
                Column("hidden", TEXT, "source columns that hold pseudonyms, as a JSON list"),
                Column("numbers", TEXT, "running numbers that the row had in its file, as a JSON object"),
                Column("retry", TEXT, "batch that took it into its table"),
            ),
        ),
        Table(
            "erasures",
            "What was erased for good, when and where; never whose it was (kept in the workspace, not in a run).",
            ("erasure", "table"),
            (
                _key("erasure", "identifier of the erasure"),
                _key("table", "table, or 'runs' (tables of published runs), or 'files' (reports and exports)"),
                Column("at", MOMENT, "moment of the erasure", nullable=False),
                Column("kind", TEXT, "why", nullable=False, allowed=("forget", "expire")),
                Column("blanked", WHOLE, "stored rows kept without the person, over all versions", nullable=False),
                Column("removed", WHOLE, "stored rows removed, over all versions", nullable=False),
                Column("files", WHOLE, "files rewritten or removed", nullable=False),
                Column("versions", WHOLE, "versions of the table that changed", nullable=False),
                Column("runs", WHOLE, "published runs marked as redacted", nullable=False),
            ),
        ),
        Table(
            "overrides",
            "A planner's word against the forecast of one series (kept in the workspace, not in a run).",
            ("sku", "location", "starts_on", "ends_on"),
            (
                _SKU,
                _LOCATION,
                _key("starts_on", "first period", DAY),
                _key("ends_on", "last period", DAY),
                Column("run", TEXT, "run whose forecast it was held against", nullable=False),
                Column("old", REAL, "expected demand by the model over these periods", "units", False, minimum=0),
                Column("new", REAL, "expected demand by the planner; empty = withdrawn", "units", minimum=0),
                Column("who", TEXT, "planner", nullable=False),
                Column("why", TEXT, "reason", nullable=False, free_text=True),
                Column(
                    "said_on",
                    DAY,
                    "the shop's day on which it was said: the day after the run's last, and the days since the run on",
                    nullable=False,
                ),
                _KNOWN_AT,
            ),
        ),
        Table(
            "plan_log",
            "What a planner made of a line of a run's plan (kept in the workspace, not in a run).",
            ("run", "plan", "sku", "location"),
            (
                _key("run", "run that proposed the plan"),
                _key("plan", "name of the plan: its table in the run"),
                _SKU,
                _LOCATION,
                Column("state", TEXT, "what has become of the line", nullable=False, allowed=PLAN_STATES),
                Column("old", REAL, "what was proposed", nullable=False),
                Column("new", REAL, "what stands now", nullable=False, minimum=0),
                Column("who", TEXT, "planner", nullable=False),
                Column("why", TEXT, "reason, where something was changed or declined", free_text=True),
                Column("file", TEXT, "name of the file that it was exported to"),
                Column("stock", REAL, "units on hand and on order that the proposal started from", "units"),
                Column("starts_on", DAY, "first day that the order had to last for", nullable=False),
                Column("days", REAL, "days that it had to last", "days"),
                Column("unit_margin", REAL, "margin lost per unit not sold", "money"),
                Column("unit_cost", REAL, "cost of one unit", "money"),
                _KNOWN_AT,
            ),
        ),
        Table(
            "audit",
            "Something in the tables that is hard to believe, for a person to look at (made on demand, not kept).",
            ("table", "key", "column", "suspicion"),
            (
                _key("table", "table concerned"),
                _key("key", "key of the row, or the value or product concerned"),
                _key("column", "column concerned"),
                Column("value", TEXT, "the value, as text"),
                _key("suspicion", "what is suspected"),
                Column("why", TEXT, "the evidence, in one sentence", nullable=False),
                Column("score", REAL, "how suspicious, from 0 to 1; ranks within one suspicion", "", False),
            ),
        ),
        Table(
            "panel",
            "Cleaned demand: one row per series and period from launch to cutoff.",
            ("sku", "location", "date"),
            (
                _SKU,
                _LOCATION,
                _DATE,
                Column(
                    "sales",
                    REAL,
                    "clean sales that models train on; empty = unknown or out of stock",
                    "units",
                    True,
                    "target",
                ),
                Column("raw_sales", REAL, "sales before capping", "units", True, "target"),
                Column(
                    "demand",
                    REAL,
                    "clean sales, and where the shelf was empty an estimate of what would have sold",
                    "units",
                    True,
                    "target",
                ),
                Column("revenue", REAL, "money taken", "money", True, "past"),
                Column(
                    "price",
                    REAL,
                    "average price paid, carried forward when nothing sold",
                    "money",
                    True,
                    "past",
                ),
                Column("in_stock", REAL, "share of the period in stock; empty = unknown", "share", True, "past"),
                Column(
                    "stockout",
                    TEXT,
                    "how the period is known to be out of stock; empty = it was not, as far as is known",
                    allowed=("told", "inferred"),
                ),
                Column("state", TEXT, "life stage", nullable=False, allowed=("prelaunch", "active", "ended")),
            ),
        ),
        Table(
            "cleaning",
            "Every change that cleaning made.",
            ("sku", "location", "date", "rule"),
            (
                _SKU,
                _LOCATION,
                _DATE,
                _key("rule", "name of the cleaning rule"),
                Column("before", REAL, "value before", "units"),
                Column("after", REAL, "value after", "units"),
                Column("why", TEXT, "reason with its numbers", nullable=False),
            ),
        ),
        Table(
            "findings",
            "What the data could not tell, and what was assumed instead.",
            ("check", "table", "column"),
            (
                _key("check", "name of the check; screens translate it"),
                _key("table", "table concerned"),
                _key("column", "column concerned; empty = the table"),
                Column(
                    "severity",
                    TEXT,
                    "how much it matters",
                    nullable=False,
                    allowed=("info", "warning", "error"),
                ),
                Column("count", WHOLE, "rows, products or series concerned", nullable=False),
                Column("total", WHOLE, "out of", nullable=False),
                Column("example", TEXT, "one example"),
                Column("remedy", TEXT, "what to do about it", nullable=False),
            ),
        ),
        Table(
            "forecasts",
            "Forecast of every series and step: mean and quantiles (q0.005 ... q0.995).",
            ("sku", "location", "cutoff", "step"),
            (
                _SKU,
                _LOCATION,
                Column("cutoff", DAY, "last period used", nullable=False, role="time"),
                _DATE,
                _key("step", "periods ahead, from 1", WHOLE),
                Column("mean", REAL, "expected demand", "units", False, "target", 0.0),
            ),
        ),
        Table(
            "totals",
            "Forecast of sums, from joint paths: the whole shop and its first-level categories.",
            ("level", "category", "step"),
            (
                _key("level", "'total' or 'category'"),
                Column("category", TEXT, "category, or empty", nullable=False, role="key"),
                Column("date", DAY, "start of the calendar period; empty where step is 0"),
                _key("step", "periods ahead, from 1; 0 = the whole horizon", WHOLE),
                Column("mean", REAL, "expected demand", "units", False, "target", 0.0),
                Column("q0.025", REAL, "quantile", "units", False, "target", 0.0),
                Column("q0.1", REAL, "quantile", "units", False, "target", 0.0),
                Column("q0.5", REAL, "quantile", "units", False, "target", 0.0),
                Column("q0.9", REAL, "quantile", "units", False, "target", 0.0),
                Column("q0.975", REAL, "quantile", "units", False, "target", 0.0),
            ),
        ),
        Table(
            "series",
            "Every series with its segment and the model that forecast it.",
            ("sku", "location"),
            (
                _SKU,
                _LOCATION,
                Column("segment", TEXT, "fast, slow, intermittent or new", nullable=False),
                Column("model", TEXT, "name of the model", nullable=False),
            ),
        ),
        Table(
            "products_view",
            "Names of the products in the panel, as they were at the run.",
            ("sku",),
            (
                _SKU,
                Column("title", TEXT, "name shown to customers"),
                Column("category", TEXT, "category path, levels joined by ' > '"),
            ),
        ),
        Table(
            "quarantine_summary",
            "How many rows ingest refused or set aside, by reason.",
            ("table", "rule", "reason"),
            (
                _key("table", "table the rows were meant for"),
                _key("rule", "name of the rule that refused them"),
                _key("reason", "why they were refused"),
                Column("count", WHOLE, "rows", nullable=False),
            ),
        ),
        Table(
            "scores",
            "One backtest figure.",
            ("model", "cutoff", "segment", "node", "step", "metric"),
            (
                _key("model", "name of the model; 'champion' = the one chosen per segment"),
                _key("cutoff", "last period the model saw", DAY),
                Column("use", TEXT, "what the fold served", nullable=False, allowed=("choose", "report")),
                _key("segment", "segment of series; 'all' = every series"),
                _key("node", "'series', 'category' or 'total': level at which errors are taken"),
                _key("step", "periods ahead; 0 = all steps", WHOLE),
                _key("metric", "name of the metric"),
                Column("value", REAL, "value", role="value"),
                Column("series", WHOLE, "number of series or nodes scored", nullable=False),
            ),
        ),
        Table(
            "leaderboard",
            "Models per segment over the reported folds, best first.",
            ("segment", "model"),
            (
                _key("segment", "segment of series; 'all' = every series"),
                _key("model", "name of the model"),
                Column("rank", WHOLE, "rank by wql, from 1", nullable=False),
                Column("chosen", YESNO, "chosen on the earlier folds for this segment", nullable=False),
                Column("simple", YESNO, "one of the simple baselines", nullable=False),
                Column("wql", REAL, "weighted quantile loss (lower is better)"),
                Column("wape", REAL, "sum of absolute errors over sum of sales"),
                Column("rmsse", REAL, "root mean squared scaled error, mean over series"),
                Column("mase", REAL, "mean absolute scaled error, mean over series"),
                Column("bias", REAL, "(sum of forecasts - sum of sales) / sum of sales"),
                Column("coverage80", REAL, "share of outcomes inside the 80 % interval (randomised for counts)"),
                Column("coverage95", REAL, "share of outcomes inside the 95 % interval (randomised for counts)"),
                Column(
                    "cost",
                    REAL,
                    "money per series and period that one order by this forecast would have cost: holding, margin lost",
                    "money",
                ),
                Column("gain", REAL, "wql saved against the best simple baseline of the segment, as a share"),
                Column("gain_low", REAL, "lower end of the 95 % paired bootstrap interval of gain"),
                Column("gain_high", REAL, "upper end of it"),
                Column("seconds", REAL, "seconds to fit and predict, mean over folds", "seconds"),
                Column("series", WHOLE, "number of series", nullable=False),
            ),
        ),
        Table(
            "trends",
            "Where demand is turning: one row per series, category and the whole.",
            ("level", "sku", "location", "category"),
            (
                _key("level", "'series', 'category' or 'total'"),
                Column("sku", TEXT, "sku, or empty", nullable=False, role="key"),
                Column("location", TEXT, "location, or empty", nullable=False, role="key"),
                Column("category", TEXT, "category, or empty", nullable=False, role="key"),
                Column(
                    "trend",
                    TEXT,
                    "direction",
                    nullable=False,
                    allowed=("rising", "falling", "steady", "new", "ending"),
                ),
                Column("growth", REAL, "estimated growth of demand per 28 days, as a share"),
                Column("growth_low", REAL, "lower end of its 80 % interval"),
                Column("growth_high", REAL, "upper end of its 80 % interval"),
                Column("recent", REAL, "sales of the last 28 days (or 4 periods if longer)", "units"),
                Column("ahead", REAL, "forecast of the same number of days", "units"),
                Column("revenue", REAL, "money taken in the same last days", "money"),
                Column("money", REAL, "growth x revenue: money gained or lost per 28 days", "money"),
                Column("rank", WHOLE, "rank within level by absolute money, from 1", nullable=False),
            ),
        ),
        Table(
            "reorder",
            "What to reorder, most money at stake first.",
            ("sku", "location"),
            (
                _SKU,
                _LOCATION,
                Column("supplier", TEXT, "supplier, if known"),
                Column("order_now", REAL, "units to order today; 0 = nothing", "units", False),
                Column("on_hand", REAL, "units on hand that the plan starts from", "units", False),
                Column("on_order", REAL, "units already on order", "units", False),
                Column("lead_time", REAL, "days from order to receipt", "days", False),
                Column("review", REAL, "days until the next chance to order", "days", False),
                Column("days_of_supply", REAL, "days until the expected demand has used up the stock", "days"),
                Column(
                    "stockout_risk",
                    REAL,
                    "probability of running out before an order of today arrives",
                    "share",
                ),
                Column(
                    "risk_if_skipped",
                    REAL,
                    "probability of running out before the order after that arrives, if nothing is ordered today",
                    "share",
                ),
                Column("demand_lead", REAL, "expected demand until arrival", "units", False),
                Column("demand_cover", REAL, "expected demand until the next order's arrival", "units", False),
                Column("target", REAL, "stock level that the order fills up to", "units", False),
                Column("service", REAL, "probability of not running out that the target aims at", "share", False),
                Column("unit_margin", REAL, "margin lost per unit not sold", "money"),
                Column("unit_cost", REAL, "cost of one unit", "money"),
                Column("pack", REAL, "orders are multiples of this", "units", False),
                Column("moq", REAL, "smallest order", "units", False),
                Column("capacity", REAL, "largest order; empty = none", "units"),
                Column("order_value", REAL, "order_now x unit_cost", "money"),
                Column("money_at_stake", REAL, "expected margin lost if nothing is ordered today", "money", False),
                Column(
                    "assumed",
                    TEXT,
                    "what was assumed, comma separated: stock, lead_time, unit_cost, price, pack; exported = orders "
                    "that were exported after the stock was counted are taken to be on their way",
                ),
                Column("why", TEXT, "one sentence with its numbers, in the shop's language", nullable=False),
                Column("rank", WHOLE, "rank by money_at_stake, from 1", nullable=False),
            ),
        ),
        Table(
            "price_plan",
            "Prices proposed, the same for every customer and location; most money to gain first.",
            ("sku", "location"),
            (
                _SKU,
                _key("location", "'all': a price holds everywhere"),
                Column("price_now", REAL, "today's price", "money", False),
                Column(
                    "price", REAL, "price proposed; today's where nothing is to be gained or allowed", "money", False
                ),
                Column("elasticity", REAL, "by how many per cent demand changes if the price rises by 1 %"),
                Column("elasticity_low", REAL, "lower end of its 80 % interval"),
                Column("elasticity_high", REAL, "upper end of its 80 % interval"),
                Column("varied", YESNO, "whether its price ever varied enough to tell; else it is that of the others"),
                Column("units", REAL, "expected demand over the horizon at today's plan", "units", False),
                Column("new_units", REAL, "the same at the prices proposed", "units", False),
                Column("earned", REAL, "expected profit (or revenue) over the horizon at today's plan", "money", False),
                Column("new_earned", REAL, "the same at the prices proposed", "money", False),
                Column("gain", REAL, "new_earned less earned", "money", False),
                Column("lowest", REAL, "lowest price allowed", "money"),
                Column("highest", REAL, "highest price allowed", "money"),
                Column("bound", TEXT, "rule that the price stands at; empty = none"),
                Column("conflict", TEXT, "rules that contradict one another; the price then stays"),
                Column("unit_cost", REAL, "cost of one unit; empty = unknown, and the price stays", "money"),
                Column("why", TEXT, "one sentence with its numbers, in the shop's language", nullable=False),
                Column("rank", WHOLE, "rank by gain, from 1", nullable=False),
            ),
        ),
        Table(
            "overridden",
            "Where a planner's word stands in place of the model's forecast in this run.",
            ("sku", "location", "starts_on", "ends_on"),
            (
                _SKU,
                _LOCATION,
                _key("starts_on", "first period of the forecast concerned", DAY),
                _key("ends_on", "last period of the forecast concerned", DAY),
                Column("old", REAL, "expected demand by the model", "units", False),
                Column("new", REAL, "expected demand as published", "units", False),
                Column("who", TEXT, "planner", nullable=False),
                Column("why", TEXT, "reason", nullable=False),
            ),
        ),
        Table(
            "accuracy",
            "How the last published run's forecasts fared against what has been sold since.",
            ("run", "node"),
            (
                _key("run", "run that made the forecast"),
                _key("node", "'series' or 'total'"),
                Column("periods", WHOLE, "closed periods scored", nullable=False),
                Column("wape", REAL, "sum of absolute errors over sum of sales"),
                Column("bias", REAL, "(sum of forecasts - sum of sales) / sum of sales"),
                Column("coverage80", REAL, "share of outcomes inside the 80 % interval"),
                Column("series", WHOLE, "series scored", nullable=False),
            ),
        ),
    )
}
"""Tables that Windvane writes."""

TABLES: Mapping[str, Table] = {**RAW, **DERIVED}

QUANTILE_LEVELS: tuple[float, ...] = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.165,
    0.25,
    0.5,
    0.75,
    0.835,
    0.9,
    0.95,
    0.975,
    0.995,
)
"""Default probabilities of forecast quantiles."""


def quantile_name(level: float) -> str:
    """Column name of a quantile: ``q0.1``, never ``q0.10``."""
    return f"q{level:g}"
