"""Which pasts are replayed, and how series are grouped: from the past alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_panels import panel_of, random_sales

from windvane.backtest.folds import SEGMENTS, folds, segments

pytestmark = pytest.mark.tiny


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 6), st.integers(0, 5), st.sampled_from(["1d", "1w"]))
def test_folds_never_share_a_judged_period(time, horizon, choose, report, unit):
    found = folds(panel_of(np.ones((1, time)), unit), horizon, choose, report)
    cutoffs = [fold.cutoff for fold in found]
    judged = [set(range(c + 1, c + 1 + horizon)) for c in cutoffs]
    assert cutoffs == sorted(cutoffs)
    assert all(not a & b for i, a in enumerate(judged) for b in judged[:i])
    assert all(0 <= cutoff < time for cutoff in cutoffs)
    if found:
        assert max(judged[-1]) == time - 1, "the newest ends with the panel"
        assert found[0].use == "choose", "without one fold to choose on nothing can be reported"
    uses = [fold.use for fold in found]
    assert uses == sorted(uses), "those to choose on come before those reported"
    assert uses.count("choose") <= choose
    assert uses.count("report") <= report
    if time >= 15 + 52 + horizon * (choose + report + 2):
        assert (uses.count("choose"), uses.count("report")) == (choose, report)


def test_a_short_history_keeps_a_past_to_learn_from():
    for time in range(1, 60):
        for fold in folds(panel_of(np.ones((1, time))), 7, 4, 3):
            assert fold.cutoff + 1 >= 7


def planted():
    sales = np.zeros((5, 200), np.float32)
    sales[0] = 1
    sales[1, ::2] = 1
    sales[2, ::9] = 1
    sales[3, :160] = np.nan
    sales[3, 160:] = 1
    sales[4, ::3] = 1
    sales[4, 140:] = 0
    return sales


def test_segments_say_what_they_mean():
    panel = panel_of(planted())
    assert segments(panel).tolist() == ["fast", "slow", "intermittent", "new", "intermittent"]
    assert set(segments(panel_of(random_sales()))) <= set(SEGMENTS)


def test_segments_use_the_past_only():
    sales = planted()
    panel = panel_of(sales)
    other = sales.copy()
    other[:, 151:] = 77
    date = panel.dates[150]
    before = segments(panel.as_of(date)).tolist()
    assert before == segments(panel_of(other).as_of(date)).tolist()
    assert before == ["fast", "slow", "intermittent", "new", "slow"]
