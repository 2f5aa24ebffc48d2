"""Which encoding a text is in, and what happens to bytes that have no meaning in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError
from windvane.ingest.read import Item, Options, encoding, open_item
from windvane.ingest.read.encoding import judged

pytestmark = pytest.mark.tiny

SIMPLIFIED = "订单编号,宝贝标题,付款时间\n1,纯棉短袖 T恤,2024-05-01\n2,新疆红枣 500克/袋,2024-05-02\n"
TRADITIONAL = "訂單編號,商品名稱,付款時間\n1,純棉短袖 T恤,2024-05-01\n2,台灣鳳梨酥禮盒,2024-05-02\n"
WESTERN = "Référence,Désignation,Prix\n1,Crème brûlée,3\n2,Größe M – weiß,4\n3,“Señor” à 12 €,5\n"


def read(tmp_path, content, options=None):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    reading = open_item(Item(path), options)
    rows = [row[1:] for chunk in reading.chunks() for row in chunk.frame.rows()]
    return reading, [tuple(reading.columns), *rows]


def table(text):
    return [tuple(line.split(",")) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (SIMPLIFIED, "utf-8", "utf-8"),
        (SIMPLIFIED, "utf-8-sig", "utf-8"),
        (SIMPLIFIED, "gb2312", "gb18030"),
        (SIMPLIFIED.replace("T恤", "珺琺𠮷"), "gb18030", "gb18030"),
        (SIMPLIFIED, "utf-16", "utf-16"),
        (SIMPLIFIED, "utf-32", "utf-32"),
        ("id,title,note\n1,tea,x\n2,coffee,y\n", "utf-16-le", "utf-16-le"),
        ("id,title,note\n1,tea,x\n2,coffee,y\n", "utf-16-be", "utf-16-be"),
        (TRADITIONAL, "big5", "cp950"),
        (TRADITIONAL, "utf-8", "utf-8"),
        (WESTERN, "cp1252", "cp1252"),
        (WESTERN, "utf-8", "utf-8"),
        ("a,b,c\n1,2,3\n", "ascii", "utf-8"),
    ],
)
def test_common_encodings_are_found(tmp_path, text, name, said):
    reading, rows = read(tmp_path, text.encode(name))
    assert (reading.encoding, rows) == (said, table(text))


@pytest.mark.parametrize(
    ("word", "name"),
    [("née", "cp1252"), ("Où", "cp1252"), ("café", "cp1252"), ("£5", "cp1252"), ("订单", "gb18030"), ("訂單", "cp950")],
)
def test_one_word_is_enough(word, name):
    encoded = word.encode(name)
    start = next(i for i, code in enumerate(encoded) if code > 0x7F)
    assert judged(encoded[start:] + b",1\n") == name


def test_a_file_may_turn_chinese_after_a_million_lines(tmp_path):
    plain = b"".join(b"%d,tea,3\n" % i for i in range(400_000))
    reading, rows = read(tmp_path, b"id,title,units\n" + plain + "x,乌龙茶 一盒,1\n".encode("gbk"))
    assert reading.encoding == "utf-8"
    assert rows[-1] == ("x", "乌龙茶 一盒", "1")


def test_one_broken_byte_does_not_make_a_file_latin(tmp_path):
    good = SIMPLIFIED.encode() + "3,毛巾,2024-05-03\n".encode() * 20
    for broken in (b"4,\xe6\xaf,2024\n", b"4,x\xff,2024\n"):
        with pytest.raises(InputError, match=r"a\.csv, line 24: byte 0x.. is not UTF-8") as raised:
            read(tmp_path, good + broken + "5,毛巾,2024\n".encode())
        assert raised.value.row == 24
        assert "encoding" in raised.value.remedy


def test_one_broken_byte_in_gbk_is_named_too(tmp_path):
    with pytest.raises(InputError, match="line 4: byte 0xFF is not gb18030") as raised:
        read(tmp_path, SIMPLIFIED.encode("gbk") + b"3,\xff\xff,x\n", Options(encoding="gbk"))
    assert raised.value.row == 4


def test_the_encoding_can_be_given(tmp_path):
    _, rows = read(tmp_path, "a,b\nключ,1\n".encode("koi8-r"), Options(encoding="koi8-r"))
    assert rows == [("a", "b"), ("ключ", "1")]
    for name in ("klingon", "hex", "zip"):
        with pytest.raises(InputError, match="There is no encoding"):
            read(tmp_path, b"a,b\n1,2\n", Options(encoding=name))


@given(st.text(alphabet="订单商品价格 棉ab,1，。é", min_size=1, max_size=200), st.sampled_from([3, 17, 1 << 20]))
@settings(max_examples=200, deadline=None)
def test_recoding_gives_the_same_text_however_it_is_cut(text, size):
    import io

    for name in ("utf-8", "gb18030", "utf-16"):
        stream = encoding.Recoded(io.BytesIO(text.encode(name)), "a", name)
        parts = []
        while data := stream.read(size):
            parts.append(data)
            assert len(data) <= size
        assert b"".join(parts).decode() == text


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_judged(data):
    assert judged(data) in ("utf-8", "gb18030", "cp950", "big5hkscs", "cp1252")
