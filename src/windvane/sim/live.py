"""Livestreams of a simulated shop: sessions of one evening that sell a product many times over.

A session multiplies the demand of its day by a factor, its price cut included. Most are announced up to three days
ahead, as promotions of a kind of their own. The others stand in no table before they happen: they are entered in the
morning after.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.sim.draws import generators
from windvane.sim.products import Products
from windvane.sim.response import log_response
from windvane.sim.settings import Settings
from windvane.sim.words import words

_PURPOSE = 7_000_000
_FACTOR, _SPREAD = 4.0, 0.3  # median of the factor on a day's demand, standard deviation of its logarithm
_CLEAR = 2  # days without another promotion before and after
_APART = 7  # least days between two sessions of a product
_LAUNCHED = 14  # days on sale before the first
_FROM, _TO = 20 * 3600.0, 23 * 3600.0  # seconds of the day between which a session sells


def livestreams(
    settings: Settings, seed: int, made: Products, promotions: pl.DataFrame, regular: np.ndarray
) -> list[dict[str, float]]:
    """Livestreams as rows of :attr:`windvane.sim.plans.Plans.promotions`, on days free of other promotions.

    Args:
        settings: the shop.
        seed: its seed.
        made: its products.
        promotions: their other promotions.
        regular: their regular prices, [product, width].
    """
    width, kind = regular.shape[1], len(words(settings.language).promotions)
    free = _free(made, promotions, width)
    out: list[dict[str, float]] = []
    for row, rng in enumerate(generators(seed, _PURPOSE, made.number)):
        count = int(rng.poisson(settings.livestreams * width / 365))
        for day in np.sort(rng.integers(0, width, count)).tolist():
            factor = _FACTOR * float(np.exp(_SPREAD * rng.standard_normal()))
            depth = round(float(rng.uniform(0.1, 0.2)), 2)
            ahead = -1 if rng.random() < settings.unannounced else int(rng.integers(0, 4))
            if not free[row, day]:
                continue
            free[row, day : day + _APART] = False
            ratio = np.array([1.0, 1 - depth]) * regular[row, day] / made.price[row]
            usual, cut = log_response(made.elasticity[row], made.shape[row], ratio)
            price_effect = float(np.exp(cut - usual))
            out.append(
                {
                    "row": row, "start": day, "stop": day, "kind": kind, "depth": depth, "placement": 1.0,
                    "told": day - ahead, "revised_to": -1, "price_effect": price_effect,
                    "feature_effect": max(factor / price_effect, 1.0),
                }
            )  # fmt: skip
    return out


def _free(made: Products, promotions: pl.DataFrame, width: int) -> np.ndarray:
    """Days on which a product may be shown, bool [product, width]."""
    days = np.arange(width)[None, :]
    free = (days >= np.maximum(made.launch, 0)[:, None] + _LAUNCHED) & (days <= made.end[:, None])
    for p in promotions.iter_rows(named=True):
        free[p["row"], max(p["start"] - _CLEAR, 0) : max(p["stop"], p["revised_to"]) + _CLEAR + 1] = False
    return free


def second_of_session(share: np.ndarray) -> np.ndarray:
    """Second of the day of an order during a session, from a uniform value."""
    return _FROM + (_TO - _FROM) * share
