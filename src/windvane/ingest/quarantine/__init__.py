"""Rows that were refused: kept with the reason, corrected by a person, tried again."""
