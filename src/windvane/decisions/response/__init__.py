"""How demand answers to prices, own and others', found in what happened."""

from windvane.decisions.response.answer import PriceResponse as PriceResponse
from windvane.decisions.response.estimate import Fit as Fit
from windvane.decisions.response.estimate import learn as learn
