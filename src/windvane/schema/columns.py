"""What a column and a table are, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

Role = Literal["key", "time", "known", "past", "static", "target", "value"]

TEXT = pl.String()
REAL = pl.Float64()
WHOLE = pl.Int64()
DAY = pl.Date()
MOMENT = pl.Datetime("us")
YESNO = pl.Boolean()


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: column name, the same in tables, Python, REST and screens.
        type: polars data type.
        meaning: one sentence.
        unit: unit of measure ("units", "money", "share", "days"...), empty if none.
        nullable: whether a value may be absent.
        role: how forecasting may use it.
        minimum: smallest allowed value, inclusive.
        maximum: largest allowed value, inclusive.
        allowed: the only allowed values, if enumerated.
        personal: whether it identifies a person (pseudonymised at ingest).
        free_text: whether people write it as they please (personal details are taken out at ingest).
    """

    name: str
    type: pl.DataType
    meaning: str
    unit: str = ""
    nullable: bool = True
    role: Role = "value"
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    personal: bool = False
    free_text: bool = False


@dataclass(frozen=True)
class Table:
    """One table: its key and its columns, in order."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]

    @property
    def types(self) -> dict[str, pl.DataType]:
        """Column name to polars type."""
        return {c.name: c.type for c in self.columns}

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    def empty(self) -> pl.DataFrame:
        """A frame of this table without rows."""
        return pl.DataFrame(schema=self.types)


def key(name: str, meaning: str, type: pl.DataType = TEXT) -> Column:
    """A column that is part of a table's key."""
    return Column(name, type, meaning, nullable=False, role="key")


SKU = key("sku", "stock keeping unit: what is sold and counted")
LOCATION = key("location", "store, warehouse or channel; 'all' where a shop has one")
KNOWN_AT = Column("known_at", MOMENT, "moment the row became known to the shop", nullable=False, role="time")
DATE = key("date", "start of the calendar period", DAY)
LIMIT = 1e12
