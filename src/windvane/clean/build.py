"""From raw tables to the clean panel, as of a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from windvane.clean import availability, covariates, events, fill, lines, missing, orders, outliers, report, signals
from windvane.clean.availability import Availability, Told
from windvane.clean.lines import Ruled
from windvane.clean.report import Findings
from windvane.clean.stockouts import YEARS
from windvane.clean.watermark import Window, window
from windvane.clock import CLOCK
from windvane.config import Clean, Config
from windvane.panel import PRELAUNCH, Known, Panel
from windvane.schema import DERIVED, RAW

Read = Callable[[str], pl.LazyFrame]
"""Rows of a raw table by its name; empty with the right columns where it is absent."""

MOST_COVARIATES = 12
"""Most covariates made of promotions, and most made of signals."""

_PLAIN = ("products", "locations", "prices", "promotions", "supply", "signals", "calendar")
_RECENT_DAYS = 365
_KINDS = pl.Series([kind or None for kind in availability.KINDS], dtype=pl.String)


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What cleaning made.

    Attributes:
        panel: the clean panel; keys sku and location.
        raw_sales: net sales before capping, float32 [series, time].
        shelf: which cells were out of stock, and what was wanted.
        revenue: money taken, float32 [series, time].
        price: average price paid, carried forward, float32 [series, time]; NaN before the first.
        closed: last closed day (the last day of the panel's last period).
        cleaning: every change, as the table cleaning.
        findings: what the data could not tell, as the table findings.
        products: sku, title, category of the products in the panel.
        revised: share of order lines that changed a day before the one on which they became known.
    """

    panel: Panel
    raw_sales: np.ndarray
    shelf: Availability
    revenue: np.ndarray
    price: np.ndarray
    closed: date
    cleaning: pl.DataFrame
    findings: pl.DataFrame
    products: pl.DataFrame
    revised: float = 0.0

    @property
    def wanted(self) -> Panel:
        """The panel with estimated demand where the shelf was found empty: for sums of the recent past, not for models.

        It has the price last paid as well, for products that no price list names.

        What was lost on days that only may have been out of stock is left out: on shops whose true demand is not
        known, nobody can tell how much of it is real.
        """
        sales = np.where(self.shelf.kind > 0, self.shelf.demand, self.panel.sales)
        past = {"price": self.price, **self.panel.past}
        return replace(self.panel, sales=sales, past=past, stockouts=None)

    @property
    def frame(self) -> pl.DataFrame:
        """The table panel, one row per series and period from launch to cutoff (made anew at every call)."""
        parts = list(self.frames())
        return pl.concat(parts) if parts else DERIVED["panel"].empty()

    def frames(self, part: int = 4096) -> Iterator[pl.DataFrame]:
        """The table panel in parts of ``part`` series, so that it need not be held as a whole."""
        for start in range(0, self.panel.shape[0], part):
            yield self._frame(slice(start, start + part))

    def _frame(self, rows: slice) -> pl.DataFrame:
        state = self.panel.state[rows]
        series, column = np.nonzero(state != PRELAUNCH)

        def values(array: np.ndarray) -> pl.Series:
            return pl.Series(array[rows][series, column].astype(np.float64), nan_to_null=True)

        stock = self.panel.in_stock
        names = pl.Series(["prelaunch", "active", "ended"])
        return self.panel.keys[rows][series].with_columns(
            self.panel.dates[column].alias("date"),
            values(self.panel.sales).alias("sales"),
            values(self.raw_sales).alias("raw_sales"),
            values(self.shelf.demand).alias("demand"),
            values(self.revenue).alias("revenue"),
            values(self.price).alias("price"),
            (pl.lit(None, pl.Float64) if stock is None else values(stock)).alias("in_stock"),
            _KINDS[self.shelf.kind[rows][series, column].astype(np.uint32)].alias("stockout"),
            names[state[series, column].astype(np.uint32)].alias("state"),
        )


def build(
    read: Read, config: Config, as_of: date | None = None, horizon: int | None = None, now: datetime | None = None
) -> Cleaned:
    """Make the clean panel.

    Args:
        read: reads a raw table.
        config: settings.
        as_of: see only what was known at the end of this day; ``None`` = everything there is. The day counts as over
            from its end on, however early its last order came.
        horizon: periods ahead that covariates known in advance cover; the configured one where absent.
        now: the moment at which this is asked, with its time zone; the clock's where absent. The same tables, asked
            at the same moment, give the same panel.

    Raises:
        InputError: no order line counts as a sale in a closed period.
    """
    end = datetime.combine(as_of, time.max) if as_of else None
    today = (now or CLOCK.now()).astimezone(UTC).replace(tzinfo=None)
    latest = today + timedelta(days=1)
    seen = lines.seen(read("orders"), min(end, latest) if end else None)
    net = config.clean.returns != "drop"
    findings = Findings()
    raw = _without_future(lines.cells(seen, net, config.clean.freq), latest, findings)
    horizon = config.forecast.horizon if horizon is None else horizon
    over = as_of if as_of is not None and as_of < today.date() else None
    calendar = window(lines.by_day(raw), config.clean.freq, horizon, over)
    tables = {name: _seen(name, read(name), end).collect() for name in _PLAIN}
    stock = _seen("stock", read("stock"), end).filter(pl.col("date") <= calendar.closed)
    tables["stock"] = stock.select("sku", "location", "date", "on_hand", "in_stock_share", "known_at").collect()
    seen = seen.filter(pl.col("ordered_at").dt.date() <= latest.date())
    ruled = orders.rules(orders.Lines(seen, raw, tables["promotions"]), config.clean)
    grid = _selected(fill.grid(lines.adjusted(raw, ruled), calendar), calendar, config.clean, findings)
    report.missing_tables(findings, {name: table.height for name, table in tables.items()}, grid.keys.height)
    report.order_lines(findings, lines.line_counts(raw), calendar)
    report.short_history(findings, calendar)
    report.line_rules(findings, ruled, int(raw["rows"].sum()))
    report.product_gaps(findings, tables["products"], grid.keys)
    cleaned = _assemble(grid, ruled, calendar, tables, config, findings)
    return replace(cleaned, revised=orders.revised(seen, ruled) / max(int(raw["rows"].sum()), 1))


def _assemble(
    grid: fill.Grid,
    ruled: list[Ruled],
    calendar: Window,
    tables: dict[str, pl.DataFrame],
    config: Config,
    findings: Findings,
) -> Cleaned:
    keys = grid.keys
    priced = covariates.prices(tables["prices"], keys, calendar)
    promoted = covariates.promotions(tables["promotions"], keys, calendar, MOST_COVARIATES)
    more, others = signals.events(tables["signals"], calendar)
    outside = signals.signals(others, tables["locations"], keys, calendar, MOST_COVARIATES)
    home = (config.shop.country, config.shop.subdivision)
    holiday, names, busy = signals.holidays(tables["locations"], keys, calendar, home, more)
    planned = events.own_events(tables["calendar"], tables["locations"], keys, calendar, home[0])
    static, hierarchy, products = signals.statics(tables["products"], tables["locations"], keys)
    report.plans(findings, (priced, promoted, outside), calendar, MOST_COVARIATES)
    state = _states(grid, tables["products"], calendar, priced.first_price, config.clean.ended_after)
    stocked = signals.in_stock(tables["stock"], keys, calendar)
    raw_sales = grid.sold - grid.returned if config.clean.returns != "drop" else grid.sold.copy()
    moved = report.line_changes(keys, calendar, ruled, raw_sales)
    paid = fill.carry_forward(grid.price)
    spared = _promoted({**promoted.known, **planned}, busy)
    context = Context(keys, static, promoted.known, stocked, spared, paid, config.shop.currency, findings)
    series = _clean_sales(raw_sales, state, calendar, config.clean, context)
    sales, cleaning = series.sales, pl.concat([moved, series.cleaning]).sort("sku", "location", "date", "rule")
    report.sales(findings, cleaning, grid, state, calendar)

    past = {**priced.past, **outside.past}
    if not priced.known and "price" not in past:
        past["price"] = paid
    if grid.discount is not None:
        past["discount"] = grid.discount
    known = signals.merged(priced.known, promoted.known, outside.known, planned)
    wanted = frozenset(config.clean.calendar)
    if wanted - {"holiday"}:
        rhythm = events.rhythm(tables["locations"], keys, calendar, home, findings)
        known |= {name: each for name, each in rhythm.items() if name in wanted}
    if holiday is not None and "holiday" in wanted:
        known["holiday"] = holiday
    known, past = missing.filled(known, past, config.clean.fill, (calendar.time, calendar.freq.season), findings)
    seen = sales[state != PRELAUNCH]
    panel = Panel(
        keys=keys,
        sales=sales,
        dates=calendar.dates,
        freq=calendar.freq,
        known=known,
        past=past,
        static=static,
        in_stock=None if stocked is None else stocked.share,
        state=state,
        hierarchy=hierarchy,
        counts=bool((seen == np.round(seen)).all()),
        levels={"holiday": names} if "holiday" in known else {},
    ).with_stockouts(series.shelf.since)
    return Cleaned(
        panel, series.raw, series.shelf, grid.revenue, paid, calendar.closed, cleaning, findings.frame(), products
    )


def _states(
    grid: fill.Grid, products: pl.DataFrame, calendar: Window, first_price: np.ndarray | None, ended_after: int
) -> np.ndarray:
    """Life stage of every series and period, int8 [series, time]."""
    launched, ended_on = _life_of(products, grid.keys, calendar, first_price)
    return fill.states(grid.sold, launched, ended_on, ended_after, calendar.step)[0]


def _seen(name: str, table: pl.LazyFrame, end: datetime | None) -> pl.LazyFrame:
    if end is not None:
        table = table.filter(pl.col("known_at") <= end)
    key = RAW[name].key
    if "known_at" in key:
        return table
    # Where a reader gives several versions of a row, the latest of those seen counts.
    return table.sort("known_at", maintain_order=True).unique(key, keep="last", maintain_order=True)


def _without_future(raw: pl.DataFrame, latest: datetime, findings: Findings) -> pl.DataFrame:
    day = pl.col("at").cast(pl.Date)
    late = raw.filter(day > latest.date())
    if late.height:
        findings.add(
            "orders_in_the_future", ("orders", "ordered_at"), "warning",
            (int(late["rows"].sum()), int(raw["rows"].sum())),
            "Correct the dates: order lines dated in the future are left out.", str(late["at"].cast(pl.Date).max()),
        )  # fmt: skip
        raw = raw.filter(day <= latest.date())
    return raw


def _selected(grid: fill.Grid, calendar: Window, settings: Clean, findings: Findings) -> fill.Grid:
    """Keep the series that are to be forecast, and say which are not."""
    total = grid.keys.height
    recent = grid.revenue[:, -max(int(_RECENT_DAYS / calendar.step), 1) :].sum(1, dtype=np.float64)
    keep = (grid.sold > 0).sum(1) >= settings.min_active_periods
    if (~keep).any():
        findings.add(
            "sold_too_rarely", ("orders", "sku"), "info", (int((~keep).sum()), total),
            f"Lower clean.min_active_periods (now {settings.min_active_periods}) to forecast them; they brought "
            f"{_share(recent, ~keep)} of the last year's revenue.", "/".join(grid.keys.row(int((~keep).argmax()))),
        )  # fmt: skip
    if settings.max_series and keep.sum() > settings.max_series:
        ranked = np.lexsort((np.arange(total), -recent))
        chosen = ranked[keep[ranked]][: settings.max_series]
        left = keep.copy()
        left[chosen] = False
        keep &= ~left
        findings.add(
            "beyond_max_series", ("orders", "sku"), "info", (int(left.sum()), total),
            f"Raise clean.max_series (now {settings.max_series}) to forecast them; they brought "
            f"{_share(recent, left)} of the last year's revenue.", "/".join(grid.keys.row(int(left.argmax()))),
        )  # fmt: skip
    return grid if keep.all() else grid.take(np.flatnonzero(keep))


def _share(revenue: np.ndarray, rows: np.ndarray) -> str:
    total = float(revenue.sum())
    return f"{float(revenue[rows].sum()) / total:.1%}" if total > 0 else "none"


def _life_of(
    products: pl.DataFrame, keys: pl.DataFrame, calendar: Window, first_price: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of launch and of the last day on sale that tables tell; ``time`` where they do not."""
    life = keys.join(products.select("sku", "launched_on", "ended_on"), on="sku", how="left", maintain_order="left")
    out = []
    for name in ("launched_on", "ended_on"):
        told = life[name].is_not_null().to_numpy()
        column = np.full(keys.height, calendar.time, np.int64)
        column[told] = calendar.columns(life[name].drop_nulls())
        out.append(column)
    if first_price is not None:
        out[0] = np.minimum(out[0], first_price)
    return out[0], out[1]


def _promoted(known: Mapping[str, Known], busy: np.ndarray) -> np.ndarray:
    """Cells whose sales may be high for a reason that was known by then, bool [series, time]."""
    time_ = busy.shape[1]
    spared = busy
    for name, covariate in known.items():
        if name.startswith(("promo_", "event_")):
            on = covariate.values[:, :time_] > 0
            if covariate.since is not None:
                on &= covariate.since[:, :time_] <= np.arange(time_)
            spared = spared | on
    return spared


# --- the series themselves --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Context:
    """What judging the sales of a series may look at.

    Attributes:
        keys: sku and location of the series.
        static: constant columns of the series (category, region...), one row each.
        promotions: covariates promo_<kind> as planned, by name.
        in_stock: what the table stock says; None = nothing.
        spared: periods whose sales may be high for a known reason, bool [series, time].
        price: price paid, carried forward, float32 [series, time]; NaN before the first.
        currency: of the prices.
        findings: where to say what was found.
    """

    keys: pl.DataFrame
    static: pl.DataFrame
    promotions: Mapping[str, Known]
    in_stock: Told | None
    spared: np.ndarray
    price: np.ndarray
    currency: str
    findings: Findings


@dataclass(frozen=True, eq=False)
class CleanSales:
    """Sales after the steps that look at whole series.

    Attributes:
        raw: net sales before capping, NaN before the launch, float32 [series, time].
        sales: clean sales, float32 [series, time].
        shelf: which cells were out of stock, and what was wanted.
        cleaning: rows of the table cleaning.
    """

    raw: np.ndarray
    sales: np.ndarray
    shelf: Availability
    cleaning: pl.DataFrame


def _clean_sales(raw: np.ndarray, state: np.ndarray, calendar: Window, settings: Clean, context: Context) -> CleanSales:
    """Steps on whole series, in order: before launch, negative, outliers, stock-outs.

    Args:
        raw: units sold, net of returns as configured, float32 [series, time].
        state: life stage, int8 [series, time].
        calendar: the calendar.
        settings: the block clean.
        context: what else the steps may look at.
    """
    keys, dates = context.keys, calendar.dates
    before_launch = state == PRELAUNCH
    early = before_launch & (raw != 0)
    parts = [report.changes(keys, dates, "return before launch", early, raw, np.zeros_like(raw))]
    raw = raw.copy()
    raw[before_launch] = np.nan
    with np.errstate(invalid="ignore"):
        negative = raw < 0
        sales = np.maximum(raw, 0)
    parts.append(report.changes(keys, dates, "net return", negative, raw, sales))
    launch = np.argmax(~before_launch, axis=1).astype(np.int32)
    promoted = _promoted(context.promotions, np.zeros(sales.shape, bool))
    cap = outliers.caps(
        sales, launch, context.spared, settings.outlier_window, settings.outlier_factor,
        outliers.allowances(
            sales, launch, promoted, context.spared, settings.outlier_window, YEARS[calendar.freq.unit]
        ),
    )  # fmt: skip
    high = ~np.isnan(cap)
    if high.any():
        if (sales[~before_launch] == np.round(sales[~before_launch])).all():
            cap = np.ceil(cap)
            high &= cap < sales
        capped = np.where(high, cap, sales).astype(np.float32)
        parts.append(report.changes(keys, dates, "outlier", high & ~context.spared, sales, capped))
        parts.append(report.changes(keys, dates, "promoted outlier", high & promoted, sales, capped))
        festive = high & context.spared & ~promoted
        parts.append(report.changes(keys, dates, "festive outlier", festive, sales, capped))
        sales = capped
    judged = availability.Series(keys, sales, launch, availability.groups(keys, context.static), promoted)
    shelf = availability.judge(judged, context.in_stock, calendar, settings)
    availability.report(context.findings, judged, shelf, context.price, calendar, context.currency)
    return CleanSales(raw, sales, shelf, pl.concat([*parts, shelf.cleaning]))
