"""The command line: one verb per stage, and what goes round them; one file for each group of verbs."""

# In the order in which ``windvane --help`` lists the verbs.
from windvane.cli import init, ingest, quarantine, audit, tables, forget, expire, doctor  # noqa: F401, I001
from windvane.cli import run, report, explain, plan, override, replay, judge, simulate  # noqa: F401
from windvane.cli.app import app, main

__all__ = ["app", "main"]
