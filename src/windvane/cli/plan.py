"""``windvane plan list|approve|edit|decline|export|score``: what becomes of what a run proposes."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windvane.cli.app import AsJson, Folder, ListFirst, app, emit, say, show_frame, workspace_at

if TYPE_CHECKING:
    import polars as pl

group = typer.Typer(cls=ListFirst)
app.add_typer(group, name="plan")

Who = Annotated[str | None, typer.Option("--who", help="Planner; default the user who is logged in.")]
Why = Annotated[str, typer.Option("--why", help="Reason; it is kept, and scored later.")]
Where = Annotated[str | None, typer.Option("--location", "-l", help="Where, if sold at several.")]
Which = Annotated[str, typer.Option("--plan", help="Which plan: reorder, price_plan or promotion_plan.")]
_SHOWN = (
    "rank",
    "supplier",
    "sku",
    "location",
    "price_now",
    "kind",
    "starts_on",
    "ends_on",
    "gain",
    "proposed",
    "new",
    "state",
    "who",
    "note",
)
_TITLES = {"reorder": "Lines to order", "price_plan": "Prices to change", "promotion_plan": "Promotions to run"}


def planner(who: str | None) -> str:
    """Who acts: as named, or the user who is logged in; nobody where the machine does not know."""
    try:
        return who if who is not None else getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


@group.callback()
def plan() -> None:
    """Approve, change, decline and export orders, prices or promotions of the latest run; see how changes fared."""


@group.command("list")
def list_lines(
    state: Annotated[
        str | None, typer.Option(help="Only lines proposed, approved, edited, declined or exported.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="How many lines to show.")] = 20,
    plan: Which = "reorder",
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Show the lines of a plan and what has become of them, most money at stake first."""
    import polars as pl

    from windvane.plans.lines import PLANS, left_behind, lines

    opened = workspace_at(workspace)
    found = lines(opened, plan)
    found = found.filter(PLANS[plan].acts | (pl.col("state") != "proposed"))
    counts = dict(found.group_by("state").len().sort("state").iter_rows())
    orders = plan == "reorder"
    value = float((found["new"] * found["unit_cost"].fill_null(0.0) if orders else found["gain"]).sum())
    chosen = found if state is None else found.filter(pl.col("state") == state)
    behind = left_behind(opened, plan)
    if as_json:
        emit({"states": counts, "value": value, "lines": chosen.head(rows).to_dicts(), "left_behind": behind.height})
        return
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing to do"
    say(f"{told}; {value:,.0f} of money {'in all' if orders else 'to gain by what is proposed'}.")
    if chosen.height and rows:
        show_frame(_short(chosen.head(rows)), f"{_TITLES[plan]}: {chosen.height:,}")
    if behind.height:
        names = ", ".join(behind["sku"].unique(maintain_order=True).head(5))
        say(f"[yellow]![/] {behind.height} approved or changed lines of earlier runs were never exported: {names}.")


@group.command()
def approve(
    skus: Annotated[list[str] | None, typer.Argument(help="Products; with --all none.")] = None,
    location: Where = None,
    every: Annotated[bool, typer.Option("--all", help="All lines that are still proposed.")] = False,
    who: Who = None,
    plan: Which = "reorder",
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Approve lines as they stand."""
    from windvane.plans.lines import approve as do

    if bool(skus) == every:
        raise typer.BadParameter("name products, or --all.")
    chosen = None if every else [(sku, location) for sku in skus or ()]
    _told(do(workspace_at(workspace), planner(who), chosen, plan), "approved", plan, as_json)


@group.command()
def edit(
    sku: Annotated[str, typer.Argument(help="Product.")],
    value: Annotated[float, typer.Argument(help="Units to order, price to ask, or share of the price to cut.")],
    why: Why,
    location: Where = None,
    who: Who = None,
    force: Annotated[bool, typer.Option("--force", help="Whatever terms or rules say.")] = False,
    plan: Which = "reorder",
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Change the units, the price or the price cut of a line; it then counts as approved."""
    from windvane.plans.lines import edit as do

    _told(
        do(workspace_at(workspace), (sku, location), value, (planner(who), why), force, plan), "edited", plan, as_json
    )


@group.command()
def decline(
    skus: Annotated[list[str], typer.Argument(help="Products.")],
    why: Why,
    location: Where = None,
    who: Who = None,
    plan: Which = "reorder",
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Decline lines: nothing is ordered, the price stays, no promotion runs."""
    from windvane.plans.lines import decline as do

    chosen = [(sku, location) for sku in skus]
    _told(do(workspace_at(workspace), planner(who), why, chosen, plan), "declined", plan, as_json)


@group.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write: .csv or .xlsx.")],
    who: Who = None,
    plan: Which = "reorder",
    workspace: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Write approved and changed lines to a file for suppliers or colleagues; each leaves once."""
    from windvane.plans.lines import export as do

    out = do(workspace_at(workspace), file, planner(who), plan)
    value = float(out["value"].fill_null(0.0).sum()) if "value" in out.columns else None
    if as_json:
        emit({"file": str(file), "lines": out.height, "value": value})
    else:
        money = f", {value:,.0f} of money, {out['supplier'].n_unique()} suppliers" if value is not None else ""
        say(f"[green]✓[/] {file}: {out.height:,} lines{money}")


@group.command()
def score(workspace: Folder = Path("."), as_json: AsJson = False) -> None:
    """Show what changed and declined orders have cost or saved, once the days they had to last are over."""
    from windvane.plans.score import score_orders

    rows = score_orders(workspace_at(workspace))
    saved = float(rows["saved"].fill_null(0.0).sum())
    if as_json:
        emit({"saved": saved, "lines": rows.to_dicts()})
    elif rows.height:
        show_frame(rows.drop("run"), f"Changed orders: {saved:+,.2f} of money saved")
    else:
        say("No changed order can be judged yet: its days must be over.")


def _short(rows: pl.DataFrame) -> pl.DataFrame:
    """What fits a terminal: columns that the plan has and that say something, money and units to the cent."""
    import polars.selectors as cs

    there = [name for name in _SHOWN if name in rows.columns and rows[name].null_count() < rows.height]
    if (rows["location"] == "all").all():
        there.remove("location")
    return rows.select(there).with_columns(cs.float().round(2))


def _told(rows: pl.DataFrame, what: str, plan: str, as_json: bool) -> None:
    if as_json:
        units = {"units": float(rows["new"].sum())} if plan == "reorder" else {}
        emit({"lines": rows.height, "state": what} | units)
    else:
        say(f"[green]✓[/] {rows.height:,} line{'s' if rows.height != 1 else ''} {what}")
