"""What a file means differently from the files before it.

The tests compare a file with its own kind (the same mapping block) and product by product, so that a busy December,
a sale or a new range is no alarm, while a price in cents is. Each has a threshold far from what real files did; see
``benchmarks/checks.py`` for its false alarms on real data and its hits on planted changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise

from windvane.errors import InputError
from windvane.ingest.checks.history import TIMES, Past, Profile, known_share, ratios
from windvane.schema import Table

LIMITS = {"money": 0.4, "units": 0.78, "days": 0.78}
"""Change of the median product, in powers of ten, from which a column's scale has changed: x2.5 and x6."""
_OTHER_LIMIT = 1.2
_PAIRS = 8
_ROWS = 30
_IN_ORDER = ("orders", "stock", "receipts", "events", "reviews")  # plans speak of days in any order
_FEW = 20


@dataclass(frozen=True)
class Change:
    """One difference from the files before.

    Attributes:
        name: which test saw it: scale, part_scale, level, swapped, whole, sign, emptied, codes, dates, currency,
            type, columns.
        column: column of the table, or of the file for currency, type and columns.
        text: what is different, with its numbers.
        serious: whether the file must be refused unless the change is accepted; otherwise it is a note.
    """

    name: str
    column: str
    text: str
    serious: bool


def changes(table: Table, profile: Profile, past: Past, used: Iterable[str] = ()) -> list[Change]:
    """Differences between a file and the files before it.

    Args:
        table: the table it fills.
        profile: what it looks like.
        past: what the earlier files of its block looked like.
        used: columns of the file that the mapping uses.

    Returns:
        Serious ones first; none where there is nothing to compare or the file has no rows. Where only other blocks
        of the table are on record, money is compared and nothing else: sources may differ in everything but that.
    """
    if not profile.rows:
        return []
    if not past.profiles:
        return [each for each in _scales(table, profile, past) if table[each.column].unit == "money"]
    found = [
        *_swapped(table, profile, past),
        *_scales(table, profile, past),
        *_wholes(table, profile, past),
        *_signs(profile, past),
        *_emptied(profile, past),
        *_codes(profile, past),
        *_places(profile, past),
        *_flipped(table, profile, past),
        *_currencies(profile, past),
        *_schema(profile, past, set(used)),
    ]
    rescaled = {each.column for each in found if each.name in ("scale", "part_scale", "level")}
    found += _order(profile, past, rescaled)
    swapped = {name for each in found if each.name == "swapped" for name in each.column.split(", ")}
    # A swap shows as two changes of scale as well; one complaint is enough.
    kept = [each for each in found if not (each.name in ("scale", "part_scale") and each.column in swapped)]
    return sorted(kept, key=lambda each: not each.serious)


def settle(found: list[Change], label: str, table: Table, accept: bool) -> list[str]:
    """Refuse a file that changed its meaning; otherwise say what there is to note.

    Args:
        found: differences from the files before.
        label: name of the file.
        table: the table it fills.
        accept: whether changes of meaning are accepted.

    Returns:
        Notes for the report.

    Raises:
        InputError: a serious change is not accepted.
    """
    serious = [each for each in found if each.serious]
    if serious and not accept:
        told = "; ".join(each.text for each in serious[:3])
        raise InputError(
            f"{label}: the columns of table {table.name} seem to mean something else than in the files before: {told}. "
            "Nothing of it was taken.",
            "Correct the file or the mapping; if the change is meant, ingest it with --accept-changes.",
            table=table.name,
            column=serious[0].column,
        )
    return [each.text for each in found]


def _scales(table: Table, profile: Profile, past: Past) -> Iterator[Change]:
    for name in profile.numbers:
        each = ratios(profile, past, name)
        unit = table[name].unit
        learned = max((2 * abs(shift[name]) for shift in past.shifts if name in shift), default=0.0)
        limit = max(LIMITS.get(unit, _OTHER_LIMIT) if table.name != "stock" else _OTHER_LIMIT, learned)
        if len(each) < _PAIRS:
            yield from _level(name, profile, past)
            continue
        middle = sorted(each)[len(each) // 2]
        moved = sum(abs(r - middle) < abs(r) for r in each) / len(each)
        if abs(middle) >= limit and moved >= 0.8:
            yield Change(
                "scale",
                name,
                f"{name} is {_times(middle)} what it was, in the median of {len(each)} products seen before",
                True,
            )
            continue
        moved_far = max(sum(r > 1.3 for r in each), sum(r < -1.3 for r in each))
        far = moved_far / len(each)
        if unit == "money" and far >= 0.15 and moved_far >= _PAIRS // 2:
            yield Change("part_scale", name, f"{name} of {far:.0%} of {len(each)} products changed 20-fold", True)


def _level(name: str, profile: Profile, past: Past) -> Iterator[Change]:
    """Where too few products are the same: the whole column lies elsewhere, by a factor of 20 or more."""
    before = [p.numbers[name] for p in past.profiles if name in p.numbers and p.rows >= _ROWS]
    if not before or profile.rows < _ROWS:
        return
    now, low, high = profile.numbers[name], min(p["low"] for p in before), max(p["high"] for p in before)
    moved = min((now["middle"] - p["middle"] for p in before), key=abs)
    if abs(moved) >= 1.3 and (now["low"] > high or now["high"] < low):
        yield Change("level", name, f"{name} is {_times(moved)} what it was, in the median row", True)


def _swapped(table: Table, profile: Profile, past: Past) -> Iterator[Change]:
    """Two columns whose values, product by product, are those that the other had."""
    for a, b in combinations(profile.numbers, 2):
        better = total = 0
        for key, mine in profile.groups.items():
            old = past.groups.get(key, {})
            if not (mine.get(a) and mine.get(b) and old.get(a) and old.get(b)):
                continue
            moves = abs(math.log10(mine[a] / old[a])), abs(math.log10(mine[b] / old[b]))
            straight = sum(moves)
            crossed = abs(math.log10(mine[a] / old[b])) + abs(math.log10(mine[b] / old[a]))
            if abs(math.log10(old[a] / old[b])) < 0.2:
                continue  # the two are too alike in this product to tell them apart
            total += 1
            better += crossed < straight and min(moves) > 0.1
        if total >= _PAIRS and better >= 0.8 * total:
            text = f"{a} and {b} look swapped: {better} of {total} products have in each what the other had"
            yield Change("swapped", f"{a}, {b}", text, True)


def _order(profile: Profile, past: Past, rescaled: set[str]) -> Iterator[Change]:
    """Of two sums of money one was always the smaller, and is now the larger, though no scale explains it."""
    for pair, share in profile.below.items():
        if len(rescaled.intersection(pair.split("<"))) == 1:
            continue
        before = [p.below.get(pair, 0.5) for p in past.profiles]
        if (max(before) <= 0.05 and share >= 0.6) or (min(before) >= 0.95 and share <= 0.4):
            a, b = pair.split("<")
            text = f"{a} was below {b} in {before[-1]:.0%} of rows and is in {share:.0%}"
            yield Change("swapped", f"{a}, {b}", text, True)


def _wholes(table: Table, profile: Profile, past: Past) -> Iterator[Change]:
    for name, now in profile.numbers.items():
        before = [p.numbers[name]["whole"] for p in past.profiles if name in p.numbers]
        if table[name].unit != "units" or not before or profile.rows < _ROWS:
            continue
        if min(before) >= 0.98 and now["whole"] <= 0.6:
            text = f"{name} was whole in {min(before):.0%} of rows and is in {now['whole']:.0%}"
            yield Change("whole", name, text, True)


def _signs(profile: Profile, past: Past) -> Iterator[Change]:
    for name, now in profile.numbers.items():
        before = [p.numbers[name]["negative"] for p in past.profiles if name in p.numbers]
        if before and profile.rows >= _ROWS and max(before) <= 0.5 and now["negative"] >= 0.9:
            text = f"{name} is negative in {now['negative']:.0%} of rows and was in {max(before):.0%} at most"
            yield Change("sign", name, text, True)


def _emptied(profile: Profile, past: Past) -> Iterator[Change]:
    for name, now in profile.empty.items():
        before = [p.empty.get(name, 1.0) for p in past.profiles]
        if profile.rows >= _ROWS and max(before) <= 0.05 and now >= 0.95:
            yield Change("emptied", name, f"{name} is empty in {now:.0%} of rows and was filled before", True)


def _codes(profile: Profile, past: Past) -> Iterator[Change]:
    """Products that no file had before: a new range keeps some old products or the old kind of code."""
    share = known_share(profile, past)
    if math.isnan(share):
        return
    count = len(profile.groups)
    usual = [known for known in past.known if not math.isnan(known)]
    established = len(usual) >= 2 and min(usual) >= 0.2 and share <= 0.2 * min(usual) and count >= _FEW
    if share > 0.05 and not established:
        return
    shapes = profile.shapes.get("sku", {})
    pooled = [p.shapes.get("sku", {}) for p in past.profiles]
    same = sum(min(part, max(p.get(shape, 0.0) for p in pooled)) for shape, part in shapes.items())
    enough = count >= _FEW or (count >= 3 and share == 0.0 and profile.rows >= _ROWS)
    recoded = bool(shapes) and same < 0.2 and enough
    if established or recoded:
        text = f"only {share:.0%} of {count} products were in the files before"
        if usual:
            text += f" (usually {sum(usual) / len(usual):.0%})"
        if recoded:
            text += f", and their codes look different ({next(iter(shapes))!r} instead of {_first(pooled[-1])!r})"
        yield Change("codes", "sku", text, True)
    elif count >= _FEW:
        yield Change("codes", "sku", f"only {share:.0%} of {count} products were in the files before", False)


def _places(profile: Profile, past: Past) -> Iterator[Change]:
    """Every file had the same places, and this one has none of them. Files by store never establish that."""
    before = [set(p.places) for p in past.profiles]
    if len(before) < 3 or not profile.places or not all(before):
        return
    every = before[0].union(*before[1:])
    if before[0].intersection(*before[1:]) and every.isdisjoint(profile.places):
        count = len(profile.places)
        yield Change("codes", "location", f"none of the {count} locations was in the files before", True)


def _flipped(table: Table, profile: Profile, past: Past) -> Iterator[Change]:
    """Day and month changed places: read the other way round, the dates go on where the files before ended."""
    days = [date.fromisoformat(day) for day in profile.days]
    ends = sorted((p.first, p.last) for p in past.profiles if p.first and p.last)
    if table.name not in _IN_ORDER or len(ends) < 3 or not days or any(day.day > 12 for day in days):
        return
    turned = sorted(day.replace(month=day.day, day=day.month) for day in days)
    if turned == days:
        return
    spans = [_apart(first, last) for first, last in ends]
    pauses = [_apart(a[1], b[0]) for a, b in pairwise(ends)]
    last, span, pause = date.fromisoformat(max(e for _, e in ends)), max(spans), max(7, *pauses)

    def fits(seen: list[date]) -> bool:
        late = (seen[0] - last).days
        return -span - 1 <= late <= pause + 1 and (seen[-1] - seen[0]).days <= 1.5 * span + 3

    if fits(turned) and not fits(days) and (abs((days[0] - last).days) > 14 or (days[-1] - days[0]).days > 20):
        text = f"{TIMES[table.name]} runs from {days[0]} to {days[-1]}; "
        text += f"with day and month changed over it would go on from {last}"
        yield Change("dates", TIMES[table.name], text, True)


def _currencies(profile: Profile, past: Past) -> Iterator[Change]:
    before = {name for p in past.profiles for name in p.currencies}
    if before and profile.currencies and (new := sorted(set(profile.currencies) - before)):
        yield Change("currency", "", f"the currency is {', '.join(new)} and was {', '.join(sorted(before))}", True)


def _schema(profile: Profile, past: Past, used: set[str]) -> Iterator[Change]:
    before = past.profiles[-1].header
    for name in sorted(used & set(profile.header) & set(before)):
        kinds = before[name], profile.header[name]
        if kinds[0] != kinds[1] and all(kinds):
            yield Change("type", name, f"the file's column {name!r} holds {kinds[1]} and held {kinds[0]}", True)
    if new := [name for name in profile.header if name not in before]:
        yield Change("columns", new[0], f"new columns that the mapping does not use: {_some(new)}", False)
    if gone := [name for name in before if name not in profile.header]:
        yield Change("columns", gone[0], f"columns that are no longer there: {_some(gone)}", False)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _apart(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def _first(shapes: dict[str, float]) -> str:
    return next(iter(shapes), "")


def _times(power: float) -> str:
    factor = 10 ** abs(power)
    return f"{factor:,.4g} times" if power > 0 else f"1/{factor:,.4g} of"
