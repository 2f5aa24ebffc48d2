"""Minutes of made-up and mangled files: a reader gives rows with rising lines, or an InputError, and nothing else."""

import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windvane.errors import InputError
from windvane.ingest.read import LINE, Options, delimited, expand, items, open_item

pytestmark = pytest.mark.slow

TEXT = 'id,名称,"a ""b"""\n' + "".join(f'{i},"商品 {i}\nx",{i * i}\n' for i in range(40))
FRAME = pl.DataFrame({"a": range(50), "b": [f"商品 {i}" for i in range(50)], "c": [[i] for i in range(50)]})


def made():
    zst, table, book, archive = pa.BufferOutputStream(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    with pa.CompressedOutputStream(zst, "zstd") as stream:
        stream.write(TEXT.encode())
    FRAME.write_parquet(table)
    with xlsxwriter.Workbook(book, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for index, row in enumerate([("a", "b"), *((i, f"x{i}") for i in range(20))]):
            sheet.write_row(index, 0, row)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.csv", TEXT)
        out.writestr("b/c.jsonl", '{"a": 1}\n')
    objects = [{"id": i, "to": {"name": "我" * i}, "l": [i, {"x": None}]} for i in range(20)]
    return {
        "a.csv": TEXT.encode(),
        "b.csv": TEXT.encode("gb18030"),
        "c.csv": TEXT.encode("utf-16"),
        "a.csv.gz": gzip.compress(TEXT.encode()),
        "a.csv.zst": zst.getvalue().to_pybytes(),
        "a.parquet": table.getvalue(),
        "a.xlsx": book.getvalue(),
        "a.zip": archive.getvalue(),
        "a.jsonl": "\n".join(map(json.dumps, objects)).encode(),
        "a.json": json.dumps(objects, ensure_ascii=False, indent=1).encode(),
    }


SEEDS = made()
NAMES = [*SEEDS, "a.xls", "a.ods", "a.tsv"]
OPTIONS = st.builds(
    Options,
    separator=st.none() | st.sampled_from([",", ";", "\t"]),
    encoding=st.none() | st.sampled_from(["utf-8", "gb18030", "cp1252", "utf-16"]),
    header=st.sampled_from([1, 1, 2, 5]),
    explode=st.none() | st.just("l"),
)


def read(name, data, options):
    """All rows of a file; an InputError is as good."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            for item in expand(path):
                reading = open_item(item, options)
                last = 0
                for chunk in reading.chunks():
                    assert chunk.frame.columns == [LINE, *reading.columns]
                    lines = chunk.frame[LINE]
                    assert lines.is_sorted()
                    assert lines.is_unique().all()
                    assert not chunk.frame.height or lines[0] > last
                    last = lines[-1] if chunk.frame.height else last
            assert items([path]) == expand(path)
        except InputError:
            return


FUZZ = settings(max_examples=6_000, deadline=None, suppress_health_check=list(HealthCheck))


@given(st.sampled_from(NAMES), st.binary(max_size=2_000), OPTIONS)
@FUZZ
def test_any_bytes_under_any_name(name, data, options):
    read(name, data, options)


@given(st.sampled_from(NAMES), st.text(max_size=500), st.sampled_from(["utf-8", "gb18030", "utf-16"]), OPTIONS)
@FUZZ
def test_any_text_under_any_name(name, text, encoding, options):
    read(name, text.encode(encoding, errors="replace"), options)


EDITS = st.lists(
    st.tuples(
        st.floats(0, 1), st.integers(0, 30), st.binary(max_size=12) | st.sampled_from([b'"', b"\n", b",", b"\0"])
    ),
    min_size=1,
    max_size=6,
)


@given(st.sampled_from(list(SEEDS)), EDITS, st.sampled_from([61, 1 << 24]), OPTIONS)
@FUZZ
def test_any_damage_to_a_good_file(name, edits, block, options):
    data = SEEDS[name]
    for share, lost, added in edits:
        place = int(share * len(data))
        data = data[:place] + added + data[place + lost :]
    before = delimited.BLOCK
    delimited.BLOCK = block
    try:
        read(name, data, options)
    finally:
        delimited.BLOCK = before
