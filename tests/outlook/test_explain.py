"""Parts of a forecast: what a plan brings is what the forecast would lose without it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "models"))
from planned_panels import HORIZON, planned, promoted_shop

from windvane.models import registry
from windvane.outlook.explain import BASE, explain


def parts(name: str, kind: str, series: int = 4):
    """Parts without and with a promotion at one step, and both totals."""
    panel = promoted_shop(series=60, kind=kind)
    point = registry.point_model(name).fit(panel, HORIZON, np.random.default_rng(1))
    told = [explain(point, view, series, HORIZON) for view in (panel, planned(panel))]
    for view, one in zip((panel, planned(panel)), told, strict=True):
        means = point.means(view, np.array([view.shape[1] - 1]), HORIZON)[series, 0]
        assert one.total == pytest.approx(float(means.sum()), rel=1e-4)
        assert sum(one.parts.values()) == pytest.approx(one.total, rel=1e-6)
    return told


@pytest.mark.parametrize(("kind", "part"), [("number", "promotion"), ("price", "price")])
@pytest.mark.parametrize("name", ["structured", "planned_tsb", "boosted", "blend"])
def test_what_a_plan_brings_is_told_under_its_own_name(name, kind, part):
    without, with_ = parts(name, kind)
    more = with_.total - without.total
    assert more > 0.05 * without.total
    gained = with_.parts.get(part, 0.0) - without.parts.get(part, 0.0)
    # Trees see a promotion through several features, of which some count as recent sales.
    assert gained == pytest.approx(more, rel=0.02 if name in ("structured", "planned_tsb") else 0.35)
    assert with_.parts[BASE] == pytest.approx(without.parts[BASE], rel=0.02)
