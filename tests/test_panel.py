"""From a long frame to a panel: what is kept, what is filled, what is refused."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import windvane as wv
from windvane.errors import InputError, MissingFutureError
from windvane.panel import ACTIVE, ENDED, PRELAUNCH, Known, Panel, life_states

pytestmark = pytest.mark.tiny

DAY = timedelta(1)
START = date(2026, 1, 1)


def long(series=("a", "b"), days=10, **columns) -> pl.DataFrame:
    """One row per series and day; sales count up from 1."""
    rows = [(s, START + DAY * d) for s in series for d in range(days)]
    frame = pl.DataFrame(rows, schema={"sku": pl.String, "date": pl.Date}, orient="row")
    return frame.with_columns(sales=pl.int_range(1, pl.len() + 1), **columns)


def panel(frame, keys=("sku",), freq="1d", **more) -> Panel:
    return Panel.from_frame(frame, keys=list(keys), date="date", sales="sales", freq=freq, **more)


def test_rows_may_come_in_any_order():
    frame = long()
    assert np.array_equal(
        np.sort(panel(frame.sample(fraction=1, shuffle=True, seed=1)).sales, axis=0), panel(frame).sales
    )
    assert panel(frame).sales.dtype == np.float32
    assert panel(frame).sales.flags.c_contiguous
    assert panel(frame).cutoff == START + 9 * DAY


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([7, 3], pl.Int32()),
        ([7, 3], pl.UInt8()),
        (["x", "y"], pl.Categorical()),
        (["x", "y"], pl.Enum(["y", "x", "z"])),
        ([date(2020, 5, 1), date(2019, 1, 1)], pl.Date()),
        ([True, False], pl.Boolean()),
    ],
)
def test_keys_keep_names_types_and_order(values, kind):
    store = pl.Series("Store No.", [values[0]] * 10 + [values[1]] * 10, dtype=kind)
    frame = long().drop("sku").with_columns(store)
    made = panel(frame, keys=("Store No.",))
    assert made.keys.schema == {"Store No.": kind}
    assert made.keys["Store No."].to_list() == values
    out = wv.forecast(made, horizon=2, preset="fast").frame()
    assert out.schema["Store No."] == kind
    assert out["Store No."].unique(maintain_order=True).to_list() == values


def test_several_keys():
    frame = pl.concat([long().with_columns(store=pl.lit(s)) for s in (2, 1)])
    made = panel(frame, keys=("store", "sku"))
    assert made.keys.rows() == [(2, "a"), (2, "b"), (1, "a"), (1, "b")]
    assert made.shape == (4, 10)


def test_an_absent_row_is_unknown_and_not_zero():
    frame = long().filter(~((pl.col("sku") == "a") & pl.col("date").is_in([START + 3 * DAY, START + 9 * DAY])))
    made = panel(frame)
    assert np.flatnonzero(np.isnan(made.sales[0])).tolist() == [3, 9]
    assert not np.isnan(made.sales[1]).any()


def test_an_absent_row_is_zero_where_asked():
    gone = [START, START + DAY, START + 4 * DAY, START + 9 * DAY]
    frame = long().filter(~((pl.col("sku") == "a") & pl.col("date").is_in(gone)))
    frame = frame.with_columns(sales=pl.when((pl.col("sku") == "a") & (pl.col("date") == START + 6 * DAY)).then(None)
                               .otherwise("sales"))  # fmt: skip
    sales = panel(frame, absent="zero").sales[0]
    np.testing.assert_array_equal(sales, [np.nan, np.nan, 3, 4, 0, 6, np.nan, 8, 9, 0])
    with pytest.raises(InputError, match="neither 'unknown' nor 'zero'"):
        panel(frame, absent="none")


def test_negative_sales_are_net_returns():
    made = panel(long().with_columns(sales=pl.when(pl.col("date") == START + 5 * DAY).then(-4).otherwise(2)))
    assert made.sales[0, 5] == -4
    assert (wv.forecast(made, horizon=3, preset="fast").mean >= 0).all()


@pytest.mark.parametrize(("sales", "counts"), [([1, 2, 3], True), ([1.0, 2.0, 4.0], True), ([1.0, 2.5, 3.0], False)])
def test_whole_numbers_are_noticed(sales, counts):
    frame = pl.DataFrame({"sku": "a", "date": [START, START + DAY, START + 2 * DAY], "sales": sales})
    assert panel(frame).counts is counts


def test_fridays_stay_fridays():
    weeks = [date(2025, 1, 3) + timedelta(weeks=w) for w in range(60)]
    made = panel(pl.DataFrame({"sku": "a", "date": weeks, "sales": range(60)}), freq="1w")
    assert made.dates.to_list() == weeks
    ahead = wv.forecast(made, horizon=4, preset="fast").frame()["date"]
    assert ahead.to_list() == [weeks[-1] + timedelta(weeks=w) for w in range(1, 5)]
    assert ahead.dtype == pl.Date


@pytest.mark.parametrize("end", [False, True])
def test_months_keep_first_or_last_day(end):
    months = pl.date_range(date(2021, 1, 1), date(2024, 1, 1), "1mo", eager=True)
    months = months.dt.month_end() if end else months
    made = panel(pl.DataFrame({"sku": "a", "date": months, "sales": range(37)}), freq="1mo")
    ahead = wv.forecast(made, horizon=2, preset="fast").frame()["date"].to_list()
    assert ahead == ([date(2024, 2, 29), date(2024, 3, 31)] if end else [date(2024, 2, 1), date(2024, 3, 1)])


def test_hours():
    hours = [datetime(2026, 1, 1) + timedelta(hours=h) for h in range(72)]
    made = panel(pl.DataFrame({"sku": "a", "date": hours, "sales": range(72)}), freq="1h")
    assert made.future_dates(2).to_list() == [datetime(2026, 1, 4, 0), datetime(2026, 1, 4, 1)]


@pytest.mark.parametrize(
    "dates",
    [
        ["2026-01-01", "2026-01-02"],
        ["2026-01-01 00:00:00", "2026-01-02 00:00:00"],
        [datetime(2026, 1, 1), datetime(2026, 1, 2)],
        [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)],
    ],
)
def test_dates_may_be_text_or_midnights(dates):
    made = panel(pl.DataFrame({"sku": "a", "date": dates, "sales": [1, 2]}))
    assert made.dates.to_list() == [START, START + DAY]


def test_future_comes_by_name_in_any_order():
    frame = long(promo=pl.lit(0.0))
    later = pl.DataFrame(
        {
            "promo": [11.0, 21.0, 12.0, 22.0],
            "date": [START + 10 * DAY, START + 10 * DAY, START + 11 * DAY, START + 11 * DAY],
            "sku": ["a", "b", "a", "b"],
            "whatever": "x",
        }
    ).reverse()
    made = panel(frame, known=["promo"], future=later)
    np.testing.assert_array_equal(made.known["promo"].values[:, 10:], [[11, 12], [21, 22]])
    made.require_future(2)
    assert made.shape == (2, 10)


def test_future_may_stand_in_the_frame_with_empty_sales():
    last = START + 9 * DAY
    frame = long(days=13, price=pl.lit(2.5)).with_columns(
        sales=pl.when(pl.col("date") > last).then(None).otherwise("sales")
    )
    made = panel(frame, known=["price"])
    assert made.cutoff == last
    made.require_future(3)
    assert made.known["price"].values.shape == (2, 13)
    assert wv.forecast(made, horizon=3, preset="fast").frame().height == 6


def test_future_rows_of_unknown_series_are_left_out():
    later = pl.DataFrame({"sku": ["z"], "date": [START + 10 * DAY], "promo": [1.0]})
    made = panel(long(promo=pl.lit(0.0)), known=["promo"], future=later)
    assert np.isnan(made.known["promo"].values[:, 10:]).all()


def test_a_missing_future_is_named():
    later = pl.DataFrame({"sku": ["a", "a", "b"], "date": [START + 10 * DAY, START + 11 * DAY, START + 10 * DAY],
                          "promo": 1.0})  # fmt: skip
    made = panel(long(promo=pl.lit(0.0)), known=["promo"], future=later)
    with pytest.raises(MissingFutureError) as caught:
        wv.forecast(made, horizon=2)
    for part in ("'promo'", "sku='b'", "2026-01-12", "1 of 4"):
        assert part in str(caught.value)
    with pytest.raises(MissingFutureError, match="has no value"):
        wv.forecast(panel(long(promo=pl.lit(0.0)), known=["promo"]), horizon=1)


def test_future_on_another_weekday_is_refused():
    weeks = [date(2025, 1, 3) + timedelta(weeks=w) for w in range(10)]
    frame = pl.DataFrame({"sku": "a", "date": weeks, "sales": range(10), "promo": 0})
    later = pl.DataFrame({"sku": ["a"], "date": [weeks[-1] + timedelta(8)], "promo": [1]})
    with pytest.raises(InputError, match="start on other days"):
        panel(frame, freq="1w", known=["promo"], future=later)


def test_known_texts_become_codes_shared_with_the_future():
    frame = long(kind=pl.Series(["none", "mailer"] * 10))
    later = pl.DataFrame({"sku": ["a", "b"], "date": START + 10 * DAY, "kind": ["display", "none"]})
    made = panel(frame, known=["kind"], future=later)
    assert made.levels["kind"] == ("display", "mailer", "none")
    assert made.known["kind"].values[0, [0, 1, 10]].tolist() == [2, 1, 0]


def test_past_and_static_columns():
    frame = long(views=pl.lit(3), category=pl.when(pl.col("sku") == "a").then(pl.lit("tea")))
    made = panel(frame, past=["views"], static=["category"])
    assert made.past["views"].shape == (2, 10)
    assert made.static["category"].to_list() == ["tea", None]
    assert made.hierarchy == ("category",)


def refusals():
    good = long()
    odd = pl.col("date") == START + 4 * DAY
    return {
        "no such column": (good.drop("sales"), {}, "frame has no column 'sales'"),
        "no rows": (good.clear(), {}, "no rows"),
        "duplicate": (pl.concat([good, good[3:4]]), {}, r"row 20: a second row for sku='a' on 2026-01-04"),
        "empty key": (good.with_columns(sku=pl.when(~odd).then("sku")), {}, "column 'sku', row 4: empty"),
        "empty date": (good.with_columns(date=pl.when(~odd).then("date")), {}, "column 'date', row 4: empty"),
        "text sales": (good.with_columns(pl.col("sales").cast(pl.String)), {}, "column 'sales' is String"),
        "infinite": (
            good.with_columns(sales=pl.when(odd).then(float("inf")).otherwise("sales")),
            {},
            "row 4: inf is not a usable number",
        ),
        "no sales at all": (good.with_columns(sales=pl.lit(None, pl.Float64)), {}, "no value"),
        "not a date": (good.with_columns(date=pl.lit("01/02/26")), {}, r"'01/02/26' is not a date"),
        "number as date": (good.with_columns(date=pl.lit(20260101)), {}, "is Int32, not a date"),
        "mixed weekdays": (good, {"freq": "1w"}, "row 1: 2026-01-02 falls on another weekday"),
        "reserved key": (good.rename({"sku": "mean"}), {"keys": ("mean",)}, "'mean' has a name"),
        "quantile key": (good.rename({"sku": "q0.5"}), {"keys": ("q0.5",)}, "'q0.5' has a name"),
        "no keys": (good, {"keys": ()}, "keys= is empty"),
        "not a frame": (object(), {}, "a object is not a frame"),
    }


@pytest.mark.parametrize("kind", refusals())
def test_what_is_refused(kind):
    frame, more, says = refusals()[kind]
    with pytest.raises(InputError, match=says) as caught:
        panel(frame, **more)
    assert caught.value.remedy


def test_a_stray_date_is_not_met_with_all_memory():
    stray = pl.DataFrame({"sku": ["s0"], "date": [date(9000, 1, 1)], "sales": [1]})
    frame = pl.concat([long(series=[f"s{i}" for i in range(5000)], days=1), stray], how="vertical_relaxed")
    with pytest.raises(InputError, match="too large for one panel"):
        panel(frame)


def test_arrow_and_lazy_frames():
    frame = long()
    for other in (frame.lazy(), frame.to_arrow()):
        np.testing.assert_array_equal(panel(other).sales, panel(frame).sales)


def test_pandas_frames():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = long()
    other = pd.DataFrame({"sku": frame["sku"].to_list(), "date": pd.to_datetime(frame["date"].to_list()),
                          "sales": frame["sales"].to_list()})  # fmt: skip
    made = panel(other)
    np.testing.assert_array_equal(made.sales, panel(frame).sales)
    assert made.dates.to_list() == panel(frame).dates.to_list()


def test_as_of_hides_what_came_later():
    frame = long(promo=pl.lit(1.0), views=pl.lit(3.0))
    made = panel(frame, known=["promo"], past=["views"])
    then = made.as_of(START + 5 * DAY)
    assert then.shape == (2, 6)
    assert then.cutoff == START + 5 * DAY
    assert then.past["views"].shape == (2, 6)
    assert then.known["promo"].values.shape[1] == 10
    for wrong in (START - DAY, START + 10 * DAY):
        with pytest.raises(InputError, match="is not a period"):
            made.as_of(wrong)


def test_known_values_appear_when_announced():
    known = Known(np.arange(10, dtype=np.float32)[None, :], np.array([[0, 0, 0, 0, 0, 3, 4, 9, 2, 2]], np.int32))
    np.testing.assert_array_equal(known.at(3, np.arange(1, 8)), [[4, 5, np.nan, np.nan, 8, 9, np.nan]])
    np.testing.assert_array_equal(Known(known.values).at(8, np.arange(1, 4)), [[9, np.nan, np.nan]])


def test_parts_hold_every_series_once_with_its_own_window():
    sales = np.full((5, 20), np.nan, np.float32)
    for row, launch in enumerate((12, 0, 19, 3, 12)):
        sales[row, launch:] = row + 1
    made = Panel(
        keys=pl.DataFrame({"sku": list("abcde")}),
        sales=sales,
        dates=pl.Series("date", [START + DAY * d for d in range(20)]),
        freq=panel(long()).freq,
        known={"promo": Known(np.tile(np.arange(25, dtype=np.float32), (5, 1)), np.zeros((5, 25), np.int32))},
    )
    rows, parts = zip(*made.parts(2), strict=True)
    assert sorted(np.concatenate(rows).tolist()) == [0, 1, 2, 3, 4]
    assert [part.shape[1] for part in parts] == [20, 8, 1]
    for which, part in zip(rows, parts, strict=True):
        assert part.keys["sku"].to_list() == [list("abcde")[r] for r in which]
        assert part.cutoff == made.cutoff
        assert part.known["promo"].values[0, -1] == 24
        assert part.known["promo"].values.shape[1] == part.shape[1] + 5
        np.testing.assert_array_equal(part.identity, made.identity[which])


def test_life_states():
    nan = np.nan
    sales = np.array([[nan, 0, 2, 0, 0, 0], [nan, 0, 0, 0, 0, 0], [nan] * 6, [1, 0, 0, 0, 0, 3]], np.float32)
    states = life_states(sales, ended_after=3)
    assert states[0].tolist() == [PRELAUNCH, PRELAUNCH, ACTIVE, ENDED, ENDED, ENDED]
    assert states[1].tolist() == [PRELAUNCH, ACTIVE, ACTIVE, ACTIVE, ACTIVE, ACTIVE]
    assert states[2].tolist() == [PRELAUNCH] * 6
    assert states[3].tolist() == [ACTIVE] * 6
    assert ENDED not in life_states(sales)


def test_identity_is_made_of_the_keys_alone():
    made = panel(long(series=("a", "b", "c")))
    assert len(set(made.identity.tolist())) == 3
    np.testing.assert_array_equal(made.take(np.array([2, 0])).identity, made.identity[[2, 0]])


@pytest.mark.parametrize("kind", ["read-only", "columns first", "float64"])
def test_sales_of_any_layout_can_be_forecast(kind):
    sales = np.random.default_rng(1).poisson(4, (3, 60)).astype(np.float32)
    given = {"columns first": np.asfortranarray(sales), "float64": sales.astype(np.float64)}.get(kind, sales.copy())
    given.flags.writeable = kind != "read-only"
    dates = pl.Series([START + DAY * d for d in range(60)])
    keys = pl.DataFrame({"sku": ["a", "b", "c"]})
    made = Panel(keys, given, dates, wv.Panel.from_frame(long(), ["sku"], "date", "sales", "1d").freq)
    assert np.array_equal(made.sales, sales)
    assert np.isfinite(wv.forecast(made, 7).mean).all()
