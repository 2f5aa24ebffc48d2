"""The products of a simulated shop: what they are, when they live, how they sell.

Products come in families of two (numbers 2k and 2k+1), so that a successor can share the category, brand and level
of its predecessor, whichever of the two is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from windvane.sim.draws import uniform
from windvane.sim.response import rival_of, shape_of
from windvane.sim.settings import Settings
from windvane.sim.words import words

FOREVER = 10**6
"""Day number of an end that does not come."""


@dataclass(frozen=True, eq=False)
class Products:
    """Attributes of some products, one element per product.

    Attributes:
        number: number of the product in the shop, from 0.
        category: index of the leaf category.
        brand: index of the brand.
        thing: index of what it is, within the category.
        kind: index of its kind, within the category.
        size: index of its size, within the category.
        colour: index of its colour.
        price: regular price at the start, money.
        cost: cost of one unit, money.
        pack: units are ordered in multiples of this.
        launch: day number of the launch; negative = before the first day.
        end: day number of the last day on sale; FOREVER = none.
        follows: number of the predecessor, -1 = none.
        level: expected units a day over all locations, before season, price and promotions.
        growth: change of the logarithm of the level per year.
        elasticity: own-price elasticity.
        zeros: probability of a day without interest (zero inflation).
        size_of_nb: size parameter of the negative binomial.
        season_peak: day of the year of a seasonal product's peak, -1 = sells all year.
        ramp: days that a launch takes to catch on.
        hype: extra logarithm of demand at launch.
        share: share of each location, [product, location].
        quality: mean stars.
        lead: days from order to receipt.
        shape: shape of the response to price, index into SHAPES.
        rival: how it answers to the product beside it; 0 = not at all (see :mod:`windvane.sim.response`).
    """

    number: np.ndarray
    category: np.ndarray
    brand: np.ndarray
    thing: np.ndarray
    kind: np.ndarray
    size: np.ndarray
    colour: np.ndarray
    price: np.ndarray
    cost: np.ndarray
    pack: np.ndarray
    launch: np.ndarray
    end: np.ndarray
    follows: np.ndarray
    level: np.ndarray
    growth: np.ndarray
    elasticity: np.ndarray
    zeros: np.ndarray
    size_of_nb: np.ndarray
    season_peak: np.ndarray
    ramp: np.ndarray
    hype: np.ndarray
    share: np.ndarray
    quality: np.ndarray
    lead: np.ndarray
    shape: np.ndarray
    rival: np.ndarray

    def __len__(self) -> int:
        return len(self.number)


def products(settings: Settings, seed: int, number: np.ndarray) -> Products:
    """Draw the attributes of some products.

    Args:
        settings: the shop.
        seed: its seed.
        number: numbers of the products, from 0.
    """
    family = number // 2

    def own(what: str) -> np.ndarray:
        return uniform(seed, what, number)

    def shared(what: str) -> np.ndarray:
        return uniform(seed, what, family)

    known = words(settings.language)
    category = _pick(shared("category"), np.full(len(number), len(known.leaves)))
    leaves = known.leaves
    things, kinds, sizes = (
        np.array([len(getattr(leaf, name)) for leaf in leaves])[category] for name in ("things", "kinds", "sizes")
    )
    usual = np.array([leaf.price for leaf in leaves])[category]
    price = _rounded(usual * np.exp(0.4 * normal(shared("price"))), settings.language)
    launch, end, follows = _lives(settings, number, shared, own)
    level = settings.rate * np.exp(settings.spread * normal(shared("level")) + 0.15 * normal(own("own level")))
    slow = level < 0.5
    weights = 0.3 + uniform(seed, "place", number[:, None], np.arange(settings.locations)[None, :])
    seasonal = own("seasonal") < settings.seasonal
    return Products(
        number=number,
        category=category,
        brand=_pick(shared("brand"), np.full(len(number), len(known.brands))),
        thing=_pick(shared("thing"), things),
        kind=_pick(own("kind"), kinds),
        size=_pick(own("size"), sizes),
        colour=_pick(own("colour"), np.full(len(number), len(known.colours))),
        price=price,
        cost=np.round(price * (0.45 + 0.3 * own("cost")), 2),
        pack=np.where(slow, 1, np.array([1, 6, 12])[_pick(own("pack"), np.full(len(number), 3))]),
        launch=launch,
        end=end,
        follows=follows,
        level=level,
        growth=settings.growth * normal(own("growth")),
        elasticity=np.minimum(settings.elasticity + 0.5 * normal(own("elasticity")), 0.0) * (settings.elasticity < 0),
        zeros=np.where(own("intermittent") < settings.intermittent, 0.3 + 0.4 * own("zeros"), 0.0),
        size_of_nb=settings.dispersion * np.exp(0.4 * normal(own("dispersion"))),
        season_peak=np.where(seasonal, own("peak") * 365, -1.0),
        ramp=5 + 25 * own("ramp"),
        hype=0.8 * own("hype"),
        share=weights / weights.sum(1, keepdims=True),
        quality=3.6 + 1.2 * own("quality"),
        lead=5 + _pick(own("lead"), np.full(len(number), 10)),
        shape=shape_of(seed, number, settings.shapes),
        rival=rival_of(seed, number, settings.rivals),
    )


def normal(share: np.ndarray) -> np.ndarray:
    """Standard normal values from uniform ones."""
    from scipy.special import ndtri

    return ndtri(np.clip(share, 1e-12, 1 - 1e-12))


def _pick(share: np.ndarray, choices: np.ndarray) -> np.ndarray:
    return np.minimum((share * choices).astype(np.int64), choices - 1)


def _rounded(price: np.ndarray, language: str) -> np.ndarray:
    """Prices as shops write them: 19.99 or 19.90."""
    return np.maximum(np.round(price), 1.0) - (0.1 if language == "zh" else 0.01)


def _lives(
    settings: Settings, number: np.ndarray, shared: Callable[[str], np.ndarray], own: Callable[[str], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Launch, end and predecessor: in some families the second product replaces the first, or starts beside it."""
    second = number % 2 == 1
    new = shared("new") < settings.launches
    replaces = new & (shared("replaces") < 0.5)
    day = np.floor((0.15 + 0.75 * shared("launch day")) * settings.days).astype(np.int64)
    launch = np.where(second & new, day, -(100 + np.floor(900 * own("age"))).astype(np.int64))
    end = np.where(~second & replaces, day + np.floor(14 * shared("overlap")).astype(np.int64), FOREVER)
    dies = (own("dies") < settings.ends) & ~new
    end = np.where(dies, np.floor((0.3 + 0.65 * own("last day")) * settings.days).astype(np.int64), end)
    last = settings.products - 1
    end = np.where((number == last) & (last % 2 == 0) & replaces, FOREVER, end)  # its successor would not exist
    return launch, end, np.where(second & replaces, number - 1, -1)
