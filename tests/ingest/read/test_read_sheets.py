"""Workbooks: cells as the text that stands for them, and workbooks that are none."""

import datetime as dt
import io
import zipfile

import pytest
import xlsxwriter

from windvane.errors import InputError
from windvane.ingest.read import Item, Options, open_item, packed, sheets

pytestmark = pytest.mark.tiny


def workbook(tmp_path, name="a.xlsx", first=("empty",), rows=()):
    path = tmp_path / name
    book = xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm:ss"})
    for sheet in first:
        book.add_worksheet(sheet)
    sheet = book.add_worksheet("orders")
    for index, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(index, column, value)
    book.close()
    return path


def rows(path, options=None):
    reading = open_item(Item(path), options)
    return reading.columns, [row for chunk in reading.chunks() for row in chunk.frame.rows()]


def test_cells_are_the_text_that_stands_for_them(tmp_path):
    path = workbook(
        tmp_path,
        rows=[
            [],
            ["id", "units", "price", "at", "paid", ""],
            ["订单 1", 3, 19.9, dt.datetime(2024, 5, 1, 12, 30), True],
            [],
            ["0012", -2.5, 0.1 + 0.2, dt.datetime(2024, 5, 2), False],
            [123456789012345, 1e20, 1e-7, "2024/5/3", "  "],
        ],
    )
    columns, found = rows(path)
    assert columns == ["id", "units", "price", "at", "paid"]
    assert found == [
        (3, "订单 1", "3", "19.9", "2024-05-01 12:30:00", "true"),
        (5, "0012", "-2.5", "0.3", "2024-05-02", "false"),
        (6, "123456789012345", "1e+20", "1e-07", "2024/5/3", None),
    ]
    assert open_item(Item(path)).label == "a.xlsx, sheet orders"


def test_a_sheet_by_name_or_number_and_its_header(tmp_path):
    path = workbook(tmp_path, rows=[["Orders of May"], ["a", "b"], [1, 2]])
    assert rows(path, Options(sheet="orders", header=2)) == (["a", "b"], [(3, "1", "2")])
    assert rows(path, Options(sheet=2, header=2)) == (["a", "b"], [(3, "1", "2")])
    with pytest.raises(InputError, match="has no sheet x"):
        open_item(Item(path), Options(sheet="x"))
    with pytest.raises(InputError, match="no header in row 9"):
        open_item(Item(path), Options(header=9))
    with pytest.raises(InputError, match=r"a value.* in a column without a name"):
        rows(path)


def test_headers_that_say_nothing(tmp_path):
    with pytest.raises(InputError, match="column 2 of the header is 'a' again"):
        open_item(Item(workbook(tmp_path, rows=[["a", "a"], [1, 2]])))
    with pytest.raises(InputError, match="no sheet holds anything"):
        open_item(Item(workbook(tmp_path)))


def test_many_rows_come_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "_ROWS", 10)
    path = workbook(tmp_path, rows=[["a", "b"], *([i, i * i] for i in range(35))])
    chunks = list(open_item(Item(path)).chunks())
    assert [chunk.frame.height for chunk in chunks] == [10, 10, 10, 5]
    assert rows(path)[1] == [(i + 2, str(i), str(i * i)) for i in range(35)]


def test_a_workbook_need_not_be_called_one(tmp_path):
    path = workbook(tmp_path, rows=[["a", "b"], [1, 2]])
    path.rename(tmp_path / "a.csv")
    assert rows(tmp_path / "a.csv") == (["a", "b"], [(2, "1", "2")])
    archive = tmp_path / "b.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.write(tmp_path / "a.csv", "inner.xlsx")
    reading = open_item(Item(archive, "inner.xlsx"))
    assert [row for chunk in reading.chunks() for row in chunk.frame.rows()] == [(2, "1", "2")]


def changed(path, name, change):
    """A workbook with one of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            data = source.read(info)
            target.writestr(info.filename, change(data) if info.filename == name else data)
    path.write_bytes(out.getvalue())
    return path


SHEET = "xl/worksheets/sheet2.xml"


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        (SHEET, lambda data: data[: len(data) // 2], "no sound workbook"),
        (SHEET, lambda data: b"\x00" * 50, "no sound workbook|empty"),
        ("xl/workbook.xml", lambda data: b"<x/>", "no sound workbook|empty"),
        (SHEET, lambda data: data.replace(b'"A2"', b'"XFD1048576"').replace(b'r="2"', b'r="1048576"'), "spread over"),
    ],
)
def test_damaged_workbooks(tmp_path, part, change, said):
    path = changed(workbook(tmp_path, rows=[["a", "b"], [1, 2]]), part, change)
    with pytest.raises(InputError, match=said):
        rows(path)


def test_a_truncated_and_a_locked_workbook(tmp_path):
    path = workbook(tmp_path, rows=[["a", "b"], [1, 2]])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="no sound workbook"):
        rows(path)
    path.write_bytes(sheets.OLE + b"\0" * 600)
    with pytest.raises(InputError, match=r"no sound workbook|locked"):
        rows(path)


def test_a_workbook_can_be_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MIN_BOMB", 1 << 20)
    path = changed(workbook(tmp_path, rows=[["a"], [1]]), SHEET, lambda data: data + b" " * (4 << 20))
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        rows(path)


ODS = """<?xml version="1.0" encoding="UTF-8"?><office:document-content
xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" office:version="1.2"><office:body><office:spreadsheet>
<table:table table:name="s">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"""
TEXT = '<table:table-cell office:value-type="string"{more}><text:p>{value}</text:p></table:table-cell>'
NUMBER = '<table:table-cell office:value-type="float" office:value="{value}"/>'


def ods(tmp_path, *rows):
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        out.writestr("META-INF/manifest.xml", "<manifest/>")
        out.writestr("content.xml", ODS.format(rows="".join(rows)))
    return path


def test_an_open_document(tmp_path):
    head = f"<table:table-row>{TEXT.format(value='a', more='')}{TEXT.format(value='b', more='')}</table:table-row>"
    row = f"<table:table-row>{NUMBER.format(value='3')}{NUMBER.format(value='2.5')}</table:table-row>"
    rest = '<table:table-row table:number-rows-repeated="1048573"><table:table-cell/></table:table-row>'
    assert rows(ods(tmp_path, head, row, rest)) == (["a", "b"], [(2, "3", "2.5")])
    repeated = TEXT.format(value="x", more=' table:number-columns-repeated="16384"')
    wide = f"<table:table-row>{repeated}</table:table-row>"
    with pytest.raises(InputError, match="one value is repeated 16,384 times"):
        rows(ods(tmp_path, head, wide))
