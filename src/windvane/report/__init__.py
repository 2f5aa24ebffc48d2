"""The report: one HTML page of a run, the figures it is made of, and the export of tables.

Example:
    >>> from windvane.report import export, write
    >>> write(run, "report.html", language="zh")  # doctest: +SKIP
    >>> export(run, "reorder", "reorder.xlsx")  # doctest: +SKIP
"""

from __future__ import annotations

from windvane.report.export import FORMATS, export
from windvane.report.facts import RunLike
from windvane.report.page import file_name, render, write

__all__ = ["FORMATS", "RunLike", "export", "file_name", "render", "write"]
