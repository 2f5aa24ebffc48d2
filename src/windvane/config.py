"""Settings, one frozen block per stage, read from ``windvane.toml`` and checked once.

Example:
    >>> from windvane.config import Config
    >>> Config().forecast.horizon
    28
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from windvane.errors import ConfigError
from windvane.schema import QUANTILE_LEVELS, TABLES

CONFIG_NAME = "windvane.toml"

Fill = Literal["none", "forward", "mean", "median", "seasonal", "model", "interpolation"]
"""How gaps of a covariate are filled; see :mod:`windvane.clean.missing`."""


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shop(_Block):
    """Who the shop is."""

    name: str = Field("my shop", description="Name shown in the report.")
    language: Literal["en", "zh"] = Field("en", description="Language of sentences written into tables.")
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="ISO 4217 code shown beside money.")
    country: str = Field(
        "US", pattern="^[A-Z]{2}$", description="ISO 3166 code of the country whose public holidays count."
    )
    subdivision: str = Field("", description="State or province whose holidays count too, if any.")


class Ingest(_Block):
    """How files become tables."""

    pseudonymise: bool = Field(True, description="Replace customer identifiers by a keyed hash.")
    scrub: bool = Field(
        True, description="Take telephone numbers, e-mail and other personal details out of what customers wrote."
    )
    allow: tuple[str, ...] = Field(
        ("*",),
        description="Columns that may be stored, as 'table.column' or with *; those that a table needs always are.",
    )
    retain: dict[str, int] = Field(
        {},
        description="Days to keep, by table ('events') or by column that is emptied then ('orders.customer'); "
        "see windvane expire.",
    )
    max_bad_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Refuse a file if a larger share of its rows is bad (rows set aside by rule do not count).",
    )
    accept_changes: bool = Field(
        False, description="Take a file even if its columns seem to mean something else than in the files before."
    )

    @field_validator("retain")
    @classmethod
    def _retain(cls, periods: dict[str, int]) -> dict[str, int]:
        for name, days in periods.items():
            table, _, column = name.partition(".")
            if table not in TABLES or (column and column not in TABLES[table].names):
                raise ValueError(f"{name} is no table, and no column of one")
            if days < 1:
                raise ValueError(f"{name} must be kept for a day at least")
        return periods


class Clean(_Block):
    """How orders become the demand panel."""

    freq: Literal["1h", "1d", "1w", "1mo"] = Field("1d", description="Calendar period: 1h, 1d, 1w or 1mo.")
    returns: Literal["return_date", "sale_date", "drop", "net"] = Field(
        "return_date",
        description="return_date (or net): returns reduce the sales of their own day; sale_date: those of the day of "
        "the sale that they undo; drop: returns are left out.",
    )
    duplicates: Literal["drop", "flag", "keep"] = Field(
        "drop", description="Orders that are there twice: drop the second, only flag it, or keep it unseen."
    )
    presale_days: int = Field(
        30, ge=0, le=365, description="An unpaid presale deposit counts as demand for this many days."
    )
    fakes: Literal["drop", "flag", "keep"] = Field(
        "flag", description="Orders that look like brushing: drop them, only flag them, or do not look."
    )
    bulk: Literal["cap", "drop", "flag", "keep"] = Field(
        "flag",
        description="Order lines far beyond the usual size: cap them, drop them, only flag them, or do not look.",
    )
    min_active_periods: int = Field(
        1,
        ge=1,
        description="Forecast only series that sold in at least this many periods; others are reported.",
    )
    max_series: int = Field(0, ge=0, description="Forecast only this many series, by revenue; 0 = all.")
    calendar: tuple[Literal["holiday", "day_off", "off_run", "festival"], ...] = Field(
        ("holiday",),
        description="What models are told of the public calendar: holidays by name, the share of days off (with "
        "make-up days), the length of the stretch off, the phase of a shopping festival.",
    )
    outlier_window: int = Field(56, ge=8, description="Past periods that an outlier is judged against.")
    outlier_factor: float = Field(
        8.0, gt=1, description="Cap sales above this many robust spreads over the past level."
    )
    stockouts: Literal["infer", "told", "off"] = Field(
        "infer",
        description="Days out of stock are no days without demand. infer: told by stock, inferred elsewhere (if "
        "periods are days or weeks); told: by stock alone; off: sales are taken as they are.",
    )
    stockout_alpha: float = Field(
        0.001, gt=0, le=0.1, description="Chance below which a run without a sale is called a stock-out."
    )
    stockout_share: float = Field(
        0.5, gt=0, le=1, description="A period in stock for less than this share of its time counts as out of stock."
    )
    fill: dict[str, Fill] = Field(
        {},
        description="Method that fills gaps of a covariate, by its name, such as { signal_rain = 'mean' }; prices and "
        "other signals are carried forward.",
    )
    ended_after: int = Field(
        90, ge=1, description="A series without a sale for this many days (and 8x its usual gap) has ended."
    )


class Backtest(_Block):
    """Which models are tried, and on which folds."""

    models: tuple[str, ...] = Field(
        (
            "naive",
            "seasonal_naive",
            "moving_average",
            "ses",
            "holt",
            "seasonal_es",
            "croston",
            "sba",
            "tsb",
            "structured",
            "boosted",
            "blend",
            "blend_wide",
        ),
        min_length=1,
        description="Names from the model registry.",
    )
    choose_folds: int = Field(
        4, ge=0, description="Folds that the champion is chosen and calibrated on; 0 = the first model is taken."
    )
    report_folds: int = Field(3, ge=0, description="Later folds that only the report sees.")
    choose_by: Literal["loss", "money"] = Field(
        "loss",
        description='What models are chosen by: "loss" = quantile loss, "money" = what orders by their forecasts cost.',
    )
    bootstrap: int = Field(1000, ge=100, description="Resamples of the paired bootstrap.")
    known_then: bool = Field(
        True,
        description="Clean sales anew as of every fold where later returns, payments or late rows have changed them.",
    )


class ForecastSettings(_Block):
    """What is forecast."""

    horizon: int = Field(28, ge=1, le=366, description="Periods ahead.")
    quantile_levels: tuple[float, ...] = Field(QUANTILE_LEVELS, description="Probabilities of the quantiles.")
    paths: int = Field(200, ge=50, le=5000, description="Sample paths for decisions.")
    seed: int = Field(1, ge=0, description="Seed of everything random.")
    pinball: bool = Field(
        False, description="Try quantiles by boosted trees beside those of past errors; the newest past decides."
    )

    @field_validator("quantile_levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if 0.5 not in levels or list(levels) != sorted(set(levels)) or not all(0 < x < 1 for x in levels):
            raise ValueError("must increase strictly within (0, 1) and contain 0.5")
        return levels


class Decide(_Block):
    """Defaults for what the tables do not say."""

    aim: Literal["service", "cost"] = Field(
        "service",
        description='What the reorder list aims at: "service" = the probability below, "cost" = the least '
        "expected cost of holding, lost margin, spoilage and orders, where price and cost of a product are known.",
    )
    service: float = Field(0.95, gt=0.5, lt=1, description="Probability of not running out to aim at.")
    lead_time: float = Field(7, ge=0, le=365, description="Days from order to receipt, where supply does not say.")
    review: float = Field(7, ge=1, le=365, description="Days between chances to order.")
    margin_share: float = Field(
        0.3, gt=0, lt=1, description="Margin as a share of price, where products have no unit_cost."
    )
    holding_share: float = Field(
        0.25,
        ge=0,
        le=5,
        description="What holding a unit for a year costs (capital, space, risk), as a share of its cost.",
    )
    budget: float = Field(
        0, ge=0, description="Most money for all orders of the reorder list together; 0 = as much as they need."
    )
    smallest_order: dict[str, float] = Field(
        {}, description="Least value of an order in money, by supplier; below it nothing is ordered there, or more."
    )
    delivery_cost: dict[str, float] = Field(
        {},
        description="Cost of one delivery whatever is on it in money, by supplier; what is not worth one waits.",
    )
    assumed_cover: float = Field(
        21, ge=0, description="Days of recent sales assumed on hand, where there is no stock table."
    )

    @field_validator("smallest_order", "delivery_cost")
    @classmethod
    def _money(cls, by_supplier: dict[str, float]) -> dict[str, float]:
        if any(not 0 <= value < float("inf") for value in by_supplier.values()):
            raise ValueError("must be money from 0")
        return by_supplier


class Pricing(_Block):
    """What prices a run proposes."""

    propose: bool = Field(
        False, description="Whether runs propose prices; learning how demand answers to them takes a minute or more."
    )
    target: Literal["profit", "revenue"] = Field("profit", description="What prices are to earn.")
    substitutes: bool = Field(
        False, description="Whether products of the finest category answer to one another's prices."
    )
    change: float = Field(0.15, ge=0, description="Largest change from today's price, as a share of it.")
    margin: float = Field(
        0.0, ge=0, lt=1, description="Least margin, as a share of the price; never below cost anyhow."
    )
    category_change: dict[str, float] = Field({}, description="Largest change, by category.")
    category_margin: dict[str, float] = Field({}, description="Least margin, by category.")
    endings: tuple[float, ...] = Field(
        (), description="What prices end in, as parts of 1: 0.99, 0.9; empty = any cent."
    )
    competitor: str = Field(
        "competitor price", description="Name among the signals of the competitor's price of a product."
    )
    lowest_index: float = Field(0.0, ge=0, description="Least price, as a share of the competitor's; 0 = none.")
    highest_index: float = Field(0.0, ge=0, description="Largest price, as a share of the competitor's; 0 = none.")

    @model_validator(mode="after")
    def _sound(self) -> Pricing:
        if any(not 0 <= share < 1 for share in self.category_margin.values()):
            raise ValueError("category_margin must be shares from 0 to below 1")
        if any(not share >= 0 for share in self.category_change.values()):
            raise ValueError("category_change must be shares from 0")
        if any(not 0 <= end < 1 for end in self.endings):
            raise ValueError("endings must be parts of 1: write x.99 as 0.99")
        if 0 < self.highest_index < self.lowest_index:
            raise ValueError("lowest_index must not be above highest_index")
        return self


class Promotions(_Block):
    """What promotions a run proposes."""

    propose: bool = Field(
        False, description="Whether runs judge past promotions and propose the next; takes a minute or more."
    )
    depths: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.3),
        description="Price cuts to choose from, as shares of the price; none deeper than any of the past is tried.",
    )
    days: tuple[int, ...] = Field((7,), description="Lengths to choose from, in days.")
    gap: float = Field(14, ge=0, description="Least days between two promotions of a product.")
    budget: float = Field(0, ge=0, description="Most money for all promotions together; 0 = as much as they earn.")
    cost: dict[str, float] = Field(
        {},
        description="Cost of a promotion per day and location in money, by kind; else what budgets of the past say.",
    )
    least_gain: float = Field(0, ge=0, description="Least gain in money that is worth a promotion.")

    @model_validator(mode="after")
    def _sound(self) -> Promotions:
        if not self.depths or any(not 0 <= depth < 1 for depth in self.depths):
            raise ValueError("depths must be shares from 0 to below 1")
        if not self.days or any(length < 1 for length in self.days):
            raise ValueError("days must be lengths from 1")
        if any(not 0 <= money < float("inf") for money in self.cost.values()):
            raise ValueError("cost must be money from 0")
        return self


class Config(_Block):
    """All settings of a workspace (``windvane.toml``)."""

    shop: Shop = Shop()
    ingest: Ingest = Ingest()
    clean: Clean = Clean()
    backtest: Backtest = Backtest()
    forecast: ForecastSettings = ForecastSettings()
    decide: Decide = Decide()
    pricing: Pricing = Pricing()
    promotions: Promotions = Promotions()


def parse(values: dict[str, Any], origin: str = CONFIG_NAME) -> Config:
    """Check settings.

    Args:
        values: nested settings, as read from TOML.
        origin: where they came from, for the error.

    Raises:
        ConfigError: a setting is unknown or out of range; names it.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{origin}: {place}: {first['msg'].lower()} (got {first['input']!r}).",
            "See the settings in docs/reference/settings.md.",
        ) from None


def read(folder: Path) -> Config:
    """Read and check ``windvane.toml`` of a workspace.

    Raises:
        ConfigError: the file is missing, is not TOML or has a wrong setting.
    """
    path = folder / CONFIG_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder} is not a workspace: it has no {CONFIG_NAME}.", "Run: windvane init") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.", "Correct the file.") from None
    return parse(values, str(path))


def template(shop: Shop | None = None) -> str:
    """Text of a new ``windvane.toml``: every setting with its default and meaning, commented out."""
    shop = shop or Shop()
    lines = ["# Settings of this Windvane workspace. Remove the '#' before a line to change it.", ""]
    for name, field in Config.model_fields.items():
        block = shop if name == "shop" else field.default
        lines.append(f"[{name}]")
        for key, setting in type(block).model_fields.items():
            value = _toml(getattr(block, key))
            mark = "" if name == "shop" else "# "
            lines += [f"# {setting.description}", f"{mark}{key} = {value}"]
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(k))} = {_toml(v)}" for k, v in value.items()) + "}"
    return str(value)
