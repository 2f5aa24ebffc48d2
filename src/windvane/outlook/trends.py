"""Where demand is turning: growth of every series, category and the whole, with its uncertainty.

Growth is the slope of a log-linear regression on the last whole weeks, fitted as a quasi-Poisson generalised linear
model (McCullagh, Nelder 1989, ch. 6), whose dispersion is estimated, so that lumpy demand gets wide intervals. Slopes
of single series are noisy: they are drawn towards their category's slope, and categories towards the whole, by
empirical Bayes (Morris 1983, Parametric Empirical Bayes Inference, JASA 78, 47-55).

Weeks carry no weekly season. A yearly one is taken out only where more than a year of history shows it: by the
shape of the same weeks in the years before, pooled over the category (a single series says too little).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.forecasts import Forecast
from windvane.grouping import sum_by
from windvane.panel import ENDED, Panel
from windvane.schema import DERIVED

BLOCKS = 12
"""Weeks that growth is judged on."""

LEAST_BLOCKS = 8
"""Fewest weeks; younger series are new."""

NOTABLE = 0.03
"""Growth per 28 days that is worth calling a direction."""

LIMIT = float(np.log(2.0) / 4)
"""Largest growth reported, in logs per week: doubling or halving in 28 days. Faster is a start or an end of sales, and
multiplying money by it would say nothing."""

_Z80 = 1.2815515655446004
_STEPS = 25
_MONTH = 28
_WEEKS_PER_YEAR = 52
_ENOUGH = 20
"""Units per week that a group must have sold for its yearly season to show."""

_CLIP = 1.5  # per week; e^1.5 is more than fourfold in a week
_SPREAD_OUT = 0.2  # units
_BORROWED = 10.0  # weeks
_FEW_ROWS = 30
_LEAST_EXPECTED = 0.05  # units per week
_WILD = 3.0  # standard errors
_TAMED = 0.9950  # mean of min(z^2, _WILD^2) for a standard normal z
_PRIOR = 0.01  # floor of the spread of true slopes per week


@dataclass(frozen=True)
class Slopes:
    """Estimated growth of many rows.

    Attributes:
        slope: log growth per week, float64 [rows]; NaN where there is nothing to estimate from.
        error: its standard error, float64 [rows].
    """

    slope: np.ndarray
    error: np.ndarray


def trends(panel: Panel, forecast: Forecast, revenue: np.ndarray | None = None) -> pl.DataFrame:
    """Growth and direction of every series, category and the whole.

    Args:
        panel: the clean panel (keys sku and location), ending at the cutoff. Where periods are months, slopes are
            taken over months instead of weeks, and what is said of the last 28 days is said of the last month.
        forecast: forecast of the same series, in the same order.
        revenue: money taken, float32 [series, time]; without it nothing has money.

    Returns:
        The table trends. growth is per 28 days, between -50 % and +100 %; its interval covers 80 %. A row is
        rising or falling if the interval leaves out 0 and growth is at least 3 % either way; new if launched within
        the last 8 weeks; ending if it has ended, or has sold nothing for 28 days though it used to sell far more
        often.
    """
    week, periods = max(round(7 / panel.freq.days), 1), max(round(_MONTH / panel.freq.days), 1)
    year, span = (_WEEKS_PER_YEAR, 4.0) if panel.freq.unit != "1mo" else (12, _MONTH / panel.freq.days)
    weekly = weekly_totals(panel, week)
    money = np.full(len(weekly), np.nan) if revenue is None else _recent(revenue, periods)
    own = _Level("series", weekly, _recent(panel.sales, periods), _ahead(forecast.mean, periods), money, span)
    whole = np.zeros(len(weekly), np.int64)
    groups, names = _groups(panel)
    season = _yearly(panel, groups, (len(names), year), week, weekly.shape[1])
    top = own.summed("total", whole, 1)
    total = _fit(top.weekly, season, np.array([len(names)]))
    frames = [_rows(top, total, None, [""])]
    parent, of_parent, category = total, whole, [""] * len(weekly)
    if names:
        middle = own.summed("category", groups, len(names))
        fitted = _fit(middle.weekly, season, np.arange(len(names)))
        parent, of_parent = shrink(fitted, total, np.zeros(len(names), np.int64)), groups
        category = [names[group] for group in groups]
        frames.insert(0, _rows(middle, parent, None, list(names)))
    slopes = shrink(_fit(own.weekly, season, groups if names else whole), parent, of_parent)
    sku, location = panel.keys["sku"].cast(pl.String), panel.keys["location"].cast(pl.String)
    frames.insert(0, _rows(own, slopes, _life(panel, periods), category, sku, location))
    return pl.concat(frames)


def weekly_totals(panel: Panel, week: int, blocks: int = BLOCKS, ago: int = 0) -> np.ndarray:
    """Sales of the last whole weeks, float64 [series, blocks]; NaN for weeks not wholly after the launch.

    Args:
        panel: the clean panel.
        week: periods per week.
        blocks: at most this many weeks, ending at the cutoff.
        ago: end this many periods before the cutoff instead.
    """
    end = panel.shape[1] - ago
    blocks = max(min(blocks, end // week), 0)
    part = panel.sales[:, end - blocks * week : end].astype(np.float64)
    return part.reshape(len(part), blocks, week).sum(axis=2)


def quasi_poisson(totals: np.ndarray, offset: np.ndarray | None = None) -> Slopes:
    """Log-linear growth of many rows at once, by iteratively reweighted least squares.

    Args:
        totals: counts per week, float64 [rows, weeks]; NaN = not observed.
        offset: expected shape of the weeks, > 0, [rows, weeks]; divided out.

    Returns:
        Slopes per week; rows with fewer than 8 weeks or without sales have NaN.
    """
    rows, weeks = totals.shape
    seen = ~np.isnan(totals)
    y = np.where(seen, np.maximum(totals, 0.0), 0.0)
    shape = np.ones_like(y) if offset is None else np.broadcast_to(offset, y.shape)
    count = seen.sum(axis=1)
    usable = (count >= LEAST_BLOCKS) & (y.sum(axis=1) > 0)
    x = np.where(seen, np.arange(weeks) - weeks + 1.0, 0.0)
    x = np.where(seen, x - (x.sum(axis=1) / np.maximum(count, 1))[:, None], 0.0)
    whole = (y == np.round(y)).all(axis=1)
    # A little spread over the weeks keeps the slope of rare sales finite.
    y = y + seen * (_SPREAD_OUT / np.maximum(count, 1))[:, None]
    level = np.log(np.maximum(y.sum(axis=1), 1e-9) / np.maximum((shape * seen).sum(axis=1), 1e-9))
    slope = np.zeros(rows)
    for _ in range(_STEPS):
        mu = np.where(seen, shape * np.exp(np.clip(level[:, None] + slope[:, None] * x, -30, 50)), 0.0)
        s0, s1, s2 = mu.sum(axis=1), (mu * x).sum(axis=1), (mu * x * x).sum(axis=1)
        r0, r1 = (y - mu).sum(axis=1), ((y - mu) * x).sum(axis=1)
        det = np.maximum(s0 * s2 - s1 * s1, 1e-300)
        level = level + np.clip((s2 * r0 - s1 * r1) / det, -2.0, 2.0)
        slope = np.clip(slope + np.clip((s0 * r1 - s1 * r0) / det, -0.5, 0.5), -_CLIP, _CLIP)
    mu = np.where(seen, shape * np.exp(np.clip(level[:, None] + slope[:, None] * x, -30, 50)), 0.0)
    # Where next to nothing is expected a Pearson residual is all noise.
    pearson = np.where(seen, (y - mu) ** 2 / np.maximum(mu, _LEAST_EXPECTED), 0.0).sum(axis=1)
    level = y.sum(axis=1) / np.maximum(count, 1)
    dispersion, free = _dispersion(pearson, np.where(usable, count - 2, 0), level, bool(whole.all()))
    # Information as if there were no growth: that of rare sales at a wild slope would call the slope uncertain just
    # because it is wild.
    flat = np.where(seen, shape, 0.0) * (y.sum(axis=1) / np.maximum((shape * seen).sum(axis=1), 1e-300))[:, None]
    s0, s1, s2 = flat.sum(axis=1), (flat * x).sum(axis=1), (flat * x * x).sum(axis=1)
    information = np.maximum(s2 - s1 * s1 / np.maximum(s0, 1e-300), 1e-300)
    # Student's t instead of the normal, to first order: the dispersion comes from few weeks.
    widen = 1.0 + (_Z80**2 + 1.0) / (4.0 * np.maximum(free, 1))
    error = widen * np.sqrt(dispersion / information)
    return Slopes(np.where(usable, slope, np.nan), np.where(usable, error, np.nan))


def _dispersion(pearson: np.ndarray, free: np.ndarray, level: np.ndarray, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Variance over mean of every row, and the degrees of freedom it rests on.

    A dozen weeks say little of a row's dispersion, so what is usual at its level of sales (log-linear over all rows)
    counts as much as ten weeks. Whole-number sales usually vary at least as Poisson counts do; sales in kilos may
    vary less.
    """
    least = 1.0 if whole else 1e-3
    used = free > 0
    raw = pearson / np.maximum(free, 1)
    if used.sum() < _FEW_ROWS:
        return np.maximum(raw, least), free.astype(np.float64)
    design = np.stack([np.ones(len(level)), np.log(np.maximum(level, 0.01))], axis=1)
    logs = np.log(np.clip(raw, 0.05, 1e6))
    (start, rise), *_ = np.linalg.lstsq(design[used], logs[used], rcond=None)
    # A logarithm's mean lies below the mean's logarithm: by 1 / degrees of freedom for a chi-square.
    usual = np.exp(start + rise * design[:, 1] + 1.0 / np.maximum(free, 1))
    usual = np.maximum(usual, least)
    return (pearson + _BORROWED * usual) / np.maximum(free + _BORROWED, 1), free + _BORROWED


def shrink(own: Slopes, parent: Slopes, of_parent: np.ndarray) -> Slopes:
    """Draw slopes towards their parents', the more the noisier they are.

    The variance of true slopes round their parent's is estimated by moments over all rows; the parent's own
    uncertainty is added to it. Rows without an estimate take the parent's.

    Args:
        own: slopes of the rows.
        parent: slopes of the parents.
        of_parent: parent of every row, int64 [rows].
    """
    target = parent.slope[of_parent]
    target_error = np.nan_to_num(parent.error[of_parent])
    known = ~np.isnan(own.slope) & ~np.isnan(target)
    away, noise = own.slope[known] - target[known], own.error[known]
    prior = max(_between(away, noise), _PRIOR) ** 2 + target_error**2
    with np.errstate(invalid="ignore"):
        pull = prior / (prior + own.error**2)
        slope = target + pull * (own.slope - target)
        error = np.sqrt(pull) * own.error
    slope = np.where(np.isnan(own.slope), target, np.where(np.isnan(target), own.slope, slope))
    error = np.where(np.isnan(own.slope), np.sqrt(prior), np.where(np.isnan(target), own.error, error))
    return Slopes(slope, error)


def _between(away: np.ndarray, noise: np.ndarray) -> float:
    """Spread of true slopes that makes the deviations as large as they are.

    Moments in the manner of Paule and Mandel (1982, Journal of Research of the NBS 87, 377-385): squared deviations
    over their variances average 1. Deviations count up to three standard errors, so that a few wild rows do not
    speak for all.
    """
    if len(away) < 3:
        return _PRIOR
    low, high = 0.0, _CLIP
    for _ in range(40):
        middle = (low + high) / 2
        ratio = np.minimum(away**2 / (noise**2 + middle**2), _WILD**2).mean()
        low, high = (middle, high) if ratio > _TAMED else (low, middle)
    return low


@dataclass(frozen=True)
class _Level:
    name: str
    weekly: np.ndarray
    recent: np.ndarray
    ahead: np.ndarray
    money: np.ndarray
    span: float

    def summed(self, name: str, groups: np.ndarray, count: int) -> _Level:
        """The level above: sums of its members."""
        weekly, recent, ahead, money = (
            _sum_by(values, groups, count) for values in (self.weekly, self.recent, self.ahead, self.money)
        )
        return _Level(name, weekly, recent, ahead, money, self.span)


@dataclass(frozen=True)
class _Season:
    """Yearly shape of the weeks per group, [groups, weeks], and what its slope may be wrong by, [groups]."""

    shape: np.ndarray
    error: np.ndarray


def _fit(weekly: np.ndarray, season: _Season, group: np.ndarray) -> Slopes:
    if not weekly.shape[1]:
        return Slopes(np.full(len(weekly), np.nan), np.full(len(weekly), np.nan))
    slopes = quasi_poisson(weekly, season.shape[group])
    return Slopes(slopes.slope, np.hypot(slopes.error, season.error[group]))


def _groups(panel: Panel) -> tuple[np.ndarray, tuple[str, ...]]:
    """Category of every series as a number, and the categories' names; none if there are no categories."""
    if "category_1" not in panel.static.columns:
        return np.zeros(panel.shape[0], np.int64), ()
    values = panel.static["category_1"].cast(pl.String).fill_null("")
    names = values.unique().sort()
    codes = values.replace_strict(names, pl.Series(range(len(names))), return_dtype=pl.Int64)
    return codes.to_numpy(), tuple(names.to_list())


def _yearly(panel: Panel, groups: np.ndarray, counts: tuple[int, int], week: int, blocks: int) -> _Season:
    """Shape of the same weeks in the years before, per category and (last row) for the whole.

    Mean over the years of the logarithms, times years / (years + 1), since a few years are a few draws of a season;
    1 where there is no year of history, or too few sales in it. Neighbouring weeks are averaged, because holidays
    move.
    """
    categories, weeks_per_year = counts
    flat = _Season(np.ones((categories + 1, blocks)), np.zeros(categories + 1))
    logs, errors = [], []
    for year in range(1, 10):
        ago = year * weeks_per_year * week
        if not blocks or panel.shape[1] < ago + (blocks + 1) * week:
            break
        before = np.nan_to_num(weekly_totals(panel, week, blocks + 2, ago - week))
        parts = _sum_by(before, groups, categories) if categories else before[:0]
        sums = np.concatenate([parts, before.sum(axis=0, keepdims=True)])
        totals = (sums[:, :-2] + sums[:, 1:-1] + sums[:, 2:]) / 3
        enough = (totals > 0).all(axis=1) & (totals.mean(axis=1) >= _ENOUGH)
        ratio = np.log(np.where(enough[:, None], totals, 1.0))
        logs.append(ratio - ratio.mean(axis=1, keepdims=True))
        errors.append(np.where(enough, np.nan_to_num(quasi_poisson(sums[:, 1:-1]).error), 0.0))
    if not logs:
        return flat
    years = len(logs)
    error = np.sqrt(np.mean(np.square(errors), axis=0) / years)
    return _Season(np.exp(np.mean(logs, axis=0) * years / (years + 1)), error * years / (years + 1))


def _sum_by(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    out = sum_by(groups, np.nan_to_num(values), count)
    if values.ndim == 1 and np.isnan(values).all():
        out[:] = np.nan
    return out


def _recent(values: np.ndarray, periods: int) -> np.ndarray:
    total: np.ndarray = np.nan_to_num(values[:, -periods:].astype(np.float64)).sum(axis=1)
    return total


def _ahead(mean: np.ndarray, periods: int) -> np.ndarray:
    """Forecast of so many periods; a shorter horizon is scaled up."""
    steps = min(periods, mean.shape[1])
    total: np.ndarray = mean[:, :steps].sum(axis=1, dtype=np.float64) * (periods / steps)
    return total


def _life(panel: Panel, periods: int) -> np.ndarray:
    """'new', 'ending' or '' per series."""
    time = panel.shape[1]
    sold = np.nan_to_num(panel.sales) > 0
    times = sold.sum(axis=1)
    last = time - 1 - sold[:, ::-1].argmax(axis=1)
    first = sold.argmax(axis=1)
    gap = np.where(times > 1, (last - first) / np.maximum(times - 1, 1), np.inf)
    silent = (times > 2) & (time - 1 - last >= periods) & (time - 1 - last >= 4 * gap)
    new = (time - panel.launch) * panel.freq.days < LEAST_BLOCKS * 7
    # Where all history is shorter than that, the first column says nothing of a launch.
    new &= panel.launch > 0
    ending = (panel.state[:, -1] == ENDED) | silent
    return np.where(ending, "ending", np.where(new, "new", ""))


def _rows(
    level: _Level,
    slopes: Slopes,
    life: np.ndarray | None,
    category: list[str],
    sku: pl.Series | None = None,
    location: pl.Series | None = None,
) -> pl.DataFrame:
    known = ~np.isnan(slopes.slope)
    low, high = slopes.slope - _Z80 * slopes.error, slopes.slope + _Z80 * slopes.error
    growth, growth_low, growth_high = (
        np.expm1(np.clip(s * level.span, -4 * LIMIT, 4 * LIMIT)) for s in (slopes.slope, low, high)
    )
    with np.errstate(invalid="ignore"):
        rising = known & (growth_low > 0) & (growth >= NOTABLE)
        falling = known & (growth_high < 0) & (growth <= -NOTABLE)
    trend = np.where(rising, "rising", np.where(falling, "falling", "steady"))
    if life is not None:
        trend = np.where(life != "", life, trend)
    money = np.where(known, growth * level.money, np.nan)
    frame = pl.DataFrame(
        {
            "level": [level.name] * len(growth),
            "sku": sku if sku is not None else [""] * len(growth),
            "location": location if location is not None else [""] * len(growth),
            "category": category,
            "trend": trend.tolist(),
            "growth": growth,
            "growth_low": growth_low,
            "growth_high": growth_high,
            "recent": level.recent,
            "ahead": level.ahead,
            "revenue": level.money,
            "money": money,
            "rank": np.zeros(len(growth), np.int64),
        },
        schema=DERIVED["trends"].types,
        nan_to_null=True,
    )
    frame = frame.sort(pl.col("money").abs(), "sku", "location", "category", descending=[True, False, False, False],
                       nulls_last=True)  # fmt: skip
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank"))
