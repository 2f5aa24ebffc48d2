"""M5 (Walmart): daily sales of 3,049 products in ten stores, and the competition's own error measures.

    from benchmarks.sets import m5            # with the repository root on the path
    panel = m5.load(m5.SIX[0])                # history up to that day, covariates 28 days on
    means = ...                               # [30490, 28] in the rows of the panel
    m5.score_means(means, m5.SIX[0])          # {"wrmsse": 0.86, "levels": [...]}

The folder ``m5`` lies in the one named by WINDVANE_DATA. Rows of the panel are the nodes of level 12 in the order of
``nodes.parquet``, whatever the cutoff. For the six origins scales and weights are those up to d_1913
(``scale_to_d1913``, ``weight_val``), for the official window those up to d_1941 (``scale_to_d1941``, ``weight_eval``).

Sources: Makridakis, Spiliotis, Assimakopoulos (2022), International Journal of Forecasting 38, 1325-1336 (WRMSSE);
the same with Chen, Gaba, Tsetlin, Winkler (2022), ibid., 1365-1385 (WSPL).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl

from windvane.freq import Freq
from windvane.grouping import sum_by
from windvane.panel import ACTIVE, PRELAUNCH, Known, Panel

from .contract import DataSet, Grouping
from .places import folder

HORIZON = 28
"""Days that the competition asked for."""
LEVELS = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)
"""Probabilities of the nine quantiles that the competition asked for."""
_DAY_ZERO = date(2011, 1, 28)
FIRST = _DAY_ZERO + timedelta(days=1495)
"""First day of the sales at hand, d_1495."""
SIX = tuple(_DAY_ZERO + timedelta(days=d) for d in (1773, 1801, 1829, 1857, 1885, 1913))
"""Last days of history of the six origins; settings are tuned on the earliest three."""
OFFICIAL = _DAY_ZERO + timedelta(days=1941)
"""Last day of history of the competition's own test; the sales after it are not at hand."""
_SPORT = "Sporting"


@dataclass(frozen=True, eq=False)
class Nodes:
    """The 42,840 nodes of the twelve levels.

    Attributes:
        frame: the table of nodes, one row a node, in its own order.
        level: level 1..12 of every node, int64 [nodes].
        code: node of every series at every level, int64 [12, series].
        start: first node of every level, and their number, int64 [13].
    """

    frame: pl.DataFrame
    level: np.ndarray
    code: np.ndarray
    start: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of series [series, ...] by node, float64 [nodes, ...]."""
        out = np.empty((len(self.level), *values.shape[1:]))
        out[self.start[11] :] = values
        # Products by state and by chain hold few series each; the rest follows from 70 sums of stores and departments.
        out[self.start[10] : self.start[11]] = self._sum(10, values)
        out[self.start[9] : self.start[10]] = self._sum(9, values)
        small = self._sum(8, values)
        first = np.zeros(len(small), np.int64)
        first[self.code[8] - self.start[8]] = np.arange(self.code.shape[1])
        for i in range(9):
            code = self.code[i, first] - self.start[i]
            out[self.start[i] : self.start[i + 1]] = sum_by(code, small, int(self.start[i + 1] - self.start[i]))
        return out

    def _sum(self, i: int, values: np.ndarray) -> np.ndarray:
        return sum_by(self.code[i] - self.start[i], values, int(self.start[i + 1] - self.start[i]))


@cache
def nodes() -> Nodes:
    """The nodes in the order of ``nodes.parquet``."""
    frame = pl.read_parquet(folder("m5") / "nodes.parquet")
    level = frame["level"].cast(pl.Int64).to_numpy()
    start = np.searchsorted(level, np.arange(1, 14)).astype(np.int64)
    series = _series()
    code = np.empty((12, series.height), np.int64)
    for i in range(12):
        part = frame[int(start[i]) : int(start[i + 1])]
        by = part["by"][0]
        names = (
            pl.Series("node", ["Total"] * series.height)
            if by == "total"
            else series.select(pl.concat_str(by.split("/"), separator="/")).to_series()
        )
        spot = pl.Series(range(int(start[i]), int(start[i + 1])))
        code[i] = names.replace_strict(part["node"], spot, return_dtype=pl.Int64).to_numpy()
    if not (np.diff(level) >= 0).all() or (code[11] != np.arange(start[11], start[12])).any():
        raise ValueError("nodes.parquet is not in the order of levels, or series miss in it.")
    return Nodes(frame, level, code, start)


@cache
def _series() -> pl.DataFrame:
    """Names and groups of the series, in the order of level 12."""
    frame = pl.read_parquet(folder("m5") / "series.parquet").with_columns(pl.col(pl.Categorical).cast(pl.String))
    order = pl.read_parquet(folder("m5") / "nodes.parquet").filter(pl.col("level") == 12).select(unique_id="node")
    return order.join(frame, on="unique_id", how="left", maintain_order="left")


@cache
def sales() -> np.ndarray:
    """Sales of all series from :data:`FIRST` on, float32 [series, days]; NaN before a release."""
    rows = pl.read_parquet(folder("m5") / "sales.parquet")
    days = int((rows["ds"].max() - FIRST).days) + 1  # type: ignore[operator,union-attr]
    names = _series()["unique_id"]
    spot = rows["unique_id"].cast(pl.String).replace_strict(names, pl.Series(range(len(names))), return_dtype=pl.Int32)
    out = np.full((len(names), days), np.nan, np.float32)
    out[spot.to_numpy(), (rows["ds"] - FIRST).dt.total_days().to_numpy()] = rows["y"].to_numpy()
    out.flags.writeable = False
    return out


def load(cutoff: date, horizon: int = HORIZON) -> Panel:
    """The panel as of a day: sales up to it, covariates known in advance up to ``horizon`` days after.

    Covariates: ``price`` (the competition gave the prices of its test days), ``snap`` (of the series' own state),
    ``holiday`` and ``sport`` (names of events as codes; code 0 = none), ``closed`` (1 on Christmas Day, when these
    shops are shut: what every planner of theirs knew). A series is on sale from its release on, so
    that days before its first sale count as demand of nothing.

    Args:
        cutoff: last day of history.
        horizon: days of covariates after it.
    """
    time = (cutoff - FIRST).days + 1
    everything = sales()
    if not 0 < time <= everything.shape[1]:
        last = FIRST + timedelta(days=everything.shape[1] - 1)
        raise SystemExit(f"m5 has sales from {FIRST} to {last}; choose a cutoff among these days.")
    table = _series()
    known, levels = _known(time + horizon)
    release = table["release_day"].to_numpy() - 1495
    state = np.where(np.arange(time)[None, :] >= release[:, None], ACTIVE, PRELAUNCH).astype(np.int8)
    return Panel(
        keys=table.select(sku="item_id", location="store_id"),
        sales=everything[:, :time].copy(),
        dates=pl.date_range(FIRST, cutoff, eager=True).alias("date"),
        freq=Freq("1d"),
        known=known,
        static=table.select(category_1="cat_id", category_2="dept_id", region="state_id"),
        state=state,
        hierarchy=("category_1", "category_2"),
        levels=levels,
    )


def _known(time: int) -> tuple[dict[str, Known], dict[str, tuple[str, ...]]]:
    calendar, table = _calendar(), _series()
    if calendar.height < time:
        raise SystemExit(f"the calendar of m5 ends on {calendar['ds'][-1]}.")
    shape = (table.height, time)
    snap = np.empty(shape, np.float32)
    state = table["state_id"].to_numpy()
    for name in ("CA", "TX", "WI"):
        snap[state == name] = calendar[f"snap_{name}"].to_numpy()[:time]
    week, weekly = _prices()
    known = {"price": Known(np.ascontiguousarray(weekly[:, week[:time]])), "snap": Known(snap)}
    levels = {}
    for name, sport in (("holiday", False), ("sport", True)):
        codes, levels[name] = _events(calendar, sport)
        known[name] = Known(np.ascontiguousarray(np.broadcast_to(codes[:time], shape)))
    shut = (calendar["ds"].dt.month() == 12) & (calendar["ds"].dt.day() == 25)
    known["closed"] = Known(np.broadcast_to(shut.to_numpy()[:time].astype(np.float32), shape))
    return known, levels


@cache
def _calendar() -> pl.DataFrame:
    return pl.read_parquet(folder("m5") / "calendar.parquet").filter(pl.col("ds") >= FIRST).sort("ds")


def _events(calendar: pl.DataFrame, sport: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of the day's event, float32 [days], and their texts; of two events the first one listed."""
    named = [pl.when((pl.col(f"event_type_{i}") == _SPORT) == sport).then(pl.col(f"event_name_{i}")) for i in (1, 2)]
    names = calendar.select(pl.coalesce(*named).fill_null("").alias("name")).to_series()
    texts = names.unique().sort()
    codes = names.replace_strict(texts, pl.Series(range(len(texts))), return_dtype=pl.Float32)
    return codes.to_numpy(), tuple(texts.to_list())


@cache
def _prices() -> tuple[np.ndarray, np.ndarray]:
    """Week of every day of the calendar, int64 [days], and price of every series and week; NaN before a release."""
    calendar, table = _calendar(), _series()
    weeks = calendar["wm_yr_wk"].unique().sort()
    rows = pl.read_parquet(folder("m5") / "prices.parquet").filter(pl.col("wm_yr_wk").is_in(weeks.implode()))
    spots = table.select("item_id", "store_id").with_row_index("row")
    rows = rows.with_columns(pl.col("item_id", "store_id").cast(pl.String)).join(spots, on=["item_id", "store_id"])
    weekly = np.full((table.height, len(weeks)), np.nan, np.float32)
    at = np.searchsorted(weeks.to_numpy(), rows["wm_yr_wk"].to_numpy())
    weekly[rows["row"].to_numpy(), at] = rows["sell_price"].to_numpy()
    return np.searchsorted(weeks.to_numpy(), calendar["wm_yr_wk"].to_numpy()), weekly


def actuals(cutoff: date, horizon: int = HORIZON) -> np.ndarray | None:
    """Sales of the days after a cutoff, float32 [series, horizon]; None where they are not all at hand.

    A series not yet released sold nothing.
    """
    start = (cutoff - FIRST).days + 1
    every = sales()
    return np.nan_to_num(every[:, start : start + horizon]) if start + horizon <= every.shape[1] else None


def scale_and_weight(cutoff: date) -> tuple[np.ndarray, np.ndarray]:
    """RMSSE scale and weight of every node, float64 [nodes]: up to d_1913, or up to d_1941 for later cutoffs."""
    frame = nodes().frame
    names = ("scale_to_d1941", "weight_eval") if cutoff >= OFFICIAL else ("scale_to_d1913", "weight_val")
    scale, weight = (frame[name].to_numpy() for name in names)
    return scale, weight


def score_means(means: np.ndarray, cutoff: date) -> dict[str, object]:
    """WRMSSE of bottom means, summed up the hierarchy.

    Args:
        means: [30490, 28], rows as in the panel.
        cutoff: last day of history.

    Returns:
        ``wrmsse`` (mean over levels), ``levels`` (twelve floats), or an empty mapping where there are no actuals.
    """
    return score_node_means(nodes().sums(means), cutoff)


def score_node_means(means: np.ndarray, cutoff: date) -> dict[str, object]:
    """WRMSSE of means of all nodes, which need not add up, [42840, 28]; see :func:`score_means`."""
    actual = actuals(cutoff)
    if actual is None:
        return {}
    scale, weight = scale_and_weight(cutoff)
    square = np.square(nodes().sums(actual) - means).mean(axis=1)
    levels = by_level(np.sqrt(square / scale), weight)
    return {"wrmsse": float(levels.mean()), "levels": levels.tolist()}


def score_quantiles(quantiles: np.ndarray, cutoff: date) -> dict[str, object]:
    """WSPL of quantiles of all nodes.

    The scale of a node is its mean absolute daily difference in the history at hand, from its first sale there on.
    Nodes whose sales never change there are left out, and the weights of the others made to add up to 1 per level.

    Args:
        quantiles: [42840, 28, 9] at :data:`LEVELS`.
        cutoff: last day of history.

    Returns:
        ``wspl`` (mean over levels) and ``wspl_levels``, or an empty mapping where there are no actuals.
    """
    actual = actuals(cutoff)
    if actual is None:
        return {}
    truth, loss = nodes().sums(actual), np.zeros(len(quantiles))
    for i, level in enumerate(LEVELS):
        miss = truth - quantiles[:, :, i]
        loss += np.maximum(level * miss, (level - 1) * miss).mean(axis=1) / len(LEVELS)
    scale = _absolute_scale(cutoff)
    _, weight = scale_and_weight(cutoff)
    usable = scale > 0
    levels = by_level(np.where(usable, loss / np.where(usable, scale, 1.0), 0.0), np.where(usable, weight, 0.0))
    return {"wspl": float(levels.mean()), "wspl_levels": levels.tolist()}


@cache
def _absolute_scale(cutoff: date) -> np.ndarray:
    history = nodes().sums(np.nan_to_num(sales()[:, : (cutoff - FIRST).days + 1]))
    sold = history > 0
    first = np.where(sold.any(axis=1), sold.argmax(axis=1), history.shape[1])
    after = np.arange(1, history.shape[1])[None, :] > first[:, None]
    step = np.abs(np.diff(history, axis=1)) * after
    scale: np.ndarray = step.sum(axis=1) / np.maximum(after.sum(axis=1), 1)
    return scale


def by_level(error: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean error of the nodes of every level, float64 [12]; weights made to add up to 1 per level."""
    start = nodes().start[:-1]
    mean: np.ndarray = np.add.reduceat(error * weight, start) / np.add.reduceat(weight, start)
    return mean


def node_quantiles(found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Quantiles of all nodes at :data:`LEVELS`, float32 [42840, 28, 9], of a forecast and its sums.

    Args:
        found: ``quantiles`` of the series, ``group_quantiles`` of the groups of levels 1 to 11, and their ``levels``.
    """
    pick = [int(np.flatnonzero(np.isclose(found["levels"], level))[0]) for level in LEVELS]
    return np.concatenate([found["group_quantiles"][:, :, pick], found["quantiles"][:, :, pick]])


def table(found: Mapping[str, np.ndarray]) -> tuple[pl.DataFrame, np.ndarray, np.ndarray, tuple[float, ...]]:
    """Level and name of every node, its means and quantiles, and the probabilities of these."""
    every = nodes()
    keys = every.frame.select(pl.col("level").cast(pl.Int64), "node")
    return keys, every.sums(found["mean"]).astype(np.float32), node_quantiles(found), LEVELS


def _groupings(panel: Panel) -> list[Grouping]:
    """Levels 1 to 11; products (levels 10 and 11) lie together in the order of level 12."""
    every = nodes()
    out = []
    for i in range(11):
        part = every.frame[int(every.start[i]) : int(every.start[i + 1])]
        code = every.code[i] - every.start[i]
        out.append(Grouping(f"level {i + 1}", code, tuple(part["node"].to_list()), local=i >= 9))
    return out


SET = DataSet("m5", HORIZON, (7, 28), SIX, load, actuals, _groupings, part=510)
