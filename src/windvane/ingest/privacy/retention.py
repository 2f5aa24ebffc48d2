"""Retention periods: what is older than the settings allow is erased."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from windvane.clock import CLOCK
from windvane.store.erase import expire

if TYPE_CHECKING:
    from windvane.store import Workspace
    from windvane.store.erase import Erasure


def apply_retention(workspace: Workspace) -> dict[str, Erasure]:
    """Erase what is older than ``ingest.retain`` allows, from tables and all their versions.

    A table's rows go; of a column, the cells of old rows are emptied and the rows stay.

    Args:
        workspace: the shop.

    Returns:
        What was touched, by the name of the setting.

    Raises:
        InputError: a column cannot be emptied.
        BusyError: another process keeps writing; nothing was lost, call again.
    """
    today = CLOCK.now().date()
    done: dict[str, Erasure] = {}
    for name, days in workspace.config.ingest.retain.items():
        table, _, column = name.partition(".")
        if workspace.tables.exists(table):
            done[name] = expire(workspace, table, today - timedelta(days=days), [column] if column else [])
    return done
