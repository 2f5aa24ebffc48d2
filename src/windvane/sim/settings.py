"""What a simulated shop is like: every number that the generator assumes and a user may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, Literal

from windvane.errors import ConfigError

_SHARES = (
    "intermittent", "seasonal", "revised", "launches", "ends", "stockout_series", "stockout_share", "stock_given",
    "recounts", "presale", "deposits_lost", "fakes", "fakes_marked", "bulk", "returns", "gifts", "duplicates",
    "repeats", "late", "shapes", "rivals", "pull_forward", "follows", "corrected", "bad", "reviews", "contradictory",
    "faulty", "segments", "unannounced",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """A simulated shop. Shares lie in 0..1; money is in the currency that goes with the language.

    Attributes:
        products: products, 1 to 1,000,000.
        days: days of trade.
        start: first day.
        language: language of titles, texts and names, and the festivals that count: "en" or "zh".
        locations: stores or warehouses, 1 to 50.
        rate: median of expected daily units of a product over all locations, before season and promotions.
        spread: standard deviation of its logarithm over products.
        dispersion: size of the negative binomial: the variance of a day is mean + mean² / dispersion.
        intermittent: share of products whose days are zero-inflated besides.
        seasonal: share of products that sell for a part of the year only.
        shock: standard deviation of the logarithm of a category's shared weather (an AR(1)).
        growth: standard deviation over products of the logarithm of growth per year.
        elasticity: mean own-price elasticity over products.
        shapes: share of products whose response to price has another shape than constant elasticity.
        rivals: how strongly products answer to prices and promotions of the one beside them; 0 = not at all.
        pull_forward: share of a promotion's extra units that would have been bought after it.
        follows: how far regular prices follow the season: their elasticity to what the season does to demand.
        promotions: promotions per product and year.
        revised: share of promotions whose end is first told wrong, and revised before they start.
        launches: share of product pairs in which a successor replaces its predecessor, or a newcomer starts.
        ends: share of the other products that end within the days.
        stockout_series: share of series whose planner orders too late.
        stockout_share: share of their days that those series spend out of stock, about; 0 to 0.5.
        stock_given: share of series that the table stock covers; 0 withholds the table, 1 gives all.
        recounts: share of rows of the table stock that a recount corrects two days later.
        presale: share of products sold in advance, against a deposit, before the year's main festival.
        deposits_lost: share of deposits that no final payment follows.
        fakes: share of products with bursts of fake orders (刷单).
        fakes_marked: share of the bursts that the shop itself has marked as suspected fakes.
        bulk: chance of a bulk order per series and day.
        returns: share of order lines that come back.
        gifts: share of order lines that bring a gift along.
        duplicates: share of order lines exported a second time under another order number.
        repeats: share of order lines that stand twice, word for word, in the export.
        late: share of order lines that become known days after the order.
        corrected: share of order lines that are first exported wrong, and corrected days later.
        bad: rows planted in orders, as a share of its lines, that no reader can accept.
        reviews: share of order lines that are reviewed.
        contradictory: share of reviews whose stars contradict their text.
        events: views per expected unit of demand.
        interest: standard deviation of the logarithm of a product's own slow interest (an AR(1)); 0 = steady.
        leads: days by which what visitors do runs ahead of that interest's purchases.
        faulty: share of products that at some time get a faulty batch, for two to six weeks.
        heed: effect on the logarithm of demand per star of quality, felt about two weeks later.
        segments: how far customers differ in how they buy: 0 = all alike, 1 = each buys as its segment does.
        livestreams: livestreams per product and year.
        unannounced: share of livestreams that no table tells of before the morning after.
    """

    products: int = 200
    days: int = 365
    start: date = date(2024, 1, 1)
    language: Literal["en", "zh"] = "en"
    locations: int = 1
    rate: float = 0.6
    spread: float = 1.2
    dispersion: float = 3.0
    intermittent: float = 0.2
    seasonal: float = 0.1
    shock: float = 0.1
    growth: float = 0.2
    elasticity: float = -1.8
    shapes: float = 0.0
    rivals: float = 0.0
    pull_forward: float = 0.0
    follows: float = 0.0
    promotions: float = 5.0
    revised: float = 0.05
    launches: float = 0.15
    ends: float = 0.05
    stockout_series: float = 0.4
    stockout_share: float = 0.2
    stock_given: float = 1.0
    recounts: float = 0.002
    presale: float = 0.1
    deposits_lost: float = 0.1
    fakes: float = 0.03
    fakes_marked: float = 0.0
    bulk: float = 0.0005
    returns: float = 0.05
    gifts: float = 0.005
    duplicates: float = 0.005
    repeats: float = 0.002
    late: float = 0.01
    corrected: float = 0.005
    bad: float = 0.0
    reviews: float = 0.03
    contradictory: float = 0.01
    events: float = 0.2
    interest: float = 0.0
    leads: int = 0
    faulty: float = 0.0
    heed: float = 0.0
    segments: float = 0.0
    livestreams: float = 0.0
    unannounced: float = 0.3

    def __post_init__(self) -> None:
        for name, low, high in (
            ("products", 1, 1_000_000), ("days", 1, 3660), ("locations", 1, 50), ("rate", 1e-4, 1e4),
            ("spread", 0, 3), ("dispersion", 0.05, 1e6), ("shock", 0, 1), ("growth", 0, 2), ("elasticity", -10, 0),
            ("promotions", 0, 50), ("events", 0, 100), ("interest", 0, 2), ("leads", 0, 28), ("heed", 0, 2),
            ("livestreams", 0, 50),
        ):  # fmt: skip
            _within(name, getattr(self, name), low, high)
        for name in _SHARES:
            _within(name, getattr(self, name), 0, 1)
        _within("stockout_share", self.stockout_share, 0, 0.5)
        if self.language not in ("en", "zh"):
            raise ConfigError(f"simulate: language is {self.language!r}.", "Choose en or zh.")

    @property
    def end(self) -> date:
        """Last day."""
        return self.start + timedelta(days=self.days - 1)


def parse(texts: Iterable[str], given: Mapping[str, Any]) -> Settings:
    """Settings from texts such as ``stockout_share=0.3``.

    Args:
        texts: name and value of some settings; they win over ``given``.
        given: values of others.

    Raises:
        ConfigError: a text is no setting, or a value is out of range.
    """
    kinds = {field.name: type(getattr(Settings(), field.name)) for field in fields(Settings)}
    values = dict(given)
    for text in texts:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise ConfigError(f"simulate: there is no setting {name!r}.", f"Settings: {', '.join(kinds)}.")
        try:
            values[name] = date.fromisoformat(value) if kinds[name] is date else kinds[name](value)
        except ValueError:
            raise ConfigError(
                f"simulate: {value!r} is no value for {name}.", f"Write it as {name}={getattr(Settings(), name)}."
            ) from None
    return Settings(**values)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"simulate: {name} is {value}.", f"Give a value from {low:g} to {high:g}.")
