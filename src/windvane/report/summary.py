"""A run in a few lines of text: money at stake, what turns, what to reorder."""

from __future__ import annotations

import polars as pl

from windvane.report.facts import RunLike
from windvane.report.numbers import Shown, show


def lines(run: RunLike, count: int = 3) -> list[str]:
    """What a planner wants to know first, one line each (rich markup).

    Args:
        run: a published run.
        count: how many products to name per line.
    """
    from rich.markup import escape

    money = escape(run.manifest["config"]["shop"]["currency"])
    titles = dict(run.read("products_view").select("sku", "title").iter_rows())

    def name(sku: str) -> str:
        text = titles.get(sku) or ""
        return escape(f"{text} ({sku})" if text else sku)

    out = []
    plan = run.read("reorder")
    due = plan.filter(pl.col("order_now") > 0)
    stake = float(due["money_at_stake"].sum())
    out.append(
        f"[bold]To reorder:[/] {due.height:,} of {plan.height:,} lines, worth {float(due['order_value'].sum()):,.0f} "
        f"{money}; {stake:,.0f} {money} of margin at stake if nothing is ordered"
    )
    out += [
        f"  order {row['order_now']:,.0f} × {name(row['sku'])}: {row['money_at_stake']:,.2f} {money} at stake"
        for row in due.sort("rank").head(count).iter_rows(named=True)
    ]
    if plan.height and plan["assumed"].fill_null("").str.contains("stock").all():
        out.append("  [yellow]No stock table: stock is assumed, so quantities are an illustration.[/]")
    trends = run.read("trends").filter(pl.col("level") == "series").sort("rank")
    for direction in ("rising", "falling"):
        these = trends.filter(pl.col("trend") == direction)
        first = ", ".join(
            f"{name(r['sku'])} {show(Shown('growth', r['growth']), 'en')}"
            for r in these.head(count).iter_rows(named=True)
        )
        out.append(f"[bold]{direction.capitalize()}:[/] {these.height:,}" + (f" — {first}" if first else ""))
    board = run.read("leaderboard").filter((pl.col("segment") == "all") & (pl.col("model") == "champion"))
    if board.height:
        row = board.row(0, named=True)
        if row["gain"] is not None:
            verdict = f"{abs(row['gain']):.1%} {'less' if row['gain'] >= 0 else 'more'} quantile loss than"
            if row["gain_low"] <= 0 <= row["gain_high"]:
                verdict = "no clear difference in quantile loss from"
            out.append(
                f"[bold]Forecast:[/] {verdict} the best simple baseline on held-out folds "
                f"(95 % interval of the gain {row['gain_low']:+.1%} to {row['gain_high']:+.1%})"
            )
    return out
