"""A simulated shop as a stage for policies: its demand, its terms, what it knows each morning, and what an oracle does.

The past is sold from full shelves. From the first morning of the play on, sales are what the policy had on the shelf,
and days on which it was empty in the evening tell the forecaster nothing. Prices and promotions of the whole play are
taken as planned in advance, but for livestreams that nobody announced: until they have happened, the plan says nothing
of them.

There are two oracles. One knows the law of demand and its present state, which make its distribution: every effect, and
how the weather that a category shares and the interest in a product stand today, but neither how they will turn nor
what livestreams will come unannounced. The other knows that too, and with it the mean of every coming day and the
distribution round it, but no draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from windvane.sim.interest import KEEP as INTEREST_KEEP
from windvane.sim.orders import location_names
from windvane.sim.plans import Plans, plans, sku_names
from windvane.sim.products import Products, products
from windvane.sim.settings import Settings
from windvane.sim.words import words

_FINE = tuple(sorted({*QUANTILE_LEVELS, *(k / 20 for k in range(1, 20)), 0.985, 0.99, 0.998}))
_SETTLED = 28  # days on sale before the play
_ALWAYS = np.int32(-1)  # moment of what was known from the first day on
_WOBBLE = 2  # days that a delivery comes earlier or later than agreed


@dataclass(frozen=True, eq=False)
class Sudden:
    """Livestreams that nobody announced: what they do, and what plans said before and after.

    Attributes:
        effect: logarithm of what they make of demand on their day, float64 [series, days and 60 more].
        since: day from whose end on a day's plans were known, -1 = always, int32 [series, days and 60 more].
        after: plans with them; none where there is no such livestream.
        before: values of the same plans without them.
    """

    effect: np.ndarray
    since: np.ndarray
    after: Mapping[str, Known]
    before: Mapping[str, np.ndarray]

    def told(self, origin: int) -> dict[str, Known]:
        """The plans as they stood at the end of a day: nothing of livestreams that were still to come."""
        over = self.since <= origin
        since = np.where(over, self.since, _ALWAYS)
        return {
            name: replace(known, values=np.where(over, known.values, self.before[name]), since=since, policy="last")
            for name, known in self.after.items()
        }


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
        interest: the AR(1) behind the interest in the product on every day, float64 [series, days and 60 more].
        drifts: standard deviation of that interest (an AR(1) of :data:`windvane.sim.interest.KEEP`).
        sudden: livestreams that nobody announced.
    """

    panel: Panel
    stage: Stage
    terms: Terms
    expected: np.ndarray
    zeros: np.ndarray
    size: np.ndarray
    weather: np.ndarray
    turns: float
    interest: np.ndarray
    drifts: float
    sudden: Sudden

    def oracle(self, horizon: int, levels: tuple[float, ...] = _FINE, foreseen: bool = False) -> Look:
        """Forecasts of somebody who knows the law of demand.

        Args:
            horizon: days ahead.
            levels: probabilities of the quantiles.
            foreseen: whether all that is to come is known too; days are independent given it.
        """

        def look(morning: int, sold: np.ndarray, empty: np.ndarray) -> Forecast:
            mean, size = self.expected[:, morning : morning + horizon], self.size[:, None]
            together = None
            if not foreseen:
                ahead = slice(morning, morning + horizon)
                turn, spread = _turn(self.weather[:, morning - 1], self.weather[:, ahead], KEEP, self.turns)
                drift, wide = _turn(self.interest[:, morning - 1], self.interest[:, ahead], INTEREST_KEEP, self.drifts)
                mean = mean * turn * drift * np.exp(-self.sudden.effect[:, ahead])
                # Variance of a mean that is lognormal, as if it belonged to the gamma variable that a day is mixed by.
                size = 1 / (1 / size + np.expm1(spread + wide) * (1 + 1 / size))
                together = self._together(*(float(np.sqrt(part.mean())) for part in (spread, wide)))
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

    def _together(self, deviation: float, own: float) -> Dependence:
        """Categories that share their weather, and locations that share the interest in a product."""
        names, code = np.unique(self.panel.static["category"].to_numpy(), return_inverse=True)
        return replace(
            Dependence.none(len(code)),
            code=code[:, None].astype(np.int32),
            groups=identity_of(pl.DataFrame({"category": names})),
            shocks=np.tile(np.array([0.0, deviation, 0.0], np.float32), (len(names), 1)),
            twin=identity_of(self.stage.keys.select("sku")),
            twin_shocks=np.tile(np.array([0.0, own, 0.0], np.float32), (len(code), 1)),
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
                known={**self.panel.known, **self.sudden.told(morning - 1)},
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
    sudden = _sudden(settings, seed, made, planned, shared)
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
        known={**_plans(planned, shared, places), **sudden.told(begin - 1)},
        static=pl.DataFrame({"category": np.repeat(made.category, places).astype(str)}),
        hierarchy=("category",),
        levels={"promotion": ("", *words(settings.language).kinds[: None if settings.livestreams else -1])},
    )
    panel = with_holidays(panel, "CN" if settings.language == "zh" else "GB", settings.days - begin)
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
        terms=Terms.plain(_rates(made, places, order_cost, holding_share), leads, review),
        expected=wanted.expected.reshape(series, -1),
        zeros=np.repeat(made.zeros, places),
        size=np.repeat(made.size_of_nb, places),
        weather=np.repeat(shared.log_shock[made.category], places, axis=0),
        turns=settings.shock,
        interest=np.repeat(wanted.interest + settings.interest**2 / 2, places, axis=0),
        drifts=settings.interest,
        sudden=sudden,
    )


def _rates(made: Products, places: int, order_cost: float, holding_share: float) -> Rates:
    return Rates(
        margin=np.repeat(made.price - made.cost, places),
        unit_cost=np.repeat(made.cost, places).astype(float),
        holding=np.repeat(made.cost, places) * holding_share / 365,
        order_cost=np.full(len(made) * places, float(order_cost)),
    )


def _sudden(settings: Settings, seed: int, made: Products, planned: Plans, shared: Calendar) -> Sudden:
    """Livestreams that nobody announced: the plans with them beside those without."""
    places = settings.locations
    if not settings.livestreams:
        shape = (len(made) * places, shared.width)
        return Sudden(np.zeros(shape), np.full(shape, _ALWAYS), {}, {})
    here = replace(settings, pull_forward=0.0)  # what they pull forward is missing on other days than theirs
    whole, without = (plans(here, seed, made, shared, sudden) for sudden in (True, False))
    known, before = _plans(planned, shared, places), _plans(without, shared, places)
    late = known["promotion"].values != before["promotion"].values
    names = ("price", "promotion", "placement")
    return Sudden(
        effect=np.repeat(whole.log_effect - without.log_effect, places, axis=0),
        since=np.where(late, np.arange(shared.width, dtype=np.int32), _ALWAYS),
        after={name: known[name] for name in names if late.any()},
        before={name: before[name].values for name in names},
    )


def _turn(today: np.ndarray, ahead: np.ndarray, keep: float, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """What is expected of an AR(1) over what it will be, [series, days], and its variance on the log scale.

    Args:
        today: its value now, [series].
        ahead: its values on the days to come, [series, days].
        keep: what it keeps from one day to the next.
        deviation: its standard deviation.
    """
    kept = keep ** np.arange(1, ahead.shape[1] + 1)[None, :]
    spread = deviation**2 * (1 - kept**2)
    return np.exp(today[:, None] * kept + spread / 2 - ahead), spread


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
