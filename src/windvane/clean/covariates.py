"""Prices and promotions, past and planned, laid on the calendar with the moment they became known.

A value at period t is known from the period on in which its row became known, but never earlier than the usual lead
before t: beyond that nothing is known either way, since the absence of an announcement says something only once
announcements usually reach that far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numba import njit

from windvane.clean.watermark import Window
from windvane.panel import Known

ALL = "all"
"""Location of rows that hold for every location."""

_FAR = np.iinfo(np.int32).max
_STALE_DAYS = 28


def _paint_py(
    spans: np.ndarray, value: np.ndarray, known: np.ndarray, largest: bool, values: np.ndarray, since: np.ndarray
) -> None:
    width = values.shape[1]
    for i in range(len(spans)):
        s = spans[i, 0]
        for c in range(max(spans[i, 1], 0), min(spans[i, 2] + 1, width)):
            old = values[s, c]
            if largest and (old > value[i] or (old == value[i] and since[s, c] <= known[i])):
                continue
            values[s, c] = value[i]
            since[s, c] = known[i]


_paint = njit(
    "void(int64[:, ::1], float32[::1], int32[::1], boolean, float32[:, ::1], int32[:, ::1])", nogil=True, cache=True
)(_paint_py)


@dataclass(frozen=True)
class Planned:
    """Covariates from one table, and what is worth saying about them.

    Attributes:
        known: covariates known in advance.
        past: covariates known in hindsight.
        left_out: names left out because there would be too many.
        stale: whether the table has not been kept up to date.
        first_price: column of the first price per series, int64 [series] (prices only).
    """

    known: Mapping[str, Known]
    past: Mapping[str, np.ndarray]
    left_out: tuple[str, ...] = ()
    stale: bool = False
    first_price: np.ndarray | None = None


def rows_of_series(frame: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Give every row the number of its series in ``__series``; rows of location 'all' are repeated for each."""
    index = keys.with_row_index("__series").with_columns(pl.col("__series").cast(pl.Int64))
    exact = frame.filter(pl.col("location") != ALL).join(index, on=["sku", "location"], maintain_order="left")
    shared = frame.filter(pl.col("location") == ALL).join(index.drop("location"), on="sku", maintain_order="left")
    return pl.concat([exact, shared.select(exact.columns)])


def prices(rows: pl.DataFrame, keys: pl.DataFrame, calendar: Window) -> Planned:
    """Price in force at every period.

    It is a covariate known in advance if the median row was known at least a period before it began; otherwise
    one known in hindsight, since a gap in what was known would give away that a price is about to change.

    Args:
        rows: table prices, as far as it may be seen.
        keys: sku and location of the series.
        calendar: the calendar.
    """
    if not rows.height:
        return Planned({}, {})
    rows = rows.sort("known_at", maintain_order=True).unique(
        ["sku", "location", "valid_from"], keep="last", maintain_order=True
    )
    placed = rows_of_series(rows.select("sku", "location", "valid_from", "valid_to", "price", "known_at"), keys)
    # A price of the location itself goes before one that holds for all.
    own = placed.filter(pl.col("location") != ALL)["__series"].unique()
    placed = placed.filter((pl.col("location") != ALL) | ~pl.col("__series").is_in(own.implode()))
    placed = placed.sort("__series", "valid_from")
    placed = placed.with_columns(
        pl.when(pl.col("valid_to").is_null())
        .then(pl.col("valid_from"))
        .shift(-1)
        .backward_fill()
        .over("__series")
        .alias("__next_open")
    )
    last_day = pl.lit(calendar.end)
    until = pl.coalesce("valid_to", pl.col("__next_open") - timedelta(days=1), last_day)
    placed = placed.with_columns(until.alias("__until"))
    lead = _lead(placed["valid_from"], placed["known_at"], calendar)
    series = placed["__series"].to_numpy()
    start = calendar.day_columns(placed["valid_from"])
    width = calendar.days(calendar.width)
    values = np.full((keys.height, width), np.nan, np.float32)
    since = np.zeros((keys.height, width), np.int32)
    known = _known_columns(placed["known_at"], calendar)
    amount = placed["price"].cast(pl.Float32).to_numpy()
    stop = calendar.day_columns(placed["__until"])
    _paint(*_ready(series, start, stop, amount, known), False, values, since)
    values, since = _by_period(values, since, calendar)
    first = np.full(keys.height, calendar.time, np.int64)
    np.minimum.at(first, series, np.maximum(calendar.periods_of_days(start), 0))
    if lead < 1:
        return Planned({}, {"price": np.ascontiguousarray(values[:, : calendar.time])}, first_price=first)
    stale = _stale(rows["known_at"], calendar, lead)
    return Planned({"price": _limited(values, since, lead, stale, calendar)}, {}, (), stale is not None, first)


def promotions(rows: pl.DataFrame, keys: pl.DataFrame, calendar: Window, at_most: int) -> Planned:
    """One covariate per kind of promotion, named ``promo_<kind>``: its placement, else depth, else 1; 0 = none.

    Args:
        rows: table promotions, as far as it may be seen.
        keys: sku and location of the series.
        calendar: the calendar.
        at_most: most covariates; the rarest kinds are left out.
    """
    if not rows.height:
        return Planned({}, {})
    rows = _current(rows)
    placed = rows_of_series(rows, keys).filter(
        (pl.col("ends_on") >= calendar.start) & (pl.col("starts_on") <= calendar.end)
    )
    kinds = placed.group_by("kind").len().sort(["len", "kind"], descending=[True, False])["kind"].to_list()
    known: dict[str, Known] = {}
    any_stale = False
    for kind in kinds[:at_most]:
        part = placed.filter(pl.col("kind") == kind)
        mine = rows.filter(pl.col("kind") == kind)
        lead = _lead(mine["starts_on"], mine["known_at"], calendar)
        stale = _stale(mine["known_at"], calendar, lead)
        any_stale |= stale is not None
        known[f"promo_{kind}"] = _promotion(part, keys.height, calendar, lead, stale)
    return Planned(known, {}, tuple(f"promo_{kind}" for kind in kinds[at_most:]), any_stale)


def _promotion(part: pl.DataFrame, series: int, calendar: Window, lead: int, stale: int | None) -> Known:
    width = calendar.days(calendar.width)
    values = np.full((series, width), -1.0, np.float32)
    since = np.full((series, width), -_FAR, np.int32)
    start, stop = calendar.day_columns(part["starts_on"]), calendar.day_columns(part["ends_on"])
    amount = part["__value"].cast(pl.Float32).to_numpy()
    known = _known_columns(part["known_at"], calendar)
    _paint(*_ready(part["__series"].to_numpy(), start, stop, amount, known), True, values, since)
    np.maximum(values, 0.0, out=values)
    promoted = np.asarray(since > -_FAR)
    # Before the first promotion on record nobody may have kept records.
    begin = int(start.min()) if len(start) else 0
    if begin > _STALE_DAYS:
        values[:, :begin] = np.nan
    values, since = _by_period(values, since, calendar)
    promoted = calendar.by_period(promoted, "max")
    free = np.arange(calendar.width, dtype=np.int32) - lead
    if stale is not None:
        values[~promoted & (free > stale)[None, :]] = np.nan
    since = np.where(promoted, since, free[None, :])
    return Known(values, since, "unknown")


def _current(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest word on every promotion, with the moment since which it has stood unchanged."""
    key = ["promotion", "sku", "location", "starts_on"]
    value = pl.coalesce(pl.col("placement"), pl.col("depth"), pl.lit(1.0)).alias("__value")
    kind = pl.col("kind").fill_null("promotion").str.to_lowercase().str.replace_all(r"\s+", "_")
    rows = rows.select(*key, "ends_on", kind, value, "known_at").sort([*key, "known_at"])
    content = [*key, "ends_on", "kind", "__value"]
    new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in content)
    rows = rows.filter(new | (pl.int_range(pl.len()) == 0))
    return rows.unique(key, keep="last", maintain_order=True)


def _lead(starts: pl.Series, known_at: pl.Series, calendar: Window) -> int:
    """Usual number of periods between the announcement and the start; negative if told afterwards."""
    if not len(starts):
        return 0
    days = (starts.cast(pl.Int32) - known_at.cast(pl.Date).cast(pl.Int32)).median()
    return int(np.floor(float(days if isinstance(days, (int, float)) else 0.0) / calendar.step))


def _stale(known_at: pl.Series, calendar: Window, lead: int) -> int | None:
    """Column of the newest announcement if announcements have stopped coming, else ``None``."""
    columns = np.unique(_known_columns(known_at, calendar))
    usual = np.quantile(np.diff(columns), 0.9) if len(columns) > 1 else 0.0
    newest = int(columns[-1])
    patience = max(_STALE_DAYS / calendar.step, 3 * lead, 3 * usual)
    return newest if calendar.time - 1 - newest > patience else None


def _known_columns(known_at: pl.Series, calendar: Window) -> np.ndarray:
    # What is in the table now is known at the last column, whenever it came.
    return np.clip(calendar.columns(known_at), -1, calendar.time - 1).astype(np.int32)


def _limited(values: np.ndarray, since: np.ndarray, lead: int, stale: int | None, calendar: Window) -> Known:
    free = np.arange(values.shape[1], dtype=np.int32) - lead
    if stale is not None:
        values = values.copy()
        values[:, free > stale] = np.nan
    np.maximum(since, free[None, :], out=since)
    if (since <= 0).all():
        return Known(values, None, "unknown")
    return Known(values, since, "unknown")


def _ready(
    series: np.ndarray, start: np.ndarray, stop: np.ndarray, value: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spans (series, first and last column), values and moments, as the kernel's signature takes them."""
    # Copies: what polars hands out is read-only.
    spans = np.stack([series, start, stop], axis=1).astype(np.int64)
    return np.ascontiguousarray(spans), np.array(value, np.float32), np.array(known, np.int32)


def _by_period(values: np.ndarray, since: np.ndarray, calendar: Window) -> tuple[np.ndarray, np.ndarray]:
    """Days to periods: mean of the values that there are, latest moment known."""
    return calendar.by_period(values, "mean"), calendar.by_period(since, "max")
