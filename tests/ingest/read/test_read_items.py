"""Files, folders and archives: what is found, in which order, and what is refused."""

import gzip
import io
import stat
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from windvane.errors import InputError
from windvane.ingest.read import LINE, Item, expand, find, fingerprint, header, items, open_item, packed, readable

pytestmark = pytest.mark.tiny
TEXT = b"a,b\n1,2\n"


def put(folder, name, content=TEXT):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def zipped_as(name, content=TEXT, attributes=0, flag=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = attributes << 16
        archive.writestr(info, content)
    data = bytearray(out.getvalue())
    if flag:
        data[6] |= flag
        data[data.index(b"PK\x01\x02") + 8] |= flag
    return bytes(data)


def zst(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def rows(item):
    return [row for chunk in open_item(item).chunks() for row in chunk.frame.rows()]


def test_files_come_in_natural_order_and_hidden_ones_not_at_all(tmp_path):
    for name in ("orders-10.csv", "orders-2.csv", ".orders-1.csv", "~$orders.csv", "notes.md", "2024/05/orders-1.csv"):
        put(tmp_path, name)
    assert [item.label for item in find(tmp_path, "*.csv")] == ["orders-2.csv", "orders-10.csv"]
    assert [item.label for item in find(tmp_path, "**/orders-*.csv")] == [
        "orders-1.csv",
        "orders-2.csv",
        "orders-10.csv",
    ]
    assert len(items([tmp_path])) == 3
    assert readable(tmp_path / "orders-2.csv")
    assert not readable(tmp_path / "notes.md")
    with pytest.raises(InputError, match=r"matches c\.csv"):
        find(tmp_path, "c.csv")
    with pytest.raises(InputError, match="no kind of file that can be read"):
        find(tmp_path, "*.md")
    with pytest.raises(InputError, match="There is no folder"):
        find(tmp_path / "x", "*")
    with pytest.raises(InputError, match="There is no file"):
        items([tmp_path / "x.csv"])


def test_an_archive_stands_for_its_members(tmp_path):
    path = put(tmp_path, "orders.zip", zipped(b10__csv=TEXT, b2__csv="a,b\n3,4\n", readme__md="no", _hidden__csv=TEXT))
    found = items([path])
    assert [each.label for each in found] == ["orders.zip/_hidden.csv", "orders.zip/b2.csv", "orders.zip/b10.csv"]
    assert rows(found[1]) == [(2, "3", "4")]
    assert header(found[1]) == ["a", "b"]
    assert 0 < found[1].size <= path.stat().st_size
    assert items([path], "b*.csv") == found[1:]
    # A mapping's pattern may name the members or the archive.
    assert find(tmp_path, "b*.csv") == found[1:]
    assert find(tmp_path, "orders*.zip") == found


def test_what_is_packed_reads_as_what_is_inside(tmp_path):
    table = io.BytesIO()
    pl.DataFrame({"a": ["1"], "b": ["2"]}).write_parquet(table)
    for name, content in {
        "a.csv.gz": gzip.compress(TEXT),
        "b.csv.zst": zst(TEXT),
        "c.csv": gzip.compress(TEXT),
        "d.csv.gz": TEXT,
    }.items():
        assert rows(Item(put(tmp_path, name, content))) == [(2, "1", "2")]
    assert rows(Item(put(tmp_path, "e.parquet.gz", gzip.compress(table.getvalue())))) == [(1, "1", "2")]
    inside = put(tmp_path, "f.zip", zipped(a__parquet=table.getvalue(), b__csv__gz=gzip.compress(TEXT)))
    assert [rows(each) for each in items([inside])] == [[(1, "1", "2")], [(2, "1", "2")]]
    # An archive that calls itself a text file is still one.
    assert rows(expand(put(tmp_path, "g.csv", zipped(x__csv=TEXT)))[0]) == [(2, "1", "2")]


def test_a_fingerprint_depends_on_content_alone(tmp_path):
    one, two = put(tmp_path, "a.csv"), put(tmp_path, "b.csv")
    assert fingerprint(Item(one)) == fingerprint(Item(two))
    assert fingerprint(Item(one)) != fingerprint(Item(put(tmp_path, "c.csv", b"a,b\n1,3\n")))
    stored = put(tmp_path, "d.zip", zipped_as("x.csv"))
    assert fingerprint(items([stored])[0]) == fingerprint(Item(one))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped_as("../up.csv"), "leads out of the archive"),
        (zipped_as("/root.csv"), "leads out of the archive"),
        (zipped_as("c:/windows.csv"), "leads out of the archive"),
        (zipped_as("x/..\\..\\up.csv"), "leads out of the archive"),
        (zipped_as("link.csv", b"/etc/passwd", stat.S_IFLNK | 0o777), "is a link"),
        (zipped_as("locked.csv", flag=1), "locked with a password"),
        (zipped_as("inner.zip", zipped(a__csv=TEXT)), "an archive in an archive"),
        (zipped(), "is an empty archive"),
        (zipped(a__csv=TEXT)[:-30], "no sound zip archive"),
        (b"PK\x03\x04 and then nothing", "no sound zip archive"),
        (b"", "no sound zip archive"),
    ],
)
def test_archives_not_to_be_trusted(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        items([put(tmp_path, "a.zip", content)])


@pytest.mark.parametrize("keep", [4, 20, 200, -1])
@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_what_was_cut_off_is_damaged(tmp_path, pack, keep):
    lines = b"".join(b"%d,%d\n" % (i, i * i) for i in range(1000))
    path = put(tmp_path, "a.csv.gz", pack(b"a,b\n" + lines)[:keep])
    with pytest.raises(InputError, match=r"is damaged|is empty"):
        rows(Item(path))


def test_a_damaged_member_is_named(tmp_path):
    data = bytearray(zipped_as("x.csv", b"a,b\n" + b"1,2\n" * 100))
    data[60] ^= 1
    with pytest.raises(InputError, match=r"a\.zip/x\.csv is damaged.*CRC"):
        rows(items([put(tmp_path, "a.zip", bytes(data))])[0])


@pytest.mark.parametrize("pack", [gzip.compress, zst, lambda data: zipped(a__csv=data)])
def test_a_bomb_is_stopped(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(packed, "MIN_BOMB", 1 << 20)
    path = put(tmp_path, "a.csv.zip", pack(b"a,b\n" + b"1,2\n" * (1 << 20)))
    with pytest.raises(InputError, match="unpacks to more than 200 times its size; reading stopped after"):
        rows(expand(path)[0] if packed.is_archive(path) else Item(path))


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "a.csv", "is empty"),
        (b"%PDF-1.7 ...", "a.csv", "a PDF document"),
        (b"\n <html><table>", "a.xls", "a web page"),
        (b"BZh91AY", "a.csv", "packed with bzip2"),
        (gzip.compress(b"x" * 257 + b"ustar" + b"\0" * 300), "a.csv.gz", "an archive (tar)"),
        (bytes(range(256)) * 8, "a.csv", "binary data"),
        (b"a,b\n1,2\n", "a.parquet", "no Parquet file"),
    ],
)
def test_what_it_is_instead(tmp_path, content, name, said):
    with pytest.raises(InputError) as raised:
        open_item(Item(put(tmp_path, name, content)))
    assert said in raised.value.message
    assert raised.value.remedy


def test_a_missing_file_and_a_missing_member(tmp_path):
    with pytest.raises(InputError, match="Cannot read"):
        open_item(Item(tmp_path / "a.csv"))
    with pytest.raises(InputError, match="holds no file"):
        open_item(Item(put(tmp_path, "a.zip", zipped(a__csv=TEXT)), "b.csv"))
    with pytest.raises(InputError, match="Cannot read"):
        _ = Item(Path(tmp_path / "a.csv")).size


def test_lines_are_whole_numbers(tmp_path):
    assert next(open_item(Item(put(tmp_path, "a.csv"))).chunks()).frame.schema[LINE] == pl.Int64
