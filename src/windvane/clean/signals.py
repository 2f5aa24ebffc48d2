"""Holidays, outside signals and stock, laid on the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from windvane.clean.availability import Told
from windvane.clean.covariates import Planned
from windvane.clean.watermark import Window
from windvane.ingest.calendar.lay import BEYOND, named
from windvane.panel import Known

_EVE_DAYS = 3
"""Days before a holiday that are bought for it."""


def events(rows: pl.DataFrame, calendar: Window) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tell calendar events among the signals from the rest.

    A signal is an event if it holds everywhere, is 1 on few days, and was known a whole horizon ahead.

    Args:
        rows: table signals, as far as it may be seen.
        calendar: the calendar.

    Returns:
        The events (date, name) and the other rows.
    """
    ahead = (pl.col("date") - pl.col("known_at").dt.date()).dt.total_days()
    everywhere = (pl.col("sku") == "") & (pl.col("location") == "") & (pl.col("region") == "")
    days = calendar.days(calendar.width)
    names = (
        rows.group_by("name")
        .agg((everywhere & (pl.col("value") == 1) & (ahead >= calendar.horizon * calendar.step)).all(), pl.len())
        .filter(pl.nth(1) & (pl.col("len") < 0.1 * days))["name"]
    )
    found = rows.filter(pl.col("name").is_in(names.implode()))
    named = pl.col("name").str.strip_prefix("event_").str.replace_all("_", " ")
    return found.select("date", named), rows.filter(~pl.col("name").is_in(names.implode()))


def holidays(
    places: pl.DataFrame, keys: pl.DataFrame, calendar: Window, home: tuple[str, str], more: pl.DataFrame
) -> tuple[Known | None, tuple[str, ...], np.ndarray]:
    """Holiday of every period by the country of its location.

    Args:
        places: table locations.
        keys: sku and location of the series.
        calendar: the calendar.
        home: country and subdivision where locations do not say.
        more: further events everywhere (date, name); holidays go before them.

    Returns:
        Codes (0 = none) as a covariate, or ``None`` if there are no holidays; the names behind the codes; which
        periods are a holiday or the days before one, bool [series, time].
    """
    # What is bought for a festival is bought before it: those just past the horizon are told too.
    calendar = replace(calendar, horizon=calendar.horizon + round(BEYOND / calendar.step))
    of_place = dict(zip(places["location"], places["country"], strict=True)) if places.height else {}
    countries = [of_place.get(place) or home[0] for place in keys["location"]]
    wanted = sorted(set(countries))
    tables = {c: _named(c, home[1] if c == home[0] else "", calendar, more) for c in wanted}
    names = ("", *sorted({name for table in tables.values() for name in table["name"]}))
    code = {name: float(i) for i, name in enumerate(names)}
    codes = np.zeros((len(wanted), calendar.width), np.float32)
    busy = np.zeros((len(wanted), calendar.time), bool)
    for row, country in enumerate(wanted):
        table = tables[country]
        day = calendar.day_columns(table["date"])
        coded = np.array([code[name] for name in table["name"]], np.float32)
        for hour in range(calendar.per_day):
            column = calendar.periods_of_days(day) + hour
            inside = column < calendar.width
            codes[row, column[inside]] = coded[inside]
            eve = calendar.periods_of_days(np.unique(day[:, None] - np.arange(_EVE_DAYS + 1))) + hour
            busy[row, eve[(eve >= 0) & (eve < calendar.time)]] = True
    if len(names) == 1:
        return None, names, np.broadcast_to(busy[:1], (keys.height, calendar.time))
    if len(wanted) == 1:
        shape = (keys.height, calendar.width)
        return Known(np.broadcast_to(codes, shape)), names, np.broadcast_to(busy, (keys.height, calendar.time))
    which = np.array([wanted.index(country) for country in countries])
    return Known(codes[which]), names, busy[which]


def _named(country: str, subdivision: str, calendar: Window, more: pl.DataFrame) -> pl.DataFrame:
    """Days and names, the one that counts last where a day has several: public holidays before other events."""
    public = named(country, subdivision, calendar.start, calendar.end)
    others = more.filter(pl.col("date").is_between(calendar.start, calendar.end))
    both = pl.concat([public, others.select("date", "name", pl.lit(-1, pl.Int8).alias("rank"))])
    return both.sort("rank", "date", "name", descending=[False, True, True])


def signals(rows: pl.DataFrame, places: pl.DataFrame, keys: pl.DataFrame, calendar: Window, at_most: int) -> Planned:
    """One covariate per outside signal, named ``signal_<name>``.

    A signal most of whose values were known before their day is known in advance; any other only in hindsight,
    entered on the day on which it became known. Values for a sku go before those for a location, these before
    those for a region, these before those for all.

    Args:
        rows: table signals, as far as it may be seen.
        places: table locations.
        keys: sku and location of the series.
        calendar: the calendar.
        at_most: most covariates; the rarest signals are left out.
    """
    if not rows.height:
        return Planned({}, {})
    rows = rows.with_columns(pl.col("name").str.replace_all(r"\s+", "_"))
    rows = rows.sort("known_at", maintain_order=True).unique(
        ["name", "sku", "location", "region", "date"], keep="last", maintain_order=True
    )
    units = keys.join(places.select("location", "region"), on="location", how="left", maintain_order="left")
    units = units.with_columns(pl.col("region").fill_null(""))
    names = rows.group_by("name").len().sort(["len", "name"], descending=[True, False])["name"].to_list()
    known: dict[str, Known] = {}
    past: dict[str, np.ndarray] = {}
    for name in names[:at_most]:
        part = rows.filter(pl.col("name") == name)
        if 2 * int((part["known_at"].dt.date() < part["date"]).sum()) > part.height:
            values, since = _lay(part, units, calendar)
            known[f"signal_{name}"] = Known(values, None if (since <= 0).all() else since, "unknown")
        else:
            values, _ = _lay(_arrived(part), units, calendar)
            past[f"signal_{name}"] = np.ascontiguousarray(values[:, : calendar.time])
    return Planned(known, past, tuple(f"signal_{name}" for name in names[at_most:]))


def _arrived(part: pl.DataFrame) -> pl.DataFrame:
    """Values moved to the day on which they became known; the newest of those that came on one day."""
    late = part.sort("date").with_columns(pl.max_horizontal("date", pl.col("known_at").dt.date()).alias("date"))
    return late.unique(["sku", "location", "region", "date"], keep="last", maintain_order=True)


def _lay(part: pl.DataFrame, units: pl.DataFrame, calendar: Window) -> tuple[np.ndarray, np.ndarray]:
    """Values float32 and since int32 [series, time + horizon] of one signal, from the general to the specific."""
    shape = (units.height, calendar.width)
    values = np.full(shape, np.nan, np.float32)
    since = np.zeros(shape, np.int32)
    for scope in ((), ("region",), ("location",), ("sku",), ("sku", "region"), ("sku", "location")):
        mine = part.filter(
            *(
                pl.col(column) != "" if column in scope else pl.col(column) == ""
                for column in ("sku", "location", "region")
            )
        )
        if not mine.height:
            continue
        groups = mine.select(scope).unique(maintain_order=True).with_row_index("__group") if scope else None
        of_row = np.zeros(mine.height, np.int64)
        of_unit = np.zeros(units.height, np.int64)
        if groups is not None:
            of_row = mine.select(scope).join(groups, on=scope, how="left", maintain_order="left")["__group"].to_numpy()
            found = units.select(scope).join(groups, on=scope, how="left", maintain_order="left")["__group"]
            of_unit = found.cast(pl.Int64).fill_null(-1).to_numpy()
        count = groups.height if groups is not None else 1
        layer, moment = _days(mine, of_row, count, calendar)
        if not scope and mine.height == part.height:
            # One row for all: a view instead of a copy per series.
            return np.broadcast_to(layer, shape), np.broadcast_to(moment, shape)
        there = (of_unit >= 0)[:, None] & ~np.isnan(layer[of_unit])
        values = np.where(there, layer[of_unit], values)
        since = np.where(there, moment[of_unit], since)
    return values, since


def _days(mine: pl.DataFrame, group: np.ndarray, groups: int, calendar: Window) -> tuple[np.ndarray, np.ndarray]:
    width = calendar.days(calendar.width)
    layer = np.full((groups, width), np.nan, np.float32)
    moment = np.full((groups, width), -1, np.int32)
    column = calendar.day_columns(mine["date"])
    inside = (column >= 0) & (column < width)
    layer[group[inside], column[inside]] = mine["value"].to_numpy()[inside]
    known = np.clip(calendar.columns(mine["known_at"]), -1, calendar.time - 1)
    moment[group[inside], column[inside]] = known[inside]
    return calendar.by_period(layer, "mean"), calendar.by_period(moment, "max")


def in_stock(rows: pl.DataFrame, keys: pl.DataFrame, calendar: Window) -> Told | None:
    """Share of every period in stock and since when that is known; ``None`` if nothing is known.

    Where the table gives no share, an empty shelf at the end of the day counts as 0 and any other as 1.
    """
    if not rows.height:
        return None
    index = keys.with_row_index("__series")
    share = pl.coalesce(
        pl.col("in_stock_share"),
        pl.when(pl.col("on_hand").is_not_null()).then((pl.col("on_hand") > 0).cast(pl.Float64)),
    )
    placed = (
        rows.lazy()
        .select("sku", "location", "date", "known_at", share.alias("__share"))
        .filter(pl.col("__share").is_not_null() & pl.col("date").is_between(calendar.start, calendar.closed))
        .join(index.lazy(), on=["sku", "location"])
        .collect()
    )
    if not placed.height:
        return None
    out = np.full((keys.height, calendar.days(calendar.time)), np.nan, np.float32)
    moment = np.full(out.shape, -1, np.int32)
    where = (placed["__series"].to_numpy(), calendar.day_columns(placed["date"]))
    out[where] = placed["__share"].to_numpy()
    # What is in the table now is known at the last column, whenever it came.
    moment[where] = np.clip(calendar.columns(placed["known_at"]), -1, calendar.time - 1)
    return Told(calendar.by_period(out, "mean", calendar.time), calendar.by_period(moment, "max", calendar.time))


def statics(
    products: pl.DataFrame, places: pl.DataFrame, keys: pl.DataFrame
) -> tuple[pl.DataFrame, tuple[str, ...], pl.DataFrame]:
    """Constant columns of every series.

    Args:
        products: table products.
        places: table locations.
        keys: sku and location of the series.

    Returns:
        The columns that are there: category (the whole path), category_1 and category_2 (its first one and two
        levels), brand, region, country, location_kind; the names among them that group the series; and sku,
        title, category of the products that have a series.
    """
    found = keys.join(products.select("sku", "title", "category", "brand"), on="sku", how="left", maintain_order="left")
    place = places.select("location", "region", "country", pl.col("kind").alias("location_kind"))
    found = found.join(place, on="location", how="left", maintain_order="left")
    named = found.select("sku", "title", "category").unique(maintain_order=True)
    levels = pl.col("category").str.split(" > ")
    found = found.with_columns(
        levels.list.get(0, null_on_oob=True).alias("category_1"),
        levels.list.head(2).list.join(" > ").alias("category_2"),
    )
    columns = ("category", "category_1", "category_2", "brand", "region", "country", "location_kind")
    there = [name for name in columns if found[name].is_not_null().any()]
    static = found.select(pl.col(there).fill_null(""))
    groups = tuple(
        name for name in ("category_1", "category_2") if name in there and 1 < static[name].n_unique() < keys.height
    )
    if groups == ("category_1", "category_2") and static["category_1"].n_unique() == static["category_2"].n_unique():
        groups = ("category_1",)
    return static, groups, named


def merged(*parts: Mapping[str, Known]) -> dict[str, Known]:
    """Covariates of several tables in one mapping."""
    return {name: known for part in parts for name, known in part.items()}
