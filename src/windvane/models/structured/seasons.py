"""Seasons of single series: goods that sell for a part of the year only, and return each year.

The sum of a group knows nothing of its sledges and its swimwear. Where a series has been on sale for two years, what it
sold in each week of the year, over what days and prices brought, is a profile of its own: waves of the year, and what
these leave, smoothed over neighbouring weeks and years and drawn to none by some units. It is believed only where one
year foretells the other beyond chance: each year is scored by the profile of the other years, beside no profile at all.

Source: waves of the year in a Poisson regression, McCullagh and Nelder (1989), Generalized Linear Models; the idea of
cross-validated smoothing, Stone (1974), Cross-validatory choice and assessment of statistical
predictions, JRSS B 36; the score is a quasi-Poisson likelihood.
"""

from __future__ import annotations

import numpy as np

from windvane.models.series_table import SeriesTable
from windvane.models.structured.design import WEEKS, YEARS, week_of_year
from windvane.panel import Panel

_REACH = 2.0  # weeks that a week's neighbours count over (standard deviation of a normal kernel)
_DRAWN = 12.0  # units that draw a week's ratio to that of the waves
_LITTLE = 4.0  # units added to a year's sales before growth is taken from them
_WAVES, _ROUNDS = 2, 12
_WAVE, _MEAN = 1.0, 0.25  # how far the first wave, and the mean, lie from none, as standard deviations of logs
_GAIN = 6.0  # log-likelihood beyond which a season is no chance
_NOISE = 0.3  # relative variance of a smoothed month that does not shrink with its volume
_LEAST, _MOST = -4.0, 2.0
_GROWTH = 1.5  # most that the logarithm of a level changes in a year
_SHARE = 0.7  # of a year's demand in its better half, from which goods are seasonal


def learn(panel: Panel, due: np.ndarray) -> SeriesTable | None:
    """Logarithms of the profiles, [series, WEEKS]; 0 where there is none. None if no series has one.

    Args:
        panel: the series.
        due: what days, prices and promotions multiplied sales by, float32 [series, time].
    """
    days = panel.freq.days
    if panel.freq.unit not in ("1d", "1w") or panel.shape[1] * days < YEARS * 365.25:
        return None
    old = np.flatnonzero((panel.shape[1] - panel.launch) * days >= YEARS * 365.25)
    if not len(old):
        return None
    week, year = _weeks(panel, 0, panel.shape[1])
    year = (year[-1] - year).astype(np.int64)
    years = int(year.max()) + 1
    cell = year * WEEKS + week
    seen = ~np.isnan(panel.sales[old]) & (np.arange(panel.shape[1])[None, :] >= panel.launch[old][:, None])
    sold = _by_cell(np.where(seen, np.maximum(panel.sales[old], 0), 0), cell, years)
    brought = _by_cell(np.where(seen, due[old] * _trend(panel, old, due), 0), cell, years)
    good = _believed(sold, brought)
    if not good.any():
        return None
    out = np.zeros((panel.shape[0], WEEKS))
    out[old[good]] = np.clip(
        np.log(_profile(sold[good].sum(axis=1), _scaled(sold[good], brought[good]).sum(axis=1))), _LEAST, _MOST
    )
    return SeriesTable(panel.identity, out)


def _trend(panel: Panel, rows: np.ndarray, due: np.ndarray) -> np.ndarray:
    """What growth from the year before the last to the last brings, [rows, time]: it is no season."""
    time = panel.shape[1]
    year = round(365.25 / panel.freq.days)
    last, before = slice(time - year, time), slice(max(time - 2 * year, 0), time - year)
    rate = []
    for part in (before, last):
        seen = ~np.isnan(panel.sales[rows, part])
        sold = np.where(seen, np.maximum(panel.sales[rows, part], 0), 0).sum(axis=1, dtype=np.float64)
        rate.append((sold + _LITTLE) / (np.where(seen, due[rows, part], 0).sum(axis=1, dtype=np.float64) + 1e-9))
    growth = np.clip(np.log(rate[1] / rate[0]), -_GROWTH, _GROWTH)
    return np.exp(growth[:, None] * (np.arange(time) - time)[None, :] / year)


def values(table: SeriesTable, panel: Panel, width: int) -> np.ndarray:
    """Logarithms of the profiles of every period up to ``width``, float32 [series, width]."""
    week, _ = _weeks(panel, 0, width)
    order = np.argsort(table.identity)
    spot = np.searchsorted(table.identity, panel.identity, sorter=order).clip(max=len(order) - 1)
    found = table.identity[order[spot]] == panel.identity
    profile = np.where(found[:, None], table.values[order[spot]], 0.0)
    return np.ascontiguousarray(profile[:, week], dtype=np.float32)


def _weeks(panel: Panel, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Week of the year, 0 .. 52, and year of each period."""
    dates = panel.freq.dates(np.arange(panel.first + first, panel.first + stop))
    return week_of_year(dates), dates.dt.year().to_numpy()


def _by_cell(of: np.ndarray, cell: np.ndarray, years: int) -> np.ndarray:
    """Sums by year and week, float64 [series, years, WEEKS]."""
    from scipy.sparse import csr_matrix

    member = csr_matrix((np.ones(len(cell)), (np.arange(len(cell)), cell)), shape=(len(cell), years * WEEKS))
    return np.asarray(of.astype(np.float64) @ member).reshape(len(of), years, WEEKS)


def _smooth(of: np.ndarray) -> np.ndarray:
    """Smoothed round the circle of the year, along the last axis."""
    at = np.arange(WEEKS)
    gap = np.minimum(at, WEEKS - at)
    kernel = np.exp(-0.5 * (gap / _REACH) ** 2)
    spectrum = np.fft.rfft(of, axis=-1) * np.fft.rfft(kernel)
    return np.maximum(np.fft.irfft(spectrum, WEEKS, axis=-1), 0.0)


def _scaled(sold: np.ndarray, brought: np.ndarray) -> np.ndarray:
    """What each year would have sold in each week without a season: years differ in their level."""
    total, due = sold.sum(axis=2, keepdims=True), brought.sum(axis=2, keepdims=True)
    return brought * np.where(due > 0, total / np.maximum(due, 1e-9), 0.0)


def _profile(sold: np.ndarray, due: np.ndarray) -> np.ndarray:
    """Ratio of every week: waves, and the rest smoothed and drawn to them, [series, WEEKS]."""
    bent = np.exp(_waves(sold, due))
    found: np.ndarray = bent * (_smooth(sold) + _DRAWN) / (_smooth(due * bent) + _DRAWN)
    return found


def _waves(sold: np.ndarray, due: np.ndarray) -> np.ndarray:
    """Logarithm of the ratio as waves of the year, [series, WEEKS]: penalised Poisson regression, by Newton's steps."""
    harmonic = np.arange(1, _WAVES + 1)
    angle = 2 * np.pi * (np.arange(WEEKS) + 0.5)[None, :] * harmonic[:, None] * 7 / 365.25
    x = np.concatenate([np.ones((1, WEEKS)), np.sin(angle), np.cos(angle)]).T
    penalty = 1 / np.concatenate([[_MEAN], _WAVE / harmonic, _WAVE / harmonic]) ** 2
    b = np.zeros((len(sold), x.shape[1]))
    for _ in range(_ROUNDS):
        mean = due * np.exp(np.clip(b @ x.T, 2 * _LEAST, 2 * _MOST))
        scale = 1 + _NOISE * mean
        slope = ((sold - mean) / scale) @ x - penalty * b
        bend = np.einsum("sw,wi,wj->sij", mean / scale, x, x) + np.diag(penalty)
        b += np.clip(np.linalg.solve(bend, slope[:, :, None])[:, :, 0], -1.5, 1.5)
    found: np.ndarray = np.clip(b @ x.T, 2 * _LEAST, 2 * _MOST)
    return found


def _believed(sold: np.ndarray, brought: np.ndarray) -> np.ndarray:
    """Whether years foretell one another, bool [series]."""
    due = _scaled(sold, brought)
    gain = np.zeros(len(sold))
    whole = (brought > 0).sum(axis=2) >= WEEKS - 4
    told = np.zeros(len(sold))
    for year in range(sold.shape[1]):
        others = [k for k in range(sold.shape[1]) if k != year]
        ratio = _profile(sold[:, others].sum(axis=1), due[:, others].sum(axis=1))
        mean = due[:, year] * ratio
        # The year's own level is not what is tested.
        mean *= due[:, year].sum(axis=1, keepdims=True) / np.maximum(mean.sum(axis=1, keepdims=True), 1e-9)
        scale = 1 + _NOISE * np.maximum(sold[:, year], due[:, year])
        flat, bent = np.maximum(due[:, year], 1e-6), np.maximum(mean, 1e-6)
        each = (sold[:, year] * np.log(bent / flat) - bent + flat) / scale
        gain += np.where(brought[:, year] > 0, each, 0.0).sum(axis=1)
        told += whole[:, year] | (sold[:, others].sum(axis=(1, 2)) > 0)
    ratio = np.sort(_profile(sold.sum(axis=1), due.sum(axis=1)), axis=1)
    half = ratio[:, WEEKS // 2 :].sum(axis=1) / ratio.sum(axis=1)
    return (gain > _GAIN) & (told >= 2) & (half > _SHARE)
