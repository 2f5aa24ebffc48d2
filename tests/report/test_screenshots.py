"""The script that takes the documentation's pictures."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_run import make

from windvane.report import write

pytestmark = pytest.mark.browser

SCRIPT = Path(__file__).parents[2] / "docs" / "screenshots.py"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
def test_pictures_are_taken_of_both_languages(tmp_path: Path):
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pages = [write(make(40, language), tmp_path / f"{language}.html") for language in ("en", "zh")]
    run = [sys.executable, str(SCRIPT), *map(str, pages), str(tmp_path / "images")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {path.name: struct.unpack(">II", path.read_bytes()[16:24]) for path in (tmp_path / "images").iterdir()}
    assert set(found) == {"report.png", "report.zh.png", "forecasts.png", "reorder.png"}
    assert found["report.png"][0] == found["report.zh.png"][0] == 1400
    assert all(500 < height <= 2000 for _, height in found.values())
    assert "too large" not in done.stdout
