"""Where competitors' prices go over a run's horizon, as a table of the run."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from windvane.config import Config
from windvane.decisions.costs import Read, seen
from windvane.decisions.pricing.history import PriceHistory
from windvane.decisions.pricing.market import forecast_prices
from windvane.forecasts import Forecast
from windvane.schema import DERIVED

_STALE_DAYS = 60
_LOW, _MIDDLE, _HIGH = 0.1, 0.5, 0.9


def market_prices(forecast: Forecast, read: Read, config: Config, as_of: date | None = None) -> pl.DataFrame:
    """Forecast the competitor's prices, day by day.

    Args:
        forecast: the run's forecast, whose horizon counts.
        read: reads a raw table (signals).
        config: settings; ``pricing.competitor`` names the signal.
        as_of: see only what was known at the end of this day.

    Returns:
        The table market_prices; empty where the signal is not there, or has told nothing for two months.

    Raises:
        InputError: a value of the signal is no price.
    """
    table, name = DERIVED["market_prices"], config.pricing.competitor
    told = seen(read, "signals", as_of).filter(pl.col("name") == name)
    end = forecast.dates.cast(pl.Date)[-1]
    if not told.filter(pl.col("date") > forecast.cutoff - timedelta(days=_STALE_DAYS)).height:
        return table.empty()
    history = PriceHistory.from_signals(told, name, as_of)
    found = forecast_prices(history, max((end - history.cutoff).days, 1)).forecast
    days, series = len(found.dates), found.mean.shape[0]
    keys = found.keys.select(pl.col(c).repeat_by(days).explode() for c in ("sku", "location", "region"))
    made = keys.with_columns(
        pl.concat([found.dates.cast(pl.Date)] * series).alias("date"),
        pl.Series("last", history.last()).repeat_by(days).explode().alias("last"),
        pl.Series("mean", found.mean.ravel()),
        *(
            pl.Series(column, found.quantile(level).ravel())
            for column, level in (("low", _LOW), ("middle", _MIDDLE), ("high", _HIGH))
        ),
    )
    made = made.filter(pl.col("date") > forecast.cutoff).select(table.names)
    return made.cast(dict(table.types)).sort(table.key)  # type: ignore[arg-type]
