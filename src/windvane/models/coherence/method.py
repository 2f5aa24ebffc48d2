"""What a method of coherence is, and how one is applied."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from windvane.errors import ModelError
from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.past import Past


class Method(Protocol):
    """A way from forecasts of all nodes, which need not add up, to forecasts of the series."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def bottom(self, hierarchy: Hierarchy, base: np.ndarray, past: Past | None = None) -> np.ndarray:
        """Forecasts of the series, float32 [series, horizon], >= 0; those of aggregates are their sums.

        Args:
            hierarchy: the hierarchy.
            base: forecasts of all nodes, [nodes, horizon], finite.
            past: past forecasts of the same kind and what came; None where there is no backtest.

        Raises:
            ModelError: the method needs a past, or did not converge.
        """
        ...


def reconcile(hierarchy: Hierarchy, base: np.ndarray, method: Method, past: Past | None = None) -> np.ndarray:
    """Forecasts of all nodes that add up.

    Args:
        hierarchy: the hierarchy.
        base: forecasts of all nodes, [nodes, horizon].
        method: how.
        past: see :meth:`Method.bottom`.

    Returns:
        float32 [nodes, horizon], >= 0; the series lie at ``hierarchy.bottom``.

    Raises:
        ModelError: shapes do not fit, a forecast is not finite, or the method failed.
    """
    if base.ndim != 2 or len(base) != hierarchy.nodes:
        raise ModelError(f"forecasts of all nodes must be [{hierarchy.nodes}, horizon], not {list(base.shape)}.")
    if not np.isfinite(base).all():
        raise ModelError("the forecasts to be reconciled contain NaN or infinity.")
    if past is not None and len(past.forecasts) != hierarchy.nodes:
        raise ModelError(f"the past has {len(past.forecasts)} nodes, the hierarchy {hierarchy.nodes}.")
    return hierarchy.sums(method.bottom(hierarchy, base, past)).astype(np.float32)
