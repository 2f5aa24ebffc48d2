"""Stock of one place shared out over locations, so that least is lost.

Pack by pack, each goes where it is expected to earn most: the margin times the units of it that would be asked for and
are not there yet, a mean over the paths of demand. Since every further pack at a location earns less than the one
before, going pack by pack is the best there is where packs have the same size at all locations.

Source: Fox (1966), Discrete optimization via marginal analysis, Management Science 13, 210-216.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from windvane.errors import InputError
from windvane.forecasts import Forecast

PATHS = 200
_TINY = 1e-9


def allocate(
    forecast: Forecast,
    product: np.ndarray,
    available: np.ndarray,
    on_hand: np.ndarray,
    margin: np.ndarray,
    pack: np.ndarray | None = None,
    steps: int | None = None,
) -> np.ndarray:
    """Units that each location gets.

    Args:
        forecast: of every product at every location, one series each.
        product: number of the product of every series, int64 [series], 0 .. products - 1.
        available: units to share out, float64 [products].
        on_hand: units that the location has or will have, float64 [series].
        margin: money lost per unit that is missing there, float64 [series].
        pack: units of one pack, float64 [series]; None = 1.
        steps: periods until the next sharing out; None = the horizon.

    Returns:
        float64 [series]; never more than is available. What would not be sold anywhere stays where it is.

    Raises:
        InputError: a number is below 0 or missing; names the series.

    Example:
        >>> from windvane.sim import Settings
        >>> from windvane.sim.play import play
        >>> shop = play(Settings(products=4, days=120, locations=3), seed=1, begin=90)
        >>> ahead = shop.oracle(14)(90, shop.panel.sales, shop.panel.sales < 0)
        >>> number = shop.panel.keys["sku"].rank("dense").to_numpy().astype(int) - 1
        >>> there, money = np.zeros(len(number)), np.ones(len(number))
        >>> units = allocate(ahead, number, np.full(number.max() + 1, 10.0), there, money)
        >>> bool((np.bincount(number, units) <= 10).all())
        True
    """
    series = len(product)
    size = np.ones(series) if pack is None else np.asarray(pack, float)
    for name, values, least in (("on_hand", on_hand, 0.0), ("margin", margin, 0.0), ("pack", size, _TINY)):
        wrong = np.flatnonzero(~(values >= least))
        if len(wrong):
            raise InputError(f"{name} of series {wrong[0]} is {values[wrong[0]]}.", "Give a number.", column=name)
    wrong = np.flatnonzero(~(available >= 0))
    if len(wrong):
        raise InputError(f"product {wrong[0]} has {available[wrong[0]]} units to share out.", column="available")
    sums = np.sort(forecast.totals(PATHS, steps), axis=1)
    order = np.argsort(product, kind="stable")
    start = np.searchsorted(product[order], np.arange(len(available) + 1))
    out = np.zeros(series)
    _share(sums, order, start, available.astype(float), on_hand.astype(float), margin.astype(float), size, out)
    return out


@njit(cache=True, nogil=True)
def _sold(sums, level):  # type: ignore[no-untyped-def]
    """Mean of min(demand, level) over sorted sums."""
    total = 0.0
    for value in sums:
        total += min(value, level)
    return total / sums.shape[0]


@njit(cache=True, nogil=True)
def _share(sums, order, start, available, on_hand, margin, pack, out):  # type: ignore[no-untyped-def]
    for p in range(start.shape[0] - 1):
        rows, left = order[start[p] : start[p + 1]], available[p]
        gain = np.zeros(rows.shape[0])
        for i in range(rows.shape[0]):
            s = rows[i]
            gain[i] = margin[s] * (_sold(sums[s], on_hand[s] + pack[s]) - _sold(sums[s], on_hand[s])) / pack[s]
        while True:
            best, most = -1, 1e-12
            for i in range(rows.shape[0]):
                if gain[i] > most and pack[rows[i]] <= left + 1e-9:
                    best, most = i, gain[i]
            if best < 0:
                break
            s = rows[best]
            out[s] += pack[s]
            left -= pack[s]
            now = on_hand[s] + out[s]
            gain[best] = margin[s] * (_sold(sums[s], now + pack[s]) - _sold(sums[s], now)) / pack[s]
