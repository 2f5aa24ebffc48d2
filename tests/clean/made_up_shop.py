"""A made-up shop: raw tables from short lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from windvane import schema

START = date(2026, 1, 1)


def day(number: int) -> date:
    return START + timedelta(days=number)


def moment(number: int, hour: float = 0.0) -> datetime:
    return datetime.combine(day(number), datetime.min.time()) + timedelta(hours=hour)


def table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    types = schema.RAW[name].types
    return pl.DataFrame([{column: row.get(column) for column in types} for row in rows], schema=types)


def order(number: int, units: float, sku: str = "a", hour: float = 0.0, **more: Any) -> dict[str, Any]:
    at = moment(number, hour)
    row = {
        "line": 1,
        "ordered_at": at,
        "sku": sku,
        "location": "all",
        "units": units,
        "unit_price": 2.0,
        "customer": "c",
        "kind": "sale",
        "known_at": at,
    }
    row |= more
    row["order_id"] = more.get("order_id", f"{sku}-{row['location']}-{number}-{hour}-{units}-{row['kind']}")
    return row


def reader(tables: dict[str, list[dict[str, Any]]]) -> Callable[[str], pl.LazyFrame]:
    frames = {name: table(name, rows) for name, rows in tables.items()}
    return lambda name: frames.get(name, schema.RAW[name].empty()).lazy()
