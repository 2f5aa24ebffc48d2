"""Where the data sets lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def folder(name: str) -> Path:
    """Folder of a data set; ends the program with a word where there is none."""
    if "WINDVANE_DATA" not in os.environ:
        sys.exit("Set WINDVANE_DATA to the folder of the data sets.")
    found = Path(os.environ["WINDVANE_DATA"]) / name
    if not found.is_dir():
        sys.exit(f"{found} is not a folder; WINDVANE_DATA names another place.")
    return found
