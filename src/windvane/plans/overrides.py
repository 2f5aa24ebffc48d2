"""A planner's own figures in place of the model's: kept with who, when, old, new and why, and put into every forecast.

An override says what a series is expected to sell over some periods. What it keeps is the *ratio* to what the model
expected when it was made: a later run, whose model may expect more or less by then, multiplies its own forecast of
these periods by it, means, quantiles and paths alike. Where the model expected nothing, the planner's units are spread
evenly, with Poisson quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from windvane.clock import CLOCK
from windvane.errors import InputError
from windvane.forecasts import Forecast, tidy
from windvane.panel import Panel
from windvane.schema import DERIVED
from windvane.store import Run, Workspace

KEY = ["sku", "location", "starts_on", "ends_on"]
_NOTHING = 1e-6  # units over the whole stretch that count as none


def override(
    workspace: Workspace,
    series: tuple[str, str | None],
    span: tuple[date, date],
    units: float,
    who: str,
    why: str,
) -> dict[str, object]:
    """Put a planner's figure in place of the model's, from the next run on.

    Args:
        workspace: the shop.
        series: sku, and location (needed where the product is sold at several).
        span: first and last day; periods that begin within it are meant.
        units: what is expected to be sold over all these periods together.
        who: planner.
        why: reason.

    Returns:
        The row of the table ``overrides``.

    Raises:
        InputError: no such series, nothing of it is forecast in the span, a figure below 0, no reason, or another
            override lies across it.
    """
    run = workspace.runs.latest()
    sku, location = only_series(run, *series)
    first, last = span
    _check(units, who, why, first, last)
    across = overrides(workspace).filter(
        (pl.col("sku") == sku) & (pl.col("location") == location) & pl.col("new").is_not_null()
    )
    across = across.filter((pl.col("starts_on") <= last) & (pl.col("ends_on") >= first))
    across = across.filter((pl.col("starts_on") != first) | (pl.col("ends_on") != last))
    if across.height:
        other = across.row(0, named=True)
        raise InputError(
            f"{sku} at {location} has an override from {other['starts_on']} to {other['ends_on']} already, "
            f"by {other['who']}: {other['new']:g} units.",
            "Withdraw it first, or name the same days.",
            table="overrides",
        )
    row = {
        "sku": sku, "location": location, "starts_on": first, "ends_on": last, "run": run.id,
        "old": _expected(run, sku, location, first, last), "new": float(units), "who": who, "why": why,
        "said_on": _today(run), "known_at": CLOCK.now().replace(tzinfo=None),
    }  # fmt: skip
    _append(workspace, row)
    return row


def withdraw(
    workspace: Workspace, series: tuple[str, str | None], starts_on: date, who: str, why: str
) -> dict[str, object]:
    """Take an override back, from the next run on.

    Args:
        workspace: the shop.
        series: sku, and location.
        starts_on: its first day.
        who: planner.
        why: reason.

    Returns:
        The row of the table ``overrides``; its ``new`` is None.

    Raises:
        InputError: there is none that begins on this day.
    """
    sku, location = series
    here = overrides(workspace).filter((pl.col("sku") == sku) & pl.col("new").is_not_null())
    if location is not None:
        here = here.filter(pl.col("location") == location)
    found = here.filter(pl.col("starts_on") == starts_on)
    if found.height != 1:
        begin = ", ".join(str(day) for day in here["starts_on"]) or "none"
        raise InputError(
            f"{found.height} overrides of {sku} begin on {starts_on}.",
            f"There are those that begin on: {begin}; name a location where there are several.",
            table="overrides",
        )
    _check(0.0, who, why, starts_on, starts_on)
    row = found.row(0, named=True) | {"new": None, "who": who, "why": why}
    row |= {"said_on": _today(workspace.runs.latest()), "known_at": CLOCK.now().replace(tzinfo=None)}
    _append(workspace, row)
    return row


def overrides(workspace: Workspace) -> pl.DataFrame:
    """The table ``overrides``: what stands last for each series and span, by first day."""
    return workspace.tables.read("overrides").collect().sort(KEY)


def apply(
    forecast: Forecast, panel: Panel, read: Callable[[str], pl.LazyFrame], as_of: date | None = None
) -> tuple[Forecast, pl.DataFrame]:
    """A forecast with the overrides that were known, and the table ``overridden``.

    Args:
        forecast: of the panel's series, in their order.
        panel: the series.
        read: reads a table as far as the run may know it.
        as_of: the run's day, where it looks back; statements after it are not seen.
    """
    rows = read("overrides")
    if as_of is not None:
        rows = rows.filter(pl.col("known_at").dt.date() <= as_of)
    told = rows.filter(pl.col("new").is_not_null()).collect()
    index = panel.keys.select(pl.col("sku", "location").cast(pl.String)).with_row_index("__row")
    told = told.join(index, on=["sku", "location"], how="inner").sort(KEY)
    if not told.height:
        return forecast, DERIVED["overridden"].empty()
    mean, quantiles = forecast.mean.copy(), forecast.quantiles.copy()
    dates, done = forecast.dates.cast(pl.Date).to_numpy(), []
    for row in told.iter_rows(named=True):
        first, last = (np.datetime64(row[name], "D") for name in ("starts_on", "ends_on"))
        inside = np.flatnonzero((dates.astype("datetime64[D]") >= first) & (dates.astype("datetime64[D]") <= last))
        if not len(inside):
            continue
        spot = (row["__row"], inside)
        old = float(mean[spot].sum(dtype=np.float64))
        periods = _periods(panel, row["starts_on"], row["ends_on"])
        ratio = row["new"] / row["old"] if row["old"] > _NOTHING else None
        if ratio is None:
            mean[spot], quantiles[spot] = _spread(row["new"] / periods, forecast.levels)
        else:
            mean[spot], quantiles[spot] = mean[spot] * np.float32(ratio), quantiles[spot] * np.float32(ratio)
        done.append(
            {name: row[name] for name in ("sku", "location", "who", "why")}
            | {"starts_on": forecast.dates[int(inside[0])], "ends_on": forecast.dates[int(inside[-1])]}
            | {"old": old, "new": float(mean[spot].sum(dtype=np.float64))}
        )
    frame = pl.DataFrame(done, schema_overrides=DERIVED["overridden"].types) if done else DERIVED["overridden"].empty()
    frame = frame.with_columns(pl.col("starts_on", "ends_on").cast(pl.Date)).select(DERIVED["overridden"].names)
    mean, quantiles = tidy(mean, quantiles, counts=False)
    return replace(forecast, mean=mean, quantiles=quantiles), frame


def _periods(panel: Panel, first: date, last: date) -> int:
    """Number of periods that begin within a span; 1 if there is none."""
    numbers = np.unique(panel.freq.numbers(pl.date_range(first, last, eager=True)))
    return max(int(panel.freq.dates(numbers).cast(pl.Date).is_between(first, last).sum()), 1)


def _spread(mean: float, levels: tuple[float, ...]) -> tuple[np.float32, np.ndarray]:
    """Mean and Poisson quantiles of demand that the model does not know [levels]."""
    from scipy.stats import poisson

    found = poisson.ppf(np.asarray(levels), mean) if mean > 0 else np.zeros(len(levels))
    return np.float32(mean), found.astype(np.float32)


def only_series(run: Run, sku: str, location: str | None) -> tuple[str, str]:
    """The one series that is meant.

    Raises:
        InputError: there is none, or several.
    """
    here = run.scan("series").filter(pl.col("sku") == sku).select("location").collect()["location"].to_list()
    found = [place for place in here if location in (None, place)]
    if len(found) == 1:
        return sku, found[0]
    what = f"{sku} at {location}" if location is not None else sku
    if not found:
        sold = f"It is sold at: {', '.join(here[:10])}." if here else "See: windvane export series"
        raise InputError(f"run {run.id} has no series of {what}.", sold, table="series", column="sku")
    raise InputError(
        f"{sku} is sold at {len(found)} locations.", f"Name one with --location: {', '.join(found[:10])}.",
        table="series", column="location",
    )  # fmt: skip


def _expected(run: Run, sku: str, location: str, first: date, last: date) -> float:
    """Units that the run's model expects over a span; without what another override made of it."""
    here = (pl.col("sku") == sku) & (pl.col("location") == location)
    days = pl.col("date").cast(pl.Date)
    rows = run.scan("forecasts").filter(here).select(days.alias("date"), "mean").collect()
    inside = rows.filter(pl.col("date").is_between(first, last))
    begin, end = str(rows["date"].min()), str(rows["date"].max())
    if not inside.height or str(first) < begin or str(last) > end:
        raise InputError(
            f"the forecast of run {run.id} covers {begin} to {end}, not all of {first} to {last}.",
            "Choose days within it, or forecast further ahead (forecast.horizon).",
            table="forecasts",
        )
    total = float(inside["mean"].sum())
    if "overridden" in run.tables:
        said = run.read("overridden").filter(here & (pl.col("starts_on") <= last) & (pl.col("ends_on") >= first))
        for row in said.iter_rows(named=True):
            part = float(inside.filter(pl.col("date").is_between(row["starts_on"], row["ends_on"]))["mean"].sum())
            total += part * (row["old"] / row["new"] - 1) if row["new"] > _NOTHING else float(row["old"])
    return total


def first_day(run: Run) -> date:
    """First day of what a run forecast."""
    found: date = run.scan("forecasts").select(pl.col("date").cast(pl.Date).min()).collect().item()
    return found


def _today(run: Run) -> date:
    """The shop's day: that after the run's last, and as many days on as have passed since the run was made."""
    made = datetime.fromisoformat(str(run.manifest["created"]))
    return first_day(run) + timedelta(days=(CLOCK.now().date() - made.date()).days)


def _check(units: float, who: str, why: str, first: date, last: date) -> None:
    if not (np.isfinite(units) and units >= 0):
        raise InputError(f"{units} units cannot be expected.", "Give a number from 0.", column="new")
    if last < first:
        raise InputError(f"{last} lies before {first}.", "Name the earlier day first.", column="ends_on")
    for name, value in (("who", who), ("why", why)):
        if not value.strip():
            raise InputError(f"an override needs {name}.", f"Give --{name}: it is scored and read later.", column=name)


def _append(workspace: Workspace, row: dict[str, object]) -> None:
    frame = pl.DataFrame([row], schema=DERIVED["overrides"].types)
    stamp = row["known_at"].strftime("%Y%m%dT%H%M%S%f")  # type: ignore[attr-defined]
    workspace.tables.append("overrides", frame, f"override-{row['sku']}-{row['location']}-{stamp}")
