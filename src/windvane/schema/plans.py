"""Tables of a run that say what to do, and what planners said before."""

from __future__ import annotations

from windvane.schema.columns import DAY, LOCATION, REAL, SKU, TEXT, WHOLE, YESNO, Column, Table, key

PLANNED: tuple[Table, ...] = (
    Table(
        "reorder",
        "What to reorder, most money at stake first.",
        ("sku", "location"),
        (
            SKU,
            LOCATION,
            Column("supplier", TEXT, "supplier, if known"),
            Column("order_now", REAL, "units to order today; 0 = nothing", "units", False),
            Column("on_hand", REAL, "units on hand that the plan starts from", "units", False),
            Column("on_order", REAL, "units already on order", "units", False),
            Column("lead_time", REAL, "days from order to receipt", "days", False),
            Column("review", REAL, "days until the next chance to order", "days", False),
            Column("days_of_supply", REAL, "days until the expected demand has used up the stock", "days"),
            Column(
                "stockout_risk",
                REAL,
                "probability of running out before an order of today arrives",
                "share",
            ),
            Column(
                "risk_if_skipped",
                REAL,
                "probability of running out before the order after that arrives, if nothing is ordered today",
                "share",
            ),
            Column("demand_lead", REAL, "expected demand until arrival", "units", False),
            Column("demand_cover", REAL, "expected demand until the next order's arrival", "units", False),
            Column("target", REAL, "stock level that the order fills up to", "units", False),
            Column("service", REAL, "probability of not running out that the target aims at", "share", False),
            Column("unit_margin", REAL, "margin lost per unit not sold", "money"),
            Column("unit_cost", REAL, "cost of one unit", "money"),
            Column("pack", REAL, "orders are multiples of this", "units", False),
            Column("moq", REAL, "smallest order", "units", False),
            Column("capacity", REAL, "largest order; empty = none", "units"),
            Column("order_value", REAL, "order_now x unit_cost", "money"),
            Column("money_at_stake", REAL, "expected margin lost if nothing is ordered today", "money", False),
            Column(
                "assumed",
                TEXT,
                "what was assumed, comma separated: stock, lead_time, unit_cost, price, pack; exported = orders "
                "that were exported after the stock was counted are taken to be on their way",
            ),
            Column("why", TEXT, "one sentence with its numbers, in the shop's language", nullable=False),
            Column("rank", WHOLE, "rank by money_at_stake, from 1", nullable=False),
        ),
    ),
    Table(
        "price_plan",
        "Prices proposed, the same for every customer and location; most money to gain first.",
        ("sku", "location"),
        (
            SKU,
            key("location", "'all': a price holds everywhere"),
            Column("price_now", REAL, "today's price", "money", False),
            Column("price", REAL, "price proposed; today's where nothing is to be gained or allowed", "money", False),
            Column("elasticity", REAL, "by how many per cent demand changes if the price rises by 1 %"),
            Column("elasticity_low", REAL, "lower end of its 80 % interval"),
            Column("elasticity_high", REAL, "upper end of its 80 % interval"),
            Column("varied", YESNO, "whether its price ever varied enough to tell; else it is that of the others"),
            Column("units", REAL, "expected demand over the horizon at today's plan", "units", False),
            Column("new_units", REAL, "the same at the prices proposed", "units", False),
            Column("earned", REAL, "expected profit (or revenue) over the horizon at today's plan", "money", False),
            Column("new_earned", REAL, "the same at the prices proposed", "money", False),
            Column("gain", REAL, "new_earned less earned", "money", False),
            Column("lowest", REAL, "lowest price allowed", "money"),
            Column("highest", REAL, "highest price allowed", "money"),
            Column("bound", TEXT, "rule that the price stands at; empty = none"),
            Column("conflict", TEXT, "rules that contradict one another; the price then stays"),
            Column("unit_cost", REAL, "cost of one unit; empty = unknown, and the price stays", "money"),
            Column("why", TEXT, "one sentence with its numbers, in the shop's language", nullable=False),
            Column("rank", WHOLE, "rank by gain, from 1", nullable=False),
        ),
    ),
    Table(
        "overridden",
        "Where a planner's word stands in place of the model's forecast in this run.",
        ("sku", "location", "starts_on", "ends_on"),
        (
            SKU,
            LOCATION,
            key("starts_on", "first period of the forecast concerned", DAY),
            key("ends_on", "last period of the forecast concerned", DAY),
            Column("old", REAL, "expected demand by the model", "units", False),
            Column("new", REAL, "expected demand as published", "units", False),
            Column("who", TEXT, "planner", nullable=False),
            Column("why", TEXT, "reason", nullable=False),
        ),
    ),
)
"""Parquet files in the folder of a run."""
