"""Privacy at the door: pseudonyms for people, and personal details taken out of free text.

Example:
    >>> from windvane.ingest.privacy import scrub
    >>> scrub("Call me at +49 151 23456789 or jo@example.org")
    'Call me at [phone] or [email]'
"""

from windvane.ingest.privacy.pseudonym import Pseudonyms, pseudonym, pseudonyms
from windvane.ingest.privacy.scrub import scrub, scrubbed

__all__ = ["Pseudonyms", "pseudonym", "pseudonyms", "scrub", "scrubbed"]
