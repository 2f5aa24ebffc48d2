"""What the tables say that is hard to believe, for a person to look at; nothing is changed.

A rule that refuses a row must be certain (:mod:`windvane.ingest.checks.rules`). What is merely suspicious is listed
here: records that contradict one another, references to things that are not on record, labels that their texts deny,
prices far from the usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.ingest.checks.labels import Suspect, suspects
from windvane.schema import DERIVED

AUDIT = DERIVED["audit"]
_SEED = 1
_FEW = 8
_TEXTS = 100_000
_LEVEL = " > "
_LONG_DAYS = 400

Read = Callable[[str], pl.LazyFrame]


@dataclass(frozen=True)
class Source:
    """Where the audit reads.

    Attributes:
        read: a table's rows, the latest per key.
        history: a table's rows with all their versions.
        have: names of the tables that have rows.
    """

    read: Read
    history: Read
    have: frozenset[str]


def audit(source: Source, table: str | None = None) -> pl.DataFrame:
    """List what is hard to believe.

    Args:
        source: where the tables are.
        table: only this table; all where absent.

    Returns:
        Rows of the table ``audit``: per suspicion, the most suspicious first. The same tables give the same rows.
    """
    parts = [
        part
        for name, checks in CHECKS.items()
        if name in source.have and table in (None, name)
        for check in checks
        for part in check(source, name)
        if part.height
    ]
    rows = pl.concat(parts) if parts else AUDIT.empty()
    return rows.sort("table", "suspicion", "score", "key", descending=[False, False, True, False])


def _rows(found: pl.LazyFrame, table: str, column: str, suspicion: str) -> pl.DataFrame:
    """Rows of the audit from a frame that has key, value, why and score."""
    named = found.with_columns(
        table=pl.lit(table),
        column=pl.lit(column),
        suspicion=pl.lit(suspicion),
        key=pl.col("key").fill_null(""),
        value=pl.col("value").cast(pl.String),
        score=pl.col("score").cast(pl.Float64),
    )
    return named.select(pl.col(name).cast(kind) for name, kind in AUDIT.types.items()).collect(engine="streaming")


def _unknown(column: str, target: str) -> Callable[[Source, str], Iterator[pl.DataFrame]]:
    """References to something that its own table does not list; one row per value."""

    def check(source: Source, table: str) -> Iterator[pl.DataFrame]:
        if target not in source.have:
            return
        named = source.read(table).filter(pl.col(column).is_not_null() & (pl.col(column) != ""))
        known = source.read(target).select(column).unique()
        lost = named.join(known, on=column, how="anti").group_by(column).agg(pl.len().alias("rows"))
        yield _rows(
            lost.with_columns(
                key=pl.col(column),
                value=pl.col(column),
                why=pl.format("{} rows refer to it, and {} does not list it", "rows", pl.lit(target)),
                score=1 - 1 / (1 + pl.col("rows")),
            ),
            table,
            column,
            f"unknown_{column}",
        )

    return check


def _signs(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Returns with positive units and sales with negative ones: understood, but an export should know one way."""
    orders = source.read(table)
    for kind, wrong in (("return", pl.col("units") > 0), ("sale", pl.col("units") < 0)):
        hit = orders.filter((pl.col("kind") == kind) & wrong)
        one = hit.select(
            pl.len().alias("rows"), pl.col("order_id").first().alias("key"), pl.col("units").first().alias("value")
        ).filter(pl.col("rows") > 0)
        why = pl.format("{} lines of kind {} have units of the other sign; they count as returns", "rows", pl.lit(kind))
        yield _rows(one.with_columns(why=why, score=pl.lit(0.5)), table, "units", f"{kind}_sign")


def _far_prices(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Prices five times the product's median or a fifth of it, outside its usual spread: per product the farthest."""
    name, key = (
        ("unit_price", ["order_id", "line"]) if table == "orders" else ("price", ["sku", "location", "valid_from"])
    )
    rows = source.read(table).filter(pl.col(name) > 0)
    if table == "orders":
        rows = rows.filter((pl.col("units") > 0) & (pl.col("kind") == "sale"))
    rows = rows.select(*dict.fromkeys([*key, "sku", name])).with_columns(log=pl.col(name).log())
    usual = rows.group_by("sku").agg(pl.col("log").median().alias("middle"), pl.len().alias("rows"))
    apart = rows.join(usual.filter(pl.col("rows") >= _FEW), on="sku").with_columns(
        off=(pl.col("log") - pl.col("middle")).abs()
    )
    spread = apart.group_by("sku").agg(pl.col("off").median().alias("spread"))
    far = apart.filter(pl.col("off") >= np.log(5)).join(spread, on="sku")
    far = far.filter(pl.col("off") >= 8 * 1.4826 * pl.col("spread"))
    worst = far.sort("off", descending=True).group_by("sku", maintain_order=True)
    found = worst.agg(
        pl.len().alias("lines"),
        _joined(key).first().alias("key"),
        pl.col(name).first().alias("value"),
        pl.col("middle").first().exp().round(4),
        pl.col("off").first(),
    )
    why = pl.format("the median of {} is {}; {} rows are this far from it", "sku", "middle", "lines")
    yield _rows(found.with_columns(why=why, score=1 - (-pl.col("off")).exp()), table, name, "price_far")


def _mixed_orders(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Orders of two customers, places or days, where nearly all orders have one."""
    for column in ("customer", "location", "ordered_at"):
        value = pl.col(column).dt.date() if column == "ordered_at" else pl.col(column)
        each = source.read(table).group_by("order_id").agg(value.n_unique().alias("count"), value.unique().alias("all"))
        counted = each.select(pl.len(), (pl.col("count") > 1).sum()).collect(engine="streaming").row(0)
        if not counted[1] or counted[1] > 0.01 * counted[0]:
            continue
        said = pl.col("all").cast(pl.List(pl.String)).list.sort().list.head(3).list.join(", ")
        why = pl.format(
            "one order has {} values, where {} of {} orders have one",
            "count",
            pl.lit(counted[0] - counted[1]),
            pl.lit(counted[0]),
        )
        found = each.filter(pl.col("count") > 1).with_columns(key="order_id", value=said, why=why, score=pl.lit(0.8))
        yield _rows(found, table, column, "order_mixed")


def _wrong_categories(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Categories that the title denies, level by level: departments first, then the parts of each."""
    rows = source.read(table).filter(pl.col("title").is_not_null() & pl.col("category").is_not_null())
    listed = rows.select("sku", "title", "category").sort("sku").head(_TEXTS).collect()
    titles, paths = listed["title"].to_list(), [path.split(_LEVEL) for path in listed["category"].to_list()]
    found: dict[int, Suspect] = {}
    for depth in range(1, 1 + max(map(len, paths), default=0)):
        groups: dict[str, list[int]] = {}
        for index, path in enumerate(paths):
            if len(path) >= depth:
                groups.setdefault(_LEVEL.join(path[: depth - 1]), []).append(index)
        for parent in sorted(groups):
            mine = groups[parent]
            labels = [_LEVEL.join(paths[index][:depth]) for index in mine]
            for each in suspects([titles[index] for index in mine], labels, np.random.default_rng(_SEED)):
                if each.margin > (found[mine[each.index]].margin if mine[each.index] in found else 0.0):
                    found[mine[each.index]] = Suspect(mine[each.index], each.suggested, each.margin)
    why = pl.format("titles like '{}' stand under {}", "title", "better")
    chosen = _judged(listed, list(found.values())).with_columns(key="sku", value="category", why=why)
    yield _rows(chosen.lazy(), table, "category", "wrong_category")


def _judged(listed: pl.DataFrame, found: list[Suspect]) -> pl.DataFrame:
    """The rows under suspicion, with the better label and the score."""
    return listed[[each.index for each in found]].with_columns(
        pl.Series("better", [each.suggested for each in found], dtype=pl.String),
        pl.Series("score", [each.margin for each in found], dtype=pl.Float64).clip(0, 1),
    )


def _spellings(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Categories and brands that differ in case, spaces or width alone: the rarer spellings."""
    for column in ("category", "brand"):
        counted = source.read(table).filter(pl.col(column).is_not_null()).group_by(column).agg(pl.len().alias("rows"))
        plain = pl.col(column).str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\s_\-]+", "")
        ranked = counted.with_columns(plain=plain).sort(["rows", column], descending=[True, False])
        usual = ranked.group_by("plain", maintain_order=True).agg(pl.col(column).first().alias("usual"), pl.len())
        odd = ranked.join(usual.filter(pl.col("len") > 1), on="plain").filter(pl.col(column) != pl.col("usual"))
        why = pl.format("{} products; '{}' is the usual spelling", "rows", "usual")
        yield _rows(odd.with_columns(key=column, value=column, why=why, score=pl.lit(0.9)), table, column, "spelling")


def _same_titles(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Products with the same title in different categories."""
    rows = source.read(table).filter(pl.col("title").is_not_null() & pl.col("category").is_not_null())
    same = rows.group_by("title").agg(
        pl.col("category").unique().sort().alias("all"), pl.len().alias("rows"), pl.col("sku").min().alias("key")
    )
    found = same.filter((pl.col("all").list.len() > 1) & (pl.col("all").list.len() <= 3)).with_columns(
        value=pl.col("all").list.join(" | "),
        why=pl.format("{} products are called '{}'", "rows", "title"),
        score=pl.lit(0.6),
    )
    yield _rows(found, table, "category", "title_in_two_categories")


def _changed(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Products whose title, category or brand is not what it was."""
    history = source.history(table).sort("known_at", "_seq")
    for column in ("title", "category", "brand"):
        said = history.filter(pl.col(column).is_not_null()).group_by("sku", maintain_order=True).agg(pl.col(column))
        runs = said.with_columns(
            pl.col(column).list.eval(pl.element().filter(pl.element().rle_id().is_first_distinct()))
        )
        found = runs.filter(pl.col(column).list.len() > 1).with_columns(
            key="sku",
            value=pl.col(column).list.join(" → "),
            why=pl.format("{} descriptions over time", pl.col(column).list.len()),
            # What went there and back is a mistake more often than what changed once.
            score=pl.when(pl.col(column).list.n_unique() < pl.col(column).list.len()).then(0.8).otherwise(0.4),
        )
        yield _rows(found, table, column, "changed_description")


def _predecessors(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Predecessors that nobody lists, and products that precede themselves, directly or in a ring."""
    rows = source.read(table).filter(pl.col("predecessor").is_not_null()).select("sku", "predecessor").collect()
    before = dict(rows.iter_rows())
    rings: list[dict[str, object]] = []
    seen: set[str] = set()
    for sku in sorted(before):
        chain: list[str] = []
        while sku in before and sku not in seen:
            seen.add(sku)
            chain.append(sku)
            sku = before[sku]
        if sku in chain:
            ring = [*chain[chain.index(sku) :], sku]
            rings.append({"key": sku, "value": before[sku], "why": "ring: " + " ← ".join(ring[:6]), "score": 1.0})
    kinds = {"key": pl.String, "value": pl.String, "why": pl.String, "score": pl.Float64}
    yield _rows(pl.DataFrame(rings, schema=kinds).lazy(), table, "predecessor", "predecessor_ring")
    known = source.read(table).select(predecessor="sku")
    lost = rows.lazy().join(known, on="predecessor", how="anti")
    lost = lost.with_columns(
        key="sku", value="predecessor", why=pl.lit("no product of that sku is on record"), score=pl.lit(0.9)
    )
    yield _rows(lost, table, "predecessor", "unknown_predecessor")


def _costs(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Products that cost more than they are sold for."""
    if "orders" not in source.have:
        return
    paid = source.read("orders").filter((pl.col("unit_price") > 0) & (pl.col("units") > 0))
    usual = paid.group_by("sku").agg(pl.col("unit_price").median().alias("paid"), pl.len().alias("rows"))
    rows = source.read(table).join(usual.filter(pl.col("rows") >= _FEW), on="sku")
    found = rows.filter(pl.col("unit_cost") > 1.5 * pl.col("paid")).with_columns(
        key="sku",
        value="unit_cost",
        why=pl.format("the median price paid is {}", pl.col("paid").round(4)),
        score=1 - pl.col("paid") / pl.col("unit_cost"),
    )
    yield _rows(found, table, "unit_cost", "cost_above_price")


def _above_list(source: Source, table: str) -> Iterator[pl.DataFrame]:
    rows = source.read(table).filter((pl.col("list_price") > 0) & (pl.col("price") > pl.col("list_price") * 1.001))
    found = rows.with_columns(
        key=_joined(["sku", "location", "valid_from"]),
        value="price",
        why=pl.format("the list price is {}", "list_price"),
        score=1 - pl.col("list_price") / pl.col("price"),
    )
    yield _rows(found, table, "price", "price_above_list")


def _long_promotions(source: Source, table: str) -> Iterator[pl.DataFrame]:
    days = (pl.col("ends_on") - pl.col("starts_on")).dt.total_days()
    found = (
        source.read(table)
        .filter(days > _LONG_DAYS)
        .with_columns(
            key=_joined(["promotion", "sku", "location", "starts_on"]),
            value="ends_on",
            why=pl.format("it lasts {} days", days),
            score=1 - _LONG_DAYS / days,
        )
    )
    yield _rows(found, table, "ends_on", "endless_promotion")


def _stock(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Goods on hand at the end of a day on which nothing was in stock; one row per product and place."""
    odd = source.read(table).filter((pl.col("on_hand") > 0) & (pl.col("in_stock_share") == 0))
    found = odd.group_by("sku", "location").agg(
        pl.len().alias("rows"), pl.col("date").min().alias("first"), pl.col("on_hand").first().alias("value")
    )
    why = pl.format("{} days, from {}, with goods on hand and in stock for none of the day", "rows", "first")
    scored = found.with_columns(key=_joined(["sku", "location"]), why=why, score=1 - 1 / (1 + pl.col("rows")))
    yield _rows(scored, table, "in_stock_share", "stock_contradiction")


def _unsold(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Reviews of products that were never sold."""
    if "orders" not in source.have:
        return
    sold = source.read("orders").filter(pl.col("units") > 0).select("sku").unique()
    lost = source.read(table).join(sold, on="sku", how="anti").group_by("sku").agg(pl.len().alias("rows"))
    why = pl.format("{} reviews of a product that was never sold", "rows")
    yield _rows(
        lost.with_columns(key="sku", value="sku", why=why, score=1 - 1 / (1 + pl.col("rows"))), table, "sku", "unsold"
    )


def _ratings(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """Stars that the text denies, as learned from the shop's own reviews."""
    rows = source.read(table).filter(pl.col("text").str.len_chars() >= 4)
    clear = rows.filter((pl.col("rating") <= 2) | (pl.col("rating") >= 4)).select("review_id", "rating", "text")
    listed = clear.sort("review_id").head(_TEXTS).collect()
    labels = pl.select(pl.when(listed["rating"] >= 4).then(pl.lit("good")).otherwise(pl.lit("bad"))).to_series()
    if listed.height < 200 or labels.value_counts()["count"].min() < 50:  # type: ignore[operator]
        return
    found = suspects(listed["text"].to_list(), labels.to_list(), np.random.default_rng(_SEED))
    chosen = _judged(listed, found)
    why = pl.format("the text reads like a {} review: {}", "better", pl.col("text").str.slice(0, 60))
    yield _rows(chosen.lazy().with_columns(key="review_id", value="rating", why=why), table, "rating", "rating_denied")


def _same_texts(source: Source, table: str) -> Iterator[pl.DataFrame]:
    """The same text with stars that are far apart."""
    rows = source.read(table).filter((pl.col("text").str.len_chars() >= 6) & pl.col("rating").is_not_null())
    same = rows.group_by(pl.col("text").str.strip_chars()).agg(
        pl.col("rating").min().alias("low"),
        pl.col("rating").max().alias("high"),
        pl.len().alias("rows"),
        pl.col("review_id").min().alias("key"),
    )
    found = same.filter(pl.col("high") - pl.col("low") >= 2).with_columns(
        value=pl.format("{} to {}", "low", "high"),
        why=pl.format("{} reviews say: {}", "rows", pl.col("text").str.slice(0, 60)),
        score=(pl.col("high") - pl.col("low")) / 4,
    )
    yield _rows(found, table, "rating", "review_contradiction")


def _joined(names: list[str]) -> pl.Expr:
    return pl.concat_str([pl.col(name).cast(pl.String) for name in names], separator=" / ", ignore_nulls=True)


_SKU = _unknown("sku", "products")
_LOCATION = _unknown("location", "locations")
_CUSTOMER = _unknown("customer", "customers")
CHECKS: dict[str, tuple[Callable[[Source, str], Iterator[pl.DataFrame]], ...]] = {
    "orders": (_SKU, _LOCATION, _CUSTOMER, _signs, _far_prices, _mixed_orders),
    "products": (_wrong_categories, _spellings, _same_titles, _changed, _predecessors, _costs),
    "prices": (_SKU, _LOCATION, _far_prices, _above_list),
    "promotions": (_SKU, _LOCATION, _long_promotions),
    "stock": (_SKU, _LOCATION, _stock),
    "supply": (_SKU, _LOCATION),
    "receipts": (_SKU, _LOCATION),
    "events": (_SKU, _CUSTOMER),
    "reviews": (_SKU, _CUSTOMER, _unsold, _ratings, _same_texts),
}
"""Checks per table."""
