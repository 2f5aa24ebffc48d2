"""What a stage costs: rows, wall seconds, processor seconds, peak memory.

Peak memory is the largest resident set of this process during the stage. On Linux the kernel's own high-water
mark is used (``VmHWM``, set back at the start through ``/proc/self/clear_refs``); where that is not allowed, a
thread looks at the resident set 20 times a second and may miss a shorter peak.
"""

from __future__ import annotations

import re
import resource
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_OPEN: list[Stage] = []
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Budget:
    """What one stage took.

    Attributes:
        stage: name of the stage.
        rows: rows it worked on.
        seconds: wall-clock seconds.
        cpu_seconds: processor seconds of this process and its children, all threads.
        peak_mb: largest resident memory of this process meanwhile, in MiB.
        memory_by: how the peak was found: 'kernel' or 'samples'.
    """

    stage: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    memory_by: str


class Stage:
    """Measures a block; set :attr:`rows` inside it, read :attr:`budget` after it.

    Stages may be nested: an inner stage's peak counts for the outer one too.

    Args:
        name: name of the stage.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.budget: Budget | None = None
        self._peak = 0.0
        self._stop = threading.Event()
        self._sampler: threading.Thread | None = None

    def __enter__(self) -> Stage:
        with _LOCK:
            _absorb()
            if not _reset_peak():
                self._sampler = threading.Thread(target=self._sample, name="windvane-meter", daemon=True)
                self._sampler.start()
            _OPEN.append(self)
        self._cpu = _cpu_seconds()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._start
        with _LOCK:
            _absorb()
            _OPEN.remove(self)
            _reset_peak()
        if self._sampler is not None:
            self._stop.set()
            self._sampler.join()
        by = "kernel" if self._sampler is None else "samples"
        cpu = _cpu_seconds() - self._cpu
        self.budget = Budget(self.name, int(self.rows), round(seconds, 4), round(cpu, 4), round(self._peak, 1), by)

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self._peak = max(self._peak, _status_mb("VmRSS"))


def _absorb() -> None:
    """Add the high-water mark so far to every open stage that relies on the kernel."""
    peak = _status_mb("VmHWM")
    for stage in _OPEN:
        if stage._sampler is None:
            stage._peak = max(stage._peak, peak)
        else:
            stage._peak = max(stage._peak, _status_mb("VmRSS"))


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _status_mb(field: str) -> float:
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is None:  # no /proc: the peak of the whole process is all there is
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(found.group(1)) / 1024


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
