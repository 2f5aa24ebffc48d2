"""Hours, days, weeks and months: which periods are closed, and how days become periods."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_shop import day, moment, order, reader

from windvane.clean import build
from windvane.clean.watermark import Window, window
from windvane.config import parse
from windvane.errors import InputError
from windvane.freq import Freq

pytestmark = pytest.mark.tiny


def cleaned(orders, freq, horizon=3, **more):
    settings = more.pop("settings", {})
    tables = {"orders": orders, **more.pop("tables", {})}
    return build(
        reader(tables), parse({"clean": {"freq": freq, "stockouts": "off", **settings}}), horizon=horizon, **more
    )


def by_day(days, hour=20.0):
    first = date(2026, 1, 1)
    moments = [datetime.combine(first + timedelta(days=d), datetime.min.time()) + timedelta(hours=hour) for d in days]
    return pl.DataFrame(
        {"day": [m.date() for m in moments], "last_at": moments, "timed": [True] * len(days), "rows": [1] * len(days)}
    )


# --- closed periods -------------------------------------------------------------------------------------------------


def test_months_are_whole_and_the_first_and_last_partial_ones_are_left_out():
    found = window(by_day(range(10, 100)), "1mo", 2)  # 11 January to 10 April
    assert (found.start, found.closed, found.time) == (date(2026, 2, 1), date(2026, 3, 31), 2)
    assert found.dates.to_list() == [date(2026, 2, 1), date(2026, 3, 1)]
    assert found.end == date(2026, 5, 31)
    assert (found.open_days, found.lost_days) == (10, 21)


def test_a_month_that_opens_on_its_third_day_is_whole():
    assert window(by_day(range(2, 60)), "1mo", 1).start == date(2026, 1, 1)
    assert window(by_day(range(5, 60)), "1mo", 1).start == date(2026, 2, 1)


def test_the_last_month_counts_on_its_last_day():
    assert window(by_day(range(31)), "1mo", 1).closed == date(2026, 1, 31)
    with pytest.raises(InputError, match="less than one closed month"):
        window(by_day(range(30)), "1mo", 1)


def test_hours_of_an_open_day_are_closed_up_to_the_last_order():
    over = cleaned([order(d, 1, hour=h) for d in range(10) for h in (9, 20.5)], "1h")
    assert over.panel.cutoff == moment(9, 23)
    assert over.panel.shape == (1, 10 * 24)
    still_open = cleaned([*(order(d, 1, hour=h) for d in range(10) for h in (9, 20.5)), order(10, 7, hour=11.4)], "1h")
    assert still_open.panel.cutoff == moment(10, 10)
    assert still_open.closed == day(10)
    assert still_open.panel.sales[0, -25] == 0
    assert np.nansum(still_open.panel.sales) == 20
    assert still_open.panel.dates.dtype == pl.Datetime("us")


def test_hours_need_times():
    with pytest.raises(InputError, match="time of day") as error:
        cleaned([order(d, 1) for d in range(10)], "1h")
    assert error.value.column == "ordered_at"


# --- periods of unequal length --------------------------------------------------------------------------------------


@given(
    unit=st.sampled_from(["1h", "1d", "1w", "1mo"]),
    start=st.dates(date(2019, 1, 1), date(2025, 1, 1)),
    time=st.integers(1, 40),
    horizon=st.integers(1, 30),
)
def test_a_calendar_is_consistent(unit, start, time, horizon):
    start = start.replace(day=1) if unit == "1mo" else start
    freq = Freq(unit, (start - date(1970, 1, 1)).days % 7 if unit == "1w" else 0)
    closed = start + timedelta(days=Window(freq, start, start, time, horizon).days(time) - 1)
    calendar = Window(freq, start, closed, time, horizon)
    starts = calendar.starts(calendar.width)
    assert calendar.columns(starts).tolist() == list(range(calendar.width))
    assert starts[0] == (datetime.combine(start, datetime.min.time()) if unit == "1h" else start)
    days = calendar.days(calendar.width)
    every = pl.date_range(start, calendar.end, eager=True)
    assert len(every) == days
    number = calendar.day_columns(every)
    assert number.tolist() == list(range(days))
    # A day lies in the period that says so, and a daily layer keeps its mean and its largest value.
    column = calendar.periods_of_days(number)
    assert (column == calendar.columns(every)).all()
    layer = np.arange(days, dtype=np.float32)[None, :]
    mean, most = calendar.by_period(layer, "mean"), calendar.by_period(layer.astype(np.int32), "max")
    assert mean.shape == most.shape == (1, calendar.width)
    for at in {0, calendar.width // 2, calendar.width - 1}:
        inside = number[column == at] if unit != "1h" else number[[at // 24]]
        assert mean[0, at] == pytest.approx(inside.mean())
        assert most[0, at] == inside.max()


def test_a_mean_over_a_month_leaves_unknown_days_out():
    calendar = Window(Freq("1mo"), date(2026, 2, 1), date(2026, 3, 31), 2, 0)
    layer = np.full((1, 59), np.nan, np.float32)
    layer[0, :2] = [1, 3]
    np.testing.assert_array_equal(calendar.by_period(layer, "mean"), np.array([[2, np.nan]], np.float32))
    assert calendar.by_period(np.zeros((0, 59), np.float32), "mean").shape == (0, 2)


# --- the panel ------------------------------------------------------------------------------------------------------


def shop(days=120):
    return [order(d, 1 + d % 3, sku, hour=h) for sku in "ab" for d in range(days) for h in (9, 14.5, 20)]


@pytest.mark.parametrize("freq", ["1h", "1d", "1w", "1mo"])
def test_every_unit_is_in_one_period_of_every_frequency(freq):
    result = cleaned(shop(), freq)
    orders = pl.DataFrame(shop())
    begin = result.panel.dates[0]
    begin = begin.date() if isinstance(begin, datetime) else begin
    at = pl.col("ordered_at").dt.date()
    inside = orders.filter(at.is_between(begin, result.closed))
    assert np.nansum(result.raw_sales) == inside["units"].sum()
    assert result.revenue.sum() == 2 * inside["units"].sum()
    assert result.panel.freq.unit == freq
    beyond = round(31 / result.panel.freq.days)
    assert result.panel.known["holiday"].values.shape == (2, result.panel.shape[1] + 3 + beyond)
    assert result.panel.freq.numbers(result.panel.dates).tolist() == list(
        range(result.panel.first, result.panel.first + result.panel.shape[1])
    )
    assert result.frame["date"].dtype == result.panel.dates.dtype


def test_plans_reach_every_hour_of_their_days():
    promotion = {"promotion": "p", "sku": "a", "location": "all", "starts_on": day(5), "ends_on": day(6)}
    tables = {
        "promotions": [{**promotion, "kind": "coupon", "depth": 0.2, "known_at": moment(1)}],
        "prices": [
            {"sku": "a", "location": "all", "valid_from": day(d), "price": float(d + 1), "known_at": moment(d - 9)}
            for d in (0, 4, 8)
        ],
        "stock": [
            {"sku": "a", "location": "all", "date": day(d), "on_hand": float(d != 3), "known_at": moment(d)}
            for d in range(10)
        ],
        "signals": [
            {"name": "rain", "sku": "", "location": "", "region": "", "date": day(d), "value": float(d)}
            | {"known_at": moment(d - 20)}
            for d in range(12)
        ],
    }
    result = cleaned(shop(10), "1h", horizon=30, tables=tables)
    row = result.panel.keys["sku"].to_list().index("a")
    on = result.panel.known["promo_coupon"].values[row] > 0
    assert np.flatnonzero(on).tolist() == list(range(5 * 24, 7 * 24))
    price = result.panel.known["price"].values[row]
    assert price.shape == (10 * 24 + 30,)
    assert (price[4 * 24 : 8 * 24] == 5).all()
    assert (price[8 * 24 :] == 9).all()
    assert (result.panel.in_stock[row] == np.repeat(np.arange(10) != 3, 24)).all()
    rain = result.panel.known["signal_rain"].values[row]
    assert (rain == np.repeat(np.arange(12), 24)[: 10 * 24 + 30]).all()
    new_year = result.panel.known["holiday"].values[row]
    assert (new_year[:24] > 0).all()
    assert (new_year[24:48] == 0).all()


def test_a_price_of_a_month_is_the_mean_of_its_days():
    prices = [
        {"sku": "a", "location": "all", "valid_from": d, "price": p, "known_at": datetime(2025, 11, 1)}
        for d, p in ((date(2026, 1, 1), 1.0), (date(2026, 2, 15), 3.0))
    ]
    result = cleaned(shop(), "1mo", horizon=1, tables={"prices": prices})
    row = result.panel.keys["sku"].to_list().index("a")
    price = result.panel.known["price"].values[row]
    np.testing.assert_allclose(price, [1, (14 * 1 + 14 * 3) / 28, 3, 3, 3], rtol=1e-6)


def test_an_incomplete_first_month_is_told():
    result = cleaned([order(d, 1) for d in range(12, 100)], "1mo")
    assert "first_month_left_out" in set(result.findings["check"])
    assert "first_week_left_out" not in set(result.findings["check"])
