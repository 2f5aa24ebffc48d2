"""A made-up shop with every raw table: written as CSV files and brought in through the real ingest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windvane import schema
from windvane.config import CONFIG_NAME, Shop
from windvane.ingest import ingest
from windvane.ingest.sources import resolve
from windvane.store import Workspace

START = date(2025, 1, 6)
"""A Monday."""
PLACES = ("north", "south")
LIGHT: Mapping[str, Mapping[str, Any]] = {
    "backtest": {
        "models": ["moving_average", "seasonal_es", "tsb", "boosted", "blend"],
        "choose_folds": 2,
        "report_folds": 2,
        "bootstrap": 100,
    },
    "forecast": {"horizon": 14, "paths": 60},
}
SIMPLE = {**LIGHT, "backtest": {**LIGHT["backtest"], "models": ["moving_average", "seasonal_es", "tsb"]}}
_FRUIT = ("苹果", "香蕉", "橙子", "葡萄", "草莓")
_LEAF = ("菠菜", "白菜", "生菜", "香菜", "韭菜")


def day(number: int) -> date:
    return START + timedelta(days=number)


def moment(number: float) -> datetime:
    return datetime.combine(START, datetime.min.time()) + timedelta(days=number)


def tables(products: int = 25, days: int = 150, seed: int = 1) -> dict[str, pl.DataFrame]:
    """Every raw table, as a shop would know it on the last day: plans and a launch lie ahead."""
    rng = np.random.default_rng(seed)
    skus = [f"s{i:02d}" for i in range(products)]
    rate = np.exp(rng.normal(0.3, 1.2, products))
    launched = np.where(np.arange(products) % 8 == 7, days - 40, 0)
    ended = np.where(np.arange(products) % 12 == 11, days // 3, 10_000)
    promoted = rng.uniform(size=(products, days)) < 0.03
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schema.RAW}
    for i, sku in enumerate(skus):
        fruit = i % 2 == 0
        rows["products"].append(
            {
                "sku": sku,
                "title": f"{(_FRUIT if fruit else _LEAF)[i % 5]} [{i} 号]",
                "category": "水果 > 时令" if fruit else "蔬菜 > 叶菜",
                "brand": "自家" if i % 3 else None,
                "unit_cost": round(float(rng.uniform(1, 4)), 2) if i % 4 else None,
                "pack_size": 6.0 if i % 2 else None,
                "known_at": moment(-30),
            }
        )
        rows["supply"].append(
            {"sku": sku, "location": "all", "supplier": "农场", "lead_time": 3.0 + i % 4, "moq": 2.0}
            | {"known_at": moment(-30)}
        )
        _plans(rows, sku, i, days, promoted[i])
        for place in PLACES:
            _sell(rows, sku, place, (rate[i], int(launched[i]), int(ended[i])), promoted[i], rng)
    rows["locations"] += [
        {"location": p, "name": p, "region": p[0], "country": "CN", "kind": "store", "known_at": moment(-30)}
        for p in PLACES
    ]
    _around(rows, skus, days, rng)
    return {
        name: pl.DataFrame([{c: row.get(c) for c in t.names} for row in rows[name]], schema=t.types)
        for name, t in schema.RAW.items()
        if rows[name]
    }


def _plans(rows: dict[str, list[dict[str, Any]]], sku: str, number: int, days: int, promoted: np.ndarray) -> None:
    for start in range(-10, days + 28, 30):
        rows["prices"].append(
            {"sku": sku, "location": "all", "valid_from": day(start), "price": 5.0 + (number + start) % 3}
            | {"list_price": 8.0, "known_at": moment(start - 30)}
        )
    starts = [*np.flatnonzero(promoted).tolist(), *([days + 3] if number % 3 == 0 else [])]
    rows["promotions"] += [
        {"promotion": f"p{start}", "sku": sku, "location": "all", "starts_on": day(start), "ends_on": day(start)}
        | {"kind": "display" if number % 2 else "mailer", "depth": 0.2, "known_at": moment(start - 15)}
        for start in starts
    ]


def _sell(
    rows: dict[str, list[dict[str, Any]]],
    sku: str,
    place: str,
    life: tuple[float, int, int],
    promoted: np.ndarray,
    rng: np.random.Generator,
) -> None:
    rate, launched, ended = life
    for d in range(launched, min(len(promoted), ended)):
        week = 1.6 if day(d).weekday() >= 5 else 0.9
        units = int(rng.poisson(rate * week * (3 if promoted[d] else 1)))
        units *= 25 if rng.uniform() < 0.004 else 1
        number, at = f"{sku}-{place}-{d}", moment(d + rng.uniform(0.3, 0.9))
        if units:
            rows["orders"].append(
                {"order_id": number, "line": 1, "ordered_at": at, "sku": sku, "location": place, "units": float(units)}
                | {"unit_price": 5.0, "customer": f"c{rng.integers(50)}", "kind": "sale", "known_at": at}
            )
        if units > 2 and rng.uniform() < 0.05:
            back = at + timedelta(days=4)
            rows["orders"].append(
                {"order_id": f"{number}-r", "line": 1, "ordered_at": back, "sku": sku, "location": place}
                | {"units": -1.0, "return_of": number, "unit_price": 5.0, "kind": "return", "known_at": back}
            )
        if place == "north":
            rows["stock"].append(
                {"sku": sku, "location": place, "date": day(d), "on_hand": float(rng.integers(0, 40))}
                | {"on_order": float(rng.integers(0, 3)), "known_at": moment(d + 0.99)}
            )
            if d % 20 == 0:
                rows["receipts"].append(
                    {"sku": sku, "location": place, "supplier": "农场", "ordered_at": moment(d)}
                    | {"received_at": moment(d + 5), "units": 12.0, "known_at": moment(d + 5)}
                )


def _around(rows: dict[str, list[dict[str, Any]]], skus: list[str], days: int, rng: np.random.Generator) -> None:
    for d in range(-28, days + 28):
        rows["signals"] += [
            {"name": name, "sku": "", "location": "", "region": "n", "date": day(d), "value": float(rng.normal())}
            | {"known_at": moment(d + lag)}
            for name, lag in (("festival plan", -40), ("temperature", 1))
        ]
    for d in range(days):
        sku, who = skus[int(rng.integers(len(skus)))], f"c{rng.integers(50)}"
        rows["events"].append(
            {"event_id": f"e{d}", "at": moment(d), "customer": who, "kind": "view", "sku": sku, "known_at": moment(d)}
        )
        rows["reviews"].append(
            {"review_id": f"r{d}", "at": moment(d), "sku": sku, "rating": 4.0, "text": "好吃", "known_at": moment(d)}
        )
    rows["customers"] += [{"customer": f"c{i}", "joined_on": day(0), "known_at": moment(i)} for i in range(50)]


def only(found: Mapping[str, pl.DataFrame], *names: str) -> dict[str, pl.DataFrame]:
    return {name: found[name] for name in names}


def add(workspace: Workspace, found: Mapping[str, pl.DataFrame], label: str = "base") -> None:
    """Write tables as CSV files and ingest them."""
    folder = workspace.folder.parent / f"{workspace.folder.name}-files"
    folder.mkdir(exist_ok=True)
    for name, frame in found.items():
        path = folder / f"{name}-{label}.csv"
        frame.write_csv(path)
        for mapping, paths in resolve([path], None, name):
            ingest(workspace, mapping, paths)


def settings(values: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings as TOML."""
    lines = []
    for block, given in values.items():
        lines += [f"[{block}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in given.items())]
    return "\n".join(lines) + "\n"


def shop(
    folder: Path,
    found: Mapping[str, pl.DataFrame],
    values: Mapping[str, Mapping[str, Any]] = LIGHT,
) -> Workspace:
    """A new workspace with these tables and settings."""
    named = {"shop": {"name": "街角小店", "country": "CN", "currency": "CNY", "language": "zh"}, **values}
    Workspace.create(folder, Shop())
    (folder / CONFIG_NAME).write_text(settings(named), encoding="utf-8")
    workspace = Workspace.open(folder)
    add(workspace, found)
    return workspace
