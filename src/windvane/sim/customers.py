"""Customers of a simulated shop: how many there are, when they came, how they buy.

There are three segments: regulars buy often, occasionals once or twice, and bargain hunters mostly what promotions sell
in addition. Of every ten customers who come one after the other, three are regulars, two are bargain hunters and five
are occasionals, in an order that depends on the ten.

Source: Blattberg, Buesing, Peacock and Sen, "Identifying the deal prone segment", Journal of Marketing Research 1978.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from windvane.sim.draws import uniform
from windvane.sim.settings import Settings

BASKET = 1.7
"""Lines per basket."""
SEGMENTS = ("regular", "bargain hunter", "occasional")
HUNTER = SEGMENTS.index("bargain hunter")
_REPEAT_BUYING = 4.0
"""Orders per customer."""
_PART = 100_000
_OF_TEN = np.array([3, 2, 5])
_FIRST = np.array([0, 3, 5])
_ORDERS = np.array([0.87, 0.01, 0.12])  # of everyday baskets, by segment
_SKEW = np.array([1.5, 1.5, 1.0])  # above 1, some customers come far more often than others


def customers(settings: Settings) -> int:
    """Number of customers of a shop."""
    mean = settings.products * settings.rate * float(np.exp(settings.spread**2 / 2))
    return max(20, int(mean / BASKET * settings.days / _REPEAT_BUYING))


def in_parts(settings: Settings) -> Iterator[np.ndarray]:
    """Numbers of all customers, as many at a time as memory likes."""
    total = customers(settings)
    for start in range(0, total, _PART):
        yield np.arange(start, min(start + _PART, total))


def joined(settings: Settings, number: np.ndarray) -> np.ndarray:
    """Day on which customers came: a half in the year before, the others evenly since."""
    share = np.asarray(number) / customers(settings)
    return np.floor(np.where(share < 0.5, (2 * share - 1) * 365, (2 * share - 1) * settings.days)).astype(np.int64)


def known_customers(settings: Settings, day: np.ndarray) -> np.ndarray:
    """How many customers had come before a day, at least 5."""
    share = 0.5 + 0.5 * np.asarray(day) / settings.days
    return np.maximum((customers(settings) * share).astype(np.int64), 5)


def customer_names(number: pl.Series) -> pl.Expr:
    """Codes of customers: C0000017."""
    return pl.lit("C") + number.cast(pl.String).str.zfill(7)


def segment_truth(settings: Settings, seed: int, number: np.ndarray) -> pl.DataFrame:
    """Segment of some customers; no rows where the shop has none."""
    number = number[: len(number) if settings.segments else 0]
    segment = np.searchsorted(_FIRST, (number + _turn(seed, number // 10)) % 10, side="right") - 1
    return pl.DataFrame(
        {
            "customer": pl.select(customer_names(pl.Series(number))).to_series(),
            "segment": pl.Series([SEGMENTS[s] for s in segment], dtype=pl.String),
        }
    )


def buyers(settings: Settings, seed: int, basket: tuple[np.ndarray, ...], hunted: np.ndarray) -> np.ndarray:
    """The customer to whom each basket belongs.

    Args:
        settings: the shop.
        seed: its seed.
        basket: location, day and number of every basket.
        hunted: whether a basket is a bargain hunter's, bool.
    """
    known, share = known_customers(settings, basket[1]), uniform(seed, "customer", *basket)
    anybody = (share**1.5 * known).astype(np.int64)
    if not settings.segments:
        return anybody
    segment = np.searchsorted(np.cumsum(_ORDERS)[:-1], uniform(seed, "segment of basket", *basket), side="right")
    segment = np.where(hunted, HUNTER, segment)
    follows = hunted | (uniform(seed, "by segment", *basket) < settings.segments)
    return np.where(follows, _member(seed, segment, share, known), anybody)


def _member(seed: int, segment: np.ndarray, share: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A customer of a segment among the first ``known``, from a uniform value."""
    size = _OF_TEN[segment]
    which = (share ** _SKEW[segment] * (np.maximum(known // 10, 1) * size)).astype(np.int64)
    ten = which // size
    return 10 * ten + (_FIRST[segment] + which % size - _turn(seed, ten)) % 10


def _turn(seed: int, ten: np.ndarray) -> np.ndarray:
    """How far the order of segments is turned in each ten of customers, 0 to 9."""
    return (10 * uniform(seed, "segment", ten)).astype(np.int64)
