"""A simulated shop as files: one per table, or one per table and day as a shop would export them.

Files are written part by part, so that memory stays flat however large the shop is. Exports by day hold the rows
that became known on that day: a late row stands in a later day's file, a correction is a further row with the same
key.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from windvane.engine import SILENT, Progress
from windvane.errors import InputError
from windvane.schema import RAW
from windvane.sim.shop import Shop

TRUTH = "truth"
"""Folder of the truth, below that of the files."""
MAPPING = "mapping.toml"
"""Name of the mapping that says what the files are, for ``windvane ingest FOLDER --mapping FOLDER/mapping.toml``."""


@dataclass
class Written:
    """What was written.

    Attributes:
        folder: where.
        rows: rows per table.
        truth: rows per frame of the truth (in ``truth/NAME.parquet``).
        files: number of files with tables.
    """

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    truth: dict[str, int] = field(default_factory=dict)
    files: int = 0


def write(
    shop: Shop,
    folder: Path,
    form: str = "parquet",
    by_day: bool = False,
    truth: bool = True,
    progress: Progress = SILENT,
) -> Written:
    """Write a shop's tables with a mapping for them, and the truth behind them in ``truth/``.

    Args:
        shop: the shop.
        folder: where to; must be absent or empty.
        form: "csv" or "parquet".
        by_day: one file per table and day of knowledge, ``orders-2024-03-05.csv``; else one per table.
        truth: whether to write the truth as well.
        progress: told of every part.

    Raises:
        InputError: the folder is not empty, or the format is unknown, or days are asked for in Parquet.
    """
    _refuse(folder, form, by_day)
    folder.mkdir(parents=True, exist_ok=True)
    report = Written(folder)
    with ExitStack() as stack:
        sinks = _Sinks(stack)
        for part in shop.parts(progress):
            for name, frame in part.tables.items():
                report.rows[name] = report.rows.get(name, 0) + frame.height
                if by_day:
                    for (day,), rows in frame.group_by(pl.col("known_at").dt.date(), maintain_order=True):
                        sinks.append(folder / f"{name}-{day}.csv", rows)
                elif frame.height:
                    sinks.append(folder / f"{name}.{form}", frame)
            if truth and part.truth is not None:
                (folder / TRUTH).mkdir(exist_ok=True)
                for name, frame in part.truth.frames().items():
                    report.truth[name] = report.truth.get(name, 0) + frame.height
                    sinks.append(folder / TRUTH / f"{name}.parquet", frame)
        report.files = len(sinks.seen) - len(report.truth)
    given = {name for name, rows in report.rows.items() if rows}
    (folder / MAPPING).write_text(_mapping(given, form, by_day), encoding="utf-8")
    return report


def _mapping(given: set[str], form: str, by_day: bool) -> str:
    """A mapping under which every column is what its name says."""
    blocks = []
    for table in (table for table in RAW.values() if table.name in given):
        columns = "\n".join(f'{name} = "{name}"' for name in table.names)
        pattern = f"{table.name}-*.{form}" if by_day else f"{table.name}.{form}"
        blocks.append(f'[{table.name}]\nfile = "{pattern}"\n\n[{table.name}.columns]\n{columns}\n')
    return "# Files of a simulated shop.\n\n" + "\n".join(blocks)


def _refuse(folder: Path, form: str, by_day: bool) -> None:
    if form not in ("csv", "parquet"):
        raise InputError(f"simulate: there is no format {form!r}.", "Choose csv or parquet.")
    if by_day and form != "csv":
        raise InputError("simulate: files by day are CSV files.", "Choose the format csv, or one file per table.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder.", "Name a new folder: nothing is overwritten.")


class _Sinks:
    """Files that grow part by part."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[Path, object] = {}
        self.seen: set[Path] = set()

    def append(self, path: Path, frame: pl.DataFrame) -> None:
        if path.suffix == ".csv":
            # Opened anew every time: a shop by day has more files than a process may hold open.
            with path.open("ab") as file:
                frame.write_csv(file, include_header=path not in self.seen)
            self.seen.add(path)
            return
        import pyarrow.parquet as pq

        table = frame.to_arrow()
        if path not in self._open:
            self._open[path] = self._stack.enter_context(pq.ParquetWriter(path, table.schema, compression="zstd"))
            self.seen.add(path)
        self._open[path].write_table(table)  # type: ignore[attr-defined]
