"""What files that nobody has described hold: a guess for people to correct, with how sure it is and why.

Every column is looked at twice, its header (:mod:`windvane.ingest.guess.words`) and its cells
(:mod:`windvane.ingest.guess.cells`). Each table that could be meant takes the columns that fit it best; the table for
which most is found wins. Nothing is read but the first rows of each file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from windvane.errors import InputError
from windvane.ingest.guess.cells import Cells, look
from windvane.ingest.guess.words import language, meanings, plainly
from windvane.ingest.read import LINE, Item, Options, items, open_item

SURE, LIKELY = 0.8, 0.55
_ROWS = 20_000
_HEADER_LINES = 12
_PERIODS = 8
"""So many columns whose names are periods make a file one with a column per period."""


@dataclass(frozen=True)
class Choice:
    """Where one column of ours seems to come from.

    Attributes:
        column: our column.
        cells: theirs.
        score: how sure, from 0 to 1.
        others: their columns that could be meant instead.
    """

    column: str
    cells: Cells
    score: float
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileGuess:
    """What one file seems to hold.

    Attributes:
        item: the file.
        table: the table of ours; ``None`` where none fits.
        choices: our columns and theirs.
        unused: their columns that nothing is made of.
        missing: our columns without which the table cannot be filled.
        why: why no table fits, as one sentence.
        header: line of the column names.
        rows: rows looked at.
        encoding: encoding of a text file.
        status: column that says what became of an order, with its values.
        cells: all columns.
    """

    item: Item
    table: str | None
    choices: tuple[Choice, ...] = ()
    unused: tuple[Cells, ...] = ()
    missing: tuple[str, ...] = ()
    why: str = ""
    header: int = 1
    rows: int = 0
    encoding: str | None = None
    cells: tuple[Cells, ...] = field(default=(), repr=False)

    def get(self, column: str) -> Choice | None:
        """The choice for one of our columns."""
        return next((each for each in self.choices if each.column == column), None)

    def theirs(self, meaning: str) -> Cells | None:
        """Their column whose header says that it is something we have no column for, such as ``status``."""
        taken = {each.cells.name for each in self.choices}
        named = [(meanings(each.name).get(meaning, 0.0), each) for each in self.cells if each.name not in taken]
        best = max(named, key=lambda pair: pair[0], default=(0.0, None))
        return best[1] if best[0] >= LIKELY else None

    @property
    def certain(self) -> bool:
        """Whether the guess can be used as it is."""
        return self.table is not None and not self.missing and all(each.score >= LIKELY for each in self._needed())

    def _needed(self) -> list[Choice]:
        needed = _SHAPES[self.table].needed if self.table else ()
        return [each for each in self.choices if each.column in needed]


@dataclass(frozen=True)
class _Shape:
    """What tells a table: weights of our columns, and which must be found."""

    needed: tuple[str, ...]
    weights: dict[str, float]
    words: str


_SHAPES: dict[str, _Shape] = {
    "orders": _Shape(
        ("ordered_at", "sku", "units"),
        {
            "order_id": 2.0, "ordered_at": 1.5, "sku": 1.0, "units": 2.0, "unit_price": 0.7, "amount": 0.7,
            "customer": 0.7, "location": 0.4, "channel": 0.3, "discount": 0.4, "line": 0.3, "title": 0.1,
        },
        r"order|sale|transac|invoice|bestell|auftrag|verkauf|umsatz|pedido|venta|commande|vente|订单|销售|流水|交易|注文|受注|売上",
    ),
    "products": _Shape(
        ("sku",),
        {
            "sku": 1.0, "title": 1.5, "category": 1.2, "brand": 1.0, "description": 0.8, "unit_cost": 0.8,
            "launched_on": 0.8, "ended_on": 0.5, "pack_size": 0.8, "shelf_life": 0.8,
        },
        r"product|item|article|catalog|sku|artikel|produkt|sortiment|articulo|catalogue|商品|产品|货品|商品マスタ",
    ),
    "stock": _Shape(
        ("sku", "date", "on_hand"),
        {"sku": 1.0, "date": 0.7, "on_hand": 3.0, "on_order": 1.0, "location": 0.4},
        r"stock|inventory|bestand|lager|existencias|inventario|库存|在庫",
    ),
    "prices": _Shape(
        ("sku", "valid_from", "price"),
        {"sku": 0.7, "valid_from": 2.0, "valid_to": 1.0, "price": 1.5, "list_price": 0.8, "location": 0.3},
        r"price|preis|precio|prix|价格|価格",
    ),
    "promotions": _Shape(
        ("sku", "starts_on", "ends_on"),
        {"sku": 0.7, "promotion": 1.5, "starts_on": 2.0, "ends_on": 2.0, "depth": 1.0, "location": 0.3},
        r"promo|campaign|aktion|kampagne|活动|促销|キャンペーン",
    ),
    "supply": _Shape(
        ("sku", "supplier"),
        {"sku": 0.7, "supplier": 1.8, "lead_time": 2.0, "moq": 1.5, "location": 0.3},
        r"suppl|vendor|lieferant|proveedor|fournisseur|供应商|仕入先",
    ),
    "receipts": _Shape(
        ("sku", "supplier", "ordered_at", "received_at", "units"),
        {"sku": 0.7, "supplier": 1.2, "ordered_at": 1.0, "received_at": 2.5, "units": 1.2, "location": 0.3},
        r"receipt|deliver|wareneingang|recepcion|reception|入库|到货|入荷",
    ),
    "reviews": _Shape(
        ("sku", "at"),
        {"review_id": 1.0, "at": 0.7, "sku": 0.7, "rating": 2.5, "text": 2.5, "customer": 0.3},
        r"review|rating|feedback|bewertung|opinion|avis|评论|评价|レビュー",
    ),
    "events": _Shape(
        ("at", "kind"),
        {"at": 0.7, "kind": 2.5, "session": 2.0, "sku": 0.7, "customer": 0.7},
        r"event|click|behavio|visit|行为|点击|イベント",
    ),
    "customers": _Shape(
        ("customer",), {"customer": 1.0, "joined_on": 2.5}, r"customer|client|kunde|cliente|会员|客户|顧客"
    ),
    "locations": _Shape(
        ("location",),
        {"location": 1.0, "name": 1.2, "region": 1.2, "country": 1.2},
        r"store|location|shop|filial|tienda|门店|店舗",
    ),
}  # fmt: skip

_MEANING = {
    "ordered_at": "moment",
    "date": "moment",
    "at": "moment",
    "price": "unit_price",
    "kind": "event",
    "name": "place_name",
}
_FITS: dict[str, str] = {
    **dict.fromkeys(("moment", "launched_on", "ended_on", "starts_on", "ends_on", "valid_from", "valid_to"), "date"),
    **dict.fromkeys(("received_at", "joined_on"), "date"),
    **dict.fromkeys(("units", "on_hand", "on_order", "moq", "pack_size", "shelf_life", "lead_time"), "count"),
    **dict.fromkeys(("unit_price", "amount", "discount", "unit_cost", "list_price", "depth"), "money"),
    **dict.fromkeys(("order_id", "sku", "customer", "line", "review_id", "session", "location"), "code"),
    **dict.fromkeys(("title", "description", "category", "brand", "text", "supplier", "promotion", "channel"), "words"),
    **dict.fromkeys(("event", "region", "country", "place_name"), "words"),
    "rating": "count",
}


def guess(paths: Sequence[Path]) -> list[FileGuess]:
    """Guess what files hold.

    Args:
        paths: files or folders.

    Raises:
        InputError: there is nothing to read, or a file cannot be read.
    """
    found = items(paths)
    if not found:
        raise InputError("There is no file to look at.", "Give files, or a folder that holds some.")
    return [guess_file(item) for item in found]


def guess_file(item: Item) -> FileGuess:
    """Guess what one file holds.

    Raises:
        InputError: it cannot be read, or has no rows.
    """
    header, frame, encoding = first_rows(item)
    if not frame.height:
        raise InputError(f"{item.label} has a header and no rows.", "Leave it out, or export it again.")
    cells = tuple(look(frame[name]) for name in frame.columns)
    basis = FileGuess(item, None, header=header, rows=frame.height, encoding=encoding, cells=cells, unused=cells)
    if wide := _periods([each.name for each in cells]):
        return _without(
            basis,
            f"it has a column for each period ({wide[0]}, {wide[1]}, … {len(wide)} in all); one row per product and "
            "period is needed: turn the columns into rows first",
        )
    return _best(basis)


def first_rows(item: Item) -> tuple[int, pl.DataFrame, str | None]:
    """Line of the header, the first rows below it, and the encoding.

    Tables that people save often begin with a title; the header is then the line that most says what columns are.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        reading, first = open_item(item), None
    except InputError as error:
        reading, first = None, error
    best, line = reading, 1
    if reading is None or _named(reading.columns) < 2:
        score = _named(reading.columns) if reading else 0
        for number in range(2, _HEADER_LINES):
            try:
                other = open_item(item, Options(header=number))
            except InputError:
                continue
            if _named(other.columns) > max(score, 1):
                best, line, score = other, number, _named(other.columns)
    if best is None:
        assert first is not None
        raise first
    chunk = next(iter(best.chunks()), None)
    frame = chunk.frame.drop(LINE).head(_ROWS) if chunk else pl.DataFrame({name: [] for name in best.columns})
    return line, frame, best.encoding


def _named(columns: Sequence[str]) -> int:
    """How many columns have a name that says what they are."""
    return sum(max(meanings(name).values(), default=0.0) >= LIKELY for name in columns)


def _periods(names: Sequence[str]) -> list[str]:
    """Columns that are named by a period, where they are so many that the file must be turned first."""
    pattern = (
        r"(?i)(d|w|wk|kw|week|woche|semaine|semana|第)?[ _-]?\d{1,4}(周|月|日|週)?|(19|20)\d\d[-./年]?\d{1,2}"
        r"([-./月]\d{1,2})?[月日]?|\d{1,2}[-./]\d{1,2}[-./](\d\d|\d{4})|(19|20)\d\d[ -]?(w|kw|q)\d{1,2}|"
        r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ '-]*(\d\d|\d{4})?"
    )
    hits = [name for name in names if re.fullmatch(pattern, name.strip())]
    return hits if len(hits) >= _PERIODS and len(hits) >= 0.5 * len(names) else []


def _best(basis: FileGuess) -> FileGuess:
    tried = {table: _try(table, shape, basis) for table, shape in _SHAPES.items()}
    ranked = sorted(tried.values(), key=lambda pair: -pair[0])
    score, best = ranked[0]
    if score <= 0:
        lacks = tried["orders"][1].missing
        what = {"ordered_at": "a date", "sku": "a product", "units": "a quantity"}
        lacking = " and ".join(what[each] for each in lacks if each in what)
        return _without(basis, f"no table of ours fits it; for orders it lacks {lacking or 'more'}")
    return best


def _without(basis: FileGuess, why: str) -> FileGuess:
    return FileGuess(basis.item, None, (), basis.cells, (), why, basis.header, basis.rows, basis.encoding, basis.cells)


def _try(table: str, shape: _Shape, basis: FileGuess) -> tuple[float, FileGuess]:
    """How well a table fits, and what it would be made of."""
    choices = _assign(table, shape, basis)
    have = {each.column for each in choices}
    missing = tuple(name for name in shape.needed if name not in have)
    # Without a code the title names the product; without a quantity a line is one unit; a list of stock is of today.
    if table == "orders" and "sku" in missing and "title" in have:
        missing = tuple(name for name in missing if name != "sku")
    if table == "orders" and "units" in missing and have & {"amount", "unit_price"} and "order_id" in have:
        missing = tuple(name for name in missing if name != "units")
    if table == "stock" and "date" in missing:
        missing = tuple(name for name in missing if name != "date")
    if table == "supply" and "supplier" in missing and "lead_time" in have:
        missing = tuple(name for name in missing if name != "supplier")
    score = sum(shape.weights[each.column] * each.score for each in choices)
    score += 0.8 if re.search(shape.words, basis.item.label.lower()) else 0.0
    score -= 3.0 * len(missing) + _against(table, choices, basis)
    taken = {each.cells.name for each in choices}
    unused = tuple(each for each in basis.cells if each.name not in taken)
    if missing:
        score = min(score, -0.1 * len(missing))
    made = FileGuess(
        basis.item, table, choices, unused, missing, "", basis.header, basis.rows, basis.encoding, basis.cells
    )
    return score, made


def _against(table: str, choices: Sequence[Choice], basis: FileGuess) -> float:
    """What speaks against a table although its columns were found."""
    found = {each.column: each for each in choices}
    best = {name: max(meanings(cells.name).get(name, 0.0) for cells in basis.cells) for name in ("units", "on_hand")}
    if table in ("products", "customers", "locations"):
        key = found.get({"products": "sku", "customers": "customer", "locations": "location"}[table])
        repeated = 1.0 - key.cells.distinct if key else 1.0
        others = len(found) - (1 if key else 0)
        dated = any(each.dated and meanings(each.name).get("moment", 0.0) >= SURE for each in basis.cells)
        alone = 4.0 if others == 0 else 0.0
        return 4.0 * repeated + 2.5 * (best["units"] >= SURE) + 1.5 * dated + alone
    if table == "stock":
        return 0.0 if found.get("on_hand") and found["on_hand"].score >= LIKELY else 4.0
    if table in ("orders", "receipts"):
        return 2.0 if best["on_hand"] >= SURE and best["units"] < SURE else 0.0
    if table == "prices":
        return 0.0 if {"valid_from", "valid_to"} & found.keys() else 4.0
    if table == "reviews":
        return 0.0 if {"rating", "text"} & found.keys() else 4.0
    if table == "supply":
        # A list of products may say how they are bought as well; then both tables are made of it.
        told = {name for each in basis.cells for name, score in meanings(each.name).items() if score >= LIKELY}
        described = "title" in told and bool(told & {"category", "brand", "unit_cost"})
        return 5.0 if described else 0.0 if {"lead_time", "moq"} & found.keys() else 3.0
    return 0.0


def _assign(table: str, shape: _Shape, basis: FileGuess) -> tuple[Choice, ...]:
    """Their columns to ours, best pairs first; each is used once."""
    pairs: list[tuple[float, float, str, Cells]] = []
    for column in shape.weights:
        for position, cells in enumerate(basis.cells):
            score = fit(table, column, cells)
            if score >= 0.3:
                # Of two alike the one further left, where keys stand.
                pairs.append((score - position * 1e-4, score, column, cells))
    pairs.sort(key=lambda pair: (-pair[0], pair[2]))
    chosen: dict[str, Choice] = {}
    taken: set[str] = set()
    for _, score, column, cells in pairs:
        if column not in chosen and cells.name not in taken:
            rivals = [each[3].name for each in pairs if each[2] == column and each[1] >= 0.7 * score]
            others = tuple(name for name in rivals if name != cells.name)[:3]
            chosen[column] = Choice(column, cells, score, others)
            taken.add(cells.name)
    return tuple(chosen[name] for name in shape.weights if name in chosen)


def fit(table: str, column: str, cells: Cells) -> float:
    """How well a column of theirs fits one of ours in a table, from 0 to 1.

    Args:
        table: our table.
        column: our column, or ``amount``: the money of a whole line.
        cells: their column.
    """
    if cells.kind == "empty":
        return 0.0
    meaning = _MEANING.get(column, column)
    said = {each: score for each, score in meanings(cells.name).items() if _can(each, cells)}
    best = max(said.values(), default=0.0)
    word = said.get(meaning, 0.0)
    if meaning == "units" and table == "stock":
        word = 0.0
    if meaning == "on_hand" and table == "stock" and not word:
        word = 0.6 * said.get("units", 0.0)
    if meaning == "location" and table != "locations":
        word = max(word, 0.9 * said.get("place_name", 0.0))
    if meaning == "title" and cells.length <= 60:
        word = max(word, 0.8 * said.get("description", 0.0))  # what is short and unlike the rest is a name
    if meaning == "description" and cells.length <= 60:
        word *= 0.7
    if meaning == "sku" and table == "products":
        word = max(word, 0.9 if plainly(cells.name) in ("id", "nr", "no", "编号", "番号") else 0.0)
    looks = _looks(_FITS.get(meaning, "words"), meaning, cells)
    if not looks or (cells.personal and meaning != "customer"):
        return 0.0
    if said.get("personal", 0.0) > word or said.get("ignore", 0.0) > max(word, LIKELY):
        return 0.0
    if not word:
        # The header says nothing: the cells alone give a hint, unless the header says something else.
        return 0.0 if best >= LIKELY else 0.55 * looks * _typical(meaning, cells)
    near = {"title": "description", "location": "place_name"}.get(meaning, "")
    if best > word and said.get(near, 0.0) < best:
        word *= 0.75 if word >= 0.85 * best else 0.4
    return word * (0.6 + 0.4 * looks)


def _can(meaning: str, cells: Cells) -> bool:
    """Whether cells can be what a word says: a moment called "txn" is no number of an order."""
    return meaning not in _FITS or _looks(_FITS[meaning], meaning, cells) > 0


def _looks(what: str, meaning: str, cells: Cells) -> float:
    """Whether cells can be what a column needs: 0 = no, 1 = just so."""
    if what == "date":
        return float(cells.dated)
    if what == "count":
        if not cells.numeric or (meaning == "rating" and not 0 <= cells.low <= cells.high <= 10):
            return 0.0
        return 1.0 if cells.whole > 0.95 else 0.7
    if what == "money":
        return float(cells.numeric) * (1.0 if cells.low >= 0 else 0.7)
    if cells.dated:
        return 0.0
    if what == "code":
        if cells.kind == "real":
            return 0.0
        if cells.kind == "text" and meaning in ("sku", "order_id"):
            return 1.0 if cells.spaced < 0.5 else 0.6
        return 1.0
    return 1.0 if cells.kind == "text" else 0.25


def _typical(meaning: str, cells: Cells) -> float:
    """How much cells alone speak for a meaning, without any word."""
    if meaning == "moment":
        return 1.0 if cells.filled > 0.95 else 0.6
    if meaning == "order_id":
        # Few lines an order, standing together; a number for every row could as well be the row's own.
        return 0.9 if cells.together and 0.2 < cells.distinct < 0.999 and cells.count > 10 else 0.0
    if meaning == "sku":
        return 0.9 if cells.kind == "text" and cells.spaced < 0.2 and 0.0 < cells.distinct < 0.9 else 0.0
    if meaning == "units":
        return 0.9 if cells.kind == "whole" and cells.high <= 1000 and cells.count <= 200 else 0.0
    if meaning == "unit_price":
        return 0.7 if cells.kind == "real" and cells.low >= 0 and cells.decimal else 0.0
    if meaning == "title":
        return 0.8 if cells.spaced > 0.5 and cells.distinct < 0.9 else 0.0
    return 0.0


def words_of(guesses: Sequence[FileGuess]) -> str:
    """Language that the headers of files are written in: zh, ja, de, fr, es or en."""
    return language([each.name for found in guesses for each in found.cells])
