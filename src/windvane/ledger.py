"""The ledger: the day-by-day account of a policy, in units and in money.

Whatever a policy did, on history or in a simulated shop, is told in the same columns, so that policies and the
forecasts that feed them can be compared in money. Every cost is an opportunity against a shop that always has exactly
what is asked for: nothing is counted twice, and the parts add up to the total.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import polars as pl

from windvane.errors import InputError

UNITS = ("demand", "sold", "received", "ordered", "wasted", "on_hand")
COSTS = ("holding", "ordering", "lost_margin", "waste")


@dataclass(frozen=True, eq=False)
class Rates:
    """What a unit, a period and an order cost, float64 [series], in money.

    Attributes:
        margin: price less unit cost, lost with every unit that is asked for and not there; >= 0.
        unit_cost: cost of one unit, lost with every unit that spoils.
        holding: of one unit over one period: capital, space, risk.
        order_cost: of placing one order.
    """

    margin: np.ndarray
    unit_cost: np.ndarray
    holding: np.ndarray
    order_cost: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            values = getattr(self, field.name)
            wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
            if len(wrong):
                raise InputError(
                    f"{field.name} of series {wrong[0]} is {values[wrong[0]]}.",
                    "Give numbers from 0: a margin below 0 means that the price is below the cost.",
                    column=field.name,
                )

    def take(self, rows: np.ndarray) -> Rates:
        """Those of some series."""
        return Rates(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Ledger:
    """What happened under a policy, period by period; arrays are float32 [series, periods].

    Attributes:
        policy: name of the policy.
        keys: key columns, one row per series.
        dates: the periods [periods].
        demand: units asked for.
        sold: units sold, at most the demand.
        received: units that arrived in the morning.
        ordered: units ordered in the morning.
        wasted: units that spoiled in the evening.
        on_hand: units left in the evening, after spoilage.
        rates: what units, periods and orders cost.
    """

    policy: str
    keys: pl.DataFrame
    dates: pl.Series
    demand: np.ndarray
    sold: np.ndarray
    received: np.ndarray
    ordered: np.ndarray
    wasted: np.ndarray
    on_hand: np.ndarray
    rates: Rates

    @property
    def lost(self) -> np.ndarray:
        """Units asked for and not there, float32 [series, periods]."""
        lost: np.ndarray = self.demand - self.sold
        return lost

    def costs(self) -> dict[str, np.ndarray]:
        """Money by kind of cost, float64 [series] each: holding, ordering, lost_margin, waste."""

        def sums(units: np.ndarray) -> np.ndarray:
            total: np.ndarray = units.sum(axis=1, dtype=np.float64)
            return total

        return {
            "holding": sums(self.on_hand) * self.rates.holding,
            "ordering": sums(self.ordered > 0) * self.rates.order_cost,
            "lost_margin": sums(self.lost) * self.rates.margin,
            "waste": sums(self.wasted) * self.rates.unit_cost,
        }

    def since(self, period: int) -> Ledger:
        """The account without its first periods."""
        arrays = {name: getattr(self, name)[:, period:] for name in UNITS}
        return replace(self, dates=self.dates[period:], **arrays)

    def cost(self) -> float:
        """All of it, money."""
        return float(sum(part.sum() for part in self.costs().values()))

    def cost_per_day(self) -> float:
        """Money per series and period."""
        return self.cost() / max(self.demand.size, 1)

    def fill_rate(self) -> float:
        """Share of the units asked for that were there; 1 where nothing was asked for."""
        asked = float(self.demand.sum(dtype=np.float64))
        return float(self.sold.sum(dtype=np.float64)) / asked if asked > 0 else 1.0

    def turnover(self) -> float:
        """Cost of what was sold over the cost of what lay in stock on average, over all periods; NaN without stock."""
        held = float((self.on_hand.mean(axis=1, dtype=np.float64) * self.rates.unit_cost).sum())
        sold = float((self.sold.sum(axis=1, dtype=np.float64) * self.rates.unit_cost).sum())
        return sold / held if held > 0 else float("nan")

    def frame(self) -> pl.DataFrame:
        """One row per series: keys, units and costs summed over all periods, and ``cost``, all of them."""
        units = {name: getattr(self, name).sum(axis=1, dtype=np.float64) for name in UNITS if name != "on_hand"}
        units["lost"] = self.lost.sum(axis=1, dtype=np.float64)
        units["mean_on_hand"] = self.on_hand.mean(axis=1, dtype=np.float64)
        costs = self.costs()
        return self.keys.with_columns(
            *(pl.Series(name, values) for name, values in (units | costs).items()),
            pl.Series("cost", np.sum(list(costs.values()), axis=0)),
        )

    def days(self) -> pl.DataFrame:
        """The account in full: one row per series and period with keys, date, units and costs."""
        series, periods = self.demand.shape
        rates = self.rates
        body = {name: getattr(self, name).astype(np.float64) for name in UNITS} | {"lost": self.lost.astype(np.float64)}
        body |= {
            "holding": body["on_hand"] * rates.holding[:, None],
            "ordering": (self.ordered > 0) * rates.order_cost[:, None],
            "lost_margin": body["lost"] * rates.margin[:, None],
            "waste": body["wasted"] * rates.unit_cost[:, None],
        }
        return self.keys[np.repeat(np.arange(series), periods)].with_columns(
            self.dates[np.tile(np.arange(periods), series)].alias("date"),
            *(pl.Series(name, values.ravel()) for name, values in body.items()),
        )
