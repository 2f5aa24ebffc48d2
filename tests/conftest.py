"""Settings of all tests."""

import os

from hypothesis import settings

# Test workers run side by side: a thread pool per worker and library would only get in each other's way.
for _name in ("WINDVANE_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A slow machine is no failure.
settings.register_profile("windvane", deadline=None)
settings.load_profile("windvane")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Names of cases made of bytes: an archive holds the second that it was packed in, and workers collect apart."""
    return "bytes" if isinstance(val, bytes) else None
