"""Settings of all tests."""

import os

from hypothesis import settings

# Test workers run side by side: a thread pool per worker and library would only get in each other's way.
for _name in ("WINDVANE_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A slow machine is no failure.
settings.register_profile("windvane", deadline=None)
settings.load_profile("windvane")
