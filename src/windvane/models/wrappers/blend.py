"""The equally weighted mean of several point models: hard to beat, and steadier than any of them.

Source: Bates and Granger (1969), The combination of forecasts, Operational Research Quarterly 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from windvane.models.base import POOLED, Artifact, Capabilities, FittedPoint, PointModel
from windvane.panel import Panel


@dataclass(frozen=True)
class FittedBlend:
    """Fitted members, by name."""

    members: Mapping[str, FittedPoint]

    def means(self, panel: Panel, origins: np.ndarray, horizon: int) -> np.ndarray:
        """See :class:`windvane.models.base.FittedPoint`."""
        out = np.zeros((panel.shape[0], len(origins), horizon), np.float32)
        for member in self.members.values():
            out += member.means(panel, origins, horizon)
        return out / np.float32(len(self.members))

    def artifact(self) -> Artifact:
        """The members' artifacts, each key behind the member's name."""
        return Artifact.joined({name: member.artifact() for name, member in self.members.items()})


@dataclass(frozen=True)
class Blend:
    """Equally weighted mean of models from the registry."""

    name: str = "blend"
    members: tuple[str, ...] = ("structured", "boosted", "planned_chained")
    capabilities: Capabilities = POOLED

    def models(self) -> dict[str, PointModel]:
        """The members."""
        from windvane.models.registry import point_model

        return {name: point_model(name) for name in self.members}

    def fit(self, panel: Panel, horizon: int, rng: np.random.Generator) -> FittedBlend:
        """Fit every member, each with the same seed."""
        seed = int(rng.integers(2**31))
        fitted: dict[str, FittedPoint] = {}
        return FittedBlend({n: fit_once(m, panel, horizon, seed, fitted) for n, m in self.models().items()})

    def restore(self, artifact: Artifact) -> FittedBlend:
        """Rebuild it."""
        return FittedBlend({name: model.restore(artifact.part(name)) for name, model in self.models().items()})


def fit_once(model: PointModel, panel: Panel, horizon: int, seed: int, fitted: dict[str, FittedPoint]) -> FittedPoint:
    """Fit a model, or take it from those ``fitted`` to the panel; a blend takes its members from there too.

    Args:
        model: the model.
        panel: the series.
        horizon: periods forecast.
        seed: seed of fitting.
        fitted: models fitted to the panel, by name; what is fitted here is added.
    """
    if model.name not in fitted:
        if isinstance(model, Blend):
            members = {n: fit_once(m, panel, horizon, seed, fitted) for n, m in model.models().items()}
            fitted[model.name] = FittedBlend(members)
        else:
            fitted[model.name] = fit_beside(model, panel, horizon, seed, fitted)
    return fitted[model.name]


def fit_beside(model: PointModel, panel: Panel, horizon: int, seed: int, fitted: dict[str, FittedPoint]) -> FittedPoint:
    """Fit a model beside others of the same panel: what builds on a structured model shares one.

    Args:
        model: the model.
        panel: the series.
        horizon: periods forecast.
        seed: seed of fitting.
        fitted: models fitted to the panel, by name; a structured one that is fitted here is added.
    """
    from windvane.models.boosted.model import Boosted
    from windvane.models.structured.model import FittedStructured, Structured
    from windvane.models.wrappers.planned import Planned

    rng = np.random.default_rng(seed)
    if isinstance(model, Boosted) or (isinstance(model, Planned) and panel.known):
        base = fitted.get("structured")
        if not isinstance(base, FittedStructured):
            base = fitted["structured"] = Structured().fit(panel, horizon, np.random.default_rng(seed))
        return model.fit_on(base, panel, horizon, rng)
    return model.fit(panel, horizon, rng)
