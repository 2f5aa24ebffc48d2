"""Gradient-boosted trees that correct the structured baseline."""
