"""The outside world's time, in one replaceable object.

Everything that needs "now" asks :data:`CLOCK`, so that tests and replays can hold time still.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Reads wall-clock and monotonic time; :meth:`hold` freezes the former."""

    def __init__(self) -> None:
        self._held: datetime | None = None

    def now(self) -> datetime:
        """Current moment, timezone-aware, in UTC."""
        return self._held or datetime.now(UTC)

    def seconds(self) -> float:
        """Monotonic seconds, for durations only."""
        return time.perf_counter()

    def hold(self, moment: datetime | None) -> None:
        """Freeze :meth:`now` at ``moment`` (UTC); ``None`` lets it run again."""
        self._held = moment


CLOCK = Clock()
