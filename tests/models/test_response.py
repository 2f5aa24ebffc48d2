"""How strongly series answer to promotions: alike on the whole, apart where their past says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planned_panels import HORIZON, STEP, lift, planned, promoted_shop

from windvane.models import registry
from windvane.models.saving import load
from windvane.models.structured import response
from windvane.models.structured.response import LOG, NUMBER, TEXT, Covariates
from windvane.panel import Panel

pytestmark = pytest.mark.tiny


def uneven(series: int = 120, seed: int = 3, each: int | None = None) -> Panel:
    """A shop whose first category answers 1.5 times to a promotion, the second four times, others 2.5 times."""
    panel = promoted_shop(series=series, seed=seed, each=each, rates=(1.0, 12.0))
    rng = np.random.default_rng(seed)
    promo = panel.known["promo"].values[:, : panel.shape[1]] > 0
    factor = np.array([1.5, 4.0, 2.5, 2.5])[np.arange(series) % 4][:, None] / 2.5
    sales = np.where(promo, rng.poisson(panel.sales * factor), panel.sales).astype(np.float32)
    return replace(panel, sales=sales)


def lifts(name: str, panel: Panel) -> np.ndarray:
    """Lift at the promoted step by category."""
    point = registry.point_model(name).fit(panel, HORIZON, np.random.default_rng(1))
    at = np.array([panel.shape[1] - 1])
    before, after = (point.means(p, at, HORIZON)[:, 0] for p in (panel, planned(panel)))
    return np.array([lift(before[k::4], after[k::4])[STEP - 1] for k in range(4)])


@pytest.mark.parametrize("name", ["structured", "planned_seasonal_es"])
def test_kinds_of_products_answer_as_strongly_as_their_past_says(name):
    assert lifts(name, uneven()) == pytest.approx([1.5, 4.0, 2.5, 2.5], rel=0.15)


def test_what_little_a_past_says_is_drawn_to_what_all_do():
    # With one promotion per series, eight series say something; those without any answer as all do.
    few = uneven(each=1)
    assert lifts("structured", few)[0] < lifts("structured", few)[1]
    point = registry.point_model("structured").fit(few, HORIZON, np.random.default_rng(1))
    lean = point.response.leans.values
    many = registry.point_model("structured").fit(uneven(), HORIZON, np.random.default_rng(1)).response.leans.values
    assert lean.std() < many.std()
    assert (lean >= 0.2).all()
    assert (lean <= 3).all()


def test_a_series_without_promotions_takes_the_answer_of_its_kind():
    panel = uneven()
    promo = panel.known["promo"].values.copy()
    promo[1] = 0  # of the category that answers four times; what it sold on those days says nothing any more
    sales = panel.sales.copy()
    sales[1] = np.random.default_rng(1).poisson(np.median(sales[1]), panel.shape[1])
    bare = replace(panel, sales=sales, known={"promo": replace(panel.known["promo"], values=promo)})
    point = registry.point_model("structured").fit(bare, HORIZON, np.random.default_rng(1))
    at = np.array([panel.shape[1] - 1])
    before, after = (point.means(p, at, HORIZON)[1, 0] for p in (bare, planned(bare)))
    assert after[STEP - 1] / before[STEP - 1] == pytest.approx(4.0, rel=0.2)


def test_prices_are_answered_alike():
    panel = promoted_shop(kind="price")
    point = registry.point_model("structured").fit(panel, HORIZON, np.random.default_rng(1))
    assert point.response.leans is None
    assert point.response.kinds.tolist() == [response.LOG]
    assert point.response.table[0, 0] == pytest.approx(-1.8, abs=0.15)


@pytest.mark.parametrize("name", ["structured", "planned_tsb"])
def test_leans_are_kept(name, tmp_path):
    panel = uneven(series=40)
    fitted = registry.model(name).fit(panel, HORIZON, np.random.default_rng(1))
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(panel).mean, fitted.predict(panel).mean)


@pytest.mark.parametrize("inner", ["seasonal_es", "tsb"])
def test_where_no_series_differs_a_planned_model_is_its_inner_one(inner):
    panel = replace(promoted_shop(series=40), known={})
    at = np.array([100, panel.shape[1] - 1])
    first, second = (
        registry.point_model(n).fit(panel, HORIZON, np.random.default_rng(1)).means(panel, at, HORIZON)
        for n in (inner, f"planned_{inner}")
    )
    np.testing.assert_array_equal(first, second)


def test_promotions_of_the_past_do_not_raise_a_planned_model():
    panel = promoted_shop(series=80, share=0.25)
    at = np.array([panel.shape[1] - 1])
    naive, known = (
        registry.point_model(n).fit(panel, HORIZON, np.random.default_rng(1)).means(panel, at, HORIZON)
        for n in ("seasonal_es", "planned_seasonal_es")
    )
    # A quarter of the days sold 2.5 times as much; none is planned.
    assert naive.sum() / known.sum() == pytest.approx(1 + 0.25 * 1.5, rel=0.08)


@pytest.mark.parametrize("known", ["always", "late"])
def test_responses_of_the_past_are_those_of_single_cells(known):
    """Cells like the one before are not worked out again; this works all of them out."""
    rng = np.random.default_rng(5)
    kinds, table = np.array([LOG, TEXT, NUMBER]), rng.normal(size=(3, 4))
    series, time, width = 40, 60, 50
    held = rng.random((3, series, width)) < 0.8
    values = rng.integers(0, 4, (3, series, width)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    for t in range(1, width):
        values[:, :, t] = np.where(held[:, :, t], values[:, :, t - 1], values[:, :, t])
    since = np.full((3, series, 0), -1, np.int32)
    if known == "late":
        since = (np.arange(width) + rng.integers(-3, 3, values.shape)).astype(np.int32)
    stand = np.full((3, series, 0), np.nan, np.float32)
    given = Covariates(values, since, rng.normal(size=(3, series)), stand, np.zeros(3, np.int64), np.ones((3, series)))
    found = np.empty((series, time), np.float32)
    response.factors(tuple(given), kinds, table, time, found)
    one = [[np.exp(response.told(tuple(given), kinds, table, s, t, t)) for t in range(time)] for s in range(series)]
    np.testing.assert_array_equal(found, np.float32(one))
    assert len(np.unique(found)) > 20
