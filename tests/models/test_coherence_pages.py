"""The panel of aggregates, and the example of the pages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_up_panels import shop, with_sales

from windvane.models.coherence.aggregates import aggregate_panel
from windvane.models.coherence.hierarchy import Hierarchy

PAGES = sorted((Path(__file__).parents[2] / "docs" / "howto").glob("coherence*.md"))


@pytest.mark.tiny
def test_the_panel_of_aggregates_sums_what_is_known_and_fills_what_is_not():
    panel = shop()
    tree = Hierarchy.of(panel, [(), ("category",)])
    above = aggregate_panel(tree, panel)
    assert above.keys.rows() == [("total", "total"), ("category", "c0"), ("category", "c1"), ("category", "c2")]
    np.testing.assert_allclose(above.sales[0], above.sales[1:].sum(0), rtol=1e-5)
    start = panel.launch
    want = np.zeros(panel.shape)
    for i in range(panel.shape[0]):
        mean = None
        for t in range(start[i], panel.shape[1]):
            y = panel.sales[i, t]
            if np.isnan(y):
                want[i, t] = mean or 0.0
            else:
                mean = y if mean is None else mean + 0.1 * (y - mean)
                want[i, t] = y
    assert np.isnan(panel.sales[:, 60:]).any()
    np.testing.assert_allclose(above.sales[0], want.sum(0), rtol=1e-5)


@pytest.mark.tiny
def test_aggregates_of_the_past_do_not_know_the_future():
    panel = shop()
    tree = Hierarchy.of(panel, [("category",)])
    later = panel.sales.copy()
    later[:, 80:] = np.nan_to_num(later[:, 80:]) * 3 + 1
    late = with_sales(panel, later)
    before, after = (aggregate_panel(tree, p).sales[:, :80] for p in (panel, late))
    assert before.tobytes() == after.tobytes()
    cut = aggregate_panel(tree, panel.as_of(panel.dates[79])).sales
    assert cut.tobytes() == before.tobytes()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_example_runs_and_adds_up(page):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S))
    names: dict[str, object] = {}
    exec(compile(code, str(page), "exec"), names)
    tree, nodes, choice = names["tree"], names["nodes"], names["choice"]
    assert isinstance(tree, Hierarchy)
    assert isinstance(nodes, np.ndarray)
    np.testing.assert_allclose(nodes, tree.sums(nodes[tree.bottom]), rtol=1e-4)
    assert isinstance(choice.frame(), pl.DataFrame)  # type: ignore[attr-defined]


def test_both_pages_are_there():
    assert len(PAGES) == 2
