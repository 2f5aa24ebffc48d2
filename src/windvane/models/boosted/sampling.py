"""Which rows of the past the trees learn from, and what each weighs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from windvane.features.rows import Rows
from windvane.models.structured.design import CLOSED
from windvane.panel import Known, Panel

_FEW = 20_000  # rows below which origins are drawn several times, each with steps of its own
_MOST_DRAWS = 8
_SETTLED = 2  # periods on sale before the first origin


def sample(panel: Panel, horizon: int, most: int, rng: np.random.Generator) -> Rows:
    """Draw training rows: origins a season apart back from the newest, each series at each with one random step.

    Origins lie closer where that leaves few rows, and are drawn several times where the panel is small. Cells whose
    sales are unknown (out of stock, not yet on sale) are no targets.

    Args:
        panel: the series.
        horizon: largest step.
        most: at most about this many rows; the oldest origins are the first to be left out by weight, rows at random.
        rng: generator.

    Returns:
        Rows sorted by series, origin and step.
    """
    time = panel.shape[1]
    usable = ~np.isnan(panel.sales) & (np.arange(time)[None, :] > panel.launch[:, None] + _SETTLED)
    cells = int(usable.sum())
    stride = panel.freq.season if panel.freq.unit in ("1h", "1d") else 1
    stride = stride if cells >= _FEW * stride else 1
    draws = int(np.clip(-(-_FEW // max(cells // stride, 1)), 1, _MOST_DRAWS))
    parts = [_draw(panel, usable, horizon, np.arange(time - 2, -1, -stride)[::-1], rng) for _ in range(draws)]
    series, origin, step = (np.concatenate([part[k] for part in parts]) for k in range(3))
    if len(series) > most:
        kept = np.sort(rng.choice(len(series), most, replace=False))
        series, origin, step = series[kept], origin[kept], step[kept]
    # The same row drawn twice would only weigh double.
    order = np.unique((series.astype(np.int64) * time + origin) * (horizon + 1) + step, return_index=True)[1]
    return Rows(series[order], origin[order], step[order])


def _draw(
    panel: Panel, usable: np.ndarray, horizon: int, origins: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step for every series and origin, as far as the target is known; int32 each."""
    room = np.minimum(horizon, panel.shape[1] - 1 - origins)
    step = (rng.random((panel.shape[0], len(origins))) * room[None, :]).astype(np.int32) + 1
    found = np.take_along_axis(usable, origins[None, :] + step, axis=1) & (origins[None, :] >= panel.launch[:, None])
    series, at = np.nonzero(found)
    return series.astype(np.int32), origins[at].astype(np.int32), step[series, at]


def shut(panel: Panel, rows: Rows) -> np.ndarray:
    """Whether the target of each row is known to be a closed day, bool [rows]."""
    out = np.zeros(len(rows), bool)
    for name in CLOSED:
        if name in panel.known:
            out |= panel.known[name].seen(rows.series, rows.origin, rows.origin + rows.step) > 0
    return out


def unplanned(panel: Panel) -> Panel | None:
    """The panel as one sees it who makes no plans; None where all plans are always known.

    A model that has always seen the plans would not know what to expect where none has been made yet.
    """
    hidden = {}
    for name, known in panel.known.items():
        if known.policy == "unknown" and known.since is not None:
            own = np.broadcast_to(np.arange(known.since.shape[1], dtype=np.int32), known.since.shape)
            hidden[name] = Known(known.values, np.maximum(known.since, own), known.policy)
    return replace(panel, known={**panel.known, **hidden}) if hidden else None


def weights(panel: Panel, rows: Rows, size: np.ndarray, half_life: float, volume: float, revenue: bool) -> np.ndarray:
    """What each row weighs, float32 [rows], 1 on average.

    Args:
        panel: the series.
        rows: the rows.
        size: usual sales of each row's series, over the mean of all, float [rows].
        half_life: age of the target in periods at which a row weighs half.
        volume: 0 = an error of a piece weighs the same in every series; 1 = an error of a tenth does.
        revenue: whether rows weigh by the price, where there is one.
    """
    age = panel.shape[1] - 1 - (rows.origin + rows.step)
    weight = 0.5 ** (age / half_life) * (size + 0.05) ** -volume
    if revenue:
        weight *= prices(panel)[rows.series]
    out: np.ndarray = (weight / weight.mean()).astype(np.float32)
    return out


def prices(panel: Panel) -> np.ndarray:
    """Mean price of every series over the mean of all, float64 [series], between a tenth and ten; 1 where unknown."""
    out = np.ones(panel.shape[0])
    if "price" in panel.known:
        values = panel.known["price"].values[:, : panel.shape[1]]
    elif "price" in panel.past:
        values = panel.past["price"]
    else:
        return out
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(1, dtype=np.float64), known.sum(1)
    mean = total / np.maximum(count, 1)
    usual = float(mean[mean > 0].mean()) if (mean > 0).any() else 1.0
    return np.where(mean > 0, np.clip(mean / usual, 0.1, 10.0), out)
