"""What a header says: the words that shops use for things, in six languages, are listed in ``words.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files as package_files

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_GENERAL_SCORE = 0.88
_GENERAL = frozenset(
    [
        "unique id",
        "code",
        "item",
        "product",
        "article",
        "artikel",
        "ref",
        "name",
        "total",
        "count",
        "y",
        "items",
        "sales",
        "order",
        "invoice",
        "day",
        "time",
        "client",
        "user",
        "编码",
        "名称",
        "产品",
        "商品",
    ]
)
"""Words that a more telling column beside them goes before."""
_LANGUAGES = {
    "de": ("menge", "preis", "datum", "bestell", "artikel", "kunde", "anzahl", "bestand", "bezeichnung", "umsatz"),
    "fr": ("quantit", "prix", "commande", "libell", "magasin", "montant", "produit", "fournisseur"),
    "es": ("cantidad", "precio", "fecha", "pedido", "tienda", "importe", "producto", "cliente"),
}


@cache
def _lookup() -> dict[str, str]:
    text = (package_files("windvane.ingest.guess") / "words.toml").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for meaning, words in tomllib.loads(text).items():
        for word in words:
            if plain := plainly(word):
                found.setdefault(plain, meaning)
    return found


def plainly(header: str) -> str:
    """A header without case, accents' variants, punctuation and what stands in brackets."""
    text = unicodedata.normalize("NFKC", header).replace("%", " percent ")
    text = re.sub(r"[\(\[（【].*?[\)\]）】]", " ", text) if re.search(r"^\s*[^\(\[（【\s]", text) else text
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    text = re.sub(r"[\W_]+", " ", text.lower())
    return " ".join(text.split())


@cache
def meanings(header: str) -> Mapping[str, float]:
    """What a header may mean, each with a score from 0 to 1.

    Args:
        header: column name as it stands in the file.
    """
    plain = plainly(header)
    lookup = _lookup()
    exact = lookup.get(plain) or lookup.get(plain.replace(" ", ""))
    found: dict[str, float] = {}
    if exact:
        found[exact] = _GENERAL_SCORE if plain in _GENERAL else 1.0
    tokens = plain.split()
    inside = {" ".join(tokens[i:j]) for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1)}
    for word, meaning in lookup.items():
        if word == plain:
            continue
        hit = len(word) >= 2 and word in plain if _CJK.search(word) else len(word) >= 3 and word in inside
        if hit:
            share = len(word.replace(" ", "")) / len(plain.replace(" ", ""))
            # The last word of a header says most: "stock quantity" is a quantity of stock.
            score = 0.45 + 0.4 * share + (0.05 if plain.endswith(word) else 0.0)
            found[meaning] = max(found.get(meaning, 0.0), min(score, 0.9))
    return found


def language(headers: list[str]) -> str:
    """Language that headers are written in: zh, ja, de, fr, es or en."""
    text = " ".join(headers).lower()
    if re.search(r"[\u3040-\u30ff]|注文|受注|単価|売上|個数", text):
        return "ja"
    if _CJK.search(text):
        return "zh"
    counts = {name: sum(word in text for word in words) for name, words in _LANGUAGES.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "en"
