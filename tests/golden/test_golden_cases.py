"""Cases that can be checked by hand: what is given, what comes out, and why; one folder each."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import poisson

from windvane.decisions.classic import eoq, newsvendor, period_costs, s_q, s_s
from windvane.decisions.pricing import Demand, Rules, markdown, propose
from windvane.decisions.response import PriceResponse
from windvane.decisions.simulate import Stage, simulate
from windvane.decisions.terms import KEEPS, Terms
from windvane.decisions.whatif import changed, outcome
from windvane.forecasts import Forecast
from windvane.ledger import Rates

pytestmark = pytest.mark.tiny
HERE = Path(__file__).parent
CASES = sorted(path.name for path in HERE.iterdir() if path.is_dir() and (path / "input.toml").exists())


def chances(case: dict[str, Any]) -> np.ndarray:
    if "chance" in case:
        return np.array(case["chance"])
    found = poisson(case["poisson"]).pmf(np.arange(80))
    return found / found.sum()


def of_newsvendor(case: dict[str, Any]) -> dict[str, Any]:
    return {"stock": newsvendor(chances(case), case["margin"], case["loss"])}


def of_eoq(case: dict[str, Any]) -> dict[str, Any]:
    return {"units": eoq(case["order_cost"], case["holding"], case["demand"])}


def of_s_s(case: dict[str, Any]) -> dict[str, Any]:
    chance = chances(case)
    costs = period_costs(chance, case["holding"], case["margin"], -40, 60)
    return dict(zip(("s", "S", "cost"), s_s(costs, chance, case["order_cost"], -40), strict=True))


def of_s_q(case: dict[str, Any]) -> dict[str, Any]:
    found = s_q(np.array(case["costs"]), case["order_cost"], case["demand"], case["low"])
    return dict(zip(("s", "Q", "cost"), found, strict=True))


def rates(case: dict[str, Any], count: int = 1) -> Rates:
    given = (
        case.get("price", 1.0) - case.get("unit_cost", 0.0), case.get("unit_cost", 0.0), case.get("holding", 0.0),
        case.get("order_cost", 0.0),
    )  # fmt: skip
    return Rates(*(np.full(count, float(value)) for value in given))


def of_orders(case: dict[str, Any]) -> dict[str, Any]:
    gap = np.array(case["gap"])
    every = np.ones(len(gap))
    terms = Terms(
        rates=rates({}, len(gap)),
        leads=np.ones((len(gap), 1), np.int64),
        review=1,
        pack=every * case.get("pack", 1.0),
        moq=every * case.get("moq", 0.0),
        capacity=every * case.get("capacity", np.inf),
        shelf_life=np.full(len(gap), KEEPS),
    )
    return {"units": terms.orders(gap).tolist()}


@dataclass
class UpTo:
    level: float
    name: str = "up to"

    def propose(self, seen: Any, terms: Terms) -> np.ndarray:
        return terms.orders(self.level - seen.position)


def of_play(case: dict[str, Any]) -> dict[str, Any]:
    demand = np.array([[0.0, *case["demand"]]], np.float32)
    stage = Stage(
        keys=pl.DataFrame({"sku": ["a"]}),
        dates=pl.date_range(date(2026, 1, 1), date(2026, 12, 31), eager=True)[: demand.shape[1]],
        demand=demand,
        begin=1,
        on_hand=np.array([float(case["on_hand"])]),
        waits=np.full(demand.shape, case["lead"]),
    )
    terms = Terms.plain(rates(case), case["lead"], case["review"])
    terms = Terms(**{**vars(terms), "shelf_life": np.array([case.get("shelf_life", KEEPS)])})

    def look(*_: Any) -> Forecast:
        raise AssertionError("this policy needs no forecast")

    ledger = simulate(UpTo(float(case["order_to"])), stage, terms, look)
    row = ledger.frame().row(0, named=True)
    return {name: row[name] for name in ("sold", "lost", "ordered", "wasted", "cost")}


def response(elasticity: float, reference: float) -> PriceResponse:
    zero = np.zeros(1)
    return PriceResponse(
        keys=pl.DataFrame({"sku": ["a"]}),
        reference=np.array([reference]),
        own=np.array([elasticity]),
        own_error=zero,
        cross=zero,
        cross_error=zero,
        power=0.0,
        lowest=zero,
        highest=zero,
        varied=zero == 0,
        effects={},
        rivals=np.array([-1]),
        member=np.zeros(0, np.int64),
        pairs=np.zeros((1, 0)),
    )


def of_price(case: dict[str, Any]) -> dict[str, Any]:
    today = case["today"]
    demand = Demand(
        keys=pl.DataFrame({"sku": ["a"]}),
        product=np.array([0]),
        units=np.array([[case["units"]]]),
        price=np.array([[today]]),
        today=np.array([today]),
        cost=np.array([case["cost"]]),
    )
    lowest = np.array([case["lowest"]]) if "lowest" in case else None
    rules = Rules(lowest=lowest, change=case["change"], endings=tuple(case.get("endings", ())))
    plan = propose(demand, response(case["elasticity"], today), rules, case.get("target", "profit"))
    row = plan.frame().row(0, named=True)
    return {
        "price": row["price"], "units": row["new_units"], "earned": row["new_earned"], "bound": row["bound"],
        "conflict": row["conflict"],
    }  # fmt: skip


def of_what_if(case: dict[str, Any]) -> dict[str, Any]:
    mean = np.array([case["mean"]], np.float32)
    dates = pl.date_range(date(2026, 1, 2), date(2026, 12, 31), eager=True)[: mean.shape[1]]
    levels = (0.1, 0.5, 0.9)
    certain = np.repeat(mean[:, :, None], len(levels), axis=2)
    published = Forecast(
        keys=pl.DataFrame({"sku": ["a"]}),
        cutoff=date(2026, 1, 1),
        dates=dates,
        mean=mean,
        quantiles=certain,
        levels=levels,
        identity=np.array([1], np.uint64),
    )
    plan, price = np.full(mean.shape, case["plan"]), np.full(mean.shape, case["price"])
    after = changed(published, response(case["elasticity"], case["plan"]), plan, price, case["lift"])
    found = outcome(after, price, np.array([case["cost"]]), np.array([case["stock"]]))
    return {name: float(getattr(found, name)[0]) for name in ("demand", "sold", "lost", "profit", "runs_out")}


def of_markdown(case: dict[str, Any]) -> dict[str, Any]:
    plan = markdown(np.array(case["demand"]), case["stock"], np.array(case["prices"]), case["salvage"])
    return {"first": plan.first, "expected": plan.expected}


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    name.removeprefix("of_"): what for name, what in list(globals().items()) if name.startswith("of_")
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    folder = HERE / name
    case = tomllib.loads((folder / "input.toml").read_text())
    expected = tomllib.loads((folder / "expected.toml").read_text())
    assert len((folder / "why.md").read_text().split()) > 10
    if case["kind"] == "reorder":  # needs tables: see tests/decisions/test_inventory.py
        return
    found = KINDS[case["kind"]](case)
    assert expected
    for key, value in expected.items():
        if isinstance(value, str):
            assert found[key] == value, key
        else:
            assert found[key] == pytest.approx(value, rel=1e-6, abs=1e-9), key


def test_there_are_enough_of_them():
    assert len(CASES) >= 25
