"""Whose baskets the lines of a simulated shop fall into: everyday ones, bargain hunters', those of a livestream.

With a promotion that multiplies a day's demand by f, the share (f - 1) / f of the units is bought because of it. Lines
of these units fall, as far as the shop has segments, mostly into baskets of bargain hunters. Those that a livestream
sells fall into baskets of its evening.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.sim.draws import uniform
from windvane.sim.plans import Plans
from windvane.sim.settings import Settings
from windvane.sim.words import words

_HUNTED = 0.85  # of what promotions sell in addition, goes to bargain hunters
_FIRST = 70_000_000
"""Basket numbers from here on are those of the lanes that are not everyday."""


@dataclass(frozen=True)
class Lane:
    """What the numbers of baskets say.

    Attributes:
        hunted: whether they are bargain hunters', bool [baskets].
        live: whether they are filled during a livestream, bool [baskets].
    """

    hunted: np.ndarray
    live: np.ndarray


def numbered(within: np.ndarray, lane: np.ndarray, baskets: int) -> np.ndarray:
    """Basket numbers from the number within a lane (below ``baskets``) and the lane."""
    return np.where(lane > 0, _FIRST + (lane - 1) * baskets, 0) + within


def lane_of(basket: np.ndarray, baskets: int) -> Lane:
    """What basket numbers say."""
    lane = np.where(basket >= _FIRST, (basket - _FIRST) // baskets + 1, 0)
    return Lane(lane % 2 == 1, lane >= 2)


def lanes(
    settings: Settings, seed: int, planned: Plans, number: np.ndarray, cell: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Lane of lines: 0 = everyday; 1 = bargain hunters'; 2 = a livestream's; 3 = bargain hunters' in a livestream.

    Args:
        settings: the shop.
        seed: its seed.
        planned: its plans.
        number: product number of every line.
        cell: row of its product, its location, day, and number within them.
    """
    row, place, day, within = cell
    if not (settings.segments or settings.livestreams):
        return np.zeros(len(row), np.int64)
    share, live = _because(settings, planned)
    keys = (number, place, day, within)
    extra = uniform(seed, "because of a promotion", *keys) < share[row, day]
    hunted = extra & (uniform(seed, "hunted", *keys) < settings.segments * _HUNTED)
    return hunted + 2 * (extra & live[row, day])


def _because(settings: Settings, planned: Plans) -> tuple[np.ndarray, np.ndarray]:
    """Share of a day's units that a promotion sells in addition, and whether it is a livestream; [product, width]."""
    share, live = np.zeros(planned.paid.shape), np.zeros(planned.paid.shape, bool)
    kind = len(words(settings.language).promotions)
    for p in planned.promotions.iter_rows(named=True):
        span = slice(p["start"], p["stop"] + 1)
        share[p["row"], span] = max(1 - 1 / (p["price_effect"] * p["feature_effect"]), 0.0)
        live[p["row"], span] = p["kind"] == kind
    return share, live
