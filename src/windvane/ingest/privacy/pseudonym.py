"""Pseudonyms for people: a keyed hash, the same for the same customer, of no use without the workspace's key."""

from __future__ import annotations

import hashlib

import polars as pl


def pseudonym(identifier: str, key: bytes) -> str:
    """Pseudonym of one identifier: BLAKE2b keyed with the workspace's secret (RFC 7693), 128 bits, hexadecimal."""
    return hashlib.blake2b(identifier.encode(), key=key, digest_size=16).hexdigest()


def pseudonyms(values: pl.Series, key: bytes) -> pl.Series:
    """Pseudonyms of a text column; null stays null."""
    known = values.drop_nulls().unique()
    if not known.len():
        return values.cast(pl.String)
    table = pl.DataFrame({"value": known, "pseudonym": [pseudonym(value, key) for value in known.to_list()]})
    joined = values.to_frame("value").join(table, on="value", how="left", maintain_order="left")
    return joined["pseudonym"].alias(values.name)
