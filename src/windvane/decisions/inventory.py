"""What to reorder now: periodic review, order up to a level, from the forecast's joint paths.

An order placed today arrives after the lead time; the next chance to order comes ``review`` days later, and that
order arrives a lead time after that. So what is ordered today must last for lead time + review. Source: the
(R, S) policy, e.g. Silver, Pyke, Thomas (2017), Inventory and Production Management in Supply Chains, ch. 6.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from windvane.config import Config, Decide
from windvane.decisions.closures import closures, with_closures
from windvane.decisions.costs import Read, economics, exported, seen, terms
from windvane.decisions.cover import cover as look
from windvane.decisions.limits import shared, within_limits
from windvane.decisions.policies import extra
from windvane.decisions.terms import Terms
from windvane.forecasts import Forecast
from windvane.panel import ENDED, Panel
from windvane.schema import DERIVED

_RECENT_DAYS = 28
_OLD_STOCK_DAYS = 7
_REPEAT = {"1h": 168, "1d": 7, "1w": 7, "1mo": 12}
"""Last periods of the horizon that repeat beyond it."""
_TINY = 1e-4

_WHY = {
    "en": {
        "order": "{on_hand} on hand and {on_order} on order last about {days}; an order of today must last "
        "{cover_days} days ({lead} to arrive, {review} to the next chance), and demand stays within {target} with a "
        "chance of {service}: {target} - {on_hand} - {on_order} = {gap}, ordered as {order}{rounding}.",
        "enough": "{on_hand} on hand and {on_order} on order last about {days}, and demand over the {cover_days} days "
        "that an order of today would have to last ({lead} to arrive, {review} to the next chance) stays within "
        "{target} with a chance of {service}: nothing to order.",
        "days": "{days} days",
        "never": "beyond what can be foreseen",
        "pack": " (in packs of {pack})",
        "whole": " (whole units)",
        "moq": " (smallest order {moq})",
        "both": " (in packs of {pack}, smallest order {moq})",
        "capacity": " (the supplier delivers at most {capacity})",
        "cost": " {target} is where {margin} of margin lost per missing unit and {holding} of holding per unit and "
        "period are expected to cost least{orders}.",
        "orders": ", with {order_cost} per order",
        "closed": " The supplier is closed: {days}.",
        "limit_budget": " Of this {order} is ordered: the budget for all orders saves more elsewhere.",
        "limit_smallest": " {order} is ordered instead: the supplier's least order value for all goods together.",
        "limit_delivery": " {order} is ordered instead: all goods of the supplier together are not worth a delivery.",
        "limit_money": " {order} is ordered instead: holding and lost margin together are then expected to be least.",
    },
    "zh": {
        "order": "现有库存 {on_hand} 加在途 {on_order}，约可售{days}；今天的订单须够用 {cover_days} 天"
        "（到货 {lead} 天，距下次订货 {review} 天），其间需求有 {service} 的把握不超过 {target}："
        "{target} - {on_hand} - {on_order} = {gap}，订 {order}{rounding}。",
        "enough": "现有库存 {on_hand} 加在途 {on_order}，约可售{days}；今天若订货须够用的 {cover_days} 天内"
        "（到货 {lead} 天，距下次订货 {review} 天），需求有 {service} 的把握不超过 {target}：无需订货。",
        "days": " {days} 天",
        "never": "到可预见的时间之外",
        "pack": "（每箱 {pack}）",
        "whole": "（取整）",
        "moq": "（起订量 {moq}）",
        "both": "（每箱 {pack}，起订量 {moq}）",
        "capacity": "（供应商最多供 {capacity}）",
        "cost": "按每缺一件损失毛利 {margin}、每件每期持有成本 {holding}{orders}计，{target} 的期望成本最低。",
        "orders": "、每单成本 {order_cost}",
        "closed": "供应商歇业：{days}。",
        "limit_budget": "其中只订 {order}：全部订单的预算用在别处更省。",
        "limit_smallest": "改订 {order}：供应商对全部商品合计的最低订货金额。",
        "limit_delivery": "改订 {order}：该供应商的全部商品合计也不值一次送货费。",
        "limit_money": "改订 {order}：此时持有成本与损失毛利之和的期望最小。",
    },
}


def propose(
    forecast: Forecast,
    panel: Panel,
    read: Read,
    config: Config,
    language: str | None = None,
    as_of: date | None = None,
) -> pl.DataFrame:
    """Propose an order for every series.

    Goods on order are taken to arrive in time. Money at stake is what ordering today can still save: the margin on
    units short before the next order's arrival, less those short before even an order of today arrives.
    Series that have ended and not sold for 28 days are left out.

    Args:
        forecast: forecast of the panel's series, in their order.
        panel: the clean panel.
        read: reads a raw table (products, supply, receipts, stock).
        config: settings.
        language: "en" or "zh" for the sentence; the shop's where absent.
        as_of: see only what was known at the end of this day.

    Returns:
        The table reorder, by rank.
    """
    settings = config.decide
    rows = economics(panel, read, settings, as_of).with_row_index("__row")
    rows = rows.hstack(_position(panel, read, settings, as_of).drop("sku", "location"))
    rows = _with_exported(rows, panel, read, settings, as_of)
    usual, today = rows["lead_time"].to_numpy() + settings.review, panel.freq.last_day(panel.cutoff) + timedelta(days=1)
    rows = with_closures(rows, today, settings.review, closures(read, as_of))
    days = panel.freq.days
    lead = _periods(rows["lead_time"].to_numpy(), panel)
    cover = _periods((rows["lead_time"] + rows["review"]).to_numpy(), panel)
    repeat = min(_REPEAT[panel.freq.unit], forecast.horizon)
    stock = (rows["on_hand"] + rows["on_order"]).to_numpy()
    risk = _risks(forecast, (lead, cover), stock, (settings.service, config.forecast.paths), repeat)
    risk["service"] = np.full(len(stock), settings.service)
    known = None
    if settings.aim == "cost" or shared(settings):
        known = terms(panel, read, settings, as_of)
        # What a closure adds to the time between is as if the supplier took that much longer.
        later = np.floor(cover - _periods(usual, panel) + _TINY).astype(np.int64)
        known = replace(known, leads=np.maximum(known.leads + later[:, None], 0))
    if known is not None and settings.aim == "cost":
        risk |= _cheapest(forecast, known, stock, risk, (repeat, config.forecast.paths))
    reach = np.concatenate([np.zeros((len(stock), 1)), forecast.mean.cumsum(axis=1, dtype=np.float64)], axis=1)
    supply_days = _days_of_supply(reach, stock, repeat) * days
    beyond = pl.Series(cover > forecast.horizon)
    assumed = pl.concat_list(
        pl.col("assumed"),
        pl.when(pl.col("__stock_assumed")).then(pl.lit("stock")),
        pl.when(pl.col("__stock_old")).then(pl.lit("old_stock")),
        pl.when(pl.col("__exported") > 0).then(pl.lit("exported")),
        pl.when(pl.lit(beyond)).then(pl.lit("horizon")),
    ).list.drop_nulls()
    rows = rows.with_columns(
        *(pl.Series(name, values) for name, values in risk.items()),
        pl.Series("demand_lead", demand_by(reach[:, None, :], lead, repeat)[:, 0]).round(3),
        pl.Series("demand_cover", demand_by(reach[:, None, :], cover, repeat)[:, 0]).round(3),
        pl.Series("days_of_supply", supply_days, nan_to_null=True).round(2),
        assumed.list.join(", ").alias("assumed"),
    )
    alive = pl.Series(_alive(panel))
    rows = _orders(rows).with_columns(pl.when(pl.lit(alive)).then("order_now").otherwise(0.0).alias("order_now"))
    if known is not None and shared(settings):
        rows = within_limits(rows, forecast, known, settings, repeat)
    rows = rows.filter(pl.lit(alive))
    rows = rows.with_columns(
        (pl.col("order_now") * pl.col("unit_cost")).alias("order_value"),
        (pl.col("unit_margin").fill_null(0.0).clip(0.0) * pl.col("__short")).round(4).alias("money_at_stake"),
    ).sort(["money_at_stake", "order_value", "sku", "location"], descending=[True, True, False, False], nulls_last=True)
    rows = rows.with_columns(
        pl.Series("why", _sentences(rows, language or config.shop.language), dtype=pl.String),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank"),
    )
    return rows.select(DERIVED["reorder"].names).cast(dict(DERIVED["reorder"].types))  # type: ignore[arg-type]


def demand_by(reach: np.ndarray, periods: np.ndarray, repeat: int = 7) -> np.ndarray:
    """Demand over the first periods; beyond the horizon its last periods repeat.

    A share of a period (a fortnight of a month) brings that share of its mean and of its variance, as if its parts
    were independent.

    Args:
        reach: cumulative demand after 0, 1, ... horizon periods, [series, paths, horizon + 1].
        periods: number of periods per series, [series].
        repeat: how many of the last periods repeat.

    Returns:
        Demand [series, paths].
    """
    horizon = reach.shape[2] - 1
    week = min(repeat, horizon)

    def at(column: np.ndarray) -> np.ndarray:
        picked: np.ndarray = np.take_along_axis(reach, column[:, None, None], axis=2)[:, :, 0]
        return picked

    def whole(count: np.ndarray) -> np.ndarray:
        over = np.maximum(count - horizon, 0)
        weeks, rest = np.divmod(over, week)
        begin = np.full(len(count), horizon - week)
        repeated = weeks[:, None] * (at(begin + week) - at(begin)) + at(begin + rest) - at(begin)
        result: np.ndarray = at(np.minimum(count, horizon)) + repeated
        return result

    full = np.floor(periods + _TINY).astype(np.int64)
    share = np.maximum(periods - full, 0.0)[:, None]
    until = whole(full)
    if (share < _TINY).all():
        return until
    part = whole(full + 1) - until
    mean = part.mean(axis=1, keepdims=True)
    return until + np.where(share < _TINY, 0.0, np.maximum(mean * share + (part - mean) * np.sqrt(share), 0.0))


def order_quantity(gap: float, pack: float, moq: float, capacity: float | None) -> float:
    """Round a gap up to what can be ordered.

    Args:
        gap: units missing to the target.
        pack: orders are multiples of this.
        moq: smallest order.
        capacity: largest order, if any.

    Returns:
        Units to order; 0 if nothing is missing, or if the supplier cannot deliver a single allowed order.
    """
    if gap <= _TINY:
        return 0.0
    packs = np.ceil(max(gap, moq) / pack - _TINY)
    if capacity is not None and packs * pack > capacity + _TINY:
        packs = np.floor(capacity / pack + _TINY)
        if packs * pack < moq - _TINY:
            return 0.0
    return float(np.round(packs * pack, 6))


def _periods(days: np.ndarray, panel: Panel) -> np.ndarray:
    """Periods that cover so many days: whole ones, but for months, of which a part is taken."""
    periods: np.ndarray = days / panel.freq.days
    return periods if panel.freq.unit == "1mo" else np.ceil(periods - _TINY).astype(np.int64)


def _risks(
    forecast: Forecast,
    spans: tuple[np.ndarray, np.ndarray],
    stock: np.ndarray,
    aim: tuple[float, int],
    repeat: int,
) -> dict[str, np.ndarray]:
    """Risks, target and expected units that ordering now can save, path by path.

    Args:
        forecast: the forecast.
        spans: periods until an order of today arrives, and until the next one does, [series].
        stock: units on hand and on order, [series].
        aim: service level, and the number of paths.
        repeat: last periods of the horizon that repeat beyond it.
    """
    (lead, cover), (service, paths) = spans, aim
    series = len(stock)
    out = {name: np.zeros(series) for name in ("stockout_risk", "risk_if_skipped", "target", "__short")}
    covering = int(np.ceil(service * paths - _TINY)) - 1
    for rows, sample in forecast.paths(paths, 512):
        reach = np.zeros((len(rows), paths, forecast.horizon + 1))
        np.cumsum(sample, axis=2, dtype=np.float64, out=reach[:, :, 1:])
        until, next_until = demand_by(reach, lead[rows], repeat), demand_by(reach, cover[rows], repeat)
        have = stock[rows][:, None]
        out["stockout_risk"][rows] = (until > have + _TINY).mean(axis=1)
        out["risk_if_skipped"][rows] = (next_until > have + _TINY).mean(axis=1)
        out["target"][rows] = np.sort(next_until, axis=1)[:, covering]
        out["__short"][rows] = (np.maximum(next_until - have, 0) - np.maximum(until - have, 0)).mean(axis=1)
    # Up to the next thousandth: float noise must not push a target below what it promises.
    out["target"] = np.ceil(out["target"] * 1000 - _TINY) / 1000
    return out


def _cheapest(
    forecast: Forecast, known: Terms, stock: np.ndarray, risk: dict[str, np.ndarray], how: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Targets at which costs are expected to be least, and the service that they come to.

    Where price or cost of a product is not known, nothing weighs anything: the target for service stays.
    """
    found = look(forecast, known, stock, 0.95, *how)
    target = found.least_cost + np.where(stock < found.least_cost, extra(found, known), 0.0)
    target = np.ceil(target * 1000 - _TINY) / 1000
    rates = known.rates
    priced = (rates.margin > 0) & (rates.holding > 0)
    service = 1 - look(forecast, known, target, 0.95, *how).risk
    return {
        "target": np.where(priced, target, risk["target"]),
        "service": np.where(priced, service, risk["service"]),
        "__priced": priced,
        "__holding": rates.holding,
        "__order_cost": rates.order_cost,
    }


def _position(panel: Panel, read: Read, settings: Decide, as_of: date | None) -> pl.DataFrame:
    """Stock that every series starts from: the latest row, else so many days of recent sales."""
    closed = panel.freq.last_day(panel.cutoff)
    stock = seen(read, "stock", as_of).filter((pl.col("date") <= closed) & pl.col("on_hand").is_not_null())
    latest = stock.sort("date").unique(["sku", "location"], keep="last", maintain_order=True)
    rows = panel.keys.select("sku", "location").join(
        latest.select("sku", "location", "date", "on_hand", "on_order"),
        on=["sku", "location"],
        how="left",
        maintain_order="left",
    )
    held = settings.assumed_cover * recent_rate(panel)
    held = np.round(held) if panel.counts else np.round(held, 3)
    told = pl.col("on_hand").is_not_null()
    age = (pl.lit(closed) - pl.col("date")).dt.total_days()
    return rows.select(
        "sku",
        "location",
        pl.coalesce("on_hand", pl.Series("on_hand", held)).alias("on_hand"),
        pl.col("on_order").fill_null(0.0),
        (~told).alias("__stock_assumed"),
        (told & (age > _OLD_STOCK_DAYS)).alias("__stock_old"),
        pl.col("date").alias("__counted"),
    )


def _with_exported(rows: pl.DataFrame, panel: Panel, read: Read, settings: Decide, as_of: date | None) -> pl.DataFrame:
    """Rows with what was exported as an order since the stock was counted, and may still be on its way, on order too.

    An export counts until lead time and review are over: by then it is on the shelf, or was never ordered.
    """
    sent = exported(read, "reorder", as_of).drop("days")
    first = panel.freq.last_day(panel.cutoff) + timedelta(days=1)
    sent = sent.join(rows.select("sku", "location", "lead_time", "__counted"), on=["sku", "location"])
    until = pl.col("starts_on") + pl.duration(days=(pl.col("lead_time") + settings.review).ceil().cast(pl.Int64))
    fresh = (pl.col("starts_on") <= first) & (pl.lit(first) < until)
    fresh &= pl.col("__counted").is_null() | (pl.col("__counted") < pl.col("starts_on"))
    units = sent.filter(fresh).group_by("sku", "location").agg(pl.col("new").sum().alias("__exported"))
    rows = rows.join(units, on=["sku", "location"], how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("__exported").fill_null(0.0))
    return rows.with_columns((pl.col("on_order") + pl.col("__exported")).alias("on_order"))


def shelf(panel: Panel, read: Read, settings: Decide, as_of: date | None = None) -> np.ndarray:
    """Units that lay on the shelf at a panel's end, as far as was known then, [series]; assumed where untold."""
    found: np.ndarray = _position(panel, read, settings, as_of)["on_hand"].cast(pl.Float64).to_numpy()
    return found


def recent_rate(panel: Panel) -> np.ndarray:
    """Mean sales per day over the last 28 days (or since launch if later), float64 [series]."""
    periods = max(round(_RECENT_DAYS / panel.freq.days), 1)
    recent = panel.sales[:, -periods:].astype(np.float64)
    known = ~np.isnan(recent)
    rate: np.ndarray = np.where(known, recent, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1) / panel.freq.days
    return rate


def _alive(panel: Panel) -> np.ndarray:
    return (panel.state[:, -1] != ENDED) | (recent_rate(panel) > 0)


def _days_of_supply(reach: np.ndarray, stock: np.ndarray, repeat: int) -> np.ndarray:
    """Periods until the expected demand has used the stock up; NaN where it never does."""
    horizon = reach.shape[1] - 1
    week = min(repeat, horizon)
    after = np.minimum((reach < stock[:, None]).sum(axis=1), horizon)
    row = np.arange(len(stock))
    before = np.maximum(after - 1, 0)
    step = reach[row, after] - reach[row, before]
    inside = before + np.divide(stock - reach[row, before], step, out=np.zeros(len(stock)), where=step > 0)
    rate = (reach[:, horizon] - reach[:, horizon - week]) / week
    left = stock - reach[:, horizon]
    beyond = horizon + np.divide(left, rate, out=np.full(len(stock), np.nan), where=rate > 0)
    days: np.ndarray = np.where(left > 0, beyond, inside)
    return days


def _orders(rows: pl.DataFrame) -> pl.DataFrame:
    gap = (rows["target"] - rows["on_hand"] - rows["on_order"]).round(3).clip(0.0)
    told = zip(gap, rows["pack"], rows["moq"], rows["capacity"], strict=True)
    orders = [order_quantity(g, pack, moq, capacity) for g, pack, moq, capacity in told]
    return rows.with_columns(gap.alias("__gap"), pl.Series("order_now", orders, dtype=pl.Float64))


def _sentences(rows: pl.DataFrame, language: str) -> list[str]:
    words = _WHY[language]
    return [_sentence(row, words) for row in rows.iter_rows(named=True)]


def _sentence(row: dict[str, float], words: dict[str, str]) -> str:
    days = row["days_of_supply"]
    numbers = {
        "on_hand": _number(row["on_hand"]),
        "on_order": _number(row["on_order"]),
        "target": _number(row["target"]),
        "gap": _number(row["__gap"]),
        "order": _number(alone := row.get("__alone", row["order_now"])),
        "pack": _number(row["pack"]),
        "moq": _number(row["moq"]),
        "capacity": _number(row["capacity"] or 0),
        "lead": _number(row["lead_time"], 1),
        "review": _number(row["review"], 1),
        "cover_days": _number(row["lead_time"] + row["review"], 1),
        "service": f"{row['service']:.0%}" if round(row["service"] * 1000) % 10 == 0 else f"{row['service']:.1%}",
        "days": words["never"] if days is None else words["days"].format(days=_number(days, 1)),
    }
    least = ""
    if row.get("__priced"):
        money = {name: _number(row[key], 4) for name, key in (("margin", "unit_margin"), ("holding", "__holding"))}
        orders = words["orders"].format(order_cost=_number(row["__order_cost"], 2)) if row["__order_cost"] else ""
        least = words["cost"].format(target=numbers["target"], orders=orders, **money)
    if row["__closed"]:
        least += words["closed"].format(days=", ".join(row["__closed"]))  # type: ignore[arg-type]
    if row["__gap"] <= _TINY:
        return words["enough"].format(**numbers) + least
    rounding = ""
    if row.get("__limit"):
        least += words[f"limit_{row['__limit']}"].format(order=_number(row["order_now"]))
    if alone < row["__gap"] - _TINY:
        rounding = words["capacity"]
    elif alone > row["__gap"] + _TINY:
        floor, packed = row["moq"] > row["__gap"] + _TINY, row["pack"] != 1
        name = ("both" if packed else "moq") if floor else ("pack" if packed else "whole")
        rounding = words[name]
    return words["order"].format(**numbers, rounding=rounding.format(**numbers)) + least


def _number(value: float, digits: int = 3) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
