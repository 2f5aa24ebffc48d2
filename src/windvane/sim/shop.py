"""A simulated shop: its tables and the truth behind them, part by part of the products.

Example:
    >>> from windvane.sim import Settings, simulate
    >>> shop = simulate(Settings(products=4, days=30), seed=7)
    >>> tables, truth = shop.collect()
    >>> int(truth.demand["demand"].sum() - truth.demand["sales"].sum() - truth.demand["lost"].sum())
    0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from windvane.engine import SILENT, Progress
from windvane.errors import ConfigError
from windvane.schema import RAW
from windvane.sim import around
from windvane.sim.calendar import Calendar, calendar
from windvane.sim.customers import in_parts, segment_truth
from windvane.sim.demand import demand
from windvane.sim.orders import FLAGS, World, location_names, order_lines
from windvane.sim.plans import plans, price_table, promotion_table, promotion_truth, sku_names
from windvane.sim.products import FOREVER, products
from windvane.sim.quality import batches, felt
from windvane.sim.settings import Settings
from windvane.sim.shelf import shelf

_CELLS = 180_000
"""Product-location-days that are simulated at a time: some 500 MB."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What really was, which no table of the shop tells.

    Attributes:
        demand: per sku, location and date from launch to end: expected (the mean of the demand's distribution,
            presale left out), demand (units that customers wanted to buy, on the day on which they decided to; orders
            against a deposit that was never followed by the payment left out), sales (units of it that were sold),
            lost (units that they did not get), presale (units of demand ordered against a deposit), in_stock (share
            of the day in stock), interest and heeded (factors on expected: of the product's own interest, and of the
            quality that reviewers met). demand = sales + lost. Bulk and fake orders are not part of it.
        lines: per order_id and line: sku, location, units, return_of, kind, known_at, demand_date (day on which the
            customer decided), is_fake, is_bulk, is_duplicate, is_late, is_corrected, is_presale. The sales that
            are neither fake, bulk nor duplicate add up to the sales of ``demand``.
        promotions: per promotion: what it did to demand: price_effect and feature_effect (factors), uplift (share);
            announced (whether a table told of it before its day was over).
        products: per sku: elasticity, level, growth (log per year), launched (day), ended, predecessor, seasonal,
            intermittent, quality (usual mean stars), faulty_from and faulty_to (first and last day of a faulty batch).
        series: per sku and location: share of the product's demand, whether its planner orders too late.
        reviews: per review_id: is_fake, is_contradictory.
        customers: per customer: segment; no rows without segments.

    A part of the shop holds some of the frames only; the others have no columns there.
    """

    demand: pl.DataFrame = field(default_factory=pl.DataFrame)
    lines: pl.DataFrame = field(default_factory=pl.DataFrame)
    promotions: pl.DataFrame = field(default_factory=pl.DataFrame)
    products: pl.DataFrame = field(default_factory=pl.DataFrame)
    series: pl.DataFrame = field(default_factory=pl.DataFrame)
    reviews: pl.DataFrame = field(default_factory=pl.DataFrame)
    customers: pl.DataFrame = field(default_factory=pl.DataFrame)

    def frames(self) -> Mapping[str, pl.DataFrame]:
        """Its frames by name."""
        every = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: frame for name, frame in every.items() if frame.width}


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of some of the products (or of none: locations, customers, signals) and the truth behind them."""

    tables: Mapping[str, pl.DataFrame]
    truth: Truth | None


@dataclass(frozen=True, eq=False)
class Shop:
    """A simulated shop. Nothing is computed before it is asked for; asked twice, it says the same.

    Attributes:
        settings: what it is like.
        seed: seed of everything random.
        part: products simulated at a time, 0 = as many as memory likes; the result does not depend on it.
    """

    settings: Settings
    seed: int
    part: int = 0

    @cached_property
    def shared(self) -> Calendar:
        """Effects shared by all products."""
        return calendar(self.settings, self.seed)

    def parts(self, progress: Progress = SILENT) -> Iterator[Part]:
        """The shop part by part, in bounded memory.

        Args:
            progress: told of every part.
        """
        s = self.settings
        yield Part({"locations": around.as_table("locations", around.location_table(s, self.shared))}, None)
        yield Part({"calendar": around.as_table("calendar", around.calendar_table(s, self.shared))}, None)
        yield Part({"signals": around.as_table("signals", around.signal_table(s, self.seed, self.shared))}, None)
        for some in in_parts(s):
            table = around.as_table("customers", around.customer_table(s, self.seed, self.shared, some))
            yield Part({"customers": table}, Truth(customers=segment_truth(s, self.seed, some)))
        step = self.part or max(1, min(2000, _CELLS // (s.days * s.locations)))
        starts = range(0, s.products, step)
        with progress.task("simulate", len(starts)) as task:
            for start in starts:
                yield self._part(np.arange(start, min(start + step, s.products)))
                task.advance()

    def tables(self, progress: Progress = SILENT) -> Iterator[tuple[str, pl.DataFrame]]:
        """Name and rows of every table, part by part; a table comes in as many frames as there are parts."""
        for part in self.parts(progress):
            yield from part.tables.items()

    def collect(self) -> tuple[dict[str, pl.DataFrame], Truth]:
        """Every table and the truth, held in memory: for small shops."""
        frames: dict[str, list[pl.DataFrame]] = {name: [RAW[name].empty()] for name in RAW}
        truths: dict[str, list[pl.DataFrame]] = {each.name: [] for each in fields(Truth)}
        for part in self.parts():
            for name, frame in part.tables.items():
                frames[name].append(frame)
            for name, frame in (part.truth.frames() if part.truth else {}).items():
                truths[name].append(frame)
        every = {name: pl.concat(some) for name, some in truths.items()}
        return {name: pl.concat(some) for name, some in frames.items()}, Truth(**every)

    @cached_property
    def truth(self) -> Truth:
        """The truth as a whole, held in memory: for small shops (see :meth:`parts`)."""
        return self.collect()[1]

    def _part(self, number: np.ndarray) -> Part:
        s, seed, shared = self.settings, self.seed, self.shared
        made = products(s, seed, number)
        planned = plans(s, seed, made, shared)
        wanted = demand(s, seed, made, planned, shared)
        world = World(s, seed, made, planned, wanted, shelf(s, seed, made, wanted), shared)
        lines = order_lines(world)
        reviews, about_reviews = around.review_table(world, lines.kept)
        terms, receipts = around.supply_tables(world)
        tables = {
            "products": around.product_table(world),
            "prices": price_table(s, seed, made, planned, shared),
            "promotions": promotion_table(s, made, planned, shared),
            "orders": lines.orders,
            "stock": around.stock_table(world),
            "supply": terms,
            "receipts": receipts,
            "reviews": reviews,
            "events": around.event_table(world),
        }
        end = pl.lit(int(shared.moments(np.array([s.days]))[0])).cast(pl.Datetime("us"))
        known = {
            name: around.as_table(name, frame).filter(pl.col("known_at") < end).sort("known_at", maintain_order=True)
            for name, frame in tables.items()
        }
        truth = Truth(
            demand=_demand_truth(world),
            lines=lines.truth.select(
                "order_id", "line", "sku", "location", "units", "return_of", "kind", "known_at", "demand_date", *FLAGS
            ),
            promotions=promotion_truth(s, made, planned, shared),
            products=_product_truth(world),
            series=_series_truth(world),
            reviews=about_reviews,
        )
        return Part(known, truth)


def simulate(settings: Settings, seed: int = 1) -> Shop:
    """A simulated shop.

    Args:
        settings: what it is like.
        seed: seed of everything random, 0 to 2**40; the same settings and seed give the same shop.

    Raises:
        ConfigError: the seed is out of range.
    """
    if not 0 <= seed <= 2**40:
        raise ConfigError(f"simulate: seed is {seed}.", "Give a whole number from 0 to 2**40.")
    return Shop(settings, seed)


def _demand_truth(world: World) -> pl.DataFrame:
    wanted, made = world.wanted, world.made
    row, place, day = np.nonzero(np.broadcast_to(wanted.alive[:, None, :], wanted.units.shape))
    at = (row, place, day)
    presale = wanted.presale[at]
    return pl.DataFrame(
        {
            "sku": sku_names(made.number[row]),
            "location": pl.select(location_names(pl.Series(place))).to_series(),
            "date": pl.Series(world.shared.dates(day)).cast(pl.Date),
            "expected": wanted.expected[at],
            "demand": wanted.units[at] + presale,
            "sales": world.shelf.sold[at] + presale,
            "lost": wanted.units[at] - world.shelf.sold[at],
            "presale": presale,
            "in_stock": world.shelf.in_stock[at],
            "interest": np.exp(wanted.interest[row, day]),
            "heeded": np.exp(felt(world.settings, wanted.quality)[row, day]),
        }
    )


def _product_truth(world: World) -> pl.DataFrame:
    made = world.made
    faulty = batches(world.settings, world.seed, made)
    columns: dict[str, Any] = {
        "sku": sku_names(made.number),
        "elasticity": made.elasticity,
        "level": made.level,
        "growth": made.growth,
        "launched": pl.Series(world.shared.dates(made.launch)).cast(pl.Date),
        "ended": pl.Series(world.shared.dates(made.end)).cast(pl.Date).set(pl.Series(made.end == FOREVER), None),
        "predecessor": sku_names(np.maximum(made.follows, 0)).set(pl.Series(made.follows < 0), None),
        "seasonal": made.season_peak >= 0,
        "intermittent": made.zeros > 0,
        "quality": made.quality,
        **{
            name: pl.Series(world.shared.dates(day)).cast(pl.Date).set(pl.Series(day < 0), None)
            for name, day in zip(("faulty_from", "faulty_to"), faulty, strict=True)
        },
    }
    return pl.DataFrame(columns)


def _series_truth(world: World) -> pl.DataFrame:
    made = world.made
    row, place = (axis.reshape(-1) for axis in np.indices(made.share.shape))
    return pl.DataFrame(
        {
            "sku": sku_names(made.number[row]),
            "location": pl.select(location_names(pl.Series(place))).to_series(),
            "share": made.share[row, place],
            "late_planner": world.shelf.affected[row, place],
        }
    )
