import corner_shop
import pytest

from windvane.pipeline import run


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """The shop with every raw table, and one published run of it."""
    workspace = corner_shop.shop(tmp_path_factory.mktemp("street") / "shop", corner_shop.tables())
    return workspace, run(workspace)
