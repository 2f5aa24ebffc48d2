"""Export of a run's tables as CSV, Parquet or a spreadsheet."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import polars as pl

from windvane.errors import InputError, StoreError
from windvane.report.facts import RunLike

FORMATS = ("csv", "parquet", "xlsx")
"""Formats that :func:`export` writes."""

# A spreadsheet runs a text cell that starts with one of these as a formula, some of them after blanks and
# invisible characters, and in their full-width forms too. Tab and carriage return may start a new cell.
_FORMULA = r"^(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r])"
_TEXTS = (pl.String, pl.Categorical, pl.Enum)
_ROWS = 1_048_575
_CELL = 32_767


def export(run: RunLike, table: str, path: str | Path, format: str | None = None) -> Path:
    """Write one table of a run to a file, whole or not at all.

    CSV is UTF-8 with a byte order mark, so that spreadsheets show Chinese; text cells that a spreadsheet would
    run as a formula get a leading apostrophe, numbers stay as they are. In xlsx, text is stored as text.

    Args:
        run: a published run.
        table: name of one of its tables.
        path: where to write; its folder is made if it is missing.
        format: "csv", "parquet" or "xlsx"; by default the ending of ``path``.

    Returns:
        The path written.

    Raises:
        InputError: the run has no such table, the format is unknown, or the table is too long for xlsx.
        StoreError: the file cannot be written.
    """
    target = Path(path)
    kind = (format or target.suffix.removeprefix(".")).lower()
    if kind not in FORMATS:
        raise InputError(f"Cannot export as {kind!r}.", f"Use one of: {', '.join(FORMATS)}.")
    names = sorted(run.tables)
    if table not in names:
        raise InputError(f"This run has no table {table!r}.", f"It has: {', '.join(names) or 'none'}.", table=table)
    write_frame(run.read(table), target, table, kind)
    return target


def write_frame(frame: pl.DataFrame, path: Path, name: str, kind: str | None = None) -> None:
    """Write a frame to a file, whole or not at all; see :func:`export`.

    Args:
        frame: its rows.
        path: where to write; its folder is made if it is missing.
        name: name of the sheet, and of the table in errors.
        kind: "csv", "parquet" or "xlsx"; by default the ending of ``path``.

    Raises:
        InputError: the frame is too long for xlsx.
        StoreError: the file cannot be written.
    """
    kind = kind or path.suffix.removeprefix(".").lower()
    if kind == "xlsx" and frame.height > _ROWS:
        raise InputError(
            f"Table {name!r} has {frame.height:,} rows; a spreadsheet holds {_ROWS:,}.",
            "Export it as csv or parquet.",
            table=name,
        )
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, held = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".{kind}")
        os.close(handle)
        temporary = Path(held)
        _save(frame, temporary, kind, name)
        temporary.chmod(0o644)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error}.", "Choose another path.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def guarded(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with an apostrophe before every text that a spreadsheet would run as a formula."""
    texts = [pl.col(name).cast(pl.String) for name, kind in frame.schema.items() if kind in _TEXTS]
    return frame.with_columns(
        pl.when(text.str.contains(_FORMULA)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).alias(name)
        for text in texts
        for name in [text.meta.output_name()]
    )


def _save(frame: pl.DataFrame, path: Path, kind: str, table: str) -> None:
    if kind == "parquet":
        frame.write_parquet(path, compression="zstd")
    elif kind == "csv":
        guarded(frame).write_csv(path, include_bom=True)
    else:
        _write_xlsx(frame, path, table)


def _write_xlsx(frame: pl.DataFrame, path: Path, table: str) -> None:
    import xlsxwriter

    text = pl.selectors.string()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, options) as book:
        frame.with_columns(text.str.slice(0, _CELL)).write_excel(
            workbook=book,
            worksheet=table[:31],
            freeze_panes=(1, 0),
            autofilter=True,
            autofit=frame.height <= 20_000,
            header_format={"bold": True, "bottom": 1},
            dtype_formats={pl.Float64: "#,##0.00##", pl.Float32: "#,##0.00##"},
        )
        sheet = book.get_worksheet_by_name(table[:31])
        for place, (name, type_) in enumerate(frame.schema.items()):
            # Titles and reasons are long: autofit alone would push the numbers off the screen.
            if type_ == pl.String:
                longest = int(frame[name].head(2000).str.len_chars().max() or 0)  # type: ignore[arg-type]
                sheet.set_column(place, place, min(max(longest, len(name)) + 2, 60))
