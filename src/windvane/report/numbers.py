"""Numbers as people read them: units, money, shares and days, per language.

English groups by thousands and shortens to k and M; Chinese shortens to 万 and 亿.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from windvane.outlook.trends import LIMIT

Kind = Literal[
    "units", "count", "money", "short_money", "signed_money", "share", "share1", "risk", "signed_share", "growth",
    "points", "days", "number", "seconds", "memory", "day", "moment",
]  # fmt: skip

SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "CNY": "¥", "JPY": "¥", "KRW": "₩", "INR": "₹", "HKD": "HK$", "TWD": "NT$",
    "AUD": "A$", "CAD": "C$", "BRL": "R$", "SGD": "S$",
}  # fmt: skip
"""Symbols of common currencies; others show their ISO code."""

GROWTH_LEAST, GROWTH_MOST = (math.expm1(4 * end) for end in (-LIMIT, LIMIT))
"""Growth per 28 days beyond which trends are not told apart: the table holds these ends instead."""

_MINUS = "\N{MINUS SIGN}"
_DASH = "–"


@dataclass(frozen=True)
class Shown:
    """A value with the way it is shown.

    Attributes:
        kind: how it is shown.
        value: the number or date; ``None`` and NaN show as a dash.
    """

    kind: Kind
    value: float | int | date | datetime | str | None


def show(shown: Shown, language: str, currency: str = "USD") -> str:
    """The text of a value in a language.

    Args:
        shown: value and kind.
        language: "en" or "zh".
        currency: ISO 4217 code of money.
    """
    value = shown.value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return _DASH
    if shown.kind in ("day", "moment"):
        return _moment(value, shown.kind, language)
    number = float(value)  # type: ignore[arg-type]
    match shown.kind:
        case "count":
            return _grouped(number, 0)
        case "units" | "number":
            return _grouped(number, _places(number))
        case "days":
            return _grouped(number, 0 if abs(number) >= 10 else 1)
        case "money" | "signed_money" | "short_money":
            return _money(number, shown.kind, language, currency)
        case "risk":
            # Sample paths cannot tell a rare event from an impossible one: rounding must not say so either.
            return ">99%" if number >= 0.995 else "<1%" if number < 0.005 else _share(number, 0)
        case "share":
            return _share(number, 0)
        case "share1":
            return _share(number, 1)
        case "signed_share":
            if number > 9.99:
                return ">+999%"
            return ("+" if number >= 0.0005 else "") + f"{_grouped(100 * number, 1 if abs(number) < 0.1 else 0)}%"
        case "points":
            return ("+" if number >= 0.0005 else "") + _grouped(100 * number, 1)
        case "growth":
            return _growth(number, language)
        case "seconds":
            return "<0.1" if 0 < number < 0.05 else _grouped(number, 1 if number < 100 else 0)
        case "memory":
            return f"{_grouped(number, 0)} MB"
    raise ValueError(shown.kind)


def symbol(currency: str) -> str:
    """Symbol of a currency, or its code and a space."""
    return SYMBOLS.get(currency, f"{currency}\N{NO-BREAK SPACE}")


def short(number: float, language: str) -> str:
    """A number in at most about four figures: 12.3k, 4.56M; 1.2万, 3.4亿 in Chinese."""
    steps = ((1e8, "亿"), (1e4, "万")) if language == "zh" else ((1e9, "B"), (1e6, "M"), (1e4, "k"))
    for size, name in steps:
        if abs(number) >= size * 0.99995:
            divisor = 1e3 if name == "k" else size
            scaled = number / divisor
            return f"{_grouped(scaled, 0 if abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2)}{name}"
    return _grouped(number, 0 if abs(number) >= 10 or number == int(number) else 2)


def _money(number: float, kind: Kind, language: str, currency: str) -> str:
    body = short(abs(number), language) if kind != "money" else _grouped(abs(number), 0 if abs(number) >= 100 else 2)
    sign = _MINUS if number < 0 else "+" if kind == "signed_money" and number > 0 else ""
    return f"{sign}{symbol(currency)}{body}"


def capped(growth: float | None) -> int:
    """1 where growth stands at its upper end, -1 at its lower, else 0."""
    if growth is None:
        return 0
    return 1 if growth >= GROWTH_MOST - 1e-6 else -1 if growth <= GROWTH_LEAST + 1e-6 else 0


def _growth(number: float, language: str) -> str:
    text = show(Shown("signed_share", number), language)
    match capped(number), language:
        case 1, "zh":
            return f"至少 {text}"
        case 1, _:
            return f"at least {text}"
        case -1, "zh":
            return f"{text} 或更低"
        case -1, _:
            return f"{text} or lower"
    return text


def _share(number: float, places: int) -> str:
    return f"{_grouped(100 * number, places)}%"


def _grouped(number: float, places: int) -> str:
    # Halves round away from zero, as in the browser and at school: 24.5 and 25 must not stand side by side.
    text = f"{number + math.copysign(1e-9 * max(1.0, abs(number)), number):,.{places}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else _MINUS + text[1:]
    return text


def _places(number: float) -> int:
    if abs(number) >= 100:
        return 0
    places = 1 if abs(number) >= 1 else 2
    # "51.0" would claim a figure that says nothing.
    return 0 if round(number, places) == int(round(number, places)) else places


def _moment(value: object, kind: Kind, language: str) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return str(value)
    assert isinstance(value, date)
    if language == "zh":
        text = f"{value.year}年{value.month}月{value.day}日"
    else:
        text = f"{value.day} {value.strftime('%b')} {value.year}"
    if kind == "moment" and isinstance(value, datetime):
        text += f" {value.astimezone(UTC):%H:%M} UTC" if value.tzinfo else f" {value:%H:%M}"
    return text
