"""LightGBM: what is asked of it, how it is called, and how its trees are read.

Trees are added up on the logarithm of a baseline's forecast, so that they multiply it.

Sources: Ke et al. (2017), LightGBM, NeurIPS 30; Jorgensen (1987), Journal of the Royal Statistical Society B 49
(Tweedie deviance, whose power 0 is the squared error and 1 the Poisson deviance).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from windvane.engine import thread_count

_ENOUGH = 20_000  # known cells from which on all rounds are made
_FEWEST_ROUNDS = 10


@dataclass(frozen=True)
class Growth:
    """How trees are grown.

    Attributes:
        power: of the Tweedie deviance: 0 = squared error, 1 = Poisson, towards 2 the relative error counts more.
        rounds: trees; fewer where few cells are known.
        leaves: of a tree.
        rate: what each tree adds.
        least: fewest rows of a leaf; 0 = by the number of rows.
        columns: share of the features that each tree may use.
        part: share of the rows that each tree is grown on.
        ridge: units of curvature that draw the value of a leaf to 0.
        random: split points drawn at random: single trees fit worse, their sum wanders less.
    """

    power: float = 1.1
    rounds: int = 100
    leaves: int = 24
    rate: float = 0.1
    least: int = 0
    columns: float = 0.5
    part: float = 0.6
    ridge: float = 10.0
    random: bool = False

    def suited(self, cells: int) -> Growth:
        """As many rounds as so many known cells bear.

        Args:
            cells: different (series, period) targets; rows that share one say little more than one of them.
        """
        return replace(self, rounds=max(_FEWEST_ROUNDS, min(self.rounds, self.rounds * cells // _ENOUGH)))


@dataclass(frozen=True, eq=False)
class Data:
    """Rows to learn from, or to stop by.

    Attributes:
        matrix: float32 [rows, features].
        target: sales over a common unit [rows].
        offset: log of the baseline over that unit [rows].
        weight: float32 [rows].
    """

    matrix: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    weight: np.ndarray

    def where(self, use: np.ndarray) -> Data:
        """Some of the rows."""
        return Data(self.matrix[use], self.target[use], self.offset[use], self.weight[use])


def library() -> Any:
    """LightGBM, with OpenMP told how to wait.

    Its threads spin while they wait for each other, which beside other busy processes makes it many times slower.
    OpenMP reads its setting once, when it is loaded.
    """
    if "lightgbm" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import lightgbm

    return lightgbm


def grow(
    data: Data, growth: Growth, codes: list[int], falling: list[int], seed: int, later: Data | None = None
) -> tuple[str, int]:
    """Grow trees.

    Args:
        data: rows to learn from.
        growth: how.
        codes: columns whose values are codes.
        falling: columns in which the forecast may only fall.
        seed: of what is drawn at random.
        later: rows by whose deviance the number of rounds is chosen; None = all rounds.

    Returns:
        LightGBM's text, and the number of rounds.
    """
    lightgbm = library()
    width, rows = data.matrix.shape[1], len(data.target)
    rounds = growth.rounds
    settings: dict[str, Any] = {
        **_objective(growth.power),
        "learning_rate": growth.rate,
        "num_leaves": growth.leaves,
        "min_data_in_leaf": growth.least or max(20, min(500, rows // 200)),
        "feature_fraction": growth.columns,
        "bagging_fraction": growth.part,
        "bagging_freq": 1,
        "extra_trees": growth.random,
        "lambda_l2": growth.ridge,
        "cat_smooth": 50.0,
        "cat_l2": 50.0,
        "max_cat_threshold": 32,
        "boost_from_average": False,
        "num_threads": thread_count(),
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbosity": -1,
    }
    if falling:
        settings["monotone_constraints"] = [-1 if k in falling else 0 for k in range(width)]
    sets = [_dataset(lightgbm, data, codes)]
    if later is None or not len(later.target):
        booster = lightgbm.train(settings, sets[0], rounds)
        return str(booster.model_to_string()), rounds
    sets.append(_dataset(lightgbm, later, codes, sets[0]))
    stop = lightgbm.early_stopping(max(10, rounds // 8), verbose=False)
    measure = _deviance(growth.power)
    booster = lightgbm.train(
        {**settings, "metric": "none"}, sets[0], rounds, valid_sets=sets[1:], feval=measure, callbacks=[stop]
    )
    best = max(1, int(booster.best_iteration))
    return str(booster.model_to_string(num_iteration=best)), best


def _dataset(lightgbm: Any, data: Data, codes: list[int], like: Any = None) -> Any:
    return lightgbm.Dataset(
        data.matrix,
        data.target,
        weight=data.weight,
        init_score=data.offset,
        categorical_feature=codes,
        reference=like,
        params={"verbosity": -1},
        free_raw_data=True,
    )


def _objective(power: float) -> dict[str, Any]:
    if power == 0:
        return {"objective": _squares}
    if power == 1:
        return {"objective": "poisson"}
    return {"objective": "tweedie", "tweedie_variance_power": power}


def _squares(score: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Gauss-Newton curvature of the squared error of exp(score)."""
    mean = np.exp(np.clip(score, -30, 30))
    weight = data.get_weight()
    return weight * mean * (mean - data.get_label()), weight * (mean * mean + 1e-6)


def _deviance(power: float) -> Any:
    """Deviance to stop by, without the part that no forecast changes."""

    def measure(score: np.ndarray, data: Any) -> tuple[str, float, bool]:
        # The library hands out means for its own objectives, and sums of trees for ours.
        mean = np.exp(np.clip(score, -30, 30)) if power == 0 else np.maximum(score, 1e-12)
        return "deviance", deviance(data.get_label(), mean, data.get_weight(), power), False

    return measure


def deviance(actual: np.ndarray, mean: np.ndarray, weight: np.ndarray, power: float) -> float:
    """Mean Tweedie deviance up to a constant: what forecasts of the same sales are compared by."""
    if power == 0:
        loss = (actual - mean) ** 2
    elif power == 1:
        loss = mean - actual * np.log(mean)
    else:
        loss = mean ** (2 - power) / (2 - power) - actual * mean ** (1 - power) / (1 - power)
    return float(np.average(loss, weights=weight))
