"""Which promotions a panel knows of, by kind and strength, in either of the two shapes in which panels hold them.

A text covariate ``promotion`` names the kind that runs, with its ``placement`` beside it where that is known; or every
kind has a covariate of its own, ``promo_<kind>``, which says how strong it is (placement, else depth, else 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windvane.panel import Panel

ONE, EACH = "promotion", "promo_"


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of promotion.

    Attributes:
        name: what it is called.
        strength: 0 where none runs, else placement or depth, or 1 where neither is known; NaN = unknown; float32
            [series, time and what is planned].
        placed: whether strengths are placements (or depths), not mere ones.
        parts: covariates by the name of their effect: what one of strength 1 adds to a covariate, and the part of it
            that does not depend on strength.
    """

    name: str
    strength: np.ndarray
    placed: bool
    parts: tuple[tuple[str, float, float], ...]

    def lift(self, effects: dict[str, float], strength: float) -> float:
        """What it does to the logarithm of demand, price cut apart.

        Args:
            effects: of :class:`windvane.decisions.response.PriceResponse`.
            strength: how strong it is to be.
        """
        return sum(effects.get(name, 0.0) * (fixed + slope * strength) for name, fixed, slope in self.parts)


def kinds(panel: Panel) -> list[Kind]:
    """Kinds of promotions that ran at least once, in the panel's order; of plans what is known at the panel's end.

    Args:
        panel: the series.
    """
    time, out = panel.shape[1], []
    held = {name: known.by(time - 1).values for name, known in panel.known.items()}
    if ONE in held and ONE in panel.levels:
        code, place = held[ONE], held.get("placement")
        for number, name in enumerate(panel.levels[ONE]):
            here = code == number
            if not name or not here[:, :time].any():
                continue
            parts: tuple[tuple[str, float, float], ...] = ((f"{ONE}={name}", 1.0, 0.0),)
            strength = np.where(np.isnan(code), np.float32(np.nan), here.astype(np.float32))
            if place is not None:
                strength = np.where(here, np.nan_to_num(place, nan=1.0), strength)
                parts += (("placement", 0.0, 1 / (spread(place[:, :time]) or 1.0)),)
            out.append(Kind(name, strength.astype(np.float32), place is not None, parts))
    for name, values in held.items():
        past = values[:, :time]
        if name.startswith(EACH) and (np.nan_to_num(past) > 0).any():
            placed = bool((past[past > 0] != 1).any())
            out.append(Kind(name.removeprefix(EACH), values, placed, ((name, 0.0, 1 / (spread(past) or 1.0)),)))
    return out


def running(panel: Panel) -> np.ndarray | None:
    """Where a promotion runs, bool [series, time]; None where the panel knows of none."""
    time = panel.shape[1]
    if ONE in panel.known:
        return np.asarray(panel.known[ONE].values[:, :time] > 0)
    found = [known.values[:, :time] > 0 for name, known in panel.known.items() if name.startswith(EACH)]
    return np.asarray(np.logical_or.reduce(found)) if found else None


def spread(values: np.ndarray) -> float:
    """Standard deviation by which a covariate is divided before its effect is learned; unknown counts as 0."""
    return float(np.nan_to_num(values).astype(np.float32).std(dtype=np.float64))
