"""What the calendar does to a simulated shop's demand: weekdays, seasons, festivals, shared shocks.

The festivals are the generator's own short list, written down apart from :mod:`windvane.ingest.calendar`, so that
what the forecaster knows of the calendar and what the world does are two things.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from windvane.sim.draws import generators
from windvane.sim.settings import Settings
from windvane.sim.words import words

_EPOCH = date(1970, 1, 1)
_BEFORE = 21
"""Days between the first deposit and the main festival."""
_OWN_FIRST, _OWN_EVERY, _OWN_DAYS = 54, 91, 4
KEEP = 0.95
"""What a category's shared weather keeps from one day to the next."""
OWN_EFFECT = 1.6
"""Factor on demand of the shop's own events (to the power of a category's sensitivity)."""


@dataclass(frozen=True, eq=False)
class Calendar:
    """Effects shared by all products of a category, as logarithms.

    Attributes:
        start: first day.
        days: number of days of trade.
        log_week: effect of weekday, [category, 7], Monday first.
        log_year: effect of the season, [category, days + 60].
        log_festival: effect of festivals and own events before a category's sensitivity, [days + 60].
        sensitivity: how strongly a category feels festivals, [category].
        log_shock: the shared AR(1), [category, days + 60].
        main: days (numbers from ``start``) of the year's main festival, sales on which may be deposited for before.
        own: first and last day of the shop's own events.
    """

    start: date
    days: int
    log_week: np.ndarray
    log_year: np.ndarray
    log_festival: np.ndarray
    sensitivity: np.ndarray
    log_shock: np.ndarray
    main: tuple[int, ...]
    own: tuple[tuple[int, int], ...]

    @property
    def width(self) -> int:
        """Days that effects cover: those of trade and 60 more, which planners look ahead at."""
        return int(self.log_year.shape[1])

    def moments(self, days: np.ndarray, seconds: np.ndarray | float = 0.0) -> np.ndarray:
        """Microseconds since 1970 of day numbers and seconds within them, int64."""
        first = (self.start - _EPOCH).days
        return ((np.asarray(days, np.int64) + first) * 86_400 + np.floor(seconds).astype(np.int64)) * 1_000_000

    def dates(self, days: np.ndarray) -> np.ndarray:
        """Days since 1970 of day numbers, int32."""
        return (np.asarray(days, np.int64) + (self.start - _EPOCH).days).astype(np.int32)

    def log_effect(self, category: np.ndarray) -> np.ndarray:
        """All shared effects but the season, [len(category), width]."""
        weekday = (self.start.weekday() + np.arange(self.width)) % 7
        return (
            self.log_week[category][:, weekday]
            + self.sensitivity[category][:, None] * self.log_festival[None, :]
            + self.log_shock[category]
        )

    def log_season(self, category: np.ndarray, peak: np.ndarray) -> np.ndarray:
        """The category's season; for a seasonal product a bell round its peak (day of the year, -1 = sells all year).

        Both arguments one per product; [products, width].
        """
        first = self.start.timetuple().tm_yday
        angle = 2 * np.pi * (first + np.arange(self.width)[None, :] - peak[:, None]) / 365.25
        bell = 1.0 + 3.0 * (np.cos(angle) - 1)
        return np.where(peak[:, None] >= 0, bell, self.log_year[category])


def calendar(settings: Settings, seed: int) -> Calendar:
    """Draw the shared effects of a shop."""
    width = settings.days + 60
    leaves = len(words(settings.language).leaves)
    rngs = generators(seed, 0, np.arange(leaves))
    week = np.stack([np.log(rng.dirichlet(np.full(7, 60.0)) * 7) for rng in rngs])
    week[:, 5:] += 0.2
    first = settings.start.timetuple().tm_yday
    angle = 2 * np.pi * (first + np.arange(width)) / 365.25
    year = np.stack(
        [
            rng.normal(0, 0.2) * np.sin(angle + rng.uniform(0, 7)) + rng.normal(0, 0.1) * np.sin(2 * angle)
            for rng in rngs
        ]
    )
    festival, main = _festivals(settings, width)
    own = tuple((day, day + _OWN_DAYS - 1) for day in range(_OWN_FIRST, width - _OWN_DAYS, _OWN_EVERY))
    for first_day, last_day in own:
        festival[first_day : last_day + 1] += np.log(OWN_EFFECT)
    sensitivity = np.array([rng.uniform(0.6, 1.3) for rng in rngs])
    shock = np.stack([autoregression(rng.normal(0, settings.shock, width)) for rng in rngs])
    return Calendar(settings.start, settings.days, week, year, festival, sensitivity, shock, main, own)


def autoregression(noise: np.ndarray, keep: float = KEEP) -> np.ndarray:
    """A stationary AR(1) whose standard deviation is that of the noise, as long as it."""
    out = np.empty_like(noise)
    level = noise[0]
    for i, each in enumerate(noise):
        level = keep * level + np.sqrt(1 - keep**2) * each if i else each
        out[i] = level
    return out


def presale_days(main: int) -> range:
    """Days on which deposits for a festival are taken."""
    return range(main - _BEFORE, main)


def _festivals(settings: Settings, width: int) -> tuple[np.ndarray, tuple[int, ...]]:
    effect = np.zeros(width)
    main = []
    for year in range(settings.start.year, (settings.start + timedelta(days=width)).year + 1):
        spans, peak = _chinese(year) if settings.language == "zh" else _british(year)
        for first, last, strength in spans:
            low, high = (first - settings.start).days, (last - settings.start).days + 1
            effect[max(low, 0) : max(high, 0)] += np.log(strength)
        if 0 <= (peak - settings.start).days < settings.days:
            main.append((peak - settings.start).days)
    return effect, tuple(main)


def _chinese(year: int) -> tuple[list[tuple[date, date, float]], date]:
    from lunardate import LunarDate

    new_year = LunarDate(year, 1, 1).to_solar_date()
    singles = date(year, 11, 11)
    return [
        (new_year - timedelta(days=24), new_year - timedelta(days=7), 1.4),  # 年货节
        (new_year - timedelta(days=5), new_year + timedelta(days=5), 0.4),  # nobody delivers
        (date(year, 3, 5), date(year, 3, 8), 1.3),
        (date(year, 6, 1), date(year, 6, 20), 1.3),
        (date(year, 6, 16), date(year, 6, 18), 2.0),
        (date(year, 11, 1), date(year, 11, 3), 1.8),
        (singles - timedelta(days=1), singles, 3.5),
        (singles + timedelta(days=1), singles + timedelta(days=10), 0.75),  # bought already
        (date(year, 12, 11), date(year, 12, 12), 1.7),
    ], singles


def _british(year: int) -> tuple[list[tuple[date, date, float]], date]:
    november = date(year, 11, 1)
    friday = november + timedelta(days=(3 - november.weekday()) % 7 + 22)  # the day after the fourth Thursday
    return [
        (friday - timedelta(days=4), friday - timedelta(days=1), 1.4),
        (friday, friday + timedelta(days=3), 2.8),
        (date(year, 12, 4), date(year, 12, 20), 1.6),
        (date(year, 12, 24), date(year, 12, 26), 0.4),
        (date(year, 1, 2), date(year, 1, 25), 0.85),
        (date(year, 2, 10), date(year, 2, 14), 1.25),
    ], friday
