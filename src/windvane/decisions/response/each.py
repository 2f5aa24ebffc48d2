"""Responses product by product: every effect of its own, drawn to that of all by how much it tells.

Around the effects that all series have together, every product has its own: to its price, to those of its rivals, to
promotions and other covariates (a normal prior per kind of effect, whose spread is found from the products
themselves). The own price's effect differs between the locations of a product besides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.decisions.response import given as look
from windvane.decisions.response.answer import powered
from windvane.decisions.response.kernels import clustered
from windvane.decisions.response.likelihood import Data, expected, left, sums, weights, wobble
from windvane.decisions.response.pooling import pool, spread

USUAL = (-1.5, 1.5)
"""Mean and standard deviation of own elasticities before anything is seen."""
POWER, POWER_SPREAD, POWERS = 1.0, 1.0, (-1.0, 4.0)
"""Curvature before anything is seen, its standard deviation, its bounds."""
_ROUNDS = 4
_WIDE = 1.0  # standard deviation of other effects round that of all, before anything is seen
_LEAST = 0.02
_FARTHEST = 1.0


@dataclass(frozen=True, eq=False)
class Prices:
    """Own prices and those of rivals.

    Attributes:
        moved: logarithm of price over reference, float32 [series, time].
        offered: where a series is on sale at a known price.
        beside: group of rivals, int64 [series], -1 = none.
        member: number of every series within its group, int64 [series]; empty = only the rivals' mean counts.
    """

    moved: np.ndarray
    offered: np.ndarray
    beside: np.ndarray
    member: np.ndarray

    @property
    def columns(self) -> int:
        """Covariates that rivals' prices make."""
        if not (self.beside >= 0).any():
            return 0
        return int(self.member.max()) + 1 if len(self.member) else 1

    def measured(self, power: float) -> np.ndarray:
        """Box-Cox of the own price, and of the rivals', float32 [1 + columns, series, time]."""
        own = powered(self.moved, power)
        if not self.columns:
            return own[None]
        if not len(self.member):
            return np.stack([own, look.others(own, self.offered, self.beside)])
        return np.concatenate([own[None], look.each_other(own, self.offered, self.beside, self.member)])

    def bend(self, power: float) -> np.ndarray:
        """What the own price's measure gains with the power, float32 [series, time]."""
        step = 0.05
        return (powered(self.moved, power + step) - powered(self.moved, power - step)) / np.float32(2 * step)


@dataclass(frozen=True, eq=False)
class Each:
    """What was found.

    Attributes:
        effect: of every series, float64 [series, covariates]: own price, rivals, others.
        own_var: variance of the own price's, float64 [series].
        cross_var: variance of that of all rivals together.
        power: curvature.
        mean: expected sales, float32 [series, time].
        noise: their variance beside that of counts, relative to the squared mean.
        given: the covariates, float32 [covariates, series, time].
    """

    effect: np.ndarray
    own_var: np.ndarray
    cross_var: np.ndarray
    power: float
    mean: np.ndarray
    noise: float
    given: np.ndarray


def answer(given: np.ndarray, effect: np.ndarray) -> np.ndarray:
    """Logarithm of what covariates do, float32 [series, time], within exp(-4) to exp(4)."""
    out = np.zeros(given.shape[1:], np.float32)
    for k in range(len(given)):
        out += effect[:, k, None].astype(np.float32) * given[k]
    return np.clip(out, -4, 4)


def each(
    data: Data, theta: np.ndarray, prices: Prices, kinds: tuple[np.ndarray, np.ndarray], block: int, noise: float
) -> Each:
    """Effects of every product and series.

    Args:
        data: sales, and the covariates that are no prices.
        theta: effects of all series together: own price, rivals' mean if there are rivals, the others.
        prices: own and rivals' prices.
        kinds: number of the product of every series, int64 [series]; group of every product.
        block: periods that hang together.
        noise: variance of sales beside that of counts, to begin with.
    """
    kind, group = kinds
    columns, series = prices.columns, len(data.sales)
    start = [theta[:1], np.full(columns, theta[1] / max(columns - 1, 1)) if columns else theta[:0]]
    centre = np.concatenate([*start, theta[1 + (columns > 0) :]])
    effect = np.tile(centre, (int(kind.max(initial=-1)) + 1, 1))
    width, lean = np.full(len(centre), _WIDE), np.zeros(series)
    own_var, cross_var, lean_var, power = np.ones(len(effect)), np.ones(len(effect)), np.zeros(series), POWER
    for last in range(_ROUNDS + 1):
        now = replace(data, given=np.concatenate([prices.measured(power), data.given]))
        mine = effect[kind]
        mine[:, 0] += lean
        mean = expected(data, np.exp(answer(now.given, mine)))
        noise = wobble(data, mean, noise)
        if last == _ROUNDS:
            break
        bent = mine[:, 0, None].astype(np.float32) * prices.bend(power)
        whole = replace(now, given=np.concatenate([now.given, bent[None]]))
        rest = left(whole, weights(data, mean, noise), range(len(whole.given)))
        inside, slope = sums(data, mean, noise, rest)
        rough = np.zeros(2)
        clustered(data.sales, mean, noise, data.logs, rest[0], block, rough)
        scale = max(rough[0] / max(rough[1], 1e-9), 0.5)
        inside, slope = inside / scale, slope / scale
        power = float(np.clip(_bent(inside, slope, power), *POWERS))
        inside, slope = inside[:, :-1, :-1], slope[:, :-1]
        effect, own_var, cross_var = _products(inside, slope, effect, (kind, group), (centre, width), columns)
        if len(effect) < series:
            lean, lean_var = _locations(inside[:, 0, 0], slope[:, 0], lean, kind)
    return Each(mine, own_var[kind] + lean_var, cross_var[kind], power, mean, noise, now.given)


def _products(
    inside: np.ndarray,
    slope: np.ndarray,
    effect: np.ndarray,
    kinds: tuple[np.ndarray, np.ndarray],
    prior: tuple[np.ndarray, np.ndarray],
    columns: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One Newton step of every product's effects, and the variances of the own price's and of all rivals' together.

    ``prior``: means and standard deviations of the effects that are not the own price's; both are found anew, in place.
    """
    (kind, group), (centre, width) = kinds, prior
    count = effect.shape[1]
    square = np.zeros((len(effect), count, count))
    np.add.at(square, kind, inside)
    line = np.zeros((len(effect), count))
    np.add.at(line, kind, slope)
    # The own price's effect is left to the data here, and drawn to the others' below.
    hold = 1 / width**2
    hold[0] = 1e-4
    inverse = np.linalg.inv(square + np.diag(hold))
    value = effect + np.einsum("pkl,pl->pk", inverse, line - hold * (effect - centre))
    variance = np.einsum("pkk->pk", inverse)
    parents = [group] if int(group.max(initial=0)) > 0 else []
    silent = square[:, 0, 0] < 1e-6
    own, own_var, _ = pool(value[:, 0], np.where(silent, np.inf, variance[:, 0]), parents, (USUAL[0], USUAL[1] ** 2))
    moved = np.where(silent, 0.0, (own - value[:, 0]) / np.maximum(variance[:, 0], 1e-12))
    found = value + inverse[:, :, 0] * moved[:, None]
    found[:, 0] = own
    rivals = np.zeros(len(effect))
    if columns:
        rivals = inverse[:, 1 : 1 + columns, 1 : 1 + columns].sum(axis=(1, 2))
    blocks = [np.arange(1, 1 + columns)] if columns else []
    blocks += [np.array([k]) for k in range(1 + columns, count)]
    for some in blocks:
        _spread(value[:, some], variance[:, some], some, centre, width)
    step = np.clip(found - effect, -_FARTHEST, _FARTHEST)
    return effect + step, own_var, rivals


def _spread(value: np.ndarray, variance: np.ndarray, some: np.ndarray, centre: np.ndarray, width: np.ndarray) -> None:
    """Mean and spread of effects of one kind over products, written into ``centre`` and ``width``."""
    hold = 1 / width[some] ** 2
    told = 1 / variance - hold
    says = told > 0.05 * hold
    if says.sum() < 3:
        return
    # What the data alone say: the prior taken out again.
    alone = 1 / told[says]
    plain = alone * (value / variance - hold * centre[some])[says]
    tau = spread(plain, alone, np.zeros(len(plain), np.int64))
    weight = 1 / (alone + tau)
    centre[some] = (weight * plain).sum() / weight.sum()
    width[some] = np.sqrt(max(tau, _LEAST**2))


def _locations(
    inside: np.ndarray, slope: np.ndarray, lean: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How the own price's effect of a series differs from its product's, and the variance of that."""
    says = inside > 1e-6
    value = np.where(says, lean + slope / np.where(says, inside, 1.0), 0.0)
    variance = np.where(says, 1 / np.where(says, inside, 1.0), np.inf)
    tau = spread(value, variance, kind)
    shrunk = np.where(says, value * tau / (tau + variance), 0.0) if tau > 0 else np.zeros(len(value))
    count = np.maximum(np.bincount(kind), 1)
    shrunk = np.clip(shrunk - (np.bincount(kind, shrunk) / count)[kind], -_FARTHEST, _FARTHEST)
    return shrunk, np.where(says, tau * variance / (tau + np.where(says, variance, 1.0)), tau) if tau > 0 else 0 * value


def _bent(inside: np.ndarray, slope: np.ndarray, power: float) -> float:
    """The power after a Newton step, elasticities of every series left free; the last covariate is its bend."""
    size = inside[:, 0, 0]
    says = size > 1e-6
    part = inside[says, 0, -1] / (size[says] + 1 / USUAL[1] ** 2)
    curve = (inside[says, -1, -1] - part * inside[says, 0, -1]).sum()
    gradient = (slope[says, -1] - part * slope[says, 0]).sum()
    step = (gradient - (power - POWER) / POWER_SPREAD**2) / (curve + 1 / POWER_SPREAD**2)
    return power + float(np.clip(step, -_FARTHEST, _FARTHEST))
