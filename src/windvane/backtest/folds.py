"""Which pasts a backtest replays, and how series are grouped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from windvane.panel import Panel

Use = Literal["choose", "report"]
SEGMENTS = ("fast", "slow", "intermittent", "new")
"""fast: sells in most periods; slow: at least every fourth; intermittent: less often; new: launched recently."""

_NEW_DAYS = 56
_RECENT = 112


@dataclass(frozen=True)
class Fold:
    """One replayed past: models see the columns up to ``cutoff`` and are judged on the horizon after it."""

    cutoff: int
    use: Use


def folds(panel: Panel, horizon: int, choose: int, report: int) -> list[Fold]:
    """Rolling-origin folds, one horizon apart, oldest first; the newest ends with the panel.

    The older ones serve to choose and calibrate, the newer ones only to report. Where the history is too short
    for all, one fold to choose comes first, then reported ones, then further ones to choose.
    """
    least = max(horizon, min(2 * panel.freq.season, panel.shape[1] // 3), 4)
    fit = max(0, (panel.shape[1] - least) // horizon)
    to_choose = min(1, choose, fit)
    to_report = min(report, fit - to_choose)
    to_choose += min(choose - to_choose, fit - to_choose - to_report)
    count = to_choose + to_report
    last = panel.shape[1] - 1
    return [Fold(last - horizon * (count - i), "choose" if i < to_choose else "report") for i in range(count)]


def segments(panel: Panel) -> np.ndarray:
    """Segment of every series at the panel's cutoff, text [series], from its own past alone."""
    time = panel.shape[1]
    age = time - panel.launch
    begin = max(0, time - _RECENT)
    recent = panel.sales[:, begin:]
    on_sale = ~np.isnan(recent) & (np.arange(begin, time)[None, :] >= panel.launch[:, None])
    share = ((recent > 0) & on_sale).sum(1) / np.maximum(on_sale.sum(1), 1)
    new = age * panel.freq.days < _NEW_DAYS
    return np.select([new, share >= 0.75, share >= 0.25], ["new", "fast", "slow"], "intermittent")
