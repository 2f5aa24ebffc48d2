from __future__ import annotations

import pytest
from made_up_run import MadeUpRun, make


@pytest.fixture
def run() -> MadeUpRun:
    """An English shop of 60 products."""
    return make(60)


@pytest.fixture
def run_zh() -> MadeUpRun:
    """A Chinese shop of 60 products."""
    return make(60, "zh")
