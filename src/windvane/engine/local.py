"""Work over parts of series, on the threads of this machine.

Kernels that release the interpreter's lock (numba ``nogil``, polars, numpy) run side by side; results come back in
the order of the parts, whatever order they end in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from windvane.engine.progress import SILENT, Progress

Part = TypeVar("Part")
Result = TypeVar("Result")


def thread_count() -> int:
    """Threads to use: ``WINDVANE_THREADS`` if set, else the processors this process may run on."""
    asked = os.environ.get("WINDVANE_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_parts(
    function: Callable[[Part], Result],
    parts: Iterable[Part],
    threads: int | None = None,
    *,
    label: str = "",
    progress: Progress = SILENT,
) -> list[Result]:
    """Apply a function to every part, several at a time, and keep the parts' order.

    Args:
        function: called once per part, possibly from several threads at once.
        parts: the parts.
        threads: how many at a time; :func:`thread_count` where absent. 1 runs in the calling thread.
        label: what is being done, for the progress bar.
        progress: told of every part that is done.

    Returns:
        One result per part, in the order of the parts.

    Raises:
        Exception: the first error of a part; parts not yet begun are dropped.
    """
    todo = list(parts)
    errors: list[Exception] = []

    def guarded(part: Part) -> Result:
        # Cancelling takes the caller a moment; until then workers would go on to later parts.
        if errors:
            raise CancelledError
        try:
            return function(part)
        except Exception as error:
            errors.append(error)
            raise

    count = min(threads or thread_count(), len(todo))
    with progress.task(label, len(todo)) as task:
        if count <= 1:
            results: list[Result] = []
            for part in todo:
                results.append(function(part))
                task.advance()
            return results
        with ThreadPoolExecutor(count, thread_name_prefix="windvane") as pool:
            futures = [pool.submit(guarded, part) for part in todo]
            pending: set[Future[Result]] = set(futures)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    if future.exception() is not None:
                        for other in pending:
                            other.cancel()
                        raise errors[0] if errors else future.exception()  # type: ignore[misc]
                    task.advance()
            return [future.result() for future in futures]
