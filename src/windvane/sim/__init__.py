"""A simulated shop with known truth: the tables that a shop would bring, and what really was behind them.

It is for testing rules (are stock-outs found, fakes, duplicates, late rows?), for demonstrations and for trying
things out. It is not evidence of accuracy: no claim about forecasts rests on it.
"""

from windvane.sim.settings import Settings as Settings
from windvane.sim.shop import Shop as Shop
from windvane.sim.shop import Truth as Truth
from windvane.sim.shop import simulate as simulate
from windvane.sim.write import Written as Written
from windvane.sim.write import write as write
