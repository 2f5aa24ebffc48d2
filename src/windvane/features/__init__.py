"""Features of single (series, origin, step) rows, each with a stated moment at which it is known."""
