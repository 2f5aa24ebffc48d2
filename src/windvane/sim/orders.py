"""Order lines of a simulated shop: who bought what and when, and everything that makes such lines treacherous.

Units sold become lines, lines fall into baskets, baskets belong to customers. Then come lines that are no everyday
demand (bulk orders, fake orders, deposits, gifts), lines about older lines (final payments, returns), and what the
export does to all of them (twice under two numbers, twice word for word, days late, wrong at first).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from windvane.sim.calendar import Calendar, presale_days
from windvane.sim.customers import BASKET, buyers, customer_names, known_customers
from windvane.sim.demand import Demand
from windvane.sim.draws import uniform
from windvane.sim.lanes import lane_of, lanes, numbered
from windvane.sim.live import second_of_session
from windvane.sim.plans import Plans, sku_names
from windvane.sim.products import Products
from windvane.sim.settings import Settings
from windvane.sim.shelf import Shelf
from windvane.sim.words import words

_HOURS = np.array([4, 2, 1, 1, 1, 2, 4, 8, 14, 20, 24, 22, 18, 20, 22, 20, 18, 18, 20, 26, 34, 36, 28, 14], float)
_SPECIAL = 10_000_000
"""Basket numbers from here on are one product's alone (bulk, fake, presale)."""

FLAGS = ("is_fake", "is_bulk", "is_duplicate", "is_late", "is_corrected", "is_presale")
"""What the truth says of an order line."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Order lines of some products.

    Attributes:
        orders: rows of the table orders, in the order in which they became known.
        truth: one row per order line, see :class:`windvane.sim.shop.Truth`.
        kept: the sales among them, for reviews: order_id, sku, customer, ordered_at, is_fake.
    """

    orders: pl.DataFrame
    truth: pl.DataFrame
    kept: pl.DataFrame


@dataclass(frozen=True, eq=False)
class World:
    """What the stages of one part of the products know of it."""

    settings: Settings
    seed: int
    made: Products
    planned: Plans
    wanted: Demand
    shelf: Shelf
    shared: Calendar

    @property
    def baskets(self) -> int:
        """Everyday baskets per location and day."""
        s = self.settings
        mean = s.products * s.rate * float(np.exp(s.spread**2 / 2))
        return int(np.ceil(mean / BASKET / s.locations))


def second_of_day(share: np.ndarray) -> np.ndarray:
    """Second of the day from a uniform value: most orders come in the evening."""
    edges = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])
    return np.interp(share, edges, np.arange(25) * 3600.0)


def order_lines(world: World) -> Lines:
    """All order lines of a part of the products."""
    everyday = _from_shelf(world)
    frames = [everyday, _gifts(world, everyday), _bulk(world), _fakes(world), _presale(world)]
    sales = _numbered(world, pl.concat([frame for frame in frames if frame.height] or [everyday]))
    lines = pl.concat([sales, _returned(world, sales)])
    return _exported(world, lines)


_COLUMNS = {
    "row": pl.Int64, "place": pl.Int64, "day": pl.Int64, "demand_day": pl.Int64, "basket_day": pl.Int64,
    "basket": pl.Int64, "units": pl.Int64, "price": pl.Float64, "discount": pl.Float64, "customer": pl.Int64,
    "second": pl.Float64, "channel": pl.Int64, "kind": pl.String, "mark": pl.Int64,
}  # fmt: skip
_EVERYDAY, _FAKE, _BULK, _PRESALE = 0, 1, 2, 3


def _frame(world: World, where: np.ndarray, units: np.ndarray, basket: np.ndarray, mark: int) -> pl.DataFrame:
    """Lines at (row, place, day) with what their basket and their product say."""
    row, place, day = where[:, 0], where[:, 1], where[:, 2]
    regular, paid = world.planned.regular[row, day], world.planned.paid[row, day]
    lane, usual = lane_of(basket, world.baskets), len(words(world.settings.language).channels)

    def of_basket(what: str) -> np.ndarray:
        return uniform(world.seed, what, place, day, basket)

    moment = of_basket("second")
    return pl.DataFrame(
        {
            "row": row, "place": place, "day": day, "demand_day": day, "basket_day": day, "basket": basket,
            "units": units, "price": paid, "discount": np.round((regular - paid) * units, 2),
            "customer": buyers(world.settings, world.seed, (place, day, basket), lane.hunted),
            "second": np.where(lane.live, second_of_session(moment), second_of_day(moment)),
            "channel": np.where(lane.live, usual, (of_basket("channel") ** 1.3 * usual).astype(np.int64)),
            "kind": ["sale"] * len(row), "mark": np.full(len(row), mark),
        },
        schema=_COLUMNS,
    )  # fmt: skip


def _from_shelf(world: World) -> pl.DataFrame:
    sold = world.shelf.sold
    cells = np.flatnonzero(sold)
    counts = sold.reshape(-1)[cells]
    cell = np.repeat(cells, counts)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else np.zeros(0, np.int64)
    within = np.arange(len(cell)) - np.repeat(first, counts)
    row, place, day = np.unravel_index(cell, sold.shape)
    number = world.made.number[row]
    # A unit goes with the one before it, or starts a line of its own.
    starts = (within == 0) | (uniform(world.seed, "with the last", number, place, day, within) >= 0.2)
    at = np.flatnonzero(starts)
    units = np.diff(np.append(at, len(cell)))
    where = np.stack([row, place, day], 1)[at]
    spot = (where[:, 0], where[:, 1], where[:, 2], within[at])
    share = uniform(world.seed, "basket", number[at], *spot[1:])
    lane = lanes(world.settings, world.seed, world.planned, number[at], spot)
    basket = numbered((share * world.baskets).astype(np.int64), lane, world.baskets)
    return _frame(world, where, units, basket, _EVERYDAY)


def _gifts(world: World, sales: pl.DataFrame) -> pl.DataFrame:
    """A unit of the same product on top, at no price."""
    number = world.made.number[sales["row"].to_numpy()]
    keys = [sales[name].to_numpy() for name in ("place", "day", "basket")]
    gift = uniform(world.seed, "gift", number, *keys) < world.settings.gifts
    return sales.filter(gift).with_columns(
        kind=pl.lit("gift"), units=pl.lit(1, pl.Int64), price=pl.lit(0.0), discount=pl.lit(0.0)
    )


def _bulk(world: World) -> pl.DataFrame:
    """A company buys for its own use: delivered by the supplier, so the shelf does not notice."""
    shape = world.wanted.units.shape
    ids = [axis.reshape(-1) for axis in np.indices(shape)]
    draw = uniform(world.seed, "bulk", world.made.number[ids[0]], ids[1], ids[2])
    hit = np.flatnonzero((draw < world.settings.bulk) & world.wanted.alive[ids[0], ids[2]])
    where = np.stack([axis[hit] for axis in ids], 1)
    number = world.made.number[where[:, 0]]
    size = uniform(world.seed, "bulk size", number, where[:, 1], where[:, 2])
    usual = world.made.level[where[:, 0]]
    units = np.ceil((10 + 30 * usual) * (0.5 + 1.5 * size)).astype(np.int64)
    frame = _frame(world, where, units, _SPECIAL + number * 50, _BULK)
    return frame.with_columns((pl.col("price") * 0.9).round(2))


def _fakes(world: World) -> pl.DataFrame:
    """Bursts of small orders from a few accounts, minutes apart, to lift a product's rank (刷单)."""
    seed, number = world.seed, world.made.number
    chosen = np.flatnonzero(uniform(seed, "fake", number) < world.settings.fakes)
    out = []
    for row in chosen:
        n = int(number[row])
        bursts = 1 + int(uniform(seed, "bursts", n)[0] * 3 * world.settings.days / 365)
        for burst in range(bursts):
            start = int(uniform(seed, "burst start", n, burst)[0] * world.settings.days)
            length, a_day, place = (
                low + int(uniform(seed, f"burst {what}", n, burst)[0] * span)
                for what, low, span in (("days", 1, 4), ("lines", 8, 33), ("place", 0, world.settings.locations))
            )
            days = np.arange(start, min(start + length, world.settings.days))
            days = days[world.wanted.alive[row, days]]
            if not len(days):
                continue
            day = np.repeat(days, a_day)
            index = np.tile(np.arange(a_day), len(days))
            where = np.stack([np.full(len(day), row), np.full(len(day), place), day], 1)
            frame = _frame(world, where, np.ones(len(day), np.int64), _SPECIAL + n * 50 + index, _FAKE)
            ring = 3 + int(uniform(seed, "ring", n, burst)[0] * 6)
            known = known_customers(world.settings, np.array([start]))[0]
            accounts = (uniform(seed, "account", n, burst, index % ring) * known).astype(np.int64)
            hour = 3600 * (1 + 20 * uniform(seed, "burst hour", n, burst)[0])
            gap = uniform(seed, "burst gap", n, burst, day, index)
            marked = uniform(seed, "marked", n, burst)[0] < world.settings.fakes_marked
            out.append(
                frame.with_columns(
                    pl.Series("customer", accounts),
                    pl.Series("second", np.minimum(hour + 120 * index + 100 * gap, 86_000.0)),
                    pl.lit("suspected fake" if marked else "sale").alias("kind"),
                )
            )
    return pl.concat(out) if out else pl.DataFrame(schema=_COLUMNS)


def _presale(world: World) -> pl.DataFrame:
    """A deposit when the customer decides, the rest on the day of the festival."""
    out = []
    for main in world.shared.main:
        window = np.array([day for day in presale_days(main) if day >= 0], np.int64)
        for cube, paid in ((world.wanted.presale, True), (world.wanted.dropped, False)):
            cell = np.argwhere(cube[:, :, window] > 0)
            if not len(cell):
                continue
            where = np.stack([cell[:, 0], cell[:, 1], window[cell[:, 2]]], 1)
            counts = cube[where[:, 0], where[:, 1], where[:, 2]]
            index = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            where = np.repeat(where, counts, axis=0)
            number = world.made.number[where[:, 0]]
            basket = _SPECIAL + number * 50 + (index % 25) + (0 if paid else 25)
            deposit = _frame(world, where, np.ones(len(where), np.int64), basket, _PRESALE)
            held = (pl.col("price") * 0.1).round(2)
            out.append(deposit.with_columns(held.alias("price"), kind=pl.lit("presale deposit"), discount=pl.lit(0.0)))
            if paid:
                soon = 60 + 7200 * uniform(world.seed, "final", number, where[:, 1], where[:, 2], index)
                rest = deposit.with_columns(
                    (pl.col("price") - held).round(2),
                    pl.lit(main, pl.Int64).alias("day"),
                    pl.Series("second", soon),
                )
                out.append(rest)
    return pl.concat(out) if out else pl.DataFrame(schema=_COLUMNS)


def _numbered(world: World, lines: pl.DataFrame) -> pl.DataFrame:
    """Give every line its order and its number within it."""
    day = np.array(world.shared.dates(lines["basket_day"].to_numpy()))
    code = pl.Series("code", day).cast(pl.Date).dt.strftime("%Y%m%d").cast(pl.Int64)
    order = code * 10_000_000_000 + lines["place"] * 100_000_000 + lines["basket"]
    number = pl.Series(world.made.number[lines["row"].to_numpy()])
    lines = lines.with_columns(order.alias("order"), number.alias("number"))
    again = pl.int_range(pl.len(), dtype=pl.Int64).over("order", "number")
    return lines.with_columns((pl.col("number") + 1 + world.settings.products * again).alias("line")).with_columns(
        pl.col("order").cast(pl.String).alias("order_id"), pl.lit(None, pl.String).alias("return_of")
    )


def _returned(world: World, sales: pl.DataFrame) -> pl.DataFrame:
    """Lines that come back, as lines of their own; those that come back after the last day are not yet known."""
    could = sales.filter((pl.col("kind") == "sale") & (pl.col("mark") != _FAKE))
    keys = [could[name].to_numpy() for name in ("order", "line")]
    could = could.filter(uniform(world.seed, "return", *keys) < world.settings.returns)
    keys = [could[name].to_numpy() for name in ("order", "line")]
    delay = 3 + np.floor(-7 * np.log1p(-uniform(world.seed, "return delay", *keys))).astype(np.int64)
    back = could.with_columns(
        pl.col("day") + pl.Series(delay),
        -pl.col("units"),
        (pl.lit("R") + pl.col("order_id")).alias("order_id"),
        pl.col("order_id").alias("return_of"),
        pl.Series("second", second_of_day(uniform(world.seed, "return second", *keys))),
        kind=pl.lit("return"),
        discount=pl.lit(0.0),
    )
    return back.filter(pl.col("day") < world.settings.days)


def _exported(world: World, lines: pl.DataFrame) -> Lines:
    settings, seed, shared = world.settings, world.seed, world.shared
    keys = [lines[name].to_numpy() for name in ("order", "line")]
    which = (lines["kind"] == "return").to_numpy().astype(np.int64)
    day, second = lines["day"].to_numpy(), np.floor(lines["second"].to_numpy())

    def happens(what: str, share: float) -> np.ndarray:
        return uniform(seed, what, *keys, which) < share

    left = settings.days - 1 - day
    wait = np.minimum(1 + (uniform(seed, "late by", *keys, which) * 10).astype(np.int64), left)
    late = happens("late", settings.late) & (wait > 0)
    known = np.where(late, day + wait, day)
    mend = known + 1 + (uniform(seed, "mended after", *keys, which) * 5).astype(np.int64)
    corrected = happens("corrected", settings.corrected) & (mend < settings.days)
    known_at = shared.moments(known, np.where(late, 9 * 3600.0, second))
    names = words(settings.language)
    channels = dict(enumerate((*names.channels, names.live_channel)))
    frame = lines.select(
        "order_id",
        "line",
        pl.Series("ordered_at", shared.moments(day, second)).cast(pl.Datetime("us")),
        sku_names(lines["number"].to_numpy()),
        location_names(lines["place"]).alias("location"),
        pl.col("units").cast(pl.Float64),
        "return_of",
        pl.col("price").alias("unit_price"),
        "discount",
        customer_names(lines["customer"]).alias("customer"),
        "kind",
        pl.col("channel").replace_strict(channels, return_dtype=pl.String),
        pl.Series("known_at", known_at).cast(pl.Datetime("us")),
        pl.Series("demand_date", shared.dates(lines["demand_day"].to_numpy())).cast(pl.Date),
        *(pl.col("mark").eq(m).alias(f) for m, f in ((_FAKE, "is_fake"), (_BULK, "is_bulk"), (_PRESALE, "is_presale"))),
        pl.lit(False).alias("is_duplicate"),
        pl.Series("is_late", late),
        pl.Series("is_corrected", corrected),
    )
    double = happens("duplicate", settings.duplicates) & (lines["kind"] == "sale").to_numpy() & ~corrected
    place = pl.col("order_id").str.slice(8, 2).cast(pl.Int64) + 50
    copies = frame.filter(double).with_columns(
        (pl.col("order_id").str.head(8) + place.cast(pl.String) + pl.col("order_id").str.slice(10)).alias("order_id"),
        pl.lit(True).alias("is_duplicate"),
    )
    truth = pl.concat([frame, copies])
    wrong = _first_wrong(frame.filter(corrected), happens("ten times", 0.5)[corrected])
    mended = pl.Series("known_at", shared.moments(mend, 10 * 3600.0)).cast(pl.Datetime("us"))
    right = frame.with_columns(pl.when("is_corrected").then(mended).otherwise("known_at").alias("known_at"))
    said_twice = right.filter(happens("repeat", settings.repeats))
    bad = _bad(frame.filter(happens("bad", settings.bad)))
    orders = pl.concat([wrong, right, copies, said_twice, bad]).drop("demand_date", *FLAGS)
    orders = orders.sort("known_at", "order_id", "line", maintain_order=True)
    kept = frame.filter((pl.col("kind") != "return") & (pl.col("unit_price") > 0) & (pl.col("units") > 0))
    kept = kept.filter(pl.col("kind") != "presale deposit").select(
        "order_id", "line", "sku", "customer", "ordered_at", "is_fake"
    )
    return Lines(orders, truth.drop("ordered_at", "unit_price", "discount", "customer", "channel"), kept)


def _first_wrong(lines: pl.DataFrame, units: np.ndarray) -> pl.DataFrame:
    """The first word on a corrected line: ten times the units, or a price without its decimal point."""
    ten = pl.Series("__ten", units)
    return lines.with_columns(
        pl.when(ten).then(pl.col("units") * 10).otherwise("units").alias("units"),
        pl.when(ten).then("unit_price").otherwise((pl.col("unit_price") * 100).round(0)).alias("unit_price"),
    )


def _bad(lines: pl.DataFrame) -> pl.DataFrame:
    """Rows of their own that no reader can take: no product, units beyond reason, a price below zero."""
    fault = pl.int_range(pl.len()) % 3
    return lines.with_columns(
        ("X" + pl.col("order_id")).alias("order_id"),
        pl.when(fault == 0).then(None).otherwise("sku").alias("sku"),
        pl.when(fault == 1).then(1e300).otherwise("units").alias("units"),
        pl.when(fault == 2).then(-1.0).otherwise("unit_price").alias("unit_price"),
    )


def location_names(place: pl.Series) -> pl.Expr:
    """Codes of locations: L01."""
    return pl.lit("L") + (place + 1).cast(pl.String).str.zfill(2)
