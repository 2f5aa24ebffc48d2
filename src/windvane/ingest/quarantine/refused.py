"""Rows on their way to the quarantine: counted, and kept on disk until the file as a whole is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

HELD = 20_000
"""Rows kept in memory."""
ENOUGH = 100_000
"""Rows kept of a file whose bad share is above the limit so far; the rest is only counted."""
SHOWN = 20
_KINDS = 1000


@dataclass(frozen=True)
class Reason:
    """Why rows went to quarantine, with one example."""

    rule: str
    column: str
    reason: str
    rows: int
    line: int
    value: str | None


class Refused:
    """Rows of one file that go to quarantine if the file is accepted.

    Args:
        folder: where to write what memory should not hold; its owner removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames: list[pl.DataFrame] = []
        self._paths: list[Path] = []
        self._reasons: dict[tuple[str, str, str], Reason] = {}
        self.rows = 0
        self.dropped = 0

    def add(self, bad: pl.DataFrame, keep: bool = True) -> None:
        """Take rows in.

        Args:
            bad: quarantine rows.
            keep: whether to keep them, or only to count them.
        """
        if not bad.height:
            return
        self._count(bad)
        if not keep:
            self.dropped += bad.height
            return
        self.rows += bad.height
        self._frames.append(bad)
        if sum(frame.height for frame in self._frames) > HELD:
            path = self._folder / f"refused-{len(self._paths):05d}.parquet"
            pl.concat(self._frames).write_parquet(path, compression="lz4")
            self._paths.append(path)
            self._frames.clear()

    def frames(self) -> Iterator[pl.DataFrame]:
        """All rows kept, in the order in which they came."""
        for path in self._paths:
            yield pl.read_parquet(path)
        yield from self._frames

    def reasons(self) -> list[Reason]:
        """Reasons, most rows first."""
        ordered = sorted(self._reasons.values(), key=lambda each: (-each.rows, each.rule, each.column, each.reason))
        return ordered[:SHOWN]

    def _count(self, bad: pl.DataFrame) -> None:
        reason = pl.col("reason").str.replace(r"^line \d+ has", "another line has")
        counted = bad.group_by("rule", "column", reason, maintain_order=True).agg(
            pl.len().alias("rows"), pl.col("line").min(), pl.col("value").sort_by("line").first()
        )
        for row in counted.iter_rows(named=True):
            name = (row["rule"], row["column"], row["reason"])
            if name not in self._reasons and len(self._reasons) >= _KINDS:
                name = (row["rule"], row["column"], "further reasons")
            held = self._reasons.get(name)
            if held is None:
                self._reasons[name] = Reason(*name, row["rows"], row["line"], row["value"])
            else:
                line, value = min((held.line, held.value), (row["line"], row["value"]), key=lambda each: each[0])
                self._reasons[name] = Reason(*name, held.rows + row["rows"], line, value)
