"""Stock-outs told and inferred."""

import numpy as np
import polars as pl
import pytest
from made_up_shop import day, moment, order, reader
from scipy.stats import nbinom

from windvane.clean import availability, build, lost, stockouts
from windvane.clean.stockouts import Rule, infer
from windvane.config import parse
from windvane.panel import NEVER

pytestmark = pytest.mark.tiny
RULE = Rule.of("1d", 0.001)


def steady(rng, series=60, time=200, rate=4.0):
    """Sales of a shop with a weekday pattern."""
    week = np.array([0.7, 0.8, 1.0, 1.0, 1.2, 1.5, 0.8])[np.arange(time) % 7]
    return rng.poisson(rate * week, (series, time)).astype(np.float32)


def found(sales, promoted=None, groups=None, rule=RULE):
    series = len(sales)
    none = np.zeros(sales.shape, bool)
    groups = np.zeros((1, series), np.int32) if groups is None else groups
    return infer(sales, np.zeros(series, np.int32), groups, none if promoted is None else promoted, rule)


def looked_back(sales, got):
    """What was lost, and what was wanted."""
    estimate = lost.estimate(sales, got.due, RULE, np.ones(len(sales), bool))
    cut_short = (got.since != NEVER) & (sales > 0)
    return estimate, lost.demand(sales, estimate, cut_short, np.ones(sales.shape, bool))


def demand(sales, got):
    return looked_back(sales, got)[1]


def test_a_hidden_run_is_found_when_sales_resume_and_not_before():
    sales = steady(np.random.default_rng(1))
    sales[3, 120:130] = 0
    got = found(sales)
    assert got.runs.tolist() == [[3, 120, 129, 130]]
    assert (got.since[3, 120:130] == 130).all()
    flagged = got.since != NEVER
    flagged[3, 119:131] = False
    assert not flagged.any()
    # Ten days at four a day: far below the threshold, and what was expected is about right.
    assert got.chance[0] < 1e-6
    assert got.units[0] == pytest.approx(40, rel=0.25)
    assert demand(sales, got)[3, 120:130].sum() == pytest.approx(40, rel=0.25)
    open_ended = found(sales[:, :130])
    assert not (open_ended.since != NEVER).any()
    assert (open_ended.open_chance[3], open_ended.open_length[3]) == (pytest.approx(got.chance[0]), 10)


def test_nothing_later_changes_a_flag_or_an_expectation():
    rng = np.random.default_rng(2)
    sales = steady(rng, rate=2.0)
    for s in range(0, 60, 3):
        begin = int(rng.integers(60, 170))
        sales[s, begin : begin + int(rng.integers(3, 15))] = 0
    promoted = rng.uniform(size=sales.shape) < 0.05
    before = found(sales, promoted)
    assert len(before.runs) > 10
    for t in (80, 120, 160, 199):
        other, plans = sales.copy(), promoted.copy()
        other[:, t + 1 :] = rng.poisson(50, other[:, t + 1 :].shape) * (rng.uniform(size=other[:, t + 1 :].shape) < 0.5)
        plans[:, t + 1 :] = ~plans[:, t + 1 :]
        after = found(other, plans)
        known = before.since[:, : t + 1] <= t
        np.testing.assert_array_equal(known, after.since[:, : t + 1] <= t)
        np.testing.assert_array_equal(before.since[:, : t + 1][known], after.since[:, : t + 1][known])
        np.testing.assert_array_equal(before.expected[:, : t + 1], after.expected[:, : t + 1])


def test_a_closed_shop_a_rare_seller_and_a_series_that_ends_are_no_stock_outs():
    rng = np.random.default_rng(3)
    sales = steady(rng)
    sales[:, 100:106] = 0
    sales[0] = rng.uniform(size=200) < 0.05
    sales[1, 150:] = 0
    sales[2] *= np.arange(200) % 7 >= 5
    # Zeros by chance are another matter, hence the small alpha.
    rule = Rule.of("1d", 1e-5)
    got = found(sales, rule=rule)
    assert len(got.runs) == 0
    assert got.open_chance[1] < 1e-6
    # Only one location closed: its own series say so.
    sales = steady(rng)
    sales[:30, 100:106] = 0
    places = np.stack([np.zeros(60), np.arange(60) < 30]).astype(np.int32)
    assert len(found(sales, groups=places, rule=rule).runs) == 0


def test_what_returns_each_season_was_not_out_of_stock():
    rng = np.random.default_rng(4)
    sales = steady(rng, time=800, rate=40.0)
    sales[:5, 300:340] = 0
    sales[:5, 664:704] = 0
    got = found(sales)
    assert sorted(set(got.runs[:, 1].tolist())) == [300]
    # Longer than two months is no stock-out either.
    sales[7, 400:470] = 0
    assert 7 not in found(sales).runs[:, 0]


def test_days_cut_short_at_the_edges_count_too():
    sales = steady(np.random.default_rng(5), rate=20.0)
    sales[0, 99], sales[0, 100:105], sales[0, 105] = 3, 0, 2
    sales[1, 99], sales[1, 100:105], sales[1, 105] = 25, 0, 30
    got = found(sales)
    assert (got.since[0, 99:106] == 105).all()
    assert (got.since[1, 100:105] == 105).all()
    assert got.since[1, 99] == got.since[1, 105] == NEVER
    assert (demand(sales, got)[0, 99:106] > 8).all()


def test_the_chance_of_a_run_is_the_product_of_its_zeros_for_a_well_known_rate():
    # One series alone, a rate known from hundreds of units, no overdispersion beyond the panel's: an oracle by scipy.
    rng = np.random.default_rng(6)
    sales = rng.poisson(1.0, (400, 300)).astype(np.float32)
    sales[:, 250:255] = 0
    sales[:, 255] = 1
    # Each series is its own group: no other says anything about the days.
    own = np.arange(400, dtype=np.int32)[None, :]
    got = found(sales, groups=own, rule=Rule.of("1d", 0.5))
    runs = got.runs[:, 1] == 250
    assert runs.sum() > 150
    units, chance = got.units[runs], got.chance[runs]
    plain = np.array([nbinom.pmf(0, 30.0, 30.0 / (30.0 + u)) for u in units])
    # A gamma-distributed rate of shape 30 makes the run of zeros negative binomial; smaller shapes make it likelier.
    assert (chance >= 0.7 * plain).all()
    assert np.median(chance / plain) == pytest.approx(1.0, abs=0.25)


def test_false_alarms_on_series_without_stock_outs_are_rare():
    rng = np.random.default_rng(7)
    rate = np.exp(rng.normal(0, 1.2, (400, 1)))
    sales = rng.poisson(rng.gamma(1.5, rate / 1.5, (400, 400))).astype(np.float32)
    got = found(sales)
    assert 1000 * (got.since != NEVER).mean() < 5
    added = demand(sales, got).sum(dtype=np.float64) / sales.sum(dtype=np.float64) - 1
    assert 0 <= added < 0.005


def test_short_stock_outs_of_slow_sellers_add_up_though_none_is_sure():
    rng = np.random.default_rng(12)
    truth = rng.poisson(1.0, (300, 400)).astype(np.float32)
    sales, empty = truth.copy(), np.zeros(truth.shape, bool)
    for s in range(150):
        begin = 40
        while begin < 395:
            empty[s, begin : begin + int(rng.integers(2, 7))] = True
            begin += int(rng.integers(10, 30))
    sales[empty] = 0
    got = found(sales)
    naive = sales.sum(dtype=np.float64) / truth.sum(dtype=np.float64) - 1
    bias = demand(sales, got).sum(dtype=np.float64) / truth.sum(dtype=np.float64) - 1
    assert naive < -0.07
    # Shelves are taken to run empty in the course of a day; these did between days, so that a little too much is added.
    assert abs(bias) < 0.03
    assert (got.since[empty] != NEVER).mean() < 0.3, "hardly any of them can be called a stock-out"
    estimate, _ = looked_back(sales, got)
    assert ((estimate.out >= 0) & (estimate.out <= 1)).all()
    assert (estimate.out[sales > 0] == 0).all()
    assert estimate.habits.sum() == pytest.approx(1)
    assert estimate.habits[0] == pytest.approx(0.5, abs=0.15), "half of the series never ran out"


def test_demand_behind_hidden_stock_outs_is_recovered():
    rng = np.random.default_rng(8)
    truth = steady(rng, series=200, time=300, rate=3.0) * (1 + (np.arange(200) % 3 == 0))[:, None]
    sales = truth.copy()
    for s in range(200):
        for begin in (60, 130, 200):
            first = begin + int(rng.integers(30))
            sales[s, first : first + int(rng.integers(3, 22))] = 0
    naive = sales.sum() / truth.sum() - 1
    bias = demand(sales, found(sales)).sum(dtype=np.float64) / truth.sum(dtype=np.float64) - 1
    assert naive < -0.1
    assert abs(bias) < 0.02


# --- through the whole of cleaning ---------------------------------------------------------------------------------


def shop(days=90, skus="abcdefgh", gap=("a", 60, 70)):
    sku, first, last = gap
    rng = np.random.default_rng(9)
    return [
        order(d, float(rng.poisson(5) + 1), s)
        for s in skus
        for d in range(days)
        if not (s == sku and first <= d < last)
    ]


def stock(on_hand, sku="a", share=None, known=None):
    return [
        {"sku": sku, "location": "all", "date": day(d), "on_hand": n, "known_at": moment(known or d)}
        | ({} if share is None else {"in_stock_share": share})
        for d, n in on_hand.items()
    ]


def cleaned(tables, **settings):
    return build(reader(tables), parse({"clean": settings}), horizon=7)


def test_inferred_stock_outs_are_unknown_to_models_from_the_moment_they_were_recognised():
    result = cleaned({"orders": shop()})
    panel = result.panel
    assert np.isnan(panel.sales[0, 60:70]).all()
    assert not np.isnan(panel.sales[1:]).any()
    assert (panel.as_of(day(69)).sales[0, 60:70] == 0).all()
    assert np.isnan(panel.as_of(day(70)).sales[0, 60:70]).all()
    frame = result.frame.filter(pl.col("sku") == "a", pl.col("date").is_between(day(60), day(69)))
    assert frame["sales"].null_count() == 10
    assert frame["raw_sales"].to_list() == [0.0] * 10
    assert frame["stockout"].to_list() == ["inferred"] * 10
    assert frame["demand"].mean() == pytest.approx(6, rel=0.25)
    kept = result.frame.filter(pl.col("stockout").is_null())
    assert (kept["demand"] >= kept["sales"]).all()
    assert kept["demand"].sum() == pytest.approx(kept["sales"].sum(), rel=0.002)
    rows = result.cleaning.filter(pl.col("rule") == "stock-out")
    assert rows["date"].to_list() == [day(d) for d in range(60, 70)]
    assert rows["before"].to_list() == [0.0] * 10
    assert rows["after"].to_list() == pytest.approx(frame["demand"].to_list(), abs=1e-3)
    assert rows["why"][0].startswith("10 days without a sale where ")
    assert "probability" in rows["why"][0]
    told = {row["check"]: row for row in result.findings.iter_rows(named=True)}
    assert told["stockouts_inferred"]["count"] == 10
    lost = result.frame["demand"].sum() - result.frame["raw_sales"].sum()
    assert lost >= frame["demand"].sum() - 1e-6
    assert told["stockouts_inferred"]["example"] == f"90 days: {lost:,.0f} units ≈ {2 * lost:,.0f} USD"


def test_told_stock_outs_need_no_inference_and_what_stock_calls_full_is_not_inferred():
    empty = stock(dict.fromkeys(range(60, 70), 0.0))
    told = cleaned({"orders": shop(), "stock": empty}, stockouts="told")
    known = told.frame.filter(pl.col("stockout").is_null())
    assert known["demand"].equals(known["sales"]), "nothing is guessed where only what is told counts"
    assert np.isnan(told.panel.sales[0, 60:70]).all()
    assert set(told.frame["stockout"].drop_nulls()) == {"told"}
    assert told.cleaning["why"][0].startswith("in stock for 0% of the time: 0 sold where ")
    full = cleaned({"orders": shop(), "stock": stock(dict.fromkeys(range(90), 9.0))})
    assert not np.isnan(full.panel.sales).any()
    off = cleaned({"orders": shop(), "stock": empty}, stockouts="off")
    assert not np.isnan(off.panel.sales).any()
    assert off.cleaning.is_empty()


def test_stock_that_became_known_late_counts_from_then_on():
    late = cleaned({"orders": shop(), "stock": stock(dict.fromkeys(range(60, 70), 0.0), known=80)})
    assert (late.panel.as_of(day(79)).sales[0, 60:70] == 0).all()
    assert np.isnan(late.panel.as_of(day(80)).sales[0, 60:70]).all()


def test_a_partly_empty_day_counts_if_it_sold_less_than_expected():
    rows = stock({40: 0.0}, share=0.2) + stock({41: 0.0}, share=0.8) + stock({45: 0.0}, share=0.2)
    orders = [
        row for row in shop(gap=("a", 0, 0)) if row["sku"] != "a" or row["ordered_at"] not in (moment(40), moment(45))
    ]
    result = cleaned({"orders": [*orders, order(40, 1.0, "a"), order(45, 60.0, "a")], "stock": rows})
    assert np.flatnonzero(np.isnan(result.panel.sales[0])).tolist() == [40]
    assert result.shelf.demand[0, 40] > 3


def test_weeks_are_judged_too():
    orders = shop(days=7 * 40, gap=("a", 7 * 30, 7 * 33))
    result = cleaned({"orders": orders}, freq="1w")
    assert np.flatnonzero(np.isnan(result.panel.sales[0])).tolist() == [30, 31, 32]
    assert result.cleaning["why"][0].startswith("3 weeks without a sale")


def test_groups_are_the_whole_the_location_the_category_and_both():
    keys = pl.DataFrame({"sku": list("aabb"), "location": list("nsns")})
    static = pl.DataFrame({"category_1": ["x", "x", "y", "y"]})
    assert availability.groups(keys, static).tolist() == [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1], [0, 2, 1, 3]]
    assert availability.groups(keys[:1], pl.DataFrame()).tolist() == [[0]]


def test_room_for_runs_is_made_as_needed():
    sales = steady(np.random.default_rng(11), rate=40.0)
    for s in range(40):
        sales[s, 100 + s : 110 + s] = 0
    none = np.zeros(sales.shape, bool)
    few = infer(sales, np.zeros(60, np.int32), np.zeros((1, 60), np.int32), none, RULE, told=3)
    np.testing.assert_array_equal(few.runs, found(sales).runs)
    assert len(few.runs) == 40
    assert stockouts.YEARS["1d"] == 364


def test_what_was_inferred_beside_a_table_that_tells_most_days_is_estimated_too():
    told = stock(dict.fromkeys(range(55), 9.0))
    result = cleaned({"orders": shop(), "stock": told})
    hidden = result.frame.filter(pl.col("stockout") == "inferred", pl.col("sku") == "a")
    assert hidden["date"].to_list() == [day(d) for d in range(60, 70)]
    assert hidden["demand"].mean() == pytest.approx(6, rel=0.25)
