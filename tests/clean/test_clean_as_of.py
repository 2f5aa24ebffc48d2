"""Whatever is added or changed after a day, the panel as of that day stays the same."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from made_up_shop import day, moment, order, reader, table
from polars.testing import assert_frame_equal

from windvane import schema
from windvane.clean import build
from windvane.config import parse

pytestmark = pytest.mark.tiny
CUT = 70


def shop(rng):
    orders = [
        order(d, int(units), sku, hour=float(hour), location=place)
        for sku in "abc"
        for place in ("n", "s")
        for d in range(100)
        for hour in (9, 19)
        if (units := rng.poisson(3) * (20 if rng.uniform() < 0.02 else 1))
    ]
    days = range(0, 100, 9)
    return {
        "orders": orders + odd_orders(rng),
        "products": [
            {"sku": s, "title": s, "category": "x > y", "unit_cost": 1.0, "known_at": moment(CUT + i - 1)}
            for i, s in enumerate("abc")
        ],
        "locations": [
            {"location": p, "region": p, "country": "US", "kind": "store", "known_at": moment(0)} for p in ("n", "s")
        ],
        "prices": [
            {"sku": s, "location": "all", "valid_from": day(d), "price": float(d + 1), "known_at": moment(d - 10)}
            for s in "abc"
            for d in days
        ],
        "promotions": [
            {"promotion": f"p{d}", "sku": s, "location": "all", "starts_on": day(d), "ends_on": day(d + 2)}
            | {"kind": "mailer", "depth": 0.1, "known_at": moment(d - 6)}
            for s in "ab"
            for d in days
        ],
        "stock": [
            {"sku": s, "location": "n", "date": day(d), "on_hand": float(d % 4), "known_at": moment(d)}
            for s in "abc"
            for d in range(100)
        ],
        "signals": [
            {"name": n, "sku": "", "location": "", "region": "n", "date": day(d), "value": float(rng.normal())}
            | {"known_at": moment(d + lag)}
            for n, lag in (("plan", -20), ("late", 1))
            for d in range(100)
        ],
    }


def odd_orders(rng):
    """Copies, presales, fakes, bulk orders and returns, some of them told late."""
    out = []
    for d in range(5, 100, 5):
        sku, place = "abc"[d % 3], "ns"[d % 2]
        basket = [
            order(d, 1.0, s, 13, location="n", order_id=f"twin{d}", line=i, customer="twin")
            for i, s in enumerate("abc")
        ]
        out += basket + [{**line, "line": line["line"] + 3} for line in basket]
        again = moment(d, 13 + 0.01)
        out += [{**line, "order_id": f"again{d}", "ordered_at": again, "known_at": again} for line in basket]
        for i, kind in enumerate(("presale deposit", "sale")):
            more = {"order_id": f"pre{d}", "line": i, "kind": kind, "customer": "early", "location": place}
            if kind == "presale deposit" or d % 2:
                out.append(order(d + 9 * i, 2.0, sku, 10, **more))
        if d % 15 == 0:
            out += [
                order(d, 1.0, sku, 2 + i / 60, location=place, order_id=f"fake{d}-{i}", customer=f"new{d}-{i}")
                for i in range(60)
            ]
            out.append(order(d, 500.0, sku, 15, location=place, order_id=f"bulk{d}", customer=f"firm{d}"))
        late = int(rng.integers(0, 9))
        named = f"twin{d}" if d % 2 else None
        more = {"kind": "return", "order_id": f"back{d}", "return_of": named, "customer": "twin", "location": "n"}
        out.append(order(d + 1, -1.0, "a", 9, known_at=moment(d + 1 + late, 9), **more))
    return [row for row in out if row["ordered_at"] < moment(100)]


def later(name, rows, rng):
    """The same table with everything that was not known at the cut changed, dropped or doubled."""
    frame = table(name, rows)
    known = pl.col("known_at") < moment(CUT + 1)
    numbers = [c.name for c in schema.RAW[name].columns if c.type == schema.REAL]
    after = frame.filter(~known).sample(fraction=0.7, seed=int(rng.integers(1000)))
    after = after.with_columns((pl.col(numbers) * 7 + 1).clip(0, None))
    new = (
        frame.filter(known)
        .head(20)
        .with_columns((pl.col(numbers) * 3 + 2), known_at=pl.lit(moment(CUT + 1) + timedelta(hours=3)))
    )
    if name == "orders":
        # Late rows of earlier days, and days beyond the old end.
        new = new.with_columns(pl.col("order_id") + "-late")
        far = new.with_columns(ordered_at=pl.lit(moment(150)), known_at=pl.lit(moment(150)))
        new = pl.concat([new, far.with_columns(pl.col("order_id") + "-far", sku=pl.lit("zzz"))])
    return pl.concat([frame.filter(known), after, new])


def same(one, two):
    for name in ("sales", "state"):
        np.testing.assert_array_equal(getattr(one.panel, name), getattr(two.panel, name))
    np.testing.assert_array_equal(one.panel.in_stock, two.panel.in_stock)
    assert one.panel.dates.equals(two.panel.dates)
    assert one.panel.levels == two.panel.levels
    assert one.panel.past.keys() == two.panel.past.keys()
    for name, values in one.panel.past.items():
        np.testing.assert_array_equal(values, two.panel.past[name], err_msg=name)
    assert one.panel.known.keys() == two.panel.known.keys()
    for name, known in one.panel.known.items():
        other = two.panel.known[name]
        np.testing.assert_array_equal(known.values, other.values, err_msg=name)
        np.testing.assert_array_equal(known.since, other.since, err_msg=name)
    for name in ("frame", "cleaning", "findings", "products"):
        assert_frame_equal(getattr(one, name), getattr(two, name))
    assert_frame_equal(one.panel.keys, two.panel.keys)
    assert_frame_equal(one.panel.static, two.panel.static)


STRICT = {"fakes": "drop", "bulk": "cap", "returns": "sale_date", "presale_days": 6}
RULES = {"duplicate order", "presale", "suspected fake", "bulk order", "return to sale date"}


@pytest.mark.parametrize("settings", [{}, STRICT], ids=["default", "strict"])
@pytest.mark.parametrize("freq", ["1h", "1d", "1w", "1mo"])
def test_nothing_known_later_changes_the_panel(freq, settings):
    rng = np.random.default_rng(8)
    tables = shop(rng)
    config = parse({"clean": {"freq": freq, **settings}})
    before = build(reader(tables), config, day(CUT), 14)
    assert before.closed == (day(58) if freq == "1mo" else day(CUT))
    assert set(before.cleaning["rule"]) >= (RULES if settings else RULES - {"return to sale date"})
    changed = {name: later(name, rows, rng) for name, rows in tables.items()}
    same(before, build(lambda name: changed.get(name, schema.RAW[name].empty()).lazy(), config, day(CUT), 14))
    # The change is not idle: seen a few days later it does matter.
    now = build(reader(tables), config, day(CUT + 10), 14)
    then = build(lambda name: changed.get(name, schema.RAW[name].empty()).lazy(), config, day(CUT + 10), 14)
    with pytest.raises(AssertionError):
        same(now, then)


@pytest.mark.parametrize("settings", [{}, {"fakes": "drop", "bulk": "cap"}], ids=["default", "strict"])
def test_an_earlier_view_is_the_start_of_a_later_one(settings):
    tables = shop(np.random.default_rng(9))
    # Lines told late and deposits paid later change the past, and rightly so.
    tables["orders"] = [row for row in tables["orders"] if row["order_id"][:3] not in ("bac", "pre")]
    config = parse({"clean": settings})
    # What a product is counts for its whole past, whenever it became known.
    tables["products"] = [row | {"known_at": moment(0)} for row in tables["products"]]
    early = build(reader(tables), config, day(CUT), 14).panel
    late = build(reader(tables), config, day(CUT + 20), 14).panel
    np.testing.assert_array_equal(early.sales, late.as_of(early.cutoff).sales)
    steps = np.arange(1, 15)
    for name in ("price", "promo_mailer", "signal_plan"):
        np.testing.assert_array_equal(early.known[name].at(40, steps), late.known[name].at(40, steps), err_msg=name)
