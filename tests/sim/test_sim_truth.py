"""The simulated shop keeps its own books: sums add up, every line is accounted for, and the seed decides."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from windvane.errors import ConfigError
from windvane.schema import RAW
from windvane.sim import Settings, Shop, simulate
from windvane.sim.settings import parse

pytestmark = pytest.mark.tiny

RICH = {
    "fakes": 0.3, "fakes_marked": 0.5, "bulk": 0.01, "presale": 0.5, "returns": 0.1, "duplicates": 0.05,
    "repeats": 0.05, "late": 0.1, "corrected": 0.05, "gifts": 0.05, "reviews": 0.1, "launches": 0.5, "ends": 0.3,
    "contradictory": 0.2,
}  # fmt: skip
SHOPS = {
    "zh": Settings(products=30, days=120, start=date(2024, 8, 20), language="zh", locations=2, **RICH),
    "en": Settings(products=41, days=130, start=date(2024, 8, 20), language="en", **RICH),
}


@pytest.fixture(scope="module", params=sorted(SHOPS))
def shop(request):
    return simulate(SHOPS[request.param], seed=5)


@pytest.fixture(scope="module")
def made(shop):
    return shop.collect()


def test_the_tables_are_those_of_the_schema(made):
    tables, _ = made
    assert set(tables) == set(RAW)
    for name, frame in tables.items():
        assert dict(frame.schema) == RAW[name].types
        assert frame.height, name
        for column in RAW[name].columns:
            assert column.nullable or not frame[column.name].null_count(), (name, column.name)
            if column.allowed:
                assert set(frame[column.name].drop_nulls()) <= set(column.allowed), (name, column.name)
            if column.minimum is not None:
                assert frame.filter(pl.col(column.name) < column.minimum).is_empty(), (name, column.name)


def test_what_is_wanted_is_sold_or_lost(made):
    demand = made[1].demand
    assert (demand["demand"] == demand["sales"] + demand["lost"]).all()
    assert demand.select((pl.col("sales", "lost", "presale", "expected", "demand") >= 0).all()).row(0) == (True,) * 5
    assert demand["lost"].sum() > 0
    # Nothing is lost where the shelf was full all day, and something everywhere else that somebody came.
    assert demand.filter(pl.col("in_stock") == 1)["lost"].sum() == 0
    assert (demand.filter(pl.col("in_stock") == 0)["sales"] == demand.filter(pl.col("in_stock") == 0)["presale"]).all()
    assert demand.select("sku", "location", "date").is_unique().all()


def test_every_line_is_accounted_for(made):
    tables, truth = made
    keys = ["order_id", "line"]
    assert truth.lines.select(keys).is_unique().all()
    assert tables["orders"].join(truth.lines, on=keys, how="anti").is_empty()
    assert truth.lines.join(tables["orders"], on=keys, how="anti").is_empty()
    for flag in ("is_fake", "is_bulk", "is_duplicate", "is_late", "is_corrected", "is_presale"):
        assert truth.lines[flag].sum() > 0, flag
    assert set(truth.lines["kind"]) == {"sale", "return", "presale deposit", "gift", "suspected fake"}
    # The last word on every line is what the truth says of it.
    last = tables["orders"].sort("known_at", maintain_order=True).unique(keys, keep="last")
    both = last.join(truth.lines, on=keys, suffix="_true")
    assert (both["units"] == both["units_true"]).all()


def test_true_sales_are_the_lines_that_are_demand_on_the_day_of_the_decision(made):
    _, truth = made
    real = (pl.col("kind") == "sale") & ~pl.any_horizontal("is_fake", "is_bulk", "is_duplicate")
    keys = ["sku", "location", "date"]
    lines = truth.lines.filter(real).group_by("sku", "location", pl.col("demand_date").alias("date")).agg(
        pl.col("units").sum()
    )  # fmt: skip
    both = truth.demand.join(lines, on=keys, how="full", coalesce=True)
    assert (both["units"].fill_null(0) == both["sales"]).all()


def test_a_final_payment_follows_most_deposits(made):
    _, truth = made
    held = truth.lines.filter(pl.col("kind") == "presale deposit")
    paid = truth.lines.filter((pl.col("kind") == "sale") & pl.col("is_presale") & ~pl.col("is_duplicate"))
    per_order = (
        held.group_by("order_id", "sku").len().join(paid.group_by("order_id", "sku").len(), on=["order_id", "sku"])
    )
    assert (per_order["len"] == per_order["len_right"]).all()
    assert 0.75 < paid.height / held.height < 1
    assert truth.demand["presale"].sum() == paid["units"].sum()


def test_returns_name_a_sale_before_them(made):
    tables, truth = made
    back = truth.lines.filter(pl.col("kind") == "return")
    sales = truth.lines.filter(pl.col("kind") == "sale").select("order_id", "line", sold="units", sold_on="demand_date")
    both = back.join(sales, left_on=["return_of", "line"], right_on=["order_id", "line"])
    assert both.height == back.height > 0
    assert (both["units"] == -both["sold"]).all()
    orders = tables["orders"].unique(["order_id", "line"])
    when = back.join(orders.select("order_id", "line", "ordered_at"), on=["order_id", "line"])
    assert (when["ordered_at"].dt.date() >= when["demand_date"] + timedelta(days=3)).all()


def test_the_seed_decides_and_nothing_else(shop, made):
    again = Shop(shop.settings, shop.seed, part=7).collect()
    for left, right in zip((made[0], made[1].frames()), (again[0], again[1].frames()), strict=True):
        for name in left:
            keys = left[name].columns
            # Parts come one after the other, so that only the order of rows may differ.
            assert_frame_equal(left[name].sort(keys), right[name].sort(keys), check_exact=True)
    other = simulate(shop.settings, shop.seed + 1).truth
    assert not other.demand.equals(made[1].demand)


def test_a_larger_shop_begins_with_the_same_products(shop, made):
    settings = shop.settings
    more = simulate(
        Settings(**{name: getattr(settings, name) for name in vars(settings)} | {"products": 60}), shop.seed
    )
    known = made[1].products["sku"]
    larger = more.truth.demand.filter(pl.col("sku").is_in(known.to_list()))
    last = known[-1]  # its successor exists in the larger shop only
    left, right = (frame.filter(pl.col("sku") != last) for frame in (made[1].demand, larger))
    assert_frame_equal(left, right, check_exact=True)


def test_nothing_is_told_before_it_is_known_or_after_the_end(shop, made):
    tables, _ = made
    end = shop.settings.end
    for name, frame in tables.items():
        assert frame["known_at"].dt.date().max() <= end, name
    for name, moment in (("orders", "ordered_at"), ("events", "at"), ("reviews", "at"), ("receipts", "received_at")):
        assert tables[name].filter(pl.col("known_at") < pl.col(moment)).is_empty(), name
    assert tables["stock"].filter(pl.col("known_at").dt.date() < pl.col("date")).is_empty()
    # Plans reach beyond the end.
    assert tables["promotions"]["starts_on"].max() > end


def test_launches_have_predecessors_and_ends(made):
    tables, truth = made
    products = truth.products
    follows = products.filter(pl.col("predecessor").is_not_null())
    assert follows.height
    old = follows.join(products, left_on="predecessor", right_on="sku", suffix="_old")
    assert old.select((pl.col("ended_old") >= pl.col("launched")).all()).item()
    sold = truth.demand.group_by("sku").agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"))
    life = products.join(sold, on="sku")
    assert (life.filter(pl.col("ended").is_not_null()).select(pl.col("last") <= pl.col("ended")).to_series()).all()
    assert (life["first"] >= life["launched"]).all()
    versions = tables["products"].group_by("sku").len()
    assert versions["len"].max() > 1, "products change slowly"


def test_titles_and_reviews_speak_the_language(shop, made):
    tables, truth = made
    chinese = shop.settings.language == "zh"
    for name, column in (("products", "title"), ("reviews", "text")):
        han = tables[name][column].str.contains(r"\p{Han}")
        assert han.all() if chinese else not han.any()
    assert truth.reviews["is_fake"].any()
    odd = tables["reviews"].join(truth.reviews.filter("is_contradictory"), on="review_id")
    assert odd.height


def test_fakes_come_in_bursts_from_few_accounts(made):
    tables, truth = made
    fake = truth.lines.filter(pl.col("is_fake") & ~pl.col("is_duplicate"))
    orders = tables["orders"].unique(["order_id", "line"], keep="last", maintain_order=True)
    seen = fake.join(orders, on=["order_id", "line"]).group_by("sku", pl.col("ordered_at").dt.date()).agg(
        pl.len(), pl.col("customer").n_unique()
    )  # fmt: skip
    assert seen["len"].min() >= 8
    assert (seen["customer"] < seen["len"]).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"products": 0}, "products"), ({"days": 0}, "days"), ({"fakes": 1.5}, "fakes"), ({"language": "fr"}, "language"),
     ({"stockout_share": 0.9}, "stockout_share"), ({"rate": float("nan")}, "rate")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong, named):
    with pytest.raises(ConfigError, match=named):
        Settings(**wrong)


def test_settings_are_read_from_text():
    read = parse(["stockout_share=0.5", "start=2023-02-01", "products=7"], {"products": 3, "days": 9})
    assert (read.stockout_share, read.start, read.products, read.days) == (0.5, date(2023, 2, 1), 7, 9)
    with pytest.raises(ConfigError, match="there is no setting 'nonsense'"):
        parse(["nonsense=1"], {})
    with pytest.raises(ConfigError, match="'many' is no value for products"):
        parse(["products=many"], {})


@pytest.mark.parametrize("days", [1, 2, 40])
def test_the_smallest_shops_work(days):
    plain = dict.fromkeys(("fakes", "returns", "stock_given", "reviews", "events", "launches", "promotions"), 0.0)
    tables, truth = simulate(Settings(products=1, days=days, **plain)).collect()
    assert truth.demand.height == days
    assert tables["stock"].is_empty()
    assert tables["events"].is_empty()
    assert tables["promotions"].is_empty()
