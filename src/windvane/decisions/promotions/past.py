"""The promotions of a shop's past as a table of a run, and what they teach about those to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.decisions.promotions.evaluate import Evaluation, evaluate
from windvane.decisions.response import PriceResponse
from windvane.decisions.response.promoted import Kind
from windvane.panel import Panel
from windvane.schema import DERIVED

LEVEL = 0.8
_FEW = 20
_MOST = 0.9
_USUAL, _LEAST = 0.2, 0.1  # no promotion is quite like another
_MANY, _FARTHEST = 50.0, 1.5  # units that say half as much as all there is to say; farthest that one counts as


@dataclass(frozen=True, eq=False)
class Past:
    """What past promotions came to.

    Attributes:
        frame: the table past_promotions.
        pull_forward: share of the units in addition that would have been bought later, 0 to 0.9.
        taken: share of them that products beside lacked, 0 to 0.9; what they sold more is not counted.
        deepest: largest price cut.
        off: standard deviation of the logarithm of demand in promotions round what the response says, that of days
            without promotions taken out; a fifth where there are too few of either to tell.
    """

    frame: pl.DataFrame
    pull_forward: float
    taken: float
    deepest: float
    off: float


def look_back(
    panel: Panel, response: PriceResponse, kinds: list[Kind], cost: np.ndarray, rivals: np.ndarray | None
) -> Past:
    """Judge the promotions of the past.

    Args:
        panel: the clean panel, with prices and promotions.
        response: how demand answers to prices and promotions, of the same series.
        kinds: kinds of promotions, see :func:`windvane.decisions.response.promoted.kinds`.
        cost: unit cost, float64 [series]; NaN = unknown.
        rivals: group of neighbours, int64 [series], -1 = none; None = nobody asks.
    """
    found = evaluate(panel, cost=cost, rivals=rivals, level=LEVEL)
    row, first = _spots(panel, found)
    which = np.full(len(row), -1)
    strength = np.zeros(len(row))
    for number, kind in enumerate(kinds):
        now = np.nan_to_num(kind.strength[row, first])
        stronger = now > strength
        which, strength = np.where(stronger, number, which), np.where(stronger, now, strength)
    names = [kinds[k].name if k >= 0 else None for k in which]
    frame = found.frame
    lift = np.array(
        [kinds[k].lift(response.effects, s) if k >= 0 else 0.0 for k, s in zip(which, strength, strict=True)]
    )
    cut = np.clip(np.nan_to_num(frame["price_cut"].to_numpy()), 0.0, 0.95)
    foretold = lift + response.own[row] * np.log1p(-cut)
    pulled, taken = (_share(frame, name, foretold) for name in ("pulled", "taken"))
    return Past(_table(frame, names, found), pulled, taken, float(cut.max(initial=0.0)), _off(found, foretold))


def _spots(panel: Panel, found: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """Row and first column of every promotion."""
    names = list(panel.keys.columns)
    rows = found.frame.join(panel.keys.with_row_index("__row"), on=names, how="left", maintain_order="left")["__row"]
    days = pl.DataFrame({"start": panel.dates}).with_row_index("__column")
    columns = found.frame.join(days, on="start", how="left", maintain_order="left")["__column"]
    return rows.to_numpy().astype(np.int64), columns.to_numpy().astype(np.int64)


def _share(frame: pl.DataFrame, name: str, foretold: np.ndarray) -> float:
    """Share of the units in addition that were missing elsewhere, by least squares on what was foretold.

    What was foretold knows nothing of the noise of the single promotion, which would draw the share to 0. A share that
    is no larger than its own error counts as none, one little larger as less (James and Stein 1961).
    """
    missing, base = frame[name].to_numpy(), np.maximum(frame["base"].to_numpy(), 0.0)
    if np.isnan(missing.astype(float)).any():
        return 0.0
    more = base * np.expm1(np.maximum(foretold, 0.0))
    weight = 1 / (base + 1)
    size = float((weight * more**2).sum())
    share = float((weight * more * missing).sum()) / size if size > 0 else 0.0
    if share <= 0:
        return 0.0
    error = float((weight**2 * more**2 * (missing - share * more) ** 2).sum()) / size**2
    return min(share * max(1 - error / share**2, 0.0), _MOST)


def _off(found: Evaluation, foretold: np.ndarray) -> float:
    """How far what came lay off what was foretold, as a standard deviation.

    What windows without a promotion are off by is no doing of promotions, and taken out; what sells more counts more.
    """
    if min(found.frame.height, len(found.untouched)) < _FEW:
        return _USUAL

    def square(units: np.ndarray, base: np.ndarray, lift: np.ndarray | float) -> float:
        base = np.maximum(base, 0.0)
        off = np.clip(np.log((units + 0.5) / (base * np.exp(lift) + 0.5)), -_FARTHEST, _FARTHEST)
        weight = base / (base + _MANY)
        return float((weight * off**2).sum() / max(weight.sum(), 1e-9))

    frame = found.frame
    real = square(frame["units"].to_numpy(), frame["base"].to_numpy(), foretold)
    return float(np.sqrt(max(real - square(found.untouched[:, 0], found.untouched[:, 1], 0.0), _LEAST**2)))


def _table(frame: pl.DataFrame, kinds: list[str | None], found: Evaluation) -> pl.DataFrame:
    table = DERIVED["past_promotions"]
    made = frame.rename({"start": "starts_on", "stop": "ends_on", "low": "uplift_low", "high": "uplift_high"})
    made = made.with_columns(
        pl.Series("kind", kinds, dtype=pl.String),
        pl.lit(found.placebos).alias("placebos"),
        pl.lit(None if np.isnan(found.covered) else found.covered, pl.Float64).alias("placebos_within"),
        pl.col("starts_on", "ends_on").cast(pl.Date),
    )
    return made.select(table.names).cast(dict(table.types)).sort("starts_on", "sku", "location")  # type: ignore[arg-type]
