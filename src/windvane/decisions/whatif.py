"""What if: other prices, another lift, another stock, for the coming periods, beside the plan of today.

The published forecast is demand at the plan of today. Another plan multiplies it by the response to what it changes; at
the plan of today nothing is multiplied, and the forecast stands as published. What can be sold of it is limited by
stock, path by path.

A whole situation is a forecast, prices, stock and terms of supply; two of them are compared in orders and in money
(:func:`compare`). Other prices or promotions change the forecast by :func:`changed`, other signals by forecasting anew,
another lead time changes the terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from windvane.decisions.policies import Policy, Seen
from windvane.decisions.response import PriceResponse
from windvane.decisions.terms import Terms
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


@dataclass(frozen=True, eq=False)
class Situation:
    """What an order is decided by, and what it then comes to.

    Attributes:
        forecast: demand under the plan, of the same series in every situation that is compared.
        price: prices of the plan, float64 [series, horizon].
        terms: costs, lead times and limits of supply.
        on_hand: units on the shelf, float64 [series].
        due: units on order, by the morning on which they arrive, float64 [series, horizon]; None = none.
    """

    forecast: Forecast
    price: np.ndarray
    terms: Terms
    on_hand: np.ndarray
    due: np.ndarray | None = None

    def __post_init__(self) -> None:
        series, horizon = self.forecast.mean.shape
        for name, values, shape in (
            ("price", self.price, (series, horizon)), ("on_hand", self.on_hand, (series,)),
            ("due", self.due, (series, horizon)), ("lead_time", self.terms.leads[:, 0], (series,)),
        ):  # fmt: skip
            if values is None:
                continue
            if values.shape != shape:
                raise InputError(f"{name} has the shape {values.shape}, not {shape}.", "Correct it.", column=name)
            wrong = np.flatnonzero(~(values >= 0).reshape(series, -1).all(axis=1))
            if len(wrong):
                raise InputError(f"{name} of series {wrong[0]} is below 0 or unknown.", "Correct it.", column=name)


def compare(today: Situation, other: Situation, policy: Policy, paths: int = PATHS) -> pl.DataFrame:
    """Today's situation and another one, in demand, orders and money over the horizon.

    Both meet the same luck, path by path. What spoils is not counted, and units left over have cost their holding only.

    Args:
        today: as it is.
        other: as it might be.
        policy: what orders, in both.
        paths: number of sample paths.

    Returns:
        One row per series: keys; demand, order (units to order now), order_value, sold, lost, left (units at the end),
        revenue, profit (revenue less the cost of units sold, holding, and the order's own cost), runs_out (chance that
        something is lost), the same with ``new_`` before; gain (new_profit less profit).

    Raises:
        InputError: the situations are not of the same series.

    Example:
        >>> import numpy as np
        >>> from windvane.decisions.policies import OrderUpTo
        >>> from windvane.sim import Settings
        >>> from windvane.sim.play import play
        >>> shop = play(Settings(products=6, days=400), seed=1, begin=372)
        >>> forecast = shop.oracle(28)(372, shop.panel.sales, np.isnan(shop.panel.sales))
        >>> price = shop.panel.known["price"].values[:, 372:400].astype(float)
        >>> now = Situation(forecast, price, shop.terms, shop.stage.on_hand)
        >>> slow = replace(now, terms=replace(shop.terms, leads=shop.terms.leads + 7))
        >>> found = compare(now, slow, OrderUpTo(0.95))
        >>> bool((found["new_order"] >= found["order"]).all())
        True
    """
    if not today.forecast.keys.equals(other.forecast.keys):
        raise InputError("the situations are not of the same series.", "Give both for the same series, in one order.")
    before, after = (_played(each, policy, paths) for each in (today, other))
    columns = {**before, **{f"new_{name}": values for name, values in after.items()}}
    gain = after["profit"] - before["profit"]
    return today.forecast.keys.with_columns(
        *(pl.Series(name, values) for name, values in columns.items()), pl.Series("gain", gain)
    )


def _played(now: Situation, policy: Policy, paths: int) -> dict[str, np.ndarray]:
    """What a situation comes to, means over paths, float64 [series] each."""
    series, horizon = now.forecast.mean.shape
    rates, leads = now.terms.rates, now.terms.leads
    due = np.zeros((series, horizon)) if now.due is None else now.due
    seen = Seen(np.zeros((series, 0), np.float32), now.on_hand, due.sum(axis=1), lambda: now.forecast)
    order = policy.propose(seen, now.terms)
    names = ("demand", "sold", "lost", "left", "revenue", "held", "runs_out")
    out = {name: np.zeros(series) for name in names}
    for rows, drawn in now.forecast.paths(paths):
        count = drawn.shape[1]
        lead = leads[rows][:, np.arange(count) % leads.shape[1]]
        shelf = np.repeat(now.on_hand[rows, None].astype(np.float64), count, axis=1)
        lost = np.zeros_like(shelf)
        for day in range(horizon):
            shelf += due[rows, day, None] + np.where(lead == day, order[rows, None], 0.0)
            sold = np.minimum(drawn[:, :, day], shelf)
            shelf -= sold
            lost += drawn[:, :, day] - sold
            out["sold"][rows] += sold.mean(axis=1)
            out["revenue"][rows] += sold.mean(axis=1) * now.price[rows, day]
            out["held"][rows] += shelf.mean(axis=1)
        out["demand"][rows] = drawn.sum(axis=2, dtype=np.float64).mean(axis=1)
        out["lost"][rows], out["left"][rows] = lost.mean(axis=1), shelf.mean(axis=1)
        out["runs_out"][rows] = (lost > 1e-6).mean(axis=1)
    spent = rates.unit_cost * out["sold"] + rates.holding * out.pop("held") + rates.order_cost * (order > 0)
    return {"order": order, "order_value": order * rates.unit_cost, "profit": out["revenue"] - spent, **out}
