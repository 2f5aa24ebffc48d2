"""Everything that a simulated shop can do at once keeps its books, and what is switched off draws as it always did."""

import hashlib
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from windvane.errors import ConfigError
from windvane.schema import RAW
from windvane.sim import Settings, Shop, simulate, write
from windvane.sim.counterfactual import World, expected
from windvane.sim.play import play

pytestmark = pytest.mark.tiny

WHOLE = Settings(
    products=21, days=110, start=date(2024, 9, 1), locations=2, rate=2.0, interest=0.4, leads=6, faulty=0.5, heed=0.3,
    segments=0.8, livestreams=12.0, rivals=0.4, pull_forward=0.3, launches=0.5, ends=0.3, presale=0.5, fakes=0.2,
    reviews=0.3,
)  # fmt: skip


def books(tables, truth):
    """What must hold of every shop."""
    demand = truth.demand
    assert (demand["demand"] == demand["sales"] + demand["lost"]).all()
    real = (pl.col("kind") == "sale") & ~pl.any_horizontal("is_fake", "is_bulk", "is_duplicate")
    lines = truth.lines.filter(real).group_by("sku", "location", date="demand_date").agg(pl.col("units").sum())
    both = demand.join(lines, on=["sku", "location", "date"], how="full", coalesce=True)
    assert (both["units"].fill_null(0) == both["sales"]).all()
    keys = ["order_id", "line"]
    assert truth.lines.select(keys).is_unique().all()
    assert tables["orders"].join(truth.lines, on=keys, how="anti").is_empty()
    for name, frame in tables.items():
        for column in RAW[name].columns:
            assert column.nullable or not frame[column.name].null_count(), (name, column.name)
            if column.minimum is not None:
                assert frame.filter(pl.col(column.name) < column.minimum).is_empty(), (name, column.name)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_books_are_kept_whatever_the_parts(language, tmp_path):
    shop = simulate(replace(WHOLE, language=language), 4)
    tables, truth = shop.collect()
    books(tables, truth)
    one = Shop(shop.settings, shop.seed, part=1)
    again = one.collect()
    for left, right in ((tables, again[0]), (truth.frames(), again[1].frames())):
        assert set(left) == set(right)
        for name in left:
            keys = left[name].columns
            assert_frame_equal(left[name].sort(keys), right[name].sort(keys), check_exact=True)
    write(one, tmp_path / "files")
    for name, frame in truth.frames().items():
        read = pl.read_parquet(tmp_path / "files" / "truth" / f"{name}.parquet")
        assert_frame_equal(read.sort(frame.columns), frame.sort(frame.columns))


def test_a_larger_shop_begins_with_the_same_products():
    less, more = (World.of(replace(WHOLE, products=n), 4) for n in (20, 26))
    np.testing.assert_array_equal(expected(less), expected(more)[:20])


@given(
    interest=st.floats(0, 2), leads=st.integers(0, 28), faulty=st.floats(0, 1), heed=st.floats(0, 2),
    segments=st.floats(0, 1), livestreams=st.floats(0, 50), unannounced=st.floats(0, 1), days=st.integers(1, 45),
)  # fmt: skip
@settings(max_examples=15)
def test_the_books_are_kept_whatever_the_settings(**given):
    made = Settings(products=4, rate=1.0, reviews=0.5, **given)
    books(*simulate(made, 2).collect())
    world = World.of(made, 2)
    without = expected(world, promotions=False)
    assert np.isfinite(without).all()
    assert (expected(world, world.planned.paid) == expected(world)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("interest", 2.5), ("leads", 29), ("leads", -1), ("faulty", 1.1), ("heed", -0.1), ("segments", 2.0),
     ("livestreams", 51.0), ("unannounced", -0.1)],
)  # fmt: skip
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        Settings(**{name: value})


def test_the_oracle_knows_how_interest_stands_and_not_how_it_turns():
    place = play(Settings(products=60, days=480, rate=6.0, shock=0.0, interest=0.4, promotions=0.0), seed=5, begin=200)
    ratio, inside, nothing = [], [], np.zeros((1, 0))
    for morning in range(200, 450, 21):
        found = place.oracle(28)(morning, nothing, nothing)
        seen = place.oracle(28, foreseen=True)(morning, nothing, nothing)
        ratio.append(found.mean.sum() / seen.mean.sum())
        low, high = np.quantile(found.totals(200), [0.1, 0.9], axis=1)
        sold = place.stage.demand[:, morning : morning + 28].sum(axis=1)
        inside.append((low <= sold) & (sold <= high))
    assert np.mean(ratio) == pytest.approx(1, abs=0.06)
    assert np.std(ratio) > 0.01
    assert 0.72 < np.mean(inside) < 0.92


PINNED = {
    "en": "a94d9fb9edb5aaa19d6f12bef453c21c9251fd80f4ef4f300b5ddbbd6c53e64a",
    "zh": "ceae00c5a2fe14c2e6015f07c87e728ced5b7063adf276d91feefb7aef97fe0f",
}


def digest(frame):
    """Hash of a frame; of decimals two places, since the last ones are the machine's."""
    return hashlib.sha256(repr(frame.with_columns(pl.selectors.float().round(2)).rows()).encode()).hexdigest()


@pytest.mark.parametrize("language", sorted(PINNED))
def test_what_is_switched_off_draws_as_it_always_did(language):
    plain = Settings(
        products=9, days=70, start=date(2024, 9, 20), language=language, rate=1.5, presale=0.5, fakes=0.3, reviews=0.2,
        rivals=0.3, pull_forward=0.2,
    )  # fmt: skip
    tables, truth = simulate(plain, 11).collect()
    counts = truth.demand.select("sku", "location", "date", "demand", "sales", "lost", "presale")
    frames = [tables[name] for name in sorted(tables)] + [truth.lines, counts, truth.reviews]
    assert digest(pl.DataFrame({"each": [digest(frame) for frame in frames]})) == PINNED[language]
