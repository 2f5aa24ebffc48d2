"""What a matrix of features is asked for: its rows; facts of dates and codes of texts, which fill some columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.freq import Freq
from windvane.panel import Panel

CALENDAR = ("weekday", "day_of_month", "days_to_month_end", "month", "week_of_year")
"""Facts of a date; the weekday of hours is weekday x 24 + hour."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Which rows to build, sorted by series and origin.

    Attributes:
        series: int32 [rows], row of the panel.
        origin: int32 [rows], column of the panel.
        step: int32 [rows], periods ahead.
    """

    series: np.ndarray
    origin: np.ndarray
    step: np.ndarray

    @classmethod
    def after(cls, series: int, origin: int, horizon: int) -> Rows:
        """All steps of all series after one origin."""
        count = series * horizon
        return cls(
            np.repeat(np.arange(series, dtype=np.int32), horizon),
            np.full(count, origin, np.int32),
            np.tile(np.arange(1, horizon + 1, dtype=np.int32), series),
        )

    def __len__(self) -> int:
        return len(self.series)

    def part(self, at: slice | np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows(self.series[at], self.origin[at], self.step[at])


def calendar_facts(freq: Freq, first: int, count: int) -> dict[str, np.ndarray]:
    """Facts of consecutive dates by name, float32 [count] each.

    Args:
        freq: the calendar.
        first: period number of the first date.
        count: how many.
    """
    day = pl.col("d")
    when = pl.DataFrame({"d": freq.dates(np.arange(first, first + count))}).select(
        weekday=day.dt.weekday().cast(pl.Int32) * 24 + day.cast(pl.Datetime).dt.hour(),
        day_of_month=day.dt.day(),
        days_to_month_end=(day.dt.month_end().cast(pl.Date) - day.cast(pl.Date)).dt.total_days(),
        month=day.dt.month(),
        week_of_year=day.dt.ordinal_day() / 7.0,
    )
    return {name: when[name].cast(pl.Float32).to_numpy() for name in CALENDAR}


def _texts(panel: Panel, name: str) -> pl.Series | None:
    for frame in (panel.static, panel.keys):
        if name in frame.columns:
            return frame[name].cast(pl.String)
    return None


def texts_of(panel: Panel, names: Sequence[str]) -> dict[str, list[str]]:
    """Texts of static or key columns in alphabetical order: the order of their codes."""
    out = {}
    for name in names:
        texts = _texts(panel, name)
        out[name] = [] if texts is None else texts.drop_nulls().unique().sort().to_list()
    return out


def code_texts(panel: Panel, categories: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """Codes of static or key columns, int32 [series] each; -1 = empty or a text that is not listed.

    Args:
        panel: the series.
        categories: texts in code order, by column.
    """
    out = {}
    for name, known in categories.items():
        texts = _texts(panel, name)
        if texts is None or not known:
            out[name] = np.full(panel.shape[0], -1, np.int32)
            continue
        codes = {text: code for code, text in enumerate(known)}
        coded = texts.replace_strict(codes, default=-1, return_dtype=pl.Int32).fill_null(-1)
        out[name] = coded.to_numpy().astype(np.int32)
    return out
