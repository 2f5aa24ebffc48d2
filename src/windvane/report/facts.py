"""What the report says, computed from a run's tables before anything is drawn.

One :class:`Facts` holds every frame and figure of the page, so that page, dashboard and notebook say the same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import polars as pl

from windvane import schema
from windvane.forecasts import is_quantile
from windvane.freq import shifted
from windvane.report.numbers import Kind

HISTORY = 120
"""Past periods shown in a fan chart."""
TOTAL_HISTORY = 180
"""Past periods shown in the chart of the whole."""
EMBEDDED_SERIES = 1000
"""Series whose forecast a page holds."""
KEY = ["sku", "location"]

_PRODUCTS_VIEW = {"sku": pl.String(), "title": pl.String(), "category": pl.String()}


class RunLike(Protocol):
    """A published run, as far as the report reads it.

    A run that also has ``scan(name) -> pl.LazyFrame`` is asked for its largest tables lazily.
    """

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Run, created, as_of, config, versions, windvane, python, libraries, stages, tables."""
        ...

    @property
    def tables(self) -> Collection[str]:
        """Names of the tables the run holds."""
        ...

    def read(self, name: str) -> pl.DataFrame:
        """One table of the run."""
        ...


@dataclass(frozen=True)
class Outlook:
    """Expected sales over the horizon against the same length before.

    Attributes:
        units: expected units.
        money: expected units at each series' last price.
        before_units: units sold in as many periods up to the cutoff.
        before_money: money taken in them.
    """

    units: float
    money: float
    before_units: float
    before_money: float

    @property
    def change(self) -> float | None:
        """Expected money over money before, less 1; ``None`` without sales before."""
        if self.before_money > 0:
            return self.money / self.before_money - 1
        return self.units / self.before_units - 1 if self.before_units > 0 else None


@dataclass(frozen=True)
class Facts:
    """Everything the page shows.

    Attributes:
        manifest: the run's manifest.
        cutoff: last period of the data (a datetime for hours); ``None`` for a run without panel and forecasts.
        freq: "1h", "1d", "1w" or "1mo".
        horizon: periods forecast; 0 without forecasts.
        dates: the shared axis of fan charts: up to :data:`HISTORY` past periods, then the horizon.
        quantiles: quantile columns of the forecasts, in order.
        totals: date, units, money of the whole, past periods.
        ahead: date, units, money expected of the whole, future periods.
        series: one row a series: sku, location, title, category, twin, price, revenue (last ``horizon`` periods),
            expected (units over the horizon), width (relative 80 % range); largest revenue first.
        history: sku, location, date, sales of the last :data:`HISTORY` periods.
        outlook: expected sales against before; ``None`` without forecasts.
        lives: sku, location, first and last date of a sale, units and money of the last :data:`HISTORY` periods.
        tables: the other derived tables by name; empty frames where the run has none.
    """

    manifest: Mapping[str, Any]
    cutoff: date | None
    freq: str
    horizon: int
    dates: list[date]
    quantiles: list[str]
    totals: pl.DataFrame
    ahead: pl.DataFrame
    series: pl.DataFrame
    history: pl.DataFrame
    outlook: Outlook | None
    lives: pl.DataFrame
    tables: Mapping[str, pl.DataFrame]

    @property
    def when(self) -> Kind:
        """How the start of a period is shown."""
        return "moment" if self.freq == "1h" else "day"

    def later(self, start: date, periods: int) -> date:
        """Start of the period so many after the one that starts at ``start``; negative = before."""
        return shifted(self.freq, start, periods)

    @property
    def bands(self) -> pl.DataFrame:
        """Quantiles of the whole per future period (units), from joint paths; empty where the run has none."""
        return self.tables["totals"].filter((pl.col("level") == "total") & (pl.col("step") > 0)).sort("step")

    @property
    def shop(self) -> Mapping[str, Any]:
        """The shop block of the configuration."""
        return self._block("shop")

    @property
    def currency(self) -> str:
        """ISO 4217 code of money."""
        return str(self.shop.get("currency", "USD"))

    @property
    def language(self) -> str:
        """The shop's language."""
        return str(self.shop.get("language", "en"))

    def setting(self, block: str, name: str, default: Any) -> Any:
        """One setting of the run's configuration, or ``default``."""
        return self._block(block).get(name, default)

    def _block(self, name: str) -> Mapping[str, Any]:
        config = self.manifest.get("config") or {}
        block = config.get(name) or {}
        return block if isinstance(block, Mapping) else {}


_OTHER = (
    *("trends", "leaderboard", "scores", "reorder", "findings", "cleaning", "accuracy", "totals"),
    *("price_plan", "promotion_plan", "past_promotions", "overridden"),
)


def gather(run: RunLike) -> Facts:
    """Read a run and compute what the page shows.

    Args:
        run: a published run; every table is optional.
    """
    names = named(_read(run, "products_view", _PRODUCTS_VIEW).unique("sku", keep="first", maintain_order=True))
    panel_types = {c: schema.DERIVED["panel"][c].type for c in (*KEY, "date", "sales", "revenue", "price")}
    panel = _scan(run, "panel", panel_types)
    forecasts = _read(run, "forecasts", schema.DERIVED["forecasts"].types)
    quantiles = sorted((c for c in forecasts.columns if is_quantile(c)), key=lambda c: float(c[1:]))
    freq = str(((run.manifest.get("config") or {}).get("clean") or {}).get("freq", "1d"))
    horizon = int(forecasts["step"].max() or 0) if forecasts.height else 0  # type: ignore[arg-type]
    cutoff = _last_day(forecasts, "cutoff") or _last_day(panel.select(pl.col("date").max()).collect(), "date")
    begin = None if cutoff is None else shifted(freq, cutoff, -max(horizon, 1))
    lately = panel if cutoff is None else panel.filter(pl.col("date") > shifted(freq, cutoff, -HISTORY))
    # Sums shared among threads differ in their last bits from run to run; a page should not. Hence the rounding.
    sums = panel.group_by("date").agg(
        pl.col("sales").sum().round(4).alias("units"), pl.col("revenue").sum().round(4).alias("money")
    )
    # One streamed pass each: the panel of a large shop need never be in memory as a whole.
    recent, totals, prices, ends = pl.collect_all(
        [lately, sums.sort("date"), _last_prices(panel), _ends(panel)], engine="streaming"
    )
    past = sorted(recent["date"].unique().to_list())
    future = sorted(forecasts["date"].unique().to_list())
    ahead = (
        forecasts.join(prices, on=KEY, how="left", nulls_equal=True)
        .group_by("date")
        .agg(
            pl.col("mean").sum().round(4).alias("units"),
            (pl.col("mean") * pl.col("price").fill_null(0)).sum().round(4).alias("money"),
        )
        .sort("date")
    )
    before = totals if begin is None else totals.filter(pl.col("date") > begin)
    tables = {name: _read(run, name, schema.DERIVED[name].types) for name in _OTHER}
    if "quarantine_summary" in run.tables:
        tables["quarantine_summary"] = run.read("quarantine_summary")
    tables["names"] = names
    return Facts(
        manifest=run.manifest,
        cutoff=cutoff,
        freq=freq,
        horizon=horizon,
        dates=past + future,
        quantiles=quantiles,
        totals=totals.tail(TOTAL_HISTORY),
        ahead=ahead,
        series=_series(recent, forecasts, prices, names, begin),
        history=recent.select(*KEY, "date", "sales"),
        outlook=_outlook(before, ahead) if horizon else None,
        lives=_lives(ends, recent),
        tables=tables,
    )


def named(names: pl.DataFrame) -> pl.DataFrame:
    """Product names with what tells equal ones apart.

    Args:
        names: sku, title, category.

    Returns:
        The same rows with ``twin``: whether another sku has the same title, so that the title alone names neither.
    """
    twin = pl.col("title").is_not_null() & pl.col("title").is_duplicated() & (pl.col("title") != pl.col("sku"))
    return names.with_columns(twin.alias("twin"))


def total_interval(facts: Facts, low: float = 0.1, high: float = 0.9) -> tuple[float, float] | None:
    """Range of the whole's demand over the horizon (units), from joint paths; ``None`` where the run has none.

    Args:
        facts: from :func:`gather`.
        low: lower probability, one that the table ``totals`` holds.
        high: upper probability, likewise.
    """
    rows = facts.tables["totals"].filter((pl.col("level") == "total") & (pl.col("step") == 0))
    ends = rows.select(schema.quantile_name(low), schema.quantile_name(high)).drop_nulls()
    return ends.row(0) if ends.height else None


def fans(facts: Facts, run: RunLike, quantiles: Sequence[str], limit: int = EMBEDDED_SERIES) -> list[dict[str, Any]]:
    """Past sales and forecast quantiles of the series with most revenue, on the shared dates.

    Args:
        facts: of the same run.
        run: the run, read again for the quantiles of these series only.
        quantiles: columns wanted, such as ``q0.5``.
        limit: most series.

    Returns:
        One dict a series, in the order of ``facts.series``: ``sku, location, title, category, price, revenue,
        expected, twin``, ``past`` (sales, aligned to the end of the past dates) and ``ahead`` (one list per quantile).
    """
    chosen = facts.series.head(limit)
    if not chosen.height or not quantiles:
        return []
    types = {c: schema.DERIVED["forecasts"][c].type for c in (*KEY, "step")} | dict.fromkeys(quantiles, pl.Float64())
    wanted = _scan(run, "forecasts", types).join(chosen.select(KEY).lazy(), on=KEY, how="semi")
    forecasts = wanted.collect(engine="streaming").sort(*KEY, "step")
    grouped = forecasts.group_by(KEY).agg(pl.col(q) for q in quantiles)
    past_dates = [d for d in facts.dates if facts.cutoff is None or d <= facts.cutoff]
    place = {d: i for i, d in enumerate(past_dates)}
    sales = (
        facts.history.join(chosen.select(KEY), on=KEY, how="semi")
        .with_columns(pl.col("date").replace_strict(place, return_dtype=pl.Int64(), default=None).alias("at"))
        .drop_nulls("at")
        .group_by(KEY)
        .agg("at", "sales")
    )
    joined = chosen.join(grouped, on=KEY, how="left").join(sales, on=KEY, how="left", maintain_order="left")
    result = []
    for row in joined.iter_rows(named=True):
        past: list[float | None] = [None] * len(past_dates)
        for at, value in zip(row["at"] or [], row["sales"] or [], strict=True):
            past[at] = _figures(value)
        first = next((i for i, v in enumerate(past) if v is not None), len(past))
        kept = {k: row[k] for k in ("sku", "location", "title", "category", "price", "revenue", "expected", "twin")}
        ahead = [[_figures(v) for v in row[q] or []] for q in quantiles]
        result.append(kept | {"past": past[first:], "ahead": ahead})
    return result


def direction_counts(facts: Facts) -> dict[str, int]:
    """Number of series per direction, every direction named."""
    trends = facts.tables["trends"].filter(pl.col("level") == "series")
    found = dict(trends.group_by("trend").len().iter_rows())
    return {word: int(found.get(word, 0)) for word in ("rising", "falling", "new", "ending", "steady")}


def champion(leaderboard: pl.DataFrame, segment: str = "all") -> dict[str, Any] | None:
    """The leaderboard row of what ships in a segment: "champion" if scored, else the chosen model."""
    rows = leaderboard.filter(pl.col("segment") == segment)
    for test in (pl.col("model") == "champion", pl.col("chosen")):
        found = rows.filter(test)
        if found.height:
            return found.row(0, named=True)
    return None


def _series(
    recent: pl.DataFrame,
    forecasts: pl.DataFrame,
    prices: pl.DataFrame,
    names: pl.DataFrame,
    begin: date | None,
) -> pl.DataFrame:
    window = recent if begin is None else recent.filter(pl.col("date") > begin)
    sold = window.group_by(KEY).agg(pl.col("revenue").sum().round(4), pl.col("sales").sum().round(4).alias("sold"))
    low, high = schema.quantile_name(0.1), schema.quantile_name(0.9)
    spread = (pl.col(high) - pl.col(low)).sum() if {low, high} <= set(forecasts.columns) else pl.lit(None)
    expected = forecasts.group_by(KEY).agg(
        pl.col("mean").sum().round(4).alias("expected"), spread.cast(pl.Float64()).round(4).alias("spread")
    )
    return (
        expected.join(sold, on=KEY, how="left")
        .join(prices, on=KEY, how="left")
        .join(names, on="sku", how="left")
        .with_columns(
            pl.col("revenue", "sold").fill_null(0.0),
            pl.col("title").fill_null(pl.col("sku")),
            pl.col("category").fill_null(""),
            pl.col("twin").fill_null(False),
            # Half the range over the expectation: "±40 %" reads more easily than a ratio of widths.
            pl.when(pl.col("expected") > 0).then(pl.col("spread") / pl.col("expected") / 2).alias("width"),
        )
        .sort("revenue", "expected", *KEY, descending=[True, True, False, False])
    )


def _ends(panel: pl.LazyFrame) -> pl.LazyFrame:
    sold = panel.filter(pl.col("sales") > 0)
    return sold.group_by(KEY).agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"))


def _lives(ends: pl.DataFrame, recent: pl.DataFrame) -> pl.DataFrame:
    lately = recent.group_by(KEY).agg(
        pl.col("sales").sum().round(4).alias("units"), pl.col("revenue").sum().round(4).alias("money")
    )
    return ends.join(lately, on=KEY, how="left").with_columns(pl.col("units", "money").fill_null(0.0))


def _outlook(before: pl.DataFrame, ahead: pl.DataFrame) -> Outlook:
    return Outlook(
        units=float(ahead["units"].sum()),
        money=float(ahead["money"].sum()),
        before_units=float(before["units"].sum()),
        before_money=float(before["money"].sum()),
    )


def _last_prices(panel: pl.LazyFrame) -> pl.LazyFrame:
    return panel.drop_nulls("price").group_by(KEY).agg(pl.col("price").max_by("date"))


def _read(run: RunLike, name: str, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A table with at least the columns of ``types``; empty if the run lacks it."""
    if name not in run.tables:
        return pl.DataFrame(schema=dict(types))
    return _whole(run.read(name).lazy(), types).collect()


def _scan(run: RunLike, name: str, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """The columns of ``types`` of a table too large to be read whole; from disk where the run can."""
    if name not in run.tables:
        return pl.LazyFrame(schema=dict(types))
    scan = getattr(run, "scan", None)
    frame: pl.LazyFrame = scan(name) if scan is not None else run.read(name).lazy()
    return _whole(frame, types).select(list(types))


def _whole(frame: pl.LazyFrame, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    held = frame.collect_schema().names()
    missing = [pl.lit(None, dtype=t).alias(c) for c, t in types.items() if c not in held]
    return frame.with_columns(missing).with_columns(pl.selectors.float().fill_nan(None))


def _last_day(frame: pl.DataFrame, column: str) -> date | None:
    value = frame[column].max() if frame.height else None
    return value if isinstance(value, date) else None


def _figures(value: float | None) -> float | int | None:
    """About three significant figures: enough to draw, little to embed."""
    if value is None or not math.isfinite(value):
        return None
    rounded = round(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)
    return int(rounded) if rounded == int(rounded) else rounded
