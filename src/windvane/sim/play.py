"""A simulated shop as a stage for policies: its demand, its terms, what it knows each morning, and what an oracle does.

The past is sold from full shelves. From the first morning of the play on, sales are what the policy had on the shelf,
and days on which it was empty in the evening tell the forecaster nothing. Prices and promotions of the whole play are
taken as planned in advance.

There are two oracles. One knows the law of demand and its present state, which make its distribution: every effect, and
how the weather that a category shares stands today, but not how it will turn. The other knows that too, and with it
the mean of every coming day and the distribution round it, but no draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windvane.decisions.simulate import Look, Stage
from windvane.decisions.terms import Terms
from windvane.forecasts import Dependence, Forecast, identity_of
from windvane.freq import Freq
from windvane.futures import NEVER, Known
from windvane.ingest.calendar.lay import with_holidays
from windvane.ledger import Rates
from windvane.panel import Panel, Stockouts
from windvane.schema import QUANTILE_LEVELS
from windvane.sim.calendar import KEEP, Calendar, calendar
from windvane.sim.demand import demand
from windvane.sim.draws import generators
from windvane.sim.orders import location_names
from windvane.sim.plans import Plans, plans, sku_names
from windvane.sim.products import Products, products
from windvane.sim.settings import Settings
from windvane.sim.words import words

_FINE = tuple(sorted({*QUANTILE_LEVELS, *(k / 20 for k in range(1, 20)), 0.985, 0.99, 0.998}))
_SETTLED = 28  # days on sale before the play
_WOBBLE = 2  # days that a delivery comes earlier or later than agreed


@dataclass(frozen=True, eq=False)
class Play:
    """A stage and what is known on it.

    Attributes:
        panel: the shop's series up to the day before the play, plans of later days included.
        stage: demand and lead times.
        terms: costs and lead times; nothing spoils.
        expected: mean demand of every day, float64 [series, days and 60 more].
        zeros: share of days without any interest, float64 [series].
        size: size of the negative binomial, float64 [series].
        weather: logarithm of what the category's shared weather makes of every day, float64 [series, days and 60 more].
        turns: standard deviation of that weather (an AR(1) of :data:`windvane.sim.calendar.KEEP`).
    """

    panel: Panel
    stage: Stage
    terms: Terms
    expected: np.ndarray
    zeros: np.ndarray
    size: np.ndarray
    weather: np.ndarray
    turns: float

    def oracle(self, horizon: int, levels: tuple[float, ...] = _FINE, foreseen: bool = False) -> Look:
        """Forecasts of somebody who knows the law of demand.

        Args:
            horizon: days ahead.
            levels: probabilities of the quantiles.
            foreseen: whether the weather to come is known too; days are independent given it.
        """

        def look(morning: int, sold: np.ndarray, empty: np.ndarray) -> Forecast:
            mean, size = self.expected[:, morning : morning + horizon], self.size[:, None]
            together = None
            if not foreseen:
                turn, spread = self._weather(morning, mean.shape[1])
                mean = mean * turn
                # Variance of a mean that is lognormal, as if it belonged to the gamma variable that a day is mixed by.
                size = 1 / (1 / size + np.expm1(spread) * (1 + 1 / size))
                together = self._together(float(np.sqrt(spread.mean())))
            return Forecast(
                keys=self.stage.keys,
                cutoff=self.stage.dates[morning - 1],
                dates=self._dates(morning, mean.shape[1]),
                mean=mean.astype(np.float32),
                quantiles=_quantiles(mean, size, self.zeros[:, None], levels),
                levels=levels,
                identity=self.panel.identity,
                dependence=together,
                counts=True,
                seed=morning,
            )

        return look

    def _weather(self, morning: int, days: int) -> tuple[np.ndarray, np.ndarray]:
        """What is expected of the weather over what it will be, [series, days], and its variance on the log scale."""
        keep = KEEP ** np.arange(1, days + 1)[None, :]
        spread = self.turns**2 * (1 - keep**2)
        ahead = self.weather[:, morning : morning + days]
        return np.exp(self.weather[:, morning - 1, None] * keep + spread / 2 - ahead), spread

    def _together(self, deviation: float) -> Dependence:
        """Categories that share their weather."""
        names, code = np.unique(self.panel.static["category"].to_numpy(), return_inverse=True)
        return replace(
            Dependence.none(len(code)),
            code=code[:, None].astype(np.int32),
            groups=identity_of(pl.DataFrame({"category": names})),
            shocks=np.tile(np.array([0.0, deviation, 0.0], np.float32), (len(names), 1)),
            memory=KEEP,
        )

    def forecaster(self, forecast: Callable[[Panel], Forecast]) -> Look:
        """Forecasts made each morning from what was sold, days with an empty shelf left out."""

        def look(morning: int, sold: np.ndarray, empty: np.ndarray) -> Forecast:
            since = np.where(empty, np.arange(morning, dtype=np.int32)[None, :], NEVER).astype(np.int32)
            hidden = np.where(empty, np.float32(np.nan), sold).astype(np.float32)
            told = Stockouts(since, np.ascontiguousarray(sold, dtype=np.float32)) if empty.any() else None
            then = Panel(
                keys=self.panel.keys,
                sales=hidden,
                dates=self.stage.dates[:morning],
                freq=self.panel.freq,
                known=self.panel.known,
                static=self.panel.static,
                hierarchy=self.panel.hierarchy,
                levels=self.panel.levels,
                stockouts=told,
            )
            return forecast(then)

        return look

    def _dates(self, first: int, count: int) -> pl.Series:
        begin = self.stage.dates.to_physical()[0]
        return Freq("1d").dates(np.arange(begin + first, begin + first + count))


def play(
    settings: Settings, seed: int, begin: int, review: int = 7, order_cost: float = 0.0, holding_share: float = 0.25
) -> Play:
    """Set a stage with the products that are on sale when the play begins.

    Args:
        settings: the shop; its days include those of the play.
        seed: its seed.
        begin: first day of the play.
        review: days between chances to order.
        order_cost: money per order.
        holding_share: share of a unit's cost that holding it for a year costs.
    """
    made = products(settings, seed, np.arange(settings.products))
    made = _some(made, np.flatnonzero((made.launch + _SETTLED <= begin) & (made.end >= begin)))
    shared = calendar(settings, seed)
    planned = plans(settings, seed, made, shared)
    wanted = demand(settings, seed, made, planned, shared)
    series, places = len(made) * settings.locations, settings.locations
    units = wanted.units.reshape(series, -1).astype(np.float32)
    alive = np.repeat(wanted.alive, places, axis=0)
    past = np.where(alive, units, np.float32(np.nan))
    keys = pl.DataFrame(
        {
            "sku": sku_names(np.repeat(made.number, places)),
            "location": pl.select(location_names(pl.Series(np.tile(np.arange(places), len(made))))).to_series(),
        }
    )
    panel = Panel(
        keys=keys,
        sales=np.ascontiguousarray(past[:, :begin]),
        dates=_days(settings)[:begin],
        freq=Freq("1d"),
        known=_plans(planned, shared, places),
        static=pl.DataFrame({"category": np.repeat(made.category, places).astype(str)}),
        hierarchy=("category",),
        levels={"promotion": ("", *(name for name, _ in words(settings.language).promotions))},
    )
    panel = with_holidays(panel, "CN" if settings.language == "zh" else "GB", settings.days - begin)
    rates = Rates(
        margin=np.repeat(made.price - made.cost, places),
        unit_cost=np.repeat(made.cost, places).astype(float),
        holding=np.repeat(made.cost, places) * holding_share / 365,
        order_cost=np.full(series, float(order_cost)),
    )
    lead = np.repeat(made.lead, places)
    wobble = np.concatenate([r.integers(-_WOBBLE, _WOBBLE + 1, (places, settings.days)) for r in _rngs(seed, made)])
    recent = np.nansum(past[:, max(begin - _SETTLED, 0) : begin], axis=1, dtype=np.float64)
    stage = Stage(
        keys=keys,
        dates=_days(settings),
        demand=np.where(np.arange(settings.days) < begin, past, units),
        begin=begin,
        on_hand=np.ceil(recent * (lead + review) / _SETTLED + 1),
        waits=np.maximum(lead[:, None] + wobble, 0),
    )
    leads = np.maximum(lead[:, None] + np.arange(-_WOBBLE, _WOBBLE + 1)[None, :], 0)
    return Play(
        panel=panel,
        stage=stage,
        terms=Terms.plain(rates, leads, review),
        expected=wanted.expected.reshape(series, -1),
        zeros=np.repeat(made.zeros, places),
        size=np.repeat(made.size_of_nb, places),
        weather=np.repeat(shared.log_shock[made.category], places, axis=0),
        turns=settings.shock,
    )


def _plans(planned: Plans, shared: Calendar, places: int) -> dict[str, Known]:
    """What is planned: prices, promotions by kind and placement, the shop's own events."""
    products, width = planned.paid.shape
    own, kind, place = np.zeros(width, np.float32), *np.zeros((2, products, width), np.float32)
    for first, last in shared.own:
        own[first : last + 1] = 1
    for p in planned.promotions.iter_rows(named=True):
        span = slice(p["start"], p["stop"] + 1)
        kind[p["row"], span], place[p["row"], span] = p["kind"] + 1, p["placement"]
    return {
        "price": Known(np.repeat(planned.paid.astype(np.float32), places, axis=0)),
        "promotion": Known(np.repeat(kind, places, axis=0), text=True),
        "placement": Known(np.repeat(place, places, axis=0)),
        "own_event": Known(np.tile(own, (products * places, 1))),
    }


def _some(made: Products, rows: np.ndarray) -> Products:
    return Products(**{name: values[rows] for name, values in vars(made).items()})


def _rngs(seed: int, made: Products) -> list[np.random.Generator]:
    return generators(seed, 5_000_000, made.number)


def _days(settings: Settings) -> pl.Series:
    return pl.date_range(settings.start, settings.end, eager=True).alias("date")


def _quantiles(mean: np.ndarray, size: np.ndarray, zeros: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Of the zero-inflated negative binomial with that mean, float32 [series, days, levels]."""
    from scipy.stats import nbinom

    inner = mean / (1 - zeros)
    chance = size / (size + np.maximum(inner, 1e-9))
    out = np.zeros((*mean.shape, len(levels)), np.float32)
    for k, level in enumerate(levels):
        within = np.clip((level - zeros) / (1 - zeros), 0, 1)
        found = np.where(within > 0, nbinom.ppf(within, size, chance), 0.0)
        out[:, :, k] = np.where(mean > 0, np.maximum(found, 0.0), 0.0)
    return np.maximum.accumulate(out, axis=2)
