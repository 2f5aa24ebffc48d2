"""Parquet: types that stay, types that become text, and files that are cut or changed."""

import datetime as dt
import decimal
import io
import tempfile
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.errors import InputError
from windvane.ingest.read import LINE, Item, columnar, open_item

pytestmark = pytest.mark.tiny

FRAME = pl.DataFrame(
    {
        "n": [1, None],
        "x": [0.5, None],
        "t": ["a", None],
        "at": [dt.datetime(2024, 5, 1, 12), None],
        "day": [dt.date(2024, 5, 1), None],
        "c": pl.Series(["x", None], dtype=pl.Categorical),
        "d": [decimal.Decimal("1.50"), None],
        "s": [{"p": 1, "q": "z"}, None],
        "l": [[1, 2], None],
        "b": [b"abc", None],
        "e": [None, None],
    }
)


def written(frame, **how):
    out = io.BytesIO()
    frame.write_parquet(out, **how)
    return out.getvalue()


def read(tmp_path, content):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    reading = open_item(Item(path))
    return reading, [chunk.frame for chunk in reading.chunks()]


def test_types_that_stay_and_types_that_become_text(tmp_path):
    reading, frames = read(tmp_path, written(FRAME))
    assert reading.columns == FRAME.columns
    assert frames[0].columns == [LINE, *FRAME.columns]
    plain = (1, 1, 0.5, "a", dt.datetime(2024, 5, 1, 12), dt.date(2024, 5, 1), "x", 1.5)
    assert frames[0].rows() == [(*plain, '{"p":1,"q":"z"}', "[1,2]", "abc", None), (2, *[None] * 11)]


def test_bytes_that_are_no_text_do_not_stop_the_file(tmp_path):
    _, frames = read(tmp_path, written(pl.DataFrame({"b": [b"\xff", b"x"]})))
    assert frames[0]["b"].to_list() == ["\ufffd", "x"]


def test_rows_come_in_chunks_and_are_numbered_through(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "CHUNK_ROWS", 100)
    frame = pl.DataFrame({"a": range(250)})
    for size in (250, 70):
        _, frames = read(tmp_path, written(frame, row_group_size=size))
        assert max(each.height for each in frames) <= 100
        whole = pl.concat(frames)
        assert whole["a"].to_list() == list(range(250))
        assert whole[LINE].to_list() == list(range(1, 251))


def test_an_empty_table_has_columns(tmp_path):
    reading, frames = read(tmp_path, written(FRAME.clear()))
    assert (reading.columns, frames) == (FRAME.columns, [])


GOOD = written(pl.DataFrame({"a": list(range(500)), "b": [f"text {i}" for i in range(500)]}))


@given(st.integers(4, len(GOOD) - 1), st.binary(min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_cut_or_changed_files_are_errors_or_rows(place, noise):
    for content in (GOOD[:place], GOOD[:place] + noise + GOOD[place + len(noise) :]):
        with tempfile.TemporaryDirectory() as folder, suppress(InputError):
            read(Path(folder), content)
