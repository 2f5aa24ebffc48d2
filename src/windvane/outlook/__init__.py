"""The forecast stage: choose, produce, trends, explain."""
