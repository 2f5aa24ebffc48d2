"""The stage that a simulated shop gives to policies, and its oracle."""

from __future__ import annotations

import numpy as np
import pytest

from windvane.decisions.policies import LeastCost, MovingAverage
from windvane.decisions.simulate import simulate
from windvane.sim import Settings
from windvane.sim.play import play

pytestmark = pytest.mark.tiny
BEGIN = 120


@pytest.fixture(scope="module")
def shop():
    return play(Settings(products=60, days=BEGIN + 70, rate=2.0), seed=3, begin=BEGIN)


def test_only_what_is_on_sale_when_the_play_begins_is_played(shop):
    series, days = shop.stage.demand.shape
    assert 40 < series <= 60
    assert days == BEGIN + 70
    assert shop.panel.shape == (series, BEGIN)
    np.testing.assert_array_equal(shop.panel.sales, shop.stage.demand[:, :BEGIN])
    assert not np.isnan(shop.panel.sales[:, -28:]).any()
    assert set(shop.panel.known) >= {"price", "promotion", "placement", "own_event", "holiday"}
    # Plans reach a month beyond the last day of the play.
    assert all(known.values.shape[1] >= days for known in shop.panel.known.values())


def test_lead_times_are_those_of_the_terms(shop):
    for row in range(len(shop.stage.waits)):
        assert set(shop.stage.waits[row].tolist()) <= set(shop.terms.leads[row].tolist())
    assert len(np.unique(shop.stage.waits - shop.terms.leads[:, :1])) > 3


def test_the_oracle_that_sees_the_weather_knows_every_mean_and_no_draw(shop):
    look = shop.oracle(28, foreseen=True)
    found = look(BEGIN, np.zeros((1, 0)), np.zeros((1, 0)))
    np.testing.assert_allclose(found.mean, shop.expected[:, BEGIN : BEGIN + 28], rtol=1e-5)
    demand = shop.stage.demand[:, BEGIN : BEGIN + 28]
    below = [(demand < found.quantile(level)).mean() for level in (0.1, 0.5, 0.9, 0.975)]
    within = [(demand <= found.quantile(level)).mean() for level in (0.1, 0.5, 0.9, 0.975)]
    for low, high, level in zip(below, within, (0.1, 0.5, 0.9, 0.975), strict=True):
        assert low - 0.03 <= level <= high + 0.03
    # Paths sum to what is expected.
    assert found.totals(200).mean() == pytest.approx(found.mean.sum(axis=1).mean(), rel=0.03)


def test_the_oracle_knows_how_the_weather_stands_and_not_how_it_turns():
    """Over many days its means are right on average, and sums of categories are covered."""
    place = play(Settings(products=120, days=520, shock=0.3, rate=6.0), seed=5, begin=200)
    look = place.oracle(28)
    category = np.unique(place.panel.static["category"].to_numpy(), return_inverse=True)[1]
    ratio, inside = [], []
    for morning in range(200, 490, 14):
        found = look(morning, np.zeros((1, 0)), np.zeros((1, 0)))
        seen = place.oracle(28, foreseen=True)(morning, np.zeros((1, 0)), np.zeros((1, 0)))
        ratio.append(found.mean.sum() / seen.mean.sum())
        paths, sold = found.totals(200), place.stage.demand[:, morning : morning + 28].sum(axis=1, dtype=float)
        for group in range(category.max() + 1):
            low, high = np.quantile(paths[category == group].sum(axis=0), [0.1, 0.9])
            inside.append(low <= sold[category == group].sum() <= high)
    assert np.mean(ratio) == pytest.approx(1, abs=0.06)
    assert np.std(ratio) > 0.02
    assert 0.72 < np.mean(inside) < 0.9


def test_the_forecaster_sees_what_was_sold_and_not_what_was_asked_for_on_empty_days(shop):
    asked = []

    def forecast(panel):
        asked.append(panel)
        raise StopIteration

    sold = shop.stage.demand[:, : BEGIN + 7].copy()
    empty = np.zeros(sold.shape, bool)
    empty[2, -1] = True
    with pytest.raises(StopIteration):
        shop.forecaster(forecast)(BEGIN + 7, sold, empty)
    (panel,) = asked
    assert panel.shape == sold.shape
    assert np.isnan(panel.sales[2, -1])
    assert panel.stockouts.sold[2, -1] == sold[2, -1]
    assert np.isnan(panel.sales).sum() == np.isnan(sold).sum() + 1
    assert panel.cutoff == shop.stage.dates[BEGIN + 6]


def test_who_knows_the_distribution_pays_less_than_usual_practice(shop):
    usual = simulate(MovingAverage(), shop.stage, shop.terms, shop.oracle(1))
    best = simulate(LeastCost(), shop.stage, shop.terms, shop.oracle(28))
    assert best.cost() < 0.6 * usual.cost()
    assert best.fill_rate() > 0.98
