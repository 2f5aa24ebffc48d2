"""CSV as it comes: every cell, every line, every oddity, wherever the blocks happen to be cut."""

import csv
import gzip
import io
import tempfile
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError
from windvane.ingest.read import LINE, Item, Options, delimited, open_item
from windvane.ingest.read.split import records

pytestmark = pytest.mark.tiny


def opened(folder, text, options=None, name="a.csv"):
    path = Path(folder) / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_item(Item(path), options)


def whole(reading):
    chunks = list(reading.chunks())
    empty = pl.DataFrame(schema={LINE: pl.Int64} | dict.fromkeys(reading.columns, pl.String))
    return pl.concat([empty, *(chunk.frame for chunk in chunks)]), [each for chunk in chunks for each in chunk.ragged]


@contextmanager
def blocks_of(size):
    before = delimited.BLOCK
    delimited.BLOCK = size
    try:
        yield
    finally:
        delimited.BLOCK = before


@pytest.mark.parametrize("block", [7, 16, 1 << 20])
@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,\n",
        "a,b\r\n1,2\r\n3,\r\n",
        "a,b\r\n1,2\n3,\r\n",
        "\ufeffa,b\n1,2\n3,",
        "a;b\n1;2\n3;\n",
        "a\tb\n1\t2\n3\t\n",
        "a|b\n1|2\n3|\n\n\n",
        '"a","b"\n"1","2"\n"3",""\n',
        "a,b\r1,2\r3,\r",
        "a,b,,\n1,2,,\n3,,,\n,,,\n",
        "a,b\n1,2,\n3,,\n",
        " a , b \n1,2\n3,\n",
    ],
)
def test_dialects_read_alike(tmp_path, text, block):
    with blocks_of(block):
        reading = opened(tmp_path, text)
        frame, ragged = whole(reading)
    assert reading.columns == ["a", "b"]
    assert frame.columns == [LINE, "a", "b"]
    assert frame.rows() == [(2, "1", "2"), (3, "3", None)]
    assert ragged == []


def test_a_reading_starts_anew_each_time(tmp_path):
    reading = opened(tmp_path, "a,b\n1,2\n")
    assert whole(reading)[0].equals(whole(reading)[0])


def test_gzip_reads_like_plain(tmp_path):
    assert whole(opened(tmp_path, gzip.compress(b"a,b\n1,2\n"), name="a.csv.gz"))[0].rows() == [(2, "1", "2")]


@pytest.mark.parametrize("block", [5, 11, 1 << 20])
def test_ragged_and_blank_lines_keep_their_numbers(tmp_path, block):
    with blocks_of(block):
        frame, ragged = whole(opened(tmp_path, 'a,b\n1,2\n\n3\n4,"x\ny"\n5,6,7\n8,9\n'))
    assert frame.rows() == [(2, "1", "2"), (5, "4", "x\ny"), (8, "8", "9")]
    assert [(each.line, each.text) for each in ragged] == [(4, "3"), (7, "5,6,7")]
    assert ragged[0].reason == "the line has 1 cells, the header has 2"


@pytest.mark.parametrize(
    ("text", "rows", "torn"),
    [
        # A quote that never closes costs its line, not the rest of the file.
        ('a,b\n1,"2\n3,4\n5,6\n', [(3, "3", "4"), (4, "5", "6")], [2]),
        ('a,b\n1,"2\n3,"4"\n5,6\n', [(3, "3", "4"), (4, "5", "6")], [2]),
        ('a,b\n1,2\n3,"4', [(2, "1", "2")], [3]),
        # Inches: a quote inside a cell is itself, in quotes or not.
        ('a,b\n1,5" pipe\n2,"6" pipe"\n', [(2, "1", '5" pipe'), (3, "2", '6" pipe')], []),
        # Tables of tabs from Amazon know no quoting.
        ('a\tb\n"Best" tea\t2\n"x\t3\n', [(2, '"Best" tea', "2"), (3, '"x', "3")], []),
        # Long numbers that Excel is told to leave alone stay as they are written.
        ('a,b\n"=""123456789012345678""",2\n', [(2, '="123456789012345678"', "2")], []),
    ],
)
def test_quotes_gone_wrong(tmp_path, text, rows, torn):
    frame, ragged = whole(opened(tmp_path, text))
    assert frame.rows() == rows
    assert [each.line for each in ragged] == torn


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a,a\n1,2\n", "column 2 of the header is 'a' again"),
        (b"a,,b\n1,2,3\n", "column 2 of the header is empty"),
        (b"a,b,\n1,2,\n3,4,5\n", "line 3: there is a value in a column without a name"),
        (b"a,b\n1,caf\xe9\n" + b"\xe9\xe0,\xff\n", "line 2: byte 0xE9 is not UTF-8"),
        (b",".join(b"%d" % i for i in range(10_001)), "more than 10,000 is no table"),
        (b'a,"b\n1,2\n', "line 1: a quote in the header never closes"),
    ],
)
def test_unreadable_files_say_why_and_where(tmp_path, content, said):
    with pytest.raises(InputError) as raised:
        whole(opened(tmp_path, content, Options(encoding="utf-8")))
    assert said in raised.value.message
    assert raised.value.remedy


def test_a_line_without_end_is_refused_early(tmp_path):
    with pytest.raises(InputError, match="line 3: the line is longer than 16 MiB"):
        whole(opened(tmp_path, b"a,b\n1,2\n1," + b"x" * (40 << 20)))


def test_the_header_may_stand_below(tmp_path):
    text = "Export of May\n\nshop: x,y\na,b\n1,2\n"
    reading = opened(tmp_path, text, Options(header=4))
    assert whole(reading)[0].rows() == [(5, "1", "2")]
    assert whole(opened(tmp_path, "\n\na,b\n1,2\n"))[0].rows() == [(4, "1", "2")]
    assert whole(opened(tmp_path, "sep=;\na;b\n1,5;2\n"))[0].rows() == [(3, "1,5", "2")]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a,b;c\n1;2\n3;4\n", ";"),
        ("price;name\n1,50;x,y\n2,50;z\n", ";"),
        ("name,note\na;b,c;d\ne,f\n", ","),
        ('"a;b","c"\n"1;2;3","4"\n', ","),
        ("a|b|c\n1,2|3|4\n", "|"),
        ("one\ntwo\n", ","),
    ],
)
def test_the_separator_is_the_one_that_fits_all_lines(tmp_path, text, separator):
    assert whole(opened(tmp_path, text))[0].equals(whole(opened(tmp_path, text, Options(separator=separator)))[0])


cells = st.text(alphabet='ab1é,"\n\r; \x00订', max_size=6)
rows_of = st.lists(st.tuples(cells, cells, st.sampled_from(["x", "y"])), max_size=8)


@given(rows_of, st.sampled_from(["\n", "\r\n"]), st.sampled_from([9, 31, 1 << 20]))
@settings(max_examples=300, deadline=None)
def test_what_csv_writes_is_read_back_with_its_lines(rows, ending, block):
    out = io.StringIO()
    # The writer leaves a lone carriage return unquoted where it does not end its lines.
    returns = any("\r" in cell for row in rows for cell in row)
    writer = csv.writer(out, lineterminator=ending, quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)
    writer.writerow(["a", "b", "c"])
    starts = []
    for row in rows:
        # An independent count: a line ends at \n, \r\n or \r, also inside quotes.
        starts.append(len(out.getvalue().replace("\r\n", "\n").replace("\r", "\n").split("\n")))
        writer.writerow(row)
    with tempfile.TemporaryDirectory() as folder, blocks_of(block):
        frame, ragged = whole(opened(folder, out.getvalue(), Options(encoding="utf-8")))
    assert ragged == []
    assert frame.drop(LINE).rows() == [tuple(cell or None for cell in row) for row in rows]
    assert frame[LINE].to_list() == starts


@given(st.text(alphabet='ab,"\n\r', max_size=40), st.sampled_from([4, 13, 1 << 20]))
@settings(max_examples=500, deadline=None)
def test_any_text_reads_as_the_slow_way_reads_it(text, block):
    data = ("a,b\n1,2\n" + text).encode()
    expected, torn = [], []
    for record in records(data.rstrip(b"\r\n").splitlines(keepends=True), b",", final=True):
        if record.cells is None or (len(record.cells) != 2 and any(record.cells)):
            torn.append(record.first + 1)
        elif record.first and any(record.cells):
            expected.append((record.first + 1, *(cell.decode() or None for cell in record.cells)))
    with tempfile.TemporaryDirectory() as folder, blocks_of(block):
        frame, ragged = whole(opened(folder, data, Options(separator=",")))
    assert (frame.rows(), [each.line for each in ragged]) == (expected, torn)


@given(st.lists(st.lists(st.text(alphabet='ab"\n\r é', max_size=4), min_size=2, max_size=3), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_the_slow_way_agrees_with_the_csv_module(rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows(rows)
    lines = out.getvalue().encode().splitlines(keepends=True)
    assert [[cell.decode() for cell in each.cells] for each in records(lines, b",", final=True)] == rows
