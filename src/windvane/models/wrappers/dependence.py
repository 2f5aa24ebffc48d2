"""What moves together: past errors on shared dates, whose rank order the sample paths borrow."""

from __future__ import annotations

import numpy as np

from windvane.panel import Panel

_MAX_BLOCKS = 48


def error_blocks(panel: Panel, horizon: int, stride: int | None = None) -> np.ndarray:
    """Errors of a seasonal smoothing forecast at origins shared by all series.

    Each block is one origin's errors over the whole horizon, so that errors of a wrong level stay together over
    steps, and common shocks stay together across series. Periods before a launch count as no error.

    Args:
        panel: the series.
        horizon: steps per block.
        stride: periods between origins; default a third of the horizon, at most a week.

    Returns:
        float32 [series, blocks, horizon]; at least one block.
    """
    from windvane.models.smoothing import Smoothing

    time = panel.shape[1]
    stride = stride or max(1, min(horizon // 3, panel.freq.season, 7))
    last = time - 1 - horizon
    if last < 1:
        return np.zeros((panel.shape[0], 1, horizon), np.float32)
    origins = np.arange(last, max(0, min(last - 1, time // 4)), -stride)[:_MAX_BLOCKS][::-1]
    fitted = Smoothing(name="seasonal_es", seasonal=True).fit(panel, horizon, np.random.default_rng(0))
    means = fitted.means(panel, origins.astype(np.int64), horizon)
    columns = origins[:, None] + 1 + np.arange(horizon)[None, :]
    errors = panel.sales[:, columns] - means
    scale = np.sqrt(np.maximum(means.mean(axis=2, keepdims=True), 1e-6))
    errors /= scale
    errors[~np.isfinite(errors)] = 0.0
    return np.ascontiguousarray(errors, dtype=np.float32)
