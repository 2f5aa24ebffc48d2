"""The command as a process: on a terminal it shows progress, elsewhere it does not; tracebacks only on request."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-c", "from windvane.cli import main; main()"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def fresh(new_shop, tmp_path):
    return shutil.copytree(new_shop, tmp_path / "shop")


def on_terminal(words, seconds=120):
    """Run on a pseudo-terminal: exit code, everything that was shown, without escape sequences."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    child = subprocess.Popen([*COMMAND, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([ours], [], [], 1.0)[0]:
            if child.poll() is not None:
                break
            continue
        try:
            got = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not got:
            break
        seen += got
    os.close(ours)
    return child.wait(10), ESCAPES.sub("", seen.decode("utf-8", "replace"))


def test_a_run_on_a_terminal_shows_progress(fresh):
    # Enough resamples for the bar to be drawn a few times.
    settings = fresh / "windvane.toml"
    settings.write_text(settings.read_text().replace("bootstrap = 100", "bootstrap = 30000"))
    code, shown = on_terminal(["run", "-w", fresh])
    assert code == 0
    assert "run: backtest" in shown
    assert re.search(r"\d+%", shown)
    assert re.search(r"\d:\d\d:\d\d", shown)
    assert "published in" in shown
    for leak in ("[green]", "[/]", "[bold]", "Traceback"):
        assert leak not in shown


def test_file_names_are_shown_as_they_are(fresh, tmp_path):
    target = tmp_path / "more [red].csv"
    rows = "".join(f"n{i},2025-04-01,mug-1,1\n" for i in range(1000))
    target.write_text("order_id,ordered_at,sku,units\n" + rows)
    code, shown = on_terminal(["ingest", target, "-t", "orders", "-w", fresh])
    assert code == 0
    assert "more [red].csv" in shown


def test_json_on_a_terminal_is_json_alone(fresh):
    code, shown = on_terminal(["run", "-w", fresh, "--json"])
    assert code == 0
    assert shown.lstrip().startswith("{")
    assert "backtest: " not in shown


def test_debug_shows_the_traceback_and_silence_does_not(fresh):
    words = ["run", "-w", str(fresh), "--as-of", "never"]
    plain = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120)
    assert plain.returncode == 1
    assert plain.stderr == "windvane: --as-of 'never' is not a day. Write it as 2026-11-22.\n"
    debug = subprocess.run([*COMMAND, *words, "--debug"], capture_output=True, text=True, timeout=120)
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr
    assert "ConfigError" in debug.stderr


def test_an_unforeseen_failure_is_one_paragraph_too(fresh):
    code = "import windvane.clean as c; c.build = lambda *a, **k: 1 / 0; from windvane.cli import main; main()"
    words = ["run", "-w", str(fresh)]
    found = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert found.returncode == 1
    assert "ZeroDivisionError" in found.stderr
    assert "--debug" in found.stderr
    assert "Traceback" not in found.stderr
    assert not list((fresh / "runs").glob(".building-*"))


def test_a_reader_that_stops_reading_is_no_error(fresh):
    line = f"{sys.executable} -c 'from windvane.cli import main; main()' quarantine --json -w '{fresh}' | head -c 1"
    found = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=120)
    assert found.stderr == ""
