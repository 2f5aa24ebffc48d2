"""Features declared as data: what each is made of, and when it is known.

A list of declarations is all that :class:`windvane.features.matrix.FeatureMatrix` needs, so that a model asks for few
features or for many. The functions below write the declarations; the name of each says what it is.

Example:
    >>> from windvane.features import spec
    >>> recent = spec.mean(7)
    >>> recent.name, recent.known, recent.inputs
    ('mean_7', 'origin', ('sales',))
    >>> spec.over(recent, spec.mean(28)).name
    'mean_7_over_mean_28'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from windvane.errors import ConfigError

Moment = Literal["origin", "calendar", "plan", "static", "step"]
"""When a feature is known: from data up to the origin; from the target's date; from plans, as far as announced by
the origin; always; or only for steps up to some number."""

ALL = "all"
"""The group of all series, for ``by``."""


@dataclass(frozen=True)
class Feature:
    """One column of the matrix.

    Attributes:
        name: its name.
        known: when it is known.
        categorical: whether its values are codes.
        kind: what is computed; one of :data:`windvane.features.windows.KINDS`,
            :data:`windvane.features.plans.KINDS`, "calendar", "until_day", "since_day", "static" or "step".
        inputs: names of the arrays it reads: "sales", "in_stock", a covariate, a static column.
        window: periods it reads, or how far it looks.
        value: level of a quantile, decay per period, half width of an aligned window, code of an event.
        by: static or key column whose group means are read instead of the series' own cells; "all" = all series.
        align: which earlier periods a target is compared with: "season", "month_day", "year" or "festival:CC"; for
            the distance to a holiday the country.
        over: feature that it is divided by; 0 or unknown there gives unknown.
    """

    name: str
    known: Moment
    categorical: bool = False
    kind: str = ""
    inputs: tuple[str, ...] = ()
    window: int = 0
    value: float = 0.0
    by: str = ""
    align: str = ""
    over: Feature | None = None

    @property
    def last_step(self) -> int | None:
        """Last step that it can serve; ``None`` = every step."""
        return self.window if self.kind == "target_lag" else None

    def called(self, name: str) -> Feature:
        """The same feature under another name."""
        return replace(self, name=name)


def _past(kind: str, window: int, of: str, by: str, value: float = 0.0, tag: str = "") -> Feature:
    least = 0 if kind in ("lag", "expanding") else 1
    if window < least:
        raise ConfigError(f"{kind} needs a window of at least {least} periods, not {window}.", "Give a longer window.")
    name = kind if tag == "-" else f"{kind}_{tag or window}"
    name += ("" if of == "sales" else f"_{of}") + (f"_by_{by}" if by else "")
    return Feature(name, "origin", False, kind, (of,), window, value, by)


def lag(periods: int = 0, of: str = "sales", by: str = "") -> Feature:
    """The value so many periods before the origin; 0 = at the origin."""
    return _past("lag", periods, of, by)


def mean(window: int, of: str = "sales", by: str = "") -> Feature:
    """Mean of the known cells among the last ``window`` periods up to the origin."""
    return _past("mean", window, of, by)


def std(window: int, of: str = "sales", by: str = "") -> Feature:
    """Standard deviation (of the population) of the known cells; 0 below a millionth of the mean."""
    return _past("std", window, of, by)


def least(window: int, of: str = "sales", by: str = "") -> Feature:
    """Smallest known cell."""
    return _past("least", window, of, by)


def largest(window: int, of: str = "sales", by: str = "") -> Feature:
    """Largest known cell."""
    return _past("largest", window, of, by)


def quantile(level: float, window: int, of: str = "sales", by: str = "") -> Feature:
    """Quantile of the known cells, linear between order statistics.

    Raises:
        ConfigError: the level is not between 0 and 1.
    """
    if not 0 <= level <= 1:
        raise ConfigError(f"a quantile's level is between 0 and 1, not {level}.", "Use 0.9 for the 90th percentile.")
    return _past("quantile", window, of, by, level, f"{level:g}_{window}")


def median(window: int, of: str = "sales", by: str = "") -> Feature:
    """Median of the known cells."""
    return replace(quantile(0.5, window, of, by), name=_past("median", window, of, by).name)


def zeros(window: int, of: str = "sales", by: str = "") -> Feature:
    """Share of the known cells that are zero or less."""
    return _past("zeros", window, of, by)


def coverage(window: int, of: str = "sales", by: str = "") -> Feature:
    """Share of the periods since the first one that are known: of sales, the share not out of stock."""
    return _past("coverage", window, of, by)


def decayed(half_life: float, window: int = 0, of: str = "sales", by: str = "") -> Feature:
    """Exponentially weighted mean of the known cells, bounded so that each cell has a window of its own.

    Args:
        half_life: age in periods at which a cell weighs half.
        window: periods read; 8 half-lives where 0, beyond which 0.4 % of the weight lies.
        of: what is averaged.
        by: group whose means are read.

    Raises:
        ConfigError: the half-life is not positive.
    """
    if half_life <= 0:
        raise ConfigError(f"a half-life is positive, not {half_life}.", "Use 14 for two weeks of days.")
    reach = window or max(1, round(8 * half_life))
    tag = f"{half_life:g}" + (f"_{window}" if window else "")
    return _past("decayed", reach, of, by, 0.5 ** (1 / half_life), tag)


def expanding(of: str = "sales", by: str = "") -> Feature:
    """Mean of all known cells up to the origin."""
    return _past("expanding", 0, of, by, 0.0, "-")


def since_sale(cap: int, of: str = "sales", by: str = "") -> Feature:
    """Periods since the last one above zero, 0 = the origin's own; at most ``cap``."""
    return _past("since_sale", cap, of, by)


def zero_run(cap: int, of: str = "sales", by: str = "") -> Feature:
    """Known periods without a sale since the last sale, among the last ``cap``; unknown ones are passed over."""
    return _past("zero_run", cap, of, by)


def age(cap: int, by: str = "") -> Feature:
    """Periods since the launch, 1 = launched at the origin; at most ``cap``."""
    return _past("age", cap, "sales", by, 0.0, "-")


def same_season(count: int, of: str = "sales", by: str = "") -> Feature:
    """Mean of the target's own weekday (hour, week, month) in the newest ``count`` seasons up to the origin."""
    return replace(_past("aligned", count, of, by), name=_named("same_season", str(count), of, by), align="season")


def same_month_day(count: int, of: str = "sales", by: str = "") -> Feature:
    """Mean of the target's day of the month in the newest ``count`` months up to the origin; days only.

    In a month without that day its last day is taken.
    """
    return replace(
        _past("aligned", count, of, by), name=_named("same_month_day", str(count), of, by), align="month_day"
    )


def year_ago(width: int = 1, of: str = "sales", by: str = "", country: str = "", count: int = 1) -> Feature:
    """Mean of ``width`` periods round the target's place a year before, or in each of the newest ``count`` years.

    Args:
        width: periods, odd.
        of: what is averaged.
        by: group whose means are read.
        country: ISO 3166 code: near a festival that moves, the day as far from that festival is taken
            (:func:`windvane.ingest.calendar.same_time_last_year`); empty = 52 weeks, or 12 months.
        count: years; years later than the origin are passed over.

    Raises:
        ConfigError: the width is even.
    """
    if width < 1 or width % 2 == 0:
        raise ConfigError(f"the width of a year-ago window is odd, not {width}.", "Use 1, 3 or 7.")
    tag = str(width) + (f"x{count}" if count > 1 else "")
    made = replace(_past("aligned", count, of, by, width // 2), name=_named("year_ago", tag, of, by))
    if not country:
        return replace(made, align="year")
    return replace(made, name=f"{made.name}_{country}", align=f"festival:{country}")


def target_lag(periods: int, of: str = "sales", by: str = "") -> Feature:
    """The value so many periods before the target: known for steps up to ``periods`` and refused for later ones."""
    made = _past("target_lag", periods, of, by)
    return replace(made, known="step")


def _named(what: str, tag: str, of: str, by: str) -> str:
    return f"{what}_{tag}" + ("" if of == "sales" else f"_{of}") + (f"_by_{by}" if by else "")


def plan(of: str, categorical: bool = False) -> Feature:
    """Value of a covariate at the target, as far as it was announced by the origin."""
    return Feature(of, "plan", categorical, "value", (of,))


def change(of: str, reach: int) -> Feature:
    """The target's value over the last different one within ``reach`` periods before; 1 = no change."""
    return Feature(f"{of}_change_{reach}", "plan", False, "change", (of,), reach)


def since_change(of: str, reach: int) -> Feature:
    """Periods before the target at which its value last differed, 1 = the one before; ``reach`` = none did."""
    return Feature(f"{of}_since_change_{reach}", "plan", False, "since_change", (of,), reach)


def day_in(of: str, reach: int, code: float = 0) -> Feature:
    """Which period of a running promotion or event the target is, 1 = its first, 0 = none runs; at most ``reach``.

    Args:
        of: the covariate; above zero (or equal to ``code``) = running.
        reach: how far is looked.
        code: value that counts; 0 = any above zero.
    """
    return _around("day_in", of, reach, code)


def until_next(of: str, reach: int, code: float = 0) -> Feature:
    """Periods from the target to the next promotion or event announced so far, 0 = one runs; at most ``reach``."""
    return _around("until_next", of, reach, code)


def since_last(of: str, reach: int, code: float = 0) -> Feature:
    """Periods from the last promotion or event to the target, 0 = one runs; at most ``reach``."""
    return _around("since_last", of, reach, code)


def _around(kind: str, of: str, reach: int, code: float) -> Feature:
    if reach < 1:
        raise ConfigError(f"{kind} must look at least one period far, not {reach}.", "Give a longer reach.")
    return Feature(f"{of}_{kind}_{reach}" + (f"_of_{code:g}" if code else ""), "plan", False, kind, (of,), reach, code)


def running(of: Sequence[str], name: str = "promotion_kind") -> Feature:
    """Which of several promotions runs at the target: 0 = none, 1 = the first of the list; unknown if all are."""
    return Feature(name, "plan", True, "running", tuple(of))


def calendar(fact: str) -> Feature:
    """A fact of the target's date: "weekday", "day_of_month", "days_to_month_end", "month" or "week_of_year"."""
    return Feature(fact, "calendar", False, "calendar", (fact,))


def until_day(name: str, reach: int, country: str) -> Feature:
    """Periods from the target to the next day of a holiday or festival, 0 = it is that day; at most ``reach``.

    Args:
        name: as :func:`windvane.ingest.calendar.holidays_between` names it, such as "春节" or "Black Friday".
        reach: how far is looked.
        country: ISO 3166 code.
    """
    return Feature(f"until_{name}_{country}_{reach}", "calendar", False, "until_day", (name,), reach, align=country)


def since_day(name: str, reach: int, country: str) -> Feature:
    """Periods from the last day of a holiday or festival to the target, 0 = it is that day; at most ``reach``."""
    return Feature(f"since_{name}_{country}_{reach}", "calendar", False, "since_day", (name,), reach, align=country)


def static(column: str) -> Feature:
    """Code of a static or key column; -1 = a text that was not there at fit."""
    return Feature(column, "static", True, "static", (column,))


def step() -> Feature:
    """Periods from the origin to the target."""
    return Feature("step", "step", False, "step")


def over(feature: Feature, base: Feature) -> Feature:
    """One feature divided by another: a price over its own recent mean, or over its category's."""
    return replace(feature, name=f"{feature.name}_over_{base.name}", over=base)
