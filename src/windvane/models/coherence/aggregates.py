"""The panel of what stands above the series, so that any model can forecast it as it forecasts series."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.models.coherence.hierarchy import Hierarchy
from windvane.panel import Panel

_ALPHA = 0.1


def aggregate_panel(hierarchy: Hierarchy, panel: Panel) -> Panel:
    """Sales of all nodes above the series, one row each, in the order of the nodes.

    A cell that is unknown (out of stock, mostly) counts as the series' mean sales before it, exponentially weighted, so
    that an empty shelf is no dip of the category; nothing later is read. Covariates are not summed: the panel has none.

    Args:
        hierarchy: the hierarchy of the panel's series.
        panel: the series.

    Returns:
        A panel with the keys ``level`` and ``node``, sales float32 [nodes above the series, time].
    """
    from windvane.models.coherence.kernels import filled

    sales = np.empty(panel.shape, np.float32)
    filled(np.ascontiguousarray(panel.sales), panel.launch, _ALPHA, sales)
    above = slice(0, hierarchy.nodes - hierarchy.series)
    keys = hierarchy.frame()[above].select(pl.col("level", "node"))
    sums = np.ascontiguousarray(hierarchy.sums(sales)[above], dtype=np.float32)
    return Panel(keys, sums, panel.dates, panel.freq, counts=panel.counts)
