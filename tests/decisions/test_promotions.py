"""Promotions: planted uplift and pull-forward are found, placebos bring nothing, and budgets are spent best."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product

import numpy as np
import polars as pl
import pytest
from test_pricing import response

from windvane.decisions.promotions import Candidate, evaluate, schedule, score
from windvane.errors import InputError
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.futures import Known
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
SERIES, DAYS, LIFT = 60, 300, 2.5


def shop(lift: float = LIFT, missing: float = 0.0, taken: float = 0.0, seed: int = 1) -> Panel:
    """Poisson sales with promotions now and then; ``missing``: share of the uplift lacking in the week after."""
    rng = np.random.default_rng(seed)
    promoted = np.zeros((SERIES, DAYS), bool)
    factor = np.ones((SERIES, DAYS))
    for s in range(SERIES):
        for start in (60 + int(rng.integers(0, 20)), 160 + int(rng.integers(0, 20)), 240):
            if s % 2 == 0:
                promoted[s, start : start + 7] = True
                factor[s, start : start + 7] = lift
                factor[s, start + 7 : start + 14] = 1 - missing * (lift - 1)
                factor[s + 1, start : start + 7] *= 1 - taken * (lift - 1)
    level = rng.uniform(5, 15, SERIES)[:, None] * np.exp(0.2 * np.sin(2 * np.pi * np.arange(DAYS) / 7))
    price = np.where(promoted, 8.0, 10.0).astype(np.float32)
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{k:02d}" for k in range(SERIES)]}),
        sales=rng.poisson(level * factor).astype(np.float32),
        dates=pl.date_range(date(2025, 1, 1), date(2026, 12, 31), eager=True)[:DAYS],
        freq=Freq("1d"),
        known={"price": Known(price), "promotion": Known(promoted.astype(np.float32), text=True)},
        levels={"promotion": ("", "display")},
    )


def test_planted_uplift_is_found_with_its_interval():
    panel = shop()
    found = evaluate(panel, cost=np.full(SERIES, 6.0))
    frame = found.frame
    assert frame.height == SERIES // 2 * 3
    assert frame["uplift"].sum() / frame["base"].sum() == pytest.approx(LIFT - 1, rel=0.05)
    assert (frame["low"] > 0).mean() > 0.95
    assert frame["price_cut"].to_numpy() == pytest.approx(0.2)
    expected = frame["units"] * 2.0 - frame["base"] * 4.0 - frame["pulled"] * 4.0
    np.testing.assert_allclose(frame["margin"].to_numpy(), expected.to_numpy(), rtol=1e-6)
    assert abs(found.total()["pull_forward"]) < 0.06


def test_pull_forward_and_what_is_taken_from_neighbours_are_told_apart():
    panel = shop(missing=0.3, taken=0.2)
    # Half of this small shop is promoted in the same weeks: what days do to all could not be told from that.
    alone = np.full(SERIES, -1)
    found = evaluate(panel, rivals=np.arange(SERIES) // 2, shared=alone)
    total = found.total()
    assert total["pull_forward"] == pytest.approx(0.3, abs=0.07)
    # Neighbours lose a fifth of the uplift in relative terms; their levels differ from the promoted product's.
    neighbour = shop(missing=0.3, taken=0.2).sales[1::2].mean() / panel.sales[::2].mean()
    assert total["taken"] / total["uplift"] == pytest.approx(0.2 * neighbour, rel=0.5)
    assert total["taken"] > 0
    plain = evaluate(shop(missing=0.3), rivals=np.arange(SERIES) // 2, shared=alone).total()
    assert abs(plain["taken"]) < 0.4 * total["taken"]


def test_placebo_promotions_bring_nothing():
    found = evaluate(shop(seed=4), level=0.9)
    assert found.placebos >= 20
    assert found.covered > 0.75
    nothing = evaluate(shop(lift=1.0, seed=5), level=0.95).frame
    inside = (nothing["low"] <= 0) & (nothing["high"] >= 0)
    assert inside.mean() > 0.88


def test_sales_of_the_promotion_itself_do_not_reach_its_base():
    panel = shop()
    changed = panel.sales.copy()
    promoted = panel.known["promotion"].values > 0
    changed[promoted] *= 3
    one, other = evaluate(panel).frame, evaluate(replace(panel, sales=changed)).frame
    np.testing.assert_allclose(one["base"].to_numpy(), other["base"].to_numpy(), rtol=1e-6)


def test_without_promotions_there_is_an_error_and_without_any_run_an_empty_table():
    panel = shop()
    bare = replace(panel, known={"price": panel.known["price"]})
    with pytest.raises(InputError, match="promotions"):
        evaluate(bare)
    none = evaluate(bare, np.zeros(panel.shape, bool))
    assert none.frame.height == 0


def ahead(series: int = 4, horizon: int = 14) -> Forecast:
    mean = np.full((series, horizon), 10.0, np.float32)
    return Forecast(
        keys=pl.DataFrame({"sku": [f"s{k}" for k in range(series)]}),
        cutoff=date(2026, 1, 1),
        dates=pl.date_range(date(2026, 1, 2), date(2026, 1, 15), eager=True),
        mean=mean,
        quantiles=np.repeat(mean[:, :, None], 3, axis=2),
        levels=(0.1, 0.5, 0.9),
        identity=np.arange(series, dtype=np.uint64),
    )


def test_a_candidate_is_scored_by_hand():
    answer = replace(response([-2.0] * 4), effects={"promotion=display": float(np.log(1.5))})
    price, cost = np.full((4, 14), 10.0), np.full(4, 4.0)
    found = score(
        ahead(),
        answer,
        [Candidate(1, 3, 5, depth=0.2, kind="promotion=display", cost=20.0)],
        price,
        cost,
        pull_forward=0.25,
    ).row(0, named=True)
    lifted = 30 * 0.8**-2 * 1.5
    later = 0.25 * (lifted - 30)
    assert found["sku"] == "s1"
    assert found["lifted"] == pytest.approx(lifted, rel=1e-5)
    assert found["later"] == pytest.approx(later, rel=1e-5)
    assert found["margin"] == pytest.approx(lifted * 4 - 30 * 6 - later * 6 - 20, rel=1e-5)
    assert not found["below_cost"]


def test_the_schedule_is_the_best_of_all():
    rng = np.random.default_rng(3)
    answer, price = response(-rng.uniform(1.5, 5, 4)), np.full((4, 14), 10.0)
    every = [
        Candidate(s, first, first + 2, depth=depth, cost=float(rng.uniform(2, 30)))
        for s, first, depth in product(range(4), (1, 6), (0.1, 0.3))
    ]
    scored = score(ahead(), answer, every, price, np.full(4, 3.0))
    for budget in (15.0, 40.0, np.inf):
        run = schedule(scored, ["sku"], budget)
        assert run["sku"].is_unique().all()
        assert run["cost"].sum() <= budget + 1e-9
        margin, cost = (scored[n].to_numpy().reshape(4, 4) for n in ("margin", "cost"))
        best = max(
            sum(margin[s, c] for s, c in enumerate(choice) if c < 4)
            for choice in product(range(5), repeat=4)
            if sum(cost[s, c] for s, c in enumerate(choice) if c < 4) <= budget
        )
        assert run["margin"].sum() == pytest.approx(best)


def test_promotions_below_cost_are_never_scheduled():
    answer, price = response([-6.0] * 4), np.full((4, 14), 10.0)
    scored = score(
        ahead(), answer, [Candidate(0, 1, 3, depth=0.5), Candidate(0, 1, 3, depth=0.3)], price, np.full(4, 6.0)
    )
    assert scored["below_cost"].to_list() == [True, False]
    assert schedule(scored, ["sku"])["depth"].to_list() == [0.3]
    assert schedule(scored.filter(pl.col("below_cost")), ["sku"]).height == 0


@pytest.mark.parametrize(
    ("candidate", "word"),
    [
        (Candidate(9, 1, 2), "series 9"),
        (Candidate(0, 0, 2), "step 0"),
        (Candidate(0, 3, 20), "to 20"),
        (Candidate(0, 1, 2, depth=1.0), "depth"),
        (Candidate(0, 1, 2, kind="promotion=nonsense"), "not known"),
    ],
)
def test_candidates_that_cannot_be_are_refused(candidate, word):
    with pytest.raises(InputError, match=word):
        score(ahead(), response([-2.0] * 4), [candidate], np.full((4, 14), 10.0), np.full(4, 4.0))
