"""Why a row is in quarantine, in the shop's language."""

from __future__ import annotations

import re

from windvane import screen

_CJK = re.compile(r"[\u3400-\u9fff]")
_BOUND = re.compile(r"\bis (?:below|above|none of:|in another currency than) (.+)$")
_LINE = re.compile(r"^line (\d+) has")


def in_words(language: str, rule: str, reason: str) -> str:
    """A reason as a person reads it: as it was written down, or in Chinese by what the rule's name says.

    Args:
        language: the shop's language, en or zh.
        rule: the rule that refused the row.
        reason: the reason as the quarantine holds it. Those of a mapping's own rules are in whatever language the
            mapping is, and stay as they are where nothing is known of the rule.
    """
    said = screen.catalogue(language).get(f"quarantine_reason.{rule}") if language != "en" else None
    if said is None or _CJK.search(reason):
        return reason
    bound, line = _BOUND.search(reason), _LINE.search(reason)
    beside = bound[1] if bound else screen.text(language, "quarantine.line", line=line[1]) if line else ""
    return f"{said}（{beside}）" if beside else said
