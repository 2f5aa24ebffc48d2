"""From forecast paths to actions: what to reorder."""

from __future__ import annotations

from windvane.decisions.costs import economics
from windvane.decisions.inventory import propose

__all__ = ["economics", "propose"]
