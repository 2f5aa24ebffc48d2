"""Progress on a terminal: a bar, what is being done, the time that remains."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from windvane.engine.progress import Progress, Task


class RichProgress(Progress):
    """Draws every task as a bar on standard error; tasks may be nested."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._open = 0

    def task(self, label: str, total: float | None = None) -> Task:
        """Begin a bar."""
        return _Bar(self, label, total)

    def begin(self) -> Bars:
        """The bars on the screen; drawn when the first task opens."""
        if self._bars is None:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        self._open += 1
        return self._bars

    def end(self) -> None:
        """Take the bars off the screen when the last task closes."""
        self._open -= 1
        if self._open == 0 and self._bars is not None:
            self._bars.stop()
            self._bars = None


class _Bar(Task):
    def __init__(self, owner: RichProgress, label: str, total: float | None) -> None:
        self._owner = owner
        self._label = label
        self._total = total

    def __enter__(self) -> Task:
        self._bars = self._owner.begin()
        self._id = self._bars.add_task(self._label, total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.remove_task(self._id)
        self._owner.end()

    def advance(self, steps: float = 1) -> None:
        self._bars.advance(self._id, steps)

    def describe(self, text: str) -> None:
        self._bars.update(self._id, description=f"{self._label}: {text}")
