"""Windvane: demand and trend forecasting for online shops, from raw orders to decisions in money.

Names are loaded on first use, so that importing costs next to nothing.

Example:
    >>> import windvane as wv
    >>> wv.Panel.from_frame  # doctest: +ELLIPSIS
    <bound method Panel.from_frame of ...>
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windvane import ingest as _ingest
    from windvane import report as _report
    from windvane.config import Config as Config
    from windvane.errors import WindvaneError as WindvaneError
    from windvane.forecasts import Forecast as Forecast
    from windvane.futures import Scenario as Scenario
    from windvane.ingest.calendar import with_holidays as with_holidays
    from windvane.outlook.produce import forecast as forecast
    from windvane.panel import Panel as Panel
    from windvane.pipeline import run as run
    from windvane.store import Run as Run
    from windvane.store import Workspace as Workspace

    ingest_files = _ingest.ingest
    export_table = _report.export
    write_report = _report.write

__version__ = "0.2.0"

_PUBLIC = {
    "Config": ("windvane.config", "Config"),
    "Forecast": ("windvane.forecasts", "Forecast"),
    "Panel": ("windvane.panel", "Panel"),
    "Run": ("windvane.store", "Run"),
    "Scenario": ("windvane.futures", "Scenario"),
    "WindvaneError": ("windvane.errors", "WindvaneError"),
    "Workspace": ("windvane.store", "Workspace"),
    "export_table": ("windvane.report", "export"),
    "forecast": ("windvane.outlook.produce", "forecast"),
    "ingest_files": ("windvane.ingest", "ingest"),
    "write_report": ("windvane.report", "write"),
    "run": ("windvane.pipeline", "run"),
    "with_holidays": ("windvane.ingest.calendar", "with_holidays"),
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'windvane' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
