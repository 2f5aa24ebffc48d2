"""Whether files that were guessed one by one speak of the same products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from windvane.ingest.guess.cells import Cells
from windvane.ingest.guess.files import Choice, FileGuess

_SAME = 0.5


@dataclass(frozen=True)
class Match:
    """How many products of one file are sold in another.

    Attributes:
        file: the file that describes products.
        orders: the file of orders.
        found: products of the orders that the other file knows.
        products: products of the orders.
    """

    file: str
    orders: str
    found: int
    products: int

    @property
    def good(self) -> bool:
        """Whether the files use the same codes."""
        return self.found >= _SAME * self.products


def matched(guesses: Sequence[FileGuess]) -> tuple[list[FileGuess], list[Match]]:
    """Guesses whose products are those of the orders, as far as there is a column that makes them so.

    A list of products may carry the shop's number, the maker's and the bar code; which of them the orders mean shows
    in the values alone.

    Args:
        guesses: files, guessed one by one.

    Returns:
        The guesses, some with another column for ``sku``; and how well each file goes with the first file of orders.
    """
    orders = next((each for each in guesses if each.table == "orders"), None)
    code = orders.get("sku") if orders is not None else None
    if orders is None or code is None:
        return list(guesses), []
    sold = _values(code.cells)
    made: list[FileGuess] = []
    found: list[Match] = []
    for guess in guesses:
        choice = guess.get("sku")
        if guess is orders or guess.table in (None, "orders") or choice is None:
            made.append(guess)
            continue
        taken = choice.cells.name
        best = max(guess.cells, key=lambda cells: (_shared(sold, cells), cells.name == taken))
        if _shared(sold, choice.cells) < _SAME * sold.len() <= _shared(sold, best):
            guess, choice = _with(guess, best), Choice("sku", best, 0.9, (choice.cells.name,))
        made.append(guess)
        found.append(Match(guess.item.label, orders.item.label, _shared(sold, choice.cells), sold.len()))
    return made, found


def _values(cells: Cells) -> pl.Series:
    return cells.values.drop_nulls().cast(pl.String).str.strip_chars().str.replace(r"\.0$", "").unique()


def _shared(sold: pl.Series, cells: Cells) -> int:
    if cells.dated or cells.kind in ("real", "empty"):
        return 0
    return int(sold.is_in(_values(cells).implode()).sum())


def _with(guess: FileGuess, cells: Cells) -> FileGuess:
    """The guess with another column for the product; what that column was taken for before is given up."""
    old = guess.get("sku")
    kept = [each for each in guess.choices if each.column != "sku" and each.cells.name != cells.name]
    others = (old.cells.name,) if old is not None else ()
    choices = (Choice("sku", cells, 0.9, others), *kept)
    taken = {each.cells.name for each in choices}
    return replace(guess, choices=choices, unused=tuple(each for each in guess.cells if each.name not in taken))
