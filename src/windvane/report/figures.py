"""Figures as plotly specifications: plain dicts made from frames, for the page, dashboards and notebooks.

Every function is pure. In a notebook::

    >>> import plotly.graph_objects as go  # doctest: +SKIP
    >>> go.Figure(figures.gains(run.read("leaderboard"), Look("en", LIGHT)))  # doctest: +SKIP

With :data:`windvane.report.theme.PAGE` the texts and colours stay markers, which the page's script fills.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from windvane import schema
from windvane.report.numbers import GROWTH_LEAST, GROWTH_MOST, capped
from windvane.report.theme import SYMBOLS, Look, axis, layout

Spec = dict[str, Any]
"""A plotly figure: data and layout."""

BANDS = ((0.025, 0.975, "band95"), (0.1, 0.9, "band80"), (0.25, 0.75, "band50"))
"""Lower and upper level and colour of the ranges of a fan chart, widest first."""
DRAWN = frozenset(schema.quantile_name(level) for low, high, _ in BANDS for level in (low, 0.5, high))
"""Quantile columns that a fan chart shows."""
DOTS = 400
"""Most dots of a radar."""
DIRECTIONS = ("steady", "rising", "falling", "new", "ending")


def total(
    past: pl.DataFrame,
    ahead: pl.DataFrame,
    look: Look,
    column: str = "units",
    bands: pl.DataFrame | None = None,
) -> Spec:
    """History and expectation of the whole, with its 80 % and 95 % ranges where they are known.

    Args:
        past: date, units, money; past periods.
        ahead: date, units, money; future periods.
        look: language and colours.
        column: "units" or "money".
        bands: date and quantile columns of the sum (units), as in the table ``totals``.
    """
    prefix = look.currency if column == "money" else ""
    when = f"%{{x|{look.date}}}<br><b>{prefix}%{{y:,.0f}}</b>"
    hover = f"{when}<extra></extra>"
    # The expectation starts at the last known point, so that the line does not break.
    joint = pl.concat([past.tail(1), ahead], how="vertical_relaxed") if past.height else ahead
    expected = _line(joint["date"].to_list(), joint[column].to_list(), look, "median", "report.fans.mean", hover, 2.4)
    lines = []
    if bands is not None and bands.height and column == "units":
        lines = _total_bands(bands, look)
        # The first point is the last day sold, which has no range.
        said = f"{when}<br>{look.text('report.fans.band80')} %{{customdata[0]:,.0f}} – %{{customdata[1]:,.0f}}"
        found = {day: (low, high) for day, low, high in bands.select("date", "q0.1", "q0.9").iter_rows()}
        ranges = [found.get(day) for day in joint["date"]]
        expected |= {
            "customdata": [list(r) if r else None for r in ranges],
            "hovertemplate": [f"{said}<extra></extra>" if r else hover for r in ranges],
        }
    lines += [
        _line(past["date"].to_list(), past[column].to_list(), look, "history", "report.fans.history", hover, 1.4),
        expected,
    ]
    base = layout(look, 370) | {"showlegend": True, "hovermode": "x"}
    base["xaxis"] = axis(look, grid=False, tickformat=look.text("format.tick_date"), nticks=7, tickangle=0)
    base["yaxis"] = axis(look, rangemode="tozero", tickprefix=prefix, tickformat=",~r", nticks=5)
    base["shapes"] = _today(past["date"].to_list(), look)
    return {"data": lines, "layout": base}


def fan(
    past: tuple[Sequence[date], Sequence[float | None]],
    ahead: tuple[Sequence[date], dict[str, Sequence[float | None]]],
    look: Look,
    height: int = 190,
) -> Spec:
    """Fan chart of one series: sales, median, and ranges of 50, 80 and 95 %.

    Args:
        past: dates and sales; ``None`` = unknown.
        ahead: dates, and values by quantile column (``q0.1`` ...); ranges whose columns lack are left out.
        look: language and colours.
        height: pixels.

    Traces carry ``meta`` = "history" or their quantile column, so that a page can refill one specification
    with the values of any series.
    """
    dates, quantiles = ahead
    traces: list[Spec] = []
    for low, high, colour in BANDS:
        pair = schema.quantile_name(low), schema.quantile_name(high)
        if not set(pair) <= set(quantiles):
            continue
        for name, fill in zip(pair, ("none", "tonexty"), strict=True):
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "x": list(dates), "y": list(quantiles[name]), "meta": name,
                    "line": {"width": 0, "color": look.colour(colour)}, "fill": fill, "hoverinfo": "skip",
                    "fillcolor": look.colour(colour),
                }
            )  # fmt: skip
    when = f"%{{x|{look.date}}}<br>"
    sold = f"{when}{look.text('report.fans.history')} <b>%{{y:,.4~g}}</b><extra></extra>"
    middle = (
        f"{when}{look.text('report.fans.median')} <b>%{{y:,.3~g}}</b><br>{look.text('report.fans.band80')} "
        "%{customdata[0]:,.3~g} – %{customdata[1]:,.3~g}<extra></extra>"
    )
    median = _line(list(dates), list(quantiles.get("q0.5", [])), look, "median", "report.fans.median", middle, 2.2) | {
        "meta": "q0.5",
        "customdata": list(zip(quantiles.get("q0.1", []), quantiles.get("q0.9", []), strict=True)),
    }
    history = _line(list(past[0]), list(past[1]), look, "history", "report.fans.history", sold, 1.2)
    base = layout(look, height) | {"hovermode": "closest"}
    base["margin"] |= {"t": 6, "r": 6}
    base["xaxis"] = axis(look, grid=False, tickformat=look.text("format.tick_date"), nticks=4, tickangle=0)
    base["yaxis"] = axis(look, rangemode="tozero", nticks=4)
    base["shapes"] = _today(list(past[0]), look)
    return {"data": [*traces, median, history | {"meta": "history"}], "layout": base}


def radar(trends: pl.DataFrame, look: Look, limit: int = DOTS) -> Spec:
    """Growth against revenue: where demand is turning, sized by the money it moves.

    Args:
        trends: label, trend, growth, growth_low, growth_high, revenue, money of one level.
        look: language and colours.
        limit: most dots, those with most money.
    """
    dots = trends.filter((pl.col("revenue") > 0) & pl.col("growth").is_not_null())
    dots = dots.sort(pl.col("money").abs(), descending=True, nulls_last=True).head(limit)
    # One explosive product would shrink all others to points: sizes stop growing at the 98th percentile.
    largest = float(dots["money"].abs().quantile(0.98) or 1.0) if dots.height else 1.0
    # Likewise explosive growth would flatten all others: it sits on the upper edge, and hover tells the truth.
    top = max(0.5, min(2.0, float(dots["growth"].quantile(0.98) or 0.5) * 1.15)) if dots.height else 0.5
    dots = dots.with_columns(pl.Series("named", _apart(dots, top), dtype=pl.Boolean))
    traces = []
    for word in DIRECTIONS:
        part = dots.filter(pl.col("trend") == word)
        if part.height:
            traces.append(_dots(part, word, look, (largest, top)))
    base = layout(look, 430) | {"showlegend": True, "hovermode": "closest"}
    ticks = _money_ticks(dots["revenue"].to_list())
    labels = [f"{look.currency}{v:,.0f}" if v >= 1 else f"{look.currency}{v:g}" for v in ticks]
    base["xaxis"] = axis(look, type="log", tickvals=ticks, ticktext=labels)
    base["xaxis"]["title"] |= {"text": look.text("report.trends.revenue")}
    base["yaxis"] = axis(look, tickformat="+.0%", nticks=7, rangemode="tozero") | {
        "zeroline": True,
        "zerolinecolor": look.colour("steady"),
    }
    if any(capped(g) for g in dots["growth"]):
        marks = [GROWTH_LEAST, -0.25, 0.0, 0.25, 0.5, 0.75, GROWTH_MOST]
        base["yaxis"] |= {"tickvals": marks, "ticktext": [_growth(v) for v in marks]}
    base["yaxis"]["title"] |= {"text": look.text("report.trends.growth")}
    return {"data": traces, "layout": base}


def gains(leaderboard: pl.DataFrame, look: Look) -> Spec:
    """What the chosen model saves against the best simple baseline, per segment, with 95 % intervals.

    Args:
        leaderboard: one row per segment: that of the chosen model.
        look: language and colours.
    """
    rows = leaderboard.drop_nulls("gain").reverse()
    colours = [
        look.colour("rising" if (low or 0) > 0 else "falling" if (high or 0) < 0 else "steady")
        for low, high in rows.select("gain_low", "gain_high").iter_rows()
    ]
    names = [look.name("segment", s) for s in rows["segment"]]
    low = (rows["gain"] - rows["gain_low"]).fill_null(0.0).to_list()
    high = (rows["gain_high"] - rows["gain"]).fill_null(0.0).to_list()
    ends = rows.select("gain_low", "gain_high", "series").rows()
    trace = {
        "type": "scatter", "mode": "markers", "x": rows["gain"].to_list(), "y": names, "customdata": ends,
        "marker": {"size": 11, "color": colours},
        "error_x": {"type": "data", "symmetric": False, "array": high, "arrayminus": low, "thickness": 2, "width": 0,
                    "color": look.colour("steady")},
        "hovertemplate": "%{y}<br><b>%{x:+.1%}</b> (%{customdata[0]:+.1%} – %{customdata[1]:+.1%})<extra></extra>",
    }  # fmt: skip
    base = layout(look, 110 + 42 * max(rows.height, 2))
    # Without zero in sight nobody could say which side of it a dot is on.
    base["xaxis"] = axis(look, tickformat="+.0%", nticks=6, rangemode="tozero") | {
        "zeroline": True,
        "zerolinecolor": look.colour("muted"),
    }
    base["xaxis"]["title"] |= {"text": look.text("report.accuracy.gain_axis")}
    base["yaxis"] = axis(look, grid=False, type="category", tickfont={"color": look.colour("ink")})
    return {"data": [trace], "layout": base}


def coverage(leaderboard: pl.DataFrame, look: Look) -> Spec:
    """Share of outcomes inside the 80 % and 95 % ranges of the chosen model, per segment.

    Args:
        leaderboard: one row per segment: that of the chosen model.
        look: language and colours.
    """
    rows = leaderboard.reverse()
    names = [look.name("segment", s) for s in rows["segment"]]
    traces = []
    lines = []
    for column, level, symbol in (("coverage80", 0.8, "circle"), ("coverage95", 0.95, "diamond")):
        colour = look.colour("rising" if level == 0.8 else "new")
        traces.append(
            {
                "type": "scatter", "mode": "markers+text", "x": rows[column].to_list(), "y": names,
                "name": look.text(f"report.accuracy.{column}"), "textposition": "top center", "cliponaxis": False,
                "text": [_points(v, level) for v in rows[column]], "textfont": {"size": 11},
                "marker": {"size": 11, "symbol": symbol, "color": colour},
                "hovertemplate": "%{y}<br><b>%{x:.1%}</b><extra>%{fullData.name}</extra>",
            }
        )  # fmt: skip
        lines.append(_upright(level, colour))
    smallest = min([0.7, *(v - 0.03 for v in rows["coverage80"].drop_nulls())])
    base = layout(look, 110 + 42 * max(rows.height, 2)) | {"showlegend": True, "shapes": lines}
    base["xaxis"] = axis(look, tickformat=".0%", range=[max(smallest, -0.02), 1.02], nticks=7)
    base["xaxis"]["title"] |= {"text": look.text("report.accuracy.coverage_axis")}
    base["yaxis"] = axis(look, grid=False, type="category", tickfont={"color": look.colour("ink")})
    return {"data": traces, "layout": base}


def steps(errors: pl.DataFrame, look: Look) -> Spec:
    """Error by periods ahead, one line a model.

    Args:
        errors: model, step, value, metric (one for all); the first model in order is drawn strongest.
        look: language and colours.
    """
    traces = []
    models = errors["model"].unique(maintain_order=True).to_list()
    strokes = (("median", "solid", 2.8), ("falling", "dash", 1.6), ("new", "dot", 1.6), ("ending", "dashdot", 1.6))
    for model, (colour, dash, width) in zip(models, strokes, strict=False):
        rows = errors.filter(pl.col("model") == model).sort("step")
        traces.append(
            {
                "type": "scatter", "mode": "lines", "x": rows["step"].to_list(), "y": rows["value"].to_list(),
                # A step that fell on days without any sale has no error.
                "connectgaps": True, "name": look.name("model", model),
                "line": {"color": look.colour(colour), "dash": dash, "width": width},
                "hovertemplate": "%{x}: <b>%{y:.3f}</b><extra>%{fullData.name}</extra>",
            }
        )  # fmt: skip
    base = layout(look, 300) | {"showlegend": True, "hovermode": "closest"}
    base["xaxis"] = axis(look, grid=False, nticks=8)
    base["xaxis"]["title"] |= {"text": look.text("report.accuracy.step_axis")}
    base["yaxis"] = axis(look, nticks=5, tickformat=".2~f")
    metric = errors["metric"][0] if errors.height else "wql"
    base["yaxis"]["title"] |= {"text": look.text(f"report.accuracy.{metric}")}
    return {"data": traces, "layout": base}


def _total_bands(bands: pl.DataFrame, look: Look) -> list[Spec]:
    """The 95 % and 80 % ranges of a sum, widest first; each named once in the legend."""
    dates = bands["date"].to_list()
    traces: list[Spec] = []
    for low, high, colour in BANDS[:2]:
        for level, fill in ((low, "none"), (high, "tonexty")):
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "x": dates, "y": bands[schema.quantile_name(level)].to_list(),
                    "meta": schema.quantile_name(level), "name": look.text(f"report.fans.{colour}"), "fill": fill,
                    "fillcolor": look.colour(colour), "line": {"width": 0, "color": look.colour(colour)},
                    "hoverinfo": "skip", "showlegend": fill != "none",
                }
            )  # fmt: skip
    return traces


def _dots(rows: pl.DataFrame, word: str, look: Look, scale: tuple[float, float]) -> Spec:
    largest, top = scale
    sizes = [7 + 27 * min(1.0, abs(m or 0) / largest) ** 0.5 for m in rows["money"]]
    # Plotly reads a small subset of HTML in labels: product names must not be read as such.
    labels = [html.escape(_cut(v), quote=False) for v in rows["label"]]
    whole = [html.escape(v, quote=False) for v in rows["label"]]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": look.name("trend", word),
        "x": rows["revenue"].to_list(),
        "y": [min(g, top) for g in rows["growth"]],
        "text": [s if named else "" for s, named in zip(labels, rows["named"], strict=True)],
        "textposition": "top center",
        "textfont": {"size": 11, "color": look.colour("ink")},
        "cliponaxis": False,
        "customdata": [
            [name, *(_growth(v) for v in ends), money]
            for name, money, *ends in zip(
                whole, rows["money"], *(rows[c] for c in ("growth", "growth_low", "growth_high")), strict=True
            )
        ],
        "marker": {
            "size": sizes,
            "symbol": SYMBOLS[word],
            "color": look.colour(word),
            "opacity": 0.4 if word == "steady" else 0.75,
            "line": {"width": 1, "color": look.colour("surface")},
        },
        "hovertemplate": (
            "<b>%{customdata[0]}</b><br>%{customdata[1]} (%{customdata[2]} … %{customdata[3]})<br>"
            f"{look.text('report.trends.revenue')}: {look.currency}%{{x:,.0f}}<br>"
            f"{look.text('report.trends.money')}: {look.currency}%{{customdata[4]:+,.0f}}<extra></extra>"
        ),
    }


def _apart(dots: pl.DataFrame, top: float, most: int = 6) -> list[bool]:
    """Which dots carry their name: those with most money whose names do not run into each other."""
    revenue = [math.log10(v) for v in dots["revenue"]]
    growth = [min(g, top) for g in dots["growth"]]
    wide = (max(revenue, default=1.0) - min(revenue, default=0.0)) or 1.0
    high = (max(growth, default=1.0) - min(growth, default=0.0)) or 1.0
    named: list[tuple[float, float]] = []
    chosen = []
    for x, y in zip(revenue, growth, strict=True):
        free = all(abs(x - a) > 0.2 * wide or abs(y - b) > 0.07 * high for a, b in named)
        chosen.append(free and len(named) < most)
        if chosen[-1]:
            named.append((x, y))
    return chosen


def _points(value: float | None, level: float) -> str:
    """Distance of a coverage from what was promised, in percentage points: "+2.4"."""
    if value is None:
        return ""
    text = f"{100 * (value - level):+.1f}".replace("-", "\N{MINUS SIGN}")
    return "0.0" if text[1:] == "0.0" else text


def _money_ticks(values: Sequence[float]) -> list[float]:
    """Round amounts for a logarithmic axis: powers of ten, with 2 and 5 between them over a short range."""
    if not values:
        return []
    first, last = (math.floor(math.log10(f(values))) for f in (min, max))
    steps = (1,) if last - first > 2 else (1, 2, 5)
    return [float(f"{step}e{power}") for power in range(first, last + 2) for step in steps]


def _line(
    x: Sequence[date], y: Sequence[float | None], look: Look, colour: str, name: str, hover: str, width: float
) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": look.text(name),
        "line": {"color": look.colour(colour), "width": width},
        "hovertemplate": hover,
    }


def _today(dates: Sequence[date], look: Look) -> list[Spec]:
    return [_upright(dates[-1], look.colour("steady"))] if dates else []


def _upright(x: object, colour: str) -> Spec:
    return {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
        "line": {"width": 1, "dash": "dot", "color": colour},
    }  # fmt: skip


def _growth(value: float | None) -> str:
    """Growth in signs that every language reads: "+12%", "≥ +100%"."""
    if value is None:
        return "–"
    sign = {1: "≥\N{NO-BREAK SPACE}", -1: "≤\N{NO-BREAK SPACE}", 0: ""}[capped(value)]
    return sign + ("0%" if abs(value) < 0.005 else f"{value:+.0%}".replace("-", "\N{MINUS SIGN}"))


def _cut(text: str, length: int = 28) -> str:
    """The text in at most ``length`` characters; what follows its last " · " tells equal names apart and stays."""
    if len(text) <= length:
        return text
    head, dot, tail = text.rpartition(" · ")
    if not dot or len(tail) > length - 6:
        return text[: length - 1] + "…"
    return head[: length - len(tail) - 4].rstrip() + "… · " + tail
