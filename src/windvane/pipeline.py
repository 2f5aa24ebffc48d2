"""The pipeline, top to bottom. Read this first.

A shop's files become tables at ``windvane ingest``. A run then passes the stages below in order, reading the
tables at the versions it pinned, and is published as a whole or not at all:

    clean      raw tables -> the demand panel, what was changed, what could not be told
    backtest   replay every model on past cutoffs; choose a champion per segment; report on later folds
    forecast   the champions' forecast of every series, with joint paths; where demand is turning
    decide     from paths, stock, costs and lead times: what to reorder, and the money at stake;
                prices and promotions, if asked for
    monitor    how the previous run's forecast fared; is the data fresh
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date as Date
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from windvane.engine import SILENT, Progress
from windvane.errors import InputError, NoRunError

if TYPE_CHECKING:
    from windvane.clean import Cleaned
    from windvane.outlook.produce import Choice, Produced
    from windvane.store import Run, RunWriter, Workspace


@dataclass
class Work:
    """What the stages of one run hand on."""

    workspace: Workspace
    run: RunWriter
    progress: Progress = SILENT
    _parts: dict[str, object] = field(default_factory=dict)

    @property
    def cleaned(self) -> Cleaned:
        """What clean made."""
        return self._parts["cleaned"]  # type: ignore[return-value]

    @property
    def choice(self) -> Choice:
        """What backtest found."""
        return self._parts["choice"]  # type: ignore[return-value]

    @property
    def produced(self) -> Produced:
        """What forecast made."""
        return self._parts["produced"]  # type: ignore[return-value]

    def keep(self, name: str, part: object) -> None:
        """Hand a result on."""
        self._parts[name] = part


def clean(work: Work) -> int:
    """Raw tables -> panel, cleaning, products_view, quarantine_summary."""
    from windvane.clean import build

    cleaned = build(work.run.read, work.run.config, work.run.as_of, now=work.run.created)
    if not cleaned.panel.shape[0]:
        raise InputError(
            "the orders hold no series to forecast.",
            "Ingest orders first (windvane ingest), or relax clean.min_active_periods.",
            table="orders",
        )
    work.keep("cleaned", cleaned)
    panel = pl.concat(list(cleaned.frames()))
    work.run.write("panel", panel)
    work.run.write("cleaning", cleaned.cleaning)
    work.run.write("products_view", cleaned.products)
    aside = work.run.read("quarantine").group_by("table", "rule", "reason").agg(pl.len().cast(pl.Int64).alias("count"))
    work.run.write("quarantine_summary", aside.sort("count", "rule", descending=[True, False]).collect())
    return panel.height


def backtest(work: Work) -> int:
    """Panel -> scores, leaderboard."""
    from windvane.clean.known_then import KnownThen, worth_it
    from windvane.decisions.costs import terms
    from windvane.outlook.produce import backtest as replay

    config, panel = work.run.config, work.cleaned.panel
    panel_at = None
    if config.backtest.known_then and worth_it(work.cleaned, config.clean.freq):
        panel_at = KnownThen(work.run.read, config, panel, work.run.created)
    priced = terms(panel, work.run.read, config.decide, work.run.as_of)
    choice = replay(panel, config.backtest, config.forecast, panel_at, work.progress, priced)
    work.keep("choice", choice)
    scores = choice.board.scores_frame()
    work.run.write("scores", scores)
    work.run.write("leaderboard", choice.board.leaderboard(choice.chosen, config.backtest.bootstrap))
    return scores.height


def forecast(work: Work) -> int:
    """Panel and champions -> forecasts, series, totals, trends, fitted models; planners' words -> overridden."""
    from windvane.outlook.produce import produce
    from windvane.outlook.totals import totals
    from windvane.outlook.trends import trends
    from windvane.plans.overrides import apply

    panel = work.cleaned.panel
    produced = produce(panel, work.choice, work.run.config.forecast, work.progress)
    published, overridden = apply(produced.forecast, panel, work.run.read, work.run.as_of)
    produced = replace(produced, forecast=published)
    work.run.write("overridden", overridden)
    work.keep("produced", produced)
    frame = produced.forecast.frame()
    work.run.write("forecasts", frame)
    work.run.write(
        "series",
        panel.keys.with_columns(pl.Series("segment", produced.segment), pl.Series("model", produced.model)),
    )
    work.run.write("totals", totals(panel, produced.forecast, work.run.config.forecast.paths))
    work.run.write("trends", trends(work.cleaned.wanted, produced.forecast, work.cleaned.revenue))
    for name, fitted in produced.fitted.items():
        fitted.save(work.run.folder / "models" / name)
    return frame.height


def decide(work: Work) -> int:
    """Paths, stock, costs, lead times -> reorder; answers to prices -> price_plan, promotion_plan, if asked for."""
    from windvane.decisions.inventory import propose

    config, read, as_of = work.run.config, work.run.read, work.run.as_of
    forecast, panel = work.produced.forecast, work.cleaned.panel
    plan = propose(forecast, work.cleaned.wanted, read, config, config.shop.language, as_of)
    work.run.write("reorder", plan)
    if not (config.pricing.propose or config.promotions.propose):
        return plan.height
    from windvane.decisions.pricing.rivals import market_prices
    from windvane.decisions.pricing.shop import answers, price_plan
    from windvane.decisions.promotions.shop import promotion_plan

    response, rows = answers(panel, config), plan.height
    if config.pricing.propose:
        prices = price_plan(forecast, panel, read, config, as_of=as_of, response=response)
        work.run.write("price_plan", prices)
        rivals = market_prices(forecast, read, config, as_of)
        work.run.write("market_prices", rivals)
        rows += prices.height + rivals.height
    if config.promotions.propose:
        promotions, past = promotion_plan(forecast, panel, read, config, plan, response, as_of)
        work.run.write("past_promotions", past)
        work.run.write("promotion_plan", promotions)
        rows += promotions.height + past.height
    return rows


def monitor(work: Work) -> int:
    """The previous run's forecast against what came -> accuracy; freshness and jumps join the findings."""
    from windvane.monitor.accuracy import accuracy
    from windvane.monitor.data_health import data_health

    previous = _previous(work)
    if previous is not None and "forecasts" in previous.tables:
        work.run.write("accuracy", accuracy(previous.read("forecasts"), previous.id, work.cleaned.panel))
    findings = pl.concat([work.cleaned.findings, data_health(work.run.read, work.cleaned.closed, work.run.as_of)])
    work.run.write("findings", findings)
    return findings.height


def _previous(work: Work) -> Run | None:
    """The run whose forecast this one judges: the latest, or for a look back the one that reached furthest before it.

    A run of today has seen what a look back must not know: its forecast was not there to be judged by then.
    """
    runs, as_of = work.workspace.runs, work.run.as_of
    if as_of is None and work.run.recorded_by is None:
        try:
            return runs.latest()
        except NoRunError:
            return None
    limit = min(day for day in (as_of, work.run.recorded_by and work.run.recorded_by.date()) if day)
    before = sorted((run for run in runs.list() if run.sees_until < limit), key=lambda run: run.sees_until)
    return before[-1] if before else None


STAGES: Mapping[str, Callable[[Work], int]] = {
    "clean": clean,
    "backtest": backtest,
    "forecast": forecast,
    "decide": decide,
    "monitor": monitor,
}
"""Stages of a run in running order; each returns the rows it wrote."""


def run(
    workspace: Workspace,
    as_of: Date | None = None,
    progress: Progress = SILENT,
    recorded_by: datetime | None = None,
) -> Run:
    """Pass all stages and publish.

    Args:
        workspace: the shop.
        as_of: see only what was known at the end of this day, which counts as over: its orders are all in. A run
            with ``as_of`` or ``recorded_by`` looks back, and does not replace the latest
            (:meth:`windvane.store.Runs.latest`).
        progress: told of what is going on.
        recorded_by: read the tables as they stood at this moment, whatever was ingested later.

    Returns:
        The published run.

    Raises:
        WindvaneError: nothing was published, the previous run stands.

    Example:
        >>> from windvane import Workspace, run
        >>> published = run(Workspace.open("shop"))  # doctest: +SKIP
        >>> published.read("reorder")  # doctest: +SKIP
    """
    with workspace.runs.start(as_of, recorded_by) as writer:
        work = Work(workspace, writer, progress)
        with progress.task("run", len(STAGES)) as task:
            for name, stage in STAGES.items():
                task.describe(name)
                with writer.stage(name) as meter:
                    meter.rows = stage(work)
                task.advance()
        return writer.publish()
