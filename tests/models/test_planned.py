"""A promotion planned for one step moves that step, in every model that takes plans and in every preset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planned_panels import HORIZON, STEP, lift, planned, promoted_shop

import windvane as wv
from windvane.errors import MissingFutureError
from windvane.futures import Policy, Scenario
from windvane.models import registry
from windvane.outlook.produce import PRESETS
from windvane.panel import Known, Panel

TAKE_PLANS = tuple(n for n in registry.MODELS if registry.point_model(n).capabilities.known)
ELSEWHERE = 0.1
"""How far a step without a promotion may move."""


def means(name: str, panel: Panel, *views: Panel) -> list[np.ndarray]:
    """What a model fitted to a panel expects after the last column of each view, float32 [series, horizon] each."""
    point = registry.point_model(name).fit(panel, HORIZON, np.random.default_rng(1))
    return [point.means(view, np.array([view.shape[1] - 1]), HORIZON)[:, 0] for view in views]


def moved(name: str, panel: Panel) -> tuple[float, float]:
    """Lift at the promoted step, and the largest change at another."""
    ratio = lift(*means(name, panel, panel, planned(panel)))
    return float(ratio[STEP - 1]), float(np.abs(np.delete(ratio, STEP - 1) - 1).max())


@pytest.mark.parametrize("kind", ["number", "text", "both", "price"])
@pytest.mark.parametrize("name", TAKE_PLANS)
def test_a_promotion_moves_its_step_and_no_other(name, kind):
    there, elsewhere = moved(name, promoted_shop(kind=kind))
    assert 2.0 < there < 3.0
    assert elsewhere < ELSEWHERE


HARD = {
    "three promotions per series": {"each": 3},
    "three kinds of promotion per series": {"each": 3, "kind": "text"},
    "three price cuts per series": {"each": 3, "kind": "price"},
    "ten series": {"series": 10},
    "ten series, prices": {"series": 10, "kind": "price"},
    "seldom sold": {"rates": (0.05, 0.4)},
    "seldom sold, prices": {"rates": (0.05, 0.4), "kind": "price"},
    "one series": {"series": 1, "rates": (6.0, 7.0), "share": 0.08},
    "one series, text": {"series": 1, "rates": (6.0, 7.0), "share": 0.08, "kind": "text"},
    "one series, prices": {"series": 1, "rates": (6.0, 7.0), "share": 0.08, "kind": "price"},
}


def beside(case: str) -> float:
    """How far other steps may move: kinds of promotion of a lone series are learned as events, days beside included."""
    return 0.15 if case == "one series, text" else ELSEWHERE


@pytest.mark.tiny
@pytest.mark.parametrize("case", HARD)
def test_where_little_is_known_the_structured_model_still_answers(case):
    there, elsewhere = moved("structured", promoted_shop(**HARD[case]))
    assert 2.0 < there < 3.0
    assert elsewhere < beside(case)


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", [n for n in TAKE_PLANS if n != "structured"])
def test_where_little_is_known_other_models_move_the_right_step_the_right_way(name, case):
    there, elsewhere = moved(name, promoted_shop(**HARD[case]))
    assert 1.2 < there < 3.0
    assert elsewhere < beside(case)


@pytest.mark.parametrize("kind", ["number", "text", "price"])
@pytest.mark.parametrize("name", TAKE_PLANS)
def test_a_promotion_of_a_kind_never_seen_does_not_explode(name, kind):
    panel = promoted_shop(kind=kind, share=0.0)
    there, elsewhere = moved(name, panel)
    assert 0.8 < there < 1.25
    assert elsewhere < ELSEWHERE


@pytest.mark.parametrize("name", TAKE_PLANS)
def test_a_price_far_outside_the_past_stays_within_reason(name):
    panel = promoted_shop(kind="price")
    values = panel.known["price"].values.copy()
    values[:, panel.shape[1] + STEP - 1] *= 0.01
    given = replace(panel, known={"price": Known(values)})
    ratio = lift(*means(name, panel, panel, given))
    assert 2.0 < ratio[STEP - 1] < 60


@pytest.mark.parametrize("name", TAKE_PLANS)
def test_a_promotion_counts_from_its_announcement(name):
    panel = promoted_shop()
    time, promo = panel.shape[1], panel.known["promo"].values.copy()
    promo[:, time - 4] = 1
    since = np.broadcast_to(np.arange(promo.shape[1]) - 10, promo.shape).astype(np.int32).copy()
    told = replace(panel, known={"promo": Known(promo, since, "unknown")})
    since = since.copy()
    since[:, time - 4] = time - 4
    untold = replace(panel, known={"promo": Known(promo, since, "unknown")})
    point = registry.point_model(name).fit(told.as_of(told.dates[time - 21]), HORIZON, np.random.default_rng(1))
    before = [point.means(p, np.array([time - 18]), HORIZON)[:, 0] for p in (told, untold)]
    np.testing.assert_array_equal(*before, err_msg="at 14 days nobody knew of it in either")
    after = lift(*(point.means(p, np.array([time - 12]), HORIZON)[:, 0] for p in (untold, told)))
    assert 1.7 < after[7] < 3.0
    assert np.delete(after, 7) == pytest.approx(1, abs=ELSEWHERE)


@pytest.mark.parametrize("policy", ["last", "forecast"])
def test_a_filled_covariate_is_seen_at_a_past_origin_as_it_would_have_been_filled_then(policy):
    """The structured model reads what stands in itself: against panels whose values were written in by hand."""
    panel = promoted_shop(kind="both", share=0.2)
    filled, _ = panel.take(np.arange(40)).complete(HORIZON, {"promo": "unknown", "kind_of_promo": "unknown"})
    width = panel.shape[1]
    cut = {n: replace(k, values=k.values[:, :width], since=None) for n, k in filled.known.items()}
    bare = replace(filled, known=cut)
    hidden, _ = bare.complete(HORIZON, {"promo": policy, "kind_of_promo": policy})
    point = registry.point_model("structured").fit(hidden, HORIZON, np.random.default_rng(1))
    assert set(point.response.names) == {"promo", "kind_of_promo"}
    origins = np.array([120, 121, 150, width - 1])
    together = point.means(hidden, origins, HORIZON)
    for i, origin in enumerate(origins):
        known = {}
        for name, now in hidden.known.items():
            ahead = now.at(int(origin), np.arange(1, HORIZON + 1))
            known[name] = Known(np.concatenate([now.values[:, : origin + 1], ahead], axis=1))
        then = replace(bare.as_of(bare.dates[int(origin)]), known=known)
        by_hand = point.means(then, origins[i : i + 1], HORIZON)[:, 0]
        np.testing.assert_allclose(together[:, i], by_hand, rtol=1e-5)


def test_a_price_cut_today_that_is_said_to_last_lifts_every_step():
    panel = promoted_shop(kind="price", series=60)
    time = panel.shape[1]
    values = panel.known["price"].values[:, :time].copy()
    usual, cut = values.copy(), values.copy()
    usual[:, -1] = np.nanmax(values, axis=1)
    cut[:, -1] = usual[:, -1] * 0.6
    views = [replace(panel, known={"price": Known(v)}).complete(HORIZON, {"price": "last"})[0] for v in (usual, cut)]
    ratio = lift(*means("structured", views[0], *views))
    assert (ratio > 1.7).all()


def takes_plans(preset: str) -> bool:
    return any(registry.point_model(name).capabilities.known for name in PRESETS[preset].models)


WITH_PLANS = [
    pytest.param(p, marks=[pytest.mark.slow] if PRESETS[p].folds > 3 else []) for p in PRESETS if takes_plans(p)
]


@pytest.fixture(scope="module")
def small_shop() -> Panel:
    return promoted_shop(series=60, time=180, kind="both", rates=(1.0, 12.0))


@pytest.mark.parametrize("preset", WITH_PLANS)
@pytest.mark.parametrize("kind", ["number", "price"])
def test_a_promotion_of_what_sells_seldom_moves_its_step_in_every_preset(preset, kind):
    """Here simple models may well be the champions: they must not forget what is planned."""
    panel = promoted_shop(series=60, time=180, kind=kind, rates=(0.05, 0.5))
    ratio = lift(*(wv.forecast(p, HORIZON, preset).mean for p in (panel, planned(panel))))
    assert 2.0 < ratio[STEP - 1] < 3.0
    assert np.delete(ratio, STEP - 1) == pytest.approx(1, abs=ELSEWHERE)


@pytest.mark.parametrize("preset", WITH_PLANS)
def test_a_promotion_moves_its_step_in_every_preset(preset, small_shop):
    base = wv.forecast(small_shop, HORIZON, preset)
    found = wv.forecast(planned(small_shop), HORIZON, preset)
    ratio = lift(base.mean, found.mean)
    assert 2.0 < ratio[STEP - 1] < 3.0
    assert np.delete(ratio, STEP - 1) == pytest.approx(1, abs=ELSEWHERE)
    upper = lift(base.quantile(0.9), found.quantile(0.9))
    assert 1.6 < upper[STEP - 1] < 3.2
    days = small_shop.future_dates(HORIZON)
    wish = {"promo": Scenario({days[STEP - 1]: 1.0}), "kind_of_promo": Scenario({days[STEP - 1]: "flash"})}
    whatif = wv.forecast(small_shop, HORIZON, preset, missing=wish)
    np.testing.assert_array_equal(whatif.mean, found.mean)
    assert [a.policy for a in whatif.assumed] == ["scenario", "scenario"]


@pytest.mark.parametrize("preset", PRESETS)
def test_an_absent_plan_is_an_error_in_every_preset(preset, small_shop):
    known = {n: replace(k, values=k.values[:, : small_shop.shape[1] + STEP]) for n, k in small_shop.known.items()}
    with pytest.raises(MissingFutureError, match=r"'promo' has no value for sku='s000'"):
        wv.forecast(replace(small_shop, known=known), HORIZON, preset)


@pytest.fixture(scope="module")
def blind() -> tuple[Panel, np.ndarray]:
    """A shop whose coming promotions nobody knows, and what it then sold [series, horizon]."""
    panel = promoted_shop(series=250, time=260, share=0.12, rates=(2.0, 15.0))
    cut = panel.shape[1] - HORIZON
    past = panel.as_of(panel.dates[cut - 1])
    promo = replace(past.known["promo"], values=past.known["promo"].values[:, :cut])
    return replace(past, known={"promo": promo}), panel.sales[:, cut:]


def covered(panel: Panel, sold: np.ndarray, policy: Policy | Scenario) -> dict[float, float]:
    """Share of outcomes up to a quantile, ties of whole numbers split at random."""
    found = wv.forecast(panel, HORIZON, "fast", missing={"promo": policy})
    spread = sold + np.random.default_rng(1).uniform(-0.5, 0.5, sold.shape)
    return {level: float((spread <= found.quantile(level)).mean()) for level in (0.1, 0.9, 0.975)}


@pytest.mark.parametrize("policy", ["last", "forecast", "unknown"])
def test_intervals_are_as_wide_as_promotions_that_nobody_knows_make_them(policy, blind):
    share = covered(*blind, policy)
    assert share[0.1] == pytest.approx(0.1, abs=0.03)
    assert share[0.9] == pytest.approx(0.9, abs=0.035)
    assert share[0.975] == pytest.approx(0.975, abs=0.02)


def test_a_scenario_that_does_not_come_true_is_no_excuse(blind):
    """Intervals under a scenario hold if it comes true: here promotions came of which it said that there were none."""
    share = covered(*blind, Scenario(0.0))
    assert share[0.9] < 0.83
    assert share[0.975] < 0.92
