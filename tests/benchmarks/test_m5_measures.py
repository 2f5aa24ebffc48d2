"""The M5 set: its sums, its error measures and its panels, against the same computed from the raw tables."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sets import m5

pytestmark = pytest.mark.skipif("WINDVANE_DATA" not in os.environ, reason="needs m5 in the folder WINDVANE_DATA names")


def raw(name):
    return pl.read_parquet(Path(os.environ["WINDVANE_DATA"]) / "m5" / f"{name}.parquet")


def test_sums_of_nodes_equal_a_group_by_of_the_raw_table():
    every = m5.nodes()
    day = m5.SIX[0]
    column = (day - m5.FIRST).days
    got = every.sums(np.nan_to_num(m5.sales()[:, column - 2 : column + 1]))
    rows = raw("sales").filter(pl.col("ds") == day).with_columns(pl.col("unique_id").cast(pl.String))
    rows = rows.join(raw("series").with_columns(pl.col(pl.Categorical).cast(pl.String)), on="unique_id")
    for level, by in ((2, ["state_id"]), (7, ["state_id", "dept_id"]), (9, ["store_id", "dept_id"]),
                      (10, ["item_id"]), (11, ["item_id", "state_id"]), (12, ["unique_id"])):  # fmt: skip
        wanted = rows.group_by(pl.concat_str(by, separator="/").alias("node")).agg(pl.col("y").cast(pl.Int64).sum())
        at = every.level == level
        found = every.frame.filter(pl.Series(at)).select("node", got=pl.Series(got[at, 2]))
        both = found.join(wanted, on="node", how="left").with_columns(pl.col("y").fill_null(0))
        assert (both["got"] == both["y"]).all()
    assert got[0, 2] == rows["y"].cast(pl.Int64).sum()


def test_wrmsse_equals_the_formula_over_the_raw_tables():
    cutoff = m5.SIX[5]
    panel = m5.load(cutoff)
    naive = np.nan_to_num(np.tile(panel.sales[:, -7:], 4))
    score = m5.score_means(naive, cutoff)
    series = raw("series").with_columns(pl.col(pl.Categorical).cast(pl.String))
    nodes = raw("nodes")
    sales = raw("sales").with_columns(pl.col("unique_id").cast(pl.String), pl.col("y").cast(pl.Float64))
    truth = sales.filter(pl.col("ds") > cutoff, pl.col("ds") <= cutoff + pl.duration(days=28))
    last = sales.filter(pl.col("ds") > cutoff - pl.duration(days=7), pl.col("ds") <= cutoff).rename({"y": "guess"})
    guess = pl.concat([last.with_columns(pl.col("ds") + pl.duration(days=7 * week)) for week in (1, 2, 3, 4)])
    both = truth.join(guess, on=["unique_id", "ds"], how="full", coalesce=True).fill_null(0)
    both = both.join(series.select("unique_id", "item_id", "dept_id", "cat_id", "store_id", "state_id"), on="unique_id")
    for level, names in ((1, None), (6, ["state_id", "cat_id"]), (10, ["item_id"]), (12, ["unique_id"])):
        name = pl.lit("Total") if names is None else pl.concat_str(names, separator="/")
        part = both.group_by(name.alias("node"), "ds").agg(pl.col("y", "guess").sum())
        error = part.group_by("node").agg(((pl.col("y") - pl.col("guess")) ** 2).sum() / 28)
        told = nodes.filter(pl.col("level") == level).join(error, on="node")
        wanted = (told["weight_val"] * (told["y"] / told["scale_to_d1913"]).sqrt()).sum()
        assert score["levels"][level - 1] == pytest.approx(wanted, rel=1e-6)
    assert score["wrmsse"] == pytest.approx(0.8697, abs=5e-4)
    assert m5.score_means(m5.actuals(cutoff), cutoff)["wrmsse"] == 0


def test_wspl_of_a_node_follows_its_definition():
    cutoff = m5.SIX[1]
    every, rng = m5.nodes(), np.random.default_rng(1)
    truth = every.sums(m5.actuals(cutoff))
    quantiles = np.sort(truth[:, :, None] * rng.uniform(0.5, 1.5, (len(truth), 28, 9)), axis=2)
    score = m5.score_quantiles(quantiles, cutoff)
    history = every.sums(np.nan_to_num(m5.sales()[:, : (cutoff - m5.FIRST).days + 1]))
    for level in (1, 3, 10):
        total = weights = 0.0
        for i in np.flatnonzero(every.level == level):
            sold = np.flatnonzero(history[i] > 0)
            past = history[i, sold[0] :] if len(sold) else history[i, :0]
            scale = np.abs(np.diff(past)).mean() if len(past) > 1 else 0.0
            if scale == 0:
                continue
            loss = 0.0
            for k, u in enumerate(m5.LEVELS):
                miss = truth[i] - quantiles[i, :, k]
                loss += np.where(miss >= 0, u * miss, (u - 1) * miss).mean() / 9
            total += every.frame["weight_val"][int(i)] * loss / scale
            weights += every.frame["weight_val"][int(i)]
        assert score["wspl_levels"][level - 1] == pytest.approx(total / weights, rel=1e-9)
    assert score["wspl"] == pytest.approx(np.mean(score["wspl_levels"]))


def test_a_panel_holds_nothing_that_came_after_its_cutoff():
    early, late = m5.load(m5.SIX[0]), m5.load(m5.SIX[1])
    time = early.shape[1]
    assert early.cutoff == m5.SIX[0]
    assert np.array_equal(early.sales, late.sales[:, :time], equal_nan=True)
    assert early.keys.equals(late.keys)
    for name, known in early.known.items():
        assert known.values.shape[1] == time + m5.HORIZON
        assert np.array_equal(known.values, late.known[name].values[:, : time + m5.HORIZON], equal_nan=True)
    assert np.array_equal(m5.actuals(m5.SIX[0]), np.nan_to_num(late.sales[:, time:]))


def test_covariates_are_those_of_the_calendar_and_the_price_list():
    panel = m5.load(m5.OFFICIAL)
    assert panel.sales.flags.writeable
    panel.require_future(m5.HORIZON)
    calendar = raw("calendar").filter(pl.col("ds") >= m5.FIRST).sort("ds")
    texas = int((panel.static["region"] == "TX").arg_max())
    assert np.array_equal(panel.known["snap"].values[texas], calendar["snap_TX"].to_numpy())
    day = int((calendar["ds"] == date(2015, 12, 25)).arg_max())
    code = int(panel.known["holiday"].values[0, day])
    assert panel.levels["holiday"][code] == "Christmas"
    assert panel.levels["holiday"][0] == ""
    # The last day of the official window has two events.
    assert panel.levels["holiday"][int(panel.known["holiday"].values[0, -1])] == "Father's day"
    assert panel.levels["sport"][int(panel.known["sport"].values[0, -1])] == "NBAFinalsEnd"
    item, store = panel.keys.row(texas)
    prices = raw("prices").filter(pl.col("item_id") == item, pl.col("store_id") == store)
    wanted = calendar.join(prices, on="wm_yr_wk", how="left")["sell_price"].to_numpy()
    assert np.array_equal(panel.known["price"].values[texas], wanted, equal_nan=True)


def test_the_official_window_is_not_scored():
    assert m5.actuals(m5.OFFICIAL) is None
    assert m5.score_means(np.zeros((30490, 28)), m5.OFFICIAL) == {}


def test_the_table_has_the_order_of_the_nodes():
    every = m5.nodes()
    means = np.random.default_rng(1).uniform(size=(30490, 28)).astype(np.float32)
    levels = np.array([0.005, 0.025, 0.1, 0.165, 0.25, 0.5, 0.75, 0.835, 0.9, 0.975, 0.995])
    shape = (30490, 28, len(levels))
    found = {
        "mean": means,
        "quantiles": np.broadcast_to(levels.astype(np.float32), shape),
        "group_quantiles": np.broadcast_to(levels.astype(np.float32) + 1, (42840 - 30490, *shape[1:])),
        "levels": levels,
    }
    keys, mean, quantiles, names = m5.table(found)
    assert keys["node"].to_list() == raw("nodes")["node"].to_list()
    assert keys["level"].to_list() == every.level.tolist()
    assert mean[0, 0] == pytest.approx(means[:, 0].sum(dtype=np.float64), rel=1e-6)
    assert np.array_equal(mean[-30490:], means)
    assert np.allclose(quantiles[-1, 0], names)
    assert np.allclose(quantiles[0, 0], np.array(names) + 1)
