"""The page of results of one data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from sets.contract import DataSet
from windvane.backtest.compare import paired_gain

if TYPE_CHECKING:
    from accuracy import Outcome

RESAMPLES = 1000
LEAST_COVERED = 60
"""Fewest outcomes whose coverage says something."""
LEAST_PIT = 400
"""Fewest outcomes whose histogram says something."""
_DIGITS = {"wrmsse": 3, "rmsse": 3}


def page(data: DataSet, outcomes: list[Outcome], everything: list[Outcome], head: str, command: str) -> str:
    """Markdown of all measures; empty where nothing was scored.

    Args:
        data: the data set.
        outcomes: forecasts of it.
        everything: forecasts of all sets of the run so far, for ranks.
        head: machine and versions.
        command: how it was run.
    """
    scored = [o for o in outcomes if o.score is not None]
    if not scored:
        return ""
    names = list(dict.fromkeys(o.name for o in scored))
    origins = sorted({o.cutoff for o in scored})
    lines = [f"# Accuracy on {data.name}", ""]
    for measure in ("wrmsse", "wspl", "wql", "wape", "rmsse", "bias"):
        lines += _by_origin(measure, names, origins, scored, data)
    lines += _gains(names, scored)
    lines += _levels(names, scored)
    lines += _coverage(names, scored)
    lines += _pit(names, scored)
    lines += _costs(names, scored)
    if len({o.data for o in everything}) > 1:
        lines += _ranks([o for o in everything if o.score is not None])
    versions = {
        n: v for o in scored if o.name not in ("seasonal naive",) for n, v in o.cost.get("versions", {}).items()
    }
    told = "".join(f", {n} {v}" for n, v in sorted(versions.items()))
    return "\n".join([*lines, f"{head}{told}.", "", f"`{command}`", ""])


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rows, columns = list(rows), list(columns)
    if not rows:
        return []
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"## {title}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *body, ""]


def _number(value: float, digits: int = 4) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def _by_origin(measure: str, names: list[str], origins: list[date], scored: list[Outcome], data: DataSet) -> list[str]:
    digits = _DIGITS.get(measure, 4)
    early = set(data.origins[: len(data.origins) // 2])
    whole = set(data.origins) <= set(origins)
    rows = []
    for name in names:
        found = {o.cutoff: o.score.values.get(measure, np.nan) for o in scored if o.name == name and o.score}
        values = np.array([found.get(day, np.nan) for day in origins])
        if np.isnan(values).all():
            continue
        row = [name, *(_number(v, digits) for v in values)]
        if len(origins) > 1:
            row += [_number(values.mean(), digits), _number(values.std(ddof=1), digits)]
        if whole:
            sooner = np.array([day in early for day in origins])
            row += [_number(values[sooner].mean(), digits), _number(values[~sooner].mean(), digits)]
        rows.append(row)
    columns = [measure.upper() if measure[0] == "w" else measure, *(str(day) for day in origins)]
    columns += ["mean", "spread"] if len(origins) > 1 else []
    columns += ["mean, earlier half", "mean, later half"] if whole else []
    return _table(f"{measure.upper() if measure != 'bias' else 'Bias'} by origin", columns, rows)


def _gains(names: list[str], scored: list[Outcome]) -> list[str]:
    """Quantile loss saved by the first forecaster against every other, with paired bootstrap intervals."""
    rows = []
    for other in names[1:]:
        pairs = _paired(names[0], other, scored)
        if pairs:
            loss, base = (np.concatenate(side) for side in zip(*pairs, strict=True))
            gain = paired_gain(loss, base, RESAMPLES, 1)
            rows.append([other, f"{gain.value:+.1%}", f"{gain.low:+.1%} to {gain.high:+.1%}"])
    return _table(f"Quantile loss saved by {names[0]}", ["against", "saved", "95 % interval"], rows)


def _paired(name: str, other: str, scored: list[Outcome]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Losses of two forecasters per series, one pair for every origin that both were scored on."""

    def of(who: str) -> dict[date, np.ndarray]:
        mine = {o.cutoff: o.score.loss for o in scored if o.name == who and o.score}
        return {day: loss for day, loss in mine.items() if not np.isnan(loss).any()}

    ours, theirs = of(name), of(other)
    return [(ours[day], theirs[day]) for day in ours if day in theirs]


def _levels(names: list[str], scored: list[Outcome]) -> list[str]:
    out: list[str] = []
    for measure in ("wrmsse", "wspl"):
        rows = []
        for name in names:
            found = [o.levels[measure] for o in scored if o.name == name and measure in o.levels]
            if found:
                rows.append([name, *(_number(v, 3) for v in np.mean(found, axis=0))])
        title = f"{measure.upper()} by level of aggregation, mean over origins"
        out += _table(title, ["level", *(str(i + 1) for i in range(12))], rows)
    return out


def _coverage(names: list[str], scored: list[Outcome]) -> list[str]:
    """Coverage of series and sums, mean over origins, and how far it lies between origins."""
    rows = []
    for name in names:
        mine = [o.score for o in scored if o.name == name and o.score]
        for key in (k for k in mine[0].values if k.endswith("coverage80")):
            what = key.removesuffix("coverage80").rstrip(": ") or "series"
            count = sum(int(score.pits[what].sum()) for score in mine)
            if count < LEAST_COVERED:
                continue
            row = [name, what, f"{count:,}"]
            for level in ("80", "95"):
                found = np.array([score.values[key[:-2] + level] for score in mine])
                row += [f"{found.mean():.3f}", f"{found.min():.3f} to {found.max():.3f}"]
            rows.append(row)
    columns = ["", "of", "outcomes", "80 % interval", "over origins", "95 % interval", "over origins"]
    return [*_table("Coverage", columns, rows), *_paths(names, scored)]


def _paths(names: list[str], scored: list[Outcome]) -> list[str]:
    """How far the mean of the sample paths lies from the mean, all series and steps together."""
    told = []
    for name in names:
        mine = [o.score.values for o in scored if o.name == name and o.score]
        found = [values["paths_over_mean"] for values in mine if "paths_over_mean" in values]
        if found:
            told.append(f"{name} {np.mean(found):+.1%} ({min(found):+.1%} to {max(found):+.1%})")
    return [f"Mean of all sample paths against the sum of means: {'; '.join(told)}.", ""] if told else []


def _pit(names: list[str], scored: list[Outcome]) -> list[str]:
    """Histograms of the probability integral transform, pooled over origins; flat = calibrated."""
    rows = []
    for name in names:
        mine = [o.score.pits for o in scored if o.name == name and o.score and o.score.pits]
        for what in mine[0] if mine else ():
            counts = np.sum([pits[what] for pits in mine], axis=0)
            if counts.sum() >= LEAST_PIT:
                rows.append([name, what, *(f"{share:.3f}" for share in counts / counts.sum())])
    edges = [f"to {(i + 1) / 10:.1f}" for i in range(10)]
    return _table("PIT: share of outcomes by tenth of the predicted distribution", ["", "of", *edges], rows)


def _costs(names: list[str], scored: list[Outcome]) -> list[str]:
    rows = []
    for name in names:
        mine = [o.cost for o in scored if o.name == name]
        row = [name]
        for key, digits in (("seconds", 1), ("cpu_seconds", 1)):
            values = np.array([cost[key] for cost in mine])
            row.append(f"{values.mean():,.{digits}f} ({values.min():,.{digits}f} to {values.max():,.{digits}f})")
        row.append(f"{max(cost['peak_mb'] for cost in mine):,.0f}")
        row.append(f"{np.mean([c['sums_seconds'] for c in mine]):,.1f}" if "sums_seconds" in mine[0] else "")
        row.append(f"{max(c['sums_peak_mb'] for c in mine):,.0f}" if "sums_seconds" in mine[0] else "")
        rows.append(row)
    columns = ["", "seconds", "CPU-seconds", "peak MB", "seconds for sums", "peak MB with sums"]
    return _table("Cost of one forecast", columns, rows)


def _ranks(scored: list[Outcome]) -> list[str]:
    """Mean rank in WQL over the sets and origins that all forecasters with quantiles were scored on."""
    cells: dict[tuple[str, date], dict[str, float]] = {}
    for o in scored:
        if o.score and not np.isnan(o.score.values["wql"]):
            cells.setdefault((o.data, o.cutoff), {})[o.name] = o.score.values["wql"]
    shared = set.intersection(*(set(cell) for cell in cells.values())) if cells else set()
    if len(shared) < 2:
        return []
    names = sorted(shared)
    ranks = {n: np.mean([1 + sum(cell[m] < cell[n] for m in names) for cell in cells.values()]) for n in names}
    rows = [[n, f"{ranks[n]:.2f}"] for n in sorted(names, key=lambda n: ranks[n])]
    return _table(f"Mean rank in WQL over {len(cells)} origins of all sets so far", ["", "mean rank"], rows)
