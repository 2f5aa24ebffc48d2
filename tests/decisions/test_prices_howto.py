"""The pages on prices do what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "howto"
VERDICTS = {"use", "test first", "do not use"}


@pytest.mark.parametrize("name", ["prices.md", "prices.zh.md"])
def test_the_examples_run_one_after_the_other(name):
    text = (DOCS / name).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, name, "exec"), names)
    frame = names["trial"].frame()
    assert frame.height == 6
    assert set(frame["verdict"][1:]) <= VERDICTS
    assert frame["why"][1:].str.contains(r"[。.]").all()
    assert len(names["market"].method) == names["panel"].shape[0]
