"""The board: champions are chosen where the evidence says so, and reported on folds they were not chosen on."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from toy_panels import panel_of

from windvane.backtest.board import CHAMPION, Board, compose
from windvane.backtest.folds import Fold
from windvane.backtest.metrics import Losses
from windvane.backtest.run import FoldResult, Judged
from windvane.schema import DERIVED

pytestmark = pytest.mark.tiny
SERIES, HORIZON = 60, 4
SEGMENT = np.repeat(["fast", "slow", "intermittent"], SERIES // 3)


def judged(loss, sales=10.0, mean=1.0):
    """Every cell of a series loses the same [series]."""
    cells = np.repeat(np.asarray(loss, float)[:, None], HORIZON, axis=1)
    sold = np.full(cells.shape, sales)
    known = np.ones(cells.shape, bool)
    ones = np.ones(SERIES)
    return Judged(
        Losses(cells, cells, cells**2, cells, sold, known, np.full(cells.shape, 0.5), ones, ones),
        np.full(cells.shape, mean, np.float32),
        1.0,
    )


def fold(use, models, cutoff=5, segment=SEGMENT):
    panel = panel_of(np.ones((SERIES, 20)))
    return FoldResult(Fold(cutoff, use), panel.dates[cutoff], segment, models)


@pytest.fixture
def board():
    return Board(panel_of(np.ones((SERIES, 20)), categories=3), ["plain"], seed=1)


def losses(fast, slow, intermittent, noise=0.0):
    rng = np.random.default_rng(9)
    each = np.repeat([fast, slow, intermittent], SERIES // 3)
    return each + noise * rng.normal(size=SERIES)


def test_a_segment_gets_its_own_champion_only_where_the_gain_is_sure(board):
    noise = losses(0, 0, 0, 1.0)
    for cutoff in (5, 9):
        board.add_choosing(
            fold("choose", {"plain": judged(losses(5, 5, 5)), "clever": judged(losses(3, 7, 5) - 0.1 + noise)}, cutoff)
        )
    chosen = board.choose(["plain", "clever"])
    # Slow: plain is clearly better. Intermittent: better by chance of the noise, or not at all.
    assert chosen == {
        "all": "clever", "fast": "clever", "slow": "plain", "intermittent": "clever", "new": "clever",
    }  # fmt: skip


def test_a_small_lead_in_a_segment_chooses_nothing(board):
    lead = losses(4, 4, 5)
    lead[-20:] += np.random.default_rng(2).normal(0.2, 3.0, 20)
    board.add_choosing(fold("choose", {"plain": judged(losses(5, 5, 5)), "clever": judged(lead)}))
    assert lead[-20:].sum() > 100, "plain must be ahead here, though not surely"
    assert board.choose(["plain", "clever"])["intermittent"] == "clever"


def test_every_fold_weighs_the_same(board):
    """A fold with ten times the sales does not outvote the others."""
    board.add_choosing(fold("choose", {"a": judged(losses(2, 2, 2)), "b": judged(losses(3, 3, 3))}, 3))
    board.add_choosing(fold("choose", {"a": judged(losses(2, 2, 2)), "b": judged(losses(3, 3, 3))}, 5))
    big = {"a": judged(losses(25, 25, 25), 100.0), "b": judged(losses(20, 20, 20), 100.0)}
    board.add_choosing(fold("choose", big, 9))
    assert board.choose(["a", "b"])["all"] == "a"


def combining():
    return Board(panel_of(np.ones((SERIES, 20)), categories=3), ["plain"], seed=1, combined=["both"])


def test_a_win_on_one_origin_does_not_outvote_the_combination():
    board = combining()
    for cutoff, loss in ((3, 1.0), (5, 5.4), (7, 5.3)):
        board.add_choosing(
            fold("choose", {"both": judged(losses(5, 5, 5)), "lucky": judged(losses(loss, loss, loss))}, cutoff)
        )
    assert board.choose(["both", "lucky"])["all"] == "both", "one fold in three, and the mean within its spread"


def test_a_model_that_is_better_everywhere_replaces_the_combination():
    board = combining()
    for cutoff, loss in ((3, 4.0), (5, 4.4), (7, 4.2)):
        board.add_choosing(
            fold("choose", {"both": judged(losses(5, 5, 5)), "good": judged(losses(loss, loss, loss))}, cutoff)
        )
    assert board.choose(["both", "good"])["all"] == "good"


def test_sums_count_in_the_choice(board):
    """Alike for single products, but one of them misses the totals: its errors all point the same way."""
    for cutoff in (3, 5):
        known = judged(losses(5, 5, 5)).losses
        off = replace(known, quantile=known.quantile * 0.99)
        board.add_choosing(
            fold(
                "choose",
                {
                    "one way": Judged(off, np.full((SERIES, HORIZON), 15, np.float32), 1.0),
                    "both ways": Judged(
                        known, np.where(np.arange(SERIES)[:, None] % 2, 15, 5) * np.ones((1, HORIZON)), 1.0
                    ),
                },
                cutoff,
            )
        )
    assert board.choose(["one way", "both ways"])["all"] == "both ways"


def test_a_segment_does_not_pay_for_its_series_with_its_sums():
    """Each series a little better, but all errors of the segment one way: what all have stays."""
    board, third = combining(), SERIES // 3
    for cutoff in (3, 5, 7):
        both = judged(losses(5, 5, 5)).losses
        lead = replace(both, quantile=both.quantile * np.where(np.arange(SERIES) < third, 0.97, 1.05)[:, None])
        even = np.where(np.arange(SERIES)[:, None] % 2, 15, 5) * np.ones((1, HORIZON))
        one_way = np.where(np.arange(SERIES)[:, None] < third, 15, even)
        models = {"both": Judged(both, even, 1.0), "one way": Judged(lead, one_way, 1.0)}
        board.add_choosing(fold("choose", models, cutoff))
        models = {"both": models["both"], "both ways": Judged(lead, even, 1.0)}
    assert board.choose(["both", "one way"])["fast"] == "both"
    board = combining()
    for cutoff in (3, 5, 7):
        board.add_choosing(fold("choose", models, cutoff))
    assert board.choose(["both", "both ways"])["fast"] == "both ways"


def test_without_folds_the_moving_average_is_taken(board):
    assert set(board.choose(["naive", "moving_average"]).values()) == {"moving_average"}
    assert set(board.choose(["naive", "ses"]).values()) == {"naive"}
    assert board.leaderboard(board.choose(["naive"]), 100).schema == pl.Schema(DERIVED["leaderboard"].types)


def test_the_champion_is_put_together_from_the_chosen():
    result = fold("report", {"a": judged(losses(1, 2, 3), mean=1), "b": judged(losses(4, 5, 6), mean=2)})
    made = compose(result, {"all": "a", "slow": "b"})
    expected = np.repeat([1.0, 5.0, 3.0], SERIES // 3)
    np.testing.assert_array_equal(made.losses.quantile[:, 0], expected)
    np.testing.assert_array_equal(made.mean[:, 0], np.repeat([1, 2, 1], SERIES // 3))


def test_the_leaderboard_adds_up(board):
    chosen = {"all": "clever", "fast": "clever", "slow": "plain", "intermittent": "clever", "new": "clever"}
    for cutoff, factor in ((9, 1.0), (13, 3.0)):
        models = {"plain": judged(factor * losses(5, 5, 5)), "clever": judged(factor * losses(3, 7, 4))}
        board.add_reported(fold("report", models, cutoff), chosen)
    found = board.leaderboard(chosen, 100)
    assert found.schema == pl.Schema(DERIVED["leaderboard"].types)
    wql = {(s, m): v for s, m, v in found.select("segment", "model", "wql").iter_rows()}
    # Per cell: mean loss of both folds over sales of 10.
    assert wql["all", "plain"] == pytest.approx(5 * 2 / 10)
    assert wql["all", "clever"] == pytest.approx((3 + 7 + 4) / 3 * 2 / 10)
    assert wql["all", CHAMPION] == pytest.approx((3 + 5 + 4) / 3 * 2 / 10)
    assert wql["slow", CHAMPION] == wql["slow", "plain"]
    top = found.filter(pl.col("segment") == "all").sort("rank")
    assert top["model"].to_list() == [CHAMPION, "clever", "plain"]
    assert top["chosen"].to_list() == [True, False, False]
    assert top["gain"].to_list() == pytest.approx([1 - 4 / 5, 1 - 14 / 15, 0])
    assert (top["gain_low"] <= top["gain"]).all()
    assert (top["gain"] <= top["gain_high"]).all()
    assert set(found["segment"]) == {"all", "fast", "slow", "intermittent"}
    assert set(top["series"]) == {SERIES}


def test_without_a_simple_baseline_there_is_no_gain():
    board = Board(panel_of(np.ones((SERIES, 20))), [], seed=1)
    board.add_reported(fold("report", {"clever": judged(losses(3, 7, 4))}), {"all": "clever"})
    found = board.leaderboard({"all": "clever"}, 100)
    for name in ("gain", "gain_low", "gain_high"):
        assert found[name].null_count() == found.height, name


def test_scores_hold_steps_segments_and_nodes(board):
    board.add_choosing(fold("choose", {"plain": judged(losses(5, 5, 5), mean=12.0)}))
    scores = board.scores_frame()
    assert scores.schema == pl.Schema(DERIVED["scores"].types)
    assert scores.select(DERIVED["scores"].key).is_duplicated().sum() == 0
    assert set(scores["step"]) == set(range(HORIZON + 1))
    nodes = scores.filter(pl.col("node") != "series")
    assert set(nodes["node"]) == {"category", "total"}
    bias = nodes.filter(pl.col("metric") == "bias")
    assert bias["value"].to_list() == pytest.approx([0.2, 0.2])
    total = nodes.filter((pl.col("metric") == "mae") & (pl.col("node") == "total"))["value"].item()
    assert total == pytest.approx(2.0 * SERIES)
    assert set(nodes.filter(pl.col("node") == "category")["series"]) == {3}
