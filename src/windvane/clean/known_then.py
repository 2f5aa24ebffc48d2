"""The panel as the shop knew it at a past cutoff, where what came later has changed the past.

Cutting a panel at a cutoff leaves in it what was not known by then: a return booked to the day of its sale has already
been taken away, an order line that was recorded late has already been counted, a deposit that nobody paid for has
already been left out. Where there is enough of that, sales are cleaned anew as of every cutoff; everything else of the
panel (plans, which know since when they are known, prices, products) is cut as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import polars as pl

from windvane.clean.build import Cleaned, build
from windvane.config import Config
from windvane.panel import NEVER, Panel

ReadAt = Callable[[str, date], pl.LazyFrame]
"""Rows of a raw table by its name, as far as they were known at the end of a day."""

WORTH = 0.001
"""Share of order lines that change the past after the fact from which on sales are cleaned anew."""


class KnownThen:
    """Gives the panel as it was known at a cutoff; for :class:`windvane.backtest.run.Replay`.

    Series that the shop of then would not have forecast (``clean.max_series``), periods after the last that was closed
    by then, hours, and calendars that stood on another weekday are cut.

    Args:
        read: raw tables as of a day.
        config: settings.
        panel: the panel of the run.
        now: the moment of the run, with its time zone.
    """

    def __init__(self, read: ReadAt, config: Config, panel: Panel, now: datetime) -> None:
        self._read = read
        clean = config.clean.model_copy(update={"min_active_periods": 1})
        self._config = config.model_copy(update={"clean": clean})
        self._panel = panel
        self._now = now
        self._last: tuple[date, Panel] | None = None

    def __call__(self, cutoff: date) -> Panel:
        """The panel at the end of a period, as it was known then.

        Args:
            cutoff: one of the panel's dates.
        """
        if self._last is None or self._last[0] != cutoff:
            self._last = (cutoff, self._at(cutoff))  # one alone: a fold ends where the next begins
        return self._last[1]

    def _at(self, cutoff: date) -> Panel:
        cut = self._panel.as_of(cutoff)
        if cutoff == self._panel.cutoff:
            return cut
        day = self._panel.freq.last_day(cutoff)
        then = build(lambda name: self._read(name, day), self._config, day, 1, self._now).panel
        return cut if then.freq != cut.freq else with_sales_of(cut, then)


def worth_it(cleaned: Cleaned, freq: str) -> bool:
    """Whether enough of the past has changed after the fact for folds to be cleaned anew.

    Args:
        cleaned: what cleaning made.
        freq: frequency; hours are not cleaned anew, since a shop is seen as of the end of a day.
    """
    return freq != "1h" and cleaned.revised >= WORTH


def with_sales_of(cut: Panel, then: Panel) -> Panel:
    """A panel with the sales and stock-outs of another, as far as that one goes.

    Args:
        cut: the panel; its series, calendar and everything else stay.
        then: another panel of the same frequency.
    """
    place = then.keys.with_row_index("__row")
    names = cut.keys.columns
    rows = cut.keys.join(place, on=names, how="left", maintain_order="left")["__row"]
    here = np.flatnonzero(rows.is_not_null().to_numpy())
    there = rows.drop_nulls().to_numpy().astype(np.int64)
    start, stop = max(cut.first, then.first), min(cut.first + cut.shape[1], then.first + then.shape[1])
    if not len(here) or stop <= start:
        return cut
    into = np.ix_(here, np.arange(start, stop) - cut.first)
    out_of = np.ix_(there, np.arange(start, stop) - then.first)
    sold, since = _told(cut)
    sold_then, since_then = _told(then)
    sold[into] = sold_then[out_of]
    moved = since_then[out_of].astype(np.int64) + (then.first - cut.first)
    since[into] = np.where(since_then[out_of] == NEVER, NEVER, np.maximum(moved, 0))
    return replace(cut, sales=sold, stockouts=None).with_stockouts(since)


def _told(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """What was sold, and since when cells are known to have been out of stock; copies."""
    if panel.stockouts is None:
        return panel.sales.copy(), np.full(panel.shape, NEVER, np.int32)
    return panel.stockouts.sold.copy(), panel.stockouts.since.copy()
