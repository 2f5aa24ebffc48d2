"""Explanations add up, totals are sums of paths, and the presets of the Python call hold."""

import numpy as np
import polars as pl
import pytest

from windvane.errors import ConfigError
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.models import registry
from windvane.outlook import explain as explaining
from windvane.outlook.explain import BASE, GROUPS, REST, explain
from windvane.outlook.produce import forecast
from windvane.outlook.totals import totals
from windvane.panel import Known, Panel
from windvane.schema import DERIVED

pytestmark = pytest.mark.tiny
HORIZON = 7


@pytest.fixture(scope="module")
def panel():
    """Twelve series in three categories with a promotion that triples demand, planned for the horizon's first days."""
    rng = np.random.default_rng(2)
    series, time = 12, 120
    promo = (rng.random((series, time + HORIZON)) < 0.15).astype(np.float32)
    promo[:, time:] = 0
    promo[:6, time : time + 3] = 1
    rate = np.exp(rng.normal(1, 0.8, (series, 1))) * (1 + 2 * promo[:, :time])
    freq = Freq("1d")
    return Panel(
        keys=pl.DataFrame({"sku": [f"s{i}" for i in range(series)]}),
        sales=rng.poisson(rate).astype(np.float32),
        dates=freq.dates(np.arange(20_000, 20_000 + time)).alias("date"),
        freq=freq,
        known={"promo_display": Known(promo)},
        static=pl.DataFrame({"category_1": [f"c{i % 3}" for i in range(series)]}),
        hierarchy=("category_1",),
    )


@pytest.mark.parametrize("name", registry.MODELS)
def test_parts_add_up_to_the_forecast_of_every_model(panel, name):
    point = registry.point_model(name).fit(panel, HORIZON, np.random.default_rng(1))
    means = point.means(panel, np.array([panel.shape[1] - 1]), HORIZON)[:, 0]
    for series in range(0, panel.shape[0], 3):
        told = explain(point, panel, series, HORIZON)
        assert sum(told.parts.values()) == pytest.approx(told.total, rel=1e-6)
        assert told.total == pytest.approx(float(means[series].sum()), rel=1e-4)
        assert set(told.parts) <= {BASE, REST, *GROUPS}


def test_a_planned_promotion_is_named_as_the_reason(panel):
    point = registry.point_model("boosted").fit(panel, HORIZON, np.random.default_rng(1))
    parts = [explain(point, panel, series, HORIZON).parts for series in range(panel.shape[0])]
    promoted, others = parts[:6], parts[6:]
    assert all(part["promotion"] > 0 for part in promoted)
    assert all(part["promotion"] < 0.2 * part[BASE] for part in others)
    assert sum(p["promotion"] for p in promoted) > 0.2 * sum(p[BASE] for p in promoted)


def test_the_groups_of_features_do_not_overlap():
    heads = [(group, head) for group, names in explaining.GROUPS.items() for head in names]
    for group, head in heads:
        assert not [other for other, more in heads if other != group and more.startswith(head)], head


def made_up_forecast(panel):
    rng = np.random.default_rng(6)
    shape = (panel.shape[0], HORIZON)
    levels = (0.1, 0.5, 0.9)
    middle = rng.gamma(3, 2, shape)
    quantiles = np.stack([middle * 0.5, middle, middle * 2], axis=2).astype(np.float32)
    return Forecast(
        panel.keys, panel.cutoff, panel.future_dates(HORIZON), middle.astype(np.float32), quantiles, levels,
        panel.identity,
    )  # fmt: skip


def test_totals_are_quantiles_of_summed_paths(panel):
    made = made_up_forecast(panel)
    table = totals(panel, made, 80)
    assert table.schema == pl.Schema(DERIVED["totals"].types)
    paths = np.concatenate([part for _, part in made.paths(80)])
    for level, category, rows in [
        ("total", "", slice(None)),
        *(("category", f"c{i}", slice(i, None, 3)) for i in (0, 2)),
    ]:
        mine = table.filter((pl.col("level") == level) & (pl.col("category") == category)).sort("step")
        assert mine["step"].to_list() == list(range(HORIZON + 1))
        summed = paths[rows].sum(0, dtype=np.float64)
        expected = np.quantile(summed, 0.9, axis=0)
        assert mine["q0.9"][1:].to_list() == pytest.approx(expected.tolist(), rel=1e-5)
        assert mine["q0.9"][0] == pytest.approx(np.quantile(summed.sum(1), 0.9), rel=1e-5)
        assert mine["mean"][0] == pytest.approx(float(made.mean[rows].sum()), rel=1e-5)


def test_without_categories_there_is_the_total_alone(panel):
    from dataclasses import replace

    bare = replace(panel, static=pl.DataFrame(), hierarchy=())
    table = totals(bare, made_up_forecast(bare), 50)
    assert table["level"].unique().to_list() == ["total"]
    assert table.height == HORIZON + 1


def test_the_python_call_names_a_wrong_argument(panel):
    with pytest.raises(ConfigError, match="fast, balanced, best"):
        forecast(panel, HORIZON, preset="simple")
    with pytest.raises(ConfigError, match="horizon"):
        forecast(panel, 0)
    with pytest.raises(ConfigError, match="seed"):
        forecast(panel, HORIZON, seed=-1)
