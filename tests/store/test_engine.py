"""Work over parts: order, errors, progress."""

import threading

import pytest

from windvane.engine import Progress, Task, map_parts, thread_count
from windvane.engine.terminal import RichProgress

pytestmark = pytest.mark.tiny


class Counter(Progress, Task):
    def __init__(self):
        self.steps = 0
        self.asked = []

    def task(self, label, total=None):
        self.asked.append((label, total))
        return self

    def advance(self, steps=1):
        self.steps += steps


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_order_is_kept_and_every_part_counted(threads):
    counter = Counter()
    assert map_parts(lambda x: x * x, range(20), threads, label="squares", progress=counter) == [
        x * x for x in range(20)
    ]
    assert counter.asked == [("squares", 20)]
    assert counter.steps == 20


def test_parts_really_run_side_by_side():
    meet = threading.Barrier(2, timeout=20)
    assert map_parts(lambda _: meet.wait() >= 0, range(2), 2) == [True, True]


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_is_raised_and_later_parts_are_dropped(threads):
    begun = []

    def work(part):
        begun.append(part)
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part"):
        map_parts(work, range(1000), threads)
    assert len(begun) < 1000


def test_no_parts():
    assert map_parts(str, []) == []


def test_threads_can_be_set(monkeypatch):
    monkeypatch.setenv("WINDVANE_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.setenv("WINDVANE_THREADS", "many")
    assert thread_count() >= 1


def test_rich_progress_nests(capsys):
    progress = RichProgress()
    with progress.task("outer", 2) as outer:
        outer.describe("first")
        with progress.task("inner", 1) as inner:
            inner.advance()
        outer.advance()
        assert progress._bars is not None
    assert progress._bars is None
    assert capsys.readouterr().out == ""
