"""Price changes by boosted trees: one model per quantile, over all series and lags.

Source: Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30; Koenker and Bassett
(1978), Regression quantiles, Econometrica 46 (its loss).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from windvane.decisions.pricing.changes import Told, lags, signs, window
from windvane.decisions.pricing.history import PriceHistory
from windvane.engine import thread_count

_AT = (0.005, 0.025, *(round(k / 10, 1) for k in range(1, 10)), 0.975, 0.995)
_ROWS, _TRIED = 40_000, 400_000
_BACK = (1, 2, 4, 8, 13)
_ROUNDS = 60
_STANDS = 1e-3  # logs no farther apart are the same price
_FEWEST = 500  # changes that a model takes at least
_SETTINGS = {
    "objective": "quantile", "num_leaves": 31, "learning_rate": 0.12, "min_data_in_leaf": 50, "max_bin": 127,
    "verbose": -1, "seed": 1, "deterministic": True, "force_col_wise": True,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trees:
    """Models of the quantiles of log price changes.

    Attributes:
        models: one per level; empty = too few changes were ever seen, and prices stand.
        most: largest change that was seen, on the scale of logarithms.
    """

    models: tuple[Any, ...]
    most: float

    @classmethod
    def fit(cls, history: PriceHistory, at: int, horizon: int) -> Trees:
        """Learn from changes up to period ``at``; see :func:`windvane.decisions.pricing.changes.steps`."""
        import lightgbm as lgb

        past, begin = history.past, window(history, at)
        if at - begin < 2:
            return cls((), 0.0)
        rng = np.random.default_rng(1)
        far = 2 * horizon if (past.age[:, at] > 0).any() else horizon
        every = len(past.log) * (at - begin) * far
        some = rng.permutation(every) if every <= _TRIED else rng.integers(0, every, _TRIED)
        rows, rest = np.divmod(some, (at - begin) * far)
        start, lag = rest // far + begin, rest % far + 1
        inside = start + lag <= at
        rows, start, lag = rows[inside], start[inside], lag[inside]
        use = np.flatnonzero(past.seen[rows, start] & past.seen[rows, start + lag])[:_ROWS]
        if len(use) < _FEWEST:
            return cls((), 0.0)
        rows, start, lag = rows[use], start[use], lag[use]
        change = (past.log[rows, start + lag] - past.log[rows, start]).astype(np.float64)
        # One data set for all quantiles: its bins are made once.
        train = lgb.Dataset(_covariates(history, at, rows, start, lag), change, params={"max_bin": 127, "verbose": -1})
        train.construct()
        shared = {**_SETTINGS, "num_threads": thread_count()}
        models = tuple(lgb.train({**shared, "alpha": level}, train, _ROUNDS) for level in _AT)
        return cls(models, float(np.abs(change).max()))

    def tell(self, history: PriceHistory, at: int, horizon: int, levels: np.ndarray) -> Told:
        """Prices after period ``at``; see :func:`windvane.decisions.pricing.changes.steps`."""
        now = history.past.log[:, at].astype(np.float64)[:, None, None]
        shape = (len(now), horizon)
        if not self.models:
            same = np.broadcast_to(np.exp(now), (*shape, len(levels)))
            return Told(same[:, :, 0].copy(), same.copy())
        rows = np.repeat(np.arange(len(now)), horizon)
        given = _covariates(history, at, rows, np.full(len(rows), at), lags(history, at, horizon).ravel())
        change = np.sort(np.stack([model.predict(given) for model in self.models], axis=1), axis=1)
        change = np.clip(change, -self.most, self.most)
        # Where the present price is at most a rounding away, it stands.
        change[np.abs(change) < _STANDS] = 0.0
        low = np.clip(np.searchsorted(_AT, levels), 1, len(_AT) - 1)
        share = np.clip((levels - np.take(_AT, low - 1)) / (np.take(_AT, low) - np.take(_AT, low - 1)), 0, 1)
        found = change[:, low - 1] + share * (change[:, low] - change[:, low - 1])
        # The mean of the quantile function, straight between levels.
        weight = np.diff(np.concatenate([[0.0], (np.array(_AT[1:]) + np.array(_AT[:-1])) / 2, [1.0]]))
        mean = np.exp(now[:, :, 0]) * (np.exp(change) @ weight).reshape(shape)
        return Told(mean, np.exp(now + found.reshape(*shape, len(levels))))


def _covariates(history: PriceHistory, at: int, rows: np.ndarray, start: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """What is known at ``start`` of a change over ``lag`` periods, float32 [n, covariates]."""
    past = history.past
    known, unrest = signs(history, at)
    log = past.log[:, : at + 1]
    moved = np.zeros(log.shape, np.float32)
    moved[:, 1:] = np.abs(np.nan_to_num(np.diff(log, axis=1))) > 5e-4
    many = np.cumsum(moved, axis=1)
    before = [log[rows, start] - log[rows, np.maximum(start - k, 0)] for k in _BACK]
    recently = many[rows, start] - many[rows, np.maximum(start - 4 * _BACK[-1], 0)]
    columns = [
        lag,
        past.still[rows, start],
        history.group[rows],
        unrest[rows, start],
        recently,
        *known[:, rows, start],
        *before,
    ]
    return np.column_stack(columns).astype(np.float32)
