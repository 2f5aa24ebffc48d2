"""Promotions: what past ones brought, what planned ones would, and which to run."""

from windvane.decisions.promotions.evaluate import Evaluation as Evaluation
from windvane.decisions.promotions.evaluate import evaluate as evaluate
from windvane.decisions.promotions.score import Candidate as Candidate
from windvane.decisions.promotions.score import schedule as schedule
from windvane.decisions.promotions.score import score as score
