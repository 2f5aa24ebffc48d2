"""CSV as it comes: every cell, every line, every oddity."""

import csv
import gzip
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError, MappingError
from windvane.ingest import files
from windvane.ingest.files import LINE, read, read_csv

pytestmark = pytest.mark.tiny


def written(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,\n",
        "a,b\r\n1,2\r\n3,\r\n",
        "\ufeffa,b\n1,2\n3,",
        "a;b\n1;2\n3;\n",
        "a\tb\n1\t2\n3\t\n",
        '"a","b"\n"1","2"\n"3",""\n',
        "a,b\r1,2\r3,\r",
    ],
)
def test_dialects_read_alike(tmp_path, text):
    content = read_csv(written(tmp_path, text))
    assert content.frame.rows() == [(2, "1", "2"), (3, "3", None)]
    assert content.frame.columns == [LINE, "a", "b"]
    assert content.ragged == []


def test_gzip_reads_like_plain(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read_csv(path).frame.rows() == [(2, "1", "2")]


def test_ragged_and_blank_lines_keep_their_numbers(tmp_path):
    content = read_csv(written(tmp_path, 'a,b\n1,2\n\n3\n4,"x\ny"\n5,6,7\n8,9\n'))
    assert content.frame.rows() == [(2, "1", "2"), (5, "4", "x\ny"), (8, "8", "9")]
    assert [(each.line, each.text) for each in content.ragged] == [(4, "3"), (7, "5,6,7")]
    assert content.ragged[0].reason == "the line has 1 cells, the header has 2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a,a\n1,2\n", "column 2 of the header is 'a' again"),
        (b"a,\n1,2\n", "column 2 of the header is empty"),
        (b"a,b\n1,caf\xe9\n", "line 2: byte 0xE9 is not UTF-8"),
        ("a,b\n1,é\n".encode("utf-16"), "is not UTF-8"),
        (b'a,b\n1,"' + b"x" * 200_000, "never closed"),
    ],
)
def test_unreadable_files_say_why_and_where(tmp_path, content, said):
    with pytest.raises(InputError) as raised:
        read_csv(written(tmp_path, content))
    assert said in raised.value.message
    assert raised.value.remedy


def test_parquet_that_is_none(tmp_path):
    with pytest.raises(InputError, match="no readable Parquet"):
        read(written(tmp_path, "PAR1", "a.parquet"))


def test_parquet_rows_are_numbered_before_they_are_filtered(tmp_path):
    pl.DataFrame({"a": [1, 2, 3]}).write_parquet(tmp_path / "a.parquet")
    content, total = read(tmp_path / "a.parquet", where="a > 1")
    assert (content.frame.rows(), total) == ([(2, 2), (3, 3)], 3)
    with pytest.raises(MappingError, match="where = 'b > 1' fails"):
        read(tmp_path / "a.parquet", where="b > 1")


def test_find(tmp_path):
    written(tmp_path, "a\n1\n", "b.csv")
    written(tmp_path, "x", "b.xls")
    assert [path.name for path in files.find(tmp_path, "*.csv")] == ["b.csv"]
    with pytest.raises(InputError, match=r"matches c\.csv"):
        files.find(tmp_path, "c.csv")
    with pytest.raises(InputError, match="neither CSV nor Parquet"):
        files.find(tmp_path, "*.xls")


cells = st.text(alphabet='ab1é,"\n\r; ', max_size=6)


@given(st.lists(st.tuples(cells, cells, st.sampled_from(["x", "y"])), max_size=8), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_what_csv_writes_is_read_back_with_its_lines(rows, ending):
    import tempfile
    from pathlib import Path

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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(out.getvalue().encode())
        content = read_csv(path)
    assert content.ragged == []
    assert content.frame.drop(LINE).rows() == [tuple(cell or None for cell in row) for row in rows]
    assert content.frame[LINE].to_list() == starts


@given(st.lists(st.lists(st.sampled_from(["", "1", "é", " x"]), min_size=1, max_size=4), max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_fast_reader_agrees_with_the_exact_one(rows):
    import tempfile
    from pathlib import Path

    text = "\n".join([",".join("abc"), *(",".join(row) for row in rows)]) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.encode())
        exact = files._read_exactly(path, ["a", "b", "c"], ",")
        content = read_csv(path)
    assert content.frame.equals(exact.frame)
    assert content.ragged == exact.ragged
