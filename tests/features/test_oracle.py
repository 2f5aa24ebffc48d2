"""Every feature against the same thing in SQL, and against a changed future."""

from __future__ import annotations

import numpy as np
import pytest
from feature_oracle import OracleShop
from ragged_panels import ragged, some_rows, wild, without_future

from windvane.features import spec
from windvane.features.matrix import FeatureMatrix
from windvane.features.plans import KINDS as PLAN_KINDS
from windvane.features.rows import CALENDAR, Rows
from windvane.features.windows import KINDS as TRACK_KINDS

pytestmark = pytest.mark.tiny

DAILY = [
    spec.step(), spec.lag(), spec.lag(7), spec.lag(1, of="views"), spec.mean(1), spec.mean(7), spec.mean(28),
    spec.std(7),
    spec.std(28), spec.least(9), spec.largest(14), spec.median(7), spec.quantile(0.9, 21), spec.quantile(0.25, 28),
    spec.zeros(28), spec.coverage(28), spec.decayed(3), spec.decayed(14, 30), spec.expanding(), spec.since_sale(20),
    spec.since_sale(400), spec.zero_run(25), spec.zero_run(400), spec.age(40), spec.same_season(1), spec.same_season(4),
    spec.same_month_day(1), spec.same_month_day(2), spec.target_lag(14), spec.target_lag(21),
    spec.mean(7, of="in_stock"), spec.lag(of="in_stock"), spec.mean(14, of="price"), spec.mean(7, of="promo_cut"),
    spec.std(10, of="views"), spec.lag(2, by="all"), spec.mean(7, by="category"), spec.std(9, by="location"),
    spec.largest(5, by="sku"), spec.median(6, by="category"), spec.same_season(3, by="location"),
    spec.expanding(by="category"), spec.decayed(4, by="all"), spec.mean(28, of="price", by="category"),
    spec.lag(1, of="promo_mail", by="category"), spec.age(500, by="category"), spec.since_sale(30, by="location"),
    spec.target_lag(15, by="category"), spec.plan("price"), spec.plan("promo_cut"), spec.change("price", 30),
    spec.since_change("price", 30), spec.change("promo_cut", 9), spec.day_in("promo_cut", 12),
    spec.day_in("promo_cut", 3), spec.until_next("promo_cut", 15), spec.since_last("promo_cut", 15),
    spec.until_next("promo_mail", 30), spec.since_last("promo_mail", 4), spec.day_in("price", 9, code=2),
    spec.until_next("price", 9, code=3), spec.running(["promo_cut", "promo_mail"]), spec.static("category"),
    spec.static("location"), *(spec.calendar(fact) for fact in CALENDAR),
    spec.until_day("春节", 60, "CN"), spec.since_day("春节", 40, "CN"), spec.until_day("Black Friday", 300, "US"),
    spec.since_day("端午节", 300, "CN"),
    spec.over(spec.mean(3), spec.mean(28)), spec.over(spec.plan("price"), spec.mean(28, of="price")),
    spec.over(spec.plan("price"), spec.mean(20, of="price", by="category")), spec.over(spec.lag(1), spec.lag(4)),
]  # fmt: skip
LONG = [
    spec.year_ago(), spec.year_ago(7), spec.year_ago(3, count=2), spec.year_ago(7, by="category"),
    spec.year_ago(1, country="CN"), spec.year_ago(5, country="CN"), spec.year_ago(3, country="US", count=2),
    spec.year_ago(3, of="views", country="CN"), spec.mean(364), spec.quantile(0.5, 300), spec.decayed(60),
    spec.expanding(), spec.same_month_day(12), spec.same_season(30),
]  # fmt: skip
WEEKLY = [
    spec.mean(4), spec.std(13), spec.same_season(2), spec.year_ago(), spec.year_ago(3), spec.decayed(8),
    spec.expanding(), spec.plan("promo_cut"), spec.since_last("promo_cut", 10), spec.lag(1, by="category"),
    spec.calendar("month"), spec.until_day("春节", 60, "CN"), spec.since_day("Christmas Eve", 12, "US"),
]  # fmt: skip


def compare(panel, rows, features):
    matrix = FeatureMatrix(panel, features).build(rows)
    oracle = OracleShop(panel, rows)
    for k, feature in enumerate(features):
        want = oracle.value(feature).astype(np.float32)
        np.testing.assert_allclose(matrix[:, k], want, rtol=2e-5, atol=2e-5, err_msg=feature.name)


def test_every_kind_is_compared():
    told = {f.kind for f in DAILY + LONG + WEEKLY}
    assert told == {*TRACK_KINDS, *PLAN_KINDS, "calendar", "until_day", "since_day", "static", "step"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("whole", [False, True])
def test_daily_features_are_those_of_the_oracle(seed, whole):
    panel = ragged(seed, whole=whole)
    compare(panel, some_rows(panel, seed), DAILY)


def test_features_that_look_far_back_are_those_of_the_oracle():
    panel = ragged(11, series=3, time=900)
    compare(panel, some_rows(panel, 3, count=40), LONG)


@pytest.mark.parametrize("seed", range(2))
def test_weekly_features_are_those_of_the_oracle(seed):
    panel = ragged(seed, unit="1w", series=4, time=170)
    compare(panel, some_rows(panel, seed), WEEKLY)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_not_known_at_the_origin_changes_no_row(seed):
    panel = ragged(seed)
    origin = int(np.random.default_rng(seed).integers(20, panel.shape[1] - 1))
    rows = some_rows(panel, seed, count=400)
    rows = rows.part(np.flatnonzero(rows.origin <= origin))
    then = FeatureMatrix(panel, DAILY).build(rows)
    now = FeatureMatrix(without_future(panel, origin, seed), DAILY).build(rows)
    differ = (then.view(np.uint32) != now.view(np.uint32)).any(axis=0)
    assert not differ.any(), [f.name for f, d in zip(DAILY, differ, strict=True) if d]


@pytest.mark.parametrize("seed", range(3))
def test_a_panel_cut_at_the_origin_gives_the_same_rows(seed):
    panel = ragged(seed)
    origin = 70
    rows = Rows.after(panel.shape[0], origin, 14)
    whole = FeatureMatrix(panel, DAILY).build(rows)
    cut = FeatureMatrix(panel.as_of(panel.dates[origin]), DAILY).build(rows)
    assert np.array_equal(whole.view(np.uint32), cut.view(np.uint32))


@pytest.mark.parametrize("seed", range(3))
def test_rows_come_out_the_same_asked_for_alone_or_together(seed):
    panel = wild(ragged(seed, time=200), seed)
    rows = some_rows(panel, seed, count=80)
    together = FeatureMatrix(panel, DAILY).build(rows)
    one = FeatureMatrix(panel, DAILY)
    for r in range(0, len(rows), 7):
        alone = one.build(rows.part(slice(r, r + 1)))
        assert np.array_equal(alone.view(np.uint32)[0], together.view(np.uint32)[r])


def test_a_panel_that_starts_later_gives_the_same_windows():
    panel = wild(ragged(5, time=200), 5)
    wanted = [spec.mean(7), spec.std(28), spec.decayed(3, 20), spec.mean(9, by="category"), spec.lag(3)]
    origin = np.tile(np.arange(150, 200, dtype=np.int32), panel.shape[0])
    rows = Rows(np.repeat(np.arange(panel.shape[0], dtype=np.int32), 50), origin, np.ones(len(origin), np.int32))
    late = panel._from_column(110)
    shifted = Rows(rows.series, rows.origin - np.int32(110), rows.step)
    first, second = FeatureMatrix(panel, wanted).build(rows), FeatureMatrix(late, wanted).build(shifted)
    assert np.array_equal(first.view(np.uint32), second.view(np.uint32))
