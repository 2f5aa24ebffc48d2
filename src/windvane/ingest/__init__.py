"""Files into tables: mapping, checks, quarantine, pseudonyms, calendars.

Example:
    >>> from windvane.ingest import ingest, mapping                   # doctest: +SKIP
    >>> ingest(workspace, mapping.load("uci_online_retail"), folder)  # doctest: +SKIP
"""

from windvane.ingest.run import FileReport, IngestReport, Reason, ingest

__all__ = ["FileReport", "IngestReport", "Reason", "ingest"]
