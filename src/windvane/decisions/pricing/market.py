"""Where prices go: of competitors, of a market, of purchases.

A few methods forecast every price (:mod:`windvane.decisions.pricing.changes`,
:mod:`windvane.decisions.pricing.trees`), and which of them does is settled on the data: each forecasts the last windows
of the past from what was known before them, and the one with the least quantile loss, relative to the price, is taken,
for every group that is large enough to tell and for all others together. The mean of all goes before a method that is
hardly better: windows are few.

- ``last``: the last price, with the empirical distribution of its changes over so many periods.
- ``steps``: prices that stand, jump, or return from a temporary cut to what they usually are.
- ``drift``: prices that wander, and revert to their average, their group's and their season's.
- ``trees``: boosted quantile regression on what is known of a price.
- ``steps and trees``, ``drift and trees``, ``all``: quantile by quantile the mean of these.

Paths stand and move as prices did, and together as they did (:mod:`windvane.decisions.pricing.trajectories`).

Sources: Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, JASA 102 (quantile
loss); Lichtendahl, Grushka-Cockayne and Winkler (2013), Is it better to average probabilities or quantiles?, Management
Science 59.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.decisions.pricing.changes import Told, drift, steps
from windvane.decisions.pricing.history import PriceHistory
from windvane.decisions.pricing.trajectories import PriceForecast, Trajectories
from windvane.decisions.pricing.trees import Trees
from windvane.errors import InputError
from windvane.forecasts import identity_of, tidy

SINGLE = ("last", "steps", "drift", "trees")
METHODS = (*SINGLE, "steps and trees", "drift and trees", "all")
"""Names of the methods; "all" is the mean of the single ones."""
LEVELS = (0.005, 0.025, *(round(k / 20, 2) for k in range(1, 20)), 0.975, 0.995)
"""Probabilities of the quantiles."""
_JUDGED = np.arange(1, 10) / 10
_WINDOWS, _SERIES = 6, 800  # windows of the past that methods are judged on, and series
_LARGE, _DRAWN = 20.0, 6.0  # series-windows, and windows, that draw a group's loss to that of all
_MEAN, _LEAN = "all", 0.97  # what another method must err less by than the mean of all
_FEWEST = 4  # periods that a method must know before it forecasts a window
_SEED = 5


@dataclass(frozen=True, eq=False)
class Market:
    """Where prices go.

    Attributes:
        forecast: prices over the horizon, in the order of the series.
        last: last price observed, float64 [series].
        method: name of the method of every series.
        scores: what was judged: group, method, loss (quantile loss relative to the price), series (that were judged),
            chosen; empty where the method was given or the past is too short to judge.
    """

    forecast: PriceForecast
    last: np.ndarray
    method: list[str]
    scores: pl.DataFrame


def forecast_prices(
    history: PriceHistory,
    horizon: int,
    method: str | None = None,
    levels: tuple[float, ...] = LEVELS,
    seed: int = 1,
) -> Market:
    """Forecast prices.

    Args:
        history: prices up to the cutoff.
        horizon: periods ahead.
        method: one of :data:`METHODS` for all series; None = settle it on the past.
        levels: probabilities of the quantiles.
        seed: of the sample paths.

    Returns:
        The forecast; a price that never moved, among others that never did, stays.

    Raises:
        InputError: the horizon is no number from 1, or there is no such method.

    Example:
        >>> from datetime import date
        >>> days = pl.date_range(date(2026, 1, 1), date(2026, 3, 1), eager=True)
        >>> prices = np.full((2, 60), 10.0)
        >>> prices[0, 20:25] = 8.0
        >>> market = forecast_prices(PriceHistory.from_array(prices, days), horizon=7)
        >>> market.forecast.quantile(0.5)[:, 0].round(2)
        array([10., 10.], dtype=float32)
    """
    if horizon < 1:
        raise InputError(f"the horizon is {horizon}.", "Give a number of periods from 1.", column="horizon")
    if method is not None and method not in METHODS:
        raise InputError(f"there is no method {method!r}.", f"Choose one of: {', '.join(METHODS)}.", column="method")
    judged = _Judged.nothing() if method else _judged(history, horizon)
    chosen = [method] * len(history.price) if method else judged.choice(history.group)
    told = predict(history, horizon, chosen, np.array(levels))
    keys, ahead = history.keys, history.freq.number(history.cutoff) + np.arange(1, horizon + 1)
    mean, quantiles = tidy(told.mean, told.quantiles, counts=False)
    forecast = PriceForecast(
        keys=keys,
        cutoff=history.cutoff,
        dates=history.freq.dates(ahead),
        mean=mean,
        quantiles=quantiles,
        levels=levels,
        identity=identity_of(keys),
        seed=seed,
        like=Trajectories(history, np.arange(len(mean))),
    )
    return Market(forecast, history.last(), chosen, judged.frame(history.group))


def predict(history: PriceHistory, horizon: int, method: list[str], levels: np.ndarray) -> Told:
    """What the named methods say of each series, from its last period on.

    Args:
        history: prices up to the cutoff.
        horizon: periods ahead.
        method: name of the method of every series, see :data:`METHODS`.
        levels: probabilities of the quantiles.

    Example:
        >>> days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 1, 20), eager=True)
        >>> history = PriceHistory.from_array(np.full((1, 20), 5.0), days)
        >>> predict(history, 2, ["steps"], np.array([0.1, 0.9])).quantiles.round(3)
        array([[[5., 5.],
                [5., 5.]]])
    """
    told = _each(history, horizon, levels, tuple(sorted(set(method))))
    shape = (len(method), horizon)
    mean, quantiles = np.zeros(shape), np.zeros((*shape, len(levels)))
    for name, one in told.items():
        rows = np.array([m == name for m in method])
        mean[rows], quantiles[rows] = one.mean[rows], one.quantiles[rows]
    return Told(mean, quantiles)


def _each(
    history: PriceHistory, horizon: int, levels: np.ndarray, methods: tuple[str, ...], trees: Trees | None = None
) -> dict[str, Told]:
    """What each method says of all series; ``trees``: learned before, None = learn them here."""
    at = history.price.shape[1] - 1
    made: dict[str, Told] = {}
    for name in sorted({part for several in methods for part in _parts(several)}):
        if name == "trees":
            made[name] = (trees or Trees.fit(history, at, horizon)).tell(history, at, horizon, levels)
        elif name == "drift":
            made[name] = drift(history, at, horizon, levels)
        else:
            made[name] = steps(history, at, horizon, levels, apart=name == "steps")

    def joined(name: str) -> Told:
        parts = [made[part] for part in _parts(name)]
        mean = np.mean([part.mean for part in parts], axis=0)
        return Told(mean, np.mean([part.quantiles for part in parts], axis=0))

    return {name: made[name] if name in made else joined(name) for name in methods}


def _parts(name: str) -> tuple[str, ...]:
    """The single methods behind a name."""
    return SINGLE if name == _MEAN else tuple(name.split(" and "))


@dataclass(frozen=True, eq=False)
class _Judged:
    """Losses in the windows of the past.

    Attributes:
        methods: names.
        group: group of every series-window judged, int64 [n].
        loss: quantile loss relative to the price, float64 [methods, n].
        window: number of the window, int64 [n].
    """

    methods: tuple[str, ...]
    group: np.ndarray
    loss: np.ndarray
    window: np.ndarray

    @classmethod
    def nothing(cls) -> _Judged:
        """Where there is nothing to judge."""
        none = np.zeros(0, np.int64)
        return cls(METHODS, none, np.zeros((len(METHODS), 0)), none)

    def _groups(self, groups: int) -> tuple[np.ndarray, np.ndarray]:
        """Loss by method and group, drawn to that of all, and how many series-windows it rests on."""
        many = np.bincount(self.group, minlength=groups)
        total = np.stack([np.bincount(self.group, each, groups) for each in self.loss])
        every = total.sum(axis=1, keepdims=True) / max(len(self.group), 1)
        # Prices of a group move together: it is its windows that tell, and not its series alone.
        pairs = np.unique(np.stack([self.group, self.window]), axis=1)
        windows = np.bincount(pairs[0], minlength=groups)
        share = windows / (windows + _DRAWN) * many / (many + _LARGE)
        return share * total / np.maximum(many, 1) + (1 - share) * every, many

    def _best(self, loss: np.ndarray) -> np.ndarray:
        """Number of the best method of every group; the mean of all goes before what is hardly better."""
        whole = [_LEAN if name == _MEAN else 1.0 for name in self.methods]
        found: np.ndarray = (loss * np.array(whole)[:, None]).argmin(axis=0)
        return found

    def choice(self, group: np.ndarray) -> list[str]:
        """Name of the best method of every series; the first where nothing was judged."""
        loss, _ = self._groups(int(group.max()) + 1)
        return [self.methods[k] for k in self._best(loss)[group]]

    def frame(self, group: np.ndarray) -> pl.DataFrame:
        """One row per group and method: group, method, loss, series, chosen."""
        groups = int(group.max()) + 1
        loss, many = self._groups(groups)
        some = len(self.methods)
        frame = pl.DataFrame(
            {
                "group": np.repeat(np.arange(groups), some),
                "method": list(self.methods) * groups,
                "loss": loss.T.ravel(),
                "series": np.repeat(many, some),
                "chosen": (self._best(loss)[:, None] == np.arange(some)).ravel(),
            }
        )
        return frame if len(self.group) else frame.clear()


def _judged(history: PriceHistory, horizon: int) -> _Judged:
    """Let methods forecast the last windows of the past from what was known before them."""
    rows = np.arange(len(history.price))
    if len(rows) > _SERIES:
        rows = np.sort(np.random.default_rng(_SEED).choice(rows, _SERIES, replace=False))
    some, time = history.take(rows), history.price.shape[1]
    group, window = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    loss = [np.zeros((len(METHODS), 0))]
    begins = [(w, time - (w + 1) * horizon) for w in range(_WINDOWS)]
    windows = [w for w, known in begins if known >= _FEWEST and not np.isnan(some.price[:, :known]).all()]
    # Trees are learned once, before the first window that is judged.
    trees = None
    if windows:
        first = some.until(time - (windows[-1] + 1) * horizon)
        trees = Trees.fit(first, first.price.shape[1] - 1, horizon)
    for w in windows:
        known = time - (w + 1) * horizon
        before = some.until(known)
        later = some.price[~np.isnan(some.price[:, :known]).all(axis=1), known : known + horizon].astype(np.float64)
        use = np.flatnonzero(~np.isnan(later).all(axis=1))
        if not len(use):
            continue
        told = _each(before, horizon, np.array(LEVELS), METHODS, trees).values()
        group.append(before.group[use])
        window.append(np.full(len(use), w))
        scale = before.last()[use]
        loss.append(np.stack([_loss(t.quantiles[use], later[use]) / scale for t in told]))
    return _Judged(METHODS, np.concatenate(group), np.concatenate(loss, axis=1), np.concatenate(window))


def _loss(quantiles: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Quantile loss of every series, mean over the nine deciles and the periods observed, float64 [series]."""
    at = np.searchsorted(LEVELS, _JUDGED - 1e-9)
    off = came[:, :, None] - quantiles[:, :, at]
    return np.nanmean(2 * np.maximum(_JUDGED * off, (_JUDGED - 1) * off), axis=(1, 2))
