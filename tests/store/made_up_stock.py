"""Rows of the table stock for tests of the store."""

from datetime import date, datetime

import polars as pl


def stock(rows, known=datetime(2024, 2, 1)):
    return pl.DataFrame(
        {
            "sku": [sku for sku, _ in rows],
            "location": "all",
            "date": date(2024, 1, 1),
            "on_hand": [float(units) for _, units in rows],
            "known_at": known,
        },
        schema_overrides={"known_at": pl.Datetime("us")},
    )
