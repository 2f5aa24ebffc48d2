"""The page on simulated shops does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from windvane.store import Workspace

PAGES = sorted((Path(__file__).parents[2] / "docs" / "howto").glob("simulate*.md"))


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def perform(script, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_both_languages_have_the_page():
    assert [page.name for page in PAGES] == ["simulate.md", "simulate.zh.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_daily_exports_and_python_work(page, tmp_path):
    perform(blocks(page, "sh")[1], tmp_path)
    assert (tmp_path / "days" / "orders-2024-01-05.csv").exists()
    exec(compile(blocks(page, "python")[0], page.name, "exec"), {})
    names = {path.stem for path in (tmp_path / "days" / "truth").glob("*.parquet")}
    assert names == set(re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_runs_ahead_can_be_set(page, tmp_path):
    perform(blocks(page, "sh")[2], tmp_path)
    truth = {path.stem: pl.read_parquet(path) for path in (tmp_path / "ahead" / "truth").glob("*.parquet")}
    assert truth["promotions"]["kind"].is_in(["livestream", "直播专场"]).any()
    assert truth["customers"]["segment"].n_unique() == 3
    assert truth["demand"]["interest"].std() > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_simulated_shop_reaches_a_report(page, tmp_path):
    perform(blocks(page, "sh")[0], tmp_path)
    shop = Workspace.open(tmp_path / "shop")
    assert shop.tables.read("quarantine").filter(pl.col("rule") != "superseded").collect().is_empty()
    run = shop.runs.latest()
    assert run.tables["forecasts"] > 1000
    assert run.tables["reorder"] > 30
    assert (tmp_path / "shop" / "report.html").stat().st_size > 10_000
