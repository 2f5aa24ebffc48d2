"""Parameters kept per series, found again by the series' identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.models.base import Artifact
from windvane.panel import Panel


@dataclass(frozen=True)
class SeriesTable:
    """One row of parameters per series.

    Attributes:
        identity: uint64 [series], see :attr:`windvane.panel.Panel.identity`.
        values: float64 [series, parameters].
    """

    identity: np.ndarray
    values: np.ndarray

    def of(self, panel: Panel) -> np.ndarray:
        """Parameters of a panel's series, float64 [series, parameters]; the median row for unknown series."""
        order = np.argsort(self.identity)
        spot = np.searchsorted(self.identity, panel.identity, sorter=order).clip(max=len(order) - 1)
        found = self.identity[order[spot]] == panel.identity
        out = self.values[order[spot]]
        if not found.all():
            out = np.where(found[:, None], out, np.median(self.values, axis=0)[None, :])
        return np.ascontiguousarray(out)

    def artifact(self, **values: object) -> Artifact:
        """The table, with further JSON values, as an artifact."""
        return Artifact(arrays={"identity": self.identity, "values": self.values}, values=values)

    @classmethod
    def restore(cls, artifact: Artifact) -> SeriesTable:
        """Rebuild it."""
        return cls(artifact.arrays["identity"], artifact.arrays["values"])
