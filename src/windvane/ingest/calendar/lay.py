"""Public holidays and festivals as a covariate of a panel."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import polars as pl

from windvane.ingest.calendar.public import holidays_between
from windvane.panel import Known, Panel

BEYOND = 31
"""Days past a horizon on which a festival may lie whose run-up is within it."""


def named(country: str, subdivision: str, start: date, end: date) -> pl.DataFrame:
    """Days and names that models are told, least important first: the last of a day counts.

    'Labor Day (observed)' moves demand as 'Labor Day' does: what stands in brackets is left out, so that there is more
    to learn from. Observances, which move the demand of few shops, are left out.

    Args:
        country: ISO 3166 code.
        subdivision: state or province, or empty.
        start: first day.
        end: last day, included.

    Returns:
        Columns ``date``, ``name`` and ``rank`` (1 = public holiday, 0 = festival).

    Raises:
        ConfigError: the country or subdivision is unknown.
    """
    plain = pl.col("name").str.replace_all(r"\s*[(（][^)）]*[)）]", "").str.strip_chars()
    found = holidays_between(country, subdivision, start, end).filter(pl.col("kind") != "observance")
    found = found.select("date", plain, (pl.col("kind") == "public").cast(pl.Int8).alias("rank"))
    return found.sort("rank", "date", "name", descending=[False, True, True])


def with_holidays(panel: Panel, country: str, horizon: int, subdivision: str = "") -> Panel:
    """The panel with a covariate ``holiday``, known in advance: which public holiday or festival a period holds.

    Periods up to a month past the horizon are told too: what is bought for a festival is bought before it.

    Args:
        panel: the series.
        country: ISO 3166 code, such as "US" or "CN".
        horizon: periods after the cutoff that are told.
        subdivision: state or province, or empty.

    Raises:
        ConfigError: the country or subdivision is unknown.

    Example:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = pl.date_range(date(2025, 12, 20), date(2025, 12, 22), eager=True)
        >>> frame = pl.DataFrame({"sku": "a", "date": days, "sales": [3, 1, 2]})
        >>> panel = Panel.from_frame(frame, keys=["sku"], date="date", sales="sales", freq="1d")
        >>> told = with_holidays(panel, "US", horizon=7)
        >>> [told.levels["holiday"][int(code)] for code in told.known["holiday"].values[0]][4:7]
        ['Christmas Eve', 'Christmas Day', '']
    """
    series, time = panel.shape
    width = time + horizon + round(BEYOND / panel.freq.days)
    ends = panel.freq.dates(panel.first + np.array([0, width]))
    start, stop = (day.date() if isinstance(day, datetime) else day for day in ends)
    days = named(country, subdivision, start, stop)
    texts = ("", *sorted(set(days["name"])))
    code = {name: float(i) for i, name in enumerate(texts)}
    values = np.zeros(width, np.float32)
    hourly = panel.freq.unit == "1h"
    at = panel.freq.numbers(days["date"].cast(pl.Datetime) if hourly else days["date"]) - panel.first
    for hour in range(24 if hourly else 1):
        inside = (at + hour >= 0) & (at + hour < width)
        values[at[inside] + hour] = np.array([code[name] for name in days["name"]], np.float32)[inside]
    known = Known(np.broadcast_to(values, (series, width)))
    return replace(panel, known={**panel.known, "holiday": known}, levels={**panel.levels, "holiday": texts})
