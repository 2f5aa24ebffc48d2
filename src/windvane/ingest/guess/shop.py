"""Whose files these are: known exports by their columns, and what the files tell about the shop itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files

import polars as pl

from windvane.errors import InputError
from windvane.ingest import mapping, read
from windvane.ingest.guess.files import FileGuess, words_of
from windvane.ingest.mapping import Block, Mapping
from windvane.ingest.read import Item

_COUNTRIES = {
    "USD": "US", "GBP": "GB", "CNY": "CN", "RMB": "CN", "JPY": "JP", "CHF": "CH", "INR": "IN", "PLN": "PL", "SEK": "SE",
    "NOK": "NO", "DKK": "DK", "CZK": "CZ", "CAD": "CA", "AUD": "AU", "NZD": "NZ", "BRL": "BR", "MXN": "MX", "KRW": "KR",
    "TWD": "TW", "HKD": "HK", "SGD": "SG",
}  # fmt: skip
_CURRENCIES = {"zh": "CNY", "ja": "JPY", "de": "EUR", "fr": "EUR", "es": "EUR"}
_EURO = {"de": "DE", "fr": "FR", "es": "ES"}
_ZONES = {
    "US": "America/New_York", "GB": "Europe/London", "CN": "Asia/Shanghai", "JP": "Asia/Tokyo", "CH": "Europe/Zurich",
    "IN": "Asia/Kolkata", "PL": "Europe/Warsaw", "SE": "Europe/Stockholm", "NO": "Europe/Oslo", "CZ": "Europe/Prague",
    "DK": "Europe/Copenhagen", "DE": "Europe/Berlin", "FR": "Europe/Paris", "ES": "Europe/Madrid", "KR": "Asia/Seoul",
    "TW": "Asia/Taipei", "HK": "Asia/Hong_Kong", "SG": "Asia/Singapore", "NZ": "Pacific/Auckland",
}  # fmt: skip
_MARKETS = {
    "Amazon.com": "US", "Amazon.co.uk": "GB", "Amazon.de": "DE", "Amazon.fr": "FR", "Amazon.es": "ES",
    "Amazon.co.jp": "JP", "Amazon.cn": "CN", "Amazon.in": "IN", "Amazon.ca": "CA", "Amazon.it": "IT",
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What files tell about a shop.

    Attributes:
        currency: ISO 4217 code; 'USD' where nothing tells.
        country: ISO 3166 code; 'US' where nothing tells.
        language: 'zh' where the headers are Chinese, else 'en'.
        zone: time zone that goes with the country, where it has one or one that most people live in.
        freq: period of the sales: 1d, 1w or 1mo.
        told: whether the files said something about the currency; otherwise it is a mere default.
    """

    currency: str = "USD"
    country: str = "US"
    language: str = "en"
    zone: str | None = None
    freq: str = "1d"
    told: bool = False


def known_exports(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Files that shipped mappings know, per mapping; a file of two is taken by the one that asks for more columns.

    Args:
        items: the files.
    """
    headers = {item: _columns(item) for item in items}
    best: dict[Item, tuple[int, str]] = {}
    for name in mapping.shipped():
        found = mapping.load(name)
        for item in _named(found, headers):
            best[item] = max(best.get(item, (0, "")), (1000, name))
        for block in found.blocks:
            if block.tidy is None or not block.tidy.signature:
                continue
            for item, columns in headers.items():
                if block.tidy.recognises(columns):
                    best[item] = max(best.get(item, (0, "")), (len(block.tidy.signature), name))
    known: dict[str, list[Item]] = {}
    for item in items:
        if item in best:
            known.setdefault(best[item][1], []).append(item)
    return known


def _columns(item: Item) -> list[str]:
    try:
        return read.header(item)
    except InputError:
        return []


def _named(found: Mapping, headers: dict[Item, list[str]]) -> list[Item]:
    """Files of a mapping that goes by file names, if all are there and have the columns."""
    patterns = {pattern for block in found.blocks for pattern in block.files.values()}
    patterns |= {block.file for block in found.blocks if block.file and block.tidy is None}
    taken: list[Item] = []
    for pattern in patterns:
        hits = [item for item in headers if item.path.match(pattern)]
        if len(hits) != 1:
            return []
        taken += hits
    blocks = [block for block in found.blocks if block.file and block.tidy is None]
    if any(not _has(block, headers) for block in blocks):
        return []
    return taken


def _has(block: Block, headers: dict[Item, list[str]]) -> bool:
    columns = next(names for item, names in headers.items() if item.path.match(block.file or ""))
    return all(how.column is None or how.column in columns for how in block.columns.values())


def text_of(shop: str, facts: Facts) -> str:
    """A shipped mapping as text for a workspace of its own, with the shop's time zone where it helps.

    Args:
        shop: name of the mapping.
        facts: what is known about the shop.
    """
    text = (package_files("windvane.ingest") / "shops" / f"{shop}.toml").read_text(encoding="utf-8")
    if facts.zone and 'local = "' in text:
        # Shipped mappings leave out what they cannot know; the comment beside it says how to write it.
        text = text.replace('timezone = "UTC" }', f'timezone = "UTC", local = "{facts.zone}" }}')
    return f"# A copy of the mapping {shop} that comes with Windvane, for you to correct.\n{text}"


def facts_of(guesses: Sequence[FileGuess]) -> Facts:
    """What files tell about the shop: currency, country, language, time zone, period.

    Args:
        guesses: the files, looked at.
    """
    words = words_of(guesses)
    currency, told = _currency(guesses, words)
    market = next((place for guess in guesses if (place := _market(guess))), None)
    country = market or _COUNTRIES.get(currency) or _EURO.get(words, "DE" if currency == "EUR" else "US")
    orders = [each.get("ordered_at") for each in guesses if each.table == "orders"]
    steps = {each.cells.step for each in orders if each is not None}
    freq = {7: "1w", 30: "1mo"}.get(next(iter(steps)), "1d") if len(steps) == 1 else "1d"
    return Facts(currency, country, "zh" if words == "zh" else "en", _ZONES.get(country), freq, told)


def _currency(guesses: Sequence[FileGuess], words: str) -> tuple[str, bool]:
    for guess in guesses:
        found = guess.theirs("currency")
        if found is not None and found.kind == "text":
            most = found.values.drop_nulls().cast(pl.String).str.strip_chars().str.to_uppercase().mode().sort()
            if most.len() and str(most[0]).isalpha() and len(str(most[0])) == 3:
                return str(most[0]), True
    for guess in guesses:
        for cells in guess.cells:
            if cells.currency:
                return ("JPY" if cells.currency == "CNY" and words == "ja" else cells.currency), True
    return _CURRENCIES.get(words, "USD"), words in _CURRENCIES


def _market(guess: FileGuess) -> str | None:
    """Country of the marketplace that most lines of an Amazon report come from."""
    for cells in guess.cells:
        if cells.name == "sales-channel":
            most = cells.values.drop_nulls().cast(pl.String).mode().sort()
            return _MARKETS.get(str(most[0])) if most.len() else None
    return None
