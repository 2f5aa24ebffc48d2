"""How planners' words fared: forecast value added, and what changed orders cost beside the orders proposed.

Forecast value added is the error of the model less that of the planner (Gilliland 2010, The Business Forecasting Deal):
above 0 the planner helped. Only what was said before its first period counts; what was said later is shown as late.

A changed order is judged by the demand that came over the days that it had to last: margin lost on units short, and
holding of units left over, by the order that stands less those by the order that was proposed.
"""

from __future__ import annotations

import polars as pl

from windvane.plans.overrides import KEY
from windvane.store import Run, Workspace

_SERIES = ["sku", "location"]


def score_overrides(workspace: Workspace) -> pl.DataFrame:
    """Overrides whose periods are over, with the demand that came.

    Returns:
        One row per series and span: sku, location, starts_on, ends_on, who, why, old, new, actual (units, hidden
        demand of empty shelves included), added (units by which the planner erred less than the model), late (said
        after its first period; not to be counted), by first day. What was withdrawn before its first day is left out.
    """
    run = workspace.runs.latest()
    told = workspace.tables.history("overrides").collect()
    told = told.with_columns((pl.col("said_on") > pl.col("starts_on")).alias("late"))
    # What stood when the span began; where nothing did, the first word after it.
    first_late = told.filter(pl.col("late")).sort("known_at").unique(KEY, keep="first", maintain_order=True)
    in_time = told.filter(~pl.col("late")).sort("known_at").unique(KEY, keep="last", maintain_order=True)
    rows = pl.concat([in_time, first_late.join(in_time, on=KEY, how="anti")]).filter(pl.col("new").is_not_null())
    rows = _with_demand(rows, run)
    rows = rows.with_columns(
        ((pl.col("old") - pl.col("actual")).abs() - (pl.col("new") - pl.col("actual")).abs()).alias("added")
    )
    return rows.select(*KEY, "who", "why", "old", "new", "actual", "added", "late").sort("starts_on", *_SERIES)


def added_by(scored: pl.DataFrame) -> pl.DataFrame:
    """Forecast value added by planner, of what was said in time.

    Args:
        scored: what :func:`score_overrides` gives.

    Returns:
        who, overrides, actual, error_model, error_planner (units), added_share (of the model's error), helped (share of
        overrides that erred less than the model).
    """
    error = {"error_model": pl.col("old"), "error_planner": pl.col("new")}
    rows = scored.filter(~pl.col("late")).group_by("who").agg(
        pl.len().alias("overrides"),
        pl.col("actual").sum(),
        *((value - pl.col("actual")).abs().sum().alias(name) for name, value in error.items()),
        (pl.col("added") > 0).mean().alias("helped"),
    )  # fmt: skip
    share = 1 - pl.col("error_planner") / pl.when(pl.col("error_model") > 0).then(pl.col("error_model"))
    return rows.with_columns(share.alias("added_share")).select(
        "who", "overrides", "actual", "error_model", "error_planner", "added_share", "helped"
    ).sort("who")  # fmt: skip


def score_orders(workspace: Workspace) -> pl.DataFrame:
    """Order lines that a planner changed or declined, and what that cost; once the days they had to last are over.

    Returns:
        One row per line: run, sku, location, who, why, old, new (units), actual (demand over these days), saved (money:
        cost of the order proposed less that of the one that stands; below 0 = the change cost money; null where margin
        or cost are not known), by run.
    """
    share = workspace.config.decide.holding_share
    log = workspace.tables.history("plan_log").filter(pl.col("plan") == "reorder").collect().sort("known_at")
    log = log.unique(["run", *_SERIES], keep="last", maintain_order=True)
    log = log.filter((pl.col("new") - pl.col("old")).abs() > 1e-6)
    last = pl.col("starts_on") + pl.duration(days=pl.col("days").ceil().cast(pl.Int64) - 1)
    rows = _with_demand(log.with_columns(last.alias("ends_on")), workspace.runs.latest())
    held = pl.col("unit_cost") * share / 365 * pl.col("days")

    def cost(order: str) -> pl.Expr:
        left = pl.col("stock") + pl.col(order) - pl.col("actual")
        return pl.col("unit_margin") * (-left).clip(0) + held * left.clip(0)

    rows = rows.with_columns((cost("old") - cost("new")).alias("saved"))
    return rows.select("run", *_SERIES, "who", "why", "old", "new", "actual", "saved").sort("run", *_SERIES)


def _with_demand(rows: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Rows whose span is over by the run's panel, with the demand in it (``actual``, units)."""
    panel = run.scan("panel").select(*_SERIES, pl.col("date").cast(pl.Date), "demand").collect()
    until = panel["date"].max()
    if not rows.height or until is None:
        return rows.clear().with_columns(pl.lit(None, pl.Float64).alias("actual"))
    over = rows.filter(pl.col("ends_on") <= until)
    spans = over.select(*_SERIES, "starts_on", "ends_on").unique()
    found = panel.join(spans, on=_SERIES).filter(pl.col("date").is_between(pl.col("starts_on"), pl.col("ends_on")))
    sums = found.group_by(KEY).agg(pl.col("demand").sum().alias("actual"))
    return over.join(sums, on=KEY, how="inner")
