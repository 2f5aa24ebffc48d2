"""Writes HTML that carries every language at once, and escapes all that it is given."""

from __future__ import annotations

import html
from dataclasses import dataclass

from windvane import screen
from windvane.report.numbers import Kind, Shown, show

Value = str | int | Shown
"""What fills a placeholder: text as it is, or a value shown per language."""


@dataclass(frozen=True)
class Text:
    """A catalogue text with values, for nesting one text within another."""

    key: str
    values: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Pen:
    """Writes texts in the page's language, with the other languages beside them for the page's switch.

    Attributes:
        language: the language first shown.
        currency: ISO 4217 code.
    """

    language: str
    currency: str

    def t(self, key: str, /, **values: Value | Text) -> str:
        """A catalogue text as HTML."""
        return self.every({w: self._text(w, key, values) for w in screen.LANGUAGES})

    def plain(self, key: str, /, **values: Value | Text) -> str:
        """A catalogue text in the page's language, escaped, without the others (titles, printed names)."""
        return html.escape(self._text(self.language, key, values))

    def name(self, group: str, word: str) -> str:
        """Screen name of an open-ended word as HTML."""
        return self.every({w: screen.name(w, group, word) for w in screen.LANGUAGES})

    def n(self, kind: Kind, value: object) -> str:
        """A value as HTML."""
        shown = Shown(kind, value)  # type: ignore[arg-type]
        return self.every({w: show(shown, w, self.currency) for w in screen.LANGUAGES})

    def every(self, texts: dict[str, str]) -> str:
        """HTML of one text given in every language."""
        if len(set(texts.values())) == 1:
            return html.escape(texts[self.language])
        held = "".join(f' data-{w}="{html.escape(s)}"' for w, s in texts.items())
        return f"<span{held}>{html.escape(texts[self.language])}</span>"

    def attribute(self, attribute: str, key: str, /, **values: Value | Text) -> str:
        """An attribute whose text changes with the language, such as ``aria-label``."""
        texts = {w: html.escape(self._text(w, key, values)) for w in screen.LANGUAGES}
        held = "".join(f' data-{w}-{attribute}="{s}"' for w, s in texts.items())
        return f'{attribute}="{texts[self.language]}"{held}'

    def _text(self, language: str, key: str, values: dict[str, Value | Text]) -> str:
        filled = {k: self._value(language, v) for k, v in values.items()}
        return screen.text(language, key, **filled)

    def _value(self, language: str, value: Value | Text) -> str:
        if isinstance(value, Shown):
            return show(value, language, self.currency)
        if isinstance(value, Text):
            return self._text(language, value.key, dict(value.values))
        return str(value)


def safe(value: object) -> str:
    """Any value from the data as harmless HTML text."""
    return html.escape("" if value is None else str(value))


def table(caption: str, head: list[tuple[str, str]], rows: list[list[str]], attributes: str = "") -> str:
    """An HTML table whose cells know their column's name, so that a phone can stack them.

    Args:
        caption: HTML for those who do not see the page.
        head: HTML of each heading with its class ("num" aligns right, "" left).
        rows: HTML of the cells.
        attributes: of the table element.
    """
    heads = "".join(f'<th scope="col" class="{kind}">{text}</th>' for text, kind in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, (_, kind) in zip(row, head, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table {attributes}><caption class="unseen">{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )
