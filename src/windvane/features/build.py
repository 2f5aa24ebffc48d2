"""The training and prediction matrix of pooled models: one row per (series, origin, step).

Every feature states when it is known; nothing that is known later than the row's origin enters, except calendar
facts and covariates declared as known in advance, and those only as far as they were announced by the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.engine import map_parts
from windvane.features.align import YEARS
from windvane.features.kernels import SHAPE_FEATURES, covariate_history, past_features
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows
from windvane.features.spec import Feature
from windvane.grouping import sum_by
from windvane.panel import Panel

__all__ = ["WINDOWS", "YEARS", "Builder", "Feature", "Rows", "knows_the_year"]

WINDOWS: dict[str, tuple[int, ...]] = {
    "1h": (24, 72, 168, 336, 672),
    "1d": (7, 14, 28, 56, 112),
    "1w": (2, 4, 8, 16, 52),
    "1mo": (2, 3, 6, 12, 24),
}
_ROWS = 131_072
_HOLIDAY_REACH = 14
_ALWAYS = np.empty((0, 0), np.int32)
_STATIC_GROUPS = 3


class Builder:
    """Builds the matrix of one panel.

    Args:
        panel: the series.
        categories: texts of each static column in code order, as learned at fit; ``None`` learns them here.
        extra: declared features that are added as last columns.
        year: whether the time of year counts, as decided at fit; ``None`` decides it here.
    """

    def __init__(
        self,
        panel: Panel,
        categories: dict[str, list[str]] | None = None,
        extra: Sequence[Feature] = (),
        year: bool | None = None,
    ) -> None:
        self.panel = panel
        self.categories = categories if categories is not None else _categories(panel)
        self._codes = _codes(panel, self.categories)
        self._groups = _groups(panel, self._codes)
        self._calendar = _calendar(panel, knows_the_year(panel) if year is None else year)
        self._next, self._last = _holiday_distance(panel)
        self._extra = FeatureMatrix(panel, extra) if extra else None
        self.features = [*self._features(), *extra]

    def _features(self) -> list[Feature]:
        unit = self.panel.freq.unit
        names = [Feature("step", "origin")]
        names += [Feature(f"mean_{w}", "origin") for w in WINDOWS[unit]]
        names += [Feature(name, "origin") for name in SHAPE_FEATURES]
        names += [Feature("level", "origin"), Feature("baseline", "origin")]
        names += [Feature(name, "calendar") for name in self._calendar]
        for name in self._groups:
            names += [Feature(f"{kind}_{name}", "origin") for kind in ("momentum", "season", "year")]
        for name in self.panel.known:
            text = name in self.panel.levels
            names.append(Feature(name, "plan", categorical=text))
            if not text:
                names += [Feature(f"{name}_against_recent", "plan"), Feature(f"{name}_against_now", "plan")]
        if self._next is not None:
            names += [Feature("holiday_next", "calendar"), Feature("holiday_last", "calendar")]
        for name in self.panel.past:
            names += [Feature(f"{name}_now", "origin"), Feature(f"{name}_now_against_recent", "origin")]
        names += [Feature(name, "static", categorical=True) for name in self._codes]
        return names

    def withhold(self, matrix: np.ndarray, share: float, rng: np.random.Generator) -> None:
        """Hide the plans of a share of the rows, in place.

        A model that has always seen the plans would not know what to expect where none has been made yet.
        """
        open_ended = tuple(
            n for n, known in self.panel.known.items() if known.policy == "unknown" and known.since is not None
        )
        columns = [i for i, f in enumerate(self.features) if f.known == "plan" and f.name.startswith(open_ended)]
        if open_ended and columns:
            hidden = np.flatnonzero(rng.uniform(size=len(matrix)) < share)
            matrix[hidden[:, None], np.array(columns)[None, :]] = np.nan

    def matrix(self, rows: Rows, baseline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features and level of rows.

        Args:
            rows: which rows, sorted by series and origin.
            baseline: expected demand of every row by a simpler model, float32 [rows].

        Returns:
            Matrix float32 [rows, features] and level float32 [rows].
        """
        out = np.empty((len(rows), len(self.features)), np.float32)
        level = np.empty(len(rows), np.float32)
        parts = [slice(i, min(i + _ROWS, len(rows))) for i in range(0, len(rows), _ROWS)]
        map_parts(lambda at: self._part(rows.part(at), baseline[at], out[at], level[at]), parts)
        if self._extra is not None:
            out[:, -len(self._extra.features) :] = self._extra.build(rows)
        return out, level

    def _part(self, rows: Rows, baseline: np.ndarray, out: np.ndarray, level: np.ndarray) -> None:
        panel, unit = self.panel, self.panel.freq.unit
        windows = np.array(WINDOWS[unit], np.int64)
        width = len(windows) + len(SHAPE_FEATURES)
        first, last = int(rows.series[0]), int(rows.series[-1]) + 1
        pointer = np.searchsorted(rows.series, np.arange(first, last + 1)).astype(np.int64)
        past = np.empty((len(rows), width), np.float32)
        past_features(
            panel.sales[first:last], panel.launch[first:last], pointer, rows.origin, rows.step,
            windows, panel.freq.season, YEARS[unit], level, past,
        )  # fmt: skip
        column = 1 + width
        out[:, 0] = rows.step
        out[:, 1:column] = past
        scale = np.where(level > 0, level, 1)
        out[:, column] = np.log1p(level)
        out[:, column + 1] = baseline / scale
        column += 2
        target = rows.origin + rows.step
        for values in self._calendar.values():
            out[:, column] = values[target]
            column += 1
        for group in self._groups.values():
            out[:, column : column + 3] = self._group_features(rows, group)
            column += 3
        column = self._plans(rows, out, column)
        if self._next is not None and self._last is not None:
            out[:, column] = self._next[target]
            out[:, column + 1] = self._last[target]
            column += 2
        for values in panel.past.values():
            history = np.empty((len(rows), 2), np.float32)
            covariate_history(values, _ALWAYS, rows.series, rows.origin, int(windows[-2]), history)
            out[:, column] = history[:, 0]
            out[:, column + 1] = _ratio(history[:, 0], history[:, 1])
            column += 2
        for codes in self._codes.values():
            out[:, column] = codes[rows.series]
            column += 1

    def _group_features(self, rows: Rows, group: _Group) -> np.ndarray:
        """Momentum, season of the target and change over the same stretch a year ago, [rows, 3]."""
        season, year = self.panel.freq.season, YEARS[self.panel.freq.unit]
        code, origin = group.code[rows.series], rows.origin.astype(np.int64)
        target = origin + rows.step
        back = target - season * (-(-rows.step.astype(np.int64) // season))
        same = np.where(back >= 0, group.season[code, np.maximum(back, 0)], np.nan)
        half = season // 2 if season < year else 1
        then, before = target - year, origin - year
        known = (then + half <= origin) & (before >= 0)
        past = np.where(known, group.smooth[code, np.clip(then, 0, None)], np.nan)
        change = _ratio(past, group.level[code, np.maximum(before, 0)])
        return np.stack([group.momentum[code, origin], _ratio(same, group.level[code, origin]), change], axis=1)

    def _plans(self, rows: Rows, out: np.ndarray, column: int) -> int:
        window = WINDOWS[self.panel.freq.unit][-2]
        target = rows.origin + rows.step
        for name, known in self.panel.known.items():
            inside = target < known.values.shape[1]
            spot = np.minimum(target, known.values.shape[1] - 1)
            value = np.where(inside, known.values[rows.series, spot], np.nan).astype(np.float32)
            if known.since is not None:
                value[known.since[rows.series, spot] > rows.origin] = np.nan
            out[:, column] = value
            column += 1
            if name in self.panel.levels:
                continue
            history = np.empty((len(rows), 2), np.float32)
            since = _ALWAYS if known.since is None else np.ascontiguousarray(known.since, dtype=np.int32)
            values = np.ascontiguousarray(known.values)
            covariate_history(values, since, rows.series, rows.origin, window, history)
            out[:, column] = _ratio(value, history[:, 1])
            out[:, column + 1] = value - history[:, 0]
            column += 2
        return column


_CALENDAR = ("weekday", "day_of_month", "days_to_month_end")
_YEARLY = ("month", "week_of_year")
_YEARS_TO_LEARN = 1.5
"""History in years from which on the time of year is a feature; on less it only tells old rows from new ones."""


def knows_the_year(panel: Panel) -> bool:
    """Whether the history is long enough to learn the time of year from."""
    return panel.shape[1] >= _YEARS_TO_LEARN * YEARS[panel.freq.unit]


def _calendar(panel: Panel, year: bool) -> dict[str, np.ndarray]:
    """Facts of every date from the first column to a year past the last, by name, float32 [time + year]."""
    first = panel.first
    dates = panel.freq.dates(np.arange(first, first + panel.shape[1] + max(400, YEARS[panel.freq.unit])))
    when = pl.DataFrame({"d": dates}).select(
        weekday=pl.col("d").dt.weekday() * 24 + pl.col("d").cast(pl.Datetime).dt.hour(),
        day_of_month=pl.col("d").dt.day(),
        month=pl.col("d").dt.month(),
        week_of_year=pl.col("d").dt.ordinal_day() / 7.0,
        days_to_month_end=(pl.col("d").dt.month_end().cast(pl.Date) - pl.col("d").cast(pl.Date)).dt.total_days(),
    )
    return {name: when[name].cast(pl.Float32).to_numpy() for name in _CALENDAR + (_YEARLY if year else ())}


def _holiday_distance(panel: Panel) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Periods to the next and from the last holiday of the first series' calendar, float32 [time + ...]."""
    known = panel.known.get("holiday")
    if known is None or "holiday" not in panel.levels or not panel.shape[0]:
        return None, None
    day = np.nan_to_num(known.values[0]) > 0
    length = panel.shape[1] + max(400, YEARS[panel.freq.unit])
    spot = np.flatnonzero(day)
    ahead = np.full(length, _HOLIDAY_REACH, np.float32)
    behind = np.full(length, _HOLIDAY_REACH, np.float32)
    for t in spot:
        reach = np.arange(_HOLIDAY_REACH)
        back, forth = t - reach, t + reach
        back, forth = back[back >= 0], forth[forth < length]
        ahead[back] = np.minimum(ahead[back], t - back)
        behind[forth] = np.minimum(behind[forth], forth - t)
    return ahead, behind


def _categories(panel: Panel) -> dict[str, list[str]]:
    """Texts of static columns worth coding: more than one value, fewer than the series."""
    out = {}
    for name in panel.static.columns:
        texts = panel.static[name].cast(pl.String).drop_nulls().unique().sort().to_list()
        if 1 < len(texts) < panel.shape[0] and len(texts) <= 20_000:
            out[name] = texts
    return out


def _codes(panel: Panel, categories: dict[str, list[str]]) -> dict[str, np.ndarray]:
    out = {}
    for name, texts in categories.items():
        codes = {text: code for code, text in enumerate(texts)}
        if name in panel.static.columns:
            column = panel.static[name].cast(pl.String)
            coded = column.replace_strict(codes, default=-1, return_dtype=pl.Int32).fill_null(-1)
            out[name] = coded.to_numpy().astype(np.int32)
        else:
            out[name] = np.full(panel.shape[0], -1, np.int32)
    return out


@dataclass(frozen=True, eq=False)
class _Group:
    """Totals of a grouping, ready to be looked up; all float32 [groups, time] but the codes.

    Attributes:
        code: int32 [series], group of every series.
        momentum: recent over longer mean, up to each column.
        level: longer mean up to each column.
        season: mean of the last eight columns of the same season (same weekday), each column included.
        smooth: mean of a season's width centred on each column; only read a year back.
    """

    code: np.ndarray
    momentum: np.ndarray
    level: np.ndarray
    season: np.ndarray
    smooth: np.ndarray


def _groups(panel: Panel, codes: dict[str, np.ndarray]) -> dict[str, _Group]:
    """The whole, the key columns where there are several, and the coarsest static columns."""
    windows, season = WINDOWS[panel.freq.unit], panel.freq.season
    sales = np.nan_to_num(panel.sales)
    grouped = {"all": np.zeros(panel.shape[0], np.int32)}
    if panel.keys.width > 1:
        for name in panel.keys.columns:
            code = panel.keys[name].cast(pl.String).rank("dense").cast(pl.Int32).to_numpy() - 1
            if 0 < int(code.max(initial=0)) < panel.shape[0] - 1:
                grouped[name] = code
    for name, code in sorted(codes.items(), key=lambda item: int(item[1].max(initial=0)))[:_STATIC_GROUPS]:
        grouped.setdefault(name, np.where(code < 0, code.max(initial=0) + 1, code))
    out = {}
    for name, code in grouped.items():
        total = sum_by(code, sales)
        short, long = _trailing_mean(total, windows[1]), _trailing_mean(total, windows[-2])
        same = np.zeros_like(total)
        count = np.zeros(panel.shape[1])
        for back in range(0, min(8 * season, panel.shape[1]), season):
            same[:, back:] += total[:, : panel.shape[1] - back]
            count[back:] += 1
        half = season // 2 if season < YEARS[panel.freq.unit] else 1
        trailing = _trailing_mean(total, 2 * half + 1)
        smooth = np.concatenate([trailing[:, half:], np.repeat(trailing[:, -1:], half, axis=1)], axis=1)
        parts = (_ratio(short, long), long, same / count, smooth)
        out[name] = _Group(code, *(part.astype(np.float32) for part in parts))
    return out


def _trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    cumulated = np.concatenate([np.zeros((values.shape[0], 1)), values.cumsum(1)], axis=1)
    end = np.arange(1, values.shape[1] + 1)
    begin = np.maximum(end - window, 0)
    mean: np.ndarray = (cumulated[:, end] - cumulated[:, begin]) / (end - begin)
    return mean


def _ratio(value: np.ndarray, base: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = value / base
    return np.where(np.isfinite(ratio), ratio, np.nan)
