"""Prices under rules: which earn most, and how ending stock is sold off."""

from windvane.decisions.pricing.markdown import Markdown as Markdown
from windvane.decisions.pricing.markdown import markdown as markdown
from windvane.decisions.pricing.plan import Demand as Demand
from windvane.decisions.pricing.plan import PricePlan as PricePlan
from windvane.decisions.pricing.plan import propose as propose
from windvane.decisions.pricing.rules import Rules as Rules
from windvane.decisions.pricing.rules import limits as limits
