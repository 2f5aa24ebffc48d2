"""Trees on the structured baseline: what they add, what they leave alone, and every option."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_up_panels import HORIZON, panel_of, shop
from planned_panels import lift, planned, promoted_shop

from windvane.errors import ConfigError
from windvane.features import choose
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows
from windvane.models.boosted import sampling, search, trees
from windvane.models.boosted.model import Boosted
from windvane.models.boosted.search import Tuned
from windvane.models.boosted.trees import Growth
from windvane.models.structured.model import Structured
from windvane.panel import NEVER, Known, Panel


def fitted(panel: Panel, model: Boosted | None = None, horizon: int = HORIZON):
    return (model or Boosted()).fit(panel, horizon, np.random.default_rng(4))


def after(point, panel: Panel, horizon: int = HORIZON) -> np.ndarray:
    return point.means(panel, np.array([panel.shape[1] - 1]), horizon)[:, 0]


def at_weekends(series: int = 240, time: int = 240, seed: int = 2) -> Panel:
    """A promotion that multiplies demand by 4 on Saturdays and Sundays and does nothing on other days."""
    panel = promoted_shop(series=series, time=time, share=0.1, seed=seed)
    promo = panel.known["promo"].values[:, :time]
    rng = np.random.default_rng(seed)
    free = panel.dates.dt.weekday().to_numpy() >= 6
    mean = np.exp(rng.uniform(0, 2, series))[:, None] * np.where((promo > 0) & free[None, :], 4.0, 1.0)
    return replace(panel, sales=rng.poisson(mean).astype(np.float32), state=np.empty((0, 0), np.int8))


def test_what_a_promotion_does_on_some_days_is_learned_where_the_baseline_has_one_response():
    panel = at_weekends()
    dates = panel.future_dates(14).dt.weekday().to_numpy()
    free, busy = int(np.flatnonzero(dates == 6)[0]) + 1, int(np.flatnonzero(dates == 2)[0]) + 1
    pooled = Structured().fit(panel, 14, np.random.default_rng(4))
    point = fitted(panel, Boosted(keep=0.0), 14)
    told = {}
    for name, model in (("baseline", pooled), ("trees", point)):
        before = after(model, panel, 14)
        told[name] = [lift(before, after(model, planned(panel, step), 14))[step - 1] for step in (free, busy)]
    # The baseline has one response for all days; the trees tell them apart.
    assert told["baseline"][0] == pytest.approx(told["baseline"][1], rel=0.1)
    assert told["trees"][0] == pytest.approx(4.0, rel=0.15)
    assert told["trees"][1] == pytest.approx(1.0, abs=0.15)


def test_the_sum_of_all_series_is_drawn_back_to_the_baselines():
    panel = shop(series=30, uplift=5.0)
    sums = {}
    for keep in (0.0, 0.5, 1.0):
        point = fitted(panel, Boosted(keep=keep))
        sums[keep] = after(point, panel).sum(axis=0, dtype=np.float64)
        base = after(point.base, panel).sum(axis=0, dtype=np.float64)
    np.testing.assert_allclose(sums[1.0], base, rtol=1e-4)
    assert np.abs(sums[0.0] / base - 1).max() > 1e-3
    np.testing.assert_allclose(sums[0.5], np.sqrt(sums[0.0] * base), rtol=1e-3)


def test_a_share_is_the_mean_with_the_baseline():
    panel = shop(series=30, uplift=5.0)
    point = fitted(panel)
    whole, base = after(point, panel), after(point.base, panel)
    half = fitted(panel, Boosted(share=0.5))
    np.testing.assert_allclose(after(half, panel), (whole + base) / 2, rtol=1e-5)


OPTIONS = {
    "half of it": Boosted(share=0.5),
    "weeks": Boosted(split="weeks"),
    "by category": Boosted(split="category"),
    "three draws": Boosted(draws=3),
    "squared error": Boosted(growth=Growth(power=0.0)),
    "poisson": Boosted(growth=Growth(power=1.0)),
    "random splits": Boosted(growth=Growth(power=1.5, random=True)),
    "stopped on the last horizon": Boosted(stop=True),
    "few rows": Boosted(rows=1000, volume=0.0, revenue=False, half_life=30.0),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_forecasts_and_is_saved(option):
    panel = shop(series=30, time=150, uplift=3.0)
    model = OPTIONS[option]
    point = fitted(panel, model, 14)
    assert point.trees
    means = after(point, panel, 14)
    assert np.isfinite(means).all()
    assert (means >= 0).all()
    usual = np.nanmean(panel.sales[:, -28:], axis=1)
    assert 0.6 < means.sum() / (usual.sum() * 14) < 1.7
    again = model.restore(point.artifact())
    np.testing.assert_array_equal(after(again, panel, 14), means)
    base, logs, names = point.contributions(panel, 3, 14)
    assert logs.shape == (14, len(names) + 2)
    np.testing.assert_allclose(base * np.exp(logs.sum(1)), means[3], rtol=1e-4)


def test_sets_of_trees_are_one_per_week_or_text_and_one_for_texts_not_met():
    panel = shop(series=30, time=150)
    weeks = fitted(panel, Boosted(split="weeks"), 14)
    assert {"-1.0.0", "-1.1.0"} == set(weeks.trees)
    texts = fitted(panel, Boosted(split="category", draws=2), 14)
    assert {f"{k}.0.{d}" for k in (-1, 0, 1, 2) for d in (0, 1)} == set(texts.trees)
    other = panel.static.with_columns(category=pl.lit("never met"))
    strangers = replace(panel, static=other)
    only = replace(texts, trees={n: t for n, t in texts.trees.items() if n.startswith("-1")}, keep=0.0)
    free = replace(texts, keep=0.0)
    np.testing.assert_array_equal(after(free, strangers, 14), after(only, strangers, 14))
    assert (after(free, panel, 14) != after(only, panel, 14)).any()


def test_an_unknown_split_is_refused():
    with pytest.raises(ConfigError, match="split='colour' is no static column"):
        fitted(shop(), Boosted(split="colour"))


@pytest.mark.parametrize("falling", [(), ("price",)])
def test_with_a_price_that_only_lowers_demand_no_higher_price_sells_more(falling):
    rng = np.random.default_rng(8)
    series, time = 60, 160
    price = np.exp(rng.normal(0, 0.3, (series, time + HORIZON))).astype(np.float32)
    # Dear days sell more here, as fashions do: only the constraint keeps trees from learning it.
    sales = rng.poisson(6 * price[:, :time] ** 0.8).astype(np.float32)
    panel = replace(panel_of(sales), known={"price": Known(price)})
    point = replace(fitted(panel, Boosted(falling=falling)), keep=0.0)
    dear = replace(panel, known={"price": Known(np.concatenate([price[:, :time], 1.4 * price[:, time:]], axis=1))})
    # The baseline has learned its own response; what the trees add is what is constrained.
    added = [after(point, p) / after(point.base, p) for p in (panel, dear)]
    assert ((added[1] <= added[0] * 1.0001).all()) == bool(falling)


def test_a_closed_day_stays_the_baselines():
    panel = shop(series=30, uplift=1.0)
    closed = np.zeros_like(panel.known["promo"].values)
    closed[:, [20, 60, 95, panel.shape[1] + 3]] = 1
    sales = np.where(closed[:, : panel.shape[1]] > 0, 0, panel.sales)
    panel = replace(panel, sales=sales, known={"closed": Known(closed)})
    point = replace(fitted(panel), keep=0.0)
    means, base = after(point, panel), after(point.base, panel)
    np.testing.assert_array_equal(means[:, 3], base[:, 3])
    assert means[:, 3].max() < 0.01 * means[:, 2].max()
    assert (means[:, 2] != base[:, 2]).any()


def test_a_plan_not_made_yet_is_not_taken_for_none():
    """Plans that always come a day ahead: at longer steps a promotion may or may not be coming."""
    panel = promoted_shop(series=150, share=0.3)
    promo = panel.known["promo"].values
    since = np.broadcast_to(np.arange(promo.shape[1]) - 14, promo.shape).astype(np.int32)
    told = replace(panel, known={"promo": Known(promo, since, "unknown")})
    future = since.copy()
    future[:, panel.shape[1] :] = NEVER
    untold = replace(panel, known={"promo": Known(promo, future, "unknown")})
    point = fitted(told, None, 14)
    none, open_ = after(point, told, 14).sum(), after(point, untold, 14).sum()
    # Three days in ten sell 2.5 times as much: 1.45 times as much as days that are known to have no promotion.
    assert open_ > 1.02 * none


@pytest.mark.tiny
def test_rows_are_known_cells_of_the_past_in_order():
    panel = shop(series=20, time=150)
    since = np.full(panel.shape, NEVER, np.int32)
    since[:, 100:110] = 120
    panel = panel.with_stockouts(since)
    rows = sampling.sample(panel, HORIZON, 10_000, np.random.default_rng(1))
    target = rows.origin + rows.step
    assert len(rows) > 1000
    assert not np.isnan(panel.sales[rows.series, target]).any()
    assert not ((target >= 100) & (target < 110)).any()
    assert (target < panel.shape[1]).all()
    assert (rows.step >= 1).all()
    assert rows.step.max() == HORIZON
    assert (rows.origin >= panel.launch[rows.series]).all()
    order = np.lexsort((rows.step, rows.origin, rows.series))
    np.testing.assert_array_equal(order, np.arange(len(rows)))
    few = sampling.sample(panel, HORIZON, 500, np.random.default_rng(1))
    assert len(few) <= 500


@pytest.mark.tiny
def test_weights_are_what_they_say():
    panel = panel_of(np.ones((2, 100)))
    price = np.array([[1.0], [3.0]]) * np.ones((2, 107))
    panel = replace(panel, known={"price": Known(price.astype(np.float32))})
    rows = Rows(*(np.array(v, np.int32) for v in ([0, 0, 1, 1], [50, 80, 50, 80], [9, 9, 9, 9])))
    size = np.array([1.0, 1.0, 4.0, 4.0])

    def weigh(**changed):
        asked = {"half_life": 30.0, "volume": 0.0, "revenue": False} | changed
        return sampling.weights(panel, rows, size, **asked)

    assert weigh().mean() == pytest.approx(1)
    assert weigh()[1] / weigh()[0] == pytest.approx(2)
    assert weigh()[2] / weigh()[0] == pytest.approx(1)
    assert weigh(revenue=True)[2] / weigh(revenue=True)[0] == pytest.approx(3)
    assert weigh(volume=1.0)[2] / weigh(volume=1.0)[0] == pytest.approx(1.05 / 4.05)


@pytest.mark.tiny
@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_deviance_is_least_at_the_mean(power):
    rng = np.random.default_rng(3)
    actual, weight = rng.poisson(3, 500).astype(float), rng.uniform(0.5, 2, 500)
    best = np.average(actual, weights=weight)
    at = [trees.deviance(actual, np.full(500, best * k), weight, power) for k in (0.95, 1.0, 1.05)]
    assert at[1] < min(at[0], at[2])


@pytest.mark.tiny
def test_gradient_and_curvature_of_squares():
    class Data:
        def get_label(self):
            return np.array([1.0, 4.0])

        def get_weight(self):
            return np.array([1.0, 2.0])

    score, step = np.array([0.3, 0.7]), 1e-6
    gradient, curvature = trees._squares(score, Data())
    loss = [np.array([1.0, 2.0]) * (np.exp(score + d) - np.array([1.0, 4.0])) ** 2 / 2 for d in (step, -step)]
    np.testing.assert_allclose(gradient, (loss[0] - loss[1]) / (2 * step), rtol=1e-5)
    assert (curvature > 0).all()


@pytest.mark.tiny
def test_relative_features_do_not_see_a_series_size():
    panel = shop(series=8, time=200)
    panel = replace(panel, keys=panel.keys.with_columns(location=pl.lit("here")), past={})
    rows = Rows.after(8, 180, HORIZON)
    features = choose.relative(panel)
    small = FeatureMatrix(panel, features).build(rows)
    large = FeatureMatrix(replace(panel, sales=8 * panel.sales), features).build(rows)
    size = [f.name for f in features].index("mean_112")
    np.testing.assert_array_equal(large[:, size], 8 * small[:, size])
    others = np.arange(len(features)) != size
    np.testing.assert_array_equal(large[:, others], small[:, others])


@pytest.mark.tiny
def test_common_moves_are_features_of_small_groups_alone():
    panel = panel_of(np.ones((240, 60)))
    keys = pl.DataFrame({"sku": [f"s{i // 2}" for i in range(240)], "location": ["a", "b"] * 120})
    static = pl.DataFrame({"category": [f"c{i % 2}" for i in range(240)], "range": [f"r{i % 8}" for i in range(240)]})
    names = {f.name for f in choose.relative(replace(panel, keys=keys, static=static))}
    assert {n for n in names if "_by_" in n} == {f"{m}_by_{g}" for m in ("momentum", "trend") for g in ("sku", "range")}


@pytest.mark.tiny
def test_relative_features_do_not_see_the_age_of_the_calendar():
    week = np.tile([1.0, 2, 3, 4, 5, 6, 7], 60)[None, :]
    panel = panel_of(np.repeat(week, 3, axis=0))
    features = choose.relative(panel.as_of(panel.dates[300]))
    assert not {"month", "week_of_year"} & {f.name for f in features}
    made = FeatureMatrix(panel, [f for f in features if f.name != "day_of_month"])
    early, late = (made.build(Rows.after(3, origin, HORIZON)) for origin in (200, 200 + 7 * 30))
    np.testing.assert_array_equal(early, late)


@pytest.mark.tiny
def test_errors_that_settings_are_compared_by():
    actual = np.array([[1.0, 3.0], [2.0, np.nan]])
    mean = np.array([[2.0, 2.0], [2.0, 9.0]])
    # Series: 1 and 0; their sum: -1 and 1; sold per period: 2 and 2.
    assert search.error(actual, mean) == pytest.approx((1.0 + 0.0 + 1.0) / 4.0)


def test_a_search_chooses_what_is_better_on_every_date_and_nothing_else(monkeypatch):
    panel = shop(series=12, time=120)
    asked: list[Boosted] = []
    good = Boosted(growth=Growth(leaves=8))

    class Point:
        def __init__(self, model, base):
            self.model, self.base = model, base

        def means(self, view, origins, horizon):
            asked.append(self.model)
            truth = np.nan_to_num(panel.sales[:, origins[0] + 1 : origins[0] + 1 + horizon])
            far = origins[0] < 100
            off = {8: 1.0, 15: 0.2 if far else 3.0}.get(self.model.growth.leaves, 2.0)
            return (truth + off)[:, None].astype(np.float32)

    monkeypatch.setattr(Boosted, "fit_on", lambda self, base, view, horizon, rng: Point(self, base))
    candidates = iter([Boosted(growth=Growth(leaves=15)), good, Boosted(growth=Growth(leaves=63))])
    monkeypatch.setattr(search, "drawn", lambda *_: next(candidates))
    # 15 leaves are far better on the older date and worse on the newer one; 8 are better on both.
    assert Tuned(trials=3).search(panel, 14, np.random.default_rng(1)) == good
    assert len(asked) == 4 * 2
    assert Tuned(trials=0).search(panel, 14, np.random.default_rng(1)) == Boosted()


def test_a_search_out_of_time_keeps_the_usual_settings_and_is_a_model():
    panel = shop(series=16, time=120)
    model = Tuned(seconds=0.0)
    assert model.search(panel, 7, np.random.default_rng(2)) == model.usual
    point = Tuned(trials=1).fit(panel, HORIZON, np.random.default_rng(2))
    means = after(point, panel)
    assert np.isfinite(means).all()
    np.testing.assert_array_equal(after(Tuned().restore(point.artifact()), panel), means)


@pytest.mark.tiny
def test_drawn_settings_come_from_the_lists():
    panel, rng = shop(series=8), np.random.default_rng(5)
    seen = [search.drawn(Boosted(), panel, rng) for _ in range(40)]
    assert {m.growth.power for m in seen} == set(search.GROWTH["power"])
    assert {m.keep for m in seen} == set(search.OTHERS["keep"])
    assert len({m.half_life for m in seen}) == len(search.MEMORY)
    assert all(isinstance(m.growth.leaves, int) for m in seen)


@pytest.mark.parametrize("page", ["boosted.md", "boosted.zh.md"])
def test_the_page_runs_and_tells_every_setting_as_it_is(page):
    text = (Path(__file__).parents[2] / "docs/howto" / page).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(block, names)
    assert names["forecast"].mean.shape == (12, 7)
    rows = [row.split("|")[1:3] for row in text.splitlines() if row.startswith("| `")]
    told = {name: value.strip() for names_, value in rows for name in re.findall(r"`(\w+)`", names_)}
    settings = {f.name for kind in (Boosted, Growth) for f in fields(kind)} - {"name", "capabilities"}
    assert set(told) - {"Boosted", "Growth"} == settings
    for name in ("draws", "volume", "keep", "share", "power"):
        assert float(told[name]) == getattr(Boosted() if hasattr(Boosted(), name) else Growth(), name)
    assert told["rows"].replace(",", "") == str(Boosted().rows)
    for names_, value in (("`rounds`", "{0.rounds}, {0.leaves}, {0.rate}"), ("`columns`", "{0.columns}, {0.part}")):
        line = next(v for n, v in rows if names_ in n)
        assert value.format(Growth()) in line.replace("、", ", ")


def test_of_series_long_unknown_or_unsold_the_trees_say_nothing():
    panel = shop(series=40, time=300, uplift=3.0)
    sales = panel.sales.copy()
    sales[:5, -150:] = np.nan
    sales[5:10, -150:] = 0
    sales[:10, :100] = 4
    panel = replace(panel, sales=sales, state=np.empty((0, 0), np.int8))
    point = replace(fitted(panel), keep=0.0)
    means, base = after(point, panel), after(point.base, panel)
    np.testing.assert_array_equal(means[:10], base[:10])
    assert (means[10:] != base[10:]).mean() > 0.9
