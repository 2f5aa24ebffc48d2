"""The workspace on disk: Delta tables, runs published as a whole, leases.

Example:
    >>> from windvane.store import Workspace                        # doctest: +SKIP
    >>> with Workspace.open("my-shop").runs.start() as run:         # doctest: +SKIP
    ...     orders = run.read("orders").collect()
    ...     run.publish()
"""

from windvane.store.meter import Budget, Stage
from windvane.store.runs import Run, Runs, RunWriter
from windvane.store.tables import Tables
from windvane.store.workspace import Sweep, Workspace

__all__ = ["Budget", "Run", "RunWriter", "Runs", "Stage", "Sweep", "Tables", "Workspace"]
