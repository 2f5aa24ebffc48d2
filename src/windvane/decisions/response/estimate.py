"""Demand response: how demand answers to a product's own price and to those beside it, from what shops did in the past.

Prices are no experiment: they fall when demand is slack, before festivals, with promotions. What moves slowly (level,
season, trend: a smooth to both sides) and what moves all of a group at once (days, festivals: one effect per group and
period) is therefore taken out of demand and of prices alike, and the response is found on what is left of both
(partialling out, the idea of double machine learning); kinds and placements of promotions, the days after them and
covariates that a shop names are controlled beside it. Days out of stock say nothing. Every product has an elasticity
of its own, drawn to that of its product, its group and the shop by how much they tell (:mod:`.pooling`).

Sales are counts or amounts whose variance grows as mean + wobble * mean^2; errors allow for days that hang together
(blocks of four weeks).

What no method can tell from such data: a price that always moved exactly when the product's own demand did.

Sources: Robinson (1988), Root-N-consistent semiparametric regression; Chernozhukov et al. (2018), Double/debiased
machine learning for treatment and structural parameters (partialling out); McCullagh and Nelder (1989), Generalized
Linear Models, chapter 9 (quasi-likelihood).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from windvane.decisions.response import given as look
from windvane.decisions.response.answer import PriceResponse
from windvane.decisions.response.each import POWER, POWER_SPREAD, USUAL, Prices, answer, each
from windvane.decisions.response.kernels import clustered
from windvane.decisions.response.likelihood import Data, amounts, expected, left, sums, weights, wobble
from windvane.decisions.response.pooling import below_zero
from windvane.panel import ACTIVE, Panel

_MEMORY = {"1h": 24 * 28.0, "1d": 56.0, "1w": 13.0, "1mo": 6.0}
_BLOCK = {"1h": 24 * 7, "1d": 28, "1w": 4, "1mo": 2}  # periods that hang together
_POOLED = 4  # rounds for all series together
_SPREAD = 1.0  # standard deviation of other effects
_FARTHEST = 1.0
_SHARES = (1, 2, 4)  # memories tried: the longest by these
_MANY = 2000  # series that they are tried on
_ALIKE = 0.1  # elasticities no farther apart than this are alike
_LEAST = 0.01  # least standard deviation of a log price that counts as variation


@dataclass(frozen=True, eq=False)
class Fit:
    """A response, and the past as it explains it.

    Attributes:
        response: how demand answers to prices.
        mean: expected sales with prices and promotions as they were, float32 [series, time]; where sales are unknown
            too.
        base: the same at the reference price and without promotions.
        memory: periods to both sides that levels were smoothed over.
        noise: variance of sales beside that of counts, relative to the squared mean.
    """

    response: PriceResponse
    mean: np.ndarray
    base: np.ndarray
    memory: float
    noise: float


def learn(
    panel: Panel,
    *,
    rivals: np.ndarray | None = None,
    shared: np.ndarray | None = None,
    kind: np.ndarray | None = None,
    controls: Sequence[str] | None = None,
    memory: float | None = None,
    falling: bool = True,
) -> Fit:
    """Find how demand answers to prices.

    Args:
        panel: the series, with ``price`` known in advance or in the past.
        rivals: number of the group within which prices are looked at together, int [series], -1 = none: substitutes
            at one location. In groups of up to fifteen products each one's price counts, in larger ones their mean.
        shared: number of the group of series that days move together, int [series], -1 in all = none; None = the finest
            level of the hierarchy with five series per group. Where it is as large as the rivals' group, it takes the
            rivals' prices out as well.
        kind: number of the product behind every series (the same one at several locations), int [series]; None = the
            column ``sku`` where there is one.
        controls: names of covariates to control; None = all known in advance but price and depth.
        memory: periods to both sides that a level is smoothed over; None = eight weeks (days), a quarter (weeks) or
            half a year (months), or a half or a quarter of that where elasticities then come out otherwise (prices
            that follow demand are told from it by demand close by alone) or are surer.
        falling: whether demand cannot rise with the own price.

    Raises:
        InputError: the panel has no price.
    """
    price = look.prices(panel)
    seen = ~np.isnan(panel.sales) & (price > 0)
    reference = look.reference(price, seen)
    moved = np.where(price > 0, np.log(np.where(price > 0, price, 1.0) / reference[:, None]), 0.0)
    moved = np.nan_to_num(moved).astype(np.float32)
    group = look.shared(panel) if shared is None else np.asarray(shared, np.int64)
    group = None if group is None or (group < 0).all() else group
    names, given = look.controls(panel, price, controls)
    product, above = look.products(panel, kind, group)
    beside = np.full(panel.shape[0], -1, np.int64) if rivals is None else np.asarray(rivals, np.int64)
    offered = (price > 0) & (panel.state == ACTIVE)
    prices = Prices(moved, offered, beside, look.members(beside, product))
    first = [moved, moved**2 / 2, *([look.others(moved, offered, beside)] if prices.columns else [])]
    data = Data(panel.sales, np.stack([*first, *given]), group, 0.0, amounts(panel.sales))
    block = _BLOCK[panel.freq.unit]
    memory = memory or _memory(data, _MEMORY[panel.freq.unit], block)
    data = replace(data, keep=1 - 1 / memory)
    theta, _, noise = _together(data)
    # From here on, the curvature is in the measure of the price.
    others = replace(data, given=data.given[len(first) :])
    found = each(others, np.delete(theta, 1), prices, (product, above), block, noise)
    own = below_zero(found.effect[:, 0], found.own_var) if falling else found.effect[:, 0]
    cross = np.where(beside[:, None] >= 0, found.effect[:, 1 : 1 + prices.columns], 0.0)
    alone = np.column_stack([own, found.effect[:, 1:]])
    response = PriceResponse(
        keys=panel.keys,
        reference=reference,
        own=own,
        own_error=np.sqrt(found.own_var),
        cross=_together_with(cross, prices),
        cross_error=np.where(beside >= 0, np.sqrt(found.cross_var), 0.0),
        power=found.power,
        lowest=np.where(seen, price, np.inf).min(axis=1, initial=np.inf),
        highest=np.where(seen, price, -np.inf).max(axis=1, initial=-np.inf),
        varied=_deviation(np.where(seen, moved, np.nan)) > _LEAST,
        effects=dict(zip(names, found.effect[:, 1 + prices.columns :].mean(axis=0).tolist(), strict=True)),
        rivals=beside,
        member=prices.member,
        pairs=cross if len(prices.member) else np.zeros((panel.shape[0], 0)),
    )
    mean = found.mean * np.exp(found.noise / 2) if data.logs else found.mean
    return Fit(response, mean, mean / np.exp(answer(found.given, alone)), memory, found.noise)


def _together_with(cross: np.ndarray, prices: Prices) -> np.ndarray:
    """Elasticity to all rivals' prices together, float64 [series]."""
    if not len(prices.member):
        return cross.sum(axis=1)
    columns = np.arange(prices.columns)[None, :]
    members = np.zeros((int(prices.beside.max()) + 1, prices.columns), bool)
    inside = prices.beside >= 0
    members[prices.beside[inside], prices.member[inside]] = True
    there = inside[:, None] & members[prices.beside] & (columns != prices.member[:, None])
    return np.where(there, cross, 0.0).sum(axis=1)


def _deviation(values: np.ndarray) -> np.ndarray:
    """Standard deviation of rows, NaN left out, float64 [series]."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, values, 0).sum(axis=1, dtype=np.float64) / count
    off = np.where(known, values - mean[:, None], 0)
    return np.sqrt((off**2).sum(axis=1) / count)


def _memory(data: Data, longest: float, block: int) -> float:
    """The memory with which the elasticity of all is surest, of those with which it comes out as with the shortest."""
    if len(data.sales) > _MANY:
        rows = np.sort(np.random.default_rng(0).choice(len(data.sales), _MANY, replace=False))
        group = None if data.group is None else np.unique(data.group[rows], return_inverse=True)[1]
        data = replace(data, sales=data.sales[rows], given=data.given[:, rows], group=group)
    tried = [longest / share for share in _SHARES]
    own, variance = np.array([_surety(replace(data, keep=1 - 1 / memory), block) for memory in tried]).T
    beyond = 2 * np.sqrt(np.maximum(variance[-1] - variance, 0.0))
    near = np.abs(own - own[-1]) <= np.maximum(beyond, _ALIKE)
    return tried[int(np.where(near, variance, np.inf).argmin())]


def _surety(data: Data, block: int) -> tuple[float, float]:
    """Own elasticity of all series together, and its variance if periods of a block hang together."""
    theta, variance, noise = _together(data)
    mean = expected(data, np.exp(np.clip(np.tensordot(theta.astype(np.float32), data.given, 1), -4, 4)))
    rough = np.zeros(2)
    alone = left(data, weights(data, mean, noise), [0])[0]
    clustered(data.sales, mean, noise, data.logs, alone, block, rough)
    return float(theta[0]), float(variance[0] * max(rough[0] / max(rough[1], 1e-9), 0.5))


def _together(data: Data) -> tuple[np.ndarray, np.ndarray, float]:
    """Effects of all series together, their variances if periods are independent, and the noise."""
    count = len(data.given) - 2
    prior = np.array([USUAL[0], POWER * USUAL[0]] + [0.0] * count)
    width = np.array([USUAL[1], POWER_SPREAD * abs(USUAL[0])] + [_SPREAD] * count)
    theta, noise, curvature = prior.copy(), 0.5, np.eye(len(prior))
    for _ in range(_POOLED):
        answer = np.exp(np.clip(np.tensordot(theta.astype(np.float32), data.given, 1), -4, 4))
        mean = expected(data, answer)
        noise = wobble(data, mean, noise)
        rest = left(data, weights(data, mean, noise), range(len(prior)))
        inside, slope = (part.sum(axis=0) for part in sums(data, mean, noise, rest))
        curvature = inside + np.diag(1 / width**2)
        step = np.linalg.solve(curvature, slope - (theta - prior) / width**2)
        theta = theta + np.clip(step, -_FARTHEST, _FARTHEST)
    return theta, np.diag(np.linalg.inv(curvature)), noise
