"""What moves together: sized from past sums, found again in a shop where it is known, and told apart from chance."""

from dataclasses import replace
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from windvane.forecasts import Dependence
from windvane.freq import Freq
from windvane.models import registry
from windvane.models.wrappers import dependence
from windvane.models.wrappers.calibrate import Evidence, related
from windvane.models.wrappers.dependence import Groups, Relations, kinds_of, learn, usual
from windvane.models.wrappers.distribution import Pairs, growth
from windvane.panel import Panel
from windvane.sampling import Sampler
from windvane.schema import QUANTILE_LEVELS

HORIZON = 14


def shop(days=420, series=120, shocks=(0.0, 0.0, 0.0), level=20.0, seed=1) -> Panel:
    """Poisson demand of forty products at three locations, two categories.

    Args:
        shocks: standard deviations of what all share on one day, of what a category shares over a fortnight, and of
            what a series has of its own over a fortnight.
    """
    rng = np.random.default_rng(seed)
    category = (np.arange(series) // 3) % 2
    every = rng.normal(0, shocks[0], days)[None, :]
    fortnight = np.arange(days) // HORIZON
    of_category = rng.normal(0, shocks[1], (2, days))[category][:, fortnight]
    of_series = rng.normal(0, shocks[2], (series, days))[:, fortnight]
    factor = np.exp(every + of_category + of_series)
    sales = rng.poisson(level * factor).astype(np.float32)
    return Panel(
        keys=pl.DataFrame(
            {"sku": [f"p{i // 3}" for i in range(series)], "location": [f"l{i % 3}" for i in range(series)]}
        ),
        sales=sales,
        dates=pl.date_range(date(2025, 1, 1), date(2025, 1, 1) + timedelta(days - 1), eager=True).alias("date"),
        freq=Freq("1d"),
        static=pl.DataFrame({"category_1": [f"c{c}" for c in category], "maker": [f"m{c}" for c in category]}),
    )


def truth(panel: Panel, level=20.0) -> Evidence:
    """Forecasts that know all but the shocks, at the beginnings of fortnights."""
    origins = np.arange(HORIZON, panel.shape[1] - HORIZON, HORIZON) - 1
    return Evidence(origins, np.full((panel.shape[0], len(origins), HORIZON), level, np.float32))


def deviations(panel: Panel, relations: Relations) -> dict[tuple[str, ...], np.ndarray]:
    """Standard deviations of the three parts by kind."""
    return {kind: np.sqrt(part) for kind, part in zip(relations.kinds, relations.shocks, strict=True)}


@pytest.mark.tiny
def test_kinds_of_groups():
    panel = shop(60)
    # The maker names the same groups as the category; products have three series each.
    assert kinds_of(panel) == ((), ("category_1",), ("location",), ("location", "category_1"), ("sku",))
    assert kinds_of(panel.take(np.array([0]))) == ((),)


@pytest.mark.tiny
def test_moments_are_those_of_plain_loops():
    panel = shop(100, 12, (0.1, 0.2, 0.3))
    panel.sales[3, 50:60] = np.nan
    origins, horizon = np.array([40, 63]), 14
    means = np.random.default_rng(0).gamma(20, 1, (12, 2, horizon)).astype(np.float32)
    level, windows = usual(panel), (1, 7, 14)
    groups = tuple(Groups.by(panel, kind, level) for kind in ((), ("category_1",)))
    layout = dependence._Layout(groups, np.zeros(12, np.int64), level, windows)
    found = dependence._moments(panel, origins, means, layout).kinds
    for k, group in enumerate(groups):
        for w, width in enumerate(windows):
            per_origin = []
            for o, origin in enumerate(origins):
                top = bottom = 0.0
                for g in range(len(group.names)):
                    size = 0.0
                    cells = []
                    for first in range(0, horizon, width):
                        sold = expected = square = 0.0
                        for i in np.flatnonzero(group.code == g):
                            for step in range(first, first + width):
                                y, m = float(panel.sales[i, origin + 1 + step]), float(means[i, o, step])
                                if not np.isnan(y):
                                    sold, expected, square = sold + y, expected + m, square + (y - m) ** 2
                        cells.append((sold, expected, square))
                        size += expected
                    for sold, expected, square in cells:
                        base = max(expected, (sold + expected) / 2)
                        top += ((sold - expected) ** 2 - square) / base**2 * np.sqrt(expected / size)
                        bottom += np.sqrt(expected / size)
                per_origin.append(top / bottom)
            assert found[k, w] == pytest.approx(np.mean(per_origin), rel=1e-6)


def test_shocks_are_found_again():
    panel = shop(shocks=(0.1, 0.15, 0.2))
    found = deviations(panel, learn(panel, HORIZON, truth(panel)))
    fresh, stays = found[()][0], found[("category_1",)][2]
    together = np.sqrt(sum(part[1] ** 2 + part[2] ** 2 for part in found.values()))
    assert fresh == pytest.approx(0.1, abs=0.04)
    assert stays == pytest.approx(0.15, abs=0.08)
    assert together < 0.3
    own = np.sqrt(learn(panel, HORIZON, truth(panel)).own.sum(axis=1))
    assert np.median(own) == pytest.approx(0.2, abs=0.08)


def test_where_nothing_is_shared_little_is_found():
    panel = shop()
    relations = learn(panel, HORIZON, truth(panel))
    # A single window cannot exclude a few per cent.
    assert np.sqrt(relations.shocks.sum()) < 0.1
    assert np.sqrt(relations.own.sum(axis=1)).max() < 0.15


def coverage(panel: Panel, origin: int, related_to: bool) -> tuple[float, float]:
    """Places of the actual sums of categories over the horizon among those of paths."""
    past = panel.as_of(panel.dates[origin])
    model = registry.model("moving_average", dependent=related_to)
    forecast = model.fit(past, HORIZON, np.random.default_rng(1)).predict(past)
    code = (np.arange(120) // 3) % 2
    sums = np.zeros((2, 200))
    for rows, paths in forecast.paths(200):
        for c in (0, 1):
            sums[c] += paths[code[rows] == c].sum(axis=(0, 2))
    actual = panel.sales[:, origin + 1 : origin + 1 + HORIZON].sum(axis=1)
    return tuple(float((sums[c] < actual[code == c].sum()).mean()) for c in (0, 1))


@pytest.mark.parametrize(("related_to", "low", "high"), [(True, 0.62, 0.98), (False, 0.0, 0.5)])
def test_sums_of_categories_are_covered(related_to, low, high):
    """Thirty held-out sums of a category over the horizon in three shops: 80 % of them lie within the 80 % interval."""
    places = []
    for seed in (1, 2, 3):
        panel = shop(shocks=(0.08, 0.12, 0.2), seed=seed)
        for origin in range(279, 279 + 5 * 2 * HORIZON, 2 * HORIZON):
            if origin + HORIZON < panel.shape[1]:
                places += coverage(panel, origin, related_to)
    inside = np.mean([0.1 < place < 0.9 for place in places])
    assert len(places) == 30
    assert low <= inside <= high


@pytest.mark.tiny
def test_a_part_of_the_series_moves_as_it_does_within_the_whole():
    panel = shop(120)
    relations = Relations(
        kinds=((), ("category_1",), ("sku",)),
        shocks=np.array([[0.01, 0, 0], [0, 0.01, 0.02], [0, 0, 0.04]]),
        edges=np.array([10.0]),
        own=np.array([[0.0, 0.1], [0.1, 0.2]]),
        memory=0.7,
    )
    whole, part = relations.of(panel), relations.of(panel.take(np.arange(60)))
    assert whole.code.shape == (120, 2)
    assert np.array_equal(whole.groups, part.groups)
    assert np.array_equal(whole.twin[:60], part.twin)
    assert len(np.unique(whole.twin)) == 40
    assert (whole.twin_shocks[:, 2] > 0).all()
    assert np.allclose(whole.own, np.sqrt([0.1, 0.2]))


@pytest.mark.tiny
def test_relations_are_saved_and_restored():
    panel = shop(120)
    first = learn(panel, HORIZON)
    second = Relations.restore(first.artifact())
    assert first.kinds == second.kinds
    assert first.memory == second.memory
    for name in ("shocks", "edges", "own"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.tiny
@pytest.mark.parametrize("days", [1, 2, 5, 16, 40])
def test_short_histories_have_a_usual_relation(days):
    relations = learn(shop(days), HORIZON)
    assert np.isfinite(relations.shocks).all()
    assert np.isfinite(relations.own).all()
    assert (relations.shocks >= 0).all()


@pytest.mark.tiny
def test_nothing_is_learned_from_what_came_after():
    panel = shop(200, shocks=(0.1, 0.1, 0.1))
    later = replace(panel, sales=panel.sales.copy())
    later.sales[:, 150:] = 7 * later.sales[:, 150:] + 3
    day = panel.dates[149]
    first, second = (learn(p.as_of(day), HORIZON) for p in (panel, later))
    assert np.array_equal(first.shocks, second.shocks)
    assert np.array_equal(first.own, second.own)


def test_what_stays_is_scaled_by_how_sums_were_covered():
    """Levels that move a lot but seldom: the factor is chosen, and evidence without a full window changes nothing."""
    panel = shop(shocks=(0.0, 0.0, 0.4))
    evidence = truth(panel)
    model = registry.model("moving_average").fit(panel, HORIZON, np.random.default_rng(1))
    plain = learn(panel, HORIZON, evidence)
    tuned = related(model, panel, evidence, np.random.default_rng(1))
    ratio = np.sqrt(tuned.own[:, 1] / np.maximum(plain.own[:, 1], 1e-12))
    assert len(np.unique(ratio.round(6))) == 1
    assert 0.69 < ratio[0] < 2.51
    late = Evidence(np.array([panel.shape[1] - 5]), np.full((120, 1, HORIZON), 20, np.float32))
    assert np.array_equal(related(model, panel, late, np.random.default_rng(1)).own, learn(panel, HORIZON, late).own)


def test_few_degrees_of_freedom_move_few_levels_far():
    """The spread of sums is the same, their tails are not."""
    levels, series = QUANTILE_LEVELS, 4000
    normal = np.array([NormalDist(100, 10).inv_cdf(p) for p in levels], np.float32)
    quantiles = np.broadcast_to(normal, (series, HORIZON, len(levels))).copy()
    kurtosis, spread = {}, {}
    for freedom in (3.0, 30.0):
        given = Dependence(
            code=np.zeros((series, 0), np.int32),
            groups=np.zeros(0, np.uint64),
            shocks=np.zeros((0, 3), np.float32),
            twin=np.arange(series, dtype=np.uint64),
            twin_shocks=np.zeros((series, 3), np.float32),
            own=np.tile(np.array([0.0, 0.3], np.float32), (series, 1)),
            memory=0.9,
            freedom=freedom,
        )
        spot = np.arange(series)
        drawn = Sampler.of(given, levels, (HORIZON, 20), 1, False).draw(quantiles, spot.astype(np.uint64), spot)
        sums = drawn.sum(axis=2, dtype=np.float64).ravel()
        off = sums - sums.mean()
        spread[freedom], kurtosis[freedom] = off.std(), (off**4).mean() / (off**2).mean() ** 2
    assert kurtosis[3.0] > kurtosis[30.0] + 0.05
    assert spread[3.0] == pytest.approx(spread[30.0], rel=0.1)


@pytest.mark.tiny
@pytest.mark.parametrize("power", [0.0, 0.1, 0.25])
def test_growth_of_the_spread_is_found_whatever_single_days_did(power):
    """Some days are wilder than others; the same day is forecast from several origins."""
    rng = np.random.default_rng(2)
    parts = []
    wild = rng.gamma(2, 0.5, 100)
    for origin in (20, 27, 34, 41):
        for step in range(1, 29):
            mean = rng.uniform(20, 60, 150)
            spread = 0.2 * mean * step**power * wild[origin + step]
            parts.append((mean, mean + rng.normal(size=150) * spread, np.full(150, step), np.full(150, origin + step)))
    mean, sales, step, column = (np.concatenate(x) for x in zip(*parts, strict=True))
    data = Pairs(mean, sales, np.ones(len(mean)), np.zeros(len(mean), bool), step, column)
    assert growth(data) == pytest.approx(power, abs=0.03)
