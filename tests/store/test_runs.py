"""Runs: published whole or not at all, pinned, kept, swept."""

import json
import os
import stat
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from windvane.clock import CLOCK
from windvane.config import Shop
from windvane.errors import ConfigError, NoRunError, StoreError
from windvane.store import Stage, Workspace
from windvane.store.runs import KEEP

pytestmark = pytest.mark.tiny


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "shop", Shop(name="Chez Ana", currency="EUR", country="FR"))


def publish(workspace, value, **back):
    with workspace.runs.start(**back) as run:
        run.write("panel", pl.DataFrame({"value": [value]}))
        return run.publish()


def test_create_and_open(workspace):
    assert workspace.config.shop.name == "Chez Ana"
    assert Workspace.open(workspace.folder).config == workspace.config
    assert stat.S_IMODE(os.stat(workspace.folder / "secret").st_mode) == 0o600
    assert len(workspace.secret) == 32
    with pytest.raises(ConfigError, match="already"):
        Workspace.create(workspace.folder)
    with pytest.raises(ConfigError, match=r"no windvane\.toml"):
        Workspace.open(workspace.folder / "runs")


def test_two_workspaces_have_different_keys(tmp_path):
    assert Workspace.create(tmp_path / "a").secret != Workspace.create(tmp_path / "b").secret


def test_a_lost_key_is_an_error_and_not_a_new_key(workspace):
    (workspace.folder / "secret").unlink()
    with pytest.raises(StoreError, match="backup"):
        _ = Workspace.open(workspace.folder).secret
    assert not (workspace.folder / "secret").exists()


def test_no_run_yet(workspace):
    with pytest.raises(NoRunError, match="no published run"):
        workspace.runs.latest()
    with pytest.raises(NoRunError, match="no run nonsense"):
        workspace.runs.get("nonsense")
    assert workspace.runs.list() == []


def test_published_run_reads_back(workspace):
    with workspace.runs.start(as_of=date(2024, 3, 1)) as run:
        with run.stage("clean") as stage:
            stage.rows = 7
        run.write("panel", pl.DataFrame({"value": [1, 2]}))
        (run.folder / "models").mkdir()
        (run.folder / "models" / "model.txt").write_text("tree")
        assert run.written("panel").collect().height == 2
        with pytest.raises(NoRunError):
            workspace.runs.latest()
        published = run.publish()
    assert workspace.runs.latest().id == published.id == run.id
    found = workspace.runs.get(run.id)
    assert found.read("panel")["value"].to_list() == [1, 2]
    assert (found.folder / "models" / "model.txt").read_text() == "tree"
    assert found.tables == {"panel": 2}
    assert found.config == workspace.config
    manifest = found.manifest
    assert (manifest["as_of"], manifest["seed"], manifest["versions"]) == ("2024-03-01", 1, {})
    assert manifest["stages"][0]["stage"] == "clean"
    assert manifest["stages"][0]["rows"] == 7
    assert manifest["stages"][0]["peak_mb"] > 10
    assert {"polars", "deltalake"} <= set(manifest["libraries"])
    with pytest.raises(StoreError, match="no table scores"):
        found.read("scores")
    assert not list((workspace.folder / "leases").iterdir())


def test_a_run_that_fails_leaves_nothing(workspace):
    first = publish(workspace, 1)
    begun = []

    def fail():
        with workspace.runs.start() as run:
            begun.append(run)
            run.write("panel", pl.DataFrame({"value": [2]}))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert not begun[0].folder.exists()
    assert workspace.runs.latest().id == first.id
    assert not list((workspace.folder / "leases").iterdir())


def test_a_run_is_published_once(workspace):
    with workspace.runs.start() as run:
        run.publish()
        with pytest.raises(StoreError, match="twice"):
            run.publish()


def test_a_run_does_not_see_what_is_appended_meanwhile(workspace):
    products = pl.DataFrame({"sku": ["a"], "known_at": [datetime(2024, 1, 1)]})
    workspace.tables.append("products", products, "first")
    with workspace.runs.start() as run:
        workspace.tables.append("products", products.with_columns(sku=pl.lit("b")), "second")
        workspace.tables.append("locations", pl.DataFrame({"location": ["x"], "known_at": [datetime(2024, 1, 1)]}), "l")
        assert run.read("products").collect()["sku"].to_list() == ["a"]
        assert run.read("locations").collect().height == 0
        run.publish()
    assert workspace.runs.latest().manifest["versions"] == {"products": 1}


def test_only_the_last_runs_are_kept(workspace):
    try:
        made = []
        for number in range(KEEP + 3):
            CLOCK.hold(datetime(2024, 1, 1, 0, number, tzinfo=UTC))
            made.append(publish(workspace, number).id)
    finally:
        CLOCK.hold(None)
    assert [run.id for run in workspace.runs.list()] == made[-KEEP:]
    assert workspace.runs.latest().read("panel")["value"].item() == KEEP + 2
    assert sorted(p.name for p in (workspace.folder / "runs").iterdir() if p.is_dir()) == made[-KEEP:]


LAST_WEEK = {"as_of": date(2024, 3, 1)}
RECORDED = {"recorded_by": datetime(2024, 3, 1, 8, tzinfo=UTC)}


@pytest.mark.parametrize("back", [LAST_WEEK, RECORDED, LAST_WEEK | RECORDED], ids=["as of", "recorded by", "both"])
def test_a_look_back_does_not_replace_the_present(workspace, back):
    # As long as there is nothing else, the newest look back serves.
    publish(workspace, 0, as_of=date(2024, 2, 1))
    early = publish(workspace, 0, **back)
    assert early.look_back
    assert workspace.runs.latest().id == early.id
    assert early.sees_until == date(2024, 3, 1)
    present = publish(workspace, 1)
    assert not present.look_back
    assert workspace.runs.latest().id == present.id
    assert present.sees_until == CLOCK.now().date()
    again = publish(workspace, 2, **back)
    assert workspace.runs.latest().id == present.id
    assert Workspace.open(workspace.folder).runs.latest().id == present.id
    assert Workspace.open(workspace.folder).swept.notes == []
    assert workspace.runs.get(again.id).read("panel")["value"].item() == 2
    newer = publish(workspace, 3)
    assert workspace.runs.latest().id == newer.id


def test_a_run_that_is_not_there_names_those_that_are_and_which_look_back(workspace):
    present, back = publish(workspace, 1), publish(workspace, 2, **(LAST_WEEK | RECORDED))
    with pytest.raises(NoRunError, match="There is no run yesterday") as told:
        workspace.runs.get("yesterday")
    assert told.value.remedy == f"Runs: {present.id}, {back.id} (as of 2024-03-01, recorded by 2024-03-01T08:00)."


def test_looks_back_do_not_push_out_the_present(workspace):
    try:
        made = []
        for number in range(KEEP + 2):
            CLOCK.hold(datetime(2024, 5, 1, 0, number, tzinfo=UTC))
            made += [publish(workspace, number).id] if number < 3 else [publish(workspace, number, **LAST_WEEK).id]
        for number in range(4):
            CLOCK.hold(datetime(2024, 5, 2, 0, number, tzinfo=UTC))
            made.append(publish(workspace, number, **LAST_WEEK).id)
    finally:
        CLOCK.hold(None)
    assert [run.id for run in workspace.runs.list()] == made[:3] + made[-KEEP:]
    assert workspace.runs.latest().id == made[2]


def test_sweep_leaves_live_runs_and_clears_dead_ones(workspace):
    dead = workspace.folder / "runs" / ".building-20240101T000000000000-abcd"
    dead.mkdir()
    (dead / "panel.parquet").write_bytes(b"half")
    (workspace.folder / "leases" / "20240101T000000000000-abcd").write_text("{}")
    with workspace.runs.start() as run:
        reopened = Workspace.open(workspace.folder)
        assert run.folder.is_dir()
        assert not dead.exists()
        assert len(reopened.swept.notes) == 1
        run.write("panel", pl.DataFrame({"value": [1]}))
        run.publish()
    assert Workspace.open(workspace.folder).swept.notes == []


def test_sweep_finishes_a_publication_that_lacked_its_pointer(workspace):
    first, second = publish(workspace, 1), publish(workspace, 2)
    publish(workspace, 3, **LAST_WEEK)
    (workspace.folder / "runs" / "CURRENT").write_text(first.id + "\n")
    reopened = Workspace.open(workspace.folder)
    assert reopened.runs.latest().id == second.id
    assert "pointer" in reopened.swept.notes[0]


def test_names_of_tables_are_checked(workspace):
    with workspace.runs.start() as run, pytest.raises(StoreError, match="cannot name"):
        run.write("../panel", pl.DataFrame({"value": [1]}))


def test_manifest_is_plain_json(workspace):
    run = publish(workspace, 1)
    assert json.loads((run.folder / "manifest.json").read_text())["run"] == run.id
    (run.folder / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="no readable manifest"):
        _ = run.manifest


def test_a_stage_measures_its_peak_and_the_outer_stage_includes_it():
    with Stage("outer") as outer:
        with Stage("small") as small:
            pass
        with Stage("large") as large:
            block = np.ones(25_000_000)  # 191 MiB
            del block
    assert large.budget.peak_mb > small.budget.peak_mb + 150
    assert outer.budget.peak_mb >= large.budget.peak_mb
    assert outer.budget.seconds >= large.budget.seconds
    assert large.budget.cpu_seconds > 0
