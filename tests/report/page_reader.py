"""Reads a report page the way a person or a browser would."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from made_up_run import MadeUpRun

from windvane.report import render


class Page(HTMLParser):
    """The visible text, the elements, and the embedded data of a page."""

    VOID = frozenset(("meta", "link", "input", "br", "line", "circle", "path", "img", "hr"))

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> closed by </{tag}>"

    def handle_data(self, text):
        inside = [tag for tag, _ in self._open]
        if inside and inside[-1] == "script":
            if self._open[-1][1].get("id") == "page-data":
                self.data += text
        elif "style" not in inside:
            self.words.append(text)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.elements if name == tag)


def page_of(run: MadeUpRun, **options: Any) -> Page:
    return Page(render(run, **options))
