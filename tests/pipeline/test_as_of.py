"""Whatever becomes known after a day changes nothing in a run as of that day: the whole way, through every stage."""

from datetime import date, datetime, timedelta

import corner_shop as shops
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sameness import assert_same

from windvane import schema
from windvane.clean import build
from windvane.config import parse
from windvane.pipeline import run
from windvane.sim import Settings, simulate

START = date(2024, 7, 10)
CUT = 118
LIGHT = {**shops.LIGHT, "ingest": {"accept_changes": True}}
COMPARED = {
    "panel", "cleaning", "findings", "products_view", "scores", "leaderboard", "forecasts", "series", "totals",
    "trends", "reorder",
}  # fmt: skip


def day(number):
    return START + timedelta(days=number)


def moment(number):
    return datetime.combine(START, datetime.min.time()) + timedelta(days=number)


KNOWN = pl.col("known_at") < moment(CUT + 1)


def later(name, frame, rng):
    """Other rows than the true ones from after the cut: changed, dropped, doubled, corrected, dated back."""
    table = schema.RAW[name]
    numbers = [c.name for c in table.columns if c.type == schema.REAL and c.maximum != 1 and name != "reviews"]
    texts = [c.name for c in table.columns if c.type == schema.TEXT and c.name not in table.key and not c.allowed]
    texts = [c for c in texts if c not in ("sku", "location", "country", "predecessor", "customer", "return_of")]
    changed = (pl.col(c).abs() * 9 + 2 for c in numbers)
    retold = (pl.lit(f"new {c}").alias(c) for c in texts)
    when = pl.lit(moment(CUT + 1.4)).alias("known_at")
    after = frame.filter(~KNOWN).sample(fraction=0.6, seed=int(rng.integers(99)), shuffle=True)
    corrected = frame.filter(KNOWN).sample(fraction=1.0 if frame.height < 10 else 0.3, seed=int(rng.integers(99)))
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
    elif name == "calendar":
        moved = corrected.with_columns(pl.col("ends_on") + pl.duration(days=5), when)
        out += [moved, moved.with_columns(pl.col("name") + " new", pl.lit("closure").alias("kind"))]
    elif name == "products":
        out.append(corrected.with_columns(pl.lit(day(CUT - 20)).alias("ended_on"), when))
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
    return workspace, run(workspace, as_of=day(as_of))


SIMULATED = Settings(
    products=16, days=140, start=START, language="zh", locations=2, rate=2.0, spread=0.8, promotions=25.0, revised=0.3,
    stockout_series=0.6, stock_given=0.5, recounts=0.05, presale=0.6, fakes=0.3, bulk=0.01, returns=0.12, gifts=0.02,
    late=0.05, corrected=0.03, duplicates=0.03, reviews=0.1, launches=0.4, ends=0.3, growth=0.1,
)  # fmt: skip
"""On the day of the cut deposits for 双11 are held, and their payments lie ahead."""
STRICT = {"returns": "sale_date", "duplicates": "drop", "fakes": "drop", "bulk": "cap", "stockouts": "infer"}
PLAIN = {"returns": "return_date", "duplicates": "keep", "fakes": "keep", "bulk": "keep", "stockouts": "off"}


@pytest.mark.parametrize(
    ("freq", "clean"), [("1d", STRICT), ("1d", PLAIN), ("1w", STRICT)], ids=["daily strict", "daily plain", "weekly"]
)
def test_nothing_known_later_changes_the_run(freq, clean, tmp_path):
    rng = np.random.default_rng(3)
    found, truth = simulate(SIMULATED, 4).collect()
    assert set(found) == set(schema.RAW), "every raw table must be perturbed"
    told_ahead(found, truth)
    values = {**LIGHT, "clean": {"freq": freq, **clean}}
    if freq == "1w":
        values["forecast"] = {"horizon": 4, "paths": 60}
    early = {name: frame.filter(KNOWN) for name, frame in found.items()}
    truth = {name: frame.filter(~KNOWN) for name, frame in found.items()}
    other = {name: later(name, frame, rng) for name, frame in found.items()}
    other["reviews"] = other["reviews"].with_columns(rating=pl.lit(1.0))
    for name in set(schema.RAW) - {"calendar", "locations"}:
        assert other[name].height > 3, name
    (one_shop, one), (two_shop, two) = (
        open_and_run(tmp_path / label, early, late, CUT, values) for label, late in (("one", truth), ("two", other))
    )
    assert one.read("panel")["date"].max() <= day(CUT)
    compare(one, two)
    # Without the later rows at all, too.
    compare(one, run(shops.shop(tmp_path / "three", early, values), as_of=day(CUT)))
    # The change is not idle: seen a fortnight later it matters in every one of these tables.
    then, now = (run(workspace, as_of=day(CUT + 14)) for workspace in (one_shop, two_shop))
    for name in COMPARED - {"products_view"}:
        assert not then.read(name).equals(now.read(name)), name


@pytest.mark.parametrize("freq", ["1h", "1d", "1w", "1mo"])
@pytest.mark.parametrize("clean", [STRICT, PLAIN], ids=["strict", "plain"])
def test_cleaning_itself_looks_no_further_than_the_day(freq, clean):
    found, _ = simulate(SIMULATED, 4).collect()
    early, more = {}, {}
    for name, frame in found.items():
        key = schema.RAW[name].key
        known = frame.filter(KNOWN).sort("known_at", maintain_order=True)
        early[name] = known.unique(key, keep="last", maintain_order=True)
        # Of an order line a reader gives the one version that was known; of anything else it may give all.
        other = later(name, frame, np.random.default_rng(9))
        fresh = other.join(early[name], on=key, how="anti") if name == "orders" else other
        more[name] = pl.concat([early[name], fresh])
    config = parse({"shop": {"country": "CN"}, "clean": {"freq": freq, **clean}, "forecast": {"horizon": 3}})

    def cleaned(tables, as_of):
        return build(lambda name: tables[name].lazy(), config, as_of)

    assert_same(cleaned(early, day(CUT)), cleaned(more, day(CUT)), freq)
    then, now = (cleaned(tables, day(CUT + 35)).panel for tables in (early, more))
    assert then.shape != now.shape or not np.array_equal(then.sales, now.sales, equal_nan=True)


def told_ahead(found, truth):
    """What the shop must have for the perturbation to reach every rule of cleaning."""
    cut = day(CUT)
    orders = found["orders"]
    held = orders.filter(KNOWN & (pl.col("kind") == "presale deposit"))["order_id"]
    paid = orders.filter(~KNOWN & (pl.col("kind") == "sale") & pl.col("order_id").is_in(held.to_list()))
    assert paid.height > 5, "no deposit's payment lies ahead"
    back = orders.filter(~KNOWN & (pl.col("kind") == "return"))
    sold = truth.lines.filter((pl.col("kind") == "sale") & (pl.col("demand_date") <= cut))["order_id"]
    assert back.filter(pl.col("return_of").is_in(sold.to_list())).height > 5, "no earlier sale comes back later"
    lost = truth.demand.filter((pl.col("in_stock") == 0) & (pl.col("date") <= cut))
    assert lost.join(found["stock"], on=["sku", "location", "date"], how="anti").height > 50, "no stock-out is untold"
    told_late = truth.lines.filter((pl.col("demand_date") <= cut) & (pl.col("known_at") >= moment(CUT + 1)))
    for flag in ("is_late", "is_corrected"):
        assert told_late.join(orders.filter(~KNOWN), on=["order_id", "line"]).height > 0, flag
    fakes = truth.lines.filter("is_fake")["demand_date"]
    assert fakes.min() <= cut, "no fakes come before the cut"
    assert found["calendar"].filter(KNOWN & (pl.col("starts_on") > cut)).height > 0, "no own event lies ahead"


def test_a_run_as_of_a_past_day_forecasts_the_days_after_it(tmp_path):
    workspace = shops.shop(tmp_path / "shop", shops.tables(products=4), shops.SIMPLE)
    past = run(workspace, as_of=shops.day(100))
    assert past.manifest["as_of"] == shops.day(100).isoformat()
    assert past.read("forecasts")["cutoff"].unique().to_list() == [shops.day(100)]
    assert past.read("forecasts")["date"].min() == shops.day(101)
    assert past.read("scores")["cutoff"].max() < shops.day(100)
