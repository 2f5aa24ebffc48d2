"""What a builder refuses, what it writes into, and the ready lists."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feature_oracle import OracleShop
from ragged_panels import ragged, some_rows

from windvane.errors import ConfigError, InputError
from windvane.features import choose, spec
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows
from windvane.features.spec import Feature
from windvane.panel import Known

pytestmark = pytest.mark.tiny

WRONG = [
    ([spec.plan("views")], "known only in hindsight"),
    ([spec.until_next("sales", 5)], "known only in hindsight"),
    ([spec.plan("weather")], "no covariate 'weather'"),
    ([spec.mean(7, of="weather")], "no array 'weather'"),
    ([spec.mean(7, by="colour")], "no column 'colour'"),
    ([spec.static("colour")], "no static column 'colour'"),
    ([spec.mean(7), spec.mean(7)], "two features are called 'mean_7'"),
    ([Feature("x", "origin", kind="value", inputs=("price",))], "known by 'origin', but 'value' is known by 'plan"),
    ([Feature("x", "origin", kind="target_lag", inputs=("sales",), window=3)], "is known by 'step'"),
    ([Feature("x", "static", kind="mean", inputs=("sales",), window=3)], "is known by 'origin'"),
    ([Feature("x", "calendar", kind="value", inputs=("promo_cut",))], "is announced"),
    ([Feature("x", "origin", kind="trend", inputs=("sales",))], "nothing that can be computed"),
    ([spec.over(spec.mean(3), spec.over(spec.mean(7), spec.mean(9)))], "divided by a quotient"),
    ([spec.over(spec.mean(3), spec.plan("views"))], "known only in hindsight"),
    ([spec.calendar("moon")], "no fact of a date"),
]


@pytest.mark.parametrize(("features", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_declaration_that_cannot_be_kept_is_refused(features, message):
    with pytest.raises(ConfigError, match=message):
        FeatureMatrix(ragged(1), features)


def test_a_covariate_of_the_calendar_may_be_declared_so():
    panel = ragged(1)
    made = FeatureMatrix(panel, [replace(spec.plan("price"), known="calendar")])
    assert np.isfinite(made.build(some_rows(panel, 1))).any()


@pytest.mark.parametrize(
    "wrap", [lambda f: f, lambda f: spec.over(f, spec.mean(28)), lambda f: spec.over(spec.mean(28), f)]
)
def test_a_lag_of_the_target_is_refused_at_steps_it_cannot_serve(wrap):
    panel = ragged(1)
    made = FeatureMatrix(panel, [spec.step(), wrap(spec.target_lag(7))])
    assert made.build(Rows.after(7, 80, 7)).shape == (49, 2)
    with pytest.raises(InputError, match=r"'target_lag_7.*' is known for steps up to 7, but rows ask for step 8"):
        made.build(Rows.after(7, 80, 8))


@pytest.mark.parametrize(
    ("series", "origin", "step"),
    [
        ([0, 0], [9, 8], [1, 1]),
        ([1, 0], [9, 9], [1, 1]),
        ([0], [90], [1]),
        ([0], [-1], [1]),
        ([0], [9], [0]),
        ([7], [9], [1]),
    ],
)
def test_rows_that_are_not_there_are_refused(series, origin, step):
    rows = Rows(*(np.array(values, np.int32) for values in (series, origin, step)))
    with pytest.raises(InputError, match="rows must"):
        FeatureMatrix(ragged(1), [spec.mean(7)]).build(rows)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: spec.mean(0),
        lambda: spec.lag(-1),
        lambda: spec.quantile(1.2, 7),
        lambda: spec.decayed(0),
        lambda: spec.year_ago(4),
        lambda: spec.day_in("promo_cut", 0),
    ],
)
def test_windows_that_make_no_sense_are_refused(declare):
    with pytest.raises(ConfigError):
        declare()


def test_a_festival_that_is_not_held_is_refused():
    panel = ragged(1)
    with pytest.raises(ConfigError, match="no holiday or festival '春节'"):
        FeatureMatrix(panel, [spec.until_day("春节", 9, "US")]).build(some_rows(panel, 1))


def test_days_of_the_month_are_refused_for_weeks():
    panel = ragged(1, unit="1w")
    with pytest.raises(ConfigError, match="matter of days"):
        FeatureMatrix(panel, [spec.same_month_day(2)]).build(some_rows(panel, 1))


def test_it_writes_into_the_matrix_it_is_given_whatever_the_threads(monkeypatch):
    panel = ragged(1, series=40, time=150)
    rows = some_rows(panel, 1, count=60_000)
    made = FeatureMatrix(panel, choose.many(panel, country="CN", groups=("category",)))
    out = np.full((len(rows), len(made.features)), -7, np.float32)
    assert made.build(rows, out) is out
    monkeypatch.setenv("WINDVANE_THREADS", "3")
    assert np.array_equal(out.view(np.uint32), made.build(rows).view(np.uint32))


def test_no_rows_give_no_matrix():
    panel = ragged(1)
    assert FeatureMatrix(panel, [spec.mean(7)]).build(some_rows(panel, 1, count=0)).shape == (0, 1)


def test_codes_are_those_learned_at_fit():
    panel = ragged(1)
    learned = FeatureMatrix(panel, [spec.static("category")])
    assert learned.categories == {"category": ["c0", "c1", "c2"]}
    later = FeatureMatrix(panel, [spec.static("category")], categories={"category": ["c2", "c0"]})
    assert later.build(Rows.after(7, 50, 1))[:, 0].tolist() == [1, -1, 0, -1, -1, 0, 1]


@pytest.mark.parametrize("unit", ["1d", "1w"])
@pytest.mark.parametrize("pick", [choose.few, choose.many, choose.relative])
def test_the_ready_lists_are_those_of_the_oracle(unit, pick):
    panel = replace(ragged(4, unit=unit, time=420), hierarchy=("location", "category"))
    rows = some_rows(panel, 2, count=30)
    features = pick(panel)
    matrix, oracle = FeatureMatrix(panel, features).build(rows), OracleShop(panel, rows)
    assert len(features) >= (50 if pick is choose.many else 15)
    for k, f in enumerate(features):
        np.testing.assert_allclose(
            matrix[:, k], oracle.value(f).astype(np.float32), rtol=2e-5, atol=2e-5, err_msg=f.name
        )


@pytest.mark.parametrize("page", ["features.md", "features.zh.md"])
def test_the_examples_of_the_page_run(page):
    panel = ragged(1, time=420)
    changed = replace(panel, sales=panel.sales + 1, stockouts=None)
    names = {"panel": panel, "later_panel": changed, "rows": some_rows(panel, 1, horizon=28)}
    text = (Path(__file__).parents[2] / "docs/howto" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    for block in blocks:
        exec(block.replace("17", "5"), names)
    assert len(blocks) == 2
    assert names["matrix"].shape == (7 * 28, len(names["wanted"]))
    told = re.findall(r"^\| (`.*?)\s*\|", text, re.M)
    said = {name for row in told for name in re.findall(r"`(\w+)", row)}
    # Every function that declares a feature is in the table.
    declares = {n for n, f in vars(spec).items() if inspect.isfunction(f) and f.__module__ == spec.__name__}
    assert {n for n in declares if not n.startswith("_")} <= said


def test_a_promotion_announced_late_is_not_seen_before():
    panel = ragged(1)
    values = np.zeros((7, 110), np.float32)
    since = np.full((7, 110), -1, np.int32)
    values[2, 60:65], since[2, 60:65] = 0.4, 57
    panel = replace(panel, known={"promo": Known(values, since, "unknown")})
    made = FeatureMatrix(panel, [spec.plan("promo"), spec.until_next("promo", 20), spec.day_in("promo", 9)])
    rows = [Rows(*(np.array([v], np.int32) for v in (2, origin, 62 - origin))) for origin in (56, 57)]
    assert np.isnan(made.build(rows[0])[0, 0])
    assert made.build(rows[0])[0, 1] == 20  # none announced so far
    np.testing.assert_allclose(made.build(rows[1])[0], [0.4, 0, 3], rtol=1e-6)
