"""Data sets of the benchmarks: each gives panels as of a cutoff, and what came after it."""

from __future__ import annotations

from importlib import import_module

from .contract import DataSet

NAMES = ("m5", "breakfast", "online_retail", "fresh_market_zh", "carparts")


def find(name: str) -> DataSet:
    """The data set of a name."""
    found: DataSet = import_module(f".{name}", __package__).SET
    return found
