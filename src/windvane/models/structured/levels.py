"""How fast each series' level forgets, and whether it has a pattern of the week of its own: chosen by its past."""

from __future__ import annotations

import numpy as np

from windvane.engine import map_parts
from windvane.models.smoothing import spans
from windvane.models.structured import design
from windvane.panel import Panel

CYCLE = {"1h": 24, "1d": 7, "1w": 1, "1mo": 1}
"""Periods after which a series' own pattern comes round."""

_ALPHAS = (0.007, 0.015, 0.025, 0.04, 0.06, 0.09, 0.13, 0.2, 0.3, 0.45)
_FIRMS = (np.inf, 60.0, 15.0)
"""Units that draw a series' own weekday to the group's; infinite = it has none."""
_STRIDE = {"1h": 24, "1d": 14, "1w": 1, "1mo": 1}
_WINDOW = {"1h": 1344, "1d": 224, "1w": 104, "1mo": 48}
_POOL = (0.15, 1.0)  # weight of what suits all series of a kind in the choice for one of them: usual, seasonal goods
_YEARS = 1.1  # over which seasonal goods are judged: the newest half a year may hold none of their season


def choose(
    panel: Panel, horizon: int, due: tuple[np.ndarray, np.ndarray, np.ndarray], kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What levels keep from one period to the next, and the firm units of own patterns, float64 [series] each.

    Args:
        panel: the series.
        horizon: steps over which candidates are judged.
        due: group of every series, effects of days [groups, time], responses [series, time].
        kind: 1 = the series has a season of its own, int64 [series].
    """
    keeps, firms = 1 - np.array(_ALPHAS), np.array(_FIRMS if CYCLE[panel.freq.unit] > 1 else _FIRMS[:1])
    loss = np.empty((panel.shape[0], len(keeps), len(firms)))
    for which in np.unique(kind):
        _judge(panel, horizon, due, (keeps, firms), (kind == which, int(which)), loss)
    keep, firm = np.divmod(_best(loss.reshape(len(loss), -1), kind), len(firms))
    return keeps[keep], firms[firm]


def _judge(
    panel: Panel,
    horizon: int,
    due: tuple[np.ndarray, np.ndarray, np.ndarray],
    tried: tuple[np.ndarray, np.ndarray],
    kind: tuple[np.ndarray, int],
    loss: np.ndarray,
) -> None:
    """Write the squared errors of every candidate for the series of a kind, [series, keeps, firms]."""
    from windvane.models.structured.kernels import select

    (group, effect, factor), (some, seasonal), unit = due, kind, panel.freq.unit
    window = max(_WINDOW[unit], round(_YEARS * design.PERIODS[unit])) if seasonal else _WINDOW[unit]
    shape = np.array([CYCLE[unit], horizon, _STRIDE[unit], window], np.int64)
    launch = panel.launch

    def part(span: slice) -> None:
        rows = np.flatnonzero(some[span]) + span.start
        found = np.empty((len(rows), *loss.shape[1:]))
        select(panel.sales[rows], launch[rows], group[rows], effect, factor[rows], *tried, shape, found)
        loss[rows] = found

    map_parts(part, spans(panel.shape[0]))


def _best(loss: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Candidate of every series, int64 [series]: its own loss, drawn to what suits all of its kind."""
    own = loss / np.maximum(np.nanmin(loss, axis=1, keepdims=True, initial=np.inf), 1e-12)
    told = np.isfinite(own).all(axis=1)
    choice = np.zeros(len(loss), np.int64)
    for which in np.unique(kind):
        rows = np.flatnonzero(kind == which)
        sure = told[rows]
        pooled = np.arange(loss.shape[1], dtype=np.float64)
        if sure.any():
            pooled = own[rows[sure]].clip(max=10).mean(axis=0)
        choice[rows] = np.where(sure[:, None], own[rows] + _POOL[int(which)] * pooled, pooled).argmin(axis=1)
    return choice
