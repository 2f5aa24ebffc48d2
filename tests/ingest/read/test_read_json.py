"""JSON: objects as rows, whatever way they are laid out."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError
from windvane.ingest.read import Item, Options, lines, open_item

pytestmark = pytest.mark.tiny


def read(folder, text, options=None, name="a.jsonl"):
    path = Path(folder) / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    reading = open_item(Item(path), options)
    chunks = list(reading.chunks())
    rows = [row for chunk in chunks for row in chunk.frame.rows()]
    return reading.columns, rows, [each for chunk in chunks for each in chunk.ragged]


LINES = '{"id": 1, "customer": {"id": 7, "tags": ["a", 1.50]}}\n{"id": "x", "paid": true, "note": ""}\n'


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (LINES, (1, 2)),
        ("\ufeff" + LINES.replace("\n", "\r\n\r\n"), (1, 3)),
        ("[" + LINES.strip().replace("\n", ",") + "]", (1, 2)),
        ("[\n  " + LINES.strip().replace("\n", ",\n\n").replace(", ", ",\n ") + "\n]\n", (1, 2)),
        ('{"orders": [' + LINES.strip().replace("\n", ",") + "]}", (1, 2)),
        ('{"orders": [' + LINES.strip().replace("\n", ",") + '], "next": null}\n', None),
    ],
)
def test_objects_in_any_layout(tmp_path, text, numbers):
    columns, rows, ragged = read(tmp_path, text, name="a.json")
    if numbers is None:  # an object with more than the list is one row
        assert columns == ["orders", "next"]
        assert len(rows) == 1
        return
    assert columns == ["id", "customer.id", "customer.tags", "paid", "note"]
    assert rows == [(numbers[0], "1", "7", '["a", 1.50]', None, None), (numbers[1], "x", None, None, "true", None)]
    assert ragged == []


def test_numbers_keep_their_digits(tmp_path):
    digits = "9" * 50
    _, rows, _ = read(tmp_path, f'{{"a": 1.10, "b": {digits}, "c": 1e309, "d": -0, "e": NaN}}\n')
    assert rows == [(1, "1.10", digits, "1e309", "-0", "NaN")]


def test_the_elements_of_a_list_can_be_the_rows(tmp_path):
    text = (
        '{"id": 1, "line_items": [{"sku": "x", "price": {"amount": 2}}, {"sku": "y"}], "at": "May"}\n'
        '{"id": 2, "line_items": [], "at": "June"}\n{"id": 3}\n'
    )
    columns, rows, _ = read(tmp_path, text, Options(explode="line_items"))
    assert columns == ["id", "at", "line_items.sku", "line_items.price.amount"]
    assert rows[:2] == [(1, "1", "May", "x", "2"), (2, "1", "May", "y", None)]
    assert rows[2:] == [(3, "2", "June", None, None), (4, "3", None, None, None)]


def test_lines_that_are_no_objects(tmp_path):
    deep = '{"a": ' + "[" * 100_000 + "\n"
    bad = ["nope", "[1]", "3", "null", '{"a": 1', '{"a": "\\ud800"}', deep.strip()]
    columns, rows, ragged = read(tmp_path, '{"a": 1}\n' + "\n".join(bad) + '\n{"a": 2}')
    assert columns == ["a"]
    assert rows == [(1, "1"), (9, "2")]
    assert [each.line for each in ragged] == list(range(2, 9))
    assert ragged[0].reason == "it is no JSON: Expecting value at character 1"
    assert ragged[5].reason == "it is holding half a surrogate pair"
    assert ragged[6].reason == "it is nested too deeply"
    assert max(len(each.text) for each in ragged) == 2000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is empty"),
        ("{}\n", "is empty"),
        ('[{"a": 1}, x]', "element 2: Expecting value"),
        ('[{"a": 1}', "element 2: the file ends before the list does"),
        ('[{"a": "x', "element 1: Unterminated string"),
        ('[{"a": ' + "[" * 100_000, "element 1: it is nested too deeply"),
        ('{"_line": 1}', "_line is a name that Windvane uses itself"),
        (
            b'{"a": "\xff"}\n' + '{"a": "我我我我我我我我我"}'.encode(),
            "line 1: byte 0xFF is not UTF-8",
        ),
        (json.dumps({str(i): i for i in range(10_001)}), "more than 10,000 different keys"),
    ],
)
def test_unreadable_files_say_why(tmp_path, text, said):
    with pytest.raises(InputError) as raised:
        read(tmp_path, text, name="a.json")
    assert said in raised.value.message
    assert raised.value.remedy


def test_other_encodings(tmp_path):
    assert read(tmp_path, '{"名称": "订单"}\n'.encode("gbk"))[:2] == (["名称"], [(1, "订单")])


cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
objects = st.lists(st.dictionaries(st.sampled_from("abc"), cells, min_size=1), min_size=1, max_size=8)


@given(objects, st.sampled_from(["lines", "list", "pretty"]), st.sampled_from([64, 1 << 24]))
@settings(max_examples=200, deadline=None)
def test_what_json_writes_is_read_back(given_objects, layout, block):
    def text(value):
        if value is None or value == "":
            return None
        return str(value).lower() if isinstance(value, bool) else str(value)

    if layout == "lines":
        written = "\n".join(map(json.dumps, given_objects))
    else:
        written = json.dumps(given_objects, indent=2 if layout == "pretty" else None, ensure_ascii=False)
    expected = [
        (i, {k: text(v) for k, v in each.items() if text(v) is not None})
        for i, each in enumerate(given_objects, start=1)
    ]
    expected = [each for each in expected if each[1]]
    before = lines.BLOCK
    try:
        lines.BLOCK = block
        with tempfile.TemporaryDirectory() as folder:
            if not expected:
                with pytest.raises(InputError, match="is empty"):
                    read(folder, written, name="a.json")
                return
            columns, rows, ragged = read(folder, written.encode(), Options(encoding="utf-8"), "a.json")
    finally:
        lines.BLOCK = before
    found = [(row[0], {k: v for k, v in zip(columns, row[1:], strict=True) if v is not None}) for row in rows]
    assert (found, ragged) == (expected, [])
