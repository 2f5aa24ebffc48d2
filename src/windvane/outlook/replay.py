"""Policies on a workspace's own history: from its tables to accounts in money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from windvane.engine import SILENT, Progress
from windvane.errors import InputError

if TYPE_CHECKING:
    from windvane.decisions.replay import Replayed
    from windvane.store import Workspace


@dataclass(frozen=True, eq=False)
class Told:
    """What a replay tells.

    Attributes:
        found: accounts of the policies.
        series: number of series played.
        first: first period that counts.
        last: last one.
        settle: periods left out before.
        hidden: share of the demand that is an estimate.
    """

    found: list[Replayed]
    series: int
    first: date
    last: date
    settle: int
    hidden: float


def of_shop(
    workspace: Workspace,
    periods: int = 91,
    preset: str = "fast",
    service: float = 0.95,
    drawn: tuple[int, int] = (3, 1),
    progress: Progress = SILENT,
) -> Told:
    """Replay usual practice, a service target and the least expected cost on the last periods of a shop.

    Costs and terms are those known when the play begins, as the run would have read them then.

    Args:
        workspace: the shop.
        periods: how many to replay.
        preset: of the forecast; see :func:`windvane.forecast`.
        service: target of the policies that have one.
        drawn: number of draws of the demand that empty shelves hide, and their seed.
        progress: told of what is going on.

    Raises:
        InputError: the history is too short.
    """
    from windvane.clean import build
    from windvane.decisions.costs import terms
    from windvane.decisions.inventory import shelf
    from windvane.decisions.policies import LeastCost, MovingAverage, OrderUpTo, Policy
    from windvane.decisions.replay import History, replay
    from windvane.outlook.produce import forecast

    config, read = workspace.config, workspace.tables.read
    with progress.task("replay", 2) as task:
        cleaned = build(read, config)
        task.advance()
        panel, wanted = cleaned.panel, cleaned.wanted
        if not 1 <= periods < panel.shape[1]:
            raise InputError(f"{periods} periods cannot be replayed on {panel.shape[1]}.", "Replay fewer.")
        begin = panel.dates[panel.shape[1] - periods - 1]
        then, day = wanted.as_of(begin), panel.freq.last_day(begin)
        by_then = partial(read, known_by=day)
        known, there = terms(then, by_then, config.decide, day), shelf(then, by_then, config.decide, day)
        history = History.of(panel, wanted.sales, cleaned.shelf.kind > 0, periods, known, there)
        horizon = int(history.terms.leads.max(initial=0)) + history.terms.review
        policies: list[tuple[Policy, str]] = [
            (MovingAverage(service), ""),
            (OrderUpTo(service), preset),
            (LeastCost(), preset),
        ]
        found = replay(history, policies, {preset: lambda p: forecast(p, horizon, preset)}, *drawn)
        task.advance()
    one = found[0].ledgers[0]
    hidden = np.where(history.empty[history.rows, history.begin :], history.demand[history.rows, history.begin :], 0)
    total = float(np.nansum(history.demand[history.rows, history.begin :], dtype=np.float64))
    return Told(
        found=found,
        series=len(history.rows),
        first=one.dates[0],
        last=one.dates[-1],
        settle=periods - one.demand.shape[1],
        hidden=float(np.nansum(hidden, dtype=np.float64)) / max(total, 1e-9),
    )
