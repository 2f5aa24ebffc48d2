"""Growth and direction on simulated demand with known slopes."""

import numpy as np
import polars as pl
import pytest

from windvane import schema
from windvane.forecasts import Forecast
from windvane.freq import Freq
from windvane.outlook.trends import quasi_poisson, shrink, trends
from windvane.panel import ENDED, PRELAUNCH, Panel

FIRST = 20_000


def make_panel(sales, categories=None, unit="1d", launch=None):
    sales = np.array(sales, np.float32)
    freq = Freq(unit)
    keys = pl.DataFrame({"sku": [f"s{i:04d}" for i in range(len(sales))], "location": ["all"] * len(sales)})
    state = np.ones(sales.shape, np.int8)
    if launch is not None:
        before = np.arange(sales.shape[1]) < np.asarray(launch)[:, None]
        state[before], sales[before] = PRELAUNCH, np.nan
    static = pl.DataFrame({"category_1": categories}) if categories else pl.DataFrame()
    dates = freq.dates(np.arange(FIRST, FIRST + sales.shape[1]))
    return Panel(keys=keys, sales=sales, dates=dates, freq=freq, static=static, state=state)


def make_forecast(panel, mean=1.0, horizon=28):
    values = np.full((panel.shape[0], horizon), mean, np.float32)
    quantiles = np.repeat(values[:, :, None], 3, axis=2)
    dates = panel.future_dates(horizon)
    return Forecast(panel.keys, panel.cutoff, dates, values, quantiles, (0.1, 0.5, 0.9), panel.identity)


def simulate(rng, series, slopes, level, days=120, dispersion=5.0):
    """Daily counts of rising or falling series: negative binomial, slopes in logs per week over the last 12 weeks."""
    base = level * np.exp(rng.normal(0, 0.5, series))[:, None]
    since = np.maximum(np.arange(days) - (days - 84), 0) / 7
    expected = base * np.exp(np.asarray(slopes)[:, None] * since)
    return rng.poisson(expected * rng.gamma(dispersion, 1 / dispersion, expected.shape))


def of_series(found):
    return found.filter(pl.col("level") == "series").sort("sku")


@pytest.mark.tiny
def test_without_growth_the_raw_interval_covers_four_in_five_times():
    rng = np.random.default_rng(1)
    for level in (0.3, 2, 20):
        weekly = simulate(rng, 1500, np.zeros(1500), level).astype(float)[:, -84:].reshape(1500, 12, 7).sum(2)
        found = quasi_poisson(weekly)
        inside = np.abs(found.slope) <= 1.2816 * found.error
        assert 0.76 < inside.mean() < 0.86, level


@pytest.mark.tiny
def test_without_growth_few_series_are_called_rising_or_falling():
    rng = np.random.default_rng(2)
    for days in (120, 500):
        sales = simulate(rng, 800, np.zeros(800), 5, days)
        panel = make_panel(sales, [f"c{i % 5}" for i in range(800)])
        found = of_series(trends(panel, make_forecast(panel), sales))
        called = found["trend"].is_in(["rising", "falling"]).mean()
        covered = ((found["growth_low"] <= 0) & (found["growth_high"] >= 0)).mean()
        assert called < 0.05
        assert covered > 0.9


@pytest.mark.tiny
def test_the_regression_recovers_an_exact_exponential():
    weeks = np.arange(12)
    found = quasi_poisson(1e6 * np.exp(np.array([[0.05], [-0.1], [0.0]]) * weeks))
    np.testing.assert_allclose(found.slope, [0.05, -0.1, 0.0], atol=1e-5)
    assert (found.error < 1e-3).all()


@pytest.mark.tiny
def test_planted_slopes_are_recovered():
    rng = np.random.default_rng(3)
    slopes = rng.choice([-0.08, 0.0, 0.08], 600)
    sales = simulate(rng, 600, slopes, 8)
    panel = make_panel(sales, [f"c{i % 5}" for i in range(600)])
    found = of_series(trends(panel, make_forecast(panel), sales))
    estimated = np.log1p(found["growth"].to_numpy()) / 4
    for slope, name in ((-0.08, "falling"), (0.0, "steady"), (0.08, "rising")):
        mine = slopes == slope
        # Drawn towards the middle by up to a fifth, by design.
        assert abs(estimated[mine].mean() - slope) < 0.016
        assert (found["trend"].to_numpy()[mine] == name).mean() > 0.75
    low, high = (np.log1p(found[name].to_numpy()) / 4 for name in ("growth_low", "growth_high"))
    assert 0.72 < ((low <= slopes) & (slopes <= high)).mean() < 0.9


@pytest.mark.tiny
def test_shrinkage_beats_both_no_pooling_and_full_pooling():
    rng = np.random.default_rng(4)
    centre = np.repeat(rng.normal(0, 0.05, 10), 60)
    slopes = centre + rng.normal(0, 0.03, 600)
    sales = simulate(rng, 600, slopes, 1)
    panel = make_panel(sales, [f"c{i // 60}" for i in range(600)])
    found = trends(panel, make_forecast(panel), sales)
    drawn = np.log1p(of_series(found)["growth"].to_numpy()) / 4
    raw = quasi_poisson(sales[:, -84:].reshape(600, 12, 7).sum(2).astype(float)).slope
    of_category = np.log1p(found.filter(pl.col("level") == "category").sort("category")["growth"].to_numpy()) / 4

    def miss(estimate):
        return float(np.mean((estimate - slopes) ** 2))

    assert miss(drawn) < 0.9 * miss(raw)
    assert miss(drawn) < miss(np.repeat(of_category, 60))


@pytest.mark.tiny
def test_a_yearly_season_is_not_taken_for_growth():
    rng = np.random.default_rng(5)
    days = 3 * 364 + 100
    season = np.exp(0.5 * np.sin(2 * np.pi * np.arange(days) / 364))
    rates = []
    for sales in (rng.poisson(20 * season, (40, days)), rng.poisson(20 * season[-100:], (40, 100))):
        panel = make_panel(sales)
        total = trends(panel, make_forecast(panel), sales).filter(pl.col("level") == "total")
        rates.append(abs(total["growth"].item()))
    assert rates[0] < 0.5 * rates[1]


@pytest.mark.tiny
def test_directions_that_life_decides():
    rng = np.random.default_rng(6)
    sales = rng.poisson(5, (5, 120))
    sales[1, 85:] = 0
    sales[3] = 0
    sales[3, ::40] = 1
    panel = make_panel(sales, launch=[0, 0, 90, 0, 0])
    panel.state[4, 100:] = ENDED
    found = of_series(trends(panel, make_forecast(panel)))
    assert found["trend"].to_list()[1:] == ["ending", "new", "steady", "ending"]
    assert found["revenue"].null_count() == 5
    assert found["money"].null_count() == 5


@pytest.mark.tiny
def test_rows_add_up_and_rank_by_money():
    rng = np.random.default_rng(7)
    sales = rng.poisson(4, (30, 120))
    panel = make_panel(sales, ["x", "y", "z"] * 10)
    found = trends(panel, make_forecast(panel, 2.0), sales * np.float32(3))
    assert dict(found.schema) == dict(schema.DERIVED["trends"].types)
    for column in ("recent", "ahead", "revenue"):
        sums = found.group_by("level").agg(pl.col(column).sum())[column]
        assert sums.max() == pytest.approx(sums.min())
    total = found.filter(pl.col("level") == "total").row(0, named=True)
    assert total["recent"] == sales[:, -28:].sum()
    assert total["ahead"] == 30 * 28 * 2
    assert total["money"] == pytest.approx(total["growth"] * total["revenue"])
    for _, part in found.group_by("level"):
        ordered = part.sort("rank")
        assert ordered["rank"].to_list() == list(range(1, part.height + 1))
        assert ordered["money"].abs().is_sorted(descending=True)


@pytest.mark.tiny
def test_weekly_panels_and_short_histories():
    rng = np.random.default_rng(8)
    slopes = np.full(50, 0.06)
    daily = simulate(rng, 50, slopes, 6, 140)
    weekly = make_panel(daily.reshape(50, 20, 7).sum(2), unit="1w")
    found = trends(weekly, make_forecast(weekly, horizon=3)).filter(pl.col("level") == "total").row(0, named=True)
    assert np.log1p(found["growth"]) / 4 == pytest.approx(0.06, abs=0.01)
    assert found["trend"] == "rising"
    assert found["recent"] == daily[:, -28:].sum()
    assert found["ahead"] == pytest.approx(50 * 4)
    short = make_panel(daily[:, :20])
    rows = trends(short, make_forecast(short))
    assert rows["growth"].null_count() == rows.height
    assert set(rows["trend"]) == {"steady"}
    one = make_panel(np.ones((1, 1)))
    assert trends(one, make_forecast(one, horizon=1)).height == 2


@pytest.mark.tiny
def test_rows_without_an_estimate_take_their_parents():
    own = quasi_poisson(np.array([[np.nan] * 10 + [3.0, 4.0], [5.0] * 12]))
    parent = quasi_poisson(np.array([[100.0] * 12]) * np.exp(0.02 * np.arange(12)))
    found = shrink(own, parent, np.zeros(2, int))
    assert found.slope[0] == parent.slope[0]
    assert found.error[0] > parent.error[0]


@pytest.mark.tiny
def test_a_few_bulk_buyers_do_not_hide_everybody_elses_growth():
    rng = np.random.default_rng(9)
    slopes = rng.normal(0, 0.08, 400)
    sales = simulate(rng, 400, slopes, 10)
    sales[:8] = 0
    sales[:8, ::37] = 20_000
    panel = make_panel(sales)
    found = of_series(trends(panel, make_forecast(panel), sales))
    estimated = np.log1p(found["growth"].to_numpy()) / 4
    assert np.corrcoef(estimated[8:], slopes[8:])[0, 1] > 0.8
    assert found["growth"].max() <= 1.0
    assert found["growth"].min() >= -0.5


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("unit", "periods", "per_day"), [("1h", 24 * 84, 24), ("1w", 12, 1 / 7), ("1mo", 12, 12 / 365.25)]
)
def test_growth_is_per_28_days_whatever_the_period(unit, periods, per_day):
    days = np.arange(periods) / per_day
    sales = np.repeat((1000 / per_day) * 1.1 ** (days / 28)[None, :], 3, axis=0)
    found = trends(make_panel(np.round(sales), unit=unit), make_forecast(make_panel(sales, unit=unit), horizon=4))
    total = found.filter(pl.col("level") == "total").row(0, named=True)
    assert total["growth"] == pytest.approx(0.1, abs=0.004)
    assert total["trend"] == "rising"
