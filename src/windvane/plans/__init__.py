"""What planners make of forecasts and plans: their own figures, approvals and changes, exports, and how these fared."""

from windvane.plans.lines import approve, decline, edit, export, lines
from windvane.plans.overrides import override, overrides, withdraw
from windvane.plans.score import score_orders, score_overrides

__all__ = [
    "approve",
    "decline",
    "edit",
    "export",
    "lines",
    "override",
    "overrides",
    "score_orders",
    "score_overrides",
    "withdraw",
]
