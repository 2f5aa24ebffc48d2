"""Small hierarchies, crossed and nested, and pasts of forecasts on them."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import strategies as st

from windvane.models.coherence.hierarchy import Hierarchy
from windvane.models.coherence.past import Past

COLUMNS = ("a", "b", "c")
LEVELS = [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c"), ("sku",)]


def hierarchy_of(groups: np.ndarray, levels: list[tuple[str, ...]]) -> Hierarchy:
    """Series with a group number in each of the columns, int [series, 3]."""
    keys = pl.DataFrame({"sku": [f"s{i:03d}" for i in range(len(groups))]})
    return Hierarchy.of_columns(keys, pl.DataFrame(groups, schema=COLUMNS, orient="row"), levels)


def shop_hierarchy() -> Hierarchy:
    """Ten products in three locations of two regions, in categories of unlike size: total to product, and crossings."""
    rng = np.random.default_rng(3)
    category = np.sort(rng.integers(0, 3, 10))
    keys = pl.DataFrame({"sku": [f"s{i // 3}" for i in range(30)], "location": [f"l{i % 3}" for i in range(30)]})
    static = pl.DataFrame({"category": category.repeat(3), "region": [("n", "s", "s")[i % 3] for i in range(30)]})
    levels = [(), ("region",), ("location",), ("category",), ("location", "category"), ("sku",), ("sku", "region")]
    return Hierarchy.of_columns(keys, static, levels)


def summing_matrix(tree: Hierarchy) -> np.ndarray:
    """The dense matrix S, from the codes of the levels alone."""
    rows = [np.arange(level.count)[:, None] == level.code[None, :] for level in tree.levels]
    return np.concatenate([*rows, np.eye(tree.series)]).astype(np.float64)


def past_of(tree: Hierarchy, origins: int, horizon: int, noise: float = 1.0, seed: int = 1) -> Past:
    """Forecasts that err alike within groups, gamma sales."""
    rng = np.random.default_rng(seed)
    sales = rng.gamma(1.5, 2.0, (tree.series, origins, horizon)).astype(np.float32)
    shape = (tree.nodes, origins, horizon)
    common = rng.normal(0, 1, (1, origins, horizon))
    forecasts = tree.sums(sales) + noise * (rng.normal(0, 1, shape) + common) * np.sqrt(tree.sizes)[:, None, None]
    return Past.of(tree, np.maximum(forecasts, 0).astype(np.float32), sales)


@st.composite
def hierarchies(draw: st.DrawFn) -> Hierarchy:
    """Any few series in any groups, on any levels: trees, crossings, groups of one, levels that coincide."""
    count = draw(st.integers(1, 14))
    groups = draw(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=count, max_size=count))
    levels = draw(st.lists(st.sampled_from(LEVELS), unique=True, max_size=len(LEVELS)))
    return hierarchy_of(np.array(groups), levels)
