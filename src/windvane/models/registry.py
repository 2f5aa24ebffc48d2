"""Every model by name, imported on use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from windvane.errors import ConfigError
from windvane.models.base import PointModel
from windvane.models.wrappers.calibrate import Calibrated
from windvane.schema import QUANTILE_LEVELS

MODELS: Mapping[str, tuple[str, str, dict[str, object]]] = {
    "naive": ("windvane.models.naive", "Naive", {}),
    "seasonal_naive": ("windvane.models.naive", "Naive", {"seasonal": True}),
    "moving_average": ("windvane.models.naive", "MovingAverage", {}),
    "ses": ("windvane.models.smoothing", "Smoothing", {}),
    "holt": ("windvane.models.smoothing", "Smoothing", {"trend": True}),
    "seasonal_es": ("windvane.models.smoothing", "Smoothing", {"seasonal": True}),
    "croston": ("windvane.models.intermittent", "Croston", {}),
    "sba": ("windvane.models.intermittent", "Croston", {}),
    "tsb": ("windvane.models.intermittent", "Croston", {}),
    "structured": ("windvane.models.structured.model", "Structured", {}),
    "planned_seasonal_es": ("windvane.models.wrappers.planned", "Planned", {"inner": "seasonal_es"}),
    "planned_tsb": ("windvane.models.wrappers.planned", "Planned", {"inner": "tsb"}),
    "boosted": ("windvane.models.boosted.model", "Boosted", {}),
    "chained": ("windvane.models.boosted.chained", "Chained", {}),
    "planned_chained": ("windvane.models.wrappers.planned", "Planned", {"inner": "chained"}),
    "blend": ("windvane.models.wrappers.blend", "Blend", {"members": ("structured", "boosted", "planned_chained")}),
    "blend_wide": (
        "windvane.models.wrappers.blend",
        "Blend",
        {"members": ("structured", "boosted", "planned_seasonal_es", "planned_tsb")},
    ),
}
"""Name -> module, class, arguments besides the name."""


def point_model(name: str) -> PointModel:
    """The point model of a name; see :mod:`windvane.models.wrappers.prepared` for names like ``log1p(ses)``.

    Raises:
        ConfigError: no model has that name.
    """
    if name not in MODELS:
        from windvane.models.wrappers.prepared import Prepared, parts

        found = parts(name)
        if found is not None:
            how, inner = found
            return Prepared(name, point_model(inner), how)
        raise ConfigError(f"no model is called {name!r}.", f"Choose from {', '.join(MODELS)}.")
    module, cls, arguments = MODELS[name]
    model: PointModel = getattr(import_module(module), cls)(name=name, **arguments)
    return model


def model(name: str, levels: tuple[float, ...] = QUANTILE_LEVELS, dependent: bool = True) -> Calibrated:
    """The model of a name, with calibrated uncertainty.

    Example:
        >>> model("ses").name
        'ses'

    Raises:
        ConfigError: no model has that name.
    """
    return Calibrated(point_model(name), levels, dependent)
