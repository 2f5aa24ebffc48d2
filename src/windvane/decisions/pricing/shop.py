"""The price plan of a run: from forecast, tables and settings to one proposed price per product."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from windvane.config import Config, Pricing
from windvane.decisions.costs import Read, seen
from windvane.decisions.offer import Offer, neighbours, offer
from windvane.decisions.pricing.plan import Demand, PricePlan, propose
from windvane.decisions.pricing.rules import Rules
from windvane.decisions.response import PriceResponse, learn
from windvane.errors import ConfigError
from windvane.forecasts import Forecast
from windvane.panel import Panel
from windvane.schema import DERIVED

_LEVEL = 0.8
_TINY = 1e-6
_WHY = {
    "en": {
        "answer": "Demand falls by about {elasticity} % if the price rises by 1 % ({low} to {high}){from_others}",
        "moved": "{answer}: at {price} instead of {price_now}, {new_units} instead of {units} units are expected, and "
        "{new_earned} instead of {earned} is earned, {gain} more.{bound}",
        "stays": "No allowed price is expected to earn more than {price_now}. {answer}.",
        "conflict": "The price stays at {price_now}: {conflict} contradict each other.",
        "cost": "The price stays at {price_now}: without a unit cost nobody can say what a price earns.",
        "below": " Today's price lies below the unit cost of {cost}.",
        "others": ", taken from other products since its own price hardly ever varied",
        "bound": " It stands at the rule: {bound}.",
    },
    "zh": {
        "answer": "价格每涨 1 %，需求约降 {elasticity} %（{low} 至 {high}）{from_others}",
        "moved": "{answer}：由 {price_now} 改为 {price}，预计销量由 {units} 变为 {new_units}，所得由 {earned} 变为 "
        "{new_earned}，多 {gain}。{bound}",
        "stays": "没有哪个允许的价格预计比 {price_now} 所得更多。{answer}。",
        "conflict": "价格保持 {price_now}：{conflict} 互相矛盾。",
        "cost": "价格保持 {price_now}：没有单位成本，无法判断价格所得。",
        "below": "现价低于单位成本 {cost}。",
        "others": "（其价格几乎从未变动，取自其他商品）",
        "bound": "受此规则所限：{bound}。",
    },
}


def price_plan(
    forecast: Forecast,
    panel: Panel,
    read: Read,
    config: Config,
    language: str | None = None,
    as_of: date | None = None,
    response: PriceResponse | None = None,
) -> pl.DataFrame:
    """Propose a price for every product that is on sale.

    Substitutes (where asked for) are the products of the finest category at a location. Their answers to one another
    are unsure, and prices that rise together rest on them: leave them out where categories are no substitutes.

    Args:
        forecast: forecast of the panel's series, in their order, at today's plan.
        panel: the clean panel.
        read: reads a raw table (products, supply, receipts, signals).
        config: settings.
        language: "en" or "zh" for the sentence; the shop's where absent.
        as_of: see only what was known at the end of this day.
        response: what :func:`answers` gave; learned here where absent.

    Returns:
        The table price_plan, by rank; empty where there is nothing to propose from.

    Raises:
        ConfigError: a category of the settings is none of the shop's.
    """
    here, response = offer(forecast, panel, read, config, as_of), response or answers(panel, config)
    if here is None or response is None:
        return DERIVED["price_plan"].empty()
    response = response.take(here.rows)
    demand = Demand(
        keys=here.keys,
        product=here.product,
        units=here.units,
        price=here.price,
        today=here.by_product(here.today),
        cost=here.cost,
    )
    plan = propose(demand, response, _rules(config.pricing, panel, read, here, as_of), config.pricing.target)
    return _table(plan, response, here, language or config.shop.language)


def answers(panel: Panel, config: Config) -> PriceResponse | None:
    """How demand answered to prices, of every series, substitutes as the settings say; None without prices."""
    if not ({"price"} & (panel.known.keys() | panel.past.keys())):
        return None
    return learn(panel, rivals=neighbours(panel) if config.pricing.substitutes else None).response


def _rules(settings: Pricing, panel: Panel, read: Read, here: Offer, as_of: date | None) -> Rules:
    """Rules of every product."""
    rows, product, skus = here.rows, here.product, here.skus
    categories: list[list[str]] = [[] for _ in skus]
    for name in panel.hierarchy:
        if name in panel.static.columns:
            for p, text in zip(product, panel.static[name].cast(pl.String)[rows].to_list(), strict=True):
                categories[p].append(text or "")
    there = {text for several in categories for text in several if text}
    shares = {}
    for setting, usual in (("category_margin", settings.margin), ("category_change", settings.change)):
        own = getattr(settings, setting)
        strange = sorted(set(own) - there)
        if strange:
            raise ConfigError(
                f"pricing.{setting} names {strange[0]!r}, which is no category here.",
                f"Categories: {', '.join(sorted(there)[:20]) or 'none'}.",
            )
        # The finest category that has a rule counts.
        shares[setting] = np.array(
            [next((own[text] for text in reversed(several) if text in own), usual) for several in categories]
        )
    rival = None
    index = (settings.lowest_index, settings.highest_index or np.inf)
    if settings.lowest_index > 0 or settings.highest_index > 0:
        told = seen(read, "signals", as_of).filter((pl.col("name") == settings.competitor) & (pl.col("value") > 0))
        last = dict(told.sort("date").unique("sku", keep="last").select("sku", "value").iter_rows())
        rival = np.array([last.get(sku, np.nan) for sku in skus.to_list()])
    return Rules(
        change=shares["category_change"],
        margin=shares["category_margin"],
        endings=settings.endings,
        competitor=rival,
        index=index,
    )


def _table(plan: PricePlan, response: PriceResponse, here: Offer, language: str) -> pl.DataFrame:
    """The plan as rows."""
    low, high = response.interval(_LEVEL)
    ends = {"elasticity": response.own, "elasticity_low": low, "elasticity_high": high}
    limits = plan.limits
    frame = plan.frame().with_columns(
        here.skus.alias("sku"),
        pl.lit("all").alias("location"),
        *(pl.Series(name, here.by_product(each), nan_to_null=True) for name, each in ends.items()),
        pl.Series("varied", here.by_product(response.varied.astype(float)) > 0),
        pl.Series("gain", plan.new_earned - plan.earned),
        pl.Series("lowest", limits.low),
        pl.Series("highest", np.where(np.isfinite(limits.high), limits.high, np.nan), nan_to_null=True),
        pl.Series("unit_cost", here.cost, nan_to_null=True),
    )
    words = _WHY[language]
    frame = frame.sort(["gain", "sku"], descending=[True, False]).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank")
    )
    why = [_sentence(row, words) for row in frame.iter_rows(named=True)]
    frame = frame.with_columns(pl.Series("why", why, dtype=pl.String))
    return frame.select(DERIVED["price_plan"].names).cast(dict(DERIVED["price_plan"].types))  # type: ignore[arg-type]


def _sentence(row: dict[str, float], words: dict[str, str]) -> str:
    money = {name: f"{row[name]:.2f}" for name in ("price", "price_now", "earned", "new_earned", "gain")}
    many = {name: f"{row[name]:,.1f}" for name in ("units", "new_units")}
    fall = {
        name: f"{-(row[key] or 0.0):.2f}"
        for name, key in (("elasticity", "elasticity"), ("low", "elasticity_high"), ("high", "elasticity_low"))
    }
    given = money | many | fall | {"conflict": row["conflict"], "from_others": "" if row["varied"] else words["others"]}
    given["bound"] = words["bound"].format(bound=row["bound"]) if row["bound"] else ""
    if row["unit_cost"] is None:
        return words["cost"].format(**given)
    after = words["below"].format(cost=f"{row['unit_cost']:.2f}") if row["price_now"] < row["unit_cost"] else ""
    if row["conflict"]:
        return words["conflict"].format(**given) + after
    given["answer"] = words["answer"].format(**given)
    moved = abs(row["price"] - row["price_now"]) > _TINY
    return words["moved" if moved else "stays"].format(**given) + after
