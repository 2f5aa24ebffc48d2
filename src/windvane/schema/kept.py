"""Tables of the workspace itself: what was refused, erased, said by planners, and done by whom."""

from __future__ import annotations

from windvane.schema.columns import DAY, KNOWN_AT, LOCATION, MOMENT, REAL, SKU, TEXT, WHOLE, Column, Table, key

PLAN_STATES = ("approved", "edited", "declined", "exported")
"""What a planner may have made of a line of a plan; without a word of theirs it is proposed."""

QUARANTINE_STATES = ("open", "fixed", "retrying", "retried", "dismissed")

KEPT: tuple[Table, ...] = (
    Table(
        "quarantine",
        "A row that was refused or set aside at ingest, with the reason (kept in the workspace, not in a run).",
        ("batch", "table", "line", "column"),
        (
            key("batch", "identifier of the ingested file"),
            key("table", "table the row was meant for"),
            Column("file", TEXT, "file it came from", nullable=False),
            key("line", "line in the file (1-based, header included) or row in a table file", WHOLE),
            key("column", "column at fault; empty where the row as a whole is"),
            Column("value", TEXT, "value at fault, as text"),
            Column("reason", TEXT, "why it was refused", nullable=False),
            Column("rule", TEXT, "name of the rule that refused it", nullable=False),
            Column("row", TEXT, "the whole source row as a JSON object", nullable=False),
            Column("at", MOMENT, "moment of the refusal", nullable=False),
            Column("status", TEXT, "what has become of it; empty = open", allowed=QUARANTINE_STATES),
            Column("block", TEXT, "fingerprint of the mapping block that read it; see mappings/"),
            Column("hidden", TEXT, "source columns that hold pseudonyms, as a JSON list"),
            Column("numbers", TEXT, "running numbers that the row had in its file, as a JSON object"),
            Column("retry", TEXT, "batch that took it into its table"),
        ),
    ),
    Table(
        "erasures",
        "What was erased for good, when and where; never whose it was (kept in the workspace, not in a run).",
        ("erasure", "table"),
        (
            key("erasure", "identifier of the erasure"),
            key("table", "table, or 'runs' (tables of published runs), or 'files' (reports and exports)"),
            Column("at", MOMENT, "moment of the erasure", nullable=False),
            Column("kind", TEXT, "why", nullable=False, allowed=("forget", "expire")),
            Column("blanked", WHOLE, "stored rows kept without the person, over all versions", nullable=False),
            Column("removed", WHOLE, "stored rows removed, over all versions", nullable=False),
            Column("files", WHOLE, "files rewritten or removed", nullable=False),
            Column("versions", WHOLE, "versions of the table that changed", nullable=False),
            Column("runs", WHOLE, "published runs marked as redacted", nullable=False),
        ),
    ),
    Table(
        "overrides",
        "A planner's word against the forecast of one series (kept in the workspace, not in a run).",
        ("sku", "location", "starts_on", "ends_on"),
        (
            SKU,
            LOCATION,
            key("starts_on", "first period", DAY),
            key("ends_on", "last period", DAY),
            Column("run", TEXT, "run whose forecast it was held against", nullable=False),
            Column("old", REAL, "expected demand by the model over these periods", "units", False, minimum=0),
            Column("new", REAL, "expected demand by the planner; empty = withdrawn", "units", minimum=0),
            Column("who", TEXT, "planner", nullable=False),
            Column("why", TEXT, "reason", nullable=False, free_text=True),
            Column(
                "said_on",
                DAY,
                "the shop's day on which it was said: the day after the run's last, and the days since the run on",
                nullable=False,
            ),
            KNOWN_AT,
        ),
    ),
    Table(
        "plan_log",
        "What a planner made of a line of a run's plan (kept in the workspace, not in a run).",
        ("run", "plan", "sku", "location"),
        (
            key("run", "run that proposed the plan"),
            key("plan", "name of the plan: its table in the run"),
            SKU,
            LOCATION,
            Column("state", TEXT, "what has become of the line", nullable=False, allowed=PLAN_STATES),
            Column("old", REAL, "what was proposed", nullable=False),
            Column("new", REAL, "what stands now", nullable=False, minimum=0),
            Column("who", TEXT, "planner", nullable=False),
            Column("why", TEXT, "reason, where something was changed or declined", free_text=True),
            Column("file", TEXT, "name of the file that it was exported to"),
            Column("stock", REAL, "units on hand and on order that the proposal started from", "units"),
            Column("starts_on", DAY, "first day that the order had to last for", nullable=False),
            Column("days", REAL, "days that it had to last", "days"),
            Column("unit_margin", REAL, "margin lost per unit not sold", "money"),
            Column("unit_cost", REAL, "cost of one unit", "money"),
            KNOWN_AT,
        ),
    ),
    Table(
        "audit",
        "Something in the tables that is hard to believe, for a person to look at (made on demand, not kept).",
        ("table", "key", "column", "suspicion"),
        (
            key("table", "table concerned"),
            key("key", "key of the row, or the value or product concerned"),
            key("column", "column concerned"),
            Column("value", TEXT, "the value, as text"),
            key("suspicion", "what is suspected"),
            Column("why", TEXT, "the evidence, in one sentence", nullable=False),
            Column("score", REAL, "how suspicious, from 0 to 1; ranks within one suspicion", "", False),
        ),
    ),
)
"""They outlive every run."""
