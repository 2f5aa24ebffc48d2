"""Measurements of Windvane beside its peers."""
