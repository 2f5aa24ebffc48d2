"""What stands in for absent futures: as known at the origin, the same way at every origin, and said in the output."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import windvane as wv
from windvane.errors import InputError, MissingFutureError
from windvane.futures import NEVER, Assumption, Known, Scenario
from windvane.panel import Panel

pytestmark = pytest.mark.tiny
START = date(2026, 1, 5)
TIME, HORIZON = 60, 7


def frame(price=None, kind=None) -> pl.DataFrame:
    days = [START + timedelta(days=d) for d in range(TIME)]
    rng = np.random.default_rng(2)
    return pl.DataFrame(
        {
            "sku": ["a"] * TIME + ["b"] * TIME,
            "date": days * 2,
            "sales": rng.poisson(5, 2 * TIME),
            "price": np.tile(np.linspace(5, 8, TIME), 2) if price is None else price,
            "kind": ["none"] * (2 * TIME) if kind is None else kind,
        }
    )


def panel_of(data: pl.DataFrame, **more) -> Panel:
    return Panel.from_frame(data, keys=["sku"], date="date", sales="sales", freq="1d", known=["price", "kind"], **more)


def hidden(values: np.ndarray, lead: int = 0) -> np.ndarray:
    return np.broadcast_to(np.arange(values.shape[1], dtype=np.int32) - lead, values.shape).copy()


def usual(values: np.ndarray, text: bool) -> float:
    if not len(values):
        return np.nan
    if not text:
        return float(np.mean(values.astype(np.float64)))
    codes, counts = np.unique(values, return_counts=True)
    return float(codes[counts.argmax()])


def told(known: Known, s: int, origin: int) -> np.ndarray:
    """A series' values up to an origin as known there, NaN elsewhere."""
    row = known.values[s, : origin + 1].copy()
    if known.since is not None:
        row[known.since[s, : origin + 1] > origin] = np.nan
    return row


def last_told(known: Known, s: int, origin: int) -> float:
    row = told(known, s, origin)
    there = np.flatnonzero(~np.isnan(row))
    return float(row[there[-1]]) if len(there) else np.nan


def by_hand(known: Known, s: int, origin: int, target: int) -> float:
    """What stands in, by going through the past step by step."""
    last = last_told(known, s, origin)
    if known.policy == "last":
        return last
    season, window, lag = known.season, min(max(4 * known.season, 8), 60), min(known.season, 4)

    def in_time(t: int) -> float:
        v = known.values[s, t]
        return np.nan if known.since is not None and known.since[s, t] > t else float(v)

    def usually(o: int) -> float:
        part = np.array([in_time(t) for t in range(max(0, o + 1 - window), o + 1)], np.float32)
        found = usual(part[~np.isnan(part)], known.text)
        return last_told(known, s, o) if np.isnan(found) else float(np.float32(found))

    def off(a: float, b: float) -> float:
        return float(a != b) if known.text else (a - b) ** 2

    lasts, usuals, turns, common = 0.0, 0.0, np.zeros(3), 0
    for t in range(lag, origin + 1):
        guess = (last_told(known, s, t - lag), usually(t - lag))
        if np.isnan(in_time(t)) or np.isnan(guess).any():
            continue
        lasts, usuals = lasts + off(in_time(t), guess[0]), usuals + off(in_time(t), guess[1])
        if t >= season and not np.isnan(in_time(t - season)):
            turns += [off(in_time(t), g) for g in (in_time(t - season), *guess)]
            common += 1
    whole = origin + 1 >= season and not any(np.isnan(in_time(t)) for t in range(origin + 1 - season, origin + 1))
    if season > 1 and whole and common >= season and turns[0] < 0.9 * min(turns[1:]):
        return float(known.values[s, target - season * -(-(target - origin) // season)])
    return usually(origin) if usuals < lasts else last


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    policy=st.sampled_from(["last", "forecast"]),
    text=st.booleans(),
    pattern=st.sampled_from(["rare", "week", "walk"]),
    moments=st.sampled_from(["own period", "late", "ahead", "always"]),
)
def test_what_stands_in_is_found_by_hand(seed, policy, text, pattern, moments):
    rng = np.random.default_rng(seed)
    series, width, season = 3, 40, 7
    if pattern == "rare":
        values = (rng.random((series, width)) < 0.15).astype(np.float32)
    elif pattern == "week":
        values = np.tile(rng.integers(0, 4, (series, season)), 6)[:, :width].astype(np.float32)
        values[rng.random(values.shape) < 0.05] = 9
    else:
        values = np.cumsum(rng.random((series, width)) < 0.1, axis=1).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    since = {
        "own period": hidden(values),
        "late": hidden(values) + rng.choice([0, 0, 3, NEVER - width], values.shape).astype(np.int32),
        "ahead": hidden(values, 3),
        "always": None,
    }[moments]
    known = Known(values, since, policy, season, text)
    origin = int(rng.integers(0, width - 8))
    got = known.at(origin, np.arange(1, 9))
    bare = replace(known, policy="unknown").at(origin, np.arange(1, 9))
    for s in range(series):
        for h in range(1, 9):
            want = bare[s, h - 1] if not np.isnan(bare[s, h - 1]) else by_hand(known, s, origin, origin + h)
            assert got[s, h - 1] == pytest.approx(want, rel=1e-5, abs=1e-5, nan_ok=True), (s, h)
    s, h = (a.ravel() for a in np.meshgrid(np.arange(series), np.arange(1, 9), indexing="ij"))
    np.testing.assert_array_equal(known.seen(s, np.full(len(s), origin), origin + h), got.ravel())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), policy=st.sampled_from(["last", "forecast"]), text=st.booleans())
def test_what_stands_in_at_an_origin_owes_nothing_to_what_became_known_later(seed, policy, text):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, (4, 50)).astype(np.float32)
    since = hidden(values) + rng.choice([-5, 0, 0, 6], values.shape).astype(np.int32)
    origin = int(rng.integers(3, 40))
    changed = np.where(since > origin, rng.integers(0, 9, values.shape), values).astype(np.float32)
    first, second = (Known(v, since, policy, 7, text).at(origin, np.arange(1, 10)) for v in (values, changed))
    np.testing.assert_array_equal(first, second)


def test_a_pattern_of_the_week_goes_on_and_a_rare_promotion_does_not():
    week = np.tile(np.array([1, 1, 1, 1, 5, 5, 1], np.float32), 6)[None, :]
    known = Known(week, hidden(week), "forecast", 7)
    np.testing.assert_array_equal(known.at(27, np.arange(1, 15)), week[:, 28:42])
    promo = np.zeros((1, 60), np.float32)
    promo[0, [10, 25, 41, 59]] = 1
    spared = Known(promo, hidden(promo), "forecast", 7).at(59, np.arange(1, 8))
    np.testing.assert_allclose(spared, 2 / 28)
    words = Known(promo, hidden(promo), "forecast", 7, text=True).at(59, np.arange(1, 8))
    assert not words.any()
    assert Known(promo, hidden(promo), "last", 7).at(59, np.arange(1, 8)).all()


def test_an_absent_future_is_an_error_that_names_the_covariate_and_the_remedy():
    panel = panel_of(frame())
    with pytest.raises(MissingFutureError) as caught:
        wv.forecast(panel, HORIZON, "fast")
    for part in ("'price'", "sku='a'", str(START + timedelta(days=TIME)), "missing={'price': 'last'}", "future="):
        assert part in str(caught.value)
    with pytest.raises(MissingFutureError, match="'kind'"):
        panel.complete(HORIZON, {"price": "last"})


@pytest.mark.parametrize("where", ["at the panel", "at the forecast"])
def test_what_stands_in_is_declared_in_the_output(where):
    policies = {"price": "last", "kind": "forecast"}
    if where == "at the panel":
        found = wv.forecast(panel_of(frame(), missing=policies), HORIZON, "fast")
    else:
        found = wv.forecast(panel_of(frame()), HORIZON, "fast", missing=policies)
    assert found.assumed == (
        Assumption("price", "last", 2 * HORIZON),
        Assumption("kind", "forecast", 2 * HORIZON),
    )
    assert str(found.assumed[0]) == "price: 14 future values taken to stay as last known"
    assert found.take(np.array([1])).assumed == found.assumed


def test_what_nothing_can_stand_in_for_is_counted_apart():
    price = np.concatenate([np.linspace(5, 8, TIME), np.full(TIME, np.nan)])
    _, assumed = panel_of(frame(price)).complete(HORIZON, {"price": "last", "kind": "unknown"})
    assert assumed == (Assumption("price", "last", HORIZON, HORIZON), Assumption("kind", "unknown", 2 * HORIZON))
    assert str(assumed[0]).endswith(", 7 left unknown")


def test_the_past_is_hidden_as_far_as_the_future_is_absent():
    days = [START + timedelta(days=TIME + d) for d in range(3)]
    future = pl.DataFrame({"sku": ["a"] * 3, "date": days, "price": [9.0, 9.5, 9.9], "kind": ["none"] * 3})
    panel = panel_of(frame(), future=future)
    done, assumed = panel.complete(HORIZON, {"price": "last", "kind": "last"})
    assert assumed[0] == Assumption("price", "last", 2 * HORIZON - 3)
    price = done.known["price"]
    prices = np.linspace(5, 8, TIME).astype(np.float32)
    now = price.at(TIME - 1, np.arange(1, HORIZON + 1))
    np.testing.assert_allclose(now[0], [9.0, 9.5, 9.9, 8, 8, 8, 8])
    np.testing.assert_allclose(now[1], 8)
    then = price.at(30, np.arange(1, HORIZON + 1))
    np.testing.assert_allclose(then[0], [*prices[31:34], *[prices[30]] * 4])  # three days were known then as well
    np.testing.assert_allclose(then[1], prices[30])
    np.testing.assert_allclose(panel.known["price"].at(30, np.array([7])), prices[37])
    past = done.as_of(done.dates[30]).take(np.array([1]))
    np.testing.assert_allclose(past.known["price"].at(30, np.array([7])), prices[30])
    whole = panel_of(frame(), future=future.vstack(future.with_columns(sku=pl.lit("b"))))
    assert whole.complete(3, {"price": "last", "kind": "last"})[0].known["price"].since is None, "nothing is absent"


def test_an_unknown_future_hides_the_past_too():
    done, _ = panel_of(frame()).complete(HORIZON, {"price": "unknown", "kind": "unknown"})
    assert np.isnan(done.known["price"].at(30, np.arange(1, HORIZON + 1))).all()


@pytest.mark.parametrize(
    "values",
    [
        4.5,
        {START + timedelta(days=TIME + d): 4.5 for d in range(HORIZON)},
        {str(START + timedelta(days=TIME + d)): 4.5 for d in range(HORIZON)},
        pl.DataFrame({"date": [START + timedelta(days=TIME + d) for d in range(-3, HORIZON + 3)], "price": 4.5}),
    ],
    ids=["constant", "by date", "by text", "frame"],
)
def test_a_scenario_sets_the_future_and_leaves_the_panel_alone(values):
    panel = panel_of(frame())
    before = panel.known["price"].values.copy()
    done, assumed = panel.complete(HORIZON, {"price": Scenario(values), "kind": Scenario("none")})
    np.testing.assert_array_equal(done.known["price"].at(TIME - 1, np.arange(1, HORIZON + 1)), 4.5)
    np.testing.assert_array_equal(panel.known["price"].values, before)
    assert assumed == (Assumption("price", "scenario", 14), Assumption("kind", "scenario", 14))
    np.testing.assert_allclose(done.known["price"].at(30, np.array([1]))[:, 0], np.linspace(5, 8, TIME)[31], rtol=1e-6)


def test_a_scenario_of_one_series_and_day_leaves_the_rest_to_a_policy():
    day = START + timedelta(days=TIME + 2)
    kind = Scenario(pl.DataFrame({"sku": ["b"], "date": [day], "kind": ["flash"]}), otherwise="last")
    panel = panel_of(frame(), missing={"price": "last"})
    done, assumed = panel.complete(HORIZON, {"kind": kind})
    assert done.levels["kind"] == ("none", "flash")
    got = done.known["kind"].at(TIME - 1, np.arange(1, HORIZON + 1))
    want = np.zeros((2, HORIZON))
    want[1, 2] = 1
    np.testing.assert_array_equal(got, want)
    assert [str(a) for a in assumed[1:]] == [
        "kind: 1 future values set by a scenario",
        "kind: 13 future values taken to stay as last known",
    ]


def test_a_scenario_overrides_a_plan_announced_late():
    panel = panel_of(frame())
    since = np.full((2, TIME + HORIZON), TIME + 3, np.int32)
    values = np.full(since.shape, 6.0, np.float32)
    late = replace(panel, known={"price": Known(values, since, "unknown")})
    done, _ = late.complete(HORIZON, {"price": Scenario({START + timedelta(days=TIME): 5.0})})
    got = done.known["price"].at(TIME - 1, np.arange(1, HORIZON + 1))
    assert (got[:, 0] == 5).all()
    assert np.isnan(got[:, 1:]).all()


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"prise": "last"}, "missing= names 'prise'.*known are: price, kind"),
        ({"price": "lost"}, "'lost' is not a policy"),
        ({"price": Scenario("cheap")}, "'cheap', which is not a number"),
        ({"price": Scenario(float("nan"))}, "not finite"),
        ({"price": Scenario({START: 5.0})}, "no value for the 7 periods after"),
        ({"price": Scenario(pl.DataFrame({"price": [5.0]}))}, "no column 'date'"),
        (
            {"price": Scenario(pl.DataFrame({"date": [START + timedelta(days=TIME)] * 2, "price": [5.0, 6.0]}))},
            "several values for one series",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(policies, message):
    with pytest.raises(InputError, match=message):
        panel_of(frame()).complete(HORIZON, policies)
