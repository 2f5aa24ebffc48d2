"""Forecasts that add up: hierarchies, reconciliation and alignment.

``hierarchy`` holds who belongs to whom, ``past`` the backtest that all methods learn from, ``proportions`` bottom-up,
top-down and middle-out, ``mint`` minimum-trace reconciliation, ``align`` the scaling of bottom forecasts to aggregate
ones that proved better, ``choose`` the choice among them.
"""
