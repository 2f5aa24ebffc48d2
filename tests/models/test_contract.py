"""The contract that every model in the registry keeps, whatever it is made of.

One suite over all names: a new model is tested by being registered.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from made_up_panels import HORIZON, panel_of, shop, with_sales

from windvane.errors import ConfigError, MissingFutureError, ModelError
from windvane.models import registry
from windvane.models.saving import load
from windvane.panel import Known, Panel
from windvane.schema import QUANTILE_LEVELS

NAMES = tuple(registry.MODELS)
pytestmark = pytest.mark.parametrize("name", NAMES)


def fitted(name: str, panel: Panel, horizon: int = HORIZON, seed: int = 3):
    return registry.model(name).fit(panel, horizon, np.random.default_rng(seed))


def same(left, right) -> bool:
    return bool(
        np.array_equal(left.mean, right.mean)
        and np.array_equal(left.quantiles, right.quantiles)
        and np.array_equal(next(left.paths(50))[1], next(right.paths(50))[1])
    )


def check(forecast, panel: Panel, horizon: int = HORIZON) -> None:
    """A forecast that can be used: right shapes, finite, >= 0, quantiles in order, and paths to match."""
    assert forecast.mean.shape == (panel.shape[0], horizon)
    assert forecast.quantiles.shape == (panel.shape[0], horizon, len(QUANTILE_LEVELS))
    assert forecast.mean.dtype == forecast.quantiles.dtype == np.float32
    for values in (forecast.mean, forecast.quantiles, forecast.totals(50)):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (np.diff(forecast.quantiles, axis=2) >= 0).all()
    assert forecast.keys.equals(panel.keys)
    assert forecast.cutoff == panel.cutoff
    assert forecast.dates.equals(panel.future_dates(horizon))
    if panel.counts:
        assert (forecast.quantiles == np.round(forecast.quantiles)).all()


def test_the_same_seed_gives_the_same_forecast(name):
    panel = shop()
    assert same(fitted(name, panel).predict(panel), fitted(name, panel).predict(panel))


@pytest.mark.parametrize("unit", ["1h", "1d", "1w", "1mo"])
def test_every_calendar(name, unit):
    panel = shop(unit=unit)
    forecast = fitted(name, panel).predict(panel)
    check(forecast, panel)
    assert 0.3 < forecast.mean.mean() / np.nanmean(panel.sales) < 3


def odd_panels() -> dict[str, Panel]:
    rng = np.random.default_rng(5)
    usual = rng.poisson(5, (6, 90)).astype(np.float32)
    zero_rows, empty_rows, gaps, returns, new = (usual.copy() for _ in range(5))
    zero_rows[1:3] = 0
    empty_rows[2] = np.nan
    gaps[:, 20:45] = np.nan
    gaps[rng.random(gaps.shape) < 0.4] = np.nan
    gaps[1, -30:] = np.nan
    returns -= 6
    returns[0] = -3
    new[0, :-1] = np.nan
    new[1, :-2] = np.nan
    new[2, :-1] = 0
    return {
        "all zero": panel_of(np.zeros((5, 80))),
        "some zero": panel_of(zero_rows),
        "a series without a value": panel_of(empty_rows),
        "gaps": panel_of(gaps),
        "more returns than sales": panel_of(returns),
        "launched at the last periods": panel_of(new),
        "one series": panel_of(usual[:1]),
        "one period": panel_of(usual[:, :1]),
        "two periods": panel_of(usual[:, :2]),
        "shorter than the horizon": panel_of(usual[:, :5]),
        "one series, one period": panel_of(usual[:1, :1]),
        "huge": panel_of(usual * 1e9),
        "tiny": panel_of(usual * 1e-6, counts=False),
    }


@pytest.mark.parametrize("kind", odd_panels())
def test_odd_panels(name, kind):
    panel = odd_panels()[kind]
    check(fitted(name, panel).predict(panel), panel)


def test_nothing_sold_means_nothing_forecast(name):
    panel = odd_panels()["some zero"]
    forecast = fitted(name, panel).predict(panel)
    assert forecast.mean[1:3].max() < 0.1 * forecast.mean[[0, 3, 4, 5]].mean()
    everything = fitted(name, panel_of(np.zeros((5, 80)))).predict(panel_of(np.zeros((5, 80))))
    assert not everything.mean.any()
    assert not everything.quantiles.any()


@pytest.mark.parametrize("value", [1.0, 40.0])
def test_a_constant_series_goes_on(name, value):
    panel = panel_of(np.full((6, 90), value))
    forecast = fitted(name, panel).predict(panel)
    # The Syntetos-Boylan correction lowers by design: by half its smoothing constant, here at most a tenth.
    np.testing.assert_allclose(forecast.mean, value, rtol=0.11 if name == "sba" else 0.05)
    assert (forecast.quantile(0.5) == value).all()


@pytest.mark.parametrize("factor", [1e9, 1e-6])
def test_the_forecast_has_the_scale_of_the_sales(name, factor):
    panel = replace(shop(), counts=False)
    large = with_sales(panel, panel.sales * np.float32(factor))
    base, scaled = fitted(name, panel).predict(panel), fitted(name, large).predict(large)
    total = base.mean.sum(dtype=np.float64)
    close = 0.15 if registry.model(name).point.capabilities.pooled else 1e-3
    assert scaled.mean.sum(dtype=np.float64) / factor == pytest.approx(total, rel=close)
    upper = [f.quantile(0.9).sum(dtype=np.float64) for f in (base, scaled)]
    assert upper[1] / factor == pytest.approx(upper[0], rel=max(close, 0.02))


ORIGINS = np.array([15, 30, 60, 61, 95])


def late_bloomers() -> Panel:
    """A shop with series that launch shortly before or after the origins."""
    panel = shop(series=20)
    sales = panel.sales.copy()
    for row, launch in enumerate((14, 15, 16, 29, 58, 60, 70)):
        sales[row, :launch] = np.nan if row % 2 else 0.0
        sales[row, launch] = 9.0
    return with_sales(panel, sales)


def point_of(name: str, panel: Panel):
    return registry.point_model(name).fit(panel, HORIZON, np.random.default_rng(3))


@pytest.mark.parametrize("origin", ORIGINS.tolist())
def test_nothing_after_the_origin_is_seen(name, origin):
    panel = late_bloomers()
    rng = np.random.default_rng(origin)
    point = point_of(name, panel)
    sales = panel.sales.copy()
    sales[:, origin + 1 :] = rng.poisson(30, sales[:, origin + 1 :].shape)
    views = panel.past["views"].copy()
    views[:, origin + 1 :] = rng.normal(900, 90, views[:, origin + 1 :].shape)
    promo = panel.known["promo"].values.copy()
    promo[:, origin + HORIZON + 1 :] = 1 - promo[:, origin + HORIZON + 1 :]
    changed = replace(with_sales(panel, sales), past={"views": views}, known={"promo": Known(promo)})
    at = np.array([origin])
    np.testing.assert_array_equal(point.means(panel, at, HORIZON), point.means(changed, at, HORIZON))


def test_a_forecast_in_the_past_is_the_one_made_then(name):
    panel = late_bloomers()
    point = point_of(name, panel)
    together = point.means(panel, ORIGINS, HORIZON)
    assert together.shape == (panel.shape[0], len(ORIGINS), HORIZON)
    for i, origin in enumerate(ORIGINS):
        then = panel.as_of(panel.dates[int(origin)])
        np.testing.assert_array_equal(together[:, i], point.means(then, np.array([origin]), HORIZON)[:, 0])


def test_plans_not_yet_announced_are_not_seen(name):
    panel = shop()
    origin, promo = 80, panel.known["promo"].values
    since = np.broadcast_to(np.arange(promo.shape[1]) - 3, promo.shape).astype(np.int32).copy()
    since[::2, 70:79] = 85  # entered after the fact
    hidden = since > origin
    changed = np.where(hidden, 1 - promo, promo).astype(np.float32)
    first, second = (replace(panel, known={"promo": Known(v, since, "unknown")}) for v in (promo, changed))
    point, at = point_of(name, first.as_of(first.dates[70])), np.array([origin])
    np.testing.assert_array_equal(point.means(first, at, HORIZON), point.means(second, at, HORIZON))


def test_fitting_sees_no_plan_beyond_the_horizon(name):
    panel = shop()
    promo = panel.known["promo"].values.copy()
    promo[:, panel.shape[1] + HORIZON :] = 1 - promo[:, panel.shape[1] + HORIZON :]
    changed = replace(panel, known={"promo": Known(promo)})
    assert same(fitted(name, panel).predict(panel), fitted(name, changed).predict(changed))


def test_saved_and_loaded_it_predicts_the_same(name, tmp_path):
    panel = shop()
    model = fitted(name, panel)
    model.save(tmp_path / "model")
    assert same(load(tmp_path / "model").predict(panel), model.predict(panel))
    assert {p.suffix for p in (tmp_path / "model").rglob("*") if p.is_file()} <= {".npy", ".json", ".txt"}
    with pytest.raises(ModelError, match="exists already"):
        model.save(tmp_path / "model")


def test_series_it_has_not_met(name):
    panel = shop()
    model = fitted(name, panel.take(np.arange(12)))
    static = panel.static.with_columns(pl.Series("category", [*panel.static["category"][:14], "unheard of", None]))
    wider = replace(panel, static=static)
    forecast = model.predict(wider)
    check(forecast, wider)
    assert forecast.mean[12:].any()


def test_predicting_changes_nothing_in_the_panel(name):
    panel = shop()
    arrays = [panel.sales, panel.state, panel.past["views"], panel.known["promo"].values, panel.launch]
    before = [a.copy() for a in arrays]
    keys, static = panel.keys.clone(), panel.static.clone()
    fitted(name, panel).predict(panel)
    for now, then in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert panel.keys.equals(keys)
    assert panel.static.equals(static)


def test_a_planned_promotion_counts_where_plans_are_taken(name):
    panel = shop(uplift=5.0)
    model = fitted(name, panel)
    totals = []
    for planned in (0.0, 1.0):
        promo = panel.known["promo"].values.copy()
        promo[:, panel.shape[1] :] = planned
        totals.append(model.predict(replace(panel, known={"promo": Known(promo)})).mean.sum(dtype=np.float64))
    if registry.model(name).point.capabilities.known:
        assert totals[1] > 1.5 * totals[0]
    else:
        assert totals[1] == totals[0]


def test_a_missing_plan_is_named(name):
    panel = shop()
    model = fitted(name, panel)
    promo = panel.known["promo"].values.copy()
    promo[3, panel.shape[1] + 2] = np.nan
    with pytest.raises(MissingFutureError) as caught:
        model.predict(replace(panel, known={"promo": Known(promo)}))
    for part in ("'promo'", "sku='s03'", str(panel.future_dates(HORIZON)[2]), "future="):
        assert part in str(caught.value)
    stated = replace(panel, known={"promo": Known(promo, policy="unknown")})
    check(model.predict(stated), stated)


def test_simple_models_look_at_each_series_alone(name):
    point = registry.point_model(name)
    panel = shop()
    if point.capabilities.pooled:
        pytest.skip("a pooled model learns from all series")
    rows, at = np.array([9, 0, 4]), np.array([panel.shape[1] - 1])
    alone = panel.take(rows)
    np.testing.assert_array_equal(
        point_of(name, alone).means(alone, at, HORIZON), point_of(name, panel).means(panel, at, HORIZON)[rows]
    )


@pytest.mark.parametrize("horizon", [1, 40])
def test_short_and_long_horizons(name, horizon):
    panel = replace(shop(), known={})
    check(fitted(name, panel, horizon).predict(panel), panel, horizon)


def test_its_name_is_the_registered_one(name):
    assert registry.model(name).name == registry.point_model(name).name == name
    with pytest.raises(ConfigError, match=f"no model is called '{name}x'"):
        registry.model(f"{name}x")


@pytest.mark.tiny
def test_what_was_learned_on_a_long_past_serves_a_shorter_one(name):
    # More than a year and a half of weeks at fit, less of them at the forecast: the time of year must not get lost.
    panel = shop(series=8, time=100, unit="1w")
    short = panel.as_of(panel.dates[60])
    check(fitted(name, panel).predict(short), short)
