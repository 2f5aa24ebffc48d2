"""Prices under rules: which earn most, how stock is sold off, where others' go, and what re-pricing would bring."""

from windvane.decisions.pricing.history import PriceHistory as PriceHistory
from windvane.decisions.pricing.markdown import Markdown as Markdown
from windvane.decisions.pricing.markdown import markdown as markdown
from windvane.decisions.pricing.market import Market as Market
from windvane.decisions.pricing.market import forecast_prices as forecast_prices
from windvane.decisions.pricing.plan import Demand as Demand
from windvane.decisions.pricing.plan import PricePlan as PricePlan
from windvane.decisions.pricing.plan import propose as propose
from windvane.decisions.pricing.repricing import Cover as Cover
from windvane.decisions.pricing.repricing import Follow as Follow
from windvane.decisions.pricing.repricing import Guard as Guard
from windvane.decisions.pricing.repricing import Keep as Keep
from windvane.decisions.pricing.repricing import Planned as Planned
from windvane.decisions.pricing.repricing import StepDown as StepDown
from windvane.decisions.pricing.rules import Rules as Rules
from windvane.decisions.pricing.rules import limits as limits
from windvane.decisions.pricing.trial import Reaction as Reaction
from windvane.decisions.pricing.trial import Scene as Scene
from windvane.decisions.pricing.trial import Settings as Settings
from windvane.decisions.pricing.verdict import Trial as Trial
from windvane.decisions.pricing.verdict import simulate as simulate
