"""A run with made-up, plausible, seeded data: the shop is invented, the shapes are those of schema.DERIVED."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from windvane import schema

CUTOFF = date(2026, 3, 29)
HORIZON = 28
KINDS = ("Tea", "Coffee", "Biscuits", "Honey", "Spices", "Oats", "Noodles", "Candles")
KINDS_ZH = ("茶叶", "咖啡", "饼干", "蜂蜜", "香料", "燕麦", "面条", "蜡烛")
WORDS = ("Mountain", "Harbour", "Old Town", "Garden", "Morning", "Little", "Golden", "Winter", "Meadow", "Lantern")
WORDS_ZH = ("高山", "海港", "老城", "花园", "清晨", "小小", "金色", "冬日", "草甸", "灯笼")


@dataclass
class MadeUpRun:
    """What the report needs of a run."""

    manifest: dict[str, Any]
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def tables(self) -> list[str]:
        return sorted(self.frames)

    def read(self, name: str) -> pl.DataFrame:
        return self.frames[name]


def make(products: int = 60, language: str = "en", days: int = 400, seed: int = 7) -> MadeUpRun:
    """A whole run: weekly and yearly season, trends, launches, endings, stock."""
    rng = np.random.default_rng(seed)
    levels = np.exp(rng.normal(1.6, 1.2, products))
    growth = rng.normal(0.0, 0.06, products) + np.where(rng.random(products) < 0.15, rng.normal(0, 0.25, products), 0)
    launch = np.where(rng.random(products) < 0.1, rng.integers(days - 60, days - 12, products), 0)
    ends = np.where(rng.random(products) < 0.05, rng.integers(days - 100, days - 40, products), 10 * days)
    price = np.round(np.exp(rng.normal(2.3, 0.6, products)), 2)
    time = np.arange(days + HORIZON)
    week = 1 + 0.25 * np.sin(2 * np.pi * time / 7)[None, :] * rng.uniform(0.3, 1.5, products)[:, None]
    year = 1 + 0.15 * np.sin(2 * np.pi * (time / 365.25 + rng.random(products)[:, None]))
    rate = levels[:, None] * week * year * (1 + growth[:, None]) ** ((time[None, :] - days) / 28)
    rate = np.where((time >= launch[:, None]) & (time < ends[:, None]), np.clip(rate, 0, levels[:, None] * 8), 0.0)
    sales = rng.poisson(rate[:, :days] * rng.gamma(6, 1 / 6, (products, days)))
    skus = [f"{language.upper()}-{1000 + i}" for i in range(products)]
    frames = {
        "products_view": _names(skus, language, rng),
        "panel": _panel(skus, sales, price, launch, ends),
        "forecasts": _forecasts(skus, rate[:, days:]),
        "totals": _totals(skus, language, rate[:, days:]),
        "trends": _trends(skus, language, sales, rate[:, days:], growth, price, launch, ends, rng),
        "reorder": _reorder(skus, rate[:, days:], price, rng),
        "leaderboard": _leaderboard(),
        "scores": _scores(),
        "cleaning": _cleaning(skus, rng),
        "findings": _findings(),
        "accuracy": pl.DataFrame(
            [
                ["r-20260301", "series", 28, 0.412, 0.013, 0.81, products],
                ["r-20260301", "total", 28, 0.061, 0.009, 0.79, 1],
            ],
            schema=schema.DERIVED["accuracy"].types, orient="row",
        ),
        "quarantine_summary": pl.DataFrame(
            {"table": ["orders", "orders"], "rule": ["service", "unreadable"], "count": [1814, 12],
             "column": ["", "unit_price"], "reason": ["postage and fees are no products", "unit_price is not a number"]}
        ),
    }  # fmt: skip
    return MadeUpRun(_manifest(language, products), frames)


def _manifest(language: str, products: int) -> dict[str, Any]:
    shop = {"name": "风铃小铺" if language == "zh" else "Lantern Lane", "language": language, "country": "GB"}
    shop["currency"] = "CNY" if language == "zh" else "GBP"
    costs = (
        ("clean", 2.1, 310),
        ("backtest", 38.4, 905),
        ("forecast", 9.7, 702),
        ("decide", 3.2, 455),
        ("monitor", 0.4, 450),
    )
    return {
        "run": "r-20260330-064512",
        "created": "2026-03-30T06:45:12",
        "as_of": None,
        "config": {"shop": shop, "forecast": {"horizon": HORIZON, "seed": 1}, "clean": {"freq": "1d"}},
        "windvane": "0.1.0",
        "python": "3.11.9",
        "libraries": {"polars": "2.1.0", "lightgbm": "4.7.0"},
        "versions": {"orders": 4, "products": 1},
        "stages": [
            {"stage": n, "rows": products * 400, "seconds": s, "cpu_seconds": s * 1.7, "peak_mb": m}
            for n, s, m in costs
        ],
        "tables": {"panel": products * 400, "forecasts": products * HORIZON},
    }


def _names(skus: list[str], language: str, rng: np.random.Generator) -> pl.DataFrame:
    words, kinds = (WORDS_ZH, KINDS_ZH) if language == "zh" else (WORDS, KINDS)
    kind = rng.integers(0, len(kinds), len(skus))
    gap = "" if language == "zh" else " "
    sizes = ("250g", "500g", "1kg", "12 pcs") if language == "en" else ("250克", "500克", "1公斤", "12只")
    titles = [f"{words[i % 10]}{gap}{kinds[k]} {sizes[int(rng.integers(4))]}" for i, k in enumerate(kind)]
    return pl.DataFrame({"sku": skus, "title": titles, "category": [kinds[k] for k in kind]})


def _panel(skus: list[str], sales: np.ndarray, price: np.ndarray, launch: np.ndarray, ends: np.ndarray) -> pl.DataFrame:
    days = sales.shape[1]
    dates = [CUTOFF - timedelta(days=days - 1 - t) for t in range(days)]
    parts = []
    for i, sku in enumerate(skus):
        held = slice(int(launch[i]), days)
        count = days - int(launch[i])
        values = sales[i, held].astype(float)
        parts.append(
            pl.DataFrame(
                {
                    "sku": [sku] * count, "location": ["all"] * count, "date": dates[held], "sales": values,
                    "raw_sales": values, "revenue": values * price[i], "price": [price[i]] * count,
                    "in_stock": [None] * count, "demand": values, "stockout": [None] * count,
                    "state": ["active"] * count,
                },
                schema=schema.DERIVED["panel"].types,
            )
        )  # fmt: skip
    return pl.concat(parts)


def _forecasts(skus: list[str], rate: np.ndarray) -> pl.DataFrame:
    mean = np.maximum(rate, 1e-6)
    quantiles = {
        schema.quantile_name(q): stats.nbinom.ppf(q, 6, 6 / (6 + mean)).ravel() for q in schema.QUANTILE_LEVELS
    }
    count, steps = rate.shape
    keys = {
        "sku": np.repeat(skus, steps), "location": ["all"] * (count * steps), "cutoff": [CUTOFF] * (count * steps),
        "date": [CUTOFF + timedelta(days=1 + t) for t in range(steps)] * count,
        "step": list(range(1, steps + 1)) * count, "mean": rate.ravel(),
    }  # fmt: skip
    return pl.DataFrame(keys | quantiles)


def _totals(skus: list[str], language: str, rate: np.ndarray) -> pl.DataFrame:
    names = _names(skus, language, np.random.default_rng(7))["category"].to_numpy()
    groups = [("total", "", rate), *(("category", n, rate[names == n]) for n in sorted(set(names)))]
    frames = []
    for level, name, part in groups:
        mean = np.concatenate([[part.sum()], part.sum(0)])
        shares = {0.025: 0.7, 0.1: 0.85, 0.5: 0.99, 0.9: 1.2, 0.975: 1.4}
        frame = pl.DataFrame(
            {
                "level": [level] * (HORIZON + 1), "category": [name] * (HORIZON + 1),
                "date": [None, *(CUTOFF + timedelta(days=1 + t) for t in range(HORIZON))],
                "step": list(range(HORIZON + 1)), "mean": mean,
                **{schema.quantile_name(q): mean * share for q, share in shares.items()},
            }
        )  # fmt: skip
        frames.append(frame.cast(schema.DERIVED["totals"].types))  # type: ignore[arg-type]
    return pl.concat(frames)


def _trends(skus, language, sales, rate, growth, price, launch, ends, rng) -> pl.DataFrame:  # type: ignore[no-untyped-def]
    recent, ahead, days = sales[:, -28:].sum(1), rate.sum(1), sales.shape[1]
    spread = 0.25 / np.sqrt(np.maximum(recent, 4) / 10)
    kind = np.where(growth - spread > 0, "rising", np.where(growth + spread < 0, "falling", "steady"))
    kind = np.where(launch > 0, "new", np.where(ends < days, "ending", kind))
    names = _names(skus, language, np.random.default_rng(7))
    frame = pl.DataFrame(
        {
            "level": ["series"] * len(skus), "sku": skus, "location": ["all"] * len(skus), "category": [""] * len(skus),
            "trend": kind, "growth": growth, "growth_low": growth - spread, "growth_high": growth + spread,
            "recent": recent.astype(float), "ahead": ahead, "revenue": recent * price, "money": growth * recent * price,
        }
    )  # fmt: skip
    whole = _grouped(frame.with_columns(pl.lit("").alias("category")), "total")
    groups = _grouped(frame.with_columns(names["category"]), "category")
    both = pl.concat([frame, groups, whole], how="vertical_relaxed").with_columns(
        pl.col("money").abs().rank("ordinal", descending=True).over("level").cast(pl.Int64).alias("rank")
    )
    return both.select(schema.DERIVED["trends"].names)


def _grouped(frame: pl.DataFrame, level: str) -> pl.DataFrame:
    share = pl.col("revenue").sum().clip(1e-9)
    groups = frame.group_by("category", maintain_order=True).agg(
        (pl.col("money").sum() / share).alias("growth"),
        *(pl.col(c).sum() for c in ("recent", "ahead", "revenue", "money")),
    )
    low, high = pl.col("growth") - 0.03, pl.col("growth") + 0.03
    kind = pl.when(low > 0).then(pl.lit("rising")).when(high < 0).then(pl.lit("falling")).otherwise(pl.lit("steady"))
    return groups.with_columns(
        pl.lit(level).alias("level"), pl.lit("").alias("sku"), pl.lit("").alias("location"), kind.alias("trend"),
        low.alias("growth_low"), high.alias("growth_high"),
    ).select(frame.columns)  # fmt: skip


def price_plan(skus: list[str], rng: np.random.Generator) -> pl.DataFrame:
    """Prices proposed by a run that was asked for them; the last three stay, for three reasons."""
    count = len(skus)
    now, own = rng.uniform(3, 30, count).round(2), rng.uniform(-3.5, -0.8, count)
    price = (now * rng.choice([0.9, 0.95, 1.05, 1.1], count)).round(2)
    price[-3:] = now[-3:]
    units = rng.uniform(5, 300, count)
    sold = units * (price / now) ** own
    cost = now * 0.6
    clash = "cost: at least 9.00 / change: at most 8.00"
    gain = np.sort(np.where(price == now, 0.0, rng.uniform(1, 90, count)))[::-1]
    frame = pl.DataFrame(
        {
            "sku": skus, "location": ["all"] * count, "price_now": now, "price": price, "elasticity": own,
            "elasticity_low": own - 0.4, "elasticity_high": own + 0.4, "varied": rng.random(count) < 0.8,
            "units": units, "new_units": sold, "earned": units * (now - cost),
            "new_earned": units * (now - cost) + gain,
            "gain": gain, "lowest": now * 0.9, "highest": now * 1.1,
            "bound": [str(rng.choice(["change", "margin"])) if k % 2 else None for k in range(count)],
            "conflict": [clash if k == count - 3 else None for k in range(count)],
            "unit_cost": [None if k == count - 2 else c for k, c in enumerate(cost.tolist())],
            "why": ["stored words"] * count, "rank": range(1, count + 1),
        }
    )  # fmt: skip
    types = schema.DERIVED["price_plan"].types
    return frame.select(list(types)).cast(dict(types))  # type: ignore[arg-type]


def _reorder(skus: list[str], rate: np.ndarray, price: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    count = len(skus)
    lead, review = rng.choice([5.0, 7.0, 12.0], count), np.full(count, 7.0)
    daily = rate[:, :19].mean(1)
    cover = daily * (lead + review)
    hand = np.round(daily * rng.uniform(0, 40, count))
    target = np.ceil(cover + 1.65 * np.sqrt(np.maximum(cover * 1.8, 0.1)))
    order = np.where(hand < cover * 1.1, np.maximum(target - hand, 0), 0.0)
    spread = np.sqrt(np.maximum(cover * 1.8, 0.1))
    risk, first = stats.norm.sf((hand - cover) / spread), stats.norm.sf((hand - daily * lead) / spread)
    stake = np.maximum(cover - hand, 0) * price * 0.3 + risk * spread * 0.2 * price * 0.3
    assumed = [",".join(w for w, p in (("lead_time", 0.3), ("unit_cost", 0.2)) if rng.random() < p) for _ in skus]
    frame = pl.DataFrame(
        {
            "sku": skus, "location": ["all"] * count, "supplier": ["S1"] * count, "order_now": order, "on_hand": hand,
            "on_order": np.where(rng.random(count) < 0.1, np.round(daily * 7), 0.0),
            "lead_time": lead, "review": review,
            "days_of_supply": hand / np.maximum(daily, 0.01), "stockout_risk": first, "risk_if_skipped": risk,
            "demand_lead": daily * lead, "demand_cover": cover, "target": target, "service": [0.95] * count,
            "unit_margin": price * 0.3, "unit_cost": price * 0.7, "pack": [1.0] * count,
            "moq": [0.0] * count, "capacity": [None] * count,
            "order_value": order * price * 0.7,
            "money_at_stake": stake, "assumed": assumed, "why": ["stored words"] * count,
        }
    )  # fmt: skip
    ranked = frame.sort("money_at_stake", descending=True).with_row_index("rank", 1)
    return ranked.with_columns(pl.col("rank").cast(pl.Int64)).select(schema.DERIVED["reorder"].names)


MODELS = (
    ("champion", 0.231),
    ("boosted", 0.233),
    ("tsb", 0.246),
    ("seasonal_es", 0.249),
    ("ses", 0.252),
    ("moving_average", 0.255),
    ("seasonal_naive", 0.301),
    ("naive", 0.342),
)
SEGMENTS = (
    ("all", 0.0, 0.061, 60),
    ("smooth", -0.06, 0.083, 22),
    ("intermittent", 0.12, 0.031, 30),
    ("new", 0.2, -0.02, 8),
)


def _leaderboard() -> pl.DataFrame:
    rows = []
    for segment, shift, gain, series in SEGMENTS:
        for rank, (model, wql) in enumerate(MODELS, 1):
            own = gain - (wql - 0.231) * 3.9
            rows.append(
                {
                    "segment": segment, "model": model, "rank": rank, "chosen": model in ("champion", "boosted"),
                    "simple": model in ("ses", "tsb", "moving_average"), "wql": wql + shift,
                    "wape": (wql + shift) * 1.5, "rmsse": 0.8 + shift, "mase": 0.9 + shift, "bias": 0.01 - wql / 20,
                    "coverage80": 0.8 - 0.01 * rank - shift / 4, "coverage95": 0.95 - 0.008 * rank - shift / 5,
                    "gain": own, "gain_low": own - 0.03, "gain_high": own + 0.028, "seconds": 0.4 * rank,
                    "series": series,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=schema.DERIVED["leaderboard"].types)


def _scores() -> pl.DataFrame:
    rows = []
    for fold in range(3):
        for model, wql in MODELS:
            rows += [
                [model, CUTOFF - timedelta(days=28 * (fold + 1)), "report", "all", "series", step, "wql",
                 wql * (0.9 + 0.006 * step + 0.02 * np.sin(step * 0.9)), 60]
                for step in range(1, HORIZON + 1)
            ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema.DERIVED["scores"].types, orient="row")


def _cleaning(skus: list[str], rng: np.random.Generator) -> pl.DataFrame:
    rows = [
        [
            skus[int(rng.integers(len(skus)))],
            "all",
            CUTOFF - timedelta(days=i),
            rule,
            float(before),
            float(after),
            "stored words",
        ]
        for i, (rule, before, after) in enumerate(
            [("outlier", 80 + k, 20) for k in range(9)] + [("net return", -3, 0)] * 30
        )
    ]
    return pl.DataFrame(rows, schema=schema.DERIVED["cleaning"].types, orient="row")


def _findings() -> pl.DataFrame:
    rows = [
        ["no_table", "stock", "", "warning", 60, 60, None, "Give stock."],
        ["no_unit_cost", "products", "unit_cost", "info", 12, 60, "EN-1003", "Add unit_cost to products."],
        ["a_new_check", "orders", "unit_price", "error", 7, 24000, "order 4711", "Correct the lines."],
    ]
    return pl.DataFrame(rows, schema=schema.DERIVED["findings"].types, orient="row")
