"""The shop's own calendar and the rhythm of days off, laid on the calendar as covariates known in advance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl

from windvane.clean.report import Findings
from windvane.clean.watermark import Window
from windvane.ingest.calendar import days_off, phases_between
from windvane.panel import Known
from windvane.schema import SUPPLIER_CLOSURE

MOST_KINDS = 6
"""Most covariates made of the table ``calendar``; the rarest kinds are left out."""

_NEVER = -(1 << 30)


def own_events(
    rows: pl.DataFrame, places: pl.DataFrame, keys: pl.DataFrame, calendar: Window, home: str
) -> dict[str, Known]:
    """One covariate per kind of the table ``calendar``, named ``event_<kind>``: the share of the period it takes.

    Args:
        rows: table calendar, as far as it may be seen.
        places: table locations.
        keys: sku and location of the series.
        calendar: the calendar.
        home: country where locations do not say.

    Returns:
        Covariates, each known from the moment on in which its row became known; a period without an event is known
        as far ahead as such events usually are.
    """
    if not rows.height:
        return {}
    rows = rows.filter(pl.col("kind").fill_null("") != SUPPLIER_CLOSURE)
    rows = _current(rows).filter((pl.col("ends_on") >= calendar.start) & (pl.col("starts_on") <= calendar.end))
    units, which = _places(places, keys, home)
    kinds = rows.group_by("kind").len().sort(["len", "kind"], descending=[True, False])["kind"].to_list()
    known: dict[str, Known] = {}
    for kind in kinds[:MOST_KINDS]:
        mine = rows.filter(pl.col("kind") == kind)
        ahead = (mine["starts_on"].cast(pl.Int32) - mine["known_at"].cast(pl.Date).cast(pl.Int32)).median()
        lead = int(float(ahead if isinstance(ahead, int | float) else 0.0) // calendar.step)
        values, since = _painted(mine, units, calendar, lead)
        shape = (keys.height, calendar.width)
        if len(units) == 1:
            known[f"event_{kind}"] = Known(np.broadcast_to(values, shape), np.broadcast_to(since, shape), "unknown")
        else:
            known[f"event_{kind}"] = Known(values[which], since[which], "unknown")
    return known


def rhythm(
    places: pl.DataFrame, keys: pl.DataFrame, calendar: Window, home: tuple[str, str], findings: Findings
) -> dict[str, Known]:
    """What the public calendar says of every period, by the country of the location.

    Args:
        places: table locations.
        keys: sku and location of the series.
        calendar: the calendar.
        home: country and subdivision where locations do not say.
        findings: told where make-up working days are not announced yet.

    Returns:
        ``day_off``, the share of the period that people have off (weekends and public holidays, less make-up
        working days), ``off_run``, the length in days of the stretch off or on that the period lies in, and
        ``festival``, 1 in the presale or another early phase of a shopping festival, 2 at its peak, else 0.
    """
    units, which = _places(places, keys, home[0])
    shape = (keys.height, calendar.width)

    def laid(make: Callable[[str], np.ndarray]) -> Known:
        layer = np.stack([make(country) for country, _ in units])
        values = calendar.by_period(layer.astype(np.float32), "mean")
        return Known(np.broadcast_to(values, shape) if len(units) == 1 else values[which])

    # A margin on both sides, so that the stretches at the ends have their true length.
    margin = timedelta(days=14)
    tables = {
        country: days_off(
            country, home[1] if country == home[0] else "", calendar.start - margin, calendar.end + margin
        )
        for country in {country for country, _ in units}
    }
    inside = slice(margin.days, -margin.days)
    for country, table in tables.items():
        unsure = table[inside].filter(~pl.col("certain"))
        if unsure.height:
            findings.add(
                "make_up_days_unknown", ("calendar", ""), "info", (unsure.height, calendar.days(calendar.width)),
                f"Nothing, until {country} announces which weekends are worked; then update the package holidays.",
                f"{country} {unsure['date'][0]}",
            )  # fmt: skip
    return {
        "day_off": laid(lambda country: tables[country]["off"].cast(pl.Float32).to_numpy()[inside]),
        "off_run": laid(lambda country: tables[country]["run"].cast(pl.Float32).to_numpy()[inside]),
        "festival": laid(lambda country: _phases(country, calendar)),
    }


def _phases(country: str, calendar: Window) -> np.ndarray:
    phases = phases_between(country, calendar.start, calendar.end)
    out = np.zeros(calendar.days(calendar.width), np.float32)
    strength = np.where((phases["phase"] == "peak").to_numpy(), 2.0, 1.0)
    np.maximum.at(out, calendar.day_columns(phases["date"]), strength.astype(np.float32))
    return out


def _places(places: pl.DataFrame, keys: pl.DataFrame, home: str) -> tuple[list[tuple[str, str]], np.ndarray]:
    """The different (country, region) pairs, and which of them every series belongs to, int64 [series]."""
    found = keys.select("location").join(
        places.select("location", "country", "region"), on="location", how="left", maintain_order="left"
    )
    found = found.select(pl.col("country").fill_null(home), pl.col("region").fill_null(""))
    units = found.unique().sort("country", "region")
    which = found.join(units.with_row_index("__unit"), on=["country", "region"], how="left", maintain_order="left")
    return [(str(c), str(r)) for c, r in units.iter_rows()], which["__unit"].cast(pl.Int64).to_numpy()


def _current(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest word on every event, with the moment since which it has stood unchanged."""
    key = ["name", "country", "region", "starts_on"]
    kind = pl.coalesce("kind", pl.lit("event")).str.to_lowercase().str.replace_all(r"\s+", "_")
    rows = rows.select(*key, "ends_on", kind.alias("kind"), "known_at").sort([*key, "known_at"])
    content = [*key, "ends_on", "kind"]
    new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in content)
    rows = rows.filter(new | (pl.int_range(pl.len()) == 0))
    return rows.unique(key, keep="last", maintain_order=True)


def _painted(
    rows: pl.DataFrame, units: list[tuple[str, str]], calendar: Window, lead: int
) -> tuple[np.ndarray, np.ndarray]:
    """Share of every period float32 and column since which it is known int32, both [units, time + horizon]."""
    days = calendar.days(calendar.width)
    value = np.zeros((len(units), days), np.float32)
    moment = np.full((len(units), days), _NEVER, np.int32)
    first = np.clip(calendar.day_columns(rows["starts_on"]), 0, days)
    last = np.clip(calendar.day_columns(rows["ends_on"]) + 1, 0, days)
    known = np.clip(calendar.columns(rows["known_at"]), -1, calendar.time - 1)
    for (country, region), begin, end, since in zip(
        rows.select("country", "region").iter_rows(), first, last, known, strict=True
    ):
        for unit, (here, part) in enumerate(units):
            if country in ("", here) and region in ("", part):
                # Where events overlap, the first that was known tells that the day is taken.
                told = value[unit, begin:end] > 0
                moment[unit, begin:end] = np.where(told, np.minimum(moment[unit, begin:end], since), since)
                value[unit, begin:end] = 1.0
    share = calendar.by_period(value, "mean")
    since = calendar.by_period(moment, "max")
    free = np.arange(calendar.width, dtype=np.int32) - lead
    return share, np.where(since > _NEVER, since, free[None, :]).astype(np.int32)
