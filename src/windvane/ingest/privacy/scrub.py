"""Personal details taken out of what customers write: e-mail, telephone, identity, bank and card numbers, addresses.

Numbers that carry a check digit (Chinese identity cards, IBAN, payment cards) are taken only where it is right, so
that order numbers, sizes and prices stay. Names of people are not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

_DIGITS = str.maketrans("０１２３４５６７８９＠．－（）＋", "0123456789@.-()+")

# A text without any of these holds nothing to take out; most texts are passed over by this test alone.
_SUSPECT = "|".join(
    (
        r"[@＠]",
        r"[0-9０-９](?:[ ().\-－]?[0-9０-９]){6}",
        r"(?i:q\s?q|wechat|weixin|whatsapp|telegram|v信|\bvx)|微信|薇信|扣扣",
        r"[0-9]{1,5}[A-Za-z]?\s+(?:[A-Z]\S*\s+){1,5}",
        r"(?:straße|strasse|str\.|weg|allee|platz|gasse)\s+[0-9]",
        r"[路道街巷弄同]\s*[0-9０-９]{1,5}\s*[号號弄]",
    )
)

_EMAIL = re.compile(r"[A-Za-z0-9][\w.%+\-]*@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}", re.ASCII)
_HANDLE = re.compile(
    r"(?P<lead>(?:微信号?|薇信|v信|wechat|weixin|whatsapp|telegram|qq号?|扣扣|vx)\s*(?:id|号)?\s*[:：是为]?\s*)"
    r"(?P<name>(?=[\w\-]*\d)[A-Za-z0-9][\w\-]{4,19}|[A-Za-z][\w\-]{5,19})(?![\w\-])",
    re.ASCII | re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b", re.ASCII)
_IDENTITY = re.compile(r"(?<![0-9A-Za-z])\d{17}[0-9Xx](?![0-9A-Za-z])", re.ASCII)
_CARD = re.compile(r"(?<![\d\w])(?:(?:\d{4}[ -]){3}\d{4}|\d{4}[ -]\d{6}[ -]\d{5}|\d{13,19})(?![\d\w])", re.ASCII)
_MOBILE_CN = re.compile(r"(?<![\d.])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)", re.ASCII)
_LANDLINE_CN = re.compile(r"(?<![\d.])0\d{2,3}[- ]\d{7,8}(?!\d)", re.ASCII)
_INTERNATIONAL = re.compile(
    r"(?<![\w.])(?:\+|00 ?)[1-9]\d{0,2}[ ().\-/]{0,3}\d(?:[ ().\-/]{0,2}\d){6,12}(?!\d)", re.ASCII
)
_NORTH_AMERICA = re.compile(r"(?<![\w.])(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?!\d)", re.ASCII)
_NATIONAL = re.compile(
    r"(?P<lead>(?:\b(?:tel|telephone|phone|mobile|telefon|handy|call me|ring me)\b(?: (?:number|no|is|on|at))*[ .:]*"
    r"|(?:电话|手机号|联系)[^\d\n里中]{0,8}))(?P<name>\(?0?\d[\d ().\-]{5,16}\d)(?!\d)",
    re.IGNORECASE,
)
_ADDRESS_CN = re.compile(
    r"(?:[\u4e00-\u9fff]{2,7}(?:省|自治区))?(?:[\u4e00-\u9fff]{2,7}市)?(?:[\u4e00-\u9fff]{1,7}[区县])?"
    r"(?:[\u4e00-\u9fff]{1,8}(?:镇|乡|街道|村))?[\u4e00-\u9fff]{2,10}(?:路|大道|街|巷|弄|胡同|道)\s*\d{1,5}\s*[号號弄](?!线)"
    r"(?:\s*[\u4e00-\u9fffA-Za-z0-9\-]{0,12}(?:号楼|栋|幢|座|单元|室|层|楼)){0,4}(?:\s*\d{1,5}\s*室?)?"
)
_ADDRESS_EN = re.compile(
    r"\b\d{1,5}[A-Za-z]?\s+(?:[NSEW]\.?\s+)?(?:[A-Z][\w'.\-]*\s+){1,4}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Sq|Terrace|Close|Way|Place|Pl)\b\.?"
    r"(?:,?\s+(?:Apt|Apartment|Suite|Unit|Flat|#)\.?\s*\w{1,6})?"
)
_ADDRESS_DE = re.compile(
    r"\b[A-ZÄÖÜ][\wäöüß\-]*(?:straße|strasse|str\.|weg|allee|platz|gasse)\s+\d{1,4}[a-z]?\b(?:,?\s+\d{5}\s+[A-ZÄÖÜ][\wäöüß\-]+)?"
)


def scrub(text: str) -> str:
    """A text without the personal details that are recognised; a word in brackets takes the place of each.

    Args:
        text: what somebody wrote, in Chinese, English or another language.

    Returns:
        The text with ``[email]``, ``[phone]``, ``[id]``, ``[card]``, ``[account]`` and ``[address]`` in place of them.
    """
    found = text.translate(_DIGITS)
    made, before = found, ""
    while made != before:  # what was taken out may have hidden where a neighbour begins
        before = made
        for pattern, word, check in _RULES:
            made = pattern.sub(_replacing(word, check), made)
    # Digits in full width are made plain only where something was taken out.
    return text if made == found else made


def scrubbed(values: pl.Series) -> tuple[pl.Series, int]:
    """A text column without personal details.

    Args:
        values: texts; null stays null.

    Returns:
        The column, and how many of its texts were changed.
    """
    suspect = values.str.contains(_SUSPECT).fill_null(False)
    if not suspect.any():
        return values, 0
    before = values.filter(suspect)
    after = pl.Series(values.name, [scrub(text) for text in before.to_list()], dtype=pl.String)
    changed = int((after != before).sum())
    return (values.scatter(suspect.arg_true(), after) if changed else values), changed


def _replacing(word: str, check: Callable[[str], bool] | None) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        if check is not None and not check(match.group(0)):
            return match.group(0)
        lead = match.groupdict().get("lead")
        return f"{lead or ''}[{word}]"

    return replace


def _identity_card(number: str) -> bool:
    """Whether the check digit of a Chinese identity number is right (GB 11643-1999, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * (1 << (17 - i)) for i, digit in enumerate(number[:17]))
    month, day = int(number[10:12]), int(number[12:14])
    return "10X98765432"[total % 11] == number[17].upper() and 1 <= month <= 12 and 1 <= day <= 31


def _luhn(number: str) -> bool:
    """Whether the check digit of a payment card is right (ISO/IEC 7812-1)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = (d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2])
    return digits[0] in (2, 3, 4, 5, 6) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(number: str) -> bool:
    """Whether the check digits of a bank account are right (ISO 13616, ISO 7064 MOD 97-10)."""
    plain = number.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _seven_digits(found: str) -> bool:
    """Whether there are at least as many digits as a subscriber's number has."""
    return sum(c.isdigit() for c in found) >= 7


_RULES: tuple[tuple[re.Pattern[str], str, Callable[[str], bool] | None], ...] = (
    (_EMAIL, "email", None),
    (_HANDLE, "account", None),
    (_IBAN, "account", _iban),
    (_IDENTITY, "id", _identity_card),
    (_CARD, "card", _luhn),
    (_INTERNATIONAL, "phone", None),
    (_MOBILE_CN, "phone", None),
    (_LANDLINE_CN, "phone", None),
    (_NORTH_AMERICA, "phone", None),
    (_NATIONAL, "phone", _seven_digits),
    (_ADDRESS_CN, "address", None),
    (_ADDRESS_EN, "address", None),
    (_ADDRESS_DE, "address", None),
)
