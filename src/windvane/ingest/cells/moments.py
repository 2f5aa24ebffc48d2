"""Days and moments as shops write them, one way of writing per column and file.

The way is found from the cells of the first chunk: the one that reads most of them. Where a day and a month could
change places, some cell must decide (a number above 12); a file that leaves it open is not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

import polars as pl

from windvane.errors import MappingError
from windvane.ingest.mapping import Source
from windvane.schema import MOMENT

_TIMES = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S", "T%H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y/%m/%d %H:%M:%S %#z")


def _with(days: Iterable[str], times: Iterable[str] = _TIMES) -> tuple[str, ...]:
    return tuple(f"{day}{time}" for day in days for time in times)


YEAR_FIRST = (
    *_with(("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"), (*_TIMES, "T%H:%M:%S%.f")),
    *_ZONED,
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    *_with(("%Y%m%d",), _TIMES[1:]),
    *_with(
        ("%Y年%m月%d日",), ("", "%H:%M:%S", "%H:%M", " %H:%M:%S", " %H:%M", "%H时%M分", "%H时%M分%S秒", " %H时%M分%S秒")
    ),
)
"""Ways that cannot be mistaken for one another; a column may mix them."""
NAMED = (
    *_with(
        ("%d-%B-%y", "%d-%B-%Y", "%d %B %y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%B %d %Y", "%d/%B/%Y", "%Y-%B-%d")
    ),
    "%a, %d %B %Y %H:%M:%S %z",
    "%a %B %d %H:%M:%S %Y",
    "%d %B %Y %H:%M:%S %z",
)
DOTTED = _with(("%d.%m.%y", "%d.%m.%Y"), (*_TIMES, ", %H:%M:%S", ", %H:%M"))
NUMBERS = ("excel", "unix", "unix_ms")
"""Days since 1899-12-30, seconds and milliseconds since 1970."""
_UNCLEAR_DAYS = tuple(
    tuple(way.replace("/", mark) for way in ways)
    for mark in "/-"
    for ways in (("%d/%m/%y", "%m/%d/%y", "%y/%m/%d"), ("%d/%m/%Y", "%m/%d/%Y"))
)
UNCLEAR = tuple(
    tuple(f"{day}{time}" for day in days) for days in _UNCLEAR_DAYS for time in (*_TIMES, ", %H:%M:%S", ", %H:%M")
)
"""Groups of ways between which only the cells can decide."""
_ALL = (*YEAR_FIRST, *NAMED, *DOTTED, *(way for group in UNCLEAR for way in group), *NUMBERS)
_SAMPLE = 300
_RANGES = {"excel": (20_000.0, 80_000.0), "unix": (1e8, 4.2e9), "unix_ms": (1e11, 4.2e12)}
_TIMED = re.compile("%[HITRsX]")


class Moments:
    """Reads the days and moments of one file.

    Args:
        place: name of the file, for errors.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._ways: dict[str, str] = {}

    def read(self, values: pl.Series, how: Source, name: str) -> pl.Series:
        """Values as moments in the shop's own time, without a time zone; null where there is none.

        Args:
            values: text, numbers, days or moments.
            how: format and time zones from the mapping.
            name: the column, for errors.

        Raises:
            MappingError: day and month could change places, and no cell decides.
        """
        if values.dtype in (pl.Date, pl.Datetime):
            return _local(values, how)
        if values.dtype == pl.Null or not (values.dtype == pl.String or values.dtype.is_numeric()):
            return pl.Series(values.name, [None], dtype=MOMENT).new_from_index(0, values.len())
        cells = values.str.strip_chars() if values.dtype == pl.String else _digits(values)
        if how.format is not None:
            ways: tuple[str, ...] = (how.format,) if isinstance(how.format, str) else how.format
        else:
            ways = self._found(cells, name)
        return _tried(cells, ways, how).alias(values.name)

    def decided(self, name: str) -> tuple[str, ...]:
        """Formats to read single cells of a column with, where the file as a whole decided between several; else none.

        A correction may also be typed with the year first.
        """
        way = self._ways.get(name)
        return (way, *YEAR_FIRST[:3]) if way is not None and any(way in group for group in UNCLEAR) else ()

    def _found(self, cells: pl.Series, name: str) -> tuple[str, ...]:
        """The way in which the column is written, and those that it may be mixed with."""
        way = self._ways.get(name)
        if way is None:
            held = cells.drop_nulls()
            held = held.filter(held != "")
            if not held.len():
                return YEAR_FIRST[:1]
            way, decided = self._best(held, name)
            if decided:
                self._ways[name] = way
        return (way, *(other for other in YEAR_FIRST if other != way)) if way in YEAR_FIRST else (way,)

    def _best(self, cells: pl.Series, name: str) -> tuple[str, bool]:
        """The way that reads most cells, and whether they leave no doubt."""
        sample = cells.head(_SAMPLE)
        counts: dict[str, int] = {}
        for way in _ALL:
            counts[way] = _reads(sample, way)
            if counts[way] == sample.len():
                break  # none after it can read more
        best = max(counts, key=lambda way: counts[way])
        group = next((each for each in UNCLEAR if best in each), ())
        if not group:
            return best, counts[best] > 0
        unique = cells.unique()
        reads = {way: _reads(unique, way) for way in group}
        most = max(reads.values())
        rivals = [way for way in group if reads[way] == most]
        if len(rivals) == 1:
            return rivals[0], True
        first, *others = (_plausible(_parsed(unique, way), way) for way in rivals)
        if all(first.equals(other, null_equal=True) for other in others):
            return rivals[0], False  # 05/05/2024 reads the same either way; a later chunk may decide
        example = unique.filter(first.is_not_null() & (first != others[0]))[0]
        raise MappingError(
            f"{self._place}: {name} is written like {example!r}, and nothing in it decides between "
            f"{' and '.join(rivals)}.",
            f'Say in the mapping which it is: format = "{rivals[0]}"',
        )


def _tried(cells: pl.Series, ways: tuple[str, ...], how: Source) -> pl.Series:
    """Cells read in the first of several ways that reads them."""
    read = _local(_parsed(cells, ways[0], how.format is None), how, ways[0])
    missing = read.null_count() - cells.null_count()
    if not missing or len(ways) == 1:
        return read
    left = (read.is_null() & cells.is_not_null() & (cells != "")).arg_true()
    for way in ways[1:]:
        if not left.len():
            break
        part = _local(_parsed(cells[left], way, how.format is None), how, way)
        if part.null_count() < part.len():
            hit = part.is_not_null()
            read = read.scatter(left.filter(hit), part.filter(hit))
            left = left.filter(~hit)
    return read


def _reads(cells: pl.Series, way: str) -> int:
    read = _parsed(cells, way)
    return read.len() - read.null_count()


def _parsed(cells: pl.Series, way: str, guessed: bool = True) -> pl.Series:
    """Days or moments in cells that are written in one way; null elsewhere."""
    if way in NUMBERS:
        return _counted(cells, way)
    # strptime reads 1 Sept and 一月 no better; English names only.
    if _TIMED.search(way):
        read = cells.str.to_datetime(way, strict=False, time_unit="us")
    else:
        read = cells.str.to_date(way, strict=False)
    return _plausible(read, way) if guessed else read


def _plausible(read: pl.Series, way: str) -> pl.Series:
    """Without years of two digits that were read as the years 1 to 99."""
    if "%Y" not in way or read.null_count() == read.len():
        return read
    low = read.dt.year().min()  # the year alone: Python has no date before the year 1
    if isinstance(low, int) and low < 1000:
        return read.set(read.dt.year() < 1000, None)
    return read


def _counted(cells: pl.Series, way: str) -> pl.Series:
    """Numbers that count days, seconds or milliseconds; others are null."""
    count = cells.cast(pl.Float64, strict=False)
    low, high = _RANGES[way]
    count = count.set(~count.is_between(low, high).fill_null(False), None)
    if way == "excel":
        # Excel counts seconds in binary fractions of a day; beyond the millisecond they are noise.
        micros = (count * 86_400_000).round().cast(pl.Int64) * 1000
        start = pl.Series([date(1899, 12, 30)]).cast(MOMENT)
        return start + micros.cast(pl.Duration("us"))
    micros = (count * (1_000_000 if way == "unix" else 1000)).round().cast(pl.Int64)
    return micros.cast(MOMENT).dt.replace_time_zone("UTC")


def _digits(values: pl.Series) -> pl.Series:
    """Numbers as text, whole ones without a point."""
    if not values.dtype.is_float():
        return values.cast(pl.String)
    whole = values.cast(pl.Int64, strict=False)
    plain = (whole.cast(values.dtype) == values).fill_null(False)
    return whole.cast(pl.String).zip_with(plain, values.cast(pl.String))


def _local(read: pl.Series, how: Source, way: str = "") -> pl.Series:
    """Moments in the shop's own time."""
    if read.dtype == pl.Date:
        return read.cast(MOMENT)
    zone = getattr(read.dtype, "time_zone", None)
    read = read.cast(pl.Datetime("us", zone), strict=False)
    given = "UTC" if way.endswith(" UTC") else how.timezone
    if zone is None and given:
        read = read.dt.replace_time_zone(given, ambiguous="earliest", non_existent="null")
        zone = given
    if zone is None:
        return read
    return read.dt.convert_time_zone(how.local or "UTC").dt.replace_time_zone(None)
