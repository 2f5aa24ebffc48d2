"""What if: other prices, another lift, another stock, for the coming periods, beside the plan of today.

The published forecast is demand at the plan of today. Another plan multiplies it by the response to what it changes; at
the plan of today nothing is multiplied, and the forecast stands as published. What can be sold of it is limited by
stock, path by path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from windvane.decisions.response import PriceResponse
from windvane.errors import InputError
from windvane.forecasts import Forecast

PATHS = 200


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a plan is expected to come to over the horizon, float64 [series] each.

    Attributes:
        demand: units asked for.
        sold: units sold from the stock that there is.
        lost: units asked for and not there.
        revenue: money taken.
        profit: revenue less the cost of the units sold.
        runs_out: chance that stock does not last.
    """

    demand: np.ndarray
    sold: np.ndarray
    lost: np.ndarray
    revenue: np.ndarray
    profit: np.ndarray
    runs_out: np.ndarray


def changed(
    forecast: Forecast,
    response: PriceResponse,
    plan: np.ndarray,
    price: np.ndarray,
    lift: np.ndarray | float = 1.0,
) -> Forecast:
    """The forecast under other prices.

    Args:
        forecast: at the plan.
        response: of the same series, in their order.
        plan: prices that the forecast assumes, float64 [series, horizon], above 0.
        price: other prices, of the same shape.
        lift: factor on demand besides, such as a promotion's, that broadcasts to the shape.

    Raises:
        InputError: a price is not above 0, or the shapes differ.
    """
    shape = forecast.mean.shape
    for name, values in (("plan", plan), ("price", price)):
        if values.shape != shape:
            raise InputError(f"{name} has the shape {values.shape}, the forecast {shape}.", "Give one per period.")
        wrong = np.argwhere(~(values > 0))
        if len(wrong):
            row, step = wrong[0]
            raise InputError(
                f"the {name} of series {row} in period {step + 1} is {values[row, step]}.", "Give prices above 0.",
                column="price", row=int(row),
            )  # fmt: skip
    factor = np.exp(response.log_answer(price) - response.log_answer(plan)) * lift
    factor = np.where((price == plan) & (np.broadcast_to(lift, shape) == 1.0), 1.0, factor)
    if (factor == 1.0).all():
        return forecast
    quantiles = forecast.quantiles * factor[:, :, None]
    return replace(
        forecast,
        mean=(forecast.mean * factor).astype(np.float32),
        quantiles=(np.round(quantiles) if forecast.counts else quantiles).astype(np.float32),
    )


def outcome(
    forecast: Forecast,
    price: np.ndarray,
    cost: np.ndarray,
    stock: np.ndarray | None = None,
    paths: int = PATHS,
) -> Outcome:
    """What a forecast comes to in units and money.

    Args:
        forecast: demand under the plan.
        price: prices of the plan, float64 [series, horizon].
        cost: unit cost, float64 [series].
        stock: units that there are for the whole horizon, float64 [series]; None = as many as are asked for.
        paths: number of sample paths.
    """
    series = len(cost)
    mean = forecast.mean.astype(np.float64)
    if stock is None:
        demand, revenue = mean.sum(axis=1), (mean * price).sum(axis=1)
        zero = np.zeros(series)
        return Outcome(demand, demand, zero, revenue, revenue - cost * demand, zero)
    wrong = np.flatnonzero(~(stock >= 0))
    if len(wrong):
        raise InputError(f"the stock of series {wrong[0]} is {stock[wrong[0]]}.", "Give units from 0.", column="stock")
    sold, demand, revenue, out = np.zeros((4, series))
    for rows, drawn in forecast.paths(paths):
        total = np.minimum(drawn.cumsum(axis=2, dtype=np.float64), stock[rows, None, None])
        each = np.diff(total, axis=2, prepend=0.0).mean(axis=1)
        sold[rows], revenue[rows] = each.sum(axis=1), (each * price[rows]).sum(axis=1)
        asked = drawn.sum(axis=2, dtype=np.float64)
        demand[rows], out[rows] = asked.mean(axis=1), (asked > stock[rows, None] + 1e-6).mean(axis=1)
    return Outcome(demand, sold, demand - sold, revenue, revenue - cost * sold, out)
