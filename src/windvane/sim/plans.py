"""What a simulated shop plans: regular prices, promotions, when it told of them, and what they do to demand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windvane.sim.calendar import Calendar
from windvane.sim.draws import generators
from windvane.sim.live import livestreams
from windvane.sim.products import Products, products
from windvane.sim.response import log_response, pulled
from windvane.sim.settings import Settings
from windvane.sim.words import words

_AHEAD = 14
"""Days between the announcement and the start of most plans."""
_ON_THE_DAY = 0.1
_EVERY, _FARTHEST = 28, 0.5  # days between prices that follow the season; the farthest that the season counts


@dataclass(frozen=True, eq=False)
class Plans:
    """Plans of some products.

    Attributes:
        regular: regular price, [product, width].
        paid: price paid, promotions included, [product, width].
        log_effect: what price and promotions do to the logarithm of demand, [product, width].
        changes: (row, day) of every change of the regular price.
        promotions: one row per promotion: row (of the product), start, stop (day numbers, both included), kind
            (index; after the language's kinds comes the livestream), depth, placement, told (day number; after
            the start = not announced), revised_to (stop before the revision; -1 = never revised),
            price_effect and feature_effect (factors on demand).
    """

    regular: np.ndarray
    paid: np.ndarray
    log_effect: np.ndarray
    changes: np.ndarray
    promotions: pl.DataFrame


def plans(settings: Settings, seed: int, made: Products, shared: Calendar, sudden: bool = True) -> Plans:
    """Draw prices and promotions of some products.

    Args:
        settings: the shop.
        seed: its seed.
        made: its products.
        shared: what the calendar does.
        sudden: whether livestreams that nobody announced are among them.
    """
    planned, effect = _own(settings, seed, made, shared, sudden)
    if settings.pull_forward:
        effect = effect + pulled(planned.promotions, len(made), shared.width, settings.pull_forward)
    if settings.rivals:
        effect = effect - made.rival[:, None] * _beside(settings, seed, made, shared, sudden)
    return replace(planned, log_effect=effect)


def _own(settings: Settings, seed: int, made: Products, shared: Calendar, sudden: bool) -> tuple[Plans, np.ndarray]:
    """Plans of some products, and what they do to the logarithm of these products' demand on the day itself."""
    width = shared.width
    regular = np.repeat(made.price[:, None], width, axis=1)
    changes: list[tuple[int, int]] = []
    rows: list[dict[str, float]] = []
    for row, rng in enumerate(generators(seed, 2, made.number)):
        days = np.sort(rng.choice(width, min(int(rng.poisson(2 * width / 365)), width), replace=False))
        for day in days[days > max(int(made.launch[row]), 0) + 7]:
            step = 1 + rng.choice([-0.1, -0.05, 0.05, 0.08, 0.12])
            regular[row, day:] = np.round(regular[row, day] * step, 2)
            changes.append((row, int(day)))
        rows += _promotions(settings, made, row, rng, width)
    if settings.follows:
        regular, changes = _followed(settings, made, shared, regular)
    promotions = _answered(pl.DataFrame(rows, schema=_SCHEMA), made, regular)
    if settings.livestreams:
        live = pl.DataFrame(livestreams(settings, seed, made, promotions, regular), schema=_SCHEMA)
        promotions = pl.concat([promotions, live.filter(sudden | (pl.col("told") <= pl.col("start")))])
    paid = regular.copy()
    effect = log_response(made.elasticity[:, None], made.shape[:, None], regular / made.price[:, None])
    for p in promotions.iter_rows(named=True):
        span = slice(p["start"], p["stop"] + 1)
        paid[p["row"], span] = np.round(paid[p["row"], span] * (1 - p["depth"]), 2)
        effect[p["row"], span] += np.log(p["price_effect"] * p["feature_effect"])
    return Plans(regular, paid, effect, np.array(changes, np.int64).reshape(-1, 2), promotions), effect


def _followed(
    settings: Settings, made: Products, shared: Calendar, regular: np.ndarray
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Regular prices that follow the season of the weeks to come, and their changes."""
    wanted = shared.log_season(made.category, made.season_peak)
    wanted = wanted + shared.sensitivity[made.category][:, None] * shared.log_festival[None, :]
    starts = np.arange(0, shared.width, _EVERY)
    ahead = np.add.reduceat(wanted, starts, axis=1) / np.diff([*starts, shared.width])
    factor = np.exp(settings.follows * np.clip(ahead, -_FARTHEST, _FARTHEST))
    found = np.round(regular * np.repeat(factor, np.diff([*starts, shared.width]), axis=1), 2)
    row, day = np.nonzero(np.diff(found, axis=1))
    day = day + 1
    on_sale = day > np.maximum(made.launch[row], 0) + 7
    return found, list(zip(row[on_sale].tolist(), day[on_sale].tolist(), strict=True))


def _answered(promotions: pl.DataFrame, made: Products, regular: np.ndarray) -> pl.DataFrame:
    """Promotions with the effect of their price where the response has not constant elasticity."""
    row, start = promotions["row"].to_numpy(), promotions["start"].to_numpy()
    ratio, left = regular[row, start] / made.price[row], 1 - promotions["depth"].to_numpy()
    e, shape = made.elasticity[row], made.shape[row]
    effect = np.exp(log_response(e, shape, ratio * left) - log_response(e, shape, ratio))
    constant = promotions["price_effect"].to_numpy()
    return promotions.with_columns(pl.Series("price_effect", np.where(shape == 0, constant, effect)))


def _beside(settings: Settings, seed: int, made: Products, shared: Calendar, sudden: bool) -> np.ndarray:
    """What price and promotions do to the log demand of the product beside each, 0 where it is not sold."""
    number = made.number ^ 1
    there = number < settings.products
    other = products(settings, seed, np.where(there, number, made.number))
    days = np.arange(shared.width)[None, :]
    sold = there[:, None] & (days >= other.launch[:, None]) & (days <= other.end[:, None])
    return np.where(sold, _own(settings, seed, other, shared, sudden)[1], 0.0)


_SCHEMA = {
    "row": pl.Int64, "start": pl.Int64, "stop": pl.Int64, "kind": pl.Int64, "depth": pl.Float64,
    "placement": pl.Float64, "told": pl.Int64, "revised_to": pl.Int64, "price_effect": pl.Float64,
    "feature_effect": pl.Float64,
}  # fmt: skip


def _promotions(
    settings: Settings, made: Products, row: int, rng: np.random.Generator, width: int
) -> list[dict[str, float]]:
    kinds = words(settings.language).promotions
    out: list[dict[str, float]] = []
    free = max(int(made.launch[row]), 0) + 14
    for day in np.sort(rng.integers(0, width, int(rng.poisson(settings.promotions * width / 365)))):
        length, kind = int(rng.integers(3, 15)), int(rng.integers(len(kinds)))
        depth = float(rng.choice([0.1, 0.2, 0.3])) if kind == 0 or rng.random() < 0.5 else 0.0
        placement = round(float(rng.uniform(0.2, 1.0)), 2)
        told = day if rng.random() < _ON_THE_DAY else day - int(rng.integers(3, 2 * _AHEAD))
        shift = int(rng.integers(1, 5)) if rng.random() < settings.revised and day - told > 2 else 0
        feature = kinds[kind][1] * float(np.exp(0.2 * rng.standard_normal()))
        if day < free or day + length > min(width, int(made.end[row])):
            continue
        free = int(day) + length + 7
        out.append(
            {
                "row": row, "start": int(day), "stop": int(day) + length - 1, "kind": kind, "depth": depth,
                "placement": placement, "told": int(told), "revised_to": int(day) + length - 1 + shift if shift else -1,
                "price_effect": float((1 - depth) ** made.elasticity[row]),
                "feature_effect": 1 + feature * placement,
            }
        )  # fmt: skip
    return out


def price_table(settings: Settings, seed: int, made: Products, planned: Plans, shared: Calendar) -> pl.DataFrame:
    """The rows of the table prices that were known by the last day."""
    first = np.maximum(made.launch, -30)
    rows, days = planned.changes[:, 0], planned.changes[:, 1]
    promos = _words(planned.promotions.filter(pl.col("depth") > 0))
    p_row, start, stop, told = (promos[name].to_numpy() for name in ("row", "start", "stop", "told"))
    back = stop + 1 < shared.width
    every = np.arange(len(made))
    row = np.concatenate([every, rows, p_row, p_row[back]])
    valid_from = np.concatenate([first, days, start, stop[back] + 1])
    at = np.clip(valid_from, 0, None)
    # The price returns to what is regular by then; both are told together.
    valid_to = np.concatenate([np.full(len(every) + len(rows), -1), stop, np.full(int(back.sum()), -1)])
    price = planned.regular[row, at]
    price[len(every) + len(rows) : len(every) + len(rows) + len(p_row)] = planned.paid[p_row, start]
    known = np.concatenate([first - _AHEAD, days - _AHEAD, told, told[back]])
    known = np.maximum(known, first[row] - _AHEAD)
    frame = _frame(made, row, shared, valid_from, known, 8 * 3600)
    frame = frame.with_columns(
        pl.Series("valid_to", np.where(valid_to < 0, 0, shared.dates(valid_to)).astype(np.int32)).cast(pl.Date),
        pl.Series("list_price", planned.regular[row, at]),
        pl.Series("price", price),
        pl.Series("__open", valid_to < 0),
    ).with_columns(pl.when("__open").then(None).otherwise(pl.col("valid_to")).alias("valid_to"))
    return frame.rename({"day": "valid_from"}).drop("__open")


def _words(promotions: pl.DataFrame) -> pl.DataFrame:
    """What was told of promotions: the first word may have the wrong end; the last word is what happens."""
    wrong = pl.col("revised_to") >= 0
    first = promotions.with_columns(pl.when(wrong).then("revised_to").otherwise("stop").alias("stop"))
    return pl.concat([first, promotions.filter(wrong).with_columns(pl.col("told") + 2)])


def promotion_table(settings: Settings, made: Products, planned: Plans, shared: Calendar) -> pl.DataFrame:
    """The rows of the table promotions that were known by the last day, revisions as further rows."""
    both = _words(planned.promotions)
    row = both["row"].to_numpy()
    frame = _frame(made, row, shared, both["start"].to_numpy(), both["told"].to_numpy(), 9 * 3600)
    kinds = words(settings.language).kinds
    return frame.rename({"day": "starts_on"}).with_columns(
        promotion_name(both, row, made).alias("promotion"),
        pl.Series("ends_on", shared.dates(both["stop"].to_numpy())).cast(pl.Date),
        pl.Series("kind", [kinds[k] for k in both["kind"]], dtype=pl.String),
        both["depth"],
        both["placement"],
        (both["placement"] * 100).alias("budget"),
    )


def promotion_truth(settings: Settings, made: Products, planned: Plans, shared: Calendar) -> pl.DataFrame:
    """What every promotion within the days of trade did."""
    p = planned.promotions.filter(pl.col("start") < settings.days)
    row = p["row"].to_numpy()
    return pl.DataFrame(
        {
            "promotion": promotion_name(p, row, made),
            "sku": sku_names(made.number[row]),
            "location": pl.Series(["all"] * len(row), dtype=pl.String),
            "starts_on": pl.Series(shared.dates(p["start"].to_numpy())).cast(pl.Date),
            "ends_on": pl.Series(shared.dates(p["stop"].to_numpy())).cast(pl.Date),
            "kind": pl.Series([words(settings.language).kinds[k] for k in p["kind"]], dtype=pl.String),
            "depth": p["depth"],
            "price_effect": p["price_effect"],
            "feature_effect": p["feature_effect"],
            "uplift": p["price_effect"] * p["feature_effect"] - 1,
            "announced": p["told"] <= p["start"],
        }
    )


def promotion_name(promotions: pl.DataFrame, row: np.ndarray, made: Products) -> pl.Series:
    """Number of a promotion: its start and its product."""
    start = promotions["start"].cast(pl.String).str.zfill(4)
    return (
        pl.Series("promotion", ["P"] * len(row), dtype=pl.String) + start + "-" + sku_names(made.number[row])
    ).alias("promotion")


def sku_names(number: np.ndarray) -> pl.Series:
    """Stock keeping units of product numbers: S000017."""
    digits = pl.Series("sku", np.asarray(number, np.int64)).cast(pl.String).str.zfill(6)
    return ("S" + digits).alias("sku")


def _frame(
    made: Products, row: np.ndarray, shared: Calendar, day: np.ndarray, known: np.ndarray, second: int
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sku": sku_names(made.number[row]),
            "location": pl.Series(["all"] * len(row), dtype=pl.String),
            "day": pl.Series(shared.dates(day)).cast(pl.Date),
            "known_at": pl.Series(shared.moments(known, second)).cast(pl.Datetime("us")),
        }
    )
