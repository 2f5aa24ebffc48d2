"""Forecasting models: one contract (:mod:`windvane.models.base`), one registry, one wrapper for uncertainty."""
