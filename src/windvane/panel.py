"""The panel: the only bridge between tables and arrays.

A panel holds one row per series and one column per period. Everything that learns or forecasts works on it.

Example:
    >>> import polars as pl
    >>> from datetime import date
    >>> frame = pl.DataFrame({
    ...     "sku": ["a"] * 3 + ["b"] * 2,
    ...     "date": [date(2026, 1, d) for d in (1, 2, 3, 2, 3)],
    ...     "sales": [1, 0, 2, 5, 4],
    ... })
    >>> panel = Panel.from_frame(frame, keys=["sku"], date="date", sales="sales", freq="1d")
    >>> panel.sales.shape
    (2, 3)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date as Date
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from windvane.errors import InputError, MissingFutureError
from windvane.forecasts import identity_of
from windvane.freq import Freq
from windvane.futures import NEVER, Assumption, Known, Policy, Scenario

__all__ = ["ACTIVE", "ENDED", "NEVER", "PRELAUNCH", "Known", "Panel", "Policy", "Stockouts", "life_states"]

PRELAUNCH, ACTIVE, ENDED = 0, 1, 2
"""Codes in :attr:`Panel.state`."""


@dataclass(frozen=True, eq=False)
class Stockouts:
    """Cells whose sales say nothing about demand, because the shelf was empty.

    Attributes:
        since: int32 [series, time], the time index from whose end on a cell was known to be out of stock; NEVER = it
            was in stock, as far as is known.
        sold: float32 [series, time], what was sold, those cells included.
    """

    since: np.ndarray
    sold: np.ndarray

    def sales(self, origin: int) -> np.ndarray:
        """Sales up to column ``origin`` as they stood at its end: NaN where known by then to be out of stock."""
        keep = slice(0, origin + 1)
        empty = self.since[:, keep] <= origin
        return np.where(empty, np.float32(np.nan), self.sold[:, keep])

    def take(self, rows: np.ndarray) -> Stockouts:
        """Those of some series, by row number."""
        return Stockouts(np.ascontiguousarray(self.since[rows]), np.ascontiguousarray(self.sold[rows]))

    def by(self, origin: int) -> Stockouts:
        """Those up to column ``origin``, as far as they were recognised by its end."""
        since = self.since[:, : origin + 1]
        known = np.where(since > origin, NEVER, since).astype(np.int32)
        return Stockouts(known, np.ascontiguousarray(self.sold[:, : origin + 1]))

    def between(self, start: int, stop: int) -> Stockouts:
        """Those of the columns from ``start`` up to but without ``stop``, counted anew from 0."""
        since = self.since[:, start:stop]
        moved = np.where(since == NEVER, NEVER, since - start).astype(np.int32)
        return Stockouts(moved, np.ascontiguousarray(self.sold[:, start:stop]))


@dataclass(frozen=True, eq=False)
class Panel:
    """Demand of many series on one calendar.

    Attributes:
        keys: key columns, one row per series, in the types they came in.
        sales: float32 [series, time], C-contiguous; NaN = unknown, which includes cells known to be out of stock.
        dates: Date (Datetime if hourly) [time].
        freq: the calendar.
        known: covariates known in advance, by name.
        past: covariates known only in hindsight, by name: float32 [series, time].
        static: constant columns, one row per series.
        in_stock: share of the period in stock, float32 [series, time], or None if nothing is known of stock.
        state: int8 [series, time]: PRELAUNCH, ACTIVE or ENDED.
        hierarchy: names of static or key columns that group the series.
        counts: whether all sales are whole numbers.
        levels: texts behind the codes of known covariates that came as text.
        stockouts: which cells were out of stock, and since when that has been known; None = no cell was.
    """

    keys: pl.DataFrame
    sales: np.ndarray
    dates: pl.Series
    freq: Freq
    known: Mapping[str, Known] = field(default_factory=dict)
    past: Mapping[str, np.ndarray] = field(default_factory=dict)
    static: pl.DataFrame = field(default_factory=pl.DataFrame)
    in_stock: np.ndarray | None = None
    state: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int8))
    hierarchy: tuple[str, ...] = ()
    counts: bool = True
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stockouts: Stockouts | None = None

    def __post_init__(self) -> None:
        if not (self.sales.flags.writeable and self.sales.flags.c_contiguous and self.sales.dtype == np.float32):
            # Compiled kernels take nothing else; an array that belongs to somebody else is copied.
            object.__setattr__(self, "sales", np.array(self.sales, np.float32, order="C"))
        if self.state.shape != self.sales.shape:
            object.__setattr__(self, "state", life_states(self.sales))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of series and periods."""
        return self.sales.shape[0], self.sales.shape[1]

    @property
    def cutoff(self) -> Date:
        """Last closed period."""
        value: Date = self.dates[-1]
        return value

    @property
    def first(self) -> int:
        """Period number of the first column."""
        return self.freq.number(self.dates[0])

    def future_dates(self, horizon: int) -> pl.Series:
        """Dates of the ``horizon`` periods after the cutoff."""
        last = self.freq.number(self.cutoff)
        return self.freq.dates(np.arange(last + 1, last + 1 + horizon))

    @cached_property
    def launch(self) -> np.ndarray:
        """Column of the first period on sale, int32 [series]; the number of columns where there is none."""
        on_sale = self.state != PRELAUNCH
        start: np.ndarray = np.where(on_sale.any(1), on_sale.argmax(1), on_sale.shape[1]).astype(np.int32)
        return start

    @cached_property
    def identity(self) -> np.ndarray:
        """A stable 64-bit number per series, made from its keys, uint64 [series]."""
        return identity_of(self.keys)

    def as_of(self, cutoff: Date) -> Panel:
        """The panel as it stood at the end of ``cutoff``.

        A stock-out that was recognised only later counts as sales as they were. Covariates known in advance keep what
        was known of later periods, and lose what was announced later.

        Raises:
            InputError: the cutoff is not a period of this panel.
        """
        keep = self.freq.number(cutoff) - self.first + 1
        if not 0 < keep <= self.shape[1] or self.dates[keep - 1] != cutoff:
            raise InputError(
                f"cutoff {cutoff} is not a period of this panel ({self.dates[0]} .. {self.cutoff}).",
                "Choose one of panel.dates.",
            )
        told = self.stockouts
        sales = np.ascontiguousarray(self.sales[:, :keep] if told is None else told.sales(keep - 1))
        # That a series has ended shows only later: as of the cutoff it is active. That it was still to be launched
        # shows by its first sale: before that, a series offered in vain looks like any other that has not sold.
        state = np.ascontiguousarray(np.minimum(self.state[:, :keep], ACTIVE))
        unborn = np.flatnonzero(self.launch >= keep)
        state[unborn] = life_states(sales[unborn])
        return replace(
            self,
            sales=sales,
            stockouts=None if told is None else told.by(keep - 1),
            dates=self.dates[:keep],
            known={n: k.by(keep - 1) for n, k in self.known.items()},
            past={n: np.ascontiguousarray(a[:, :keep]) for n, a in self.past.items()},
            in_stock=None if self.in_stock is None else np.ascontiguousarray(self.in_stock[:, :keep]),
            state=state,
        )

    def with_stockouts(self, since: np.ndarray) -> Panel:
        """The panel with some cells out of stock, whose sales count as unknown from the moment that was known.

        Args:
            since: see :class:`Stockouts`.
        """
        if not (since != NEVER).any():
            return self
        told = Stockouts(np.ascontiguousarray(since, dtype=np.int32), self.sales)
        return replace(self, sales=told.sales(self.shape[1] - 1), stockouts=told)

    def revised_after(self, origin: int) -> bool:
        """Whether sales up to column ``origin`` turned out later to be those of an empty shelf."""
        if self.stockouts is None:
            return False
        since = self.stockouts.since[:, : origin + 1]
        return bool(((since > origin) & (since != NEVER)).any())

    def take(self, rows: np.ndarray) -> Panel:
        """The panel of some series, by row number, in the order given."""
        return replace(
            self,
            keys=self.keys[rows],
            sales=np.ascontiguousarray(self.sales[rows]),
            stockouts=None if self.stockouts is None else self.stockouts.take(rows),
            known={
                n: replace(k, values=k.values[rows], since=None if k.since is None else k.since[rows])
                for n, k in self.known.items()
            },
            past={n: np.ascontiguousarray(a[rows]) for n, a in self.past.items()},
            static=self.static[rows] if self.static.width else self.static,
            in_stock=None if self.in_stock is None else np.ascontiguousarray(self.in_stock[rows]),
            state=np.ascontiguousarray(self.state[rows]),
        )

    def parts(self, size: int = 4096) -> Iterator[tuple[np.ndarray, Panel]]:
        """Split into parts of about ``size`` series of like age, each with its own time window.

        Yields:
            Row numbers int64 [part] and the panel of those rows, starting at the oldest launch among them.
        """
        order = np.argsort(self.launch, kind="stable")
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            part = self.take(rows)
            trim = int(part.launch.min(initial=self.shape[1] - 1))
            yield rows, part._from_column(trim)

    def _from_column(self, start: int) -> Panel:
        if start == 0:
            return self
        return replace(
            self,
            sales=np.ascontiguousarray(self.sales[:, start:]),
            stockouts=None if self.stockouts is None else self.stockouts.between(start, self.shape[1]),
            dates=self.dates[start:],
            known={
                n: replace(
                    k,
                    values=np.ascontiguousarray(k.values[:, start:]),
                    since=None if k.since is None else np.ascontiguousarray(k.since[:, start:] - start),
                )
                for n, k in self.known.items()
            },
            past={n: np.ascontiguousarray(a[:, start:]) for n, a in self.past.items()},
            in_stock=None if self.in_stock is None else np.ascontiguousarray(self.in_stock[:, start:]),
            state=np.ascontiguousarray(self.state[:, start:]),
        )

    def require_future(self, horizon: int) -> None:
        """Check that every covariate known in advance covers the horizon, for all series already on sale.

        Raises:
            MissingFutureError: a value is missing; names covariate, series and date.
        """
        origin = self.shape[1] - 1
        for name, known in self.known.items():
            if known.policy != "error":
                continue
            values = known.at(origin, np.arange(1, horizon + 1))
            gaps = np.argwhere(np.isnan(values) & (self.launch <= origin)[:, None])
            if len(gaps):
                series, step = int(gaps[0][0]), int(gaps[0][1])
                who = ", ".join(f"{k}={v!r}" for k, v in self.keys.row(series, named=True).items())
                when = self.future_dates(horizon)[step]
                raise MissingFutureError(
                    f"known covariate {name!r} has no value for {who} on {when} "
                    f"({len(gaps)} of {values.size} future values are missing).",
                    f"Give it in future= for all {horizon} periods after {self.cutoff}, say what stands in with "
                    f"missing={{{name!r}: 'last'}}, or declare {name!r} as past=.",
                    column=name,
                )

    def with_policies(self, policies: Mapping[str, Policy]) -> Panel:
        """The panel with other policies for covariates whose future is absent; see :meth:`complete`."""
        from windvane.futures import with_policies

        return with_policies(self, policies)

    def complete(
        self, horizon: int, policies: Mapping[str, Policy | Scenario] | None = None
    ) -> tuple[Panel, tuple[Assumption, ...]]:
        """Decide what stands in where the future of a covariate known in advance is absent.

        What is absent now is hidden at past origins too, so that a model learns from no plan that it will not have and
        a backtest errs as the forecast will.

        Args:
            horizon: periods ahead.
            policies: by covariate: "error" (the default), "unknown", "last" (the last value known stays), "forecast"
                (last value, usual value or last season, whichever would have erred least in the series' past) or a
                :class:`windvane.futures.Scenario`; others keep their own.

        Returns:
            The panel that models take, and what it takes for granted; this panel stays as it is.

        Raises:
            MissingFutureError: a value is missing where the policy is "error".
            InputError: a name or policy is none, or a scenario does not fit the panel.
        """
        from windvane.futures import complete

        return complete(self, horizon, policies)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        keys: Sequence[str],
        date: str,
        sales: str,
        freq: str,
        known: Sequence[str] = (),
        past: Sequence[str] = (),
        static: Sequence[str] = (),
        future: Any = None,
        absent: Literal["unknown", "zero"] = "unknown",
        missing: Mapping[str, Policy] | None = None,
    ) -> Panel:
        """Make a panel from a long frame, one row per series and period.

        Args:
            frame: polars, pandas or Arrow frame.
            keys: columns that identify a series; they keep their names and types.
            date: column of dates (Date, Datetime or ISO text).
            sales: column of units sold; empty = unknown; negative (net returns) is allowed.
            freq: "1h", "1d", "1w" or "1mo". Weeks keep their weekday.
            known: columns known in advance; their future values come in ``future``.
            past: columns known only in hindsight.
            static: columns constant per series (the last value counts).
            future: frame of keys, date and the known columns for periods after the last sales.
            absent: what a missing row between a series' first and the panel's last period means.
            missing: by known column, what to do where its future is absent; see :meth:`complete`.

        Returns:
            A panel whose cutoff is the last period with a sales figure in any series.

        Raises:
            InputError: names column and row, and what to do.
        """
        from windvane.framing import panel_from_frame

        made = panel_from_frame(
            frame, tuple(keys), date, sales, freq, tuple(known), tuple(past), tuple(static), future, absent
        )
        return made.with_policies(missing) if missing else made


def life_states(sales: np.ndarray, ended_after: int | None = None) -> np.ndarray:
    """Life stage of every series and period, int8 [series, time].

    A series is PRELAUNCH before its first sale (before its first known period where it never sold) and ACTIVE
    from then on; with ``ended_after``, ENDED after that many periods without a sale up to the last column.
    """
    seen = ~np.isnan(sales)
    sold = seen & (sales > 0)
    ever = sold.any(1)
    start = np.where(ever, sold.argmax(1), np.where(seen.any(1), seen.argmax(1), sales.shape[1]))
    columns = np.arange(sales.shape[1])
    state = np.where(columns[None, :] >= start[:, None], ACTIVE, PRELAUNCH).astype(np.int8)
    if ended_after is not None and sales.shape[1]:
        last = sales.shape[1] - 1 - sold[:, ::-1].argmax(1)
        over = ever & (sales.shape[1] - 1 - last >= ended_after)
        state[over[:, None] & (columns[None, :] > last[:, None])] = ENDED
    return state
