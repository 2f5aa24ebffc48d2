"""Personal details leave free text; everything else stays."""

import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.ingest.privacy import Pseudonyms, pseudonym, pseudonyms, scrub, scrubbed

pytestmark = pytest.mark.tiny

PLANTED = {
    "jo.smith+shop@mail.example.org": "email",
    "王小明＠example.com".replace("王小明", "wxm"): "email",
    "13812345678": "phone",
    "138 1234 5678": "phone",
    "+86 138-1234-5678": "phone",
    "１３８１２３４５６７８": "phone",
    "010-59222799": "phone",
    "+49 151 23456789": "phone",
    "+1 (555) 123-4567": "phone",
    "(555) 123-4567": "phone",
    "00 44 20 7946 0958": "phone",
    "110101199003074514": "id",
    "11010519491231002X": "id",
    "4111 1111 1111 1111": "card",
    "5500-0000-0000-0004": "card",
    "DE89 3704 0044 0532 0130 00": "account",
    "GB82WEST12345698765432": "account",
    "北京市海淀区中关村大街27号": "address",
    "221B Baker Street": "address",
    "1600 Pennsylvania Ave., Apt 4": "address",
    "Hauptstraße 12, 10115 Berlin": "address",
}
KEPT = [
    "订单号 1234567890123456，尺码 175/96A，价格199.00",
    "充电5分钟，走3路5号线",
    "EAN 4006381333931, 500ml, 12 x 33cl, art. 0815-4711",
    "2024-03-05 12:30:11 delivered after 3 days, 10/10 would buy",
    "1 2 3 4 5 6 stars; size 38-40; 1,299.00 EUR; 200-300元",
    "Ordered 2 Green Tea boxes and 10 Red Apples",
    "版本 10.12.6，型号 X1-2000-3000",
    "这家店在路口，号码牌3号",
    "110101199003074515",  # a wrong check digit
    "4111 1111 1111 1112",
    "DE88370400440532013000",
]


@pytest.mark.parametrize(("detail", "word"), PLANTED.items())
@pytest.mark.parametrize("around", ["{}", "请联系 {} 谢谢", "write to {}, please!", "（{}）"])
def test_details_go(detail, word, around):
    text = around.format(detail)
    made = scrub(text)
    assert f"[{word}]" in made
    assert not any(part in made for part in detail.split() if len(part) > 4)
    assert scrubbed(pl.Series([text]))[0].to_list() == [made]


@pytest.mark.parametrize("text", KEPT)
def test_everything_else_stays(text):
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("微信：abc_12345 可以聊", "微信：[account] 可以聊"),
        ("我的QQ 123456789", "我的QQ [account]"),
        ("add my WhatsApp: joe12345", "add my WhatsApp: [account]"),
        ("微信支付很方便", "微信支付很方便"),
        ("phone: 089 1234567", "phone: [phone]"),
        ("phone case 1234567", "phone case 1234567"),
        ("电话4007001000没人接", "电话[phone]没人接"),
        ("全角１２个都好", "全角１２个都好"),
    ],
)
def test_what_stands_before_a_number_tells(text, made):
    assert scrub(text) == made


@given(st.lists(st.sampled_from([*PLANTED, *KEPT, "好 ", " and ", "，", "\n", "q", "微信"]), max_size=5).map(" ".join))
def test_twice_is_once_and_the_quick_test_misses_nothing(text):
    once = scrub(text)
    assert scrub(once) == once
    column, changed = scrubbed(pl.Series("t", [None, text, ""]))
    assert column.to_list() == [None, once, ""]
    assert changed == (once != text)


def test_columns_without_details_are_passed_through():
    values = pl.Series("t", ["fine", None, "好"])
    made, changed = scrubbed(values)
    assert made is values
    assert changed == 0
    assert scrubbed(pl.Series("t", [], dtype=pl.String))[0].dtype == pl.String


def test_pseudonyms_are_keyed_and_stable():
    assert pseudonym("ann", b"k" * 32) == pseudonym("ann", b"k" * 32) != pseudonym("ann", b"l" * 32)
    column = pseudonyms(pl.Series("c", ["ann", None, "bob", "ann"]), b"k" * 32)
    assert column[1] is None
    assert column[0] == column[3] == pseudonym("ann", b"k" * 32)


@given(st.lists(st.lists(st.sampled_from(["ann", "bob", "陈", "", None]), max_size=6), max_size=4), st.integers(0, 3))
def test_who_comes_again_is_known_again_within_bounds(columns, most):
    made = Pseudonyms(b"k" * 32, most)
    for column in columns:
        found = made.of(pl.Series("c", column, dtype=pl.String))
        assert found.name == "c"
        assert found.to_list() == [None if each is None else pseudonym(each, b"k" * 32) for each in column]


@pytest.mark.skipif("WINDVANE_DATA" not in os.environ, reason="WINDVANE_DATA is not set")
def test_real_reviews_are_left_alone_but_for_few():
    reviews = pl.read_parquet(Path(os.environ["WINDVANE_DATA"]) / "reviews_zh" / "shopping.parquet")["review"]
    made, changed = scrubbed(reviews)
    assert 20 < changed < 0.001 * reviews.len()
    assert not made.str.contains(r"1[358]\d{9}(?:\D|$)").any()
