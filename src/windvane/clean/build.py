"""From raw tables to the clean panel, as of a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from windvane.clean import covariates, fill, outliers, report, returns, signals
from windvane.clean.report import Findings
from windvane.clean.watermark import Window, window
from windvane.clock import CLOCK
from windvane.config import Clean, Config
from windvane.panel import ENDED, PRELAUNCH, Known, Panel
from windvane.schema import DERIVED, RAW

Read = Callable[[str], pl.LazyFrame]
"""Rows of a raw table by its name; empty with the right columns where it is absent."""

MOST_COVARIATES = 12
"""Most covariates made of promotions, and most made of signals."""

_PLAIN = ("products", "locations", "prices", "promotions", "supply", "signals")
_RECENT_DAYS = 365


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What cleaning made.

    Attributes:
        panel: the clean panel; keys sku and location.
        raw_sales: net sales before capping, float32 [series, time].
        revenue: money taken, float32 [series, time].
        price: average price paid, carried forward, float32 [series, time]; NaN before the first.
        closed: last closed day (the last day of the panel's last period).
        cleaning: every change, as the table cleaning.
        findings: what the data could not tell, as the table findings.
        products: sku, title, category of the products in the panel.
    """

    panel: Panel
    raw_sales: np.ndarray
    revenue: np.ndarray
    price: np.ndarray
    closed: date
    cleaning: pl.DataFrame
    findings: pl.DataFrame
    products: pl.DataFrame

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
            values(self.revenue).alias("revenue"),
            values(self.price).alias("price"),
            (pl.lit(None, pl.Float64) if stock is None else values(stock)).alias("in_stock"),
            names[state[series, column].astype(np.uint32)].alias("state"),
        )


def build(read: Read, config: Config, as_of: date | None = None, horizon: int | None = None) -> Cleaned:
    """Make the clean panel.

    Args:
        read: reads a raw table.
        config: settings.
        as_of: see only what was known at the end of this day; ``None`` = everything there is.
        horizon: periods ahead that covariates known in advance cover; the configured one where absent.

    Raises:
        InputError: no order line counts as a sale in a closed period.
    """
    end = datetime.combine(as_of, time.max) if as_of else None
    now = CLOCK.now().replace(tzinfo=None) + timedelta(days=1)
    raw = returns.cells(read("orders"), min(end, now) if end else None, config.clean.returns == "net")
    findings = Findings()
    raw = _without_future(raw, now, findings)
    calendar = window(returns.by_day(raw), config.clean.freq, config.forecast.horizon if horizon is None else horizon)
    tables = {name: _seen(name, read(name), end).collect() for name in _PLAIN}
    stock = _seen("stock", read("stock"), end).filter(pl.col("date") <= calendar.closed)
    tables["stock"] = stock.select("sku", "location", "date", "on_hand", "in_stock_share").collect()
    grid = _selected(fill.grid(raw, calendar), calendar, config.clean, findings)
    report.missing_tables(findings, {name: table.height for name, table in tables.items()}, grid.keys.height)
    report.order_lines(findings, returns.line_counts(raw), calendar)
    report.product_gaps(findings, tables["products"], grid.keys)
    return _assemble(grid, calendar, tables, config, findings)


def _assemble(
    grid: fill.Grid, calendar: Window, tables: dict[str, pl.DataFrame], config: Config, findings: Findings
) -> Cleaned:
    keys = grid.keys
    priced = covariates.prices(tables["prices"], keys, calendar)
    promoted = covariates.promotions(tables["promotions"], keys, calendar, MOST_COVARIATES)
    more, others = signals.events(tables["signals"], calendar)
    outside = signals.signals(others, tables["locations"], keys, calendar, MOST_COVARIATES)
    home = (config.shop.country, config.shop.subdivision)
    holiday, names, busy = signals.holidays(tables["locations"], keys, calendar, home, more)
    static, hierarchy, products = signals.statics(tables["products"], tables["locations"], keys)
    _report_plans(findings, priced, promoted, outside, calendar)

    launched, ended_on = _life_of(tables["products"], keys, calendar, priced.first_price)
    state, _ = fill.states(grid.sold, launched, ended_on, config.clean.ended_after, calendar.step)
    raw_sales, sales, cleaning = _clean_sales(grid, state, calendar, config.clean, _promoted(promoted.known, busy))
    _report_sales(findings, cleaning, grid, state, calendar)

    paid = fill.carry_forward(grid.price)
    past = {**priced.past, **outside.past}
    if not priced.known and "price" not in past:
        past["price"] = paid
    if grid.discount is not None:
        past["discount"] = grid.discount
    known = signals.merged(priced.known, promoted.known, outside.known)
    if holiday is not None:
        known["holiday"] = holiday
    seen = sales[state != PRELAUNCH]
    panel = Panel(
        keys=keys,
        sales=sales,
        dates=calendar.dates,
        freq=calendar.freq,
        known=known,
        past=past,
        static=static,
        in_stock=signals.in_stock(tables["stock"], keys, calendar),
        state=state,
        hierarchy=hierarchy,
        counts=bool((seen == np.round(seen)).all()),
        levels={"holiday": names} if holiday is not None else {},
    )
    return Cleaned(panel, raw_sales, grid.revenue, paid, calendar.closed, cleaning, findings.frame(), products)


def _seen(name: str, table: pl.LazyFrame, end: datetime | None) -> pl.LazyFrame:
    if end is not None:
        table = table.filter(pl.col("known_at") <= end)
    key = RAW[name].key
    if "known_at" in key:
        return table
    # Where a reader gives several versions of a row, the latest of those seen counts.
    return table.sort("known_at", maintain_order=True).unique(key, keep="last", maintain_order=True)


def _without_future(raw: pl.DataFrame, now: datetime, findings: Findings) -> pl.DataFrame:
    late = raw.filter(pl.col("day") > now.date())
    if late.height:
        findings.add(
            "orders_in_the_future", ("orders", "ordered_at"), "warning",
            (int(late["rows"].sum()), int(raw["rows"].sum())),
            "Correct the dates: order lines dated in the future are left out.", str(late["day"].max()),
        )  # fmt: skip
        raw = raw.filter(pl.col("day") <= now.date())
    return raw


def _selected(grid: fill.Grid, calendar: Window, settings: Clean, findings: Findings) -> fill.Grid:
    """Keep the series that are to be forecast, and say which are not."""
    total = grid.keys.height
    recent = grid.revenue[:, -max(_RECENT_DAYS // calendar.step, 1) :].sum(1, dtype=np.float64)
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


def _promoted(known: dict[str, Known] | object, busy: np.ndarray) -> np.ndarray:
    """Cells whose sales may be high for a reason that was known by then, bool [series, time]."""
    time_ = busy.shape[1]
    spared = busy
    for name, covariate in known.items() if isinstance(known, dict) else ():
        if name.startswith("promo_"):
            on = covariate.values[:, :time_] > 0
            if covariate.since is not None:
                on &= covariate.since[:, :time_] <= np.arange(time_)
            spared = spared | on
    return spared


def _clean_sales(
    grid: fill.Grid, state: np.ndarray, calendar: Window, settings: Clean, spared: np.ndarray
) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    raw = returns.net_sales(grid.sold, grid.returned, settings.returns == "net")
    before_launch = state == PRELAUNCH
    early = before_launch & (raw != 0)
    parts = [report.changes(grid.keys, calendar.dates, "return before launch", early, raw, np.zeros_like(raw))]
    raw[before_launch] = np.nan
    with np.errstate(invalid="ignore"):
        negative = raw < 0
        sales = np.maximum(raw, 0)
    parts.append(report.changes(grid.keys, calendar.dates, "net return", negative, raw, sales))
    launch = np.argmax(~before_launch, axis=1).astype(np.int32)
    cap = outliers.caps(sales, launch, spared, settings.outlier_window, settings.outlier_factor)
    high = ~np.isnan(cap)
    if high.any():
        if (sales[~before_launch] == np.round(sales[~before_launch])).all():
            cap = np.ceil(cap)
            high &= cap < sales
        capped = np.where(high, cap, sales).astype(np.float32)
        parts.append(report.changes(grid.keys, calendar.dates, "outlier", high, sales, capped))
        sales = capped
    cleaning = pl.concat(parts).sort("sku", "location", "date", "rule")
    return raw, sales, cleaning


def _report_plans(
    findings: Findings,
    priced: covariates.Planned,
    promoted: covariates.Planned,
    outside: covariates.Planned,
    calendar: Window,
) -> None:
    if "price" in priced.past:
        findings.add(
            "prices_not_planned", ("prices", "known_at"), "info", (1, 1),
            "Give price changes with the moment they were decided; as it is they are known on the day only, and the "
            "forecast cannot use coming ones.",
        )  # fmt: skip
    for table, planned in (("prices", priced), ("promotions", promoted)):
        if planned.stale:
            findings.add(
                "plan_out_of_date", (table, "known_at"), "warning", (1, 1),
                f"Ingest newer {table}: none became known lately, so the forecast treats coming ones as unknown.",
                str(calendar.closed),
            )  # fmt: skip
    for table, planned in (("promotions", promoted), ("signals", outside)):
        if planned.left_out:
            found = len(planned.left_out)
            findings.add(
                "too_many_covariates", (table, ""), "info",
                (found, found + MOST_COVARIATES),
                f"Merge kinds, or remove some: only the {MOST_COVARIATES} most frequent are used.",
                planned.left_out[0],
            )  # fmt: skip


def _report_sales(
    findings: Findings, cleaning: pl.DataFrame, grid: fill.Grid, state: np.ndarray, calendar: Window
) -> None:
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
            f"{'/'.join(grid.keys.row(row))}: {gaps[row] * calendar.step} days",
        )  # fmt: skip
