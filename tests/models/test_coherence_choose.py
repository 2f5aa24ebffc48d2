"""The choice of a method: by the mean over origins, and only when the gain is clear."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from made_up_hierarchies import hierarchy_of, past_of, shop_hierarchy

from windvane.models.coherence.align import Align
from windvane.models.coherence.choose import choose, default_weight, node_losses
from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.mint import MinT
from windvane.models.coherence.past import Past
from windvane.models.coherence.proportions import BottomUp, TopDown

pytestmark = pytest.mark.tiny


def two() -> Hierarchy:
    return hierarchy_of(np.zeros((2, 3), int), [()])


def past_with(errors: list[float]) -> Past:
    """Series sold 100 each; forecast with a given error at each origin."""
    tree = two()
    sales = np.full((2, len(errors), 1), 100.0, np.float32)
    forecasts = tree.sums(sales) + tree.sums(np.tile(np.array(errors)[None, :, None], (2, 1, 1)))
    return Past.of(tree, forecasts.astype(np.float32), sales)


@dataclass
class Shifted:
    """Adds to the bottom forecasts what takes their error at each origin to a wanted one."""

    wanted: dict[float, float]
    name: str = "shifted"
    seen: list[int] = field(default_factory=list)

    def bottom(self, hierarchy, base, past=None):
        self.seen.append(past.origins)
        return (
            np.float32(100.0) + np.array([self.wanted[float(v) - 100] for v in base[hierarchy.bottom][:, 0]])[:, None]
        )


def test_a_steady_gain_is_taken():
    method = Shifted({10.0: 5.0, 11.0: 6.0, 12.0: 6.5, 13.0: 8.0})
    found = choose(two(), past_with([10.0, 11.0, 12.0, 13.0]), [method])
    assert found.method is method
    assert found.names == ("bottom_up", "shifted")
    assert found.gains[1] > 0
    assert found.frame()["chosen"].to_list() == [False, True]
    assert method.seen == [3] * 4


def test_a_method_that_wins_one_origin_and_loses_the_mean_is_not_chosen():
    method = Shifted({10.0: 0.0, 11.0: 18.0, 12.0: 18.0})
    found = choose(two(), past_with([10.0, 11.0, 12.0]), [method])
    assert found.losses[1, 0] < found.losses[0, 0]
    assert found.gains[1] < 0
    assert isinstance(found.method, BottomUp)


def test_a_mean_gain_that_one_origin_makes_alone_is_noise():
    method = Shifted({10.0: 0.0, 11.0: 12.0, 12.0: 13.0})
    found = choose(two(), past_with([10.0, 11.0, 12.0]), [method])
    assert found.gains[1] > 0
    assert isinstance(found.method, BottomUp)
    assert choose(two(), past_with([10.0, 11.0, 12.0]), [method], confidence=0.6).method is method


def test_the_best_of_several_clear_gains_is_chosen():
    good = Shifted({10.0: 5.0, 11.0: 6.0, 12.0: 7.0}, "good")
    better = Shifted({10.0: 1.0, 11.0: 2.0, 12.0: 3.0}, "better")
    assert choose(two(), past_with([10.0, 11.0, 12.0]), [good, better]).method is better


def test_one_origin_chooses_nothing_and_asks_no_method():
    method = Shifted({10.0: 0.0})
    found = choose(two(), past_with([10.0]), [method])
    assert found.names == ("bottom_up",)
    assert isinstance(found.method, BottomUp)
    assert not method.seen


def test_an_origin_is_judged_without_its_own_past():
    """Perturbing what came at an origin changes no forecast judged there."""
    tree, past = shop_hierarchy(), past_of(shop_hierarchy(), 4, 5)
    other = Past(past.forecasts, past.actuals.copy())
    other.actuals[:, 2] *= 3
    for method in (Align(), MinT("variance"), MinT("shrunk"), TopDown(by="history")):
        made = [method.bottom(tree, p.forecasts[:, 2], p.only([0, 1, 3])) for p in (past, other)]
        assert made[0].tobytes() == made[1].tobytes()
        spy = choose(tree, past, [method]).losses[1], choose(tree, other, [method]).losses[1]
        series = made[0]
        weight = default_weight(tree, other)
        assert spy[1][2] == pytest.approx(float(weight @ node_losses(tree.sums(series), other.actuals[:, 2])))
        assert spy[0][2] != spy[1][2]


def test_the_default_weight_makes_levels_equal_and_units_equal_within():
    tree = two()
    past = past_with([0.0, 0.0])
    past.actuals[1] = 50
    weight = default_weight(tree, past)
    assert weight.tolist() == pytest.approx([1 / 2 / 200, 1 / 2 / 150, 1 / 2 / 150])


def test_unknown_sales_count_for_nothing():
    losses = node_losses(np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([[4.0, np.nan], [np.nan, np.nan]]))
    assert losses.tolist() == [3.0, 0.0]
