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
from windvane.decisions.response.answer import PriceResponse, powered
from windvane.decisions.response.kernels import clustered
from windvane.decisions.response.likelihood import Data, expected, left, sums, weights, wobble
from windvane.decisions.response.pooling import below_zero, pool
from windvane.panel import Panel

_MEMORY = {"1h": 24 * 28.0, "1d": 56.0, "1w": 13.0, "1mo": 6.0}
_BLOCK = {"1h": 24 * 7, "1d": 28, "1w": 4, "1mo": 2}  # periods that hang together
_POOLED, _EACH = 4, 3  # rounds for all series together, and for each
_USUAL = (-1.5, 1.5)  # mean and standard deviation of elasticities before anything is seen
_SPREAD = 1.0  # standard deviation of other effects
_POWER, _POWER_SPREAD, _POWERS = 1.0, 1.0, (-1.0, 4.0)
_FARTHEST = 1.0
_SHARES = (1, 2, 4)  # memories tried: the longest by these
_MANY = 2000  # series that they are tried on
_ALIKE = 0.1  # elasticities no farther apart than this are alike
_LEAST = 0.01  # least standard deviation of a log price that counts as variation


@dataclass(frozen=True, eq=False)
class Prices:
    """Own prices and those of rivals.

    Attributes:
        moved: logarithm of price over reference, float32 [series, time].
        seen: where price and sales are known.
        beside: group of rivals, -1 = none.
        crossed: whether there are rivals.
    """

    moved: np.ndarray
    seen: np.ndarray
    beside: np.ndarray
    crossed: bool

    def measured(self, power: float) -> np.ndarray:
        """Box-Cox of the own price, and of the rivals' mean if there are any, float32 [1 or 2, series, time]."""
        own = powered(self.moved, power)
        return np.stack([own, look.others(own, self.seen, self.beside)] if self.crossed else [own])

    def bend(self, power: float) -> np.ndarray:
        """What :meth:`measured` gains with the power, the own price's, float32 [series, time]."""
        step = 0.05
        return (powered(self.moved, power + step) - powered(self.moved, power - step)) / np.float32(2 * step)


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
        rivals: number of the group within which prices are looked at together, int [series], -1 = none; what counts
            is the mean over the others of the group, so that a group is best one of substitutes at one location.
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
    beside = np.full(panel.shape[0], -1, np.int64) if rivals is None else np.asarray(rivals, np.int64)
    crossed = bool((beside >= 0).any())
    first = [moved, moved**2 / 2, *([look.others(moved, seen, beside)] if crossed else [])]
    data = Data(panel.sales, np.stack([*first, *given]), group, 0.0)
    block = _BLOCK[panel.freq.unit]
    memory = memory or _memory(data, _MEMORY[panel.freq.unit], block)
    data = replace(data, keep=1 - 1 / memory)
    theta, _, _ = _together(data)
    # From here on, the curvature is in the measure of the price.
    data, theta = replace(data, given=data.given[1:]), np.delete(theta, 1)
    prices = Prices(moved, seen, beside, crossed)
    own, cross, mean, noise, power = _each(data, theta, prices, look.tree(panel, kind, group), block)
    (own, own_var), (cross, cross_var) = own, cross
    own = below_zero(own, own_var) if falling else own
    measured = prices.measured(power)
    rest = np.tensordot(theta[1 + crossed :].astype(np.float32), data.given[1 + crossed :], 1)
    effect = np.exp(np.clip(rest + own[:, None].astype(np.float32) * measured[0], -4, 4))
    if crossed:
        effect *= np.exp(np.clip(cross[:, None].astype(np.float32) * measured[1], -4, 4))
    spread = np.where(seen, moved, np.nan)
    with np.errstate(all="ignore"):
        varied = np.nan_to_num(_deviation(spread)) > _LEAST
    response = PriceResponse(
        keys=panel.keys,
        reference=reference,
        own=own,
        own_error=np.sqrt(own_var),
        cross=np.where(beside >= 0, cross, 0.0),
        cross_error=np.where(beside >= 0, np.sqrt(cross_var), 0.0),
        power=power,
        lowest=np.where(seen, price, np.inf).min(axis=1, initial=np.inf),
        highest=np.where(seen, price, -np.inf).max(axis=1, initial=-np.inf),
        varied=varied,
        effects=dict(zip(names, theta[1 + crossed :].tolist(), strict=True)),
        rivals=beside,
    )
    return Fit(response, mean, mean / effect, memory, noise)


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
    clustered(data.sales, mean, noise, left(data, weights(data, mean, noise), [0])[0], block, rough)
    return float(theta[0]), float(variance[0] * max(rough[0] / max(rough[1], 1e-9), 0.5))


def _together(data: Data) -> tuple[np.ndarray, np.ndarray, float]:
    """Effects of all series together, their variances if periods are independent, and the noise."""
    count = len(data.given) - 2
    prior = np.array([_USUAL[0], _POWER * _USUAL[0]] + [0.0] * count)
    width = np.array([_USUAL[1], _POWER_SPREAD * abs(_USUAL[0])] + [_SPREAD] * count)
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


def _each(
    data: Data, theta: np.ndarray, prices: Prices, parents: list[np.ndarray], block: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Own and cross elasticity of every series [2, series] with variances, expected sales, their noise, the power."""
    series, crossed = len(data.sales), prices.crossed
    own, cross = (
        np.stack([np.full(series, value), np.ones(series)]) for value in (theta[0], theta[int(crossed)] * crossed)
    )
    rest = np.tensordot(theta[1 + crossed :].astype(np.float32), data.given[1 + crossed :], 1)
    power, noise = _POWER, 0.5
    for last in range(_EACH + 1):
        now = replace(data, given=prices.measured(power))
        moved = rest + own[0, :, None].astype(np.float32) * now.given[0]
        if crossed:
            moved += cross[0, :, None].astype(np.float32) * now.given[1]
        mean = expected(data, np.exp(np.clip(moved, -4, 4)))
        noise = wobble(data, mean, noise)
        if last == _EACH:
            break
        bent = own[0, :, None].astype(np.float32) * prices.bend(power)
        now = replace(now, given=np.concatenate([now.given, bent[None]]))
        alone = left(now, weights(data, mean, noise), range(len(now.given)))
        inside, slope = sums(data, mean, noise, alone)
        rough = np.zeros(2)
        clustered(data.sales, mean, noise, alone[0], block, rough)
        scale = max(rough[0] / max(rough[1], 1e-9), 0.5)
        power = float(np.clip(_bent(inside, slope, scale, power), *_POWERS))
        some = slice(0, 1 + crossed)
        value, variance = _marginal(
            inside[:, some, some], slope[:, some], np.column_stack([own[0], cross[0]])[:, some], scale
        )
        own = np.stack(pool(value[:, 0], variance[:, 0], parents, (_USUAL[0], _USUAL[1] ** 2))[:2])
        if crossed:
            cross = np.stack(pool(value[:, 1], variance[:, 1], parents, (0.0, _SPREAD**2))[:2])
    return own, cross, mean, noise, power


def _bent(inside: np.ndarray, slope: np.ndarray, scale: float, power: float) -> float:
    """The power after a Newton step, elasticities of every series left free; the last covariate is its bend."""
    size = inside[:, 0, 0]
    says = size > 1e-6
    part = inside[says, 0, -1] / (size[says] + scale / _USUAL[1] ** 2)
    curve = (inside[says, -1, -1] - part * inside[says, 0, -1]).sum() / scale
    gradient = (slope[says, -1] - part * slope[says, 0]).sum() / scale
    step = (gradient - (power - _POWER) / _POWER_SPREAD**2) / (curve + 1 / _POWER_SPREAD**2)
    return power + float(np.clip(step, -_FARTHEST, _FARTHEST))


def _marginal(inside: np.ndarray, slope: np.ndarray, now: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step of every series from where it is, and the variances of where it leads; inf = says nothing."""
    count = inside.shape[1]
    size = np.einsum("skk->sk", inside)
    says = (size > 1e-6).all(axis=1)
    safe = np.where(says[:, None, None], inside, np.eye(count))
    safe = safe + np.einsum("sk,kl->skl", 1e-6 * np.einsum("skk->sk", safe), np.eye(count))
    inverse = np.linalg.inv(safe)
    value = now + np.einsum("skl,sl->sk", inverse, slope)
    variance = scale * np.einsum("skk->sk", inverse)
    alone = ~says & (size[:, 0] > 1e-6)
    value[alone, 0] = now[alone, 0] + slope[alone, 0] / size[alone, 0]
    variance[alone, 0] = scale / size[alone, 0]
    silent = ~says & ~alone
    variance[silent] = np.inf
    variance[alone, 1:] = np.inf
    value[~says, 1:] = 0.0
    value[silent, 0] = 0.0
    return value, variance
