"""Checks at the door: rows against the schema, files against those before them, tables against common sense."""
