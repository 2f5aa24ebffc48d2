"""Days that move demand: public holidays by country, Chinese festivals, shopping festivals with their phases.

Public holidays and make-up working days come from the ``holidays`` package (for more than 200 countries), lunar dates
from ``lunardate``; shopping festivals are dated in :mod:`windvane.ingest.calendar.festivals`. School terms and the
shop's own events come in the table ``calendar``.

Example:
    >>> from datetime import date
    >>> from windvane.ingest.calendar import days_off
    >>> days_off("CN", "", date(2024, 10, 11), date(2024, 10, 13))["off"].to_list()  # Saturday the 12th was worked
    [False, False, True]
"""

from windvane.ingest.calendar.align import same_time_last_year
from windvane.ingest.calendar.festivals import phases_between
from windvane.ingest.calendar.lay import with_holidays
from windvane.ingest.calendar.public import countries, days_off, holidays_between

__all__ = ["countries", "days_off", "holidays_between", "phases_between", "same_time_last_year", "with_holidays"]
