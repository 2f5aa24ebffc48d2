"""What would have sold: the demand of a simulated shop under other prices, or without its promotions.

Example:
    >>> import numpy as np
    >>> from windvane.sim import Settings
    >>> from windvane.sim.counterfactual import World, expected
    >>> world = World.of(Settings(products=2, days=30, promotions=0.0, elasticity=-2.0), seed=1)
    >>> dearer = expected(world, world.planned.paid * 1.1).sum() / expected(world).sum()
    >>> bool(0.7 < dearer < 0.9)
    True
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.sim.calendar import Calendar, calendar
from windvane.sim.demand import demand
from windvane.sim.plans import Plans, plans
from windvane.sim.products import Products, products
from windvane.sim.response import log_response
from windvane.sim.settings import Settings


@dataclass(frozen=True, eq=False)
class World:
    """Everything behind a simulated shop's demand, all products together.

    Attributes:
        settings: what the shop is like.
        seed: its seed.
        made: its products.
        planned: their prices and promotions.
        shared: what the calendar does.
    """

    settings: Settings
    seed: int
    made: Products
    planned: Plans
    shared: Calendar

    @classmethod
    def of(cls, settings: Settings, seed: int) -> World:
        """The world of a shop."""
        made = products(settings, seed, np.arange(settings.products))
        shared = calendar(settings, seed)
        return cls(settings, seed, made, plans(settings, seed, made, shared), shared)


def expected(world: World, price: np.ndarray | None = None, promotions: bool = True) -> np.ndarray:
    """Mean demand of every product and day, with everything in stock, float64 [product, location, width].

    Args:
        world: the shop.
        price: price paid, [product, width]; None = as planned. Features of promotions stay as planned.
        promotions: whether promotions (their prices, features and what they pull forward), livestreams too, take place.
    """
    settings, made = world.settings, world.made
    planned = world.planned
    if not promotions:
        planned = plans(replace(settings, promotions=0.0, livestreams=0.0), world.seed, made, world.shared)
    if price is not None:
        first = made.price[:, None]

        def answer(paid: np.ndarray) -> np.ndarray:
            return log_response(made.elasticity[:, None], made.shape[:, None], paid / first)

        change = answer(price) - answer(planned.paid)
        effect = planned.log_effect + change
        if settings.rivals:
            effect = effect - made.rival[:, None] * _beside(world, change)
        planned = replace(planned, log_effect=effect)
    return demand(settings, world.seed, made, planned, world.shared).expected


def _beside(world: World, change: np.ndarray) -> np.ndarray:
    """The change of the product beside each, 0 where it is not sold."""
    made, count = world.made, len(world.made)
    other = np.arange(count) ^ 1
    there = other < count
    other = np.where(there, other, np.arange(count))
    days = np.arange(change.shape[1])[None, :]
    sold = there[:, None] & (days >= made.launch[other][:, None]) & (days <= made.end[other][:, None])
    return np.where(sold, change[other], 0.0)
