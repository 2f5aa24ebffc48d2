"""The reorder list within what its orders share: a budget, suppliers' least order values, the cost of a delivery."""

from __future__ import annotations

import numpy as np
import polars as pl

from windvane.config import Decide
from windvane.decisions.joint import Limits, choose
from windvane.decisions.terms import Terms
from windvane.errors import ConfigError
from windvane.forecasts import Forecast

_TINY = 1e-6
BUDGET, SMALLEST, DELIVERY, MONEY = "budget", "smallest", "delivery", "money"
"""Why an order is another than it would be alone; the last: together, another size of it saves more."""


def shared(settings: Decide) -> bool:
    """Whether orders share anything."""
    return settings.budget > 0 or bool(settings.smallest_order) or bool(settings.delivery_cost)


def within_limits(rows: pl.DataFrame, forecast: Forecast, known: Terms, settings: Decide, repeat: int) -> pl.DataFrame:
    """Orders that save most together within the limits; as they were where these are kept anyhow.

    Args:
        rows: supplier, on_hand, on_order, order_now (units that each would order alone), in the forecast's order.
        forecast: of the series.
        known: terms of the series; what an order saves is holding and lost margin.
        settings: budget, least order values and costs of deliveries.
        repeat: how many of the last periods of the horizon repeat beyond it.

    Returns:
        The rows with order_now as chosen, __alone (as it was) and __limit (why it differs; null where it does not).

    Raises:
        ConfigError: a supplier of the settings supplies nothing here.
    """
    suppliers = rows["supplier"].fill_null("")
    names = suppliers.unique().sort().to_list()
    _known(settings, names)
    number = np.searchsorted(np.array(names), suppliers.to_numpy()).astype(np.int64)
    limits = Limits(
        supplier=number,
        budget=settings.budget if settings.budget > 0 else np.inf,
        smallest=np.array([settings.smallest_order.get(name, 0.0) for name in names]),
        delivery=np.array([settings.delivery_cost.get(name, 0.0) for name in names]),
    )
    alone = rows["order_now"].to_numpy()
    value = alone * known.rates.unit_cost
    each = np.bincount(number, value, len(names))
    kept = value.sum() <= limits.budget and not ((each > _TINY) & (each < limits.smallest - _TINY)).any()
    units, why = alone, np.full(len(alone), None)
    if not kept or limits.delivery.any():
        position = (rows["on_hand"] + rows["on_order"]).to_numpy()
        found = choose(forecast, known, position, alone, limits, repeat)
        units = found.units
        behind = {s: _first(texts) for s, texts in found.left_out.items()}
        usual = BUDGET if found.price > 0 else MONEY
        for i in np.flatnonzero(np.abs(units - alone) > _TINY):
            why[i] = SMALLEST if units[i] > alone[i] else behind.get(int(number[i]), usual)
    return rows.with_columns(
        pl.Series("order_now", units),
        pl.Series("__alone", alone),
        pl.Series("__limit", why.tolist(), dtype=pl.String),
    )


def _first(texts: tuple[str, ...]) -> str:
    """The limit that keeps a supplier out."""
    heads = {"smallest": SMALLEST, "delivery": DELIVERY}
    return heads.get(texts[0].split()[0], BUDGET) if texts else MONEY


def _known(settings: Decide, names: list[str]) -> None:
    for setting in ("smallest_order", "delivery_cost"):
        strange = sorted(set(getattr(settings, setting)) - set(names))
        if strange:
            raise ConfigError(
                f"decide.{setting} names {strange[0]!r}, who supplies nothing here.",
                f"Suppliers: {', '.join(name for name in names if name) or 'none'}.",
            )
