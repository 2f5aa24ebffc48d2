"""How long a price test must run: all customers pay the same, so that prices alternate from block to block of days.

A test of a price change compares days at one price with days at the other. On the log scale its estimate has the
variance 4 v / T, where T is the days of the test and v the variance of one day's demand relative to its squared mean;
products that are changed together are looked at together. It finds an effect of size d, at a given level and power, if
T >= 4 v (z(1 - level / 2) + z(power))^2 / d^2.

Source: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 2; Bojinov, Simchi-Levi and Zhao
(2023), Design and analysis of switchback experiments, Management Science 69 (alternating blocks).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.errors import InputError


@dataclass(frozen=True)
class Experiment:
    """A plan of a test.

    Attributes:
        days: days that it takes, a whole even number of blocks.
        blocks: number of blocks, half at each price, in alternation.
        effect: change of the logarithm of demand that is expected.
        detectable: smallest change that the test finds with the given power in these days.
    """

    days: int
    blocks: int
    effect: float
    detectable: float


def plan(
    units: np.ndarray,
    noise: float,
    elasticity: np.ndarray,
    change: float,
    block: int = 7,
    level: float = 0.05,
    power: float = 0.8,
) -> Experiment:
    """Plan a test of one change for some products together.

    Args:
        units: expected units a day of each product, float64 [products], above 0 in all.
        noise: variance of a day beside that of counts, relative to the squared mean (see
            :attr:`windvane.decisions.response.Fit.noise`).
        elasticity: of each product, float64 [products].
        change: of the price, such as 0.1 or -0.2.
        block: days of a block; whole weeks keep weekdays apart from prices.
        level: chance of seeing an effect where there is none.
        power: chance of seeing the one expected.

    Raises:
        InputError: nothing is sold, the price does not change, or a share is out of range.

    Example:
        >>> plan(np.array([5.0, 3.0]), 0.2, np.array([-2.0, -1.5]), 0.1).blocks
        36
    """
    from scipy.special import ndtri

    units, elasticity = np.asarray(units, float), np.asarray(elasticity, float)
    total = float(units.sum())
    if not total > 0 or (units < 0).any():
        raise InputError("nothing is expected to sell.", "Test products that sell.", column="units")
    if change <= -1 or change == 0:
        raise InputError(f"the change is {change}.", "Give a share above -1 other than 0.", column="change")
    if not (0 < level < 1 and 0 < power < 1) or block < 1:
        raise InputError("level and power must lie between 0 and 1, a block has at least one day.", "Correct them.")
    # Together they sell (1 + change)^elasticity of each one's units.
    effect = float(np.log((units * (1 + change) ** elasticity).sum() / total))
    if effect == 0:
        raise InputError("demand does not answer to the price.", "There is no effect to be found.", column="elasticity")
    relative = float((units + noise * units**2).sum()) / total**2
    far = float(ndtri(1 - level / 2) + ndtri(power))
    days = 4 * relative * far**2 / effect**2
    blocks = max(2 * int(np.ceil(days / block / 2)), 2)
    return Experiment(blocks * block, blocks, effect, float(np.sqrt(4 * relative / (blocks * block)) * far))
