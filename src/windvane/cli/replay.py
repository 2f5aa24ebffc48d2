"""``windvane replay``: what ordering policies would have cost on the shop's own history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, app, emit, progress, say, show_frame, workspace_at

if TYPE_CHECKING:
    import polars as pl

_ROUND = 4


@app.command()
def replay(
    periods: Annotated[int, typer.Option(help="Periods to replay, up to the last one.")] = 91,
    preset: Annotated[str, typer.Option(help="Forecast that policies use: fast, balanced or best.")] = "fast",
    service: Annotated[float, typer.Option(help="Service target of the policies that have one.")] = 0.95,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the demand that empty shelves hide.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same draws.")] = 1,
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Play ordering policies on the past of the shop, day by day, and account for them in money.

    Usual practice (moving average and a safety stock), filling up to a service target, and filling up to the least
    expected cost; nothing is published.
    """
    from windvane.decisions.replay import table
    from windvane.outlook.replay import of_shop

    told = of_shop(workspace_at(workspace), periods, preset, service, (draws, seed), progress(as_json))
    frame = table(told.found)
    if as_json:
        emit({"from": told.first, "to": told.last, "series": told.series, "policies": frame.to_dicts()})
        return
    say(
        f"{told.series:,} series, {told.first} to {told.last}; money per series and period, the first "
        f"{told.settle} periods left out. {told.hidden:.1%} of the demand was estimated, on empty shelves."
    )
    show_frame(_short(frame), "Policies on this shop's past")


def _short(frame: pl.DataFrame) -> pl.DataFrame:
    """What fits a terminal: the cost with its range, its parts that are not 0, fill rate and turnover."""
    import polars as pl

    money = [name for name in ("holding", "ordering", "lost_margin", "waste") if frame[name].sum() > 0]
    spread = pl.format("{} to {}", pl.col("lowest").round(_ROUND), pl.col("highest").round(_ROUND))
    return frame.select(
        "policy",
        "forecast",
        pl.col("cost").round(_ROUND),
        spread.alias("range"),
        *(pl.col(name).round(_ROUND).alias(name.replace("_", " ")) for name in money),
        pl.col("fill_rate").round(3).alias("filled"),
        pl.col("turnover").round(2),
    )
