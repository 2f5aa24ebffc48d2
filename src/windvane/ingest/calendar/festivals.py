"""Shopping festivals and gift days: when they are, where, and in which phases they run.

A festival has a day, its peak, and may have phases round it: a presale whose deposits are paid before the peak, a
first wave, the peak itself. Platforms announce the phases anew every year; those of the years listed here are as
they were announced, those of other years follow the festival's usual pattern. What a shop knows better goes into
its table ``calendar``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from windvane.ingest.calendar import lunar

CHINESE = frozenset({"CN", "HK", "MO", "TW"})
_LUNAR_TOO = CHINESE | {"SG", "MY"}
_SOUTH_EAST_ASIA = frozenset({"SG", "MY", "TH", "PH", "ID", "VN"})
_PRIME = frozenset(
    {"US", "CA", "GB", "DE", "FR", "IT", "ES", "JP", "AT", "BE", "NL", "LU", "MX", "AU", "IN", "SG", "TR", "SE", "PL"}
)

PHASES = {"date": pl.Date(), "name": pl.String(), "phase": pl.String(), "day": pl.Int64(), "days": pl.Int64()}


@dataclass(frozen=True)
class Festival:
    """One festival.

    Attributes:
        name: as it is shown.
        day: its peak in a year, ``None`` where there was none.
        countries: where it is held; empty = everywhere but in Chinese-speaking countries.
        first_year: year in which it was first held.
        phases: usual phases: first and last day counted from the peak.
        years: phases of single years as they were announced: first and last day.
    """

    name: str
    day: Callable[[int], date | None]
    countries: frozenset[str] = frozenset()
    first_year: int = 0
    phases: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    years: Mapping[int, Mapping[str, tuple[date, date]]] = field(default_factory=dict)

    def held_in(self, country: str, year: int) -> date | None:
        """Its peak in a country and year; ``None`` where it is not held."""
        here = country in self.countries if self.countries else country not in CHINESE
        return self.day(year) if here and year >= self.first_year else None

    def phases_of(self, year: int, peak: date) -> dict[str, tuple[date, date]]:
        """Its phases in a year, first to last day; the peak alone where it has none."""
        if year in self.years:
            return dict(self.years[year])
        usual = {
            phase: (peak + timedelta(days=first), peak + timedelta(days=last))
            for phase, (first, last) in self.phases.items()
        }
        return usual or {"peak": (peak, peak)}


def nth(year: int, month: int, weekday: int, which: int) -> date:
    """The nth given weekday (Monday = 0) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))


def _on(month: int, day: int) -> Callable[[int], date | None]:
    return lambda year: date(year, month, day)


def _listed(days: Mapping[int, tuple[int, int]]) -> Callable[[int], date | None]:
    return lambda year: date(year, *days[year]) if year in days else None


def _spring_goods(year: int) -> date | None:
    start = lunar.new_year(year)
    return None if start is None else start - timedelta(days=14)


def _d(year: int, first: tuple[int, int], last: tuple[int, int]) -> tuple[date, date]:
    return date(year, *first), date(year, *last)


# Prime Day as Amazon announced it for the United States; in 2020 it was held in October.
_PRIME_DAY = {
    2015: (7, 15), 2016: (7, 12), 2017: (7, 11), 2018: (7, 17), 2019: (7, 16), 2020: (10, 14), 2021: (6, 22),
    2022: (7, 13), 2023: (7, 12), 2024: (7, 17), 2025: (7, 9),
}  # fmt: skip
_PRIME_PHASES = {
    2015: {"peak": _d(2015, (7, 15), (7, 15))},
    2016: {"peak": _d(2016, (7, 12), (7, 12))},
    2017: {"peak": _d(2017, (7, 10), (7, 11))},
    2025: {"peak": _d(2025, (7, 8), (7, 11))},
}
_PRIME_AUTUMN = {2022: (10, 12), 2023: (10, 11), 2024: (10, 9), 2025: (10, 8)}

_DOUBLE_11 = {
    year: {"presale": _d(year, presale, (10, 31)), "first wave": _d(year, (11, 1), (11, 3)),
           "second presale": _d(year, (11, 4), (11, 9)), "peak": _d(year, (11, 10), (11, 11))}
    for year, presale in {2020: (10, 21), 2021: (10, 20), 2022: (10, 24), 2023: (10, 24)}.items()
} | {
    2024: {"presale": _d(2024, (10, 14), (10, 20)), "first wave": _d(2024, (10, 21), (10, 24)),
           "long sale": _d(2024, (10, 25), (11, 9)), "peak": _d(2024, (11, 10), (11, 11))},
    2025: {"presale": _d(2025, (10, 15), (10, 19)), "first wave": _d(2025, (10, 20), (10, 24)),
           "long sale": _d(2025, (10, 25), (11, 9)), "peak": _d(2025, (11, 10), (11, 11))},
} | {
    # Before 2014 there was one day and no presale to speak of.
    year: {"peak": _d(year, (11, 11), (11, 11))} for year in range(2009, 2014)
}  # fmt: skip
_MIDYEAR = {
    2024: {"first wave": _d(2024, (5, 20), (5, 31)), "long sale": _d(2024, (6, 1), (6, 14)),
           "peak": _d(2024, (6, 15), (6, 18))},
    2025: {"first wave": _d(2025, (5, 16), (5, 26)), "long sale": _d(2025, (5, 27), (6, 14)),
           "peak": _d(2025, (6, 15), (6, 18))},
}  # fmt: skip

FESTIVALS: tuple[Festival, ...] = (
    Festival("年货节", _spring_goods, CHINESE, 2016, {"peak": (-7, 7)}),
    Festival("情人节", _on(2, 14), CHINESE),
    Festival("38节", _on(3, 8), CHINESE, 2015, {"presale": (-7, -5), "peak": (-4, 0)}),
    Festival("520", _on(5, 20), CHINESE, 2011, {"peak": (-2, 0)}),
    Festival("儿童节", _on(6, 1), CHINESE),
    Festival("618", _on(6, 18), CHINESE, 2010,
             {"presale": (-25, -18), "first wave": (-17, -15), "peak": (-2, 0)}, _MIDYEAR),
    Festival("818", _on(8, 18), frozenset({"CN"}), 2012, {"peak": (-1, 0)}),
    Festival("99划算节", _on(9, 9), frozenset({"CN"}), 2016, {"peak": (-2, 0)}),
    Festival("双11", _on(11, 11), CHINESE, 2009, {"presale": (-21, -1), "peak": (0, 0)}, _DOUBLE_11),
    Festival("双12", _on(12, 12), CHINESE, 2011, {"peak": (-2, 0)}),
    Festival("圣诞节", _on(12, 25), CHINESE),
    Festival("Valentine's Day", _on(2, 14)),
    Festival("Mother's Day", lambda year: nth(year, 5, 6, 2),
             frozenset({"US", "CA", "AU", "NZ", "DE", "AT", "CH", "NL", "BE", "IT", "DK", "FI", "BR", "JP", "IN"})),
    Festival("Mother's Day", lambda year: easter(year) - timedelta(days=21), frozenset({"GB", "IE"})),
    Festival("Father's Day", lambda year: nth(year, 6, 6, 3),
             frozenset({"US", "CA", "GB", "IE", "FR", "NL", "JP", "IN", "MX", "SG", "MY"})),
    Festival("Prime Day", _listed(_PRIME_DAY), _PRIME, 2015, {"peak": (-1, 0)}, _PRIME_PHASES),
    Festival("Prime Big Deal Days", _listed(_PRIME_AUTUMN), _PRIME, 2022, {"peak": (-1, 0)}),
    Festival("Halloween", _on(10, 31)),
    Festival("9.9", _on(9, 9), _SOUTH_EAST_ASIA, 2016),
    Festival("10.10", _on(10, 10), _SOUTH_EAST_ASIA, 2018),
    Festival("11.11", _on(11, 11), _SOUTH_EAST_ASIA | {"RU", "PL", "ES"}, 2014, {"peak": (0, 0)}),
    Festival("12.12", _on(12, 12), _SOUTH_EAST_ASIA, 2013),
    Festival("Black Friday", lambda year: nth(year, 11, 3, 4) + timedelta(days=1),
             phases={"early deals": (-7, -1), "peak": (0, 2)}),
    Festival("Cyber Monday", lambda year: nth(year, 11, 3, 4) + timedelta(days=4), first_year=2005),
    Festival("Christmas Eve", _on(12, 24)),
    Festival("New Year's Eve", _on(12, 31)),
)  # fmt: skip
"""Every festival that is known without being told."""

GREAT = frozenset(
    {"元宵节", "端午节", "七夕", "中秋节", "重阳节", "除夕", "春节", "情人节", "618", "双11", "双12", "圣诞节"}
    | {"Valentine's Day", "Halloween", "Black Friday", "Cyber Monday", "Christmas Eve", "New Year's Eve"}
)
"""Festivals that models are told by name. A longer list made forecasts worse: each name is met once or twice in the
history of a young shop, and what was learned of it then is mostly chance."""


def festivals(country: str, year: int) -> list[tuple[date, str, bool]]:
    """Peaks of the festivals of a country in a year, lunar ones included: day, name, and whether it is a great one."""
    found = [(day, each.name) for each in FESTIVALS if (day := each.held_in(country, year)) is not None]
    found += lunar.festivals(year) if country in _LUNAR_TOO else ()
    return [(day, name, name in GREAT) for day, name in found]


def phases_between(country: str, start: date, end: date) -> pl.DataFrame:
    """Phases of a country's shopping festivals between two days, both included.

    Args:
        country: ISO 3166 code.
        start: first day.
        end: last day.

    Returns:
        Columns ``date``, ``name``, ``phase`` ('presale', 'first wave', 'peak', ...), ``day`` (1 = first day of the
        phase) and ``days`` (length of the phase), sorted. A day may belong to several festivals.
    """
    rows = [row for row in _phase_days(country, range(start.year - 1, end.year + 2)) if start <= row[0] <= end]
    return pl.DataFrame(rows, schema=PHASES, orient="row").sort("date", "name", "phase")


def _phase_days(country: str, years: range) -> Iterator[tuple[date, str, str, int, int]]:
    for year in years:
        for each in FESTIVALS:
            peak = each.held_in(country, year)
            if peak is None:
                continue
            for phase, (first, last) in each.phases_of(year, peak).items():
                days = (last - first).days + 1
                for number in range(days):
                    yield first + timedelta(days=number), each.name, phase, number + 1, days


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Astronomical Algorithms, 1991, chapter 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
