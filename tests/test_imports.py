"""What importing costs: nothing heavy comes in before it is used."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import windvane

pytestmark = pytest.mark.tiny

HEAVY = ("torch", "pandas", "sklearn", "lightgbm", "polars", "plotly", "numba", "scipy", "deltalake", "pyarrow")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("statement", ["import windvane", "import windvane.cli, windvane.errors"])
def test_importing_loads_nothing_heavy(statement):
    loaded = python(f"{statement}\nimport sys\nprint(*(m for m in {HEAVY} if m in sys.modules))")
    assert loaded.split() == []


def test_help_loads_nothing_heavy():
    code = f"""
import sys
from windvane.cli import main
try:
    main(["--help"])
except SystemExit as ended:
    assert not ended.code
print("LOADED", *(m for m in {HEAVY} if m in sys.modules))
"""
    said = python(code)
    assert "Usage: windvane" in said
    assert said.splitlines()[-1] == "LOADED"


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("windvane")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ingest" in done.stdout


def test_every_public_name_loads():
    for name in windvane.__all__:
        assert getattr(windvane, name) is not None
    assert set(windvane.__all__) <= set(dir(windvane))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'forcast'"):
        _ = windvane.forcast


def test_the_version_is_the_packages():
    assert windvane.__version__ == version("windvane")
