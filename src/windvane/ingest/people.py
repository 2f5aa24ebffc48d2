"""What identifies people, on its way into the workspace: replaced or left out, in the rows taken and in those refused.

Everything passes here before it reaches the disk, temporary files included.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import polars as pl

from windvane.ingest.cells import columns
from windvane.ingest.checks.rows import Hide
from windvane.ingest.mapping import Block
from windvane.ingest.privacy import Pseudonyms, scrubbed
from windvane.store import Workspace


class People:
    """How one block's rows are made fit to be kept.

    Args:
        workspace: whose key and settings count.
        block: the block.
    """

    def __init__(self, workspace: Workspace, block: Block) -> None:
        settings, table = workspace.config.ingest, block.table
        kept = {
            name: how
            for name, how in block.columns.items()
            if not table[name].nullable or any(fnmatchcase(f"{table.name}.{name}", each) for each in settings.allow)
        }
        block = replace(block, columns=kept)
        self.block = block
        """The block without the columns that the settings do not allow."""
        given = [c.name for c in table.columns if c.personal and c.name in block.columns]
        written = [c.name for c in table.columns if c.free_text and c.name in block.columns]
        self._ours = given if settings.pseudonymise else []
        self._texts = written if settings.scrub else []
        self._shy = settings.pseudonymise or settings.scrub
        key = workspace.secret if self._ours else b""
        # One each, since rows taken and rows refused are looked after in threads of their own.
        self._taken, self._refused = Pseudonyms(key), Pseudonyms(key)
        self._kept = {*columns.used(block), *block.columns}
        self._free = {*self._texts, *(name for text in self._texts for name in columns.origins(block.columns[text]))}
        # A retry puts the pseudonym straight into our column, so it must be that of what our column would hold.
        self._made = {
            theirs[0]: how.sql
            for ours in self._ours
            if (how := block.columns[ours]).sql and len(theirs := columns.origins(how)) == 1
        }
        self.hidden = sorted({name for ours in self._ours for name in columns.origins(block.columns[ours])})
        """Columns of the file that hold pseudonyms in the quarantine."""

    @property
    def active(self) -> bool:
        """Whether the block's columns may identify people."""
        return bool(self._ours or self._texts)

    def may_show(self, file: list[str]) -> bool:
        """Whether a line of a file with these columns may be kept as it stands."""
        return not self._shy or (not self.active and self._kept.issuperset(file))

    def private(self, good: pl.DataFrame) -> pl.DataFrame:
        """Accepted rows as they may be written."""
        texts = [scrubbed(good[name])[0] for name in self._texts if name in good.columns]
        names = [name for name in self._ours if name in good.columns]
        return good.with_columns(*texts, *(self._taken.of(good[name]) for name in names))

    @property
    def hide(self) -> Hide:
        """What makes rows fit for the quarantine; for source rows and for rows under our names.

        Columns of the file that the mapping does not look at are left out, since nobody has said what they hold.
        """
        if not self._shy:
            return lambda frame: frame
        names = {*self._ours, *self.hidden}

        def hide(frame: pl.DataFrame) -> pl.DataFrame:
            frame = frame.select(name for name in frame.columns if name in self._kept)
            texts = [name for name in frame.columns if name in self._free and name not in names]
            present = [name for name in frame.columns if name in names]
            return frame.with_columns(
                *(scrubbed(frame[name])[0] for name in texts if frame[name].dtype == pl.String),
                *(self._refused.of(columns.as_text(self._value(frame, name))) for name in present),
            )

        return hide

    def _value(self, frame: pl.DataFrame, name: str) -> pl.Series:
        """What our column would make of a column of theirs."""
        if name not in self._made:
            return frame[name]
        return frame.select(pl.sql_expr(self._made[name]).alias(name)).to_series()
