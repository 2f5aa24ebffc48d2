"""Forecasts made elsewhere beside our own, on what came: errors, and what orders by them would have cost.

A forecast is brought in by :meth:`windvane.forecasts.Forecast.from_frame`, from any library or a planner's sheet. All
are judged on the same series and periods; costs are those of :mod:`windvane.backtest.money`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from windvane.backtest.compare import paired_gain
from windvane.backtest.metrics import pinball
from windvane.backtest.money import money, window
from windvane.decisions.terms import Terms
from windvane.errors import InputError
from windvane.forecasts import Forecast, identity_of, is_quantile, tidy
from windvane.panel import Panel
from windvane.schema import QUANTILE_LEVELS

if TYPE_CHECKING:
    from windvane.store import Workspace

_RESAMPLES, _SEED = 1000, 1
_MODEL, _THEIRS = "model", "theirs"


def judge(forecasts: Mapping[str, Sequence[Forecast]], panel: Panel, terms: Terms) -> pl.DataFrame:
    """Judge forecasts by what came, in units and in money.

    Args:
        forecasts: by name, one or more of different cutoffs; what not all of them foretell is left out.
        panel: what came; its keys are theirs.
        terms: what units cost and earn, and how long deliveries take; of the panel's series.

    Returns:
        One row per name, cheapest first: model, origins, series, wql (over the levels that all have), wape (of the
        median), bias, cost (money per series and period; see :func:`windvane.backtest.money.money`), saving (share of
        it that the cheapest saves), saving_low and saving_high (its 95 % interval, paired bootstrap over series).

    Raises:
        InputError: there is nothing that all of them foretell.
    """
    cutoffs = sorted(set.intersection(*({f.cutoff for f in several} for several in forecasts.values())))
    place = {day: i for i, day in enumerate(panel.dates.to_list())}
    cutoffs = [day for day in cutoffs if day in place]
    at = {(name, f.cutoff): f for name, several in forecasts.items() for f in several}
    sums: dict[str, dict[str, np.ndarray]] = {name: {} for name in forecasts}
    origins, rows_seen = 0, np.zeros(panel.shape[0], bool)
    for day in cutoffs:
        some = {name: at[name, day] for name in forecasts}
        rows = _common(some, panel)
        horizon = min(*(f.horizon for f in some.values()), panel.shape[1] - 1 - place[day])
        if not len(rows) or horizon < 1:
            continue
        origins += 1
        rows_seen[rows] = True
        levels = sorted(set.intersection(*(set(f.levels) for f in some.values())))
        for name, found in some.items():
            told = _losses(_trimmed(found, panel, rows, horizon), panel, (place[day], rows), terms.take(rows), levels)
            for key, value in told.items():
                sums[name].setdefault(key, np.zeros(panel.shape[0]))[rows] += value
    if not origins:
        raise InputError(
            "no series and cutoff is foretold by all: " + ", ".join(forecasts) + ".",
            "Check keys, cutoffs (closed periods of the panel) and dates.",
            column="cutoff",
        )
    out = []
    best = min(sums, key=lambda name: float(sums[name]["cost"].sum()))
    for name, total in sums.items():
        sold, periods = float(total["sold"].sum()), float(total["periods"].sum())
        gain = paired_gain(sums[best]["cost"][rows_seen], total["cost"][rows_seen], _RESAMPLES, _SEED)
        out.append(
            {"model": name, "origins": origins, "series": int(rows_seen.sum())}
            | {key: float(total[key].sum()) / sold if sold > 0 else None for key in ("wql", "wape", "bias")}
            | {"cost": float(total["cost"].sum()) / periods if periods > 0 else None}
            | {"saving": gain.value, "saving_low": gain.low, "saving_high": gain.high}
        )
    return pl.DataFrame(out).sort("cost", "model", nulls_last=True)


def read_forecasts(frame: pl.DataFrame, panel: Panel) -> dict[str, list[Forecast]]:
    """Forecasts of a sheet: one per model and cutoff.

    Args:
        frame: the panel's key columns, cutoff (last period known), date, quantiles as q0.1 or a mean (or both), and
            optionally model. Where there are no quantiles, the mean gets those of a Poisson variable.
        panel: the series; what of the sheet is not in it is left out.

    Raises:
        InputError: a column is missing, or steps are; names it.
    """
    keys = panel.keys.columns
    names = [n for n in frame.columns if is_quantile(n)]
    for need in (*keys, "cutoff", "date"):
        if need not in frame.columns:
            raise InputError(f"the sheet has no column {need!r}.", "Add or rename it.", column=need)
    if not names and "mean" not in frame.columns:
        raise InputError("the sheet has neither a mean nor quantiles.", "Add mean, or q0.1 ... q0.9.", column="mean")
    kind = panel.dates.dtype
    frame = frame.with_columns(pl.col(keys).cast(pl.String), pl.col("cutoff", "date").cast(kind))
    frame = frame.join(panel.keys.with_columns(pl.all().cast(pl.String)), on=keys, how="semi")
    if not frame.height:
        told = f"Check the columns {', '.join(keys)}."
        raise InputError("no series of the sheet is in this shop.", told, column=keys[0])
    if not names:
        frame = _poisson(frame)
    if _MODEL not in frame.columns:
        frame = frame.with_columns(pl.lit(_THEIRS).alias(_MODEL))
    steps = panel.freq.numbers(frame["date"]) - panel.freq.numbers(frame["cutoff"])
    frame = frame.with_columns(pl.Series("step", steps).cast(pl.Int64))
    out: dict[str, list[Forecast]] = {}
    for (name, _), part in frame.group_by([_MODEL, "cutoff"], maintain_order=True):
        out.setdefault(str(name), []).append(Forecast.from_frame(part, keys, panel.counts))
    return out


def of_sheet(workspace: Workspace, frame: pl.DataFrame, preset: str = "fast") -> pl.DataFrame:
    """Judge a sheet of forecasts on a shop's history, beside a preset and a moving average made as of its cutoffs.

    Costs and terms are those of the first cutoff, as they were known then.

    Args:
        workspace: the shop.
        frame: see :func:`read_forecasts`; its keys are sku and location.
        preset: of our own forecast.

    Returns:
        See :func:`judge`.

    Raises:
        InputError: the sheet cannot be read, or its cutoffs are no past periods of the shop.
    """
    from windvane.clean import build
    from windvane.decisions.costs import terms
    from windvane.models.registry import model
    from windvane.outlook.produce import forecast

    config, read = workspace.config, workspace.tables.read
    cleaned = build(read, config)
    panel = cleaned.panel
    theirs = read_forecasts(frame, panel)
    cutoffs = sorted({f.cutoff for several in theirs.values() for f in several})
    ours: dict[str, list[Forecast]] = {f"windvane {preset}": [], "moving average": []}
    for day in cutoffs:
        then = panel.as_of(day)
        horizon = min(f.horizon for several in theirs.values() for f in several if f.cutoff == day)
        ours[f"windvane {preset}"].append(forecast(then, horizon, preset))
        usual = model("moving_average").fit(then, horizon, np.random.default_rng(_SEED))
        ours["moving average"].append(usual.predict(then))
    first = panel.freq.last_day(cutoffs[0])
    known = terms(panel.as_of(cutoffs[0]), partial(read, known_by=first), config.decide, first)
    return judge(theirs | ours, panel, known)


def _common(some: Mapping[str, Forecast], panel: Panel) -> np.ndarray:
    """Rows of the panel that all forecasts have."""
    kept = np.ones(panel.shape[0], bool)
    for found in some.values():
        kept &= np.isin(panel.identity, identity_of(found.keys))
    return np.flatnonzero(kept)


def _trimmed(found: Forecast, panel: Panel, rows: np.ndarray, horizon: int) -> Forecast:
    """A forecast of some series of the panel, in its order, over so many periods."""
    own = identity_of(found.keys)
    order = np.argsort(own)
    taken = found.take(order[np.searchsorted(own[order], panel.identity[rows])])
    mean, quantiles = tidy(taken.mean[:, :horizon], taken.quantiles[:, :horizon], counts=False)
    return replace(taken, mean=mean, quantiles=quantiles, dates=taken.dates[:horizon], counts=panel.counts)


def _losses(
    found: Forecast, panel: Panel, where: tuple[int, np.ndarray], terms: Terms, levels: list[float]
) -> dict[str, np.ndarray]:
    """Sums per series: quantile loss, absolute error of the median, error of the mean, units sold, money, periods."""
    cutoff, rows = where
    past = panel.take(rows)
    sales = past.sales[:, cutoff + 1 : cutoff + 1 + found.horizon].astype(np.float64)
    known = ~np.isnan(sales) & (past.launch <= cutoff)[:, None]
    picked = np.stack([found.quantile(level) for level in levels], axis=2)
    cost = money(found, past, cutoff, terms)
    priced = ~np.isnan(cost)
    width = window(terms, found.horizon)

    def summed(values: np.ndarray) -> np.ndarray:
        out: np.ndarray = np.where(known, values, 0.0).sum(axis=1)
        return out

    return {
        "wql": summed(pinball(sales, picked, np.asarray(levels))),
        "wape": summed(np.abs(sales - found.quantile(0.5))),
        "bias": summed(found.mean - sales),
        "sold": summed(sales),
        "cost": np.where(priced, cost, 0.0) * width,
        "periods": priced * float(width),
    }


def _poisson(frame: pl.DataFrame) -> pl.DataFrame:
    """A sheet of means with Poisson quantiles."""
    from scipy.stats import poisson

    mean = frame["mean"].cast(pl.Float64).to_numpy()
    if not (np.isfinite(mean) & (mean >= 0)).all():
        raise InputError("a mean is empty or below 0.", "Give a number from 0 in every row.", column="mean")
    found = {f"q{p:g}": np.where(mean > 0, poisson.ppf(p, np.maximum(mean, 1e-9)), 0.0) for p in QUANTILE_LEVELS}
    return frame.with_columns(**{name: pl.Series(values) for name, values in found.items()})
