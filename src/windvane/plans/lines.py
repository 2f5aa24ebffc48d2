"""Lines of a run's plan and what planners make of them: approved, changed, declined, exported.

What a run proposed never changes; what becomes of it stands in the table ``plan_log``, one row per word of a planner.
A line that was exported has left the house: it cannot be changed any more, and a later run counts it as on its way
until the stock is counted again (:mod:`windvane.decisions.inventory`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from windvane.clock import CLOCK
from windvane.errors import InputError
from windvane.plans.overrides import first_day
from windvane.report.export import write_frame
from windvane.schema import DERIVED
from windvane.store import Run, Workspace
from windvane.store.disk import locked

KEY = ["sku", "location"]
_TINY = 1e-6


@dataclass(frozen=True)
class Plan:
    """What a kind of plan is made of.

    Attributes:
        value: column with what is proposed.
        acts: which lines bring something about, as they stand.
        out: columns of an exported file, ``new`` among them.
        shown: what columns are called there, where otherwise.
        check: raises if a planner's value breaks the rules of its line.
        declined: what stands where a line is declined.
        most: a planner's value lies below this.
    """

    value: str
    acts: pl.Expr
    out: tuple[str, ...]
    shown: Mapping[str, str]
    check: Callable[[dict[str, float], float], None]
    declined: pl.Expr
    most: float = float("inf")


def _terms(line: dict[str, float], value: float) -> None:
    """Raise if a supplier would not take an order of so many units."""
    if value <= _TINY:
        return
    packs = value / line["pack"]
    broken = [
        (abs(packs - round(packs)) > _TINY, f"comes in packs of {line['pack']:g}"),
        (value < line["moq"] - _TINY, f"has a smallest order of {line['moq']:g}"),
        (line["capacity"] is not None and value > (line["capacity"] or 0) + _TINY, f"is limited to {line['capacity']}"),
    ]
    said = [text for broke, text in broken if broke]
    if said:
        raise InputError(
            f"{value:g} units of {line['sku']} cannot be ordered: it {' and '.join(said)}.",
            "Order an amount that fits, or use --force.",
            column="new",
        )


def _bounds(line: dict[str, float], value: float) -> None:
    """Raise if a price breaks a rule of the shop."""
    broken = [
        (line["unit_cost"], -1, "its unit cost is {:.2f}"),
        (line["lowest"], -1, "the lowest price allowed is {:.2f}"),
        (line["highest"], 1, "the highest price allowed is {:.2f}"),
    ]
    said = [text.format(at) for at, side, text in broken if at is not None and side * (value - at) > _TINY]
    if said:
        raise InputError(
            f"{value:.2f} is no price for {line['sku']}: {' and '.join(said)}.",
            "Ask a price that fits, change the rules ([pricing] in windvane.toml), or use --force.",
            column="new",
        )


def _depth(line: dict[str, float], value: float) -> None:
    """Raise if a promotion's price breaks a rule of the shop."""
    price = line["price_now"] * (1 - value)
    if line["lowest"] is not None and price < line["lowest"] - _TINY:
        raise InputError(
            f"{value:.0%} off is too much for {line['sku']}: it would sell at {price:.2f}, the lowest price allowed is "
            f"{line['lowest']:.2f}.",
            "Cut the price less, change the rules ([pricing] in windvane.toml), or use --force.",
            column="new",
        )


PLANS: Mapping[str, Plan] = {
    "reorder": Plan(
        value="order_now",
        acts=pl.col("new") > _TINY,
        out=("supplier", "sku", "location", "new", "unit_cost", "value", "proposed", "state", "who", "why"),
        shown={"new": "units"},
        check=_terms,
        declined=pl.lit(0.0),
    ),
    "price_plan": Plan(
        value="price",
        acts=(pl.col("new") - pl.col("price_now")).abs() > _TINY,
        out=("sku", "location", "price_now", "new", "proposed", "state", "who", "why"),
        shown={"new": "price"},
        check=_bounds,
        declined=pl.col("price_now"),
    ),
    "promotion_plan": Plan(
        value="depth",
        acts=pl.col("promotion").is_not_null() & (pl.col("state") != "declined"),
        out=(
            *("promotion", "sku", "location", "starts_on", "ends_on", "kind", "new", "placement", "cost"),
            "changed_at",
        ),
        # As the table promotions has it, so that the file can be ingested as it is.
        shown={"new": "depth", "cost": "budget", "changed_at": "known_at"},
        check=_depth,
        declined=pl.lit(0.0),
        most=1.0,
    ),
}
"""Plans by the table of a run that holds them."""


def lines(workspace: Workspace, plan: str = "reorder", run: Run | None = None) -> pl.DataFrame:
    """The lines of a plan with what has become of them.

    Args:
        workspace: the shop.
        plan: its name.
        run: whose plan; the latest run's where absent.

    Returns:
        The run's table with proposed (what the run proposed), new (what stands now), state (proposed, approved, edited,
        declined, exported), who, note (the planner's reason) and changed_at.

    Raises:
        InputError: there is no such plan.
    """
    run = run or workspace.runs.latest()
    column = _kind(plan).value
    if plan not in run.tables:
        raise InputError(
            f"run {run.id} has no {plan}.", "Ask for it in windvane.toml: propose = true, in [pricing] or [promotions]."
        )
    log = workspace.tables.read("plan_log").filter((pl.col("run") == run.id) & (pl.col("plan") == plan)).collect()
    log = log.select(*KEY, "state", pl.col("new").alias("__new"), "who", pl.col("why").alias("note"), "known_at")
    rows = run.read(plan).join(log, on=KEY, how="left", maintain_order="left")
    return rows.with_columns(
        pl.col(column).alias("proposed"),
        pl.coalesce("__new", column).alias("new"),
        pl.col("state").fill_null("proposed"),
    ).rename({"known_at": "changed_at"}).drop("__new")  # fmt: skip


def approve(
    workspace: Workspace, who: str, chosen: Sequence[tuple[str, str | None]] | None = None, plan: str = "reorder"
) -> pl.DataFrame:
    """Approve lines as they stand; what was changed before stays changed.

    Args:
        workspace: the shop.
        who: planner.
        chosen: sku and location (None = all of them) of the lines; all that are proposed and not 0 where absent.
        plan: its name.

    Returns:
        The lines approved.

    Raises:
        InputError: a line is not there, or was exported.
    """
    with _alone(workspace):
        rows = _picked(workspace, plan, chosen)
        if chosen is None:
            rows = rows.filter((pl.col("state") == "proposed") & _kind(plan).acts)
        return _log(workspace, plan, rows, "approved", who)


def decline(
    workspace: Workspace, who: str, why: str, chosen: Sequence[tuple[str, str | None]], plan: str = "reorder"
) -> pl.DataFrame:
    """Decline lines: nothing is ordered, today's price stays, no promotion runs; see :func:`approve`."""
    _reason(why)
    with _alone(workspace):
        rows = _picked(workspace, plan, chosen).with_columns(_kind(plan).declined.alias("new"))
        return _log(workspace, plan, rows, "declined", who, why)


def edit(
    workspace: Workspace,
    series: tuple[str, str | None],
    value: float,
    said: tuple[str, str],
    force: bool = False,
    plan: str = "reorder",
) -> pl.DataFrame:
    """Change a line; the change counts as approved.

    Args:
        workspace: the shop.
        series: sku, and location where the product has several lines.
        value: units to order, price to ask, or share of the price to cut.
        said: who, and why.
        force: whatever the supplier's terms, or the rules on prices, say.
        plan: its name.

    Returns:
        The line.

    Raises:
        InputError: no such line, it was exported, no reason, or the value breaks terms or rules; names them.
    """
    who, why = said
    _reason(why)
    with _alone(workspace):
        rows = _picked(workspace, plan, [series])
        if rows.height != 1:
            places = ", ".join(rows["location"])
            raise InputError(f"{series[0]} has {rows.height} lines.", f"Name a location: {places}.", column="location")
        kind = _kind(plan)
        if not 0 <= value < kind.most:
            below = f" to below {kind.most:g}" if kind.most < float("inf") else ""
            raise InputError(
                f"{value} cannot be the {kind.shown['new']}.", f"Give a number from 0{below}.", column="new"
            )
        if not force:
            kind.check(rows.row(0, named=True), value)
        return _log(workspace, plan, rows.with_columns(pl.lit(float(value)).alias("new")), "edited", who, why)


def export(workspace: Workspace, path: str | Path, who: str, plan: str = "reorder") -> pl.DataFrame:
    """Write approved and changed lines to a file for the suppliers, and mark them as exported: each leaves once.

    Args:
        workspace: the shop.
        path: ``.csv`` (UTF-8 with a mark, so that spreadsheets read it) or ``.xlsx``.
        who: planner.
        plan: its name.

    Returns:
        The lines written, with new (units, prices or depths), proposed, state, who, why, and for orders value (money).

    Raises:
        InputError: no line is approved, or the file's name says neither format.
        StoreError: the file cannot be written; no line is marked then.
    """
    target = Path(path)
    if target.suffix.lower() not in (".csv", ".xlsx"):
        raise InputError(f"{target.name} ends neither in .csv nor in .xlsx.", "Choose one of the two.")
    if target.exists():
        raise InputError(f"{target} is there already.", "Choose another name: an order is sent once.")
    with _alone(workspace):
        rows = lines(workspace, plan)
        rows = rows.filter(pl.col("state").is_in(["approved", "edited"]) & _kind(plan).acts)
        if not rows.height:
            raise InputError("no line is approved or changed.", "First: windvane plan approve", table=plan)
        out = rows.with_columns((pl.col("new") * pl.col("unit_cost")).alias("value"), pl.col("note").alias("why"))
        out = out.select(_kind(plan).out).sort([n for n in ("supplier", *KEY) if n in _kind(plan).out], nulls_last=True)
        # The file first: what is marked as exported must be there to be sent.
        write_frame(out.rename(_kind(plan).shown), target, plan)
        try:
            _log(workspace, plan, rows, "exported", who, None, target.name)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return out


def left_behind(workspace: Workspace, plan: str = "reorder") -> pl.DataFrame:
    """Lines of earlier runs that were approved or changed and never exported: newer plans stand in their place."""
    latest = workspace.runs.latest().id
    log = workspace.tables.read("plan_log").filter((pl.col("plan") == plan) & (pl.col("run") < latest)).collect()
    return log.filter(pl.col("state").is_in(["approved", "edited"])).sort("run", *KEY)


def _kind(plan: str) -> Plan:
    if plan not in PLANS:
        raise InputError(f"there is no plan {plan!r}.", f"Plans: {', '.join(PLANS)}.")
    return PLANS[plan]


def _picked(workspace: Workspace, plan: str, chosen: Sequence[tuple[str, str | None]] | None) -> pl.DataFrame:
    rows = lines(workspace, plan)
    if chosen is None:
        return rows
    found = []
    for sku, location in chosen:
        here = rows.filter((pl.col("sku") == sku) & (pl.col("location") == (location or pl.col("location"))))
        if not here.height:
            where = f" at {location}" if location else ""
            raise InputError(f"the plan has no line of {sku}{where}.", "See: windvane plan list", table=plan)
        found.append(here)
    out = pl.concat(found).unique(KEY, maintain_order=True)
    nothing = out.filter(pl.col("proposed").is_null())
    if nothing.height:
        raise InputError(
            f"nothing is proposed for {nothing['sku'][0]}: {nothing['why'][0]}", "See: windvane plan list", table=plan
        )
    gone = out.filter(pl.col("state") == "exported")
    if gone.height:
        line = gone.row(0, named=True)
        raise InputError(
            f"the line of {line['sku']} at {line['location']} was exported by {line['who']} on "
            f"{line['changed_at']:%Y-%m-%d %H:%M}.",
            "It may have been ordered: agree the change with the supplier, and enter it where orders are kept.",
            table=plan,
        )
    return out


def _log(
    workspace: Workspace,
    plan: str,
    rows: pl.DataFrame,
    state: str,
    who: str,
    why: str | None = None,
    file: str | None = None,
) -> pl.DataFrame:
    """Append one row per line; returns the lines."""
    if not who.strip():
        raise InputError("a plan is changed by somebody.", "Give --who.", column="who")
    if not rows.height:
        return rows
    now, run = CLOCK.now().replace(tzinfo=None), workspace.runs.latest()
    orders, runs = plan == "reorder", plan == "promotion_plan"
    length = (pl.col("ends_on") - pl.col("starts_on")).dt.total_days() + 1.0 if runs else pl.lit(None, pl.Float64)
    frame = rows.select(
        pl.lit(run.id).alias("run"),
        pl.lit(plan).alias("plan"),
        *KEY,
        pl.lit(state).alias("state"),
        pl.col("proposed").alias("old"),
        "new",
        pl.lit(who).alias("who"),
        (pl.col("note") if why is None else pl.lit(why)).cast(pl.String).alias("why"),
        pl.lit(file, pl.String).alias("file"),
        (pl.col("on_hand") + pl.col("on_order") if orders else pl.lit(None, pl.Float64)).alias("stock"),
        (pl.col("starts_on") if runs else pl.lit(first_day(run))).alias("starts_on"),
        (pl.col("lead_time") + pl.col("review") if orders else length).alias("days"),
        (pl.col("unit_margin") if orders else pl.lit(None, pl.Float64)).alias("unit_margin"),
        "unit_cost",
        pl.lit(now, pl.Datetime("us")).alias("known_at"),
    )
    frame = frame.cast(dict(DERIVED["plan_log"].types))  # type: ignore[arg-type]
    batch = f"plan-{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
    workspace.tables.append("plan_log", frame, batch)
    return rows.with_columns(pl.lit(state).alias("state"), pl.lit(who).alias("who"))


def _reason(why: str) -> None:
    if not why.strip():
        raise InputError("a change needs a reason.", "Give --why: it is read and scored later.", column="why")


def _alone(workspace: Workspace) -> AbstractContextManager[None]:
    """Nobody else changes lines meanwhile: no line may leave twice."""
    return locked(workspace.folder / "tables" / ".plans", "the plans")
