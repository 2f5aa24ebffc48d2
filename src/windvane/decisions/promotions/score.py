"""What planned promotions would bring, and which of them to run under a budget.

A planned promotion lifts demand by its price cut (the product's own elasticity) and by what promotions of its kind and
placement do besides (:attr:`windvane.decisions.response.PriceResponse.effects`). A share of the units in addition is
bought in advance and missing later. What it earns is the margin of all that, less its cost. Candidates are dates,
depths and kinds for one product; at most one of them is run, and all together keep to a budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.decisions.joint import Limits, pick
from windvane.decisions.response import PriceResponse
from windvane.errors import InputError
from windvane.forecasts import Forecast


@dataclass(frozen=True)
class Candidate:
    """A promotion that might be run.

    Attributes:
        series: row of the forecast.
        first: step of the horizon on which it begins, from 1.
        last: step on which it ends.
        depth: share of the price that is cut, 0 to below 1.
        kind: name of an effect, such as ``promotion=display``; "" = the price cut alone.
        cost: money that it costs whatever it sells.
    """

    series: int
    first: int
    last: int
    depth: float = 0.0
    kind: str = ""
    cost: float = 0.0


def score(
    forecast: Forecast,
    response: PriceResponse,
    candidates: Sequence[Candidate],
    price: np.ndarray,
    unit_cost: np.ndarray,
    pull_forward: float = 0.0,
) -> pl.DataFrame:
    """What each candidate would bring, were it run alone.

    Args:
        forecast: at today's plan, without the candidates.
        response: of the same series, in their order.
        candidates: promotions that might be run.
        price: prices of today's plan, float64 [series, horizon], above 0.
        unit_cost: cost of a unit, float64 [series].
        pull_forward: share of the units in addition that would have been bought later (see
            :meth:`windvane.decisions.promotions.Evaluation.total`).

    Returns:
        One row per candidate, in their order: candidate (its number), keys, first, last, depth, kind, units (at today's
        plan, while it runs), lifted (with it), later (missing after it), margin (in addition, its cost paid), cost,
        below_cost (whether the cut price lies below the cost of a unit).

    Raises:
        InputError: a candidate names no series, step or effect, or its depth is out of range; names it.
    """
    rows = [_one(n, c, forecast, response, price, unit_cost, pull_forward) for n, c in enumerate(candidates)]
    found = pl.DataFrame(rows, schema=_SCHEMA)
    keys = forecast.keys[[c.series for c in candidates]] if candidates else forecast.keys.clear()
    return pl.concat([found.select("candidate"), keys, found.drop("candidate")], how="horizontal")


_SCHEMA = {
    "candidate": pl.Int64, "first": pl.Int64, "last": pl.Int64, "depth": pl.Float64, "kind": pl.String,
    "units": pl.Float64, "lifted": pl.Float64, "later": pl.Float64, "margin": pl.Float64, "cost": pl.Float64,
    "below_cost": pl.Boolean,
}  # fmt: skip


def _one(
    number: int, c: Candidate, forecast: Forecast, response: PriceResponse, price: np.ndarray, unit_cost: np.ndarray,
    pull_forward: float,
) -> dict[str, object]:  # fmt: skip
    series, horizon = forecast.mean.shape
    if not 0 <= c.series < series:
        raise InputError(f"candidate {number} names series {c.series} of {series}.", "Give a row of the forecast.")
    if not 1 <= c.first <= c.last <= horizon:
        raise InputError(f"candidate {number} runs from step {c.first} to {c.last} of {horizon}.", "Stay within them.")
    if not 0 <= c.depth < 1:
        raise InputError(f"the depth of candidate {number} is {c.depth}.", "Give a share from 0.", column="depth")
    if c.kind and c.kind not in response.effects:
        known = ", ".join(response.effects) or "none"
        raise InputError(f"candidate {number} is of kind {c.kind!r}, which is not known.", f"Known: {known}.")
    steps = slice(c.first - 1, c.last)
    usual, cost = price[c.series, steps], unit_cost[c.series]
    paid = usual * (1 - c.depth)
    whole = np.full((series, len(usual)), np.nan)
    before, after = whole.copy(), whole.copy()
    before[c.series], after[c.series] = usual, paid
    moved = (response.log_answer(after) - response.log_answer(before))[c.series]
    lift = np.exp(moved + (response.effects[c.kind] if c.kind else 0.0))
    units = forecast.mean[c.series, steps].astype(np.float64)
    later = max(float((units * (lift - 1)).sum()), 0.0) * pull_forward
    margin = (units * lift * (paid - cost)).sum() - (units * (usual - cost)).sum() - later * (usual[-1] - cost) - c.cost
    return {
        "candidate": number, "first": c.first, "last": c.last, "depth": c.depth, "kind": c.kind,
        "units": float(units.sum()), "lifted": float((units * lift).sum()), "later": later, "margin": float(margin),
        "cost": c.cost, "below_cost": bool((paid < cost - 1e-9).any()),
    }  # fmt: skip


def schedule(scored: pl.DataFrame, keys: Sequence[str], budget: float = np.inf) -> pl.DataFrame:
    """The candidates to run: at most one per series, within a budget, so that margins add up to the most.

    Candidates below cost, and those that bring nothing, are never run.

    Args:
        scored: what :func:`score` gave.
        keys: columns that identify a series.
        budget: money for the costs of all promotions together.

    Returns:
        Rows of ``scored`` that are run, the most rewarding first.
    """
    good = scored.filter((pl.col("margin") > 0) & ~pl.col("below_cost"))
    if not good.height:
        return good
    good = good.with_columns(pl.struct(keys).rank("dense").cast(pl.Int64).alias("__series") - 1)
    good = good.with_columns(pl.int_range(1, pl.len() + 1).over("__series").alias("__option"))
    series, option = good["__series"].to_numpy(), good["__option"].to_numpy()
    shape = int(series.max()) + 1, int(option.max()) + 1
    cost, saving = np.zeros(shape), np.full(shape, -np.inf)
    saving[:, 0] = 0.0
    cost[series, option], saving[series, option] = good["cost"].to_numpy(), good["margin"].to_numpy()
    # What is picked is the number of the option.
    limits = Limits(np.zeros(shape[0], np.int64), budget=budget)
    choice = pick(np.tile(np.arange(shape[1], dtype=float), (shape[0], 1)), saving, cost, limits).units.astype(int)
    return good.filter(pl.Series(choice[series] == option)).sort("margin", descending=True).drop("__series", "__option")
