"""The page of the benchmark of speed: its ratios, and what it leaves out."""

from __future__ import annotations

from datetime import date

import pytest

import speed

pytestmark = pytest.mark.tiny


def cost(name: str, wrmsse: float, cpu: float) -> speed.Cost:
    return speed.Cost(name, wrmsse, 0.7, cpu / 2, cpu, 1000.0, {"lightgbm": "4"})


def test_ratios_are_the_peers_over_ours():
    costs = [cost("windvane fast", 0.6, 10.0), cost(speed.PEER, 0.75, 80.0)]
    text = speed.page(costs, date(2016, 4, 24), 30_490, "python benchmarks/speed.py", ["| cells |"])
    assert "| windvane fast | 0.6000 | 0.7000 | 5.0 | 10.0 | 1,000 |" in text
    assert "| windvane fast | 1.25 | 1.00 | 8.0 | 8.0 | 1.0 |" in text
    assert text.rstrip().endswith("| cells |")


def test_without_the_peer_there_are_no_ratios():
    text = speed.page([cost("windvane fast", 0.6, 10.0)], date(2016, 4, 24), 30_490, "command", [])
    assert "times more" not in text
    assert "Features" not in text
