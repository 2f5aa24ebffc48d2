"""The forecast: its table, its quantiles, its paths, and reading it back."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import poisson

import windvane as wv
from windvane.errors import ConfigError, InputError, ModelError
from windvane.forecasts import Dependence, Forecast, identity_of, tidy
from windvane.schema import DERIVED, QUANTILE_LEVELS, quantile_name

START = date(2026, 1, 1)
LEVELS = (0.1, 0.5, 0.9)


def tied(series: int, group=(0.1, 0.0, 0.0), own=(0.0, 0.0), twin=(0.0, 0.0, 0.0), memory=0.7) -> Dependence:
    """One group of all series; products of three neighbours each are twins."""
    return Dependence(
        code=np.zeros((series, 1), np.int32),
        groups=np.array([77], np.uint64),
        shocks=np.array([group], np.float32),
        twin=(np.arange(series) // 3).astype(np.uint64),
        twin_shocks=np.tile(np.array(twin, np.float32), (series, 1)),
        own=np.tile(np.array(own, np.float32), (series, 1)),
        memory=memory,
    )


def made_up(series=6, horizon=5, together=True, counts=False, levels=QUANTILE_LEVELS, seed=4) -> Forecast:
    rng = np.random.default_rng(2)
    quantiles = np.sort(rng.gamma(2, 5, (series, horizon, len(levels))), axis=2).astype(np.float32)
    keys = pl.DataFrame({"sku": [f"s{i}" for i in range(series)], "store": pl.Series(range(series), dtype=pl.Int16)})
    return Forecast(
        keys=keys,
        cutoff=START,
        dates=pl.Series("date", [START + timedelta(d + 1) for d in range(horizon)]),
        mean=quantiles.mean(axis=2),
        quantiles=np.round(quantiles) if counts else quantiles,
        levels=levels,
        identity=identity_of(keys),
        dependence=tied(series, (0.3, 0.0, 0.6)) if together else None,
        counts=counts,
        seed=seed,
    )


def all_paths(forecast: Forecast, n: int, part: int = 2048) -> np.ndarray:
    out = np.empty((forecast.mean.shape[0], n, forecast.horizon), np.float32)
    for rows, paths in forecast.paths(n, part):
        out[rows] = paths
    return out


@pytest.mark.tiny
@pytest.mark.parametrize(("level", "name"), [(0.1, "q0.1"), (0.005, "q0.005"), (0.5, "q0.5")])
def test_names_of_quantiles(level, name):
    assert quantile_name(level) == name


@pytest.mark.tiny
def test_the_long_table():
    forecast = made_up()
    frame = forecast.frame()
    names = [f"q{n}" for n in (0.005, 0.025, 0.05, 0.1, 0.165, 0.25, 0.5, 0.75, 0.835, 0.9, 0.95, 0.975, 0.995)]
    assert frame.columns == ["sku", "store", "cutoff", "date", "step", "mean", *names]
    assert frame.height == 6 * 5
    expected = {"sku": pl.String, "store": pl.Int16, "cutoff": pl.Date, "date": pl.Date, "step": pl.Int64}
    assert frame.schema == pl.Schema(expected | dict.fromkeys(["mean", *names], pl.Float64))
    assert not frame.select(pl.any_horizontal(pl.all().is_null().any())).item()
    row = frame.row(7, named=True)
    assert (row["sku"], row["store"], row["step"], row["date"]) == ("s1", 1, 3, START + timedelta(3))
    assert row["q0.9"] == forecast.quantiles[1, 2, 9]
    assert set(DERIVED["forecasts"].names) - {"location"} <= set(frame.columns)


@pytest.fixture(scope="module")
def shop() -> wv.Panel:
    rng = np.random.default_rng(0)
    days = [START + timedelta(d) for d in range(150)]
    rows = [(s, t, d) for s in ("a", "b", "c") for t in (1, 2) for d in days]
    frame = pl.DataFrame(rows, schema={"sku": pl.String, "store": pl.Int32, "date": pl.Date}, orient="row")
    week = 1 + 0.5 * (np.arange(len(rows)) % 7 >= 5)
    frame = frame.with_columns(units=pl.Series(rng.poisson(np.repeat([2, 9, 0.3, 30, 5, 14], 150) * week)))
    return wv.Panel.from_frame(frame, keys=["sku", "store"], date="date", sales="units", freq="1d")


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_from_panel_to_table(shop, preset):
    forecast = wv.forecast(shop, horizon=14, preset=preset, seed=1)
    frame = forecast.frame()
    assert frame.height == 6 * 14
    assert frame.columns[:6] == ["sku", "store", "cutoff", "date", "step", "mean"]
    assert frame["cutoff"].unique().to_list() == [shop.cutoff]
    assert frame["date"].dtype == pl.Date
    assert frame["date"].min() == shop.cutoff + timedelta(1)
    values = frame.select(pl.col("^(mean|q0.*)$")).to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values[:, 1:], axis=1) >= 0).all()
    per_series = forecast.mean.mean(axis=1) / np.nanmean(shop.sales, axis=1)
    assert ((per_series > 0.6) & (per_series < 1.5)).all()
    assert wv.forecast(shop, horizon=14, preset=preset, seed=1).frame().equals(frame)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"horizon": 0}, "forecast.horizon"),
        ({"horizon": 5, "preset": "fastest"}, "'fastest' is not a preset"),
        ({"horizon": 5, "seed": -1}, "forecast.seed"),
    ],
)
def test_wrong_arguments_are_named(shop, arguments, says):
    with pytest.raises(ConfigError, match=says):
        wv.forecast(shop, **arguments)


@pytest.mark.tiny
@pytest.mark.parametrize("together", [True, False])
def test_paths_do_not_depend_on_the_partition(together):
    forecast = made_up(series=7, together=together)
    whole = all_paths(forecast, 60)
    for part in (1, 3, 7):
        np.testing.assert_array_equal(all_paths(forecast, 60, part), whole)
    rows = np.array([5, 2])
    np.testing.assert_array_equal(all_paths(forecast.take(rows), 60), whole[rows])


@pytest.mark.tiny
def test_paths_depend_on_the_seed():
    forecast = made_up()
    again = replace(forecast, seed=5)
    assert not np.array_equal(all_paths(forecast, 60), all_paths(again, 60))
    np.testing.assert_array_equal(all_paths(forecast, 60), all_paths(made_up(), 60))


@pytest.mark.parametrize("together", [True, False])
def test_marginals_of_paths_are_the_quantiles(together):
    forecast = made_up(together=together)
    paths = all_paths(forecast, 2000)
    spread = np.ptp(forecast.quantiles, axis=2)
    for i, level in enumerate(forecast.levels):
        if 0.02 < level < 0.98:
            found = np.quantile(paths, level, axis=1)
            assert (np.abs(found - forecast.quantiles[:, :, i]) <= 0.02 * spread + 1e-3).all(), level
    assert (paths >= forecast.quantiles[:, :, :1].swapaxes(1, 2) - 1e-4).all()
    # Beyond the outermost level the tail goes on as between the last two, as far as 1 in 10,000.
    reach = np.log((1 - 0.995) / 1e-4) / np.log((1 - 0.975) / (1 - 0.995))
    last, inner = forecast.quantiles[:, :, -1:], forecast.quantiles[:, :, -2:-1]
    assert (paths <= (last + reach * (last - inner)).swapaxes(1, 2) + 1e-3).all()


def test_paths_of_counts_are_whole():
    paths = all_paths(made_up(counts=True), 200)
    np.testing.assert_array_equal(paths, np.round(paths))


def test_paths_move_together_as_the_shocks_say():
    together, apart = all_paths(made_up(), 1000), all_paths(made_up(together=False), 1000)
    for paths, low, high in ((together, 0.6, 1.0), (apart, -0.15, 0.15)):
        over_series = np.corrcoef(paths[:, :, 0])[np.triu_indices(6, 1)].mean()
        assert low < over_series < high


def steady(series=60, horizon=7, mean=100.0, spread=10.0, **shocks) -> Forecast:
    """Series that sell the same, normally distributed."""
    levels = np.asarray(QUANTILE_LEVELS)
    quantiles = np.broadcast_to(mean + spread * ndtri(levels), (series, horizon, len(levels))).astype(np.float32)
    keys = pl.DataFrame({"sku": [f"s{i}" for i in range(series)]})
    return Forecast(
        keys=keys,
        cutoff=START,
        dates=pl.Series("date", [START + timedelta(d + 1) for d in range(horizon)]),
        mean=np.full((series, horizon), mean, np.float32),
        quantiles=quantiles,
        levels=QUANTILE_LEVELS,
        identity=identity_of(keys),
        dependence=tied(series, **shocks),
    )


@pytest.mark.parametrize(
    ("shocks", "of_step", "of_sum"),
    [
        # Relative variances of the sum of all series at one step, and over all steps.
        ({"group": (0.05, 0, 0)}, 0.05**2 + (0.1**2 - 0.05**2) / 60, (0.05**2 + (0.1**2 - 0.05**2) / 60) / 7),
        ({"group": (0, 0, 0.05)}, 0.05**2 + (0.1**2 - 0.05**2) / 60, 0.05**2 + (0.1**2 - 0.05**2) / 60 / 7),
        ({"group": (0, 0, 0), "own": (0, 0.06)}, 0.1**2 / 60, (0.06**2 + (0.1**2 - 0.06**2) / 7) / 60),
        ({"group": (0, 0, 0), "twin": (0, 0, 0.05)}, (0.1**2 + 2 * 0.05**2) / 60, None),
        ({"group": (0, 0.05, 0), "memory": 0.5}, 0.05**2 + (0.1**2 - 0.05**2) / 60, None),
    ],
)
def test_sums_vary_as_much_as_shocks_say(shocks, of_step, of_sum):
    """The marginals stay as they are; what groups share adds up, what is a series' own does not."""
    total = all_paths(steady(**{"group": (0, 0, 0), **shocks}), 4000).sum(axis=0, dtype=np.float64) / 6000
    assert total.var(axis=0).mean() == pytest.approx(of_step, rel=0.12)
    assert total.mean() == pytest.approx(1, abs=0.002)
    if of_sum is not None:
        assert total.mean(axis=1).var() == pytest.approx(of_sum, rel=0.12)


def test_fading_shocks_fade():
    paths = all_paths(steady(group=(0, 0.08, 0), memory=0.5), 4000).sum(axis=0, dtype=np.float64)
    found = np.corrcoef(paths.T)
    for apart in (1, 2, 3):
        assert np.diag(found, apart).mean() == pytest.approx(0.5**apart, abs=0.06)


def test_a_group_moves_alike_in_a_part_of_the_series():
    """Shocks belong to groups by name, not by row."""
    forecast = steady(group=(0, 0, 0.09))
    whole = all_paths(forecast, 500).mean(axis=(0, 2))
    half = all_paths(forecast.take(np.arange(0, 60, 2)), 500).mean(axis=(0, 2))
    assert np.corrcoef(whole, half)[0, 1] > 0.95


def test_few_pieces_carry_the_common_shock_too():
    """A thousand series that sell one piece in five days: what all share moves their sum."""
    levels = np.asarray(QUANTILE_LEVELS)
    made = steady(series=1000, group=(0, 0, 0.2))
    few = np.broadcast_to(poisson.ppf(levels, 0.2), made.quantiles.shape).astype(np.float32)
    forecast = replace(made, quantiles=few, counts=True)
    totals = all_paths(forecast, 1000).sum(axis=(0, 2), dtype=np.float64)
    # Staying shocks have heavy tails: their bulk is narrower than a normal one of the same variance.
    alone = np.sqrt(0.2 * 1000 * 7) / (0.2 * 1000 * 7)
    assert np.quantile(totals, 0.9) / totals.mean() - 1 == pytest.approx(0.2 * 1.28, rel=0.3)
    assert totals.std() / totals.mean() > 5 * alone


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 90), st.booleans())
def test_paths_of_any_forecast_are_the_quantiles_in_another_order(seed, n, counts):
    """At every step the paths are as many values of the quantile function, evenly spaced in probability."""
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.gamma(0.5, 3, (3, 4, 5)), axis=2).astype(np.float32)
    forecast = replace(
        steady(3, 4, group=(0.5, 0.5, 0.5), own=(1.0, 1.0)),
        quantiles=np.round(quantiles) if counts else quantiles,
        levels=(0.05, 0.25, 0.5, 0.75, 0.95),
        counts=counts,
    )
    paths = np.sort(all_paths(forecast, n), axis=1)
    for rank in range(n):
        low, high = (forecast.quantile(level) for level in (rank / n, (rank + 1) / n))
        slack = 0.51 if counts else 1e-4
        assert (paths[:, rank] >= low - slack - 1e-5 * low).all()
        assert (paths[:, rank] <= high + slack + 1e-5 * high).all()


def test_totals_are_sums_of_paths():
    forecast = made_up()
    paths = all_paths(forecast, 100)
    np.testing.assert_allclose(forecast.totals(100), paths.sum(axis=2), rtol=1e-6)
    np.testing.assert_allclose(forecast.totals(100, steps=2), paths[:, :, :2].sum(axis=2), rtol=1e-6)
    assert forecast.totals(100).std(axis=1).mean() > made_up(together=False).totals(100).std(axis=1).mean() * 0.5


@pytest.mark.tiny
def test_quantiles_between_the_levels():
    forecast = made_up(levels=LEVELS)
    low, middle = forecast.quantiles[:, :, 0], forecast.quantiles[:, :, 1]
    np.testing.assert_allclose(forecast.quantile(0.5), middle, rtol=1e-6)
    np.testing.assert_allclose(forecast.quantile(0.3), (low + middle) / 2, rtol=1e-5)
    np.testing.assert_allclose(forecast.quantile(0.01), low, rtol=1e-6)


@pytest.mark.tiny
def test_read_back_it_is_the_same():
    forecast = made_up()
    read = Forecast.from_frame(forecast.frame().sample(fraction=1, shuffle=True, seed=3), ["sku", "store"], seed=4)
    assert read.frame().equals(forecast.frame())
    assert read.levels == forecast.levels
    np.testing.assert_array_equal(read.identity, forecast.identity)
    np.testing.assert_array_equal(all_paths(read, 50), all_paths(replace(forecast, dependence=None), 50))


@pytest.mark.tiny
def test_a_forecast_made_elsewhere_needs_no_mean():
    frame = made_up().frame().select("sku", "store", "cutoff", "date", "step", "q0.1", "q0.5", "q0.9")
    read = Forecast.from_frame(frame, ["sku", "store"])
    assert read.levels == LEVELS
    np.testing.assert_array_equal(read.mean, read.quantiles[:, :, 1])


def broken():
    frame = made_up(levels=LEVELS).frame()
    return {
        "no date": (frame.drop("date"), "no column 'date'"),
        "no key": (frame.drop("sku"), "no column 'sku'"),
        "no median": (frame.drop("q0.5"), "no column 'q0.5'"),
        "a step is missing": (frame[1:], r"every step 1\.\.5"),
        "a step twice": (pl.concat([frame, frame[:1]]), r"every step 1\.\.5"),
        "several cutoffs": (
            frame.with_columns(cutoff=pl.when(pl.col("sku") == "s1").then(START + timedelta(1)).otherwise("cutoff")),
            "several cutoffs",
        ),
        "crossing": (frame.rename({"q0.1": "q0.9", "q0.9": "q0.1"}), "cross"),
        "negative": (frame.with_columns(pl.col("q0.1") - 1000), "negative"),
        "empty": (frame.with_columns(pl.when(pl.col("step") > 1).then("q0.9").alias("q0.9")), "empty"),
    }


@pytest.mark.tiny
@pytest.mark.parametrize("kind", broken())
def test_a_broken_forecast_is_refused(kind):
    frame, says = broken()[kind]
    with pytest.raises(InputError, match=says):
        Forecast.from_frame(frame, ["sku", "store"])


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("field", "change", "says"),
    [
        ("mean", lambda a: a * np.nan, "NaN"),
        ("mean", lambda a: a - 1000, "negative"),
        ("quantiles", lambda a: a[:, :, ::-1], "cross"),
        ("quantiles", lambda a: a[:, :, 1:], "shape"),
    ],
)
def test_an_invalid_forecast_cannot_be_made(field, change, says):
    forecast = made_up()
    with pytest.raises(ModelError, match=says):
        replace(forecast, **{field: change(getattr(forecast, field))})


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_tidy_makes_anything_valid(seed, counts):
    rng = np.random.default_rng(seed)
    mean, quantiles = rng.normal(0, 1e3, (3, 4)), rng.normal(0, 1e3, (3, 4, 5))
    mean[0, 0], quantiles[1, 1, 2], quantiles[2, 0, 0] = np.nan, np.inf, np.nan
    mean, quantiles = tidy(mean, quantiles, counts)
    assert mean.dtype == quantiles.dtype == np.float32
    assert np.isfinite(mean).all()
    assert np.isfinite(quantiles).all()
    assert (mean >= 0).all()
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert not counts or (quantiles == np.round(quantiles)).all()


@pytest.mark.tiny
def test_keys_that_look_alike_when_joined_stay_apart():
    left = identity_of(pl.DataFrame({"a": ["1", "11"], "b": ["11", "1"]}))
    assert left[0] != left[1]
