"""Files into tables: mapping, checks, quarantine, pseudonyms, calendars.

Example:
    >>> from windvane.ingest import ingest, mapping                   # doctest: +SKIP
    >>> ingest(workspace, mapping.load("uci_online_retail"), folder)  # doctest: +SKIP
"""

from windvane.ingest.quarantine.refused import Reason
from windvane.ingest.run import FileReport, IngestReport, ingest

__all__ = ["FileReport", "IngestReport", "Reason", "ingest"]
