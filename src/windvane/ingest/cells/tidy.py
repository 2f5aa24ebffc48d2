"""What is put right in a file's rows before a mapping looks at them: names, wrapped cells, values said once.

Exports of shop systems share four habits. Columns change their names between versions; some columns are missing
unless asked for; cells are wrapped so that a table program keeps them as text (``="0012"``, a trailing tab); and an
order's own fields stand on its first line alone. A block of a mapping names what applies::

    signature = ["Order No", "Item"]               # any file that has these columns is this block's
    aliases = { "Order No" = ["Order number"] }    # another name of the same column
    optional = ["Voucher"]                         # a column that may be missing: its cells are then empty
    unwrap = true                                  # ="0012" means 0012; blanks, tabs and apostrophes round it go
    fill_down = { within = "Order No", columns = ["Paid at"] }
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from windvane.errors import MappingError

KEYS = frozenset({"signature", "aliases", "optional", "unwrap", "fill_down"})
"""Settings of a block that this module reads."""

_WRAPPED = r'^="(.*)"$'
_ROUND = " \t\r\n'\u00a0\ufeff"


@dataclass(frozen=True)
class Tidy:
    """What is put right in a file's rows.

    Attributes:
        signature: columns by which a file is known to be meant, whatever its name.
        aliases: per column the other names it goes by.
        optional: columns that may be missing.
        unwrap: whether cells are freed of what keeps a table program from reading them as numbers.
        within: column that groups the lines of one order; it is filled down itself.
        fill_down: columns whose value stands on a group's first line alone.
    """

    signature: tuple[str, ...] = ()
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    optional: tuple[str, ...] = ()
    unwrap: bool = False
    within: str | None = None
    fill_down: tuple[str, ...] = ()

    def renamed(self, columns: list[str]) -> dict[str, str]:
        """Per column of a file that goes by another name, the name that the mapping uses.

        Args:
            columns: the file's columns.
        """
        found: dict[str, str] = {}
        for name, others in self.aliases:
            if name not in columns:
                known = next((other for other in others if other in columns and other not in found), None)
                if known is not None:
                    found[known] = name
        return found

    def recognises(self, columns: list[str]) -> bool:
        """Whether a file with these columns is one that the signature describes."""
        renamed = self.renamed(columns)
        return bool(self.signature) and set(self.signature) <= {renamed.get(name, name) for name in columns}


class Tidier:
    """Puts right the chunks of one file, one after the other.

    Args:
        tidy: what to put right.
    """

    def __init__(self, tidy: Tidy) -> None:
        self._tidy = tidy
        self._last: pl.DataFrame | None = None

    def chunk(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of the next chunk, put right.

        Args:
            frame: rows in file order; every column keeps its type, and rows their number and order.
        """
        tidy = self._tidy
        frame = frame.rename(tidy.renamed(frame.columns))
        missing = [name for name in tidy.optional if name not in frame.columns]
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
        if tidy.unwrap:
            bare = pl.col(pl.String).str.strip_chars(_ROUND).str.replace(_WRAPPED, "$1").str.strip_chars(_ROUND)
            frame = frame.with_columns(bare).with_columns(
                pl.when(pl.col(pl.String).str.len_bytes() > 0).then(pl.col(pl.String))
            )
        if tidy.within is None or tidy.within not in frame.columns:
            return frame
        return self._filled(frame, tidy.within)

    def _filled(self, frame: pl.DataFrame, within: str) -> pl.DataFrame:
        columns = [name for name in self._tidy.fill_down if name in frame.columns and name != within]
        before = self._last
        # The last line of the chunk before comes first: an order may straddle two chunks.
        joined = frame if before is None else pl.concat([before, frame], how="vertical_relaxed")
        joined = joined.with_columns(pl.col(within).forward_fill())
        joined = joined.with_columns(pl.col(columns).forward_fill().over(pl.col(within).rle_id()))
        if joined.height:
            self._last = joined.tail(1)
        return joined if before is None else joined.slice(1)


def parse(given: dict[str, Any], place: str) -> Tidy | None:
    """Check the settings of a block that say what is put right; ``None`` where there is none.

    Args:
        given: the block, as read from TOML.
        place: where it stands, for errors.

    Raises:
        MappingError: a setting has the wrong shape.
    """
    if not KEYS & set(given):
        return None
    aliases = given.get("aliases", {})
    if not isinstance(aliases, dict) or not all(_names(others) for others in aliases.values()):
        raise MappingError(f"{place}: aliases must list other names per column.", 'Write: "Item" = ["Product"]')
    for key in ("signature", "optional"):
        if not _names(given.get(key, [])):
            raise MappingError(f"{place}: {key} must be a list of column names.", f'Write: {key} = ["Order No"]')
    if not isinstance(given.get("unwrap", False), bool):
        raise MappingError(f"{place}: unwrap must be true or false.", "Write: unwrap = true")
    filled = given.get("fill_down", {"within": None, "columns": []})
    if (
        not isinstance(filled, dict)
        or set(filled) != {"within", "columns"}
        or not isinstance(filled["within"], str | None)
        or not _names(filled["columns"])
    ):
        raise MappingError(
            f"{place}: fill_down must have within and columns.",
            'Write: fill_down = { within = "Order No", columns = ["Paid at"] }',
        )
    return Tidy(
        tuple(given.get("signature", ())),
        tuple((name, tuple(others)) for name, others in aliases.items()),
        tuple(given.get("optional", ())),
        given.get("unwrap", False),
        filled["within"],
        tuple(filled["columns"]),
    )


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
