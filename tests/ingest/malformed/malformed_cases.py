"""Files that no shop should have and every shop has: some made wrong on purpose, most as they come.

A case is a file and what must come of it: ``error`` (nothing changes), ``quarantine`` (the good rows are taken, the
bad ones kept with a reason), ``fine`` (all of it is taken) or ``any`` of these: what must never come of any case is
another exception, a hang, a table that is half changed, or memory that grows.
"""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

GOOD = 60
"""Good rows of a case that also has one bad row: one in sixty is not too many."""

HEAD = "order_id,ordered_at,sku,units,unit_price"


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: what is wrong with it.
        file: its name.
        content: its bytes, or what makes them, or what makes the file.
        expect: ``error``, ``quarantine``, ``fine`` or ``any``.
        slow: whether it takes seconds.
    """

    name: str
    file: str
    content: bytes | Callable[[], bytes] | Callable[[Path], None]
    expect: str
    slow: bool = False

    def put(self, folder: Path) -> Path:
        """Write the file."""
        path = folder / self.file
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        elif self.content.__code__.co_argcount:
            self.content(path)
        else:
            path.write_bytes(self.content())
        return path


def rows(name: str, count: int = GOOD, sep: str = ",") -> list[str]:
    """Good rows whose order numbers no other case has."""
    return [
        sep.join((f"{name}-{i}", f"2024-05-{1 + i % 28:02d} 10:00:00", f"sku{i % 7}", str(1 + i % 3), "9.50"))
        for i in range(count)
    ]


def table(name: str, extra: str = "", count: int = GOOD, end: str = "\n") -> str:
    """A good file, with more lines in its middle."""
    lines = rows(name, count)
    half = len(lines) // 2
    return end.join([HEAD, *lines[:half], *([extra] if extra else []), *lines[half:], ""])


def cell(name: str, column: str, value: str, expect: str) -> Case:
    """A good file with one more row that has a strange cell."""
    given = {"order_id": f"{name}-x", "ordered_at": "2024-05-01", "sku": "sku1", "units": "1", "unit_price": "9.5"}
    given[column] = value
    quoted = ('"' + each.replace('"', '""') + '"' for each in given.values())
    return Case(name, f"{len(name)}.csv", table(name, ",".join(quoted)).encode("utf-8", "surrogatepass"), expect)


# ---------------------------------------------------------------------------------------------------------------- cells

NUMBERS = {
    "quarantine": [
        *(
            "1e308",
            "-1e308",
            "1e309",
            "-1e309",
            "1" + "0" * 308,
            "9" * 1_000,
            "9" * 100_000,
        ),
        *("inf", "-inf", "Infinity", "nan", "NaN", "0x10", "1_000", "1.2.3", "--1", "1e", "e5", "∞", "½"),
        *("null", "None", "#N/A", "#REF!", "=1+1", "true", "[]", "{}", "one", "-", "+", ".", "'", "\\", "%s%n"),
        *("<script>alert(1)</script>", "' OR 1=1 --", "../../etc/passwd", "1\x002", "\ud800", "1 2 3 x", "NULL", "√4"),
    ],
    "any": [
        "１２",
        "١٢",
        "1,5",
        "1 000",
        "1'000",
        "+1",
        " 1 ",
        "\t1",
        "1.",
        ".5",
        "1e2",
        "\ufeff1",
        "\u200b1",
        "-0",
        "1-",
    ],
}
MOMENTS = {
    "quarantine": [
        *("2999-01-01", "9999-12-31", "10000-01-01", "0000-00-00", "-0001-01-01", "1899-12-30", "1900-01-00"),
        *("2024-02-30", "2024-13-01", "2024-00-10", "2024-05-01 25:00:00", "2024-05-01 10:61:00", "2023-02-29"),
        *("now", "昨天", "tomorrow", "never", "1e400", "2024-05-01T12:00:00+99:00", "9" * 30, "-", "2024", "∞"),
        *("2024-05-01\x00", "\u202e2024-05-01\u202cx", "2024-05-0١x", "0001-01-01", "2200-01-01", "262144-01-01"),
    ],
    "any": [
        *(
            "2024年5月1日",
            "May 1, 2024",
            "01/02/2024",
            "2024-05-01 12:00:60",
            "2024-W01-1",
            "20240501",
            "45413",
            "1714550400",
        ),
        *("2024.05.01", "2024/5/1", "24-05-01", "2024-05-01Z", "2024-05-01 24:00:00", "１/２/2024", "2024-5-1 9:00"),
    ],
}
TEXTS = {
    "quarantine": ["", "   ", "a\x00b", "\x00"],
    "any": [
        *(
            "\x01",
            "\x1b[31m",
            "\x7f",
            "\u202eabc",
            "\u200f\u200e",
            "\u200d",
            "e\u0301",
            "\u2028",
            "\u2029",
            "\x85",
            "\x0b",
        ),
        *(
            "\x0c",
            "\ufeffsku1",
            "\ufffd",
            "\U0001f600",
            "\U0010ffff",
            "a" * 100_000,
            "sku\n1",
            "sku\r1",
            '"',
            '""',
            "',--",
        ),
        *("=cmd|' /C calc'!A0", "@SUM(1)", "sku1 ", "\u3000sku1", "﷽" * 50, "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L", "NULL", "null", "nan", "-1", "\\N"),
    ],
}


def cells() -> Iterator[Case]:
    for column, kinds in (("units", NUMBERS), ("ordered_at", MOMENTS), ("sku", TEXTS)):
        for expect, values in kinds.items():
            for index, value in enumerate(values):
                # Half a pair of surrogates makes the file no UTF-8 at all.
                wanted = "error" if "\ud800" in value else expect
                yield cell(f"{column}-{expect[0]}{index}", column, value, wanted)
    for index, value in enumerate(("1e309", "9" * 1_000, "nan", "free", "€", "9,50 EUR x")):
        yield cell(f"unit-price-{index}", "unit_price", value, "quarantine")
    yield cell("units-negative-price", "unit_price", "-1", "quarantine")
    yield cell("order-id-empty", "order_id", "", "quarantine")
    yield cell("order-id-nul", "order_id", "x\x00", "quarantine")


# ------------------------------------------------------------------------------------------------------------ structure


def csv(name: str, text: str | bytes | Callable[[], bytes], expect: str, slow: bool = False) -> Case:
    return Case(name, "a.csv", text.encode() if isinstance(text, str) else text, expect, slow)


def structure() -> Iterator[Case]:
    for index, text in enumerate(
        ("", "\n", "\r\n\r\n", "\ufeff", "\ufeff\n", " ", "\x00", "\x00" * 5000, ",,,,\n", '""\n', '"')
    ):
        yield csv(f"nothing-{index}", text, "error")
    yield csv("header-only", HEAD + "\n", "any")
    yield csv("header-without-end", HEAD, "any")
    yield csv("duplicate-header", "order_id,ordered_at,sku,units,units\n" + "\n".join(rows("dup")), "error")
    yield csv("duplicate-header-spaces", "order_id,ordered_at,sku,units, units \n" + "\n".join(rows("dus")), "error")
    yield csv("empty-header", "order_id,,sku,units,unit_price\n" + "\n".join(rows("eh")), "error")
    yield csv("reserved-header", "order_id,ordered_at,sku,units,_line\n" + "\n".join(rows("rh")), "error")
    yield csv("unknown-header", "order_id,ordered_at,sku,units,magic\n" + "\n".join(rows("uh")), "error")
    yield csv("no-header", "\n".join(rows("nh")), "error")
    yield csv("half-header", "order_id,ordered_at,sku\n" + "\n".join(rows("hh")), "error")
    yield csv("nul-in-header", HEAD.replace("sku", "s\x00ku") + "\n" + "\n".join(rows("nu")), "error")
    yield csv("marks-in-header", HEAD.replace("sku", "\u200esku") + "\n" + "\n".join(rows("mh")), "error")
    yield csv("quote-in-header", HEAD.replace("sku", '"sku') + "\n" + "\n".join(rows("qh")), "error")
    yield csv("line-end-in-header", HEAD.replace("sku", '"s\nku"') + "\n" + "\n".join(rows("lh")), "error")
    yield csv("long-header", lambda: (HEAD + "," + "x" * (1 << 20) + "\n" + "\n".join(rows("xh"))).encode(), "error")
    yield csv("wide-header", ",".join(f"c{i}" for i in range(10_001)) + "\n", "error")
    yield csv("million-columns", lambda: (",".join(f"c{i}" for i in range(1_000_000)) + "\n1\n").encode(), "error")
    yield csv("million-empty-columns", lambda: (HEAD + "," * 1_000_000 + "\n").encode(), "error")
    yield csv("header-in-other-separator", HEAD.replace(",", ";") + "\n" + "\n".join(rows("os")), "error")
    yield csv("rows-in-other-separator", HEAD + "\n" + "\n".join(rows("ro", sep=";")), "error")
    yield csv("blanks-for-separator", HEAD.replace(",", " ") + "\n" + "\n".join(rows("bs", sep=" ")), "error")
    yield csv("preamble", "Sales of May\nShop 1\n" + table("pre"), "error")
    yield csv("sep-line-that-lies", "sep=;\n" + table("sep"), "error")
    yield csv("all-too-short", HEAD + "\n" + "a,b\n" * 50, "error")
    yield csv("all-too-long", HEAD + "\n" + "a,b,c,d,e,f,g\n" * 50, "error")
    yield csv("one-too-short", table("short", "x,2024-05-01,sku1"), "quarantine")
    yield csv("one-too-long", table("long", "x,2024-05-01,sku1,1,9.5,7"), "quarantine")
    yield csv("one-with-comma-in-number", table("comma", "x,2024-05-01,sku1,1,1,234.50"), "quarantine")
    yield csv("header-again", table("again", HEAD), "quarantine")
    yield csv("total-row", table("total") + "Total,,,120,\n", "quarantine")
    yield csv("comment-row", table("remark", "# reviewed by Ann"), "quarantine")
    yield csv("blank-rows", table("blank", "\n\n,,,,\n\n"), "fine")
    yield csv("trailing-blank-lines", table("trail") + "\n" * 1000, "fine")
    yield csv("trailing-nuls", table("nuls") + "\x00" * 3000, "error")
    yield csv("nuls-between", table("nulb", "\x00" * 3000), "error")
    yield csv("every-row-ended", "\n".join([HEAD, *(f"{row}," for row in rows("ended"))]), "fine")
    yield csv("header-ended-too", "\n".join(f"{row}," for row in [HEAD, *rows("both")]), "fine")
    yield csv("two-files-in-one", "\ufeff" + table("one") + "\ufeff" + table("two"), "quarantine")
    yield csv("bom-twice", "\ufeff\ufeff" + table("twice"), "error")
    yield csv("quoted-bom", '\ufeff"order_id"' + table("qb")[8:], "fine")
    for name, end in {"crlf": "\r\n", "cr": "\r"}.items():
        yield csv(f"ends-{name}", table(f"e{name}", end=end), "fine")
    for name, end in {"lfcr": "\n\r", "crcrlf": "\r\r\n", "nel": "\x85", "ls": "\u2028", "vt": "\x0b"}.items():
        yield csv(f"ends-{name}", table(f"e{name}", end=end), "any")
    mixed = "".join(row + ("\n", "\r\n", "\r")[i % 3] for i, row in enumerate([HEAD, *rows("mixed")]))
    yield csv("ends-mixed", mixed, "fine")
    yield csv("ends-mixed-quoted", mixed.replace("mixed-", '"miq"-').replace('"-', '"'), "any")
    yield csv("cut-mid-row", table("cut")[:-25], "quarantine")
    yield csv("cut-mid-quote", table("cuq") + '"x,2024-05-01,sku', "quarantine")
    for index, row in enumerate(
        (
            '"x,2024-05-01,sku1,1,9.5',
            'x,2024-05-01,"sku1,1,9.5',
            'x,2024-05-01,sku1,1,"9.5',
            '"',
            '"""',
            '"x"y,"2024',
            '""""",',
        ),
    ):
        yield csv(f"quote-open-{index}", table(f"qo{index}", row), "quarantine")
    for index, row in enumerate(
        (
            'x{0},2024-05-01,5" pipe,1,9.5',
            'x{0},2024-05-01,"5" pipe",1,9.5',
            'x{0},2024-05-01,a"b"c,1,9.5',
            'x{0},2024-05-01,"a""b",1,9.5',
        ),
    ):
        yield csv(f"quote-inside-{index}", table(f"qi{index}", row.format(index)), "fine")
    yield csv("all-quotes", table("aq", '"' * 10_000), "quarantine")
    yield csv("all-quotes-odd", table("ao", '"' * 10_001), "quarantine")
    yield csv("cell-over-lines", table("over", 'x,2024-05-01,"a' + "\n" * 3000 + 'b",1,9.5'), "any")
    yield csv("all-one-line", table("aol").replace("\n", " "), "error")
    yield csv("separators-only-row", table("sor", "," * 100_000), "any")
    yield csv("long-cell", lambda: (table("lc", f"x,2024-05-01,{'s' * (4 << 20)},1,9.5")).encode(), "any")
    yield csv(
        "long-line",
        lambda: b"order_id,ordered_at,sku,units\n1,2024-05-01,a,1\n2,2024-05-01," + b"x" * (34 << 20),
        "error",
    )
    yield csv("long-quoted-cell", lambda: (table("lqc") + 'x,2024-05-01,"' + "abc\n" * (9 << 20)).encode(), "error")
    yield Case("line-of-100-mb", "a.csv", endless, "error", slow=True)


# ------------------------------------------------------------------------------------------------------------ encodings

ZH = "订单一 纯棉短袖,2024-05-01,商品,1,9.5"
HANT = "訂單一 純棉短袖,2024-05-01,商品,1,9.5"
LATIN = "Crème brûlée à 12 €,2024-05-01,Größe,1,9.5"
OTHERS = {
    "注文,2024-05-01,商品カ,1,9.5": ("shift_jis", "euc_jp", "iso2022_jp"),
    "주문,2024-05-01,상품,1,9.5": ("euc_kr",),
    "заказ,2024-05-01,товар,1,9.5": ("koi8_r", "cp1251"),
    "order,2024-05-01,sku,1,9.5": ("cp037",),
    ZH: ("utf-16-le", "utf-16-be", "utf-32-le", "utf-7", "hz"),
    LATIN.replace("€", "E"): ("latin-1",),
}
ENCODINGS = {
    "fine": [
        *((ZH, name) for name in ("utf-8", "utf-8-sig", "gb18030", "gb2312", "utf-16", "utf-32")),
        *((HANT, name) for name in ("big5", "utf-16")),
        *((LATIN, name) for name in ("cp1252", "utf-8")),
    ],
    "any": [(row, name) for row, names in OTHERS.items() for name in names],
}


def encodings() -> Iterator[Case]:
    for expect, pairs in ENCODINGS.items():
        for index, (row, name) in enumerate(pairs):
            label = f"{name}-{index}"
            data = table(label, row).encode(name)
            yield csv(f"encoded-{label}", data, expect)
            place = len(data) // 2
            for damage, changed in {
                "ff": data[:place] + b"\xff" + data[place + 1 :],
                "lost": data[:place] + data[place + 1 :],
                "cut": data[: place + 1],
            }.items():
                yield csv(f"encoded-{label}-{damage}", changed, "any")
    good = table("mojibake", ZH).encode()
    for index, bad in enumerate(
        (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe8", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xf4\x90\x80\x80")
    ):
        many = (ZH + "\n").replace("一", "{0}").encode()
        lines = b"".join(many.replace(b"{0}", f"u{index}-{i}".encode()) for i in range(20))
        yield csv(f"not-utf8-{index}", good + lines + b"x,2024-05-01," + bad + b",1,9.5\n", "error")
    yield csv("two-encodings", table("te", ZH).encode() + (ZH + "\n").encode("gbk"), "any")
    for code in (*range(1, 9), 11, 12, *range(14, 32), 127):
        yield csv(f"byte-{code:02x}", table(f"byte{code}", f"x{code},2024-05-01,a{chr(code)}b,1,9.5"), "any")


# -------------------------------------------------------------------------------------------------- packed and archives


def zst(data: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    return out.getvalue().to_pybytes()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def entry(name: str, data: bytes, attributes: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = attributes << 16
        archive.writestr(info, data)
    return out.getvalue()


def patched(data: bytes, offset: int, value: bytes, central: int) -> bytes:
    """A zip archive of one member with a field changed in both of its headers."""
    changed = bytearray(data)
    changed[offset : offset + len(value)] = value
    start = changed.rindex(b"PK\x01\x02") + central
    changed[start : start + len(value)] = value
    return bytes(changed)


def parquet(frame: pl.DataFrame | pa.Table, **how: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(frame if isinstance(frame, pa.Table) else frame.to_arrow(), out, **how)
    return out.getvalue()


def frame(name: str, count: int = GOOD) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "order_id": [f"{name}-{i}" for i in range(count)],
            "ordered_at": [dt.datetime(2024, 5, 1 + i % 28) for i in range(count)],
            "sku": [f"sku{i % 7}" for i in range(count)],
            "units": [1.0 + i % 3 for i in range(count)],
        }
    )


def workbook(cells: list[list[object]], **how: object) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd", **how})
    sheet = book.add_worksheet("orders")
    for index, row in enumerate(cells):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(index, column, value)
    book.close()
    return out.getvalue()


def grid(name: str, *more: list[object]) -> list[list[object]]:
    return [list(HEAD.split(",")), *(list(row.split(",")) for row in rows(name)), *more]


def repacked(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return zipped({n: change(archive.read(n)) if n == part else archive.read(n) for n in archive.namelist()})


def ods(name: str) -> bytes:
    def row(line: str) -> str:
        texts = (
            f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>'
            for c in line.split(",")
        )
        return f"<table:table-row>{''.join(texts)}</table:table-row>"

    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table", "text"))
    body = "".join(map(row, [HEAD, *rows(name)]))
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="s">{body}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    return zipped({"mimetype": kind, "META-INF/manifest.xml": b"<m/>", "content.xml": content.encode()})


def objects(name: str) -> list[dict[str, str]]:
    return [dict(zip(HEAD.split(","), row.split(","), strict=True)) for row in rows(name)]


def whole(kind: str, name: str) -> tuple[str, bytes]:
    """A good file of a kind: its name and its bytes."""
    text = table(name).encode()
    made = {
        "gz": ("a.csv.gz", lambda: gzip.compress(text, mtime=0)),
        "zst": ("a.csv.zst", lambda: zst(text)),
        "zip": ("a.zip", lambda: zipped({"a.csv": text})),
        "parquet": ("a.parquet", lambda: parquet(frame(name))),
        "xlsx": ("a.xlsx", lambda: workbook(grid(name))),
        "ods": ("a.ods", lambda: ods(name)),
        "json": ("a.json", lambda: json.dumps(objects(name)).encode()),
        "jsonl": ("a.jsonl", lambda: "\n".join(map(json.dumps, objects(name))).encode()),
    }
    file, make = made[kind]
    return file, make()


KINDS = ("gz", "zst", "zip", "parquet", "xlsx", "ods", "json", "jsonl")


def damaged() -> Iterator[Case]:
    generator = np.random.default_rng(7)
    for kind in KINDS:
        file, data = whole(kind, f"whole-{kind}")
        yield Case(f"whole-{kind}", file, data, "fine")
        for index, share in enumerate((0.0, 0.02, 0.3, 0.7, 0.98, 1.0)):
            file, data = whole(kind, f"cut-{kind}-{index}")
            size = min(max(4, int(share * len(data))), len(data) - 1)
            strict = kind in ("gz", "zst", "zip", "parquet", "xlsx", "ods", "json")
            yield Case(f"cut-{kind}-{index}", file, data[:size], "error" if strict else "any")
        for index in range(6):
            file, data = whole(kind, f"flip-{kind}-{index}")
            changed = bytearray(data)
            for place in generator.integers(0, len(data), 1 + index):
                changed[place] ^= 1 << int(generator.integers(8))
            yield Case(f"flip-{kind}-{index}", file, bytes(changed), "any")


def archives() -> Iterator[Case]:
    def text(name: str) -> bytes:
        return table(name).encode()

    for index, name in enumerate(("../a.csv", "x/../../a.csv", "/a.csv", "C:\\a.csv", "..\\a.csv", "\\\\host\\a.csv")):
        yield Case(f"escapes-{index}", "a.zip", entry(name, text(f"esc{index}")), "error")
    yield Case("good-beside-bad", "a.zip", zipped({"a.csv": text("gbb"), "../b.csv": text("gbc")}), "error")
    yield Case("link", "a.zip", entry("a.csv", b"/etc/passwd", stat.S_IFLNK | 0o777), "error")
    yield Case("archive-in-archive", "a.zip", zipped({"b.zip": zipped({"a.csv": text("aia")})}), "error")
    yield Case("tar-in-archive", "a.zip", zipped({"b.tar.gz": b"x"}), "error")
    yield Case("same-name-twice", "a.zip", twice(text("snt")), "error")
    yield Case("empty-archive", "a.zip", zipped({}), "error")
    yield Case("folders-only", "a.zip", zipped({"x/": b""}), "error")
    yield Case("nothing-to-read", "a.zip", zipped({"a.exe": b"MZ"}), "error")
    yield Case("empty-member", "a.zip", zipped({"a.csv": b""}), "error")
    yield Case(
        "system-files", "a.zip", zipped({"__MACOSX/._a.csv": b"x", ".DS_Store": b"x", "a.csv": text("mac")}), "fine"
    )
    yield Case("locked", "a.zip", patched(entry("a.csv", text("lock")), 6, b"\x01", 8), "error")
    yield Case("unknown-packing", "a.zip", patched(entry("a.csv", text("pack")), 8, b"\x63\x00", 10), "error")
    stored = zipped({"a.csv": text("crc")}, zipfile.ZIP_STORED)
    yield Case("wrong-checksum", "a.zip", stored.replace(b"crc-7,", b"crc-9,"), "error")
    lies = entry("a.csv", text("lies") * 50)
    yield Case("size-that-lies", "a.zip", patched(lies, 22, struct.pack("<I", 100), 24), "error")
    yield Case("size-of-gigabytes", "a.zip", patched(lies, 22, struct.pack("<I", 0xFFFFFFF0), 24), "any")
    yield Case("member-packed-again", "a.zip", zipped({"a.csv.gz": gzip.compress(text("again"))}), "fine")
    yield Case("zip-named-csv", "a.csv", zipped({"a.csv": text("znc")}), "fine")
    yield Case("zip-named-parquet", "a.parquet", zipped({"a.csv": text("znp")}), "fine")
    yield Case("bomb-zip", "a.zip", lambda: zipped({"a.csv": text("bz") + b"x" * (32 << 20)}), "error")
    yield Case(
        "bomb-zip-rows", "a.zip", lambda: zipped({"a.csv": text("bzr") + b"x,2024-05-01,a,1,1\n" * (2 << 20)}), "error"
    )
    yield Case("bomb-gz", "a.csv.gz", lambda: gzip.compress(text("bg") + b"\n" * (32 << 20)), "error")
    yield Case("bomb-gz-in-zip", "a.zip", lambda: zipped({"a.csv.gz": gzip.compress(b"\x00" * (32 << 20))}), "error")
    yield Case("bomb-zst", "a.csv.zst", lambda: zst(text("bs") + b"0," * (16 << 20)), "error")
    yield Case("bomb-json", "a.json.gz", lambda: gzip.compress(b"[" * (32 << 20)), "error")
    yield Case("bomb-real", "a.csv.gz", lambda path: zeros(path, text("br")), "error", slow=True)
    many = {f"{i:05d}.txt.md": b"" for i in range(5_000)}
    yield Case("many-members", "a.zip", zipped(many | {"a.csv": text("many")}), "fine")
    packed = gzip.compress(text("gz"), mtime=0)
    yield Case("gz-with-rest", "a.csv.gz", packed + b"rest", "error")
    yield Case("gz-with-zeros", "a.csv.gz", gzip.compress(text("gz0"), mtime=0) + bytes(512), "fine")
    yield Case("gz-in-parts", "a.csv.gz", gzip.compress(text("gp1")) + gzip.compress(rows("gp2")[0].encode()), "fine")
    yield Case("gz-wrong-checksum", "a.csv.gz", packed[:-8] + bytes(4) + packed[-4:], "error")
    yield Case("gz-in-gz", "a.csv.gz", gzip.compress(packed), "any")
    yield Case("gz-empty", "a.csv.gz", gzip.compress(b""), "error")
    yield Case("gz-named-csv", "a.csv", gzip.compress(text("gnc")), "fine")
    yield Case("csv-named-gz", "a.csv.gz", text("cng"), "fine")
    yield Case("csv-named-zip", "a.zip", text("cnz"), "any")
    yield Case("tar-gz", "a.csv.gz", gzip.compress(b"a.csv".ljust(257, b"\0") + b"ustar\0" + bytes(1000)), "error")
    for name, head in {"bz2": b"BZh9", "xz": b"\xfd7zXZ\0", "7z": b"7z\xbc\xaf'\x1c", "rar": b"Rar!\x1a\x07"}.items():
        yield Case(f"packed-{name}", "a.csv", head + os.urandom(64), "error")
    yield Case("zlib-alone", "a.csv", zlib.compress(text("zl") * 20), "error")


def zeros(path: Path, head: bytes) -> None:
    """A real bomb, written piece by piece: it is the reader's memory that is measured."""
    with gzip.open(path, "wb", 6) as out:
        out.write(head)
        for _ in range(600):
            out.write(bytes(1 << 20))


def endless(path: Path) -> None:
    """A file of one line of 100 MB."""
    with path.open("wb") as out:
        out.write(b"order_id,ordered_at,sku,units\n2,2024-05-01,")
        for _ in range(100):
            out.write(b"x" * (1 << 20))


def twice(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", data)
        archive.writestr("b.csv", data)
    return out.getvalue().replace(b"b.csv", b"a.csv")


# ---------------------------------------------------------------------------------------------- other kinds of files


def foreign() -> Iterator[Case]:
    for file, head in {
        "a.csv": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "b.csv": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "c.csv": b"\xff\xd8\xff\xe0" + bytes(64),
        "d.xls": b"<html><body><table><tr><td>order_id</td></tr></table></body></html>",
        "e.xls": b'\xef\xbb\xbf<?xml version="1.0"?><Workbook></Workbook>',
        "f.csv": b"SQLite format 3\0" + bytes(200),
        "g.csv": b"\x7fELF\x02\x01\x01" + bytes(64),
        "h.csv": b"ARROW1\0\0" + bytes(64),
        "i.csv": b"Obj\x01" + bytes(64),
        "j.csv": np.random.default_rng(1).bytes(20_000),
        "k.csv": bytes(range(256)) * 40,
        "l.parquet": b"PAR1",
        "m.parquet": b"PAR1PAR1",
        "n.parquet": b"PAR1" + bytes(4) + b"PAR1",
        "o.parquet": b"PAR1" + b"\xff\xff\xff\x7fPAR1",
        "p.xlsx": b"PK\x03\x04",
        "q.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000),
        "r.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + np.random.default_rng(2).bytes(5000),
        "s.json": b"\x80\x81\x82",
        "t.jsonl": b"",
    }.items():
        yield Case(f"foreign-{file}", file, head, "error")
    yield Case("csv-named-parquet", "a.parquet", table("cnp").encode(), "error")
    yield Case("csv-named-xlsx", "a.xlsx", table("cnx").encode(), "fine")
    yield Case("csv-named-json", "a.json", table("cnj").encode(), "error")
    yield Case("parquet-named-csv", "a.csv", parquet(frame("pnc")), "fine")
    yield Case("xlsx-named-csv", "a.csv", workbook(grid("xnc")), "fine")
    yield Case("json-named-csv", "a.csv", json.dumps(objects("jnc")).encode(), "fine")
    yield Case("unknown-ending", "a.docx", table("end").encode(), "error")
    yield Case("a-folder-named-csv", "a.csv", lambda path: path.mkdir(), "error")
    yield Case("a-link-to-itself", "a.csv", lambda path: path.symlink_to(path), "error")
    yield Case("a-link-to-nothing", "a.csv", lambda path: path.symlink_to(path.parent / "nothing"), "error")
    yield Case("a-pipe", "a.csv", lambda path: os.mkfifo(path), "error")
    yield Case("a-name-that-is-odd", "a [1] *?{x} \u202e.csv", table("odd").encode(), "fine")


def json_files() -> Iterator[Case]:
    def lines(name: str, extra: str) -> bytes:
        given = [json.dumps(each) for each in objects(name)]
        return "\n".join([*given[:30], extra, *given[30:]]).encode("utf-8", "surrogatepass")

    for index, extra in enumerate(
        (
            *(
                "nope",
                "[1, 2]",
                "3",
                '"x"',
                "null",
                '{"order_id": "x"',
                "{'order_id': 1}",
                '{"order_id": 1,}',
                "{}}",
                "//x",
            ),
            *('{"order_id": "\\ud800", "ordered_at": "2024-05-01", "sku": "a", "units": 1}', '{"order_id": "a\x01b"}'),
            *(
                '{"order_id": ' + "[" * 50_000,
                '{"order_id": ' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}",
                "\x00",
                "{}{}",
            ),
            *('{"order_id": "n", "ordered_at": "2024-05-01", "sku": "a", "units": NaN}', '{"units": 1e999}'),
            *('{"order_id": "n", "ordered_at": "2024-05-01", "sku": "a", "units": ' + "9" * 100_000 + "}", "\x1e{}"),
            *('{"order_id": "n", "ordered_at": "2024-05-01", "sku": "\\u0000", "units": 1}', '{"units": [1, 2]}'),
        )
    ):
        yield Case(f"json-line-{index}", "a.jsonl", lines(f"jl{index}", extra), "quarantine")
    yield Case("json-line-empty-object", "a.jsonl", lines("jle", "{}"), "fine")
    yield Case(
        "json-line-bad-utf8",
        "a.jsonl",
        lines("jlu", '{"sku": "我我我我我我我我我我"}') + b'\n{"sku": "\xe6\xff"}',
        "error",
    )
    yield Case("json-bom", "a.jsonl", b"\xef\xbb\xbf" + lines("jlb", ""), "fine")
    yield Case("json-gbk", "a.jsonl", lines("jlg", "").decode().replace("sku", "商品").encode("gbk"), "error")
    yield Case("json-pretty", "a.json", json.dumps(objects("jp"), indent=2).encode(), "fine")
    yield Case("json-wrapped", "a.json", json.dumps({"orders": objects("jw")}).encode(), "fine")
    for index, text in enumerate(
        (
            "[]",
            "{}",
            "[[]]",
            "null",
            "3",
            '"x"',
            "[1, 2, 3]",
            "[",
            "{",
            '{"a": [',
            '[{"order_id": 1}',
            "[{}]",
            "[" * 100_000,
        )
    ):
        yield Case(f"json-whole-{index}", "a.json", text.encode(), "error")
    yield Case("json-other-keys", "a.json", b'[{"x": 1}, {"y": 2}]', "error")
    yield Case("json-many-keys", "a.json", json.dumps([{f"k{i}": 1} for i in range(10_001)]).encode(), "error")
    yield Case("json-reserved-key", "a.json", b'[{"order_id": 1, "_line": 2}]', "error")
    yield Case("json-empty-key", "a.json", json.dumps([each | {"": 1} for each in objects("jek")]).encode(), "error")
    yield Case("json-long-line", "a.jsonl", lambda: b'{"order_id": "' + b"x" * (34 << 20) + b'"}', "error")
    yield Case("json-long-element", "a.json", lambda: b'[{"order_id": "' + b"x" * (40 << 20) + b'"}]', "error")
    yield Case("json-many-commas", "a.json", lambda: b"[" + b"," * 1_000_000 + b"]", "error")


def sheets() -> Iterator[Case]:
    def sheet(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
        return repacked(data, "xl/worksheets/sheet1.xml", change)

    yield Case("xlsx-empty", "a.xlsx", workbook([]), "error")
    yield Case("xlsx-header-only", "a.xlsx", workbook([list(HEAD.split(","))]), "any")
    yield Case("xlsx-duplicate-header", "a.xlsx", workbook([["order_id", "order_id"], [1, 2]]), "error")
    yield Case("xlsx-title-above", "a.xlsx", workbook([["Sales of May"], *grid("xta")]), "error")
    yield Case("xlsx-value-aside", "a.xlsx", workbook(grid("xva", ["x", "2024-05-01", "a", 1, 9.5, "note"])), "error")
    yield Case("xlsx-total", "a.xlsx", workbook(grid("xt", ["Total", None, None, 120])), "quarantine")
    yield Case("xlsx-huge-number", "a.xlsx", workbook(grid("xhn", ["x", "2024-05-01", "a", 1e308])), "quarantine")
    yield Case("xlsx-future", "a.xlsx", workbook(grid("xf", ["x", dt.date(2999, 1, 1), "a", 1])), "quarantine")
    yield Case("xlsx-true-units", "a.xlsx", workbook(grid("xtu", ["x", "2024-05-01", "a", True])), "quarantine")
    stray = sheet(
        workbook(grid("xs")),
        lambda data: data.replace(b'<row r="61"', b'<row r="1048576"').replace(b'"E61"', b'"XFD1048576"'),
    )
    yield Case("xlsx-stray-cell", "a.xlsx", stray, "error")

    def bomb() -> bytes:
        return sheet(workbook(grid("xb")), lambda data: data + b" " * (24 << 20))

    yield Case("xlsx-bomb", "a.xlsx", bomb, "error")
    entities = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(98, 110)
    )
    laughs = sheet(
        workbook(grid("xe")), lambda data: entities + b"]>" + data.split(b"?>", 1)[1].replace(b"9.50", b"&m;")
    )
    yield Case("xlsx-entities", "a.xlsx", laughs, "any")
    yield Case("xlsx-no-sheet", "a.xlsx", sheet(workbook(grid("xn")), lambda data: b""), "error")
    yield Case(
        "xlsx-no-book", "a.xlsx", repacked(workbook(grid("xnb")), "xl/workbook.xml", lambda data: b"<x/>"), "error"
    )
    shared = repacked(workbook(grid("xss")), "xl/sharedStrings.xml", lambda data: b"<sst/>")
    yield Case("xlsx-no-strings", "a.xlsx", shared, "any")
    negative = sheet(
        workbook(grid("xng")), lambda data: data.replace(b'r="A5"', b'r="A-5"').replace(b'r="B5"', b'r="99"')
    )
    yield Case("xlsx-odd-places", "a.xlsx", negative, "any")


def tables() -> Iterator[Case]:
    good = frame

    def with_column(name: str, **columns: object) -> bytes:
        return parquet(good(name).with_columns(**columns))

    yield Case("parquet-no-rows", "a.parquet", parquet(good("pn", 0)), "any")
    yield Case("parquet-no-columns", "a.parquet", parquet(pa.table({})), "error")
    yield Case("parquet-bool-units", "a.parquet", with_column("pb", units=pl.lit(True)), "any")
    yield Case("parquet-text-units", "a.parquet", with_column("pt", units=pl.lit("many")), "error")
    yield Case("parquet-null-units", "a.parquet", with_column("pu", units=pl.lit(None)), "error")
    one = pl.int_range(pl.len()) == 5
    for index, value in enumerate((float("nan"), float("inf"), -float("inf"), 1e308, 5e-324)):
        column = pl.when(one).then(pl.lit(value)).otherwise(pl.col("units"))
        yield Case(
            f"parquet-units-{index}",
            "a.parquet",
            with_column(f"pv{index}", units=column),
            "any" if index == 4 else "quarantine",
        )
    for index, value in enumerate((dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1), dt.datetime(2999, 1, 1), None)):
        column = pl.when(one).then(pl.lit(value, dtype=pl.Datetime("us"))).otherwise(pl.col("ordered_at"))
        yield Case(f"parquet-moment-{index}", "a.parquet", with_column(f"pm{index}", ordered_at=column), "quarantine")
    yield Case("parquet-nested-sku", "a.parquet", with_column("ps", sku=pl.struct("sku")), "any")
    yield Case("parquet-list-sku", "a.parquet", with_column("pl", sku=pl.concat_list("sku")), "any")
    yield Case("parquet-binary-sku", "a.parquet", with_column("py", sku=pl.lit(b"\xff\xfe")), "any")
    yield Case(
        "parquet-nul-sku",
        "a.parquet",
        with_column("pz", sku=pl.when(one).then(pl.lit("a\x00")).otherwise(pl.col("sku"))),
        "quarantine",
    )
    yield Case("parquet-category-sku", "a.parquet", with_column("pc", sku=pl.col("sku").cast(pl.Categorical)), "fine")
    yield Case("parquet-time-moment", "a.parquet", with_column("pk", ordered_at=pl.lit(dt.time(1))), "any")
    yield Case("parquet-duration-units", "a.parquet", with_column("pd", units=pl.lit(dt.timedelta(1))), "any")
    yield Case("parquet-number-moment", "a.parquet", with_column("pi", ordered_at=pl.lit(2**62)), "any")
    wide = good("pw").with_columns(units=pl.lit(decimal.Decimal("9" * 30)))
    yield Case("parquet-decimal-units", "a.parquet", parquet(wide), "error")
    arrow = good("pp").to_arrow()
    same = pa.Table.from_arrays(list(arrow.columns), names=["order_id", "ordered_at", "sku", "sku"])
    yield Case("parquet-same-name", "a.parquet", parquet(same), "error")
    yield Case("parquet-empty-name", "a.parquet", parquet(good("pe").rename({"units": ""})), "error")
    yield Case("parquet-reserved-name", "a.parquet", parquet(good("pr").rename({"units": "_line"})), "error")
    zones = with_column("pzone", ordered_at=pl.col("ordered_at").dt.replace_time_zone("Asia/Shanghai"))
    yield Case("parquet-zoned", "a.parquet", zones, "fine")
    nanos = arrow.set_column(1, "ordered_at", pa.array([2**62] * GOOD, pa.timestamp("ns")))
    yield Case("parquet-nanoseconds", "a.parquet", parquet(nanos), "any")
    text = pa.array([b"a"] * (GOOD - 1) + [b"\xff\xff"]).view(pa.binary())
    invalid = pa.StringArray.from_buffers(GOOD, text.buffers()[1], text.buffers()[2])
    yield Case("parquet-invalid-text", "a.parquet", parquet(arrow.set_column(2, "sku", invalid)), "any")
    yield Case("parquet-constant-rows", "a.parquet", lambda: parquet(pa.table({"x": pa.nulls(2_000_000)})), "error")


def cases() -> list[Case]:
    """All cases, each with a name of its own."""
    made = [
        case
        for group in (cells, structure, encodings, damaged, archives, foreign, json_files, sheets, tables)
        for case in group()
    ]
    names = [case.name for case in made]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})
    return made
