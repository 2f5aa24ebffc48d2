"""The sections of the page that a planner acts on: overview, trends, forecasts, reorder list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from windvane.report import reorder
from windvane.report.facts import EMBEDDED_SERIES, HISTORY, Facts, direction_counts, total_interval
from windvane.report.figures import DOTS
from windvane.report.numbers import Shown, capped
from windvane.report.pen import Pen, Text, Value, safe, table

RANKED = 8
"""Entries of each ranked list."""
FIRST = 7
"""Lines of the list of what to order first."""
_PERIODS = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month"}


def periods(facts: Facts) -> Text:
    """The horizon in words."""
    return Text(f"report.overview.{_PERIODS[facts.freq]}s", (("count", str(facts.horizon)),))


def section(pen: Pen, name: str, body: str, lead: str = "") -> str:
    """One section with its heading."""
    group = {"forecasts": "fans"}.get(name, name)
    return (
        f'<section id="{name}" aria-labelledby="{name}-heading"><div class="head"><h2 id="{name}-heading">'
        f"{pen.t(f'report.{group}.heading')}</h2>{f'<p>{lead}</p>' if lead else ''}</div>{body}</section>"
    )


def empty(text: str) -> str:
    """What stands where there is nothing to show."""
    return f'<p class="empty">{text}</p>'


def panel(title: str, note: str, body: str, extra: str = "") -> str:
    """A framed part of a section."""
    note = f'<p class="note">{note}</p>' if note else ""
    return f'<div class="panel {extra}"><header><h3>{title}</h3>{note}</header>{body}</div>'


def plot(pen: Pen, figure: str, label: str) -> str:
    """The place of a figure, drawn by the page's script.

    Args:
        pen: writes the label.
        figure: name of the figure among the page's data.
        label: catalogue key that says what the figure shows.
    """
    return f'<div class="plot" data-figure="{figure}" role="img" {pen.attribute("aria-label", label)}></div>'


def name_of(row: Mapping[str, Any]) -> str:
    """The name of a product as HTML, with its number where other products have the same name."""
    title = safe(row["title"] or row["sku"])
    return f'{title} <small class="sku">{safe(row["sku"])}</small>' if row.get("twin") else title


def switch(pen: Pen, group: str, choices: list[tuple[str, str]]) -> str:
    """Buttons of which one is pressed; each shows the elements of its name.

    Args:
        pen: writes the texts.
        group: name of the group.
        choices: name and catalogue key of each choice; the first is pressed.
    """
    buttons = "".join(
        f'<button type="button" data-show="{name}" aria-pressed="{str(i == 0).lower()}">{pen.t(key)}</button>'
        for i, (name, key) in enumerate(choices)
    )
    return f'<div class="switch" role="group" data-switch="{group}">{buttons}</div>'


# --- overview ---------------------------------------------------------------------------------------------------


def overview(facts: Facts, listing: pl.DataFrame, pen: Pen) -> str:
    """Headline tiles, chart of the whole, and the first lines to order."""
    tiles = (
        _stake_tile(listing, pen) + _order_tile(listing, pen) + _sales_tile(facts, pen) + _direction_tile(facts, pen)
    )
    chart = empty(pen.t("report.overview.no_forecast"))
    if facts.horizon:
        group = [("total-units", "report.overview.units"), ("total-money", "report.overview.money")]
        chart = switch(pen, "total", group) + "".join(
            f'<div data-panel="{name}"{" hidden" if i else ""}>{plot(pen, name, "report.overview.demand")}{note}</div>'
            for i, ((name, _), note) in enumerate(zip(group, _chart_notes(facts, pen), strict=True))
        )
    period = Text(f"report.overview.{_PERIODS[facts.freq]}")
    demand = panel(pen.t("report.overview.demand"), pen.t("report.overview.demand_note", period=period), chart, "wide")
    body = f'<div class="tiles">{tiles}</div>{_stock_banner(facts, listing, pen)}'
    body += f'<div class="pair lean">{demand}{_first_orders(listing, pen)}</div>{_last_run(facts, pen)}'
    return section(pen, "overview", body)


def _chart_notes(facts: Facts, pen: Pen) -> tuple[str, str]:
    """What stands under the chart of units and under that of money."""
    ranges = f'<p class="note">{pen.t("report.overview.demand_ranges")}</p>' if facts.bands.height else ""
    return ranges, f'<p class="note">{pen.t("report.overview.demand_money")}</p>'


def freshness(facts: Facts, pen: Pen) -> str:
    """Until when the data reaches and how far the forecast goes."""
    if facts.cutoff is None:
        return ""
    until = facts.dates[-1] if facts.dates else facts.cutoff
    text = pen.t(
        "report.overview.fresh",
        cutoff=Shown(facts.when, facts.cutoff),
        periods=periods(facts),
        until=Shown(facts.when, until),
    )
    late = _days_late(facts)
    stale = pen.t("report.overview.stale", count=Shown("count", late), cutoff=Shown("day", facts.cutoff))
    return f'<p class="fresh">{text}</p>' + (f'<p class="stale">{stale}</p>' if late > 3 else "")


def _days_late(facts: Facts) -> int:
    asked = facts.manifest.get("as_of") or facts.manifest.get("created")
    if facts.cutoff is None or not asked:
        return 0
    try:
        made = datetime.fromisoformat(str(asked)).date()
    except ValueError:
        return 0
    # A period is known once it has ended.
    end = facts.later(facts.cutoff, 1)
    return (made - (end.date() if isinstance(end, datetime) else end)).days


def _tile(title: str, value: str, note: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><h3>{title}</h3><p class="value">{value}</p><p class="note">{note}</p></div>'


def _stake_tile(listing: pl.DataFrame, pen: Pen) -> str:
    title = pen.t("report.overview.stake")
    if not listing.height:
        return _tile(title, "–", pen.t("report.overview.stake_none"))
    value = pen.n("short_money", float(listing["money_at_stake"].sum()))
    note = pen.t("report.overview.stake_note")
    if reorder.assumes(listing, "stock").all():
        note += f'</p><p class="note">{pen.t("report.overview.stake_assumed")}'
    return _tile(title, value, note, "accent")


def _order_tile(listing: pl.DataFrame, pen: Pen) -> str:
    title = pen.t("report.overview.order")
    if not listing.height:
        return _tile(title, "–", pen.t("report.overview.stake_none"))
    now = listing.filter(pl.col("order_now") > 0)
    note = pen.t(
        "report.overview.order_of",
        total=Shown("count", listing.height),
        money=Text("report.overview.order_value", (("money", Shown("short_money", float(now["order_value"].sum()))),)),
    )
    return _tile(title, pen.n("count", now.height), note)


def _sales_tile(facts: Facts, pen: Pen) -> str:
    title = pen.t("report.overview.sales", periods=periods(facts))
    look = facts.outlook
    if look is None:
        return _tile(title, "–", pen.t("report.overview.no_forecast"))
    note = pen.t(
        "report.overview.sales_before",
        money=Shown("short_money", look.before_money),
        units=Shown("count", look.before_units),
        periods=periods(facts),
        change=Shown("signed_share", look.change),
    )
    units = pen.t("report.overview.sales_units", units=Shown("count", look.units))
    ends = total_interval(facts)
    if ends:
        low, high = (Shown("count", end) for end in ends)
        note = f'{pen.t("report.overview.sales_range", low=low, high=high)}</p><p class="note">{note}'
    return _tile(title, f"{pen.n('short_money', look.money)} <small>{units}</small>", note)


def _direction_tile(facts: Facts, pen: Pen) -> str:
    counts = direction_counts(facts)
    whole = sum(counts.values())
    if not whole:
        return _tile(pen.t("report.overview.direction"), "–", pen.t("report.trends.no_trends"))
    bar = "".join(f'<i class="{w}" style="flex:{c}"></i>' for w, c in counts.items() if c)
    key = "".join(
        f'<li><i class="mark {w}" aria-hidden="true"></i>{pen.t(f"trend.{w}")} <b>{pen.n("count", c)}</b></li>'
        for w, c in counts.items()
    )
    note = ""
    total = facts.tables["trends"].filter(pl.col("level") == "total").head(1)
    if total.height and total["growth_low"][0] is not None:
        row = total.row(0, named=True)
        shares = {
            k: Shown("growth", row[f"growth{e}"]) for k, e in (("growth", ""), ("low", "_low"), ("high", "_high"))
        }
        note = f'<p class="note">{pen.t("report.overview.growth", **shares)}</p>'
    return (
        f'<div class="tile"><h3>{pen.t("report.overview.direction")}</h3>'
        f'<div class="stack" aria-hidden="true">{bar}</div><ul class="key">{key}</ul>{note}</div>'
    )


def _stock_banner(facts: Facts, listing: pl.DataFrame, pen: Pen) -> str:
    if not listing.height or not reorder.assumes(listing, "stock").all():
        return ""
    cover = Shown("days", float(facts.setting("decide", "assumed_cover", 14)))
    return f'<p class="banner" role="note">{pen.t("report.overview.assumed_stock", days=cover)}</p>'


def _first_orders(listing: pl.DataFrame, pen: Pen) -> str:
    top = listing.filter(pl.col("order_now") > 0).head(FIRST)
    if not top.height:
        key = "nothing" if listing.height else "none"
        return panel(pen.t("report.overview.order_first"), "", empty(pen.t(f"report.reorder.{key}")))
    items = "".join(
        f'<li><span class="name" title="{safe(row["title"])}">{name_of(row)}</span>'
        f'<span class="amount">{pen.t("report.overview.sales_units", units=Shown("units", row["order_now"]))}</span>'
        f"<b>{pen.n('short_money', row['money_at_stake'])}</b></li>"
        for row in top.iter_rows(named=True)
    )
    more = f'<a class="more" href="#reorder">{pen.t("report.reorder.heading")} →</a>'
    note = pen.t("report.overview.stake_note")
    return panel(pen.t("report.overview.order_first"), note, f'<ol class="first">{items}</ol>{more}')


def _last_run(facts: Facts, pen: Pen) -> str:
    rows = facts.tables["accuracy"].filter(pl.col("node") == "series")
    if not rows.height:
        return ""
    row = rows.row(0, named=True)
    text = pen.t(
        "report.overview.last_run_text",
        periods=Shown("count", row["periods"]),
        run=row["run"],
        wape=Shown("share1", row["wape"]),
        bias=Shown("signed_share", row["bias"]),
        coverage=Shown("share", row["coverage80"]),
    )
    return f'<p class="quote"><b>{pen.t("report.overview.last_run")}</b><br>{text}</p>'


# --- trends -----------------------------------------------------------------------------------------------------


def labelled(facts: Facts, level: str) -> pl.DataFrame:
    """The trends of one level ("series" or "category") with the label to show."""
    trends = facts.tables["trends"].filter(pl.col("level") == level)
    if level == "category":
        return trends.with_columns(pl.col("category").alias("label"))
    places = trends["location"].n_unique() > 1
    label = pl.col("title").fill_null(pl.col("sku"))
    label = pl.when(pl.col("twin")).then(pl.concat_str([label, pl.lit(" · "), pl.col("sku")])).otherwise(label)
    if places:
        label = pl.concat_str([label, pl.lit(" · "), pl.col("location")])
    names = facts.tables["names"].select("sku", "title", "twin")
    joined = trends.join(names, on="sku", how="left").with_columns(pl.col("twin").fill_null(False))
    lives = facts.lives.rename({"units": "lately", "money": "lately_money"})
    return joined.join(lives, on=["sku", "location"], how="left").with_columns(label.alias("label"))


def radar(facts: Facts, pen: Pen) -> str:
    """Charts and ranked lists of what rises, falls, is new or ends."""
    if not facts.tables["trends"].height:
        return section(pen, "trends", empty(pen.t("report.trends.no_trends")))
    parts = []
    for i, level in enumerate(("series", "category")):
        rows = labelled(facts, level)
        named = rows.filter(pl.col("label") != "") if level == "category" else rows
        body = empty(pen.t("report.trends.no_categories"))
        if named.height:
            words = ("rising", "falling", "new", "ending") if level == "series" else ("rising", "falling")
            lists = "".join(
                _lived(named, word, pen) if word in ("new", "ending") else _ranked(named, word, pen) for word in words
            )
            chart = plot(pen, f"radar-{level}", "report.trends.lead")
            after = _categories(facts, pen) if level == "category" else ""
            body = f'<div class="panel">{chart}{_shown_dots(named, pen)}</div><div class="lists">{lists}</div>{after}'
        parts.append(f'<div data-panel="trends-{level}"{" hidden" if i else ""}>{body}</div>')
    buttons = switch(
        pen,
        "trends",
        [("trends-series", "report.trends.products"), ("trends-category", "report.trends.categories")],
    )
    return section(pen, "trends", buttons + "".join(parts), pen.t("report.trends.lead"))


def _shown_dots(rows: pl.DataFrame, pen: Pen) -> str:
    """What the chart leaves out, and what its outermost growth means."""
    notes = []
    dots = rows.filter((pl.col("revenue") > 0) & pl.col("growth").is_not_null())
    if dots.height > DOTS:
        counts = {"count": Shown("count", DOTS), "total": Shown("count", dots.height)}
        notes.append(pen.t("report.trends.dots", **counts))
    if any(capped(g) for g in dots["growth"]):
        notes.append(pen.t("report.trends.capped"))
    return f'<p class="note">{" ".join(notes)}</p>' if notes else ""


def _lived(rows: pl.DataFrame, word: str, pen: Pen) -> str:
    """The list of what is new or ending: growth says nothing of either, dates and sales do."""
    found = rows.filter(pl.col("trend") == word)
    found = found.sort("revenue" if word == "new" else "lately_money", "sku", descending=[True, False], nulls_last=True)
    count = f"<small>{pen.n('count', found.height)}</small>"
    title = f'<i class="mark {word}" aria-hidden="true"></i>{pen.t(f"report.trends.{word}")} {count}'
    if not found.height:
        return panel(title, "", empty(pen.t(f"report.trends.no_{word}")), "ranked")
    day, sold = ("first", "revenue") if word == "new" else ("last", "lately_money")
    cells = [
        [
            f'<span class="name">{_labelled_name(row)}</span>',
            pen.n("day", row[day]),
            pen.n("short_money", row[sold]),
            pen.n("units", row["ahead"]),
        ]
        for row in found.head(RANKED).iter_rows(named=True)
    ]
    money = {"count": Shown("count", HISTORY)} if word == "ending" else {}
    head = [
        (pen.t("report.trends.name_head"), ""),
        (pen.t(f"report.trends.{day}_sold"), "num"),
        (pen.t(f"report.trends.{word}_money", **money), "num"),
        (pen.t("report.trends.ahead"), "num"),
    ]
    note = pen.t(f"report.trends.{word}_note")
    return panel(title, note, table(pen.t(f"report.trends.{word}"), head, cells), "ranked lived")


def _labelled_name(row: Mapping[str, Any]) -> str:
    """A name of a ranked list: what is behind the title (number, location) in small type."""
    title, label = str(row.get("title") or row["label"]), str(row["label"])
    rest = label.removeprefix(title).removeprefix(" · ")
    return f'{safe(title)} <small class="sku">{safe(rest)}</small>' if rest and rest != label else safe(label)


def _categories(facts: Facts, pen: Pen) -> str:
    """Expected demand of each category with its range, from joint paths; nothing where the run has none."""
    totals = facts.tables["totals"].filter((pl.col("level") == "category") & (pl.col("step") == 0))
    recent = facts.tables["trends"].filter(pl.col("level") == "category").select("category", "recent")
    rows = totals.filter(pl.col("category") != "").join(recent, on="category", how="left").sort("mean", descending=True)
    if not rows.height:
        return ""
    largest = float(rows["q0.9"].max() or 1.0) or 1.0  # type: ignore[arg-type]
    cells = [
        [
            f'<span class="name">{safe(row["category"])}</span>',
            pen.n("count", row["recent"]),
            pen.n("count", row["mean"]),
            pen.t("report.interval", low=Shown("count", row["q0.1"]), high=Shown("count", row["q0.9"])),
            _bar(row["q0.1"] / largest, row["mean"] / largest, row["q0.9"] / largest),
        ]
        for row in rows.iter_rows(named=True)
    ]
    head = [
        (pen.t("report.trends.name_head"), ""),
        (pen.t("report.trends.recent"), "num"),
        (pen.t("report.trends.expected", periods=periods(facts)), "num"),
        (pen.t("report.trends.interval_head"), "num"),
        (f'<span class="unseen">{pen.t("report.trends.interval_head")}</span>', "spans"),
    ]
    title = pen.t("report.trends.by_category")
    return panel(title, pen.t("report.trends.by_category_note"), table(title, head, cells), "after")


def _bar(low: float, middle: float, high: float) -> str:
    """A range and its expectation on a line from 0 to 1."""
    return (
        f'<span class="span" aria-hidden="true"><i style="left:{100 * low:.1f}%;right:{100 - 100 * high:.1f}%"></i>'
        f'<b style="left:{100 * middle:.1f}%"></b></span>'
    )


def _ranked(rows: pl.DataFrame, word: str, pen: Pen) -> str:
    found = rows.filter(pl.col("trend") == word).sort("rank")
    count = f"<small>{pen.n('count', found.height)}</small>"
    title = f'<i class="mark {word}" aria-hidden="true"></i>{pen.t(f"report.trends.{word}")} {count}'
    if not found.height:
        return panel(title, "", empty(pen.t(f"report.trends.no_{word}")), "ranked")
    top = found.head(RANKED)
    ends = [v for c in ("growth_low", "growth_high") for v in top[c].drop_nulls()]
    low, high = max(min([0.0, *ends]), -1.0), min(max([0.0, *ends]), 2.0)
    cells = [
        [
            f'<span class="name">{_labelled_name(row)}</span>',
            _whisker(row, (low, high), word),
            f"{pen.n('growth', row['growth'])}<small>{_interval(row, pen)}</small>",
            {1: "≥ ", -1: "≤ "}.get(capped(row["growth"]), "") + pen.n("signed_money", row["money"]),
        ]
        for row in top.iter_rows(named=True)
    ]
    head = [
        (pen.t("report.trends.name_head"), ""),
        (f'<span class="unseen">{pen.t("report.trends.interval_head")}</span>', "whisk"),
        (pen.t("report.trends.growth_head"), "num"),
        (pen.t("report.trends.money"), "num"),
    ]
    note = pen.t("report.trends.legend", low=Shown("signed_share", low), high=Shown("signed_share", high))
    return panel(title, note, table(pen.t(f"report.trends.{word}"), head, cells), "ranked")


def _interval(row: Mapping[str, Any], pen: Pen) -> str:
    low, high = row["growth_low"], row["growth_high"]
    # Where both ends lie beyond what trends tell apart, the estimate has said all that is known.
    if low is None or high is None or capped(low) * capped(high) == 1:
        return ""
    return pen.t("report.interval", low=Shown("growth", low), high=Shown("growth", high))


def _whisker(row: Mapping[str, Any], scale: tuple[float, float], word: str) -> str:
    """The growth and its interval as a small line with a dot, on the list's common scale."""
    low, high = scale
    span = (high - low) or 1.0

    def at(value: float | None) -> float:
        clipped = min(max(value if value is not None else 0.0, low), high)
        return 4 + 92 * (clipped - low) / span

    middle = at(row["growth"])
    left = at(row["growth_low"]) if row["growth_low"] is not None else middle
    right = at(row["growth_high"]) if row["growth_high"] is not None else middle
    return (
        f'<svg class="whisker {word}" viewBox="0 0 100 14" aria-hidden="true"><line class="zero" x1="{at(0):.1f}" '
        f'x2="{at(0):.1f}" y1="0" y2="14"/><line x1="{left:.1f}" x2="{right:.1f}" y1="7" y2="7"/>'
        f'<circle cx="{middle:.1f}" cy="7" r="3.4"/></svg>'
    )


# --- forecasts --------------------------------------------------------------------------------------------------


def picks(facts: Facts, count: int = 8, unsure: int = 4) -> dict[str, list[int]]:
    """Which series get a fan chart: places in ``facts.series`` of the most important and the least certain.

    Args:
        facts: from :func:`windvane.report.facts.gather`.
        count: number of most important series.
        unsure: number of least certain series, among the better-selling half of those that sell and not shown
            already; where enough series sell once a period or more, among these.
    """
    series = facts.series.head(EMBEDDED_SERIES).with_row_index("place")
    important = series["place"].head(count).to_list()
    # A product that hardly sells has a wide range by nature, and nobody needs to look at it.
    selling = series.filter((pl.col("revenue") > 0) & (pl.col("expected") >= 1))
    daily = selling.filter(pl.col("expected") >= facts.horizon)
    selling = daily if daily.height >= 2 * (count + unsure) else selling
    half = selling.head(max(count + unsure, (selling.height + 1) // 2))
    rest = half.filter(~pl.col("place").is_in(important))
    uncertain = rest.drop_nulls("width").sort("width", descending=True)["place"].head(unsure).to_list()
    return {"important": important, "uncertain": uncertain}


def fans(facts: Facts, chosen: dict[str, list[int]], pen: Pen) -> str:
    """Search box and small multiples of fan charts."""
    if not facts.series.height:
        return section(pen, "forecasts", empty(pen.t("report.fans.empty")))
    shown = Shown("count", min(facts.series.height, EMBEDDED_SERIES))
    note = (
        pen.t("report.fans.search_count", count=shown)
        if facts.series.height <= EMBEDDED_SERIES
        else pen.t("report.fans.search_part", count=shown, total=Shown("count", facts.series.height))
    )
    search = (
        f'<div class="panel finder"><label for="find">{pen.t("report.fans.search")}</label><div class="combo">'
        '<input id="find" type="search" role="combobox" aria-expanded="false" aria-controls="found" '
        f'aria-autocomplete="list" autocomplete="off" {pen.attribute("placeholder", "report.fans.search_hint")}>'
        f'<ul id="found" role="listbox" hidden></ul></div><p class="note">{note}</p>'
        '<div id="picked" aria-live="polite"></div></div>'
    )
    key = "".join(
        f'<span><i class="swatch {c}" aria-hidden="true"></i>{pen.t(f"report.fans.{c}")}</span>'
        for c in ("history", "median", "band50", "band80", "band95")
    )
    groups = "".join(
        f"<h3>{pen.t(f'report.fans.{group}')} "
        f"<small>{pen.t(f'report.fans.{group}_note', **_periods(facts, group))}</small></h3>"
        f'<div class="fans">{"".join(_fan(facts, place, pen, group) for place in places)}</div>'
        for group, places in chosen.items()
        if places
    )
    body = f'{search}{_overridden(facts, pen)}<p class="legend">{key}</p>{groups}'
    return section(pen, "forecasts", body, pen.t("report.fans.lead"))


def _overridden(facts: Facts, pen: Pen) -> str:
    """A line that says where planners' own figures stand in the forecasts; nothing where none do."""
    said = facts.tables["overridden"]
    if not said.height:
        return ""
    counts = {
        "count": Shown("count", said.select("sku", "location").n_unique()),
        "old": Shown("units", float(said["old"].sum())),
        "new": Shown("units", float(said["new"].sum())),
    }
    who = ", ".join(said["who"].unique().sort().to_list())
    return f'<p class="note">{pen.t("report.fans.overridden", **counts)} ({safe(who)})</p>'


def _periods(facts: Facts, group: str) -> dict[str, Value | Text]:
    return {"periods": periods(facts)} if group == "important" else {}


def _fan(facts: Facts, place: int, pen: Pen, group: str) -> str:
    row = facts.series.row(place, named=True)
    figure = (
        pen.t("report.fans.width", width=Shown("share", row["width"]))
        if group == "uncertain"
        else pen.t("report.fans.revenue", money=Shown("short_money", row["revenue"]))
    )
    expected = pen.t("report.fans.expected", units=Shown("units", row["expected"]))
    number = row["sku"] if row["twin"] else ""
    under = " · ".join(safe(v) for v in (number, nearest(row["category"], row["title"]), _place(facts, row)) if v)
    label = pen.attribute("aria-label", "report.fans.chart", title=row["title"])
    return (
        f'<figure class="fan"><figcaption><b title="{safe(row["title"])}">{safe(row["title"])}</b>'
        f'<span class="under" title="{safe(row["category"])}">{under or safe(row["sku"])}</span>'
        f'<span class="numbers">{figure} · {expected}</span></figcaption>'
        f'<div class="plot" data-series="{place}" role="img" {label}></div></figure>'
    )


def nearest(category: str, title: str) -> str:
    """The deepest level of a category path that the title does not say already.

    Args:
        category: levels joined by " > ".
        title: name of the product.
    """
    levels = [level.strip() for level in category.split(" > ")]
    said = title.casefold()
    return next((level for level in reversed(levels) if level.casefold() not in said), "")


def _place(facts: Facts, row: Mapping[str, Any]) -> str:
    return str(row["location"]) if facts.series["location"].n_unique() > 1 else ""


# --- reorder ----------------------------------------------------------------------------------------------------

_SORTED = (
    ("title", "product", ""), ("order_now", "order_now", "num"), ("order_value", "order_value", "num"),
    ("on_hand", "on_hand", "num"), ("days_of_supply", "days_of_supply", "num"), ("risk_if_skipped", "risk", "risk"),
    ("money_at_stake", "stake", "num"),
)  # fmt: skip


def order_list(facts: Facts, listing: pl.DataFrame, pen: Pen) -> str:
    """The frame of the reorder list; the page's script fills, sorts and filters its rows."""
    if not listing.height:
        return section(pen, "reorder", empty(pen.t("report.reorder.none")))
    notes = _stock_banner(facts, listing, pen)
    assumed = listing.filter(pl.col("assumed").fill_null("") != "").height
    notes += "" if (listing["order_now"] > 0).any() else empty(pen.t("report.reorder.nothing"))
    heads = "".join(
        f'<th scope="col" class="{kind}" data-column="{column}"><button type="button">'
        f"{pen.t(f'report.reorder.{key}')}</button></th>"
        for column, key, kind in _SORTED
    )
    under = []
    common = reorder.common_assumptions(listing)
    if common:
        badges = " ".join(f'<span class="badge">{pen.name("report.assumed", word)}</span>' for word in common)
        notes += f'<p class="assumed">{pen.t("report.reorder.all_assumed")} {badges}</p>'
    if assumed and any(set(reorder.words(a)) - set(common) for a in listing["assumed"]):
        counts = {"count": Shown("count", assumed), "total": Shown("count", listing.height)}
        under.append(pen.t("report.reorder.some_assumed", **counts))
    if listing.height > reorder.EMBEDDED_LINES:
        counts = {"count": Shown("count", reorder.EMBEDDED_LINES), "total": Shown("count", listing.height)}
        under.append(pen.t("report.reorder.part", **counts))
    label = pen.attribute("aria-label", "report.reorder.search")
    body = (
        f'{notes}<div class="panel"><div class="tools"><input id="filter" type="search" '
        f"{pen.attribute('placeholder', 'report.reorder.search_hint')} {label}>"
        f'<label class="check"><input id="only-now" type="checkbox"> {pen.t("report.reorder.only_now")}</label>'
        f'<span id="lines" class="note" aria-live="polite"></span>'
        f'<button id="download" type="button" class="button">{pen.t("report.reorder.download")}</button></div>'
        f'<div class="scroll" tabindex="0"><table id="orders" class="orders"><caption class="unseen">'
        f"{pen.t('report.reorder.caption')}</caption><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>"
        f'<button id="more" type="button" class="button" hidden></button>'
        f'<p class="note">{pen.t("report.reorder.risk_line")} {" ".join(under)}</p></div>'
    )
    return section(pen, "reorder", body, pen.t("report.reorder.lead"))
