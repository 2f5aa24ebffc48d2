import os

import corner_shop
import pytest

# One thread a fit: on a machine with few cores, several fits at once slow each other down manyfold.
os.environ.setdefault("WINDVANE_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from windvane.pipeline import run


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """The shop with every raw table, and one published run of it."""
    workspace = corner_shop.shop(tmp_path_factory.mktemp("street") / "shop", corner_shop.tables())
    return workspace, run(workspace)
