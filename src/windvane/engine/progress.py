"""How long work says how far it is, without knowing who listens.

The command line passes an object that draws a bar; everything else passes :data:`SILENT`.
"""

from __future__ import annotations

from types import TracebackType


class Task:
    """One piece of work of known length; a context manager. This base class says nothing."""

    def advance(self, steps: float = 1) -> None:
        """Report that so many more steps are done."""

    def describe(self, text: str) -> None:
        """Say what is being done right now."""

    def __enter__(self) -> Task:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the task, whether or not all its steps were done."""


class Progress:
    """Hands out tasks. This base class listens to none of them."""

    def task(self, label: str, total: float | None = None) -> Task:
        """Begin a piece of work.

        Args:
            label: what is being done, for people.
            total: its number of steps; ``None`` if unknown.
        """
        return Task()


SILENT = Progress()
"""Progress that nobody listens to."""
