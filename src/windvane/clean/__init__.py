"""From raw tables to the clean demand panel, as of a day."""

from __future__ import annotations

from windvane.clean.build import Cleaned, build

__all__ = ["Cleaned", "build"]
