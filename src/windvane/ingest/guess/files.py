"""What files that nobody has described hold: a guess for people to correct, with how sure it is and why.

Every column is looked at twice, its header (:mod:`windvane.ingest.guess.words`) and its cells
(:mod:`windvane.ingest.guess.cells`). Each table that could be meant takes the columns that fit it best; the table for
which most is found wins. Nothing is read but the first rows of each file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from windvane.errors import InputError
from windvane.ingest.guess import nested
from windvane.ingest.guess.cells import Cells, look
from windvane.ingest.guess.shapes import SHAPES, Shape
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
        cells: all columns.
        explode: path of the list inside the objects of a JSON file whose elements are the rows.
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
    explode: str | None = None

    def get(self, column: str) -> Choice | None:
        """The choice for one of our columns."""
        return next((each for each in self.choices if each.column == column), None)

    def theirs(self, meaning: str) -> Cells | None:
        """Their column whose header says that it is something we have no column for, such as ``status``."""
        taken = {each.cells.name for each in self.choices}
        named = [(meanings(each.header).get(meaning, 0.0), each) for each in self.cells if each.name not in taken]
        best = max(named, key=lambda pair: pair[0], default=(0.0, None))
        return best[1] if best[0] >= LIKELY else None

    @property
    def certain(self) -> bool:
        """Whether the guess can be used as it is."""
        return self.table is not None and not self.missing and all(each.score >= LIKELY for each in self._needed())

    def _needed(self) -> list[Choice]:
        needed = SHAPES[self.table].needed if self.table else ()
        return [each for each in self.choices if each.column in needed]


_OF_A_LINE = ("sku", "title", "units", "unit_price", "amount", "discount", "line")
"""What the elements of a list in an order say; what the order itself says of money is about all of them."""
_NUMBER = ("id", "nr", "no", "编号", "番号")
_EVENTS = {"orders": "ordered_at", "stock": "date", "reviews": "at"}
"""What a row of a table tells of; it cannot have been known before. Plans can."""
_EARLY = 0.02
_ENTERED = re.compile(r"creat|créé|erstellt|angelegt|cread|创建|创立|作成|登録")
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
    **dict.fromkeys(("received_at", "joined_on", "known_at", "cancelled"), "date"),
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
    if lists := nested.lists(frame):
        return _unfolded(basis, lists)
    if wide := _periods([each.name for each in cells]):
        return _without(
            basis,
            f"it has a column for each period ({wide[0]}, {wide[1]}, … {len(wide)} in all); one row per product and "
            "period is needed: turn the columns into rows first",
        )
    return _best(basis)[1]


def _unfolded(basis: FileGuess, lists: Sequence[str]) -> FileGuess:
    """The better of two: one row for each object, or one for each element of a list that names products."""
    score, best = _best(basis)
    for path in lists:
        frame = nested.rows(basis.item, path, _ROWS)
        if frame is None:
            continue
        cells = tuple(replace(look(frame[name]), listed=path) for name in frame.columns)
        made = replace(basis, rows=frame.height, cells=cells, unused=cells, explode=path)
        other, found = _best(made)
        product = found.get("sku") or found.get("title")
        if other > score and product is not None and product.cells.inner:
            score, best = other, found
    return best


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


def _best(basis: FileGuess) -> tuple[float, FileGuess]:
    """The table that fits best, and how well."""
    tried = {table: _try(table, shape, basis) for table, shape in SHAPES.items()}
    score, best = max(tried.values(), key=lambda pair: pair[0])
    if score <= 0:
        lacks = tried["orders"][1].missing
        what = {"ordered_at": "a date", "sku": "a product", "units": "a quantity"}
        lacking = " and ".join(what[each] for each in lacks if each in what)
        return score, _without(basis, f"no table of ours fits it; for orders it lacks {lacking or 'more'}")
    return score, best


def _without(basis: FileGuess, why: str) -> FileGuess:
    return replace(basis, why=why)


def _try(table: str, shape: Shape, basis: FileGuess) -> tuple[float, FileGuess]:
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
    return score, replace(basis, table=table, choices=choices, unused=unused, missing=missing)


def _against(table: str, choices: Sequence[Choice], basis: FileGuess) -> float:
    """What speaks against a table although its columns were found."""
    found = {each.column: each for each in choices}
    best = {name: max(meanings(cells.header).get(name, 0.0) for cells in basis.cells) for name in ("units", "on_hand")}
    if table in ("products", "customers", "locations"):
        key = found.get({"products": "sku", "customers": "customer", "locations": "location"}[table])
        repeated = 1.0 - key.cells.distinct if key else 1.0
        others = len(found) - (1 if key else 0)
        dated = any(each.dated and meanings(each.header).get("moment", 0.0) >= SURE for each in basis.cells)
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
        told = {name for each in basis.cells for name, score in meanings(each.header).items() if score >= LIKELY}
        described = "title" in told and bool(told & {"category", "brand", "unit_cost"})
        return 5.0 if described else 0.0 if {"lead_time", "moq"} & found.keys() else 3.0
    return 0.0


def _assign(table: str, shape: Shape, basis: FileGuess) -> tuple[Choice, ...]:
    """Their columns to ours, best pairs first; each is used once."""
    pairs: list[tuple[float, float, str, Cells]] = []
    for column in shape.weights:
        for position, cells in enumerate(basis.cells):
            score = fit(table, column, cells)
            if score >= (SURE if column == "known_at" else 0.3):
                # Of two alike the one that is called so and filled, then the one further left, where keys stand.
                called = 0.05 * (plainly(cells.header) == column and cells.filled >= 0.5)
                pairs.append((score + called - position * 1e-4, score, column, cells))
    pairs.sort(key=lambda pair: (-pair[0], pair[2]))
    chosen: dict[str, Choice] = {}
    taken: set[str] = set()
    for _, score, column, cells in pairs:
        if column not in chosen and cells.name not in taken:
            rivals = [each[3].name for each in pairs if each[2] == column and each[1] >= 0.7 * score]
            others = tuple(name for name in rivals if name != cells.name)[:3]
            chosen[column] = Choice(column, cells, score, others)
            taken.add(cells.name)
    _settle_known(table, chosen)
    return tuple(chosen[name] for name in shape.weights if name in chosen)


def _settle_known(table: str, chosen: dict[str, Choice]) -> None:
    """When a row became known is only said beside the moment it tells of, and not where that moment is mostly later."""
    known, name = chosen.get("known_at"), _EVENTS.get(table)
    if known is None or name is None:
        return
    event = chosen.get(name)
    if event is None or event.score < LIKELY:
        # The only date there is: "recorded on" is then the day itself.
        chosen[name] = replace(known, column=name, score=min(known.score, 0.79))
        del chosen["known_at"]
        return
    early = known.cells.values < event.cells.values - timedelta(days=1)
    if float(early.mean() or 0.0) > _EARLY:  # type: ignore[arg-type]
        del chosen["known_at"]


def fit(table: str, column: str, cells: Cells) -> float:
    """How well a column of theirs fits one of ours in a table, from 0 to 1.

    Args:
        table: our table.
        column: our column, or ``amount``: the money of a whole line.
        cells: their column.
    """
    if cells.kind == "empty" or cells.bundled:
        return 0.0
    meaning = _MEANING.get(column, column)
    said = {each: score for each, score in meanings(cells.header).items() if _can(each, cells)}
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
        word = max(word, 0.9 if plainly(cells.header) in _NUMBER else 0.0)
    if meaning == "known_at" and table in ("prices", "promotions") and _ENTERED.search(plainly(cells.header)):
        word = max(word, 0.9 * max(said.get("moment", 0.0), said.get("joined_on", 0.0)))
    if cells.listed and table == "orders":
        if cells.outer == (column in _OF_A_LINE):
            return 0.0
        if plainly(cells.header) in _NUMBER:
            word = max(word, 0.85 * (meaning == ("line" if cells.inner and cells.kind == "whole" else "order_id")))
    looks = _looks(_FITS.get(meaning, "words"), meaning, cells)
    if not looks or (cells.personal and meaning != "customer"):
        return 0.0
    if said.get("personal", 0.0) > word or said.get("ignore", 0.0) > max(word, LIKELY):
        return 0.0
    if not word:
        # The header says nothing: the cells alone give a hint, unless the header says something else.
        return 0.0 if best >= LIKELY else 0.55 * looks * _typical(meaning, cells)
    near = {"title": "description", "location": "place_name", "known_at": "moment"}.get(meaning, "")
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
