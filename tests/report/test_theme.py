from __future__ import annotations

import re

import pytest

from windvane.report.theme import DARK, LIGHT, Look, style_variables

pytestmark = pytest.mark.tiny

PALETTES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@PALETTES
@pytest.mark.parametrize(
    ("ink", "papers"),
    [
        ("ink", ("page", "surface", "raised", "soft")),
        ("muted", ("page", "surface", "raised", "soft")),
        ("brand", ("surface", "soft")),
        ("warn", ("warn-soft",)),
        ("bad", ("bad-soft",)),
    ],
)
def test_text_is_readable(colours, ink, papers):
    assert min(_contrast(colours[ink], colours[paper]) for paper in papers) >= 4.5


@PALETTES
@pytest.mark.parametrize("mark", ["rising", "falling", "new", "ending", "steady", "history", "median"])
def test_marks_stand_out(colours, mark):
    assert _contrast(colours[mark], colours["surface"]) >= 3.0


def test_palettes_name_the_same_colours():
    assert set(LIGHT) == set(DARK)
    assert all(style_variables().count(f"--{name}:") == 4 for name in LIGHT)


def test_markers_stand_for_language_and_colour():
    look = Look(None, None)
    assert (look.text("report.title"), look.colour("ink"), look.name("model", "ses")) == (
        "@t:report.title", "@c:ink", "@n:model.ses"
    )  # fmt: skip
    assert re.fullmatch(r"#\w{6}", Look("en", DARK).colour("ink"))
