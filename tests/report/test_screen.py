from __future__ import annotations

import re
import string

import pytest

from windvane import screen
from windvane.errors import ConfigError

pytestmark = pytest.mark.tiny


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_languages_have_the_same_keys_with_the_same_placeholders():
    english, chinese = screen.catalogue("en"), screen.catalogue("zh")
    assert set(english) == set(chinese)
    differing = [k for k in english if _placeholders(english[k]) != _placeholders(chinese[k])]
    assert differing == []


def test_chinese_texts_hold_no_english_words_but_names():
    allowed = re.compile(
        r"\{\w+\}|[a-z]+[._][a-z_.]+|%-?\w|\b(?:CSV|English|JavaScript|sku|title|category|kind|gift|drop)\b"
    )
    left = {
        k: found
        for k, v in screen.catalogue("zh").items()
        if (found := re.findall(r"[A-Za-z]{2,}", allowed.sub("", v)))
    }
    assert left == {}


def test_text_fills_placeholders():
    assert screen.text("zh", "report.overview.lines", count="12") == "现在应下单 12 行"


@pytest.mark.parametrize(
    ("language", "key", "values", "said"),
    [
        ("fr", "report.title", {}, "'fr'"),
        ("en", "report.nothing_such", {}, "report.nothing_such"),
        ("en", "report.overview.lines", {}, "'count'"),
    ],
)
def test_errors_name_what_is_missing(language, key, values, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        screen.text(language, key, **values)


def test_unknown_words_show_as_they_are():
    assert screen.name("zh", "model", "my_new_model") == "my new model"
    assert screen.name("zh", "model", "naive") == "上一个值"
