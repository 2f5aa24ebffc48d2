"""The rules on single order lines, in their order: each sees what the ones before it left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from windvane.clean import bulk, duplicates, fakes, presale, returns
from windvane.clean.lines import Ruled, gone, without
from windvane.config import Clean

_LONGEST = 200
"""Mean lines per number beyond which numbers are no orders (a shop may number its series or days)."""
_LOOKED_AT = 100_000


@dataclass(frozen=True, eq=False)
class Lines:
    """Order lines and what is known of them as a whole.

    Attributes:
        orders: order lines as far as they may be seen.
        cells: their sums, from :func:`windvane.clean.lines.cells`.
        promotions: table promotions as far as it may be seen.
    """

    orders: pl.LazyFrame
    cells: pl.DataFrame
    promotions: pl.DataFrame

    @cached_property
    def numbered(self) -> bool:
        """Whether order numbers number orders."""
        some = self.orders.select("order_id").head(_LOOKED_AT).collect()
        return 0 < some.height <= _LONGEST * some["order_id"].n_unique()

    @cached_property
    def by_order(self) -> pl.DataFrame:
        """The orders (:func:`windvane.clean.duplicates.by_order`), summed once for all rules."""
        return duplicates.by_order(self.orders)


def rules(given: Lines, settings: Clean) -> list[Ruled]:
    """Apply the rules that the settings ask for.

    Args:
        given: the order lines.
        settings: the block clean.

    Returns:
        What each rule found; their moves adjust the sums (:func:`windvane.clean.lines.adjusted`).
    """
    net = settings.returns != "drop"
    done: list[Ruled] = []
    orders = given.orders
    if settings.duplicates != "keep" and given.numbered:
        done.append(duplicates.twice(orders, given.by_order, net, settings.duplicates == "drop"))
    if int(given.cells["presale deposit"].sum()):
        booked, moved = presale.booked(without(given.orders, done), settings.presale_days, net)
        done.append(booked)
        orders = presale.at_deposit(orders, moved)
    if settings.fakes != "keep" and given.numbered and fakes.can_tell(given.cells):
        seen = fakes.Seen(
            without(orders, done), given.cells, without(given.by_order.lazy(), done, "order_id").collect()
        )
        done.append(fakes.suspected(seen, given.promotions, net, settings.fakes == "drop"))
    if settings.bulk != "keep":
        done.append(bulk.lines(without(orders, done), given.cells, net, settings.bulk))
    if settings.returns == "sale_date":
        done.append(returns.to_sale_date(orders, gone(done)))
    return [replace(rule, net=net) for rule in done]


def revised(orders: pl.LazyFrame, done: list[Ruled]) -> int:
    """Number of lines that change the sums of a day before the one on which they became known.

    Args:
        orders: order lines as far as they may be seen.
        done: what the rules found.
    """
    late = orders.select((pl.col("known_at").dt.date() > pl.col("ordered_at").dt.date()).sum()).collect().item()
    found = {rule.rule: rule for rule in done}
    moved = found[returns.RULE].lines if returns.RULE in found else 0
    # A deposit counts at once, whether paid later or not: only one that lapsed is taken back, and moves nothing.
    lapsed = found[presale.RULE].moves.filter(pl.col("sold") == 0).height if presale.RULE in found else 0
    return int(late or 0) + moved + lapsed
