"""Holidays and festivals, against dates from the wall calendar."""

from datetime import date

import polars as pl
import pytest

from windvane.errors import ConfigError
from windvane.ingest.calendar import holidays_between

pytestmark = pytest.mark.tiny


def names(country, day, subdivision=""):
    return set(holidays_between(country, subdivision, day, day)["name"])


@pytest.mark.parametrize(
    ("country", "day", "name"),
    [
        ("CN", date(2023, 1, 22), "春节"),
        ("CN", date(2024, 2, 9), "除夕"),
        ("CN", date(2024, 6, 10), "端午节"),
        ("CN", date(2023, 9, 29), "中秋节"),
        ("CN", date(2024, 6, 18), "618"),
        ("CN", date(2024, 11, 11), "双11"),
        ("CN", date(2024, 12, 12), "双12"),
        ("US", date(2017, 11, 24), "Black Friday"),
        ("US", date(2024, 12, 2), "Cyber Monday"),
        ("US", date(2017, 7, 4), "Independence Day"),
        ("GB", date(2011, 12, 26), "Boxing Day"),
    ],
)
def test_known_dates(country, day, name):
    assert name in names(country, day)


def test_subdivision_adds_its_own():
    assert "Cesar Chavez Day" in names("US", date(2017, 3, 31), "CA")
    assert names("US", date(2017, 3, 31)) == set()


def test_frame_is_sorted_and_bounded():
    frame = holidays_between("CN", "", date(2022, 12, 1), date(2023, 2, 1))
    assert frame.schema == {"date": pl.Date, "name": pl.String, "kind": pl.String}
    assert frame["date"].is_sorted()
    assert frame["date"].is_between(date(2022, 12, 1), date(2023, 2, 1)).all()
    assert set(frame["kind"]) == {"public", "festival"}
    assert frame.is_unique().all()


def test_unknown_country():
    with pytest.raises(ConfigError, match="XX"):
        holidays_between("XX", "", date(2023, 1, 1), date(2023, 1, 2))
    with pytest.raises(ConfigError, match="US ZZ"):
        holidays_between("US", "ZZ", date(2023, 1, 1), date(2023, 1, 2))
