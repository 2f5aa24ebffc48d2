"""From guesses to a mapping file that a person can read and correct."""

from __future__ import annotations

import glob
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from windvane.errors import MappingError
from windvane.ingest import mapping
from windvane.ingest.guess.cells import Cells
from windvane.ingest.guess.files import LIKELY, SURE, Choice, FileGuess
from windvane.ingest.guess.phrase import Local, joined, literal, number_sql, quoted, source, toml
from windvane.ingest.guess.words import meanings
from windvane.schema import RAW

_CANCELLED = "cancel|void|storn|annul|anul|取消|关闭|キャンセル"
_UNPAID = "unpaid|not paid|pending|awaiting|failed|declined|expired|unbezahlt|offen|未付款|待付款|等待买家付款|未払"
_SERVICE = (
    "shipping|postage|delivery|freight|shipping fee|shipping cost|versand|versandkosten|porto|envio|gastos de envio|"
    "livraison|frais de port|运费|邮费|补差价|送料|gift card|voucher|gutschein"
)
_OPEN_DATES = ("promotions", "prices")
_EVENTS = {"promotions": "starts_on", "prices": "valid_from", "stock": "date", "reviews": "at", "orders": "ordered_at"}
"""What stands for the moment a row became known, where nothing else says it."""


@dataclass(frozen=True)
class _Line:
    """One line of a block of columns: our column, its source as TOML, and what is said beside it."""

    column: str
    source: str
    said: str


def write(guesses: Sequence[FileGuess], local: Local | None = None) -> str:
    """A mapping for files, as TOML with comments.

    Args:
        guesses: what the files seem to hold.
        local: what is known about the shop's place.

    Raises:
        MappingError: of none of the files anything can be made; says why.
    """
    parts = [
        "# Made by looking at the files; nothing in it is certain until you have read it. Beside each column stand how",
        "# sure the guess is (sure, likely, unsure) and three values. Correct it, then ingest the files with it.",
        "# Columns and tables: docs/reference/tables.md. How a mapping is written: docs/howto/own-csv.md.",
        "",
    ]
    written = False
    for guess in grouped(guesses):
        for block in _blocks(guess, guesses, local or Local()):
            if problem := _problem(block):
                block = "\n".join(f"# {line}".rstrip() for line in (f"Left out: {problem}", *block.splitlines()))
            else:
                written = written or guess.table is not None
            parts += [block, ""]
    if not written:
        worst = next((each for each in guesses if each.why), guesses[0])
        why = worst.why or f"for {worst.table} it lacks {', '.join(worst.missing)}"
        raise MappingError(
            f"{worst.item.label}: {why}.", "Write a mapping by hand: see docs/howto/own-csv.md, or name the columns."
        )
    return "\n".join(parts).rstrip() + "\n"


def grouped(guesses: Sequence[FileGuess]) -> list[FileGuess]:
    """One guess for files that have the same columns, such as one file for each month."""
    seen: dict[tuple[str, ...], FileGuess] = {}
    for guess in guesses:
        seen.setdefault((guess.table or guess.item.label, *(each.name for each in guess.cells)), guess)
    return list(seen.values())


def pattern(guess: FileGuess, guesses: Sequence[FileGuess]) -> str:
    """Name, or pattern of names, of the files that a guess is for."""
    columns = [each.name for each in guess.cells]
    alike = [each.item.name for each in guesses if [c.name for c in each.cells] == columns]
    start, end = _common(alike), _common([name[::-1] for name in alike])[::-1]
    if len(alike) < 2:
        # The next export will have another date or number in its name.
        stem, dot, ending = guess.item.name.partition(".")
        start, end = re.sub(r"[\d_.\- ]+$", "", stem) or stem, dot + ending
    found = f"{glob.escape(start)}*{glob.escape(end)}"
    others = [each.item.name for each in guesses if each.item.name not in alike]
    fits = re.compile(re.escape(start) + ".*" + re.escape(end))
    return found if not any(fits.fullmatch(name) for name in others) else glob.escape(guess.item.name)


def _common(names: Sequence[str]) -> str:
    shortest = min(names, key=len)
    length = next((i for i, letter in enumerate(shortest) if any(name[i] != letter for name in names)), len(shortest))
    # What stands of a date belongs to what differs: next year's file is meant as well.
    return re.sub(r"\d[\d_.\- ]*$", "", shortest[: min(length, len(shortest) - 1)])


def _blocks(guess: FileGuess, guesses: Sequence[FileGuess], local: Local) -> list[str]:
    if guess.table is None:
        return [f"# {guess.item.label}: left out, since {guess.why}."]
    name = pattern(guess, guesses)
    made = [_block(guess, name, guess.table, _lines(guess, local), _rules(guess))]
    if guess.table == "orders" and not any(each.table == "products" for each in guesses):
        described = _described(guess)
        if described:
            made.append(_block(guess, name, "products", described, [], brief=True))
    if guess.table == "products":
        tables = {each.table for each in guesses}
        made += [
            _block(guess, name, table, lines, [], brief=True)
            for table, lines in (("supply", _supplied(guess)), ("stock", _stocked(guess)))
            if lines and table not in tables
        ]
    return made


def _block(
    guess: FileGuess, name: str, table: str, lines: Sequence[_Line], rules: Sequence[str], brief: bool = False
) -> str:
    encoding = f", {guess.encoding}" if guess.encoding else ""
    about = f"# {guess.item.label}: {guess.rows:,} rows looked at{encoding}."
    if brief:
        about = f"# What {guess.item.label} says about {table} as well; the last line of a product counts."
    parts = [about, f"[[{table}]]", f"file = {toml(name)}"]
    if guess.header != 1:
        parts.append(f"header = {guess.header}  # line of the column names")
    code = guess.get("sku")
    if brief and code is not None and code.cells.filled < 1:
        parts.append(f"where = {toml(f'{_code_sql(guess)} IS NOT NULL')}  # lines that name a product")
    if guess.explode is not None:
        parts.append(f"explode = {toml(guess.explode)}  # one row for each element of this list")
    marks = {each.decimal for each in guess.cells if each.decimal == "," or (each.decimal and each.dressed)}
    if len(marks) == 1:
        parts.append(f'decimal = "{marks.pop()}"')
    if table == "orders" and (currency := guess.theirs("currency")) and currency.kind == "text":
        parts.append(f"currency = {{ from = {toml(currency.name)} }}  # rows in another currency are set aside")
    parts.append(f"[{table}.columns]")
    for line in lines:
        parts += [f"# {line.said}"] * bool(line.said)
        parts.append(f"{line.column} = {line.source}")
    if not brief:
        parts += _unused(guess)
    return "\n".join([*parts, *rules])


def _unused(guess: FileGuess) -> list[str]:
    free = [each for each in guess.unused if each.kind != "empty"]
    spare = [(each, use_of(guess, each)) for each in guess.choices]
    parts = [f"#   {toml(each.cells.name)}: {use}" for each, use in spare if use.startswith("not needed")]
    if not free and not parts:
        return []
    parts.insert(0, "# Not used:")
    for cells in free:
        said = meanings(cells.header)
        if cells.bundled:
            parts.append(f"#   {toml(cells.name)}: a list; to have its elements as rows: explode = ...")
        elif private(cells):
            parts.append(f"#   {toml(cells.name)}: may identify a person, never read")
        else:
            ours = [each for each in RAW[guess.table or "orders"].names if each in said]
            hint = f"{ours[0]} = " if ours else ""
            parts.append(f"#   {hint}{toml(cells.name)}: {_shown(cells)}")
    return parts


def private(cells: Cells) -> bool:
    """Whether a column of theirs may identify a person, so that its values are not shown."""
    said = meanings(cells.header)
    return cells.personal or max(said.get("personal", 0.0), said.get("customer", 0.0)) >= 0.5


def _lines(guess: FileGuess, local: Local) -> list[_Line]:
    assert guess.table is not None
    if guess.table == "orders":
        return _orders(guess, local)
    chosen = [each for each in guess.choices if each.column != "known_at"]
    lines = [_Line(each.column, source(each.cells, local), _said(each)) for each in chosen]
    table, known = guess.table, guess.get("known_at")
    if table == "stock" and guess.get("date") is None:
        lines.insert(1, _Line("date", "{ arrival = true }", "The file has no date: it is of the day of the ingest."))
    if known is not None:
        lines.append(_known(guess, known, local))
    elif table in _OPEN_DATES:
        start = guess.get(_EVENTS[table])
        said = "When was it decided? The forecast may not know of it before. This says: on its first day."
        lines += [_Line("known_at", source(start.cells, local), said)] if start else []
    if table == "promotions" and guess.get("promotion") is None:
        lines.append(_Line("promotion", '{ value = "promotion" }', "The file gives promotions no name."))
    if table == "supply" and guess.get("supplier") is None:
        lines.append(_Line("supplier", '{ value = "supplier" }', "The file names no supplier."))
    if table in ("reviews", "events"):
        key = "review_id" if table == "reviews" else "event_id"
        if guess.get(key) is None:
            names = [each.cells.name for each in guess.choices if each.column in ("at", "sku", "customer", "session")]
            lines.append(_Line(key, joined(names), "The file has no number of its own for a row."))
    return lines


def _orders(guess: FileGuess, local: Local) -> list[_Line]:
    lines: list[_Line] = []
    moment, sku = guess.get("ordered_at"), guess.get("sku") or guess.get("title")
    assert moment is not None
    assert sku is not None
    place, number = guess.get("location"), guess.get("order_id")
    if number is not None:
        lines.append(_Line("order_id", toml(number.cells.name), _said(number)))
    else:
        names = [moment.cells.name, sku.cells.name, *([place.cells.name] if place else [])]
        said = "No order number: the file looks like totals, so day and product (and place) make one."
        lines.append(_Line("order_id", joined(names), said))
    line = guess.get("line")
    if line is not None and number is not None and line.cells.kind == "whole" and _unique(number.cells, line.cells):
        lines.append(_Line("line", toml(line.cells.name), _said(line)))
    else:
        lines.append(_Line("line", '{ number_within = "order_id" }', ""))
    clock = f"; written in UTC, days are those of {local.zone}" if moment.cells.zone == "utc" and local.zone else ""
    lines.append(_Line("ordered_at", source(moment.cells, local), f"{_said(moment)}{clock}"))
    code = guess.get("sku")
    said = _said(sku) if code else f"No product code: the name stands for it. {_said(sku)}"
    said = f"Lines without a code go by their name. {said}" if _gaps(guess) else said
    lines.append(_Line("sku", _code(guess), said))
    units = guess.get("units")
    if units is not None:
        lines.append(_Line("units", source(units.cells, local), _said(units)))
    else:
        lines.append(_Line("units", "{ value = 1 }", "No quantity: one unit a line. Check this."))
    lines += _money(guess)
    for name in ("location", "customer", "channel"):
        if (choice := guess.get(name)) is not None:
            lines.append(_Line(name, toml(choice.cells.name), _said(choice)))
    if (known := guess.get("known_at")) is not None:
        lines.append(_known(guess, known, local))
    return lines


def _known(guess: FileGuess, known: Choice, local: Local) -> _Line:
    """When rows became known; where a cell is empty, what the row tells of must do."""
    event = guess.get(_EVENTS[guess.table or "orders"])
    said = f"When the row became known. {_said(known)}"
    pair = [known.cells, *([event.cells] if event else [])]
    forms = [*dict.fromkeys(each.format for each in pair if each.format is not None)]
    plain = all("%" in form for form in forms) and not any(each.zone for each in pair)
    if known.cells.filled == 1.0 or event is None or not plain:
        return _Line("known_at", source(known.cells, local), said)
    both = f"COALESCE({', '.join(quoted(each.name) for each in pair)})"
    form = f", format = [{', '.join(toml(each) for each in forms)}]" if forms else ""
    said = f"When the row became known; where that is empty, {event.cells.name}. {_said(known)}"
    return _Line("known_at", f"{{ sql = {toml(both)}{form} }}", said)


def _gaps(guess: FileGuess) -> bool:
    """Whether lines lack the product's code that have its name; so many would make the file be refused."""
    code, title = guess.get("sku"), guess.get("title")
    if code is None or title is None:
        return False
    return code.cells.filled < min(0.99, title.cells.filled)


def _code(guess: FileGuess) -> str:
    """What names the product of a line, as TOML: its code, or its name where there is none."""
    if _gaps(guess):
        return f"{{ sql = {toml(_code_sql(guess))} }}"
    sku = guess.get("sku") or guess.get("title")
    assert sku is not None
    return toml(sku.cells.name)


def _code_sql(guess: FileGuess) -> str:
    columns = [each for each in (guess.get("sku"), guess.get("title")) if each is not None]
    names = [quoted(each.cells.name) for each in columns]
    return f"COALESCE({', '.join(names)})" if _gaps(guess) else names[0]


def _money(guess: FileGuess) -> list[_Line]:
    """Price per unit: as given, or from the money of the whole line."""
    units, (price, amount) = guess.get("units"), _paid(guess)
    lines: list[_Line] = []
    if price is not None:
        lines.append(_Line("unit_price", source(price.cells, Local()), _said(price)))
    elif amount is not None:
        paid = number_sql(amount.cells)
        # Some write the money of a return with a sign and some without: a price has none.
        each = f"ABS({paid} / NULLIF({number_sql(units.cells)}, 0))" if units else f"ABS({paid})"
        said = f"Money of the whole line by its units. {_said(amount)}"
        lines.append(_Line("unit_price", f"{{ sql = {toml(each)} }}", said))
    discount = guess.get("discount")
    if discount is not None and discount.cells.low >= 0:
        lines.append(_Line("discount", source(discount.cells, Local()), _said(discount)))
    return lines


def _paid(guess: FileGuess) -> tuple[Choice | None, Choice | None]:
    """The column with the money of a unit, and where there is none the one with the money of a line."""
    price, amount = guess.get("unit_price"), guess.get("amount")
    if price is not None and _money_of(price, guess) == "line":
        return None, price
    if price is None and amount is not None and _money_of(amount, guess) == "unit":
        return amount, None
    return (price, None) if price is not None else (None, amount)


def use_of(guess: FileGuess, choice: Choice) -> str:
    """What the mapping makes of a column that is no column of ours, in a few words; else empty.

    Args:
        guess: what a file seems to hold.
        choice: one of its choices.
    """
    if guess.table != "orders" or choice.column not in ("amount", "unit_price"):
        return ""
    price, amount = _paid(guess)
    if amount is choice:
        return "divided by the units: unit_price" if guess.get("units") else "taken as unit_price"
    if choice.column == "unit_price":
        return ""
    return "taken as unit_price" if price is choice else "not needed: unit_price is there"


def _money_of(money: Choice, guess: FileGuess) -> str | None:
    """Whether money is that of the 'line' or of one 'unit', by what varies less for one product; or not told."""
    sku, units = guess.get("sku") or guess.get("title"), guess.get("units")
    if sku is None or units is None:
        return None
    values = {"p": money.cells.values, "u": units.cells.values, "s": sku.cells.values.cast(pl.String)}
    frame = pl.DataFrame(values).with_columns(pl.col("u", "p").abs()).filter((pl.col("u") > 0) & (pl.col("p") > 0))
    frame = frame.filter(pl.col("u").n_unique().over("s") > 1)
    if frame.height < 2:
        return None

    def spread(value: pl.Expr) -> pl.Expr:
        return (value.std().over("s") / value.mean().over("s")).mean()

    whole, each = frame.select(spread(pl.col("p")).alias("p"), spread(pl.col("p") / pl.col("u")).alias("each")).row(0)
    if whole is None or each is None:
        return None
    return "line" if each < 0.5 * whole else "unit" if whole < 0.5 * each else None


def _rules(guess: FileGuess) -> list[str]:
    """Rows that are no sales: cancelled, unpaid, services."""
    if guess.table != "orders":
        return []
    parts: list[str] = []
    status = guess.theirs("status")
    if status is not None and status.kind == "text":
        values = [str(each) for each in status.values.drop_nulls().unique().sort().head(30)]
        for name, words, reason in (
            ("cancelled", _CANCELLED, "the order was cancelled"),
            ("not_paid", _UNPAID, "the order is not paid"),
        ):
            hits = [each for each in values if re.search(words, each.lower())]
            if hits:
                sql = f"{quoted(status.name)} IN ({', '.join(literal(each) for each in hits)})"
                parts += _rule(name, sql, reason)
        parts.insert(0, f"# States of orders in {toml(status.name)}: {', '.join(values[:12])}")
    cancelled = guess.theirs("cancelled")
    if cancelled is not None and cancelled.dated and cancelled.filled < 1:
        parts += _rule("cancelled_on", f"{quoted(cancelled.name)} IS NOT NULL", "the order was cancelled")
    units = guess.get("units")
    if guess.explode is not None and units is not None and units.cells.filled < 1:
        parts += _rule("no_lines", f"{quoted(units.cells.name)} IS NULL", "the order has no lines")
    for choice in (guess.get("sku"), guess.get("title")):
        if choice is None or choice.cells.kind != "text":
            continue
        names = choice.cells.values.drop_nulls().cast(pl.String).unique()
        hits = names.filter(names.str.to_lowercase().str.contains(rf"^(?:{_SERVICE})$")).sort().to_list()
        if hits:
            sql = f"{quoted(choice.cells.name)} IN ({', '.join(literal(each) for each in hits)})"
            parts += _rule("service", sql, "a service, not a product")
            break
    return parts


def _rule(name: str, sql: str, reason: str) -> list[str]:
    return ["[[orders.set_aside]]", f'name = "{name}"', f"sql = {toml(sql)}", f'reason = "{reason}"']


def _described(guess: FileGuess) -> list[_Line]:
    """What a file of orders says about products, where it says one thing of each."""
    sku, title = guess.get("sku"), guess.get("title")
    if sku is None or title is None:
        return []
    lines = [_Line("sku", _code(guess), ""), _Line("title", toml(title.cells.name), _said(title))]
    for name in ("category", "brand"):
        found = guess.theirs(name)
        if found is not None and found.kind == "text" and _steady(sku.cells, found):
            lines.append(_Line(name, toml(found.name), _shown(found)))
    return lines if _steady(sku.cells, title.cells) else []


def _supplied(guess: FileGuess) -> list[_Line]:
    """What a list of products says about how they are bought."""
    terms = [(name, guess.theirs(name)) for name in ("lead_time", "moq")]
    told = [(name, cells) for name, cells in terms if cells is not None and cells.numeric]
    sku, supplier = guess.get("sku"), guess.theirs("supplier")
    if not told or sku is None:
        return []
    named = toml(supplier.name) if supplier is not None else '{ value = "supplier" }'
    lines = [_Line("sku", toml(sku.cells.name), ""), _Line("supplier", named, "")]
    return lines + [_Line(name, toml(cells.name), _shown(cells)) for name, cells in told]


def _stocked(guess: FileGuess) -> list[_Line]:
    """What a list of products says about its stock."""
    sku, held = guess.get("sku"), guess.theirs("on_hand")
    if sku is None or held is None or not held.numeric:
        return []
    today = _Line("date", "{ arrival = true }", "The file has no date: it is of the day of the ingest.")
    return [_Line("sku", toml(sku.cells.name), ""), today, _Line("on_hand", toml(held.name), _shown(held))]


def _steady(sku: Cells, other: Cells) -> bool:
    frame = pl.DataFrame({"s": sku.values.cast(pl.String), "o": other.values.cast(pl.String)}).drop_nulls()
    return bool(frame.height) and float((frame.n_unique() - frame["s"].n_unique()) / frame["s"].n_unique()) < 0.05


def _unique(*columns: Cells) -> bool:
    frame = pl.DataFrame({str(i): each.values for i, each in enumerate(columns)})
    return bool(frame.is_unique().all())


def _said(choice: Choice) -> str:
    sure = confidence(choice.score)
    others = f"; or {', '.join(toml(name) for name in choice.others)}" if choice.others else ""
    order = ""
    if choice.cells.swapped:
        order = f"; day and month could be the other way round ({choice.cells.swapped})"
    return f"{sure}{order}{others}: {'(values not shown)' if private(choice.cells) else _shown(choice.cells)}"


def confidence(score: float) -> str:
    """A score as a word: sure, likely or unsure."""
    return "sure" if score >= SURE else "likely" if score >= LIKELY else "unsure"


def _shown(cells: Cells) -> str:
    return " | ".join(" ".join(each.split()) for each in cells.samples)


def _problem(block: str) -> str | None:
    """Why a block is no valid mapping; ``None`` where it is one."""
    if all(line.startswith("#") for line in block.splitlines()):
        return None
    try:
        mapping.parse(tomllib.loads(block), "mapping")
    except MappingError as error:
        return error.message
    except tomllib.TOMLDecodeError as error:
        return str(error)
    return None
