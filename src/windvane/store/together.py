"""Several small batches in one commit and one data file, as if each had been appended by itself.

The sequence numbers of all are taken at the beginning, like that of a single append, so that every row is younger
than the number it carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from windvane.store.staging import Append

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from windvane.store.tables import Tables


class Together:
    """Batches of one table that are waiting for their common commit; a context manager.

    What was not committed when the block ends is gone. Made by :meth:`windvane.store.tables.Tables.together`.

    Args:
        tables: where the table is.
        append: takes the files.
        delta: the table as it was at the beginning; ``None`` where it was absent.
    """

    def __init__(self, tables: Tables, append: Append, delta: DeltaTable | None) -> None:
        self._tables = tables
        self._append = append
        self._delta = delta
        self._frames: dict[str, pl.DataFrame] = {}

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *about: object) -> None:
        self._append.__exit__(*about)

    def __contains__(self, batch: str) -> bool:
        """Whether a batch is waiting."""
        return batch in self._frames

    def add(self, batch: str, frame: pl.DataFrame) -> None:
        """Let a batch wait for the commit; its rows replace those of batches added before.

        Args:
            batch: its name.
            frame: its rows, as for :meth:`windvane.store.tables.Tables.append`.

        Raises:
            InputError: a column is missing, unknown or of another type, or a required value is absent.
        """
        self._frames[batch] = self._append.stamped(batch, frame)

    def commit(self) -> dict[str, int]:
        """Write what waits, in one commit; it is on the disk when this returns.

        Returns:
            Per batch the rows added; 0 where the batch was there, or another process was quicker with it.

        Raises:
            BusyError: other tools kept committing; try again.
            StoreError: the table cannot be written.
        """
        name = self._append.table.name
        added = dict.fromkeys(self._frames, 0)
        while new := [each for each in self._frames if not self._tables.has_batch(name, each)]:
            self._append.write_stamped({each: self._frames[each] for each in new})
            if self._tables._admit(self._append, self._delta):
                return added | {each: self._frames[each].height for each in new}
            # Another process was quicker with one of them: the others are written without it.
            self._delta = None
        return added
