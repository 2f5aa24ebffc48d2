"""Interest in a simulated shop's products that comes and goes by itself, and that visitors show before they buy.

The logarithm of a product's interest is an AR(1) of its own. Demand follows the interest of the day; what visitors do
(the table ``events``) follows the interest of ``leads`` days later, so that it runs ahead of demand.

Source: Goel, Hofman, Lahaie, Pennock and Watts, "Predicting consumer behavior with Web search", PNAS 2010 (searches run
ahead of what is bought).
"""

from __future__ import annotations

import numpy as np

from windvane.sim.calendar import autoregression
from windvane.sim.draws import generators
from windvane.sim.settings import Settings

KEEP = 0.97
"""What a product's interest keeps from one day to the next."""
_PURPOSE = 6_000_000


def log_interest(settings: Settings, seed: int, number: np.ndarray, width: int) -> np.ndarray:
    """Logarithm of the interest in some products, whose exponential has mean 1, [product, width]."""
    if not settings.interest:
        return np.zeros((len(number), width))
    noise = (rng.normal(0, settings.interest, width) for rng in generators(seed, _PURPOSE, number))
    return np.stack([autoregression(each, KEEP) for each in noise]) - settings.interest**2 / 2


def seen_ahead(settings: Settings, interest: np.ndarray) -> np.ndarray:
    """Factor on a day's events: the interest of ``leads`` days later over that of the day, [product, days].

    Args:
        settings: the shop.
        interest: logarithm of interest, [product, width].
    """
    later = interest[:, settings.leads : settings.leads + settings.days]
    return np.exp(later - interest[:, : settings.days])
