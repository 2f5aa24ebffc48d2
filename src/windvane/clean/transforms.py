"""Reversible transforms of series: logarithm, differences, scale.

Each gives the transformed values and can take them back, exactly but for rounding of float64. Unknown values (NaN)
stay unknown, and everything round them still comes back.

Example:
    >>> import numpy as np
    >>> step = Difference(1)
    >>> step.inverse(step.apply(np.array([[5.0, 7.0, 4.0]])))
    array([[5., 7., 4.]])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit

from windvane.errors import ConfigError, InputError


class Transform(Protocol):
    """A reversible transform of series, float64 [series, time]."""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Transform."""
        ...

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Take back what :meth:`apply` gave."""
        ...


@dataclass(frozen=True)
class Log1p:
    """``log(1 + x)`` for values of at least 0: effects that multiply become effects that add."""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Transform.

        Raises:
            InputError: a value is negative.
        """
        bad = np.argwhere(values < 0)
        if len(bad):
            raise InputError(
                f"log1p: the value in row {bad[0][0]}, column {bad[0][1]} is negative ({values[tuple(bad[0])]}).",
                "Net returns out first, or use another transform.",
                row=int(bad[0][0]),
            )
        result: np.ndarray = np.log1p(np.asarray(values, np.float64))
        return result

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Take it back."""
        result: np.ndarray = np.expm1(np.asarray(values, np.float64))
        return result


@njit("void(f8[:,::1], i8, f8, f8[:,::1])", cache=True, nogil=True)
def _difference(values, lag, sign, out):  # type: ignore[no-untyped-def]
    """Differences where sign is -1, the sums that undo them where it is +1."""
    last = np.empty(lag)
    for s in range(values.shape[0]):
        last[:] = 0.0
        for t in range(values.shape[1]):
            x = values[s, t]
            out[s, t] = x + sign * last[t % lag]
            if not np.isnan(x):
                last[t % lag] = x if sign < 0 else out[s, t]


@dataclass(frozen=True)
class Difference:
    """Difference to the last known value of the same phase before; the first one of each phase stays as it is.

    Attributes:
        lag: periods per cycle: 1 for plain, the season for seasonal differences.
    """

    lag: int = 1

    def __post_init__(self) -> None:
        if self.lag < 1:
            raise ConfigError(f"a difference over {self.lag} periods is none.", "Use a lag of at least 1.")

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Transform."""
        return self._run(values, -1.0)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Take it back."""
        return self._run(values, 1.0)

    def _run(self, values: np.ndarray, sign: float) -> np.ndarray:
        out = np.empty(values.shape, np.float64)
        _difference(np.ascontiguousarray(values, np.float64), self.lag, sign, out)
        return out


@dataclass(frozen=True, eq=False)
class Scale:
    """Division by a constant per series.

    Attributes:
        by: float64 [series], above 0.
    """

    by: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """Scale by the mean absolute value of each series; 1 where it is zero or nothing is known."""
        seen = ~np.isnan(values)
        total = np.where(seen, np.abs(values), 0).sum(axis=1, dtype=np.float64)
        mean = total / np.maximum(seen.sum(axis=1), 1)
        return cls(np.where(mean > 0, mean, 1.0))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Transform."""
        result: np.ndarray = np.asarray(values, np.float64) / self.by[:, None]
        return result

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Take it back."""
        result: np.ndarray = np.asarray(values, np.float64) * self.by[:, None]
        return result


@dataclass(frozen=True)
class Chain:
    """Several transforms, one after the other."""

    steps: tuple[Transform, ...]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Transform, first step first."""
        for step in self.steps:
            values = step.apply(values)
        return values

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Take it back, last step first."""
        for step in reversed(self.steps):
            values = step.inverse(values)
        return values
