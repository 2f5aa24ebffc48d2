"""What became of files, and what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from windvane.ingest.flow import Counts
from windvane.ingest.quarantine.refused import Reason
from windvane.store import Budget


@dataclass(frozen=True, kw_only=True)
class FileReport(Counts):
    """What became of one file (or query) for one table: its rows, counted as in :class:`Counts`, and why.

    Attributes:
        table: table filled.
        file: name of the file, or of the files that a query joined.
        batch: name of the batch.
        already: whether the batch was there before; then nothing changed.
        reasons: reasons of quarantine, most rows first.
        notes: what is different from the files before, and was taken nevertheless.
    """

    table: str
    file: str
    batch: str
    already: bool = False
    reasons: list[Reason] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class IngestReport:
    """What became of all files of one mapping, and what it took."""

    mapping: str
    files: list[FileReport]
    budget: Budget

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)
