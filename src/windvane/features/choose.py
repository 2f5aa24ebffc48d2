"""Ready lists of declarations for a panel: few features or many.

They are lists like any other: leave some out, add your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from windvane.features import spec
from windvane.features.align import YEARS
from windvane.features.rows import CALENDAR
from windvane.features.spec import Feature
from windvane.panel import Panel

WINDOWS: dict[str, tuple[int, ...]] = {
    "1h": (24, 72, 168, 336, 672),
    "1d": (7, 14, 28, 56, 112),
    "1w": (2, 4, 8, 16, 52),
    "1mo": (2, 3, 6, 12, 24),
}
"""Usual windows in periods, by frequency."""

_CODES, _SERIES_PER_CODE = 256, 5
"""Most texts of a column that become codes, and fewest series per text: fewer name single series."""

_MEMBERS = 100
"""Most series per group, on average, whose common moves are features beside a baseline."""

_YEARS_TO_LEARN = 1.5
"""History in years from which on the time of year is a feature; on less it only tells old rows from new ones."""


def few(panel: Panel) -> tuple[Feature, ...]:
    """Level, season, calendar and plans: what hardly any model does without.

    Args:
        panel: the series.
    """
    windows = _windows(panel)
    facts = CALENDAR if learns_the_year(panel) else CALENDAR[:3]
    return (
        spec.step(),
        spec.lag(),
        *(spec.mean(w) for w in windows),
        spec.zeros(windows[len(windows) // 2]),
        spec.same_season(4),
        *(spec.calendar(fact) for fact in facts),
        *(spec.plan(name, categorical=name in panel.levels) for name in panel.known),
    )


def many(panel: Panel, country: str = "", groups: tuple[str, ...] | None = None) -> tuple[Feature, ...]:
    """Every kind of feature that the panel has the arrays for.

    Args:
        panel: the series.
        country: ISO 3166 code, for festivals that move; empty = the year before is compared by weekday.
        groups: columns whose group means are read; the panel's hierarchy where ``None``.
    """
    windows = _windows(panel)
    middle, longest = windows[len(windows) // 2], windows[-1]
    year = YEARS[panel.freq.unit]
    features = [
        *few(panel),
        *(spec.std(w) for w in windows[:3]),
        spec.least(middle),
        spec.largest(middle),
        spec.median(middle),
        spec.quantile(0.9, middle),
        spec.zeros(longest),
        spec.coverage(middle),
        spec.decayed(windows[0]),
        spec.decayed(middle),
        spec.expanding(),
        spec.since_sale(longest),
        spec.zero_run(longest),
        spec.age(2 * year),
        spec.same_season(1),
        spec.same_season(8),
    ]
    if panel.freq.unit == "1d":
        features.append(spec.same_month_day(6))
    if panel.shape[1] > year:
        width = 7 if panel.freq.unit == "1d" else 3
        features += [spec.year_ago(1), spec.year_ago(width)]
        if country and panel.freq.unit != "1mo":
            features.append(spec.year_ago(1, country=country))
    for by in panel.hierarchy if groups is None else groups:
        features += [
            spec.over(spec.mean(windows[0], by=by), spec.mean(middle, by=by)).called(f"momentum_by_{by}"),
            spec.over(spec.same_season(4, by=by), spec.mean(middle, by=by)).called(f"season_by_{by}"),
        ]
    return (*features, *_covariates(panel, windows), *(spec.static(name) for name in panel.static.columns))


def relative(panel: Panel, shared: Sequence[str] = ()) -> tuple[Feature, ...]:
    """Features for models that correct a baseline: sizes are over the series' own, and none drifts with the calendar.

    A tree that sees the date, or an age without end, tells the newest rows from the older ones, and then puts down
    to them what all series shared lately by chance.

    Args:
        panel: the series.
        shared: covariates that the baseline has an effect of for whole groups; their texts are left to it.
    """
    windows = _windows(panel)
    middle, longest, year = windows[len(windows) // 2], windows[-1], YEARS[panel.freq.unit]
    size = spec.mean(longest)
    past = [
        *(spec.mean(w) for w in windows[:-1]),
        *(spec.std(w) for w in dict.fromkeys((windows[0], middle, longest))),
        spec.largest(middle),
        spec.median(middle),
        spec.decayed(windows[0]),
        spec.lag(),
        *(spec.same_season(n) for n in (1, 4, 8)),
    ]
    if panel.shape[1] > year:
        past.append(spec.year_ago(7 if panel.freq.unit == "1d" else 3))
    features = [
        spec.step(),
        size,
        *(spec.over(f, size) for f in past),
        *(spec.zeros(w) for w in dict.fromkeys((windows[0], middle, longest))),
        spec.coverage(middle),
        spec.since_sale(longest),
        spec.zero_run(longest),
        spec.age(longest),
        *(
            spec.calendar(fact)
            for fact in {"1h": ("weekday",), "1d": ("weekday", "day_of_month")}.get(panel.freq.unit, ())
        ),
    ]
    if learns_the_year(panel):
        features.append(spec.calendar("month"))
    keys = [name for name in panel.keys.columns if panel.keys.width > 1]
    grouping = {name: panel.static[name] for name in panel.static.columns} | {n: panel.keys[n] for n in keys}
    for by, texts in grouping.items():
        # What large groups do is nearly what all do, and of that few dates tell; the baseline has learned it.
        if not 1 < panel.shape[0] / max(texts.n_unique(), 1) <= _MEMBERS:
            continue
        features += [
            spec.over(spec.mean(windows[0], by=by), spec.mean(middle, by=by)).called(f"momentum_by_{by}"),
            spec.over(spec.mean(middle, by=by), spec.mean(longest, by=by)).called(f"trend_by_{by}"),
        ]
    statics = [spec.static(name) for name in static_codes(panel)]
    return (*features, *_relative_covariates(panel, windows, shared), *statics)


def static_codes(panel: Panel) -> list[str]:
    """Static and key columns whose texts stand for several series each.

    Args:
        panel: the series.
    """
    most = min(_CODES, panel.shape[0] // _SERIES_PER_CODE)
    keys = [name for name in panel.keys.columns if panel.keys.width > 1]
    grouping = {name: panel.static[name] for name in panel.static.columns} | {n: panel.keys[n] for n in keys}
    return [name for name, texts in grouping.items() if 1 < texts.n_unique() <= most]


def _relative_covariates(panel: Panel, windows: tuple[int, ...], shared: Sequence[str]) -> list[Feature]:
    """Plans as they are, prices against their past, promotions round the target, what is known in hindsight."""
    middle, longest = windows[len(windows) // 2], windows[-1]
    out: list[Feature] = []
    for name in panel.known:
        text, price = name in panel.levels, "price" in name
        if name in shared:
            out += [] if text else [spec.plan(name)]
            continue
        if price:
            out += [spec.over(spec.plan(name), spec.mean(w, of=name)) for w in dict.fromkeys((middle, longest))]
            out += [spec.over(spec.plan(name), spec.mean(middle, of=name, by=by)) for by in panel.hierarchy[-1:]]
            out += [spec.change(name, middle), spec.since_change(name, middle)]
            continue
        out.append(spec.plan(name, categorical=text))
        if not text:
            out += [spec.over(spec.plan(name), spec.mean(middle, of=name))]
        # Not the distance to the next: past the horizon plans of the past are known, and those of the future are not.
        out += [spec.since_last(name, middle), spec.day_in(name, middle)]
    for name in panel.past:
        recent = spec.mean(windows[0], of=name)
        out += [spec.over(recent, spec.mean(middle, of=name)), spec.over(spec.lag(of=name), recent)]
    return out


def _covariates(panel: Panel, windows: tuple[int, ...]) -> list[Feature]:
    """Prices against their past, promotions and days round the target, what is known in hindsight."""
    middle = windows[len(windows) // 2]
    out: list[Feature] = []
    promotions = [name for name in panel.known if name.startswith("promo_")]
    for name in panel.known:
        if name in panel.levels or name in promotions:
            out += [spec.until_next(name, middle), spec.since_last(name, middle), spec.day_in(name, middle)]
        if name not in panel.levels:
            out.append(spec.over(spec.plan(name), spec.mean(middle, of=name)))
        if "price" in name:
            out += [spec.change(name, middle), spec.since_change(name, middle)]
            out += [spec.over(spec.plan(name), spec.mean(middle, of=name, by=by)) for by in panel.hierarchy[-1:]]
    if promotions:
        out.append(spec.running(promotions))
    if panel.in_stock is not None:
        out += [spec.lag(of="in_stock"), spec.mean(windows[0], of="in_stock"), spec.mean(middle, of="in_stock")]
    for name in panel.past:
        recent = spec.mean(windows[0], of=name)
        out += [spec.lag(of=name), recent, spec.over(recent, spec.mean(middle, of=name))]
    return out


def _windows(panel: Panel) -> tuple[int, ...]:
    """Usual windows that are not longer than the history; at least three."""
    usual = WINDOWS[panel.freq.unit]
    return tuple(takewhile(lambda w: w <= max(panel.shape[1], usual[2]), usual))


def learns_the_year(panel: Panel) -> bool:
    """Whether the history is long enough to learn the time of year from.

    Args:
        panel: the series.
    """
    return panel.shape[1] >= _YEARS_TO_LEARN * YEARS[panel.freq.unit]
