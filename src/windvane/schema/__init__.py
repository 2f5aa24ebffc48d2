"""Every table and column that Windvane reads or writes: name, type, unit, meaning.

Raw tables are what a shop brings; they live as Delta tables in ``tables/``. Derived tables are what a
run writes; they live as Parquet files in the run's folder. Readers, checks, documentation and tests are
all generated from here.

Example:
    >>> from windvane import schema
    >>> schema.RAW["orders"].key
    ('order_id', 'line')
"""

from __future__ import annotations

from collections.abc import Mapping

from windvane.schema.columns import DAY as DAY
from windvane.schema.columns import MOMENT as MOMENT
from windvane.schema.columns import REAL as REAL
from windvane.schema.columns import TEXT as TEXT
from windvane.schema.columns import WHOLE as WHOLE
from windvane.schema.columns import YESNO as YESNO
from windvane.schema.columns import Column as Column
from windvane.schema.columns import Table as Table
from windvane.schema.kept import KEPT
from windvane.schema.kept import PLAN_STATES as PLAN_STATES
from windvane.schema.kept import QUARANTINE_STATES as QUARANTINE_STATES
from windvane.schema.plans import PLANNED
from windvane.schema.published import PUBLISHED
from windvane.schema.raw import BROUGHT
from windvane.schema.raw import ORDER_KINDS as ORDER_KINDS
from windvane.schema.raw import SUPPLIER_CLOSURE as SUPPLIER_CLOSURE

RAW: Mapping[str, Table] = {table.name: table for table in BROUGHT}
"""Tables that a shop brings. All but ``orders`` are optional."""

DERIVED: Mapping[str, Table] = {table.name: table for table in (*KEPT, *PUBLISHED, *PLANNED)}
"""Tables that Windvane writes."""

TABLES: Mapping[str, Table] = {**RAW, **DERIVED}

QUANTILE_LEVELS: tuple[float, ...] = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.165,
    0.25,
    0.5,
    0.75,
    0.835,
    0.9,
    0.95,
    0.975,
    0.995,
)
"""Default probabilities of forecast quantiles."""


def quantile_name(level: float) -> str:
    """Column name of a quantile: ``q0.1``, never ``q0.10``."""
    return f"q{level:g}"
