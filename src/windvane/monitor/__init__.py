"""Whether forecasts hold and data keep coming."""

from __future__ import annotations

from windvane.monitor.accuracy import accuracy
from windvane.monitor.data_health import data_health

__all__ = ["accuracy", "data_health"]
