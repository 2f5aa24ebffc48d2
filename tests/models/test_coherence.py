"""Hierarchies, and the methods that believe one level."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_hierarchies import hierarchies, hierarchy_of, past_of, shop_hierarchy, summing_matrix

from windvane.errors import ConfigError, ModelError
from windvane.models.coherence.hierarchy import BOTTOM, Hierarchy
from windvane.models.coherence.method import reconcile
from windvane.models.coherence.mint import MinT
from windvane.models.coherence.past import Past
from windvane.models.coherence.proportions import BottomUp, TopDown

pytestmark = pytest.mark.tiny


def tree_of_four() -> Hierarchy:
    """Two groups of two series."""
    return hierarchy_of(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]), [(), ("a",)])


@given(hierarchies(), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_a_table_grouped_by_the_columns(tree, seed):
    values = np.random.default_rng(seed).normal(size=(tree.series, 2))
    got = tree.sums(values)
    assert got[tree.bottom].tolist() == values.tolist()
    for level in tree.levels:
        of_group = (
            level.names[level.code].with_row_index() if level.columns else pl.DataFrame({"index": range(len(values))})
        )
        table = of_group.with_columns(x=values[:, 0], y=values[:, 1])
        want = table.group_by(level.columns or pl.lit(0).alias("all")).agg(pl.col("x", "y").sum())
        want = want.sort(level.columns or "all")
        if level.columns:
            assert want.select(level.columns).equals(level.names)
        np.testing.assert_allclose(got[level.nodes], want.select("x", "y").to_numpy(), atol=1e-12)


@given(hierarchies())
def test_levels_are_distinct_and_each_is_found_by_its_name(tree):
    parts = [tuple(level.code) for level in tree.levels]
    for level in tree.levels:
        assert level.count < tree.series
        assert tree.level(level.columns) is level
    as_sets = [frozenset(frozenset(np.flatnonzero(np.array(p) == g)) for g in set(p)) for p in parts]
    assert len(set(as_sets)) == len(as_sets)
    for left_out, kept in tree.same.items():
        found = tree.level(left_out)
        assert found is None if kept == tuple(tree.keys.columns) else found.columns == kept


def test_nested_levels_are_summed_from_the_coarsest_finer_one():
    tree = shop_hierarchy()
    source = {
        level.label: tree.levels[level.source].label if level.source != BOTTOM else "series" for level in tree.levels
    }
    assert source["region"] == "location"
    assert source["sku"] == "sku/region"
    assert source["location/category"] == source["sku/region"] == "series"
    assert tree.levels[tree.finest_first[0]].label == "sku/region"


def test_nodes_are_numbered_and_named():
    frame = shop_hierarchy().frame()
    assert frame.columns == ["level", "node", "series"]
    assert frame.row(0) == ("total", "total", 30)
    assert frame.filter(pl.col("level") == "region")["node"].to_list() == ["n", "s"]
    assert frame.filter(pl.col("level") == "location/category")["node"].to_list()[0] == "l0/0"
    assert frame.filter(pl.col("level") == "sku/location")["node"].to_list()[:2] == ["s0/l0", "s0/l1"]
    assert (frame.group_by("level").agg(pl.col("series").sum())["series"] == 30).all()


def test_an_empty_cell_is_a_group_of_its_own_and_texts_sort_as_texts():
    keys = pl.DataFrame({"sku": list("abcd")})
    static = pl.DataFrame({"category": pl.Series(["z", None, "b", "z"], dtype=pl.Categorical)})
    level = Hierarchy.of_columns(keys, static, [("category",)]).levels[0]
    assert level.names["category"].to_list() == ["b", "z", None]
    assert level.code.tolist() == [1, 2, 0, 1]


def test_levels_that_do_not_exist_are_named():
    keys = pl.DataFrame({"sku": ["a", "b"]})
    with pytest.raises(ConfigError, match=r"'colour'.*Choose from sku"):
        Hierarchy.of_columns(keys, pl.DataFrame(), [("colour",)])
    with pytest.raises(ConfigError, match="twice"):
        Hierarchy.of_columns(keys, pl.DataFrame(), [(), ()])
    with pytest.raises(ConfigError, match="no level"):
        Hierarchy.of_columns(keys, pl.DataFrame(), [()]).level(("colour",))
    with pytest.raises(ConfigError, match="at least one series"):
        Hierarchy.of_columns(keys.clear(), pl.DataFrame(), [()])


@given(hierarchies(), st.integers(0, 2**32 - 1))
def test_every_method_gives_forecasts_that_add_up_and_are_not_negative(tree, seed):
    rng = np.random.default_rng(seed)
    base = np.maximum(rng.normal(1, 2, (tree.nodes, 3)), 0).astype(np.float32) * tree.sizes[:, None]
    past = past_of(tree, 3, 3, seed=seed)
    above = tree.levels[0].columns if tree.levels else ("sku",)
    matrix = summing_matrix(tree)
    for method in (
        BottomUp(),
        TopDown(above),
        TopDown(above, "history"),
        *(MinT(weights) for weights in ("structural", "variance", "shrunk")),
    ):
        nodes = reconcile(tree, base, method, past).astype(np.float64)
        assert nodes.shape == base.shape
        assert (nodes >= 0).all()
        np.testing.assert_allclose(nodes, matrix @ nodes[tree.bottom], rtol=1e-4, atol=1e-6)


def test_top_down_splits_the_total_by_forecasts_or_by_history():
    tree = tree_of_four()
    base = np.array([[100.0], [60.0], [20.0], [1.0], [3.0], [4.0], [0.0]])
    assert TopDown().bottom(tree, base)[:, 0].tolist() == [12.5, 37.5, 50.0, 0.0]
    actuals = np.zeros((7, 1, 2), np.float32)
    actuals[tree.bottom, 0, 0] = [1, 1, 0, 8]
    past = Past(np.zeros_like(actuals), actuals)
    assert TopDown(by="history").bottom(tree, base, past)[:, 0].tolist() == [10.0, 10.0, 0.0, 80.0]


def test_top_down_level_by_level_splits_groups_by_their_own_forecasts():
    tree = tree_of_four()
    base = np.array([[100.0], [60.0], [20.0], [1.0], [3.0], [4.0], [0.0]])
    got = TopDown(through=(("a",),)).bottom(tree, base)[:, 0]
    assert got.tolist() == pytest.approx([75 * 0.25, 75 * 0.75, 25.0, 0.0])


def test_middle_out_keeps_the_forecasts_of_its_level():
    tree = shop_hierarchy()
    base = np.random.default_rng(2).gamma(1, 2, (tree.nodes, 4)).astype(np.float32)
    nodes = reconcile(tree, base, TopDown(("category",)))
    level = tree.level(("category",))
    np.testing.assert_allclose(nodes[level.nodes], base[level.nodes], rtol=1e-6)


def test_a_group_whose_series_are_all_forecast_zero_is_split_evenly():
    tree = tree_of_four()
    base = np.array([[8.0], [6.0], [2.0], [0.0], [0.0], [1.0], [1.0]])
    assert TopDown(("a",)).bottom(tree, base)[:, 0].tolist() == [3.0, 3.0, 1.0, 1.0]


def test_what_cannot_be_reconciled_is_refused():
    tree, base = tree_of_four(), np.ones((7, 2), np.float32)
    with pytest.raises(ModelError, match=r"must be \[7, horizon\]"):
        reconcile(tree, base[:4], BottomUp())
    with pytest.raises(ModelError, match="NaN"):
        reconcile(tree, base * np.nan, BottomUp())
    with pytest.raises(ModelError, match="the past has 3 nodes"):
        reconcile(tree, base, BottomUp(), Past(base[:3, None], base[:3, None]))
    with pytest.raises(ModelError, match="7 and 4 rows"):
        Past.of(tree, base[:, None], base[:3, None])
    with pytest.raises(ModelError, match="past actuals"):
        reconcile(tree, base, TopDown(by="history"))
    with pytest.raises(ModelError, match="past errors"):
        reconcile(tree, base, MinT())
    with pytest.raises(ModelError, match="rows"):
        tree.sums(np.ones(3))
    crossed = hierarchy_of(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]), [("a",), ("b",)])
    with pytest.raises(ConfigError, match="not nested"):
        TopDown(("a",), through=(("b",),)).bottom(crossed, np.ones((8, 1)))


def test_a_past_counts_unknown_sales_of_a_series_as_forecast():
    tree = tree_of_four()
    forecasts = np.full((7, 1, 2), 5, np.float32)
    sales = np.array([[[1, np.nan]], [[2, np.nan]], [[3, 3]], [[4, np.nan]]], np.float32)
    past = Past.of(tree, forecasts, sales)
    assert past.actuals[:3, 0, 0].tolist() == [10, 3, 7]
    assert past.actuals[0, 0, 1] == 5 + 5 + 3 + 5
    assert np.isnan(past.actuals[1, 0, 1])
    assert past.actuals[2, 0, 1] == 3 + 5
    assert past.errors()[1, 0].tolist() == [-2, 0]
    with pytest.raises(ModelError, match="must both be"):
        Past(forecasts, forecasts[:, 0])
    with pytest.raises(ModelError, match="NaN"):
        Past(forecasts * np.nan, forecasts)


@pytest.mark.data
@pytest.mark.skipif("WINDVANE_DATA" not in os.environ, reason="needs the folder named by WINDVANE_DATA")
def test_the_nodes_of_m5_are_the_competition_s():
    folder = Path(os.environ["WINDVANE_DATA"]) / "m5"
    series = pl.read_parquet(folder / "series.parquet").with_columns(pl.col(pl.Categorical).cast(pl.String))
    nodes = pl.read_parquet(folder / "nodes.parquet").with_columns(pl.col(pl.Categorical).cast(pl.String))
    levels = nodes.group_by("level", maintain_order=True).first()["by"].to_list()[:-1]
    columns = [() if by == "total" else tuple(by.split("/")) for by in levels]
    series = series.sort("unique_id")
    tree = Hierarchy.of_columns(series.select("unique_id"), series.drop("unique_id"), columns)
    names = tree.frame()["node"].to_list()
    names[0] = "Total"
    assert names == nodes["node"].to_list()
