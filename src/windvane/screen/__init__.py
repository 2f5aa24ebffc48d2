"""Words on the screen: one catalogue per language, looked up by key.

A catalogue is a TOML file beside this module; nested sections join to dotted keys. Every language has the
same keys with the same placeholders.

Example:
    >>> from windvane import screen
    >>> screen.text("en", "report.overview.lines", count="12")
    '12 lines to order now'
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from windvane.errors import ConfigError

LANGUAGES: tuple[str, ...] = ("en", "zh")
"""Languages that have a catalogue."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of one language, by dotted key.

    Raises:
        ConfigError: there is no catalogue of that language; names those that exist.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"No screen texts in language {language!r}.", f"Use one of: {', '.join(LANGUAGES)}.")
    source = resources.files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType(dict(_flat(tomllib.loads(source))))


def text(language: str, key: str, /, **numbers: object) -> str:
    """One text with its placeholders filled.

    Args:
        language: "en" or "zh".
        key: dotted key, such as ``report.overview.lines``.
        **numbers: values of the placeholders, already formatted for the language.

    Raises:
        ConfigError: the language, the key or a placeholder's value is missing.
    """
    try:
        template = catalogue(language)[key]
    except KeyError:
        raise ConfigError(f"The {language} screen texts have no key {key!r}.", f"Add it to {language}.toml.") from None
    try:
        return template.format_map(numbers)
    except KeyError as missing:
        raise ConfigError(f"Screen text {key!r} needs a value for {missing.args[0]!r}.") from None


def name(language: str, group: str, word: str) -> str:
    """Screen name of an open-ended word (a model, a check, a rule), or the word itself if it has none.

    Args:
        language: "en" or "zh".
        group: dotted prefix of the keys, such as ``model``.
        word: the word as tables hold it.
    """
    return catalogue(language).get(f"{group}.{word}", word.replace("_", " "))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
