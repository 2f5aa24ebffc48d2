"""The other tables of a simulated shop: products, stock, supply, reviews, events, customers, signals and the rest."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from windvane.schema import RAW
from windvane.sim.calendar import Calendar
from windvane.sim.customers import customer_names, joined, known_customers
from windvane.sim.draws import uniform
from windvane.sim.interest import seen_ahead
from windvane.sim.orders import World, location_names, second_of_day
from windvane.sim.plans import sku_names
from windvane.sim.products import FOREVER
from windvane.sim.settings import Settings
from windvane.sim.words import words

_LISTED = 30
"""Days before the launch on which a product is entered."""


def _moment(values: np.ndarray) -> pl.Series:
    return pl.Series("known_at", values).cast(pl.Datetime("us"))


def product_table(world: World) -> pl.DataFrame:
    """Products as entered, and again when their end is decided or their cost changes."""
    s, made, shared = world.settings, world.made, world.shared
    known = words(s.language)
    first = np.maximum(made.launch, 0) - _LISTED
    rows = []
    for i in range(len(made)):
        leaf = known.leaves[made.category[i]]
        parts = [known.brands[made.brand[i]], leaf.kinds[made.kind[i]], leaf.things[made.thing[i]]]
        parts += [known.successor] if made.follows[i] >= 0 else []
        parts += [known.colours[made.colour[i]], leaf.sizes[made.size[i]]]
        text = known.describe.format(kind=parts[1], thing=parts[2], size=leaf.sizes[made.size[i]])
        rows.append((" ".join(p for p in parts if p), text, leaf.path, parts[0] or None, known.colours[made.colour[i]]))
    title, texts, path, brand, colour = zip(*rows, strict=True)
    frame = pl.DataFrame(
        {
            "sku": sku_names(made.number),
            "title": pl.Series(title),
            "description": pl.Series(texts),
            "category": pl.Series(path),
            "brand": pl.Series(brand, dtype=pl.String),
            "attributes": pl.Series([json.dumps({"colour": c}, ensure_ascii=False) for c in colour]),
            "image": pl.Series([None] * len(made), dtype=pl.String),
            "launched_on": pl.Series(shared.dates(made.launch)).cast(pl.Date),
            "ended_on": pl.Series([None] * len(made), dtype=pl.Date),
            "predecessor": sku_names(np.maximum(made.follows, 0)).set(pl.Series(made.follows < 0), None),
            "unit_cost": made.cost,
            "pack_size": made.pack.astype(float),
            "shelf_life": pl.Series([None] * len(made), dtype=pl.Float64),
            "known_at": _moment(shared.moments(first, 8 * 3600)),
        }
    )
    dearer = uniform(world.seed, "dearer", made.number) < 0.2
    when = np.floor(uniform(world.seed, "dearer when", made.number) * s.days).astype(np.int64)
    cost = frame.with_columns((pl.col("unit_cost") * 1.06).round(2), _moment(shared.moments(when, 7 * 3600)))
    ends = (made.end < FOREVER) & (made.end - 14 < s.days)
    last = pl.Series("ended_on", shared.dates(np.minimum(made.end, FOREVER))).cast(pl.Date)
    told = np.maximum(made.end - 14, 0)
    raised = dearer & (when < told)
    ended = frame.with_columns(
        last,
        pl.Series("unit_cost", np.where(raised, np.round(made.cost * 1.06, 2), made.cost)),
        _moment(shared.moments(told, 6 * 3600)),
    )
    # A cost that changes after the end is of no interest to anybody.
    later = dearer & (when > first) & (when < np.where(ends, told, s.days))
    return pl.concat([frame.filter(first < s.days), cost.filter(later), ended.filter(ends)])


def stock_table(world: World) -> pl.DataFrame:
    """The stock of every evening of the series that the table covers, with a recount here and there."""
    s, made = world.settings, world.made
    alive = world.wanted.alive[:, None, :] & _covered(world)[:, :, None]
    row, place, day = np.nonzero(alive)
    count = world.shelf.on_hand[row, place, day]
    frame = pl.DataFrame(
        {
            "sku": sku_names(made.number[row]),
            "location": pl.select(location_names(pl.Series(place))).to_series(),
            "date": pl.Series(world.shared.dates(day)).cast(pl.Date),
            "on_hand": count.astype(float),
            "on_order": world.shelf.on_order[row, place, day].astype(float),
            "in_stock_share": np.round(world.shelf.in_stock[row, place, day], 4),
            "known_at": _moment(world.shared.moments(day, 23.5 * 3600)),
        }
    )
    recount = (uniform(world.seed, "recount", made.number[row], place, day) < s.recounts) & (day + 2 < s.days)
    wrong = frame.filter(recount).with_columns(pl.col("on_hand") + 3)
    right = frame.with_columns(
        pl.when(pl.Series(recount))
        .then(pl.col("known_at") + pl.duration(days=2))
        .otherwise("known_at")
        .alias("known_at")
    )
    return pl.concat([wrong, right])


def _covered(world: World) -> np.ndarray:
    """Series that the table stock covers, bool [product, location]."""
    places = np.arange(world.settings.locations)[None, :]
    return uniform(world.seed, "stock given", world.made.number[:, None], places) < world.settings.stock_given


def supply_tables(world: World) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Terms of supply, and deliveries."""
    s, made, shared = world.settings, world.made, world.shared
    names = words(s.language).suppliers
    whose = np.array(names)[made.number % len(names)]
    row, place = (axis.reshape(-1) for axis in np.indices((len(made), s.locations)))
    first = np.maximum(made.launch, 0)[row] - _LISTED
    terms = pl.DataFrame(
        {
            "sku": sku_names(made.number[row]),
            "location": pl.select(location_names(pl.Series(place))).to_series(),
            "supplier": pl.Series(whose[row]),
            "order_cost": np.full(len(row), 5.0),
            "moq": made.pack[row].astype(float),
            "order_multiple": made.pack[row].astype(float),
            "capacity": pl.Series([None] * len(row), dtype=pl.Float64),
            "lead_time": made.lead[row].astype(float),
            "known_at": _moment(shared.moments(first, 8 * 3600)),
        }
    )
    moved = (uniform(world.seed, "new terms", made.number) < 0.3)[row]
    when = np.floor((0.2 + 0.7 * uniform(world.seed, "new terms when", made.number)) * s.days).astype(np.int64)[row]
    later = terms.with_columns(pl.lit(8.0).alias("order_cost"), _moment(shared.moments(when, 8 * 3600)))
    got = world.shelf.deliveries
    got = got[got[:, 3] < s.days]
    receipts = pl.DataFrame(
        {
            "sku": sku_names(made.number[got[:, 0]]),
            "location": pl.select(location_names(pl.Series(got[:, 1]))).to_series(),
            "supplier": pl.Series(whose[got[:, 0]], dtype=pl.String),
            "ordered_at": pl.Series(shared.moments(got[:, 2], 20 * 3600)).cast(pl.Datetime("us")),
            "received_at": pl.Series(shared.moments(got[:, 3], 7 * 3600)).cast(pl.Datetime("us")),
            "units": got[:, 4].astype(float),
            "known_at": _moment(shared.moments(got[:, 3], 7.5 * 3600)),
        }
    )
    return pl.concat([terms.filter(first < s.days), later.filter(moved & (when > first))]), receipts


def review_table(world: World, kept: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reviews of what was bought, and what is true of them."""
    s, seed, known = world.settings, world.seed, words(world.settings.language)
    keys = [kept["order_id"].cast(pl.Int64).to_numpy(), kept["line"].to_numpy()]
    fake = kept["is_fake"].to_numpy()
    hit = uniform(seed, "review", *keys) < np.where(fake, np.maximum(s.reviews * 10, s.reviews > 0), s.reviews)
    kept, fake, keys = kept.filter(hit), fake[hit], [key[hit] for key in keys]
    wait = 2 * 86_400 + 20 * 86_400 * uniform(seed, "review wait", *keys)
    number = kept["sku"].str.tail(-1).cast(pl.Int64).to_numpy()
    row = number - world.made.number[0]
    at = kept["ordered_at"] + pl.Series((wait * 1e6).astype(np.int64)).cast(pl.Duration("us"))
    at = at.dt.truncate("1s")
    day = (at.dt.date() - s.start).dt.total_days().to_numpy()
    quality = world.made.quality[row] + world.wanted.quality[row, day]
    stars = np.clip(np.round(quality + 1.1 * (2 * uniform(seed, "stars", *keys) - 1) * 1.7), 1, 5)
    stars = np.where(fake, 5, stars)
    odd = (uniform(seed, "contradiction", *keys) < s.contradictory) & ~fake
    which = uniform(seed, "words", *keys)
    pick = [
        (known.fake if f else known.good if r >= 4 else known.poor)[int(w * len(known.fake if f else known.poor))]
        for f, r, w in zip(fake, stars, which, strict=True)
    ]
    told = np.where(odd, 6 - stars, stars)
    frame = pl.DataFrame(
        {
            "review_id": "V" + kept["order_id"] + "-" + kept["line"].cast(pl.String),
            "at": at,
            "sku": kept["sku"],
            "rating": told.astype(float),
            "text": pl.Series(pick, dtype=pl.String),
            "customer": kept["customer"],
            "known_at": at,
        }
    )
    truth = frame.select("review_id").with_columns(pl.Series("is_fake", fake), pl.Series("is_contradictory", odd))
    known_yet = frame.select(pl.col("at") < _after(world.shared)).to_series()
    return frame.filter(known_yet), truth.filter(known_yet)


def event_table(world: World) -> pl.DataFrame:
    """What visitors did: interest is there whether or not the shelf is empty, and may run ahead of demand."""
    s, seed, made = world.settings, world.seed, world.made
    mean = world.wanted.expected[:, :, : s.days].sum(1) * s.events * seen_ahead(s, world.wanted.interest)
    row, day = np.nonzero(mean > 0)
    share = uniform(seed, "visits", made.number[row], day)
    count = np.floor(mean[row, day] + share).astype(np.int64)  # the mean is kept, fractions are drawn
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row, day = np.repeat(row, count), np.repeat(day, count)
    number = made.number[row]

    def draw(what: str) -> np.ndarray:
        return uniform(seed, what, number, day, index)

    at = pl.Series("at", world.shared.moments(day, second_of_day(draw("visit second")))).cast(pl.Datetime("us"))
    who = (draw("visitor") ** 1.5 * known_customers(s, day)).astype(np.int64)
    kinds = np.array(["view", "search", "wishlist", "cart"])[np.searchsorted([0.7, 0.85, 0.92], draw("does"))]
    leaves = words(s.language).leaves
    thing = pl.Series([leaves[made.category[r]].things[made.thing[r]] for r in row], dtype=pl.String)
    frame = pl.DataFrame(
        {"number": number, "day": day, "index": index, "who": who, "kind": pl.Series(kinds, dtype=pl.String)}
    )
    stamp = pl.format("{}-{}-{}", "number", "day", "index")
    return frame.select(
        ("E" + stamp).alias("event_id"),
        at,
        customer_names(frame["who"]).alias("customer"),
        pl.format("{}-{}", "who", "day").alias("session"),
        "kind",
        sku_names(number),
        pl.when(pl.col("kind") == "search").then(thing).otherwise(None).alias("query"),
        at.alias("known_at"),
    )


def _after(shared: Calendar) -> pl.Expr:
    return pl.lit(int(shared.moments(np.array([shared.days]))[0])).cast(pl.Datetime("us"))


def location_table(settings: Settings, shared: Calendar) -> pl.DataFrame:
    """Locations."""
    known = words(settings.language)
    rows = [known.places[i % len(known.places)] for i in range(settings.locations)]
    return pl.DataFrame(
        {
            "location": pl.select(location_names(pl.Series(range(settings.locations)))).to_series(),
            "name": [
                name + (f" {i // len(known.places) + 1}" if i >= len(known.places) else "")
                for i, (name, _) in enumerate(rows)
            ],
            "region": [region for _, region in rows],
            "country": [known.country] * len(rows),
            "kind": ["warehouse"] * len(rows),
            "known_at": _moment(shared.moments(np.full(len(rows), -_LISTED))),
        }
    )


def customer_table(settings: Settings, seed: int, shared: Calendar, number: np.ndarray) -> pl.DataFrame:
    """Some customers."""
    places = words(settings.language).places
    day = joined(settings, number)
    region = (uniform(seed, "region", number) * len(places)).astype(np.int64)
    told = [json.dumps({"region": places[r][1]}, ensure_ascii=False) for r in range(len(places))]
    return pl.DataFrame(
        {
            "customer": pl.select(customer_names(pl.Series(number))).to_series(),
            "joined_on": pl.Series(shared.dates(day)).cast(pl.Date),
            "attributes": pl.Series(region).replace_strict(dict(enumerate(told)), return_dtype=pl.String),
            "known_at": _moment(shared.moments(np.maximum(day, -_LISTED), 12 * 3600)),
        }
    )


def calendar_table(settings: Settings, shared: Calendar) -> pl.DataFrame:
    """The shop's own events, told well ahead; the first word on some has the wrong end."""
    start = np.array([first for first, _ in shared.own], np.int64)
    stop = np.array([last for _, last in shared.own], np.int64)
    wrong = np.arange(len(start)) % 2 == 0
    day = np.concatenate([start, start[wrong]])
    name = words(settings.language).own_event
    frame = pl.DataFrame(
        {
            "name": pl.Series([name] * len(day), dtype=pl.String),
            "country": pl.Series([""] * len(day), dtype=pl.String),
            "region": pl.Series([""] * len(day), dtype=pl.String),
            "starts_on": pl.Series(shared.dates(day)).cast(pl.Date),
            "ends_on": pl.Series(shared.dates(np.concatenate([stop + wrong, stop[wrong]]))).cast(pl.Date),
            "kind": pl.Series(["own event"] * len(day), dtype=pl.String),
            "known_at": _moment(shared.moments(np.concatenate([start - 45, start[wrong] - 10]), 9 * 3600)),
        }
    )
    return frame.filter(pl.col("known_at") < _after(shared)).sort("known_at")


def signal_table(settings: Settings, seed: int, shared: Calendar) -> pl.DataFrame:
    """A search index that knows the festivals and shocks, known the next morning and sometimes revised; weather."""
    day = np.arange(settings.days)
    noise = uniform(seed, "search", day) - 0.5
    index = 100 * np.exp(shared.log_festival[day] + shared.log_shock.mean(0)[day] + 0.2 * noise)
    angle = 2 * np.pi * (shared.start.timetuple().tm_yday + day - 200) / 365.25
    heat = 12 + 10 * np.cos(angle) + 6 * (uniform(seed, "weather", day) - 0.5)
    revised = (uniform(seed, "revised", day) < 0.05) & (day + 4 < settings.days)
    parts = [
        _signal(shared, "search index", day, index * np.where(revised, 1.2, 1.0), day + 1),
        _signal(shared, "search index", day[revised], index[revised], day[revised] + 4),
        _signal(shared, "temperature", day, heat, day + 1),
    ]
    frame = pl.concat(parts)
    return frame.filter(pl.col("known_at") < _after(shared))


def _signal(shared: Calendar, name: str, day: np.ndarray, value: np.ndarray, known: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "name": pl.Series([name] * len(day), dtype=pl.String),
            "sku": pl.Series([""] * len(day), dtype=pl.String),
            "location": pl.Series([""] * len(day), dtype=pl.String),
            "region": pl.Series([""] * len(day), dtype=pl.String),
            "date": pl.Series(shared.dates(day)).cast(pl.Date),
            "value": np.round(value, 2),
            "known_at": _moment(shared.moments(known, 6 * 3600)),
        }
    )


def as_table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with exactly the columns of its table."""
    return frame.select(RAW[name].names).cast(RAW[name].types)  # type: ignore[arg-type]
