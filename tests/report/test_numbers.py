from __future__ import annotations

from datetime import date, datetime

import pytest

from windvane.report.numbers import Shown, show

pytestmark = pytest.mark.tiny


@pytest.mark.parametrize(
    ("kind", "value", "english", "chinese"),
    [
        ("count", 1234567, "1,234,567", "1,234,567"),
        ("units", 12.0, "12", "12"),
        ("units", 12.34, "12.3", "12.3"),
        ("units", 0.256, "0.26", "0.26"),
        ("money", 1234.5, "$1,235", "$1,235"),
        ("money", 12.5, "$12.50", "$12.50"),
        ("money", -3, "−$3.00", "−$3.00"),
        ("short_money", 1_240_000, "$1.24M", "$124万"),
        ("short_money", 45_600, "$45.6k", "$4.56万"),
        ("short_money", 312_000_000, "$312M", "$3.12亿"),
        ("signed_money", 95, "+$95", "+$95"),
        ("signed_share", 0.054, "+5.4%", "+5.4%"),
        ("signed_share", -0.25, "−25%", "−25%"),
        ("signed_share", -0.0001, "0.0%", "0.0%"),
        ("signed_share", 18.6, ">+999%", ">+999%"),
        ("units", 51.02, "51", "51"),
        ("growth", 0.33, "+33%", "+33%"),
        ("growth", 1.0, "at least +100%", "至少 +100%"),
        ("growth", -0.5, "−50% or lower", "−50% 或更低"),
        ("points", 0.0243, "+2.4", "+2.4"),
        ("points", -0.012, "−1.2", "−1.2"),
        ("seconds", 0.03, "<0.1", "<0.1"),
        ("seconds", 0.0, "0.0", "0.0"),
        ("risk", 1.0, ">99%", ">99%"),
        ("risk", 0.0, "<1%", "<1%"),
        ("risk", 0.245, "25%", "25%"),
        ("risk", 0.42, "42%", "42%"),
        ("day", date(2026, 3, 9), "9 Mar 2026", "2026年3月9日"),
        ("moment", datetime(2026, 3, 9, 7, 5), "9 Mar 2026 07:05", "2026年3月9日 07:05"),
        ("moment", "2026-03-09T07:05:00+00:00", "9 Mar 2026 07:05 UTC", "2026年3月9日 07:05 UTC"),
        ("money", None, "–", "–"),
        ("share", float("nan"), "–", "–"),
    ],
)
def test_numbers_read_naturally(kind, value, english, chinese):
    assert show(Shown(kind, value), "en") == english
    assert show(Shown(kind, value), "zh") == chinese


def test_currency_without_symbol_shows_its_code():
    assert show(Shown("money", 500), "en", "CHF") == "CHF\N{NO-BREAK SPACE}500"
