"""Scores, sums of paths and the exchange with peers, against the same computed another way."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import peers
from accuracy import Outcome, line
from pages import page
from scoring import score_series, score_sums
from sets.contract import Grouping, from_table, sums_of
from windvane.models import registry
from windvane.panel import Panel
from worker import sums

LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])


def toy_panel(series=6, time=40, seed=1):
    rng = np.random.default_rng(seed)
    start = date(2026, 1, 1)
    days = pl.date_range(start, start + timedelta(days=time - 1), eager=True)
    frame = pl.DataFrame(
        {
            "sku": np.repeat([f"s{i}" for i in range(series)], time),
            "date": pl.concat([days] * series),
            "units": rng.poisson(np.repeat(np.arange(1, series + 1), time)),
            "price": rng.uniform(1, 2, series * time),
            "group": np.repeat(["a" if i % 2 else "b" for i in range(series)], time),
        }
    )
    # The last series starts late.
    frame = frame.filter((pl.col("sku") != f"s{series - 1}") | (pl.col("date") >= date(2026, 1, 21)))
    ahead = pl.date_range(start + timedelta(days=time), start + timedelta(days=time + 13), eager=True)
    future = pl.DataFrame(
        {"sku": np.repeat([f"s{i}" for i in range(series)], 14), "date": pl.concat([ahead] * series), "price": 1.5}
    )
    return Panel.from_frame(
        frame, keys=["sku"], date="date", sales="units", freq="1d", known=["price"], static=["group"], future=future
    )


@pytest.mark.tiny
def test_series_scores_equal_loops_over_cells():
    panel = toy_panel()
    rng = np.random.default_rng(2)
    actual = rng.poisson(3, (6, 14)).astype(np.float32)
    actual[0, 3] = np.nan
    mean = rng.uniform(1, 5, (6, 14)).astype(np.float32)
    quantiles = np.sort(rng.uniform(0, 8, (6, 14, 5)), axis=2).astype(np.float32)
    score = score_series(panel, actual, {"mean": mean, "quantiles": quantiles, "levels": LEVELS})
    loss = absolute = error = total = 0.0
    rmsse = []
    for i in range(6):
        square = []
        for h in range(14):
            y = float(actual[i, h])
            if np.isnan(y):
                continue
            total += y
            error += float(mean[i, h]) - y
            absolute += abs(y - float(quantiles[i, h, 2]))
            square.append((y - float(mean[i, h])) ** 2)
            for k, level in enumerate(LEVELS):
                q = float(quantiles[i, h, k])
                loss += 2 / 5 * (level * (y - q) if y >= q else (1 - level) * (q - y))
        past = panel.sales[i, panel.launch[i] :].astype(float)
        rmsse.append(np.sqrt(np.mean(square) / np.mean(np.diff(past) ** 2)))
    assert score.values["wql"] == pytest.approx(loss / total, rel=1e-6)
    assert score.values["wape"] == pytest.approx(absolute / total, rel=1e-6)
    assert score.values["bias"] == pytest.approx(error / total, rel=1e-5)
    assert score.values["rmsse"] == pytest.approx(np.mean(rmsse), rel=1e-5)
    assert score.loss.sum() == pytest.approx(loss, rel=1e-6)
    assert score.pits["series"].sum() == 6 * 14 - 1


@pytest.mark.tiny
def test_means_alone_give_no_quantile_loss():
    panel = toy_panel()
    actual = np.full((6, 14), 2.0, np.float32)
    score = score_series(panel, actual, {"mean": actual + 1})
    assert np.isnan(score.values["wql"])
    assert np.isnan(score.loss).all()
    assert score.values["wape"] == pytest.approx(0.5)
    assert score.values["bias"] == pytest.approx(0.5)


@pytest.mark.tiny
def test_coverage_of_right_quantiles_is_nominal_and_of_shifted_ones_is_not():
    rng = np.random.default_rng(3)
    series, levels = 4000, np.linspace(0.025, 0.975, 39)
    frame = pl.DataFrame({"sku": np.arange(series), "date": [date(2026, 1, 1)] * series, "units": np.ones(series)})
    panel = Panel.from_frame(frame, keys=["sku"], date="date", sales="units", freq="1d")
    draws = np.sort(rng.poisson(5, 200_000))
    quantiles = np.broadcast_to(np.quantile(draws, levels), (series, 1, len(levels))).astype(np.float32)
    actual = rng.poisson(5, (series, 1)).astype(np.float32)
    found = {"mean": np.full((series, 1), 5.0), "quantiles": quantiles, "levels": levels}
    right = score_series(panel, actual, found)
    assert right.values["coverage80"] == pytest.approx(0.8, abs=0.02)
    shifted = score_series(panel, actual + 3, found)
    assert shifted.values["coverage80"] < 0.7


def forecast_of(panel, horizon=14):
    model = registry.model("seasonal_es")
    return model.fit(panel, horizon, np.random.default_rng(1)).predict(panel)


@pytest.mark.tiny
@pytest.mark.parametrize("local", [False, True])
def test_quantiles_of_sums_are_those_of_all_paths_at_once(local):
    panel = toy_panel()
    found = forecast_of(panel)
    data = from_table("toy", 14, (3, 14), 1, lambda: panel, "group")
    # Groups of neighbouring rows, so that parts of two rows hold whole groups.
    pairs = Grouping("pairs", np.array([0, 0, 1, 1, 2, 2]), ("x", "y", "z"), local)
    groupings = [*sums_of(panel, "group"), pairs]
    object.__setattr__(data, "part", 2)
    arrays = sums(found, groupings, data, paths=50)
    every = np.empty((6, 50, 14))
    for rows, part in found.paths(50, 6):
        every[rows] = part
    start = 0
    for grouping in groupings:
        for g in range(len(grouping.names)):
            total = every[grouping.code == g].sum(axis=0)
            wanted = np.quantile(total, found.levels, axis=0).T
            assert np.allclose(arrays["group_quantiles"][start + g], wanted, rtol=1e-5)
            wanted = np.quantile(total[:, :3].sum(axis=1), found.levels)
            assert np.allclose(arrays["group_totals"][start + g, 0], wanted, rtol=1e-5)
        start += len(grouping.names)
    wanted = np.quantile(every.sum(axis=2), found.levels, axis=1).T
    assert np.allclose(arrays["series_totals"][:, 1], wanted, rtol=1e-5)
    assert np.allclose(arrays["path_mean"], every.mean(axis=1).sum(axis=0), rtol=1e-6)


@pytest.mark.tiny
def test_sums_are_scored_against_the_groups_own_truth():
    panel = toy_panel()
    groupings = sums_of(panel, "group")
    actual = np.random.default_rng(4).poisson(3, (6, 14)).astype(np.float32)
    levels = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
    truth = np.stack([actual.sum(axis=0), actual[[1, 3, 5]].sum(axis=0), actual[[0, 2, 4]].sum(axis=0)])
    width = np.array([-8.0, -4.0, 0.0, 4.0, 8.0])
    found = {
        "levels": levels,
        "group_quantiles": truth[:, :, None] + width,
        "group_totals": truth.sum(axis=1)[:, None, None] + width,
        "series_totals": actual.sum(axis=1)[:, None, None] + width + 100,
    }
    score = score_sums(panel, actual, found, groupings, (14,))
    assert score.values["total: coverage80"] == 1.0
    assert score.values["group: coverage80"] == 1.0
    assert score.values["group, sum of 14: coverage95"] == 1.0
    assert score.values["series, sum of 14: coverage95"] == 0.0
    assert score.pits["group"].sum() == 28


@pytest.mark.tiny
def test_a_set_is_cut_where_the_cutoff_says():
    panel = toy_panel()
    data = from_table("toy", 7, (7,), 2, lambda: panel)
    assert data.origins == (panel.dates[25], panel.dates[32])
    early = data.load(panel.dates[10])
    assert early.keys["sku"].to_list() == ["s0", "s1", "s2", "s3", "s4"]
    assert np.array_equal(early.sales, panel.sales[:5, :11])
    assert np.array_equal(data.actuals(panel.dates[10]), panel.sales[:5, 11:18])
    assert data.actuals(panel.dates[-3]) is None


@pytest.mark.tiny
def test_a_peer_gets_the_panel_and_its_answer_is_read(tmp_path):
    panel = toy_panel()
    peers.write_task(panel, 14, tmp_path)
    history = pl.read_parquet(tmp_path / "history.parquet")
    assert history.height == 5 * 40 + 20
    row = history.filter((pl.col("id") == 2) & (pl.col("ds") == panel.dates[7]))
    assert row["y"][0] == panel.sales[2, 7]
    assert row["price"][0] == panel.known["price"].values[2, 7]
    future = pl.read_parquet(tmp_path / "future.parquet")
    assert future.filter(pl.col("id") == 3)["ds"].to_list() == panel.future_dates(14).to_list()
    assert (future["price"] == 1.5).all()
    peer = peers.PEERS["seasonal naive"]
    assert peers.interpreter(peer, ["/no/such/python", sys.executable]) == sys.executable
    assert peers.run(peer, sys.executable, tmp_path, 120)
    with np.load(tmp_path / "forecast.npz") as found:
        assert np.array_equal(found["mean"], np.tile(panel.sales[:, -7:], 2))
        median = found["quantiles"][:, :, int(np.flatnonzero(found["levels"] == 0.5)[0])]
        assert np.allclose(median, found["mean"], atol=1e-4)
        assert (np.diff(found["quantiles"], axis=2) >= 0).all()
    assert json.loads((tmp_path / "cost.json").read_text())["seconds"] > 0


@pytest.mark.tiny
def test_a_peer_whose_library_is_missing_is_left_out():
    absent = peers.Peer("seasonal_naive.py", "no_such_library")
    assert peers.interpreter(absent, [sys.executable]) is None


@pytest.mark.tiny
def test_the_page_shows_measures_gains_and_costs():
    panel = toy_panel()
    data = from_table("toy", 7, (7,), 2, lambda: panel)
    outcomes = []
    for cutoff in data.origins:
        past = data.load(cutoff)
        for name in ("seasonal_es", "naive"):
            forecast = registry.model(name).fit(past, 7, np.random.default_rng(1)).predict(past)
            found = {"mean": forecast.mean, "quantiles": forecast.quantiles, "levels": np.asarray(forecast.levels)}
            cost = {"seconds": 1.0, "cpu_seconds": 1.0, "peak_mb": 100.0}
            outcomes.append(Outcome("toy", cutoff, name, cost, score_series(past, data.actuals(cutoff), found)))
    text = page(data, outcomes, outcomes, "a machine", "a command")
    first = outcomes[0].score.values["wql"]
    second = outcomes[2].score.values["wql"]
    assert f"| seasonal_es | {first:.4f} | {second:.4f} | {(first + second) / 2:.4f} |" in text
    assert "## Quantile loss saved by seasonal_es" in text
    assert "| naive | 1.0 (1.0 to 1.0)" in text
    assert f"wql {first:.4f}" in line(outcomes[0])


@pytest.mark.tiny
def test_the_script_says_what_it_needs(tmp_path):
    command = [sys.executable, "benchmarks/accuracy.py", "--data", "carparts", "--preset", "naive"]
    root = Path(__file__).parents[2]
    environment = {"PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 1
    assert "WINDVANE_DATA" in done.stderr


@pytest.mark.tiny
def test_short_series_get_the_quantiles_of_their_own_past(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(peers.HERE))
    from exchange import Task

    task = Task(tmp_path, {"series": 3, "horizon": 2, "levels": [0.1, 0.5, 0.9]})
    mean, quantiles = np.zeros((3, 2)), np.zeros((3, 2, 3))
    short = pl.DataFrame({"id": [1, 1, 1], "y": [1.0, 2.0, 6.0]})
    task.fill(mean, quantiles, short)
    assert mean.tolist() == [[0, 0], [3, 3], [0, 0]]
    assert np.allclose(quantiles[1], np.quantile([1.0, 2.0, 6.0], [0.1, 0.5, 0.9]))
    assert [task.windows(periods) for periods in (3, 12, 1000)] == [2, 3, 8]
    grid = task.grid(np.array([2, 2, 0, 0]), np.array([5.0, 6.0, 7.0, 8.0]))
    assert grid.tolist() == [[7, 8], [0, 0], [5, 6]]


@pytest.mark.skipif("WINDVANE_DATA" not in os.environ, reason="needs carparts in the folder WINDVANE_DATA names")
def test_the_script_writes_scores_and_compares(tmp_path):
    out = tmp_path / "forecasts.parquet"
    command = [sys.executable, "benchmarks/accuracy.py", "--data", "carparts", "--preset", "naive", "--out", str(out)]
    root = Path(__file__).parents[2]
    extra = ["--peers", "seasonal naive", "--peer-python", sys.executable, "--results", str(tmp_path)]
    done = subprocess.run([*command, *extra], check=True, capture_output=True, text=True, cwd=root)
    assert "carparts 2001-09-01 seasonal naive: wql" in done.stdout
    assert "## Coverage" in (tmp_path / "accuracy_carparts.md").read_text()
    table = pl.read_parquet(out)
    assert table.columns[:3] == ["unique_id", "date", "mean"]
    assert table.height == 2668 * 6
    assert (table["q0.1"] <= table["q0.9"]).all()
    # Nothing came after the last month: the forecast is written, and that is no failure.
    done = subprocess.run([*command, "--cutoff", "2002-03-01"], check=True, capture_output=True, text=True, cwd=root)
    assert "not scored" in done.stdout
    assert pl.read_parquet(out)["date"].min() == date(2002, 4, 1)
