"""Demand behind a simulated shop's sales: what customers would have bought with everything in stock.

For product i, location l and day t, the expected demand is::

    log mu = log level_i + log share_il + growth_i * t / 365 + launch_i(t)
             + week_c(t) + season(t) + festival sensitivity_c * festival(t) + shock_c(t)
             + response to price_it + promotion features + response to the product beside it
             + interest_i(t) + response to the quality that reviewers met

and 0 before the launch and after the end. The response to price has constant elasticity unless the settings say
otherwise (:mod:`windvane.sim.response`), and promotions act as factors, as in SCAN*PRO (Wittink, Addona, Hawkes and
Porter, "The estimation, validation, and use of promotional effects", 1988; van Heerde, Leeflang and Wittink, "How
promotions work", 2002). A launch catches on as 1 - exp(-age / ramp), with a hype that fades. Days are drawn from a
negative binomial, as a Poisson whose mean is mu times a gamma variable; slow products may have days without any
interest besides (Snyder, Ord and Beaumont, "Forecasting the intermittent demand for slow-moving inventories", IJF
2012). Shared shocks are an AR(1) per category. The last two are 0 unless the settings say otherwise
(:mod:`windvane.sim.interest`, :mod:`windvane.sim.quality`).

Nothing here is fitted to a model of Windvane; that a model does well on it says nothing about a real shop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.sim.calendar import Calendar, presale_days
from windvane.sim.draws import generators, uniform
from windvane.sim.interest import log_interest
from windvane.sim.plans import Plans
from windvane.sim.products import Products
from windvane.sim.quality import felt, met
from windvane.sim.settings import Settings


@dataclass(frozen=True, eq=False)
class Demand:
    """Demand of some products.

    Attributes:
        expected: mu, [product, location, width]; the days after the last are what planners look ahead at.
        units: demand at the shelf, int64 [product, location, days].
        presale: units ordered against a deposit and finally paid, int64 [product, location, days of the deposit].
        dropped: units ordered against a deposit and never paid.
        alive: whether the product is on sale, bool [product, days].
        interest: logarithm of the interest in a product, [product, width].
        quality: stars by which the quality that buyers meet differs from the usual one, [product, width].
    """

    expected: np.ndarray
    units: np.ndarray
    presale: np.ndarray
    dropped: np.ndarray
    alive: np.ndarray
    interest: np.ndarray
    quality: np.ndarray


def demand(settings: Settings, seed: int, made: Products, planned: Plans, shared: Calendar) -> Demand:
    """Draw the demand of some products."""
    days = np.arange(shared.width)
    age = days[None, :] - made.launch[:, None]
    alive = (age >= 0) & (days[None, :] <= made.end[:, None])
    log_mu = np.log(made.level)[:, None] + made.growth[:, None] * days[None, :] / 365 + shared.log_effect(made.category)
    log_mu += shared.log_season(made.category, made.season_peak) + planned.log_effect
    young = np.clip(age, 0, None) + 1
    log_mu += np.log1p(-np.exp(-young / made.ramp[:, None])) + made.hype[:, None] * np.exp(-young / 14)
    interest = log_interest(settings, seed, made.number, shared.width)
    quality = met(settings, seed, made, shared.width)
    log_mu += interest + felt(settings, quality)
    expected = (np.exp(log_mu) * alive)[:, None, :] * made.share[:, :, None]
    shape = expected[:, :, : settings.days].shape
    units = np.zeros(shape, np.int64)
    for row, rng in enumerate(generators(seed, 3, made.number)):
        mean, size, zeros = expected[row, :, : settings.days], made.size_of_nb[row], made.zeros[row]
        mood = rng.standard_gamma(size, mean.shape) / size
        if zeros > 0:
            mood = mood * (rng.random(mean.shape) >= zeros) / (1 - zeros)
        units[row] = rng.poisson(mean * mood)
    presale, dropped = _presale(settings, seed, made, expected, shared)
    return Demand(expected, units, presale, dropped, alive[:, : settings.days], interest, quality)


def _presale(
    settings: Settings, seed: int, made: Products, expected: np.ndarray, shared: Calendar
) -> tuple[np.ndarray, np.ndarray]:
    """Orders against a deposit: as many as the festival day itself sells, most on the first and the last days."""
    paid = np.zeros((*expected.shape[:2], settings.days), np.int64)
    dropped = np.zeros_like(paid)
    chosen = np.flatnonzero(uniform(seed, "presale", made.number) < settings.presale)
    for main in shared.main:
        days = np.array([day for day in presale_days(main) if day >= 0])
        if not len(days):
            continue
        weight = np.ones(len(days))
        weight[0], weight[-1] = 4.0, 2.0
        weight /= weight.sum()
        for row, rng in zip(chosen, generators(seed, 4 + main, made.number[chosen]), strict=True):
            # Nobody orders in advance what is not listed yet or is about to end.
            if not (made.launch[row] <= days[0] and made.end[row] > main):
                continue
            count = rng.poisson(expected[row, :, main, None] * weight[None, :])
            lost = rng.binomial(count, settings.deposits_lost)
            paid[row][:, days] += count - lost
            dropped[row][:, days] += lost
    return paid, dropped
