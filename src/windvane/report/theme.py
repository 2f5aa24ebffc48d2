"""Colours and chart layout, in one place for page, figures and notebooks.

The palette tells directions apart by blue against vermilion, which the common forms of colour blindness
keep apart, and every chart repeats the distinction by shape or position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windvane import screen

LIGHT: Mapping[str, str] = {
    "page": "#f2f6f7", "surface": "#ffffff", "raised": "#f6f9fa", "line": "#dbe4e7", "grid": "#e9eff1",
    "ink": "#10242c", "muted": "#516770", "brand": "#0b5b6c", "soft": "#e2eff2",
    "rising": "#0b7599", "falling": "#bf4b16", "new": "#7549ad", "ending": "#86652a", "steady": "#7c8d95",
    "history": "#3a4f58", "median": "#0b6c8d", "band50": "rgba(11,117,153,.34)", "band80": "rgba(11,117,153,.20)",
    "band95": "rgba(11,117,153,.11)", "warn": "#8a5a00", "warn-soft": "#fff3d6", "bad": "#b3311f",
    "bad-soft": "#fde8e3",
}  # fmt: skip
"""Colours on light paper."""

DARK: Mapping[str, str] = {
    "page": "#0a1317", "surface": "#111d23", "raised": "#16262d", "line": "#263a43", "grid": "#1d2d34",
    "ink": "#e4eef1", "muted": "#9bb1b9", "brand": "#62c3d8", "soft": "#15323b",
    "rising": "#4fbbe0", "falling": "#f28d51", "new": "#b99bea", "ending": "#cfae6b", "steady": "#84979f",
    "history": "#b9c9cf", "median": "#6fd0f0", "band50": "rgba(79,187,224,.42)", "band80": "rgba(79,187,224,.26)",
    "band95": "rgba(79,187,224,.15)", "warn": "#ffce73", "warn-soft": "#33290f", "bad": "#ff9a86",
    "bad-soft": "#38180f",
}  # fmt: skip
"""Colours on dark paper."""

SYMBOLS = {"rising": "triangle-up", "falling": "triangle-down", "steady": "circle", "new": "diamond", "ending": "x"}
"""Marker of each direction, so that colour never stands alone."""

FONT = (
    '"Avenir Next", "Segoe UI Variable Text", "Segoe UI", Inter, Roboto, "Helvetica Neue", "PingFang SC", '
    '"Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif'
)
"""System fonts, Latin before Chinese."""


@dataclass(frozen=True)
class Look:
    """How a figure speaks and which colours it wears.

    Attributes:
        language: "en" or "zh"; ``None`` leaves markers ``@t:key`` that the page's script fills, so that one
            figure serves every language.
        colours: palette; ``None`` leaves markers ``@c:name`` likewise.
        currency: symbol before money.
        period: "hour", "day" (weeks too) or "month": how precisely a date is told.
    """

    language: str | None = "en"
    colours: Mapping[str, str] | None = None
    currency: str = "$"
    period: str = "day"

    @property
    def date(self) -> str:
        """How a date is written beside the pointer."""
        return self.text("format.hover_date" if self.period == "day" else f"format.hover_{self.period}")

    def text(self, key: str) -> str:
        """Text of a catalogue key, or its marker."""
        return f"@t:{key}" if self.language is None else screen.text(self.language, key)

    def name(self, group: str, word: str) -> str:
        """Screen name of a word, or its marker."""
        return f"@n:{group}.{word}" if self.language is None else screen.name(self.language, group, word)

    def colour(self, name: str) -> str:
        """A colour of the palette, or its marker."""
        return f"@c:{name}" if self.colours is None else self.colours[name]


PAGE = Look(language=None, colours=None)
"""Leaves language and colours to the page's script."""


def layout(look: Look, height: int, left: int = 8) -> dict[str, Any]:
    """Plotly layout shared by all figures.

    Args:
        look: language and colours.
        height: pixels.
        left: pixels left of the axis for long labels; axes add what they need.
    """
    return {
        "height": height,
        "margin": {"l": left, "r": 12, "t": 10, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": look.colour("muted")},
        "hoverlabel": {
            "bgcolor": look.colour("surface"),
            "bordercolor": look.colour("line"),
            "font": {"family": FONT, "size": 12, "color": look.colour("ink")},
            "align": "left",
        },
        "dragmode": False,
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
    }


def axis(look: Look, grid: bool = True, **more: Any) -> dict[str, Any]:
    """Plotly axis shared by all figures; ``more`` adds plotly's own axis fields."""
    return {
        "showgrid": grid,
        "gridcolor": look.colour("grid"),
        "zeroline": False,
        "separatethousands": True,
        "linecolor": look.colour("line"),
        "tickcolor": look.colour("line"),
        "automargin": True,
        "fixedrange": True,
        "title": {"font": {"size": 12}, "standoff": 8},
    } | more


def style_variables() -> str:
    """The palettes as CSS custom properties: light, dark by system, and either by choice."""

    def block(colours: Mapping[str, str]) -> str:
        return "".join(f"--{name}:{value};" for name, value in colours.items())

    return (
        f":root{{{block(LIGHT)}--font:{FONT};color-scheme:light}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{block(DARK)}color-scheme:dark}}}}"
        f":root[data-theme=dark]{{{block(DARK)}color-scheme:dark}}"
        "@media print{:root,:root:not([data-theme=light]),:root[data-theme=dark]"
        f"{{{block(LIGHT)}color-scheme:light}}}}"
    )
