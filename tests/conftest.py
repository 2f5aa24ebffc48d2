"""Settings of all tests."""

import os

# Test workers run side by side: a thread pool per worker and library would only get in each other's way.
for _name in ("WINDVANE_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
