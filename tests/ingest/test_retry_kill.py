"""Whatever cells were wrong, and wherever a retry is killed: in the end the table is as if the file had been right."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_till import GOOD, MAPPING, broken, careless, orders, till, whole

from windvane.ingest import ingest
from windvane.ingest.quarantine import correct
from windvane.ingest.quarantine.correct import Choice
from windvane.ingest.quarantine.retry import retry

DIE = """
import os, signal, sys
from windvane.ingest.quarantine.correct import Choice
from windvane.ingest.quarantine import retry
from windvane.store import Workspace
from windvane.store.tables import Tables
calls, append = 0, Tables.append
def dying(self, *given, **named):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        if sys.argv[3] == "after":
            append(self, *given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return append(self, *given, **named)
Tables.append = dying
retry.retry(Workspace.open(sys.argv[1]), Choice())
"""


@pytest.mark.parametrize("call", ["1", "2", "3"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_retry_is_completed_by_the_next(tmp_path, call, when):
    shop = careless(tmp_path / "shop")
    ingest(shop, MAPPING, [till(tmp_path, broken())])
    correct.set_cell(shop, Choice(line=3), "n", "2")
    done = subprocess.run([sys.executable, "-c", DIE, str(shop.folder), call, when], check=False)
    assert done.returncode == -signal.SIGKILL
    # Meanwhile another row is corrected: the retry that died must not be mixed up with the next one.
    correct.set_cell(shop, Choice(line=5), "n", "1")
    correct.set_cell(shop, Choice(line=5), "at", "2024-03-02 10:00:00")
    retry(shop, Choice())
    assert orders(shop).equals(whole(tmp_path, shop.secret))
    assert set(correct.held(shop, Choice(status="retried"))["line"]) == {3, 5}


CELLS = st.tuples(st.integers(0, len(GOOD) - 2), st.sampled_from([1, 2, 3, 4]))


@settings(max_examples=12)
@given(st.dictionaries(CELLS, st.sampled_from(["", "?", "1e999", "x\x00", "nan"]), min_size=1, max_size=6))
def test_correcting_every_wrong_cell_gives_the_right_table(wrong):
    names = ["id", "at", "sku", "n", "p", "who"]
    rows = [list(row) for row in GOOD]
    for (row, column), cell in wrong.items():
        rows[row][column] = cell
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shop = careless(place / "shop")
        ingest(shop, MAPPING, [till(place, rows)])
        refused = set(correct.held(shop, Choice(status="open"))["line"])
        for row, column in wrong:
            if row + 2 in refused:
                correct.set_cell(shop, Choice(line=row + 2), names[column], GOOD[row][column])
        retry(shop, Choice())
        left = correct.held(shop, Choice(status="open"))["line"].to_list()
        assert left == [len(GOOD) + 1]  # the postage, which was set aside
        got, right = orders(shop), whole(place, shop.secret)
        # What could be read although it was not what was meant (an empty price) is no business of the quarantine.
        same = [line for line in right["_line"] if line in refused or all(row + 2 != line for row, _ in wrong)]
        assert got.filter(got["_line"].is_in(same)).equals(right.filter(right["_line"].is_in(same)))
        assert got.height == right.height
