"""Whatever changes in the past, an updated matrix is the rebuilt one, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged_panels import ragged, some_rows, wild
from test_oracle import DAILY, LONG

from windvane.errors import InputError
from windvane.features import spec
from windvane.features.matrix import FeatureMatrix
from windvane.features.rows import Rows
from windvane.features.update import Changed, LiveMatrix
from windvane.panel import ACTIVE, NEVER, PRELAUNCH, Known, Panel

pytestmark = pytest.mark.tiny

FEW = [
    spec.mean(7), spec.lag(3), spec.std(14), spec.decayed(2, 10), spec.plan("price"), spec.day_in("promo_cut", 5),
    spec.until_next("promo_cut", 4), spec.since_last("promo_cut", 3), spec.change("price", 5),
    spec.mean(4, by="category"),
]  # fmt: skip
"""Features that look little far, so that an update that reaches too short is seen."""


def differing(live: LiveMatrix, panel: Panel, features: list[spec.Feature]) -> list[str]:
    """Names of the features in which the live matrix does not hold the bits of a rebuilt one."""
    rows = live.rows
    order = np.lexsort((rows.step, rows.origin, rows.series))
    built = FeatureMatrix(panel, features).build(rows.part(order))
    differ = (built.view(np.uint32) != live.matrix[order].view(np.uint32)).any(axis=0)
    return [f.name for f, d in zip(features, differ, strict=True) if d]


def told_of(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Copies of what is known of stock-outs: since, sold."""
    told = panel.stockouts
    if told is None:
        return np.full(panel.shape, NEVER, np.int32), panel.sales.copy()
    return told.since.copy(), told.sold.copy()


def change(panel: Panel, rng: np.random.Generator, cells: int) -> tuple[Panel, list[Changed]]:
    """A panel with some cells of every array changed: late rows, returns, stock-outs told later, plans revised."""
    series, time = panel.shape
    since, sold = told_of(panel)
    i, c = rng.integers(0, series, cells), rng.integers(0, time, cells)
    sold[i, c] = rng.choice(np.array([0, -1, 2.7, 1e6, np.nan], np.float32), cells)
    since[i, c] = np.where(rng.random(cells) < 0.3, c + rng.integers(0, 12, cells), NEVER)
    state = panel.state.copy()
    # A late row before the launch is a launch; sometimes a first sale turns out to be none.
    for s, t in zip(i, c, strict=True):
        state[s, t:] = ACTIVE
    known = {}
    changed = [Changed("sales", i, c)]
    for s in np.flatnonzero((rng.random(series) < 0.2) & (panel.launch < time)):
        # The first sale turns out to be none.
        state[s, : rng.integers(panel.launch[s] + 1, time + 1)] = PRELAUNCH
        changed.append(Changed("sales", np.array([s]), panel.launch[[s]]))
    for name, k in panel.known.items():
        values, told = k.values.copy(), None if k.since is None else k.since.copy()
        at = rng.integers(0, values.shape[1], cells)
        values[i, at] = rng.choice(np.array([0, 0.2, 3, np.nan], np.float32), cells)
        if told is not None:
            told[i, at] = at + rng.integers(-9, 9, cells)
        known[name] = Known(values, told, k.policy)
        changed.append(Changed(name, i, at))
    views, stock = panel.past["views"].copy(), panel.in_stock.copy()
    views[i, c], stock[i, c] = 7.5, 0.5
    changed += [Changed("views", i, c), Changed("in_stock", i, c)]
    new = replace(panel, sales=sold, stockouts=None, state=state, known=known, past={"views": views}, in_stock=stock)
    return new.with_stockouts(since), changed


def another_period(panel: Panel, rng: np.random.Generator) -> tuple[Panel, list[Changed], Rows]:
    """A panel one period longer, and rows whose origin is the new period."""
    series, time = panel.shape
    since, sold = told_of(panel)

    def longer(array: np.ndarray, cells: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.column_stack([array, cells.astype(array.dtype)]))

    sold = longer(sold, rng.choice(np.array([0, 1, 4.5, np.nan]), series))
    since = longer(since, np.where(rng.random(series) < 0.2, time + rng.integers(0, 3, series), NEVER))
    known = {}
    for name, k in panel.known.items():
        told = None if k.since is None else longer(k.since, time + rng.integers(-3, 3, series))
        known[name] = Known(longer(k.values, rng.choice([0.0, 0.5], series)), told, k.policy)
    new = replace(
        panel,
        sales=sold,
        stockouts=None,
        dates=panel.freq.dates(np.arange(panel.first, panel.first + time + 1)).alias("date"),
        known=known,
        past={"views": longer(panel.past["views"], rng.poisson(3, series))},
        in_stock=longer(panel.in_stock, np.ones(series)),
        state=longer(panel.state, np.full(series, ACTIVE)),
    ).with_stockouts(since)
    everyone = np.arange(series)
    # Stock-outs of earlier periods that are recognised now.
    told = np.nonzero(np.isnan(new.sales[:, :time]) & ~np.isnan(panel.sales))
    changed = [Changed("sales", *told)]
    changed += [Changed(name, everyone, np.full(series, time)) for name in ("sales", "views", "in_stock")]
    changed += [Changed(name, everyone, np.full(series, k.values.shape[1])) for name, k in panel.known.items()]
    return new, changed, Rows.after(series, time, 3)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    moves=st.lists(st.sampled_from(["change", "period"]), min_size=1, max_size=4),
    kind=st.sampled_from(["plain", "whole", "wild"]),
    features=st.sampled_from([DAILY, FEW, FEW]),
)
def test_an_update_equals_a_rebuild(seed, moves, kind, features):
    rng = np.random.default_rng(seed)
    panel = ragged(seed, whole=kind == "whole", series=6, time=70)
    if kind == "wild":
        panel = wild(panel, seed)
    live = LiveMatrix(panel, features, some_rows(panel, seed, count=300))
    for move in moves:
        added = None
        if move == "change":
            panel, changed = change(panel, rng, int(rng.integers(1, 6)))
        else:
            panel, changed, added = another_period(panel, rng)
        live.update(panel, changed, added)
        assert not differing(live, panel, features)


@settings(max_examples=6)
@given(st.integers(0, 10_000))
def test_an_update_equals_a_rebuild_far_back(seed):
    rng = np.random.default_rng(seed)
    panel = ragged(seed, series=3, time=800)
    live = LiveMatrix(panel, LONG, some_rows(panel, seed, count=100))
    panel, changed = change(panel, rng, 3)
    live.update(panel, changed)
    assert not differing(live, panel, LONG)


def test_only_rows_that_read_a_changed_cell_are_computed():
    panel = ragged(1, series=5, time=90)
    rows = Rows(
        *(
            np.ascontiguousarray(x, np.int32)
            for x in (np.repeat(np.arange(5), 90), np.tile(np.arange(90), 5), np.ones(450))
        )
    )
    live = LiveMatrix(panel, FEW, rows)
    late = replace(panel, past={"views": panel.past["views"] + 1})
    at = np.array([4]), np.array([60])
    touched = live.update(late, [Changed("views", *at)])
    assert not len(touched)  # nothing reads the views
    touched = live.update(panel, [Changed("sales", *at)])
    # Series 1 shares the category of series 4: its means over four periods are read, and no more.
    shares = (rows.series == 1) & (rows.origin >= 60) & (rows.origin <= 60 + 4)
    reads = shares | (rows.series == 4) & (rows.origin >= 60) & (rows.origin <= 60 + 14)
    assert np.array_equal(touched, np.flatnonzero(reads))


def test_a_change_that_is_not_named_is_not_seen():
    """The test above would pass if updates rebuilt everything; this one shows that they do not."""
    panel = ragged(2, series=4, time=60)
    live = LiveMatrix(panel, FEW, some_rows(panel, 1, count=50))
    before = live.matrix.copy()
    other, _ = change(panel, np.random.default_rng(0), 5)
    assert not len(live.update(other, []))
    assert np.array_equal(before, live.matrix, equal_nan=True)
    assert differing(live, other, FEW)


def test_other_series_are_refused():
    panel = ragged(1)
    live = LiveMatrix(panel, FEW, some_rows(panel, 1))
    with pytest.raises(InputError, match="keeps the series"):
        live.update(panel.take(np.array([1, 0, 2, 3, 4, 5, 6])), [])
