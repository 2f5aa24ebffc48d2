"""The shelf of a simulated shop: replenishment by (s, S) with lead times, and the stock-outs that follow from it.

Every evening the planner looks at the inventory position (on hand + on order). At or below s it orders up to S. A
careful planner's s covers the lead time with a margin. The planner of an affected series orders too late: s covers
the lead time less some days g, so that the shelf stays empty for about g days of every cycle, and the order is
g * (1 - p) / p days' worth, which makes the share of days out of stock about p (``stockout_share``). Unmet demand
is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.sim.demand import Demand
from windvane.sim.draws import generators, uniform
from windvane.sim.products import Products
from windvane.sim.settings import Settings

_LOOK = 28


@dataclass(frozen=True, eq=False)
class Shelf:
    """What the shelf did; arrays are [product, location, days].

    Attributes:
        sold: units sold from the shelf.
        on_hand: units on hand in the evening.
        on_order: units on order in the evening.
        in_stock: share of the day in stock.
        affected: whether the planner of a series orders too late, bool [product, location].
        deliveries: one row per delivery: product row, location, day ordered, day received, units.
    """

    sold: np.ndarray
    on_hand: np.ndarray
    on_order: np.ndarray
    in_stock: np.ndarray
    affected: np.ndarray
    deliveries: np.ndarray


def shelf(settings: Settings, seed: int, made: Products, wanted: Demand) -> Shelf:
    """Sell what is there, day by day."""
    count, places, days = wanted.units.shape
    flat = count * places
    demand = wanted.units.reshape(flat, days)
    level = _planned_level(wanted.expected.reshape(flat, -1), days)
    affected = (
        uniform(seed, "late planner", made.number[:, None], np.arange(places)[None, :]) < settings.stockout_series
    )
    affected &= settings.stockout_share > 0
    late = affected.reshape(flat)
    lead, gap, pack = (np.repeat(a, places) for a in (made.lead, _gaps(seed, made), made.pack))
    lead = lead + np.where(late, _patience(settings, level.mean(1), gap), 0)
    wobble = np.concatenate([rng.integers(-2, 3, (places, days)) for rng in generators(seed, 3_000_000, made.number)])
    wait = np.maximum(lead[:, None] + wobble, 1)
    order_at, order_to = _levels(settings, level, late, lead, gap)
    alive = np.repeat(wanted.alive, places, axis=0)
    born = np.argmax(alive, axis=1)
    longest = int(wait.max()) if wait.size else 1
    coming = np.zeros((flat, days + longest + 1), np.int64)
    coming[np.arange(flat), born] = np.ceil(order_to[np.arange(flat), born])
    sold, on_hand, on_order = (np.zeros((flat, days), np.int64) for _ in range(3))
    in_stock = np.ones((flat, days))
    have, due = np.zeros(flat, np.int64), np.zeros(flat, np.int64)
    placed: list[np.ndarray] = []
    for day in range(days):
        arrived = coming[:, day]
        have += arrived
        due -= np.where(day == born, 0, arrived)
        want = demand[:, day]
        take = np.minimum(want, have)
        # Customers come evenly over the day: the shelf is empty for the share of them that goes away.
        in_stock[:, day] = np.where(have == 0, 0.0, np.where(want > have, have / np.maximum(want, 1), 1.0))
        have -= take
        sold[:, day], on_hand[:, day] = take, have
        needs = alive[:, day] & (have + due <= order_at[:, day])
        units = np.where(needs, np.ceil((order_to[:, day] - have - due) / pack) * pack, 0).astype(np.int64)
        rows = np.flatnonzero(units > 0)
        arrival = day + wait[rows, day]
        np.add.at(coming, (rows, arrival), units[rows])
        due += units
        on_order[:, day] = due
        placed.append(np.stack([rows // places, rows % places, np.full(len(rows), day), arrival, units[rows]], 1))
    cube = (count, places, days)
    return Shelf(
        sold.reshape(cube),
        on_hand.reshape(cube),
        on_order.reshape(cube),
        in_stock.reshape(cube),
        affected,
        np.concatenate(placed) if placed else np.zeros((0, 5), np.int64),
    )


def _planned_level(expected: np.ndarray, days: int) -> np.ndarray:
    """Mean of the expected demand of the days ahead, [series, days]: planners know level and season, not the noise."""
    total = np.cumsum(np.pad(expected, ((0, 0), (1, 0))), axis=1)
    return (total[:, _LOOK : _LOOK + days] - total[:, :days]) / _LOOK


def _gaps(seed: int, made: Products) -> np.ndarray:
    """Days of every cycle that a late planner's shelf is empty."""
    return 2 + 0.6 * (made.lead - 2) * uniform(seed, "gap", made.number)


def _patience(settings: Settings, level: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Days that suppliers of slow series take longer: one unit lasts so long that a short gap would not matter."""
    odds = settings.stockout_share / (1 - settings.stockout_share)
    return np.clip(odds / np.maximum(level, 1e-9) - gap, 0, 60).astype(np.int64)


def _levels(
    settings: Settings, level: np.ndarray, late: np.ndarray, lead: np.ndarray, gap: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reorder point s and order-up-to level S of every series and day."""
    share = settings.stockout_share
    cover = (level * lead[:, None] + 3 * np.sqrt(level * lead[:, None])) * 1.5 + 2
    careful_to = cover + np.maximum(level * 14, 2)
    late_at = np.floor(level * np.maximum(lead - 1 - gap, 0)[:, None])
    late_to = late_at + np.maximum(np.round(level * (gap * (1 - share) / max(share, 1e-9))[:, None]), 1)
    return np.where(late[:, None], late_at, cover), np.where(late[:, None], late_to, careful_to)
