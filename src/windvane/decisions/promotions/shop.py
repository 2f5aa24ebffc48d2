"""The promotion plan of a run: from forecast, tables and settings to at most one proposed promotion per product."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from windvane.config import Config
from windvane.config import Promotions as Settings
from windvane.decisions.costs import Read, exported, seen
from windvane.decisions.offer import Offer, neighbours, offer
from windvane.decisions.promotions.options import Best, Field, Mechanic, choose, options, windows
from windvane.decisions.promotions.past import LEVEL, Past, look_back
from windvane.decisions.response import PriceResponse
from windvane.decisions.response.promoted import Kind, kinds
from windvane.errors import ConfigError
from windvane.forecasts import Forecast
from windvane.panel import Panel
from windvane.schema import DERIVED

_PLACEMENTS = (0.25, 0.5, 0.9)  # quantiles of past placements that are tried
_WHY = {
    "en": {
        "run": "{what} from {starts_on} to {ends_on} sells {new_units} in place of {units}; {later} of them would have "
        "been bought later and {taken} are taken from products beside it. After {cost} for the promotion itself, "
        "{gain} more is earned{interval}.",
        "what": "{kind} at {price} in place of {price_now}", "shown": "{kind} at the usual price of {price_now}",
        "cut": "a lower price", "placed": "{kind} ({placement} placement)",
        "interval": " ({gain_low} to {gain_high})",
        "none": "No promotion within the horizon is expected to earn more than it costs.",
        "busy": "Promotions are planned, or have just been, so that no further one fits in.",
        "cost": "Without a unit cost nobody can say what a promotion earns.",
        "budget": "The best promotion would earn {gain} more, but others make more of the budget.",
        "assumed": " What the promotion itself costs is not known, and taken to be nothing.",
    },
    "zh": {
        "run": "{starts_on} 至 {ends_on}：{what}，预计销量由 {units} 变为 {new_units}；其中 {later} 本会在日后购买，"
        "{taken} 取自相邻商品。扣除促销费用 {cost} 后，多得 {gain}{interval}。",
        "what": "{kind}，价格由 {price_now} 降为 {price}", "shown": "{kind}，价格保持 {price_now}",
        "cut": "降价", "placed": "{kind}（展示力度 {placement}）",
        "interval": "（{gain_low} 至 {gain_high}）",
        "none": "预测期内没有哪个促销预计所得高于其费用。",
        "busy": "已有促销计划，或刚刚结束促销，容不下新的促销。",
        "cost": "没有单位成本，无法判断促销所得。",
        "budget": "最好的促销预计多得 {gain}，但预算用于其他促销更值。",
        "assumed": "促销本身的费用未知，按零计算。",
    },
}  # fmt: skip


def promotion_plan(
    forecast: Forecast,
    panel: Panel,
    read: Read,
    config: Config,
    orders: pl.DataFrame,
    response: PriceResponse | None,
    as_of: date | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge past promotions and propose the next.

    Tried are the depths and lengths of the settings, every kind that ran before, and low, usual and high placements of
    it, on every day of the horizon that lies apart from promotions planned, exported or just over.

    Args:
        forecast: forecast of the panel's series, in their order, at today's plan.
        panel: the clean panel.
        read: reads a raw table (products, supply, receipts, promotions, plan_log).
        config: settings; the sentences are in the shop's language.
        orders: the table reorder of the same run: stock at hand, on order, and when an order of today arrives.
        response: how demand answers, see :func:`windvane.decisions.pricing.shop.answers`; None = nobody knows.
        as_of: see only what was known at the end of this day.

    Returns:
        The tables promotion_plan, by rank, and past_promotions; both empty where the panel knows of no promotion or no
        price.

    Raises:
        ConfigError: a kind of the settings never ran.
    """
    known, here = kinds(panel), offer(forecast, panel, read, config, as_of)
    if here is None or response is None or not known:
        return DERIVED["promotion_plan"].empty(), DERIVED["past_promotions"].empty()
    cost = np.full(panel.shape[0], np.nan)
    cost[here.rows] = here.cost[here.product]
    group = neighbours(panel)
    past = look_back(panel, response, known, cost, group)
    settings = config.promotions
    ways = _mechanics(known, response, seen(read, "promotions", as_of), settings)
    field = _field(forecast, panel, here, (past, group, response), orders, config)
    _free(field, panel, read, known, settings, as_of)
    depths = [depth for depth in settings.depths if depth <= past.deepest + 0.005]
    lengths = sorted({max(int(np.ceil(days / field.days)), 1) for days in settings.days})
    found = options(field, ways, depths, lengths)
    chosen = choose(found, len(here.skus), settings.budget or np.inf, settings.least_gain)
    return _table(field, chosen, found, past, forecast, config), past.frame


def _mechanics(known: list[Kind], response: PriceResponse, told: pl.DataFrame, settings: Settings) -> list[Mechanic]:
    """Ways to promote: every kind that ran, at low, usual and high placement."""
    name = pl.col("kind").fill_null("promotion").str.to_lowercase().str.replace_all(r"\s+", "_").alias("__kind")
    days = ((pl.col("ends_on") - pl.col("starts_on")).dt.total_days() + 1).clip(1)
    paid = told.filter(pl.col("budget").is_not_null()).select(
        name, (pl.col("budget") / days).alias("a_day"), "placement"
    )
    strange = sorted(set(settings.cost) - {kind.name for kind in known})
    if strange:
        raise ConfigError(
            f"promotions.cost names {strange[0]!r}, a kind that never ran.",
            f"Kinds: {', '.join(kind.name for kind in known)}.",
        )
    out = []
    for kind in known:
        own = paid.filter(pl.col("__kind") == kind.name.lower().replace(" ", "_"))
        shown = kind.strength[kind.strength > 0].astype(np.float64)
        for placement in np.unique(np.quantile(shown, _PLACEMENTS).round(2)) if kind.placed else [np.nan]:
            lift = kind.lift(response.effects, 1.0 if np.isnan(placement) else float(placement))
            money = settings.cost.get(kind.name, _usual(own, float(placement)))
            out.append(Mechanic(kind.name, float(placement), lift, round(money or 0.0, 2), money is None))
    return out


def _usual(paid: pl.DataFrame, placement: float) -> float | None:
    """What a day of a promotion so placed has cost; None = nobody knows."""
    placed = paid.filter(pl.col("placement") > 0)
    if not np.isnan(placement) and placed.height:
        return placement * float((placed["a_day"] / placed["placement"]).median() or 0.0)  # type: ignore[arg-type]
    return float(paid["a_day"].median()) if paid.height else None  # type: ignore[arg-type]


def _field(
    forecast: Forecast,
    panel: Panel,
    here: Offer,
    of: tuple[Past, np.ndarray, PriceResponse],
    orders: pl.DataFrame,
    config: Config,
) -> Field:
    past, group, response = of
    margin = config.pricing.margin
    stock = orders.group_by("sku").agg(
        (pl.col("on_hand") + pl.col("on_order")).sum().alias("stock"), pl.col("lead_time").max()
    )
    rows = pl.DataFrame({"sku": here.skus}).join(stock, on="sku", how="left", maintain_order="left")
    count = len(here.skus)
    return Field(
        here=here,
        response=response.take(here.rows),
        group=group[here.rows],
        free=np.ones((count, forecast.horizon), bool),
        floor=np.where(np.isnan(here.cost), np.inf, here.cost / (1 - margin)),
        stock=rows["stock"].fill_null(np.inf).to_numpy(),
        lead=np.ceil(rows["lead_time"].fill_null(0.0).to_numpy() / panel.freq.days).astype(np.int64),
        pull_forward=past.pull_forward,
        taken=past.taken,
        days=panel.freq.days,
    )


def _free(field: Field, panel: Panel, read: Read, known: list[Kind], settings: Settings, as_of: date | None) -> None:
    """Bar the days on which, or near which, a promotion runs, ran or was exported."""
    here, horizon = field.here, field.free.shape[1]
    gap = int(np.ceil(settings.gap / field.days))
    last = panel.shape[1] - 1
    around = np.arange(-gap, horizon + gap)
    busy = np.zeros((len(here.rows), len(around)), bool)
    for kind in known:
        columns = last + 1 + around
        inside = (columns >= 0) & (columns < kind.strength.shape[1])
        busy[:, inside] |= np.nan_to_num(kind.strength[here.rows][:, columns[inside]]) > 0
    taken = np.zeros((len(here.skus), len(around)), bool)
    np.logical_or.at(taken, here.product, busy)
    at = {sku: k for k, sku in enumerate(here.skus)}
    first = panel.future_dates(1).cast(pl.Date)[0]
    for sku, begin, days in exported(read, "promotion_plan", as_of).select("sku", "starts_on", "days").iter_rows():
        start = int((begin - first).days // field.days)
        span = slice(max(start + gap, 0), max(start + gap + int(np.ceil(days / field.days)), 0))
        if sku in at:
            taken[at[sku], span] = True
    near = windows(np.pad(taken.astype(float), ((0, 0), (gap, gap))), 2 * gap + 1) > 0.5
    field.free[near[:, gap : gap + horizon]] = False


def _table(
    field: Field, chosen: np.ndarray, found: list[Best], past: Past, forecast: Forecast, config: Config
) -> pl.DataFrame:
    """The plan as rows."""
    here = field.here
    dates = forecast.dates.cast(pl.Date).to_list()
    varied = here.by_product(field.response.varied.astype(float)) > 0
    best = np.max([o.gain for o in found], axis=0) if found else np.full(len(here.skus), -np.inf)
    today, words = here.by_product(here.today).round(4), _WHY[config.shop.language]
    rows: list[dict[str, Any]] = [
        {
            "sku": sku, "location": "all", "price_now": today[p], "gain": 0.0, "varied": bool(varied[p]),
            "lowest": _or_none(field.floor[p]), "unit_cost": _or_none(here.cost[p]), "assumed": "",
        }
        for p, sku in enumerate(here.skus)
    ]  # fmt: skip
    for number in np.unique(chosen[chosen >= 0]):
        option = found[number]
        for p, filled in _filled(field, option, np.flatnonzero(chosen == number), past, forecast):
            first = int(option.first[p])
            rows[p] |= filled | {
                "starts_on": dates[first],
                "ends_on": dates[first + option.length - 1] + timedelta(days=max(round(field.days), 1) - 1),
                "price": today[p] * (1 - option.depth),
            }
            rows[p]["promotion"] = f"wv-{rows[p]['starts_on']:%Y%m%d}-{rows[p]['sku']}"
    for p, row in enumerate(rows):
        row["why"] = _sentence(row, words, float(best[p]), bool(field.free[p].any()))
    table = DERIVED["promotion_plan"]
    frame = pl.DataFrame(rows, schema={name: kind for name, kind in table.types.items() if name != "rank"})
    frame = frame.sort(["gain", "sku"], descending=[True, False]).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank")
    )
    return frame.select(table.names)


def _filled(
    field: Field, option: Best, products: np.ndarray, past: Past, forecast: Forecast
) -> list[tuple[int, dict[str, Any]]]:
    """Numbers of some products' promotions."""
    at = option.first[products]
    brings = field.answer(option.mechanic, option.depth)
    over = {name: windows(values[products], option.length)[np.arange(len(at)), at] for name, values in brings.items()}
    out = []
    for k, p in enumerate(products):
        row: dict[str, Any] = {name: float(values[k]) for name, values in over.items()}
        cost = float(option.cost[p])
        row["new_earned"] -= cost
        row |= {
            "cost": cost, "gain": row["new_earned"] - row["earned"], "kind": option.mechanic.kind or None,
            "depth": option.depth, "placement": _or_none(option.mechanic.placement),
            "assumed": "cost" if option.mechanic.assumed else "",
        }  # fmt: skip
        gains = field.gains(forecast, option, int(p), past.off)
        row["gain_low"], row["gain_high"] = np.quantile(gains, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]).tolist()
        out.append((int(p), row))
    return out


def _sentence(row: dict[str, Any], words: dict[str, str], best: float, free: bool) -> str:
    if row["unit_cost"] is None:
        return words["cost"]
    if row.get("promotion") is None:
        return words["budget"].format(gain=f"{best:,.2f}") if best > 0 else words["none" if free else "busy"]
    kind = row["kind"] or words["cut"]
    if row["placement"] is not None:
        kind = words["placed"].format(kind=kind, placement=f"{row['placement']:.0%}")
    money = {name: f"{row[name]:,.2f}" for name in ("price", "price_now", "cost", "gain")}
    many = {name: f"{row[name]:,.1f}" for name in ("units", "new_units", "later", "taken")}
    what = words["what" if row["depth"] > 0 else "shown"].format(kind=kind, **money)
    ends = words["interval"].format(**{name: f"{row[name]:,.2f}" for name in ("gain_low", "gain_high")})
    days = {name: row[name].isoformat() for name in ("starts_on", "ends_on")}
    text = words["run"].format(what=what, interval=ends, **money, **many, **days)
    return text[:1].upper() + text[1:] + (words["assumed"] if row["assumed"] else "")


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
