"""Whatever becomes known after a day changes nothing in a run as of that day: the whole way, through every stage."""

import corner_shop as shops
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from windvane import schema
from windvane.pipeline import run

CUT = 118
KNOWN = pl.col("known_at") < shops.moment(CUT + 1)
COMPARED = {
    "panel", "cleaning", "findings", "products_view", "scores", "leaderboard", "forecasts", "series", "totals",
    "trends", "reorder",
}  # fmt: skip


def later(name, frame, rng):
    """Other rows than the true ones from after the cut: changed, dropped, doubled, corrected, dated back."""
    table = schema.RAW[name]
    numbers = [c.name for c in table.columns if c.type == schema.REAL and c.maximum != 1 and name != "reviews"]
    texts = [c.name for c in table.columns if c.type == schema.TEXT and c.name not in table.key and not c.allowed]
    texts = [c for c in texts if c not in ("sku", "location", "country", "predecessor", "customer", "return_of")]
    changed = (pl.col(c).abs() * 9 + 2 for c in numbers)
    retold = (pl.lit(f"new {c}").alias(c) for c in texts)
    when = pl.lit(shops.moment(CUT + 1.4)).alias("known_at")
    after = frame.filter(~KNOWN).sample(fraction=0.6, seed=int(rng.integers(99)), shuffle=True)
    corrected = frame.filter(KNOWN).sample(fraction=0.3, seed=int(rng.integers(99)))
    out = [
        after.with_columns(pl.col(c).abs() * 5 + 1 for c in numbers),
        corrected.with_columns(*changed, *retold, when),
    ]
    if name == "orders":
        late = corrected.with_columns(pl.col("order_id") + "-late", pl.col("units").abs() * 50, when)
        out += [late, late.with_columns(pl.col("order_id") + "-new", pl.col("sku") + "-new")]
    elif name == "promotions":
        out.append(corrected.with_columns(pl.col("promotion") + "-new", kind=pl.lit("coupon")).with_columns(when))
    elif name == "signals":
        out.append(corrected.with_columns(pl.lit("rain").alias("name"), when))
    elif name == "products":
        out.append(corrected.with_columns(pl.lit(shops.day(CUT - 20)).alias("ended_on"), when))
    return pl.concat(out).unique(table.key, keep="last", maintain_order=True)


def compare(one, two):
    assert one.tables.keys() == two.tables.keys() >= COMPARED
    for name in sorted(COMPARED):
        left, right = (published.read(name).drop("seconds", strict=False) for published in (one, two))
        try:
            assert_frame_equal(left, right, check_exact=True)
        except AssertionError as difference:
            raise AssertionError(f"{name}: {difference}") from None


def open_and_run(folder, early, late, as_of, values):
    workspace = shops.shop(folder, early, values)
    shops.add(workspace, late, "later")
    return workspace, run(workspace, as_of=shops.day(as_of))


@pytest.mark.parametrize("freq", ["1d", "1w"])
def test_nothing_known_later_changes_the_run(freq, tmp_path):
    rng = np.random.default_rng(3)
    found = shops.tables(products=14)
    assert set(found) == set(schema.RAW), "every raw table must be perturbed"
    values = {**shops.LIGHT, "clean": {"freq": freq}}
    if freq == "1w":
        values["forecast"] = {"horizon": 4, "paths": 60}
    early = {name: frame.filter(KNOWN) for name, frame in found.items()}
    truth = {name: frame.filter(~KNOWN) for name, frame in found.items()}
    other = {name: later(name, frame, rng) for name, frame in found.items()}
    other["reviews"] = other["reviews"].with_columns(rating=pl.lit(1.0))
    for name in ("orders", "products", "prices", "promotions", "stock", "supply", "receipts", "signals"):
        assert other[name].height > 3, name
    (one_shop, one), (two_shop, two) = (
        open_and_run(tmp_path / label, early, late, CUT, values) for label, late in (("one", truth), ("two", other))
    )
    assert one.read("panel")["date"].max() <= shops.day(CUT)
    compare(one, two)
    # Without the later rows at all, too.
    compare(one, run(shops.shop(tmp_path / "three", early, values), as_of=shops.day(CUT)))
    # The change is not idle: seen a fortnight later it matters in every one of these tables.
    then, now = (run(workspace, as_of=shops.day(CUT + 14)) for workspace in (one_shop, two_shop))
    for name in COMPARED - {"products_view"} if freq == "1w" else COMPARED:
        assert not then.read(name).equals(now.read(name)), name


def test_a_run_as_of_a_past_day_forecasts_the_days_after_it(tmp_path):
    workspace = shops.shop(tmp_path / "shop", shops.tables(products=4), shops.SIMPLE)
    past = run(workspace, as_of=shops.day(100))
    assert past.manifest["as_of"] == shops.day(100).isoformat()
    assert past.read("forecasts")["cutoff"].unique().to_list() == [shops.day(100)]
    assert past.read("forecasts")["date"].min() == shops.day(101)
    assert past.read("scores")["cutoff"].max() < shops.day(100)
