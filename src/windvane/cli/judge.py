"""``windvane judge``: forecasts made elsewhere, priced on the shop's own history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, say, show_frame, workspace_at

if TYPE_CHECKING:
    import polars as pl


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help="A .csv or .parquet: sku, location, cutoff, date, q0.1 ... or mean.")],
    preset: Annotated[str, typer.Option(help="Our own forecast beside it: fast, balanced or best.")] = "fast",
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Judge forecasts made elsewhere by what came: errors, and what orders by them would have cost.

    Beside them stand our own as of the same days, and a moving average. A column "model" tells several apart.
    """
    from windvane.outlook.judge import of_sheet

    found = of_sheet(workspace_at(workspace), _read(file), preset)
    if as_json:
        emit(found.to_dicts())
        return
    first = found.row(0, named=True)
    say(f"{first['series']:,} series, {first['origins']} cutoffs that all foretell; cost per series and period.")
    show_frame(found.drop("origins", "series").rename({"saving": "best saves"}), "Forecasts by what came")


def _read(file: Path) -> pl.DataFrame:
    """The rows of a sheet.

    Raises:
        InputError: the file is not there, or cannot be read.
    """
    import polars as pl

    from windvane.errors import InputError

    try:
        if file.suffix.lower() == ".parquet":
            return pl.read_parquet(file)
        return pl.read_csv(file, try_parse_dates=True, schema_overrides={"sku": pl.String, "location": pl.String})
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{file} cannot be read: {error}.", "Give a .csv or .parquet file.") from error
